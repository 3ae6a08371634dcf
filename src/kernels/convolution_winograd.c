/* kernels/convolution_winograd.c - 3x3 convolutions with stride 1 by 16 products of 4x4 windows (kernels/winograd.h)
 *
 * 16 multiplications make the four results of a window that take 36 one by one, and work on the windows themselves is small
 * beside the products as soon as there are some dozens of channels:
 *
 *     forward          y = A' [sum over C of (G w G') o (B' x B)] A
 *     data gradient    the same of dy, taps turned round, w read the other way
 *     weight gradient  dw = G' [sum over windows of (A dy A') o (B' x B)] G
 *
 * Errors are those of f32 sums as before: windows are at most four numbers added, and each product sums C terms, not 9 C.
 *
 * GFLOP/s (of the plain sums' operations) forward / data / weight gradient against oneDNN's, two Zen 4 cores, product 185 to 200:
 *
 *     64-64, 32 of 32x32      322 / 329 / 325 against 215 / 198 / 144      256-256, 1 of 16x16   259 / 217 / 366 against 180 / 188 / 170
 *     128-128, 32 of 16x16    354 / 360 / 329 against 222 / 211 / 190      256-256, 2 of 16x16   320 / 278 / 361 against 187 / 193 / 166
 *     256-128, 32 of 16x16    367 / 318 / 310 against 186 / 181 / 159      256-128, 32 of 8x8    340 / 321 / 319 against 232 / 214 / 152
 *
 * Forward and data gradient: the transformed weights are packed into panels once per run; parts own windows, and a block of windows
 * goes through panel after panel, so that what lies between the transforms stays in the second cache. Weight gradient: two parts
 * halve the 16 planes, which share no work; more parts share the windows, with sums of their own that are added in order. */
#include "kernels/conv.h"
#include "kernels/fast.h"
#include "kernels/panel.h"
#include "kernels/parallel.h"
#include "kernels/windows.h"
#include "kernels/winograd.h"

#include <stdlib.h>
#include <string.h>

enum {
    PLANES = 16,
    LEAST_CHANNELS = 32, /* with fewer the transforms weigh too much, or panels stay empty */
    LEAST_WINDOWS = 24,  /* to pay for transforming the weights */
    BLOCK_FLOATS = 1 << 17, /* of a part's windows: half of a second cache of 1 MiB */
    PACKED = 32,         /* outputs whose weights are turned at once */
    APART = 16,
};

bool fig__winograd_read(fig__conv *v, const fig_kernel_query *q, int64_t least)
{
    if (!fig__conv_read_any(v, q) || v->spatial != 2 || v->groups != 1 || v->channels < least || v->outputs < least)
        return false;
    for (int i = 1; i < 3; i++)
        if (v->kernel[i] != 3 || v->stride[i] != 1 || v->dilation[i] != 1)
            return false;
    return true;
}

static bool read_winograd(fig__conv *v, const fig_kernel_query *q, int64_t least)
{
    return fig__winograd_read(v, q, least) && !v->narrow;
}

int64_t fig__winograd_windows(const fig__conv *v)
{
    const int64_t *made = v->kind == FIG__CONV_DATA ? v->in : v->out;
    return v->batch * ((made[1] + 1) / 2) * ((made[2] + 1) / 2);
}

static bool winograd_accepts(const fig_kernel_query *q)
{
    fig__conv v;
    return read_winograd(&v, q, LEAST_CHANNELS) && fig__winograd_windows(&v) >= LEAST_WINDOWS;
}

static bool winograd_competes(const fig_kernel_query *q)
{
    fig__conv v;
    return read_winograd(&v, q, 8);
}

