/* ops/shape.h - a tensor seen from one axis
 *
 * Most shape ops touch one axis only. They see the tensor as (outer, n, inner): the axes before it, the axis, and the
 * axes after it, so that their loops are three deep for any rank and the innermost run is contiguous memory. */
#ifndef FIG_OPS_SHAPE_H
#define FIG_OPS_SHAPE_H

#include "ops/attributes.h"
#include "ops/op.h"

typedef struct fig__split {
    int64_t outer, n, inner;
} fig__split;

static inline fig__split fig__split_at(const fig_type *type, int axis)
{
    fig__split split = { 1, 1, 1 };
    for (int i = 0; i < type->rank; i++) {
        if (i < axis)
            split.outer *= type->dim[i];
        else if (i == axis)
            split.n = type->dim[i];
        else
            split.inner *= type->dim[i];
    }
    return split;
}

/* The same type with unused dims zeroed, so that equal types are equal bytes (attributes are compared with memcmp). */
static inline fig_type fig__plain_type(const fig_type *type, fig_dtype dtype)
{
    fig_type plain = { .dtype = dtype, .rank = type->rank };
    for (int i = 0; i < type->rank && i < FIG_MAX_RANK; i++)
        plain.dim[i] = type->dim[i];
    return plain;
}

/* Builders give up quietly when an operand is missing or was poisoned by an earlier mistake, and pass it on. */
static inline bool fig__any_poisoned(const fig_node *in, int n_in)
{
    for (int i = 0; i < n_in; i++) {
        if (fig__poisoned(in[i]))
            return true;
    }
    return false;
}

static inline fig_node fig__first_poisoned(const fig_node *in, int n_in, const char *op)
{
    fig_graph *graph = NULL;
    for (int i = 0; i < n_in && !graph; i++)
        graph = in[i].graph;
    for (int i = 0; i < n_in; i++) {
        if (!in[i].graph)
            return fig_graph_fail(graph, "%s: operand %d is missing", op, i + 1);
    }
    return (fig_node){ graph, 0 };
}

/* index.c: x (..., n), index i32 (..., k) -> (..., k); its transpose: zeros (..., n) plus update (..., k) at index. */
fig_node fig__pick_many(fig_node x, fig_node index);
fig_node fig__place(fig_node index, fig_node update, int64_t n);
/* base (V, ...) with rows added to it: scatter_add that begins at base instead of zeros. */
fig_node fig__scatter_onto(fig_node base, fig_node index, fig_node update);

#endif
