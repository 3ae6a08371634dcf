/* kernels/convolution_triples.c - convolutions of two taps along one axis, stride 1: three results by four products (kernels/triples.h)
 *
 *     y[t] = u x[t + first] + w x[t + first + dilation]
 *
 * Results t, t + dilation, t + 2 dilation read four places, one dilation apart: a window. As sums they take six products of a row with
 * a weight, here four, and the sums around them are few beside products of some dozens of channels. The data gradient is the same of
 * dy with the taps changing places; the weight gradient
 *
 *     du = sum over windows of  d0 v0' + (d1 v1' + d2 v2')/2        dw = ... d3 v3' + (d1 v1' - d2 v2')/2
 *
 * has four outer products instead of six. Windows of a sequence are numbered along it: number i stands at t = 3 dilation (i / dilation)
 * + i % dilation, so a run of windows reads and writes some straight runs of rows. The last ones have two results, or one.
 *
 * Parts own windows, six at a time: transformed, then multiplied by all packed weights. Sums stay in registers until they are
 * results, and while they are made the next windows and the places of results are asked for. The weight gradient transforms some
 * hundred windows and their dy, which stay in the second cache, and asks for the next ones likewise; sums are a part's own, added in
 * order. AVX-512 only: elsewhere the kernels by single taps are better.
 *
 * ms on one core, 64-128, 4 x 8192 steps, dilations 1 and 512, others at work beside (forward, data, weight gradient):
 *
 *     here                               8.6 8.8    8.6 8.3    7.7 8.1
 *     by blocks with results put         11.2 10.0  11.3 9.7   10.4 8.9
 *       together behind the products
 *     single taps, least of two kernels  14.7 12.1  12.6 12.5  11.5 12.0 */
#include "kernels/conv.h"
#include "kernels/fast.h"
#include "kernels/panel.h"
#include "kernels/parallel.h"
#include "kernels/triples.h"

#include <stdlib.h>
#include <string.h>

enum {
    PLANES = FIG__TRIPLES_PLANES,
    LEAST_CHANNELS = 32,        /* with fewer the transforms weigh too much, or panels stay empty */
    LEAST_STEPS = 512,          /* to pay for transforming the weights */
    MOST_WEIGHT_FLOATS = 1 << 17,
    BLOCK_FLOATS = 1 << 17,     /* of a part's windows and results: half of a second cache of 1 MiB */
    EDGE = 3 * FIG__TRIPLES_ROWS * FIG__PANEL,
    APART = 16,                 /* planes do not lie a power of two apart, or all would share a few sets of the caches */
};

typedef struct triples_state {
    fig__conv v;
    int64_t from, to;             /* channels read and made; of the weight gradient: of x and of dy */
    int64_t from_steps, to_steps; /* lengths of the sequences read and made (of the weight gradient: of x and of dy) */
    int64_t first, dilation;      /* a window at t reads t + first and on */
    int64_t windows;              /* of a sequence */
    int64_t triple, pair;         /* windows below `triple` have three results, below `pair` two, the others one */
    int64_t panels, wide;         /* of `to` (weight gradient: of `from`); channels of all panels */
    int64_t block;                /* windows at once */
    int64_t weights_plane, windows_plane, results_plane; /* floats */
    int parts;
    size_t weights, part;         /* bytes: packed weights; then of each part: sums (weight gradient), windows, results (or what
                                     tiles need beside), zeros */
    size_t sums, windows_bytes, results_bytes, zeros;
} triples_state;

static bool read_triples(fig__conv *v, const fig_kernel_query *q)
{
    return fig__machine_get()->avx512 && fig__conv_read(v, q) && v->spatial == 1 && v->kernel[2] == 2 && v->stride[2] == 1 &&
           v->groups == 1;
}

static bool triples_competes(const fig_kernel_query *q)
{
    fig__conv v;
    return read_triples(&v, q) && v.channels >= 8 && v.outputs >= 8;
}

