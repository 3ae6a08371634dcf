/* test_random_graphs.c - random graphs through every setting of the compiler
 *
 * Outputs and states must be what the oracle says, whatever passes are off and whatever kernels run.
 *
 * FIGMENT_TEST_CASES sets how many graphs (250), FIGMENT_TEST_FIRST the number of the first. A failure names the
 * graph's number: FIGMENT_TEST_FIRST=that FIGMENT_TEST_CASES=1 runs it alone and prints it. */
#include "../oracle.h"
#include "../plan_check.h"
#include "../random_training.h"

#include "passes/pass.h"

#include <stdlib.h>

enum { RUNS = 3, SHAKEN = 4 };

static int number_from(const char *name, int fallback)
{
    const char *text = getenv(name);
    return text ? atoi(text) : fallback;
}

/* -- what must come out -------------------------------------------------------------------------------------------- */

/* Values of roots and states after each run, by the oracle, and how far rounding may move them. */
typedef struct expected {
    void *root[RUNS][MAX_ROOTS], *state[RUNS][MAX_LEAVES];
    double root_slack[RUNS][MAX_ROOTS], state_slack[RUNS][MAX_LEAVES];
    bool wild; /* numbers that are not finite or far too large */
} expected;

static fig_run_opts run_opts(int run)
{
    return (fig_run_opts){ .seed = 5, .step = (uint64_t)run, .first_row = (uint64_t)run * 3 };
}

static void fill(const maker_leaf *leaf, void *data, uint64_t seed)
{
    fig__rng rng = {fig__hash64(leaf->name, strlen(leaf->name), seed)};
    for (int64_t i = 0; i < fig__count(&leaf->type); i++) {
        if (leaf->below)
            ((int32_t *)data)[i] = (int32_t)fig__rng_below(&rng, (uint64_t)leaf->below);
        else
            ((float *)data)[i] = (float)(2.4 * fig__rng_uniform(&rng) - 1.2);
    }
}

static double difference(const fig_type *type, const void *found, const void *wanted)
{
    double worst = 0;
    if (type->dtype != FIG_F32)
        return memcmp(found, wanted, fig__bytes(type)) ? INFINITY : 0;
    for (int64_t i = 0; i < fig__count(type); i++) {
        double d = fabs((double)((const float *)found)[i] - (double)((const float *)wanted)[i]);
        worst = d <= worst ? worst : d; /* NaN goes through */
        if (isnan(d))
            return INFINITY;
    }
    return worst;
}

static double largest(const fig_type *type, const void *data)
{
    double most = 0;
    for (int64_t i = 0; type->dtype == FIG_F32 && i < fig__count(type); i++) {
        double x = fabs((double)((const float *)data)[i]);
        most = x <= most ? most : x;
        if (!isfinite(x))
            return INFINITY;
    }
    return most;
}

/* shaken 0 sets what is expected, later calls widen the slack. */
static void note(expected *e, void **value, double *slack, const fig_type *type, const void *found, int shaken)
{
    if (shaken) {
        *slack = fmax(*slack, 8 * difference(type, found, *value));
        return;
    }
    size_t bytes = fig__bytes(type);
    double most = largest(type, found);
    *value = memcpy(fig__alloc(bytes), found, bytes);
    *slack = 1e-5 * most + 1e-6;
    e->wild |= !(most < 1e4);
}

static void consult(const maker *m, expected *e, int shaken)
{
    oracle_leaf input[MAX_LEAVES + 1], state[MAX_LEAVES];
    float lr = 0.01f;
    for (int i = 0; i < m->inputs; i++)
        input[i] = (oracle_leaf){m->input[i].name, fig__alloc(fig__bytes(&m->input[i].type))};
    input[m->inputs] = (oracle_leaf){"lr", &lr};
    for (int i = 0; i < m->states; i++) {
        state[i] = (oracle_leaf){m->state[i].name, fig__alloc(fig__bytes(&m->state[i].type))};
        fill(&m->state[i], state[i].data, 1);
    }
    for (int r = 0; r < RUNS; r++) {
        fig_run_opts opts = run_opts(r);
        fig_run run = {.seed = opts.seed, .step = opts.step, .first_row = opts.first_row, .threads = 1};
        for (int i = 0; i < m->inputs; i++)
            fill(&m->input[i], input[i].data, 10 + (uint64_t)r);
        oracle o = { .graph = m->graph,
                     .inputs = input,
                     .n_inputs = m->inputs + 1,
                     .states = state,
                     .n_states = m->states,
                     .run = &run,
                     .shake = shaken ? 2e-6f : 0,
                     .rng = { (uint64_t)(shaken * 1000 + r) } };
        oracle_run(&o);
        for (int i = 0; i < m->roots; i++) {
            fig_type type = fig_type_of(m->root[i]);
            note(e, &e->root[r][i], &e->root_slack[r][i], &type, o.data[m->root[i].id], shaken);
        }
        oracle_assign(&o);
        for (int i = 0; i < m->states; i++)
            note(e, &e->state[r][i], &e->state_slack[r][i], &m->state[i].type, state[i].data, shaken);
        oracle_free(&o);
    }
    for (int i = 0; i < m->inputs; i++)
        free(input[i].data);
    for (int i = 0; i < m->states; i++)
        free(state[i].data);
}

