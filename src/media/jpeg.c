/* jpeg.c - JPEG through libjpeg-turbo: grey, YCbCr, RGB, CMYK and YCCK come out as 8-bit grey or RGB, turned upright
 *
 * libjpeg reports errors by calling error_exit, which must not return: it jumps back here, with the job in the caller's
 * frame (see png.c). Cut data is a warning to libjpeg, which then invents the missing part; here it is an error. The
 * number of scans is limited, because a progressive file of a few kilobytes can ask for thousands of passes over a
 * huge picture. */
#include "media/media.h"
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>
#include <jpeglib.h>
#include <jerror.h>

enum { MAX_SCANS = 100, MAX_EXIF = 65533 };

static bool jpeg_is(const uint8_t *bytes, uint64_t length)
{
    return length >= 3 && bytes[0] == 0xff && bytes[1] == 0xd8 && bytes[2] == 0xff;
}

/* -- structure ----------------------------------------------------------------------------------------------------- */

static bool is_frame(int marker)
{
    return marker >= 0xc0 && marker <= 0xcf && marker != 0xc4 && marker != 0xc8 && marker != 0xcc;
}

/* An end-of-image marker after the start of the pixel data; what follows it is ignored, as by every decoder. */
static bool has_end(const uint8_t *bytes, uint64_t from, uint64_t length)
{
    for (uint64_t i = length; i-- > from + 1;)
        if (bytes[i] == 0xd9 && bytes[i - 1] == 0xff)
            return true;
    return false;
}

static uint32_t read_u16(fig__reader *reader)
{
    uint32_t high = fig__read_u8(reader);
    return high << 8 | fig__read_u8(reader);
}

static fig_status read_frame(const uint8_t *body, uint32_t size, fig__picture_facts *facts, fig_error *err)
{
    fig__reader reader;
    fig__reader_init(&reader, body, size);
    int depth = fig__read_u8(&reader);
    uint32_t height = read_u16(&reader), width = read_u16(&reader), components = fig__read_u8(&reader);
    if (reader.failed)
        return fig_fail(err, FIG_E_FORMAT, "corrupt JPEG: a short frame header");
    if (depth != 8)
        return fig_fail(err, FIG_E_FORMAT, "JPEG with %d bits a sample; only 8 are supported", depth);
    if (components != 1 && components != 3 && components != 4)
        return fig_fail(err, FIG_E_FORMAT, "JPEG with %u components; 1, 3 or 4 are supported", components);
    FIG_TRY(fig__picture_limits(width, height, err));
    facts->width = (int)width;
    facts->height = (int)height;
    facts->channels = components == 1 ? 1 : 3;
    return FIG_OK;
}

static fig_status jpeg_check(const uint8_t *bytes, uint64_t length, fig__picture_facts *facts, fig_error *err)
{
    fig__reader reader;
    fig__reader_init(&reader, bytes, length);
    fig__read_bytes(&reader, 2);
    int orientation = 1;
    for (;;) {
        int marker = fig__read_u8(&reader);
        while (!reader.failed && marker != 0xff) /* stray bytes between segments are skipped, as libjpeg does */
            marker = fig__read_u8(&reader);
        while (!reader.failed && marker == 0xff)
            marker = fig__read_u8(&reader);
        if (marker == 0xd8 || marker == 0x01 || (marker >= 0xd0 && marker <= 0xd7)) /* markers without a body */
            continue;
        uint32_t size = read_u16(&reader);
        const uint8_t *body = size >= 2 ? fig__read_bytes(&reader, size - 2) : NULL;
        if (reader.failed || !body || marker == 0xd9)
            return fig_fail(err, FIG_E_FORMAT, "truncated or corrupt JPEG: no picture in its %llu bytes",
                            (unsigned long long)length);
        if (is_frame(marker))
            FIG_TRY(read_frame(body, size - 2, facts, err));
        if (marker == 0xe1 && orientation == 1)
            orientation = fig__exif_orientation(body, size - 2);
        if (marker == 0xda)
            break;
    }
    if (!facts->width)
        return fig_fail(err, FIG_E_FORMAT, "corrupt JPEG: pixel data before a frame header");
    if (!has_end(bytes, reader.position, length))
        return fig_fail(err, FIG_E_FORMAT, "truncated JPEG: %llu bytes, and no end marker", (unsigned long long)length);
    if (orientation >= 5)
        *facts = (fig__picture_facts){ facts->height, facts->width, facts->channels, false };
    return FIG_OK;
}

/* -- decoding ------------------------------------------------------------------------------------------------------ */

typedef struct jpeg_job {
    struct jpeg_error_mgr errors; /* first: libjpeg hands back a pointer to it */
    struct jpeg_progress_mgr progress;
    struct jpeg_decompress_struct decoder;
    jmp_buf jump;
    const fig__decode_opts *opts;
    fig_picture picture;
    uint8_t *row; /* one CMYK row */
    int orientation;
    char message[JMSG_LENGTH_MAX];
} jpeg_job;

static _Noreturn void on_error(j_common_ptr decoder)
{
    jpeg_job *job = (jpeg_job *)decoder->err;
    decoder->err->format_message(decoder, job->message);
    longjmp(job->jump, 1);
}

