/* kernels/convolution_winograd_fixed.c - 3x3 convolutions with stride 1 in bf16 by 16 products of 4x4 windows
 *
 * As convolution_winograd.c, but transformed windows are whole numbers of 16 bits (kernels/winograd_fixed.h). How many of the bits are
 * used follows from the numbers: a sum of products is at most as large as the largest number of the one side times the sum of the
 * sizes of the other, and has to have room in 32 bits.
 *
 * Forward and data gradient: weights are packed once per run, each output with its scale; the sums of their sizes say how large windows'
 * numbers may be. Each window has a scale of its own, since channels are what is summed over. Weight gradient: two windows side by side
 * are a pair of the summed axis, so that a block's windows stand as panels of 32 channels and its results' gradients as rows of all
 * outputs, plane by plane; in a block of 64 pairs each channel has its scale. Shares of planes, groups and blocks are those of f32.
 *
 * GFLOP/s (of the plain sums' operations) forward / data / weight gradient against oneDNN's, two Zen 4 cores, bf16 product 430, and
 * relative errors, root of mean squares, of normal numbers (bf16 results: rounding the exact ones is 1.66e-3):
 *
 *     64-64, 32 of 32x32      682 / 685 / 617 against 446 / 459 / 368      1.69e-3 / 1.69e-3 / 6.5e-4
 *     128-128, 32 of 16x16    753 / 748 / 690 against 473 / 474 / 426      1.76e-3 / 1.76e-3 / 6.6e-4
 *     128-128, 32 of 8x8      758 / 724 / 701 against 483 / 485 / 409      1.77e-3 / 1.76e-3 / 6.7e-4
 *     256-128, 32 of 16x16    809 / 821 / 741 against 478 / 483 / 426      1.92e-3 / 1.75e-3 / 6.3e-4 */
#include "kernels/cast.h"
#include "kernels/conv.h"
#include "kernels/fast.h"
#include "kernels/move.h"
#include "kernels/panel.h"
#include "kernels/parallel.h"
#include "kernels/windows.h"
#include "kernels/winograd.h"
#include "kernels/winograd_fixed.h"
#include "ops/bf16.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
    PLANES = 16,
    LEAST_CHANNELS = 32, /* with fewer the transforms weigh too much */
    LEAST_BOTH = 96,     /* channels and outputs together, likewise */
    LEAST_WINDOWS = 192, /* to pay for packing the weights */
    LEAST_SUMMED = 128,  /* windows of a weight gradient, to pay for its last transform */
    MOST_PAIRS = 64,
    BLOCK_UNITS = 3 << 16, /* of 4 bytes, of a part's transformed windows: most of a second cache of 1 MiB */
    APART = 16,
    LIMIT = 32767,        /* of whole numbers */
    WEIGHT_LIMIT = 16383, /* what room in 32 bits these leave is the windows' */
    WINDOW_LIMIT = 8191,  /* weight gradient: what these leave is the results' */
};

typedef struct fixed_state {
    fig__windows s;
    int64_t from_wide, to_wide; /* channels read and made, filled up */
    size_t scales, part;       /* bytes before scales; of a part's */
    size_t shared;             /* forward and data gradient: bytes of the weights' scales and bias, before those of parts */
} fixed_state;

/* `by` stands as vectors of channels do (fig__winograd_place), what scales back in order. */
typedef struct scales {
    float *by, *back;
    uint16_t *largest;
} scales;

typedef struct fixed_work {
    fig__windows_work w;
    const fixed_state *f;
    const uint16_t *x, *y; /* windows' source; weights, or dy */
    void *made;            /* forward and data gradient: the result */
} fixed_work;

static bool read_fixed(fig__conv *v, const fig_kernel_query *q, int64_t least)
{
    return fig__winograd_fixed_available() && fig__winograd_read(v, q, least) && v->narrow;
}

