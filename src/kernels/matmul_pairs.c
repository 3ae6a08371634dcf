/* kernels/matmul_pairs.c - bf16 products of large matrices by pairs (pair_product.h): a challenger of the library's
 *
 *     c (m, n) = a (m, k) b (k, n)      a block of c's rows x a panel of 64 columns at a time
 *
 * b is laid out first, panel by panel: (pairs of k, 64) in one straight run, by all parts. Then parts own blocks of rows. An a whose
 * rows run along k is read as it lies; one that is stored transposed (weight gradients) has its rows joined, block by block of
 * DEEP pairs, which stay in the second cache. Results that are stored in bf16 pass through a block of f32 that does so, too. */
#include "kernels/cast.h"
#include "kernels/fast.h"
#include "kernels/move.h"
#include "kernels/pair_product.h"
#include "kernels/parallel.h"
#include "kernels/product.h"

#include <stdlib.h>
#include <string.h>

enum { WIDE = 64, DEEP = 256, MOST_ROWS = 192, LONGEST = 2048 }; /* columns of a panel, pairs, rows of a block, pairs in one go */

typedef struct pairs_state {
    fig__product p;
    int64_t pairs, panels, rows, blocks, deep; /* of k; of b; of a block; blocks of rows; pairs of a block */
    bool join_a, join_b;                       /* stored so that k runs across rows */
    bool direct;                               /* f32 results without epilogue are written where they belong */
    int parts;
    size_t panel, own, part_bytes;             /* bytes of a panel; offsets in the workspace: parts' memory; of one part */
    size_t results;                            /* within a part: the f32 block, behind the joined a */
} pairs_state;

static bool pairs_compete(const fig_kernel_query *q)
{
    if (!fig__pairs_available() || !fig__product_bf16(q))
        return false;
    fig__product p;
    fig__product_init(&p, q);
    fig__product_clear(&p);
    bool lies = (p.transpose_a || p.k % 2 == 0) && (!p.transpose_b || p.k % 2 == 0);
    bool long_sum = (p.k + 1) / 2 > LONGEST || p.transpose_a;
    return p.batch == 1 && lies && p.m >= 16 && p.n >= 16 && p.k >= 16 && !(p.narrow_out && long_sum && (p.k + 1) / 2 > DEEP) &&
           !(long_sum && (p.after.bias || p.after.activation != FIG_LINEAR));
}

static bool pairs_accept(const fig_kernel_query *q)
{
    (void)q;
    return false;
}

static fig_status pairs_prepare(const fig_kernel_query *q, void **prepared, size_t *workspace, fig_error *err)
{
    (void)err;
    pairs_state *s = fig__alloc(sizeof(*s));
    fig__product *p = &s->p;
    fig__product_init(p, q);
    s->pairs = (p->k + 1) / 2;
    s->panels = (p->n + WIDE - 1) / WIDE;
    s->join_a = p->transpose_a;
    s->join_b = !p->transpose_b;
    s->deep = s->join_a || s->pairs > LONGEST ? DEEP : s->pairs;
    s->direct = !p->narrow_out && !p->after.bias && p->after.activation == FIG_LINEAR;
    int64_t each = (p->m + q->threads - 1) / q->threads;
    s->blocks = (each + MOST_ROWS - 1) / MOST_ROWS;
    s->rows = ((each + s->blocks - 1) / s->blocks + 5) / 6 * 6;
    s->blocks = (p->m + s->rows - 1) / s->rows;
    s->parts = fig__parts(p->m * p->n * p->k / 16, q->threads);
    s->panel = sizeof(uint32_t) * (size_t)(s->pairs * WIDE);
    s->own = s->panel * (size_t)s->panels;
    s->results = s->join_a ? sizeof(uint32_t) * (size_t)(s->deep * s->rows + 15) / 16 * 16 : 0;
    s->part_bytes = (s->results + (s->direct ? 0 : sizeof(float) * (size_t)(s->rows * WIDE)) + 63) / 64 * 64;
    *workspace = s->own + s->part_bytes * (size_t)s->parts;
    *prepared = s;
    return FIG_OK;
}

static void pairs_release(void *prepared)
{
    pairs_state *s = prepared;
    if (s)
        fig__product_clear(&s->p);
    free(s);
}

static uint32_t *panel_of(const pairs_state *s, const fig_eval *c, int64_t panel)
{
    return (uint32_t *)(void *)((char *)c->workspace + s->panel * (size_t)panel);
}

