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

/* KIND_kind and the functions of both records, from a function `view` above it: all else is shared. */
#define FIG__NORMALISATION(KIND)                                                                                       \
    static const fig__normalise_kind KIND##_kind = {                                                                   \
        .name = #KIND "_normalise",                                                                                    \
        .view = view,                                                                                                  \
        .op = &fig_op_##KIND##_normalise,                                                                              \
        .gradient_op = &fig_op_##KIND##_normalise_gradient,                                                            \
    };                                                                                                                 \
    static fig_status infer(fig_infer *c) { return fig__normalise_infer(c, &KIND##_kind); }                            \
    static void gradient(fig_gradient *c) { fig__normalise_gradient(c, &KIND##_kind); }                                \
    static void decompose(fig_decompose *c) { fig__normalise_decompose(c, &KIND##_kind); }                             \
    static void reference(fig_eval *c) { fig__normalise_reference(c, &KIND##_kind); }                                  \
    static fig_status backward_infer(fig_infer *c) { return fig__normalise_gradient_infer(c, &KIND##_kind); }          \
    static void backward_decompose(fig_decompose *c) { fig__normalise_gradient_decompose(c, &KIND##_kind); }           \
    static void backward_reference(fig_eval *c) { fig__normalise_gradient_reference(c, &KIND##_kind); }

/* The fields of both records, of the functions above. */
#define FIG__NORMALISE_FIELDS                                                                                          \
    .operands = -1, .attr_size = sizeof(fig_normalise_attr), .infer = infer, .gradient = gradient,                     \
    .decompose = decompose, .reference = reference, .print = fig__normalise_print, .narrow = { FIG_NARROW_FREE, 1 }
#define FIG__NORMALISE_GRADIENT_FIELDS                                                                                 \
    .operands = -1, .attr_size = sizeof(fig_normalise_attr), .infer = backward_infer, .decompose = backward_decompose, \
    .reference = backward_reference, .print = fig__normalise_print, .narrow = { FIG_NARROW_FREE, 1 }

#endif
