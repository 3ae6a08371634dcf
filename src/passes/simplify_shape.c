/* passes/simplify_shape.c - rules of the simplifying pass for shapes, pieces, reductions and products
 *
 * Gradients are what they are for: the gradient of a slice is a padded piece and several of them are added up (here:
 * put side by side), the gradient of a mean is a broadcast that is summed again, positions are looked up with 0, 1,
 * 2 ... */
#include "passes/simplify.h"

#include <string.h>

static bool same_type(fig_node x, const fig_type *type)
{
    fig_type found = fig_type_of(x);
    return fig__types_equal(&found, type);
}

static fig_node reshaped(fig__candidate *c, fig_node x, const fig_type *type)
{
    fig_shape_attr attr;
    memset(&attr, 0, sizeof attr);
    attr.type.dtype = type->dtype;
    attr.type.rank = type->rank;
    memcpy(attr.type.dim, type->dim, sizeof *type->dim * (size_t)type->rank);
    return fig__simplified(c->to, &fig_op_reshape, &x, 1, &attr);
}

static fig_node sliced(fig__candidate *c, fig_node x, int axis, int64_t start, int64_t length)
{
    fig_slice_attr attr = {.axis = axis, .start = start, .length = length, .step = 1};
    return fig__simplified(c->to, &fig_op_slice, &x, 1, &attr);
}

static fig_node padded(fig__candidate *c, fig_node x, int axis, int64_t before, int64_t after)
{
    fig_pad_attr attr = {.axis = axis, .before = before, .after = after};
    return fig__simplified(c->to, &fig_op_pad, &x, 1, &attr);
}

/* -- views and other arrangements of the same numbers -------------------------------------------------------------- */

/* Of an op that only moves or repeats numbers: of one number it is the number again, and one that changes no shape
 * and is not reverse or copy does nothing. */
static bool simplify_moved_constant(fig__candidate *c, fig_node *result)
{
    double v;
    if (!fig__is_full(c->in[0], &v))
        return false;
    *result = fig__full_like(c->to, &c->type, v);
    return true;
}

static bool simplify_no_change(fig__candidate *c, fig_node *result)
{
    *result = c->in[0];
    return same_type(c->in[0], &c->type);
}

static bool simplify_reshape(fig__candidate *c, fig_node *result)
{
    if (!fig__made_by(c->in[0], &fig_op_reshape))
        return false;
    *result = reshaped(c, fig__operand_of(c->in[0], 0), &c->type);
    return true;
}

static bool simplify_broadcast(fig__candidate *c, fig_node *result)
{
    if (!fig__made_by(c->in[0], &fig_op_broadcast))
        return false;
    fig_node x = fig__operand_of(c->in[0], 0);
    *result = fig__simplified(c->to, &fig_op_broadcast, &x, 1, c->attr);
    return true;
}

/* True when axes longer than 1 keep their order: nothing moves in memory. */
static bool moves_nothing(const fig_type *x, const int *order)
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

static bool simplify_transpose(fig__candidate *c, fig_node *result)
{
    const fig_transpose_attr *outer = c->attr, *inner = fig__made_by(c->in[0], &fig_op_transpose);
    fig_type type = fig_type_of(c->in[0]);
    if (moves_nothing(&type, outer->order)) {
        *result = reshaped(c, c->in[0], &c->type);
        return true;
    }
    if (!inner)
        return false;
    fig_transpose_attr both;
    memset(&both, 0, sizeof both);
    for (int i = 0; i < type.rank; i++)
        both.order[i] = inner->order[outer->order[i]];
    fig_node x = fig__operand_of(c->in[0], 0);
    *result = fig__simplified(c->to, &fig_op_transpose, &x, 1, &both);
    return true;
}

/* -- pieces -------------------------------------------------------------------------------------------------------- */

