/* media/media.h - pictures: decoding, resizing, writing PNG
 *
 * Pictures are 8-bit interleaved (fig_picture). Every byte of a file is hostile: a codec checks sizes before it
 * allocates, never returns pixels that were not written, and reports corruption as FIG_E_FORMAT. Values are taken as
 * sRGB; gamma and colour profiles are ignored. Transparency is composited on a background (white by itself) in that
 * space unless the caller keeps it. */
#ifndef FIG_MEDIA_H
#define FIG_MEDIA_H

#include "core/core.h"
#include <figment/data.h>

/* Limits before allocation: a side, and the pixels of one picture. Larger photographs are no training data, and 64 M
 * pixels decode to at most 256 MB. */
#define FIG__MAX_SIDE 16384
#define FIG__MAX_PIXELS (64u << 20)
#define FIG__MAX_PICTURE_FILE (1ull << 30)

/* What a file's structure says, without decoding its pixels. channels: 1 grey, 3 colour (after compositing). */
typedef struct fig__picture_facts {
    int width, height, channels;
    bool alpha;
} fig__picture_facts;

typedef struct fig__decode_opts {
    bool keep_alpha; /* transparent pictures come out with 4 channels */
    int short_side; /* a hint: shrunk to this short side later, so a coarser decode of at least twice it does */
    const uint8_t *background; /* red, green, blue below what is transparent; NULL = white */
} fig__decode_opts;

typedef struct fig_codec {
    const char *name; /* "PNG", as messages say it */
    bool (*is)(const uint8_t *bytes, uint64_t length);
    /* Walks the structure (sizes, checksums, end marker) without decoding. */
    fig_status (*check)(const uint8_t *bytes, uint64_t length, fig__picture_facts *facts, fig_error *err);
    /* `out` is zeroed on failure; its pixels are fig_picture_free's. */
    fig_status (*decode)(const uint8_t *bytes, uint64_t length, const fig__decode_opts *opts, fig_picture *out,
                         fig_error *err);
} fig_codec;

/* -- picture.c */
const fig_codec *fig__codec_find(const uint8_t *bytes, uint64_t length); /* by first bytes; NULL = unknown */
fig_status fig__picture_check(const uint8_t *bytes, uint64_t length, fig__picture_facts *facts, fig_error *err);
fig_status fig__picture_decode(const uint8_t *bytes, uint64_t length, const fig__decode_opts *opts, fig_picture *out,
                               fig_error *err);
/* Refuses sides and areas above the limits, and empty pictures. */
fig_status fig__picture_limits(uint64_t width, uint64_t height, fig_error *err);
fig_status fig__picture_new(int width, int height, int channels, fig_picture *out, fig_error *err); /* zeroed pixels */

/* Lays a picture of 2 (grey, alpha) or 4 channels on the background, or keeps its alpha as RGBA. */
fig_status fig__picture_settle_alpha(fig_picture *picture, const fig__decode_opts *opts, fig_error *err);

/* -- png.c */
fig_status fig__png_write(const fig_picture *picture, void (*write)(void *user, const void *data, size_t length),
                          void *user, fig_error *err);

/* -- letters.c: small print; (x, y) is its upper left corner, a letter is 6 x 8 dots of `zoom` pixels. Returns where it ends. */
int fig__picture_print(fig_picture *picture, int x, int y, int zoom, const uint8_t colour[3], const char *text);

/* -- exif.c: the orientation 1-8 that an EXIF block asks for (with or without "Exif" before it); 1 when there is none
 * or it is damaged. */
int fig__exif_orientation(const uint8_t *block, uint64_t length);
fig_status fig__picture_orient(fig_picture *picture, int orientation, fig_error *err);

/* -- resize.c: one resizer per thread; it keeps its scratch memory between calls. */
typedef struct fig__resizer fig__resizer;
fig__resizer *fig__resizer_new(void);
void fig__resizer_free(fig__resizer *resizer);
/* Scales so that the picture covers height x width, crops the centre, converts to 1 or 3 channels; out is (H, W, C). */
void fig__resize(fig__resizer *resizer, const fig_picture *picture, int height, int width, int channels, uint8_t *out);
/* The same by another policy; `background` (red, green, blue) is what lies beside a picture that is made to fit. */
void fig__resize_by(fig__resizer *resizer, fig_resize policy, const uint8_t background[3], const fig_picture *picture,
                    int height, int width, int channels, uint8_t *out);

#endif
