/* kernels/convolution_pair_steps.c - bf16 convolutions along one axis, stride 1, forward and data gradient (WaveNet's dilated layers)
 *
 *     y[t] = sum over taps of  w[tap] x[t + shift(tap)]        shift = tap dilation - before; of the data gradient its negative
 *
 * is one product whose summed axis is that of all taps one behind another: its left side is x itself, the rows of each tap some steps
 * further. Weights are packed into panels of 32 columns, pairs of the summed axis (kernels/pair_steps.h), once per run; sums stay in
 * registers through all taps. Where a sequence begins or ends some taps read nothing: steps are cut into runs that all read the
 * same taps.
 *
 * Two tiles of 13 steps pass through all panels, and meanwhile the rows that the next two read and write are asked for. A gate behind
 * the convolution has its panels half and half: 16 columns of the one operand and the 16 of the other that belong to them, so
 * that a tile's sums, still in the first cache, are all that the gate needs.
 *
 * Against the library, 64-128, 4 x 8192 steps, see docs/performance.md, wavenet. */
#include "kernels/cast.h"
#include "kernels/conv.h"
#include "kernels/fast.h"
#include "kernels/move.h"
#include "kernels/pair_product.h"
#include "kernels/pair_steps.h"
#include "kernels/parallel.h"

#include <stdlib.h>
#include <string.h>

enum {
    PANEL = FIG__PAIR_COLUMNS,
    TILES_OF_A_BLOCK = 2,
    MOST_TAPS = 4,
    LEAST_CHANNELS = 16, /* with fewer panels stay empty */
    LEAST_STEPS = 512,   /* to pay for packing the weights */
    MOST_WEIGHT_PAIRS = 1 << 16,
    TILE_BYTES = FIG__PAIR_ROWS * PANEL * sizeof(float),
};

typedef struct steps_state {
    fig__conv v;
    bool gate;
    int parts;
    int64_t from, to;             /* channels read and made */
    int64_t from_steps, to_steps; /* lengths of the sequences read and made */
    int64_t shift[MOST_TAPS];
    int64_t pairs, panels;        /* of one tap's summed axis; of `to` */
    size_t bias, own, part;       /* workspace in bytes: packed weights, the bias, then of each part one tile */
} steps_state;

static bool read_steps(fig__conv *v, const fig_kernel_query *q)
{
    return fig__pairs_available() && fig__conv_read_any(v, q) && v->narrow && v->spatial == 1 && v->stride[2] == 1 && v->groups == 1 &&
           v->taps <= MOST_TAPS && (v->kind == FIG__CONV_DATA ? v->outputs : v->channels) % 2 == 0 &&
           v->taps * v->channels * v->outputs <= 2 * MOST_WEIGHT_PAIRS;
}

static bool steps_compete(const fig_kernel_query *q)
{
    fig__conv v;
    return read_steps(&v, q);
}

static bool steps_accept(const fig_kernel_query *q)
{
    fig__conv v;
    return read_steps(&v, q) && v.taps > 1 && v.channels >= LEAST_CHANNELS && v.outputs >= LEAST_CHANNELS &&
           v.batch * v.out[2] >= LEAST_STEPS;
}

/* A gate's results are stored in bf16, its halves are whole columns of vectors. */
static bool gate_compete(const fig_kernel_query *q)
{
    fig__conv v;
    return read_steps(&v, q) && v.narrow_out && q->out[1].dtype == FIG_BF16 && v.outputs % PANEL == 0;
}

static bool gate_accept(const fig_kernel_query *q) { return gate_compete(q) && steps_accept(q); }