static bool triples_accepts(const fig_kernel_query *q)
{
    fig__conv v;
    return read_triples(&v, q) && v.channels >= LEAST_CHANNELS && v.outputs >= LEAST_CHANNELS &&
           v.channels * v.outputs <= MOST_WEIGHT_FLOATS && v.batch * v.out[2] >= LEAST_STEPS && v.dilation[2] * 4 <= v.out[2];
}

static size_t bytes_of(int64_t floats) { return (sizeof(float) * (size_t)floats + 63) / 64 * 64; }
static int64_t least_of(int64_t a, int64_t b) { return a < b ? a : b; }
static int64_t most_of(int64_t a, int64_t b) { return a > b ? a : b; }

/* Where windows stand: three dilations of results a group, the last group perhaps fewer. */
static void number_windows(triples_state *s)
{
    int64_t d = s->dilation, groups = s->to_steps / (3 * d), rest = s->to_steps - 3 * d * groups;
    s->triple = groups * d + most_of(0, rest - 2 * d);
    s->pair = groups * d + least_of(d, most_of(0, rest - d));
    s->windows = groups * d + least_of(d, rest);
}

static void lay_sums(triples_state *s)
{
    int64_t most = most_of(1, BLOCK_FLOATS / (PLANES * (s->wide + s->to)) / FIG__TILE_ROWS);
    s->block = least_of(most, 16) * FIG__TILE_ROWS;
    s->weights_plane = s->to * s->wide + APART;
    s->windows_plane = s->block * s->wide + APART;
    s->results_plane = s->block * s->to + APART;
    s->sums = bytes_of(PLANES * s->weights_plane);
    s->windows_bytes = bytes_of(PLANES * s->windows_plane);
    s->results_bytes = bytes_of(PLANES * s->results_plane);
}

static void lay_products(triples_state *s)
{
    s->block = FIG__TRIPLES_ROWS;
    s->weights_plane = s->from * FIG__PANEL + APART;
    s->windows_plane = s->from;
    s->weights = bytes_of(PLANES * s->panels * s->weights_plane);
    s->windows_bytes = bytes_of(PLANES * FIG__PANEL * s->from); /* where rows of one panel's weights are turned, too */
    s->results_bytes = bytes_of(EDGE + s->wide) + bytes_of(4 * s->from) + bytes_of(s->to); /* 2 from pointers; sums of columns */
}

static fig_status triples_prepare(const fig_kernel_query *q, void **prepared, size_t *workspace, fig_error *err)
{
    (void)err;
    triples_state *s = fig__alloc(sizeof(*s));
    read_triples(&s->v, q);
    const fig__conv *v = &s->v;
    bool data = v->kind == FIG__CONV_DATA, sums = v->kind == FIG__CONV_WEIGHT;
    s->dilation = v->dilation[2];
    s->from = data ? v->outputs : v->channels;
    s->to = data ? v->channels : v->outputs;
    s->from_steps = data ? v->out[2] : v->in[2];
    s->to_steps = data ? v->in[2] : v->out[2];
    s->first = data ? v->before[2] - s->dilation : -v->before[2];
    number_windows(s);
    s->panels = ((sums ? s->from : s->to) + FIG__PANEL - 1) / FIG__PANEL;
    s->wide = s->panels * FIG__PANEL;
    s->parts = (int)least_of(fig__parts((int64_t)(fig__conv_flops(v) / 16), q->threads), v->batch * s->windows);
    if (sums)
        lay_sums(s);
    else
        lay_products(s);
    s->zeros = bytes_of(most_of(s->from, s->to));
    s->part = s->sums + s->windows_bytes + s->results_bytes + s->zeros;
    *workspace = s->weights + s->part * (size_t)s->parts;
    *prepared = s;
    return FIG_OK;
}

static void triples_release(void *prepared) { free(prepared); }

typedef struct triples_work {
    const triples_state *s;
    const float *x, *w; /* windows' source; weights, or dy */
    const float *bias;
    float *y, *gated; /* gated: of convolution_gate, whose trace is y; else NULL */
    const float *added; /* of convolution_plus; else NULL */
    char *workspace;
} triples_work;

