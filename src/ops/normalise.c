/* ops/normalise.c - the shared part of batch, layer and group normalisation (ops/normalise.h has the picture)
 *
 * y = (x - mean) * rsqrt(variance + eps) * gamma + beta, and with r = rsqrt(variance + eps), h = (x - mean) r, g = dy gamma:
 *
 *     dx = r (g - mean(g) - h mean(g h)),  dgamma = sum(dy h),  dbeta = sum(dy)
 *
 * with means over the group and sums over everything that shares a channel. */
#include "ops/normalise.h"
#include <math.h>
#include <string.h>

enum { OVER_GROUP = 1u << 1 | 1u << 3, OVER_ROWS = 1u << 0 | 1u << 1 }; /* axes of (R, N, G, D) */

static fig_type f32_type(int rank, int64_t a, int64_t b, int64_t c, int64_t d)
{
    return (fig_type){ .rank = rank, .dim = { a, b, c, d } };
}

/* -- shape rules --------------------------------------------------------------------------------------------------- */

static fig_status expect_type(fig_infer *c, int operand, const fig_type *expected, const char *op, const char *what)
{
    if (fig__types_equal(&c->in[operand], expected))
        return FIG_OK;
    char x[128], found[128], wanted[128];
    fig__type_text(&c->in[0], x);
    fig__type_text(&c->in[operand], found);
    fig__type_text(expected, wanted);
    return fig_fail(c->err, FIG_E_SHAPE, "%s: %s is %s, expected %s for x %s", op, what, found, wanted, x);
}

static fig_status view_of(fig_infer *c, const fig__normalise_kind *kind, int operands, fig__normalise_view *view,
                          fig_type *statistics)
{
    const fig_normalise_attr *attr = c->attr;
    FIG_BUG_IF(c->n_in != operands, "%s: %d operands, expected %d", kind->name, c->n_in, operands);
    FIG_TRY(fig__expect_dtype(c, 0, FIG_F32, kind->name));
    if (!(attr->eps >= 0.0f))
        return fig_fail(c->err, FIG_E_SHAPE, "%s: eps is %g, expected a number of 0 or more", kind->name,
                        (double)attr->eps);
    return kind->view(&c->in[0], attr, view, statistics, c->err);
}

fig_status fig__normalise_infer(fig_infer *c, const fig__normalise_kind *kind)
{
    bool affine = ((const fig_normalise_attr *)c->attr)->affine;
    fig__normalise_view view;
    fig_type statistics;
    FIG_TRY(view_of(c, kind, affine ? 3 : 1, &view, &statistics));
    fig_type channel = f32_type(1, view.groups * view.channels, 0, 0, 0);
    if (affine) {
        FIG_TRY(expect_type(c, 1, &channel, kind->name, "gamma"));
        FIG_TRY(expect_type(c, 2, &channel, kind->name, "beta"));
    }
    c->n_out = 3;
    c->out[0] = c->in[0];
    c->out[1] = c->out[2] = statistics;
    return FIG_OK;
}

fig_status fig__normalise_gradient_infer(fig_infer *c, const fig__normalise_kind *kind)
{
    bool affine = ((const fig_normalise_attr *)c->attr)->affine;
    fig__normalise_view view;
    fig_type statistics;
    FIG_TRY(view_of(c, kind, affine ? 5 : 4, &view, &statistics));
    fig_type channel = f32_type(1, view.groups * view.channels, 0, 0, 0);
    if (affine)
        FIG_TRY(expect_type(c, 1, &channel, kind->name, "gamma"));
    FIG_TRY(expect_type(c, affine + 1, &statistics, kind->name, "mean"));
    FIG_TRY(expect_type(c, affine + 2, &statistics, kind->name, "variance"));
    FIG_TRY(expect_type(c, affine + 3, &c->in[0], kind->name, "the upstream gradient"));
    c->n_out = affine ? 3 : 1;
    c->out[0] = c->in[0];
    if (affine)
        c->out[1] = c->out[2] = channel;
    return FIG_OK;
}

/* -- as graph ------------------------------------------------------------------------------------------------------ */

