/* kernels/convolution_steps.c - convolutions along one axis with stride 1 (WaveNet's dilated layers; 1x1 layers over a sequence)
 *
 *     y[t] = sum over taps of  w[tap] x[t + shift(tap)]        shift = tap dilation - before
 *
 * is a product per tap whose left side is x itself, some rows further: nothing is unfolded or copied. The weight is packed into
 * panels once per run; a tile of 13 steps by 32 channels passes through all taps before the next, so that x is read from memory
 * once and y written once. The data gradient is the same with shifts turned round. The weight gradient adds up outer products of dy
 * and the shifted x over pieces of the sequence that fit the second cache, per part into sums of its own, which are added in order.
 *
 * One tap is a plain product, and better as the library's (64-64, 4 x 8192 steps: 126 to 164 / 167 to 214 GFLOP/s forward). Parts own rows
 * of the batch's steps. */
#include "kernels/conv.h"
#include "kernels/fast.h"
#include "kernels/panel.h"
#include "kernels/parallel.h"

#include <stdlib.h>
#include <string.h>

enum { TILES_OF_A_BLOCK = 8, STEPS_OF_A_PIECE = 384, MOST_WEIGHT_FLOATS = 1 << 19 };

typedef struct steps_state {
    fig__conv v;
    int parts;
    int64_t from, to;             /* channels read, channels made; of the weight gradient: of x, of y */
    int64_t from_steps, to_steps; /* lengths of the sequences read and made */
    int64_t panels;
    size_t edge, part;            /* workspace: panels or sums first, then a tile for each part */
} steps_state;

static bool read_steps(fig__conv *v, const fig_kernel_query *q)
{
    return fig__conv_read(v, q) && v->spatial == 1 && v->stride[2] == 1 && v->groups == 1 &&
           v->taps * v->channels * v->outputs <= MOST_WEIGHT_FLOATS;
}

static bool steps_compete(const fig_kernel_query *q)
{
    fig__conv v;
    return read_steps(&v, q);
}

static bool steps_accepts(const fig_kernel_query *q)
{
    fig__conv v;
    return read_steps(&v, q) && v.taps > 1 && v.channels >= 16 && v.outputs >= 16 && v.batch * v.out[2] >= 512;
}

static size_t bytes_of(int64_t floats) { return (sizeof(float) * (size_t)floats + 63) / 64 * 64; }

static fig_status steps_prepare(const fig_kernel_query *q, void **prepared, size_t *workspace, fig_error *err)
{
    (void)err;
    steps_state *s = fig__alloc(sizeof(*s));
    read_steps(&s->v, q);
    const fig__conv *v = &s->v;
    bool data = v->kind == FIG__CONV_DATA;
    s->from = data ? v->outputs : v->channels;
    s->to = data ? v->channels : v->outputs;
    s->from_steps = data ? v->out[2] : v->in[2];
    s->to_steps = data ? v->in[2] : v->out[2];
    s->panels = (s->to + FIG__PANEL - 1) / FIG__PANEL;
    s->parts = fig__parts((int64_t)(fig__conv_flops(v) / 16), q->threads);
    s->edge = bytes_of(FIG__TILE_ROWS * FIG__PANEL);
    if (v->kind == FIG__CONV_WEIGHT) /* sums of each part, then a tile */
        s->part = bytes_of(v->taps * v->channels * v->outputs) + s->edge, *workspace = s->part * (size_t)s->parts;
    else
        s->part = s->edge, *workspace = bytes_of(v->taps * s->from * s->panels * FIG__PANEL) + s->part * (size_t)s->parts;
    *prepared = s;
    return FIG_OK;
}

static void release(void *prepared) { free(prepared); }

typedef struct steps_work {
    const steps_state *s;
    const float *x, *w, *bias;
    float *y;
    char *workspace;
} steps_work;

/* -- forward and data gradient ---------------------------------------------------------------------------------------------- */

static int64_t shift_of(const steps_state *s, int64_t tap)
{
    int64_t shift = tap * s->v.dilation[2] - s->v.before[2];
    return s->v.kind == FIG__CONV_DATA ? -shift : shift;
}

static float *panel_at(const steps_work *w, int64_t tap, int64_t panel)
{
    return (float *)(void *)w->workspace + (tap * w->s->panels + panel) * w->s->from * FIG__PANEL;
}

static int64_t columns_of(const steps_state *s, int64_t panel)
{
    int64_t left = s->to - panel * FIG__PANEL;
    return left < FIG__PANEL ? left : FIG__PANEL;
}