static bool pays(const fig_kernel_query *q, int64_t windows)
{
    fig__conv v;
    return read_fixed(&v, q, LEAST_CHANNELS) && v.channels + v.outputs >= LEAST_BOTH && fig__winograd_windows(&v) >= windows;
}

static void winograd_release(void *prepared) { free(prepared); }

static int64_t filled_up(int64_t channels) { return (channels + FIG__PANEL - 1) / FIG__PANEL * FIG__PANEL; }

/* rows x columns places of a picture from (y, x) on; what lies outside is `other`. */
static void read_places(const uint16_t *picture, const int64_t *size, int64_t channels, int64_t y, int64_t x, int rows, int columns,
                        const uint16_t *other, const uint16_t **place)
{
    for (int i = 0; i < rows; i++)
        for (int j = 0; j < columns; j++) {
            bool inside = y + i >= 0 && y + i < size[0] && x + j >= 0 && x + j < size[1];
            place[i * columns + j] = inside ? picture + ((y + i) * size[1] + x + j) * channels : other;
        }
}

/* By which numbers up to `sum` times the largest become whole numbers up to `limit`. Below 1e-30 they become 0; where one is not finite
 * all results are NaN. */
static float find_scale(float most, float limit, float sum, float *back)
{
    float by = isfinite(most) && most > 1e-30f ? limit / (sum * most) : 0.0f;
    *back = !isfinite(most) ? NAN : by > 0 ? 1.0f / by : 0.0f;
    return by;
}

/* -- forward and data gradient ---------------------------------------------------------------------------------------------- */

static bool products_compete(const fig_kernel_query *q)
{
    fig__conv v;
    return read_fixed(&v, q, 8);
}

static bool products_accept(const fig_kernel_query *q) { return pays(q, LEAST_WINDOWS); }

static fig_status products_prepare(const fig_kernel_query *q, void **prepared, size_t *workspace, fig_error *err)
{
    (void)err;
    fixed_state *f = fig__alloc(sizeof(*f));
    fig__windows *s = &f->s;
    read_fixed(&s->v, q, 1);
    const fig__conv *v = &s->v;
    s->data = v->kind == FIG__CONV_DATA;
    for (int i = 0; i < 2; i++) {
        s->before[i] = s->data ? 2 - v->before[i + 1] : v->before[i + 1];
        s->grid[i] = ((s->data ? v->in[i + 1] : v->out[i + 1]) + 1) / 2;
    }
    fig__windows_begin(s, q->threads);
    f->from_wide = filled_up(s->from);
    f->to_wide = s->wide;
    s->row = f->from_wide / 2;
    int64_t most = BLOCK_UNITS / (PLANES * (s->row + FIG__PANEL)) / FIG__FIXED_ROWS * FIG__FIXED_ROWS;
    most = fig__most(FIG__FIXED_ROWS, fig__least(most, 8 * FIG__FIXED_ROWS));
    s->block = fig__even_blocks((s->windows + s->parts - 1) / s->parts, most);
    s->weights_plane = s->row * FIG__PANEL + APART;
    s->windows_plane = fig__most(s->block * s->row, FIG__PANEL * FIG__PANEL / 2) + APART; /* also where weights are turned */
    s->results_plane = s->block * FIG__PANEL + APART;
    s->weights = fig__window_bytes(PLANES * s->panels * s->weights_plane);
    f->scales = fig__windows_end(s, PLANES);
    f->shared = fig__window_bytes(f->to_wide * 4 + f->from_wide * 5 / 2);
    f->part = fig__window_bytes(s->block);
    *workspace = f->scales + f->shared + f->part * (size_t)s->parts;
    *prepared = f;
    return FIG_OK;
}

static scales weight_scales(const fixed_work *w)
{
    float *at = (float *)(void *)(w->w.workspace + w->f->scales);
    return (scales){ at, at + w->f->to_wide, NULL };
}

/* How channels are balanced: `by` what windows are multiplied by, `back` what weights are, which stands as `by` does where channels are
 * a weight's innermost axis. */
