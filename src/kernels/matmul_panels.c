/* kernels/matmul_panels.c - products of very many rows with a small matrix, each row read and written once; convolutions of size 1 to
 * which something is added likewise (ops/convolution_plus.c)
 *
 *     c (m, n) = a (m, k) b (k, n)      13 rows at a time by panels of 32 columns of b (kernels/panel.h)
 *
 * With some dozens of columns such a product does only ten operations or so a byte, so waiting for memory is what it can lose most by. b
 * is packed and stays in the caches; while rows are multiplied, the rows of a and the places of c that come next are asked for, a line
 * every few terms. Bias and activation, or what is added and the sums of columns, follow while the rows are in the first cache.
 *
 * GFLOP/s on two Zen 4 cores, operands in memory, here and the library's best way (32768 rows, k - n):
 *
 *     256-64  208 185      64-64  177 163      512-64  188 168      256-256  209 203      128-128  186 184      64-256  175 189 */
#include "kernels/conv.h"
#include "kernels/fast.h"
#include "kernels/panel.h"
#include "kernels/parallel.h"
#include "kernels/product.h"

#include <stdlib.h>
#include <string.h>

enum { PANEL = FIG__PANEL, ROWS = FIG__TILE_ROWS, LINE = 16, LEAST_ROWS = 8192, MOST_TERMS = 512, MOST_WEIGHTS = 1 << 16 };

typedef struct panels_state {
    fig__product p;
    int64_t panels;
    int parts;
    bool plus;
    size_t packed, sums; /* bytes: of b; of a part's sums of columns */
} panels_state;

static bool small_enough(const fig__product *p)
{
    return p->batch == 1 && !p->transpose_a && p->m >= 2 * ROWS && p->n >= LINE && p->k >= LINE && p->k <= MOST_TERMS &&
           p->k * p->n <= MOST_WEIGHTS;
}

static bool pays(const fig__product *p) { return p->m >= LEAST_ROWS && p->n % PANEL == 0 && p->k >= p->n; }

static bool read_product(const fig_kernel_query *q, fig__product *p)
{
    if (!fig__machine_get()->avx512 || !fig__product_f32(q))
        return false;
    fig__product_init(p, q);
    fig__product_clear(p);
    return small_enough(p);
}

static bool panels_compete(const fig_kernel_query *q)
{
    fig__product p;
    return read_product(q, &p);
}

static bool panels_accept(const fig_kernel_query *q)
{
    fig__product p;
    return read_product(q, &p) && pays(&p);
}

/* A convolution_plus of size 1 as a product. */
static bool read_plus(const fig_kernel_query *q, fig__product *p)
{
    fig__conv v;
    if (!fig__machine_get()->avx512 || !fig__conv_read(&v, q) || !fig__conv_is_pointwise(&v))
        return false;
    bool data = v.kind == FIG__CONV_DATA;
    *p = (fig__product){ .m = v.batch * v.in_places, .n = data ? v.channels : v.outputs, .k = data ? v.outputs : v.channels,
                         .batch = 1, .transpose_b = !data, .after = v.after_sum };
    return small_enough(p);
}

static bool plus_competes(const fig_kernel_query *q)
{
    fig__product p;
    return read_plus(q, &p);
}

static bool plus_accepts(const fig_kernel_query *q)
{
    fig__product p;
    return read_plus(q, &p) && pays(&p);
}

static fig_status prepare(panels_state *s, int threads, void **prepared, size_t *workspace)
{
    s->panels = (s->p.n + PANEL - 1) / PANEL;
    s->parts = fig__parts(s->p.m * s->p.n / 16 * s->p.k, threads);
    s->packed = sizeof(float) * (size_t)(s->p.k * s->panels * PANEL);
    s->sums = s->plus ? sizeof(float) * (size_t)(s->panels * PANEL) : 0;
    *workspace = s->packed + s->sums * (size_t)s->parts;
    *prepared = s;
    return FIG_OK;
}

static fig_status panels_prepare(const fig_kernel_query *q, void **prepared, size_t *workspace, fig_error *err)
{
    (void)err;
    panels_state *s = fig__alloc(sizeof(*s));
    read_product(q, &s->p);
    return prepare(s, q->threads, prepared, workspace);
}

static fig_status plus_prepare(const fig_kernel_query *q, void **prepared, size_t *workspace, fig_error *err)
{
    (void)err;
    panels_state *s = fig__alloc(sizeof(*s));
    read_plus(q, &s->p);
    s->plus = true;
    return prepare(s, q->threads, prepared, workspace);
}

static void panels_release(void *prepared) { free(prepared); }

typedef struct panels_work {
    const panels_state *s;
    const float *a, *b, *bias, *added;
    float *c, *packed;
} panels_work;

static float *sums_at(const panels_work *w, int part) { return w->packed + (w->s->packed + w->s->sums * (size_t)part) / sizeof(float); }