static fig_status steps_prepare(const fig_kernel_query *q, void **prepared, size_t *workspace, fig_error *err)
{
    (void)err;
    steps_state *s = fig__alloc(sizeof(*s));
    read_steps(&s->v, q);
    const fig__conv *v = &s->v;
    bool data = v->kind == FIG__CONV_DATA;
    s->gate = q->n_out > 1;
    s->from = data ? v->outputs : v->channels;
    s->to = data ? v->channels : v->outputs;
    s->from_steps = data ? v->out[2] : v->in[2];
    s->to_steps = data ? v->in[2] : v->out[2];
    for (int64_t tap = 0; tap < v->taps; tap++)
        s->shift[tap] = (tap * v->dilation[2] - v->before[2]) * (data ? -1 : 1);
    s->pairs = s->from / 2;
    s->panels = (s->to + PANEL - 1) / PANEL;
    s->parts = fig__parts((int64_t)(fig__conv_flops(v) / 32), q->threads);
    s->bias = sizeof(uint32_t) * (size_t)(v->taps * s->panels * s->pairs * PANEL);
    s->own = s->bias + sizeof(float) * (size_t)(s->panels * PANEL);
    s->part = TILE_BYTES;
    *workspace = s->own + s->part * (size_t)s->parts;
    *prepared = s;
    return FIG_OK;
}

static void steps_release(void *prepared) { free(prepared); }

typedef struct steps_work {
    const steps_state *s;
    const uint16_t *x, *w; /* of the data gradient dy */
    const float *bias;
    void *y;
    uint16_t *gated;       /* of convolution_gate, whose trace is y; else NULL */
    char *workspace;
} steps_work;

/* -- weights (O, taps, C) in panels -------------------------------------------------------------------------------------------- */

static uint32_t *panel_at(const steps_work *w, int64_t panel, int64_t tap)
{
    return (uint32_t *)(void *)w->workspace + (panel * w->s->v.taps + tap) * w->s->pairs * PANEL;
}

static float *bias_at(const steps_work *w, int64_t panel)
{
    return (float *)(void *)(w->workspace + w->s->bias) + panel * PANEL;
}

/* The channel that column `half` * 16 of a panel is. */
static int64_t channel_of(const steps_state *s, int64_t panel, int half)
{
    return s->gate ? panel * PANEL / 2 + half * s->to / 2 : panel * PANEL + half * PANEL / 2;
}

/* Sixteen columns; fewer where channels end. */
static void pack_half(const steps_work *w, int64_t panel, int64_t tap, int half)
{
    const steps_state *s = w->s;
    int64_t first = channel_of(s, panel, half), columns = s->to - first, taps = s->v.taps;
    uint32_t *to = panel_at(w, panel, tap) + half * PANEL / 2;
    columns = columns < 0 ? 0 : columns < PANEL / 2 ? columns : PANEL / 2;
    for (int64_t l = 0; columns < PANEL / 2 && l < s->pairs; l++)
        memset(to + l * PANEL, 0, sizeof(uint32_t) * (PANEL / 2));
    if (!columns)
        return;
    if (s->v.kind == FIG__CONV_DATA) {
        for (int64_t l = 0; l < s->pairs; l++) {
            const uint16_t *row = w->w + (2 * l * taps + tap) * s->to + first;
            fig__fast_pair_rows(to + l * PANEL, row, row + taps * s->to, columns);
        }
    } else {
        fig__fast_transpose_4(to, PANEL, (const uint32_t *)(const void *)(w->w + (first * taps + tap) * s->from), taps * s->pairs,
                              s->pairs, columns);
    }
}

static void pack_part(void *context, int part, int parts)
{
    const steps_work *w = context;
    const steps_state *s = w->s;
    int64_t begin, end;
    fig__share(s->panels, 1, part, parts, &begin, &end);
    for (int64_t panel = begin; panel < end; panel++)
        for (int half = 0; half < 2; half++) {
            for (int64_t tap = 0; tap < s->v.taps; tap++)
                pack_half(w, panel, tap, half);
            int64_t first = channel_of(s, panel, half);
            for (int64_t j = 0; j < PANEL / 2; j++)
                bias_at(w, panel)[half * PANEL / 2 + j] = w->bias && first + j < s->to ? w->bias[first + j] : 0;
        }
}

/* -- steps ---------------------------------------------------------------------------------------------------------------------- */

/* Steps [t, t + rows) of a sequence, which all read the same taps. */
typedef struct block {
    int64_t sequence, t, rows;
    int taps;
    int tap[MOST_TAPS];
} block;

