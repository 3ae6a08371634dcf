/* ops/slice.c - a part of one axis: start, start + step, ... (length elements)
 *
 * The gradient puts the upstream back among zeros. With a step it is spread first: (outer, L, inner) becomes
 * (outer, L, step, inner) with zeros behind each element, which is (outer, L * step, inner) in memory. */
#include "ops/shape.h"

#include <string.h>

static fig_status slice_infer(fig_infer *c)
{
    const fig_slice_attr *attr = c->attr;
    const fig_type *x = &c->in[0];
    if (attr->axis < 0 || attr->axis >= x->rank)
        return fig_fail(c->err, FIG_E_SHAPE, "slice: axis %d of a rank-%d value", attr->axis, x->rank);
    int64_t n = x->dim[attr->axis];
    if (attr->step < 1 || attr->length < 1 || attr->start < 0 || attr->start >= n ||
        (attr->length - 1) > (n - 1 - attr->start) / attr->step)
        return fig_fail(
            c->err, FIG_E_SHAPE, "slice: start %lld, length %lld, step %lld do not lie within axis %d of size %lld",
            (long long)attr->start, (long long)attr->length, (long long)attr->step, attr->axis, (long long)n);
    c->out[0] = fig__plain_type(x, x->dtype);
    c->out[0].dim[attr->axis] = attr->length;
    return FIG_OK;
}

static void slice_gradient(fig_gradient *c)
{
    const fig_slice_attr *attr = c->attr;
    fig_type type = fig_type_of(c->in[0]);
    int64_t n = type.dim[attr->axis];
    if (attr->step == 1) {
        c->result[0] = fig_pad(c->upstream, attr->axis, attr->start, n - attr->start - attr->length, 0.0f);
        return;
    }
    fig__split split = fig__split_at(&type, attr->axis);
    fig_node spread = fig_reshape(c->upstream, FIG_SHAPE(split.outer, attr->length, 1, split.inner));
    spread = fig_pad(spread, 2, 0, attr->step - 1, 0.0f); /* (outer, L, step, inner) */
    spread = fig_reshape(spread, FIG_SHAPE(split.outer, attr->length * attr->step, split.inner));
    spread = fig_pad(spread, 1, attr->start, n - attr->start - attr->length * attr->step, 0.0f); /* (outer, n, inner) */
    c->result[0] = fig_reshape(spread, type);
}

static void slice_reference(fig_eval *c)
{
    const fig_slice_attr *attr = c->attr;
    fig__split split = fig__split_at(&c->in[0].type, attr->axis);
    size_t run = (size_t)split.inner * fig__dtype_size(c->in[0].type.dtype);
    char *to = c->out[0].data;
    for (int64_t o = 0; o < split.outer; o++) {
        for (int64_t i = 0; i < attr->length; i++, to += run)
            memcpy(to, (const char *)c->in[0].data + (size_t)(o * split.n + attr->start + i * attr->step) * run, run);
    }
}

static void slice_print(const void *attr, fig__text *out)
{
    const fig_slice_attr *a = attr;
    fig__text_print(out, " axis=%d start=%lld length=%lld", a->axis, (long long)a->start, (long long)a->length);
    if (a->step != 1)
        fig__text_print(out, " step=%lld", (long long)a->step);
}

fig_node fig_slice(fig_node x, int axis, int64_t start, int64_t length, int64_t step)
{
    if (fig__any_poisoned(&x, 1))
        return x;
    fig_slice_attr attr = {
        .axis = fig__axis(x, axis, "slice"), .start = start, .length = length, .step = step ? step : 1
    };
    fig_type type = fig_type_of(x);
    if (type.rank > 0 && start == 0 && length == type.dim[attr.axis] && attr.step == 1)
        return x;
    return fig__emit(x.graph, &fig_op_slice, &x, 1, &attr);
}

const fig_op fig_op_slice = {
    .name = "slice",
    .operands = 1,
    .attr_size = sizeof(fig_slice_attr),
    .infer = slice_infer,
    .gradient = slice_gradient,
    .reference = slice_reference,
    .print = slice_print,
    .narrow = { FIG_NARROW_MOVE, 1 },
};
