/* data/catalogue.h - the data sets known by name, and getting one (share/catalogue.yaml says what the fields mean) */
#ifndef FIG_CATALOGUE_H
#define FIG_CATALOGUE_H

#include "data/source.h"

typedef struct fig__dataset_file {
    const char *name, *sha256;
    uint64_t bytes;
} fig__dataset_file;
typedef struct fig__dataset_place {
    const char *kind, *what, *from, *suffix;
} fig__dataset_place;

typedef struct fig__dataset {
    const char *name, *title, *items, *source, *licence, *credit;
    const char **classes;
    int class_count;
    fig__dataset_file *files;
    size_t file_count;
    fig__dataset_place *places;
    size_t place_count;
} fig__dataset;

typedef struct fig__catalogue {
    fig__dataset *sets;
    size_t count;
    fig__yaml yaml;
    fig__arena *arena;
} fig__catalogue;

/* -- catalogue.c */
fig_status fig__catalogue_load(fig__catalogue *out, fig_error *err);
/* The same from other text, for tests. */
fig_status fig__catalogue_read(const char *text, size_t length, fig__catalogue *out, fig_error *err);
void fig__catalogue_free(fig__catalogue *catalogue);
const fig__dataset *fig__catalogue_find(const fig__catalogue *catalogue, const char *name);
const char *fig__catalogue_nearest(const fig__catalogue *catalogue, const char *name); /* NULL = none is near */

/* -- dataset.c: what is there, and making it whole */
/* The folder or file where the set lies complete: installed, or in the cache. NULL = it has to be fetched. In
 * `arena`. */
const char *fig__dataset_locate(fig__arena *arena, const fig__dataset *set, bool *installed);
fig_status fig__dataset_get(const fig__dataset *set, const fig_data_open_opts *opts, char **path, fig_error *err);

/* -- fetch.c: brings the files of one place into `folder` and hands each to `arrived`, which checks it and keeps a
 * copy. */
typedef struct fig__fetch {
    fig__arena *arena;
    const fig__dataset *set;
    const fig__dataset_place *place;
    const char *folder;                      /* ours to fill; what an earlier try left is there */
    bool keep;                               /* out: after a failure, what lies in the folder helps the next try */
    bool (*wanted)(void *user, size_t file); /* false: this file is whole already */
    fig_status (*arrived)(void *user, size_t file, const char *path, fig_error *err);
    void *user;
} fig__fetch;
fig_status fig__fetch_place(fig__fetch *fetch, fig_error *err);

#endif
