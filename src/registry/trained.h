/* registry/trained.h - a model that can be used: what fig_load makes of a file, and what a trainer shows of itself
 *
 * Sampler and evaluator see only this. A trainer lends its own store; then weights are read where they are, or from
 * their moving averages when `state_prefix` says so. */
#ifndef FIG_REGISTRY_TRAINED_H
#define FIG_REGISTRY_TRAINED_H

#include "nn/model.h"
#include <figment/use.h>

struct fig_trained {
    fig_session *session;
    fig_store *store;
    const fig_recipe *recipe;
    void *options;
    fig_data_spec *data;
    const char *state_prefix;   /* "ema/" or NULL */
    bool standing;              /* samplers gather batch norm's statistics (train/standing.c) */
    fig_plan *share;            /* plans made for this model may use this one's memory; NULL = none */
    uint64_t seed;              /* for states that are not in the file (caches) */
    bool own_session, own_rest; /* what fig_trained_free frees; a trainer's view owns nothing */
    /* of a loaded model, heap; NULL in a trainer's view */
    char *path, *run_folder, *preset, *scores, *provenance;
};

/* -- origin.c */
void fig__origin_put(const fig_origin *origin, fig__text *out); /* as an object */

#endif
