/* ops/attention.c - scaled dot-product attention (Vaswani et al. 2017)
 *
 * q (B, T, H, D), k and v (B, S, H, D) -> (B, T, H, D): per row and head softmax(scale q k^T) v, with dropout on the weights. All
 * three may be one operand (B, T, 3, H, D), so that nothing is taken apart before and put together after (ops/attention.h).
 * Causal: position t sees s <= t + S - T, so that the last query sees every key (T = S in training; T = 1 when decoding
 * against a cache). Dropout draws by the element's place in (B, H, T, S), as the dropout op of the decomposition does. */
#include "ops/attention.h"
#include "ops/attributes.h"
#include "ops/noise_math.h"
#include "ops/op.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Operands but for the gradient's upstream, whose count is `more`; `out` gets the type of y. */
static fig_status check_operands(fig_infer *c, const char *op, int more, fig_type *out)
{
    const fig_attention_attr *attr = c->attr;
    static const char *const names[] = { "q", "k", "v" };
    for (int i = 0; i < c->n_in; i++)
        FIG_TRY(fig__expect_dtype(c, i, FIG_F32, op));
    const fig_type *q = &c->in[0], *k = &c->in[1];
    *out = *q;
    if (q->rank == 5 && c->n_in == 1 + more) {
        char found[128];
        fig__type_text(q, found);
        if (q->dim[2] != 3)
            return fig_fail(c->err, FIG_E_SHAPE, "attention: queries, keys and values in one need (B, T, 3, H, D); found %s", found);
        out->rank = 4;
        out->dim[2] = q->dim[3], out->dim[3] = q->dim[4], out->dim[4] = 0;
        return FIG_OK;
    }
    if (c->n_in != 3 + more)
        return fig_fail(c->err, FIG_E_SHAPE, "%s: %d operands, expected %d, or %d of which the first has 5 axes", op, c->n_in, 3 + more,
                        1 + more);
    for (int i = 0; i < 3; i++)
        FIG_TRY(fig__expect_rank(c, i, 4, op));
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

static fig_status attention_infer(fig_infer *c) { return check_operands(c, "attention", 0, c->out); }

static void attention_gradient(fig_gradient *c)
{
    fig_node in[4];
    memcpy(in, c->in, sizeof *in * (size_t)c->n_in);
    in[c->n_in] = c->upstream;
    fig__emit_multi(c->graph, &fig_op_attention_gradient, in, c->n_in + 1, c->attr, c->result, c->n_in);
}

/* -- decomposition ------------------------------------------------------------------------------------------------- */

static const int heads_first[4] = { 0, 2, 1, 3 }; /* (B, T, H, D) <-> (B, H, T, D) */

/* Queries, keys or values with heads first. */
static fig_node part_of(const fig_decompose *c, int part)
{
    bool joint = fig_rank(c->in[0]) == 5;
    return fig_transpose(joint ? fig_squeeze(fig_slice(c->in[0], 2, part, 1, 1), 2) : c->in[part], heads_first);
}

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
    fig_node q = fig_scale(part_of(c, FIG__QUERIES), attr->scale);        /* (B, H, T, D) */
    fig_node k = part_of(c, FIG__KEYS), v = part_of(c, FIG__VALUES);      /* (B, H, S, D) */
    fig_node weights = drop(c->graph, weights_of(q, k, attr), attr);      /* (B, H, T, S) */
    c->out[0] = fig_transpose(fig_matmul(weights, v, NULL), heads_first); /* (B, T, H, D) */
}

/* -- reference loop ------------------------------------------------------------------------------------------------ */

/* First number of head h at position t of row b. */
static const float *numbers(const fig_eval *c, const fig__attention_shape *s, int part, int64_t b, int64_t t, int64_t h)
{
    return FIG_F32_IN(c, fig__attention_tensor(s, part)) + fig__attention_at(s, part, b, t, h);
}

