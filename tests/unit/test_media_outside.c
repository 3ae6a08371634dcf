/* test_media_outside.c - decoded pixels against another program's: GraphicsMagick reads the same files
 *
 * Pictures of every kind are written to files, read by `gm` (turned upright, laid on white, 8 bits) and by Figment, and compared
 * pixel by pixel. What is lossless or merely scaled may differ by 1 from rounding; CMYK and subsampled JPEG by a little more,
 * because the programs round their arithmetic at different places. */
#include "sample_pictures.h"
#include "test.h"

static bool has_gm(void)
{
    int code = 1;
    return fig__process_run((const char *[]){ "gm", "version", NULL }, NULL, NULL, &code, NULL) == FIG_OK && code == 0;
}

/* What gm makes of the file, as grey or RGB bytes. */
static fig_picture read_by_gm(const char *folder, const char *path, bool grey, bool upright)
{
    const char *raw = sample_path(folder, grey ? "out.pgm" : "out.ppm");
    const char *argv[16] = { "gm", "convert", path };
    int at = 3, code = 1;
    if (upright)
        argv[at++] = "-auto-orient";
    const char *rest[] = { "-colorspace", "RGB", "-background", "white", "-flatten", "-depth", "8" };
    for (int i = 0; i < 7; i++)
        argv[at++] = rest[i];
    argv[at] = raw;
    fig_picture picture = { 0 };
    char *bytes;
    uint64_t length;
    int width, height, used = 0;
    if (fig__process_run(argv, NULL, NULL, &code, NULL) != FIG_OK || code ||
        fig__file_read(raw, 1 << 26, &bytes, &length, NULL) != FIG_OK)
        return picture;
    if (sscanf(bytes, grey ? "P5 %d %d 255%n" : "P6 %d %d 255%n", &width, &height, &used) == 2 && used) {
        size_t size = (size_t)width * (size_t)height * (grey ? 1 : 3);
        picture = (fig_picture){ width, height, grey ? 1 : 3, malloc(size) };
        memcpy(picture.pixels, bytes + used + 1, size);
    }
    free(bytes);
    return picture;
}

static void compare(const char *folder, const char *path, const char *what, bool upright, int tolerance)
{
    fig_picture ours = { 0 };
    fig_error err = { 0 };
    CHECK_OK(fig_picture_load(path, &ours, &err), err);
    fig_picture theirs = read_by_gm(folder, path, ours.channels == 1, upright);
    if (!theirs.pixels || theirs.width != ours.width || theirs.height != ours.height)
        TEST_FAIL("%s: %d x %d, gm reads %d x %d", what, ours.width, ours.height, theirs.width, theirs.height);
    else {
        int worst = 0;
        for (int i = 0; i < ours.width * ours.height * ours.channels; i++) {
            int away = abs(ours.pixels[i] - theirs.pixels[i]);
            worst = away > worst ? away : worst;
        }
        if (worst > tolerance)
            TEST_FAIL("%s: pixels differ from gm's by up to %d, expected %d", what, worst, tolerance);
    }
    fig_picture_free(&ours);
    fig_picture_free(&theirs);
}

