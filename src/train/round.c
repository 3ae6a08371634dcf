/* train/round.c - from the phases of a model to plans: which phases share one, and compiling them
 *
 * Grouping: a phase joins the group before it when both run exactly once in every round of the same stage, nothing is
 * accumulated, and it reads no pool (whose rows come from the host, between two plans). What a pool is filled from is
 * an output of the group that computes it; when no earlier group of the round does, a small group computes it and
 * nothing else, anew for each time that the reader runs. */
#include "train/round.h"
#include "train/build.h"

#include <stdlib.h>
#include <string.h>

/* -- grouping ------------------------------------------------------------------------------------------------------ */

static bool same_text(const char *a, const char *b) { return a == b || (a && b && !strcmp(a, b)); }

static bool needs(const fig_graph *g, fig_node root, int32_t value)
{
    bool *needed = fig__alloc((size_t)g->n_values);
    fig__mark_needed(g, &root.id, 1, needed);
    bool found = needed[value];
    free(needed);
    return found;
}

static bool reads_pool(const fig_model *m, const fig_phase *phase)
{
    for (int i = 0; i < m->n_inputs; i++)
        if (m->input[i].decl.feed == FIG_FEED_POOL && needs(m->graph, phase->loss, m->input[i].node.id))
            return true;
    return false;
}

static bool may_merge(const fig__round *r, const fig__group *group, const fig_phase *phase, int times)
{
    return r->settings->train.accumulate == 1 && group->times == 1 && group->every == 1 && times == 1 &&
           phase->every == 1 && !group->only_pool && group->from == phase->from && group->until == phase->until &&
           same_text(group->stage, phase->stage) && !reads_pool(r->model, phase);
}

/* The group, before `end`, that computes what fills the pool of input `i`; made when there is none. */
static void give_pool(fig__round *r, int i, const fig_phase *reader, int times)
{
    const fig_model *m = r->model;
    fig_node from = m->input[i].decl.from;
    for (int g = 0; g < r->n_groups; g++) {
        fig__group *group = &r->group[g];
        if (group->only_pool == i + 1)
            return;
        for (int p = 0; p < group->n_phases; p++)
            if (same_text(group->stage, reader->stage) && group->every == 1 &&
                needs(m->graph, m->phase[group->phase[p]].loss, from.id)) {
                for (int o = 0; o < group->n_outputs; o++)
                    if (group->output[o].kind == FIG__OUT_POOL && group->output[o].phase == i)
                        return;
                group->output[group->n_outputs++] = (fig__output){ FIG__OUT_POOL, i, m->input[i].decl.name, from };
                return;
            }
    }
    fig__group *group = &r->group[r->n_groups++];
    *group = (fig__group){
        .stage = reader->stage, .times = times, .every = reader->every, .from = reader->from, .until = reader->until, .only_pool = i + 1
    };
    group->output[group->n_outputs++] = (fig__output){ FIG__OUT_POOL, i, m->input[i].decl.name, from };
}

static void group_phases(fig__round *r)
{
    const fig_model *m = r->model;
    for (int p = 0; p < m->n_phases; p++) {
        const fig_phase *phase = &m->phase[p];
        for (int i = 0; i < m->n_inputs; i++)
            if (m->input[i].decl.feed == FIG_FEED_POOL && needs(m->graph, phase->loss, m->input[i].node.id))
                give_pool(r, i, phase, r->times[p]);
        fig__group *last = r->n_groups ? &r->group[r->n_groups - 1] : NULL;
        if (last && may_merge(r, last, phase, r->times[p])) {
            last->phase[last->n_phases++] = p;
            continue;
        }
        fig__group *group = &r->group[r->n_groups++];
        *group = (fig__group){ .n_phases = 1,
                               .stage = phase->stage,
                               .times = r->times[p],
                               .every = phase->every,
                               .from = phase->from,
                               .until = phase->until };
        group->phase[0] = p;
    }
}

/* -- making and freeing -------------------------------------------------------------------------------------------- */

static fig_status read_phases(fig__round *r, fig_error *err)
{
    const fig_model *m = r->model;
    r->phase = FIG_NEW_ARRAY(r->arena, fig__phase_options, m->n_phases);
    r->phase_name = FIG_NEW_ARRAY(r->arena, const char *, m->n_phases);
    r->times = FIG_NEW_ARRAY(r->arena, int, m->n_phases);
    for (int p = 0; p < m->n_phases; p++)
        r->phase_name[p] = m->phase[p].name;
    FIG_TRY(fig__settings_check_phases(r->settings, r->phase_name, m->n_phases, err));
    for (int p = 0; p < m->n_phases; p++) {
        FIG_TRY(fig__settings_phase(r->settings, m->phase[p].name, m->phase[p].settings, &r->phase[p], err));
        if (m->phase[p].rate > 0)
            r->phase[p].lr *= m->phase[p].rate;
        r->times[p] = r->phase[p].times ? (int)r->phase[p].times : m->phase[p].times;
    }
    return FIG_OK;
}

fig_status fig__round_new(const fig__settings *settings, const fig_data_spec *data, int64_t batch, fig__round **out,
                          fig_error *err)
{
    *out = NULL;
    fig_model *model;
    FIG_TRY(fig__model_build(settings->recipe, settings->options, data, FIG_FOR_TRAINING, batch, &model, err));
    fig_model_weight(model); /* losses are weighted by it, so it exists whether the recipe asked or not */
    fig__round *r = fig__alloc(sizeof *r);
    *r = (fig__round){ .model = model, .settings = settings, .arena = fig__arena_new() };
    fig_status status = read_phases(r, err);
    if (status != FIG_OK) {
        fig__round_free(r);
        return status;
    }
    group_phases(r);
    *out = r;
    return FIG_OK;
}