/* The part of a concat in which [start, start + length) lies. */
static bool inside_part(const fig__candidate *c, const fig_slice_attr *a, fig_node *part, int64_t *start)
{
    const fig__node *concat = fig__node_of(c->to, c->in[0].id);
    int64_t at = 0;
    for (int i = 0; i < concat->n_in; i++) {
        fig_node candidate = {c->to, concat->in[i]};
        int64_t size = fig_dim(candidate, a->axis);
        if (a->start >= at && a->start + a->length <= at + size) {
            *part = candidate;
            *start = a->start - at;
            return true;
        }
        at += size;
    }
    return false;
}

static bool simplify_slice(fig__candidate *c, fig_node *result)
{
    const fig_slice_attr *a = c->attr, *inner = fig__made_by(c->in[0], &fig_op_slice);
    const fig_axis_attr *concat = fig__made_by(c->in[0], &fig_op_concat);
    const fig_pad_attr *pad = fig__made_by(c->in[0], &fig_op_pad);
    fig_node part;
    int64_t start;
    if (a->step != 1)
        return false;
    if (inner && inner->axis == a->axis && inner->step == 1) {
        *result = sliced(c, fig__operand_of(c->in[0], 0), a->axis, inner->start + a->start, a->length);
        return true;
    }
    if (concat && concat->axis == a->axis && inside_part(c, a, &part, &start)) {
        *result = sliced(c, part, a->axis, start, a->length);
        return true;
    }
    if (!pad || pad->axis != a->axis || pad->before < 0 || pad->after < 0)
        return false;
    part = fig__operand_of(c->in[0], 0);
    if (a->start < pad->before || a->start + a->length > pad->before + fig_dim(part, a->axis))
        return false;
    *result = sliced(c, part, a->axis, a->start - pad->before, a->length);
    return true;
}

/* Parts that are neighbouring slices of one value, in order: that value's slice. */
static bool simplify_concat(fig__candidate *c, fig_node *result)
{
    int axis = ((const fig_axis_attr *)c->attr)->axis;
    int64_t from = 0, to = 0;
    fig_node whole = FIG_NONE;
    for (int i = 0; i < c->n_in; i++) {
        const fig_slice_attr *a = fig__made_by(c->in[i], &fig_op_slice);
        if (!a || a->axis != axis || a->step != 1)
            return c->n_in == 1 && simplify_no_change(c, result);
        fig_node x = fig__operand_of(c->in[i], 0);
        if (i && (x.id != whole.id || a->start != to))
            return false;
        whole = x;
        from = i ? from : a->start;
        to = a->start + a->length;
    }
    *result = sliced(c, whole, axis, from, to - from);
    return true;
}

static bool simplify_pad(fig__candidate *c, fig_node *result)
{
    const fig_pad_attr *a = c->attr;
    *result = c->in[0];
    return a->before == 0 && a->after == 0;
}

/* x as a piece of an axis with zeros around it. */
typedef struct piece { fig_node x; int axis; int64_t start, end, size; } piece;

static bool is_piece(fig_node x, piece *out)
{
    const fig_pad_attr *a = fig__made_by(x, &fig_op_pad);
    if (!a || a->value != 0 || a->before < 0 || a->after < 0)
        return false;
    int64_t size = fig_dim(x, a->axis);
    *out = (piece){fig__operand_of(x, 0), a->axis, a->before, size - a->after, size};
    return true;
}

