/* kernels/convolution_unfolded.c - convolutions of several taps along one axis with stride 1 as one product of unfolded steps
 *
 *     y (steps, to) = columns (steps, taps * from)  w (taps * from, to)
 *
 * A block of columns is copied together from as many straight runs as there are taps, some hundred steps at a time, and lies in the
 * second cache when the library's product reads it. Copying costs less than what it saves: a product that reads long sequences in
 * tiles of 13 steps (convolution_steps.c) waits for memory, a copy is foreseen by the processor. The data gradient is the same of
 * dy, shifts turned round. Parts own steps; a block never reaches into the next sequence.
 *
 * GFLOP/s against convolution_steps, 2 taps, 64-128, 4 x 8192 steps, two Zen 4 cores: forward 181 to 189 / 154 to 159, data gradient
 * 158 to 169 / 159 to 171. */
#include "kernels/conv.h"
#include "kernels/fast.h"
#include "kernels/onednn.h"
#include "kernels/parallel.h"
#include "kernels/product.h"

#include <stdlib.h>
#include <string.h>

enum { BLOCK_FLOATS = 1 << 16, LEAST_STEPS = 512, MOST_WEIGHT_FLOATS = 1 << 18 };

typedef struct unfolded_state {
    fig__conv v;
    bool data;
    int parts;
    int64_t from, to, from_steps, to_steps; /* channels and steps, read and made */
    int64_t length, block;                  /* taps * from; steps at once */
    size_t weights, columns;                /* bytes: the data gradient's weights by taps; a part's block */
} unfolded_state;

static bool unfolded_competes(const fig_kernel_query *q)
{
    fig__conv v;
    return fig__conv_read(&v, q) && v.spatial == 1 && v.stride[2] == 1 && v.groups == 1 && v.taps > 1 &&
           v.taps * v.channels * v.outputs <= MOST_WEIGHT_FLOATS;
}

/* Forward only: the data gradient by tiles is as fast, and copies nothing. */
static bool unfolded_accepts(const fig_kernel_query *q)
{
    fig__conv v;
    return unfolded_competes(q) && fig__conv_read(&v, q) && v.kind == FIG__CONV_FORWARD && v.channels >= 16 && v.outputs >= 16 &&
           v.batch * v.out[2] >= LEAST_STEPS;
}

static fig_status unfolded_prepare(const fig_kernel_query *q, void **prepared, size_t *workspace, fig_error *err)
{
    (void)err;
    unfolded_state *s = fig__alloc(sizeof(*s));
    fig__conv_read(&s->v, q);
    const fig__conv *v = &s->v;
    s->data = v->kind == FIG__CONV_DATA;
    s->from = s->data ? v->outputs : v->channels;
    s->to = s->data ? v->channels : v->outputs;
    s->from_steps = s->data ? v->out[2] : v->in[2];
    s->to_steps = s->data ? v->in[2] : v->out[2];
    s->length = v->taps * s->from;
    s->block = BLOCK_FLOATS / s->length / 16 * 16 + 16;
    s->parts = fig__parts((int64_t)(fig__conv_flops(v) / 16), q->threads);
    s->weights = s->data ? (sizeof(float) * (size_t)(s->length * s->to) + 63) / 64 * 64 : 0;
    s->columns = (sizeof(float) * (size_t)(s->block * s->length) + 63) / 64 * 64;
    *workspace = s->weights + s->columns * (size_t)s->parts;
    *prepared = s;
    return FIG_OK;
}

static void unfolded_release(void *prepared) { free(prepared); }

typedef struct unfolded_work {
    const unfolded_state *s;
    const float *x, *w, *bias;
    float *y;
    char *workspace;
} unfolded_work;

/* columns[i][tap][...] = x[t + i + shift], zeros beyond the ends */
static void unfold(const unfolded_state *s, const float *x, int64_t t, int64_t rows, float *columns)
{
    const fig__conv *v = &s->v;
    for (int64_t tap = 0; tap < v->taps; tap++) {
        int64_t shift = tap * v->dilation[2] - v->before[2], source = t + (s->data ? -shift : shift);
        float *to = columns + tap * s->from;
        for (int64_t i = 0; i < rows; i++, source++, to += s->length)
            if (source >= 0 && source < s->from_steps)
                memcpy(to, x + source * s->from, sizeof(float) * (size_t)s->from);
            else
                memset(to, 0, sizeof(float) * (size_t)s->from);
    }
}

static void unfolded_part(void *context, int part, int parts)
{
    const unfolded_work *w = context;
    const unfolded_state *s = w->s;
    float *columns = (float *)(void *)(w->workspace + s->weights + s->columns * (size_t)part);
    int64_t begin, end;
    fig__share(s->v.batch * s->to_steps, 1, part, parts, &begin, &end);
    while (begin < end) {
        int64_t b = begin / s->to_steps, t = begin % s->to_steps, left = s->to_steps - t;
        left = end - begin < left ? end - begin : left;
        int64_t rows = left < s->block ? left : s->block;
        float *y = w->y + begin * s->to;
        unfold(s, w->x + b * s->from_steps * s->from, t, rows, columns);
        fig__gemm(false, !s->data, rows, s->to, s->length, columns, s->length, w->w, s->data ? s->to : s->length, 0.0f, y, s->to);
        if (w->bias || s->v.after_sum.activation != FIG_LINEAR)
            fig__fast_epilogue(y, rows, s->to, w->bias, &s->v.after_sum);
        begin += rows;
    }
}

static void unfolded_run(fig_eval *c)
{
    const unfolded_state *s = c->prepared;
    const fig__conv *v = &s->v;
    const float *bias = v->after_sum.bias ? FIG_F32_IN(c, 2) : NULL, *weights = FIG_F32_IN(c, 1);
    unfolded_work w = { s, FIG_F32_IN(c, 0), weights, bias, FIG_F32_OUT(c, 0), c->workspace };
    if (s->data) { /* (outputs, taps, channels) to (taps, outputs, channels) */
        float *turned = c->workspace;
        for (int64_t o = 0; o < v->outputs; o++)
            for (int64_t tap = 0; tap < v->taps; tap++)
                memcpy(turned + (tap * v->outputs + o) * v->channels, weights + (o * v->taps + tap) * v->channels,
                       sizeof(float) * (size_t)v->channels);
        w.w = turned;
    }
    fig__parallel(s->parts, unfolded_part, &w);
}

const fig_kernel fig_kernel_convolution_unfolded = {
    .name = "convolution_unfolded", .op = "convolution", .accepts = unfolded_accepts, .competes = unfolded_competes,
    .prepare = unfolded_prepare, .release = unfolded_release, .run = unfolded_run,
};
const fig_kernel fig_kernel_convolution_fused_unfolded = {
    .name = "convolution_unfolded", .op = "convolution_fused", .accepts = unfolded_accepts, .competes = unfolded_competes,
    .prepare = unfolded_prepare, .release = unfolded_release, .run = unfolded_run,
};
const fig_kernel fig_kernel_convolution_data_gradient_unfolded = {
    .name = "convolution_unfolded", .op = "convolution_data_gradient", .accepts = unfolded_accepts, .competes = unfolded_competes,
    .prepare = unfolded_prepare, .release = unfolded_release, .run = unfolded_run,
};
