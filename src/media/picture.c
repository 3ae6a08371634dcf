/* picture.c - a picture of any known format: found by its first bytes, checked, decoded; loaded and saved by path
 *
 * The name of a file says nothing here: a PNG called .jpg is a PNG. */
#include <errno.h>
#include "media/media.h"
#include <stdlib.h>
#include <string.h>

#define FIG_CODEC(name) extern const fig_codec fig_codec_##name;
#include "codecs.def"
#undef FIG_CODEC
static const fig_codec *const codecs[] = {
#define FIG_CODEC(name) &fig_codec_##name,
#include "codecs.def"
#undef FIG_CODEC
};

const fig_codec *fig__codec_find(const uint8_t *bytes, uint64_t length)
{
    for (size_t i = 0; i < sizeof codecs / sizeof *codecs; i++)
        if (codecs[i]->is(bytes, length))
            return codecs[i];
    return NULL;
}

static fig_status find_codec(const uint8_t *bytes, uint64_t length, const fig_codec **out, fig_error *err)
{
    *out = fig__codec_find(bytes, length);
    if (*out)
        return FIG_OK;
    if (!length)
        return fig_fail(err, FIG_E_FORMAT, "the file is empty");
    char start[3 * 4 + 1] = "";
    for (uint64_t i = 0; i < 4 && i < length; i++)
        snprintf(start + 3 * i, sizeof start - 3 * i, "%02x ", bytes[i]);
    return fig_fail(err, FIG_E_FORMAT, "neither PNG, JPEG nor WebP (first bytes %.*s)", (int)strlen(start) - 1, start);
}

fig_status fig__picture_check(const uint8_t *bytes, uint64_t length, fig__picture_facts *facts, fig_error *err)
{
    const fig_codec *codec;
    *facts = (fig__picture_facts){ 0 };
    FIG_TRY(find_codec(bytes, length, &codec, err));
    return codec->check(bytes, length, facts, err);
}

fig_status fig__picture_decode(const uint8_t *bytes, uint64_t length, const fig__decode_opts *opts, fig_picture *out,
                               fig_error *err)
{
    static const fig__decode_opts defaults;
    const fig_codec *codec;
    *out = (fig_picture){ 0 };
    FIG_TRY(find_codec(bytes, length, &codec, err));
    return codec->decode(bytes, length, opts ? opts : &defaults, out, err);
}

fig_status fig__picture_limits(uint64_t width, uint64_t height, fig_error *err)
{
    if (!width || !height)
        return fig_fail(err, FIG_E_FORMAT, "a picture of %llu x %llu pixels", (unsigned long long)width,
                        (unsigned long long)height);
    if (width > FIG__MAX_SIDE || height > FIG__MAX_SIDE || width * height > FIG__MAX_PIXELS)
        return fig_fail(err, FIG_E_LIMIT, "%llu x %llu pixels, more than the limit of %d a side and %d M in all",
                        (unsigned long long)width, (unsigned long long)height, FIG__MAX_SIDE,
                        (int)(FIG__MAX_PIXELS >> 20));
    return FIG_OK;
}

fig_status fig__picture_new(int width, int height, int channels, fig_picture *out, fig_error *err)
{
    *out = (fig_picture){ 0 };
    uint64_t bytes = (uint64_t)width * (uint64_t)height * (uint64_t)channels;
    uint8_t *pixels = calloc(bytes ? bytes : 1, 1);
    if (!pixels)
        return fig_fail(err, FIG_E_LIMIT, "no memory for a picture of %d x %d pixels", width, height);
    *out = (fig_picture){ width, height, channels, pixels };
    return FIG_OK;
}

/* -- transparency -------------------------------------------------------------------------------------------------- */

/* v over ground by alpha a, rounded */
static uint8_t over(int v, int a, int ground) { return (uint8_t)((v * a + ground * (255 - a) + 127) / 255); }

/* Grey and alpha as RGBA. */
static fig_status widen(fig_picture *picture, fig_error *err)
{
    fig_picture wide;
    FIG_TRY(fig__picture_new(picture->width, picture->height, 4, &wide, err));
    size_t count = (size_t)picture->width * (size_t)picture->height;
    for (size_t i = 0; i < count; i++) {
        memset(wide.pixels + 4 * i, picture->pixels[2 * i], 3);
        wide.pixels[4 * i + 3] = picture->pixels[2 * i + 1];
    }
    fig_picture_free(picture);
    *picture = wide;
    return FIG_OK;
}

fig_status fig__picture_settle_alpha(fig_picture *picture, const fig__decode_opts *opts, fig_error *err)
{
    static const uint8_t white[3] = { 255, 255, 255 };
    const uint8_t *ground = opts->background ? opts->background : white;
    bool grey_ground = ground[0] == ground[1] && ground[1] == ground[2];
    if (picture->channels == 2 && (opts->keep_alpha || !grey_ground))
        FIG_TRY(widen(picture, err));
    if (picture->channels == 1 || picture->channels == 3 || opts->keep_alpha)
        return FIG_OK;
    size_t count = (size_t)picture->width * (size_t)picture->height;
    const uint8_t *from = picture->pixels;
    uint8_t *to = picture->pixels;
    int channels = picture->channels, colours = channels - 1;
    for (size_t i = 0; i < count; i++, from += channels) {
        int alpha = from[colours];
        for (int c = 0; c < colours; c++)
            *to++ = over(from[c], alpha, ground[c]);
    }
    picture->channels = colours;
    return FIG_OK;
}

/* -- files --------------------------------------------------------------------------------------------------------- */

fig_status fig_picture_load(const char *path, fig_picture *out, fig_error *err)
{
    char *data;
    uint64_t length;
    *out = (fig_picture){ 0 };
    FIG_TRY(fig__file_size(path, &length, err));
    FIG_TRY(fig__file_read(path, FIG__MAX_PICTURE_FILE, &data, &length, err));
    fig_status status = fig__picture_decode((const uint8_t *)data, length, NULL, out, err);
    free(data);
    if (status != FIG_OK)
        fig_error_prefix(err, "%s", path);
    return status;
}

static void write_piece(void *user, const void *data, size_t length) { fig__writer_add(user, data, length); }

fig_status fig_picture_save(const fig_picture *picture, const char *path, fig_error *err)
{
    fig__writer *writer;
    FIG_TRY(fig__writer_begin(path, &writer, err));
    fig_status status = fig__png_write(picture, write_piece, writer, err);
    if (status == FIG_OK)
        return fig__writer_commit(writer, err);
    fig__writer_abort(writer);
    fig_error_prefix(err, "%s", path);
    return status;
}

void fig_picture_free(fig_picture *picture)
{
    if (!picture)
        return;
    free(picture->pixels);
    *picture = (fig_picture){ 0 };
}