/* The view of a value already accepted by the shape rule. */
static fig__normalise_view known_view(const fig_type *x, const void *attr, const fig__normalise_kind *kind,
                                      fig_type *statistics)
{
    fig__normalise_view view = { 1, 1, 1, 1 };
    fig_type ignored;
    kind->view(x, attr, &view, statistics ? statistics : &ignored, NULL);
    return view;
}

static fig_node as_view(fig_node x, fig__normalise_view v)
{
    return fig_reshape(x, f32_type(4, v.rows, v.positions, v.groups, v.channels));
}
static fig_node as_channels(fig_node x, fig__normalise_view v)
{
    return fig_reshape(x, f32_type(4, 1, 1, v.groups, v.channels));
}
static fig_node as_statistics(fig_node x, fig__normalise_view v)
{
    return fig_reshape(x, f32_type(4, v.rows, 1, v.groups, 1));
}
static fig_node group_mean(fig_node x) { return fig_mean(x, &(fig_reduce_opts){ .axes = OVER_GROUP, .keep = true }); }

void fig__normalise_decompose(fig_decompose *c, const fig__normalise_kind *kind)
{
    const fig_normalise_attr *attr = c->attr;
    fig_type type = fig_type_of(c->in[0]), statistics;
    fig__normalise_view v = known_view(&type, attr, kind, &statistics);
    fig_node x = as_view(c->in[0], v); /* (R, N, G, D) */
    fig_node mean = group_mean(x);     /* (R, 1, G, 1) */
    fig_node centred = fig_sub(x, mean);
    fig_node variance = group_mean(fig_square(centred)); /* (R, 1, G, 1) */
    fig_node y = fig_mul(centred, fig_rsqrt(fig_shift(variance, attr->eps)));
    if (attr->affine)
        y = fig_add(fig_mul(y, as_channels(c->in[1], v)), as_channels(c->in[2], v));
    c->out[0] = fig_reshape(y, type);
    c->out[1] = fig_reshape(mean, statistics);
    c->out[2] = fig_reshape(variance, statistics);
}

void fig__normalise_gradient_decompose(fig_decompose *c, const fig__normalise_kind *kind)
{
    const fig_normalise_attr *attr = c->attr;
    int affine = attr->affine ? 1 : 0;
    fig_type type = fig_type_of(c->in[0]);
    fig__normalise_view v = known_view(&type, attr, kind, NULL);
    fig_node mean = as_statistics(c->in[affine + 1], v), variance = as_statistics(c->in[affine + 2], v);
    fig_node dy = as_view(c->in[affine + 3], v);                  /* (R, N, G, D) */
    fig_node r = fig_rsqrt(fig_shift(variance, attr->eps));       /* (R, 1, G, 1) */
    fig_node h = fig_mul(fig_sub(as_view(c->in[0], v), mean), r); /* (R, N, G, D) */
    fig_node g = affine ? fig_mul(dy, as_channels(c->in[1], v)) : dy;
    fig_node inner = fig_sub(fig_sub(g, group_mean(g)), fig_mul(h, group_mean(fig_mul(g, h))));
    c->out[0] = fig_reshape(fig_mul(r, inner), type);
    if (affine) {
        fig_type channel = f32_type(1, v.groups * v.channels, 0, 0, 0);
        c->out[1] = fig_reshape(fig_sum(fig_mul(dy, h), &(fig_reduce_opts){ .axes = OVER_ROWS }), channel);
        c->out[2] = fig_reshape(fig_sum(dy, &(fig_reduce_opts){ .axes = OVER_ROWS }), channel);
    }
}

/* What flows back into the statistics: d mean / dx = 1 / n, d variance / dx = 2 (x - mean) / n. */
static fig_node through_statistics(fig_gradient *c, fig__normalise_view v)
{
    float share = 1.0f / (float)(v.positions * v.channels);
    fig_node total = FIG_NONE;
    if (!fig_is_none(c->upstreams[1]))
        total = fig_scale(as_statistics(c->upstreams[1], v), share);
    if (!fig_is_none(c->upstreams[2])) {
        fig_node centred = fig_sub(as_view(c->in[0], v), as_statistics(c->outs[1], v));
        fig_node part = fig_mul(centred, fig_scale(as_statistics(c->upstreams[2], v), 2.0f * share));
        total = fig_is_none(total) ? part : fig_add(total, part);
    }
    if (fig_is_none(total))
        return total;
    fig_type whole = f32_type(4, v.rows, v.positions, v.groups, v.channels);
    return fig_reshape(fig_broadcast(total, whole), fig_type_of(c->in[0]));
}