static float *sums_at(const triples_work *w, int part, int64_t plane)
{
    return (float *)(void *)(w->workspace + w->s->weights + w->s->part * (size_t)part) + plane * w->s->weights_plane;
}
static float *windows_at(const triples_work *w, int part)
{
    return (float *)(void *)((char *)sums_at(w, part, 0) + w->s->sums);
}
static float *results_at(const triples_work *w, int part)
{
    return (float *)(void *)((char *)windows_at(w, part) + w->s->windows_bytes);
}
static float *zeros_at(const triples_work *w, int part)
{
    return (float *)(void *)((char *)results_at(w, part) + w->s->results_bytes);
}

/* Sums of columns, behind what tiles need beside. */
static float *columns_at(const triples_work *w, int part)
{
    return (float *)(void *)((char *)zeros_at(w, part) - bytes_of(w->s->to));
}

/* Windows [first, first + count) of one sequence, each with so many results. */
typedef struct block {
    int64_t sequence, first, count;
    int results;
} block;

/* The block that begins at window `at` of all sequences', where `end` is the last one's end. Runs of equal windows are cut evenly. */
static block block_at(const triples_state *s, int64_t at, int64_t end)
{
    block b = { .sequence = at / s->windows, .first = at % s->windows, .results = 3 };
    int64_t last = s->triple;
    if (b.first >= s->pair)
        b.results = 1, last = s->windows;
    else if (b.first >= s->triple)
        b.results = 2, last = s->pair;
    int64_t run = least_of(last - b.first, end - at), blocks = (run + s->block - 1) / s->block;
    b.count = (run + blocks - 1) / blocks;
    return b;
}

static int64_t step_of(const triples_state *s, int64_t window)
{
    return window / s->dilation * 3 * s->dilation + window % s->dilation;
}

/* Rows t, t + dilation ... of a sequence; where it has none, zeros. */
static inline void rows_of(const float *sequence, int64_t steps, int64_t channels, int64_t t, int64_t dilation, int count,
                           const float *zeros, const float **row)
{
    for (int i = 0; i < count; i++, t += dilation)
        row[i] = t >= 0 && t < steps ? sequence + t * channels : zeros;
}

/* Planes that windows of so many results need. */
static bool plane_wanted(int plane, int results) { return results == 3 || (results == 2 ? plane < 3 : plane == 0 || plane == 3); }

/* -- forward and data gradient ---------------------------------------------------------------------------------------------- */

static float *panel_at(const triples_work *w, int64_t panel, int64_t plane)
{
    return (float *)(void *)w->workspace + (panel * PLANES + plane) * w->s->weights_plane;
}

/* Weights (O, 2, C). Forward: of one panel of outputs, transformed, then turned. Data gradient: a row of C becomes a row of a panel. */
static void pack_panel(const triples_work *w, int64_t panel, float *spare)
{
    const triples_state *s = w->s;
    int64_t first = panel * FIG__PANEL, columns = least_of(s->to - first, FIG__PANEL), plane = FIG__PANEL * s->from;
    if (s->v.kind == FIG__CONV_DATA) {
        for (int64_t o = 0; o < s->from; o++) {
            const float *taps = w->w + 2 * o * s->to + first;
            float *row = panel_at(w, panel, 0) + o * FIG__PANEL;
            fig__fast_triples_weights(taps + s->to, taps, columns, row, s->weights_plane);
            for (int p = 0; columns < FIG__PANEL && p < PLANES; p++)
                memset(row + p * s->weights_plane + columns, 0, sizeof(float) * (size_t)(FIG__PANEL - columns));
        }
        return;
    }
    for (int64_t o = 0; o < columns; o++) {
        const float *taps = w->w + 2 * (first + o) * s->from;
        fig__fast_triples_weights(taps, taps + s->from, s->from, spare + o * s->from, plane);
    }
    for (int64_t p = 0; p < PLANES; p++)
        fig__fast_panel_pack_transposed(s->from, columns, spare + p * plane, s->from, panel_at(w, panel, p));
}

