/* ops/noise.c - random values: normal, uniform, Bernoulli, categorical, dropout
 *
 * Counter-based: an element is a function of (seed, stream, step, global index). The stream is the hash of the node's layer
 * path and is kept when a graph is copied; the global index counts from row 0 of the whole batch, so that neither threads
 * nor ranks nor the batch size change what row i draws.
 *
 * Dropout's gradient is dropout of the upstream with the same stream, hence the same mask. Bernoulli and categorical
 * draws pass no gradient. */
#include "ops/noise_math.h"
#include "ops/attributes.h"
#include "ops/op.h"
#include <string.h>

uint64_t fig__noise_first(const fig_run *run, const fig_type *type)
{
    return type->rank ? run->first_row * (uint64_t)(fig__count(type) / type->dim[0]) : 0;
}

uint32_t fig__noise_word(const fig_run *run, uint64_t stream, uint64_t index)
{
    uint32_t block[4];
    fig__philox(run->seed, stream, run->step, index / 4, block);
    return block[index % 4];
}

static void noise_print(const void *attr, fig__text *out)
{
    const fig_noise_attr *a = attr;
    fig__text_print(out, " stream=%016llx", (unsigned long long)a->stream);
    if (a->rate != 0.0f)
        fig__text_print(out, " rate=%g", (double)a->rate);
}

/* -- normal and uniform -------------------------------------------------------------------------------------------- */

static fig_status noise_infer(fig_infer *c, const char *op)
{
    *c->out = ((const fig_noise_attr *)c->attr)->type;
    if (c->out->dtype != FIG_F32)
        return fig_fail(c->err, FIG_E_SHAPE, "%s: noise is f32; fig_cast it afterwards", op);
    return FIG_OK;
}

static fig_status normal_infer(fig_infer *c) { return noise_infer(c, "normal"); }
static fig_status uniform_infer(fig_infer *c) { return noise_infer(c, "uniform"); }

static void normal_reference(fig_eval *c)
{
    uint64_t stream = ((const fig_noise_attr *)c->attr)->stream, first = fig__noise_first(c->run, &c->out[0].type);
    int64_t n = fig__count(&c->out[0].type);
    for (int64_t i = 0; i < n; i++) {
        uint64_t index = first + (uint64_t)i;
        uint32_t even = fig__noise_word(c->run, stream, index & ~1ull),
                 odd = fig__noise_word(c->run, stream, index | 1);
        FIG_F32_OUT(c, 0)[i] = index & 1 ? fig__noise_normal_odd(even, odd) : fig__noise_normal_even(even, odd);
    }
}

static void uniform_reference(fig_eval *c)
{
    uint64_t stream = ((const fig_noise_attr *)c->attr)->stream, first = fig__noise_first(c->run, &c->out[0].type);
    int64_t n = fig__count(&c->out[0].type);
    for (int64_t i = 0; i < n; i++)
        FIG_F32_OUT(c, 0)[i] = fig__noise_uniform(fig__noise_word(c->run, stream, first + (uint64_t)i));
}

const fig_op fig_op_normal = {
    .name = "normal",
    .flags = FIG_OP_NOISE,
    .attr_size = sizeof(fig_noise_attr),
    .infer = normal_infer,
    .reference = normal_reference,
    .print = noise_print,
};
const fig_op fig_op_uniform = {
    .name = "uniform",
    .flags = FIG_OP_NOISE,
    .attr_size = sizeof(fig_noise_attr),
    .infer = uniform_infer,
    .reference = uniform_reference,
    .print = noise_print,
};

/* -- bernoulli ----------------------------------------------------------------------------------------------------- */

static fig_status bernoulli_infer(fig_infer *c)
{
    *c->out = c->in[0];
    return fig__expect_dtype(c, 0, FIG_F32, "bernoulli");
}

static void bernoulli_reference(fig_eval *c)
{
    uint64_t stream = ((const fig_noise_attr *)c->attr)->stream, first = fig__noise_first(c->run, &c->out[0].type);
    int64_t n = fig__count(&c->out[0].type);
    for (int64_t i = 0; i < n; i++) {
        float u = fig__noise_uniform(fig__noise_word(c->run, stream, first + (uint64_t)i));
        FIG_F32_OUT(c, 0)[i] = u < FIG_F32_IN(c, 0)[i] ? 1.0f : 0.0f;
    }
}

const fig_op fig_op_bernoulli = {
    .name = "bernoulli",
    .operands = 1,
    .flags = FIG_OP_NOISE | FIG_OP_INTEGER,
    .attr_size = sizeof(fig_noise_attr),
    .infer = bernoulli_infer,
    .reference = bernoulli_reference,
    .print = noise_print,
};

/* -- categorical: argmax of logits + Gumbel noise ------------------------------------------------------------------ */

