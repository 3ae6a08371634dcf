/* train/run_round.c - one round: every group of the current stage that is due, as often as it wants
 *
 * Before each run of a plan the host sets its inputs and its scalars: rates and corrections of the optimizers, ramps,
 * the decay of the moving averages. Noise steps are numbered so that no two runs of a training share one. */
#include "train/schedule.h"
#include "train/trainer.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* -- scalars ------------------------------------------------------------------------------------------------------- */

double fig__base_lr(const fig_trainer *t, int phase)
{
    char name[128];
    snprintf(name, sizeof name, "phases.%s.lr", t->round->phase_name[phase]);
    return fig__overridden(t, name, t->round->phase[phase].lr);
}

static void set_optimizer(fig_trainer *t, int phase, fig_plan *plan)
{
    const fig__phase_options *o = &t->round->phase[phase];
    const fig__optimizer *optimizer = fig__optimizers[o->optimizer];
    double lr = fig__base_lr(t, phase) * fig__schedule_factor(&t->settings.train, t->state.step, t->steps);
    double scalar[FIG__OPTIMIZER_SCALARS] = { 0 };
    t->lr[phase] = lr;
    t->state.updates[phase]++;
    optimizer->set(o, lr, t->state.updates[phase], scalar);
    for (int i = 0; optimizer->scalar[i]; i++) {
        char name[160];
        snprintf(name, sizeof name, "phases.%s.%s", t->round->phase_name[phase], optimizer->scalar[i]);
        fig_plan_set_scalar(plan, name, (float)scalar[i]);
    }
}

static void set_ramps(const fig_trainer *t, fig_plan *plan)
{
    const fig_model *m = t->round->model;
    for (int i = 0; i < m->n_ramps; i++) {
        const fig__ramp *r = &m->ramp[i];
        double done = r->steps > 0 && (double)t->state.step < r->steps ? (double)t->state.step / r->steps : 1;
        fig_plan_set_scalar(plan, r->name, (float)fig__overridden(t, r->name, r->start + (r->end - r->start) * done));
    }
}

/* The average follows quickly at first: min(decay, (1 + n) / (10 + n)). */
static void set_average(fig_trainer *t, fig_plan *plan)
{
    double decay = t->settings.train.ema, n = (double)t->state.averaged;
    if (t->settings.train.ema_warm)
        decay = fmin(decay, (1 + n) / (10 + n));
    fig_plan_set_scalar(plan, "ema", (float)decay);
}

/* -- running ------------------------------------------------------------------------------------------------------- */

typedef struct position {
    int64_t run;
    int group, nth; /* which group, for which time in this round */
    bool finite;
} position;

static fig_run_opts run_opts(const fig_trainer *t, const position *at)
{
    int64_t step = (t->state.step + t->state.noise_skip) * fig__round_runs(t->round) + at->run;
    return (fig_run_opts){ .seed = (uint64_t)t->settings.train.seed, .step = (uint64_t)step };
}

/* Losses and logged values of the run; those of several accumulated batches are averaged. */
static void read_outputs(fig_trainer *t, const fig__group *group, const fig_plan *plan, int base, int part, int parts,
                         position *at)
{
    for (int i = 0; i < group->n_outputs; i++) {
        const fig__output *output = &group->output[i];
        const float *value = fig_plan_output(plan, i, NULL);
        int slot = base + i;
        if (output->kind == FIG__OUT_POOL) {
            fig__feeds_pool(t->feeds, output->phase, value, at->nth);
            t->loss_key[slot] = NULL;
            continue;
        }
        t->loss_key[slot] = output->key;
        t->loss[slot] = (part ? t->loss[slot] : 0) + (double)*value / parts;
        if (output->kind == FIG__OUT_LOSS && !isfinite(*value) && at->finite) {
            at->finite = false;
            t->failed_group = at->group;
            t->failed_phase = output->phase;
            t->failed_run = at->run;
        }
    }
}

static fig_status run_once(fig_trainer *t, fig__group *group, int base, position *at, fig_error *err)
{
    int parts = group->accumulate ? (int)t->settings.train.accumulate : 1;
    fig_plan *plan = fig__group_main(group);
    for (int part = 0; part < parts; part++) {
        FIG_TRY(fig__feeds_fill(t->feeds, plan, err));
        set_ramps(t, plan);
        if (!group->accumulate) {
            for (int k = 0; k < group->n_phases; k++)
                set_optimizer(t, group->phase[k], plan);
            set_average(t, plan);
        }
        fig_run_opts opts = run_opts(t, at);
        FIG_TRY(fig_plan_run(plan, &opts, err));
        read_outputs(t, group, plan, base, part, parts, at);
        at->run++;
    }
    if (!group->accumulate)
        return FIG_OK;
    set_optimizer(t, group->phase[0], group->plan);
    set_average(t, group->plan);
    fig_run_opts opts = run_opts(t, at);
    at->run++;
    return fig_plan_run(group->plan, &opts, err);
}

/* The group `last`, after those from `first` on, which give it rows of its own. */
static fig_status run_with_pools(fig_trainer *t, int first, int last, int nth, position *at, fig_error *err)
{
    int base = t->n_losses;
    at->nth = nth;
    for (int g = first; g <= last && at->finite; g++) {
        at->group = g;
        FIG_TRY(run_once(t, &t->round->group[g], base, at, err));
        base += t->round->group[g].n_outputs;
    }
    return FIG_OK;
}

