/* passes/fuse_epilogue.c - a bias and an activation behind a product become part of it
 *
 * Pattern: product -> [view] -> add(bias along the last axis) -> [view] -> [activation], or matrix product -> [view] -> activation,
 * where nobody else wants the values in between; or a convolution of several taps -> [view] -> add -> gate. The product writes its
 * result once instead of being read and written again by each of them. */
#include "passes/pass.h"

#include <stdlib.h>
#include <string.h>

typedef struct chain {
    int32_t product, last;       /* nodes; last carries the chain's result */
    int32_t bias;                /* value; -1 = none */
    fig_activation activation;
    float p;
    bool gate;
} chain;

typedef struct finder {
    const fig_graph *g;
    int *users;       /* per value */
    int32_t *user;    /* per value: the last node that reads it */
    const fig__needs *needs;
} finder;

static bool only_one_user(const finder *f, int32_t value)
{
    return f->users[value] == 1 && !f->needs->root[value];
}

static bool activation_of(const fig__node *node, fig_activation *kind, float *p)
{
    static const struct { const fig_op *op; fig_activation kind; } table[] = {
        {&fig_op_relu, FIG_RELU}, {&fig_op_leaky_relu, FIG_LEAKY_RELU}, {&fig_op_tanh, FIG_TANH},
        {&fig_op_sigmoid, FIG_SIGMOID}, {&fig_op_gelu_tanh, FIG_GELU_TANH}, {&fig_op_silu, FIG_SILU},
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        if (table[i].op == node->op) {
            *kind = table[i].kind;
            *p = ((const fig_pointwise_attr *)node->attr)->p[0];
            return true;
        }
    }
    return false;
}

static bool keeps_last_axis(const fig_graph *g, const fig__node *view)
{
    if (view->op != &fig_op_reshape)
        return false;
    const fig_type *a = &g->values[view->in[0]].type, *b = &g->values[view->first_out].type;
    return a->rank && b->rank && a->dim[a->rank - 1] == b->dim[b->rank - 1];
}

/* The value behind views that keep the last axis, each with no other user. */
static int32_t through_views(const finder *f, int32_t value)
{
    const fig_graph *g = f->g;
    for (;;) {
        const fig__node *node = fig__node_of(g, value);
        if (!only_one_user(f, value) || !keeps_last_axis(g, node))
            return value;
        value = node->in[0];
    }
}

static bool several_taps(const fig_graph *g, const fig__node *convolution)
{
    const fig_type *w = &g->values[convolution->in[1]].type;
    return fig__count(w) > w->dim[0] * w->dim[w->rank - 1];
}

/* The last of the views of a value, where each is all that reads the one before. */
static int32_t behind_views(const finder *f, int32_t value)
{
    while (only_one_user(f, value) && keeps_last_axis(f->g, &f->g->nodes[f->user[value]]))
        value = f->g->nodes[f->user[value]].first_out;
    return value;
}

/* Activation n of a matrix product without bias. */
static bool find_plain(const finder *f, int32_t n, chain *c)
{
    const fig_graph *g = f->g;
    const fig__node *node = &g->nodes[n];
    if (!activation_of(node, &c->activation, &c->p) || g->values[node->first_out].type.dtype != FIG_F32)
        return false;
    int32_t product = through_views(f, node->in[0]);
    c->product = g->values[product].node;
    c->last = n;
    c->bias = -1;
    return g->nodes[c->product].op == &fig_op_matmul && only_one_user(f, product);
}