static fig_status categorical_infer(fig_infer *c)
{
    FIG_TRY(fig__expect_dtype(c, 0, FIG_F32, "categorical"));
    if (c->in[0].rank < 1)
        return fig_fail(c->err, FIG_E_SHAPE, "categorical: needs an axis of classes, got a scalar");
    *c->out = c->in[0];
    c->out->dtype = FIG_I32;
    c->out->dim[--c->out->rank] = 0;
    return FIG_OK;
}

static void categorical_reference(fig_eval *c)
{
    const fig_type *type = &c->in[0].type;
    uint64_t stream = ((const fig_noise_attr *)c->attr)->stream, first = fig__noise_first(c->run, type);
    int64_t classes = type->dim[type->rank - 1], rows = fig__count(type) / classes;
    for (int64_t r = 0; r < rows; r++) {
        float highest = -INFINITY;
        int64_t best = 0;
        for (int64_t k = 0; k < classes; k++) {
            int64_t at = r * classes + k;
            float score =
                FIG_F32_IN(c, 0)[at] + fig__noise_gumbel(fig__noise_word(c->run, stream, first + (uint64_t)at));
            if (score > highest) {
                highest = score;
                best = k;
            }
        }
        FIG_I32_OUT(c, 0)[r] = (int32_t)best;
    }
}

const fig_op fig_op_categorical = {
    .name = "categorical",
    .operands = 1,
    .flags = FIG_OP_NOISE | FIG_OP_INTEGER,
    .attr_size = sizeof(fig_noise_attr),
    .infer = categorical_infer,
    .reference = categorical_reference,
    .print = noise_print,
};

/* -- dropout ------------------------------------------------------------------------------------------------------- */

static fig_status dropout_infer(fig_infer *c)
{
    *c->out = c->in[0];
    return fig__expect_dtype(c, 0, FIG_F32, "dropout");
}

static void dropout_gradient(fig_gradient *c)
{
    c->result[0] = fig__emit(c->graph, &fig_op_dropout, &c->upstream, 1, c->attr);
}

static void dropout_reference(fig_eval *c)
{
    const fig_noise_attr *attr = c->attr;
    uint64_t first = fig__noise_first(c->run, &c->out[0].type);
    int64_t n = fig__count(&c->out[0].type);
    float kept = 1.0f / (1.0f - attr->rate);
    for (int64_t i = 0; i < n; i++) {
        float u = fig__noise_uniform(fig__noise_word(c->run, attr->stream, first + (uint64_t)i));
        FIG_F32_OUT(c, 0)[i] = u < attr->rate ? 0.0f : FIG_F32_IN(c, 0)[i] * kept;
    }
}

const fig_op fig_op_dropout = {
    .name = "dropout",
    .operands = 1,
    .flags = FIG_OP_NOISE,
    .attr_size = sizeof(fig_noise_attr),
    .infer = dropout_infer,
    .gradient = dropout_gradient,
    .reference = dropout_reference,
    .print = noise_print,
    .narrow = { FIG_NARROW_FREE, 1 },
};

/* -- builders ------------------------------------------------------------------------------------------------------ */

static fig_noise_attr noise_attr(fig_graph *graph)
{
    fig_noise_attr attr;
    memset(&attr, 0, sizeof attr);
    attr.stream = fig__next_stream(graph);
    return attr;
}

static fig_node draw(fig_graph *graph, const fig_op *op, fig_type type)
{
    fig_noise_attr attr = noise_attr(graph);
    attr.type.dtype = type.dtype;
    attr.type.rank = type.rank;
    for (int i = 0; i < type.rank && i < FIG_MAX_RANK; i++)
        attr.type.dim[i] = type.dim[i];
    return fig__emit(graph, op, NULL, 0, &attr);
}

fig_node fig_normal(fig_graph *graph, fig_type type) { return draw(graph, &fig_op_normal, type); }
fig_node fig_uniform(fig_graph *graph, fig_type type) { return draw(graph, &fig_op_uniform, type); }

static fig_node draw_from(fig_node x, const fig_op *op)
{
    if (fig__poisoned(x))
        return x;
    fig_noise_attr attr = noise_attr(x.graph);
    return fig__emit(x.graph, op, &x, 1, &attr);
}

fig_node fig_bernoulli(fig_node probability) { return draw_from(probability, &fig_op_bernoulli); }
fig_node fig_categorical(fig_node logits) { return draw_from(logits, &fig_op_categorical); }

fig_node fig_dropout(fig_node x, float rate)
{
    if (fig__poisoned(x) || rate == 0.0f)
        return x;
    if (!(rate > 0.0f && rate < 1.0f))
        return fig_graph_fail(x.graph, "dropout: rate %g, expected 0 to below 1", (double)rate);
    fig_noise_attr attr = noise_attr(x.graph);
    attr.rate = rate;
    return fig__emit(x.graph, &fig_op_dropout, &x, 1, &attr);
}
