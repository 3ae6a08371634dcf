/* test_media.c - PNG, JPEG and WebP of every kind, broken ones, orientation, resizing, contact sheets */
#include "sample_pictures.h"
#include "test.h"

static fig_picture decoded(const void *bytes, size_t length, bool keep_alpha)
{
    fig_picture picture = { 0 };
    fig_error err = { 0 };
    fig__picture_facts facts;
    CHECK_OK(fig__picture_check(bytes, length, &facts, &err), err);
    CHECK_OK(fig__picture_decode(bytes, length, &(fig__decode_opts){ .keep_alpha = keep_alpha }, &picture, &err), err);
    CHECK_INT(facts.width, picture.width);
    CHECK_INT(facts.height, picture.height);
    CHECK(picture.channels == facts.channels || keep_alpha);
    return picture;
}

FIG_TEST(png_grey_depths)
{
    static buffer out;
    for (int depth = 1; depth <= 16; depth *= 2)
        for (int interlaced = 0; interlaced < 2; interlaced++) {
            uint8_t rows[5][32] = { { 0 } };
            int max = depth == 16 ? 255 : (1 << depth) - 1;
            for (int y = 0; y < 5; y++)
                for (int x = 0; x < 11; x++) {
                    int value = (x + 2 * y) % (max + 1);
                    if (depth == 16)
                        rows[y][2 * x] = rows[y][2 * x + 1] = (uint8_t)value;
                    else
                        rows[y][x * depth / 8] |= (uint8_t)(value << (8 - depth - x * depth % 8));
                }
            make_png(&out, 11, 5, depth, PNG_COLOR_TYPE_GRAY, interlaced, NULL, 0, NULL, 0, rows[0], 32);
            fig_picture picture = decoded(out.bytes, out.length, false);
            REQUIRE(picture.pixels);
            CHECK_INT(picture.channels, 1);
            for (int y = 0; y < 5; y++)
                for (int x = 0; x < 11; x++)
                    CHECK_INT(picture.pixels[y * 11 + x], (x + 2 * y) % (max + 1) * 255 / max);
            fig_picture_free(&picture);
        }
}

FIG_TEST(png_palette_and_transparency)
{
    static buffer out;
    png_color palette[3] = { { 10, 20, 30 }, { 200, 0, 100 }, { 0, 255, 0 } };
    png_byte alpha[2] = { 0, 128 };
    uint8_t rows[2][4] = { { 0, 1, 2, 0 }, { 2, 2, 1, 1 } };
    make_png(&out, 4, 2, 8, PNG_COLOR_TYPE_PALETTE, false, palette, 3, NULL, 0, rows[0], 4);
    fig_picture picture = decoded(out.bytes, out.length, false);
    CHECK_INT(picture.channels, 3);
    CHECK(!memcmp(picture.pixels + 3, "\xc8\0\x64", 3));
    fig_picture_free(&picture);

    make_png(&out, 4, 2, 8, PNG_COLOR_TYPE_PALETTE, true, palette, 3, alpha, 2, rows[0], 4);
    picture = decoded(out.bytes, out.length, false);
    CHECK_INT(picture.channels, 3);
    CHECK(!memcmp(picture.pixels, "\xff\xff\xff", 3)); /* transparent: white */
    CHECK_INT(picture.pixels[3], (200 * 128 + 255 * 127 + 127) / 255);
    CHECK_INT(picture.pixels[6], 0);
    fig_picture_free(&picture);
    picture = decoded(out.bytes, out.length, true);
    CHECK_INT(picture.channels, 4);
    CHECK_INT(picture.pixels[7], 128);
    CHECK_INT(picture.pixels[11], 255);
    fig_picture_free(&picture);

    uint8_t grey_alpha[2][8] = { { 100, 255, 100, 0, 0, 51, 7, 255 }, { 0 } };
    make_png(&out, 4, 2, 8, PNG_COLOR_TYPE_GRAY_ALPHA, false, NULL, 0, NULL, 0, grey_alpha[0], 8);
    picture = decoded(out.bytes, out.length, false);
    CHECK_INT(picture.channels, 1);
    CHECK(picture.pixels[0] == 100 && picture.pixels[1] == 255 && picture.pixels[2] == 204 && picture.pixels[4] == 255);
    fig_picture_free(&picture);
    picture = decoded(out.bytes, out.length, true);
    CHECK_INT(picture.channels, 4);
    CHECK(picture.pixels[0] == 100 && picture.pixels[2] == 100 && picture.pixels[3] == 255);
    fig_picture_free(&picture);

    rows[1][3] = 9; /* outside the palette */
    make_png(&out, 4, 2, 8, PNG_COLOR_TYPE_PALETTE, false, palette, 3, NULL, 0, rows[0], 4);
    fig_error err = { 0 };
    CHECK_FAILS(fig__picture_decode(out.bytes, out.length, NULL, &picture, &err), err, FIG_E_FORMAT,
                "outside the palette");
    CHECK(picture.pixels == NULL);
}