static void pack_part(void *context, int part, int parts)
{
    const triples_work *w = context;
    int64_t begin, end;
    fig__share(w->s->panels, 1, part, parts, &begin, &end);
    for (int64_t panel = begin; panel < end; panel++)
        pack_panel(w, panel, windows_at(w, part));
}

/* A block of at most six windows: where its rows are. */
typedef struct places {
    int64_t count;
    int results;
    const float *source[FIG__TRIPLES_ROWS][4];
    float *made[FIG__TRIPLES_ROWS][3];
} places;

/* What a part works with while it walks its windows. */
typedef struct walk {
    const triples_work *w;
    float *v, *zeros, *beyond, *bias; /* beyond: a place for results that there are not */
    const float **ask;
    float *sums; /* of columns */
} walk;

static void find_places(const walk *k, const block *b, places *at)
{
    const triples_state *s = k->w->s;
    const float *sequence = k->w->x + b->sequence * s->from_steps * s->from;
    float *made = k->w->y + b->sequence * s->to_steps * s->to;
    at->count = b->count;
    at->results = b->results;
    for (int64_t i = 0; i < b->count; i++) {
        int64_t t = step_of(s, b->first + i);
        rows_of(sequence, s->from_steps, s->from, t + s->first, s->dilation, 4, k->zeros, at->source[i]);
        for (int64_t r = 0; r < b->results; r++)
            at->made[i][r] = made + (t + r * s->dilation) * s->to;
    }
}

/* Lines of memory to ask for beside a tile's products: where its results go, and a share of what the next windows read. */
static void list_lines(const walk *k, const fig__triples_tile *t, const places *at, const places *next, int64_t panel)
{
    const triples_state *s = k->w->s;
    const float **ask = k->ask, **end = ask + 2 * s->from;
    for (int64_t i = 0; i < at->count; i++)
        for (int r = 0; r < (t->single ? 1 : 3) && end - ask > 1; r++)
            *ask++ = t->row[i][r], *ask++ = t->row[i][r] + 16;
    int64_t rows = 4 * next->count, first = rows * panel / s->panels, last = rows * (panel + 1) / s->panels;
    for (int64_t row = first; row < last; row++)
        for (int64_t c = 0; c < s->from && ask < end; c += 16)
            *ask++ = next->source[row / 4][row % 4] + c;
    for (int64_t i = 0; k->w->gated && i < at->count; i++)
        for (int r = 0; r < at->results && ask < end; r++)
            *ask++ = k->w->gated + (at->made[i][r] - k->w->y) / 2 + panel * 16;
    for (int64_t i = 0; k->w->added && i < at->count; i++)
        for (int r = 0; r < at->results && end - ask > 1; r++) {
            const float *row = k->w->added + (at->made[i][r] - k->w->y) + panel * FIG__PANEL;
            *ask++ = row, *ask++ = row + 16;
        }
    while (ask < end)
        *ask++ = k->zeros;
}

/* What is added to a block's results, whose columns are summed up. */
static void add_to_rows(const walk *k, const places *at)
{
    enum { MOST = 3 * FIG__TRIPLES_ROWS };
    float *y[MOST];
    const float *added[MOST];
    int64_t rows = 0;
    for (int64_t i = 0; i < at->count; i++)
        for (int r = 0; r < at->results; r++, rows++)
            y[rows] = at->made[i][r], added[rows] = k->w->added + (y[rows] - k->w->y);
    fig__fast_plus(y, added, rows, k->w->s->to, NULL, k->sums);
}

