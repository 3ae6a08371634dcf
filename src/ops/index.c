/* ops/index.c - reading and writing by i32 index
 *
 *     gather       table (V, ...), index (I...)           -> (I..., ...)    rows of a table: embeddings, codebooks
 *     scatter_add  index (I...), update (I..., ...)       -> (V, ...)       its transpose; with a third operand (V, ...) added to that
 *     pick         x (..., n), index (..., k)             -> (..., k)       elements of the last axis, row by row
 *     place        index (..., k), update (..., k)        -> (..., n)       its transpose
 *     one_hot      index (...)                            -> (..., classes)
 *
 * Within a pair each op is the other's gradient. An index out of range is clamped (the same way in both ops of a pair,
 * so that they stay transposes); one_hot gives a row of zeros for it. */
#include "ops/shape.h"

#include <string.h>

static int64_t clamped(int32_t index, int64_t n) { return index < 0 ? 0 : index >= n ? n - 1 : index; }

/* -- rows of a table ---------------------------------------------------------------------------------------------- */

static fig_status gather_infer(fig_infer *c)
{
    const fig_type *table = &c->in[0], *index = &c->in[1];
    FIG_TRY(fig__expect_dtype(c, 1, FIG_I32, "gather"));
    if (table->rank < 1 || index->rank + table->rank - 1 > FIG_MAX_RANK) {
        char text[128], text_index[128];
        fig__type_text(table, text);
        fig__type_text(index, text_index);
        return fig_fail(c->err, FIG_E_SHAPE,
                        "gather: table %s by index %s; the table needs at least 1 axis, the result at most %d", text,
                        text_index, FIG_MAX_RANK);
    }
    c->out[0] = fig__plain_type(index, table->dtype);
    for (int i = 1; i < table->rank; i++)
        c->out[0].dim[c->out[0].rank++] = table->dim[i];
    return FIG_OK;
}

static void gather_gradient(fig_gradient *c)
{
    if (c->wanted[0])
        c->result[0] = fig_scatter_add(fig_type_of(c->in[0]), c->in[1], c->upstream);
}

static void gather_reference(fig_eval *c)
{
    fig__split table = fig__split_at(&c->in[0].type, 0);
    size_t row = (size_t)table.inner * fig__dtype_size(c->in[0].type.dtype);
    const int32_t *index = FIG_I32_IN(c, 1);
    for (int64_t i = 0; i < fig__count(&c->in[1].type); i++)
        memcpy((char *)c->out[0].data + (size_t)i * row,
               (const char *)c->in[0].data + (size_t)clamped(index[i], table.n) * row, row);
}

fig_node fig_gather(fig_node table, fig_node index)
{
    fig_node in[2] = { table, index };
    if (fig__any_poisoned(in, 2))
        return fig__first_poisoned(in, 2, "gather");
    return fig__emit(fig__graph_of(in, 2), &fig_op_gather, in, 2, NULL);
}

static fig_status scatter_add_infer(fig_infer *c)
{
    const fig_shape_attr *attr = c->attr;
    const fig_type *index = &c->in[0], *update = &c->in[1], *out = &attr->type;
    FIG_TRY(fig__expect_dtype(c, 0, FIG_I32, "scatter_add"));
    FIG_TRY(fig__expect_dtype(c, 1, FIG_F32, "scatter_add"));
    bool meets = out->rank >= 1 && update->rank == index->rank + out->rank - 1;
    for (int i = 0; meets && i < update->rank; i++)
        meets = update->dim[i] == (i < index->rank ? index->dim[i] : out->dim[i - index->rank + 1]);
    if (!meets) {
        char rows[128], by[128], to[128];
        fig__type_text(update, rows);
        fig__type_text(index, by);
        fig__type_text(out, to);
        return fig_fail(c->err, FIG_E_SHAPE,
                        "scatter_add: update %s by index %s does not fit %s; update's axes are those of index, "
                        "then all but the first of the result",
                        rows, by, to);
    }
    c->out[0] = fig__plain_type(out, FIG_F32);
    if (c->n_in < 2 || c->n_in > 3 || (c->n_in == 3 && !fig__types_equal(&c->in[2], &c->out[0])))
        return fig_fail(c->err, FIG_E_SHAPE, "scatter_add: what is added to must be one more operand of the result's type");
    return FIG_OK;
}

static void scatter_add_gradient(fig_gradient *c)
{
    if (c->wanted[1])
        c->result[1] = fig_gather(c->upstream, c->in[0]);
    if (c->n_in == 3)
        c->result[2] = c->upstream;
}

