/* kernels/gated_step.c - one step of a gated residual layer: ring, both products, gate and residual in one go
 *
 * A layer's weights are some ten thousand numbers that lie in a cache; meeting of threads would take longer than the products, so parts
 * own rows of the batch. Weights may be stored in f32, bf16 or as int8 lines. */
#include "kernels/kernel.h"
#include "kernels/lines.h"
#include "kernels/parallel.h"

#include <string.h>

enum { RING, X, POSITION, WEIGHT, BIAS, RESIDUAL, RESIDUAL_BIAS };
enum { NEXT, Y, Z };

static bool step_accepts(const fig_kernel_query *q)
{
    for (int i = 0; i < q->n_in + q->n_out; i++)
        if (i != WEIGHT && i != RESIDUAL && fig__narrow_dtype((i < q->n_in ? q->in[i] : q->out[i - q->n_in]).dtype))
            return false;
    return fig_elements(&q->out[Y]) > 0;
}

/* Taps side by side, then both halves before the gate. */
static int64_t spare_of(const fig_type *weight) { return (weight->dim[0] + weight->dim[1] + 15) / 16 * 16; }

static fig_status step_prepare(const fig_kernel_query *q, void **prepared, size_t *workspace, fig_error *err)
{
    (void)err;
    *prepared = NULL;
    *workspace = sizeof(float) * (size_t)(spare_of(&q->in[WEIGHT]) * q->threads);
    return FIG_OK;
}

static void gather_taps(const fig_eval *c, int64_t b, int64_t slot, float *taps)
{
    const fig_gated_step_attr *attr = c->attr;
    int64_t channels = c->in[X].type.dim[2], size = c->in[RING].type.dim[1], position = FIG_I32_IN(c, POSITION)[b];
    const float *ring = FIG_F32_IN(c, RING) + b * size * channels;
    size_t bytes = sizeof *taps * (size_t)channels;
    for (int64_t i = 0; i < attr->kernel - 1; i++) {
        int64_t later = i * attr->dilation;
        if (position < size - later)
            memset(taps + i * channels, 0, bytes);
        else
            memcpy(taps + i * channels, ring + (slot + later) % size * channels, bytes);
    }
    memcpy(taps + (attr->kernel - 1) * channels, FIG_F32_IN(c, X) + b * channels, bytes);
}

static void step_row(const fig_eval *c, int64_t b, float *taps)
{
    int64_t channels = c->in[X].type.dim[2], size = c->in[RING].type.dim[1], gate = c->in[RESIDUAL].type.dim[1];
    int64_t inner = c->in[WEIGHT].type.dim[1], position = FIG_I32_IN(c, POSITION)[b], slot = (position % size + size) % size;
    const float *x = FIG_F32_IN(c, X) + b * channels, *bias = FIG_F32_IN(c, BIAS), *last = FIG_F32_IN(c, RESIDUAL_BIAS);
    float *both = taps + inner, *z = FIG_F32_OUT(c, Z) + b * gate, *y = FIG_F32_OUT(c, Y) + b * channels;
    float *next = FIG_F32_OUT(c, NEXT) + b * size * channels;
    gather_taps(c, b, slot, taps);
    fig__lines(&c->in[WEIGHT], 0, 2 * gate, inner, taps, both);
    for (int64_t i = 0; i < 2 * gate; i++)
        both[i] += bias[i];
    fig__fast_gate(both, both, z, 1, gate);
    fig__lines(&c->in[RESIDUAL], 0, channels, gate, z, y);
    for (int64_t j = 0; j < channels; j++)
        y[j] += x[j] + last[j];
    if (c->out[NEXT].data != c->in[RING].data)
        memcpy(next, FIG_F32_IN(c, RING) + b * size * channels, sizeof *next * (size_t)(size * channels));
    memcpy(next + slot * channels, taps + inner - channels, sizeof *next * (size_t)channels);
}

static void step_part(void *context, int part, int parts)
{
    const fig_eval *c = context;
    float *taps = (float *)c->workspace + part * spare_of(&c->in[WEIGHT].type);
    int64_t begin, end;
    fig__share(c->in[X].type.dim[0], 1, part, parts, &begin, &end);
    for (int64_t b = begin; b < end; b++)
        step_row(c, b, taps);
}

static void step_run(fig_eval *c)
{
    int64_t rows = c->in[X].type.dim[0];
    int parts = fig__parts(rows * fig_elements(&c->in[WEIGHT].type) / 8, c->run->threads);
    fig__parallel_in(c->run->team, parts < rows ? parts : (int)rows, step_part, c);
}

const fig_kernel fig_kernel_gated_step = {
    .name = "gated_step", .op = "gated_step", .team = true, .bf16 = true, .int8 = true, .accepts = step_accepts,
    .prepare = step_prepare,
    .run = step_run, .inplace = 1u << RING,
};