FIG_TEST(png_of_every_kind)
{
    static const struct {
        int colour, depth, channels;
    } kinds[] = {
        { PNG_COLOR_TYPE_GRAY, 1, 1 },       { PNG_COLOR_TYPE_GRAY, 2, 1 },        { PNG_COLOR_TYPE_GRAY, 4, 1 },
        { PNG_COLOR_TYPE_GRAY, 8, 1 },       { PNG_COLOR_TYPE_GRAY, 16, 1 },       { PNG_COLOR_TYPE_GRAY_ALPHA, 8, 2 },
        { PNG_COLOR_TYPE_GRAY_ALPHA, 16, 2 }, { PNG_COLOR_TYPE_RGB, 8, 3 },        { PNG_COLOR_TYPE_RGB, 16, 3 },
        { PNG_COLOR_TYPE_RGB_ALPHA, 8, 4 },  { PNG_COLOR_TYPE_RGB_ALPHA, 16, 4 },  { PNG_COLOR_TYPE_PALETTE, 1, 1 },
        { PNG_COLOR_TYPE_PALETTE, 4, 1 },    { PNG_COLOR_TYPE_PALETTE, 8, 1 },
    };
    if (!has_gm())
        SKIP("gm (package graphicsmagick) is not installed");
    static buffer out;
    const char *folder = sample_folder();
    png_color palette[16];
    png_byte alpha[8];
    for (int i = 0; i < 16; i++)
        palette[i] = (png_color){ (png_byte)(i * 16), (png_byte)(255 - i * 9), (png_byte)(i * i) };
    for (int i = 0; i < 8; i++)
        alpha[i] = (png_byte)(i * 30);
    for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++)
        for (int variant = 0; variant < 2; variant++) { /* plain; interlaced, and palettes with transparency */
            bool by_palette = kinds[k].colour == PNG_COLOR_TYPE_PALETTE;
            static uint8_t rows[17][23 * 8];
            fig__rng random = { k + 1 };
            for (size_t i = 0; i < sizeof rows; i++)
                rows[i / sizeof rows[0]][i % sizeof rows[0]] =
                    (uint8_t)fig__rng_below(&random, by_palette && kinds[k].depth == 8 ? 16 : 256);
            int colours = kinds[k].depth == 1 ? 2 : 16, alphas = colours < 8 ? colours : 8;
            make_png(&out, 23, 17, kinds[k].depth, kinds[k].colour, variant, by_palette ? palette : NULL, colours,
                     by_palette && variant ? alpha : NULL, alphas, rows[0], sizeof rows[0]);
            char what[80];
            snprintf(what, sizeof what, "PNG of colour type %d, %d bits, variant %d", kinds[k].colour, kinds[k].depth, variant);
            const char *path = sample_path(folder, "picture.png");
            sample_bytes(path, out.bytes, out.length);
            /* gm lays 16-bit alpha on white with up to 2.3 of error against the exact result, Figment with up to 1.2. */
            compare(folder, path, what, false, kinds[k].depth == 16 && kinds[k].channels % 2 == 0 ? 3 : 1);
        }
    sample_folder_end(folder);
}

FIG_TEST(jpeg_of_every_kind)
{
    if (!has_gm())
        SKIP("gm (package graphicsmagick) is not installed");
    const char *folder = sample_folder();
    uint8_t exif[] = "Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0";
    for (int kind = 0; kind < 4 + 8; kind++) { /* grey, RGB, progressive, CMYK; then the eight orientations */
        int channels = kind == 0 ? 1 : kind == 3 ? 4 : 3;
        fig_picture made = sample_picture(43, 29, channels, 5);
        unsigned long length;
        exif[24] = (uint8_t)(kind - 3);
        uint8_t *bytes = sample_jpeg_bytes(&made, kind >= 4 ? exif : NULL, sizeof exif - 1, kind == 2, &length);
        const char *path = sample_path(folder, "picture.jpg");
        sample_bytes(path, bytes, length);
        char what[80];
        snprintf(what, sizeof what, "JPEG %d", kind);
        compare(folder, path, what, true, kind == 3 ? 2 : 1);
        free(bytes);
        fig_picture_free(&made);
    }
    sample_folder_end(folder);
}

FIG_TEST(webp_of_every_kind)
{
    if (!has_gm())
        SKIP("gm (package graphicsmagick) is not installed");
    const char *folder = sample_folder();
    for (int kind = 0; kind < 4; kind++) {
        fig_picture made = sample_picture(43, 29, kind < 2 ? 3 : 4, 5);
        for (int i = 0; made.channels == 4 && i < 43 * 29; i++)
            made.pixels[4 * i + 3] = (uint8_t)(i % 43 * 6);
        size_t length;
        uint8_t *bytes = sample_webp(&made, kind & 1, NULL, 0, &length);
        const char *path = sample_path(folder, "picture.webp");
        sample_bytes(path, bytes, length);
        char what[80];
        snprintf(what, sizeof what, "WebP %d", kind);
        compare(folder, path, what, false, 1);
        free(bytes);
        fig_picture_free(&made);
    }
    sample_folder_end(folder);
}

FIG_TEST_MAIN
