/* ops/epilogue.c - matmul and convolution followed by a bias and an activation, as one node; and a convolution followed by a gate
 *
 * Made by passes/fuse_epilogue.c after differentiation, so there is no gradient. Operand 2 is the bias (n), when the
 * attribute says so. The reference is the plain product's followed by a loop. */
#include "ops/attributes.h"
#include "ops/op.h"

#include <math.h>

float fig__epilogue_value(const fig_epilogue *e, float x)
{
    const fig_op *const rule[] = {
        [FIG_RELU] = &fig_op_relu, [FIG_LEAKY_RELU] = &fig_op_leaky_relu, [FIG_TANH] = &fig_op_tanh, [FIG_SIGMOID] = &fig_op_sigmoid,
        [FIG_GELU_TANH] = &fig_op_gelu_tanh, [FIG_SILU] = &fig_op_silu,
    };
    return e->activation == FIG_LINEAR ? x : rule[e->activation]->pointwise->f32(x, 0, 0, (float[]){e->p, 0});
}

static void finish(fig_eval *c, const fig_epilogue *e)
{
    const fig_type *type = &c->out[0].type;
    int64_t n = fig__count(type), last = type->dim[type->rank - 1];
    float *y = FIG_F32_OUT(c, 0);
    for (int64_t i = 0; i < n; i++)
        y[i] = fig__epilogue_value(e, y[i] + (e->bias ? FIG_F32_IN(c, 2)[i % last] : 0));
}

static fig_status infer_like(fig_infer *c, const fig_op *op, const void *attr, const fig_epilogue *e)
{
    int expected = 2 + (e->bias != 0);
    if (c->n_in != expected)
        return fig_fail(c->err, FIG_E_SHAPE, "%s with an epilogue: %d operands, expected %d", op->name, c->n_in, expected);
    fig_infer inner = *c;
    inner.n_in = 2;
    inner.attr = attr;
    FIG_TRY(op->infer(&inner));
    if (e->bias && (c->in[2].rank != 1 || c->in[2].dim[0] != c->out->dim[c->out->rank - 1]))
        return fig_fail(c->err, FIG_E_SHAPE, "%s with an epilogue: the bias does not match the last axis", op->name);
    return FIG_OK;
}

static void run_like(fig_eval *c, const fig_op *op, const void *attr, const fig_epilogue *e)
{
    fig_eval inner = *c;
    inner.n_in = 2;
    inner.attr = attr;
    op->reference(&inner);
    finish(c, e);
}

static fig_status matmul_fused_infer(fig_infer *c)
{
    const fig_matmul_fused_attr *a = c->attr;
    return infer_like(c, &fig_op_matmul, &a->matmul, &a->after);
}

static void matmul_fused_reference(fig_eval *c)
{
    const fig_matmul_fused_attr *a = c->attr;
    run_like(c, &fig_op_matmul, &a->matmul, &a->after);
}

static double matmul_fused_flops(const fig_infer *c)
{
    fig_infer inner = *c;
    inner.n_in = 2;
    inner.attr = &((const fig_matmul_fused_attr *)c->attr)->matmul;
    return fig_op_matmul.flops(&inner);
}

static fig_status convolution_fused_infer(fig_infer *c)
{
    const fig_convolution_fused_attr *a = c->attr;
    return infer_like(c, &fig_op_convolution, &a->conv, &a->after);
}

static void convolution_fused_reference(fig_eval *c)
{
    const fig_convolution_fused_attr *a = c->attr;
    run_like(c, &fig_op_convolution, &a->conv, &a->after);
}

static double convolution_fused_flops(const fig_infer *c)
{
    fig_infer inner = *c;
    inner.n_in = 2;
    inner.attr = &((const fig_convolution_fused_attr *)c->attr)->conv;
    return fig_op_convolution.flops(&inner);
}

/* -- convolution, bias, gate (ops/gate.c): results are the gate's, the first as wide as the convolution's ------------------------ */

static fig_status convolution_gate_infer(fig_infer *c)
{
    FIG_TRY(convolution_fused_infer(c));
    fig_type half = c->out[0];
    if (half.dim[half.rank - 1] % 2)
        return fig_fail(c->err, FIG_E_SHAPE, "convolution_gate: %lld output channels are no two halves",
                        (long long)half.dim[half.rank - 1]);
    half.dim[half.rank - 1] /= 2;
    c->n_out = 2;
    c->out[1] = half;
    return FIG_OK;
}

static void convolution_gate_reference(fig_eval *c)
{
    fig_eval gate = { .n_in = 1, .n_out = 2, .in = &c->out[0], .out = c->out, .run = c->run };
    convolution_fused_reference(c);
    fig_op_gate.reference(&gate); /* in place: each number is read before it is written */
}

static void epilogue_print(const fig_epilogue *e, fig__text *out)
{
    fig__text_print(out, "%s activation=%d", e->bias ? " bias" : "", (int)e->activation);
}

static void matmul_fused_print(const void *attr, fig__text *out)
{
    epilogue_print(&((const fig_matmul_fused_attr *)attr)->after, out);
}

static void convolution_fused_print(const void *attr, fig__text *out)
{
    epilogue_print(&((const fig_convolution_fused_attr *)attr)->after, out);
}

const fig_op fig_op_matmul_fused = {
    .name = "matmul_fused", .operands = -1, .attr_size = sizeof(fig_matmul_fused_attr), .infer = matmul_fused_infer,
    .reference = matmul_fused_reference, .flops = matmul_fused_flops, .print = matmul_fused_print,
    .narrow = { FIG_NARROW_PRODUCT, 1 },
};

const fig_op fig_op_convolution_fused = {
    .name = "convolution_fused", .operands = -1, .attr_size = sizeof(fig_convolution_fused_attr), .infer = convolution_fused_infer,
    .reference = convolution_fused_reference, .flops = convolution_fused_flops, .print = convolution_fused_print,
    .narrow = { FIG_NARROW_PRODUCT, 1 },
};

const fig_op fig_op_convolution_gate = {
    .name = "convolution_gate", .operands = -1, .attr_size = sizeof(fig_convolution_fused_attr), .infer = convolution_gate_infer,
    .reference = convolution_gate_reference, .flops = convolution_fused_flops, .print = convolution_fused_print,
    .narrow = { FIG_NARROW_PRODUCT, 3 },
};
