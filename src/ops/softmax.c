/* ops/softmax.c - softmax, log-softmax and logsumexp along the last axis
 *
 * y = exp(x - max x) / sum exp(x - max x). Taking the maximum off first keeps exp in range and does not change y. The
 * gradient uses y, not x, so that the forward value is what is kept: dx = y * (dy - sum(dy * y)); it is an op of its own
 * (softmax_gradient), because a kernel does it in one pass over a row. */
#include "ops/attributes.h"
#include "ops/op.h"
#include <math.h>

static const fig_reduce_opts last_kept = { .axis = -1, .keep = true };

static fig_status rows_infer(fig_infer *c, const char *op)
{
    FIG_TRY(fig__expect_dtype(c, 0, FIG_F32, op));
    if (c->in[0].rank < 1)
        return fig_fail(c->err, FIG_E_SHAPE, "%s: needs at least one axis, got a scalar", op);
    *c->out = c->in[0];
    return FIG_OK;
}

/* The last axis and how many rows of it there are. */
static int64_t row_length(const fig_type *type, int64_t *rows)
{
    int64_t n = type->dim[type->rank - 1];
    *rows = fig__count(type) / n;
    return n;
}

static double row_maximum(const float *x, int64_t n)
{
    double maximum = (double)x[0];
    for (int64_t i = 1; i < n; i++)
        maximum = (double)x[i] > maximum ? (double)x[i] : maximum;
    return maximum;
}

/* log sum exp of a row, and its maximum */
static double row_logsumexp(const float *x, int64_t n)
{
    double maximum = row_maximum(x, n), sum = 0;
    if (isinf(maximum))
        return maximum;
    for (int64_t i = 0; i < n; i++)
        sum += exp((double)x[i] - maximum);
    return maximum + log(sum);
}

static fig_node expand_last(fig_node x) { return fig_expand(x, -1); }

/* -- softmax ------------------------------------------------------------------------------------------------------- */

static fig_status softmax_infer(fig_infer *c) { return rows_infer(c, "softmax"); }

static void softmax_gradient(fig_gradient *c)
{
    fig_node in[2] = { c->out, c->upstream };
    c->result[0] = fig__emit(c->graph, &fig_op_softmax_gradient, in, 2, NULL);
}

static void softmax_decompose(fig_decompose *c)
{
    fig_node x = c->in[0];
    fig_node e = fig_exp(fig_sub(x, fig_stop_gradient(fig_reduce_max(x, &last_kept))));
    c->out[0] = fig_div(e, fig_sum(e, &last_kept));
}

static void softmax_reference(fig_eval *c)
{
    int64_t rows, n = row_length(&c->in[0].type, &rows);
    for (int64_t r = 0; r < rows; r++) {
        const float *x = FIG_F32_IN(c, 0) + r * n;
        float *y = FIG_F32_OUT(c, 0) + r * n;
        double maximum = row_maximum(x, n), sum = 0;
        for (int64_t i = 0; i < n; i++)
            sum += exp((double)x[i] - maximum);
        for (int64_t i = 0; i < n; i++)
            y[i] = (float)(exp((double)x[i] - maximum) / sum);
    }
}

const fig_op fig_op_softmax = {
    .name = "softmax",
    .operands = 1,
    .flags = FIG_OP_SQUASH,
    .infer = softmax_infer,
    .gradient = softmax_gradient,
    .decompose = softmax_decompose,
    .reference = softmax_reference,
    .narrow = { FIG_NARROW_FREE, 1 },
};

fig_node fig_softmax(fig_node x) { return fig_is_none(x) ? x : fig__emit(x.graph, &fig_op_softmax, &x, 1, NULL); }

/* -- its gradient: operands y and dy ------------------------------------------------------------------------------- */

static fig_status softmax_gradient_infer(fig_infer *c)
{
    FIG_TRY(rows_infer(c, "softmax_gradient"));
    if (!fig__types_equal(&c->in[0], &c->in[1]))
        return fig_fail(c->err, FIG_E_SHAPE, "softmax_gradient: output and upstream differ in shape");
    return FIG_OK;
}

static void softmax_gradient_decompose(fig_decompose *c)
{
    fig_node y = c->in[0], dy = c->in[1];
    c->out[0] = fig_mul(y, fig_sub(dy, fig_sum(fig_mul(dy, y), &last_kept)));
}

