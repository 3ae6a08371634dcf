/* ops/attention_step.c - self-attention of a decoding step, with its keys and values put into the cache
 *
 *     cache (B, 2, H, S, D), qkv (B, T, 3, H, D), position i32 (B)
 *     next[b][0 and 1][h][position[b] + t] = keys and values of step t        y (B, T, H, D) = attention_cached(q, next)
 *
 * Keys are cache[:, 0], values cache[:, 1]; stored in f32, or in bf16 where a plan has narrow weights (passes/weights.c). As single
 * ops this is three slices and two updates around the attention, each of a few hundred numbers, and starting them takes longer than
 * moving those. */
#include "ops/attributes.h"
#include "ops/op.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { CACHE, QKV, POSITION, OPERANDS };
enum { NEXT, Y, RESULTS };

static fig_status step_infer(fig_infer *c)
{
    static const char *const op = "attention_step";
    for (int i = 0; i < POSITION; i++) {
        FIG_TRY(fig__expect_dtype(c, i, FIG_F32, op));
        FIG_TRY(fig__expect_rank(c, i, 5, op));
    }
    FIG_TRY(fig__expect_dtype(c, POSITION, FIG_I32, op));
    FIG_TRY(fig__expect_rank(c, POSITION, 1, op));
    const fig_type *cache = &c->in[CACHE], *qkv = &c->in[QKV];
    if (cache->dim[0] != qkv->dim[0] || cache->dim[1] != 2 || qkv->dim[2] != 3 || cache->dim[2] != qkv->dim[3] ||
        cache->dim[4] != qkv->dim[4] || cache->dim[3] < qkv->dim[1] || c->in[POSITION].dim[0] != qkv->dim[0]) {
        char a[128], b[128];
        fig__type_text(qkv, a);
        fig__type_text(cache, b);
        return fig_fail(c->err, FIG_E_SHAPE,
                        "attention_step: %s (batch, steps, 3, heads, width) needs a cache (batch, 2, heads, positions, width) with at "
                        "least as many positions as steps, and a position per row; the cache is %s",
                        a, b);
    }
    c->n_out = RESULTS;
    c->out[NEXT] = *cache;
    c->out[Y] = (fig_type){ .dtype = FIG_F32, .rank = 4, .dim = { qkv->dim[0], qkv->dim[1], qkv->dim[3], qkv->dim[4] } };
    return FIG_OK;
}

/* One of queries, keys, values: (B, T, 3, H, D) -> (B, T, H, D). */
static fig_node third(fig_node qkv, int which) { return fig_squeeze(fig_slice(qkv, 2, which, 1, 1), 2); }

/* Keys or values with this step's written at `position`: (B, 1, H, S, D). */
static fig_node remember(fig_decompose *c, int which, fig_node x)
{
    fig_node past = fig_slice(c->in[CACHE], 1, which, 1, 1);
    fig_node rows = fig_transpose(x, (const int[]){ 0, 2, 1, 3 }); /* (B, T, H, D) -> (B, H, T, D) */
    return fig_dynamic_update(past, fig_expand(rows, 1), c->in[POSITION], 3);
}

static void step_decompose(fig_decompose *c)
{
    fig_node part[2] = { remember(c, 0, third(c->in[QKV], 1)), remember(c, 1, third(c->in[QKV], 2)) };
    c->out[NEXT] = fig_concat(part, 2, 1);
    c->out[Y] = fig_attention_cached(third(c->in[QKV], 0), fig_squeeze(part[0], 1), fig_squeeze(part[1], 1), c->in[POSITION]);
}

typedef struct sizes {
    int64_t batch, steps, heads, width, room;
} sizes;

static sizes sizes_of(const fig_eval *c)
{
    const int64_t *cache = c->in[CACHE].type.dim;
    return (sizes){ cache[0], c->in[QKV].type.dim[1], cache[2], cache[4], cache[3] };
}

/* One query of one head of row b; scale and softmax as everywhere. weight holds as many numbers as the cache has positions. */
static void one_query(fig_eval *c, sizes s, int64_t b, int64_t t, int64_t h, double *weight)
{
    const float *keys = FIG_F32_OUT(c, NEXT) + (2 * b * s.heads + h) * s.room * s.width, *values = keys + s.heads * s.room * s.width;
    const float *q = FIG_F32_IN(c, QKV) + (((b * s.steps + t) * 3) * s.heads + h) * s.width;
    int64_t seen = FIG_I32_IN(c, POSITION)[b] + t + 1;
    double most = -INFINITY, sum = 0;
    seen = seen < 1 ? 1 : seen > s.room ? s.room : seen;
    for (int64_t i = 0; i < seen; i++) {
        weight[i] = 0;
        for (int64_t d = 0; d < s.width; d++)
            weight[i] += (double)q[d] * (double)keys[i * s.width + d];
        weight[i] /= sqrt((double)s.width);
        most = weight[i] > most ? weight[i] : most;
    }
    for (int64_t i = 0; i < seen; i++)
        sum += weight[i] = exp(weight[i] - most);
    for (int64_t d = 0; d < s.width; d++) {
        double y = 0;
        for (int64_t i = 0; i < seen; i++)
            y += weight[i] * (double)values[i * s.width + d];
        FIG_F32_OUT(c, Y)[((b * s.steps + t) * s.heads + h) * s.width + d] = (float)(y / sum);
    }
}

static void step_reference(fig_eval *c)
{
    sizes s = sizes_of(c);
    double *weight = fig__alloc(sizeof *weight * (size_t)s.room);
    float *next = FIG_F32_OUT(c, NEXT);
    memcpy(next, c->in[CACHE].data, fig__bytes(&c->in[CACHE].type));
    for (int64_t b = 0; b < s.batch; b++) {
        int64_t at = FIG_I32_IN(c, POSITION)[b], most = s.room - s.steps;
        at = at < 0 ? 0 : at > most ? most : at; /* as dynamic_update */
        for (int64_t t = 0; t < s.steps; t++)
            for (int64_t i = 0; i < 2 * s.heads; i++) /* keys' heads, then values' */
                memcpy(next + ((b * 2 * s.heads + i) * s.room + at + t) * s.width,
                       FIG_F32_IN(c, QKV) + ((b * s.steps + t) * 3 * s.heads + s.heads + i) * s.width, sizeof *next * (size_t)s.width);
        for (int64_t t = 0; t < s.steps; t++)
            for (int64_t h = 0; h < s.heads; h++)
                one_query(c, s, b, t, h, weight);
    }
    free(weight);
}

static double step_flops(const fig_infer *c) /* two products over a cache that is half full on average */
{
    return 2.0 * (double)fig__count(&c->in[QKV]) / 3 * (double)c->in[CACHE].dim[3];
}

const fig_op fig_op_attention_step = {
    .name = "attention_step",
    .operands = OPERANDS,
    .infer = step_infer,
    .decompose = step_decompose,
    .reference = step_reference,
    .flops = step_flops,
    .remembers = 1 << CACHE, /* CACHE and NEXT are both the first */
};

fig_node fig_attention_step(fig_node cache, fig_node qkv, fig_node position, fig_node *next)
{
    fig_node in[OPERANDS] = { cache, qkv, position }, out[RESULTS];
    fig_graph *graph = fig__graph_of(in, OPERANDS);
    *next = (fig_node){ graph, 0 };
    for (int i = 0; i < OPERANDS; i++)
        if (!graph || fig__poisoned(in[i]))
            return *next;
    fig__emit_multi(graph, &fig_op_attention_step, in, OPERANDS, NULL, out, RESULTS);
    *next = out[NEXT];
    return out[Y];
}
