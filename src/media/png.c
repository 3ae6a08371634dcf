/* png.c - PNG through libpng: every colour type, depth and interlacing comes out as 8-bit grey or RGB (or RGBA)
 *
 * libpng reports errors by longjmp. The job lives in the caller's frame and the setjmp in a function of its own, so
 * that no local of that function changes between the two. Ancillary chunks that carry text or profiles are never
 * unpacked: they are where small files inflate to gigabytes. */
#include "media/media.h"
#include <png.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>

static const uint8_t signature[8] = { 0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n' };

static bool png_is(const uint8_t *bytes, uint64_t length) { return length >= 8 && !memcmp(bytes, signature, 8); }

/* -- structure ----------------------------------------------------------------------------------------------------- */

/* CRC-32 of the PNG specification (annex D), bit by bit through a 16-entry table. */
static uint32_t chunk_crc(const uint8_t *bytes, uint64_t length)
{
    static const uint32_t table[16] = { 0x00000000, 0x1db71064, 0x3b6e20c8, 0x26d930ac, 0x76dc4190, 0x6b6b51f4,
                                        0x4db26158, 0x5005713c, 0xedb88320, 0xf00f9344, 0xd6d6a3e8, 0xcb61b38c,
                                        0x9b64c2b0, 0x86d3d2d4, 0xa00ae278, 0xbdbdf21c };
    uint32_t crc = 0xffffffffu;
    for (uint64_t i = 0; i < length; i++) {
        crc ^= bytes[i];
        crc = (crc >> 4) ^ table[crc & 15];
        crc = (crc >> 4) ^ table[crc & 15];
    }
    return ~crc;
}

static fig_status read_ihdr(const uint8_t *header, fig__picture_facts *facts, int *colour_type, fig_error *err)
{
    fig__reader reader;
    fig__reader_init(&reader, header, 13);
    uint32_t width = fig__read_u32_be(&reader), height = fig__read_u32_be(&reader);
    int depth = fig__read_u8(&reader);
    *colour_type = fig__read_u8(&reader);
    FIG_TRY(fig__picture_limits(width, height, err));
    bool known = *colour_type == 0 ? depth == 1 || depth == 2 || depth == 4 || depth == 8 || depth == 16
                 : *colour_type == 3
                     ? depth == 1 || depth == 2 || depth == 4 || depth == 8
                     : (*colour_type == 2 || *colour_type == 4 || *colour_type == 6) && (depth == 8 || depth == 16);
    if (!known)
        return fig_fail(err, FIG_E_FORMAT, "PNG of colour type %d with %d bits, which no PNG has", *colour_type, depth);
    *facts = (fig__picture_facts){ (int)width, (int)height, *colour_type & 2 ? 3 : 1, *colour_type & 4 };
    return FIG_OK;
}

static fig_status png_check(const uint8_t *bytes, uint64_t length, fig__picture_facts *facts, fig_error *err)
{
    fig__reader reader;
    fig__reader_init(&reader, bytes, length);
    fig__read_bytes(&reader, 8);
    bool header = false, palette = false, pixels = false;
    int colour_type = 0, orientation = 1;
    bool turned = false;
    for (;;) {
        uint64_t place = reader.position;
        uint32_t size = fig__read_u32_be(&reader);
        const uint8_t *chunk = fig__read_bytes(&reader, 4 + (uint64_t)size); /* name and data */
        uint32_t crc = fig__read_u32_be(&reader);
        if (reader.failed)
            return fig_fail(err, FIG_E_FORMAT, "truncated PNG: %llu bytes, and no end chunk",
                            (unsigned long long)length);
        bool critical = !(chunk[0] & 0x20);
        if (critical && chunk_crc(chunk, 4 + (uint64_t)size) != crc)
            return fig_fail(err, FIG_E_FORMAT, "corrupt PNG: wrong checksum of the chunk at byte %llu",
                            (unsigned long long)place);
        if (!header) {
            if (memcmp(chunk, "IHDR", 4) || size != 13)
                return fig_fail(err, FIG_E_FORMAT, "corrupt PNG: it does not begin with a header chunk");
            FIG_TRY(read_ihdr(chunk + 4, facts, &colour_type, err));
            header = true;
        } else if (!memcmp(chunk, "PLTE", 4))
            palette = true;
        else if (!memcmp(chunk, "tRNS", 4))
            facts->alpha = true;
        else if (!memcmp(chunk, "IDAT", 4))
            pixels = true;
        else if (!memcmp(chunk, "eXIf", 4) && !turned) { /* the first counts, as it does for decoding */
            orientation = fig__exif_orientation(chunk + 4, size);
            turned = true;
        } else if (!memcmp(chunk, "IEND", 4))
            break;
    }
    if (!pixels)
        return fig_fail(err, FIG_E_FORMAT, "corrupt PNG: no pixel data");
    if (colour_type == 3 && !palette)
        return fig_fail(err, FIG_E_FORMAT, "corrupt PNG: palette colours without a palette");
    if (orientation >= 5)
        *facts = (fig__picture_facts){ facts->height, facts->width, facts->channels, facts->alpha };
    return FIG_OK;
}

/* What an eXIf chunk asks for, wherever it stands. The file has been read to its end before. */
static int find_orientation(const uint8_t *bytes, uint64_t length)
{
    fig__reader reader;
    fig__reader_init(&reader, bytes, length);
    fig__read_bytes(&reader, 8);
    for (;;) {
        uint32_t size = fig__read_u32_be(&reader);
        const uint8_t *chunk = fig__read_bytes(&reader, 8 + (uint64_t)size); /* name, data, checksum */
        if (!chunk || !memcmp(chunk, "IEND", 4))
            return 1;
        if (!memcmp(chunk, "eXIf", 4))
            return fig__exif_orientation(chunk + 4, size);
    }
}

/* -- decoding ------------------------------------------------------------------------------------------------------ */

typedef struct png_job {
    fig__reader input;
    png_structp png;
    png_infop info;
    fig_picture raw; /* 1, 2 (grey, alpha), 3 or 4 channels */
    char message[160];
} png_job;

static _Noreturn void on_error(png_structp png, png_const_charp message)
{
    png_job *job = png_get_error_ptr(png);
    snprintf(job->message, sizeof job->message, "%s", message ? message : "unknown");
    png_longjmp(png, 1);
}

/* libpng calls missing pixel data of the last stream a warning and leaves rows black: here it is an error. */
static void on_warning(png_structp png, png_const_charp message)
{
    if (message && strstr(message, "Not enough"))
        png_error(png, message);
}

static void on_read(png_structp png, png_bytep out, size_t length)
{
    png_job *job = png_get_io_ptr(png);
    const uint8_t *bytes = fig__read_bytes(&job->input, length);
    if (!bytes)
        png_error(png, "the file is truncated");
    memcpy(out, bytes, length);
}

static void set_up_reading(png_job *job)
{
    static const png_byte skipped[] = "iCCP\0zTXt\0iTXt\0tEXt\0sPLT\0eXIf\0hIST";
    png_structp png = job->png;
    png_set_read_fn(png, job, on_read);
    png_set_user_limits(png, FIG__MAX_SIDE, FIG__MAX_SIDE);
    png_set_chunk_malloc_max(png, 2 << 20);
    png_set_chunk_cache_max(png, 64);
    png_set_keep_unknown_chunks(png, PNG_HANDLE_CHUNK_NEVER, skipped, 7);
    png_read_info(png, job->info);
    if (png_get_color_type(png, job->info) == PNG_COLOR_TYPE_PALETTE)
        png_set_packing(png); /* one byte an index; expand_palette does the rest */
    else
        png_set_expand(png);
    png_set_scale_16(png);
    png_set_interlace_handling(png);
    png_read_update_info(png, job->info);
}

/* Indices to colours. libpng's own expansion paints indices outside the palette black; here they are an error. */
static bool expand_palette(png_job *job, fig_error *err)
{
    png_colorp palette = NULL;
    png_bytep alpha = NULL;
    int colours = 0, alphas = 0;
    png_get_PLTE(job->png, job->info, &palette, &colours);
    png_get_tRNS(job->png, job->info, &alpha, &alphas, NULL);
    int channels = alphas ? 4 : 3;
    fig_picture out;
    if (fig__picture_new(job->raw.width, job->raw.height, channels, &out, err) != FIG_OK)
        return false;
    size_t count = (size_t)out.width * (size_t)out.height;
    for (size_t i = 0; i < count; i++) {
        int index = job->raw.pixels[i];
        uint8_t *to = out.pixels + i * (size_t)channels;
        if (index >= colours) {
            fig_picture_free(&out);
            fig_fail(err, FIG_E_FORMAT, "corrupt PNG: a pixel names colour %d, outside the palette of %d", index,
                     colours);
            return false;
        }
        memcpy(to, (uint8_t[]){ palette[index].red, palette[index].green, palette[index].blue }, 3);
        if (alphas)
            to[3] = index < alphas ? alpha[index] : 255;
    }
    fig_picture_free(&job->raw);
    job->raw = out;
    return true;
}

static bool run_decode(png_job *job, fig_error *err)
{
    if (setjmp(png_jmpbuf(job->png)))
        return false;
    set_up_reading(job);
    int width = (int)png_get_image_width(job->png, job->info), height = (int)png_get_image_height(job->png, job->info);
    int channels = png_get_channels(job->png, job->info);
    if (fig__picture_limits((uint64_t)width, (uint64_t)height, err) != FIG_OK ||
        fig__picture_new(width, height, channels, &job->raw, err) != FIG_OK)
        return false;
    size_t stride = (size_t)width * (size_t)channels;
    if (png_get_rowbytes(job->png, job->info) != stride)
        png_error(job->png, "rows of an unexpected size");
    int passes = png_get_interlace_type(job->png, job->info) == PNG_INTERLACE_ADAM7 ? 7 : 1;
    for (int pass = 0; pass < passes; pass++)
        for (int y = 0; y < height; y++)
            png_read_row(job->png, job->raw.pixels + (size_t)y * stride, NULL);
    png_read_end(job->png, NULL);
    return png_get_color_type(job->png, job->info) != PNG_COLOR_TYPE_PALETTE || expand_palette(job, err);
}

static fig_status png_decode(const uint8_t *bytes, uint64_t length, const fig__decode_opts *opts, fig_picture *out,
                             fig_error *err)
{
    png_job job = { 0 };
    fig_error inner = { 0 };
    fig__reader_init(&job.input, bytes, length);
    job.png = png_create_read_struct(PNG_LIBPNG_VER_STRING, &job, on_error, on_warning);
    job.info = job.png ? png_create_info_struct(job.png) : NULL;
    bool fine = job.info && run_decode(&job, &inner);
    png_destroy_read_struct(&job.png, &job.info, NULL);
    if (fine)
        fine = fig__picture_settle_alpha(&job.raw, opts, &inner) == FIG_OK &&
               fig__picture_orient(&job.raw, find_orientation(bytes, length), &inner) == FIG_OK;
    if (fine) {
        *out = job.raw;
        return FIG_OK;
    }
    fig_picture_free(&job.raw);
    if (inner.status != FIG_OK)
        return fig_fail(err, inner.status, "%s", inner.message);
    return fig_fail(err, FIG_E_FORMAT, "corrupt PNG: %s", job.message[0] ? job.message : "it cannot be read");
}

/* -- writing ------------------------------------------------------------------------------------------------------- */

typedef struct png_output {
    void (*write)(void *user, const void *data, size_t length);
    void *user;
    char message[160];
} png_output;

static void on_write(png_structp png, png_bytep data, size_t length)
{
    png_output *output = png_get_io_ptr(png);
    output->write(output->user, data, length);
}
static void on_flush(png_structp png) { (void)png; }

static _Noreturn void on_write_error(png_structp png, png_const_charp message)
{
    png_output *output = png_get_error_ptr(png);
    snprintf(output->message, sizeof output->message, "%s", message ? message : "unknown");
    png_longjmp(png, 1);
}
static void on_write_warning(png_structp png, png_const_charp message) { (void)png, (void)message; }

static bool run_encode(png_structp png, png_infop info, const fig_picture *picture)
{
    if (setjmp(png_jmpbuf(png)))
        return false;
    int colour = picture->channels == 1   ? PNG_COLOR_TYPE_GRAY
                 : picture->channels == 3 ? PNG_COLOR_TYPE_RGB
                                          : PNG_COLOR_TYPE_RGB_ALPHA;
    png_set_IHDR(png, info, (png_uint_32)picture->width, (png_uint_32)picture->height, 8, colour, PNG_INTERLACE_NONE,
                 PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
    png_write_info(png, info);
    for (int y = 0; y < picture->height; y++)
        png_write_row(png, picture->pixels + (size_t)y * (size_t)picture->width * (size_t)picture->channels);
    png_write_end(png, info);
    return true;
}

fig_status fig__png_write(const fig_picture *picture, void (*write)(void *user, const void *data, size_t length),
                          void *user, fig_error *err)
{
    if (picture->width < 1 || picture->height < 1 || !picture->pixels ||
        (picture->channels != 1 && picture->channels != 3 && picture->channels != 4))
        return fig_fail(err, FIG_E_USAGE,
                        "a picture of %d x %d pixels and %d channels cannot be written (channels are 1, 3 or 4)",
                        picture->width, picture->height, picture->channels);
    png_output output = { write, user, "" };
    png_structp png = png_create_write_struct(PNG_LIBPNG_VER_STRING, &output, on_write_error, on_write_warning);
    png_infop info = png ? png_create_info_struct(png) : NULL;
    if (png)
        png_set_write_fn(png, &output, on_write, on_flush);
    bool fine = info && run_encode(png, info, picture);
    png_destroy_write_struct(&png, &info);
    return fine ? FIG_OK : fig_fail(err, FIG_E_FAILED, "PNG could not be written: %s", output.message);
}

const fig_codec fig_codec_png = { .name = "PNG", .is = png_is, .check = png_check, .decode = png_decode };