static void scatter_add_reference(fig_eval *c)
{
    fig__split table = fig__split_at(&c->out[0].type, 0);
    const int32_t *index = FIG_I32_IN(c, 0);
    const float *update = FIG_F32_IN(c, 1);
    float *out = FIG_F32_OUT(c, 0);
    if (c->n_in == 3)
        memcpy(out, c->in[2].data, fig__bytes(&c->out[0].type));
    else
        memset(out, 0, fig__bytes(&c->out[0].type));
    for (int64_t i = 0; i < fig__count(&c->in[0].type); i++) {
        float *row = out + clamped(index[i], table.n) * table.inner;
        for (int64_t j = 0; j < table.inner; j++)
            row[j] += update[i * table.inner + j];
    }
}

fig_node fig_scatter_add(fig_type shape, fig_node index, fig_node update)
{
    fig_node in[2] = { index, update };
    if (fig__any_poisoned(in, 2))
        return fig__first_poisoned(in, 2, "scatter_add");
    fig_graph *graph = fig__graph_of(in, 2);
    if (shape.rank < 1 || shape.rank > FIG_MAX_RANK)
        return fig_graph_fail(graph, "scatter_add: rank %d is not within 1 to %d", shape.rank, FIG_MAX_RANK);
    fig_shape_attr attr = { fig__plain_type(&shape, FIG_F32) };
    return fig__emit(graph, &fig_op_scatter_add, in, 2, &attr);
}

fig_node fig__scatter_onto(fig_node base, fig_node index, fig_node update)
{
    fig_node in[3] = { index, update, base };
    if (fig__any_poisoned(in, 3))
        return fig__first_poisoned(in, 3, "scatter_add");
    fig_type shape = fig_type_of(base);
    fig_shape_attr attr = { fig__plain_type(&shape, FIG_F32) };
    return fig__emit(fig__graph_of(in, 3), &fig_op_scatter_add, in, 3, &attr);
}

/* -- elements of the last axis ------------------------------------------------------------------------------------ */

/* a and b have the same axes before the last one. */
static fig_status expect_rows(fig_infer *c, const char *op)
{
    const fig_type *a = &c->in[0], *b = &c->in[1];
    bool meets = a->rank >= 1 && a->rank == b->rank;
    for (int i = 0; meets && i < a->rank - 1; i++)
        meets = a->dim[i] == b->dim[i];
    if (meets)
        return FIG_OK;
    char one[128], other[128];
    fig__type_text(a, one);
    fig__type_text(b, other);
    return fig_fail(c->err, FIG_E_SHAPE, "%s: %s and %s differ before the last axis", op, one, other);
}

static fig_status pick_infer(fig_infer *c)
{
    FIG_TRY(fig__expect_dtype(c, 1, FIG_I32, "pick"));
    FIG_TRY(expect_rows(c, "pick"));
    c->out[0] = fig__plain_type(&c->in[1], c->in[0].dtype);
    return FIG_OK;
}

static void pick_gradient(fig_gradient *c)
{
    if (c->wanted[0])
        c->result[0] = fig__place(c->in[1], c->upstream, fig_dim(c->in[0], -1));
}

static void pick_reference(fig_eval *c)
{
    const fig_type *x = &c->in[0].type, *index = &c->in[1].type;
    int64_t n = x->dim[x->rank - 1], k = index->dim[index->rank - 1];
    size_t size = fig__dtype_size(x->dtype);
    for (int64_t i = 0; i < fig__count(index); i++)
        memcpy((char *)c->out[0].data + (size_t)i * size,
               (const char *)c->in[0].data + (size_t)(i / k * n + clamped(FIG_I32_IN(c, 1)[i], n)) * size, size);
}

fig_node fig__pick_many(fig_node x, fig_node index)
{
    fig_node in[2] = { x, index };
    if (fig__any_poisoned(in, 2))
        return fig__first_poisoned(in, 2, "pick");
    return fig__emit(fig__graph_of(in, 2), &fig_op_pick, in, 2, NULL);
}

fig_node fig_pick(fig_node x, fig_node index) { return fig_squeeze(fig__pick_many(x, fig_expand(index, -1)), -1); }

