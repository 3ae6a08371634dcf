/* ops/case_fused.c - cases of what passes make: fused programs, products with an epilogue, copies */
#include "cases.h"
#include <string.h>

/* -- a random program ---------------------------------------------------------------------------------------------- */

/* Ops that stay tame whatever they are fed: bounded, or linear in bounded values. */
static const fig_op *any_step(instance *t)
{
    const fig_op *const ops[] = { &fig_op_add,     &fig_op_sub, &fig_op_tanh,  &fig_op_sigmoid, &fig_op_relu,
                                  &fig_op_scale,   &fig_op_max, &fig_op_sin,   &fig_op_abs,     &fig_op_gelu,
                                  &fig_op_greater, &fig_op_min, &fig_op_clamp, &fig_op_select,  &fig_op_softplus };
    return ops[any_between(t, 0, (int64_t)(sizeof ops / sizeof *ops) - 1)];
}

static void add_steps(instance *t, fig_fused_program *p)
{
    p->n_steps = (int)any_between(t, 1, 12);
    for (int s = 0; s < p->n_steps; s++) {
        const fig_op *op = any_step(t);
        p->step[s].code = op->pointwise->code;
        p->step[s].p[0] = -0.5f;
        p->step[s].p[1] = 0.75f;
        for (int k = 0; k < op->operands; k++)
            p->step[s].source[k] = (int)any_between(t, 0, p->n_in + s - 1);
    }
}

static void add_outputs(instance *t, fig_fused_program *p)
{
    p->n_out = (int)any_between(t, 1, 4);
    for (int k = 0; k < p->n_out; k++) {
        p->outputs[k] = p->n_in + (int)any_between(t, 0, p->n_steps - 1);
        p->scale[k] = 1;
        if (!p->space.rank || any_chance(t, 0.5))
            continue;
        p->reduce[k] = (uint32_t)any_between(t, 1, (1 << p->space.rank) - 1);
        p->keep[k] = any_chance(t, 0.5);
        p->scale[k] = any_chance(t, 0.5) ? 1 : 0.25f;
    }
}

static void fused(instance *t)
{
    fig_fused_program *p = fig__arena_alloc(fig__graph_arena(t->graph), sizeof *p);
    fig_node in[6], out[4];
    p->space = any_shape(t, (int)any_between(t, 0, 5));
    p->n_in = (int)any_between(t, 1, 6);
    for (int i = 0; i < p->n_in; i++) {
        fig_type type = p->space;
        int drop = i && any_chance(t, 0.5) ? (int)any_between(t, 0, type.rank) : 0;
        type.rank -= drop;
        memmove(type.dim, type.dim + drop, sizeof *type.dim * (size_t)type.rank);
        for (int k = 0; k < type.rank; k++)
            if (i && any_chance(t, 0.3))
                type.dim[k] = 1;
        in[i] = any_real(t, type, -2, 2);
    }
    add_steps(t, p);
    add_outputs(t, p);
    fig_fused_attr attr;
    memset(&attr, 0, sizeof attr);
    attr.program = p;
    fig__emit_multi(t->graph, &fig_op_fused, in, p->n_in, &attr, out, p->n_out);
    for (int k = 0; k < p->n_out; k++)
        give(t, out[k]);
}

/* -- products with bias and activation ----------------------------------------------------------------------------- */

static fig_epilogue any_epilogue(instance *t)
{
    fig_epilogue after;
    memset(&after, 0, sizeof after);
    after.bias = any_chance(t, 0.7);
    after.activation = (fig_activation)any_between(t, FIG_LINEAR, FIG_SILU);
    after.p = after.activation == FIG_LEAKY_RELU ? 0.2f : 0;
    return after;
}

static void matmul_fused(instance *t)
{
    fig_matmul_fused_attr attr;
    memset(&attr, 0, sizeof attr);
    attr.matmul.transpose_a = any_chance(t, 0.3);
    attr.matmul.transpose_b = any_chance(t, 0.5);
    attr.after = any_epilogue(t);
    int64_t m = any_size(t), n = any_size(t), k = any_size(t), batch = any_between(t, 1, 3);
    bool batched = any_chance(t, 0.3);
    fig_type a = batched ? FIG_SHAPE(batch, m, k) : FIG_SHAPE(m, k), b = FIG_SHAPE(k, n);
    if (attr.matmul.transpose_a)
        a = batched ? FIG_SHAPE(batch, k, m) : FIG_SHAPE(k, m);
    if (attr.matmul.transpose_b)
        b = FIG_SHAPE(n, k);
    if (batched && any_chance(t, 0.5))
        b = FIG_SHAPE(batch, b.dim[0], b.dim[1]);
    fig_node in[3] = { any_real(t, a, -1, 1), any_real(t, b, -1, 1) };
    if (attr.after.bias)
        in[2] = any_real(t, FIG_SHAPE(n), -1, 1);
    give(t, fig__emit(t->graph, &fig_op_matmul_fused, in, attr.after.bias ? 3 : 2, &attr));
}

