/* kernels/convolution_columns.c - weight gradients as columns times products
 *
 * dw (O, taps * C) = dy^T (O, M) columns(x) (M, taps * C), M = batch * output places. Columns are made block by block of rows, so
 * that a block lies in the caches when the product reads it; with 1x1 kernels x itself is the columns. Many rows and small
 * weights: each part (thread) owns a range of rows and sums into a copy of dw of its own; the copies are added in order.
 * Otherwise the whole team works on each block.
 *
 * GFLOP/s against oneDNN's weight gradient with the batch split over the threads, two Zen 4 cores (peak 230):
 *
 *     1x1, 128-384, 32 of 16x16           214 / 149      64-256, 4 x 8192 steps                148 / 125
 *     2 taps, 64-128, 4 x 8192 steps      170 / 127      the same with dilation 512            173 / 105
 *     4x4 stride 2, 256-512, 64 of 4x4    164 / 152      64-128, 128 of 4x4                    182 / 165
 *     3x3, 256-256, 1 of 16x16            188 / 184      3x3 stride 2, 128-256, 1 of 16x16     188 / 163
 * but 4x4 stride 2, 64-128, 64 of 16x16   182 / 200      5x5, 256-128, 256 of 7x7              193 / 292
 *     3x3, 128-64, 32 of 32x32            161 / 207      3-32, 128 of 16x16                     90 / 219 */
#include "kernels/columns.h"
#include "kernels/onednn.h"
#include "kernels/parallel.h"

#include <stdlib.h>

/* Elements: a part's own copy of the weights, its block of columns, and the block that the team shares. */
enum { OWN_WEIGHTS = 1 << 20, OWN_BLOCK = 1 << 17, TEAM_BLOCK = 1 << 19, OWN_ROWS = 1024 };

typedef struct columns_state {
    fig__conv v;
    bool direct;                 /* x is the columns */
    int64_t rows, length, block; /* M, taps * C, rows of a block */
    int parts;                   /* 1: the team shares each block */
    size_t columns, sums;        /* bytes of one part's block and copy of dw */
} columns_state;

static bool columns_accepts(const fig_kernel_query *q)
{
    fig__conv v;
    if (!fig__conv_read(&v, q) || v.groups != 1)
        return false;
    if (v.taps == 1 && v.channels < 16 && v.out_places < v.in_places) /* with a stride: the library cannot be asked */
        return true;
    if (v.channels < 16)
        return false;
    int64_t weights = v.outputs * v.taps * v.channels;
    return fig__conv_is_pointwise(&v) || v.spatial == 1 || v.out_places <= 16 || (v.batch < q->threads && weights >= 1 << 18);
}

/* Elsewhere it may still win on this machine. */
static bool columns_competes(const fig_kernel_query *q)
{
    fig__conv v;
    return fig__conv_read(&v, q) && v.groups == 1 && v.channels >= 4;
}

static fig_status columns_prepare(const fig_kernel_query *q, void **prepared, size_t *workspace, fig_error *err)
{
    (void)err;
    columns_state *s = fig__alloc(sizeof(*s));
    fig__conv_read(&s->v, q);
    s->direct = fig__conv_is_pointwise(&s->v);
    s->rows = s->v.batch * s->v.out_places;
    s->length = s->v.taps * s->v.channels;
    int64_t weights = s->length * s->v.outputs;
    s->parts = weights <= OWN_WEIGHTS && s->rows >= OWN_ROWS ? fig__parts(s->rows * s->length, q->threads) : 1;
    s->block = s->direct ? s->rows : (s->parts > 1 ? OWN_BLOCK : TEAM_BLOCK) / s->length / 16 * 16;
    if (s->block < 64)
        s->block = 64;
    if (s->block > s->rows)
        s->block = s->rows;
    s->columns = s->direct ? 0 : sizeof(float) * (size_t)((s->block * s->length + 15) / 16 * 16);
    s->sums = s->parts > 1 ? sizeof(float) * (size_t)((weights + 15) / 16 * 16) : 0;
    *workspace = (s->columns + s->sums) * (size_t)s->parts;
    *prepared = s;
    return FIG_OK;
}

typedef struct columns_work {
    const columns_state *s;
    const float *x, *dy;
    float *dw;
    char *workspace;
    int64_t row, rows; /* of the shared block */
} columns_work;

static float *part_sums(const columns_work *w, int part)
{
    const columns_state *s = w->s;
    return part == 0 ? w->dw : (float *)(void *)(w->workspace + (s->columns + s->sums) * (size_t)part + s->columns);
}

static void gather_part(void *context, int part, int parts)
{
    const columns_work *w = context;
    int64_t begin, end;
    fig__share(w->rows, 1, part, parts, &begin, &end);
    fig__columns_gather(&w->s->v, w->x, w->row + begin, end - begin, (float *)(void *)w->workspace + begin * w->s->length);
}

static void own_part(void *context, int part, int parts)
{
    const columns_work *w = context;
    const columns_state *s = w->s;
    int64_t begin, end, m = s->v.outputs, n = s->length;
    fig__share(s->rows, 16, part, parts, &begin, &end);
    float *columns = (float *)(void *)(w->workspace + (s->columns + s->sums) * (size_t)part), *sums = part_sums(w, part);
    for (int64_t row = begin; row < end; row += s->block) {
        int64_t rows = end - row < s->block ? end - row : s->block;
        if (!s->direct)
            fig__columns_gather(&s->v, w->x, row, rows, columns);
        fig__gemm(true, false, m, n, rows, w->dy + row * m, m, s->direct ? w->x + row * n : columns, n, row > begin ? 1.0f : 0.0f,
                  sums, n);
    }
}

static void add_part(void *context, int part, int parts)
{
    const columns_work *w = context;
    int64_t begin, end;
    fig__share(w->s->v.outputs * w->s->length, 16, part, parts, &begin, &end);
    for (int other = 1; other < w->s->parts; other++) {
        const float *sums = part_sums(w, other);
        for (int64_t i = begin; i < end; i++)
            w->dw[i] += sums[i];
    }
}

static void columns_run(fig_eval *c)
{
    const columns_state *s = c->prepared;
    columns_work w = { s, FIG_F32_IN(c, 0), FIG_F32_IN(c, 1), FIG_F32_OUT(c, 0), c->workspace, 0, 0 };
    int64_t m = s->v.outputs, n = s->length;
    if (s->parts > 1) {
        fig__parallel(s->parts, own_part, &w);
        fig__parallel(fig__parts(m * n, c->run->threads), add_part, &w);
        return;
    }
    for (w.row = 0; w.row < s->rows; w.row += s->block) {
        w.rows = s->rows - w.row < s->block ? s->rows - w.row : s->block;
        if (!s->direct)
            fig__parallel(fig__parts(w.rows * n, c->run->threads), gather_part, &w);
        fig__gemm(true, false, m, n, w.rows, w.dy + w.row * m, m, s->direct ? w.x + w.row * n : c->workspace, n, w.row ? 1.0f : 0.0f,
                  w.dw, n);
    }
}

static void columns_release(void *prepared) { free(prepared); }

const fig_kernel fig_kernel_convolution_columns = {
    .name = "convolution_columns", .op = "convolution_weight_gradient", .accepts = columns_accepts,
    .competes = columns_competes, .prepare = columns_prepare,
    .release = columns_release, .run = columns_run,
};
