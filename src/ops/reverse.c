/* ops/reverse.c - one axis back to front; its own inverse and its own gradient */
#include "ops/shape.h"

#include <string.h>

static fig_status reverse_infer(fig_infer *c)
{
    const fig_axis_attr *attr = c->attr;
    if (attr->axis < 0 || attr->axis >= c->in[0].rank)
        return fig_fail(c->err, FIG_E_SHAPE, "reverse: axis %d of a rank-%d value", attr->axis, c->in[0].rank);
    c->out[0] = fig__plain_type(&c->in[0], c->in[0].dtype);
    return FIG_OK;
}

static void reverse_gradient(fig_gradient *c)
{
    c->result[0] = fig_reverse(c->upstream, ((const fig_axis_attr *)c->attr)->axis);
}

static void reverse_reference(fig_eval *c)
{
    fig__split split = fig__split_at(&c->in[0].type, ((const fig_axis_attr *)c->attr)->axis);
    size_t run = (size_t)split.inner * fig__dtype_size(c->in[0].type.dtype);
    char *to = c->out[0].data;
    for (int64_t o = 0; o < split.outer; o++) {
        for (int64_t i = 0; i < split.n; i++, to += run)
            memcpy(to, (const char *)c->in[0].data + (size_t)(o * split.n + split.n - 1 - i) * run, run);
    }
}

static void reverse_print(const void *attr, fig__text *out)
{
    fig__text_print(out, " axis=%d", ((const fig_axis_attr *)attr)->axis);
}

fig_node fig_reverse(fig_node x, int axis)
{
    if (fig__any_poisoned(&x, 1))
        return x;
    fig_axis_attr attr = { .axis = fig__axis(x, axis, "reverse") };
    if (fig_rank(x) > 0 && fig_dim(x, attr.axis) == 1)
        return x;
    return fig__emit(x.graph, &fig_op_reverse, &x, 1, &attr);
}

const fig_op fig_op_reverse = {
    .name = "reverse",
    .operands = 1,
    .attr_size = sizeof(fig_axis_attr),
    .infer = reverse_infer,
    .gradient = reverse_gradient,
    .reference = reverse_reference,
    .print = reverse_print,
    .narrow = { FIG_NARROW_MOVE, 1 },
};