static scales balance_of(const fixed_work *w)
{
    float *at = (float *)(void *)(w->w.workspace + w->f->scales) + 4 * w->f->to_wide;
    return (scales){ at, at + w->f->from_wide, (uint16_t *)(void *)(at + 2 * w->f->from_wide) };
}

static float *bias_of(const fixed_work *w) { return weight_scales(w).back + w->f->to_wide; }

/* Of each panel, the largest sum of its weights' sizes. */
static int32_t *sums_of(const fixed_work *w) { return (int32_t *)(void *)(bias_of(w) + w->f->to_wide); }

/* How large a window's whole numbers may be: times the sizes of any output's weights in any plane they have room in 32 bits. */
static float window_limit(const fixed_work *w)
{
    int32_t most = 1;
    for (int64_t panel = 0; panel < w->f->s.panels; panel++)
        most = sums_of(w)[panel] > most ? sums_of(w)[panel] : most;
    return fminf(LIMIT, (float)(INT32_MAX / most));
}

/* By which each window of a part's block is scaled back. */
static float *backs_at(const fixed_work *w, int part)
{
    return (float *)(void *)(w->w.workspace + w->f->scales + w->f->shared + w->f->part * (size_t)part);
}

static uint32_t *panel_at(const fixed_work *w, int64_t panel, int64_t plane)
{
    return (uint32_t *)(void *)w->w.workspace + (panel * PLANES + plane) * w->f->s.weights_plane;
}

/* Weights (O, 3, 3, C): the taps of an output, from channel c on. */
static void find_taps(const fixed_work *w, int64_t o, int64_t c, const uint16_t **tap)
{
    for (int t = 0; t < 9; t++)
        tap[t] = w->y + (o * 9 + t) * w->f->s.v.channels + c;
}

/* Windows have one scale for all channels, so that a channel of large numbers whose weights are small would leave the others few
 * digits: windows are multiplied by each channel's largest weight and weights divided by it. Parts own channels read. */
static void balance_part(void *context, int part, int parts)
{
    const fixed_work *w = context;
    const fig__windows *s = &w->f->s;
    const scales balance = balance_of(w);
    int64_t begin, end;
    fig__share(w->f->from_wide, FIG__PANEL, part, parts, &begin, &end);
    memset(balance.largest + begin, 0, sizeof(uint16_t) * (size_t)(end - begin));
    const int64_t channels = fig__least(end, s->from) - begin;
    const uint16_t *tap[9];
    for (int64_t o = 0; !s->data && o < s->to; o++) {
        find_taps(w, o, begin, tap);
        fig__fast_winograd_largest(tap, 9, channels, balance.largest + begin);
    }
    for (int64_t c = begin; c < end; c++) {
        float most = fig__from_bf16(balance.largest[c]);
        if (s->data && c < s->from) {
            find_taps(w, c, 0, tap);
            most = fig__fast_winograd_most(tap, 9, s->to, NULL);
        }
        float weight = isfinite(most) ? most : 1.0f;
        balance.by[fig__winograd_place(c)] = weight > 1e-30f ? weight : 0.0f;
        balance.back[s->data ? c : fig__winograd_place(c)] = weight > 1e-30f ? 1.0f / weight : 0.0f;
    }
}

/* Weights of one panel of outputs: transformed, then turned in units of pairs. */
static void pack_turned(const fixed_work *w, int64_t panel, uint32_t *spare)
{
    const fig__windows *s = &w->f->s;
    const float *balance = balance_of(w).back;
    const int64_t plane = s->windows_plane, wide = FIG__PANEL / 2, begin = panel * FIG__PANEL;
    int64_t outputs = fig__least(s->to - begin, FIG__PANEL);
    float by[FIG__PANEL], *back = weight_scales(w).back + begin;
    const uint16_t *tap[9];
    for (int64_t o = 0; o < outputs; o++) {
        find_taps(w, begin + o, 0, tap);
        by[o] = find_scale(fig__fast_winograd_most(tap, 9, s->from, balance), WEIGHT_LIMIT, 2.25f, &back[o]);
    }
    for (int64_t first = 0; first < s->from; first += FIG__PANEL) {
        for (int64_t o = 0; o < outputs; o++) {
            find_taps(w, begin + o, first, tap);
            fig__fast_winograd_fixed_weights(tap, fig__least(s->from - first, FIG__PANEL), by[o], balance + first, spare + o * wide,
                                             plane);
        }
        for (int64_t p = 0; p < PLANES; p++)
            fig__fast_transpose_4(panel_at(w, panel, p) + first * wide, FIG__PANEL, spare + p * plane, wide, wide, outputs);
    }
}

