/* kernels/convolution_pair_sums.c - weight gradients in bf16: of convolutions along one axis with stride 1, of products of pieces
 *
 *     dw[o, tap, c] = sum over steps of dy[t, o] x[t + shift(tap), c]
 *
 * is summed by pairs of steps (kernels/pair_product.h): some hundred steps of dy have their rows joined two by two, so have 32 channels
 * of the x that a tap reads; these pairs stay in the first cache while all outputs' tiles pass over them, whose sums are in
 * registers meanwhile. While that goes on, the next steps are asked for. Each part owns a share of the steps and sums of its own, which are
 * added in order of parts.
 *
 * Pieces (ops/pieces.c) are several x, of one tap each; where they are gates' traces, their halves are multiplied while they are joined. */
#include "kernels/conv.h"
#include "kernels/pair_product.h"
#include "kernels/pair_steps.h"
#include "kernels/parallel.h"

#include <stdlib.h>
#include <string.h>

enum { PANEL = FIG__PAIR_COLUMNS, DEEP = 128, DEEPER = 256, LARGE_SUMS = 1 << 17, MOST_SUMS = 1 << 20, LEAST_STEPS = 512 };

typedef struct sums_state {
    fig__conv v;                  /* of pieces: one sequence of all places, one tap */
    int parts, pieces;
    bool gated;
    int64_t deep, chunks, panels; /* pairs at once; panels of one tap, of all */
    int64_t wide, row;            /* floats of a line of sums; numbers of a row of x */
    size_t sums, dy, part;        /* bytes of a part: sums, joined dy; all */
} sums_state;

static bool sizes_fit(const fig__conv *v, int pieces)
{
    return v->outputs >= 8 && v->channels >= 8 && pieces * v->taps * v->channels * v->outputs <= MOST_SUMS;
}

static bool sizes_pay(const fig__conv *v) { return v->channels >= PANEL && v->outputs >= PANEL && v->batch * v->out[2] >= LEAST_STEPS; }

static bool read_sums(fig__conv *v, const fig_kernel_query *q)
{
    return fig__pairs_available() && fig__conv_read_any(v, q) && v->narrow && !v->narrow_out && v->spatial == 1 && v->stride[2] == 1 &&
           v->groups == 1 && sizes_fit(v, 1);
}

static bool read_pieces(fig__conv *v, const fig_kernel_query *q)
{
    const fig_pieces_attr *attr = q->attr;
    const fig_type *dy = &q->in[0], *piece = &q->in[1];
    if (!fig__pairs_available() || q->out[0].dtype != FIG_F32 || fig_elements(&q->out[0]) == 0 || fig_elements(dy) == 0)
        return false;
    for (int i = 0; i < q->n_in; i++)
        if (q->in[i].dtype != FIG_BF16)
            return false;
    *v = (fig__conv){ .kind = FIG__CONV_WEIGHT, .batch = 1, .taps = 1, .groups = 1, .narrow = true };
    v->outputs = dy->dim[dy->rank - 1];
    v->in[2] = v->out[2] = v->in_places = v->out_places = fig_elements(dy) / v->outputs;
    v->channels = piece->dim[piece->rank - 1] / (attr->gated ? 2 : 1);
    return v->channels % (PANEL / 2) == 0 && sizes_fit(v, q->n_in - 1);
}

static bool sums_compete(const fig_kernel_query *q)
{
    fig__conv v;
    return read_sums(&v, q);
}

static bool sums_accept(const fig_kernel_query *q)
{
    fig__conv v;
    return read_sums(&v, q) && sizes_pay(&v);
}

static bool pieces_accept(const fig_kernel_query *q)
{
    fig__conv v;
    return read_pieces(&v, q);
}

static size_t bytes_of(int64_t units) { return ((size_t)units * 4 + 63) / 64 * 64; }

static fig_status lay_out(sums_state *s, const fig_kernel_query *q, void **prepared, size_t *workspace)
{
    const fig__conv *v = &s->v;
    s->row = v->channels * (s->gated ? 2 : 1);
    s->chunks = (v->channels + PANEL - 1) / PANEL;
    s->panels = s->pieces * v->taps * s->chunks;
    s->wide = s->panels * PANEL;
    s->deep = s->wide * v->outputs > LARGE_SUMS ? DEEPER : DEEP;
    s->parts = fig__parts((int64_t)(fig__conv_flops(v) * s->pieces / 32), q->threads);
    s->sums = bytes_of(v->outputs * s->wide);
    s->dy = bytes_of(s->deep * v->outputs);
    s->part = s->sums + s->dy + bytes_of(s->deep * PANEL);
    *workspace = s->part * (size_t)s->parts;
    *prepared = s;
    return FIG_OK;
}

