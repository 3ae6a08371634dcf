/* test_passes_spare.c - what is computed a second time without a budget: only what is cheap, only where it pays */
#include "../test.h"

#include "graph/graph.h"
#include "passes/replay.h"
#include <figment/figment.h>

#include <stdlib.h>
#include <string.h>

enum { ROWS = 2048, WIDTH = 1024, LAYERS = 6 };

/* Layers with a normalisation and an activation each, and a step of gradient descent. */
static fig__program optimised(int width)
{
    fig_graph *g = fig_graph_new();
    fig_node h = fig_input(g, "x", FIG_SHAPE(ROWS, width)), w[LAYERS], gradient[LAYERS];
    for (int i = 0; i < LAYERS; i++) {
        char name[8];
        snprintf(name, sizeof name, "w%d", i);
        w[i] = fig_state(g, name, FIG_SHAPE(width, width));
        h = fig_silu(fig_layer_normalise(fig_matmul(h, w[i], NULL), FIG_NONE, FIG_NONE, 1e-5f));
    }
    fig_node loss = fig_mean(fig_square(h), NULL);
    fig_gradients(loss, w, LAYERS, gradient);
    for (int i = 0; i < LAYERS; i++)
        fig_assign(w[i], fig_sub(w[i], fig_scale(gradient[i], 0.1f)));
    fig__program program;
    fig_error err = { 0 };
    fig__program_begin(g, &loss.id, 1, &program);
    CHECK_OK(fig__program_optimise(&program, 0, "", NULL, &err), err);
    fig_graph_free(g);
    return program;
}

static bool is_product(const fig__node *node) { return strstr(node->op->name, "matmul") != NULL; }

typedef struct outcome {
    bool any;
    int64_t before, after; /* peaks */
    int again, products_again;
} outcome;

static int64_t peak_of(const fig__program *p, const fig__footprint *memory)
{
    fig__replay r;
    fig__replay_begin(&r, p, memory);
    int64_t peak = fig__replay_measure(&r, 0).peak;
    fig__replay_end(&r);
    return peak;
}

static outcome spare(int width, double share)
{
    fig__program p = optimised(width);
    size_t nodes = (size_t)p.graph->n_nodes + 1, values = 8 * (size_t)p.graph->n_values;
    size_t *workspace = calloc(4 * nodes, sizeof *workspace);
    unsigned *inplace = calloc(4 * nodes, sizeof *inplace);
    bool *in_block = malloc(values);
    memset(in_block, 1, values);
    fig__footprint memory = { workspace, inplace, in_block };
    outcome o = { .before = peak_of(&p, &memory) };
    fig_graph *before = NULL;
    fig_error err = { 0 };
    o.any = fig__program_spare(&p, &memory, share, &before);
    CHECK_OK(fig__program_reorder(&p, "", NULL, &err), err);
    o.after = peak_of(&p, &memory);
    for (int32_t n = 0; n < p.graph->n_nodes; n++) {
        o.again += p.graph->nodes[n].again;
        o.products_again += p.graph->nodes[n].again && is_product(&p.graph->nodes[n]);
    }
    fig_graph_free(before);
    fig__program_free(&p);
    free(workspace);
    free(inplace);
    free(in_block);
    return o;
}

FIG_TEST(cheap_nodes_run_twice_and_products_do_not)
{
    outcome o = spare(WIDTH, 0.05);
    CHECK(o.any);
    CHECK(o.again > 0);
    CHECK_INT(o.products_again, 0);
    CHECK((double)o.after < 0.95 * (double)o.before);
}

FIG_TEST(nothing_is_paid_beyond_the_share)
{
    outcome o = spare(WIDTH, 0);
    CHECK(!o.any);
    CHECK_INT(o.again, 0);
    CHECK(o.after <= o.before);
}

/* Narrow layers: a normalisation costs as much as a product there. */
FIG_TEST(nothing_is_done_where_it_does_not_pay)
{
    outcome o = spare(8, 0.05);
    CHECK(!o.any);
    CHECK_INT(o.again, 0);
}

FIG_TEST_MAIN
