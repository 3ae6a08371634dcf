/* kernels/index.c - reading and writing by i32 index: gather, scatter_add, pick, place, one_hot
 *
 * Parts own what they write. Where several indices name one place (scatter_add), a part owns some columns of the whole table, or
 * some of its rows when they are short, and walks all indices: sums run in the order of the indices, whatever the number of
 * threads. */
#include "kernels/kernel.h"
#include "kernels/parallel.h"
#include "kernels/tiles.h"
#include "ops/shape.h"

#include <string.h>

enum { LEAST_COLUMNS = 32, SHORT_ROW = 16 };

static int64_t clamped(int32_t index, int64_t n) { return index < 0 ? 0 : index >= n ? n - 1 : index; }

static bool index_accepts(const fig_kernel_query *q) { return fig_elements(&q->out[0]) > 0; }

/* Elements are bytes: the table (operand 0) and the result are stored alike. */
static bool rows_accepts(const fig_kernel_query *q) { return q->in[0].dtype == q->out[0].dtype && index_accepts(q); }

/* -- rows of a table ---------------------------------------------------------------------------------------------- */

static void gather_part(void *context, int part, int parts)
{
    const fig_eval *c = context;
    fig__split table = fig__split_at(&c->in[0].type, 0);
    const int32_t *index = FIG_I32_IN(c, 1);
    size_t size = fig__dtype_size(c->in[0].type.dtype), row = (size_t)table.inner * size;
    int64_t begin, end;
    fig__share(fig_elements(&c->in[1].type), 1, part, parts, &begin, &end);
    if (size == 4 && table.inner <= SHORT_ROW) {
        const uint32_t *from = c->in[0].data;
        uint32_t *to = c->out[0].data;
        for (int64_t i = begin; i < end; i++)
            for (int64_t j = 0, at = clamped(index[i], table.n) * table.inner; j < table.inner; j++)
                to[i * table.inner + j] = from[at + j];
        return;
    }
    for (int64_t i = begin; i < end; i++)
        memcpy((char *)c->out[0].data + (size_t)i * row,
               (const char *)c->in[0].data + (size_t)clamped(index[i], table.n) * row, row);
}

/* Where sums begin: at 0, or at operand 2, which may lie there already. */
static void begin_part(void *context, int part, int parts)
{
    const fig_eval *c = context;
    int64_t begin, end;
    fig__share(fig_elements(&c->out[0].type), 1024, part, parts, &begin, &end);
    if (c->n_in == 3)
        memcpy(FIG_F32_OUT(c, 0) + begin, FIG_F32_IN(c, 2) + begin, sizeof(float) * (size_t)(end - begin));
    else
        memset(FIG_F32_OUT(c, 0) + begin, 0, sizeof(float) * (size_t)(end - begin));
}

static void scatter_part(void *context, int part, int parts)
{
    const fig_eval *c = context;
    fig__split table = fig__split_at(&c->out[0].type, 0);
    const int32_t *index = FIG_I32_IN(c, 0);
    int64_t count = fig_elements(&c->in[0].type), first = 0, last = table.inner, low = 0, high = table.n;
    if (table.inner >= LEAST_COLUMNS * parts)
        fig__share(table.inner, 16, part, parts, &first, &last);
    else
        fig__share(table.n, 1, part, parts, &low, &high);
    for (int64_t i = 0; i < count; i++) {
        int64_t row = clamped(index[i], table.n);
        if (row < low || row >= high)
            continue;
        float *to = FIG_F32_OUT(c, 0) + row * table.inner;
        const float *from = FIG_F32_IN(c, 1) + i * table.inner;
        if (last - first > SHORT_ROW)
            fig__fast_add_columns(to + first, from + first, 1, last - first);
        else
            for (int64_t j = first; j < last; j++)
                to[j] += from[j];
    }
}

static void gather_run(fig_eval *c)
{
    fig__parallel_in(c->run->team, fig__parts(fig_elements(&c->out[0].type), c->run->threads), gather_part, c);
}

static void scatter_run(fig_eval *c)
{
    if (c->n_in < 3 || c->in[2].data != c->out[0].data)
        fig__parallel_in(c->run->team, fig__parts(fig_elements(&c->out[0].type) / 2, c->run->threads), begin_part, c);
    fig__parallel_in(c->run->team, fig__parts(fig_elements(&c->in[1].type), c->run->threads), scatter_part, c);
}

