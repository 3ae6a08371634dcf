/* kernels/convolution_phases.c - 4x4 convolutions with stride 2 by 36 products of windows instead of 64 (kernels/phases.h)
 *
 * Every second place of x meets every second tap only: the four phases (even or odd rows, even or odd columns) are 2x2 convolutions
 * with stride 1, and nine products make the four results of such a one that take sixteen one by one:
 *
 *     forward          y = A' [sum over phases and C of (G w G') o (B' x B)] A       windows 6x6, as four of 3x3
 *     data gradient    each phase of dx by itself: a 2x2 convolution of dy, taps turned round
 *     weight gradient  each phase of dw = G' [sum over windows of (A dy A') o (B' x B)] G
 *
 * Forward, the phases lie side by side, so that their sum is part of the product. Weights are packed into panels once per run; parts
 * own windows. Weight gradient: parts own phases first, then share the windows with sums of their own that are added in order. */
#include "kernels/conv.h"
#include "kernels/fast.h"
#include "kernels/panel.h"
#include "kernels/parallel.h"
#include "kernels/phases.h"
#include "kernels/windows.h"

#include <stdlib.h>
#include <string.h>

enum {
    PLANES = 9,
    PHASES = 4,
    LEAST_CHANNELS = 32, /* with fewer the transforms weigh too much, or panels stay empty */
    LEAST_WINDOWS = 24,  /* to pay for transforming the weights */
    BLOCK_FLOATS = 1 << 17,
    LEAST_BLOCK = 8 * FIG__TILE_ROWS, /* where packed weights, read once a block, do not stay in the second cache */
    PACKED = 32,
    APART = 16,
};

static bool read_phases(fig__conv *v, const fig_kernel_query *q, int64_t least)
{
    if (!fig__conv_read(v, q) || v->spatial != 2 || v->groups != 1 || v->channels < least || v->outputs < least)
        return false;
    for (int i = 1; i < 3; i++)
        if (v->kernel[i] != 4 || v->stride[i] != 2 || v->dilation[i] != 1)
            return false;
    return true;
}

/* Windows along an axis: of two results each, of dx two of each phase. */
static int64_t grid_of(const fig__conv *v, int axis)
{
    return v->kind == FIG__CONV_DATA ? (v->in[axis] + 3) / 4 : (v->out[axis] + 1) / 2;
}

static bool phases_accepts(const fig_kernel_query *q)
{
    fig__conv v;
    return read_phases(&v, q, LEAST_CHANNELS) && v.batch * grid_of(&v, 1) * grid_of(&v, 2) >= LEAST_WINDOWS;
}

static bool phases_competes(const fig_kernel_query *q)
{
    fig__conv v;
    return read_phases(&v, q, 8);
}

static void lay_products(fig__windows *s)
{
    s->row = s->pieces * s->from;
    int64_t weights = PHASES * PLANES * s->from * s->panels * FIG__PANEL;
    int64_t least = weights > BLOCK_FLOATS * 2 ? LEAST_BLOCK : FIG__TILE_ROWS;
    int64_t most = fig__most(least, BLOCK_FLOATS / (PLANES * s->row) / FIG__TILE_ROWS * FIG__TILE_ROWS);
    s->block = fig__even_blocks((s->windows + s->parts - 1) / s->parts, fig__least(most, 16 * FIG__TILE_ROWS));
    s->weights_plane = s->row * FIG__PANEL + APART;
    s->windows_plane = fig__most(s->block * s->row, PACKED * PACKED) + APART; /* also where weights are turned */
    s->results_plane = s->block * FIG__PANEL + APART;
    s->weights = fig__window_bytes(s->passes * PLANES * s->panels * s->weights_plane);
}

static void lay_sums(fig__windows *s, int threads)
{
    s->shares = s->parts >= PHASES ? PHASES : s->parts > 1 ? 2 : 1;
    s->groups = (int)fig__most(1, fig__least(threads / s->shares, s->windows / 256));
    s->parts = s->shares * s->groups;
    s->pieces = PHASES / s->shares;
    s->row = s->pieces * s->wide;
    s->weights_plane = s->to * PHASES * s->wide + APART;
    s->block = fig__even_blocks((s->windows + s->groups - 1) / s->groups, PLANES * s->weights_plane > BLOCK_FLOATS * 4 ? 128 : 64);
    s->windows_plane = s->block * s->row + APART;
    s->results_plane = s->block * s->to + APART;
    s->weights = (size_t)s->groups * fig__window_bytes(PLANES * s->weights_plane);
}

