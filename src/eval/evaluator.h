/* eval/evaluator.h - scoring a model on a split: the metrics that its recipe declares, each as a mean over the examples
 *
 * The evaluation graph runs at one batch size; rows that only fill up the last batch have weight zero and count
 * nothing. */
#ifndef FIG_EVAL_EVALUATOR_H
#define FIG_EVAL_EVALUATOR_H

#include "data/source.h"
#include "registry/trained.h"

/* A data set under the key that the recipe knows it by ("" = the only one). */
typedef struct fig__data_set {
    const char *key;
    fig_data *data;
} fig__data_set;

typedef struct fig__evaluator fig__evaluator;
/* metrics NULL = all that are not on request. A name that the recipe does not have is FIG_E_NOT_FOUND with those it has. */
fig_status fig__evaluator_new(fig_trained *trained, const char *const *metrics, fig__evaluator **out, fig_error *err);
void fig__evaluator_free(fig__evaluator *evaluator);
int fig__evaluator_metrics(const fig__evaluator *evaluator); /* how many it computes */

typedef struct fig__eval_run {
    const fig__data_set *data;
    int n_data;
    fig_split split;
    int64_t count; /* items; 0 = all */
    uint64_t seed;
    int64_t samples;  /* of bounds that are a mean over draws; 0 = 5,000 */
    const char *note; /* appended to the protocol; NULL = nothing */
    void (*progress)(void *user, double done);
    bool (*cancelled)(void *user);
    void *user;
} fig__eval_run;
/* FIG_E_INTERRUPTED when cancelled. Scores come in the order of declaration, what is derived from one right after
 * it. */
fig_status fig__evaluator_run(fig__evaluator *evaluator, const fig__eval_run *run, fig_score *scores, int max,
                              int *count, fig_error *err);

/* True when the metric is called so, or a score of this name is derived from it. */
bool fig__metric_gives(const fig_metric_decl *metric, const char *name);

#endif
