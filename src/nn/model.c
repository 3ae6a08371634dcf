/* nn/model.c - a model's graph: building it from a recipe, and giving its weights their first values
 *
 * One build serves one purpose (training, evaluation, sampling) and one batch size; builds of the same recipe meet in the
 * store through the names of their states. Everything a build declares (nn/declare.c, nn/param.c) lies in its graph's
 * arena and goes with it. `options` and `data` are borrowed and must outlive the model. */
#include "nn/model.h"
#include "exec/exec.h"
#include <string.h>

static fig_status check_declarations(const fig_model *model, fig_error *err)
{
    const char *name = model->recipe->name;
    if (model->purpose == FIG_FOR_TRAINING && model->n_phases == 0)
        return fig_fail(err, FIG_E_FAILED, "recipe %s: declares no phase, so there is nothing to train", name);
    if (model->purpose == FIG_FOR_SAMPLING && model->n_samplers == 0)
        return fig_fail(err, FIG_E_FAILED, "recipe %s: declares no sampler", name);
    for (int i = 0; i < model->n_phases && model->n_stages; i++) {
        const char *stage = model->phase[i].stage;
        bool known = false;
        for (int s = 0; stage && s < model->n_stages; s++)
            known = known || strcmp(model->stage[s].name, stage) == 0;
        if (!known)
            return fig_fail(err, FIG_E_FAILED, "recipe %s: phase \"%s\" belongs to no declared stage", name,
                            model->phase[i].name);
    }
    return FIG_OK;
}

fig_status fig__model_build(const fig_recipe *recipe, const void *options, const fig_data_spec *data,
                            fig_purpose purpose, int64_t batch, fig_model **out, fig_error *err)
{
    *out = NULL;
    if (batch < 1)
        return fig_fail(err, FIG_E_USAGE, "recipe %s: batch is %lld, expected at least 1", recipe->name,
                        (long long)batch);
    fig_graph *graph = fig_graph_new();
    fig_model *model = FIG_NEW(graph->arena, fig_model);
    *model = (fig_model){
        .graph = graph, .purpose = purpose, .batch = batch, .recipe = recipe, .options = options, .data = data
    };
    if (purpose == FIG__FOR_STANDING) {
        model->purpose = FIG_FOR_SAMPLING;
        model->standing = true;
    }
    model->default_weight.kind = FIG_INIT_GLOROT_UNIFORM;
    model->default_bias.kind = FIG_INIT_ZEROS;
    graph->owner.model = model;

    /* A mistake in the graph is the cause, what build() returns after it only a consequence: the graph speaks first. */
    fig_error built = { 0 };
    fig_status status = recipe->build(model, options, data, &built);
    fig_status checked = fig_graph_check(graph, err);
    if (checked == FIG_OK && status != FIG_OK)
        checked = fig_fail(err, status, "%s", built.message);
    if (checked == FIG_OK)
        checked = check_declarations(model, err);
    if (checked != FIG_OK) {
        fig_graph_free(graph);
        return checked;
    }
    *out = model;
    return FIG_OK;
}

void fig__model_free(fig_model *model)
{
    if (model)
        fig_graph_free(model->graph);
}

static fig_status add_weights(const fig_model *model, fig_store *store, uint64_t seed, fig_error *err)
{
    for (int i = 0; i < model->n_weights; i++) {
        const fig__weight *w = &model->weights[i];
        bool known = fig_store_find(store, w->name) >= 0;
        unsigned flags = (w->trained ? FIG_TRAINED : 0u) | (w->exported ? FIG_EXPORTED : 0u);
        FIG_TRY(fig_store_add(store, w->name, &w->type, flags, err));
        bool zeros = w->type.dtype != FIG_F32 || w->init.kind == FIG_INIT_ZEROS; /* as the store's memory is, untouched */
        if (!known && !zeros)
            fig__init_fill(&w->init, &w->type, seed, w->name, fig_store_data(store, fig_store_find(store, w->name)));
    }
    return FIG_OK;
}

fig_status fig__model_initialise(const fig_model *model, fig_store *store, uint64_t seed, fig_error *err)
{
    int saved;
    pthread_mutex_lock(&store->session->lock); /* its threads fill */
    fig__threads_enter(store->session->threads, &saved);
    fig_status status = add_weights(model, store, seed, err);
    fig__threads_leave(saved);
    pthread_mutex_unlock(&store->session->lock);
    return status;
}

bool fig__in_scopes(const char *name, const char *scopes)
{
    if (!scopes)
        return true;
    while (*scopes) {
        size_t length = strcspn(scopes, " ");
        if (length && strncmp(name, scopes, length) == 0 && (name[length] == '.' || name[length] == '\0'))
            return true;
        scopes += length + (scopes[length] == ' ');
    }
    return false;
}

/* -- questions a build may ask ------------------------------------------------------------------------------------- */

fig_graph *fig_model_graph(fig_model *model) { return model->graph; }
fig_purpose fig_model_purpose(const fig_model *model) { return model->purpose; }
int64_t fig_model_batch(const fig_model *model) { return model->batch; }

void fig_model_default_init(fig_model *model, fig_init weight, fig_init bias)
{
    if (weight.kind != FIG_INIT_DEFAULT)
        model->default_weight = weight;
    if (bias.kind != FIG_INIT_DEFAULT)
        model->default_bias = bias;
}
