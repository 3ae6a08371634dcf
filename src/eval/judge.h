/* eval/judge.h - the net whose features pictures are compared in
 *
 * Labelled data: a small classifier that Figment trains itself, once, from their training pictures; it is kept in the user's
 * cache folder and named by what it was trained on. Data without labels: the same body with its first random weights. */
#ifndef FIG_EVAL_JUDGE_H
#define FIG_EVAL_JUDGE_H

#include "eval/features.h"
#include <figment/use.h>

/* Told between the parts of long work; both may be NULL. */
typedef struct fig__hooks {
    void (*progress)(void *user, const char *what, double done);
    bool (*cancelled)(void *user);
    void *user;
} fig__hooks;
fig_status fig__hooks_tell(const fig__hooks *hooks, const char *what, double done, fig_error *err); /* FIG_E_INTERRUPTED */

/* What was seen of pictures: a row each. Data are doubles as scores are made of them. */
typedef struct fig__cloud {
    int64_t rows;
    int width, classes;
    double *features;    /* (rows, width) */
    double *probability; /* (rows, classes), NULL = no classes */
    int32_t *label;      /* NULL = none */
} fig__cloud;
fig_status fig__cloud_init(fig__cloud *cloud, int64_t rows, int width, int classes, fig_error *err); /* FIG_E_LIMIT, and no cloud */
void fig__cloud_clear(fig__cloud *cloud);
/* Share of the labelled rows whose most probable class is their label; rows without a class (-1) do not count. */
fig__estimate fig__cloud_accuracy(const fig__cloud *cloud);
int64_t fig__cloud_labelled(const fig__cloud *cloud); /* rows that have a class */
int fig__cloud_class(const fig__cloud *cloud, int64_t row); /* most probable */

typedef struct fig__judge fig__judge;
/* For data that are prepared as pictures of 0..1. `name` is what the data is opened by. */
fig_status fig__judge_open(fig_session *session, const char *name, const fig_data *data, const fig__hooks *hooks, fig__judge **out,
                           fig_error *err);
/* Inception-v3 with weights from a file (inception.h) instead: an encoder of 2048 features that knows no classes. */
fig_status fig__judge_open_inception(fig_session *session, const char *weights, const fig_data *data, fig__judge **out, fig_error *err);
/* A classifier of the same make, trained on `items` other pictures of the judge's size: IDX files in a folder of ours, in which it
 * also works. */
fig_status fig__judge_train(fig_session *session, const char *folder, int64_t items, const fig_data_spec *spec, const char *what,
                            const fig__hooks *hooks, fig__judge **out, fig_error *err);
void fig__judge_free(fig__judge *judge);
/* A new empty folder of the caller's own among the judges; heap path. Those that a killed process has left go after a day. */
fig_status fig__judge_workplace(char **path, fig_error *err);
/* How prepared data differ from the usual: "-v0.1-t0.1-fit-bg808080-dynamic", parts that were kept aside, another shape brought to
 * size in another way than by covering it, a background other than white, two values; "" = in nothing. */
const char *fig__judge_view(const fig_data *data, char out[80]);
/* "judge-cnn-1/mnist-1a2b3c4d" and the view, "encoder-random-1", "inception-fid-" and the hash of its weights */
const char *fig__judge_name(const fig__judge *judge);
int fig__judge_width(const fig__judge *judge);
int fig__judge_classes(const fig__judge *judge); /* 0 = an encoder */

/* Features and probabilities of pictures (rows, H, W, C) in 0..1 into rows [at, at + rows) of the cloud. */
fig_status fig__judge_see(fig__judge *judge, const float *pictures, int64_t rows, fig__cloud *cloud, int64_t at, fig_error *err);
/* The same of 8-bit pictures. */
fig_status fig__judge_see_pixels(fig__judge *judge, const uint8_t *pixels, int64_t rows, fig__cloud *cloud, int64_t at, fig_error *err);
/* Of a split's pictures, all or `count` of them: in order, or shuffled by the seed. */
fig_status fig__judge_see_split(fig__judge *judge, fig_data *data, fig_split split, int64_t count, bool shuffled, uint64_t seed,
                                const char *what, const fig__hooks *hooks, fig__cloud *cloud, fig_error *err);

#endif
