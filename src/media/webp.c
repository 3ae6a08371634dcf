/* webp.c - WebP through libwebp: lossy, lossless and animated (its first frame), with or without transparency
 *
 *     "RIFF" size "WEBP" | chunks: name, size, data, padded to even
 *
 * A plain file is one "VP8 " or "VP8L" chunk; an extended one begins with "VP8X", whose flags say what follows (ICC, alpha,
 * EXIF, frames of an animation). The chunks are walked here, so that cut files are refused before a decoder sees them; sizes
 * are taken from libwebp's own reading of the header and checked against the limits before any pixel memory is taken. */
#include "media/media.h"
#include <stdlib.h>
#include <string.h>
#include <webp/decode.h>
#include <webp/demux.h>

enum { EXTENDED_ANIMATION = 0x02 };

typedef struct structure {
    bool animated;
    int orientation;
} structure;

static bool webp_is(const uint8_t *bytes, uint64_t length)
{
    return length >= 12 && !memcmp(bytes, "RIFF", 4) && !memcmp(bytes + 8, "WEBP", 4);
}

/* -- structure ----------------------------------------------------------------------------------------------------- */

static fig_status walk(const uint8_t *bytes, uint64_t length, structure *out, fig_error *err)
{
    fig__reader reader;
    *out = (structure){ .orientation = 1 };
    fig__reader_init(&reader, bytes, length);
    fig__read_bytes(&reader, 4);
    uint64_t end = (uint64_t)fig__read_u32_le(&reader) + 8;
    fig__read_bytes(&reader, 4);
    if (end > length)
        return fig_fail(err, FIG_E_FORMAT, "truncated WebP: %llu of %llu bytes", (unsigned long long)length,
                        (unsigned long long)end);
    bool pixels = false;
    while (reader.position + 8 <= end) {
        const uint8_t *name = fig__read_bytes(&reader, 4);
        uint64_t size = fig__read_u32_le(&reader);
        const uint8_t *data = fig__read_bytes(&reader, size);
        if (!data || reader.position > end)
            return fig_fail(err, FIG_E_FORMAT, "truncated or corrupt WebP: a chunk reaches past the end");
        if (!memcmp(name, "VP8X", 4) && size >= 10)
            out->animated = data[0] & EXTENDED_ANIMATION;
        else if (!memcmp(name, "EXIF", 4) && out->orientation == 1)
            out->orientation = fig__exif_orientation(data, size);
        pixels = pixels || !memcmp(name, "VP8 ", 4) || !memcmp(name, "VP8L", 4) || !memcmp(name, "ANMF", 4);
        if (size & 1 && reader.position < end)
            fig__read_u8(&reader);
    }
    return pixels ? FIG_OK : fig_fail(err, FIG_E_FORMAT, "corrupt WebP: no pixel data");
}

static fig_status read_features(const uint8_t *bytes, uint64_t length, WebPBitstreamFeatures *out, fig_error *err)
{
    if (WebPGetFeatures(bytes, (size_t)length, out) != VP8_STATUS_OK)
        return fig_fail(err, FIG_E_FORMAT, "corrupt WebP: its header cannot be read");
    return fig__picture_limits((uint64_t)out->width, (uint64_t)out->height, err);
}

static fig_status webp_check(const uint8_t *bytes, uint64_t length, fig__picture_facts *facts, fig_error *err)
{
    structure s;
    WebPBitstreamFeatures features;
    FIG_TRY(walk(bytes, length, &s, err));
    FIG_TRY(read_features(bytes, length, &features, err));
    bool turned = s.orientation >= 5;
    *facts = (fig__picture_facts){ turned ? features.height : features.width, turned ? features.width : features.height,
                                   3, features.has_alpha };
    return FIG_OK;
}

/* -- decoding ------------------------------------------------------------------------------------------------------ */

/* Straight into the picture's own memory, with 3 or 4 channels. */
static fig_status decode_still(const uint8_t *bytes, uint64_t length, const WebPBitstreamFeatures *features,
                               fig_picture *out, fig_error *err)
{
    int channels = features->has_alpha ? 4 : 3;
    FIG_TRY(fig__picture_new(features->width, features->height, channels, out, err));
    size_t stride = (size_t)out->width * (size_t)channels, room = stride * (size_t)out->height;
    const uint8_t *done = channels == 4
                              ? WebPDecodeRGBAInto(bytes, (size_t)length, out->pixels, room, (int)stride)
                              : WebPDecodeRGBInto(bytes, (size_t)length, out->pixels, room, (int)stride);
    if (done)
        return FIG_OK;
    fig_picture_free(out);
    return fig_fail(err, FIG_E_FORMAT, "corrupt WebP: its pixels cannot be decoded");
}

/* The first frame laid on its canvas, which is transparent where no frame lies. */
static fig_status decode_animated(const uint8_t *bytes, uint64_t length, fig_picture *out, fig_error *err)
{
    WebPData data = { bytes, (size_t)length };
    WebPAnimDecoder *decoder = WebPAnimDecoderNew(&data, NULL);
    WebPAnimInfo info;
    uint8_t *canvas = NULL;
    int time;
    fig_status status = FIG_E_FORMAT;
    if (decoder && WebPAnimDecoderGetInfo(decoder, &info) && WebPAnimDecoderGetNext(decoder, &canvas, &time) && canvas &&
        fig__picture_limits(info.canvas_width, info.canvas_height, err) == FIG_OK)
        status = fig__picture_new((int)info.canvas_width, (int)info.canvas_height, 4, out, err);
    else
        fig_fail(err, FIG_E_FORMAT, "corrupt WebP: the first frame of its animation cannot be decoded");
    if (status == FIG_OK)
        memcpy(out->pixels, canvas, (size_t)4 * (size_t)out->width * (size_t)out->height);
    WebPAnimDecoderDelete(decoder);
    return status;
}

static fig_status webp_decode(const uint8_t *bytes, uint64_t length, const fig__decode_opts *opts, fig_picture *out,
                              fig_error *err)
{
    structure s;
    WebPBitstreamFeatures features;
    FIG_TRY(walk(bytes, length, &s, err));
    FIG_TRY(read_features(bytes, length, &features, err));
    fig_picture picture = { 0 };
    fig_status status = s.animated ? decode_animated(bytes, length, &picture, err)
                                   : decode_still(bytes, length, &features, &picture, err);
    if (status == FIG_OK)
        status = fig__picture_settle_alpha(&picture, opts, err);
    if (status == FIG_OK)
        status = fig__picture_orient(&picture, s.orientation, err);
    if (status == FIG_OK)
        *out = picture;
    else
        fig_picture_free(&picture);
    return status;
}

const fig_codec fig_codec_webp = { .name = "WebP", .is = webp_is, .check = webp_check, .decode = webp_decode };