static block block_at(const steps_state *s, int64_t at, int64_t end)
{
    block b = { .sequence = at / s->to_steps, .t = at % s->to_steps };
    int64_t last = b.t + (end - at);
    last = last < s->to_steps ? last : s->to_steps;
    for (int tap = 0; tap < s->v.taps; tap++) {
        int64_t first = -s->shift[tap], beyond = s->from_steps - s->shift[tap]; /* of the steps that read it */
        if (b.t >= first && b.t < beyond) {
            b.tap[b.taps++] = tap;
            last = beyond < last ? beyond : last;
        } else if (b.t < first && first < last) {
            last = first;
        }
    }
    int64_t rows = last - b.t;
    b.rows = rows < TILES_OF_A_BLOCK * FIG__PAIR_ROWS ? rows : TILES_OF_A_BLOCK * FIG__PAIR_ROWS;
    return b;
}

/* Straight runs of memory that the next block will read and write; each tap of a tile asks for a piece. */
typedef struct ahead {
    const char *run[MOST_TAPS + 2];
    int64_t lines[MOST_TAPS + 2], piece; /* lines of 64 bytes */
    int runs;
} ahead;

static void add_run(ahead *a, const void *data, int64_t at, int64_t count, size_t size)
{
    a->run[a->runs] = (const char *)data + (size_t)at * size;
    a->lines[a->runs++] = (count * (int64_t)size + 63) / 64;
}

static void look_ahead(const steps_work *w, const block *b, ahead *a)
{
    const steps_state *s = w->s;
    int64_t from = b->sequence * s->from_steps + b->t, to = b->sequence * s->to_steps + b->t, all = 0;
    a->runs = 0;
    for (int i = 0; i < b->taps; i++)
        add_run(a, w->x, (from + s->shift[b->tap[i]]) * s->from, b->rows * s->from, sizeof(uint16_t));
    add_run(a, w->y, to * s->to, b->rows * s->to, s->v.narrow_out ? sizeof(uint16_t) : sizeof(float));
    if (w->gated)
        add_run(a, w->gated, to * s->to / 2, b->rows * s->to / 2, sizeof(uint16_t));
    for (int i = 0; i < a->runs; i++)
        all += a->lines[i];
    a->piece = all / (TILES_OF_A_BLOCK * s->panels * (b->taps ? b->taps : 1)) + 1;
}

static fig__pair_ask take_piece(ahead *a, const void *idle, int64_t steps)
{
    if (!a->runs)
        return (fig__pair_ask){ idle, 0 };
    int last = a->runs - 1;
    int64_t lines = a->piece < a->lines[last] ? a->piece : a->lines[last], step = (lines * 64 + steps - 1) / steps;
    fig__pair_ask ask = { a->run[last], step };
    a->run[last] += lines * 64;
    a->lines[last] -= lines;
    a->runs -= a->lines[last] == 0;
    return ask;
}

/* One tile of `rows` steps and one panel: `to` is the first step's number in the batch. */
static void one_tile(const steps_work *w, const fig__pair_tile *tile, int64_t to, int64_t rows, int64_t panel, float *edge)
{
    const steps_state *s = w->s;
    int64_t first = panel * PANEL, columns = s->to - first < PANEL ? s->to - first : PANEL, at = to * s->to + first;
    bool plain = columns == PANEL && s->v.after_sum.activation == FIG_LINEAR;
    if (w->gated) {
        first = panel * PANEL / 2;
        fig__fast_pair_steps(tile, rows, edge, PANEL);
        fig__fast_pair_gate(edge, rows, (uint16_t *)w->y + to * s->to + first, s->to, s->to / 2, w->gated + to * s->to / 2 + first,
                            s->to / 2);
    } else if (plain && s->v.narrow_out) {
        fig__fast_pair_steps_bf16(tile, rows, (uint16_t *)w->y + at, s->to);
    } else if (plain) {
        fig__fast_pair_steps(tile, rows, (float *)w->y + at, s->to);
    } else {
        fig__fast_pair_steps(tile, rows, edge, PANEL);
        if (s->v.after_sum.activation != FIG_LINEAR)
            fig__fast_epilogue(edge, rows, PANEL, NULL, &s->v.after_sum);
        for (int64_t i = 0; i < rows; i++)
            if (s->v.narrow_out)
                fig__fast_f32_to_bf16((uint16_t *)w->y + at + i * s->to, edge + i * PANEL, columns);
            else
                memcpy((float *)w->y + at + i * s->to, edge + i * PANEL, sizeof(float) * (size_t)columns);
    }
}

