/* kernels/convolution_taps.c - weight gradients, tap by tap, straight from x and dy into dw as it is stored
 *
 *     dw (O, tap, C) [o, tap, i] = sum over places p of dy[p, o] x[place that the tap reads at p, i]
 *
 * A sum of outer products of two rows that lie in memory as they are: nothing is packed, laid out or copied. The output's lines are cut
 * into segments, a few hundred places make a chunk that stays in the second cache, and within a chunk every tile of dw (8 outputs x 32
 * channels, in registers) runs over it. Threads share the tiles, not the places: no copies of dw to be added, and sums do not depend on
 * the number of threads. Places that a tap finds in the padding are left out of its segments.
 *
 * GFLOP/s here, of oneDNN with the batch split over the threads, and of columns times a product; padding counted as work, two
 * Zen 4 cores, peak 230:
 *
 *     3x3, 64-64, 32 of 32x32             208 / 176 / 161     3x3, 128-128, 32 of 16x16       227 / 206 / -
 *     3x3, 256-128, 32 of 8x8             237 / 228 / -       3x3, 256-256, 1 of 16x16        205 / 184 / 200
 *     4x4 stride 2, 256-512, 64 of 4x4    184 / 152 / 148     4x4, 256-512, 1 of 7x7          193 / - / 174
 *     5x5 stride 2, 64-128, 256 of 7x7    219 / 140 / -       3x3, 32-64, 128 of 16x16        208 / - / -
 * but 5x5, 256-128, 256 of 7x7            267 / 292 / 193
 *
 * A challenger where plans are tuned: which of the three wins differs from shape to shape and, on a shared machine, from hour to hour.
 * Convolutions of one tap read x and dy once per thread for too little work: those are better as products. */
#include "kernels/convolution_taps.h"
#include "kernels/conv.h"
#include "kernels/parallel.h"

#include <stdlib.h>

/* Bytes of x and dy that a chunk may have: half of a second cache of 1 MiB, twice. */
enum { CHUNK_BYTES = 1 << 18, MOST_SEGMENTS = 512 };

typedef struct taps_state {
    fig__conv v;
    int64_t lines;     /* of the output: batch * out[0] * out[1] */
    int64_t places;    /* of a segment, at most */
    int64_t per_line;  /* segments of a line */
    int64_t segments;  /* of a chunk */
    int64_t out_tiles; /* tiles of 8 outputs */
} taps_state;

static bool taps_computes(const fig_kernel_query *q)
{
    fig__conv v;
    return fig__machine_get()->avx512 && fig__conv_read(&v, q) && v.groups == 1 && v.taps > 1 && v.channels % FIG__TAP_LANES == 0;
}

/* A challenger only: see above. */
static bool taps_accepts(const fig_kernel_query *q)
{
    (void)q;
    return false;
}

static int64_t least(int64_t a, int64_t b) { return a < b ? a : b; }
static int64_t most(int64_t a, int64_t b) { return a > b ? a : b; }

static fig_status taps_prepare(const fig_kernel_query *q, void **prepared, size_t *workspace, fig_error *err)
{
    (void)err;
    taps_state *s = fig__alloc(sizeof(*s));
    fig__conv_read(&s->v, q);
    const fig__conv *v = &s->v;
    int64_t place = (int64_t)sizeof(float) * (v->channels * v->stride[1] * v->stride[2] + v->outputs);
    int64_t chunk = most(CHUNK_BYTES / place, 32);
    s->lines = v->batch * v->out[0] * v->out[1];
    s->per_line = (v->out[2] + chunk - 1) / chunk;
    s->places = (v->out[2] + s->per_line - 1) / s->per_line;
    s->segments = least(most(chunk / s->places, 1), MOST_SEGMENTS);
    s->out_tiles = (v->outputs + FIG__TAP_OUTPUTS - 1) / FIG__TAP_OUTPUTS;
    *prepared = s;
    *workspace = 0;
    return FIG_OK;
}