/* All columns of a block. A tile writes 32 of them; where there are fewer they are moved. */
static void multiply(const walk *k, const places *at, const places *next)
{
    const triples_work *w = k->w;
    const triples_state *s = w->s;
    for (int64_t panel = 0; panel < s->panels; panel++) {
        int64_t first = panel * FIG__PANEL, columns = least_of(s->to - first, FIG__PANEL);
        fig__triples_tile t = { .k = s->from, .v = k->v, .bias = k->bias + first, .single = at->results == 1, .ask = k->ask };
        for (int p = 0; p < PLANES; p++)
            t.panel[p] = panel_at(w, panel, p);
        for (int64_t i = 0; i < at->count; i++)
            for (int r = 0; r < 3; r++)
                t.row[i][r] = r < at->results && columns == FIG__PANEL ? at->made[i][r] + first : k->beyond + (3 * i + r) * FIG__PANEL;
        list_lines(k, &t, at, next, panel);
        fig__fast_triples_tile(&t, at->count);
        for (int64_t i = 0; columns < FIG__PANEL && i < at->count; i++)
            for (int r = 0; r < at->results; r++)
                memcpy(at->made[i][r] + first, t.row[i][r], sizeof(float) * (size_t)columns);
    }
    for (int64_t i = 0; w->gated && i < at->count; i++)
        for (int r = 0; r < at->results; r++)
            fig__fast_gate(at->made[i][r], at->made[i][r], w->gated + (at->made[i][r] - w->y) / 2, 1, s->to / 2);
    if (w->added)
        add_to_rows(k, at);
    for (int64_t i = 0; s->v.after_sum.activation != FIG_LINEAR && i < at->count; i++)
        for (int r = 0; r < at->results; r++)
            fig__fast_epilogue(at->made[i][r], 1, s->to, NULL, &s->v.after_sum);
}

static void products_part(void *context, int part, int parts)
{
    const triples_work *w = context;
    const triples_state *s = w->s;
    walk k = { .w = w, .v = windows_at(w, part), .zeros = zeros_at(w, part), .beyond = results_at(w, part) };
    k.bias = k.beyond + EDGE;
    k.ask = (const float **)(void *)(k.bias + s->wide);
    k.sums = columns_at(w, part);
    int64_t at, end;
    memset(k.sums, 0, sizeof(float) * (size_t)s->to);
    memset(k.zeros, 0, s->zeros);
    memset(k.bias, 0, sizeof(float) * (size_t)s->wide);
    if (w->bias)
        memcpy(k.bias, w->bias, sizeof(float) * (size_t)s->to);
    fig__share(s->v.batch * s->windows, 1, part, parts, &at, &end);
    if (at >= end)
        return;
    places at_once[2] = { 0 }, *here = &at_once[0], *next = &at_once[1];
    block b = block_at(s, at, end);
    find_places(&k, &b, next);
    while (at < end) {
        places *done = here;
        here = next;
        next = done;
        next->count = 0;
        at += here->count;
        if (at < end) {
            b = block_at(s, at, end);
            find_places(&k, &b, next);
        }
        for (int64_t i = 0; i < here->count; i++)
            fig__fast_triples_window(here->source[i], here->results, s->from, k.v + i * PLANES * s->from, s->from);
        multiply(&k, here, next);
    }
}

static void products_run(fig_eval *c)
{
    const triples_state *s = c->prepared;
    triples_work w = { .s = s, .x = FIG_F32_IN(c, 0), .w = FIG_F32_IN(c, 1), .y = FIG_F32_OUT(c, 0), .workspace = c->workspace };
    w.bias = s->v.after_sum.bias ? FIG_F32_IN(c, s->v.plus ? 3 : 2) : NULL;
    if (s->v.plus)
        w.added = FIG_F32_IN(c, 2);
    else if (c->n_out > 1)
        w.gated = FIG_F32_OUT(c, 1);
    fig__parallel(s->parts, pack_part, &w);
    fig__parallel(s->parts, products_part, &w);
    for (int part = 0; s->v.plus && part < s->parts; part++)
        for (int64_t j = 0; j < s->to; j++)
            FIG_F32_OUT(c, 1)[j] = (part ? FIG_F32_OUT(c, 1)[j] : 0) + columns_at(&w, part)[j];
}