/* Operands of a convolution with an epilogue; two_taps: along one axis, over enough channels for kernels of windows. */
static int any_operands(instance *t, fig_convolution_fused_attr *attr, bool even, fig_node *in)
{
    bool two_taps = !t->small && any_chance(t, 0.3);
    int64_t least = two_taps ? 8 : 1, most = two_taps ? 72 : 9, size = two_taps ? any_between(t, 1, 300) : any_between(t, 1, 9);
    int64_t channels = any_between(t, least, most), filters = any_between(t, least, most) * (even ? 2 : 1);
    int64_t dilation = any_between(t, 1, two_taps ? 40 : 2), taps = two_taps ? 2 : any_between(t, 1, 3);
    if (even && two_taps && any_chance(t, 0.5)) /* halves that are whole vectors */
        filters = 32 * any_between(t, 1, 4), channels += channels % 2;
    attr->conv.spatial = attr->conv.groups = 1;
    for (int i = 0; i < FIG_MAX_SPATIAL; i++)
        attr->conv.stride[i] = attr->conv.dilation[i] = 1;
    attr->conv.dilation[0] = (int)dilation;
    attr->conv.before[0] = (int)(dilation * (taps - 1));
    attr->conv.size[0] = size;
    in[0] = any_real(t, FIG_SHAPE(any_between(t, 1, 2), size, channels), -1, 1);
    in[1] = any_real(t, FIG_SHAPE(filters, taps, channels), -0.3, 0.3);
    if (attr->after.bias)
        in[2] = any_real(t, FIG_SHAPE(filters), -1, 1);
    return attr->after.bias ? 3 : 2;
}

static void sequence_fused(instance *t)
{
    fig_convolution_fused_attr attr;
    fig_node in[3];
    memset(&attr, 0, sizeof attr);
    attr.after = any_epilogue(t);
    int n = any_operands(t, &attr, false, in);
    give(t, fig__emit(t->graph, &fig_op_convolution_fused, in, n, &attr));
}

static void convolution_gate(instance *t)
{
    fig_convolution_fused_attr attr;
    fig_node in[3], out[2];
    memset(&attr, 0, sizeof attr);
    attr.after.bias = any_chance(t, 0.7);
    int n = any_operands(t, &attr, true, in);
    fig__emit_multi(t->graph, &fig_op_convolution_gate, in, n, &attr, out, 2);
    give(t, out[0]);
    give(t, out[1]);
}

static void convolution_plus(instance *t)
{
    fig_convolution_plus_attr attr;
    fig_node in[4], out[2];
    memset(&attr, 0, sizeof attr);
    attr.data = any_chance(t, 0.5);
    attr.fused.after.bias = !attr.data && any_chance(t, 0.5);
    int n = any_operands(t, &attr.fused, false, in);
    if (!t->small && any_chance(t, 0.4)) { /* a product over the channels */
        int64_t filters = any_between(t, 8, 80), places = any_between(t, 1, 300);
        attr.fused.conv.before[0] = 0;
        attr.fused.conv.dilation[0] = 1;
        attr.fused.conv.size[0] = places;
        in[0] = any_real(t, FIG_SHAPE(2, places, any_between(t, 8, 80)), -1, 1);
        in[1] = any_real(t, FIG_SHAPE(filters, 1, fig_dim(in[0], 2)), -0.3, 0.3);
        in[2] = attr.fused.after.bias ? any_real(t, FIG_SHAPE(filters), -1, 1) : in[2];
    }
    if (n > 2)
        in[3] = in[2];
    int64_t made = fig_dim(in[1], attr.data ? 2 : 0);
    if (attr.data)
        in[0] = any_real(t, FIG_SHAPE(fig_dim(in[0], 0), fig_dim(in[0], 1), fig_dim(in[1], 0)), -1, 1);
    in[2] = any_real(t, FIG_SHAPE(fig_dim(in[0], 0), fig_dim(in[0], 1), made), -1, 1);
    fig__emit_multi(t->graph, &fig_op_convolution_plus, in, n + 1, &attr, out, 2);
    give(t, out[0]);
    give(t, out[1]);
}

/* Pieces from operand 1 on; returns the channels of each. */
static int64_t any_pieces(instance *t, fig_pieces_attr *attr, int n, fig_node *in)
{
    bool vectors = !t->small && any_chance(t, 0.5);
    int64_t places = any_between(t, 1, t->small ? 6 : 700), channels = vectors ? 16 * any_between(t, 1, 8) : any_between(t, 1, 9);
    attr->gated = any_chance(t, 0.6);
    for (int i = 0; i < n; i++)
        in[1 + i] = any_real(t, FIG_SHAPE(2, places, channels * (attr->gated ? 2 : 1)), -1, 1);
    return channels;
}

static void pieces_product(instance *t)
{
    fig_pieces_attr attr;
    fig_node in[6];
    memset(&attr, 0, sizeof attr);
    attr.after = any_epilogue(t);
    int n = (int)any_between(t, 1, 4);
    int64_t outputs = any_between(t, 1, t->small ? 5 : 70), channels = any_pieces(t, &attr, n, in);
    in[0] = any_real(t, FIG_SHAPE(outputs, 1, n * channels), -0.3, 0.3);
    if (attr.after.bias)
        in[1 + n] = any_real(t, FIG_SHAPE(outputs), -1, 1);
    give(t, fig__emit(t->graph, &fig_op_pieces_product, in, 1 + n + (attr.after.bias != 0), &attr));
}

