/* ops/cross_entropy.c - nats of the right class, straight from logits
 *
 * cross_entropy(logits (..., K), label i32 (...)) = logsumexp(logits) - logits[label], 0 where the label is negative (padding);
 * a label of K or more counts as K - 1, as an index does elsewhere. The gradient, an op of its own so that it is one pass over a
 * row, is (softmax(logits) - onehot(label)) * upstream: only the logits are kept, never the probabilities. */
#include "ops/attributes.h"
#include "ops/logits.h"
#include "ops/op.h"
#include <math.h>

/* Checks operands 0 and 1, logits and labels; gives the labels' shape as f32. */
static fig_status check_operands(fig_infer *c, const char *op, fig_type *out)
{
    FIG_TRY(fig__expect_dtype(c, 0, FIG_F32, op));
    FIG_TRY(fig__expect_dtype(c, 1, FIG_I32, op));
    fig_type rows = c->in[0];
    if (rows.rank)
        rows.dim[--rows.rank] = 0;
    if (c->in[0].rank < 1 || !fig__shapes_equal(&rows, &c->in[1])) {
        char logits[128], label[128];
        fig__type_text(&c->in[0], logits);
        fig__type_text(&c->in[1], label);
        return fig_fail(c->err, FIG_E_SHAPE, "%s: logits %s need labels of their shape without the last axis, found %s",
                        op, logits, label);
    }
    *out = rows;
    return FIG_OK;
}

static double maximum_of(const float *x, int64_t n)
{
    double maximum = (double)x[0];
    for (int64_t i = 1; i < n; i++)
        maximum = (double)x[i] > maximum ? (double)x[i] : maximum;
    return maximum;
}

static double sum_exp(const float *x, int64_t n, double maximum)
{
    double sum = 0;
    for (int64_t i = 0; i < n; i++)
        sum += exp((double)x[i] - maximum);
    return sum;
}

/* -- cross_entropy ------------------------------------------------------------------------------------------------- */

static fig_status cross_entropy_infer(fig_infer *c) { return check_operands(c, "cross_entropy", c->out); }

static void cross_entropy_gradient(fig_gradient *c)
{
    fig_node in[3] = { c->in[0], c->in[1], c->upstream };
    c->result[0] = fig__emit(c->graph, &fig_op_cross_entropy_gradient, in, 3, NULL);
}

/* 1 for a label that counts, 0 for padding */
static fig_node counted(fig_node label) { return fig_greater_equal(label, fig_constant_i32(label.graph, 0)); }

static fig_node in_range(fig_node label, int64_t classes)
{
    fig_node low = fig_max(label, fig_constant_i32(label.graph, 0));
    return fig_min(low, fig_constant_i32(label.graph, (int32_t)(classes - 1)));
}

static void cross_entropy_decompose(fig_decompose *c)
{
    fig_node logits = c->in[0], label = c->in[1];
    fig_node right = fig_pick(logits, in_range(label, fig_dim(logits, -1)));
    c->out[0] = fig_mul(fig_sub(fig_logsumexp(logits), right), counted(label));
}

static void cross_entropy_reference(fig_eval *c)
{
    const fig_type *type = &c->in[0].type;
    int64_t n = type->dim[type->rank - 1], rows = fig__count(type) / n;
    for (int64_t r = 0; r < rows; r++) {
        const float *x = FIG_F32_IN(c, 0) + r * n;
        int64_t label = FIG_I32_IN(c, 1)[r];
        int64_t at = label < n ? label : n - 1;
        double maximum = maximum_of(x, n);
        FIG_F32_OUT(c, 0)[r] = label < 0 ? 0.0f : (float)(log(sum_exp(x, n, maximum)) + maximum - (double)x[at]);
    }
}

const fig_op fig_op_cross_entropy = {
    .name = "cross_entropy",
    .operands = 2,
    .infer = cross_entropy_infer,
    .gradient = cross_entropy_gradient,
    .decompose = cross_entropy_decompose,
    .reference = cross_entropy_reference,
    .narrow = { FIG_NARROW_FREE, 0 },
};

fig_node fig_cross_entropy(fig_node logits, fig_node label)
{
    fig_node in[2] = { logits, label };
    fig_graph *graph = fig__graph_of(in, 2);
    if (!fig__expect_logits(logits, "cross_entropy"))
        return (fig_node){ graph, 0 };
    return graph ? fig__emit(graph, &fig_op_cross_entropy, in, 2, NULL) : FIG_NONE;
}

/* -- cross_entropy_gradient: operands logits, label, upstream ------------------------------------------------------ */

static fig_status cross_entropy_gradient_infer(fig_infer *c)
{
    fig_type rows;
    FIG_TRY(check_operands(c, "cross_entropy_gradient", &rows));
    if (!fig__types_equal(&rows, &c->in[2]))
        return fig_fail(c->err, FIG_E_SHAPE, "cross_entropy_gradient: upstream and labels differ in shape");
    *c->out = c->in[0];
    return FIG_OK;
}

static void cross_entropy_gradient_decompose(fig_decompose *c)
{
    fig_node logits = c->in[0], label = c->in[1], upstream = c->in[2];
    int64_t classes = fig_dim(logits, -1);
    fig_node off = fig_sub(fig_softmax(logits), fig_one_hot(in_range(label, classes), classes));
    c->out[0] = fig_mul(off, fig_expand(fig_mul(upstream, counted(label)), -1));
}

static void cross_entropy_gradient_reference(fig_eval *c)
{
    const fig_type *type = &c->in[0].type;
    int64_t n = type->dim[type->rank - 1], rows = fig__count(type) / n;
    for (int64_t r = 0; r < rows; r++) {
        const float *x = FIG_F32_IN(c, 0) + r * n;
        float *dx = FIG_F32_OUT(c, 0) + r * n;
        int64_t label = FIG_I32_IN(c, 1)[r];
        int64_t at = label < n ? label : n - 1;
        double maximum = maximum_of(x, n), sum = sum_exp(x, n, maximum);
        double upstream = label < 0 ? 0 : (double)FIG_F32_IN(c, 2)[r];
        for (int64_t i = 0; i < n; i++)
            dx[i] = (float)(upstream * (exp((double)x[i] - maximum) / sum - (i == at ? 1 : 0)));
    }
}

const fig_op fig_op_cross_entropy_gradient = {
    .name = "cross_entropy_gradient",
    .operands = 3,
    .infer = cross_entropy_gradient_infer,
    .decompose = cross_entropy_gradient_decompose,
    .reference = cross_entropy_gradient_reference,
    .narrow = { FIG_NARROW_FREE, 1 },
};
