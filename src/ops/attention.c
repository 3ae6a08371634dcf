/* ops/attention.c - scaled dot-product attention (Vaswani et al. 2017)
 *
 * q (B, T, H, D), k and v (B, S, H, D) -> (B, T, H, D): per row and head softmax(scale q k^T) v, with dropout on the weights.
 * Causal: position t sees s <= t + S - T, so that the last query sees every key (T = S in training; T = 1 when decoding
 * against a cache). Dropout draws by the element's place in (B, H, T, S), as the dropout op of the decomposition does. */
#include "ops/attributes.h"
#include "ops/noise_math.h"
#include "ops/op.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

static fig_status check_operands(fig_infer *c, const char *op)
{
    const fig_attention_attr *attr = c->attr;
    static const char *const names[] = { "q", "k", "v" };
    for (int i = 0; i < 3; i++) {
        FIG_TRY(fig__expect_dtype(c, i, FIG_F32, op));
        FIG_TRY(fig__expect_rank(c, i, 4, op));
    }
    const fig_type *q = &c->in[0], *k = &c->in[1];
    for (int i = 1; i < 3; i++) {
        const fig_type *x = &c->in[i];
        if (x->dim[0] == q->dim[0] && x->dim[1] == k->dim[1] && x->dim[2] == q->dim[2] && x->dim[3] == q->dim[3])
            continue;
        char query[128], found[128];
        fig__type_text(q, query);
        fig__type_text(x, found);
        return fig_fail(c->err, FIG_E_SHAPE,
                        "attention: q %s needs k and v of equal length and the same batch, heads and width; %s "
                        "is %s",
                        query, names[i], found);
    }
    if (attr->causal && k->dim[1] < q->dim[1])
        return fig_fail(c->err, FIG_E_SHAPE,
                        "attention: causal with %lld queries needs at least as many keys, found %lld",
                        (long long)q->dim[1], (long long)k->dim[1]);
    return FIG_OK;
}

static fig_status attention_infer(fig_infer *c)
{
    FIG_TRY(check_operands(c, "attention"));
    *c->out = c->in[0];
    return FIG_OK;
}

static void attention_gradient(fig_gradient *c)
{
    fig_node in[4] = { c->in[0], c->in[1], c->in[2], c->upstream };
    fig__emit_multi(c->graph, &fig_op_attention_gradient, in, 4, c->attr, c->result, 3);
}

/* -- decomposition ------------------------------------------------------------------------------------------------- */

static const int heads_first[4] = { 0, 2, 1, 3 }; /* (B, T, H, D) <-> (B, H, T, D) */

/* Scores (B, H, T, S) with what may not be seen set so low that its weight is 0. */
static fig_node hide_future(fig_node scores)
{
    fig_graph *graph = scores.graph;
    int64_t t = fig_dim(scores, -2), s = fig_dim(scores, -1);
    if (t == 1)
        return scores; /* the only query is the last: it sees all */
    fig_node query = fig_iota(graph, (fig_type){ .dtype = FIG_I32, .rank = 2, .dim = { t, 1 } }, 0);
    fig_node key = fig_iota(graph, (fig_type){ .dtype = FIG_I32, .rank = 2, .dim = { 1, s } }, 1);
    fig_node last_seen = fig_add(query, fig_constant_i32(graph, (int32_t)(s - t)));
    return fig_select(fig_greater(key, last_seen), fig_constant(graph, -1e30f), scores);
}

/* Weights (B, H, T, S) before dropout, from q and k with heads first; q already scaled. */
static fig_node weights_of(fig_node q, fig_node k, const fig_attention_attr *attr)
{
    fig_node scores = fig_matmul(q, k, &(fig_matmul_opts){ .transpose_b = true });
    return fig_softmax(attr->causal ? hide_future(scores) : scores);
}

/* Dropout by the attention's own stream; its own gradient. */
static fig_node drop(fig_graph *graph, fig_node weights, const fig_attention_attr *attr)
{
    if (!(attr->dropout > 0.0f))
        return weights;
    fig_noise_attr noise;
    memset(&noise, 0, sizeof noise);
    noise.stream = attr->stream;
    noise.rate = attr->dropout;
    return fig__emit(graph, &fig_op_dropout, &weights, 1, &noise);
}

static void attention_decompose(fig_decompose *c)
{
    const fig_attention_attr *attr = c->attr;
    fig_node q = fig_transpose(fig_scale(c->in[0], attr->scale), heads_first); /* (B, H, T, D) */
    fig_node k = fig_transpose(c->in[1], heads_first);                         /* (B, H, S, D) */
    fig_node v = fig_transpose(c->in[2], heads_first);                         /* (B, H, S, D) */
    fig_node weights = drop(c->graph, weights_of(q, k, attr), attr);           /* (B, H, T, S) */
    c->out[0] = fig_transpose(fig_matmul(weights, v, NULL), heads_first);      /* (B, T, H, D) */
}

/* -- reference loop ------------------------------------------------------------------------------------------------ */