static void pack_part(void *context, int part, int parts)
{
    const steps_work *w = context;
    const steps_state *s = w->s;
    int64_t taps = s->v.taps, channels = s->v.channels, begin, end; /* w (outputs, taps, channels) */
    fig__share(taps * s->panels, 1, part, parts, &begin, &end);
    for (int64_t i = begin; i < end; i++) {
        int64_t tap = i / s->panels, panel = i % s->panels, first = panel * FIG__PANEL;
        if (s->v.kind == FIG__CONV_DATA)
            fig__fast_panel_pack(s->from, columns_of(s, panel), w->w + tap * channels + first, taps * channels, panel_at(w, tap, panel));
        else
            fig__fast_panel_pack_transposed(s->from, columns_of(s, panel), w->w + (first * taps + tap) * channels, taps * channels,
                                            panel_at(w, tap, panel));
    }
}

/* Steps [t, t + rows) of one sequence, one panel of channels. */
static void one_tile(const steps_work *w, const float *x, float *y, int64_t t, int64_t rows, int64_t panel, float *edge)
{
    const steps_state *s = w->s;
    int64_t columns = columns_of(s, panel), row = s->to;
    float *c = y + t * s->to + panel * FIG__PANEL, *to = c;
    if (columns < FIG__PANEL) /* a tile is always written whole */
        to = edge, row = FIG__PANEL;
    bool begun = false;
    for (int64_t tap = 0; tap < s->v.taps; tap++) {
        int64_t source = t + shift_of(s, tap), first = source < 0 ? -source : 0;
        int64_t end = source + rows > s->from_steps ? s->from_steps - source : rows;
        if (first >= end)
            continue;
        if (!begun && (first > 0 || end < rows)) {
            for (int64_t i = 0; i < rows; i++)
                memset(to + i * row, 0, sizeof(float) * FIG__PANEL);
            begun = true;
        }
        fig__fast_panel(end - first, s->from, x + (source + first) * s->from, s->from, panel_at(w, tap, panel), to + first * row, row,
                        begun);
        begun = true;
    }
    for (int64_t i = 0; !begun && i < rows; i++)
        memset(to + i * row, 0, sizeof(float) * FIG__PANEL);
    for (int64_t i = 0; columns < FIG__PANEL && i < rows; i++)
        memcpy(c + i * s->to, edge + i * FIG__PANEL, sizeof(float) * (size_t)columns);
}

static void one_block(const steps_work *w, int64_t b, int64_t t, int64_t rows, float *edge)
{
    const steps_state *s = w->s;
    const float *x = w->x + b * s->from_steps * s->from;
    float *y = w->y + b * s->to_steps * s->to;
    int64_t tiles = (rows + FIG__TILE_ROWS - 1) / FIG__TILE_ROWS;
    for (int64_t panel = 0; panel < s->panels; panel++)
        for (int64_t i = 0; i < tiles; i++)
            one_tile(w, x, y, t + rows * i / tiles, rows * (i + 1) / tiles - rows * i / tiles, panel, edge);
    if (w->bias || s->v.after_sum.activation != FIG_LINEAR)
        fig__fast_epilogue(y + t * s->to, rows, s->to, w->bias, &s->v.after_sum);
}

/* A part's share of all sequences, block by block; no block reaches into the next sequence. */
static void steps_part(void *context, int part, int parts)
{
    const steps_work *w = context;
    const steps_state *s = w->s;
    enum { BLOCK = TILES_OF_A_BLOCK * FIG__TILE_ROWS };
    float *edge = (float *)(void *)(w->workspace + bytes_of(s->v.taps * s->from * s->panels * FIG__PANEL) + s->part * (size_t)part);
    int64_t begin, end;
    fig__share(s->v.batch * s->to_steps, 1, part, parts, &begin, &end);
    while (begin < end) {
        int64_t b = begin / s->to_steps, t = begin % s->to_steps, left = s->to_steps - t;
        left = end - begin < left ? end - begin : left;
        int64_t rows = left < BLOCK ? left : BLOCK;
        one_block(w, b, t, rows, edge);
        begin += rows;
    }
}

static void steps_run(fig_eval *c)
{
    const steps_state *s = c->prepared;
    const float *bias = s->v.after_sum.bias ? FIG_F32_IN(c, 2) : NULL;
    steps_work w = { s, FIG_F32_IN(c, 0), FIG_F32_IN(c, 1), bias, FIG_F32_OUT(c, 0), c->workspace };
    fig__parallel(s->parts, pack_part, &w);
    fig__parallel(s->parts, steps_part, &w);
}