/* The data gradient's scales: of each channel made, over all outputs. */
static void find_pair_scales(const fixed_work *w, int64_t begin, int64_t channels)
{
    const fig__windows *s = &w->f->s;
    const scales to = weight_scales(w);
    const float *balance = balance_of(w).back;
    float most[FIG__PANEL] = { 0 };
    for (int64_t o = 0; o < s->from; o++) {
        const uint16_t *tap[9];
        uint16_t largest[FIG__PANEL] = { 0 };
        find_taps(w, o, begin, tap);
        fig__fast_winograd_largest(tap, 9, channels, largest);
        for (int64_t c = 0; c < FIG__PANEL; c++) {
            float size = largest[c] >= 0x7F80 ? INFINITY : fig__from_bf16(largest[c]) * balance[o];
            most[c] = size > most[c] ? size : most[c];
        }
    }
    for (int64_t c = 0; c < channels; c++)
        to.by[begin + fig__winograd_place(c)] = find_scale(most[c], WEIGHT_LIMIT, 2.25f, &to.back[begin + c]);
}

/* The data gradient's: rows of two outputs become pairs, taps in opposite order. */
static void pack_pairs(const fixed_work *w, int64_t panel, const uint16_t *zeros)
{
    const fig__windows *s = &w->f->s;
    const int64_t begin = panel * FIG__PANEL, channels = fig__least(s->to - begin, FIG__PANEL);
    const uint16_t *tap[2][9];
    find_pair_scales(w, begin, channels);
    for (int64_t o = 0; o < s->from; o += 2) {
        for (int i = 0; i < 2; i++)
            for (int t = 0; t < 9; t++)
                tap[i][t] = o + i < s->from ? w->y + ((o + i) * 9 + 8 - t) * s->to + begin : zeros;
        fig__fast_winograd_fixed_weight_pairs(tap[0], tap[1], channels, balance_of(w).back + o, weight_scales(w).by + begin,
                                              panel_at(w, panel, 0) + o / 2 * FIG__PANEL, s->weights_plane);
    }
}

static void pack_part(void *context, int part, int parts)
{
    const fixed_work *w = context;
    const fig__windows *s = &w->f->s;
    const scales to = weight_scales(w);
    int64_t begin, end;
    uint16_t *zeros = (uint16_t *)(void *)fig__zeros_at(&w->w, part);
    memset(zeros, 0, s->zeros);
    fig__share(s->panels, 1, part, parts, &begin, &end);
    for (int64_t panel = begin; panel < end; panel++) {
        if ((panel + 1) * FIG__PANEL > s->to)
            memset(panel_at(w, panel, 0), 0, sizeof(uint32_t) * (size_t)(PLANES * s->weights_plane));
        for (int64_t c = panel * FIG__PANEL; c < (panel + 1) * FIG__PANEL; c++) {
            to.by[c] = to.back[c] = 0;
            bias_of(w)[c] = w->w.bias && c < s->to ? w->w.bias[c] : 0;
        }
        if (s->data)
            pack_pairs(w, panel, zeros);
        else
            pack_turned(w, panel, (uint32_t *)(void *)fig__windows_at(&w->w, part));
        sums_of(w)[panel] = 0;
        for (int64_t p = 0; p < PLANES; p++) {
            int32_t sum = fig__fast_winograd_fixed_weight_sum(panel_at(w, panel, p), (s->from + 1) / 2);
            sums_of(w)[panel] = sum > sums_of(w)[panel] ? sum : sums_of(w)[panel];
        }
    }
}

