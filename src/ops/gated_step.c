/* ops/gated_step.c - one step of a gated residual layer, its earlier inputs in a ring (van den Oord et al. 2016; queues as Le Paine et
 * al. 2016, "Fast Wavenet Generation Algorithm")
 *
 *     taps = inputs (kernel - 1) dilation ... dilation and 0 steps ago       [f, g] = weight taps + bias
 *     z = tanh(f) s(g)        y = x + residual z + residual_bias             ring[position mod size] = x
 *
 * As single ops a layer's step is ten nodes of a few hundred operations each, and starting them takes as long as the products. */
#include "ops/attributes.h"
#include "ops/op.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { RING, X, POSITION, WEIGHT, BIAS, RESIDUAL, RESIDUAL_BIAS, OPERANDS };
enum { NEXT, Y, Z, RESULTS };

static fig_status step_infer(fig_infer *c)
{
    static const int ranks[OPERANDS] = { 3, 3, 1, 2, 1, 2, 1 };
    const fig_gated_step_attr *attr = c->attr;
    for (int i = 0; i < OPERANDS; i++) {
        FIG_TRY(fig__expect_dtype(c, i, i == POSITION ? FIG_I32 : FIG_F32, "gated_step"));
        FIG_TRY(fig__expect_rank(c, i, ranks[i], "gated_step"));
    }
    const fig_type *ring = &c->in[RING], *x = &c->in[X];
    int64_t batch = x->dim[0], channels = x->dim[2], gate = c->in[RESIDUAL].dim[1], kernel = attr->kernel;
    if (kernel < 2 || kernel > 16 || attr->dilation < 1)
        return fig_fail(c->err, FIG_E_SHAPE, "gated_step: kernel %d, dilation %d; expected a kernel of 2 to 16 and a dilation of 1 or more",
                        attr->kernel, attr->dilation);
    if (x->dim[1] != 1 || ring->dim[0] != batch || ring->dim[1] != (kernel - 1) * attr->dilation || ring->dim[2] != channels ||
        c->in[POSITION].dim[0] != batch) {
        char a[128], b[128];
        fig__type_text(x, a);
        fig__type_text(ring, b);
        return fig_fail(c->err, FIG_E_SHAPE, "gated_step: x %s wants a ring (batch, %lld, channels) and a position per row; the ring is %s",
                        a, (long long)((kernel - 1) * attr->dilation), b);
    }
    if (c->in[WEIGHT].dim[0] != 2 * gate || c->in[WEIGHT].dim[1] != kernel * channels || c->in[BIAS].dim[0] != 2 * gate ||
        c->in[RESIDUAL].dim[0] != channels || c->in[RESIDUAL_BIAS].dim[0] != channels)
        return fig_fail(c->err, FIG_E_SHAPE, "gated_step: weights do not fit %lld channels, kernel %lld and %lld gates",
                        (long long)channels, (long long)kernel, (long long)gate);
    c->n_out = RESULTS;
    c->out[NEXT] = *ring;
    c->out[Y] = c->out[Z] = *x;
    c->out[Z].dim[2] = gate;
    return FIG_OK;
}

static void step_decompose(fig_decompose *c)
{
    const fig_gated_step_attr *attr = c->attr;
    fig_graph *g = c->graph;
    fig_node x = c->in[X], ring = c->in[RING], position = c->in[POSITION], tap[16];
    int64_t batch = fig_dim(x, 0), channels = fig_dim(x, 2), gate = fig_dim(c->in[RESIDUAL], 1);
    int32_t size = (int32_t)fig_dim(ring, 1);
    fig_node slot = fig_mod(position, fig_constant_i32(g, size)); /* (B): the oldest, size steps ago */
    for (int i = 0; i < attr->kernel - 1; i++) {
        int32_t later = i * attr->dilation;
        fig_node place = fig_mod(fig_add(slot, fig_constant_i32(g, later)), fig_constant_i32(g, size));
        fig_node there = fig_greater_equal(position, fig_constant_i32(g, size - later)); /* 0 before the first step */
        tap[i] = fig_mul(fig_dynamic_slice(ring, place, 1, 1), fig_reshape(there, FIG_SHAPE(batch, 1, 1))); /* (B, 1, C) */
    }
    tap[attr->kernel - 1] = x;
    const fig_matmul_opts lines = { .transpose_b = true };
    fig_node taps = fig_reshape(fig_concat(tap, attr->kernel, 2), FIG_SHAPE(batch, attr->kernel * channels));
    fig_node z = fig_gate(fig_add(fig_matmul(taps, c->in[WEIGHT], &lines), c->in[BIAS])); /* (B, G) */
    fig_node more = fig_add(fig_matmul(z, c->in[RESIDUAL], &lines), c->in[RESIDUAL_BIAS]); /* (B, C) */
    c->out[NEXT] = fig_dynamic_update(ring, x, slot, 1);
    c->out[Y] = fig_add(x, fig_reshape(more, FIG_SHAPE(batch, 1, channels)));
    c->out[Z] = fig_reshape(z, FIG_SHAPE(batch, 1, gate));
}

