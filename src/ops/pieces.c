/* ops/pieces.c - a product over the channels of several tensors as if they lay side by side, and its weight gradient
 *
 *     pieces_product          y (..., O) = activation(sum over pieces i of x_i (..., C) w[:, i C ...]' + bias)
 *     pieces_weight_gradient  dw (O, 1..., n C) = sum over places of dy (..., O)' x_i (..., C)
 *
 * Made by passes/pieces.c after differentiation, so there is no gradient. Operands: the weight (O, 1..., n C), or dy; the pieces; the bias
 * (O), when the attribute says so. When it says that they are gated, a piece is a gate's trace (..., 2 C) and x_i the product of its
 * halves (ops/gate.c): the gate's result need not be kept for these readers. */
#include "graph/graph.h"
#include "ops/attributes.h"
#include "ops/op.h"

#include <string.h>

/* Channels that each of the pieces [1, n_in - after) stands for; 0 when they are not alike. */
static int64_t channels_of(const fig_infer *c, int pieces, bool gated)
{
    const fig_type *first = &c->in[1];
    int64_t width = first->rank ? first->dim[first->rank - 1] : 0;
    for (int i = 2; i <= pieces; i++)
        if (!fig__types_equal(first, &c->in[i]))
            return 0;
    return gated ? (width % 2 ? 0 : width / 2) : width;
}

static int64_t matrix_rows(const fig_type *w) { return w->rank > 1 && fig__count(w) == w->dim[0] * w->dim[w->rank - 1] ? w->dim[0] : 0; }

static fig_status product_infer(fig_infer *c)
{
    const fig_pieces_attr *a = c->attr;
    int pieces = c->n_in - 1 - (a->after.bias != 0);
    int64_t channels = pieces < 1 ? 0 : channels_of(c, pieces, a->gated), outputs = matrix_rows(&c->in[0]);
    for (int i = 0; i < c->n_in; i++)
        FIG_TRY(fig__expect_dtype(c, i, FIG_F32, "pieces_product"));
    if (!channels || !outputs || c->in[0].dim[c->in[0].rank - 1] != pieces * channels)
        return fig_fail(c->err, FIG_E_SHAPE, "pieces_product: %d pieces do not match the weight", pieces);
    if (a->after.bias && (c->in[c->n_in - 1].rank != 1 || c->in[c->n_in - 1].dim[0] != outputs))
        return fig_fail(c->err, FIG_E_SHAPE, "pieces_product: the bias does not match the weight");
    c->out[0] = c->in[1];
    c->out[0].dim[c->out[0].rank - 1] = outputs;
    return FIG_OK;
}

static fig_status gradient_infer(fig_infer *c)
{
    const fig_pieces_attr *a = c->attr;
    const fig_type *dy = &c->in[0];
    int pieces = c->n_in - 1;
    int64_t channels = pieces < 1 ? 0 : channels_of(c, pieces, a->gated);
    for (int i = 0; i < c->n_in; i++)
        FIG_TRY(fig__expect_dtype(c, i, FIG_F32, "pieces_weight_gradient"));
    if (!channels || dy->rank != c->in[1].rank || memcmp(dy->dim, c->in[1].dim, sizeof *dy->dim * (size_t)(dy->rank - 1)) != 0 ||
        a->ones < 0 || a->ones > FIG_MAX_RANK - 2)
        return fig_fail(c->err, FIG_E_SHAPE, "pieces_weight_gradient: %d pieces do not match the upstream gradient", pieces);
    fig_type out = { .dtype = FIG_F32, .rank = 2 + a->ones };
    for (int i = 0; i < out.rank; i++)
        out.dim[i] = 1;
    out.dim[0] = dy->dim[dy->rank - 1];
    out.dim[out.rank - 1] = pieces * channels;
    c->out[0] = out;
    return FIG_OK;
}

/* Places times numbers of the matrix, which is the weight or the result. */
static double flops_of(const fig_type *piece, const fig_type *matrix)
{
    return 2.0 * (double)(fig__count(piece) / piece->dim[piece->rank - 1]) * (double)fig__count(matrix);
}

static double product_flops(const fig_infer *c) { return flops_of(&c->in[1], &c->in[0]); }
static double gradient_flops(const fig_infer *c) { return flops_of(&c->in[1], &c->out[0]); }

static float value_at(const fig_eval *c, int piece, int64_t place, int64_t channel, int64_t channels, bool gated)
{
    const float *x = FIG_F32_IN(c, 1 + piece) + place * channels * (gated ? 2 : 1) + channel;
    return gated ? x[0] * x[channels] : x[0];
}

static void product_reference(fig_eval *c)
{
    const fig_pieces_attr *a = c->attr;
    int pieces = c->n_in - 1 - (a->after.bias != 0);
    const fig_type *w = &c->in[0].type;
    int64_t outputs = w->dim[0], wide = w->dim[w->rank - 1], channels = wide / pieces, places = fig__count(&c->out[0].type) / outputs;
    for (int64_t t = 0; t < places; t++)
        for (int64_t o = 0; o < outputs; o++) {
            double sum = a->after.bias ? (double)FIG_F32_IN(c, c->n_in - 1)[o] : 0;
            for (int i = 0; i < pieces; i++)
                for (int64_t j = 0; j < channels; j++)
                    sum += (double)value_at(c, i, t, j, channels, a->gated) * (double)FIG_F32_IN(c, 0)[o * wide + i * channels + j];
            FIG_F32_OUT(c, 0)[t * outputs + o] = fig__epilogue_value(&a->after, (float)sum);
        }
}

static void gradient_reference(fig_eval *c)
{
    const fig_pieces_attr *a = c->attr;
    int pieces = c->n_in - 1;
    const fig_type *dy = &c->in[0].type;
    int64_t outputs = dy->dim[dy->rank - 1], places = fig__count(dy) / outputs, channels = fig__count(&c->out[0].type) / outputs / pieces;
    for (int64_t o = 0; o < outputs; o++)
        for (int i = 0; i < pieces; i++)
            for (int64_t j = 0; j < channels; j++) {
                double sum = 0;
                for (int64_t t = 0; t < places; t++)
                    sum += (double)FIG_F32_IN(c, 0)[t * outputs + o] * (double)value_at(c, i, t, j, channels, a->gated);
                FIG_F32_OUT(c, 0)[(o * pieces + i) * channels + j] = (float)sum;
            }
}

static void pieces_print(const void *attr, fig__text *out)
{
    const fig_pieces_attr *a = attr;
    fig__text_print(out, "%s%s activation=%d", a->gated ? " gated" : "", a->after.bias ? " bias" : "", (int)a->after.activation);
}

const fig_op fig_op_pieces_product = {
    .name = "pieces_product", .operands = -1, .attr_size = sizeof(fig_pieces_attr), .infer = product_infer,
    .reference = product_reference, .flops = product_flops, .print = pieces_print,
    .narrow = { FIG_NARROW_PRODUCT, 1, .all = true },
};

const fig_op fig_op_pieces_weight_gradient = {
    .name = "pieces_weight_gradient", .operands = -1, .attr_size = sizeof(fig_pieces_attr), .infer = gradient_infer,
    .reference = gradient_reference, .flops = gradient_flops, .print = pieces_print,
    .narrow = { FIG_NARROW_PRODUCT, .all = true },
};