/* -- elements of the last axis ------------------------------------------------------------------------------------ */

/* Rows of k indices over rows of n elements. */
typedef struct rows {
    int64_t count, k, n;
} rows;

static rows rows_of(const fig_type *index, int64_t n)
{
    int64_t k = index->dim[index->rank - 1];
    return (rows){ fig_elements(index) / k, k, n };
}

static void pick_part(void *context, int part, int parts)
{
    const fig_eval *c = context;
    rows r = rows_of(&c->in[1].type, c->in[0].type.dim[c->in[0].type.rank - 1]);
    const int32_t *index = FIG_I32_IN(c, 1);
    int64_t begin, end;
    fig__share(r.count, 1, part, parts, &begin, &end);
    if (fig__dtype_size(c->in[0].type.dtype) == 2) {
        for (int64_t i = begin; i < end; i++)
            for (int64_t j = i * r.k; j < (i + 1) * r.k; j++)
                ((uint16_t *)c->out[0].data)[j] = ((const uint16_t *)c->in[0].data)[i * r.n + clamped(index[j], r.n)];
        return;
    }
    for (int64_t i = begin; i < end; i++)
        for (int64_t j = i * r.k; j < (i + 1) * r.k; j++)
            ((uint32_t *)c->out[0].data)[j] = ((const uint32_t *)c->in[0].data)[i * r.n + clamped(index[j], r.n)];
}

static void place_part(void *context, int part, int parts)
{
    const fig_eval *c = context;
    rows r = rows_of(&c->in[0].type, c->out[0].type.dim[c->out[0].type.rank - 1]);
    const int32_t *index = FIG_I32_IN(c, 0);
    int64_t begin, end;
    fig__share(r.count, 1, part, parts, &begin, &end);
    for (int64_t i = begin; i < end; i++) {
        float *row = FIG_F32_OUT(c, 0) + i * r.n;
        memset(row, 0, sizeof(float) * (size_t)r.n);
        for (int64_t j = i * r.k; j < (i + 1) * r.k; j++)
            row[clamped(index[j], r.n)] += FIG_F32_IN(c, 1)[j];
    }
}

static void one_hot_part(void *context, int part, int parts)
{
    const fig_eval *c = context;
    int64_t n = c->out[0].type.dim[c->out[0].type.rank - 1], begin, end;
    const int32_t *index = FIG_I32_IN(c, 0);
    fig__share(fig_elements(&c->in[0].type), 1, part, parts, &begin, &end);
    memset(FIG_F32_OUT(c, 0) + begin * n, 0, sizeof(float) * (size_t)((end - begin) * n));
    for (int64_t i = begin; i < end; i++)
        if (index[i] >= 0 && index[i] < n)
            FIG_F32_OUT(c, 0)[i * n + index[i]] = 1.0f;
}

static void pick_run(fig_eval *c)
{
    fig__parallel_in(c->run->team, fig__parts(4 * fig_elements(&c->out[0].type), c->run->threads), pick_part, c);
}
static void place_run(fig_eval *c)
{
    int64_t work = fig_elements(&c->out[0].type) + 4 * fig_elements(&c->in[0].type);
    fig__parallel_in(c->run->team, fig__parts(work, c->run->threads), place_part, c);
}
static void one_hot_run(fig_eval *c)
{
    fig__parallel_in(c->run->team, fig__parts(fig_elements(&c->out[0].type), c->run->threads), one_hot_part, c);
}

const fig_kernel fig_kernel_gather = {
    .name = "index", .op = "gather", .team = true, .bf16 = true, .accepts = rows_accepts, .run = gather_run
};
const fig_kernel fig_kernel_scatter_add = {
    .name = "index", .op = "scatter_add", .accepts = index_accepts, .run = scatter_run, .inplace = 1 << 2
};
const fig_kernel fig_kernel_pick = {
    .name = "index", .op = "pick", .team = true, .bf16 = true, .accepts = rows_accepts, .run = pick_run
};
const fig_kernel fig_kernel_place = { .name = "index", .op = "place", .accepts = index_accepts, .run = place_run };
const fig_kernel fig_kernel_one_hot = {
    .name = "index", .op = "one_hot", .team = true, .accepts = index_accepts, .run = one_hot_run
};