static fig_status sums_prepare(const fig_kernel_query *q, void **prepared, size_t *workspace, fig_error *err)
{
    (void)err;
    sums_state *s = fig__alloc(sizeof(*s));
    s->pieces = 1;
    read_sums(&s->v, q);
    return lay_out(s, q, prepared, workspace);
}

static fig_status pieces_prepare(const fig_kernel_query *q, void **prepared, size_t *workspace, fig_error *err)
{
    (void)err;
    sums_state *s = fig__alloc(sizeof(*s));
    s->pieces = q->n_in - 1;
    s->gated = ((const fig_pieces_attr *)q->attr)->gated;
    read_pieces(&s->v, q);
    return lay_out(s, q, prepared, workspace);
}

static void sums_release(void *prepared) { free(prepared); }

typedef struct sums_work {
    const sums_state *s;
    const fig_tensor *x; /* pieces; of a convolution one */
    const uint16_t *dy;
    float *dw;
    char *workspace;
} sums_work;

static float *sums_at(const sums_work *w, int part) { return (float *)(void *)(w->workspace + w->s->part * (size_t)part); }
static uint32_t *dy_at(const sums_work *w, int part) { return (uint32_t *)(void *)((char *)sums_at(w, part) + w->s->sums); }
static uint32_t *panel_at(const sums_work *w, int part) { return (uint32_t *)(void *)((char *)dy_at(w, part) + w->s->dy); }

/* Rows of a sequence; half: where the other factor of a gate's result lies, or 0. */
typedef struct rows {
    const uint16_t *at;
    int64_t length, row, half;
} rows;

/* Steps [t, t + steps), those outside the sequence zeros. */
static void join_steps(uint32_t *to, int64_t to_row, const rows *x, int64_t t, int64_t steps, int64_t columns)
{
    static const uint16_t zeros[PANEL];
    if (t >= 0 && t + steps <= x->length && steps % 2 == 0) {
        if (x->half)
            fig__fast_pair_join_gated(to, to_row, x->at + t * x->row, x->row, x->half, steps / 2, columns);
        else
            fig__fast_pair_join(to, to_row, x->at + t * x->row, x->row, steps / 2, columns);
        return;
    }
    for (int64_t l = 0; l < steps; l += 2)
        for (int64_t j = 0; j < columns; j += PANEL) {
            uint16_t product[2][PANEL];
            const uint16_t *from[2];
            int64_t n = columns - j < PANEL ? columns - j : PANEL;
            for (int64_t i = 0; i < 2; i++) {
                bool there = l + i < steps && t + l + i >= 0 && t + l + i < x->length;
                from[i] = there ? x->at + (t + l + i) * x->row + j : zeros;
                if (there && x->half) {
                    fig__fast_pair_gated(product[i], from[i], from[i] + x->half, n);
                    from[i] = product[i];
                }
            }
            fig__fast_pair_rows(to + l / 2 * to_row + j, from[0], from[1], n);
        }
}

/* What the next steps will read is asked for piece by piece, a piece beside each tile. */
typedef struct ahead {
    const char *run[2];
    int64_t bytes[2], piece;
} ahead;

static fig__pair_ask take_piece(ahead *a, const void *idle, int64_t pairs)
{
    int i = a->bytes[0] > 0 ? 0 : 1;
    if (a->bytes[i] <= 0)
        return (fig__pair_ask){ idle, 0 };
    fig__pair_ask ask = { a->run[i], (a->piece + pairs - 1) / pairs };
    a->run[i] += a->piece;
    a->bytes[i] -= a->piece;
    return ask;
}

static int64_t tiles_of(const sums_state *s) { return (s->v.outputs + FIG__PAIR_ROWS - 1) / FIG__PAIR_ROWS; }

/* Beside a panel: a share of dy's next rows, and of x's where no earlier tap has read them. */
static void look_ahead(const sums_work *w, int64_t panel, const uint16_t *x, int64_t at, int64_t steps, ahead *a)
{
    const sums_state *s = w->s;
    int64_t chunk = panel % s->chunks, tap = panel / s->chunks % s->v.taps;
    int64_t of_dy = steps * s->v.outputs * 2 / s->panels, of_x = tap + 1 == s->v.taps ? steps * s->row * 2 / s->chunks : 0;
    a->run[0] = (const char *)(w->dy + (at + steps) * s->v.outputs) + panel * of_dy;
    a->run[1] = (const char *)x + chunk * of_x;
    a->bytes[0] = of_dy;
    a->bytes[1] = of_x;
    a->piece = ((of_dy + of_x) / tiles_of(s) / 64 + 1) * 64;
}

