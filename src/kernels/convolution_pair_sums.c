/* kernels/convolution_pair_sums.c - weight gradients of bf16 convolutions along one axis, stride 1
 *
 *     dw[o, tap, c] = sum over steps of dy[t, o] x[t + shift(tap), c]
 *
 * is summed by pairs of steps (kernels/pair_product.h): some hundred steps of dy have their rows joined two by two, so have 32 channels
 * of the x that a tap reads; these pairs stay in the first cache while all outputs' tiles pass over them, whose sums are in
 * registers meanwhile. While that goes on, the next steps are asked for. Each part owns a share of the steps and sums of its own, which are
 * added in order of parts. */
#include "kernels/conv.h"
#include "kernels/pair_product.h"
#include "kernels/pair_steps.h"
#include "kernels/parallel.h"

#include <stdlib.h>
#include <string.h>

enum { PANEL = FIG__PAIR_COLUMNS, DEEP = 128, DEEPER = 256, LARGE_SUMS = 1 << 17, MOST_SUMS = 1 << 20, LEAST_STEPS = 512 };

typedef struct sums_state {
    fig__conv v;
    int parts;
    int64_t deep, chunks, panels, wide; /* pairs at once; panels of one tap, of all; floats of a line of sums */
    size_t sums, dy, part;              /* bytes of a part: sums, joined dy; all */
} sums_state;

static bool read_sums(fig__conv *v, const fig_kernel_query *q)
{
    return fig__pairs_available() && fig__conv_read_any(v, q) && v->narrow && !v->narrow_out && v->spatial == 1 && v->stride[2] == 1 &&
           v->groups == 1 && v->outputs >= 8 && v->channels >= 8 && v->taps * v->channels * v->outputs <= MOST_SUMS;
}

static bool sums_compete(const fig_kernel_query *q)
{
    fig__conv v;
    return read_sums(&v, q);
}

static bool sums_accept(const fig_kernel_query *q)
{
    fig__conv v;
    return read_sums(&v, q) && v.channels >= PANEL && v.outputs >= PANEL && v.batch * v.out[2] >= LEAST_STEPS;
}

static size_t bytes_of(int64_t units) { return ((size_t)units * 4 + 63) / 64 * 64; }

static fig_status sums_prepare(const fig_kernel_query *q, void **prepared, size_t *workspace, fig_error *err)
{
    (void)err;
    sums_state *s = fig__alloc(sizeof(*s));
    const fig__conv *v = &s->v;
    read_sums(&s->v, q);
    s->chunks = (v->channels + PANEL - 1) / PANEL;
    s->panels = v->taps * s->chunks;
    s->wide = s->panels * PANEL;
    s->deep = s->wide * v->outputs > LARGE_SUMS ? DEEPER : DEEP;
    s->parts = fig__parts((int64_t)(fig__conv_flops(v) / 32), q->threads);
    s->sums = bytes_of(v->outputs * s->wide);
    s->dy = bytes_of(s->deep * v->outputs);
    s->part = s->sums + s->dy + bytes_of(s->deep * PANEL);
    *workspace = s->part * (size_t)s->parts;
    *prepared = s;
    return FIG_OK;
}

static void sums_release(void *prepared) { free(prepared); }

typedef struct sums_work {
    const sums_state *s;
    const uint16_t *x, *dy;
    float *dw;
    char *workspace;
} sums_work;

static float *sums_at(const sums_work *w, int part) { return (float *)(void *)(w->workspace + w->s->part * (size_t)part); }
static uint32_t *dy_at(const sums_work *w, int part) { return (uint32_t *)(void *)((char *)sums_at(w, part) + w->s->sums); }
static uint32_t *panel_at(const sums_work *w, int part) { return (uint32_t *)(void *)((char *)dy_at(w, part) + w->s->dy); }

/* Steps [t, t + steps) of a sequence (there, length), those outside it zeros. */
static void join_steps(uint32_t *to, int64_t to_row, const uint16_t *there, int64_t length, int64_t row, int64_t t, int64_t steps,
                       int64_t columns)
{
    static const uint16_t zeros[PANEL];
    if (t >= 0 && t + steps <= length && steps % 2 == 0) {
        fig__fast_pair_join(to, to_row, there + t * row, row, steps / 2, columns);
        return;
    }
    for (int64_t l = 0; l < steps; l += 2)
        for (int64_t j = 0; j < columns; j += PANEL) {
            const uint16_t *from[2];
            for (int64_t i = 0; i < 2; i++)
                from[i] = l + i < steps && t + l + i >= 0 && t + l + i < length ? there + (t + l + i) * row + j : zeros;
            fig__fast_pair_rows(to + l / 2 * to_row + j, from[0], from[1], columns - j < PANEL ? columns - j : PANEL);
        }
}

/* What the next steps will read is asked for piece by piece, a piece beside each tile. */
typedef struct ahead {
    const char *at, *end;
    int64_t piece; /* bytes */
} ahead;