static void lay_products(fig__windows *s)
{
    int64_t most = fig__most(FIG__TILE_ROWS, BLOCK_FLOATS / (PLANES * s->from) / FIG__TILE_ROWS * FIG__TILE_ROWS);
    s->block = fig__even_blocks((s->windows + s->parts - 1) / s->parts, fig__least(most, 8 * FIG__TILE_ROWS));
    s->weights_plane = s->from * FIG__PANEL + APART;
    s->windows_plane = fig__most(s->block * s->from, PACKED * PACKED) + APART; /* also where weights are turned */
    s->results_plane = s->block * FIG__PANEL + APART;
    s->weights = fig__window_bytes(PLANES * s->panels * s->weights_plane);
}

static void lay_sums(fig__windows *s, int threads)
{
    s->shares = s->parts > 1 ? 2 : 1;
    s->groups = (int)fig__most(1, fig__least(threads / s->shares, s->windows / 256));
    s->parts = s->shares * s->groups;
    s->block = fig__even_blocks((s->windows + s->groups - 1) / s->groups, 128);
    s->weights_plane = s->to * s->wide + APART;
    s->windows_plane = s->block * s->wide + APART;
    s->results_plane = s->block * s->to + APART;
    s->weights = (size_t)s->groups * fig__window_bytes(PLANES * s->weights_plane);
}

static fig_status winograd_prepare(const fig_kernel_query *q, void **prepared, size_t *workspace, fig_error *err)
{
    (void)err;
    fig__windows *s = fig__alloc(sizeof(*s));
    read_winograd(&s->v, q, 1);
    const fig__conv *v = &s->v;
    s->data = v->kind == FIG__CONV_DATA;
    s->passes = s->pieces = 1;
    for (int i = 0; i < 2; i++) {
        s->before[i] = s->data ? 2 - v->before[i + 1] : v->before[i + 1];
        s->grid[i] = ((s->data ? v->in[i + 1] : v->out[i + 1]) + 1) / 2;
    }
    fig__windows_begin(s, q->threads);
    if (v->kind == FIG__CONV_WEIGHT)
        lay_sums(s, q->threads);
    else
        lay_products(s);
    *workspace = fig__windows_end(s, PLANES / (v->kind == FIG__CONV_WEIGHT ? s->shares : 1));
    *prepared = s;
    return FIG_OK;
}

static void winograd_release(void *prepared) { free(prepared); }

/* The 16 places that a window reads. */
static void read_places(const fig__windows_work *w, fig__window at, const float *zeros, const float **place)
{
    const fig__windows *s = w->s;
    const float *picture = w->x + at.image * s->source[0] * s->source[1] * s->from;
    fig__window_places(picture, s->source, s->from, 2 * at.y - s->before[0], 2 * at.x - s->before[1], 4, 1, zeros, place);
}

/* -- forward and data gradient ---------------------------------------------------------------------------------------------- */

static float *panel_at(const fig__windows_work *w, int64_t panel, int64_t plane)
{
    return (float *)(void *)w->workspace + (panel * PLANES + plane) * w->s->weights_plane;
}

/* Weights (O, 3, 3, C) of one panel of outputs and some channels: transformed, then turned. */
static void pack_turned(const fig__windows_work *w, int64_t panel, int64_t first, int64_t count, float *spare)
{
    const fig__windows *s = w->s;
    int64_t outputs = fig__least(s->to - panel * FIG__PANEL, FIG__PANEL);
    const int64_t plane = s->windows_plane;
    for (int64_t o = 0; o < outputs; o++) {
        const float *tap[9];
        for (int t = 0; t < 9; t++)
            tap[t] = w->w + ((panel * FIG__PANEL + o) * 9 + t) * s->from + first;
        fig__fast_winograd_weights(tap, count, spare + o * PACKED, plane);
    }
    for (int64_t p = 0; p < PLANES; p++)
        fig__fast_panel_pack_transposed(count, outputs, spare + p * plane, PACKED, panel_at(w, panel, p) + first * FIG__PANEL);
}

