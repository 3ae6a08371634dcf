/* ops/normalise.h - what batch, layer and group normalisation share
 *
 * All of them see x as (rows R, positions N, groups G, channels D), row-major:
 *
 *              R         N         G        D       statistics     gamma, beta
 *     batch    1         all rows  C        1       (C)            (C)
 *     layer    all rows  1         1        C       (rows)         (C)
 *     group    B         spatial   groups   C/G     (B, groups)    (C)
 *
 * Mean and biased variance are taken over N and D, one per (r, g); gamma and beta are indexed by g D + d. The forward op has
 * operands x [, gamma, beta] and outputs y, mean, variance; its gradient op has operands x [, gamma], mean, variance, dy and
 * outputs dx [, dgamma, dbeta]. The gradient op takes the statistics as given values; what flows back into them, which
 * happens in second derivatives, is added by the forward op's gradient rule. */
#ifndef FIG_OPS_NORMALISE_H
#define FIG_OPS_NORMALISE_H

#include "ops/attributes.h"
#include "ops/op.h"

typedef struct fig__normalise_view {
    int64_t rows, positions, groups, channels;
} fig__normalise_view;

typedef struct fig__normalise_kind {
    const char *name;
    /* Checks x and attr, gives the view and the statistics' type. */
    fig_status (*view)(const fig_type *x, const fig_normalise_attr *attr, fig__normalise_view *view,
                       fig_type *statistics, fig_error *err);
    const fig_op *op, *gradient_op;
} fig__normalise_kind;

fig_status fig__normalise_infer(fig_infer *c, const fig__normalise_kind *kind);
void fig__normalise_gradient(fig_gradient *c, const fig__normalise_kind *kind);
void fig__normalise_decompose(fig_decompose *c, const fig__normalise_kind *kind);
void fig__normalise_reference(fig_eval *c, const fig__normalise_kind *kind);

fig_status fig__normalise_gradient_infer(fig_infer *c, const fig__normalise_kind *kind);
void fig__normalise_gradient_decompose(fig_decompose *c, const fig__normalise_kind *kind);
void fig__normalise_gradient_reference(fig_eval *c, const fig__normalise_kind *kind);

/* Builds the op; gamma and beta may each be none. mean and variance may be NULL. */
fig_node fig__normalise(const fig__normalise_kind *kind, fig_node x, fig_node gamma, fig_node beta, float eps,
                        int groups, fig_node *mean, fig_node *variance);
void fig__normalise_print(const void *attr, fig__text *out);

#endif
