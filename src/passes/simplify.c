/* passes/simplify.c - local rewrites that never change a value: the walk, and rules for element-by-element nodes
 *
 * Every node is looked at once, after its operands, so that rules see simplified operands and build on each other.
 * Values agree to rounding; x * 0 stays, for x may be infinite. Rules for shapes, pieces, reductions and products
 * are in simplify_shape.c. */
#include "passes/simplify.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* -- for rules ----------------------------------------------------------------------------------------------------- */

bool fig__is_full(fig_node x, double *value)
{
    if (fig__producer(x) != &fig_op_full)
        return false;
    *value = ((const fig_full_attr *)fig__producer_attr(x))->value;
    return true;
}

fig_node fig__full_like(fig_graph *to, const fig_type *type, double value)
{
    fig_full_attr attr;
    memset(&attr, 0, sizeof attr);
    attr.type.dtype = type->dtype;
    attr.type.rank = type->rank;
    memcpy(attr.type.dim, type->dim, sizeof *type->dim * (size_t)type->rank);
    attr.value = value;
    return fig__emit(to, &fig_op_full, NULL, 0, &attr);
}

const void *fig__made_by(fig_node x, const fig_op *op)
{
    static const char no_attribute;
    if (fig__producer(x) != op)
        return NULL;
    return op->attr_size ? fig__producer_attr(x) : &no_attribute;
}

fig_node fig__operand_of(fig_node x, int index)
{
    return (fig_node){x.graph, fig__node_of(x.graph, x.id)->in[index]};
}

static bool same_type(fig_node x, const fig_type *type)
{
    fig_type found = fig_type_of(x);
    return fig__types_equal(&found, type);
}

/* -- element by element -------------------------------------------------------------------------------------------- */

static float number_of(const fig__candidate *c)
{
    return ((const fig_pointwise_attr *)c->attr)->p[0];
}

/* op(x) with a number, e.g. scale. */
static fig_node with_number(fig__candidate *c, const fig_op *op, fig_node x, double number)
{
    fig_pointwise_attr attr = {{(float)number, 0}};
    return fig__simplified(c->to, op, &x, 1, &attr);
}

static fig_node unary(fig__candidate *c, const fig_op *op, fig_node x)
{
    fig_pointwise_attr attr = {{0, 0}};
    return fig__simplified(c->to, op, &x, 1, &attr);
}

static fig_node binary(fig__candidate *c, const fig_op *op, fig_node a, fig_node b)
{
    fig_pointwise_attr attr = {{0, 0}};
    return fig__simplified(c->to, op, (fig_node[]){a, b}, 2, &attr);
}

/* Constants are f32: an i32 result may not fit the double's path through f32. */
static bool fold_constants(fig__candidate *c, fig_node *result)
{
    double v[3] = {0};
    for (int i = 0; i < c->n_in; i++)
        if (fig_type_of(c->in[i]).dtype != FIG_F32 || !fig__is_full(c->in[i], &v[i]))
            return false;
    if (c->type.dtype != FIG_F32)
        return false;
    const float *p = ((const fig_pointwise_attr *)c->attr)->p;
    *result = fig__full_like(c->to, &c->type, (double)c->op->pointwise->f32((float)v[0], (float)v[1], (float)v[2], p));
    return true;
}

/* The node's type stays when operand k is replaced; false also when the shape rule refuses. */
static bool keeps_type(const fig__candidate *c, int k, fig_node instead)
{
    fig_type types[3], out;
    fig_error err = {0};
    memset(&out, 0, sizeof out);
    for (int i = 0; i < c->n_in; i++)
        types[i] = fig_type_of(i == k ? instead : c->in[i]);
    fig_infer infer = {.n_in = c->n_in, .n_out = 1, .in = types, .out = &out, .attr = c->attr, .err = &err};
    return c->op->infer(&infer) == FIG_OK && fig__types_equal(&out, &c->type);
}

/* A constant of full size becomes a scalar and a broadcast is left out where the node broadcasts by itself. */
static void shrink_operands(fig__candidate *c)
{
    for (int k = 0; k < c->n_in; k++) {
        fig_node instead = FIG_NONE;
        double v;
        fig_type operand = fig_type_of(c->in[k]);
        if (operand.rank > 0 && fig__is_full(c->in[k], &v))
            instead = fig__full_like(c->to, &(fig_type){.dtype = operand.dtype}, v);
        else if (fig__made_by(c->in[k], &fig_op_broadcast))
            instead = fig__operand_of(c->in[k], 0);
        if (!fig_is_none(instead) && keeps_type(c, k, instead))
            c->in[k] = instead;
    }
}