/* -- weight gradient ---------------------------------------------------------------------------------------------------------- */

/* Straight runs of memory that the next block will read, to be asked for beside this block's products: each tile asks for a piece. */
typedef struct ahead {
    const float *run[7];
    int64_t floats[7], piece;
    int runs;
} ahead;

/* Rows [t, t + count) of a sequence, as far as it goes. */
static void add_run(ahead *a, const float *sequence, int64_t steps, int64_t channels, int64_t t, int64_t count)
{
    int64_t begin = most_of(t, 0), end = least_of(t + count, steps);
    if (begin >= end)
        return;
    a->run[a->runs] = sequence + begin * channels;
    a->floats[a->runs++] = (end - begin) * channels;
}

static void look_ahead(const triples_work *w, const block *b, ahead *a)
{
    const triples_state *s = w->s;
    const float *x = w->x + b->sequence * s->from_steps * s->from, *dy = w->w + b->sequence * s->to_steps * s->to;
    int64_t d = s->dilation, group = b->first / d, groups = (b->first + b->count - 1) / d + 1 - group;
    int64_t t = step_of(s, b->first);
    a->runs = 0;
    if (groups > 1) { /* whole groups: their rows are neighbours */
        add_run(a, x, s->from_steps, s->from, 3 * d * group + s->first, (3 * groups + 1) * d);
        add_run(a, dy, s->to_steps, s->to, 3 * d * group, 3 * groups * d);
    } else {
        for (int i = 0; i < 4; i++)
            add_run(a, x, s->from_steps, s->from, t + s->first + i * d, b->count);
        for (int i = 0; i < b->results; i++)
            add_run(a, dy, s->to_steps, s->to, t + i * d, b->count);
    }
    int64_t all = 0, tiles = PLANES * s->panels * ((s->to + FIG__TRIPLES_OUTER - 1) / FIG__TRIPLES_OUTER);
    for (int i = 0; i < a->runs; i++)
        all += a->floats[i];
    a->piece = (all / tiles / 16 + 1) * 16;
}

static void take_piece(ahead *a, fig__triples_outer *t)
{
    t->step[0] = 0;
    if (!a->runs)
        return;
    int last = a->runs - 1;
    int64_t piece = least_of(a->piece, a->floats[last]);
    t->ask[0] = a->run[last];
    t->step[0] = (piece + t->k - 1) / t->k;
    a->run[last] += piece;
    a->floats[last] -= piece;
    a->runs -= a->floats[last] == 0;
}

static void add_products(const triples_work *w, int part, const block *b, const float *v, const float *d, ahead *next)
{
    const triples_state *s = w->s;
    int64_t tiles = (s->to + FIG__TRIPLES_OUTER - 1) / FIG__TRIPLES_OUTER;
    for (int p = 0; p < PLANES; p++)
        for (int64_t j = 0; plane_wanted(p, b->results) && j < s->wide; j += FIG__PANEL)
            for (int64_t i = 0; i < tiles; i++) {
                int64_t row = s->to * i / tiles, rows = s->to * (i + 1) / tiles - row;
                fig__triples_outer t = { .k = b->count, .d = d + p * s->results_plane + row, .d_row = s->to,
                                         .v = v + p * s->windows_plane + j, .v_row = s->wide, .ask = { v, v },
                                         .sum = sums_at(w, part, p) + row * s->wide + j, .sum_row = s->wide };
                take_piece(next, &t);
                fig__fast_triples_outer(&t, rows);
            }
}