void fig__round_free(fig__round *r)
{
    if (!r)
        return;
    for (int g = r->n_groups - 1; g >= 0; g--) {
        fig_plan_free(r->group[g].accumulate);
        fig_plan_free(r->group[g].plan);
    }
    fig__model_free(r->model);
    fig__arena_free(r->arena);
    free(r);
}

/* -- compiling ----------------------------------------------------------------------------------------------------- */

/* Bytes of a plan that no other plan shares: inputs, constants, what kernels hold. */
static uint64_t own_bytes(const fig_plan *plan)
{
    fig_plan_info info = fig_plan_get_info(plan);
    return info.planned_bytes - info.block_bytes;
}

void fig__round_set_budget(fig__round *r, const fig__round *measured, uint64_t bytes)
{
    r->plan_budget = bytes;
    for (int i = 0; i < 2 * measured->n_groups; i++) {
        const fig_plan *plan = i % 2 ? measured->group[i / 2].plan : measured->group[i / 2].accumulate;
        r->own[i] = plan ? own_bytes(plan) : 0;
        r->all_own += r->own[i];
    }
}

static fig_status compile(fig__round *r, fig_store *store, const fig__group *group, bool outputs,
                          const fig_plan_opts *how, fig_plan **out, fig_error *err)
{
    FIG_TRY(fig_graph_check(r->model->graph, err));
    fig_node nodes[4 * FIG_MODEL_MAX];
    int count = outputs ? group->n_outputs : 0;
    for (int i = 0; i < count; i++)
        nodes[i] = group->output[i].node;
    fig_plan_opts opts = *how;
    uint64_t least = 0;
    opts.outputs = nodes;
    opts.n_outputs = count;
    if (r->plan_budget) {
        uint64_t others = r->all_own - r->own[2 * (group - r->group) + (out == &group->plan)];
        opts.memory_budget = r->plan_budget > others + 1 ? r->plan_budget - others : 1;
    }
    opts.least = &least;
    fig_status status = fig_plan_compile(r->model->graph, store, &opts, out, err);
    least += r->plan_budget - (r->plan_budget ? opts.memory_budget : 0); /* with the others' own */
    if (least > r->plan_least)
        r->plan_least = least;
    return status;
}

bool fig__round_in_bf16(const fig__round *r)
{
    return r->settings->train.precision == FIG__BF16 && fig__machine_get()->avx512_bf16;
}

fig_status fig__round_compile(fig__round *r, fig_store *store, fig_choices *choices, bool dry, fig_error *err)
{
    fig_plan_opts how = { .dry = dry, .choices = choices, .bf16 = fig__round_in_bf16(r), .keep_copies = fig__round_in_bf16(r) };
    fig__builder b;
    fig__builder_begin(&b, r, store);
    fig_status status = FIG_OK;
    for (int i = 0; i < r->n_groups && status == FIG_OK; i++) {
        fig__group *group = &r->group[i];
        if (r->settings->train.accumulate > 1 && !group->only_pool) {
            status = fig__build_accumulate(&b, group, err);
            if (status == FIG_OK)
                status = compile(r, store, group, true, &how, &group->accumulate, err);
            how.share = how.share ? how.share : group->accumulate;
            if (status == FIG_OK)
                status = fig__build_apply(&b, group, err);
        } else {
            status = fig__build_group(&b, group, err);
        }
        if (status == FIG_OK)
            status = compile(r, store, group, !group->accumulate, &how, &group->plan, err);
        how.share = how.share ? how.share : group->plan;
    }
    fig__builder_end(&b);
    return status;
}

fig_plan_info fig__round_info(const fig__round *r)
{
    fig_plan_info sum = { 0 };
    uint64_t first = 0, first_without = 0, others = 0, live = 0;
    for (int i = 0; i < r->n_groups; i++) {
        const fig__group *group = &r->group[i];
        const fig_plan *plans[2] = { group->accumulate, group->plan };
        for (int k = 0; k < 2; k++) {
            if (!plans[k])
                continue;
            fig_plan_info info = fig_plan_get_info(plans[k]);
            double runs = (double)group->times / group->every * (k == 0 ? (double)r->settings->train.accumulate : 1);
            sum.flops += info.flops * runs;
            sum.recomputed_flops += info.recomputed_flops * runs;
            sum.recomputed_steps += info.recomputed_steps;
            sum.nodes += info.nodes;
            sum.steps += info.steps;
            /* Blocks: the first plan's, and those of plans for which it is too small; inputs and constants of all. */
            uint64_t own = info.planned_bytes - info.block_bytes, block = info.block_bytes > first ? info.block_bytes : 0;
            first = first ? first : info.block_bytes;
            uint64_t without = info.unbudgeted_bytes - own;
            sum.unbudgeted_bytes += own + (without > first_without ? without : 0);
            first_without = first_without ? first_without : without;
            sum.planned_bytes += own + block;
            sum.block_bytes += block;
            others += own;
            if (info.live_bytes - own > live)
                live = info.live_bytes - own;
            sum.live_bytes = live + others;
            sum.overhead_bytes = info.overhead_bytes > sum.overhead_bytes ? info.overhead_bytes : sum.overhead_bytes;
        }
    }
    return sum;
}

int64_t fig__round_runs(const fig__round *r)
{
    int64_t runs = 0;
    for (int i = 0; i < r->n_groups; i++)
        runs += r->group[i].times * (r->group[i].accumulate ? r->settings->train.accumulate + 1 : 1);
    return runs;
}
