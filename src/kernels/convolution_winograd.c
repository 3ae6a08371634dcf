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

typedef struct winograd_state {
    fig__conv v;
    bool data;
    int64_t from, to;                       /* channels read and made; of the weight gradient: of x and of dy */
    int64_t source[2], result[2], before[2]; /* sizes of the picture that windows are read from, and of the one made of 2x2 places */
    int64_t grid[2], windows;               /* windows of a picture, of the batch */
    int64_t panels, wide;                   /* of `to` (weight gradient: of `from`); channels of all panels */
    int64_t block;                          /* windows at once */
    int64_t weights_plane, windows_plane, results_plane; /* floats from plane to plane: not a power of two, or all would share
                                                            a few sets of the caches */
    int parts, halves, groups;              /* weight gradient: parts = halves * groups */
    size_t weights, windows_bytes, results_bytes, zeros, part; /* bytes: packed weights or all sums; then of each part: its
                                                                 windows, its results, zeros or a place for what is not wanted */
} winograd_state;

static bool read_winograd(fig__conv *v, const fig_kernel_query *q, int64_t least)
{
    if (!fig__conv_read(v, q) || v->spatial != 2 || v->groups != 1 || v->channels < least || v->outputs < least)
        return false;
    for (int i = 1; i < 3; i++)
        if (v->kernel[i] != 3 || v->stride[i] != 1 || v->dilation[i] != 1)
            return false;
    return true;
}

static int64_t windows_of(const fig__conv *v)
{
    const int64_t *made = v->kind == FIG__CONV_DATA ? v->in : v->out;
    return v->batch * ((made[1] + 1) / 2) * ((made[2] + 1) / 2);
}

static bool winograd_accepts(const fig_kernel_query *q)
{
    fig__conv v;
    return read_winograd(&v, q, LEAST_CHANNELS) && windows_of(&v) >= LEAST_WINDOWS;
}

static bool winograd_competes(const fig_kernel_query *q)
{
    fig__conv v;
    return read_winograd(&v, q, 8);
}

static void lay_products(winograd_state *s)
{
    int64_t most = fig__most(FIG__TILE_ROWS, BLOCK_FLOATS / (PLANES * s->from) / FIG__TILE_ROWS * FIG__TILE_ROWS);
    s->block = fig__even_blocks((s->windows + s->parts - 1) / s->parts, fig__least(most, 8 * FIG__TILE_ROWS));
    s->weights_plane = s->from * FIG__PANEL + APART;
    s->windows_plane = fig__most(s->block * s->from, PACKED * PACKED) + APART; /* also where weights are turned */
    s->results_plane = s->block * FIG__PANEL + APART;
    s->weights = fig__window_bytes(PLANES * s->panels * s->weights_plane);
    s->windows_bytes = fig__window_bytes(PLANES * s->windows_plane);
    s->results_bytes = fig__window_bytes(PLANES * s->results_plane);
}

static void lay_sums(winograd_state *s, int threads)
{
    s->halves = s->parts > 1 ? 2 : 1;
    s->groups = (int)fig__most(1, fig__least(threads / s->halves, s->windows / 256));
    s->parts = s->halves * s->groups;
    s->block = fig__even_blocks((s->windows + s->groups - 1) / s->groups, 128);
    s->weights_plane = s->to * s->wide + APART;
    s->windows_plane = s->block * s->wide + APART;
    s->results_plane = s->block * s->to + APART;
    s->weights = (size_t)s->groups * fig__window_bytes(PLANES * s->weights_plane);
    s->windows_bytes = fig__window_bytes(PLANES / s->halves * s->windows_plane);
    s->results_bytes = fig__window_bytes(PLANES / s->halves * s->results_plane);
}