/* Weights of one query over the keys it sees, zero beyond; `kept` receives them before dropout unless NULL. */
static void attention_weights(fig_eval *c, int64_t b, int64_t t, int64_t h, double *weight, double *kept)
{
    const fig_attention_attr *attr = c->attr;
    const int64_t *dim = c->in[0].type.dim;
    int64_t queries = dim[1], heads = dim[2], width = dim[3], keys = c->in[1].type.dim[1];
    int64_t seen = attr->causal ? t + keys - queries + 1 : keys;
    const float *q = FIG_F32_IN(c, 0) + ((b * queries + t) * heads + h) * width;
    double maximum = -INFINITY, sum = 0;
    for (int64_t s = 0; s < seen; s++) {
        const float *k = FIG_F32_IN(c, 1) + ((b * keys + s) * heads + h) * width;
        double dot = 0;
        for (int64_t d = 0; d < width; d++)
            dot += (double)q[d] * (double)k[d];
        weight[s] = dot * (double)attr->scale;
        maximum = weight[s] > maximum ? weight[s] : maximum;
    }
    for (int64_t s = 0; s < seen; s++)
        sum += weight[s] = exp(weight[s] - maximum);
    uint64_t row = (c->run->first_row + (uint64_t)b) * (uint64_t)heads + (uint64_t)h;
    uint64_t first = (row * (uint64_t)queries + (uint64_t)t) * (uint64_t)keys;
    for (int64_t s = 0; s < keys; s++) {
        weight[s] = s < seen ? weight[s] / sum : 0;
        if (kept)
            kept[s] = weight[s];
        if (attr->dropout > 0.0f) {
            bool dropped =
                fig__noise_uniform(fig__noise_word(c->run, attr->stream, first + (uint64_t)s)) < attr->dropout;
            weight[s] = dropped ? 0 : weight[s] / (1 - (double)attr->dropout);
        }
    }
}

static void attention_reference(fig_eval *c)
{
    const int64_t *dim = c->in[0].type.dim;
    int64_t batch = dim[0], queries = dim[1], heads = dim[2], width = dim[3], keys = c->in[1].type.dim[1];
    double *weight = fig__alloc(sizeof(double) * (size_t)keys);
    for (int64_t b = 0; b < batch; b++)
        for (int64_t t = 0; t < queries; t++)
            for (int64_t h = 0; h < heads; h++) {
                attention_weights(c, b, t, h, weight, NULL);
                for (int64_t d = 0; d < width; d++) {
                    double sum = 0;
                    for (int64_t s = 0; s < keys; s++)
                        sum += weight[s] * (double)FIG_F32_IN(c, 2)[((b * keys + s) * heads + h) * width + d];
                    FIG_F32_OUT(c, 0)[((b * queries + t) * heads + h) * width + d] = (float)sum;
                }
            }
    free(weight);
}

/* -- record -------------------------------------------------------------------------------------------------------- */

static double attention_flops(const fig_infer *c) /* two products, causal ones counted whole */
{
    return 4.0 * (double)fig__count(&c->in[0]) * (double)c->in[1].dim[1];
}

static void attention_print(const void *attr, fig__text *out)
{
    const fig_attention_attr *a = attr;
    fig__text_print(out, " scale=%g%s", (double)a->scale, a->causal ? " causal" : "");
    if (a->dropout > 0.0f)
        fig__text_print(out, " dropout=%g stream=%016llx", (double)a->dropout, (unsigned long long)a->stream);
}

/* Dropout makes it read the noise counters, so it counts as noise: kept apart from its twins. */
const fig_op fig_op_attention = {
    .name = "attention",
    .operands = 3,
    .flags = FIG_OP_NOISE,
    .attr_size = sizeof(fig_attention_attr),
    .infer = attention_infer,
    .gradient = attention_gradient,
    .decompose = attention_decompose,
    .reference = attention_reference,
    .flops = attention_flops,
    .print = attention_print,
    .narrow = { FIG_NARROW_FREE, 1 },
};

/* -- its gradient: operands q, k, v, dy, outputs dq, dk, dv -------------------------------------------------------- */

/* With p the weights, p' = drop(p):  dv = p'^T dy,  dp = drop(dy v^T),  ds = p (dp - sum(p dp)),  dq = scale ds k,  dk = scale
 * ds^T q. The weights are computed again rather than kept: (B, H, T, S) is by far the largest value of a Transformer. */
static fig_status backward_infer(fig_infer *c)
{
    FIG_TRY(check_operands(c, "attention_gradient"));
    if (!fig__types_equal(&c->in[3], &c->in[0]))
        return fig_fail(c->err, FIG_E_SHAPE, "attention_gradient: queries and upstream differ in shape");
    c->n_out = 3;
    for (int i = 0; i < 3; i++)
        c->out[i] = c->in[i];
    return FIG_OK;
}

