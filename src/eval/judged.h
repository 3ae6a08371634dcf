/* eval/judged.h - scores of samples: what is generated against what is real, both seen by the judge (points: as they are)
 *
 * Adding one: a file with a `const fig__sample_metric fig__sample_metric_NAME` at its end and a row in metrics.def. Its
 * `score` asks for the clouds it compares - each is made once, whoever asks first - and puts its scores. */
#ifndef FIG_EVAL_JUDGED_H
#define FIG_EVAL_JUDGED_H

#include "eval/judge.h"

typedef struct fig__judged fig__judged;
typedef struct fig__sample_metric {
    const char *name, *summary;
    const char *gives;    /* names of its scores, blank-separated */
    unsigned kinds;       /* of data */
    bool on_request;      /* costly: only when it is named */
    bool classes;         /* of labelled data only, and of points in the plane only: among those that nobody named, not of others */
    int64_t usual[2];     /* generated items when nobody says how many: pictures, points */
    fig_status (*score)(fig__judged *judged, int64_t count, fig_error *err);
} fig__sample_metric;
extern const fig__sample_metric *const fig__sample_metrics[]; /* ends with NULL */
fig_split fig__judged_split(const fig__judged *judged); /* that samples are compared with */
const fig__sample_metric *fig__sample_metric_find(const char *name); /* by its name or by one of its scores'; NULL = none */

/* What is to be judged, and against what. */
typedef struct fig__judging {
    fig_session *session;
    fig_trained *model;   /* or NULL with `pictures` */
    const char *pictures; /* a file or folder of pictures from anywhere */
    const char *data;     /* name of the data set */
    const char *split;    /* NULL = test if there is one, else validation */
    const char *const *metrics; /* NULL-terminated; NULL = all that are not on request */
    const char *const *settings; /* of sampling; NULL = none */
    int64_t count;        /* generated items; 0 = as each metric likes */
    uint64_t seed;
    const char *inception; /* file of Inception weights to see pictures with; NULL = the judge of the data */
    const char *chosen_on; /* split that the model was chosen on: protocols of scores on it say so; NULL = none */
    fig_sampling_cost *cost; /* or NULL: what making the samples took */
    fig__hooks hooks;
} fig__judging;
fig_status fig__judge_samples(const fig__judging *what, fig_score *scores, int max, int *count, fig_error *err);

/* -- for the metrics --------------------------------------------------------------------------------------------------------------- */

typedef enum fig__sight {
    FIG__SEE_MADE,      /* what is judged: `count` of it */
    FIG__SEE_REFERENCE, /* the real items of the split, shuffled */
    FIG__SEE_AGAIN,     /* `count` real items of the train split, drawn by the seed: what a perfect generator would make */
    FIG__SEE_TRAIN      /* all of the train split */
} fig__sight;
/* Belongs to the judged. It has at least as many rows as were asked for, or all there are. */
fig_status fig__judged_see(fig__judged *judged, fig__sight sight, int64_t count, const fig__cloud **out, fig_error *err);
/* The reference's items, in its order, seen by another classifier; the cloud is the caller's. */
fig_status fig__judged_see_with(fig__judged *judged, fig__judge *reader, fig__cloud *cloud, fig_error *err);
fig__matrix fig__cloud_matrix(const fig__cloud *cloud, int64_t rows); /* the first rows, at most what there is; rows 0 = all */
fig_data_kind fig__judged_kind(const fig__judged *judged);
const fig__judging *fig__judged_what(const fig__judged *judged);
const fig_data_spec *fig__judged_spec(const fig__judged *judged);
fig_data *fig__judged_data(fig__judged *judged);
/* Generated pictures as people see them, 8 bits a channel: (count, H, W, C); class asked for, -1 = none. Made once. */
fig_status fig__judged_pictures(fig__judged *judged, int64_t count, const uint8_t **pixels, const int32_t **label, fig_error *err);
/* The judge; FIG_E_USAGE when `labels` are needed and the data has none. */
fig_status fig__judged_judge(fig__judged *judged, bool labels, const char *for_what, fig__judge **out, fig_error *err);
/* The protocol reads NAME/JUDGE/SIZE/DETAIL/SPLIT, and chosen-on-this-split where that is so; count is the score's n. */
void fig__judged_put(fig__judged *judged, const char *name, const char *unit, fig__estimate estimate, int64_t count, bool higher,
                     const char *detail);
/* "n2000/s1" */
const char *fig__judged_draw(const fig__judged *judged, int64_t count, char out[64]);
fig_status fig__judged_tell(const fig__judged *judged, const char *what, double done, fig_error *err);
/* Accuracy of the judge itself on the split, once; nothing where there are no labels. */
fig_status fig__judged_put_accuracy(fig__judged *judged, fig_error *err);

#endif