/* Windows whose results are not plain bf16: any activation, f32. */
static void write_slowly(const fixed_work *w, const float *made, float back, int64_t first, int64_t columns, const int64_t at[4])
{
    const fig__windows *s = &w->f->s;
    float result[4][FIG__PANEL];
    fig__fast_winograd_make(made, s->results_plane, columns, (float *const[4]){ result[0], result[1], result[2], result[3] });
    for (int k = 0; k < 4; k++) {
        if (at[k] < 0)
            continue;
        for (int64_t c = 0; c < columns; c++)
            result[k][c] *= back;
        fig__fast_epilogue(result[k], 1, columns, w->w.bias ? w->w.bias + first : NULL, &s->v.after_sum);
        if (s->v.narrow_out)
            fig__fast_f32_to_bf16((uint16_t *)w->made + at[k], result[k], columns);
        else
            memcpy((float *)w->made + at[k], result[k], sizeof(float) * (size_t)columns);
    }
}

/* A panel's results of windows [begin, end); what lies beyond the picture goes to `other`. */
static void write_results(const fixed_work *w, int64_t begin, int64_t end, int64_t panel, const float *made, const float *back,
                          uint16_t *other)
{
    const fig__windows *s = &w->f->s;
    const bool plain = s->v.narrow_out && s->v.after_sum.activation == FIG_LINEAR;
    int64_t first = panel * FIG__PANEL, columns = fig__least(s->to - first, FIG__PANEL);
    for (int64_t i = begin; i < end; i++, made += FIG__PANEL, back++) {
        fig__window in = fig__window_at(s->grid, i);
        int64_t at[4];
        uint16_t *place[4];
        for (int k = 0; k < 4; k++) {
            int64_t y = 2 * in.y + k / 2, x = 2 * in.x + k % 2;
            bool inside = y < s->result[0] && x < s->result[1];
            at[k] = inside ? ((in.image * s->result[0] + y) * s->result[1] + x) * s->to + first : -1;
            place[k] = inside ? (uint16_t *)w->made + at[k] : other;
        }
        if (plain)
            fig__fast_winograd_fixed_make(made, s->results_plane, *back, bias_of(w) + first, columns, place);
        else
            write_slowly(w, made, *back, first, columns, at);
    }
}

static void products_block(const fixed_work *w, int part, int64_t from, int64_t to)
{
    const fig__windows *s = &w->f->s;
    uint32_t *v = (uint32_t *)(void *)fig__windows_at(&w->w, part);
    float *made = fig__results_at(&w->w, part), *back = backs_at(w, part);
    const float *balance = balance_of(w).by, limit = window_limit(w);
    const uint16_t *zeros = (const uint16_t *)(void *)fig__zeros_at(&w->w, part), *place[16];
    for (int64_t i = from; i < to; i++) {
        fig__window at = fig__window_at(s->grid, i);
        read_places(w->x + at.image * s->source[0] * s->source[1] * s->from, s->source, s->from, 2 * at.y - s->before[0],
                    2 * at.x - s->before[1], 4, 4, zeros, place);
        float by = find_scale(fig__fast_winograd_most(place, 16, s->from, balance), limit, 4, &back[i - from]);
        fig__fast_winograd_fixed_window(place, s->from, by, balance, v + (i - from) * s->row, s->windows_plane);
    }
    int64_t tiles = (to - from + FIG__FIXED_ROWS - 1) / FIG__FIXED_ROWS;
    fig__fixed_tile t = { .pairs = (s->from + 1) / 2, .a_row = s->row };
    for (int64_t panel = 0; panel < s->panels; panel++) {
        t.column = weight_scales(w).back + panel * FIG__PANEL;
        for (int64_t p = 0; p < PLANES; p++) {
            t.panel = panel_at(w, panel, p);
            for (int64_t i = 0; i < tiles; i++) {
                int64_t first = (to - from) * i / tiles, rows = (to - from) * (i + 1) / tiles - first;
                t.a = v + p * s->windows_plane + first * s->row;
                t.c = made + p * s->results_plane + first * FIG__PANEL;
                fig__fast_winograd_fixed_tile(&t, rows);
            }
        }
        write_results(w, from, to, panel, made, back, (uint16_t *)(void *)fig__other_at(&w->w, part));
    }
}