FIG_TEST(png_wide_alpha)
{
    static buffer out;
    uint8_t rows[1][16] = { { 0xff, 0xff, 0x80, 0x80, 0, 0, 0xff, 0xff, 1, 1, 2, 2, 3, 3, 0, 0 } };
    make_png(&out, 2, 1, 16, PNG_COLOR_TYPE_RGB_ALPHA, false, NULL, 0, NULL, 0, rows[0], 16);
    fig_picture picture = decoded(out.bytes, out.length, false);
    CHECK_INT(picture.channels, 3);
    CHECK(!memcmp(picture.pixels, "\xff\x80\0\xff\xff\xff", 6));
    fig_picture_free(&picture);
}

FIG_TEST(save_and_load)
{
    const char *folder = sample_folder();
    for (int channels = 1; channels <= 4; channels += channels == 1 ? 2 : 1) {
        const char *path = sample_path(folder, "p.png");
        sample_png(path, 13, 7, channels, 3);
        fig_picture made = sample_picture(13, 7, channels, 3), read;
        fig_error err = { 0 };
        CHECK_OK(fig_picture_load(path, &read, &err), err);
        CHECK_INT(read.channels, channels == 4 ? 3 : channels);
        if (channels < 4)
            CHECK(!memcmp(made.pixels, read.pixels, (size_t)(13 * 7 * channels)));
        fig_picture_free(&made);
        fig_picture_free(&read);
    }
    fig_error err = { 0 };
    fig_picture odd = { 2, 2, 2, (uint8_t[8]){ 0 } }, none;
    CHECK_FAILS(fig_picture_save(&odd, sample_path(folder, "odd.png"), &err), err, FIG_E_USAGE, "channels");
    CHECK(!fig__path_exists(sample_path(folder, "odd.png")));
    CHECK_FAILS(fig_picture_load(sample_path(folder, "none.png"), &none, &err), err, FIG_E_NOT_FOUND, "none.png");
    sample_text(sample_path(folder, "html.png"), "<html>");
    CHECK_FAILS(fig_picture_load(sample_path(folder, "html.png"), &none, &err), err, FIG_E_FORMAT,
                "neither PNG, JPEG nor WebP (first bytes 3c 68 74 6d)");
    sample_text(sample_path(folder, "empty.png"), "");
    CHECK_FAILS(fig_picture_load(sample_path(folder, "empty.png"), &none, &err), err, FIG_E_FORMAT, "empty");
    CHECK_FAILS(fig_picture_load(folder, &none, &err), err, FIG_E_IO, "regular");
    sample_folder_end(folder);
}