static fig_status phases_prepare(const fig_kernel_query *q, void **prepared, size_t *workspace, fig_error *err)
{
    (void)err;
    fig__windows *s = fig__alloc(sizeof(*s));
    read_phases(&s->v, q, 1);
    const fig__conv *v = &s->v;
    s->data = v->kind == FIG__CONV_DATA;
    s->passes = s->data ? PHASES : 1;
    s->pieces = s->data ? 1 : PHASES;
    for (int i = 0; i < 2; i++) {
        s->before[i] = v->before[i + 1];
        s->grid[i] = grid_of(v, i + 1);
    }
    fig__windows_begin(s, q->threads);
    if (v->kind == FIG__CONV_WEIGHT)
        lay_sums(s, q->threads);
    else
        lay_products(s);
    *workspace = fig__windows_end(s, PLANES);
    *prepared = s;
    return FIG_OK;
}

static void phases_release(void *prepared) { free(prepared); }

/* Data gradient: dx at place j takes dy at (j + before - tap) / 2. Of the taps `phase` and `phase + 2` along an axis, the first dy that
 * stands in the middle of a window. */
static int64_t first_middle(const fig__windows *s, int axis, int phase) { return (s->before[axis] - phase + 1) / 2; }

/* The nine places of one phase of a window. */
static void read_places(const fig__windows_work *w, fig__window at, int phase, const float *zeros, const float **place)
{
    const fig__windows *s = w->s;
    const float *picture = w->x + at.image * s->source[0] * s->source[1] * s->from;
    int row = phase / 2, column = phase % 2;
    if (s->data)
        fig__window_places(picture, s->source, s->from, first_middle(s, 0, row) + 2 * at.y - 1,
                           first_middle(s, 1, column) + 2 * at.x - 1, 3, 1, zeros, place);
    else
        fig__window_places(picture, s->source, s->from, 4 * at.y - s->before[0] + row, 4 * at.x - s->before[1] + column, 3, 2, zeros,
                           place);
}

/* The taps of a phase in the order in which its windows meet them: those of the data gradient are turned round. Taps of output o lie
 * (4, 4, channels). */
static void find_taps(const fig__windows *s, int64_t o, int phase, int64_t at[4])
{
    for (int k = 0; k < 4; k++) {
        int row = phase / 2 + 2 * (s->data ? 1 - k / 2 : k / 2), column = phase % 2 + 2 * (s->data ? 1 - k % 2 : k % 2);
        at[k] = (o * 16 + row * 4 + column) * s->v.channels;
    }
}

/* -- forward and data gradient ---------------------------------------------------------------------------------------------- */

static float *panel_at(const fig__windows_work *w, int pass, int64_t panel, int64_t plane)
{
    const fig__windows *s = w->s;
    return (float *)(void *)w->workspace + ((pass * s->panels + panel) * PLANES + plane) * s->weights_plane;
}

/* Forward: one panel of outputs, some channels of one phase: transformed, then turned. */
static void pack_turned(const fig__windows_work *w, int64_t panel, int phase, int64_t first, int64_t count, float *spare)
{
    const fig__windows *s = w->s;
    int64_t outputs = fig__least(s->to - panel * FIG__PANEL, FIG__PANEL), at[4];
    for (int64_t o = 0; o < outputs; o++) {
        find_taps(s, panel * FIG__PANEL + o, phase, at);
        const float *tap[4] = { w->w + at[0] + first, w->w + at[1] + first, w->w + at[2] + first, w->w + at[3] + first };
        fig__fast_phase_weights(tap, count, spare + o * PACKED, s->windows_plane);
    }
    for (int64_t p = 0; p < PLANES; p++)
        fig__fast_panel_pack_transposed(count, outputs, spare + p * s->windows_plane, PACKED,
                                        panel_at(w, 0, panel, p) + (phase * s->from + first) * FIG__PANEL);
}