static void products_part(void *context, int part, int parts)
{
    const fixed_work *w = context;
    const fig__windows *s = &w->f->s;
    int64_t begin, end;
    memset(fig__zeros_at(&w->w, part), 0, s->zeros);
    fig__share(s->windows, 1, part, parts, &begin, &end);
    for (int64_t from = begin; from < end; from += s->block)
        products_block(w, part, from, fig__least(from + s->block, end));
}

static void products_run(fig_eval *c)
{
    const fixed_state *f = c->prepared;
    fixed_work w = { fig__windows_work_of(c), f, c->in[0].data, c->in[1].data, c->out[0].data };
    fig__parallel(fig__parts(f->s.from * f->s.to, c->run->threads), balance_part, &w);
    fig__parallel(f->s.parts, pack_part, &w);
    fig__parallel(f->s.parts, products_part, &w);
}

/* -- weight gradient ---------------------------------------------------------------------------------------------------------- */

static bool sums_compete(const fig_kernel_query *q)
{
    fig__conv v;
    return read_fixed(&v, q, 8) && !v.narrow_out;
}

static bool sums_accept(const fig_kernel_query *q) { return sums_compete(q) && pays(q, LEAST_SUMMED); }

static fig_status sums_prepare(const fig_kernel_query *q, void **prepared, size_t *workspace, fig_error *err)
{
    (void)err;
    fixed_state *f = fig__alloc(sizeof(*f));
    fig__windows *s = &f->s;
    read_fixed(&s->v, q, 1);
    for (int i = 0; i < 2; i++) {
        s->before[i] = s->v.before[i + 1];
        s->grid[i] = (s->v.out[i + 1] + 1 + 2 * i) / (2 + 2 * i); /* two windows side by side count as one here */
    }
    fig__windows_begin(s, q->threads);
    s->shares = s->parts > 1 ? 2 : 1;
    s->groups = (int)fig__most(1, fig__least(q->threads / s->shares, s->windows / 128));
    s->parts = s->shares * s->groups;
    f->from_wide = s->wide;
    f->to_wide = filled_up(s->to);
    s->row = f->to_wide + APART;
    int planes = PLANES / s->shares;
    int64_t most = BLOCK_UNITS / (planes * (s->wide + s->row));
    s->block = fig__even_blocks((s->windows + s->groups - 1) / s->groups, fig__most(MOST_PAIRS / 2, fig__least(MOST_PAIRS, most)));
    s->weights_plane = s->to * s->wide + APART;
    s->windows_plane = s->block * s->wide + APART;
    s->results_plane = s->block * s->row + APART;
    s->weights = (size_t)s->groups * fig__window_bytes(PLANES * s->weights_plane);
    f->scales = fig__windows_end(s, planes);
    f->part = fig__window_bytes((f->from_wide + f->to_wide) * 5 / 2);
    *workspace = f->scales + f->part * (size_t)s->parts;
    *prepared = f;
    return FIG_OK;
}

/* Of a part: scales of x, or of dy. */
static scales scales_at(const fixed_work *w, int part, bool of_dy)
{
    const fixed_state *f = w->f;
    float *at = (float *)(void *)(w->w.workspace + f->scales + f->part * (size_t)part) + (of_dy ? f->from_wide * 5 / 2 : 0);
    int64_t wide = of_dy ? f->to_wide : f->from_wide;
    return (scales){ at, at + wide, (uint16_t *)(void *)(at + 2 * wide) };
}