static void on_message(j_common_ptr decoder, int level)
{
    if (level < 0 && (decoder->err->msg_code == JWRN_JPEG_EOF || decoder->err->msg_code == JWRN_HIT_MARKER))
        on_error(decoder);
}

static void on_progress(j_common_ptr decoder)
{
    jpeg_job *job = (jpeg_job *)decoder->err;
    if (job->decoder.input_scan_number > MAX_SCANS) {
        snprintf(job->message, sizeof job->message, "more than %d scans", MAX_SCANS);
        longjmp(job->jump, 1);
    }
}

static bool is_cmyk(const struct jpeg_decompress_struct *decoder)
{
    return decoder->jpeg_color_space == JCS_CMYK || decoder->jpeg_color_space == JCS_YCCK;
}

/* The coarsest decode (1/8, 1/4, 1/2) whose short side is still twice what is wanted. */
static unsigned choose_denominator(unsigned short_side, int wanted)
{
    unsigned denominator = 8;
    while (denominator > 1 && (wanted <= 0 || short_side / denominator < 2 * (unsigned)wanted))
        denominator /= 2;
    return denominator;
}

static void cmyk_to_rgb(const uint8_t *cmyk, int width, bool inverted, uint8_t *rgb)
{
    int flip = inverted ? 0 : 255; /* Adobe stores 255 - ink */
    for (int x = 0; x < width; x++, cmyk += 4)
        for (int c = 0; c < 3; c++)
            *rgb++ = (uint8_t)(((cmyk[c] ^ flip) * (cmyk[3] ^ flip) + 127) / 255);
}

static bool run_decode(jpeg_job *job, const uint8_t *bytes, uint64_t length, fig_error *err)
{
    struct jpeg_decompress_struct *decoder = &job->decoder;
    if (setjmp(job->jump))
        return false;
    jpeg_create_decompress(decoder);
    decoder->progress = &job->progress;
    jpeg_mem_src(decoder, bytes, (unsigned long)length);
    jpeg_save_markers(decoder, JPEG_APP0 + 1, MAX_EXIF);
    jpeg_read_header(decoder, TRUE);
    if (fig__picture_limits(decoder->image_width, decoder->image_height, err) != FIG_OK)
        return false;
    for (jpeg_saved_marker_ptr marker = decoder->marker_list; marker && job->orientation == 1; marker = marker->next)
        job->orientation = fig__exif_orientation(marker->data, marker->data_length);
    unsigned side = decoder->image_width < decoder->image_height ? decoder->image_width : decoder->image_height;
    decoder->scale_num = 1;
    decoder->scale_denom = choose_denominator(side, job->opts->short_side);
    decoder->out_color_space = decoder->num_components == 1 ? JCS_GRAYSCALE : is_cmyk(decoder) ? JCS_CMYK : JCS_RGB;
    decoder->dct_method = JDCT_ISLOW;
    jpeg_start_decompress(decoder);
    int width = (int)decoder->output_width, height = (int)decoder->output_height;
    int channels = decoder->out_color_space == JCS_GRAYSCALE ? 1 : 3;
    if (fig__picture_new(width, height, channels, &job->picture, err) != FIG_OK)
        return false;
    if (decoder->out_color_space == JCS_CMYK)
        job->row = fig__alloc((size_t)width * 4);
    while (decoder->output_scanline < decoder->output_height) {
        uint8_t *out = job->picture.pixels + (size_t)decoder->output_scanline * (size_t)width * (size_t)channels;
        JSAMPROW row = job->row ? job->row : out;
        if (jpeg_read_scanlines(decoder, &row, 1) == 1 && job->row)
            cmyk_to_rgb(job->row, width, decoder->saw_Adobe_marker, out);
    }
    jpeg_finish_decompress(decoder);
    return true;
}

static fig_status jpeg_decode(const uint8_t *bytes, uint64_t length, const fig__decode_opts *opts, fig_picture *out,
                              fig_error *err)
{
    jpeg_job job = { .opts = opts, .orientation = 1 };
    fig_error inner = { 0 };
    job.decoder.err = jpeg_std_error(&job.errors);
    job.errors.error_exit = on_error;
    job.errors.emit_message = on_message;
    job.progress.progress_monitor = on_progress;
    bool fine = run_decode(&job, bytes, length, &inner);
    jpeg_destroy_decompress(&job.decoder);
    free(job.row);
    if (fine)
        fine = fig__picture_orient(&job.picture, job.orientation, &inner) == FIG_OK;
    if (fine) {
        *out = job.picture;
        return FIG_OK;
    }
    fig_picture_free(&job.picture);
    if (inner.status != FIG_OK)
        return fig_fail(err, inner.status, "%s", inner.message);
    static const char said[] = "Corrupt JPEG data: "; /* some of libjpeg's messages begin so themselves */
    const char *message = job.message + (fig__starts_with(job.message, said) ? strlen(said) : 0);
    return fig_fail(err, FIG_E_FORMAT, "corrupt JPEG: %s", message);
}

const fig_codec fig_codec_jpeg = { .name = "JPEG", .is = jpeg_is, .check = jpeg_check, .decode = jpeg_decode };