static void gate_products(instance *t)
{
    fig_node in[7], out[2];
    int n = (int)any_between(t, 1, 3);
    int64_t places = any_between(t, 1, t->small ? 5 : 300), channels = any_between(t, 1, t->small ? 4 : 70);
    in[0] = any_real(t, FIG_SHAPE(2, places, 2 * channels), 0.1, 0.9);
    for (int i = 0; i < n; i++) {
        int64_t outputs = any_between(t, 1, t->small ? 4 : 80);
        in[1 + 2 * i] = any_real(t, FIG_SHAPE(2, places, outputs), -1, 1);
        in[2 + 2 * i] = any_real(t, FIG_SHAPE(outputs, 1, channels), -0.3, 0.3);
    }
    fig__emit_multi(t->graph, &fig_op_gate_products, in, 1 + 2 * n, NULL, out, 2);
    give(t, out[0]);
    give(t, out[1]);
}

static void pieces_weight_gradient(instance *t)
{
    fig_pieces_attr attr;
    fig_node in[6];
    memset(&attr, 0, sizeof attr);
    attr.ones = (int)any_between(t, 0, 2);
    int n = (int)any_between(t, 1, 4);
    any_pieces(t, &attr, n, in);
    in[0] = any_real(t, FIG_SHAPE(2, fig_dim(in[1], 1), any_between(t, 1, t->small ? 5 : 70)), -1, 1);
    give(t, fig__emit(t->graph, &fig_op_pieces_weight_gradient, in, 1 + n, &attr));
}

static void convolution_fused(instance *t)
{
    fig_convolution_fused_attr attr;
    memset(&attr, 0, sizeof attr);
    attr.after = any_epilogue(t);
    bool windows = !t->small && any_chance(t, 0.3); /* over enough channels for windows: 3x3 as it is, or 4x4 with stride 2 */
    bool halving = windows && any_chance(t, 0.5);
    attr.conv.spatial = windows ? 2 : (int)any_between(t, 1, 2);
    attr.conv.groups = 1;
    int64_t least = windows ? 8 : 1, most = halving ? 22 : windows ? 40 : 9; /* 360 terms a sum */
    int64_t channels = any_between(t, least, most), filters = any_between(t, least, most);
    fig_type x = { .rank = attr.conv.spatial + 2, .dim = { any_between(t, 1, 3) } },
             w = { .rank = x.rank, .dim = { filters } };
    for (int i = 0; i < attr.conv.spatial; i++) {
        attr.conv.stride[i] = halving ? 2 : windows ? 1 : (int)any_between(t, 1, 2);
        attr.conv.dilation[i] = 1;
        attr.conv.before[i] = (int)any_between(t, 0, 1);
        attr.conv.after[i] = (int)any_between(t, 0, 1);
        w.dim[i + 1] = halving ? 4 : windows ? 3 : any_between(t, 1, 4);
        x.dim[i + 1] = w.dim[i + 1] + any_between(t, 0, halving ? 16 : 9);
    }
    for (int i = attr.conv.spatial; i < FIG_MAX_SPATIAL; i++)
        attr.conv.stride[i] = attr.conv.dilation[i] = 1;
    x.dim[x.rank - 1] = w.dim[w.rank - 1] = channels;
    for (int i = 0; i < attr.conv.spatial; i++)
        attr.conv.size[i] = x.dim[i + 1];
    double range = halving ? 0.3 : 1; /* so many terms would only show an activation its ends */
    fig_node in[3] = { any_real(t, x, -1, 1), any_real(t, w, -range, range) };
    if (attr.after.bias)
        in[2] = any_real(t, FIG_SHAPE(filters), -1, 1);
    give(t, fig__emit(t->graph, &fig_op_convolution_fused, in, attr.after.bias ? 3 : 2, &attr));
}

static void copy(instance *t)
{
    fig_node x = any_real(t, any_shape(t, (int)any_between(t, 0, 4)), -2, 2);
    give(t, fig__emit(t->graph, &fig_op_copy, &x, 1, NULL));
}

const op_case cases_fused[] = {
    { "fused", fused, ONLY_BY_PASS },
    { "matmul_fused", matmul_fused, ONLY_BY_PASS },
    { "convolution_fused", convolution_fused, ONLY_BY_PASS },
    { "convolution_fused", sequence_fused, ONLY_BY_PASS },
    { "convolution_gate", convolution_gate, ONLY_BY_PASS },
    { "convolution_plus", convolution_plus, ONLY_BY_PASS },
    { "gate_products", gate_products, ONLY_BY_PASS },
    { "pieces_product", pieces_product, ONLY_BY_PASS },
    { "pieces_weight_gradient", pieces_weight_gradient, ONLY_BY_PASS },
    { "copy", copy },
    { 0 },
};