static void places_of_x(const fixed_work *w, int64_t i, const uint16_t *zeros, const uint16_t **place)
{
    const fig__windows *s = &w->f->s;
    fig__window at = fig__window_at(s->grid, i);
    read_places(w->x + at.image * s->source[0] * s->source[1] * s->from, s->source, s->from, 2 * at.y - s->before[0],
                4 * at.x - s->before[1], 4, 6, zeros, place);
}

static void places_of_dy(const fixed_work *w, int64_t i, const uint16_t *zeros, const uint16_t **place)
{
    const fig__windows *s = &w->f->s;
    fig__window at = fig__window_at(s->grid, i);
    read_places(w->y + at.image * s->result[0] * s->result[1] * s->to, s->result, s->to, 2 * at.y, 4 * at.x, 2, 4, zeros, place);
}

/* A sum of products is at most as large as the largest number of the one side times the sizes' sum of the other; in any plane, a
 * block's results have sizes that add up to at most those of its places. */
static void find_block_scales(const fixed_work *w, int part, int64_t first, int64_t count, const uint16_t *zeros)
{
    const fig__windows *s = &w->f->s;
    scales x = scales_at(w, part, false), dy = scales_at(w, part, true);
    memset(x.largest, 0, sizeof(uint16_t) * (size_t)s->from);
    memset(dy.largest, 0, sizeof(uint16_t) * (size_t)s->to);
    memset(dy.by, 0, sizeof(float) * (size_t)w->f->to_wide);
    for (int64_t i = first; i < first + count; i++) {
        const uint16_t *place[24];
        places_of_x(w, i, zeros, place);
        fig__fast_winograd_largest(place, 24, s->from, x.largest);
        places_of_dy(w, i, zeros, place);
        fig__fast_winograd_largest(place, 8, s->to, dy.largest);
        fig__fast_winograd_sizes(place, 8, s->to, dy.by);
    }
    for (int64_t c = 0; c < s->from; c++)
        x.by[fig__winograd_place(c)] = find_scale(fig__from_bf16(x.largest[c]), WINDOW_LIMIT, 4, &x.back[c]);
    for (int64_t c = 0; c < s->to; c++) {
        float most = fig__from_bf16(dy.largest[c]), *by = &dy.by[fig__winograd_place(c)];
        float room = (float)(INT32_MAX / WINDOW_LIMIT) - (float)count - 64.0f; /* each of 2 count numbers may be rounded up by a half */
        float sum = *by * (LIMIT * 1.001f / room); /* under by = LIMIT / sum, their sizes add up to less than that */
        *by = find_scale(most, LIMIT, isfinite(most) && most > 0 ? fmaxf(4, sum / most) : 4, &dy.back[c]);
    }
}

static void transform_pairs(const fixed_work *w, int part, int half, int64_t first, int64_t count, uint32_t *v, uint32_t *d,
                            const uint16_t *zeros)
{
    const fig__windows *s = &w->f->s;
    scales x = scales_at(w, part, false), dy = scales_at(w, part, true);
    for (int64_t i = 0; i < count; i++) {
        const uint16_t *place[24];
        places_of_x(w, first + i, zeros, place);
        fig__fast_winograd_fixed_windows(place, half, s->from, x.by, v + i * FIG__PANEL, s->windows_plane, s->block * FIG__PANEL);
        places_of_dy(w, first + i, zeros, place);
        fig__fast_winograd_fixed_results(place, half, s->to, dy.by, d + i * s->row, s->results_plane);
    }
}