static void forget(const maker *m, expected *e)
{
    for (int r = 0; r < RUNS; r++) {
        for (int i = 0; i < m->roots; i++)
            free(e->root[r][i]);
        for (int i = 0; i < m->states; i++)
            free(e->state[r][i]);
    }
}

/* -- what comes out ------------------------------------------------------------------------------------------------ */

typedef struct setting { const char *off; bool reference; int threads; bool bf16; } setting;

static bool agrees(const char *what, int index, int run, const fig_type *type, const void *found, const void *wanted,
                   double slack)
{
    double d = difference(type, found, wanted);
    if (d <= slack)
        return true;
    char text[128];
    fig__type_text(type, text);
    TEST_FAIL("%s %d, %s, differs by %.3g in run %d (allowed %.2g)", what, index, text, d, run, slack);
    return false;
}

static bool run_once(const maker *m, const expected *e, fig_plan *plan, fig_store *store, int run)
{
    fig_error err = {0};
    for (int i = 0; i < m->inputs; i++) {
        void *data = fig_plan_input(plan, m->input[i].name, NULL);
        if (data)
            fill(&m->input[i], data, 10 + (uint64_t)run);
    }
    fig_plan_set_scalar(plan, "lr", 0.01f);
    fig_run_opts opts = run_opts(run);
    bool good = fig_plan_run(plan, &opts, &err) == FIG_OK;
    for (int i = 0; good && i < m->roots; i++) {
        fig_type type;
        const void *found = fig_plan_output(plan, i, &type);
        good = agrees("output", i, run, &type, found, e->root[run][i], e->root_slack[run][i]);
    }
    for (int i = 0; good && i < m->states; i++)
        good =
            agrees("state", i, run, &m->state[i].type, fig_store_data(store, fig_store_find(store, m->state[i].name)),
                   e->state[run][i], e->state_slack[run][i]);
    return good;
}

static bool run_setting(const maker *m, const expected *e, const setting *s)
{
    fig_session *session = NULL;
    fig_store *store = NULL;
    fig_plan *plan = NULL;
    fig_error err = {0};
    fig_session_new(
        &(fig_session_opts){ .threads = s->threads, .reference_kernels = s->reference, .passes_off = s->off }, &session,
        &err);
    fig_store_new(session, &store, &err);
    for (int i = 0; i < m->states; i++) {
        fig_store_add(store, m->state[i].name, &m->state[i].type, 0, &err);
        fill(&m->state[i], fig_store_data(store, fig_store_find(store, m->state[i].name)), 1);
    }
    bool good = fig_plan_compile(m->graph, store,
                                 &(fig_plan_opts){ .outputs = m->root, .n_outputs = m->roots, .bf16 = s->bf16 }, &plan,
                                 &err) == FIG_OK;
    if (!good)
        TEST_FAIL("compile: %s", err.message);
    good = good && check_plan_layout(plan);
    for (int r = 0; good && r < RUNS && !s->bf16; r++)
        good = run_once(m, e, plan, store, r);
    /* In bf16 graphs like these may end anywhere; what counts is that they are compiled and run. */
    if (good && s->bf16)
        good = fig_plan_run(plan, &(fig_run_opts){ .seed = 1 }, &err) == FIG_OK;
    fig_plan_free(plan);
    fig_store_free(store);
    fig_session_free(session);
    return good;
}

static bool check_graph(const maker *m, const expected *e, bool all_settings)
{
    setting list[32] = { { "", false, 1, false }, { "all", false, 1, false }, { "", true, 1, false }, { "all", true, 1, false },
                         { "", false, 2, false }, { "", false, 2, true },     { "", true, 1, true } };
    int count = 7;
    for (int i = 0; all_settings && fig__pipeline[i].name; i++)
        list[count++] = (setting){fig__pipeline[i].name, false, 1, false};
    for (int i = 0; i < count; i++) {
        if (run_setting(m, e, &list[i]))
            continue;
        fprintf(stderr, "    passes off: \"%s\"%s, %d threads\n", list[i].off,
                list[i].reference ? ", reference loops" : "", list[i].threads);
        return false;
    }
    return true;
}