static void lay_panel(const pairs_state *s, const fig_eval *c, int64_t panel)
{
    const fig__product *p = &s->p;
    const uint16_t *b = c->in[1].data;
    uint32_t *to = panel_of(s, c, panel);
    int64_t column = panel * WIDE, width = p->n - column < WIDE ? p->n - column : WIDE;
    if (!s->join_b) {
        fig__fast_transpose_4(to, WIDE, (const uint32_t *)(const void *)(b + column * p->k), p->k / 2, s->pairs, width);
        return;
    }
    for (int64_t l = 0; l < s->pairs; l++)
        fig__fast_pair_rows(to + l * WIDE, b + 2 * l * p->n + column, 2 * l + 1 < p->k ? b + (2 * l + 1) * p->n + column : NULL, width);
}

static void lay_part(void *context, int part, int parts)
{
    const fig_eval *c = context;
    const pairs_state *s = c->prepared;
    int64_t begin, end;
    fig__share(s->panels, 1, part, parts, &begin, &end);
    for (int64_t panel = begin; panel < end; panel++)
        lay_panel(s, c, panel);
}

/* One panel's columns of a block of rows, pairs [l, l + deep). */
static void multiply(const pairs_state *s, const fig_eval *c, char *memory, int64_t panel, int64_t row, int64_t rows, int64_t l,
int64_t deep)
{
    const fig__product *p = &s->p;
    int64_t column = panel * WIDE, width = p->n - column < WIDE ? p->n - column : WIDE;
    const uint32_t *b = panel_of(s, c, panel) + l * WIDE, *a = (const uint32_t *)(void *)memory;
    int64_t a_row = 1, a_column = rows;
    if (!s->join_a) {
        a = (const uint32_t *)(const void *)((const uint16_t *)c->in[0].data + row * p->k) + l;
        a_row = p->k / 2, a_column = 1;
    }
    if (s->direct) {
        fig__fast_pair_product(rows, width, deep, a, a_row, a_column, b, WIDE, l > 0, FIG_F32_OUT(c, 0) + row * p->n + column, p->n);
        return;
    }
    float *sums = (float *)(void *)(memory + s->results);
    fig__fast_pair_product(rows, width, deep, a, a_row, a_column, b, WIDE, false, sums, width);
    const float *bias = fig__epilogue_bias(c, &p->after);
    if (bias || p->after.activation != FIG_LINEAR)
        fig__fast_epilogue(sums, rows, width, bias ? bias + column : NULL, &p->after);
    for (int64_t i = 0; i < rows; i++) {
        int64_t at = (row + i) * p->n + column;
        if (p->narrow_out)
            fig__fast_f32_to_bf16((uint16_t *)c->out[0].data + at, sums + i * width, width);
        else
            memcpy(FIG_F32_OUT(c, 0) + at, sums + i * width, sizeof(float) * (size_t)width);
    }
}

static void join_rows(const pairs_state *s, const fig_eval *c, uint32_t *to, int64_t row, int64_t rows, int64_t l, int64_t deep)
{
    const fig__product *p = &s->p;
    const uint16_t *a = (const uint16_t *)c->in[0].data + row;
    for (int64_t i = l; i < l + deep; i++, to += rows)
        fig__fast_pair_rows(to, a + 2 * i * p->m, 2 * i + 1 < p->k ? a + (2 * i + 1) * p->m : NULL, rows);
}

static void block_part(void *context, int part, int parts)
{
    const fig_eval *c = context;
    const pairs_state *s = c->prepared;
    char *memory = (char *)c->workspace + s->own + s->part_bytes * (size_t)part;
    int64_t begin, end;
    fig__share(s->blocks, 1, part, parts, &begin, &end);
    for (int64_t block = begin; block < end; block++) {
        int64_t row = block * s->rows, rows = s->p.m - row < s->rows ? s->p.m - row : s->rows;
        for (int64_t l = 0; l < s->pairs; l += s->deep) {
            int64_t deep = s->pairs - l < s->deep ? s->pairs - l : s->deep;
            if (s->join_a)
                join_rows(s, c, (uint32_t *)(void *)memory, row, rows, l, deep);
            for (int64_t panel = 0; panel < s->panels; panel++)
                multiply(s, c, memory, panel, row, rows, l, deep);
        }
    }
}

static void pairs_run(fig_eval *c)
{
    const pairs_state *s = c->prepared;
    fig__parallel(s->parts, lay_part, c);
    fig__parallel(s->parts, block_part, c);
}

const fig_kernel fig_kernel_matmul_pairs = {
    .name = "matmul_pairs", .op = "matmul", .bf16 = true, .accepts = pairs_accept, .competes = pairs_compete, .prepare = pairs_prepare,
    .release = pairs_release, .run = pairs_run,
};
const fig_kernel fig_kernel_matmul_fused_pairs = {
    .name = "matmul_pairs", .op = "matmul_fused", .bf16 = true, .accepts = pairs_accept, .competes = pairs_compete,
    .prepare = pairs_prepare, .release = pairs_release, .run = pairs_run,
};