FIG_TEST(jpeg_kinds)
{
    for (int kind = 0; kind < 4; kind++) {
        int channels = kind == 0 ? 1 : kind == 3 ? 4 : 3;
        fig_picture made = sample_picture(40, 24, channels, 0);
        if (channels == 4) /* CMYK as Adobe stores it: no ink is 255 */
            memset(made.pixels, 255, 40 * 24 * 4);
        unsigned long length;
        uint8_t *bytes = sample_jpeg_bytes(&made, NULL, 0, kind == 2, &length);
        fig_picture read = decoded(bytes, length, false);
        REQUIRE(read.pixels);
        CHECK_INT(read.channels, channels == 1 ? 1 : 3);
        for (int i = 0; i < 40 * 24 * read.channels; i += 7)
            if (channels < 4)
                CHECK(abs(read.pixels[i] - made.pixels[i]) <= 24);
            else
                CHECK(read.pixels[i] >= 250);
        fig_picture_free(&read);

        fig_error err = { 0 };
        CHECK_OK(fig__picture_decode(bytes, length, &(fig__decode_opts){ .short_side = 6 }, &read, &err), err);
        CHECK_INT(read.height, 12);
        CHECK_INT(read.width, 20);
        fig_picture_free(&read);

        /* cut anywhere: an error, never a picture with invented parts */
        fig__picture_facts facts;
        for (unsigned long cut = 0; cut < length - 2; cut += 1 + cut / 50) {
            CHECK(fig__picture_check(bytes, cut, &facts, &err) != FIG_OK);
            fig_error_clear(&err);
            CHECK(fig__picture_decode(bytes, cut, NULL, &read, &err) != FIG_OK);
            fig_error_clear(&err);
            fig_picture_free(&read);
        }
        free(bytes);
        fig_picture_free(&made);
    }
}

FIG_TEST(png_cut_and_flipped)
{
    static buffer out;
    uint8_t rows[9][9];
    for (int i = 0; i < 81; i++)
        rows[i / 9][i % 9] = (uint8_t)(i * 31);
    make_png(&out, 9, 9, 8, PNG_COLOR_TYPE_GRAY, false, NULL, 0, NULL, 0, rows[0], 9);
    fig_error err = { 0 };
    fig_picture picture;
    fig__picture_facts facts;
    for (size_t cut = 0; cut < out.length; cut++) {
        CHECK(fig__picture_check(out.bytes, cut, &facts, &err) != FIG_OK);
        fig_error_clear(&err);
        CHECK(fig__picture_decode(out.bytes, cut, NULL, &picture, &err) != FIG_OK);
        fig_error_clear(&err);
    }
    for (size_t bit = 0; bit < out.length * 8; bit++) {
        out.bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
        bool sound = fig__picture_check(out.bytes, out.length, &facts, NULL) == FIG_OK;
        if (fig__picture_decode(out.bytes, out.length, NULL, &picture, NULL) == FIG_OK)
            fig_picture_free(&picture);
        else
            CHECK(!sound); /* what the check passes must decode */
        out.bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
}

FIG_TEST(sizes_are_refused_before_memory_is_taken)
{
    static buffer out;
    uint8_t rows[1][1] = { { 0 } };
    make_png(&out, 1, 1, 8, PNG_COLOR_TYPE_GRAY, false, NULL, 0, NULL, 0, rows[0], 1);
    static const uint32_t sizes[][2] = {
        { 0x7fffffff, 0x7fffffff }, { 65535, 65535 }, { 16385, 1 }, { 1, 16385 }, { 16384, 4097 }, { 0, 1 }
    };
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        for (int k = 0; k < 4; k++) {
            out.bytes[16 + k] = (uint8_t)(sizes[i][0] >> (24 - 8 * k));
            out.bytes[20 + k] = (uint8_t)(sizes[i][1] >> (24 - 8 * k));
        }
        uint32_t crc = (uint32_t)crc32(0, out.bytes + 12, 17);
        for (int k = 0; k < 4; k++)
            out.bytes[29 + k] = (uint8_t)(crc >> (24 - 8 * k));
        fig__picture_facts facts;
        fig_picture picture;
        fig_error err = { 0 };
        fig_status status = fig__picture_check(out.bytes, out.length, &facts, &err);
        CHECK(status == (i == 5 ? FIG_E_FORMAT : FIG_E_LIMIT));
        CHECK(fig__picture_decode(out.bytes, out.length, NULL, &picture, NULL) != FIG_OK);
    }
}