/* The data gradient's: a row of C becomes a row of a panel. */
static void pack_rows(const fig__windows_work *w, int64_t panel, int phase, int64_t first, int64_t count)
{
    const fig__windows *s = w->s;
    int64_t channels = fig__least(s->to - panel * FIG__PANEL, FIG__PANEL), plane = s->weights_plane, at[4];
    for (int64_t o = first; o < first + count; o++) {
        float *u = panel_at(w, phase, panel, 0) + o * FIG__PANEL;
        const float *from = w->w + panel * FIG__PANEL;
        find_taps(s, o, phase, at);
        fig__fast_phase_weights((const float *[]){ from + at[0], from + at[1], from + at[2], from + at[3] }, channels, u, plane);
        for (int64_t p = 0; channels < FIG__PANEL && p < PLANES; p++)
            memset(u + p * plane + channels, 0, sizeof(float) * (size_t)(FIG__PANEL - channels));
    }
}

static void pack_part(void *context, int part, int parts)
{
    const fig__windows_work *w = context;
    const fig__windows *s = w->s;
    int64_t stretches = (s->from + PACKED - 1) / PACKED, begin, end;
    fig__share(s->panels * PHASES * stretches, 1, part, parts, &begin, &end);
    for (int64_t i = begin; i < end; i++) {
        int64_t first = i % stretches * PACKED, count = fig__least(s->from - first, PACKED), panel = i / stretches / PHASES;
        int phase = (int)(i / stretches % PHASES);
        if (s->data)
            pack_rows(w, panel, phase, first, count);
        else
            pack_turned(w, panel, phase, first, count, fig__windows_at(w, part));
    }
}

/* Where the four results of a window go, from channel 0 on; `other` where the picture has ended. */
static void find_results(const fig__windows_work *w, fig__window at, int pass, float *other, float **place)
{
    const fig__windows *s = w->s;
    float *picture = w->y + at.image * s->result[0] * s->result[1] * s->to;
    for (int k = 0; k < 4; k++) {
        int64_t y = 2 * at.y + k / 2, x = 2 * at.x + k % 2;
        if (s->data) {
            y = 2 * (first_middle(s, 0, pass / 2) + y) + pass / 2 - s->before[0];
            x = 2 * (first_middle(s, 1, pass % 2) + x) + pass % 2 - s->before[1];
        }
        place[k] = y < s->result[0] && x < s->result[1] ? picture + (y * s->result[1] + x) * s->to : other;
    }
}

static void write_results(const fig__windows_work *w, int64_t begin, int64_t end, int pass, int64_t panel, const float *made, float *other)
{
    const fig__windows *s = w->s;
    int64_t columns = fig__least(s->to - panel * FIG__PANEL, FIG__PANEL);
    for (int64_t i = begin; i < end; i++, made += FIG__PANEL) {
        float *place[4];
        find_results(w, fig__window_at(s->grid, i), pass, other, place);
        for (int k = 0; k < 4; k++)
            place[k] += place[k] == other ? 0 : panel * FIG__PANEL;
        fig__fast_phase_make(made, s->results_plane, columns, place);
    }
}

static void products_part(void *context, int part, int parts)
{
    const fig__windows_work *w = context;
    const fig__windows *s = w->s;
    float *v = fig__windows_at(w, part), *made = fig__results_at(w, part), *zeros = fig__zeros_at(w, part);
    float *other = fig__other_at(w, part);
    int64_t begin, end;
    memset(zeros, 0, s->zeros);
    fig__share(s->windows, 1, part, parts, &begin, &end);
    for (int64_t from = begin, to; from < end; from = to) {
        to = fig__least(from + s->block, end);
        for (int pass = 0; pass < s->passes; pass++) {
            for (int64_t i = from; i < to; i++)
                for (int piece = 0; piece < s->pieces; piece++) {
                    const float *place[9];
                    read_places(w, fig__window_at(s->grid, i), pass + piece, zeros, place);
                    fig__fast_phase_window(place, s->from, v + (i - from) * s->row + piece * s->from, s->windows_plane);
                }
            for (int64_t panel = 0; panel < s->panels; panel++) {
                for (int64_t p = 0; p < PLANES; p++)
                    fig__fast_panel(to - from, s->row, v + p * s->windows_plane, s->row, panel_at(w, pass, panel, p),
                                    made + p * s->results_plane, FIG__PANEL, false);
                write_results(w, from, to, pass, panel, made, other);
            }
        }
        fig__windows_finish(w, from, to);
    }
}

static void products_run(fig_eval *c)
{
    fig__windows_work w = fig__windows_work_of(c);
    fig__parallel(w.s->parts, pack_part, &w);
    fig__parallel(w.s->parts, products_part, &w);
}