static int64_t columns_of(const fig__product *p, int64_t panel)
{
    int64_t rest = p->n - panel * PANEL;
    return rest < PANEL ? rest : PANEL;
}

static void pack_part(void *context, int part, int parts)
{
    const panels_work *w = context;
    const fig__product *p = &w->s->p;
    int64_t begin, end;
    fig__share(w->s->panels, 1, part, parts, &begin, &end);
    for (int64_t panel = begin; panel < end; panel++) {
        float *to = w->packed + panel * p->k * PANEL;
        if (p->transpose_b)
            fig__fast_panel_pack_transposed(p->k, columns_of(p, panel), w->b + panel * PANEL * p->k, p->k, to);
        else
            fig__fast_panel_pack(p->k, columns_of(p, panel), w->b + panel * PANEL, p->n, to);
    }
}

/* Rows [at, at + rows); meanwhile `more` rows behind them are asked for. */
static void multiply(const panels_work *w, int64_t at, int64_t rows, int64_t more, int part)
{
    const fig__product *p = &w->s->p;
    float edge[ROWS * PANEL], *c = w->c + at * p->n;
    int64_t next = at + rows;
    fig__run run[4] = { fig__run_of(w->a + next * p->k, more * p->k), fig__run_of(w->c + next * p->n, more * p->n) };
    if (w->added)
        run[2] = fig__run_of(w->added + next * p->n, more * p->n);
    fig__runs ask = fig__runs_begin(run, run[0].lines + run[1].lines + run[2].lines, w->s->panels * p->k);
    for (int64_t panel = 0; panel < w->s->panels; panel++) {
        int64_t columns = columns_of(p, panel);
        float *to = columns == PANEL ? c + panel * PANEL : edge;
        fig__fast_panel_ahead(rows, p->k, w->a + at * p->k, p->k, w->packed + panel * p->k * PANEL, to, to == edge ? PANEL : p->n, false,
                              &ask);
        for (int64_t i = 0; to == edge && i < rows; i++)
            memcpy(c + i * p->n + panel * PANEL, edge + i * PANEL, sizeof(float) * (size_t)columns);
    }
    float *y[ROWS];
    const float *added[ROWS];
    for (int64_t i = 0; w->added && i < rows; i++)
        y[i] = c + i * p->n, added[i] = w->added + (at + i) * p->n;
    if (w->added)
        fig__fast_plus(y, added, rows, p->n, w->bias, sums_at(w, part));
    else if (w->bias || p->after.activation != FIG_LINEAR)
        fig__fast_epilogue(c, rows, p->n, w->bias, &p->after);
}

static void multiply_part(void *context, int part, int parts)
{
    const panels_work *w = context;
    int64_t at, end;
    fig__share(w->s->p.m, 1, part, parts, &at, &end);
    memset(sums_at(w, part), 0, w->s->sums);
    for (int64_t rows; at < end; at += rows) {
        rows = end - at < ROWS ? end - at : ROWS;
        int64_t rest = end - at - rows;
        multiply(w, at, rows, rest < ROWS ? rest : ROWS, part);
    }
}

static void panels_run(fig_eval *c)
{
    const panels_state *s = c->prepared;
    int bias = s->plus ? 3 : 2;
    panels_work w = { .s = s, .a = FIG_F32_IN(c, 0), .b = FIG_F32_IN(c, 1), .c = FIG_F32_OUT(c, 0), .packed = c->workspace };
    w.bias = s->p.after.bias ? FIG_F32_IN(c, bias) : NULL;
    w.added = s->plus ? FIG_F32_IN(c, 2) : NULL;
    fig__parallel(fig__parts(s->p.k * s->p.n, c->run->threads), pack_part, &w);
    fig__parallel(s->parts, multiply_part, &w);
    for (int part = 0; s->plus && part < s->parts; part++)
        for (int64_t j = 0; j < s->p.n; j++)
            FIG_F32_OUT(c, 1)[j] = (part ? FIG_F32_OUT(c, 1)[j] : 0) + sums_at(&w, part)[j];
}

const fig_kernel fig_kernel_matmul_panels = {
    .name = "matmul_panels", .op = "matmul", .accepts = panels_accept, .competes = panels_compete,
    .prepare = panels_prepare, .release = panels_release, .run = panels_run,
};
const fig_kernel fig_kernel_matmul_fused_panels = {
    .name = "matmul_panels", .op = "matmul_fused", .accepts = panels_accept, .competes = panels_compete,
    .prepare = panels_prepare, .release = panels_release, .run = panels_run,
};
const fig_kernel fig_kernel_convolution_plus_panels = {
    .name = "matmul_panels", .op = "convolution_plus", .accepts = plus_accepts, .competes = plus_competes, .prepare = plus_prepare,
    .release = panels_release, .run = panels_run,
};
