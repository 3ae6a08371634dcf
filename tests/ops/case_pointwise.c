/* ops/case_pointwise.c - cases of the rows of pointwise.def: operands broadcast against one another in every way */
#include "cases.h"
#include <string.h>

/* `type` with leading axes dropped and others shrunk to 1: something that broadcasts to it. */
static fig_type shrunk(instance *t, fig_type type)
{
    if (any_chance(t, 0.4))
        return type;
    int drop = (int)any_between(t, 0, type.rank);
    fig_type out = { .rank = type.rank - drop };
    for (int i = 0; i < out.rank; i++)
        out.dim[i] = any_chance(t, 0.4) ? 1 : type.dim[i + drop];
    return out;
}

static void emit(instance *t, const fig_node *in)
{
    const fig_op *op = fig__op_find(t->row->op);
    fig_pointwise_attr attr = { { t->row->p[0], t->row->p[1] } };
    give(t, fig__emit(t->graph, op, in, op->operands, &attr));
}

/* Operand i of n: one of them has the whole shape. */
static fig_type operand_shape(instance *t, fig_type whole, int i, int whole_one)
{
    return i == whole_one ? whole : shrunk(t, whole);
}

/* Smooth over the row's range; integers too where the op has them. */
static void plain(instance *t)
{
    const fig_op *op = fig__op_find(t->row->op);
    fig_type whole = any_shape(t, (int)any_between(t, 0, 4));
    int whole_one = (int)any_between(t, 0, op->operands - 1);
    bool integers = op->pointwise->i32 && !t->small && any_chance(t, 0.25);
    fig_node in[3];
    for (int i = 0; i < op->operands; i++) {
        fig_type type = operand_shape(t, whole, i, whole_one);
        in[i] = integers ? any_integers(t, type, -9, 9) : any_real(t, type, (double)t->row->low, (double)t->row->high);
    }
    emit(t, in);
}

/* With corners at the multiples of 1/4 (relu, floor, clamp ...) */
static void cornered(instance *t)
{
    const fig_op *op = fig__op_find(t->row->op);
    fig_type whole = any_shape(t, (int)any_between(t, 0, 4));
    if (op->pointwise->i32 && !t->small && any_chance(t, 0.25))
        emit(t, (fig_node[1]){ any_integers(t, whole, -9, 9) });
    else
        emit(t, (fig_node[1]){ any_apart(t, whole, (double)t->row->low, (double)t->row->high, 0.25) });
}

/* Two operands that never tie in small instances and often do in large ones (min, max, comparisons) */
static void compared(instance *t)
{
    fig_type whole = any_shape(t, (int)any_between(t, 0, 4));
    int whole_one = (int)any_between(t, 0, 1);
    bool integers = !t->small && any_chance(t, 0.25), ties = !t->small && any_chance(t, 0.5);
    fig_node in[2];
    for (int i = 0; i < 2; i++) {
        fig_type type = operand_shape(t, whole, i, whole_one);
        in[i] = integers ? any_integers(t, type, -3, 3) : any_grid(t, type, -1, 1, 0.25, ties ? 0 : 0.125 * i);
    }
    emit(t, in);
}

/* A slope: upstream, and the point, kept from the corner at 0 */
static void slope(instance *t)
{
    fig_type type = any_shape(t, (int)any_between(t, 0, 4));
    emit(t, (fig_node[2]){ any_real(t, type, -2, 2), any_apart(t, type, (double)t->row->low, (double)t->row->high, 0) });
}

/* a = 1.5 (k + fraction), b near 1.5: the quotient stays away from integers in small instances, meets them in large ones */
static void modulus(instance *t)
{
    fig_type type = any_shape(t, (int)any_between(t, 0, 4));
    if (!t->small && any_chance(t, 0.3))
        emit(t, (fig_node[2]){ any_integers(t, type, -20, 20), any_integers(t, type, -3, 3) });
    else if (!t->small && any_chance(t, 0.5))
        emit(t, (fig_node[2]){ any_grid(t, type, -9, 9, 3, 0), any_grid(t, shrunk(t, type), -1, 1, 3, 3) });
    else
        emit(t, (fig_node[2]){ any_grid(t, type, -3, 3, 1.5, 0.6), any_real(t, type, 1.48, 1.52) });
}

