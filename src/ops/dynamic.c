/* ops/dynamic.c - slices whose place is known only when the plan runs: one start per row of the batch
 *
 * x (B, ..., n, ...), start i32 (B), or rank 0 when all rows share it (then axis 0 works too). A start is clamped to
 * [0, n - length], so that a slice always fits: the rule that lets a cache's last step be padded freely. The two ops
 * are each other's gradients: a slice's goes into zeros, an update's is cut out and leaves zeros behind. */
#include "ops/shape.h"

#include <string.h>

static fig_status check_start(fig_infer *c, int operand, int axis, const char *op)
{
    const fig_type *x = &c->in[0], *start = &c->in[operand];
    FIG_TRY(fig__expect_dtype(c, operand, FIG_I32, op));
    if (axis < 0 || axis >= x->rank)
        return fig_fail(c->err, FIG_E_SHAPE, "%s: axis %d of a rank-%d value", op, axis, x->rank);
    bool per_row = start->rank == 1 && axis >= 1 && start->dim[0] == x->dim[0];
    if (start->rank != 0 && !per_row) {
        char found[128], whole[128];
        fig__type_text(start, found);
        fig__type_text(x, whole);
        return fig_fail(c->err, FIG_E_SHAPE, "%s: start is %s; along axis %d of %s it must be a scalar%s", op, found,
                        axis, whole, axis >= 1 ? " or hold one place per row" : "");
    }
    return FIG_OK;
}

static fig_status dynamic_slice_infer(fig_infer *c)
{
    const fig_dynamic_attr *attr = c->attr;
    const fig_type *x = &c->in[0];
    FIG_TRY(check_start(c, 1, attr->axis, "dynamic_slice"));
    if (attr->length < 1 || attr->length > x->dim[attr->axis])
        return fig_fail(c->err, FIG_E_SHAPE, "dynamic_slice: length %lld of axis %d with size %lld",
                        (long long)attr->length, attr->axis, (long long)x->dim[attr->axis]);
    c->out[0] = fig__plain_type(x, x->dtype);
    c->out[0].dim[attr->axis] = attr->length;
    return FIG_OK;
}

static fig_status dynamic_update_infer(fig_infer *c)
{
    const fig_dynamic_attr *attr = c->attr;
    const fig_type *x = &c->in[0], *part = &c->in[1];
    FIG_TRY(check_start(c, 2, attr->axis, "dynamic_update"));
    bool meets = part->rank == x->rank && part->dtype == x->dtype;
    for (int i = 0; meets && i < x->rank; i++)
        meets = i == attr->axis ? part->dim[i] <= x->dim[i] : part->dim[i] == x->dim[i];
    if (!meets) {
        char found[128], whole[128];
        fig__type_text(part, found);
        fig__type_text(x, whole);
        return fig_fail(c->err, FIG_E_SHAPE, "dynamic_update: part %s does not fit into %s along axis %d", found, whole,
                        attr->axis);
    }
    c->out[0] = fig__plain_type(x, x->dtype);
    return FIG_OK;
}

static void dynamic_slice_gradient(fig_gradient *c)
{
    const fig_dynamic_attr *attr = c->attr;
    if (c->wanted[0])
        c->result[0] = fig_dynamic_update(fig_zeros_like(c->in[0]), c->upstream, c->in[1], attr->axis);
}

static void dynamic_update_gradient(fig_gradient *c)
{
    const fig_dynamic_attr *attr = c->attr;
    fig_node part = c->in[1], start = c->in[2];
    if (c->wanted[0])
        c->result[0] = fig_dynamic_update(c->upstream, fig_zeros_like(part), start, attr->axis);
    if (c->wanted[1])
        c->result[1] = fig_dynamic_slice(c->upstream, start, attr->axis, attr->length);
}

/* Start of the slice in row o of (outer, n, inner), clamped. */
static int64_t start_of(const fig_tensor *start, int64_t o, int64_t outer, int64_t n, int64_t length)
{
    int64_t row = start->type.rank ? o / (outer / start->type.dim[0]) : 0;
    int64_t at = ((const int32_t *)start->data)[row];
    return at < 0 ? 0 : at > n - length ? n - length : at;
}

static void dynamic_slice_reference(fig_eval *c)
{
    const fig_dynamic_attr *attr = c->attr;
    fig__split x = fig__split_at(&c->in[0].type, attr->axis);
    size_t one = (size_t)x.inner * fig__dtype_size(c->in[0].type.dtype), run = (size_t)attr->length * one;
    for (int64_t o = 0; o < x.outer; o++) {
        int64_t at = start_of(&c->in[1], o, x.outer, x.n, attr->length);
        memcpy((char *)c->out[0].data + (size_t)o * run, (const char *)c->in[0].data + (size_t)(o * x.n + at) * one,
               run);
    }
}

static void dynamic_update_reference(fig_eval *c)
{
    const fig_dynamic_attr *attr = c->attr;
    fig__split x = fig__split_at(&c->in[0].type, attr->axis);
    size_t one = (size_t)x.inner * fig__dtype_size(c->in[0].type.dtype), run = (size_t)attr->length * one;
    if (c->out[0].data != c->in[0].data) /* in place, x is there already */
        memcpy(c->out[0].data, c->in[0].data, fig__bytes(&c->in[0].type));
    for (int64_t o = 0; o < x.outer; o++) {
        int64_t at = start_of(&c->in[2], o, x.outer, x.n, attr->length);
        memcpy((char *)c->out[0].data + (size_t)(o * x.n + at) * one, (const char *)c->in[1].data + (size_t)o * run,
               run);
    }
}

static void dynamic_print(const void *attr, fig__text *out)
{
    const fig_dynamic_attr *a = attr;
    fig__text_print(out, " axis=%d length=%lld", a->axis, (long long)a->length);
}

fig_node fig_dynamic_slice(fig_node x, fig_node start, int axis, int64_t length)
{
    fig_node in[2] = { x, start };
    if (fig__any_poisoned(in, 2))
        return fig__first_poisoned(in, 2, "dynamic_slice");
    fig_graph *graph = fig__graph_of(in, 2);
    fig_dynamic_attr attr = { .axis = fig__axis(x, axis, "dynamic_slice"), .length = length };
    return fig__emit(graph, &fig_op_dynamic_slice, in, 2, &attr);
}

fig_node fig_dynamic_update(fig_node x, fig_node part, fig_node start, int axis)
{
    fig_node in[3] = { x, part, start };
    if (fig__any_poisoned(in, 3))
        return fig__first_poisoned(in, 3, "dynamic_update");
    fig_graph *graph = fig__graph_of(in, 3);
    fig_dynamic_attr attr = { .axis = fig__axis(x, axis, "dynamic_update") };
    if (fig_rank(part) > attr.axis)
        attr.length = fig_dim(part, attr.axis);
    return fig__emit(graph, &fig_op_dynamic_update, in, 3, &attr);
}

const fig_op fig_op_dynamic_slice = {
    .name = "dynamic_slice",
    .operands = 2,
    .attr_size = sizeof(fig_dynamic_attr),
    .infer = dynamic_slice_infer,
    .gradient = dynamic_slice_gradient,
    .reference = dynamic_slice_reference,
    .print = dynamic_print,
};

const fig_op fig_op_dynamic_update = {
    .name = "dynamic_update",
    .operands = 3,
    .flags = FIG_OP_INPLACE,
    .attr_size = sizeof(fig_dynamic_attr),
    .infer = dynamic_update_infer,
    .gradient = dynamic_update_gradient,
    .reference = dynamic_update_reference,
    .print = dynamic_print,
};
