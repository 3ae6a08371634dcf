/* test_exec_kept.c - bf16 copies of weights that stay from step to step: the optimizer writes them along, whoever else changes a
 * weight is noticed, and no bit differs from casting in every step */
#include "../test.h"

#include "exec/exec.h"
#include <figment/figment.h>

#include <stdlib.h>
#include <string.h>

enum { ROWS = 64, WIDTH = 96, HIDDEN = 80, STEPS = 8 };

static void assign_adam(fig_graph *g, fig_node w, fig_node gradient, const char *mean_name, const char *square_name)
{
    fig_node m = fig_state(g, mean_name, fig_type_of(w)), v = fig_state(g, square_name, fig_type_of(w));
    fig_node rate = fig_input(g, "rate", FIG_SCALAR), root = fig_input(g, "root", FIG_SCALAR);
    fig_node mean = fig_add(fig_scale(m, 0.9f), fig_scale(gradient, 0.1f));
    fig_node square = fig_add(fig_scale(v, 0.99f), fig_scale(fig_square(gradient), 0.01f));
    fig_assign(w, fig_sub(w, fig_div(fig_mul(mean, rate), fig_shift(fig_mul(fig_sqrt(square), root), 1e-8f))));
    fig_assign(m, mean);
    fig_assign(v, square);
}

/* Two layers; each weight is read forwards, and the second one backwards, too. */
static fig_graph *make_net(fig_node *loss)
{
    fig_graph *g = fig_graph_new();
    fig_node x = fig_input(g, "x", FIG_SHAPE(ROWS, WIDTH)), y = fig_input(g, "y", FIG_SHAPE(ROWS, WIDTH)), gradient[2];
    fig_node w[2] = { fig_state(g, "w0", FIG_SHAPE(WIDTH, HIDDEN)), fig_state(g, "w1", FIG_SHAPE(HIDDEN, WIDTH)) };
    fig_node out = fig_matmul(fig_relu(fig_matmul(x, w[0], NULL)), w[1], NULL);
    *loss = fig_mean(fig_square(fig_sub(out, y)), NULL);
    fig_gradients(*loss, w, 2, gradient);
    assign_adam(g, w[0], gradient[0], "m0", "v0");
    assign_adam(g, w[1], gradient[1], "m1", "v1");
    return g;
}

typedef struct outcome { float loss[STEPS], w[WIDTH * HIDDEN]; } outcome;
typedef struct rig {
    fig_session *session;
    fig_store *store;
    fig_graph *graph;
    fig_node loss;
} rig;

static void fill(float *to, int64_t n, uint64_t seed)
{
    fig__rng rng = { seed };
    for (int64_t i = 0; i < n; i++)
        to[i] = (float)(fig__rng_uniform(&rng) - 0.5);
}

static fig_plan *compiled(rig *r, bool keep)
{
    fig_plan *plan = NULL;
    fig_error err = { 0 };
    const fig_plan_opts opts = { .outputs = &r->loss, .n_outputs = 1, .bf16 = true, .keep_copies = keep };
    CHECK_OK(fig_plan_compile(r->graph, r->store, &opts, &plan, &err), err);
    if (!plan)
        return NULL;
    fill(fig_plan_input(plan, "x", NULL), ROWS * WIDTH, 5);
    fill(fig_plan_input(plan, "y", NULL), ROWS * WIDTH, 6);
    *(float *)fig_plan_input(plan, "rate", NULL) = 0.01f;
    *(float *)fig_plan_input(plan, "root", NULL) = 1;
    CHECK_INT(plan->n_once, keep ? 2 : 0);
    return plan;
}

/* Steps by two plans in turn on the same weights, with a weight written from outside before the third and the sixth. */
static void descend(bool keep, int threads, outcome *out)
{
    static const char *const states[] = { "w0", "w1", "m0", "m1", "v0", "v1" };
    rig r = { 0 };
    fig_error err = { 0 };
    r.graph = make_net(&r.loss);
    REQUIRE_OK(fig_session_new(&(fig_session_opts){ .threads = threads }, &r.session, &err), err);
    REQUIRE_OK(fig_store_new(r.session, &r.store, &err), err);
    for (int i = 0; i < 6; i++) {
        fig_type type = i % 2 ? FIG_SHAPE(HIDDEN, WIDTH) : FIG_SHAPE(WIDTH, HIDDEN);
        fig_store_add(r.store, states[i], &type, 0, &err);
        if (i < 2)
            fill(fig_store_data(r.store, i), WIDTH * HIDDEN, (uint64_t)i + 1);
    }
    fig_plan *plan[2] = { compiled(&r, keep), compiled(&r, keep) };
    for (int step = 0; step < STEPS; step++) {
        fig_plan *now = plan[step == 4];
        if (step == 2 || step == 5)
            fill(fig_store_data(r.store, step == 2), WIDTH * HIDDEN, (uint64_t)step + 20);
        CHECK_OK(fig_plan_run(now, NULL, &err), err);
        out->loss[step] = *(const float *)fig_plan_output(now, 0, NULL);
    }
    memcpy(out->w, fig_store_data(r.store, 0), sizeof out->w);
    fig_plan_free(plan[0]);
    fig_plan_free(plan[1]);
    fig_graph_free(r.graph);
    fig_store_free(r.store);
    fig_session_free(r.session);
}

FIG_TEST(kept_copies_change_no_bit)
{
    outcome *o = fig__alloc(sizeof *o * 2);
    for (int threads = 1; threads <= 2; threads++) {
        descend(false, threads, &o[0]);
        descend(true, threads, &o[1]);
        CHECK(!memcmp(o[0].loss, o[1].loss, sizeof o[0].loss) && !memcmp(o[0].w, o[1].w, sizeof o[0].w));
        CHECK(o[0].loss[1] < o[0].loss[0] && o[0].loss[5] > o[0].loss[4]); /* it learns, and the write counts */
    }
    free(o);
}

/* Budgets want memory more than time. */
FIG_TEST(with_a_budget_nothing_is_kept)
{
    rig r = { 0 };
    fig_error err = { 0 };
    fig_plan *plan = NULL;
    r.graph = make_net(&r.loss);
    REQUIRE_OK(fig_session_new(NULL, &r.session, &err), err);
    REQUIRE_OK(fig_store_new(r.session, &r.store, &err), err);
    for (int i = 0; i < 6; i++) {
        fig_type type = i % 2 ? FIG_SHAPE(HIDDEN, WIDTH) : FIG_SHAPE(WIDTH, HIDDEN);
        fig_store_add(r.store, (const char *[]){ "w0", "w1", "m0", "m1", "v0", "v1" }[i], &type, 0, &err);
    }
    CHECK_OK(fig_plan_compile(r.graph, r.store, &(fig_plan_opts){ .outputs = &r.loss, .n_outputs = 1, .bf16 = true, .keep_copies = true,
                                                                  .memory_budget = 1 << 24 }, &plan, &err), err);
    CHECK_INT(plan->n_once, 0);
    fig_plan_free(plan);
    fig_graph_free(r.graph);
    fig_store_free(r.store);
    fig_session_free(r.session);
}

FIG_TEST_MAIN
