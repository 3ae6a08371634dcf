/* kernels/matmul_rows.c - products where one side has at most four rows: bound by reading the other side once
 *
 * Such a product is written as c' = s g, with s the small side (at most four lines of length k) and g the big one. When g is
 * stored with k running fastest, each result is a dot product of two straight lines; otherwise lines of g are added up.
 * The small side is copied first when it is not stored line by line. Parts own ranges of the big side's lines.
 *
 * GB/s of big operand read, two Zen 4 cores, 768 x 3072 in the caches: one line, straight 163 against 54 of oneDNN's product;
 * not straight 128 against 100. Four lines: straight 69 against 39; not straight 54 against 87, so those are left to oneDNN,
 * unless the small side is stored transposed (54 against 21). */
#include "kernels/fast.h"
#include "kernels/parallel.h"
#include "kernels/product.h"

#include <stdlib.h>

typedef struct rows_state {
    fig__product p;
    bool swapped;      /* the small side is b */
    int lines;         /* of the small side */
    int64_t big;       /* lines of the big side */
    bool straight;     /* the big side's lines run along k */
    bool copy;         /* the small side must be copied into lines */
} rows_state;

static bool rows_accepts(const fig_kernel_query *q)
{
    if (!fig__product_f32(q))
        return false;
    fig__product p;
    fig__product_init(&p, q);
    fig__product_clear(&p);
    bool swapped = p.n < p.m;
    int64_t lines = swapped ? p.n : p.m;
    bool straight = swapped ? !p.transpose_a : p.transpose_b, copy = swapped ? !p.transpose_b : p.transpose_a;
    return lines <= FIG__ROWS && (straight || copy || lines == 1);
}

static fig_status rows_prepare(const fig_kernel_query *q, void **prepared, size_t *workspace, fig_error *err)
{
    (void)err;
    rows_state *s = fig__alloc(sizeof(*s));
    fig__product *p = &s->p;
    fig__product_init(p, q);
    s->swapped = p->n < p->m;
    s->lines = (int)(s->swapped ? p->n : p->m);
    s->big = s->swapped ? p->m : p->n;
    s->straight = s->swapped ? !p->transpose_a : p->transpose_b;
    s->copy = s->lines > 1 && (s->swapped ? !p->transpose_b : p->transpose_a);
    *workspace = s->copy ? sizeof(float) * (size_t)(p->batch * s->lines * p->k) : 0;
    *prepared = s;
    return FIG_OK;
}

static void rows_release(void *prepared)
{
    rows_state *s = prepared;
    if (s)
        fig__product_clear(&s->p);
    free(s);
}

typedef struct rows_work {
    const rows_state *s;
    const float *small, *big;
    float *c;
} rows_work;

/* Lines [begin, end) of the big side of matrix i. */
static void rows_range(const rows_work *w, int64_t i, int64_t begin, int64_t end)
{
    const rows_state *s = w->s;
    const fig__product *p = &s->p;
    const float *small = w->small + (s->copy ? i * s->lines * p->k : s->swapped ? p->b_at[i] : p->a_at[i]);
    const float *big = w->big + (s->swapped ? p->a_at[i] : p->b_at[i]);
    int64_t c_row = s->swapped ? 1 : p->n, c_column = s->swapped ? p->n : 1;
    float *c = w->c + i * p->m * p->n;
    if (s->straight) {
        fig__fast_rows_dot(s->lines, end - begin, p->k, small, big + begin * p->k, p->k, c + begin * c_column, c_row, c_column);
        return;
    }
    for (int64_t j = begin; j < end; j += FIG__ROWS_WIDTH) {
        int64_t width = end - j < FIG__ROWS_WIDTH ? end - j : FIG__ROWS_WIDTH;
        fig__fast_rows_axpy(s->lines, width, p->k, small, big + j, s->big, c + j * c_column, c_row, c_column);
    }
}

static void rows_part(void *context, int part, int parts)
{
    const rows_work *w = context;
    int64_t begin, end, big = w->s->big;
    fig__share(w->s->p.batch * big, 16, part, parts, &begin, &end);
    while (begin < end) {
        int64_t i = begin / big, stop = (i + 1) * big < end ? (i + 1) * big : end;
        rows_range(w, i, begin - i * big, stop - i * big);
        begin = stop;
    }
}

static void copy_small(const rows_state *s, const float *from, float *to)
{
    const fig__product *p = &s->p;
    const int64_t *at = s->swapped ? p->b_at : p->a_at;
    for (int64_t i = 0; i < p->batch; i++)
        for (int line = 0; line < s->lines; line++)
            for (int64_t j = 0; j < p->k; j++)
                *to++ = from[at[i] + j * s->lines + line];
}

static void rows_run(fig_eval *c)
{
    const rows_state *s = c->prepared;
    const fig__product *p = &s->p;
    rows_work work = { s, FIG_F32_IN(c, s->swapped ? 1 : 0), FIG_F32_IN(c, s->swapped ? 0 : 1), FIG_F32_OUT(c, 0) };
    if (s->copy) {
        copy_small(s, work.small, c->workspace);
        work.small = c->workspace;
    }
    fig__parallel_in(c->run->team, fig__parts(p->batch * s->big * p->k / 4, c->run->threads), rows_part, &work);
    fig__epilogue(work.c, p->batch * p->m, p->n, fig__epilogue_bias(c, &p->after), &p->after, c->run);
}

const fig_kernel fig_kernel_matmul_rows = {
    .name = "matmul_rows", .op = "matmul", .team = true, .accepts = rows_accepts, .prepare = rows_prepare, .release = rows_release,
    .run = rows_run,
};

const fig_kernel fig_kernel_matmul_fused_rows = {
    .name = "matmul_rows", .op = "matmul_fused", .team = true, .accepts = rows_accepts, .prepare = rows_prepare,
    .release = rows_release,
    .run = rows_run,
};
