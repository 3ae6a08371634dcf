/* train/standing.c - batch norm's statistics for averaged weights ("standing statistics")
 *
 * The running statistics that training leaves behind belong to the weights of the last steps. The moving average of the
 * weights (`ema`) is another network, whose activations have other means and smaller variances: used with the old ones its
 * pictures come out pale. So before the averages are looked at, the network draws 32 batches of 64 as it does while training,
 * and the mean of their statistics is kept beside the averaged weights, as "ema/NAME". (Izmailov et al. 2018, arXiv 1803.05407,
 * section 3.2; Brock et al. 2019, arXiv 1809.11096, section 4.1.)
 *
 * Only for samplers that say so (fig_sampler_decl.as_trained), and a function of the averaged weights alone: nothing of it is
 * in a checkpoint, and training never reads it. */
#include "train/trainer.h"
#include "sample/sampler.h"

#include <stdlib.h>

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
    if (m->sampler[0].as_trained && m->sampler[0].loop == FIG_LOOP_ONCE && !m->sampler[0].input)
        status = add_states(t, m, err);
    fig__model_free(m);
    return status;
}

fig_status fig__standing_refresh(fig_trainer *t, fig_error *err)
{
    if (!t->stands || t->standing_step == t->state.step)
        return FIG_OK;
    if (!t->standing) {
        t->standing_view = t->view;
        t->standing_view.standing = true;
        FIG_TRY(
            fig_sampler_new(&t->standing_view, &(fig_sample_opts){ .count = 1, .batch = BATCH }, &t->standing, err));
    }
    for (int k = 0; k < BATCHES; k++) {
        fig_plan_set_scalar(t->standing->plan, "standing", 1.0f / (float)(k + 1));
        fig_run_opts opts = { .seed = (uint64_t)t->settings.train.seed, .first_row = (uint64_t)(k * BATCH) };
        FIG_TRY(fig_plan_run(t->standing->plan, &opts, err));
    }
    t->standing_step = t->state.step;
    return FIG_OK;
}
