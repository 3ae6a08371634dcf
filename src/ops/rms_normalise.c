/* ops/rms_normalise.c - scaling each row to root mean square 1 (Zhang and Sennrich 2019)
 *
 * y = x * rsqrt(mean(x^2) + eps) [* gamma] along the last axis; the mean square comes out per row for the gradient, which is,
 * with r = rsqrt(mean square + eps), h = x r, g = dy gamma:  dx = r (g - h mean(g h)),  dgamma = sum(dy h).
 *
 * rms_normalise: x [, gamma] -> y, mean square. rms_normalise_gradient: x [, gamma], mean square, dy -> dx [, dgamma]. The
 * attribute's `affine` says that gamma is there. As in ops/normalise.h the gradient op takes the mean square as given. */
#include "ops/normalise.h"
#include <math.h>
#include <string.h>

static const fig_reduce_opts last_kept = { .axis = -1, .keep = true };

static bool has_gamma(const void *attr) { return ((const fig_normalise_attr *)attr)->affine != 0; }

static fig_type rows_of(const fig_type *x)
{
    fig_type rows = *x;
    rows.dim[--rows.rank] = 0;
    return rows;
}

static fig_status check_operands(fig_infer *c, const char *op, int operands)
{
    FIG_BUG_IF(c->n_in != operands, "%s: %d operands, expected %d", op, c->n_in, operands);
    FIG_TRY(fig__expect_dtype(c, 0, FIG_F32, op));
    if (c->in[0].rank < 1)
        return fig_fail(c->err, FIG_E_SHAPE, "%s: x needs at least one axis, got a scalar", op);
    if (!(((const fig_normalise_attr *)c->attr)->eps >= 0.0f))
        return fig_fail(c->err, FIG_E_SHAPE, "%s: eps must be a number of 0 or more", op);
    fig_type channel = FIG_SHAPE(c->in[0].dim[c->in[0].rank - 1]);
    if (has_gamma(c->attr) && !fig__types_equal(&c->in[1], &channel)) {
        char x[128], gamma[128];
        fig__type_text(&c->in[0], x);
        fig__type_text(&c->in[1], gamma);
        return fig_fail(c->err, FIG_E_SHAPE, "%s: gamma is %s, expected one number per channel of x %s", op, gamma, x);
    }
    return FIG_OK;
}

/* -- rms_normalise ------------------------------------------------------------------------------------------------- */

static fig_status rms_normalise_infer(fig_infer *c)
{
    FIG_TRY(check_operands(c, "rms_normalise", has_gamma(c->attr) ? 2 : 1));
    c->n_out = 2;
    c->out[0] = c->in[0];
    c->out[1] = rows_of(&c->in[0]);
    return FIG_OK;
}

static void rms_normalise_gradient(fig_gradient *c)
{
    bool gamma = has_gamma(c->attr);
    if (!fig_is_none(c->upstream)) {
        fig_node with[4] = { c->in[0], gamma ? c->in[1] : FIG_NONE, c->outs[1], c->upstream };
        fig_node without[3] = { c->in[0], c->outs[1], c->upstream };
        fig__emit_multi(c->graph, &fig_op_rms_normalise_gradient, gamma ? with : without, gamma ? 4 : 3, c->attr,
                        c->result, gamma ? 2 : 1);
    }
    if (fig_is_none(c->upstreams[1]) || !c->wanted[0])
        return;
    /* second derivatives: d mean square / dx = 2 x / C */
    fig_node share = fig_scale(fig_expand(c->upstreams[1], -1), 2.0f / (float)fig_dim(c->in[0], -1));
    fig_node more = fig_mul(c->in[0], share);
    c->result[0] = fig_is_none(c->result[0]) ? more : fig_add(c->result[0], more);
}

static void rms_normalise_decompose(fig_decompose *c)
{
    const fig_normalise_attr *attr = c->attr;
    fig_node x = c->in[0];
    fig_node square = fig_mean(fig_square(x), &last_kept);
    fig_node y = fig_mul(x, fig_rsqrt(fig_shift(square, attr->eps)));
    c->out[0] = attr->affine ? fig_mul(y, c->in[1]) : y;
    c->out[1] = fig_squeeze(square, -1);
}

static void rms_normalise_reference(fig_eval *c)
{
    const fig_normalise_attr *attr = c->attr;
    const fig_type *type = &c->in[0].type;
    int64_t n = type->dim[type->rank - 1], rows = fig__count(type) / n;
    for (int64_t r = 0; r < rows; r++) {
        const float *x = FIG_F32_IN(c, 0) + r * n;
        double squares = 0;
        for (int64_t i = 0; i < n; i++)
            squares += (double)x[i] * (double)x[i];
        double scale = 1 / sqrt(squares / (double)n + (double)attr->eps);
        for (int64_t i = 0; i < n; i++)
            FIG_F32_OUT(c, 0)
            [r * n + i] = (float)((double)x[i] * scale * (attr->affine ? (double)FIG_F32_IN(c, 1)[i] : 1));
        FIG_F32_OUT(c, 1)[r] = (float)(squares / (double)n);
    }
}