FIG_TEST(exif_orientation)
{
    uint8_t exif[] = "Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0";
    CHECK_INT(fig__exif_orientation(exif, sizeof exif - 1), 6);
    uint8_t big[] = "Exif\0\0MM\0*\0\0\0\x08\0\x02\x01\x0f\0\x02\0\0\0\x04zzzz\x01\x12\0\x03\0\0\0\x01\0\x08\0\0";
    CHECK_INT(fig__exif_orientation(big, sizeof big - 1), 8);
    for (uint64_t cut = 0; cut < sizeof exif - 1; cut++)
        CHECK(fig__exif_orientation(exif, cut) == 1 || cut >= 28);
    exif[24] = 9;
    CHECK_INT(fig__exif_orientation(exif, sizeof exif - 1), 1);

    /* 1 2 3      stored; each orientation's upright form as rows
     * 4 5 6 */
    static const struct {
        int width;
        const char *rows;
    } upright[9] = {
        { 0, "" },       { 3, "123456" }, { 3, "321654" }, { 3, "654321" }, { 3, "456123" },
        { 2, "142536" }, { 2, "415263" }, { 2, "635241" }, { 2, "362514" },
    };
    for (int orientation = 1; orientation <= 8; orientation++) {
        fig_picture picture = { 3, 2, 1, malloc(6) };
        memcpy(picture.pixels, "123456", 6);
        CHECK_OK(fig__picture_orient(&picture, orientation, NULL), (fig_error){ 0 });
        CHECK_INT(picture.width, upright[orientation].width);
        if (memcmp(picture.pixels, upright[orientation].rows, 6))
            TEST_FAIL("orientation %d gives %.6s", orientation, picture.pixels);
        fig_picture_free(&picture);
    }

    /* through a whole file */
    exif[24] = 6;
    fig_picture made = sample_picture(48, 16, 3, 1);
    unsigned long length;
    uint8_t *bytes = sample_jpeg_bytes(&made, exif, sizeof exif - 1, false, &length);
    fig_picture read = decoded(bytes, length, false);
    CHECK_INT(read.width, 16);
    CHECK_INT(read.height, 48);
    fig_picture_free(&read);
    fig_picture_free(&made);
    free(bytes);
}

FIG_TEST(webp_kinds)
{
    for (int kind = 0; kind < 4; kind++) {
        bool lossless = kind & 1;
        int channels = kind < 2 ? 3 : 4;
        fig_picture made = sample_picture(40, 24, channels, 0);
        for (int i = 0; channels == 4 && i < 40 * 24; i++)
            made.pixels[4 * i + 3] = (uint8_t)(i % 40 < 20 ? 0 : 255);
        size_t length;
        uint8_t *bytes = sample_webp(&made, lossless, NULL, 0, &length);
        fig_picture read = decoded(bytes, length, false);
        REQUIRE(read.pixels);
        CHECK_INT(read.channels, 3);
        for (int i = 0; i < 40 * 24; i++)
            for (int c = 0; c < 3; c++) {
                int wanted = channels == 4 && i % 40 < 20 ? 255 : made.pixels[i * channels + c];
                CHECK(abs(read.pixels[3 * i + c] - wanted) <= (lossless ? 0 : 40));
            }
        fig_picture_free(&read);
        read = decoded(bytes, length, true);
        CHECK_INT(read.channels, channels);
        fig_picture_free(&read);
        fig__picture_facts facts;
        for (size_t cut = 0; cut < length; cut += 1 + cut / 50) { /* cut anywhere: an error */
            CHECK(fig__picture_check(bytes, cut, &facts, NULL) != FIG_OK);
            CHECK(fig__picture_decode(bytes, cut, NULL, &read, NULL) != FIG_OK);
            CHECK(!read.pixels);
        }
        for (size_t bit = 0; bit < length * 8; bit += 7) { /* damaged anywhere: no crash */
            bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
            if (fig__picture_decode(bytes, length, NULL, &read, NULL) == FIG_OK)
                fig_picture_free(&read);
            bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
        }
        free(bytes);
        fig_picture_free(&made);
    }
}