/* The sum of two pieces that lie side by side is their concat (with zeros around it). */
static bool simplify_sum_of_pieces(fig__candidate *c, fig_node *result)
{
    piece a, b;
    if (!is_piece(c->in[0], &a) || !is_piece(c->in[1], &b) || a.axis != b.axis || !fig_same_shape(c->in[0], c->in[1]))
        return false;
    if (b.end == a.start) {
        piece swapped = a;
        a = b;
        b = swapped;
    }
    if (a.end != b.start)
        return false;
    fig_axis_attr attr = {.axis = a.axis};
    fig_node parts[8], both;
    int n = 0;
    const piece *side[] = {&a, &b};
    for (int k = 0; k < 2; k++) { /* a piece that is such a concat already gives its parts */
        const fig_axis_attr *inner = fig__made_by(side[k]->x, &fig_op_concat);
        int count = inner && inner->axis == a.axis ? fig__node_of(c->to, side[k]->x.id)->n_in : 1;
        if (n + count > 8 - (k == 0))
            return false;
        for (int i = 0; i < count; i++)
            parts[n++] = count > 1 ? fig__operand_of(side[k]->x, i) : side[k]->x;
    }
    both = fig__simplified(c->to, &fig_op_concat, parts, n, &attr);
    *result = padded(c, both, a.axis, a.start, a.size - b.end);
    return true;
}

/* -- lookups by 0, 1, 2 ... ---------------------------------------------------------------------------------------- */

static bool counts_rows(fig_node index, int64_t rows)
{
    return fig__made_by(index, &fig_op_iota) && fig_rank(index) == 1 && fig_dim(index, 0) <= rows;
}

static bool simplify_gather(fig__candidate *c, fig_node *result)
{
    if (!counts_rows(c->in[1], fig_dim(c->in[0], 0)))
        return false;
    *result = sliced(c, c->in[0], 0, 0, fig_dim(c->in[1], 0));
    return true;
}

static bool simplify_scatter_add(fig__candidate *c, fig_node *result)
{
    if (c->n_in > 2 || !counts_rows(c->in[0], c->type.dim[0]))
        return false;
    *result = padded(c, c->in[1], 0, 0, c->type.dim[0] - fig_dim(c->in[0], 0));
    return true;
}

/* A table's gradient through its rows is added to the rest of its gradient (a token embedding that is the output layer's weight,
 * too): the rows go there directly, and a table of mostly zeros is neither made nor read. */
static bool simplify_added_rows(fig__candidate *c, fig_node *result)
{
    for (int k = 1; k >= 0; k--) {
        fig_node rows = c->in[k], base = c->in[1 - k];
        const fig_shape_attr *attr = fig__made_by(rows, &fig_op_scatter_add);
        if (!attr || fig__node_of(c->to, rows.id)->n_in != 2 || !fig_same_shape(rows, base))
            continue;
        fig_shape_attr copy = *attr; /* the graph may move */
        fig_node in[3] = { fig__operand_of(rows, 0), fig__operand_of(rows, 1), base };
        *result = fig__simplified(c->to, &fig_op_scatter_add, in, 3, &copy);
        return true;
    }
    return false;
}

/* -- reductions ---------------------------------------------------------------------------------------------------- */

/* Elements that go into one result. */
static int64_t reduced_count(const fig_type *type, uint32_t axes)
{
    int64_t count = 1;
    for (int i = 0; i < type->rank; i++)
        if (axes >> i & 1)
            count *= type->dim[i];
    return count;
}

/* Over axes of size 1 nothing happens; one number repeated gives a number. */
static bool simplify_reduction(fig__candidate *c, fig_node *result)
{
    const fig_reduce_attr *a = c->attr;
    fig_type type = fig_type_of(c->in[0]);
    double v;
    int64_t count = reduced_count(&type, a->axes);
    if (count == 1) {
        *result = reshaped(c, c->in[0], &c->type);
        return true;
    }
    if (type.dtype != FIG_F32 || !fig__is_full(c->in[0], &v))
        return false;
    *result = fig__full_like(c->to, &c->type, c->op == &fig_op_sum ? (double)(float)(v * (double)count) : v);
    return true;
}

/* Over axes along which a broadcast repeats, a sum is a product and a mean is nothing. The rest is still to be
 * reduced. */
