/* ops/concat.c - values side by side along one axis */
#include "ops/shape.h"

#include <string.h>

static fig_status concat_infer(fig_infer *c)
{
    const fig_axis_attr *attr = c->attr;
    const fig_type *first = &c->in[0];
    if (attr->axis < 0 || attr->axis >= first->rank)
        return fig_fail(c->err, FIG_E_SHAPE, "concat: axis %d of a rank-%d value", attr->axis, first->rank);
    fig_type out = fig__plain_type(first, first->dtype);
    for (int p = 1; p < c->n_in; p++) {
        const fig_type *part = &c->in[p];
        bool meets = part->rank == first->rank && part->dtype == first->dtype;
        for (int i = 0; meets && i < first->rank; i++)
            meets = i == attr->axis || part->dim[i] == first->dim[i];
        if (!meets) {
            char one[128], other[128];
            fig__type_text(first, one);
            fig__type_text(part, other);
            return fig_fail(c->err, FIG_E_SHAPE,
                            "concat: part %d is %s but part 0 is %s; all axes except axis %d must be equal", p, other,
                            one, attr->axis);
        }
        out.dim[attr->axis] += part->dim[attr->axis];
    }
    c->out[0] = out;
    return FIG_OK;
}

static void concat_gradient(fig_gradient *c)
{
    const fig_axis_attr *attr = c->attr;
    int64_t start = 0;
    for (int p = 0; p < c->n_in; p++) {
        int64_t length = fig_dim(c->in[p], attr->axis);
        if (c->wanted[p])
            c->result[p] = fig_slice(c->upstream, attr->axis, start, length, 1);
        start += length;
    }
}

static void concat_reference(fig_eval *c)
{
    const fig_axis_attr *attr = c->attr;
    size_t size = fig__dtype_size(c->out[0].type.dtype);
    fig__split whole = fig__split_at(&c->out[0].type, attr->axis);
    size_t row = (size_t)(whole.n * whole.inner) * size, before = 0;
    for (int p = 0; p < c->n_in; p++) {
        fig__split part = fig__split_at(&c->in[p].type, attr->axis);
        size_t run = (size_t)(part.n * part.inner) * size;
        for (int64_t o = 0; o < whole.outer; o++)
            memcpy((char *)c->out[0].data + (size_t)o * row + before, (const char *)c->in[p].data + (size_t)o * run,
                   run);
        before += run;
    }
}

static void concat_print(const void *attr, fig__text *out)
{
    fig__text_print(out, " axis=%d", ((const fig_axis_attr *)attr)->axis);
}

fig_node fig_concat(const fig_node *parts, int count, int axis)
{
    if (count < 1)
        FIG_BUG("concat of %d parts", count);
    if (fig__any_poisoned(parts, count))
        return fig__first_poisoned(parts, count, "concat");
    if (count == 1)
        return parts[0];
    fig_graph *graph = fig__graph_of(parts, count);
    fig_axis_attr attr = { .axis = fig__axis(parts[0], axis, "concat") };
    return fig__emit(graph, &fig_op_concat, parts, count, &attr);
}

const fig_op fig_op_concat = {
    .name = "concat",
    .operands = -1,
    .attr_size = sizeof(fig_axis_attr),
    .infer = concat_infer,
    .gradient = concat_gradient,
    .reference = concat_reference,
    .print = concat_print,
    .narrow = { FIG_NARROW_MOVE, 1 },
};