static void backward_decompose(fig_decompose *c)
{
    const fig_attention_attr *attr = c->attr;
    fig_node q = fig_transpose(fig_scale(c->in[0], attr->scale), heads_first);
    fig_node k = fig_transpose(c->in[1], heads_first), v = fig_transpose(c->in[2], heads_first);
    fig_node dy = fig_transpose(c->in[3], heads_first);
    fig_node weights = weights_of(q, k, attr);                                                               /* (B, H, T, S) */
    fig_node dweights = drop(c->graph, fig_matmul(dy, v, &(fig_matmul_opts){ .transpose_b = true }), attr);  /* (B, H, T, S) */
    fig_node inner = fig_sum(fig_mul(weights, dweights), &(fig_reduce_opts){ .axis = -1, .keep = true });
    fig_node dscores = fig_mul(weights, fig_sub(dweights, inner));                                           /* (B, H, T, S) */
    const fig_matmul_opts first_transposed = { .transpose_a = true };
    c->out[0] = fig_transpose(fig_scale(fig_matmul(dscores, k, NULL), attr->scale), heads_first);
    c->out[1] = fig_transpose(fig_matmul(dscores, q, &first_transposed), heads_first);
    c->out[2] = fig_transpose(fig_matmul(drop(c->graph, weights, attr), dy, &first_transposed), heads_first);
}

/* One query of one head: adds its share to dk and dv, writes its dq. weight: dropped weights of the keys; kept: before. */
static void query_backward(fig_eval *c, int64_t b, int64_t t, int64_t h, const double *kept, const double *weight)
{
    const fig_attention_attr *attr = c->attr;
    const int64_t *dim = c->in[0].type.dim;
    int64_t queries = dim[1], heads = dim[2], width = dim[3], keys = c->in[1].type.dim[1];
    int64_t row = ((b * queries + t) * heads + h) * width;
    const float *q = FIG_F32_IN(c, 0) + row, *dy = FIG_F32_IN(c, 3) + row;
    double inner = 0;
    for (int pass = 0; pass < 2; pass++)
        for (int64_t s = 0; s < keys; s++) {
            if (kept[s] == 0)
                continue;
            int64_t at = ((b * keys + s) * heads + h) * width;
            double dweight = 0;
            for (int64_t d = 0; d < width; d++)
                dweight += (double)dy[d] * (double)FIG_F32_IN(c, 2)[at + d];
            dweight *= weight[s] / kept[s]; /* the mask and its factor */
            if (pass == 0) {
                inner += kept[s] * dweight;
                continue;
            }
            double dscore = kept[s] * (dweight - inner) * (double)attr->scale;
            for (int64_t d = 0; d < width; d++) {
                FIG_F32_OUT(c, 0)[row + d] += (float)(dscore * (double)FIG_F32_IN(c, 1)[at + d]);
                FIG_F32_OUT(c, 1)[at + d] += (float)(dscore * (double)q[d]);
                FIG_F32_OUT(c, 2)[at + d] += (float)(weight[s] * (double)dy[d]);
            }
        }
}

static void backward_reference(fig_eval *c)
{
    const int64_t *dim = c->in[0].type.dim;
    int64_t keys = c->in[1].type.dim[1];
    for (int i = 0; i < 3; i++)
        memset(c->out[i].data, 0, fig__bytes(&c->out[i].type));
    double *weight = fig__alloc(sizeof(double) * 2 * (size_t)keys);
    for (int64_t b = 0; b < dim[0]; b++)
        for (int64_t t = 0; t < dim[1]; t++)
            for (int64_t h = 0; h < dim[2]; h++) {
                attention_weights(c, b, t, h, weight, weight + keys);
                query_backward(c, b, t, h, weight + keys, weight);
            }
    free(weight);
}

static double backward_flops(const fig_infer *c) /* five products */
{
    return 10.0 * (double)fig__count(&c->in[0]) * (double)c->in[1].dim[1];
}

const fig_op fig_op_attention_gradient = {
    .name = "attention_gradient",
    .operands = 4,
    .flags = FIG_OP_NOISE,
    .attr_size = sizeof(fig_attention_attr),
    .infer = backward_infer,
    .decompose = backward_decompose,
    .reference = backward_reference,
    .flops = backward_flops,
    .print = attention_print,
    .narrow = { FIG_NARROW_FREE, 7 },
};

fig_node fig_attention(fig_node q, fig_node k, fig_node v, bool causal, float dropout)
{
    fig_node in[3] = { q, k, v };
    fig_graph *graph = fig__graph_of(in, 3);
    if (!graph || fig__poisoned(q))
        return (fig_node){ graph, 0 };
    if (!(dropout >= 0.0f && dropout < 1.0f))
        return fig_graph_fail(graph, "attention: dropout %g, expected 0 to below 1", (double)dropout);
    fig_attention_attr attr;
    memset(&attr, 0, sizeof attr);
    attr.causal = causal;
    attr.dropout = dropout;
    attr.stream = dropout > 0.0f ? fig__next_stream(graph) : 0;
    attr.scale = fig_rank(q) == 4 ? (float)(1 / sqrt((double)fig_dim(q, 3))) : 1.0f;
    return fig__emit(graph, &fig_op_attention, in, 3, &attr);
}