FIG_TEST(plans_agree_with_the_oracle)
{
    int count = number_from("FIGMENT_TEST_CASES", 250), first = number_from("FIGMENT_TEST_FIRST", 0), wild = 0, bad = 0;
    for (int number = first; number < first + count && bad < 5; number++) {
        maker m;
        expected *e = fig__alloc(sizeof *e);
        fig_error err = {0};
        make_graph(&m, (uint64_t)number);
        if (count == 1) {
            char *text = fig_graph_print(m.graph, false);
            puts(text);
            free(text);
        }
        if (fig_graph_check(m.graph, &err) != FIG_OK) {
            TEST_FAIL("graph %d: %s", number, err.message);
            bad++;
        } else {
            consult(&m, e, 0);
            for (int k = 1; k <= SHAKEN && !e->wild; k++)
                consult(&m, e, k);
            wild += e->wild;
            if (!e->wild && !check_graph(&m, e, number % 2 == 0 || count == 1)) {
                fprintf(stderr, "    graph %d, %d nodes\n", number, m.graph->n_nodes);
                bad++;
            }
            forget(&m, e);
        }
        free(e);
        fig_graph_free(m.graph);
    }
    if (wild * 20 > count + 40)
        TEST_FAIL("%d of %d graphs have numbers too large to compare; tame the builders", wild, count);
}

/* -- memory budgets ------------------------------------------------------------------------------------------------ */

typedef struct trained { fig_session *session; fig_store *store; fig_plan *plan; } trained;

static fig_status begin_trained(const maker *m, uint64_t budget, uint64_t *least, trained *t, fig_error *err)
{
    *t = (trained){ 0 };
    fig_session_new(&(fig_session_opts){ .threads = 1 }, &t->session, err);
    fig_store_new(t->session, &t->store, err);
    for (int i = 0; i < m->states; i++) {
        fig_store_add(t->store, m->state[i].name, &m->state[i].type, 0, err);
        fill(&m->state[i], fig_store_data(t->store, fig_store_find(t->store, m->state[i].name)), 1);
    }
    fig_plan_opts opts = { .outputs = m->root, .n_outputs = m->roots, .memory_budget = budget, .least = least };
    return fig_plan_compile(m->graph, t->store, &opts, &t->plan, err);
}

static void end_trained(trained *t)
{
    fig_plan_free(t->plan);
    fig_store_free(t->store);
    fig_session_free(t->session);
}

static bool equal_bits(const maker *m, trained *a, trained *b)
{
    trained *both[] = { a, b };
    fig_error err = { 0 };
    for (int run = 0; run < RUNS; run++) {
        for (int k = 0; k < 2; k++) {
            for (int i = 0; i < m->inputs; i++) {
                void *data = fig_plan_input(both[k]->plan, m->input[i].name, NULL);
                if (data)
                    fill(&m->input[i], data, 10 + (uint64_t)run);
            }
            fig_run_opts opts = run_opts(run);
            if (fig_plan_run(both[k]->plan, &opts, &err) != FIG_OK)
                return false;
        }
        for (int i = 0; i < m->roots; i++) {
            fig_type type;
            const void *found = fig_plan_output(a->plan, i, &type);
            if (memcmp(found, fig_plan_output(b->plan, i, NULL), fig__bytes(&type)))
                return false;
        }
        for (int i = 0; i < m->states; i++)
            if (memcmp(fig_store_data(a->store, i), fig_store_data(b->store, i), fig_store_bytes(a->store, i)))
                return false;
    }
    return true;
}

/* Whatever is computed a second time, not one bit changes; and the least that is named can be had. */
FIG_TEST(budgets_change_no_bit)
{
    int count = number_from("FIGMENT_TEST_CASES", 250), first = number_from("FIGMENT_TEST_FIRST", 0), smaller = 0, bad = 0;
    for (int number = first; number < first + count && bad < 5; number++) {
        maker m;
        make_graph(&m, (uint64_t)number);
        trained whole, none, part;
        uint64_t least = 0;
        fig_error err = { 0 }, refusal = { 0 };
        CHECK_OK(begin_trained(&m, 0, NULL, &whole, &err), err);
        fig_status status = begin_trained(&m, 1, &least, &none, &refusal);
        uint64_t planned = whole.plan ? fig_plan_get_info(whole.plan).planned_bytes : 0;
        if (!whole.plan || (planned > 1 && (status != FIG_E_LIMIT || !least || least > planned))) {
            TEST_FAIL("graph %d: planned %llu, least %llu, status %d", number, (unsigned long long)planned,
                      (unsigned long long)least, (int)status);
            bad++;
        } else if (least < planned) {
            uint64_t budget = number % 2 ? least : (least + planned) / 2;
            smaller++;
            bool good = begin_trained(&m, budget, NULL, &part, &err) == FIG_OK;
            if (!good)
                TEST_FAIL("graph %d: %s", number, err.message);
            else if (!(good = fig_plan_get_info(part.plan).planned_bytes <= budget))
                TEST_FAIL("graph %d: over its budget", number);
            else if (!(good = check_plan_layout(part.plan) && equal_bits(&m, &whole, &part)))
                TEST_FAIL("graph %d: other numbers with a budget", number);
            bad += !good;
            end_trained(&part);
        }
        end_trained(&whole);
        end_trained(&none);
        fig_graph_free(m.graph);
    }
    CHECK(count < 50 || smaller > count / 10);
}

FIG_TEST_MAIN
