/* data/source.h - the record of a data source, and what it fills in
 *
 * A source looks at a path and says how sure it is that the data is its own (probe), opens it (open), and for pictures
 * delivers single items (picture). Text and points are small beside pictures: a source reads them into memory at once.
 *
 *     path -> probe of every source -> the best opens -> fig__contents: info, labels, text or points -> prepare.c
 *     settles
 *
 * Everything read is hostile: sizes are checked before memory is taken, broken items are reported through fig__skip. */
#ifndef FIG_SOURCE_H
#define FIG_SOURCE_H

#include "core/core.h"
#include <figment/data.h>
#include "media/media.h"
#include <pthread.h>

/* Items are counted with 32 bits in index tables; no set on an ordinary machine is larger. */
#define FIG__MAX_ITEMS INT32_MAX

typedef struct fig__skipped {
    const char *name, *reason;
} fig__skipped;

/* What a source found. The source fills it in `open`; afterwards only fig__skip changes it. */
typedef struct fig__contents {
    fig__arena *arena; /* lives as long as the data; only for `open` (it is not locked) */
    fig_data_open_opts opts;
    fig_data_info info;                /* kind, items, sizes, classes; name, source and path are data.c's */
    bool any_colour;                   /* pictures: at least one item has colour */
    const int32_t *labels[FIG_SPLITS]; /* one per item; NULL = none */
    const float *points[FIG_SPLITS];   /* (items, dimensions) */
    const char *text[FIG_SPLITS];      /* info.items bytes, NUL after the end */
    uint64_t file_bytes;                 /* pictures: of the files that are decoded */
    char stamp[65];    /* pictures: hash of names, sizes and times of files whose bytes were not read; "" = all were */
    fig__sha256 *hash; /* `open` feeds it what was read, in an order that depends on the content alone */
    void *self;        /* the source's own */
    /* fig__skip's */
    pthread_mutex_t lock;
    fig__arena *names;
    fig__skipped skipped[100];
    const char *skipped_names[100];
    int64_t warned; /* of the skipped items, how many fig__warn_skipped has told about */
} fig__contents;

typedef struct fig_source {
    const char *name, *summary;
    bool decodes; /* pictures come out of files that have to be decoded: worth keeping on disk */
    /* 0 = not this source's, 100 = certain. Must be cheap: looks at names and first bytes. NULL: only by
     * "kind:NAME". */
    int (*probe)(const char *path, bool folder);
    fig_status (*open)(fig__contents *contents, const char *path, fig_error *err);
    void (*close)(fig__contents *contents);
    /* Pictures: item `index` of `split`, from any thread. `borrowed`: the pixels are the source's and stay. */
    fig_status (*picture)(const fig__contents *contents, fig_split split, int64_t index, const fig__decode_opts *opts,
                          fig_picture *out, bool *borrowed, fig_error *err);
    /* What a person calls the item: a file name, "train picture 17". */
    void (*item_name)(const fig__contents *contents, fig_split split, int64_t index, char *out, size_t size);
} fig_source;

/* -- sources.c: the list */
const fig_source *fig__source_find(const char *name, size_t length);
const fig_source *fig__source_probe(const char *path, int *score); /* NULL = nobody's */
char *fig__source_names(void);                                     /* heap: "idx, images, text" */

/* -- contents.c */
extern const char *const fig__split_names[FIG_SPLITS]; /* "train" "validation" "test" */
void fig__contents_init(fig__contents *contents, const fig_data_open_opts *opts);
void fig__contents_clear(fig__contents *contents);
/* Counts and names a broken item; from any thread. The host hears of it in fig__warn_skipped. */
void fig__skip(fig__contents *contents, const char *name, const char *reason);
void fig__warn_skipped(fig__contents *contents);
void fig__warn(const fig__contents *contents, const char *format, ...) FIG_PRINTF(2, 3);
void fig__progress(const fig__contents *contents, const char *what, double done);
/* FIG_E_INTERRUPTED when the host wants to stop. */
fig_status fig__check_cancelled(const fig__contents *contents, fig_error *err);
/* True for "train" (train), "val" "valid" "validation" "dev" (validation), "test" "t10k" (test), in any case. */
bool fig__split_from_name(const char *name, size_t length, fig_split *out);
/* The split that a file name mentions as a word ("train-images.gz", "x_test.csv"); false if none. */
bool fig__split_in_name(const char *name, fig_split *out);

/* -- files.c: the regular files below a folder as paths relative to it, in a fixed order. Hidden ones and links are
 * left out. */
typedef struct fig__files {
    const char **names;
    size_t count, links, too_deep;
} fig__files;
fig_status fig__find_files(fig__arena *arena, const char *root, bool (*wanted)(const char *name), fig__files *out,
                           fig_error *err);
/* ".txt", ".TXT" ...: `endings` is a NULL-terminated list in lower case. */
bool fig__has_ending(const char *name, const char *const *endings);
const char *fig__base_name(const char *path);

/* -- stream.c (zlib): plain and gzip files alike, read forward */
typedef struct fig__stream fig__stream;
fig_status fig__stream_open(const char *path, fig__stream **out, fig_error *err);
/* All of `count` bytes, or an error that says that the file is cut short. */
fig_status fig__stream_read(fig__stream *stream, void *out, uint64_t count, fig_error *err);
fig_status fig__stream_read_some(fig__stream *stream, void *out, uint64_t count, uint64_t *got, fig_error *err);
/* Fails when `count` more bytes cannot possibly be in the file (gzip packs at most 1032 to 1), before memory is
 * taken. */
fig_status fig__stream_expect(const fig__stream *stream, uint64_t count, fig_error *err);
fig_status fig__stream_expect_end(fig__stream *stream, fig_error *err);
void fig__stream_close(fig__stream *stream);
/* The whole unpacked content; heap, NUL after the end. At most `maximum` bytes. */
fig_status fig__stream_read_all(const char *path, uint64_t maximum, char **data, uint64_t *length, fig_error *err);
/* What a set may take of memory at most: half of what is available. */
fig_status fig__check_memory(const char *path, uint64_t bytes, fig_error *err);

#endif
