/* kernels/gate_products.c - a gate's gradient of a sum of products, with the sums of its columns (ops/gate_products.c)
 *
 * 13 rows at a time: products by packed panels (kernels/panel.h) add up in the first cache, the gate's gradient follows from there. While
 * rows are multiplied, those that come next are asked for: of all gradients, the trace and the result. */
#include "kernels/fast.h"
#include "kernels/kernel.h"
#include "kernels/panel.h"
#include "kernels/parallel.h"

#include <stdlib.h>
#include <string.h>

enum { PANEL = FIG__PANEL, ROWS = FIG__TILE_ROWS, MOST_ASKED = 8 }; /* gradients that are asked for; all are read */

typedef struct products_state {
    int count, parts; /* pairs of gradient and weight */
    int64_t places, channels, panels, length; /* length: terms of all products */
    size_t packed, own, part;                 /* bytes: of all weights; of a part: sums, then rows of what the gate's gradient reads */
} products_state;

static bool products_accept(const fig_kernel_query *q)
{
    for (int i = 0; i < q->n_in; i++)
        if (q->in[i].dtype != FIG_F32)
            return false;
    return fig_elements(&q->out[0]) > 0;
}

static fig_status products_prepare(const fig_kernel_query *q, void **prepared, size_t *workspace, fig_error *err)
{
    (void)err;
    products_state *s = fig__alloc(sizeof *s);
    s->count = (q->n_in - 1) / 2;
    s->channels = fig_elements(&q->out[1]) / 2;
    s->places = fig_elements(&q->out[0]) / (2 * s->channels);
    s->panels = (s->channels + PANEL - 1) / PANEL;
    for (int i = 0; i < s->count; i++)
        s->length += q->in[2 + 2 * i].dim[0];
    s->parts = fig__parts(s->places * s->channels / 16 * (s->length + 16), q->threads);
    s->packed = sizeof(float) * (size_t)(s->length * s->panels * PANEL);
    s->own = (sizeof(float) * (size_t)(2 * s->channels) + 63) / 64 * 64;
    s->part = s->own + sizeof(float) * (size_t)(ROWS * s->panels * PANEL);
    *workspace = s->packed + s->part * (size_t)s->parts;
    *prepared = s;
    return FIG_OK;
}

static void products_release(void *prepared) { free(prepared); }

typedef struct products_work {
    const products_state *s;
    const fig_eval *c;
} products_work;

static int64_t terms(const products_work *w, int i) { return w->c->in[2 + 2 * i].type.dim[0]; }
static float *packed_at(const products_work *w, int64_t term, int64_t length, int64_t panel)
{
    return (float *)w->c->workspace + (term * w->s->panels + length * panel) * PANEL;
}
static float *sums_at(const products_work *w, int part)
{
    return (float *)(void *)((char *)w->c->workspace + w->s->packed + w->s->part * (size_t)part);
}

static void pack_part(void *context, int part, int parts)
{
    const products_work *w = context;
    int64_t begin, end, term = 0, channels = w->s->channels;
    fig__share(w->s->panels, 1, part, parts, &begin, &end);
    for (int i = 0; i < w->s->count; term += terms(w, i++))
        for (int64_t panel = begin; panel < end; panel++) {
            int64_t first = panel * PANEL, columns = channels - first < PANEL ? channels - first : PANEL;
            fig__fast_panel_pack(terms(w, i), columns, FIG_F32_IN(w->c, 2 + 2 * i) + first, channels,
                                 packed_at(w, term, terms(w, i), panel));
        }
}

/* Rows [at, at + rows); meanwhile `more` rows behind them are asked for. */
static void multiply(const products_work *w, int64_t at, int64_t rows, int64_t more, float *d)
{
    const products_state *s = w->s;
    fig__run run[MOST_ASKED + 3] = { { 0 } };
    int64_t wide = s->panels * PANEL, both = 2 * s->channels, next = at + rows, term = 0, lines = 0;
    int asked = s->count < MOST_ASKED ? s->count : MOST_ASKED;
    for (int i = 0; i < asked; i++)
        run[i] = fig__run_of(FIG_F32_IN(w->c, 1 + 2 * i) + next * terms(w, i), more * terms(w, i));
    run[asked] = fig__run_of(FIG_F32_IN(w->c, 0) + next * both, more * both);
    run[asked + 1] = fig__run_of(FIG_F32_OUT(w->c, 0) + next * both, more * both);
    for (int i = 0; i < asked + 2; i++)
        lines += run[i].lines;
    fig__runs ask = fig__runs_begin(run, lines, s->length * s->panels);
    for (int i = 0; i < s->count; term += terms(w, i++))
        for (int64_t panel = 0; panel < s->panels; panel++)
            fig__fast_panel_ahead(rows, terms(w, i), FIG_F32_IN(w->c, 1 + 2 * i) + at * terms(w, i), terms(w, i),
                                  packed_at(w, term, terms(w, i), panel), d + panel * PANEL, wide, i > 0, &ask);
}

static void products_part(void *context, int part, int parts)
{
    const products_work *w = context;
    const products_state *s = w->s;
    float *sums = sums_at(w, part), *d = sums + s->own / sizeof *sums;
    int64_t at, end, wide = 2 * s->channels;
    memset(sums, 0, s->own);
    fig__share(s->places, 1, part, parts, &at, &end);
    for (int64_t rows; at < end; at += rows) {
        rows = end - at < ROWS ? end - at : ROWS;
        int64_t rest = end - at - rows;
        multiply(w, at, rows, rest < ROWS ? rest : ROWS, d);
        fig__fast_gate_gradient_sums(FIG_F32_IN(w->c, 0) + at * wide, d, s->panels * PANEL, FIG_F32_OUT(w->c, 0) + at * wide, sums,
                                     rows, s->channels);
    }
}

static void products_run(fig_eval *c)
{
    const products_state *s = c->prepared;
    products_work w = { s, c };
    float *total = FIG_F32_OUT(c, 1);
    fig__parallel(fig__parts(s->length * s->panels * PANEL, c->run->threads), pack_part, &w);
    fig__parallel(s->parts, products_part, &w);
    memcpy(total, sums_at(&w, 0), sizeof *total * (size_t)(2 * s->channels));
    for (int part = 1; part < s->parts; part++)
        for (int64_t j = 0; j < 2 * s->channels; j++)
            total[j] += sums_at(&w, part)[j];
}

const fig_kernel fig_kernel_gate_products = {
    .name = "gate_products", .op = "gate_products", .accepts = products_accept, .prepare = products_prepare,
    .release = products_release, .run = products_run, .inplace = 1,
};
