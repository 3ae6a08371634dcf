/* ops/view.c - the same numbers under another shape
 *
 * One op, `reshape`, which moves nothing: its output is its operand's memory. Flatten, expand and squeeze are spellings
 * of it. Chains of them are left to the passes: a builder that looked through its operand would make the result
 * independent of it, and a gradient with respect to that operand would silently be zero. */
#include "ops/shape.h"

static fig_status reshape_infer(fig_infer *c)
{
    const fig_shape_attr *attr = c->attr;
    if (fig__count(&c->in[0]) != fig__count(&attr->type)) {
        char from[128], to[128];
        fig__type_text(&c->in[0], from);
        fig__type_text(&attr->type, to);
        return fig_fail(c->err, FIG_E_SHAPE, "reshape: %s has %lld elements, %s would have %lld", from,
                        (long long)fig__count(&c->in[0]), to, (long long)fig__count(&attr->type));
    }
    c->out[0] = fig__plain_type(&attr->type, c->in[0].dtype);
    return FIG_OK;
}

static void reshape_gradient(fig_gradient *c) { c->result[0] = fig_reshape(c->upstream, fig_type_of(c->in[0])); }

/* Fills in the one dim that is -1; false when it cannot be. */
static bool resolve(const fig_type *from, fig_type *to)
{
    int open = -1;
    int64_t known = 1;
    for (int i = 0; i < to->rank; i++) {
        if (to->dim[i] == -1 && open < 0)
            open = i;
        else if (to->dim[i] < 1 || __builtin_mul_overflow(known, to->dim[i], &known))
            return false;
    }
    if (open < 0)
        return true;
    int64_t all = fig__count(from);
    to->dim[open] = all / known;
    return all % known == 0;
}

fig_node fig_reshape(fig_node x, fig_type shape)
{
    if (fig__any_poisoned(&x, 1))
        return x;
    if (shape.rank < 0 || shape.rank > FIG_MAX_RANK)
        return fig_graph_fail(x.graph, "reshape: rank %d is not within 0 to %d", shape.rank, FIG_MAX_RANK);
    fig_type from = fig_type_of(x);
    fig_shape_attr attr = { fig__plain_type(&shape, from.dtype) };
    if (!resolve(&from, &attr.type)) {
        char have[128], wanted[128];
        fig__type_text(&from, have);
        fig__type_text(&shape, wanted);
        return fig_graph_fail(x.graph,
                              "reshape: %s does not fit %s; dims are positive, one of them may be -1 and must divide",
                              have, wanted);
    }
    if (fig__shapes_equal(&from, &attr.type))
        return x;
    return fig__emit(x.graph, &fig_op_reshape, &x, 1, &attr);
}

fig_node fig_flatten(fig_node x)
{
    if (fig__any_poisoned(&x, 1))
        return x;
    if (fig_rank(x) < 1)
        return fig_graph_fail(x.graph, "flatten: needs a batch axis, got a scalar");
    return fig_reshape(x, FIG_SHAPE(fig_dim(x, 0), -1));
}

fig_node fig_expand(fig_node x, int axis)
{
    if (fig__any_poisoned(&x, 1))
        return x;
    fig_type type = fig_type_of(x);
    int place = axis < 0 ? axis + type.rank + 1 : axis;
    if (place < 0 || place > type.rank || type.rank == FIG_MAX_RANK)
        return fig_graph_fail(x.graph, "expand: axis %d of a rank-%d value (at most %d axes)", axis, type.rank,
                              FIG_MAX_RANK);
    for (int i = type.rank; i > place; i--)
        type.dim[i] = type.dim[i - 1];
    type.dim[place] = 1;
    type.rank++;
    return fig_reshape(x, type);
}

fig_node fig_squeeze(fig_node x, int axis)
{
    if (fig__any_poisoned(&x, 1))
        return x;
    axis = fig__axis(x, axis, "squeeze");
    fig_type type = fig_type_of(x);
    if (type.rank < 1 || type.dim[axis] != 1) {
        char text[128];
        fig__type_text(&type, text);
        return fig_graph_fail(x.graph, "squeeze: axis %d of %s is not of size 1", axis, text);
    }
    for (int i = axis; i + 1 < type.rank; i++)
        type.dim[i] = type.dim[i + 1];
    type.rank--;
    return fig_reshape(x, type);
}

const fig_op fig_op_reshape = {
    .name = "reshape",
    .operands = 1,
    .flags = FIG_OP_VIEW,
    .attr_size = sizeof(fig_shape_attr),
    .infer = reshape_infer,
    .gradient = reshape_gradient,
    .narrow = { FIG_NARROW_MOVE, 1 },
};