/* -- weight gradient: operands x, dy ------------------------------------------------------------------------------------------- */

/* Adds steps [t, t + rows) of sequence b to sums (outputs, taps, channels). */
static void weight_piece(const steps_work *w, int64_t b, int64_t t, int64_t rows, float *sums)
{
    const fig__conv *v = &w->s->v;
    const float *dy = w->w + (b * v->out[2] + t) * v->outputs;
    for (int64_t tap = 0; tap < v->taps; tap++) {
        int64_t source = t + tap * v->dilation[2] - v->before[2], first = source < 0 ? -source : 0;
        int64_t end = source + rows > v->in[2] ? v->in[2] - source : rows, row = v->taps * v->channels;
        if (first >= end)
            continue;
        const float *x = w->x + (b * v->in[2] + source + first) * v->channels;
        for (int64_t j = 0; j + FIG__PANEL <= v->channels; j += FIG__PANEL)
            fig__fast_outer(v->outputs, end - first, dy + first * v->outputs, v->outputs, x + j, v->channels,
                            sums + tap * v->channels + j, row, true);
        int64_t done = v->channels / FIG__PANEL * FIG__PANEL, rest = v->channels - done;
        for (int64_t i = 0; rest && i < v->outputs; i++) /* the last channels, fewer than a panel */
            for (int64_t j = 0; j < rest; j++) {
                float sum = 0;
                for (int64_t k = first; k < end; k++)
                    sum += dy[k * v->outputs + i] * x[(k - first) * v->channels + done + j];
                sums[i * row + tap * v->channels + done + j] += sum;
            }
    }
}

static float *sums_of(const steps_work *w, int part) { return (float *)(void *)(w->workspace + w->s->part * (size_t)part); }

static void weight_part(void *context, int part, int parts)
{
    const steps_work *w = context;
    const fig__conv *v = &w->s->v;
    float *sums = sums_of(w, part);
    int64_t begin, end;
    memset(sums, 0, sizeof(float) * (size_t)(v->taps * v->channels * v->outputs));
    fig__share(v->batch * v->out[2], 1, part, parts, &begin, &end);
    while (begin < end) {
        int64_t b = begin / v->out[2], t = begin % v->out[2], rows = v->out[2] - t;
        rows = end - begin < rows ? end - begin : rows;
        rows = rows < STEPS_OF_A_PIECE ? rows : STEPS_OF_A_PIECE;
        weight_piece(w, b, t, rows, sums);
        begin += rows;
    }
}

static void weight_run(fig_eval *c)
{
    const steps_state *s = c->prepared;
    steps_work w = { s, FIG_F32_IN(c, 0), FIG_F32_IN(c, 1), NULL, FIG_F32_OUT(c, 0), c->workspace };
    int64_t count = s->v.taps * s->v.channels * s->v.outputs;
    fig__parallel(s->parts, weight_part, &w);
    memcpy(w.y, sums_of(&w, 0), sizeof(float) * (size_t)count);
    for (int part = 1; part < s->parts; part++) {
        const float *sums = sums_of(&w, part);
        for (int64_t i = 0; i < count; i++)
            w.y[i] += sums[i];
    }
}

const fig_kernel fig_kernel_convolution_steps = {
    .name = "convolution_steps", .op = "convolution", .accepts = steps_accepts,
    .competes = steps_compete, .prepare = steps_prepare,
    .release = release, .run = steps_run,
};
const fig_kernel fig_kernel_convolution_fused_steps = {
    .name = "convolution_steps", .op = "convolution_fused", .accepts = steps_accepts,
    .competes = steps_compete, .prepare = steps_prepare,
    .release = release, .run = steps_run,
};
const fig_kernel fig_kernel_convolution_data_gradient_steps = {
    .name = "convolution_steps", .op = "convolution_data_gradient", .accepts = steps_accepts,
    .competes = steps_compete, .prepare = steps_prepare,
    .release = release, .run = steps_run,
};
const fig_kernel fig_kernel_convolution_weight_gradient_steps = {
    .name = "convolution_steps", .op = "convolution_weight_gradient", .accepts = steps_accepts,
    .competes = steps_compete, .prepare = steps_prepare,
    .release = release, .run = weight_run,
};