static fig_status winograd_prepare(const fig_kernel_query *q, void **prepared, size_t *workspace, fig_error *err)
{
    (void)err;
    winograd_state *s = fig__alloc(sizeof(*s));
    read_winograd(&s->v, q, 1);
    const fig__conv *v = &s->v;
    s->data = v->kind == FIG__CONV_DATA;
    s->from = s->data ? v->outputs : v->channels;
    s->to = s->data ? v->channels : v->outputs;
    for (int i = 0; i < 2; i++) {
        s->source[i] = s->data ? v->out[i + 1] : v->in[i + 1];
        s->result[i] = s->data ? v->in[i + 1] : v->out[i + 1];
        s->before[i] = s->data ? 2 - v->before[i + 1] : v->before[i + 1];
        s->grid[i] = (s->result[i] + 1) / 2;
    }
    s->windows = v->batch * s->grid[0] * s->grid[1];
    s->panels = ((v->kind == FIG__CONV_WEIGHT ? s->from : s->to) + FIG__PANEL - 1) / FIG__PANEL;
    s->wide = s->panels * FIG__PANEL;
    s->parts = (int)fig__least(fig__parts((int64_t)(fig__conv_flops(v) / 32), q->threads), s->windows);
    if (v->kind == FIG__CONV_WEIGHT)
        lay_sums(s, q->threads);
    else
        lay_products(s);
    s->zeros = fig__window_bytes(fig__most(s->from, s->to) + FIG__PANEL);
    s->part = s->windows_bytes + s->results_bytes + s->zeros;
    *workspace = s->weights + s->part * (size_t)s->parts;
    *prepared = s;
    return FIG_OK;
}

static void winograd_release(void *prepared) { free(prepared); }

typedef struct winograd_work {
    const winograd_state *s;
    const float *x, *w; /* windows' source; weights, or dy */
    const float *bias;
    float *y;
    char *workspace;
} winograd_work;

static float *windows_at(const winograd_work *w, int part)
{
    return (float *)(void *)(w->workspace + w->s->weights + w->s->part * (size_t)part);
}
static float *results_at(const winograd_work *w, int part)
{
    return (float *)(void *)((char *)windows_at(w, part) + w->s->windows_bytes);
}
static float *zeros_at(const winograd_work *w, int part)
{
    return (float *)(void *)((char *)results_at(w, part) + w->s->results_bytes);
}

/* The 16 places that a window reads. */
static void read_places(const winograd_work *w, fig__window at, const float *zeros, const float **place)
{
    const winograd_state *s = w->s;
    const float *picture = w->x + at.image * s->source[0] * s->source[1] * s->from;
    fig__window_places(picture, s->source, s->from, 2 * at.y - s->before[0], 2 * at.x - s->before[1], 4, 1, zeros, place);
}

/* -- forward and data gradient ---------------------------------------------------------------------------------------------- */

static float *panel_at(const winograd_work *w, int64_t panel, int64_t plane)
{
    return (float *)(void *)w->workspace + (panel * PLANES + plane) * w->s->weights_plane;
}

/* Weights (O, 3, 3, C) of one panel of outputs and some channels: transformed, then turned. */
static void pack_turned(const winograd_work *w, int64_t panel, int64_t first, int64_t count, float *spare)
{
    const winograd_state *s = w->s;
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
static void pack_rows(const winograd_work *w, int64_t panel, int64_t first, int64_t count)
{
    const winograd_state *s = w->s;
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
    const winograd_work *w = context;
    const winograd_state *s = w->s;
    int64_t pieces = (s->from + PACKED - 1) / PACKED, begin, end;
    fig__share(s->panels * pieces, 1, part, parts, &begin, &end);
    for (int64_t i = begin; i < end; i++) {
        int64_t first = i % pieces * PACKED, count = fig__least(s->from - first, PACKED);
        if (s->data)
            pack_rows(w, i / pieces, first, count);
        else
            pack_turned(w, i / pieces, first, count, windows_at(w, part));
    }
}

/* Writes a panel's results of windows [begin, end); what lies beyond the picture goes to `other`. */
static void write_results(const winograd_work *w, int64_t begin, int64_t end, int64_t panel, const float *made, float *other)
{
    const winograd_state *s = w->s;
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

/* Bias and activation of windows [begin, end), which are in the cache still: their two lines of each row of windows at once. */
static void finish(const winograd_work *w, int64_t begin, int64_t end)
{
    const winograd_state *s = w->s;
    if (!w->bias && s->v.after_sum.activation == FIG_LINEAR)
        return;
    for (int64_t i = begin; i < end;) {
        fig__window at = fig__window_at(s->grid, i);
        int64_t run = fig__least(end - i, s->grid[1] - at.x), width = fig__least(2 * run, s->result[1] - 2 * at.x);
        for (int64_t y = 2 * at.y; y < fig__least(2 * at.y + 2, s->result[0]); y++)
            fig__fast_epilogue(w->y + ((at.image * s->result[0] + y) * s->result[1] + 2 * at.x) * s->to, width, s->to, w->bias,
                               &s->v.after_sum);
        i += run;
    }
}

static void products_part(void *context, int part, int parts)
{
    const winograd_work *w = context;
    const winograd_state *s = w->s;
    float *v = windows_at(w, part), *made = results_at(w, part), *zeros = zeros_at(w, part);
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
            write_results(w, from, to, panel, made, zeros + s->zeros / sizeof(float) - FIG__PANEL);
        }
        finish(w, from, to);
    }
}