bool fig__simplify_pointwise(fig__candidate *c, fig_node *result)
{
    if (fold_constants(c, result))
        return true;
    shrink_operands(c);
    return false;
}

/* One operand is a number and the other, `x`, has the node's type; side: which one is the number. */
static bool is_number(const fig__candidate *c, int side, double *value, fig_node *x)
{
    *x = c->in[1 - side];
    return fig__is_full(c->in[side], value) && same_type(*x, &c->type);
}

static bool simplify_add(fig__candidate *c, fig_node *result)
{
    double v;
    fig_node x;
    for (int side = 0; side < 2; side++) {
        if (is_number(c, side, &v, &x) && (v == 0 || c->type.dtype == FIG_F32)) {
            *result = v == 0 ? x : with_number(c, &fig_op_shift, x, v);
            return true;
        }
        if (fig__made_by(c->in[side], &fig_op_neg)) {
            *result = binary(c, &fig_op_sub, c->in[1 - side], fig__operand_of(c->in[side], 0));
            return true;
        }
    }
    return false;
}

static bool simplify_sub(fig__candidate *c, fig_node *result)
{
    double v;
    fig_node x;
    if (is_number(c, 1, &v, &x) && (v == 0 || c->type.dtype == FIG_F32))
        *result = v == 0 ? x : with_number(c, &fig_op_shift, x, -v);
    else if (is_number(c, 0, &v, &x) && v == 0)
        *result = unary(c, &fig_op_neg, x);
    else if (fig__made_by(c->in[1], &fig_op_neg))
        *result = binary(c, &fig_op_add, c->in[0], fig__operand_of(c->in[1], 0));
    else
        return false;
    return true;
}

static bool simplify_mul(fig__candidate *c, fig_node *result)
{
    double v;
    fig_node x;
    for (int side = 0; side < 2; side++) {
        if (!is_number(c, side, &v, &x) || (v != 1 && v != -1 && c->type.dtype != FIG_F32))
            continue;
        *result = v == 1 ? x : v == -1 ? unary(c, &fig_op_neg, x) : with_number(c, &fig_op_scale, x, v);
        return true;
    }
    if (!fig__made_by(c->in[0], &fig_op_neg) || !fig__made_by(c->in[1], &fig_op_neg))
        return false;
    *result = binary(c, &fig_op_mul, fig__operand_of(c->in[0], 0), fig__operand_of(c->in[1], 0));
    return true;
}

/* Division becomes a product only where the reciprocal is exact. */
static bool simplify_div(fig__candidate *c, fig_node *result)
{
    double v;
    fig_node x;
    int exponent;
    if (is_number(c, 1, &v, &x) && v == 1)
        *result = x;
    else if (is_number(c, 1, &v, &x) && c->type.dtype == FIG_F32 && fabs(frexp(v, &exponent)) == 0.5 &&
             fabs(v) < 1e30 && fabs(v) > 1e-30)
        *result = with_number(c, &fig_op_scale, x, 1 / v);
    else
        return false;
    return true;
}

static bool simplify_scale(fig__candidate *c, fig_node *result)
{
    const fig_pointwise_attr *inner = fig__made_by(c->in[0], &fig_op_scale);
    if (number_of(c) == 1)
        *result = c->in[0];
    else if (number_of(c) == -1)
        *result = unary(c, &fig_op_neg, c->in[0]);
    else if (inner)
        *result =
            with_number(c, &fig_op_scale, fig__operand_of(c->in[0], 0), (double)inner->p[0] * (double)number_of(c));
    else if (fig__made_by(c->in[0], &fig_op_neg))
        *result = with_number(c, &fig_op_scale, fig__operand_of(c->in[0], 0), -(double)number_of(c));
    else
        return false;
    return true;
}

static bool simplify_shift(fig__candidate *c, fig_node *result)
{
    if (number_of(c) != 0)
        return false; /* two shifts stay: (x + 1e30) - 1e30 is not x */
    *result = c->in[0];
    return true;
}

