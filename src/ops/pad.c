/* ops/pad.c - more of an axis: `before` and `after` copies of a constant; negative counts crop
 *
 * A pure crop is a slice. The gradient of padding is cropping, and the other way round. */
#include "ops/shape.h"

#include <string.h>

static fig_status pad_infer(fig_infer *c)
{
    const fig_pad_attr *attr = c->attr;
    const fig_type *x = &c->in[0];
    if (attr->axis < 0 || attr->axis >= x->rank)
        return fig_fail(c->err, FIG_E_SHAPE, "pad: axis %d of a rank-%d value", attr->axis, x->rank);
    int64_t n;
    if (__builtin_add_overflow(x->dim[attr->axis], attr->before, &n) || __builtin_add_overflow(n, attr->after, &n) ||
        n < 1)
        return fig_fail(c->err, FIG_E_SHAPE, "pad: axis %d of size %lld with %lld before and %lld after leaves nothing",
                        attr->axis, (long long)x->dim[attr->axis], (long long)attr->before, (long long)attr->after);
    c->out[0] = fig__plain_type(x, x->dtype);
    c->out[0].dim[attr->axis] = n;
    return FIG_OK;
}

static void pad_gradient(fig_gradient *c)
{
    const fig_pad_attr *attr = c->attr;
    c->result[0] = fig_pad(c->upstream, attr->axis, -attr->before, -attr->after, 0.0f);
}

static void fill(char *to, int64_t count, fig_dtype dtype, float value)
{
    for (int64_t i = 0; i < count; i++) {
        if (dtype == FIG_F32)
            ((float *)to)[i] = value;
        else
            ((int32_t *)to)[i] = (int32_t)value;
    }
}

static void pad_reference(fig_eval *c)
{
    const fig_pad_attr *attr = c->attr;
    fig_dtype dtype = c->in[0].type.dtype;
    fig__split x = fig__split_at(&c->in[0].type, attr->axis), y = fig__split_at(&c->out[0].type, attr->axis);
    size_t run = (size_t)x.inner * fig__dtype_size(dtype);
    char *to = c->out[0].data;
    for (int64_t o = 0; o < y.outer; o++) {
        for (int64_t i = 0; i < y.n; i++, to += run) {
            int64_t from = i - attr->before;
            if (from >= 0 && from < x.n)
                memcpy(to, (const char *)c->in[0].data + (size_t)(o * x.n + from) * run, run);
            else
                fill(to, x.inner, dtype, attr->value);
        }
    }
}

static void pad_print(const void *attr, fig__text *out)
{
    const fig_pad_attr *a = attr;
    fig__text_print(out, " axis=%d before=%lld after=%lld value=%g", a->axis, (long long)a->before, (long long)a->after,
                    (double)a->value);
}

fig_node fig_pad(fig_node x, int axis, int64_t before, int64_t after, float value)
{
    if (fig__any_poisoned(&x, 1) || (before == 0 && after == 0))
        return x;
    fig_pad_attr attr = { .axis = fig__axis(x, axis, "pad"), .value = value, .before = before, .after = after };
    fig_type type = fig_type_of(x);
    if (type.dtype == FIG_BF16)
        return fig_graph_fail(x.graph, "pad: bf16 values cannot be padded; cast to f32 first");
    int64_t n = type.rank > 0 ? type.dim[attr.axis] : 0, kept;
    bool crops = before <= 0 && after <= 0 && !__builtin_add_overflow(before, after, &kept) && kept > -n;
    if (crops)
        return fig_slice(x, attr.axis, -before, n + kept, 1);
    return fig__emit(x.graph, &fig_op_pad, &x, 1, &attr);
}

const fig_op fig_op_pad = {
    .name = "pad",
    .operands = 1,
    .attr_size = sizeof(fig_pad_attr),
    .infer = pad_infer,
    .gradient = pad_gradient,
    .reference = pad_reference,
    .print = pad_print,
};