/* What tap (k[0], k[1], k[2]) sees of segments [begin, end) of the output; returns how many are left. */
static int64_t find_segments(const taps_state *s, const int64_t *k, int64_t begin, int64_t end, const float *x,
                             const float *dy, fig__segment *out)
{
    const fig__conv *v = &s->v;
    int64_t shift = k[2] * v->dilation[2] - v->before[2], count = 0, step = v->stride[2];
    int64_t low = shift < 0 ? (-shift + step - 1) / step : 0; /* first place whose tap is not before x */
    int64_t high =
        v->in[2] - 1 - shift < 0 ? 0 : (v->in[2] - 1 - shift) / step + 1; /* behind the last that is not after x */
    for (int64_t i = begin; i < end; i++) {
        int64_t line = i / s->per_line, first = i % s->per_line * s->places, last = least(first + s->places, v->out[2]);
        int64_t image = line / (v->out[0] * v->out[1]), rest = line % (v->out[0] * v->out[1]);
        int64_t plane = rest / v->out[1] * v->stride[0] + k[0] * v->dilation[0] - v->before[0];
        int64_t row = rest % v->out[1] * v->stride[1] + k[1] * v->dilation[1] - v->before[1];
        first = most(first, low);
        last = least(last, high);
        if (plane < 0 || plane >= v->in[0] || row < 0 || row >= v->in[1] || first >= last)
            continue;
        int64_t from = ((image * v->in[0] + plane) * v->in[1] + row) * v->in[2] + first * step + shift;
        out[count++] =
            (fig__segment){ x + from * v->channels, dy + (line * v->out[2] + first) * v->outputs, last - first };
    }
    return count;
}

/* All tiles of one tap and 8 outputs over the segments. */
static void add_tiles(const taps_state *s, int64_t tap, int64_t tile, const fig__segment *segment, int64_t segments,
                      bool add, float *dw)
{
    const fig__conv *v = &s->v;
    int64_t o = tile * FIG__TAP_OUTPUTS, outputs = least(v->outputs - o, FIG__TAP_OUTPUTS), row = v->taps * v->channels;
    float *to = dw + o * row + tap * v->channels;
    fig__segment here[MOST_SEGMENTS];
    for (int64_t c = 0; c < v->channels;) {
        int64_t vectors = least((v->channels - c) / FIG__TAP_LANES, FIG__TAP_VECTORS);
        for (int64_t i = 0; i < segments; i++)
            here[i] = (fig__segment){ segment[i].x + c, segment[i].dy + o, segment[i].places };
        fig__fast_tap_sums((int)outputs, (int)vectors, here, segments, v->stride[2] * v->channels, v->outputs, add,
                           to + c, row);
        c += vectors * FIG__TAP_LANES;
    }
}

static void taps_part(void *context, int part, int parts)
{
    const fig_eval *c = context;
    const taps_state *s = c->prepared;
    const fig__conv *v = &s->v;
    fig__segment found[MOST_SEGMENTS];
    int64_t begin, end, all = s->lines * s->per_line;
    fig__share(v->taps * s->out_tiles, 1, part, parts, &begin, &end);
    for (int64_t at = 0; at < all; at += s->segments) {
        int64_t segments = 0, known = -1;
        for (int64_t unit = begin; unit < end; unit++) {
            int64_t tap = unit / s->out_tiles;
            if (tap != known) {
                int64_t k[3] = { tap / (v->kernel[1] * v->kernel[2]), tap / v->kernel[2] % v->kernel[1],
                                 tap % v->kernel[2] };
                segments =
                    find_segments(s, k, at, least(at + s->segments, all), FIG_F32_IN(c, 0), FIG_F32_IN(c, 1), found);
                known = tap;
            }
            if (segments || at == 0)
                add_tiles(s, tap, unit % s->out_tiles, found, segments, at > 0, FIG_F32_OUT(c, 0));
        }
    }
}

static void taps_run(fig_eval *c)
{
    const taps_state *s = c->prepared;
    int64_t units = s->v.taps * s->out_tiles,
            parts = fig__parts((int64_t)(fig__conv_flops(&s->v) / 64), c->run->threads);
    fig__parallel((int)least(parts, units), taps_part, c);
}

static void taps_release(void *prepared) { free(prepared); }

const fig_kernel fig_kernel_convolution_taps = {
    .name = "convolution_taps",
    .op = "convolution_weight_gradient",
    .accepts = taps_accepts,
    .competes = taps_computes,
    .prepare = taps_prepare,
    .release = taps_release,
    .run = taps_run,
};