FIG_TEST(webp_orientation_and_animation)
{
    uint8_t exif[] = "Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0";
    for (unsigned skip = 0; skip <= 6; skip += 6) { /* with and without "Exif" before it */
        fig_picture made = sample_picture(48, 16, 3, 1);
        size_t length;
        uint8_t *bytes = sample_webp(&made, true, exif + skip, sizeof exif - 1 - skip, &length);
        fig_picture read = decoded(bytes, length, false);
        CHECK_INT(read.width, 16);
        CHECK_INT(read.height, 48);
        CHECK(read.pixels && !memcmp(read.pixels + 15 * 3, made.pixels, 3)); /* the first pixel is right at the top */
        fig_picture_free(&read);
        fig_picture_free(&made);
        free(bytes);
    }
    size_t length;
    uint8_t *bytes = sample_webp_animation(20, 10, 3, &length);
    fig_picture read = decoded(bytes, length, false);
    CHECK_INT(read.width, 20);
    CHECK(read.pixels && read.pixels[0] == 40 && read.pixels[1] == 41); /* the first frame, not a later one */
    fig_picture_free(&read);
    free(bytes);
}

FIG_TEST(backgrounds)
{
    static buffer out;
    uint8_t grey_alpha[1][8] = { { 100, 255, 100, 0, 0, 51, 7, 255 } };
    make_png(&out, 4, 1, 8, PNG_COLOR_TYPE_GRAY_ALPHA, false, NULL, 0, NULL, 0, grey_alpha[0], 8);
    fig_picture read;
    fig_error err = { 0 };
    static const uint8_t black[3], red[3] = { 255, 0, 0 };
    CHECK_OK(fig__picture_decode(out.bytes, out.length, &(fig__decode_opts){ .background = black }, &read, &err), err);
    CHECK_INT(read.channels, 1);
    CHECK(!memcmp(read.pixels, "\x64\0\0\x07", 4));
    fig_picture_free(&read);
    CHECK_OK(fig__picture_decode(out.bytes, out.length, &(fig__decode_opts){ .background = red }, &read, &err), err);
    CHECK_INT(read.channels, 3); /* a grey picture on a coloured ground has colour */
    CHECK(!memcmp(read.pixels, "\x64\x64\x64\xff\0\0\xcc\0\0", 9));
    fig_picture_free(&read);
}

FIG_TEST(png_orientation)
{
    static buffer out;
    uint8_t rows[1][3] = { { 1, 2, 3 } };
    make_png(&out, 3, 1, 8, PNG_COLOR_TYPE_GRAY, false, NULL, 0, NULL, 0, rows[0], 3);
    static const uint8_t body[] = "eXIfMM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x08\0\0";
    uint8_t chunk[100] = { 0, 0, 0, sizeof body - 5 };
    memcpy(chunk + 4, body, sizeof body - 1);
    uint32_t crc = (uint32_t)crc32(0, chunk + 4, sizeof body - 1);
    size_t size = 4 + sizeof body - 1, place = 33; /* after the header chunk */
    for (int k = 0; k < 4; k++)
        chunk[size++] = (uint8_t)(crc >> (24 - 8 * k));
    memmove(out.bytes + place + size, out.bytes + place, out.length - place);
    memcpy(out.bytes + place, chunk, size);
    fig_picture read = decoded(out.bytes, out.length + size, false);
    CHECK_INT(read.height, 3);
    CHECK(read.pixels && read.pixels[0] == 3 && read.pixels[2] == 1);
    fig_picture_free(&read);
}