static void one_block(const steps_work *w, const block *b, ahead *next, float *edge)
{
    const steps_state *s = w->s;
    int64_t tiles = (b->rows + FIG__PAIR_ROWS - 1) / FIG__PAIR_ROWS;
    const uint16_t *x = w->x + (b->sequence * s->from_steps + b->t) * s->from;
    fig__pair_source source[MOST_TAPS];
    for (int64_t panel = 0; panel < s->panels; panel++)
        for (int64_t i = 0; i < tiles; i++) {
            int64_t first = b->rows * i / tiles, rows = b->rows * (i + 1) / tiles - first;
            for (int k = 0; k < b->taps; k++)
                source[k] = (fig__pair_source){ (const uint32_t *)(const void *)(x + (first + s->shift[b->tap[k]]) * s->from), s->pairs,
                                                s->pairs, panel_at(w, panel, b->tap[k]), take_piece(next, edge, s->pairs) };
            fig__pair_tile tile = { b->taps, source, bias_at(w, panel) };
            one_tile(w, &tile, b->sequence * s->to_steps + b->t + first, rows, panel, edge);
        }
}

static void steps_part(void *context, int part, int parts)
{
    const steps_work *w = context;
    const steps_state *s = w->s;
    float *edge = (float *)(void *)(w->workspace + s->own + s->part * (size_t)part);
    int64_t at, end;
    fig__share(s->v.batch * s->to_steps, 1, part, parts, &at, &end);
    if (at >= end)
        return;
    block next = block_at(s, at, end);
    while (at < end) {
        block here = next;
        ahead asked = { .runs = 0 };
        at += here.rows;
        if (at < end) {
            next = block_at(s, at, end);
            look_ahead(w, &next, &asked);
        }
        one_block(w, &here, &asked, edge);
    }
}

static void steps_run(fig_eval *c)
{
    const steps_state *s = c->prepared;
    steps_work w = { s, c->in[0].data, c->in[1].data, s->v.after_sum.bias ? FIG_F32_IN(c, 2) : NULL, c->out[0].data,
                     s->gate ? c->out[1].data : NULL, c->workspace };
    fig__parallel(s->parts, pack_part, &w);
    fig__parallel(s->parts, steps_part, &w);
}

const fig_kernel fig_kernel_convolution_pair_steps = {
    .name = "convolution_pair_steps", .op = "convolution", .bf16 = true, .accepts = steps_accept, .competes = steps_compete,
    .prepare = steps_prepare, .release = steps_release, .run = steps_run,
};
const fig_kernel fig_kernel_convolution_fused_pair_steps = {
    .name = "convolution_pair_steps", .op = "convolution_fused", .bf16 = true, .accepts = steps_accept, .competes = steps_compete,
    .prepare = steps_prepare, .release = steps_release, .run = steps_run,
};
const fig_kernel fig_kernel_convolution_gate_pair_steps = {
    .name = "convolution_pair_steps", .op = "convolution_gate", .bf16 = true, .accepts = gate_accept, .competes = gate_compete,
    .prepare = steps_prepare, .release = steps_release, .run = steps_run,
};
const fig_kernel fig_kernel_convolution_data_gradient_pair_steps = {
    .name = "convolution_pair_steps", .op = "convolution_data_gradient", .bf16 = true, .accepts = steps_accept,
    .competes = steps_compete, .prepare = steps_prepare, .release = steps_release, .run = steps_run,
};
