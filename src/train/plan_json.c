/* train/plan_json.c - what a training would cost, before it begins: weights, memory, operations, time
 *
 * The time is a forecast from a few rounds on random data of the right shapes, or, for long rounds, from their
 * operations and the speed of a matrix product; scores, sheets and checkpoints come on top. */
#include "train/trainer.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { PROBE_ROUNDS = 6, PROBE_SIZE = 768 };
#define PROBE_SECONDS 2.0
#define PROBE_FLOPS 1e11  /* longer rounds are not run for a forecast: they take a second and more */
#define TYPICAL_SHARE 0.6 /* of a matrix product's speed that long rounds reach */

/* -- the batch that would fit -------------------------------------------------------------------------------------- */

static bool fits(fig_trainer *t, int64_t batch, double *needed)
{
    fig__round *round;
    fig_store *store;
    bool good = false;
    if (fig_store_new(t->session, &store, NULL) != FIG_OK)
        return false;
    if (fig__round_new(&t->settings, t->spec, batch, &round, NULL) == FIG_OK) {
        if (fig__model_initialise(round->model, store, 1, NULL) == FIG_OK &&
            fig__round_compile(round, store, NULL, true, NULL) == FIG_OK) {
            *needed = (double)fig__round_info(round).planned_bytes;
            good = *needed < (double)fig__memory_available();
        }
        fig__round_free(round);
    }
    fig_store_free(store);
    return good;
}

fig_status fig__refuse_with_batch(fig_trainer *t, fig_error *err)
{
    int64_t batch = t->settings.train.batch, low = 0, high = batch;
    double needed = 0, unused, available = (double)fig__memory_available();
    fits(t, batch, &needed);
    while (low + 1 < high) { /* low fits (or is 0), high does not */
        int64_t middle = (low + high) / 2;
        if (fits(t, middle, &unused))
            low = middle;
        else
            high = middle;
        if (high - low <= low / 8) /* close enough for a suggestion */
            break;
    }
    if (low)
        return fig_fail(err, FIG_E_LIMIT, "batch %lld needs %.0f MB and %.0f MB are free; batch=%lld would fit",
                        (long long)batch, needed / 1e6, available / 1e6, (long long)low);
    return fig_fail(err, FIG_E_LIMIT,
                    "the model needs %.0f MB and %.0f MB are free; no batch would fit: make the model smaller",
                    needed / 1e6, available / 1e6);
}

/* -- forecast ------------------------------------------------------------------------------------------------------ */

/* Operations per second of a matrix product; 0 when it could not run. */
static double measure_product(fig_session *session)
{
    fig_graph *g = fig_graph_new();
    fig_store *store = NULL;
    fig_plan *plan = NULL;
    fig_node a = fig_input(g, "a", FIG_SHAPE(PROBE_SIZE, PROBE_SIZE)),
             b = fig_input(g, "b", FIG_SHAPE(PROBE_SIZE, PROBE_SIZE));
    fig_node product = fig_matmul(a, b, NULL);
    double best = INFINITY;
    if (fig_store_new(session, &store, NULL) == FIG_OK &&
        fig_plan_compile(g, store, &(fig_plan_opts){ .outputs = &product, .n_outputs = 1 }, &plan, NULL) == FIG_OK)
        for (int i = 0; i < PROBE_ROUNDS; i++) {
            double from = fig__seconds();
            if (fig_plan_run(plan, NULL, NULL) == FIG_OK)
                best = fmin(best, fig__seconds() - from);
        }
    fig_plan_free(plan);
    fig_store_free(store);
    fig_graph_free(g);
    return 2.0 * PROBE_SIZE * PROBE_SIZE * PROBE_SIZE / best;
}

/* Seconds of a round, from running a few on random data; the first warms up, unless it is long itself. */
static double time_rounds(fig_trainer *t)
{
    double best = NAN, begin = fig__seconds();
    for (int i = 0; i < PROBE_ROUNDS && (i < 2 || fig__seconds() - begin < PROBE_SECONDS); i++) {
        bool finite;
        double from = fig__seconds();
        if (fig__run_round(t, &finite, NULL) != FIG_OK)
            return NAN;
        double took = fig__seconds() - from;
        best = i > 1 ? fmin(best, took) : took;
        if (took > PROBE_SECONDS)
            break;
    }
    return best;
}