static void sums_part(void *context, int part, int parts)
{
    const triples_work *w = context;
    const triples_state *s = w->s;
    float *v = windows_at(w, part), *d = results_at(w, part), *zeros = zeros_at(w, part);
    const float *row[4];
    int64_t at, end;
    memset(zeros, 0, s->zeros);
    memset(sums_at(w, part, 0), 0, s->sums);
    if (s->wide > s->from) /* what fills the last panel up */
        memset(v, 0, s->windows_bytes);
    fig__share(s->v.batch * s->windows, 1, part, parts, &at, &end);
    while (at < end) {
        block b = block_at(s, at, end);
        const float *x = w->x + b.sequence * s->from_steps * s->from, *dy = w->w + b.sequence * s->to_steps * s->to;
        for (int64_t i = 0; i < b.count; i++) {
            int64_t t = step_of(s, b.first + i);
            rows_of(x, s->from_steps, s->from, t + s->first, s->dilation, 4, zeros, row);
            fig__fast_triples_window(row, b.results, s->from, v + i * s->wide, s->windows_plane);
            rows_of(dy, s->to_steps, s->to, t, s->dilation, 3, zeros, row);
            fig__fast_triples_result(row, b.results, s->to, d + i * s->to, s->results_plane);
        }
        at += b.count;
        ahead next = { .runs = 0 };
        if (at < end) {
            block after = block_at(s, at, end);
            look_ahead(w, &after, &next);
        }
        add_products(w, part, &b, v, d, &next);
    }
}

/* Sums of all parts, then the taps; here parts own outputs. */
static void taps_part(void *context, int part, int parts)
{
    const triples_work *w = context;
    const triples_state *s = w->s;
    int64_t begin, end;
    fig__share(s->to, 1, part, parts, &begin, &end);
    for (int64_t o = begin; o < end; o++) {
        for (int other = 1; other < s->parts; other++)
            for (int64_t p = 0; p < PLANES; p++) {
                float *all = sums_at(w, 0, p) + o * s->wide;
                const float *more = sums_at(w, other, p) + o * s->wide;
                for (int64_t i = 0; i < s->wide; i++)
                    all[i] += more[i];
            }
        float *taps = w->y + 2 * o * s->from;
        fig__fast_triples_taps(sums_at(w, 0, 0) + o * s->wide, s->weights_plane, s->from, taps, taps + s->from);
    }
}

static void sums_run(fig_eval *c)
{
    const triples_state *s = c->prepared;
    triples_work w = { .s = s, .x = FIG_F32_IN(c, 0), .w = FIG_F32_IN(c, 1), .y = FIG_F32_OUT(c, 0), .workspace = c->workspace };
    fig__parallel(s->parts, sums_part, &w);
    fig__parallel(fig__parts(s->to * s->wide * PLANES, c->run->threads), taps_part, &w);
}

const fig_kernel fig_kernel_convolution_triples = {
    .name = "convolution_triples", .op = "convolution", .accepts = triples_accepts, .competes = triples_competes,
    .prepare = triples_prepare, .release = triples_release, .run = products_run,
};
const fig_kernel fig_kernel_convolution_fused_triples = {
    .name = "convolution_triples", .op = "convolution_fused", .accepts = triples_accepts, .competes = triples_competes,
    .prepare = triples_prepare, .release = triples_release, .run = products_run,
};
const fig_kernel fig_kernel_convolution_gate_triples = {
    .name = "convolution_triples", .op = "convolution_gate", .accepts = triples_accepts, .competes = triples_competes,
    .prepare = triples_prepare, .release = triples_release, .run = products_run,
};
const fig_kernel fig_kernel_convolution_plus_triples = {
    .name = "convolution_triples", .op = "convolution_plus", .accepts = triples_accepts, .competes = triples_competes,
    .prepare = triples_prepare, .release = triples_release, .run = products_run,
};
const fig_kernel fig_kernel_convolution_data_gradient_triples = {
    .name = "convolution_triples", .op = "convolution_data_gradient", .accepts = triples_accepts, .competes = triples_competes,
    .prepare = triples_prepare, .release = triples_release, .run = products_run,
};
const fig_kernel fig_kernel_convolution_weight_gradient_triples = {
    .name = "convolution_triples", .op = "convolution_weight_gradient", .accepts = triples_accepts, .competes = triples_competes,
    .prepare = triples_prepare, .release = triples_release, .run = sums_run,
};
