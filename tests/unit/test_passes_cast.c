/* test_passes_cast.c - bf16: what the cast pass stores in it and what it leaves in f32; that kernels and reference loops compute
 * such a graph alike, and near to f32 */
#include "../test.h"

#include "graph/graph.h"
#include "ops/recurrent.h"
#include "passes/pass.h"
#include <figment/figment.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { ROWS = 64, WIDTH = 96, HIDDEN = 80 };

/* Two layers with a normalisation, and a step of gradient descent with momentum on their weights. */
typedef struct net {
    fig_graph *graph;
    fig_node loss, w[2], m[2];
} net;

static net make_net(void)
{
    net n = { .graph = fig_graph_new() };
    fig_graph *g = n.graph;
    fig_node x = fig_input(g, "x", FIG_SHAPE(ROWS, WIDTH)), y = fig_input(g, "y", FIG_SHAPE(ROWS, WIDTH));
    n.w[0] = fig_state(g, "w0", FIG_SHAPE(WIDTH, HIDDEN));
    n.w[1] = fig_state(g, "w1", FIG_SHAPE(HIDDEN, WIDTH));
    fig_node h = fig_relu(fig_matmul(x, n.w[0], NULL));
    h = fig_layer_normalise(h, FIG_NONE, FIG_NONE, 1e-5f);
    fig_node out = fig_matmul(fig_gelu_tanh(h), n.w[1], NULL), gradient[2];
    n.loss = fig_mean(fig_square(fig_sub(out, y)), NULL);
    fig_gradients(n.loss, n.w, 2, gradient);
    for (int i = 0; i < 2; i++) {
        char name[8];
        snprintf(name, sizeof name, "m%d", i);
        n.m[i] = fig_state(g, name, fig_type_of(n.w[i]));
        fig_node m = fig_add(fig_scale(n.m[i], 0.9f), gradient[i]);
        fig_assign(n.m[i], m);
        fig_assign(n.w[i], fig_sub(n.w[i], fig_scale(m, 0.1f)));
    }
    return n;
}

/* The graph as the pipeline leaves it. */
static fig__program optimised(const net *n, const char *off)
{
    fig__program program;
    fig_error err = { 0 };
    fig__program_begin(n->graph, &n->loss.id, 1, &program);
    CHECK_OK(fig__program_optimise(&program, FIG__WITH_BF16, off, NULL, &err), err);
    return program;
}

static bool is_product(const fig__node *node)
{
    return node->op == &fig_op_matmul || node->op == &fig_op_matmul_fused;
}

FIG_TEST(products_read_bf16_and_sums_stay_f32)
{
    net n = make_net();
    fig__program program = optimised(&n, "");
    const fig_graph *g = program.graph;
    int products = 0, narrow_results = 0, casts_of_state[2] = { 0 };
    CHECK_INT(g->values[program.output[0]].type.dtype, FIG_F32);
    for (int i = 0; i < g->n_assigns; i++)
        CHECK_INT(g->values[g->assigns[i].value].type.dtype, FIG_F32);
    for (int32_t k = 0; k < g->n_nodes; k++) {
        const fig__node *node = &g->nodes[k];
        if (is_product(node)) {
            products++;
            for (int i = 0; i < 2; i++)
                CHECK_INT(g->values[node->in[i]].type.dtype, FIG_BF16);
            narrow_results += g->values[node->first_out].type.dtype == FIG_BF16;
        }
        if (node->op == &fig_op_cast && fig__node_of(g, node->in[0])->op == &fig_op_state) {
            const char *name = ((const fig_leaf_attr *)fig__node_of(g, node->in[0])->attr)->name;
            casts_of_state[name[1] - '0']++;
        }
        if (node->op == &fig_op_layer_normalise || node->op == &fig_op_layer_normalise_gradient) {
            CHECK_INT(g->values[node->first_out].type.dtype, FIG_BF16);
            for (int i = 1; i < node->n_out; i++)
                CHECK_INT(g->values[node->first_out + i].type.dtype, FIG_F32);
        }
    }
    CHECK_INT(products, 5);           /* two forward, two weight gradients, one gradient of activations */
    CHECK_INT(narrow_results, 3);     /* all but the weight gradients */
    CHECK_INT(casts_of_state[0], 1);  /* w0 is read forward, w1 forward and backward: once each */
    CHECK_INT(casts_of_state[1], 1);
    fig__program_free(&program);
    fig_graph_free(n.graph);
}

