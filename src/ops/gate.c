/* ops/gate.c - a tanh gated by a logistic function: y = tanh(a) s(b), x = [a, b] along the last axis (van den Oord et al. 2016)
 *
 * x (..., 2 C) -> trace (..., 2 C): [tanh(a), s(b)], kept for the gradient, which then needs no exponentials; and y (..., C). A
 * gradient that flows into the trace (a second derivative) goes through the decomposition. */
#include "graph/graph.h"
#include "ops/op.h"
#include <math.h>

enum { TRACE, Y };

static fig_type half_of(fig_type type)
{
    type.dim[type.rank - 1] /= 2;
    return type;
}

static fig_node part_of(fig_node x, int which) /* one half along the last axis */
{
    int64_t width = fig_dim(x, -1) / 2;
    return fig_slice(x, fig_rank(x) - 1, which * width, width, 1);
}

/* -- gate ---------------------------------------------------------------------------------------------------------- */

static fig_status gate_infer(fig_infer *c)
{
    FIG_TRY(fig__expect_dtype(c, 0, FIG_F32, "gate"));
    const fig_type *x = &c->in[0];
    if (x->rank < 1 || x->dim[x->rank - 1] % 2)
        return fig_fail(c->err, FIG_E_SHAPE, "gate: the last axis is split in two, so it must be even: found %lld",
                        x->rank ? (long long)x->dim[x->rank - 1] : 0LL);
    c->n_out = 2;
    c->out[TRACE] = *x;
    c->out[Y] = half_of(*x);
    return FIG_OK;
}

static void gate_decompose(fig_decompose *c)
{
    fig_node parts[2] = { fig_tanh(part_of(c->in[0], 0)), fig_sigmoid(part_of(c->in[0], 1)) };
    c->out[TRACE] = fig_concat(parts, 2, fig_rank(c->in[0]) - 1);
    c->out[Y] = fig_mul(parts[0], parts[1]);
}

static void gate_gradient(fig_gradient *c)
{
    if (fig_is_none(c->upstreams[TRACE])) {
        fig_node in[2] = { c->outs[TRACE], c->upstreams[Y] };
        c->result[0] = fig__emit(c->graph, &fig_op_gate_gradient, in, 2, NULL);
        return;
    }
    fig_node copy = fig__emit(c->graph, &fig_op_copy, &c->in[0], 1, NULL), parts[2], flow[2] = { c->upstreams[TRACE], c->upstreams[Y] };
    gate_decompose(&(fig_decompose){ .graph = c->graph, .n_in = 1, .n_out = 2, .in = &copy, .out = parts });
    fig__gradients_of(c->graph, parts, flow, fig_is_none(flow[Y]) ? 1 : 2, &copy, 1, c->result);
}

static void gate_reference(fig_eval *c)
{
    const fig_type *x = &c->in[0].type;
    int64_t width = x->dim[x->rank - 1] / 2, rows = fig__count(&c->out[Y].type) / (width ? width : 1);
    for (int64_t r = 0; r < rows; r++)
        for (int64_t j = 0; j < width; j++) {
            int64_t at = r * 2 * width + j;
            double a = tanh((double)FIG_F32_IN(c, 0)[at]), b = 1 / (1 + exp(-(double)FIG_F32_IN(c, 0)[at + width]));
            FIG_F32_OUT(c, TRACE)[at] = (float)a;
            FIG_F32_OUT(c, TRACE)[at + width] = (float)b;
            FIG_F32_OUT(c, Y)[r * width + j] = (float)(a * b);
        }
}

const fig_op fig_op_gate = {
    .name = "gate",
    .operands = 1,
    .infer = gate_infer,
    .gradient = gate_gradient,
    .decompose = gate_decompose,
    .reference = gate_reference,
    .narrow = { FIG_NARROW_FREE, 1 << TRACE | 1 << Y },
};

/* -- its gradient: operands trace, dy ------------------------------------------------------------------------------ */

static fig_status backward_infer(fig_infer *c)
{
    FIG_TRY(fig__expect_dtype(c, 0, FIG_F32, "gate_gradient"));
    FIG_TRY(fig__expect_dtype(c, 1, FIG_F32, "gate_gradient"));
    fig_type half = half_of(c->in[0]);
    if (!fig__types_equal(&half, &c->in[1]))
        return fig_fail(c->err, FIG_E_SHAPE, "gate_gradient: the upstream gradient is not half as wide as the trace");
    *c->out = c->in[0];
    return FIG_OK;
}

static void backward_decompose(fig_decompose *c)
{
    fig_node a = part_of(c->in[0], 0), b = part_of(c->in[0], 1), dy = c->in[1];
    fig_node parts[2] = { fig_mul(fig_mul(dy, b), fig_shift(fig_neg(fig_square(a)), 1)),
                          fig_mul(fig_mul(dy, a), fig_mul(b, fig_shift(fig_neg(b), 1))) };
    c->out[0] = fig_concat(parts, 2, fig_rank(c->in[0]) - 1);
}

static void backward_reference(fig_eval *c)
{
    const fig_type *trace = &c->in[0].type;
    int64_t width = trace->dim[trace->rank - 1] / 2, rows = fig__count(&c->in[1].type) / (width ? width : 1);
    for (int64_t r = 0; r < rows; r++)
        for (int64_t j = 0; j < width; j++) {
            int64_t at = r * 2 * width + j;
            double a = (double)FIG_F32_IN(c, 0)[at], b = (double)FIG_F32_IN(c, 0)[at + width], dy = (double)FIG_F32_IN(c, 1)[r * width + j];
            FIG_F32_OUT(c, 0)[at] = (float)(dy * b * (1 - a * a));
            FIG_F32_OUT(c, 0)[at + width] = (float)(dy * a * b * (1 - b));
        }
}

const fig_op fig_op_gate_gradient = {
    .name = "gate_gradient",
    .operands = 2,
    .infer = backward_infer,
    .decompose = backward_decompose,
    .reference = backward_reference,
    .narrow = { FIG_NARROW_FREE, 1 },
};

fig_node fig_gate(fig_node x)
{
    fig_node out[2] = { { x.graph, 0 }, { x.graph, 0 } };
    if (!fig_is_none(x) && !fig__poisoned(x))
        fig__emit_multi(x.graph, &fig_op_gate, &x, 1, NULL, out, 2);
    return out[Y];
}