void fig__normalise_gradient(fig_gradient *c, const fig__normalise_kind *kind)
{
    const fig_normalise_attr *attr = c->attr;
    fig_type type = fig_type_of(c->in[0]);
    if (!fig_is_none(c->upstream)) {
        fig_node in[5];
        int n = 0;
        in[n++] = c->in[0];
        if (attr->affine)
            in[n++] = c->in[1];
        in[n++] = c->outs[1];
        in[n++] = c->outs[2];
        in[n++] = c->upstream;
        fig__emit_multi(c->graph, kind->gradient_op, in, n, attr, c->result, attr->affine ? 3 : 1);
    }
    if (!c->wanted[0])
        return;
    fig_node more = through_statistics(c, known_view(&type, attr, kind, NULL));
    if (!fig_is_none(more))
        c->result[0] = fig_is_none(c->result[0]) ? more : fig_add(c->result[0], more);
}

/* -- reference loops ----------------------------------------------------------------------------------------------- */

static int64_t element(fig__normalise_view v, int64_t r, int64_t n, int64_t g, int64_t d)
{
    return ((r * v.positions + n) * v.groups + g) * v.channels + d;
}

void fig__normalise_reference(fig_eval *c, const fig__normalise_kind *kind)
{
    const fig_normalise_attr *attr = c->attr;
    fig__normalise_view v = known_view(&c->in[0].type, attr, kind, NULL);
    const float *x = FIG_F32_IN(c, 0), *gamma = attr->affine ? FIG_F32_IN(c, 1) : NULL;
    const float *beta = attr->affine ? FIG_F32_IN(c, 2) : NULL;
    double count = (double)(v.positions * v.channels);
    for (int64_t r = 0; r < v.rows; r++)
        for (int64_t g = 0; g < v.groups; g++) {
            double sum = 0, squares = 0;
            for (int64_t n = 0; n < v.positions; n++)
                for (int64_t d = 0; d < v.channels; d++)
                    sum += (double)x[element(v, r, n, g, d)];
            double mean = sum / count;
            for (int64_t n = 0; n < v.positions; n++)
                for (int64_t d = 0; d < v.channels; d++) {
                    double off = (double)x[element(v, r, n, g, d)] - mean;
                    squares += off * off;
                }
            double variance = squares / count, scale = 1 / sqrt(variance + (double)attr->eps);
            for (int64_t n = 0; n < v.positions; n++)
                for (int64_t d = 0; d < v.channels; d++) {
                    int64_t at = element(v, r, n, g, d), channel = g * v.channels + d;
                    double y = ((double)x[at] - mean) * scale;
                    FIG_F32_OUT(c, 0)[at] = (float)(gamma ? y * (double)gamma[channel] + (double)beta[channel] : y);
                }
            FIG_F32_OUT(c, 1)[r * v.groups + g] = (float)mean;
            FIG_F32_OUT(c, 2)[r * v.groups + g] = (float)variance;
        }
}

/* The gradient's operands and what one group of it needs. */
typedef struct backward {
    fig__normalise_view view;
    const float *x, *gamma, *mean, *variance, *dy;
    double eps;
} backward;

static double scale_of(const backward *b, int64_t group) { return 1 / sqrt((double)b->variance[group] + b->eps); }

static double normalised(const backward *b, int64_t group, int64_t at)
{
    return ((double)b->x[at] - (double)b->mean[group]) * scale_of(b, group);
}