static void softmax_gradient_reference(fig_eval *c)
{
    int64_t rows, n = row_length(&c->in[0].type, &rows);
    for (int64_t r = 0; r < rows; r++) {
        const float *y = FIG_F32_IN(c, 0) + r * n, *dy = FIG_F32_IN(c, 1) + r * n;
        float *dx = FIG_F32_OUT(c, 0) + r * n;
        double inner = 0;
        for (int64_t i = 0; i < n; i++)
            inner += (double)y[i] * (double)dy[i];
        for (int64_t i = 0; i < n; i++)
            dx[i] = (float)((double)y[i] * ((double)dy[i] - inner));
    }
}

const fig_op fig_op_softmax_gradient = {
    .name = "softmax_gradient",
    .operands = 2,
    .infer = softmax_gradient_infer,
    .decompose = softmax_gradient_decompose,
    .reference = softmax_gradient_reference,
    .narrow = { FIG_NARROW_FREE, 1 },
};

/* -- log-softmax: x - logsumexp(x) --------------------------------------------------------------------------------- */

static fig_status log_softmax_infer(fig_infer *c) { return rows_infer(c, "log_softmax"); }

static void log_softmax_gradient(fig_gradient *c)
{
    fig_node total = fig_sum(c->upstream, &last_kept);
    c->result[0] = fig_sub(c->upstream, fig_mul(fig_exp(c->out), total));
}

static void log_softmax_decompose(fig_decompose *c)
{
    c->out[0] = fig_sub(c->in[0], expand_last(fig_logsumexp(c->in[0])));
}

static void log_softmax_reference(fig_eval *c)
{
    int64_t rows, n = row_length(&c->in[0].type, &rows);
    for (int64_t r = 0; r < rows; r++) {
        double total = row_logsumexp(FIG_F32_IN(c, 0) + r * n, n);
        for (int64_t i = 0; i < n; i++)
            FIG_F32_OUT(c, 0)[r * n + i] = (float)((double)FIG_F32_IN(c, 0)[r * n + i] - total);
    }
}

const fig_op fig_op_log_softmax = {
    .name = "log_softmax",
    .operands = 1,
    .infer = log_softmax_infer,
    .gradient = log_softmax_gradient,
    .decompose = log_softmax_decompose,
    .reference = log_softmax_reference,
    .narrow = { FIG_NARROW_FREE, 1 },
};

fig_node fig_log_softmax(fig_node x)
{
    return fig_is_none(x) ? x : fig__emit(x.graph, &fig_op_log_softmax, &x, 1, NULL);
}

/* -- logsumexp ----------------------------------------------------------------------------------------------------- */

static fig_status logsumexp_infer(fig_infer *c)
{
    FIG_TRY(rows_infer(c, "logsumexp"));
    c->out->dim[--c->out->rank] = 0;
    return FIG_OK;
}

static void logsumexp_gradient(fig_gradient *c)
{
    c->result[0] = fig_mul(expand_last(c->upstream), fig_softmax(c->in[0]));
}

static void logsumexp_decompose(fig_decompose *c)
{
    fig_node x = c->in[0], maximum = fig_stop_gradient(fig_reduce_max(x, &last_kept));
    fig_node sum = fig_sum(fig_exp(fig_sub(x, maximum)), &last_kept);
    c->out[0] = fig_squeeze(fig_add(fig_log(sum), maximum), -1);
}

static void logsumexp_reference(fig_eval *c)
{
    int64_t rows, n = row_length(&c->in[0].type, &rows);
    for (int64_t r = 0; r < rows; r++)
        FIG_F32_OUT(c, 0)[r] = (float)row_logsumexp(FIG_F32_IN(c, 0) + r * n, n);
}

const fig_op fig_op_logsumexp = {
    .name = "logsumexp",
    .operands = 1,
    .infer = logsumexp_infer,
    .gradient = logsumexp_gradient,
    .decompose = logsumexp_decompose,
    .reference = logsumexp_reference,
    .narrow = { FIG_NARROW_FREE, 0 },
};

fig_node fig_logsumexp(fig_node x) { return fig_is_none(x) ? x : fig__emit(x.graph, &fig_op_logsumexp, &x, 1, NULL); }