static fig_status compile_alike(fig_trainer *t, const fig__round *other)
{
    t->round->plan_budget = other->plan_budget;
    t->round->all_own = other->all_own;
    memcpy(t->round->own, other->own, sizeof other->own);
    return fig__round_compile(t->round, t->store, t->choices, false, NULL);
}

/* A round of its own, with weights of its own: the trainer's stay as they are. */
static double measure_round(fig_trainer *t)
{
    fig_trainer saved = *t;
    double seconds = NAN;
    t->random_data = true;
    t->round = NULL;
    t->feeds = NULL;
    t->store = NULL;
    if (fig_store_new(t->session, &t->store, NULL) == FIG_OK &&
        fig__round_new(&t->settings, t->spec, t->settings.train.batch, &t->round, NULL) == FIG_OK &&
        fig__model_initialise(t->round->model, t->store, 1, NULL) == FIG_OK &&
        compile_alike(t, saved.round) == FIG_OK && fig__feeds_new(t, &t->feeds, NULL) == FIG_OK)
        seconds = time_rounds(t);
    fig__feeds_free(t->feeds);
    fig__round_free(t->round);
    fig_store_free(t->store);
    t->round = saved.round;
    t->feeds = saved.feeds;
    t->store = saved.store;
    t->state = saved.state;
    t->random_data = saved.random_data;
    t->n_losses = saved.n_losses;
    return seconds;
}

static void put_parameters(const fig_trainer *t, fig__text *out)
{
    const fig_model *m = t->round->model;
    const char *at =
        t->settings.recipe->networks && *t->settings.recipe->networks ? t->settings.recipe->networks : NULL;
    if (!at) {
        int64_t total = 0;
        for (int i = 0; i < m->n_weights; i++)
            total += m->weights[i].trained ? fig__count(&m->weights[i].type) : 0;
        fig__text_print(out, "\"model\": %lld", (long long)total);
        return;
    }
    for (bool first = true; *at;) {
        size_t length = strcspn(at, " ");
        char *scope = fig__format("%.*s", (int)length, at);
        int64_t total = 0;
        for (int i = 0; i < m->n_weights; i++)
            if (m->weights[i].trained && fig__in_scopes(m->weights[i].name, scope))
                total += fig__count(&m->weights[i].type);
        if (total) { /* a network that no option has asked for is not there */
            fig__text_print(out, "%s", first ? "" : ", ");
            fig__json_put_text(out, scope);
            fig__text_print(out, ": %lld", (long long)total);
            first = false;
        }
        free(scope);
        at += length + strspn(at + length, " ");
    }
}

/* What a memory budget has changed: by plan and layer, at most so many rows of each plan. */
static void put_recomputed(const fig_trainer *t, const fig_plan_info *info, fig__text *out)
{
    enum { ROWS = 16 };
    fig__text_print(out, ", \"memory_budget_mb\": %.1f, \"unbudgeted_mb\": %.1f, \"recomputed_flops_per_step\": %.0f, \"recomputed\": [",
                    (double)t->settings.memory_budget / 1e6, (double)(info->unbudgeted_bytes + info->state_bytes) / 1e6,
                    info->recomputed_flops);
    bool first = true;
    for (int g = 0; g < t->round->n_groups; g++) {
        const fig_plan *plans[2] = { t->round->group[g].accumulate, t->round->group[g].plan };
        for (int k = 0; k < 2; k++) {
            char *rows = plans[k] ? fig_plan_recomputed_json(plans[k], ROWS) : NULL;
            size_t length = rows ? strlen(rows) : 0;
            if (length > 2) {
                fig__text_print(out, "%s%.*s", first ? "" : ", ", (int)length - 2, rows + 1);
                first = false;
            }
            free(rows);
        }
    }
    fig__text_print(out, "]");
}