static void group_backward(const backward *b, int64_t r, int64_t g, float *dx)
{
    fig__normalise_view v = b->view;
    int64_t group = r * v.groups + g;
    double count = (double)(v.positions * v.channels), scale = scale_of(b, group), sum = 0, along = 0;
    for (int64_t n = 0; n < v.positions; n++)
        for (int64_t d = 0; d < v.channels; d++) {
            int64_t at = element(v, r, n, g, d);
            double flow = (double)b->dy[at] * (b->gamma ? (double)b->gamma[g * v.channels + d] : 1);
            sum += flow;
            along += flow * normalised(b, group, at);
        }
    for (int64_t n = 0; n < v.positions; n++)
        for (int64_t d = 0; d < v.channels; d++) {
            int64_t at = element(v, r, n, g, d);
            double flow = (double)b->dy[at] * (b->gamma ? (double)b->gamma[g * v.channels + d] : 1);
            dx[at] = (float)(scale * (flow - sum / count - normalised(b, group, at) * along / count));
        }
}

void fig__normalise_gradient_reference(fig_eval *c, const fig__normalise_kind *kind)
{
    const fig_normalise_attr *attr = c->attr;
    int affine = attr->affine ? 1 : 0;
    backward b = {
        .view = known_view(&c->in[0].type, attr, kind, NULL),
        .x = FIG_F32_IN(c, 0),
        .gamma = affine ? FIG_F32_IN(c, 1) : NULL,
        .mean = FIG_F32_IN(c, affine + 1),
        .variance = FIG_F32_IN(c, affine + 2),
        .dy = FIG_F32_IN(c, affine + 3),
        .eps = (double)attr->eps,
    };
    fig__normalise_view v = b.view;
    for (int64_t r = 0; r < v.rows; r++)
        for (int64_t g = 0; g < v.groups; g++)
            group_backward(&b, r, g, FIG_F32_OUT(c, 0));
    for (int64_t channel = 0; affine && channel < v.groups * v.channels; channel++) {
        int64_t g = channel / v.channels, d = channel % v.channels;
        double dgamma = 0, dbeta = 0;
        for (int64_t r = 0; r < v.rows; r++)
            for (int64_t n = 0; n < v.positions; n++) {
                int64_t at = element(v, r, n, g, d);
                dgamma += (double)b.dy[at] * normalised(&b, r * v.groups + g, at);
                dbeta += (double)b.dy[at];
            }
        FIG_F32_OUT(c, 1)[channel] = (float)dgamma;
        FIG_F32_OUT(c, 2)[channel] = (float)dbeta;
    }
}

/* -- building ------------------------------------------------------------------------------------------------------ */

void fig__normalise_print(const void *attr, fig__text *out)
{
    const fig_normalise_attr *a = attr;
    fig__text_print(out, " eps=%g", (double)a->eps);
    if (a->groups)
        fig__text_print(out, " groups=%d", a->groups);
}

fig_node fig__normalise(const fig__normalise_kind *kind, fig_node x, fig_node gamma, fig_node beta, float eps,
                        int groups, fig_node *mean, fig_node *variance)
{
    fig_graph *graph = fig__graph_of((fig_node[]){ x, gamma, beta }, 3);
    bool affine = !fig_is_none(gamma) || !fig_is_none(beta);
    if (affine && fig_is_none(beta)) /* one without the other: a constant costs less than another pass over memory */
        beta = fig_zeros_like(gamma);
    if (affine && fig_is_none(gamma))
        gamma = fig_ones_like(beta);
    fig_node in[3] = { x, gamma, beta }, out[3];
    fig_normalise_attr attr;
    memset(&attr, 0, sizeof attr);
    attr.eps = eps;
    attr.groups = groups;
    attr.affine = affine;
    fig__emit_multi(graph, kind->op, in, affine ? 3 : 1, &attr, out, 3);
    if (mean)
        *mean = out[1];
    if (variance)
        *variance = out[2];
    return out[0];
}

/* With given statistics it is plain arithmetic: one factor and one offset per channel. */
fig_node fig_normalise_with(fig_node x, fig_node mean, fig_node variance, fig_node gamma, fig_node beta, float eps)
{
    fig_node factor = fig_rsqrt(fig_shift(variance, eps));
    if (!fig_is_none(gamma))
        factor = fig_mul(factor, gamma);
    fig_node y = fig_mul(fig_sub(x, mean), factor);
    return fig_is_none(beta) ? y : fig_add(y, beta);
}
