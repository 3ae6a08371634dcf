/* ops/transpose.c - axes in another order
 *
 * Output axis i is input axis order[i]. An order that only moves axes of size 1 is a reshape, which costs nothing. */
#include "ops/shape.h"

#include <string.h>

static fig_status transpose_infer(fig_infer *c)
{
    const fig_transpose_attr *attr = c->attr;
    const fig_type *x = &c->in[0];
    unsigned seen = 0;
    c->out[0] = fig__plain_type(x, x->dtype);
    for (int i = 0; i < x->rank; i++) {
        int from = attr->order[i];
        if (from < 0 || from >= x->rank || (seen >> from & 1))
            return fig_fail(c->err, FIG_E_SHAPE, "transpose: order names axis %d %s of a rank-%d value", from,
                            from < 0 || from >= x->rank ? "outside" : "twice", x->rank);
        seen |= 1u << from;
        c->out[0].dim[i] = x->dim[from];
    }
    return FIG_OK;
}

static void transpose_gradient(fig_gradient *c)
{
    const fig_transpose_attr *attr = c->attr;
    int inverse[FIG_MAX_RANK] = { 0 };
    for (int i = 0; i < fig_rank(c->in[0]); i++)
        inverse[attr->order[i]] = i;
    c->result[0] = fig_transpose(c->upstream, inverse);
}

static void transpose_reference(fig_eval *c)
{
    const fig_transpose_attr *attr = c->attr;
    const fig_type *x = &c->in[0].type, *y = &c->out[0].type;
    size_t size = fig__dtype_size(x->dtype);
    int64_t stride[FIG_MAX_RANK], moved[FIG_MAX_RANK];
    fig__broadcast_strides(x, x, stride);
    for (int i = 0; i < y->rank; i++)
        moved[i] = y->dim[i] == 1 ? 0 : stride[attr->order[i]];
    int64_t index[FIG_MAX_RANK] = { 0 };
    const char *from = c->in[0].data;
    char *to = c->out[0].data;
    do {
        int64_t offset = 0;
        for (int i = 0; i < y->rank; i++)
            offset += index[i] * moved[i];
        memcpy(to, from + (size_t)offset * size, size);
        to += size;
    } while (fig__next_index(index, y->dim, y->rank));
}

static void transpose_print(const void *attr, fig__text *out)
{
    const fig_transpose_attr *a = attr;
    int rank = 0; /* of a permutation: its largest number and one more */
    for (int i = 0; i < FIG_MAX_RANK; i++)
        rank = a->order[i] >= rank ? a->order[i] + 1 : rank;
    for (int i = 0; i < rank; i++)
        fig__text_print(out, "%s%d", i ? "," : " order=", a->order[i]);
}

/* True when the axes longer than 1 keep their order, so that memory does not move. */
static bool keeps_memory(const fig_type *x, const int *order)
{
    int last = -1;
    for (int i = 0; i < x->rank; i++) {
        if (x->dim[order[i]] == 1)
            continue;
        if (order[i] < last)
            return false;
        last = order[i];
    }
    return true;
}

fig_node fig_transpose(fig_node x, const int *order)
{
    if (fig__any_poisoned(&x, 1))
        return x;
    fig_type type = fig_type_of(x);
    fig_transpose_attr attr;
    memset(&attr, 0, sizeof attr);
    for (int i = 0; i < type.rank; i++)
        attr.order[i] = order ? order[i] : i;
    if (!order) {
        if (type.rank < 2)
            return fig_graph_fail(x.graph, "transpose: needs at least 2 axes, got %d", type.rank);
        attr.order[type.rank - 2] = type.rank - 1;
        attr.order[type.rank - 1] = type.rank - 2;
    }
    fig_error err = { 0 };
    fig_type out;
    fig_infer check = { .n_in = 1, .n_out = 1, .in = &type, .out = &out, .attr = &attr, .err = &err };
    if (transpose_infer(&check) != FIG_OK)
        return fig_graph_fail(x.graph, "%s", err.message);
    if (keeps_memory(&type, attr.order))
        return fig_reshape(x, out);
    return fig__emit(x.graph, &fig_op_transpose, &x, 1, &attr);
}

const fig_op fig_op_transpose = {
    .name = "transpose",
    .operands = 1,
    .attr_size = sizeof(fig_transpose_attr),
    .infer = transpose_infer,
    .gradient = transpose_gradient,
    .reference = transpose_reference,
    .print = transpose_print,
    .narrow = { FIG_NARROW_MOVE, 1 },
};
