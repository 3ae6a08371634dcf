/* kernels/convolution_winograd_fixed.c - 3x3 convolutions with stride 1 in bf16 by 16 products of 4x4 windows
 *
 * As convolution_winograd.c, but transformed windows are whole numbers of 16 bits (kernels/winograd_fixed.h).
 *
 * Weight gradient: two windows side by side are a pair of the summed axis, so that a block's windows stand as panels of 32 channels and
 * its results' gradients as rows of all outputs, plane by plane. In a block of 64 pairs each channel has a scale of its own: sums of
 * 128 products of two numbers up to 4095 have room in 32 bits. The largest |x| of a block bounds a window's sums of four places, and
 * planes whose gradients are sums of fewer are scaled up by as much. */
#include "kernels/conv.h"
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
    LEAST_CHANNELS = 32,
    LEAST_WINDOWS = 128,
    MOST_PAIRS = 64,
    BLOCK_UNITS = 3 << 16, /* of 4 bytes, of a part's transformed windows: most of a second cache of 1 MiB */
    APART = 16,
};

typedef struct fixed_state {
    fig__windows s;
    float limit;               /* of whole numbers */
    int64_t from_wide, to_wide; /* channels read and made, filled up */
    size_t scales, part;       /* bytes before parts' scales, of a part's */
} fixed_state;

/* Scales of 32 channels stand as their vectors do, those of even number first; what scales back stands in order. */
typedef struct scales {
    float *by, *back;
    uint16_t *largest;
} scales;

typedef struct fixed_work {
    fig__windows_work w;
    const fixed_state *f;
    const uint16_t *x, *y; /* windows' source; weight gradient: dy */
} fixed_work;

static bool read_fixed(fig__conv *v, const fig_kernel_query *q, int64_t least)
{
    return fig__winograd_fixed_available() && fig__winograd_read(v, q, least) && v->narrow;
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
static void find_scales(scales *s, int64_t channels, float limit, float sum)
{
    for (int64_t c = 0; c < channels; c++) {
        float most = fig__from_bf16(s->largest[c]), by = most < 1e-30f ? 0.0f : isfinite(most) ? limit / (sum * most) : 0.0f;
        s->by[c / 32 * 32 + c % 2 * 16 + c % 32 / 2] = by;
        s->back[c] = !isfinite(most) ? NAN : by > 0 ? 1.0f / by : 0.0f;
    }
}

/* -- weight gradient ---------------------------------------------------------------------------------------------------------- */

static bool sums_compete(const fig_kernel_query *q)
{
    fig__conv v;
    return read_fixed(&v, q, 8) && !v.narrow_out;
}

static bool sums_accept(const fig_kernel_query *q)
{
    fig__conv v;
    return read_fixed(&v, q, LEAST_CHANNELS) && !v.narrow_out && fig__winograd_windows(&v) >= LEAST_WINDOWS;
}

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
    f->limit = fminf(32767, floorf(sqrtf(2147483000.0f / (2.0f * (float)s->block))));
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

static void find_block_scales(const fixed_work *w, int part, int64_t first, int64_t count, const uint16_t *zeros)
{
    const fig__windows *s = &w->f->s;
    scales x = scales_at(w, part, false), dy = scales_at(w, part, true);
    memset(x.largest, 0, sizeof(uint16_t) * (size_t)s->from);
    memset(dy.largest, 0, sizeof(uint16_t) * (size_t)s->to);
    for (int64_t i = first; i < first + count; i++) {
        const uint16_t *place[24];
        places_of_x(w, i, zeros, place);
        fig__fast_winograd_largest(place, 24, s->from, x.largest);
        places_of_dy(w, i, zeros, place);
        fig__fast_winograd_largest(place, 8, s->to, dy.largest);
    }
    find_scales(&x, s->from, w->f->limit, 4);
    find_scales(&dy, s->to, w->f->limit, 4);
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
static void add_plane(const fixed_work *w, int part, int64_t plane, int64_t count, const uint32_t *v, const uint32_t *d, float *sums)
{
    const fig__windows *s = &w->f->s;
    const scales x = scales_at(w, part, false), dy = scales_at(w, part, true);
    int64_t tiles = (s->to + FIG__FIXED_ROWS - 1) / FIG__FIXED_ROWS;
    fig__fixed_sums t = { .pairs = count, .d_row = s->row, .factor = 1 / fig__winograd_factor(plane), .sum_row = s->wide };
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
                add_plane(w, part, h * 8 + p, count, v + (skip + p) * s->windows_plane, d + (skip + p) * s->results_plane,
                          fig__sums_at(&w->w, group, h * 8 + p));
        }
    }
}

static void sums_run(fig_eval *c)
{
    const fixed_state *f = c->prepared;
    fixed_work w = { fig__windows_work_of(c), f, c->in[0].data, c->in[1].data };
    fig__parallel(f->s.parts, sums_part, &w);
    fig__parallel(fig__parts(f->s.to * f->s.wide * PLANES, c->run->threads), fig__winograd_taps, &w.w);
}

const fig_kernel fig_kernel_convolution_weight_gradient_winograd_fixed = {
    .name = "convolution_winograd_fixed", .op = "convolution_weight_gradient", .bf16 = true, .rounds = true, .accepts = sums_accept,
    .competes = sums_compete, .prepare = sums_prepare, .release = winograd_release, .run = sums_run,
};