static bool simplify_neg(fig__candidate *c, fig_node *result)
{
    const fig_pointwise_attr *inner = fig__made_by(c->in[0], &fig_op_scale);
    if (fig__made_by(c->in[0], &fig_op_neg))
        *result = fig__operand_of(c->in[0], 0);
    else if (inner)
        *result = with_number(c, &fig_op_scale, fig__operand_of(c->in[0], 0), -(double)inner->p[0]);
    else
        return false;
    return true;
}

/* A power is the dearest of all; the common ones are not. */
static bool simplify_pow(fig__candidate *c, fig_node *result)
{
    static const struct { double exponent; const fig_op *op; } known[] = {
        {2, &fig_op_square}, {0.5, &fig_op_sqrt}, {-0.5, &fig_op_rsqrt}, {-1, &fig_op_reciprocal},
    };
    double v;
    fig_node x;
    if (!is_number(c, 1, &v, &x))
        return false;
    if (v == 1) {
        *result = x;
        return true;
    }
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (known[i].exponent == v) {
            *result = unary(c, known[i].op, x);
            return true;
        }
    return false;
}

static bool simplify_select(fig__candidate *c, fig_node *result)
{
    double v;
    if (!fig__is_full(c->in[0], &v))
        return false;
    *result = c->in[v != 0 ? 1 : 2];
    return same_type(*result, &c->type);
}

const fig__rule_row fig__pointwise_rules[] = {
    {&fig_op_add, simplify_add}, {&fig_op_sub, simplify_sub}, {&fig_op_mul, simplify_mul}, {&fig_op_div, simplify_div},
    {&fig_op_scale, simplify_scale}, {&fig_op_shift, simplify_shift}, {&fig_op_neg, simplify_neg},
    {&fig_op_pow, simplify_pow}, {&fig_op_select, simplify_select}, {0},
};

/* -- the walk ------------------------------------------------------------------------------------------------------ */

static bool apply(fig__candidate *c, fig_node *result)
{
    if ((c->op->flags & FIG_OP_POINTWISE) && fig__simplify_pointwise(c, result))
        return true;
    const fig__rule_row *tables[] = {fig__pointwise_rules, fig__shape_rules};
    for (int t = 0; t < 2; t++)
        for (const fig__rule_row *row = tables[t]; row->op; row++)
            if (row->op == c->op && row->rule(c, result))
                return true;
    return false;
}

fig_node fig__simplified(fig_graph *to, const fig_op *op, const fig_node *in, int n_in, const void *attr)
{
    fig_type types[8];
    fig_node own[8], result;
    fig_error err = {0};
    fig__candidate c = {.to = to, .op = op, .attr = attr, .in = own, .n_in = n_in};
    for (int i = 0; i < n_in && i < 8; i++) {
        own[i] = in[i];
        types[i] = fig_type_of(in[i]);
    }
    fig_infer infer = {.n_in = n_in, .n_out = 1, .in = types, .out = &c.type, .attr = attr, .err = &err};
    if (n_in <= 8 && op->infer(&infer) == FIG_OK && apply(&c, &result))
        return result;
    return fig__emit(to, op, n_in <= 8 ? own : in, n_in, attr);
}

void fig__simplify(const fig_graph *from, const fig__needs *needs, fig_graph *to, fig_node *map)
{
    for (int32_t n = 0; n < from->n_nodes; n++) {
        const fig__node *node = &from->nodes[n];
        if (!fig__node_needed(from, needs, n))
            continue;
        if (!node->n_in || node->n_out != 1 || (node->op->flags & FIG_OP_NOISE)) {
            fig__copy_node(to, from, n, map);
            continue;
        }
        fig__candidate c = {
            .to = to, .op = node->op, .attr = node->attr, .n_in = node->n_in, .type = from->values[node->first_out].type
        };
        c.in = fig__alloc(sizeof *c.in * (size_t)node->n_in);
        for (int i = 0; i < node->n_in; i++)
            c.in[i] = map[node->in[i]];
        to->scopes.override_path = fig__arena_text(to->arena, node->path);
        if (!apply(&c, &map[node->first_out]))
            map[node->first_out] = fig__emit(to, node->op, c.in, c.n_in, node->attr);
        to->scopes.override_path = NULL;
        free(c.in);
    }
}