static fig__pair_ask take_piece(ahead *a, const void *idle, int64_t steps)
{
    if (a->at >= a->end)
        return (fig__pair_ask){ idle, 0 };
    fig__pair_ask ask = { a->at, (a->piece + steps - 1) / steps };
    a->at += a->piece;
    return ask;
}

/* One panel of x against all outputs. */
static void add_panel(const sums_work *w, int part, int64_t panel, int64_t pairs, ahead *next)
{
    const sums_state *s = w->s;
    int64_t n = s->v.outputs, tiles = (n + FIG__PAIR_ROWS - 1) / FIG__PAIR_ROWS;
    const uint32_t *x = panel_at(w, part);
    for (int64_t i = 0; i < tiles; i++) {
        int64_t first = n * i / tiles, rows = n * (i + 1) / tiles - first;
        fig__fast_pair_outer(rows, pairs, dy_at(w, part) + first, n, x, sums_at(w, part) + first * s->wide + panel * PANEL, s->wide,
                             take_piece(next, x, pairs));
    }
}

static void sums_part(void *context, int part, int parts)
{
    const sums_work *w = context;
    const sums_state *s = w->s;
    const fig__conv *v = &s->v;
    int64_t at, end, tiles = (v->outputs + FIG__PAIR_ROWS - 1) / FIG__PAIR_ROWS;
    memset(sums_at(w, part), 0, s->sums);
    if (v->channels % PANEL)
        memset(panel_at(w, part), 0, bytes_of(s->deep * PANEL));
    fig__share(v->batch * v->out[2], 2, part, parts, &at, &end);
    while (at < end) {
        int64_t b = at / v->out[2], t = at % v->out[2], steps = v->out[2] - t;
        steps = steps < end - at ? steps : end - at;
        steps = steps < 2 * s->deep ? steps : 2 * s->deep;
        int64_t pairs = (steps + 1) / 2;
        join_steps(dy_at(w, part), v->outputs, w->dy + b * v->out[2] * v->outputs, v->out[2], v->outputs, t, steps, v->outputs);
        const uint16_t *x = w->x + b * v->in[2] * v->channels;
        for (int64_t panel = 0; panel < s->panels; panel++) {
            int64_t tap = panel / s->chunks, c = panel % s->chunks * PANEL;
            join_steps(panel_at(w, part), PANEL, x + c, v->in[2], v->channels, t + tap * v->dilation[2] - v->before[2], steps,
                       v->channels - c < PANEL ? v->channels - c : PANEL);
            /* dy's next steps beside the first panels, x's, which only the last tap may not have read yet, beside the last */
            bool of_x = panel * 2 >= s->panels;
            const uint16_t *next = of_x ? x + (t + steps - v->before[2] + (v->taps - 1) * v->dilation[2]) * v->channels
                                        : w->dy + (at + steps) * v->outputs;
            int64_t share = of_x ? s->panels - s->panels / 2 : (s->panels + 1) / 2, row = of_x ? v->channels : v->outputs;
            int64_t nth = of_x ? panel - (s->panels + 1) / 2 : panel, piece = (steps * row * 2 / (share * tiles) + 63) / 64 * 64;
            ahead asked = { (const char *)next + nth * tiles * piece, (const char *)next + (nth + 1) * tiles * piece, piece };
            if (at + steps >= end || steps < 2 * s->deep)
                asked.at = asked.end;
            add_panel(w, part, panel, pairs, &asked);
        }
        at += steps;
    }
}

/* Sums of all parts, put where they belong; here parts own outputs. */
static void gather_part(void *context, int part, int parts)
{
    const sums_work *w = context;
    const sums_state *s = w->s;
    int64_t begin, end, channels = s->v.channels;
    fig__share(s->v.outputs, 1, part, parts, &begin, &end);
    for (int64_t o = begin; o < end; o++)
        for (int64_t tap = 0; tap < s->v.taps; tap++) {
            int64_t at = o * s->wide + tap * s->chunks * PANEL;
            float *to = w->dw + (o * s->v.taps + tap) * channels;
            memcpy(to, sums_at(w, 0) + at, sizeof(float) * (size_t)channels);
            for (int other = 1; other < s->parts; other++) {
                const float *more = sums_at(w, other) + at;
                for (int64_t c = 0; c < channels; c++)
                    to[c] += more[c];
            }
        }
}

static void sums_run(fig_eval *c)
{
    const sums_state *s = c->prepared;
    sums_work w = { s, c->in[0].data, c->in[1].data, FIG_F32_OUT(c, 0), c->workspace };
    fig__parallel(s->parts, sums_part, &w);
    fig__parallel(fig__parts(s->v.outputs * s->wide, c->run->threads), gather_part, &w);
}

const fig_kernel fig_kernel_convolution_pair_sums = {
    .name = "convolution_pair_sums", .op = "convolution_weight_gradient", .bf16 = true, .accepts = sums_accept,
    .competes = sums_compete, .prepare = sums_prepare, .release = sums_release, .run = sums_run,
};
