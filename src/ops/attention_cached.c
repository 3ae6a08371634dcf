/* ops/attention_cached.c - attention of a decoding step against cached keys and values
 *
 * q (B, T, H, D), keys and values (B, H, S, D), position i32 (B) -> (B, T, H, D). Heads stand before positions in a cache, so that
 * one head's keys are a single run. Query t of row b sees s <= position[b] + t: the kernel reads no further, which is why this is
 * an op of its own rather than its decomposition, whose products always walk the whole cache. */
#include "ops/attributes.h"
#include "ops/op.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { Q, KEYS, VALUES, POSITION };

static fig_status cached_infer(fig_infer *c)
{
    static const char *const op = "attention_cached";
    for (int i = 0; i < POSITION; i++) {
        FIG_TRY(fig__expect_dtype(c, i, FIG_F32, op));
        FIG_TRY(fig__expect_rank(c, i, 4, op));
    }
    FIG_TRY(fig__expect_dtype(c, POSITION, FIG_I32, op));
    FIG_TRY(fig__expect_rank(c, POSITION, 1, op));
    const fig_type *q = &c->in[Q], *keys = &c->in[KEYS];
    if (keys->dim[0] != q->dim[0] || keys->dim[1] != q->dim[2] || keys->dim[3] != q->dim[3] || keys->dim[2] < q->dim[1] ||
        !fig__types_equal(keys, &c->in[VALUES]) || c->in[POSITION].dim[0] != q->dim[0]) {
        char a[128], b[128];
        fig__type_text(q, a);
        fig__type_text(keys, b);
        return fig_fail(c->err, FIG_E_SHAPE,
                        "attention_cached: q %s needs keys and values (batch, heads, positions, width), at least as many positions as "
                        "steps, and a position per row; keys are %s",
                        a, b);
    }
    *c->out = *q;
    return FIG_OK;
}

static const int heads_first[4] = { 0, 2, 1, 3 }; /* (B, T, H, D) <-> (B, H, T, D) */

static void cached_decompose(fig_decompose *c)
{
    const fig_attention_attr *attr = c->attr;
    int64_t batch = fig_dim(c->in[Q], 0), steps = fig_dim(c->in[Q], 1), room = fig_dim(c->in[KEYS], 2);
    fig_type own = { .dtype = FIG_I32, .rank = 4, .dim = { 1, 1, steps, 1 } },
             other = { .dtype = FIG_I32, .rank = 4, .dim = { 1, 1, 1, room } };
    fig_node q = fig_transpose(fig_scale(c->in[Q], attr->scale), heads_first); /* (B, H, T, D) */
    fig_node scores = fig_matmul(q, c->in[KEYS], &(fig_matmul_opts){ .transpose_b = true });
    fig_node at = fig_add(fig_reshape(c->in[POSITION], FIG_SHAPE(batch, 1, 1, 1)), fig_iota(c->graph, own, 2)); /* (B, 1, T, 1) */
    fig_node visible = fig_less_equal(fig_iota(c->graph, other, 3), at);                                      /* (B, 1, T, S) */
    scores = fig_select(visible, scores, fig_constant(c->graph, -1e30f));                                     /* (B, H, T, S) */
    c->out[0] = fig_transpose(fig_matmul(fig_softmax(scores), c->in[VALUES], NULL), heads_first);
}

/* One query of one head. weight holds as many numbers as the cache has positions. */
static void one_query(fig_eval *c, int64_t b, int64_t t, int64_t h, double *weight)
{
    const int64_t *dim = c->in[Q].type.dim;
    int64_t steps = dim[1], heads = dim[2], width = dim[3], room = c->in[KEYS].type.dim[2];
    int64_t seen = FIG_I32_IN(c, POSITION)[b] + t + 1, row = ((b * steps + t) * heads + h) * width, cache = (b * heads + h) * room * width;
    seen = seen < 1 ? 1 : seen > room ? room : seen;
    double most = -INFINITY, sum = 0;
    for (int64_t s = 0; s < seen; s++) {
        weight[s] = 0;
        for (int64_t d = 0; d < width; d++)
            weight[s] += (double)FIG_F32_IN(c, Q)[row + d] * (double)FIG_F32_IN(c, KEYS)[cache + s * width + d];
        weight[s] *= (double)((const fig_attention_attr *)c->attr)->scale;
        most = weight[s] > most ? weight[s] : most;
    }
    for (int64_t s = 0; s < seen; s++)
        sum += weight[s] = exp(weight[s] - most);
    for (int64_t d = 0; d < width; d++) {
        double y = 0;
        for (int64_t s = 0; s < seen; s++)
            y += weight[s] * (double)FIG_F32_IN(c, VALUES)[cache + s * width + d];
        FIG_F32_OUT(c, 0)[row + d] = (float)(y / sum);
    }
}

static void cached_reference(fig_eval *c)
{
    const int64_t *dim = c->in[Q].type.dim;
    double *weight = fig__alloc(sizeof(*weight) * (size_t)c->in[KEYS].type.dim[2]);
    for (int64_t b = 0; b < dim[0]; b++)
        for (int64_t t = 0; t < dim[1]; t++)
            for (int64_t h = 0; h < dim[2]; h++)
                one_query(c, b, t, h, weight);
    free(weight);
}

static double cached_flops(const fig_infer *c) /* two products over a cache that is half full on average */
{
    return 2.0 * (double)fig__count(&c->in[Q]) * (double)c->in[KEYS].dim[2];
}

const fig_op fig_op_attention_cached = {
    .name = "attention_cached",
    .operands = 4,
    .attr_size = sizeof(fig_attention_attr),
    .infer = cached_infer,
    .decompose = cached_decompose,
    .reference = cached_reference,
    .flops = cached_flops,
};

fig_node fig_attention_cached(fig_node q, fig_node keys, fig_node values, fig_node position)
{
    fig_node in[4] = { q, keys, values, position };
    fig_graph *graph = fig__graph_of(in, 4);
    if (!graph || fig__poisoned(q))
        return (fig_node){ graph, 0 };
    fig_attention_attr attr;
    memset(&attr, 0, sizeof attr);
    attr.scale = fig_rank(q) == 4 ? (float)(1 / sqrt((double)fig_dim(q, 3))) : 1.0f;
    return fig__emit(graph, &fig_op_attention_cached, in, 4, &attr);
}