/* Which stage the next round belongs to; NULL where there are none. */
static const char *current_stage(const fig_trainer *t, bool *begins)
{
    const fig_model *m = t->round->model;
    int64_t end = 0;
    *begins = false;
    for (int i = 0; i < m->n_stages; i++) {
        *begins = t->state.step == end;
        end += m->stage[i].steps;
        if (m->stage[i].steps <= 0 || t->state.step < end)
            return m->stage[i].name;
    }
    return m->n_stages ? m->stage[m->n_stages - 1].name : NULL;
}

static void reset_states(fig_trainer *t, fig_reset when)
{
    const fig_model *m = t->round->model;
    for (int i = 0; i < m->n_weights; i++) {
        const fig__weight *w = &m->weights[i];
        if (w->reset != when)
            continue;
        int index = fig_store_find(t->store, w->name);
        if (w->type.dtype == FIG_F32)
            fig__init_fill(&w->init, &w->type, (uint64_t)t->settings.train.seed, w->name,
                           fig_store_data(t->store, index));
        else
            memset(fig_store_data(t->store, index), 0, fig_store_bytes(t->store, index));
    }
}

static bool is_due(const fig_trainer *t, const fig__group *group, const char *stage)
{
    int64_t step = t->state.step;
    if (stage && group->stage && strcmp(stage, group->stage))
        return false;
    return step >= group->from && (!group->until || step < group->until) && step % group->every == 0;
}

fig_status fig__run_round(fig_trainer *t, bool *finite, fig_error *err)
{
    bool stage_begins;
    const char *stage = current_stage(t, &stage_begins);
    if (stage_begins)
        reset_states(t, FIG_RESET_STAGE);
    if (t->epoch_steps > 0 && t->state.step % t->epoch_steps == 0) {
        reset_states(t, FIG_RESET_EPOCH);
        reset_states(t, FIG_RESET_SEQUENCE);
    }
    FIG_TRY(fig__feeds_roll_out(t->feeds, err));
    position at = { 0, 0, 0, true };
    t->n_losses = 0;
    for (int g = 0; g < t->round->n_groups; g++) {
        fig__group *group = &t->round->group[g];
        int first = g;
        if (!is_due(t, group, stage) || group->only_pool)
            continue;
        while (first > 0 && t->round->group[first - 1].only_pool)
            first--;
        for (int k = 0; k < group->times && at.finite; k++)
            FIG_TRY(run_with_pools(t, first, g, k, &at, err));
        for (int i = first; i <= g; i++)
            t->n_losses += t->round->group[i].n_outputs;
        if (!at.finite)
            break;
    }
    t->state.averaged++;
    *finite = at.finite;
    return FIG_OK;
}

/* -- what went wrong ----------------------------------------------------------------------------------------------- */

/* The same round without any rewriting, where every node still has its layer; its weights are a copy. NULL when it
 * cannot be had, or does not fail. */
static char *find_in_plain_graph(fig_trainer *t, const fig_run_opts *opts)
{
    fig_session *session = NULL;
    fig_store *store = NULL;
    fig__round *round = NULL;
    char *found = NULL;
    fig_status status = fig_session_new(
        &(fig_session_opts){ .threads = fig_session_threads(t->session), .passes_off = "all" }, &session, NULL);
    if (status == FIG_OK)
        status = fig_store_new(session, &store, NULL);
    for (int i = 0; status == FIG_OK && i < fig_store_count(t->store); i++) {
        status = fig_store_add(store, fig_store_name(t->store, i), fig_store_type(t->store, i),
                               fig_store_flags(t->store, i), NULL);
        if (status == FIG_OK)
            memcpy(fig_store_data(store, i), fig_store_data(t->store, i), fig_store_bytes(t->store, i));
    }
    if (status == FIG_OK)
        status = fig__round_new(&t->settings, t->spec, t->settings.train.batch, &round, NULL);
    if (status == FIG_OK)
        status = fig__round_compile(round, store, NULL, false, NULL);
    if (status == FIG_OK) {
        const fig__group *group = &round->group[t->failed_group];
        fig_plan *plan = fig__group_main(group), *failed = fig__group_main(&t->round->group[t->failed_group]);
        for (int i = 0; i < round->model->n_inputs; i++) {
            fig_type type;
            void *to = fig_plan_input(plan, round->model->input[i].decl.name, &type);
            const void *from = fig_plan_input(failed, round->model->input[i].decl.name, NULL);
            if (to && from)
                memcpy(to, from, fig__bytes(&type));
        }
        set_ramps(t, plan);
        for (int k = 0; k < group->n_phases && !group->accumulate; k++)
            set_optimizer(t, group->phase[k], plan);
        found = fig_plan_find_nonfinite(plan, opts);
    }
    fig__round_free(round);
    fig_store_free(store);
    fig_session_free(session);
    return found;
}

/* The run that failed is still in place: inputs, scalars, and weights, which it did not change. So it is run again,
 * layer by layer. */
fig_status fig__explain_nonfinite(fig_trainer *t, fig_error *err)
{
    position at = { t->failed_run, t->failed_group, 0, false };
    fig_run_opts opts = run_opts(t, &at);
    char *layer = find_in_plain_graph(t, &opts);
    if (!layer)
        layer = fig_plan_find_nonfinite(fig__group_main(&t->round->group[t->failed_group]), &opts);
    fig_status status = fig_fail(
        err, FIG_E_NUMERIC,
        "phase \"%s\", step %lld: the loss is not finite; first at %s; the last checkpoint is good; try a lower "
        "lr, or clip=1",
        t->round->phase_name[t->failed_phase], (long long)t->state.step + 1, layer ? layer : "the loss itself");
    free(layer);
    return status;
}