/* One panel of x against all outputs. */
static void add_panel(const sums_work *w, int part, int64_t panel, int64_t pairs, ahead *next)
{
    const sums_state *s = w->s;
    int64_t n = s->v.outputs, tiles = tiles_of(s);
    const uint32_t *x = panel_at(w, part);
    for (int64_t i = 0; i < tiles; i++) {
        int64_t first = n * i / tiles, count = n * (i + 1) / tiles - first;
        fig__fast_pair_outer(count, pairs, dy_at(w, part) + first, n, x, sums_at(w, part) + first * s->wide + panel * PANEL, s->wide,
                             take_piece(next, x, pairs));
    }
}

static void sums_part(void *context, int part, int parts)
{
    const sums_work *w = context;
    const sums_state *s = w->s;
    const fig__conv *v = &s->v;
    int64_t at, end;
    memset(sums_at(w, part), 0, s->sums);
    if (v->channels % PANEL)
        memset(panel_at(w, part), 0, bytes_of(s->deep * PANEL));
    fig__share(v->batch * v->out[2], 2, part, parts, &at, &end);
    while (at < end) {
        int64_t b = at / v->out[2], t = at % v->out[2], steps = v->out[2] - t;
        steps = steps < end - at ? steps : end - at;
        steps = steps < 2 * s->deep ? steps : 2 * s->deep;
        rows dy = { w->dy + b * v->out[2] * v->outputs, v->out[2], v->outputs, 0 };
        join_steps(dy_at(w, part), v->outputs, &dy, t, steps, v->outputs);
        for (int64_t panel = 0; panel < s->panels; panel++) {
            int64_t c = panel % s->chunks * PANEL, tap = panel / s->chunks % v->taps, piece = panel / s->chunks / v->taps;
            int64_t source = t + tap * v->dilation[2] - v->before[2];
            const uint16_t *sequence = (const uint16_t *)w->x[piece].data + b * v->in[2] * s->row;
            rows x = { sequence + c, v->in[2], s->row, s->gated ? v->channels : 0 };
            join_steps(panel_at(w, part), PANEL, &x, source, steps, v->channels - c < PANEL ? v->channels - c : PANEL);
            ahead next = { .piece = 64 };
            if (at + 2 * steps <= end && source >= 0 && source + 2 * steps <= v->in[2])
                look_ahead(w, panel, sequence + (source + steps) * s->row, at, steps, &next);
            add_panel(w, part, panel, (steps + 1) / 2, &next);
        }
        at += steps;
    }
}

/* Sums of all parts, put where they belong; here parts own outputs. */
static void gather_part(void *context, int part, int parts)
{
    const sums_work *w = context;
    const sums_state *s = w->s;
    int64_t begin, end, channels = s->v.channels, runs = s->pieces * s->v.taps;
    fig__share(s->v.outputs, 1, part, parts, &begin, &end);
    for (int64_t o = begin; o < end; o++)
        for (int64_t run = 0; run < runs; run++) {
            int64_t at = o * s->wide + run * s->chunks * PANEL;
            float *to = w->dw + (o * runs + run) * channels;
            memcpy(to, sums_at(w, 0) + at, sizeof(float) * (size_t)channels);
            for (int other = 1; other < s->parts; other++) {
                const float *more = sums_at(w, other) + at;
                for (int64_t c = 0; c < channels; c++)
                    to[c] += more[c];
            }
        }
}

static void run_sums(const sums_work *w, const fig_eval *c)
{
    const sums_state *s = w->s;
    fig__parallel(s->parts, sums_part, (void *)w);
    fig__parallel(fig__parts(s->v.outputs * s->wide, c->run->threads), gather_part, (void *)w);
}

static void sums_run(fig_eval *c)
{
    run_sums(&(sums_work){ c->prepared, &c->in[0], c->in[1].data, FIG_F32_OUT(c, 0), c->workspace }, c);
}

static void pieces_run(fig_eval *c)
{
    run_sums(&(sums_work){ c->prepared, &c->in[1], c->in[0].data, FIG_F32_OUT(c, 0), c->workspace }, c);
}

const fig_kernel fig_kernel_convolution_pair_sums = {
    .name = "convolution_pair_sums", .op = "convolution_weight_gradient", .bf16 = true, .accepts = sums_accept,
    .competes = sums_compete, .prepare = sums_prepare, .release = sums_release, .run = sums_run,
};
const fig_kernel fig_kernel_pieces_pair_sums = {
    .name = "convolution_pair_sums", .op = "pieces_weight_gradient", .bf16 = true, .rounds = true, .accepts = pieces_accept,
    .prepare = pieces_prepare, .release = sums_release, .run = pieces_run,
};
