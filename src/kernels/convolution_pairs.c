/* kernels/convolution_pairs.c - bf16 weight gradients by pairs (pair_product.h): a challenger of the library's
 *
 *     dw (O, taps * C) = dy^T (O, M) columns(x) (M, taps * C)          M = batch * output places, summed by pairs
 *
 * Columns are never made: for one tap and up to 64 channels, a panel of the result, the rows of x that the tap meets are joined
 * two by two straight from x, with zeros where it meets the border. dy's rows are joined once for every DEEP pairs and serve all
 * panels. Parts own panels, so every sum is made by one thread in one order. */
#include "kernels/conv.h"
#include "kernels/pair_product.h"
#include "kernels/parallel.h"

#include <stdlib.h>
#include <string.h>

enum { WIDE = 64, DEEP = 512, PLACES_MOST = 1 << 18 };

typedef struct pairs_state {
    fig__conv v;
    int64_t rows, pairs, chunks, panels; /* M; pairs of M; panels of a tap; all panels */
    int parts;
    size_t upstream, part_bytes;         /* bytes of the joined dy; of a part */
    int32_t *place;                      /* (taps, output places): where x is read, or -1 */
} pairs_state;

static bool pairs_accept(const fig_kernel_query *q)
{
    (void)q;
    return false;
}

static bool pairs_compete(const fig_kernel_query *q)
{
    fig__conv v;
    return fig__pairs_available() && fig__conv_read_any(&v, q) && v.narrow && !v.narrow_out && v.groups == 1 && v.channels >= 16 &&
           v.outputs >= 16 && v.taps * v.out_places <= PLACES_MOST;
}

static void find_places(pairs_state *s)
{
    const fig__conv *v = &s->v;
    int32_t *to = s->place = fig__alloc(sizeof *s->place * (size_t)(v->taps * v->out_places));
    int64_t k[3], o[3];
    for (k[0] = 0; k[0] < v->kernel[0]; k[0]++)
        for (k[1] = 0; k[1] < v->kernel[1]; k[1]++)
            for (k[2] = 0; k[2] < v->kernel[2]; k[2]++)
                for (o[0] = 0; o[0] < v->out[0]; o[0]++)
                    for (o[1] = 0; o[1] < v->out[1]; o[1]++)
                        for (o[2] = 0; o[2] < v->out[2]; o[2]++) {
                            int64_t at = 0;
                            for (int i = 0; i < 3 && at >= 0; i++) {
                                int64_t x = o[i] * v->stride[i] + k[i] * v->dilation[i] - v->before[i];
                                at = x < 0 || x >= v->in[i] ? -1 : at * v->in[i] + x;
                            }
                            *to++ = (int32_t)at;
                        }
}

static fig_status pairs_prepare(const fig_kernel_query *q, void **prepared, size_t *workspace, fig_error *err)
{
    (void)err;
    pairs_state *s = fig__alloc(sizeof(*s));
    fig__conv *v = &s->v;
    fig__conv_read_any(v, q);
    find_places(s);
    s->rows = v->batch * v->out_places;
    s->pairs = (s->rows + 1) / 2;
    s->chunks = (v->channels + WIDE - 1) / WIDE;
    s->panels = v->taps * s->chunks;
    s->parts = fig__parts((int64_t)(fig__conv_flops(v) / 32), q->threads);
    if (s->parts > s->panels)
        s->parts = (int)s->panels;
    int64_t deep = s->pairs < DEEP ? s->pairs : DEEP;
    s->upstream = (sizeof(uint32_t) * (size_t)(deep * v->outputs) + 63) / 64 * 64;
    s->part_bytes = sizeof(uint32_t) * (size_t)(deep * WIDE);
    *workspace = s->upstream + s->part_bytes * (size_t)s->parts;
    *prepared = s;
    return FIG_OK;
}

static void pairs_release(void *prepared)
{
    pairs_state *s = prepared;
    if (s)
        free(s->place);
    free(s);
}

typedef struct pairs_work {
    const pairs_state *s;
    const fig_eval *c;
    int64_t first, deep; /* pairs [first, first + deep) */
} pairs_work;

static void join_upstream(void *context, int part, int parts)
{
    const pairs_work *w = context;
    const pairs_state *s = w->s;
    int64_t begin, end, n = s->v.outputs;
    fig__share(w->deep, 1, part, parts, &begin, &end);
    for (int64_t l = begin; l < end; l++) {
        int64_t row = 2 * (w->first + l);
        const uint16_t *dy = (const uint16_t *)w->c->in[1].data + row * n;
        fig__fast_pair_rows((uint32_t *)w->c->workspace + l * n, dy, row + 1 < s->rows ? dy + n : NULL, n);
    }
}

/* A panel's rows of x; `image` and `at` walk through the output places. */
static void join_inputs(const pairs_work *w, int64_t tap, int64_t channel, int64_t width, uint32_t *to)
{
    static const uint16_t zeros[WIDE];
    const fig__conv *v = &w->s->v;
    const int32_t *place = w->s->place + tap * v->out_places;
    const uint16_t *x = (const uint16_t *)w->c->in[0].data + channel;
    int64_t row = 2 * w->first, image = row / v->out_places, at = row % v->out_places;
    for (int64_t l = 0; l < w->deep; l++, to += WIDE) {
        const uint16_t *from[2];
        for (int half = 0; half < 2; half++) {
            bool there = image < v->batch && place[at] >= 0;
            from[half] = there ? x + (image * v->in_places + place[at]) * v->channels : zeros;
            if (++at == v->out_places)
                at = 0, image++;
        }
        fig__fast_pair_rows(to, from[0], from[1], width);
    }
}

static void panels_part(void *context, int part, int parts)
{
    const pairs_work *w = context;
    const pairs_state *s = w->s;
    const fig__conv *v = &s->v;
    uint32_t *inputs = (uint32_t *)(void *)((char *)w->c->workspace + s->upstream + s->part_bytes * (size_t)part);
    int64_t begin, end, line = v->taps * v->channels;
    fig__share(s->panels, 1, part, parts, &begin, &end);
    for (int64_t panel = begin; panel < end; panel++) {
        int64_t tap = panel / s->chunks, channel = panel % s->chunks * WIDE;
        int64_t width = v->channels - channel < WIDE ? v->channels - channel : WIDE;
        join_inputs(w, tap, channel, width, inputs);
        fig__fast_pair_product(v->outputs, width, w->deep, w->c->workspace, 1, v->outputs, inputs, WIDE, w->first > 0,
                               FIG_F32_OUT(w->c, 0) + tap * v->channels + channel, line);
    }
}

static void pairs_run(fig_eval *c)
{
    const pairs_state *s = c->prepared;
    pairs_work w = { .s = s, .c = c };
    for (w.first = 0; w.first < s->pairs; w.first += w.deep) {
        w.deep = s->pairs - w.first < DEEP ? s->pairs - w.first : DEEP;
        fig__parallel(s->parts, join_upstream, &w);
        fig__parallel(s->parts, panels_part, &w);
    }
}

const fig_kernel fig_kernel_convolution_pairs = {
    .name = "convolution_pairs", .op = "convolution_weight_gradient", .bf16 = true, .accepts = pairs_accept, .competes = pairs_compete,
    .prepare = pairs_prepare, .release = pairs_release, .run = pairs_run,
};
