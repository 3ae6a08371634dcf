/* ops/gate_products.c - the gradient of a gate's operand where the gate's result was read by convolutions of size 1
 *
 *     d (..., C) = sum over pairs i of dy_i (..., O_i) w_i (O_i, 1..., C)
 *     dx (..., 2 C) = the gate's gradient of d (ops/gate.c)          sums (2 C) = sum over places of dx: a bias in front of the gate
 *
 * Operands: the gate's trace (..., 2 C), then the pairs. Made by passes/gate_products.c after differentiation, so there is no gradient. */
#include "graph/graph.h"
#include "ops/op.h"

#include <string.h>

static bool pair_fits(const fig_type *trace, const fig_type *dy, const fig_type *w)
{
    int64_t channels = trace->dim[trace->rank - 1] / 2, outputs = dy->rank ? dy->dim[dy->rank - 1] : 0;
    return dy->rank == trace->rank && memcmp(dy->dim, trace->dim, sizeof *dy->dim * (size_t)(dy->rank - 1)) == 0 && w->rank > 1 &&
           w->dim[0] == outputs && w->dim[w->rank - 1] == channels && fig__count(w) == outputs * channels;
}

static fig_status products_infer(fig_infer *c)
{
    const fig_type *trace = &c->in[0];
    for (int i = 0; i < c->n_in; i++)
        FIG_TRY(fig__expect_dtype(c, i, FIG_F32, "gate_products"));
    if (c->n_in < 3 || c->n_in % 2 == 0 || trace->rank < 1 || trace->dim[trace->rank - 1] % 2)
        return fig_fail(c->err, FIG_E_SHAPE, "gate_products: needs a trace of two halves and pairs of gradient and weight");
    for (int i = 1; i < c->n_in; i += 2)
        if (!pair_fits(trace, &c->in[i], &c->in[i + 1]))
            return fig_fail(c->err, FIG_E_SHAPE, "gate_products: operands %d and %d do not match the trace", i, i + 1);
    c->n_out = 2;
    c->out[0] = *trace;
    c->out[1] = (fig_type){ .dtype = FIG_F32, .rank = 1, .dim = { trace->dim[trace->rank - 1] } };
    return FIG_OK;
}

static double products_flops(const fig_infer *c)
{
    double sum = 0;
    for (int i = 1; i < c->n_in; i += 2)
        sum += 2.0 * (double)fig__count(&c->in[i]) * (double)c->in[i + 1].dim[c->in[i + 1].rank - 1];
    return sum;
}

static double gradient_of_inside(const fig_eval *c, int64_t place, int64_t channel, int64_t channels)
{
    double d = 0;
    for (int i = 1; i < c->n_in; i += 2) {
        int64_t outputs = c->in[i + 1].type.dim[0];
        for (int64_t o = 0; o < outputs; o++)
            d += (double)FIG_F32_IN(c, i)[place * outputs + o] * (double)FIG_F32_IN(c, i + 1)[o * channels + channel];
    }
    return d;
}

static void products_reference(fig_eval *c)
{
    int64_t channels = fig__count(&c->out[1].type) / 2, places = channels ? fig__count(&c->out[0].type) / (2 * channels) : 0;
    for (int64_t j = 0; j < channels; j++) {
        double first = 0, second = 0;
        for (int64_t t = 0; t < places; t++) {
            const float *trace = FIG_F32_IN(c, 0) + 2 * t * channels + j;
            float *dx = FIG_F32_OUT(c, 0) + 2 * t * channels + j;
            double a = (double)trace[0], b = (double)trace[channels], d = gradient_of_inside(c, t, j, channels);
            dx[0] = (float)(d * b * (1 - a * a));
            dx[channels] = (float)(d * a * b * (1 - b));
            first += (double)dx[0];
            second += (double)dx[channels];
        }
        FIG_F32_OUT(c, 1)[j] = (float)first;
        FIG_F32_OUT(c, 1)[channels + j] = (float)second;
    }
}

const fig_op fig_op_gate_products = {
    .name = "gate_products", .operands = -1, .infer = products_infer, .reference = products_reference, .flops = products_flops,
};
