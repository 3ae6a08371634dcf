/* test_scan.c - loops: values, derivatives against finite differences, twice, stored or recomputed states, both directions, noise. */
#include "../test.h"

#include "graph/graph.h"
#include <figment/figment.h>

enum { T = 5, B = 2, H = 3 };

typedef struct rig { fig_session *session; fig_store *store; fig_graph *graph; fig_error err; } rig;

static rig begin(void)
{
    rig r = {0};
    fig_session_new(&(fig_session_opts){.threads = 2}, &r.session, &r.err);
    fig_store_new(r.session, &r.store, &r.err);
    r.graph = fig_graph_new();
    return r;
}

static void finish(rig *r)
{
    fig_graph_free(r->graph);
    fig_store_free(r->store);
    fig_session_free(r->session);
}

/* h' = tanh(h W + x), y = h'^2 */
static void cell(fig_scan_body *b)
{
    fig_node h = fig_tanh(fig_add(fig_matmul(b->state[0], b->fixed[0], NULL), b->x[0]));
    b->new_state[0] = h;
    b->y[0] = fig_square(h);
}

typedef struct net { fig_node x, w, h, loss; } net;

static net build(fig_graph *g, bool reverse, bool recompute)
{
    net n = {.x = fig_input(g, "x", FIG_SHAPE(T, B, H)), .w = fig_input(g, "w", FIG_SHAPE(H, H)), .h = fig_input(g, "h", FIG_SHAPE(B, H))};
    fig_node last, y;
    fig_scan(g, cell, &(fig_scan_opts){.state = &n.h, .states = 1, .x = &n.x, .xs = 1, .fixed = &n.w, .fixeds = 1, .ys = 1,
                                       .reverse = reverse, .recompute = recompute}, &last, &y);
    n.loss = fig_add(fig_sum(y, NULL), fig_sum(fig_mul(last, last), NULL));
    return n;
}

static void fill(fig_plan *plan)
{
    const char *names[] = {"x", "w", "h"};
    for (int k = 0; k < 3; k++) {
        fig_type t;
        float *data = fig_plan_input(plan, names[k], &t);
        for (int64_t i = 0; data && i < fig_elements(&t); i++)
            data[i] = 0.7f * sinf((float)(i + 1) * (1.3f + (float)k));
    }
}

static double loss_at(fig_plan *plan, const char *name, int64_t i, float change)
{
    fig_error err = {0};
    float *data = fig_plan_input(plan, name, NULL), old = data[i];
    data[i] += change;
    fig_plan_run(plan, NULL, &err);
    double loss = *(const float *)fig_plan_output(plan, 0, NULL);
    data[i] = old;
    return loss;
}

static void check_gradient(bool reverse, bool recompute)
{
    rig r = begin();
    net n = build(r.graph, reverse, recompute);
    fig_node wrt[3] = {n.x, n.w, n.h}, out[4];
    fig_gradients(n.loss, wrt, 3, out + 1);
    out[0] = n.loss;
    fig_plan *plan = NULL;
    CHECK_OK(fig_plan_compile(r.graph, r.store, &(fig_plan_opts){.outputs = out, .n_outputs = 4}, &plan, &r.err), r.err);
    REQUIRE(plan);
    fill(plan);
    const char *names[] = {"x", "w", "h"};
    for (int k = 0; k < 3; k++) {
        fig_type t;
        fig_plan_input(plan, names[k], &t);
        for (int64_t i = 0; i < fig_elements(&t); i++) {
            double slope = (loss_at(plan, names[k], i, 1e-2f) - loss_at(plan, names[k], i, -1e-2f)) / 2e-2;
            fig_plan_run(plan, NULL, &r.err);
            CHECK_NEAR(((const float *)fig_plan_output(plan, 1 + k, NULL))[i], slope, 2e-3);
        }
    }
    fig_plan_free(plan);
    finish(&r);
}

FIG_TEST(gradient_forward) { check_gradient(false, false); }
FIG_TEST(gradient_in_reverse) { check_gradient(true, false); }
FIG_TEST(gradient_with_states_recomputed) { check_gradient(false, true); }

static void check_second(bool recompute)
{
    rig r = begin();
    net n = build(r.graph, false, recompute);
    fig_node wrt[3] = {n.x, n.w, n.h}, first[3], out[4];
    fig_gradients(n.loss, wrt, 3, first);
    out[0] = fig_add(fig_sum(fig_square(first[0]), NULL), fig_sum(fig_square(first[1]), NULL));
    fig_gradients(out[0], wrt, 3, out + 1);
    fig_plan *plan = NULL;
    CHECK_OK(fig_plan_compile(r.graph, r.store, &(fig_plan_opts){.outputs = out, .n_outputs = 4}, &plan, &r.err), r.err);
    REQUIRE(plan);
    fill(plan);
    const char *names[] = {"x", "w", "h"};
    for (int k = 0; k < 3; k++) {
        for (int64_t i = 0; i < 6; i++) {
            double slope = (loss_at(plan, names[k], i, 1e-2f) - loss_at(plan, names[k], i, -1e-2f)) / 2e-2;
            fig_plan_run(plan, NULL, &r.err);
            CHECK_NEAR(((const float *)fig_plan_output(plan, 1 + k, NULL))[i], slope, 2e-2 + 2e-3 * fabs(slope));
        }
    }
    fig_plan_free(plan);
    finish(&r);
}

FIG_TEST(second_derivative) { check_second(false); }
FIG_TEST(second_derivative_with_states_recomputed) { check_second(true); }

static void noisy_step(fig_scan_body *b)
{
    b->new_state[0] = fig_add(b->state[0], fig_uniform(b->graph, FIG_SHAPE(4)));
    b->y[0] = b->new_state[0];
}

FIG_TEST(noise_differs_between_steps)
{
    rig r = begin();
    fig_node zero = fig_full(r.graph, FIG_SHAPE(4), 0), last, y;
    fig_scan(r.graph, noisy_step, &(fig_scan_opts){.state = &zero, .states = 1, .ys = 1, .steps = 3}, &last, &y);
    fig_plan *plan = NULL;
    CHECK_OK(fig_plan_compile(r.graph, r.store, &(fig_plan_opts){.outputs = &y, .n_outputs = 1}, &plan, &r.err), r.err);
    REQUIRE(plan);
    fig_plan_run(plan, &(fig_run_opts){.seed = 7, .step = 1}, &r.err);
    const float *v = fig_plan_output(plan, 0, NULL);
    CHECK(v[0] > 0 && v[4] > v[0] && v[8] > v[4]);
    CHECK(fabsf((v[4] - v[0]) - v[0]) > 1e-6f);
    fig_plan_free(plan);
    finish(&r);
}

static void forgetful_step(fig_scan_body *b) { b->y[0] = b->state[0]; }

FIG_TEST(a_step_that_sets_no_state_is_named)
{
    rig r = begin();
    fig_node zero = fig_full(r.graph, FIG_SHAPE(4), 0), last, y;
    fig_scan(r.graph, forgetful_step, &(fig_scan_opts){.state = &zero, .states = 1, .ys = 1, .steps = 3}, &last, &y);
    CHECK(fig_graph_check(r.graph, &r.err) == FIG_E_SHAPE);
    CHECK_HAS(r.err.message, "new_state 0");
    finish(&r);
}

FIG_TEST_MAIN