/* Weights of one query over the keys it sees, zero beyond; `kept` receives them before dropout unless NULL. */
static void attention_weights(fig_eval *c, const fig__attention_shape *s, int64_t b, int64_t t, int64_t h, double *weight, double *kept)
{
    const fig_attention_attr *attr = c->attr;
    int64_t seen = attr->causal ? t + s->keys - s->queries + 1 : s->keys;
    const float *q = numbers(c, s, FIG__QUERIES, b, t, h);
    double maximum = -INFINITY, sum = 0;
    for (int64_t i = 0; i < seen; i++) {
        const float *k = numbers(c, s, FIG__KEYS, b, i, h);
        double dot = 0;
        for (int64_t d = 0; d < s->width; d++)
            dot += (double)q[d] * (double)k[d];
        weight[i] = dot * (double)attr->scale;
        maximum = weight[i] > maximum ? weight[i] : maximum;
    }
    for (int64_t i = 0; i < seen; i++)
        sum += weight[i] = exp(weight[i] - maximum);
    uint64_t row = (c->run->first_row + (uint64_t)b) * (uint64_t)s->heads + (uint64_t)h;
    uint64_t first = (row * (uint64_t)s->queries + (uint64_t)t) * (uint64_t)s->keys;
    for (int64_t i = 0; i < s->keys; i++) {
        weight[i] = i < seen ? weight[i] / sum : 0;
        if (kept)
            kept[i] = weight[i];
        if (attr->dropout > 0.0f) {
            bool dropped =
                fig__noise_uniform(fig__noise_word(c->run, attr->stream, first + (uint64_t)i)) < attr->dropout;
            weight[i] = dropped ? 0 : weight[i] / (1 - (double)attr->dropout);
        }
    }
}

static void attention_reference(fig_eval *c)
{
    fig_type types[3] = { c->in[0].type, c->in[c->n_in > 1].type };
    fig__attention_shape s = fig__attention_shape_of(types);
    double *weight = fig__alloc(sizeof(double) * (size_t)s.keys);
    for (int64_t b = 0; b < s.batch; b++)
        for (int64_t t = 0; t < s.queries; t++)
            for (int64_t h = 0; h < s.heads; h++) {
                attention_weights(c, &s, b, t, h, weight, NULL);
                for (int64_t d = 0; d < s.width; d++) {
                    double sum = 0;
                    for (int64_t i = 0; i < s.keys; i++)
                        sum += weight[i] * (double)numbers(c, &s, FIG__VALUES, b, i, h)[d];
                    FIG_F32_OUT(c, 0)[fig__attention_at(&s, FIG__ATTENDED, b, t, h) + d] = (float)sum;
                }
            }
    free(weight);
}

/* -- record -------------------------------------------------------------------------------------------------------- */

