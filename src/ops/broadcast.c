/* ops/broadcast.c - repeats a value along axes of size 1 and along new leading axes
 *
 * Element-by-element ops broadcast by themselves; this op is for where the repeated tensor itself is needed. */
#include "ops/shape.h"

#include <string.h>

static fig_status broadcast_infer(fig_infer *c)
{
    const fig_shape_attr *attr = c->attr;
    const fig_type *x = &c->in[0];
    fig_type target = fig__plain_type(&attr->type, x->dtype);
    bool fits = x->rank <= target.rank;
    for (int i = 1; fits && i <= x->rank; i++)
        fits = x->dim[x->rank - i] == 1 || x->dim[x->rank - i] == target.dim[target.rank - i];
    for (int i = 0; i < target.rank; i++)
        fits = fits && target.dim[i] >= 1;
    if (!fits) {
        char from[128], to[128];
        fig__type_text(x, from);
        fig__type_text(&target, to);
        return fig_fail(c->err, FIG_E_SHAPE,
                        "broadcast: %s does not stretch to %s; axes are aligned at the last one and must be "
                        "equal or 1",
                        from, to);
    }
    c->out[0] = target;
    return FIG_OK;
}

static void broadcast_gradient(fig_gradient *c) { c->result[0] = fig__unbroadcast(c->upstream, c->in[0]); }

static void broadcast_reference(fig_eval *c)
{
    const fig_type *y = &c->out[0].type;
    size_t size = fig__dtype_size(y->dtype);
    int64_t stride[FIG_MAX_RANK], index[FIG_MAX_RANK] = { 0 };
    fig__broadcast_strides(&c->in[0].type, y, stride);
    const char *from = c->in[0].data;
    char *to = c->out[0].data;
    do {
        int64_t offset = 0;
        for (int i = 0; i < y->rank; i++)
            offset += index[i] * stride[i];
        memcpy(to, from + (size_t)offset * size, size);
        to += size;
    } while (fig__next_index(index, y->dim, y->rank));
}

fig_node fig_broadcast(fig_node x, fig_type shape)
{
    if (fig__any_poisoned(&x, 1))
        return x;
    if (shape.rank < 0 || shape.rank > FIG_MAX_RANK)
        return fig_graph_fail(x.graph, "broadcast: rank %d is not within 0 to %d", shape.rank, FIG_MAX_RANK);
    fig_type from = fig_type_of(x);
    fig_shape_attr attr = { fig__plain_type(&shape, from.dtype) };
    if (fig__shapes_equal(&from, &attr.type))
        return x;
    if (fig__count(&from) == fig__count(&attr.type) && from.rank <= shape.rank) {
        fig_type tail = { .rank = from.rank }; /* only leading axes of size 1 are new: nothing is repeated */
        memcpy(tail.dim, attr.type.dim + (shape.rank - from.rank), sizeof(int64_t) * (size_t)from.rank);
        if (fig__shapes_equal(&from, &tail))
            return fig_reshape(x, attr.type);
    }
    return fig__emit(x.graph, &fig_op_broadcast, &x, 1, &attr);
}

const fig_op fig_op_broadcast = {
    .name = "broadcast",
    .operands = 1,
    .attr_size = sizeof(fig_shape_attr),
    .infer = broadcast_infer,
    .gradient = broadcast_gradient,
    .reference = broadcast_reference,
    .narrow = { FIG_NARROW_FREE, 1 },
};
