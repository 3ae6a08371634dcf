/* passes/convolution_plus.c - what is added to a convolution or a data gradient is added as it is computed
 *
 *     add(convolution [+ bias] or data gradient, something of its type) [-> sum over places]        convolution_plus
 *
 * where nobody else wants what the convolution alone would be: a residual connection, the gradients that meet in front of one, the gradient
 * of a bias behind those. Only of what kernels do on their way (kernels/matmul_panels.c, kernels/convolution_triples.c): products over the
 * channels of very many places and, of data gradients, two taps along one axis; in f32. */
#include "passes/pass.h"

#include <stdlib.h>
#include <string.h>

enum { LEAST_PLACES = 8192, LEAST_CHANNELS = 32, MOST_CHANNELS = 256 };

typedef struct finder {
    const fig_graph *g;
    const fig__needs *needs;
    int *users;   /* per value */
    bool *inside; /* nodes that become part of another */
} finder;

static bool two_taps(const fig_graph *g, const fig__node *node)
{
    const fig_conv_attr *a = node->attr;
    const fig_type *w = &g->values[node->in[1]].type, *read = &g->values[node->in[0]].type;
    int64_t channels = read->dim[read->rank - 1];
    return a->spatial == 1 && a->groups == 1 && a->stride[0] == 1 && w->dim[1] == 2 && a->dilation[0] * 4 <= read->dim[1] &&
           channels >= LEAST_CHANNELS && channels <= MOST_CHANNELS;
}

/* Whether what is added to this value can be a part of its node. */
static bool takes(const finder *f, int32_t value)
{
    const fig__node *node = fig__node_of(f->g, value);
    const fig_type *type = &f->g->values[value].type;
    int64_t made = type->rank ? type->dim[type->rank - 1] : 0;
    if (f->users[value] != 1 || f->needs->root[value] || made < LEAST_CHANNELS || made % LEAST_CHANNELS || made > MOST_CHANNELS ||
        fig__count(type) / made < LEAST_PLACES)
        return false;
    bool data = node->op == &fig_op_convolution_data_gradient, fused = node->op == &fig_op_convolution_fused;
    if ((!data && !fused && node->op != &fig_op_convolution) ||
        (fused && ((const fig_convolution_fused_attr *)node->attr)->after.activation != FIG_LINEAR))
        return false;
    const fig_type *read = &f->g->values[node->in[0]].type;
    int64_t channels = read->dim[read->rank - 1];
    return fig__plain_product(f->g, node) ? channels >= made && channels <= MOST_CHANNELS : data && two_taps(f->g, node);
}

/* The operand of node n that is such a value, or -1. */
static int side_of(const finder *f, int32_t n)
{
    const fig_graph *g = f->g;
    const fig__node *node = &g->nodes[n];
    if (node->op != &fig_op_add || node->in[0] == node->in[1] ||
        !fig__types_equal(&g->values[node->in[0]].type, &g->values[node->in[1]].type))
        return -1;
    return takes(f, node->in[0]) ? 0 : takes(f, node->in[1]) ? 1 : -1;
}

static fig_node emit_plus(const fig_graph *from, const fig__node *add, int side, fig_graph *to, fig_node *map)
{
    const fig__node *node = fig__node_of(from, add->in[side]);
    fig_convolution_plus_attr attr;
    memset(&attr, 0, sizeof attr);
    attr.data = node->op == &fig_op_convolution_data_gradient;
    if (node->op == &fig_op_convolution_fused)
        attr.fused = *(const fig_convolution_fused_attr *)node->attr;
    else
        attr.fused.conv = *(const fig_conv_attr *)node->attr;
    int count = 3;
    fig_node in[4] = { map[node->in[0]], map[node->in[1]], map[add->in[1 - side]] }, out[2];
    if (attr.fused.after.bias)
        in[count++] = map[node->in[2]];
    to->scopes.override_path = fig__arena_text(to->arena, node->path);
    fig__emit_multi(to, &fig_op_convolution_plus, in, count, &attr, out, 2);
    to->scopes.override_path = NULL;
    map[add->first_out] = out[0];
    return out[1];
}

void fig__convolution_plus(const fig_graph *from, const fig__needs *needs, fig_graph *to, fig_node *map)
{
    finder f = { .g = from, .needs = needs, .users = fig__count_users(from, needs) };
    f.inside = fig__alloc(sizeof *f.inside * (size_t)(from->n_nodes + 1));
    fig_node *sums = fig__alloc(sizeof *sums * (size_t)(from->n_values + 1)); /* of such a result: those that come with it */
    for (int32_t n = 0; n < from->n_nodes; n++) {
        int side = fig__node_needed(from, needs, n) ? side_of(&f, n) : -1;
        if (side >= 0)
            f.inside[from->values[from->nodes[n].in[side]].node] = true;
    }
    for (int32_t n = 0; n < from->n_nodes; n++) {
        const fig__node *node = &from->nodes[n];
        if (!fig__node_needed(from, needs, n) || f.inside[n])
            continue;
        int side = side_of(&f, n);
        if (side >= 0)
            sums[node->first_out] = emit_plus(from, node, side, to, map);
        else
            fig__copy_but_sums(to, from, n, sums, map);
    }
    free(f.users);
    free(f.inside);
    free(sums);
}