static double attention_flops(const fig_infer *c) /* two products, causal ones counted whole */
{
    fig__attention_shape s = fig__attention_shape_of(c->in);
    return 4.0 * (double)(s.batch * s.queries * s.line) * (double)s.keys;
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
    .operands = -1, /* 3 or 1 */
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

/* -- its gradient: operands q, k, v, dy, outputs dq, dk, dv; or one and dy, and one -------------------------------- */

/* With p the weights, p' = drop(p):  dv = p'^T dy,  dp = drop(dy v^T),  ds = p (dp - sum(p dp)),  dq = scale ds k,  dk = scale
 * ds^T q. The weights are computed again rather than kept: (B, H, T, S) is by far the largest value of a Transformer. */
static fig_status backward_infer(fig_infer *c)
{
    fig_type y;
    FIG_TRY(check_operands(c, "attention_gradient", 1, &y));
    c->n_out = c->n_in - 1;
    if (!fig__types_equal(&c->in[c->n_out], &y))
        return fig_fail(c->err, FIG_E_SHAPE, "attention_gradient: queries and upstream differ in shape");
    for (int i = 0; i < c->n_out; i++)
        c->out[i] = c->in[i];
    return FIG_OK;
}

static void backward_decompose(fig_decompose *c)
{
    const fig_attention_attr *attr = c->attr;
    fig_node q = fig_scale(part_of(c, FIG__QUERIES), attr->scale), k = part_of(c, FIG__KEYS), v = part_of(c, FIG__VALUES);
    fig_node dy = fig_transpose(c->in[c->n_in - 1], heads_first);
    fig_node weights = weights_of(q, k, attr);                                                               /* (B, H, T, S) */
    fig_node dweights = drop(c->graph, fig_matmul(dy, v, &(fig_matmul_opts){ .transpose_b = true }), attr);  /* (B, H, T, S) */
    fig_node inner = fig_sum(fig_mul(weights, dweights), &(fig_reduce_opts){ .axis = -1, .keep = true });
    fig_node dscores = fig_mul(weights, fig_sub(dweights, inner));                                           /* (B, H, T, S) */
    const fig_matmul_opts first_transposed = { .transpose_a = true };
    fig_node part[3];
    part[FIG__QUERIES] = fig_transpose(fig_scale(fig_matmul(dscores, k, NULL), attr->scale), heads_first);
    part[FIG__KEYS] = fig_transpose(fig_matmul(dscores, q, &first_transposed), heads_first);
    part[FIG__VALUES] = fig_transpose(fig_matmul(drop(c->graph, weights, attr), dy, &first_transposed), heads_first);
    for (int i = 0; i < 3 && c->n_out == 3; i++)
        c->out[i] = part[i];
    for (int i = 0; i < 3 && c->n_out == 1; i++)
        part[i] = fig_expand(part[i], 2);
    if (c->n_out == 1)
        c->out[0] = fig_concat(part, 3, 2);
}

/* One query of one head: adds its share to dk and dv, writes its dq. weight: dropped weights of the keys; kept: before. */
static void query_backward(fig_eval *c, const fig__attention_shape *s, int64_t b, int64_t t, int64_t h, const double *kept,
                           const double *weight)
{
    const fig_attention_attr *attr = c->attr;
    const float *q = numbers(c, s, FIG__QUERIES, b, t, h);
    const float *dy = FIG_F32_IN(c, s->operands) + fig__attention_at(s, FIG__ATTENDED, b, t, h);
    float *part[3];
    double inner = 0;
    for (int pass = 0; pass < 2; pass++)
        for (int64_t i = 0; i < s->keys; i++) {
            if (kept[i] == 0)
                continue;
            const float *k = numbers(c, s, FIG__KEYS, b, i, h), *v = numbers(c, s, FIG__VALUES, b, i, h);
            double dweight = 0;
            for (int64_t d = 0; d < s->width; d++)
                dweight += (double)dy[d] * (double)v[d];
            dweight *= weight[i] / kept[i]; /* the mask and its factor */
            if (pass == 0) {
                inner += kept[i] * dweight;
                continue;
            }
            for (int p = 0; p < 3; p++)
                part[p] = FIG_F32_OUT(c, fig__attention_tensor(s, p)) + fig__attention_at(s, p, b, p == FIG__QUERIES ? t : i, h);
            double dscore = kept[i] * (dweight - inner) * (double)attr->scale;
            for (int64_t d = 0; d < s->width; d++) {
                part[FIG__QUERIES][d] += (float)(dscore * (double)k[d]);
                part[FIG__KEYS][d] += (float)(dscore * (double)q[d]);
                part[FIG__VALUES][d] += (float)(weight[i] * (double)dy[d]);
            }
        }
}

static void backward_reference(fig_eval *c)
{
    fig_type types[3] = { c->in[0].type, c->in[1].type };
    fig__attention_shape s = fig__attention_shape_of(types);
    for (int i = 0; i < c->n_out; i++)
        memset(c->out[i].data, 0, fig__bytes(&c->out[i].type));
    double *weight = fig__alloc(sizeof(double) * 2 * (size_t)s.keys);
    for (int64_t b = 0; b < s.batch; b++)
        for (int64_t t = 0; t < s.queries; t++)
            for (int64_t h = 0; h < s.heads; h++) {
                attention_weights(c, &s, b, t, h, weight, weight + s.keys);
                query_backward(c, &s, b, t, h, weight + s.keys, weight);
            }
    free(weight);
}

static double backward_flops(const fig_infer *c) /* five products */
{
    return 2.5 * attention_flops(c);
}

const fig_op fig_op_attention_gradient = {
    .name = "attention_gradient",
    .operands = -1, /* 4 or 2 */
    .flags = FIG_OP_NOISE,
    .attr_size = sizeof(fig_attention_attr),
    .infer = backward_infer,
    .decompose = backward_decompose,
    .reference = backward_reference,
    .flops = backward_flops,
    .print = attention_print,
    .narrow = { FIG_NARROW_FREE, 7 },
};

/* -- building ------------------------------------------------------------------------------------------------------ */

static fig_node attention(const fig_node *in, int n_in, bool causal, float dropout)
{
    fig_graph *graph = fig__graph_of(in, n_in);
    if (!graph || fig__poisoned(in[0]))
        return (fig_node){ graph, 0 };
    if (!(dropout >= 0.0f && dropout < 1.0f))
        return fig_graph_fail(graph, "attention: dropout %g, expected 0 to below 1", (double)dropout);
    fig_attention_attr attr;
    memset(&attr, 0, sizeof attr);
    attr.causal = causal;
    attr.dropout = dropout;
    attr.stream = dropout > 0.0f ? fig__next_stream(graph) : 0;
    attr.scale = fig_rank(in[0]) >= 4 ? (float)(1 / sqrt((double)fig_dim(in[0], -1))) : 1.0f;
    return fig__emit(graph, &fig_op_attention, in, n_in, &attr);
}

fig_node fig_attention(fig_node q, fig_node k, fig_node v, bool causal, float dropout)
{
    return attention((fig_node[]){ q, k, v }, 3, causal, dropout);
}

fig_node fig_attention_joint(fig_node qkv, bool causal, float dropout)
{
    return attention(&qkv, 1, causal, dropout);
}