/* The chain whose bias is added, or else whose activation is computed, by node n. */
static bool find_chain(const finder *f, int32_t n, chain *c)
{
    const fig_graph *g = f->g;
    const fig__node *add = &g->nodes[n];
    if (add->op != &fig_op_add)
        return find_plain(f, n, c);
    for (int side = 0; side < 2; side++) {
        int32_t value = add->in[side], bias = add->in[1 - side];
        const fig_type *out = &g->values[add->first_out].type, *whole = &g->values[value].type,
                       *row = &g->values[bias].type;
        if (!fig__shapes_equal(out, whole) || row->rank != 1 || !whole->rank ||
            row->dim[0] != whole->dim[whole->rank - 1])
            continue;
        int32_t product = through_views(f, value);
        const fig_op *op = fig__node_of(g, product)->op;
        if ((op != &fig_op_matmul && op != &fig_op_convolution) || !only_one_user(f, product) ||
            whole->dtype != FIG_F32)
            continue;
        *c = (chain){.product = g->values[product].node, .last = n, .bias = bias};
        int32_t sum = behind_views(f, add->first_out);
        if (only_one_user(f, sum) && activation_of(&g->nodes[f->user[sum]], &c->activation, &c->p))
            c->last = f->user[sum];
        else if (only_one_user(f, sum) && g->nodes[f->user[sum]].op == &fig_op_gate && op == &fig_op_convolution &&
                 several_taps(g, &g->nodes[c->product]))
            c->last = f->user[sum], c->gate = true;
        return true;
    }
    return false;
}

/* Sets the results of the chain's last node. */
static void emit_chain(const fig_graph *from, const chain *c, fig_graph *to, fig_node *map)
{
    const fig__node *product = &from->nodes[c->product];
    fig_node in[3] = {map[product->in[0]], map[product->in[1]], c->bias < 0 ? FIG_NONE : map[c->bias]}, out[2];
    const fig__node *last = &from->nodes[c->last];
    fig_epilogue after = {.bias = c->bias >= 0, .activation = c->activation, .p = c->p};
    to->scopes.override_path = fig__arena_text(to->arena, product->path);
    if (product->op == &fig_op_matmul) {
        fig_matmul_fused_attr attr;
        memset(&attr, 0, sizeof attr);
        attr.matmul = *(const fig_matmul_attr *)product->attr;
        attr.after = after;
        out[0] = fig__emit(to, &fig_op_matmul_fused, in, 2 + after.bias, &attr);
    } else {
        fig_convolution_fused_attr attr;
        memset(&attr, 0, sizeof attr);
        attr.conv = *(const fig_conv_attr *)product->attr;
        attr.after = after;
        fig__emit_multi(to, c->gate ? &fig_op_convolution_gate : &fig_op_convolution_fused, in, 3, &attr, out, c->gate ? 2 : 1);
    }
    for (int k = 0; k < (c->gate ? 2 : 1); k++)
        map[last->first_out + k] = fig_reshape(out[k], from->values[last->first_out + k].type);
    to->scopes.override_path = NULL;
}

void fig__fuse_epilogue(const fig_graph *from, const fig__needs *needs, fig_graph *to, fig_node *map)
{
    finder f = {.g = from, .needs = needs, .users = fig__count_users(from, needs)};
    f.user = fig__alloc(sizeof *f.user * (size_t)from->n_values);
    chain *found = fig__alloc(sizeof *found * (size_t)(from->n_nodes + 1));
    bool *inside = fig__alloc(sizeof *inside *
                              (size_t)(from->n_nodes + 1)); /* product, views and add of a chain with activation */
    int32_t *ends = fig__alloc(sizeof *ends * (size_t)(from->n_nodes + 1));  /* last node -> 1 + node that its chain was found by */
    for (int32_t n = 0; n < from->n_nodes; n++) {
        if (!fig__node_needed(from, needs, n))
            continue;
        for (int i = 0; i < from->nodes[n].n_in; i++)
            f.user[from->nodes[n].in[i]] = n;
    }
    for (int32_t n = 0; n < from->n_nodes; n++) {
        if (!fig__node_needed(from, needs, n) || !find_chain(&f, n, &found[n]))
            continue;
        inside[found[n].product] = true;
        inside[n] = true;
        ends[found[n].last] = n + 1;
    }
    for (int32_t n = 0; n < from->n_nodes; n++) {
        if (!fig__node_needed(from, needs, n))
            continue;
        if (ends[n]) {
            emit_chain(from, &found[ends[n] - 1], to, map);
            continue;
        }
        bool ready = !inside[n];
        for (int i = 0; ready && i < from->nodes[n].n_in; i++)
            ready = !fig_is_none(map[from->nodes[n].in[i]]);
        if (ready) /* otherwise a view inside a chain, whose operand does not exist by itself */
            fig__copy_node(to, from, n, map);
    }
    free(f.users);
    free(f.user);
    free(found);
    free(inside);
    free(ends);
}