static double dot(const float *line, const double *x, int64_t n)
{
    double sum = 0;
    for (int64_t i = 0; i < n; i++)
        sum += (double)line[i] * x[i];
    return sum;
}

/* One row of the batch. taps and z are spare. */
static void one_row(fig_eval *c, int64_t b, double *taps, double *z)
{
    const fig_gated_step_attr *attr = c->attr;
    int64_t channels = c->in[X].type.dim[2], size = c->in[RING].type.dim[1], gate = c->in[RESIDUAL].type.dim[1];
    int64_t inner = attr->kernel * channels;
    const float *x = FIG_F32_IN(c, X) + b * channels, *ring = FIG_F32_IN(c, RING) + b * size * channels;
    int64_t position = FIG_I32_IN(c, POSITION)[b], slot = (position % size + size) % size;
    for (int64_t i = 0; i < attr->kernel; i++) {
        int64_t later = i * attr->dilation;
        for (int64_t j = 0; j < channels; j++)
            taps[i * channels + j] = i == attr->kernel - 1     ? (double)x[j]
                                     : position < size - later ? 0
                                                               : (double)ring[(slot + later) % size * channels + j];
    }
    for (int64_t i = 0; i < gate; i++) {
        double f = dot(FIG_F32_IN(c, WEIGHT) + i * inner, taps, inner) + (double)FIG_F32_IN(c, BIAS)[i];
        double g = dot(FIG_F32_IN(c, WEIGHT) + (gate + i) * inner, taps, inner) + (double)FIG_F32_IN(c, BIAS)[gate + i];
        z[i] = tanh(f) / (1 + exp(-g));
        FIG_F32_OUT(c, Z)[b * gate + i] = (float)z[i];
    }
    for (int64_t j = 0; j < channels; j++)
        FIG_F32_OUT(c, Y)[b * channels + j] =
            (float)((double)x[j] + dot(FIG_F32_IN(c, RESIDUAL) + j * gate, z, gate) + (double)FIG_F32_IN(c, RESIDUAL_BIAS)[j]);
    float *next = FIG_F32_OUT(c, NEXT) + b * size * channels;
    memcpy(next, ring, sizeof *next * (size_t)(size * channels));
    memcpy(next + slot * channels, x, sizeof *next * (size_t)channels);
}

static void step_reference(fig_eval *c)
{
    const fig_gated_step_attr *attr = c->attr;
    double *taps = fig__alloc(sizeof *taps * (size_t)(attr->kernel * c->in[X].type.dim[2]));
    double *z = fig__alloc(sizeof *z * (size_t)c->in[RESIDUAL].type.dim[1]);
    for (int64_t b = 0; b < c->in[X].type.dim[0]; b++)
        one_row(c, b, taps, z);
    free(taps);
    free(z);
}

static double step_flops(const fig_infer *c)
{
    return 2.0 * (double)c->in[X].dim[0] * (double)(fig__count(&c->in[WEIGHT]) + fig__count(&c->in[RESIDUAL]));
}

static void step_print(const void *attr, fig__text *out)
{
    const fig_gated_step_attr *a = attr;
    fig__text_print(out, " kernel=%d dilation=%d", a->kernel, a->dilation);
}

const fig_op fig_op_gated_step = {
    .name = "gated_step",
    .operands = OPERANDS,
    .attr_size = sizeof(fig_gated_step_attr),
    .infer = step_infer,
    .decompose = step_decompose,
    .reference = step_reference,
    .flops = step_flops,
    .print = step_print,
    .lines = 1u << WEIGHT | 1u << RESIDUAL,
};

void fig_gated_step(const fig_gated_step_in *in, int kernel, int dilation, fig_node out[3])
{
    fig_node operand[OPERANDS] = { in->ring, in->x, in->position, in->weight, in->bias, in->residual, in->residual_bias };
    fig_graph *graph = fig__graph_of(operand, OPERANDS);
    for (int i = 0; i < RESULTS; i++)
        out[i] = (fig_node){ graph, 0 };
    for (int i = 0; i < OPERANDS; i++)
        if (!graph || fig__poisoned(operand[i]))
            return;
    fig__emit_multi(graph, &fig_op_gated_step, operand, OPERANDS, &(fig_gated_step_attr){ kernel, dilation }, out, RESULTS);
}