FIG_TEST(without_the_pass_nothing_is_bf16)
{
    net n = make_net();
    fig__program program = optimised(&n, "cast");
    for (int32_t v = 1; v < program.graph->n_values; v++)
        CHECK(program.graph->values[v].type.dtype != FIG_BF16);
    fig__program_free(&program);
    fig_graph_free(n.graph);
}

/* A recurrent layer reads its weight and the inputs' products in bf16, and is told to round its state; an LSTM's cells stay f32. */
FIG_TEST(recurrent_layers_round_their_state)
{
    static const fig_cell cells[] = { FIG_CELL_TANH, FIG_CELL_LSTM, FIG_CELL_GRU };
    static const int gates[] = { 1, 4, 3 };
    for (int k = 0; k < 3; k++) {
        fig_graph *graph = fig_graph_new();
        fig_node x = fig_input(graph, "x", FIG_SHAPE(8, 16, 32)), first = fig_input(graph, "first", FIG_SHAPE(8, 32));
        fig_node in = fig_state(graph, "in", FIG_SHAPE(gates[k] * 32, 32)), w = fig_state(graph, "w", FIG_SHAPE(gates[k] * 32, 32));
        fig_node state[2] = { first, first }, bias = fig_input(graph, "bias", FIG_SHAPE(32)), gradient;
        fig_node z = fig_matmul(fig_reshape(x, FIG_SHAPE(128, 32)), in, &(fig_matmul_opts){ .transpose_b = true });
        fig_node y = fig_recurrent(cells[k], fig_reshape(z, FIG_SHAPE(8, 16, gates[k] * 32)), w, state,
                                   cells[k] == FIG_CELL_GRU ? bias : FIG_NONE, NULL);
        fig_node loss = fig_sum(fig_square(y), NULL);
        fig_gradients(loss, &w, 1, &gradient);
        fig_assign(w, fig_sub(w, fig_scale(gradient, 0.1f)));
        net n = { .graph = graph, .loss = loss };
        fig__program program = optimised(&n, "");
        const fig_graph *g = program.graph;
        int found = 0;
        for (int32_t i = 0; i < g->n_nodes; i++) {
            const fig__node *node = &g->nodes[i];
            if (node->op != &fig_op_recurrent && node->op != &fig_op_recurrent_gradient)
                continue;
            found++;
            CHECK(((const fig_recurrent_attr *)node->attr)->rounded);
            CHECK_INT(g->values[node->in[FIG__X]].type.dtype, FIG_BF16);
            CHECK_INT(g->values[node->in[FIG__WEIGHT]].type.dtype, FIG_BF16);
            CHECK_INT(g->values[node->first_out].type.dtype, FIG_BF16);
            if (node->op == &fig_op_recurrent && cells[k] != FIG_CELL_TANH)
                CHECK_INT(g->values[node->first_out + FIG__EXTRA].type.dtype, FIG_F32);
        }
        CHECK_INT(found, 2);
        fig__program_free(&program);
        fig_graph_free(graph);
    }
}

typedef struct outcome {
    float loss[3], w[WIDTH * HIDDEN];
    uint64_t planned;
} outcome;

