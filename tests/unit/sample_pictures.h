/* sample_pictures.h - pictures of every kind of PNG and WebP, made through the libraries themselves */
#ifndef SAMPLE_PICTURES_H
#define SAMPLE_PICTURES_H

#include "sample_data.h"
#include <png.h>
#include <webp/encode.h>
#include <webp/mux.h>

/* -- making PNGs of every colour type through libpng itself -------------------------------------------------------- */

typedef struct buffer {
    uint8_t bytes[1 << 16];
    size_t length;
} buffer;

static inline void to_buffer(png_structp png, png_bytep data, size_t length)
{
    buffer *out = png_get_io_ptr(png);
    if (out->length + length > sizeof out->bytes)
        abort();
    memcpy(out->bytes + out->length, data, length);
    out->length += length;
}
static inline void no_flush(png_structp png) { (void)png; }

/* rows: height rows as PNG stores them at this depth. */
static inline void make_png(buffer *out, int width, int height, int depth, int colour, bool interlaced,
                     const png_color *palette, int colours, const png_byte *alpha, int alphas, uint8_t *rows,
                     size_t stride)
{
    out->length = 0;
    png_structp png = png_create_write_struct(PNG_LIBPNG_VER_STRING, NULL, NULL, NULL);
    png_infop info = png_create_info_struct(png);
    png_set_write_fn(png, out, to_buffer, no_flush);
    png_set_IHDR(png, info, (png_uint_32)width, (png_uint_32)height, depth, colour,
                 interlaced ? PNG_INTERLACE_ADAM7 : PNG_INTERLACE_NONE, PNG_COMPRESSION_TYPE_DEFAULT,
                 PNG_FILTER_TYPE_DEFAULT);
    png_set_check_for_invalid_index(png, 0);
    if (palette)
        png_set_PLTE(png, info, palette, colours);
    if (alpha)
        png_set_tRNS(png, info, alpha, alphas, NULL);
    png_bytep pointers[64];
    for (int y = 0; y < height; y++)
        pointers[y] = rows + (size_t)y * stride;
    png_set_rows(png, info, pointers);
    png_write_png(png, info, PNG_TRANSFORM_IDENTITY, NULL);
    png_destroy_write_struct(&png, &info);
}

/* -- WebP ---------------------------------------------------------------------------------------------------------- */

/* Takes what libwebp allocated and hands it on as memory of free(). */
static inline uint8_t *sample_keep(WebPData *data, size_t *length)
{
    uint8_t *bytes = malloc(data->size + 1);
    memcpy(bytes, data->bytes, data->size);
    *length = data->size;
    WebPDataClear(data);
    return bytes;
}

/* 3 or 4 channels; with `exif` (may be NULL) an extended file. */
static inline uint8_t *sample_webp(const fig_picture *picture, bool lossless, const uint8_t *exif, size_t exif_length,
                                   size_t *length)
{
    WebPConfig config;
    WebPPicture canvas;
    WebPMemoryWriter writer;
    if (!WebPConfigInit(&config) || !WebPPictureInit(&canvas))
        abort();
    WebPMemoryWriterInit(&writer);
    config.lossless = lossless;
    config.exact = 1;
    config.quality = 95;
    config.method = 1;
    canvas.use_argb = 1;
    canvas.width = picture->width;
    canvas.height = picture->height;
    canvas.writer = WebPMemoryWrite;
    canvas.custom_ptr = &writer;
    int stride = picture->width * picture->channels;
    if (!(picture->channels == 4 ? WebPPictureImportRGBA : WebPPictureImportRGB)(&canvas, picture->pixels, stride) ||
        !WebPEncode(&config, &canvas))
        abort();
    WebPPictureFree(&canvas);
    WebPData data = { writer.mem, writer.size };
    if (exif) {
        WebPData block = { exif, exif_length }, joined;
        WebPMux *mux = WebPMuxCreate(&data, 1);
        if (!mux || WebPMuxSetChunk(mux, "EXIF", &block, 1) != WEBP_MUX_OK ||
            WebPMuxAssemble(mux, &joined) != WEBP_MUX_OK)
            abort();
        WebPMuxDelete(mux);
        WebPDataClear(&data);
        data = joined;
    }
    return sample_keep(&data, length);
}

/* Frames of one colour each: (40, 41, 42) first, each later one 50 more. */
static inline uint8_t *sample_webp_animation(int width, int height, int frames, size_t *length)
{
    WebPAnimEncoder *encoder = WebPAnimEncoderNew(width, height, NULL);
    WebPConfig config;
    if (!encoder || !WebPConfigInit(&config))
        abort();
    config.lossless = 1;
    for (int i = 0; i < frames; i++) {
        WebPPicture canvas;
        if (!WebPPictureInit(&canvas))
            abort();
        canvas.use_argb = 1;
        canvas.width = width;
        canvas.height = height;
        if (!WebPPictureAlloc(&canvas))
            abort();
        unsigned shade = 40 + 50 * (unsigned)i;
        for (int k = 0; k < width * height; k++)
            canvas.argb[k] = 0xff000000u | shade << 16 | (shade + 1) << 8 | (shade + 2);
        if (!WebPAnimEncoderAdd(encoder, &canvas, 100 * i, &config))
            abort();
        WebPPictureFree(&canvas);
    }
    WebPData data;
    WebPDataInit(&data);
    if (!WebPAnimEncoderAdd(encoder, NULL, 100 * frames, NULL) || !WebPAnimEncoderAssemble(encoder, &data))
        abort();
    WebPAnimEncoderDelete(encoder);
    return sample_keep(&data, length);
}

#endif
