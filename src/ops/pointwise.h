/* ops/pointwise.h - what pointwise.c and pointwise_gradient.c share */
#ifndef FIG_OPS_POINTWISE_H
#define FIG_OPS_POINTWISE_H

#include "ops/attributes.h"
#include "ops/op.h"

/* Places in pointwise.def: FIG__CODE_add, ... */
enum {
#define FIG_POINTWISE(name, arity, f32_expression, i32_expression) FIG__CODE_##name,
#define FIG_COMPARE(name, f32_expression, i32_expression) FIG__CODE_##name,
#include "ops/pointwise.def"
#undef FIG_POINTWISE
#undef FIG_COMPARE
    FIG__POINTWISE_OPS
};

/* Gradient rules (pointwise_gradient.c), one per FIG_POINTWISE row. */
#define FIG_POINTWISE(name, arity, f32_expression, i32_expression) void fig__gradient_##name(fig_gradient *c);
#define FIG_COMPARE(name, f32_expression, i32_expression)
#include "ops/pointwise.def"
#undef FIG_POINTWISE
#undef FIG_COMPARE

/* Builds an element-by-element node; operands b and c may be FIG_NONE. p0 and p1 are the row's p[0] and p[1]. */
fig_node fig__pointwise(const fig_op *op, fig_node a, fig_node b, fig_node c, float p0, float p1);

#endif