/* Three steps on fixed numbers. */
static void descend(bool bf16, bool reference, const char *off, outcome *out)
{
    static const char *const states[] = { "w0", "w1", "m0", "m1" };
    fig_session *session = NULL;
    fig_store *store = NULL;
    fig_plan *plan = NULL;
    fig_error err = { 0 };
    net n = make_net();
    const fig_session_opts opts = { .threads = 2, .reference_kernels = reference, .passes_off = off };
    REQUIRE_OK(fig_session_new(&opts, &session, &err), err);
    REQUIRE_OK(fig_store_new(session, &store, &err), err);
    for (int i = 0; i < 4; i++) {
        fig_type type = fig_type_of(i < 2 ? n.w[i] : n.m[i - 2]);
        fig_store_add(store, states[i], &type, 0, &err);
        fig__rng rng = { (uint64_t)i + 1 };
        float *to = fig_store_data(store, fig_store_find(store, states[i]));
        for (int64_t k = 0; i < 2 && k < fig_elements(&type); k++)
            to[k] = (float)(fig__rng_uniform(&rng) - 0.5) * 0.3f;
    }
    REQUIRE_OK(fig_plan_compile(n.graph, store, &(fig_plan_opts){ .outputs = &n.loss, .n_outputs = 1, .bf16 = bf16 }, &plan, &err), err);
    for (int i = 0; i < 2; i++) {
        fig__rng rng = { (uint64_t)i + 9 };
        float *to = fig_plan_input(plan, i ? "y" : "x", NULL);
        for (int64_t k = 0; k < (int64_t)ROWS * WIDTH; k++)
            to[k] = (float)fig__rng_normal(&rng);
    }
    for (int step = 0; step < 3; step++) {
        CHECK_OK(fig_plan_run(plan, NULL, &err), err);
        out->loss[step] = *(const float *)fig_plan_output(plan, 0, NULL);
    }
    memcpy(out->w, fig_store_data(store, fig_store_find(store, "w0")), sizeof out->w);
    out->planned = fig_plan_get_info(plan).planned_bytes;
    fig_plan_free(plan);
    fig_graph_free(n.graph);
    fig_store_free(store);
    fig_session_free(session);
}

static double furthest(const outcome *a, const outcome *b)
{
    double worst = 0;
    for (int i = 0; i < WIDTH * HIDDEN; i++)
        worst = fmax(worst, fabs((double)a->w[i] - (double)b->w[i]));
    return worst;
}

/* One rounding to bf16 is 2^-9 of a number. A loss is a mean of thousands of them, so its error is far smaller; a weight moves by
 * 0.1 of a gradient of about 0.02 here. */
FIG_TEST(bf16_stays_near_f32)
{
    outcome *o = fig__alloc(sizeof *o * 4);
    descend(false, false, "", &o[0]);
    descend(true, false, "", &o[1]);
    descend(true, true, "", &o[2]);
    descend(true, false, "cast", &o[3]);
    for (int step = 0; step < 3; step++) {
        CHECK_NEAR(o[1].loss[step] / o[0].loss[step], 1, 1.0 / 256);
        CHECK_NEAR(o[2].loss[step] / o[0].loss[step], 1, 1.0 / 256);
        CHECK_NEAR(o[2].loss[step] / o[1].loss[step], 1, 1.0 / 512); /* loops and kernels round at the same places */
        CHECK(o[3].loss[step] == o[0].loss[step]);
    }
    CHECK(o[1].loss[0] != o[0].loss[0]);
    CHECK(furthest(&o[1], &o[0]) < 3e-4);
    CHECK(furthest(&o[2], &o[0]) < 3e-4);
    CHECK(o[1].planned < o[0].planned);
    free(o);
}

FIG_TEST(bf16_repeats_its_bits)
{
    outcome *o = fig__alloc(sizeof *o * 2);
    descend(true, false, "", &o[0]);
    descend(true, false, "", &o[1]);
    CHECK(!memcmp(o[0].loss, o[1].loss, sizeof o[0].loss) && !memcmp(o[0].w, o[1].w, sizeof o[0].w));
    free(o);
}

FIG_TEST_MAIN