static fig_status place_infer(fig_infer *c)
{
    FIG_TRY(fig__expect_dtype(c, 0, FIG_I32, "place"));
    FIG_TRY(fig__expect_dtype(c, 1, FIG_F32, "place"));
    if (!fig__shapes_equal(&c->in[0], &c->in[1]) || c->in[0].rank < 1) {
        char one[128], other[128];
        fig__type_text(&c->in[0], one);
        fig__type_text(&c->in[1], other);
        return fig_fail(c->err, FIG_E_SHAPE, "place: index %s and update %s must have one shape of at least 1 axis",
                        one, other);
    }
    c->out[0] = fig__plain_type(&c->in[1], FIG_F32);
    c->out[0].dim[c->out[0].rank - 1] = ((const fig_classes_attr *)c->attr)->classes;
    return FIG_OK;
}

static void place_gradient(fig_gradient *c)
{
    if (c->wanted[1])
        c->result[1] = fig__pick_many(c->upstream, c->in[0]);
}

static void place_reference(fig_eval *c)
{
    const fig_type *index = &c->in[0].type;
    int64_t n = ((const fig_classes_attr *)c->attr)->classes, k = index->dim[index->rank - 1];
    float *out = FIG_F32_OUT(c, 0);
    memset(out, 0, fig__bytes(&c->out[0].type));
    for (int64_t i = 0; i < fig__count(index); i++)
        out[i / k * n + clamped(FIG_I32_IN(c, 0)[i], n)] += FIG_F32_IN(c, 1)[i];
}

fig_node fig__place(fig_node index, fig_node update, int64_t n)
{
    fig_node in[2] = { index, update };
    if (fig__any_poisoned(in, 2))
        return fig__first_poisoned(in, 2, "place");
    fig_classes_attr attr = { .classes = n };
    return fig__emit(fig__graph_of(in, 2), &fig_op_place, in, 2, &attr);
}

/* -- one-hot ------------------------------------------------------------------------------------------------------ */

static fig_status one_hot_infer(fig_infer *c)
{
    const fig_classes_attr *attr = c->attr;
    FIG_TRY(fig__expect_dtype(c, 0, FIG_I32, "one_hot"));
    if (c->in[0].rank == FIG_MAX_RANK || attr->classes < 1)
        return fig_fail(c->err, FIG_E_SHAPE, "one_hot: %lld classes of a rank-%d index", (long long)attr->classes,
                        c->in[0].rank);
    c->out[0] = fig__plain_type(&c->in[0], FIG_F32);
    c->out[0].dim[c->out[0].rank++] = attr->classes;
    return FIG_OK;
}

static void one_hot_reference(fig_eval *c)
{
    int64_t n = ((const fig_classes_attr *)c->attr)->classes;
    const int32_t *index = FIG_I32_IN(c, 0);
    float *out = FIG_F32_OUT(c, 0);
    memset(out, 0, fig__bytes(&c->out[0].type));
    for (int64_t i = 0; i < fig__count(&c->in[0].type); i++) {
        if (index[i] >= 0 && index[i] < n)
            out[i * n + index[i]] = 1.0f;
    }
}

fig_node fig_one_hot(fig_node index, int64_t classes)
{
    if (fig__any_poisoned(&index, 1))
        return index;
    fig_classes_attr attr = { .classes = classes };
    return fig__emit(index.graph, &fig_op_one_hot, &index, 1, &attr);
}

static void classes_print(const void *attr, fig__text *out)
{
    fig__text_print(out, " n=%lld", (long long)((const fig_classes_attr *)attr)->classes);
}

const fig_op fig_op_gather = {
    .name = "gather",
    .operands = 2,
    .infer = gather_infer,
    .gradient = gather_gradient,
    .reference = gather_reference,
    .narrow = { FIG_NARROW_FREE, 1 },
};

const fig_op fig_op_scatter_add = {
    .name = "scatter_add",
    .operands = -1,
    .attr_size = sizeof(fig_shape_attr),
    .infer = scatter_add_infer,
    .gradient = scatter_add_gradient,
    .reference = scatter_add_reference,
};

const fig_op fig_op_pick = {
    .name = "pick",
    .operands = 2,
    .infer = pick_infer,
    .gradient = pick_gradient,
    .reference = pick_reference,
};

const fig_op fig_op_place = {
    .name = "place",
    .operands = 2,
    .attr_size = sizeof(fig_classes_attr),
    .infer = place_infer,
    .gradient = place_gradient,
    .reference = place_reference,
    .print = classes_print,
};

const fig_op fig_op_one_hot = {
    .name = "one_hot",
    .operands = 1,
    .flags = FIG_OP_INTEGER,
    .attr_size = sizeof(fig_classes_attr),
    .infer = one_hot_infer,
    .reference = one_hot_reference,
    .print = classes_print,
};