static void products_run(fig_eval *c)
{
    const winograd_state *s = c->prepared;
    const float *bias = s->v.after_sum.bias ? FIG_F32_IN(c, 2) : NULL;
    winograd_work w = { s, FIG_F32_IN(c, 0), FIG_F32_IN(c, 1), bias, FIG_F32_OUT(c, 0), c->workspace };
    fig__parallel(s->parts, pack_part, &w);
    fig__parallel(s->parts, products_part, &w);
}

/* -- weight gradient ---------------------------------------------------------------------------------------------------------- */

static float *sums_at(const winograd_work *w, int group, int64_t plane)
{
    const winograd_state *s = w->s;
    return (float *)(void *)(w->workspace + s->weights / (size_t)s->groups * (size_t)group) + plane * s->weights_plane;
}

static void transform_pairs(const winograd_work *w, int half, int64_t first, int64_t count, float *v, float *d, const float *zeros)
{
    const winograd_state *s = w->s;
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
    const winograd_work *w = context;
    const winograd_state *s = w->s;
    float *v = windows_at(w, part), *d = results_at(w, part), *zeros = zeros_at(w, part);
    int group = part / s->halves, half = part % s->halves;
    int64_t begin, end;
    (void)parts;
    memset(zeros, 0, s->zeros);
    if (s->wide > s->from) /* what fills the last panel up */
        memset(v, 0, s->windows_bytes);
    fig__share(s->windows, 1, group, s->groups, &begin, &end);
    for (int64_t from = begin; from < end; from += s->block) {
        int64_t count = fig__least(s->block, end - from);
        for (int h = half; h < 2; h += s->halves) {
            int64_t skip = s->halves == 1 ? h * 8 : 0;
            transform_pairs(w, h, from, count, v + skip * s->windows_plane, d + skip * s->results_plane, zeros);
            for (int64_t p = 0; p < 8; p++)
                for (int64_t j = 0; j < s->wide; j += FIG__PANEL)
                    fig__fast_outer(s->to, count, d + (skip + p) * s->results_plane, s->to, v + (skip + p) * s->windows_plane + j,
                                    s->wide, sums_at(w, group, h * 8 + p) + j, s->wide, from > begin);
        }
    }
}

/* Sums of all groups, then the taps; parts own outputs. */
static void taps_part(void *context, int part, int parts)
{
    const winograd_work *w = context;
    const winograd_state *s = w->s;
    int64_t begin, end, plane = s->weights_plane;
    fig__share(s->to, 1, part, parts, &begin, &end);
    for (int64_t o = begin; o < end; o++) {
        float *tap[9], *sums = sums_at(w, 0, 0) + o * s->wide;
        for (int group = 1; group < s->groups; group++)
            for (int64_t p = 0; p < PLANES; p++) {
                const float *other = sums_at(w, group, p) + o * s->wide;
                for (int64_t i = 0; i < s->wide; i++)
                    sums[p * plane + i] += other[i];
            }
        for (int t = 0; t < 9; t++)
            tap[t] = w->y + (o * 9 + t) * s->from;
        fig__fast_winograd_taps(sums, plane, s->from, tap);
    }
}

static void sums_run(fig_eval *c)
{
    const winograd_state *s = c->prepared;
    winograd_work w = { s, FIG_F32_IN(c, 0), FIG_F32_IN(c, 1), NULL, FIG_F32_OUT(c, 0), c->workspace };
    fig__parallel(s->parts, sums_part, &w);
    fig__parallel(fig__parts(s->to * s->wide * PLANES, c->run->threads), taps_part, &w);
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
