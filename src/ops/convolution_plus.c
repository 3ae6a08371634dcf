/* ops/convolution_plus.c - a convolution or a data gradient to which something is added, and the sums of the result's columns
 *
 *     y (..., C) = convolution(a, w) + bias + added,  or the data gradient of a by w + added        sums (C) = sum over places of y
 *
 * Operands: a, w, added, and the bias where the attribute says so. Made by passes/convolution_plus.c after differentiation (residual
 * connections, gradients that meet, a bias's gradient behind them), so there is no gradient. */
#include "ops/attributes.h"
#include "ops/op.h"

static const fig_op *inner_op(const fig_convolution_plus_attr *a)
{
    return a->data ? &fig_op_convolution_data_gradient : &fig_op_convolution;
}

static fig_status plus_infer(fig_infer *c)
{
    const fig_convolution_plus_attr *a = c->attr;
    int expected = 3 + (a->fused.after.bias != 0);
    if (c->n_in != expected || (a->data && a->fused.after.bias) || a->fused.after.activation != FIG_LINEAR)
        return fig_fail(c->err, FIG_E_SHAPE,
                        "convolution_plus: %d operands, expected %d, no activation, no bias of a data gradient", c->n_in, expected);
    fig_infer inner = *c;
    inner.n_in = 2;
    inner.attr = &a->fused.conv;
    FIG_TRY(inner_op(a)->infer(&inner));
    int64_t columns = c->out[0].dim[c->out[0].rank - 1];
    if (!fig__types_equal(&c->in[2], &c->out[0]))
        return fig_fail(c->err, FIG_E_SHAPE, "convolution_plus: what is added is not of the result's type");
    if (expected == 4 && (c->in[3].rank != 1 || c->in[3].dim[0] != columns))
        return fig_fail(c->err, FIG_E_SHAPE, "convolution_plus: the bias does not match the last axis");
    c->n_out = 2;
    c->out[1] = (fig_type){ .dtype = FIG_F32, .rank = 1, .dim = { columns } };
    return FIG_OK;
}

static double plus_flops(const fig_infer *c)
{
    const fig_convolution_plus_attr *a = c->attr;
    fig_infer inner = *c;
    inner.n_in = 2;
    inner.attr = &a->fused.conv;
    return inner_op(a)->flops(&inner);
}

static void plus_reference(fig_eval *c)
{
    const fig_convolution_plus_attr *a = c->attr;
    int64_t columns = fig__count(&c->out[1].type), places = columns ? fig__count(&c->out[0].type) / columns : 0;
    fig_eval inner = *c;
    inner.n_in = 2;
    inner.n_out = 1;
    inner.attr = &a->fused.conv;
    inner_op(a)->reference(&inner);
    for (int64_t j = 0; j < columns; j++) {
        double sum = 0;
        for (int64_t i = j; i < places * columns; i += columns) {
            float *y = FIG_F32_OUT(c, 0) + i;
            *y += FIG_F32_IN(c, 2)[i] + (a->fused.after.bias ? FIG_F32_IN(c, 3)[j] : 0);
            sum += (double)*y;
        }
        FIG_F32_OUT(c, 1)[j] = (float)sum;
    }
}

static void plus_print(const void *attr, fig__text *out)
{
    const fig_convolution_plus_attr *a = attr;
    fig__text_print(out, "%s%s", a->data ? " data" : "", a->fused.after.bias ? " bias" : "");
    fig_op_convolution.print(&a->fused.conv, out);
}

const fig_op fig_op_convolution_plus = {
    .name = "convolution_plus", .operands = -1, .attr_size = sizeof(fig_convolution_plus_attr), .infer = plus_infer,
    .reference = plus_reference, .flops = plus_flops, .print = plus_print,
};
