/* sample_data.h - small data sets that the tests of data and media write for themselves, in a folder of their own */
#ifndef SAMPLE_DATA_H
#define SAMPLE_DATA_H

#include "core/core.h"
#include <ftw.h>
#include "media/media.h"
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <jpeglib.h>
#include <zlib.h>

static int sample_remove(const char *path, const struct stat *info, int kind, struct FTW *walk)
{
    (void)info, (void)kind, (void)walk;
    return remove(path);
}

/* A fresh folder under the system's temporary one; sample_folder_end removes it with all it holds. */
static inline const char *sample_folder(void)
{
    static char path[200];
    const char *base = getenv("TMPDIR");
    snprintf(path, sizeof path, "%.150s/figment-test-XXXXXX", base && *base ? base : "/tmp");
    if (!mkdtemp(path))
        abort();
    return path;
}
static inline void sample_folder_end(const char *path) { nftw(path, sample_remove, 16, FTW_DEPTH | FTW_PHYS); }

/* "folder/name" in one of eight rotating buffers. */
static inline const char *sample_path(const char *folder, const char *name)
{
    static char paths[8][512];
    static int at;
    at = (at + 1) % 8;
    snprintf(paths[at], sizeof paths[at], "%s/%s", folder, name);
    return paths[at];
}

static inline void sample_bytes(const char *path, const void *data, size_t length)
{
    fig_error err = { 0 };
    char parent[512];
    snprintf(parent, sizeof parent, "%s", path);
    *strrchr(parent, '/') = 0;
    if (fig__make_folders(parent, &err) != FIG_OK || fig__file_write(path, data, length, &err) != FIG_OK) {
        fprintf(stderr, "%s\n", err.message);
        abort();
    }
}
static inline void sample_text(const char *path, const char *text) { sample_bytes(path, text, strlen(text)); }

/* IDX of unsigned bytes: value of byte i is (i * 7 + 3) % 251, or of labels i % classes. Packed when the name ends
 * in .gz. */
static inline void sample_idx(const char *path, int rank, const uint32_t *dim, int classes)
{
    size_t count = 1;
    for (int i = 0; i < rank; i++)
        count *= dim[i];
    size_t header = 4 + 4 * (size_t)rank;
    uint8_t *bytes = calloc(header + count, 1);
    bytes[2] = 8;
    bytes[3] = (uint8_t)rank;
    for (int i = 0; i < rank; i++)
        for (int k = 0; k < 4; k++)
            bytes[4 + 4 * i + k] = (uint8_t)(dim[i] >> (24 - 8 * k));
    for (size_t i = 0; i < count; i++)
        bytes[header + i] = (uint8_t)(classes ? i % (size_t)classes : (i * 7 + 3) % 251);
    if (fig__ends_with(path, ".gz")) {
        gzFile file = gzopen(path, "wb");
        gzwrite(file, bytes, (unsigned)(header + count));
        gzclose(file);
    } else
        sample_bytes(path, bytes, header + count);
    free(bytes);
}

/* A colour gradient with a mark that depends on `seed`. */
static inline fig_picture sample_picture(int width, int height, int channels, int seed)
{
    fig_picture picture = { width, height, channels, malloc((size_t)width * (size_t)height * (size_t)channels) };
    for (int y = 0; y < height; y++)
        for (int x = 0; x < width; x++)
            for (int c = 0; c < channels; c++)
                picture.pixels[(y * width + x) * channels + c] =
                    (uint8_t)(c == 3 ? 255
                                     : (x * 255 / width * (c == 0) + y * 255 / height * (c == 1) + seed * 37) & 255);
    return picture;
}
static inline void sample_png(const char *path, int width, int height, int channels, int seed)
{
    fig_picture picture = sample_picture(width, height, channels, seed);
    sample_bytes(path, "", 0); /* makes the folders */
    fig_error err = { 0 };
    if (fig_picture_save(&picture, path, &err) != FIG_OK) {
        fprintf(stderr, "%s\n", err.message);
        abort();
    }
    fig_picture_free(&picture);
}

/* JPEG of 1, 3 or 4 (CMYK, stored inverted as Adobe does) components; `exif` (may be NULL) goes into APP1. */
static inline uint8_t *sample_jpeg_bytes(const fig_picture *picture, const uint8_t *exif, unsigned exif_length,
                                         bool progressive, unsigned long *length)
{
    struct jpeg_compress_struct encoder;
    struct jpeg_error_mgr errors;
    uint8_t *bytes = NULL;
    *length = 0;
    encoder.err = jpeg_std_error(&errors);
    jpeg_create_compress(&encoder);
    jpeg_mem_dest(&encoder, &bytes, length);
    encoder.image_width = (JDIMENSION)picture->width;
    encoder.image_height = (JDIMENSION)picture->height;
    encoder.input_components = picture->channels;
    encoder.in_color_space = picture->channels == 1 ? JCS_GRAYSCALE : picture->channels == 3 ? JCS_RGB : JCS_CMYK;
    jpeg_set_defaults(&encoder);
    jpeg_set_quality(&encoder, 95, TRUE);
    if (progressive)
        jpeg_simple_progression(&encoder);
    jpeg_start_compress(&encoder, TRUE);
    if (exif)
        jpeg_write_marker(&encoder, JPEG_APP0 + 1, exif, exif_length);
    while (encoder.next_scanline < encoder.image_height) {
        JSAMPROW row =
            picture->pixels + (size_t)encoder.next_scanline * (size_t)picture->width * (size_t)picture->channels;
        jpeg_write_scanlines(&encoder, &row, 1);
    }
    jpeg_finish_compress(&encoder);
    jpeg_destroy_compress(&encoder);
    return bytes;
}
static inline void sample_jpeg(const char *path, int width, int height, int channels, int seed)
{
    fig_picture picture = sample_picture(width, height, channels, seed);
    unsigned long length;
    uint8_t *bytes = sample_jpeg_bytes(&picture, NULL, 0, false, &length);
    sample_bytes(path, bytes, length);
    free(bytes);
    fig_picture_free(&picture);
}

#endif
