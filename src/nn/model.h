/* nn/model.h - what a build has declared: read by trainer, evaluator and sampler
 *
 * A fig_model belongs to one graph and one purpose; everything lies in its graph's arena. Weights and buffers are listed
 * with their initialisers; fig__model_initialise adds them to a store and fills the new ones. */
#ifndef FIG_NN_MODEL_H
#define FIG_NN_MODEL_H

#include "graph/graph.h"
#include <figment/model.h>
#include <figment/plan.h>

#define FIG_MODEL_MAX 32

typedef struct fig__weight { /* a named state with its first value */
    const char *name;
    fig_type type;
    fig_init init; /* resolved: kind is not default, fans are set */
    bool trained, exported;
    fig_reset reset;
    fig_combine combine;
    fig_node node;
    fig_node made; /* of it: W / sigma (nn/spectral.c); FIG_NONE */
    fig_node log_alpha; /* of its noise, of its shape or (1) (nn/variational.c); FIG_NONE */
} fig__weight;

typedef struct fig__input {
    fig_input_decl decl;
    fig_node node;
} fig__input; /* decl.type is resolved */
typedef struct fig__ramp {
    const char *name;
    double start, end, steps;
} fig__ramp;
typedef struct fig__log_value {
    const char *phase, *name;
    fig_node value;
} fig__log_value;

/* A purpose of our own beside the public ones: sampling, but batch norm uses the batch and gathers its statistics. */
#define FIG__FOR_STANDING ((fig_purpose)64)

struct fig_model {
    fig_graph *graph; /* graph->owner.model points back */
    fig_purpose purpose;
    bool standing; /* built for FIG__FOR_STANDING; the purpose is then FIG_FOR_SAMPLING */
    int64_t batch;
    const fig_recipe *recipe;
    const void *options;
    const fig_data_spec *data;
    fig_init default_weight, default_bias;
    fig__weight *weights;
    int n_weights, cap_weights;
    fig__input input[FIG_MODEL_MAX];
    fig_phase phase[FIG_MODEL_MAX];
    fig_stage stage[FIG_MODEL_MAX];
    fig__ramp ramp[FIG_MODEL_MAX];
    fig__log_value log[FIG_MODEL_MAX];
    fig_metric_decl metric[FIG_MODEL_MAX];
    fig_sampler_decl sampler[FIG_MODEL_MAX];
    fig_part part[FIG_MODEL_MAX];
    int n_inputs, n_phases, n_stages, n_ramps, n_logs, n_metrics, n_samplers, n_parts;
    fig_node weight; /* (B) example weights, FIG_NONE until asked for */
};

/* Builds a recipe's graph for a purpose. The first mistake of the build is reported with its layer path. The caller owns
 * the graph (fig_graph_free frees the model with it). */
fig_status fig__model_build(const fig_recipe *recipe, const void *options, const fig_data_spec *data,
                            fig_purpose purpose, int64_t batch, fig_model **out, fig_error *err);
void fig__model_free(fig_model *model);
/* Adds every weight and buffer to the store; those that were not there are initialised from Philox(seed, hash of name). */
fig_status fig__model_initialise(const fig_model *model, fig_store *store, uint64_t seed, fig_error *err);
/* Fills data with an initialiser's values; a function of (seed, name) only. */
void fig__init_fill(const fig_init *init, const fig_type *type, uint64_t seed, const char *name, float *data);
/* True when state `name` lies in one of the blank-separated scopes (NULL = all). */
bool fig__in_scopes(const char *name, const char *scopes);

#endif
