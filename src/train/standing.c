/* train/standing.c - batch norm's statistics for averaged weights ("standing statistics")
 *
 * The running statistics that training leaves behind belong to the weights of the last steps. The moving average of the
 * weights (`ema`) is another network, whose activations have other means and smaller variances: used with the old ones its
 * pictures come out pale. So before the averages are looked at, the network draws 32 batches of 64 as it does while training,
 * and the mean of their statistics is kept beside the averaged weights, as "ema/NAME". (Izmailov et al. 2018, arXiv 1803.05407,
 * section 3.2; Brock et al. 2019, arXiv 1809.11096, section 4.1.)
 *
 * Only for recipes whose first sampler says so (fig_sampler_decl.as_trained); where it reads data, training examples are drawn for it.
 * A function of the averaged weights and the data alone: nothing of it is in a checkpoint, and training never reads it. */
#include "train/trainer.h"
#include "sample/sampler.h"

#include <stdlib.h>
#include <string.h>

enum { BATCHES = 32, BATCH = 64 };

/* Adds "ema/NAME" for every state that the sampler's network gathers in. */
static fig_status add_states(fig_trainer *t, const fig_model *m, fig_error *err)
{
    fig_graph *g = m->graph;
    bool *needed = fig__alloc((size_t)g->n_values);
    fig__mark_needed(g, &m->sampler[0].output.id, 1, needed);
    fig_status status = FIG_OK;
    for (int i = 0; i < g->n_assigns && status == FIG_OK; i++) {
        int32_t state = g->assigns[i].state, anchor = g->assigns[i].anchor;
        if (anchor < 0 || !needed[anchor])
            continue;
        fig_node node = { g, state };
        const char *name = ((const fig_leaf_attr *)fig__producer_attr(node))->name;
        char *averaged = fig__format("ema/%s", name);
        status = fig_store_add(t->store, averaged, &g->values[state].type, 0, err);
        free(averaged);
        t->stands = true;
    }
    free(needed);
    return status;
}

fig_status fig__standing_prepare(fig_trainer *t, fig_error *err)
{
    t->standing_step = -1;
    if (t->settings.train.ema <= 0)
        return FIG_OK;
    fig_model *m;
    FIG_TRY(fig__model_build(t->settings.recipe, t->settings.options, t->spec, FIG__FOR_STANDING, 1, &m, err));
    fig_status status = FIG_OK;
    if (m->sampler[0].as_trained && m->sampler[0].loop == FIG_LOOP_ONCE && !(m->sampler[0].input && t->random_data))
        status = add_states(t, m, err);
    fig__model_free(m);
    return status;
}

static fig_status open_examples(fig_trainer *t, fig_error *err)
{
    if (t->standing_examples)
        return FIG_OK;
    fig_loader_opts opts = { .batch = BATCH, .order = FIG_ORDER_REPLACEMENT, .seed = (uint64_t)t->settings.train.seed,
                             .key = "standing", .still = true };
    return fig_loader_new(t->data[0].data, &opts, &t->standing_examples, err);
}

static fig_status feed_examples(fig_trainer *t, const char *input, fig_error *err)
{
    fig_type type, given;
    const fig_batch *batch;
    void *to = fig_plan_input(t->standing->plan, input, &type);
    FIG_TRY(fig_loader_next(t->standing_examples, &batch, err));
    const void *from = fig_batch_field(batch, input, &given);
    if (!to || !from || fig__bytes(&given) != fig__bytes(&type))
        return fig_fail(err, FIG_E_SHAPE, "input \"%s\": the data have no such field of this size", input);
    memcpy(to, from, fig__bytes(&type));
    return FIG_OK;
}

/* A sampler of the standing graph. What one that reads data is given here is overwritten before each run. */
static fig_status open_standing(fig_trainer *t, fig_error *err)
{
    static const float nothing;
    if (t->standing)
        return FIG_OK;
    t->standing_view = t->view;
    t->standing_view.standing = true;
    fig_sample_opts opts = { .count = 1, .batch = BATCH, .input = &nothing };
    return fig_sampler_new(&t->standing_view, &opts, &t->standing, err);
}

fig_status fig__standing_refresh(fig_trainer *t, fig_error *err)
{
    if (!t->stands || t->standing_step == t->state.step)
        return FIG_OK;
    FIG_TRY(open_standing(t, err));
    const char *input = t->standing->decl->input;
    if (input) {
        FIG_TRY(open_examples(t, err));
        fig_loader_seek(t->standing_examples, 0);
    }
    for (int k = 0; k < BATCHES; k++) {
        if (input)
            FIG_TRY(feed_examples(t, input, err));
        fig_plan_set_scalar(t->standing->plan, "standing", 1.0f / (float)(k + 1));
        fig_run_opts opts = { .seed = (uint64_t)t->settings.train.seed, .first_row = (uint64_t)(k * BATCH) };
        FIG_TRY(fig_plan_run(t->standing->plan, &opts, err));
    }
    t->standing_step = t->state.step;
    return FIG_OK;
}