fig_status fig_trainer_plan_json(fig_trainer *t, char **json, fig_error *err)
{
    (void)err;
    fig_plan_info info = fig_trainer_plan_info(t);
    double round =
        info.flops < PROBE_FLOPS ? measure_round(t) : (info.flops + info.recomputed_flops) / (measure_product(t->session) * TYPICAL_SHARE);
    double seconds = round * (double)t->steps;
    fig__text out;
    fig__text_init(&out, 1 << 20);
    fig__text_print(&out, "{\"schema\": \"figment.plan/1\", \"recipe\": ");
    fig__json_put_text(&out, t->settings.recipe->name);
    fig__text_print(&out, ", \"preset\": ");
    fig__json_put_text(&out, t->settings.preset ? t->settings.preset->name : "");
    fig__text_print(&out, ", \"parameters\": {");
    put_parameters(t, &out);
    fig__text_print(&out,
                    "}, \"planned_mb\": %.1f, \"activations_mb\": %.1f, \"states_mb\": %.1f, \"available_mb\": %.0f",
                    (double)(info.planned_bytes + info.state_bytes) / 1e6, (double)info.planned_bytes / 1e6,
                    (double)info.state_bytes / 1e6, (double)fig__memory_available() / 1e6);
    fig__text_print(&out, ", \"forecast_mb\": %.1f", (double)(info.planned_bytes + info.state_bytes + info.overhead_bytes) / 1e6);
    fig__text_print(&out, ", \"live_mb\": %.1f", (double)(info.live_bytes + info.state_bytes) / 1e6);
    if (t->settings.memory_budget)
        put_recomputed(t, &info, &out);
    fig__text_print(&out,
                    ", \"flops_per_step\": %.0f, \"batch\": %lld, \"steps\": %lld, \"epoch_steps\": %lld, \"plans\": "
                    "%d, \"nodes\": %d",
                    info.flops, (long long)t->settings.train.batch, (long long)t->steps, (long long)t->epoch_steps,
                    t->round->n_groups, info.nodes);
    fig__text_print(&out, ", \"seconds_forecast\": ");
    fig__json_put_number(&out, isfinite(seconds) ? floor(seconds * 10 + 0.5) / 10 : NAN);
    fig__text_print(&out, "}");
    *json = out.data;
    return FIG_OK;
}

fig_plan_info fig_trainer_plan_info(const fig_trainer *t)
{
    fig_plan_info info = fig__round_info(t->round);
    for (int i = 0; i < fig_store_count(t->store); i++)
        info.state_bytes += fig_store_bytes(t->store, i);
    return info;
}

char *fig_trainer_print_graph(fig_trainer *t, bool dot) { return fig_graph_print(t->round->model->graph, dot); }

/* -- benchmarks ---------------------------------------------------------------------------------------------------- */

fig_status fig_trainer_bench(fig_trainer *t, int warmup, int steps, double *seconds, fig_error *err)
{
    if (t->dry)
        return fig_fail(err, FIG_E_USAGE, "a dry run cannot be timed");
    for (int i = -warmup; i < steps; i++) {
        bool finite;
        double from = fig__seconds();
        FIG_TRY(fig__run_round(t, &finite, err));
        if (i >= 0)
            seconds[i] = fig__seconds() - from;
        t->state.step++;
        if (t->stop)
            return fig_fail(err, FIG_E_INTERRUPTED, "the benchmark was stopped");
    }
    return FIG_OK;
}

fig_status fig_trainer_sampler(fig_trainer *t, const fig_sample_opts *opts, fig_sampler **out, fig_error *err)
{
    return fig_sampler_new(&t->view, opts, out, err);
}

char *fig_trainer_profile(fig_trainer *t, int runs)
{
    fig__text out;
    fig__text_init(&out, 1u << 26);
    for (int g = 0; g < t->round->n_groups && !t->dry; g++) {
        fig__group *group = &t->round->group[g];
        fig_plan *plans[2] = { group->accumulate, group->plan };
        for (int k = 0; k < 2; k++) {
            if (!plans[k] || fig__feeds_fill(t->feeds, plans[k], NULL) != FIG_OK)
                continue;
            char *table = fig_plan_profile(plans[k], runs > 0 ? runs : 1);
            fig__text_print(&out, "%s", t->round->n_groups > 1 || group->accumulate ? "plan of " : "");
            for (int p = 0; p < group->n_phases && (t->round->n_groups > 1 || group->accumulate); p++)
                fig__text_print(&out, "%s%s", t->round->phase_name[group->phase[p]],
                                p + 1 < group->n_phases   ? ", "
                                : k || !group->accumulate ? "\n"
                                                          : " (gradients)\n");
            fig__text_print(&out, "%s", table ? table : "");
            free(table);
        }
    }
    return out.data ? out.data : fig__strdup("");
}