/* The data gradient's: a row of C becomes a row of a panel, taps in opposite order. */
static void pack_rows(const fig__windows_work *w, int64_t panel, int64_t first, int64_t count)
{
    const fig__windows *s = w->s;
    int64_t channels = fig__least(s->to - panel * FIG__PANEL, FIG__PANEL), plane = s->weights_plane;
    for (int64_t o = first; o < first + count; o++) {
        const float *tap[9];
        float *u = panel_at(w, panel, 0) + o * FIG__PANEL;
        for (int t = 0; t < 9; t++)
            tap[t] = w->w + (o * 9 + 8 - t) * s->to + panel * FIG__PANEL;
        fig__fast_winograd_weights(tap, channels, u, plane);
        for (int64_t p = 0; channels < FIG__PANEL && p < PLANES; p++)
            memset(u + p * plane + channels, 0, sizeof(float) * (size_t)(FIG__PANEL - channels));
    }
}

static void pack_part(void *context, int part, int parts)
{
    const fig__windows_work *w = context;
    const fig__windows *s = w->s;
    int64_t pieces = (s->from + PACKED - 1) / PACKED, begin, end;
    fig__share(s->panels * pieces, 1, part, parts, &begin, &end);
    for (int64_t i = begin; i < end; i++) {
        int64_t first = i % pieces * PACKED, count = fig__least(s->from - first, PACKED);
        if (s->data)
            pack_rows(w, i / pieces, first, count);
        else
            pack_turned(w, i / pieces, first, count, fig__windows_at(w, part));
    }
}

/* Writes a panel's results of windows [begin, end); what lies beyond the picture goes to `other`. */
static void write_results(const fig__windows_work *w, int64_t begin, int64_t end, int64_t panel, const float *made, float *other)
{
    const fig__windows *s = w->s;
    int64_t columns = fig__least(s->to - panel * FIG__PANEL, FIG__PANEL), plane = s->results_plane;
    for (int64_t i = begin; i < end; i++, made += FIG__PANEL) {
        fig__window at = fig__window_at(s->grid, i);
        float *picture = w->y + at.image * s->result[0] * s->result[1] * s->to, *place[4];
        for (int64_t k = 0; k < 4; k++) {
            int64_t y = 2 * at.y + k / 2, x = 2 * at.x + k % 2;
            bool inside = y < s->result[0] && x < s->result[1];
            place[k] = inside ? picture + (y * s->result[1] + x) * s->to + panel * FIG__PANEL : other;
        }
        fig__fast_winograd_make(made, plane, columns, place);
    }
}