FIG_TEST(resizing)
{
    fig__resizer *resizer = fig__resizer_new();
    uint8_t out[64 * 64 * 3];
    /* A constant picture stays constant at any size. */
    fig_picture flat = sample_picture(37, 23, 3, 0);
    memset(flat.pixels, 77, 37 * 23 * 3);
    for (int size = 1; size <= 64; size += 7) {
        fig__resize(resizer, &flat, size, 64 - size + 1, 3, out);
        for (int i = 0; i < size * (65 - size) * 3; i++)
            CHECK_INT(out[i], 77);
    }
    fig_picture_free(&flat);

    /* Halving an even picture: a triangle over four pixels, weights 1/8 3/8 3/8 1/8. */
    fig_picture stripes = { 8, 8, 1, malloc(64) };
    for (int i = 0; i < 64; i++)
        stripes.pixels[i] = (uint8_t)(i % 8 * 16);
    fig__resize(resizer, &stripes, 4, 4, 1, out);
    CHECK_INT(out[1], (16 + 3 * 32 + 3 * 48 + 64) / 8);
    /* Doubling is bilinear: between centres 3:1. */
    fig__resize(resizer, &stripes, 16, 16, 1, out);
    CHECK_INT(out[1], 4);
    CHECK_INT(out[2], 12);
    CHECK_INT(out[0], 0);
    /* Centre crop: a wide picture keeps its middle. */
    fig_picture wide = { 12, 4, 1, calloc(48, 1) };
    for (int i = 0; i < 48; i++)
        wide.pixels[i] = (uint8_t)(i % 12 * 10);
    fig__resize(resizer, &wide, 4, 4, 1, out);
    CHECK(out[0] == 40 && out[1] == 50 && out[2] == 60 && out[3] == 70);
    /* Grey to colour and back. */
    fig__resize(resizer, &wide, 4, 12, 3, out);
    CHECK(out[3] == 10 && out[4] == 10 && out[5] == 10);
    fig_picture colour = { 1, 1, 3, malloc(3) };
    memcpy(colour.pixels, "\xff\0\0", 3);
    fig__resize(resizer, &colour, 1, 1, 1, out);
    CHECK_INT(out[0], 76);
    fig__resize(resizer, &colour, 3, 3, 1, out);
    CHECK_INT(out[4], 76);
    fig_picture_free(&stripes);
    fig_picture_free(&wide);
    fig_picture_free(&colour);
    fig__resizer_free(resizer);
}

FIG_TEST(sheets)
{
    float pictures[3 * 4] = { -1, 1, 0, 2, -5, NAN, 1, 1, 0.5f, -0.5f, 0, 0 };
    fig_picture sheet;
    fig_error err = { 0 };
    CHECK_OK(fig_picture_sheet(pictures, 3, 2, 2, 1, -1, 1, 2, 1, 3, &sheet, &err), err);
    CHECK_INT(sheet.width, 2 * (6 + 1) + 1);
    CHECK_INT(sheet.height, 2 * (6 + 1) + 1);
    CHECK_INT(sheet.pixels[0], 128);
    CHECK_INT(sheet.pixels[1 * 15 + 1], 0);
    CHECK_INT(sheet.pixels[3 * 15 + 3], 0);
    CHECK_INT(sheet.pixels[1 * 15 + 4], 255);
    CHECK_INT(sheet.pixels[4 * 15 + 1], 128);
    CHECK_INT(sheet.pixels[4 * 15 + 4], 255);
    CHECK_INT(sheet.pixels[1 * 15 + 11], 0);  /* NaN */
    CHECK_INT(sheet.pixels[8 * 15 + 8], 128); /* no fourth picture */
    fig_picture_free(&sheet);

    float *many = calloc(64 * 28 * 28, sizeof *many);
    CHECK_OK(fig_picture_sheet(many, 64, 28, 28, 1, 0, 1, 8, 2, 0, &sheet, &err), err);
    CHECK(sheet.width >= 256 && sheet.width <= 1000);
    fig_picture_free(&sheet);
    free(many);
    CHECK_FAILS(fig_picture_sheet(pictures, 0, 2, 2, 1, -1, 1, 2, 1, 3, &sheet, &err), err, FIG_E_USAGE, "sheet");
    CHECK_FAILS(fig_picture_sheet(pictures, 3, 2, 2, 1, 1, 1, 2, 1, 3, &sheet, &err), err, FIG_E_USAGE, "range");
    CHECK_FAILS(fig_picture_sheet(pictures, 3, 2, 2, 1, 0, 1, 2, 1, 9000, &sheet, &err), err, FIG_E_LIMIT, "sheet");
}

FIG_TEST_MAIN
