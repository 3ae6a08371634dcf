/* kernels/matmul_panels.c - products of very many rows with a small matrix, each row read and written once
 *
 *     c (m, n) = a (m, k) b (k, n)      13 rows at a time by panels of 32 columns of b (kernels/panel.h)
 *
 * With some dozens of columns such a product does only ten operations or so a byte, so waiting for memory is what it can lose most by. b
 * is packed and stays in the caches; while rows are multiplied, the rows of a and the places of c that come next are asked for, a line every
 * few terms. Bias and activation follow while the rows are in the first cache.
 *
 * GFLOP/s on two Zen 4 cores, operands in memory, here and the library's best way (32768 rows, k - n):
 *
 *     256-64  208 185      64-64  177 163      512-64  188 168      256-256  209 203      128-128  186 184      64-256  175 189 */
#include "kernels/fast.h"
#include "kernels/panel.h"
#include "kernels/parallel.h"
#include "kernels/product.h"

#include <stdlib.h>
#include <string.h>

enum { PANEL = FIG__PANEL, ROWS = FIG__TILE_ROWS, LINE = 16, LEAST_ROWS = 8192, MOST_TERMS = 512, MOST_WEIGHTS = 1 << 16,
       MOST_LINES = ROWS * (MOST_TERMS + PANEL) / LINE + 2 };

typedef struct panels_state {
    fig__product p;
    int64_t panels;
    int parts;
} panels_state;

static bool can_multiply(const fig_kernel_query *q, fig__product *p)
{
    if (!fig__machine_get()->avx512 || !fig__product_f32(q))
        return false;
    fig__product_init(p, q);
    fig__product_clear(p);
    return p->batch == 1 && !p->transpose_a && p->m >= 2 * ROWS && p->n >= LINE && p->k >= LINE && p->k <= MOST_TERMS &&
           p->k * p->n <= MOST_WEIGHTS;
}

static bool panels_compete(const fig_kernel_query *q)
{
    fig__product p;
    return can_multiply(q, &p);
}

static bool panels_accept(const fig_kernel_query *q)
{
    fig__product p;
    return can_multiply(q, &p) && p.m >= LEAST_ROWS && p.n % PANEL == 0 && p.k >= p.n;
}

static fig_status panels_prepare(const fig_kernel_query *q, void **prepared, size_t *workspace, fig_error *err)
{
    (void)err;
    panels_state *s = fig__alloc(sizeof(*s));
    fig__product_init(&s->p, q);
    s->panels = (s->p.n + PANEL - 1) / PANEL;
    s->parts = fig__parts(s->p.m * s->p.n / 16 * s->p.k, q->threads);
    *workspace = sizeof(float) * (size_t)(s->p.k * s->panels * PANEL);
    *prepared = s;
    return FIG_OK;
}

static void panels_release(void *prepared)
{
    panels_state *s = prepared;
    if (s)
        fig__product_clear(&s->p);
    free(s);
}

typedef struct panels_work {
    const panels_state *s;
    const float *a, *b, *bias;
    float *c, *packed;
} panels_work;

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
static void multiply(const panels_work *w, int64_t at, int64_t rows, int64_t more)
{
    const fig__product *p = &w->s->p;
    const char *lines[MOST_LINES];
    float edge[ROWS * PANEL], *c = w->c + at * p->n;
    int64_t next = at + rows;
    for (int64_t panel = 0; panel < w->s->panels; panel++) {
        int64_t columns = columns_of(p, panel);
        int64_t count = fig__lines_append(lines, 0, w->a + next * p->k, more * p->k, panel, panel + 1, w->s->panels);
        count = fig__lines_append(lines, count, w->c + next * p->n, more * p->n, panel, panel + 1, w->s->panels);
        float *to = columns == PANEL ? c + panel * PANEL : edge;
        fig__fast_panel_asking(rows, p->k, w->a + at * p->k, p->k, w->packed + panel * p->k * PANEL, to, to == edge ? PANEL : p->n, false,
                               (fig__lines){ lines, count });
        for (int64_t i = 0; to == edge && i < rows; i++)
            memcpy(c + i * p->n + panel * PANEL, edge + i * PANEL, sizeof(float) * (size_t)columns);
    }
    if (w->bias || p->after.activation != FIG_LINEAR)
        fig__fast_epilogue(c, rows, p->n, w->bias, &p->after);
}

static void multiply_part(void *context, int part, int parts)
{
    const panels_work *w = context;
    int64_t at, end;
    fig__share(w->s->p.m, 1, part, parts, &at, &end);
    for (int64_t rows; at < end; at += rows) {
        rows = end - at < ROWS ? end - at : ROWS;
        int64_t rest = end - at - rows;
        multiply(w, at, rows, rest < ROWS ? rest : ROWS);
    }
}

static void panels_run(fig_eval *c)
{
    const panels_state *s = c->prepared;
    panels_work w = { s, FIG_F32_IN(c, 0), FIG_F32_IN(c, 1), fig__epilogue_bias(c, &s->p.after), FIG_F32_OUT(c, 0), c->workspace };
    fig__parallel(fig__parts(s->p.k * s->p.n, c->run->threads), pack_part, &w);
    fig__parallel(s->parts, multiply_part, &w);
}

const fig_kernel fig_kernel_matmul_panels = {
    .name = "matmul_panels", .op = "matmul", .accepts = panels_accept, .competes = panels_compete,
    .prepare = panels_prepare, .release = panels_release, .run = panels_run,
};
const fig_kernel fig_kernel_matmul_fused_panels = {
    .name = "matmul_panels", .op = "matmul_fused", .accepts = panels_accept, .competes = panels_compete,
    .prepare = panels_prepare, .release = panels_release, .run = panels_run,
};