/* One plane's sums of a block: tiles of outputs by panels of channels. */
static void add_plane(const fixed_work *w, int part, int64_t count, const uint32_t *v, const uint32_t *d, float *sums)
{
    const fig__windows *s = &w->f->s;
    const scales x = scales_at(w, part, false), dy = scales_at(w, part, true);
    int64_t tiles = (s->to + FIG__FIXED_ROWS - 1) / FIG__FIXED_ROWS;
    fig__fixed_sums t = { .pairs = count, .d_row = s->row, .sum_row = s->wide };
    for (int64_t panel = 0; panel < s->panels; panel++)
        for (int64_t i = 0; i < tiles; i++) {
            int64_t first = s->to * i / tiles, rows = s->to * (i + 1) / tiles - first;
            t.d = d + first;
            t.panel = v + panel * s->block * FIG__PANEL;
            t.row = dy.back + first;
            t.column = x.back + panel * FIG__PANEL;
            t.sum = sums + first * s->wide + panel * FIG__PANEL;
            fig__fast_winograd_fixed_sums(&t, rows);
        }
}

static void sums_part(void *context, int part, int parts)
{
    const fixed_work *w = context;
    const fig__windows *s = &w->f->s;
    uint32_t *v = (uint32_t *)(void *)fig__windows_at(&w->w, part), *d = (uint32_t *)(void *)fig__results_at(&w->w, part);
    uint16_t *zeros = (uint16_t *)(void *)fig__zeros_at(&w->w, part);
    int group = part / s->shares, half = part % s->shares;
    int64_t begin, end;
    (void)parts;
    memset(zeros, 0, s->zeros);
    memset(scales_at(w, part, false).by, 0, w->f->part);
    for (int h = half; h < 2; h += s->shares)
        memset(fig__sums_at(&w->w, group, h * 8), 0, sizeof(float) * 8 * (size_t)s->weights_plane);
    fig__share(s->windows, 1, group, s->groups, &begin, &end);
    for (int64_t from = begin; from < end; from += s->block) {
        int64_t count = fig__least(s->block, end - from);
        find_block_scales(w, part, from, count, zeros);
        for (int h = half; h < 2; h += s->shares) {
            int64_t skip = s->shares == 1 ? h * 8 : 0;
            transform_pairs(w, part, h, from, count, v + skip * s->windows_plane, d + skip * s->results_plane, zeros);
            for (int64_t p = 0; p < 8; p++)
                add_plane(w, part, count, v + (skip + p) * s->windows_plane, d + (skip + p) * s->results_plane,
                          fig__sums_at(&w->w, group, h * 8 + p));
        }
    }
}

static void sums_run(fig_eval *c)
{
    const fixed_state *f = c->prepared;
    fixed_work w = { fig__windows_work_of(c), f, c->in[0].data, c->in[1].data, NULL };
    fig__parallel(f->s.parts, sums_part, &w);
    fig__parallel(fig__parts(f->s.to * f->s.wide * PLANES, c->run->threads), fig__winograd_taps, &w.w);
}

const fig_kernel fig_kernel_convolution_winograd_fixed = {
    .name = "convolution_winograd_fixed", .op = "convolution", .bf16 = true, .rounds = true, .accepts = products_accept,
    .competes = products_compete, .prepare = products_prepare, .release = winograd_release, .run = products_run,
};
const fig_kernel fig_kernel_convolution_fused_winograd_fixed = {
    .name = "convolution_winograd_fixed", .op = "convolution_fused", .bf16 = true, .rounds = true, .accepts = products_accept,
    .competes = products_compete, .prepare = products_prepare, .release = winograd_release, .run = products_run,
};
const fig_kernel fig_kernel_convolution_data_gradient_winograd_fixed = {
    .name = "convolution_winograd_fixed", .op = "convolution_data_gradient", .bf16 = true, .rounds = true, .accepts = products_accept,
    .competes = products_compete, .prepare = products_prepare, .release = winograd_release, .run = products_run,
};
const fig_kernel fig_kernel_convolution_weight_gradient_winograd_fixed = {
    .name = "convolution_winograd_fixed", .op = "convolution_weight_gradient", .bf16 = true, .rounds = true, .accepts = sums_accept,
    .competes = sums_compete, .prepare = sums_prepare, .release = winograd_release, .run = sums_run,
};