const fig_op fig_op_rms_normalise = {
    .name = "rms_normalise",
    .operands = -1,
    .attr_size = sizeof(fig_normalise_attr),
    .infer = rms_normalise_infer,
    .gradient = rms_normalise_gradient,
    .decompose = rms_normalise_decompose,
    .reference = rms_normalise_reference,
    .print = fig__normalise_print,
    .narrow = { FIG_NARROW_FREE, 1 },
};

/* -- rms_normalise_gradient ---------------------------------------------------------------------------------------- */

static fig_status backward_infer(fig_infer *c)
{
    int gamma = has_gamma(c->attr);
    FIG_TRY(check_operands(c, "rms_normalise_gradient", gamma + 3));
    fig_type rows = rows_of(&c->in[0]);
    if (!fig__types_equal(&c->in[gamma + 1], &rows) || !fig__types_equal(&c->in[gamma + 2], &c->in[0]))
        return fig_fail(c->err, FIG_E_SHAPE,
                        "rms_normalise_gradient: mean square or upstream have another shape than x");
    c->n_out = gamma ? 2 : 1;
    c->out[0] = c->in[0];
    if (gamma)
        c->out[1] = c->in[1];
    return FIG_OK;
}

static void backward_decompose(fig_decompose *c)
{
    const fig_normalise_attr *attr = c->attr;
    int gamma = has_gamma(attr), rank = fig_rank(c->in[0]);
    fig_node dy = c->in[gamma + 2];
    fig_node r = fig_rsqrt(fig_shift(fig_expand(c->in[gamma + 1], -1), attr->eps));
    fig_node h = fig_mul(c->in[0], r);
    fig_node g = gamma ? fig_mul(dy, c->in[1]) : dy;
    c->out[0] = fig_mul(r, fig_sub(g, fig_mul(h, fig_mean(fig_mul(g, h), &last_kept))));
    if (!gamma)
        return;
    fig_node product = fig_mul(dy, h);
    c->out[1] = rank > 1 ? fig_sum(product, &(fig_reduce_opts){ .axes = (1u << (rank - 1)) - 1u }) : product;
}

static void backward_reference(fig_eval *c)
{
    const fig_normalise_attr *attr = c->attr;
    const fig_type *type = &c->in[0].type;
    int gamma_there = has_gamma(attr);
    int64_t n = type->dim[type->rank - 1], rows = fig__count(type) / n;
    const float *x = FIG_F32_IN(c, 0), *gamma = gamma_there ? FIG_F32_IN(c, 1) : NULL;
    const float *square = FIG_F32_IN(c, gamma_there + 1), *dy = FIG_F32_IN(c, gamma_there + 2);
    for (int64_t r = 0; r < rows; r++) {
        double scale = 1 / sqrt((double)square[r] + (double)attr->eps), along = 0;
        for (int64_t i = 0; i < n; i++)
            along += (double)dy[r * n + i] * (gamma ? (double)gamma[i] : 1) * (double)x[r * n + i] * scale;
        for (int64_t i = 0; i < n; i++) {
            double flow = (double)dy[r * n + i] * (gamma ? (double)gamma[i] : 1);
            FIG_F32_OUT(c, 0)[r * n + i] = (float)(scale * (flow - (double)x[r * n + i] * scale * along / (double)n));
        }
    }
    for (int64_t i = 0; gamma && i < n; i++) {
        double dgamma = 0;
        for (int64_t r = 0; r < rows; r++)
            dgamma += (double)dy[r * n + i] * (double)x[r * n + i] / sqrt((double)square[r] + (double)attr->eps);
        FIG_F32_OUT(c, 1)[i] = (float)dgamma;
    }
}

const fig_op fig_op_rms_normalise_gradient = {
    .name = "rms_normalise_gradient",
    .operands = -1,
    .attr_size = sizeof(fig_normalise_attr),
    .infer = backward_infer,
    .decompose = backward_decompose,
    .reference = backward_reference,
    .print = fig__normalise_print,
    .narrow = { FIG_NARROW_FREE, 1 },
};

/* -- building ------------------------------------------------------------------------------------------------------ */

fig_node fig_rms_normalise(fig_node x, fig_node gamma, float eps)
{
    fig_node in[2] = { x, gamma }, out[2];
    fig_normalise_attr attr;
    memset(&attr, 0, sizeof attr);
    attr.eps = eps;
    attr.affine = !fig_is_none(gamma);
    fig__emit_multi(fig__graph_of(in, 2), &fig_op_rms_normalise, in, attr.affine ? 2 : 1, &attr, out, 2);
    return out[0];
}