static void products_part(void *context, int part, int parts)
{
    const fig__windows_work *w = context;
    const fig__windows *s = w->s;
    float *v = fig__windows_at(w, part), *made = fig__results_at(w, part), *zeros = fig__zeros_at(w, part);
    int64_t begin, end, plane = s->windows_plane;
    memset(zeros, 0, s->zeros);
    fig__share(s->windows, 1, part, parts, &begin, &end);
    for (int64_t from = begin, to; from < end; from = to) {
        to = fig__least(from + s->block, end);
        for (int64_t i = from; i < to; i++) {
            const float *place[16];
            read_places(w, fig__window_at(s->grid, i), zeros, place);
            fig__fast_winograd_window(place, 0, s->from, v + (i - from) * s->from, plane);
            fig__fast_winograd_window(place, 1, s->from, v + (i - from) * s->from + 8 * plane, plane);
        }
        for (int64_t panel = 0; panel < s->panels; panel++) {
            for (int64_t p = 0; p < PLANES; p++)
                fig__fast_panel(to - from, s->from, v + p * plane, s->from, panel_at(w, panel, p), made + p * s->results_plane,
                                FIG__PANEL, false);
            write_results(w, from, to, panel, made, fig__other_at(w, part));
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

static void transform_pairs(const fig__windows_work *w, int half, int64_t first, int64_t count, float *v, float *d, const float *zeros)
{
    const fig__windows *s = w->s;
    for (int64_t i = 0; i < count; i++) {
        fig__window at = fig__window_at(s->grid, first + i);
        const float *place[16];
        read_places(w, at, zeros, place);
        fig__fast_winograd_window(place, half, s->from, v + i * s->wide, s->windows_plane);
        fig__window_places(w->w + at.image * s->result[0] * s->result[1] * s->to, s->result, s->to, 2 * at.y, 2 * at.x, 2, 1, zeros,
                           place);
        fig__fast_winograd_result(place, half, s->to, d + i * s->to, s->results_plane);
    }
}

static void sums_part(void *context, int part, int parts)
{
    const fig__windows_work *w = context;
    const fig__windows *s = w->s;
    float *v = fig__windows_at(w, part), *d = fig__results_at(w, part), *zeros = fig__zeros_at(w, part);
    int group = part / s->shares, half = part % s->shares;
    int64_t begin, end;
    (void)parts;
    memset(zeros, 0, s->zeros);
    if (s->wide > s->from) /* what fills the last panel up */
        memset(v, 0, s->windows_bytes);
    fig__share(s->windows, 1, group, s->groups, &begin, &end);
    for (int64_t from = begin; from < end; from += s->block) {
        int64_t count = fig__least(s->block, end - from);
        for (int h = half; h < 2; h += s->shares) {
            int64_t skip = s->shares == 1 ? h * 8 : 0;
            transform_pairs(w, h, from, count, v + skip * s->windows_plane, d + skip * s->results_plane, zeros);
            for (int64_t p = 0; p < 8; p++)
                for (int64_t j = 0; j < s->wide; j += FIG__PANEL)
                    fig__fast_outer(s->to, count, d + (skip + p) * s->results_plane, s->to, v + (skip + p) * s->windows_plane + j,
                                    s->wide, fig__sums_at(w, group, h * 8 + p) + j, s->wide, from > begin);
        }
    }
}

void fig__winograd_taps(void *context, int part, int parts)
{
    const fig__windows_work *w = context;
    const fig__windows *s = w->s;
    int64_t begin, end, plane = s->weights_plane;
    fig__share(s->to, 1, part, parts, &begin, &end);
    for (int64_t o = begin; o < end; o++) {
        float *tap[9], *sums = fig__sums_at(w, 0, 0) + o * s->wide;
        fig__sums_join(w, PLANES, o * s->wide, s->wide);
        for (int t = 0; t < 9; t++)
            tap[t] = w->y + (o * 9 + t) * s->from;
        fig__fast_winograd_taps(sums, plane, s->from, tap);
    }
}

static void sums_run(fig_eval *c)
{
    const fig__windows *s = c->prepared;
    fig__windows_work w = fig__windows_work_of(c);
    fig__parallel(s->parts, sums_part, &w);
    fig__parallel(fig__parts(s->to * s->wide * PLANES, c->run->threads), fig__winograd_taps, &w);
}

const fig_kernel fig_kernel_convolution_winograd = {
    .name = "convolution_winograd", .op = "convolution", .accepts = winograd_accepts, .competes = winograd_competes,
    .prepare = winograd_prepare, .release = winograd_release, .run = products_run,
};
const fig_kernel fig_kernel_convolution_fused_winograd = {
    .name = "convolution_winograd", .op = "convolution_fused", .accepts = winograd_accepts, .competes = winograd_competes,
    .prepare = winograd_prepare, .release = winograd_release, .run = products_run,
};
const fig_kernel fig_kernel_convolution_data_gradient_winograd = {
    .name = "convolution_winograd", .op = "convolution_data_gradient", .accepts = winograd_accepts, .competes = winograd_competes,
    .prepare = winograd_prepare, .release = winograd_release, .run = products_run,
};
const fig_kernel fig_kernel_convolution_weight_gradient_winograd = {
    .name = "convolution_winograd", .op = "convolution_weight_gradient", .accepts = winograd_accepts, .competes = winograd_competes,
    .prepare = winograd_prepare, .release = winograd_release, .run = sums_run,
};