static bool simplify_reduced_broadcast(fig__candidate *c, fig_node *result)
{
    const fig_reduce_attr *a = c->attr;
    if (c->type.dtype != FIG_F32 || !fig__made_by(c->in[0], &fig_op_broadcast))
        return false;
    fig_node x = fig__operand_of(c->in[0], 0);
    fig_type whole = fig_type_of(c->in[0]), own = fig_type_of(x), aligned = {.dtype = own.dtype, .rank = whole.rank};
    uint32_t repeated = 0;
    for (int i = 0; i < whole.rank; i++) {
        int at = i - (whole.rank - own.rank);
        aligned.dim[i] = at < 0 ? 1 : own.dim[at];
        if ((a->axes >> i & 1) && aligned.dim[i] == 1 && whole.dim[i] > 1)
            repeated |= 1u << i;
    }
    for (int i = 0; i < whole.rank; i++) /* what stays must not be repeated, or the result would be too small */
        if (!(a->axes >> i & 1) && aligned.dim[i] != whole.dim[i])
            return false;
    if (!repeated)
        return false;
    fig_reduce_attr rest = {.axes = a->axes, .keep = a->keep};
    x = reshaped(c, x, &aligned);
    *result = fig__simplified(c->to, c->op, &x, 1, &rest);
    if (c->op == &fig_op_sum) {
        fig_pointwise_attr factor = {{(float)reduced_count(&whole, repeated), 0}};
        *result = fig__simplified(c->to, &fig_op_scale, result, 1, &factor);
    }
    return true;
}

/* -- products ------------------------------------------------------------------------------------------------------ */

static bool swaps_last_two(fig_node x)
{
    const fig_transpose_attr *a = fig__made_by(x, &fig_op_transpose);
    int rank = fig_rank(x);
    if (!a || rank < 2 || a->order[rank - 1] != rank - 2 || a->order[rank - 2] != rank - 1)
        return false;
    for (int i = 0; i < rank - 2; i++)
        if (a->order[i] != i)
            return false;
    return true;
}

static bool simplify_matmul(fig__candidate *c, fig_node *result)
{
    fig_matmul_attr attr = *(const fig_matmul_attr *)c->attr;
    bool a = swaps_last_two(c->in[0]), b = swaps_last_two(c->in[1]);
    if (!a && !b)
        return false;
    fig_node in[2] = {a ? fig__operand_of(c->in[0], 0) : c->in[0], b ? fig__operand_of(c->in[1], 0) : c->in[1]};
    attr.transpose_a ^= a;
    attr.transpose_b ^= b;
    *result = fig__simplified(c->to, &fig_op_matmul, in, 2, &attr);
    return true;
}

const fig__rule_row fig__shape_rules[] = {
    { &fig_op_reshape, simplify_moved_constant },
    { &fig_op_reshape, simplify_no_change },
    { &fig_op_reshape, simplify_reshape },
    { &fig_op_stop_gradient, simplify_no_change },
    { &fig_op_broadcast, simplify_moved_constant },
    { &fig_op_broadcast, simplify_no_change },
    { &fig_op_broadcast, simplify_broadcast },
    { &fig_op_transpose, simplify_moved_constant },
    { &fig_op_transpose, simplify_transpose },
    { &fig_op_reverse, simplify_moved_constant },
    { &fig_op_slice, simplify_moved_constant },
    { &fig_op_slice, simplify_no_change },
    { &fig_op_slice, simplify_slice },
    { &fig_op_pad, simplify_pad },
    { &fig_op_concat, simplify_concat },
    { &fig_op_add, simplify_sum_of_pieces },
    { &fig_op_add, simplify_added_rows },
    { &fig_op_gather, simplify_gather },
    { &fig_op_scatter_add, simplify_scatter_add },
    { &fig_op_sum, simplify_reduction },
    { &fig_op_mean, simplify_reduction },
    { &fig_op_reduce_max, simplify_reduction },
    { &fig_op_sum, simplify_reduced_broadcast },
    { &fig_op_mean, simplify_reduced_broadcast },
    { &fig_op_reduce_max, simplify_reduced_broadcast },
    { &fig_op_matmul, simplify_matmul },
    { 0 },
};
