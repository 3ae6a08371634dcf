/* test_exec_plan.c - a plan end to end: products, derivatives, assignments in place, swapped states, dry runs,
 * errors. */
#include "../test.h"

#include "graph/graph.h"
#include <figment/figment.h>

#include <stdlib.h>
#include <string.h>

typedef struct rig { fig_session *session; fig_store *store; fig_graph *graph; fig_error err; } rig;

static rig begin(bool reference)
{
    rig r = {0};
    fig_session_new(&(fig_session_opts){.threads = 2, .reference_kernels = reference}, &r.session, &r.err);
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

static float *add_state(rig *r, const char *name, fig_type type)
{
    fig_store_add(r->store, name, &type, FIG_TRAINED, &r->err);
    return fig_store_data(r->store, fig_store_find(r->store, name));
}

/* One step of gradient descent on w (2): loss = sum((x w - y)^2). */
static void descent(bool reference)
{
    rig r = begin(reference);
    float *w = add_state(&r, "w", FIG_SHAPE(2, 1));
    w[0] = 1, w[1] = -1;
    fig_node x = fig_input(r.graph, "x", FIG_SHAPE(3, 2)), y = fig_input(r.graph, "y", FIG_SHAPE(3, 1));
    fig_node weight = fig_state(r.graph, "w", FIG_SHAPE(2, 1));
    fig_node loss = fig_sum(fig_square(fig_sub(fig_matmul(x, weight, NULL), y)), NULL), gradient;
    fig_gradients(loss, &weight, 1, &gradient);
    fig_assign(weight, fig_sub(weight, fig_mul(fig_scalar(r.graph, "lr", 0.5f), gradient)));
    fig_plan *plan = NULL;
    CHECK(fig_plan_compile(r.graph, r.store, &(fig_plan_opts){.outputs = &loss, .n_outputs = 1}, &plan, &r.err) == FIG_OK);
    if (plan) {
        const float data[6] = {1, 2, 3, 4, 5, 6}, target[3] = {0, 1, 2};
        memcpy(fig_plan_input(plan, "x", NULL), data, sizeof data);
        memcpy(fig_plan_input(plan, "y", NULL), target, sizeof target);
        CHECK(fig_plan_set_scalar(plan, "lr", 0.01f));
        CHECK(fig_plan_run(plan, NULL, &r.err) == FIG_OK);
        /* residuals -1 -2 -3: loss 14, gradient 2 x^T r = (-44, -56) */
        CHECK_NEAR(*(const float *)fig_plan_output(plan, 0, NULL), 14, 1e-5);
        CHECK_NEAR(w[0], 1.44, 1e-5);
        CHECK_NEAR(w[1], -0.44, 1e-5);
        fig_plan_free(plan);
    } else {
        printf("%s\n", r.err.message);
    }
    finish(&r);
}

FIG_TEST(descends_with_kernels) { descent(false); }
FIG_TEST(descends_with_reference_loops) { descent(true); }

FIG_TEST(swaps_states)
{
    rig r = begin(false);
    float *a = add_state(&r, "a", FIG_SHAPE(4)), *b = add_state(&r, "b", FIG_SHAPE(4));
    for (int i = 0; i < 4; i++)
        a[i] = (float)i, b[i] = (float)-i;
    fig_node sa = fig_state(r.graph, "a", FIG_SHAPE(4)), sb = fig_state(r.graph, "b", FIG_SHAPE(4));
    fig_assign(sa, sb);
    fig_assign(sb, sa);
    fig_plan *plan = NULL;
    CHECK(fig_plan_compile(r.graph, r.store, NULL, &plan, &r.err) == FIG_OK);
    CHECK(fig_plan_run(plan, NULL, &r.err) == FIG_OK);
    CHECK_NEAR(a[3], -3, 0);
    CHECK_NEAR(b[3], 3, 0);
    fig_plan_free(plan);
    finish(&r);
}

FIG_TEST(old_content_is_read_before_it_is_replaced)
{
    rig r = begin(false);
    float *a = add_state(&r, "a", FIG_SHAPE(4)), *b = add_state(&r, "b", FIG_SHAPE(4));
    for (int i = 0; i < 4; i++)
        a[i] = 2, b[i] = 0;
    fig_node sa = fig_state(r.graph, "a", FIG_SHAPE(4)), sb = fig_state(r.graph, "b", FIG_SHAPE(4));
    fig_node next = fig_shift(sa, 1);
    fig_assign(sa, next);                             /* 3 */
    fig_assign(sb, fig_mul(fig_square(sa), next));    /* 4 * 3 */
    fig_plan *plan = NULL;
    CHECK(fig_plan_compile(r.graph, r.store, NULL, &plan, &r.err) == FIG_OK);
    CHECK(fig_plan_run(plan, NULL, &r.err) == FIG_OK);
    CHECK_NEAR(a[0], 3, 0);
    CHECK_NEAR(b[0], 12, 0);
    fig_plan_free(plan);
    finish(&r);
}

FIG_TEST(dry_plan_measures_only)
{
    rig r = begin(false);
    fig_node x = fig_input(r.graph, "x", FIG_SHAPE(1000, 1000)), y = fig_matmul(x, x, NULL);
    fig_plan *plan = NULL;
    CHECK(fig_plan_compile(r.graph, r.store, &(fig_plan_opts){.outputs = &y, .n_outputs = 1, .dry = true}, &plan, &r.err) == FIG_OK);
    CHECK(fig_plan_get_info(plan).flops == 2e9);
    CHECK(fig_plan_get_info(plan).planned_bytes >= 8000000);
    CHECK(fig_plan_run(plan, NULL, &r.err) == FIG_E_USAGE);
    fig_plan_free(plan);
    finish(&r);
}

FIG_TEST(mistakes_stick_and_name_their_layer)
{
    rig r = begin(false);
    fig_scope_push(r.graph, "encoder");
    fig_node bad = fig_matmul(fig_input(r.graph, "x", FIG_SHAPE(2, 3)), fig_input(r.graph, "y", FIG_SHAPE(2, 3)), NULL);
    fig_scope_pop(r.graph);
    fig_node loss = fig_sum(fig_exp(bad), NULL);
    fig_plan *plan = NULL;
    CHECK(fig_plan_compile(r.graph, r.store, &(fig_plan_opts){.outputs = &loss, .n_outputs = 1}, &plan, &r.err) == FIG_E_SHAPE);
    CHECK(!strncmp(r.err.message, "encoder: matmul", 15));
    finish(&r);
}

FIG_TEST(missing_state_is_named)
{
    rig r = begin(false);
    fig_node y = fig_exp(fig_state(r.graph, "nobody", FIG_SHAPE(2)));
    fig_plan *plan = NULL;
    CHECK(fig_plan_compile(r.graph, r.store, &(fig_plan_opts){.outputs = &y, .n_outputs = 1}, &plan, &r.err) == FIG_E_NOT_FOUND);
    CHECK(strstr(r.err.message, "nobody") != NULL);
    finish(&r);
}

FIG_TEST(substitution_shares_what_does_not_change)
{
    rig r = begin(false);
    fig_node x = fig_input(r.graph, "x", FIG_SHAPE(2)), w = fig_state(r.graph, "w", FIG_SHAPE(2));
    fig_node fake = fig_exp(x), score = fig_mul(fake, w), other = fig_shift(w, 1);
    fig__arena *arena = fig__arena_new();
    fig_node *map = fig__substitute(r.graph, &w, &other, 1, &score, 1, arena);
    CHECK(map[fake.id].id == fake.id);
    CHECK(map[score.id].id != score.id);
    fig__arena_free(arena);
    finish(&r);
}

FIG_TEST(second_derivative)
{
    rig r = begin(false);
    fig_node x = fig_input(r.graph, "x", FIG_SHAPE(3)), d, dd;
    fig_gradients(fig_sum(fig_mul(fig_square(x), x), NULL), &x, 1, &d);
    fig_gradients(fig_sum(d, NULL), &x, 1, &dd);
    fig_plan *plan = NULL;
    CHECK(fig_plan_compile(r.graph, r.store, &(fig_plan_opts){.outputs = &dd, .n_outputs = 1}, &plan, &r.err) == FIG_OK);
    float *in = fig_plan_input(plan, "x", NULL);
    in[0] = 1, in[1] = -2, in[2] = 0.5f;
    fig_plan_run(plan, NULL, &r.err);
    const float *out = fig_plan_output(plan, 0, NULL);
    CHECK_NEAR(out[0], 6, 1e-5);
    CHECK_NEAR(out[1], -12, 1e-5);
    CHECK_NEAR(out[2], 3, 1e-5);
    fig_plan_free(plan);
    finish(&r);
}

FIG_TEST_MAIN
