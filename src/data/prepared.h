/* data/prepared.h - a data set as the loader sees it: what the source found, and how the request settled it
 *
 * Items of a settled split are numbers 0..count-1; index[] maps them to items of the source's split from[], so that a
 * validation part kept aside is a view and not a copy. Text is one run of tokens per split. */
#ifndef FIG_PREPARED_H
#define FIG_PREPARED_H

#include "data/source.h"
#include "data/tokenizer.h"
#include <stdatomic.h>

/* Tokens of one split: width bytes each (1 or 2), in memory of `owner` (NULL = somebody else's). */
typedef struct fig__tokens {
    const void *ids;
    int width;
    int64_t count;
    void *owner;
} fig__tokens;

/* Decoded and resized pictures of one source split, filled as they are first read. NULL pixels = no cache. */
typedef struct fig__picture_cache {
    uint8_t *pixels;        /* (items, H, W, C) */
    _Atomic uint8_t *state; /* per item, FIG__EMPTY ... */
    uint64_t bytes;
    struct fig__pack *pack; /* the same on disk, or NULL */
} fig__picture_cache;
enum { FIG__EMPTY, FIG__FILLING, FIG__READY, FIG__BROKEN };

struct fig_data {
    fig__contents contents;
    const fig_source *source;
    fig_data_spec *spec; /* NULL before prepare */
    fig_split from[FIG_SPLITS];
    int32_t *index[FIG_SPLITS]; /* NULL = item i is item i */
    int64_t count[FIG_SPLITS];
    fig__tokens tokens[FIG_SPLITS];
    fig__picture_cache cache[FIG_SPLITS]; /* by source split */
    float *points[FIG_SPLITS];            /* settled values (items, D), by source split */
    int32_t *class_map;                   /* the data's class -> the spec's; NULL = the same */
    char hash[65];
};

static inline int64_t fig__data_item(const fig_data *data, fig_split split, int64_t i)
{
    return data->index[split] ? data->index[split][i] : i;
}

/* -- pictures.c: settled pictures, (H, W, C) bytes. One reader per thread. */
typedef struct fig__picture_reader fig__picture_reader;
fig_status fig__pictures_prepare(fig_data *data, fig_error *err);
void fig__pictures_release(fig_data *data);
fig__picture_reader *fig__picture_reader_new(fig_data *data);
void fig__picture_reader_free(fig__picture_reader *reader);
/* Source item of a source split. The bytes stay until the reader's next call. A broken item is counted once. */
fig_status fig__picture_reader_get(fig__picture_reader *reader, fig_split split, int64_t item, const uint8_t **out,
                                   fig_error *err);

/* -- binarise.c: `count` pixels of one picture as low or high. The draw is a function of seed, stream, step and row. */
typedef struct fig__binary_draw {
    fig_binarise kind; /* not NONE */
    uint64_t seed, stream, step, row;
} fig__binary_draw;
void fig__binarise(const uint8_t *pixels, size_t count, const fig__binary_draw *draw, float low, float high, float *out);

/* -- augment.c: one picture of bytes (H, W, C) changed at random; `to` is other memory of the same size. */
typedef struct fig__draw_key {
    uint64_t seed, stream, step, row;
} fig__draw_key;
bool fig__changes_pictures(const fig_augment *augment); /* false: all zero */
void fig__change_picture(const fig_augment *augment, const fig__draw_key *key, const uint8_t *from, int height, int width,
                  int channels, uint8_t *to);

/* -- pack.c: what is decoded once, on disk. Any number of threads and processes. */
typedef struct fig__pack fig__pack;
/* A key from what the data hold, `what` and more settings. */
void fig__cache_key(const fig_data *data, const char *what, const void *more, size_t length, char key[65]);
char *fig__cache_path(fig__arena *arena, const char *key, const char *ending);
/* NULL: no room, or the cache folder cannot be used. */
fig__pack *fig__pack_open(const char *key, int64_t items, uint64_t item_bytes);
void fig__pack_close(fig__pack *pack);
bool fig__pack_read(fig__pack *pack, int64_t item, uint8_t *out); /* false: not there, or damaged */
void fig__pack_write(fig__pack *pack, int64_t item, const uint8_t *pixels);

/* -- split.c: from, index and count of every split, by spec->validation and spec->test. */
fig_status fig__settle_splits(fig_data *data, fig_error *err);

/* -- alike.c: which pictures are the same or nearly. */
typedef struct fig__fingerprint {
    uint64_t outline;
    uint8_t thumb[8 * 8 * 3];
} fig__fingerprint;
void fig__fingerprint_of(const fig_picture *picture, fig__fingerprint *out); /* 1, 3 or 4 channels */
bool fig__fingerprints_near(const fig__fingerprint *a, const fig__fingerprint *b);
/* group[i] = the first item that i is like, directly or through others; itself when there is none. */
void fig__group_alike(const fig__fingerprint *prints, int64_t count, int32_t *group);
/* Heap memory: one per item of a source split. */
fig_status fig__fingerprints(fig_data *data, fig_split split, fig__fingerprint **out, fig_error *err);
fig_status fig__find_groups(fig_data *data, fig_split split, int32_t **group, fig_error *err); /* NULL: not pictures */

/* -- shuffle.c */
/* A random permutation of 0..count-1 as a function of the key: place -> item. Nothing is stored, so any place of any
 * epoch is found at once. */
typedef struct fig__permutation {
    uint64_t count, key;
    int half;
} fig__permutation;
void fig__permutation_init(fig__permutation *permutation, uint64_t count, uint64_t seed, uint64_t stream,
                           uint64_t epoch);
uint64_t fig__permutation_at(const fig__permutation *permutation, uint64_t place);

/* -- labelled.c: places in the split of `count` examples, as many of each class, a function of the seed; *out is heap */
fig_status fig__pick_labelled(const fig_data *data, fig_split split, int64_t count, uint64_t seed, int32_t **out, fig_error *err);

/* -- prepare.c: back to the state before fig_data_prepare */
void fig__prepared_release(fig_data *data);

/* -- spec.c */
fig_data_spec *fig__spec_new(void);
void fig__spec_set_name(fig_data_spec *spec, const char *name);
const char *fig__values_name(fig_values values); /* "bytes" "0..1" "-1..1" "0..255" */

#endif
