/* kernels/matmul_lines.c - products of one row with a matrix of lines, and of few rows where the lines are stored in bf16 or as int8
 *
 *     a (m, k) f32, b (n, k) transposed -> (m, n) f32
 *
 * Decoding reads every weight once a token, so it runs at the speed of memory and half or a quarter of the bytes is twice or four
 * times the speed. One row: lines are widened in registers. More rows: a few lines at a time are widened into a part's own piece of
 * workspace, which stays in its cache, and multiplied by all rows from there. Parts own ranges of lines, bias and activation
 * included. Sums are f32. */
#include "kernels/cast.h"
#include "kernels/fast.h"
#include "kernels/lines.h"
#include "kernels/parallel.h"
#include "kernels/product.h"

#include <stdlib.h>

enum { MOST_ROWS = 64, BLOCK = 8 }; /* beyond, arithmetic is what takes the time; lines widened at once, of 3072: 96 KB */
enum { PIECE = 256 << 10, MOST_PIECES = 32 }; /* bytes of a part, ten microseconds from memory; parts for each thread */

typedef struct lines_state {
    fig__product p;
    int parts;
} lines_state;

static bool lines_accepts(const fig_kernel_query *q)
{
    if (q->in[0].dtype != FIG_F32 || q->in[1].rank != 2 || q->out[0].dtype != FIG_F32 ||
        (q->n_in > 2 && q->in[2].dtype != FIG_F32) || fig_elements(&q->out[0]) < 1 || fig_elements(&q->in[0]) < 1)
        return false;
    fig__product p;
    fig__product_init(&p, q);
    fig__product_clear(&p);
    return p.batch == 1 && p.transpose_b && (!p.transpose_a || p.m == 1) && p.m <= (fig__narrow_dtype(q->in[1].dtype) ? MOST_ROWS : 1);
}

/* One row waits for memory, which does not serve all threads alike at every moment: more parts than threads, so that who is done sooner
 * takes more of them. */
static int parts_of(const fig__product *p, const fig_kernel_query *q)
{
    int parts = fig__parts(p->m * p->n * p->k / (p->m > 1 ? 4 : 2), q->threads);
    int64_t pieces = (int64_t)(fig__bytes(&q->in[1]) / PIECE);
    if (parts == 1 || p->m > 1 || pieces <= parts)
        return parts;
    return pieces < MOST_PIECES * parts ? (int)pieces : MOST_PIECES * parts;
}

static fig_status lines_prepare(const fig_kernel_query *q, void **prepared, size_t *workspace, fig_error *err)
{
    (void)err;
    lines_state *s = fig__alloc(sizeof *s);
    fig__product *p = &s->p;
    fig__product_init(p, q);
    s->parts = parts_of(p, q);
    *workspace = p->m > 1 ? sizeof(float) * (size_t)(BLOCK * p->k) * (size_t)s->parts : 0;
    *prepared = s;
    return FIG_OK;
}

static void lines_release(void *prepared)
{
    lines_state *s = prepared;
    if (s)
        fig__product_clear(&s->p);
    free(s);
}

/* Lines [begin, end), at most BLOCK, by all rows. */
static void all_rows(const fig_eval *c, const fig__product *p, int64_t begin, int64_t end, float *spare)
{
    const fig_tensor *b = &c->in[1];
    if (b->type.dtype == FIG_BF16)
        fig__fast_bf16_to_f32(spare, (const uint16_t *)b->data + begin * p->k, (end - begin) * p->k);
    for (int64_t line = begin; b->type.dtype == FIG_I8 && line < end; line++)
        fig__fast_int8_to_f32(spare + (line - begin) * p->k, (const int8_t *)b->data + line * p->k,
                              fig__int8_scales(&b->type, b->data)[line], p->k);
    for (int64_t i = 0; i < p->m; i += FIG__ROWS) {
        int rows = p->m - i < FIG__ROWS ? (int)(p->m - i) : FIG__ROWS;
        fig__fast_rows_dot(rows, end - begin, p->k, FIG_F32_IN(c, 0) + i * p->k, spare, p->k, FIG_F32_OUT(c, 0) + i * p->n + begin,
                           p->n, 1);
    }
}

static void lines_part(void *context, int part, int parts)
{
    const fig_eval *c = context;
    const lines_state *s = c->prepared;
    const fig__product *p = &s->p;
    const float *bias = fig__epilogue_bias(c, &p->after);
    int64_t begin, end;
    fig__share(p->n, 16, part, parts, &begin, &end);
    if (p->m == 1)
        fig__lines(&c->in[1], begin, end - begin, p->k, FIG_F32_IN(c, 0), FIG_F32_OUT(c, 0) + begin);
    else
        for (int64_t j = begin; j < end; j += BLOCK)
            all_rows(c, p, j, j + BLOCK < end ? j + BLOCK : end, (float *)c->workspace + part * BLOCK * p->k);
    if (bias || p->after.activation != FIG_LINEAR)
        for (int64_t i = 0; i < p->m && begin < end; i++)
            fig__fast_epilogue(FIG_F32_OUT(c, 0) + i * p->n + begin, 1, end - begin, bias ? bias + begin : NULL, &p->after);
}

static void lines_run(fig_eval *c)
{
    const lines_state *s = c->prepared;
    fig__parallel_in(c->run->team, s->parts, lines_part, c);
}

static fig__ahead lines_ahead(const fig_eval *c, int *of)
{
    const lines_state *s = c->prepared;
    *of = 1;
    return (fig__ahead){ c->in[1].data, fig__bytes(&c->in[1].type), s->p.m == 1 ? s->parts : 0 };
}

const fig_kernel fig_kernel_matmul_lines = {
    .name = "matmul_lines", .op = "matmul", .team = true, .bf16 = true, .int8 = true, .accepts = lines_accepts,
    .prepare = lines_prepare, .release = lines_release, .run = lines_run, .ahead = lines_ahead,
};

const fig_kernel fig_kernel_matmul_fused_lines = {
    .name = "matmul_lines", .op = "matmul_fused", .team = true, .bf16 = true, .int8 = true, .accepts = lines_accepts,
    .prepare = lines_prepare, .release = lines_release, .run = lines_run, .ahead = lines_ahead,
};
