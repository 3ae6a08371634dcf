/* passes/simplify.c - local rewrites that never change a value
 *
 * - an element-by-element node of constants is a constant; a view or broadcast of a constant is one
 * - x + 0, x - 0, x * 1, x / 1 are x
 * - a constant operand of full size becomes a scalar, and a broadcast in front of an element-by-element node is left out,
 *   where the node's shape does not depend on it: the node broadcasts by itself
 * - a view of a view is one view */
#include "passes/pass.h"

#include <string.h>

static bool is_full(fig_node x, double *value)
{
    if (fig__producer(x) != &fig_op_full)
        return false;
    *value = ((const fig_full_attr *)fig__producer_attr(x))->value;
    return true;
}

static fig_node full_like(fig_graph *to, const fig_type *type, double value)
{
    fig_full_attr attr;
    memset(&attr, 0, sizeof attr);
    attr.type = *type;
    attr.value = value;
    return fig__emit(to, &fig_op_full, NULL, 0, &attr);
}

/* The node's type with operand k replaced; false when the shape rule refuses. */
static bool keeps_type(const fig__node *node, const fig_type *wanted, fig_node *in, int k, fig_node instead)
{
    fig_type types[3], out;
    fig_error err = {0};
    memset(&out, 0, sizeof out);
    for (int i = 0; i < node->n_in; i++)
        types[i] = fig_type_of(i == k ? instead : in[i]);
    fig_infer c = {.n_in = node->n_in, .n_out = 1, .in = types, .out = &out, .attr = node->attr, .err = &err};
    return node->op->infer(&c) == FIG_OK && fig__types_equal(&out, wanted);
}

static bool fold_constants(fig_graph *to, const fig__node *node, const fig_type *type, const fig_node *in,
                           fig_node *result)
{
    double v[3] = {0};
    for (int i = 0; i < node->n_in; i++)
        if (fig_type_of(in[i]).dtype != FIG_F32 || !is_full(in[i], &v[i]))
            return false;
    if (type->dtype != FIG_F32)
        return false;
    const float *p = ((const fig_pointwise_attr *)node->attr)->p;
    *result = full_like(to, type, node->op->pointwise->f32((float)v[0], (float)v[1], (float)v[2], p));
    return true;
}

/* x + 0 and the like, when what remains has the node's type. */
static bool neutral(const fig__node *node, const fig_type *type, const fig_node *in, fig_node *result)
{
    double v;
    fig_type first = fig_type_of(in[0]);
    bool add = node->op == &fig_op_add, mul = node->op == &fig_op_mul;
    if (add || mul || node->op == &fig_op_sub || node->op == &fig_op_div) {
        double identity = add || node->op == &fig_op_sub ? 0 : 1;
        if (is_full(in[1], &v) && v == identity && fig__types_equal(&first, type)) {
            *result = in[0];
            return true;
        }
        fig_type second = fig_type_of(in[1]);
        if ((add || mul) && is_full(in[0], &v) && v == identity && fig__types_equal(&second, type)) {
            *result = in[1];
            return true;
        }
    }
    return false;
}

static void shrink_operands(fig_graph *to, const fig__node *node, const fig_type *type, fig_node *in)
{
    for (int k = 0; k < node->n_in; k++) {
        fig_node instead = FIG_NONE;
        double v;
        fig_type operand = fig_type_of(in[k]);
        if (operand.rank > 0 && is_full(in[k], &v)) {
            fig_type scalar = {.dtype = operand.dtype};
            instead = full_like(to, &scalar, v);
        } else if (fig__producer(in[k]) == &fig_op_broadcast) {
            instead = (fig_node){to, fig__node_of(to, in[k].id)->in[0]};
        }
        if (!fig_is_none(instead) && keeps_type(node, type, in, k, instead))
            in[k] = instead;
    }
}

static bool simplify_pointwise(fig_graph *to, const fig__node *node, const fig_type *type, fig_node *in,
                               fig_node *result)
{
    if (fold_constants(to, node, type, in, result))
        return true;
    shrink_operands(to, node, type, in);
    return neutral(node, type, in, result);
}

static bool simplify_view(fig_graph *to, const fig__node *node, const fig_type *type, fig_node *in, fig_node *result)
{
    double v;
    if (is_full(in[0], &v)) {
        *result = full_like(to, type, v);
        return true;
    }
    fig_type operand = fig_type_of(in[0]);
    if (fig__types_equal(&operand, type) && node->op != &fig_op_copy) {
        *result = in[0];
        return true;
    }
    return false;
}

static bool simplify(fig_graph *to, const fig__node *node, const fig_type *type, fig_node *in, fig_node *result)
{
    if ((node->op->flags & FIG_OP_POINTWISE) && node->n_in <= 3)
        return simplify_pointwise(to, node, type, in, result);
    if (node->op == &fig_op_broadcast || (node->op->flags & FIG_OP_VIEW))
        return simplify_view(to, node, type, in, result);
    return false;
}

void fig__simplify(const fig_graph *from, const fig__needs *needs, fig_graph *to, fig_node *map)
{
    for (int32_t n = 0; n < from->n_nodes; n++) {
        const fig__node *node = &from->nodes[n];
        if (!fig__node_needed(from, needs, n))
            continue;
        if (node->n_in < 1 || node->n_in > 3 || node->n_out != 1) {
            fig__copy_node(to, from, n, map);
            continue;
        }
        fig_node in[3], result;
        fig_type type = from->values[node->first_out].type;
        for (int i = 0; i < node->n_in; i++)
            in[i] = map[node->in[i]];
        if (!simplify(to, node, &type, in, &result)) {
            to->scopes.override_path = fig__arena_text(to->arena, node->path);
            if ((node->op->flags & FIG_OP_VIEW) && node->op == &fig_op_reshape &&
                fig__producer(in[0]) == &fig_op_reshape)
                in[0] = (fig_node){to, fig__node_of(to, in[0].id)->in[0]};
            result = fig__emit(to, node->op, in, node->n_in, node->attr);
            to->scopes.override_path = NULL;
        }
        map[node->first_out] = result;
    }
}