static void selected(instance *t)
{
    fig_type whole = any_shape(t, (int)any_between(t, 0, 4));
    int whole_one = (int)any_between(t, 0, 2);
    fig_node condition = any_choice(t, operand_shape(t, whole, 0, whole_one)), in[2];
    bool integers = !t->small && any_chance(t, 0.25);
    for (int i = 0; i < 2; i++) {
        fig_type type = operand_shape(t, whole, i + 1, whole_one);
        in[i] = integers ? any_integers(t, type, -9, 9) : any_real(t, type, -2, 2);
    }
    give(t, fig_select(condition, in[0], in[1]));
}

/* Logits and targets of the loss; large logits too */
static void bce(instance *t)
{
    fig_type type = any_shape(t, (int)any_between(t, 0, 4));
    double reach = t->small ? 3 : 20;
    fig_node logits = any_apart(t, type, -reach, reach, 0);
    give(t, fig_bce_logits(logits, any_real(t, shrunk(t, type), 0, 1)));
}

const op_case cases_pointwise[] = {
    { "add", plain, .low = -2, .high = 2 },
    { "sub", plain, .low = -2, .high = 2 },
    { "mul", plain, .low = -2, .high = 2 },
    { "div", plain, .low = 0.7f, .high = 2 },
    { "mod", modulus },
    { "pow", plain, .low = 0.7f, .high = 2 },
    { "min", compared },
    { "max", compared },
    { "scale", plain, .low = -2, .high = 2, .p = { -1.5f } },
    { "shift", plain, .low = -2, .high = 2, .p = { 0.75f } },
    { "neg", plain, .low = -2, .high = 2 },
    { "abs", cornered, .low = -2, .high = 2 },
    { "sign", cornered, .low = -2, .high = 2 },
    { "floor", cornered, .low = -4, .high = 4 },
    { "square", plain, .low = -2, .high = 2 },
    { "reciprocal", plain, .low = 0.7f, .high = 2 },
    { "sqrt", plain, .low = 0.5f, .high = 3 },
    { "rsqrt", plain, .low = 0.5f, .high = 3 },
    { "clamp", cornered, .low = -2, .high = 2, .p = { -0.5f, 0.75f } },
    { "equal", compared },
    { "less", compared },
    { "less_equal", compared },
    { "greater", compared },
    { "greater_equal", compared },
    { "select", selected },
    { "exp", plain, .low = -2, .high = 2 },
    { "expm1", plain, .low = -2, .high = 2 },
    { "log", plain, .low = 0.5f, .high = 3 },
    { "log1p", plain, .low = -0.5f, .high = 3 },
    { "sin", plain, .low = -4, .high = 4 },
    { "cos", plain, .low = -4, .high = 4 },
    { "tanh", plain, .low = -3, .high = 3 },
    { "erf", plain, .low = -3, .high = 3 },
    { "sigmoid", plain, .low = -6, .high = 6 },
    { "relu", cornered, .low = -2, .high = 2 },
    { "leaky_relu", cornered, .low = -2, .high = 2, .p = { 0.2f } },
    { "leaky_relu", cornered, .low = -2, .high = 2, .p = { -0.3f } },
    { "elu", cornered, .low = -3, .high = 2, .p = { 1.25f } },
    { "gelu", plain, .low = -4, .high = 4 },
    { "gelu_tanh", plain, .low = -4, .high = 4 },
    { "silu", plain, .low = -6, .high = 6 },
    { "softplus", plain, .low = -6, .high = 6 },
    { "tanh_slope", slope, .low = -0.9f, .high = 0.9f },
    { "sigmoid_slope", slope, .low = 0, .high = 1 },
    { "relu_slope", slope, .low = -2, .high = 2 },
    { "leaky_relu_slope", slope, .low = -2, .high = 2, .p = { 0.2f } },
    { "elu_slope", slope, .low = -3, .high = 2, .p = { 1.25f } },
    { "gelu_slope", slope, .low = -4, .high = 4 },
    { "gelu_tanh_slope", slope, .low = -4, .high = 4 },
    { "silu_slope", slope, .low = -6, .high = 6 },
    { "bce_logits", bce },
    { 0 },
};