/* -- weight gradient ---------------------------------------------------------------------------------------------------------- */

static void transform_pairs(const fig__windows_work *w, int phase, int64_t first, int64_t count, float *v, float *d, const float *zeros)
{
    const fig__windows *s = w->s;
    for (int64_t i = 0; i < count; i++) {
        fig__window at = fig__window_at(s->grid, first + i);
        const float *place[9];
        for (int piece = 0; piece < s->pieces; piece++) {
            read_places(w, at, phase + piece, zeros, place);
            fig__fast_phase_window(place, s->from, v + i * s->row + piece * s->wide, s->windows_plane);
        }
        fig__window_places(w->w + at.image * s->result[0] * s->result[1] * s->to, s->result, s->to, 2 * at.y, 2 * at.x, 2, 1, zeros,
                           place);
        fig__fast_phase_result(place, s->to, d + i * s->to, s->results_plane);
    }
}

static void sums_part(void *context, int part, int parts)
{
    const fig__windows_work *w = context;
    const fig__windows *s = w->s;
    float *v = fig__windows_at(w, part), *d = fig__results_at(w, part), *zeros = fig__zeros_at(w, part);
    int group = part / s->shares, phase = part % s->shares * s->pieces;
    int64_t begin, end;
    (void)parts;
    memset(zeros, 0, s->zeros);
    if (s->wide > s->from) /* what fills the last panel up */
        memset(v, 0, s->windows_bytes);
    fig__share(s->windows, 1, group, s->groups, &begin, &end);
    for (int64_t from = begin; from < end; from += s->block) {
        int64_t count = fig__least(s->block, end - from);
        transform_pairs(w, phase, from, count, v, d, zeros);
        for (int64_t p = 0; p < PLANES; p++)
            for (int64_t j = 0; j < s->row; j += FIG__PANEL)
                fig__fast_outer(s->to, count, d + p * s->results_plane, s->to, v + p * s->windows_plane + j, s->row,
                                fig__sums_at(w, group, p) + phase * s->wide + j, PHASES * s->wide, from > begin);
    }
}

/* Sums of all groups, then the taps; parts own outputs. */
static void taps_part(void *context, int part, int parts)
{
    const fig__windows_work *w = context;
    const fig__windows *s = w->s;
    int64_t begin, end, plane = s->weights_plane, at[4];
    fig__share(s->to, 1, part, parts, &begin, &end);
    for (int64_t o = begin; o < end; o++) {
        float *sums = fig__sums_at(w, 0, 0) + o * PHASES * s->wide;
        fig__sums_join(w, PLANES, o * PHASES * s->wide, PHASES * s->wide);
        for (int phase = 0; phase < PHASES; phase++) {
            find_taps(s, o, phase, at);
            float *tap[4] = { w->y + at[0], w->y + at[1], w->y + at[2], w->y + at[3] };
            fig__fast_phase_taps(sums + phase * s->wide, plane, s->from, tap);
        }
    }
}

static void sums_run(fig_eval *c)
{
    const fig__windows *s = c->prepared;
    fig__windows_work w = fig__windows_work_of(c);
    fig__parallel(s->parts, sums_part, &w);
    fig__parallel(fig__parts(s->to * s->wide * PHASES * PLANES, c->run->threads), taps_part, &w);
}

const fig_kernel fig_kernel_convolution_phases = {
    .name = "convolution_phases", .op = "convolution", .accepts = phases_accepts, .competes = phases_competes,
    .prepare = phases_prepare, .release = phases_release, .run = products_run,
};
const fig_kernel fig_kernel_convolution_fused_phases = {
    .name = "convolution_phases", .op = "convolution_fused", .accepts = phases_accepts, .competes = phases_competes,
    .prepare = phases_prepare, .release = phases_release, .run = products_run,
};
const fig_kernel fig_kernel_convolution_data_gradient_phases = {
    .name = "convolution_phases", .op = "convolution_data_gradient", .accepts = phases_accepts, .competes = phases_competes,
    .prepare = phases_prepare, .release = phases_release, .run = products_run,
};
const fig_kernel fig_kernel_convolution_weight_gradient_phases = {
    .name = "convolution_phases", .op = "convolution_weight_gradient", .accepts = phases_accepts, .competes = phases_competes,
    .prepare = phases_prepare, .release = phases_release, .run = sums_run,
};
