/* passes/gate_products.c - a gate's gradient is computed where the products that make its operand stand
 *
 *     gate_gradient(trace, dy1 -> data gradient [+ dy2 -> data gradient ...]) [-> sum over places]       gate_products
 *
 * where the data gradients are plain products over the channels (convolutions of size 1) that nobody else wants: what lies between
 * them is neither written nor read, nor is the result a second time for the sum, a bias's gradient. In f32 only: in bf16 the parts
 * have kernels of their own. */
#include "passes/pass.h"

#include <stdlib.h>

enum { LEAST_PLACES = 512, LEAST_CHANNELS = 16, MOST_PAIRS = 4 };

typedef struct finder {
    const fig_graph *g;
    const fig__needs *needs;
    int *users; /* per value */
    bool *inside; /* nodes that become part of another */
} finder;

typedef struct pairs {
    int count;
    const fig__node *product[MOST_PAIRS];
    int32_t inside[2 * MOST_PAIRS];
    int n_inside;
} pairs;

/* Products that a value is the sum of, and the nodes that would be gone. */
static bool collect(const finder *f, int32_t value, pairs *p)
{
    const fig_graph *g = f->g;
    const fig__node *node = fig__node_of(g, value);
    const fig_type *type = &g->values[value].type;
    if (f->users[value] != 1 || f->needs->root[value] || p->count == MOST_PAIRS || p->n_inside == 2 * MOST_PAIRS)
        return false;
    p->inside[p->n_inside++] = g->values[value].node;
    if (node->op == &fig_op_convolution_data_gradient && fig__plain_product(g, node)) {
        p->product[p->count++] = node;
        return true;
    }
    return node->op == &fig_op_add && fig__types_equal(&g->values[node->in[0]].type, type) &&
           fig__types_equal(&g->values[node->in[1]].type, type) && collect(f, node->in[0], p) && collect(f, node->in[1], p);
}

static bool find(const finder *f, int32_t n, pairs *p)
{
    const fig__node *node = &f->g->nodes[n];
    *p = (pairs){ 0 };
    if (node->op != &fig_op_gate_gradient)
        return false;
    const fig_type *d = &f->g->values[node->in[1]].type;
    int64_t channels = d->rank ? d->dim[d->rank - 1] : 0;
    return channels >= LEAST_CHANNELS && fig__count(d) / channels >= LEAST_PLACES && collect(f, node->in[1], p);
}

static fig_node emit_products(const fig__node *node, const pairs *p, fig_graph *to, fig_node *map)
{
    fig_node in[1 + 2 * MOST_PAIRS] = { map[node->in[0]] }, out[2];
    for (int i = 0; i < p->count; i++) {
        in[1 + 2 * i] = map[p->product[i]->in[0]];
        in[2 + 2 * i] = map[p->product[i]->in[1]];
    }
    to->scopes.override_path = fig__arena_text(to->arena, node->path);
    fig__emit_multi(to, &fig_op_gate_products, in, 1 + 2 * p->count, NULL, out, 2);
    to->scopes.override_path = NULL;
    map[node->first_out] = out[0];
    return out[1];
}

void fig__gate_products(const fig_graph *from, const fig__needs *needs, fig_graph *to, fig_node *map)
{
    finder f = { .g = from, .needs = needs, .users = fig__count_users(from, needs) };
    pairs p;
    f.inside = fig__alloc(sizeof *f.inside * (size_t)(from->n_nodes + 1));
    fig_node *sums = fig__alloc(sizeof *sums * (size_t)(from->n_values + 1)); /* of a gate's gradient: those that come with it */
    for (int32_t n = 0; n < from->n_nodes; n++)
        if (fig__node_needed(from, needs, n) && find(&f, n, &p))
            for (int i = 0; i < p.n_inside; i++)
                f.inside[p.inside[i]] = true;
    for (int32_t n = 0; n < from->n_nodes; n++) {
        const fig__node *node = &from->nodes[n];
        if (!fig__node_needed(from, needs, n) || f.inside[n])
            continue;
        if (find(&f, n, &p))
            sums[node->first_out] = emit_products(node, &p, to, map);
        else
            fig__copy_but_sums(to, from, n, sums, map);
    }
    free(f.users);
    free(f.inside);
    free(sums);
}
