/* kernels/attention.c - scaled dot-product attention and its gradient, block by block of queries
 *
 * For one head of one row, a block of queries meets all the keys it sees; its scores (queries, keys) stay in the second cache
 * and are never written out. Causal blocks end at their last visible key, so about half of the work is not done. All operands
 * stay in (B, T, H, D): a head is a matrix with row length H D, which the products take as it is.
 *
 *     forward   s = q k^T,  p = softmax(scale s),  y = drop(p) v
 *     gradient  p again;  dv += drop(p)^T dy,  dp = drop(dy v^T),  ds = scale p (dp - sum(p dp)),  dq = ds k,  dk += ds^T q
 *
 * Keys (and values, in the gradient) are transposed once a head, so that every product's second operand has straight rows.
 *
 * Parts own heads. In the gradient blocks go from the last to the first: the last one sees every key, so it starts dk and dv. */
#include "kernels/fast.h"
#include "kernels/noise.h"
#include "kernels/parallel.h"
#include "kernels/small_product.h"

#include <stdlib.h>
#include <string.h>

enum { BLOCK_SCORES = 1 << 14 }; /* floats of a block's scores: 64 KiB, three of them in the gradient */

typedef struct attention_state {
    fig_attention_attr attr;
    int64_t batch, queries, keys, heads, width, row; /* row = heads * width */
    int64_t block;                                   /* queries of a block */
    int parts;
    size_t scores, turned;                           /* bytes: one block's scores, one head's transposed keys */
    int buffers, turns;                              /* of a part: how many of each */
} attention_state;

static bool attention_accepts(const fig_kernel_query *q)
{
    return fig_elements(&q->in[0]) > 0 && ((const fig_attention_attr *)q->attr)->scale > 0.0f;
}

static fig_status prepare(const fig_kernel_query *q, void **prepared, size_t *workspace, int buffers, int turns)
{
    const int64_t *dim = q->in[0].dim;
    attention_state *s = fig__alloc(sizeof(*s));
    s->attr = *(const fig_attention_attr *)q->attr;
    s->batch = dim[0], s->queries = dim[1], s->heads = dim[2], s->width = dim[3], s->keys = q->in[1].dim[1];
    s->row = s->heads * s->width;
    s->block = BLOCK_SCORES / s->keys / 16 * 16;
    if (s->block < 16)
        s->block = 16;
    if (s->block > 64)
        s->block = 64;
    if (s->attr.causal && s->block > 32 && s->queries <= 64)
        s->block = 32; /* else a short sequence would be one block, with nothing to leave out */
    if (s->block > s->queries)
        s->block = s->queries;
    s->parts = fig__parts(s->batch * s->heads * s->queries * s->keys * 4, q->threads);
    if (s->parts > s->batch * s->heads)
        s->parts = (int)(s->batch * s->heads);
    s->scores = (sizeof(float) * (size_t)(s->block * s->keys) + 63) / 64 * 64;
    s->turned = (sizeof(float) * (size_t)(s->width * s->keys) + 63) / 64 * 64;
    s->buffers = buffers;
    s->turns = turns;
    *workspace = (s->scores * (size_t)buffers + s->turned * (size_t)turns) * (size_t)s->parts;
    *prepared = s;
    return FIG_OK;
}

static fig_status forward_prepare(const fig_kernel_query *q, void **prepared, size_t *workspace, fig_error *err)
{
    (void)err;
    return prepare(q, prepared, workspace, 1, 1);
}

static fig_status backward_prepare(const fig_kernel_query *q, void **prepared, size_t *workspace, fig_error *err)
{
    (void)err;
    return prepare(q, prepared, workspace, ((const fig_attention_attr *)q->attr)->dropout > 0.0f ? 3 : 2, 2);
}

static void release(void *prepared) { free(prepared); }

typedef struct attention_work {
    const attention_state *s;
    const fig_eval *c;
    fig__noise_stream stream;
} attention_work;

/* A block: queries [first, first + rows) of head h of row b, and the keys that its last query sees. */
typedef struct block {
    int64_t b, h, first, rows, keys;
    int64_t q_at, k_at; /* of the block's first query, of the head's first key */
} block;

static block make_block(const attention_state *s, int64_t head, int64_t first)
{
    block z = { .b = head / s->heads, .h = head % s->heads, .first = first };
    z.rows = s->queries - first < s->block ? s->queries - first : s->block;
    z.keys = s->attr.causal ? first + z.rows + s->keys - s->queries : s->keys;
    z.q_at = (z.b * s->queries + first) * s->row + z.h * s->width;
    z.k_at = z.b * s->keys * s->row + z.h * s->width;
    return z;
}

static char *part_memory(const attention_work *w, int part)
{
    const attention_state *s = w->s;
    return (char *)w->c->workspace + (s->scores * (size_t)s->buffers + s->turned * (size_t)s->turns) * (size_t)part;
}
static float *buffer(const attention_work *w, int part, int index)
{
    return (float *)(void *)(part_memory(w, part) + w->s->scores * (size_t)index);
}
static float *turned(const attention_work *w, int part, int index)
{
    return (float *)(void *)(part_memory(w, part) + w->s->scores * (size_t)w->s->buffers + w->s->turned * (size_t)index);
}

/* Operand 1 or 2 of a head as (width, keys). */
static void turn(const attention_work *w, int64_t head, int operand, float *to)
{
    const attention_state *s = w->s;
    fig__small_transpose(to, s->keys, FIG_F32_IN(w->c, operand) + make_block(s, head, 0).k_at, s->row, s->keys, s->width);
}

/* p (rows, keys) = softmax(scale q k^T), zero where a query may not look. keys: transposed. */
static void weights_of(const attention_work *w, const block *z, const float *keys, float *p)
{
    const attention_state *s = w->s;
    fig__small_product(z->rows, z->keys, s->width, FIG_F32_IN(w->c, 0) + z->q_at, s->row, 1, keys, s->keys, false, p, z->keys);
    for (int64_t t = 0; t < z->rows; t++) {
        int64_t seen = s->attr.causal ? z->first + t + 1 + s->keys - s->queries : z->keys;
        fig__fast_attention_row(p + t * z->keys, s->attr.scale, seen, z->keys);
    }
}

/* y = x with this block's dropout mask; elements count through (B, H, T, S) of the global batch. */
static void drop(const attention_work *w, const block *z, const float *x, float *y)
{
    const attention_state *s = w->s;
    uint32_t words[FIG__NOISE_TILE + 4];
    float kept = 1.0f / (1.0f - s->attr.dropout);
    uint64_t row = ((w->c->run->first_row + (uint64_t)z->b) * (uint64_t)s->heads + (uint64_t)z->h) * (uint64_t)s->queries;
    for (int64_t t = 0; t < z->rows; t++)
        for (int64_t k = 0; k < z->keys; k += FIG__NOISE_TILE) {
            int64_t n = z->keys - k < FIG__NOISE_TILE ? z->keys - k : FIG__NOISE_TILE;
            uint64_t at = (row + (uint64_t)(z->first + t)) * (uint64_t)s->keys + (uint64_t)k;
            fig__fast_philox(&w->stream, at / 4, ((int64_t)(at % 4) + n + 3) / 4, words);
            fig__fast_noise_dropout(y + t * z->keys + k, words + at % 4, x + t * z->keys + k, s->attr.dropout, kept, n);
        }
}

/* -- forward ----------------------------------------------------------------------------------------------------------------- */

static void forward_part(void *context, int part, int parts)
{
    const attention_work *w = context;
    const attention_state *s = w->s;
    int64_t begin, end;
    fig__share(s->batch * s->heads, 1, part, parts, &begin, &end);
    float *p = buffer(w, part, 0), *keys = turned(w, part, 0);
    for (int64_t head = begin; head < end; head++) {
        turn(w, head, 1, keys);
        for (int64_t first = 0; first < s->queries; first += s->block) {
            block z = make_block(s, head, first);
            weights_of(w, &z, keys, p);
            if (s->attr.dropout > 0.0f)
                drop(w, &z, p, p);
            fig__small_product(z.rows, s->width, z.keys, p, z.keys, 1, FIG_F32_IN(w->c, 2) + z.k_at, s->row, false,
                               FIG_F32_OUT(w->c, 0) + z.q_at, s->row);
        }
    }
}

static void forward_run(fig_eval *c)
{
    const attention_state *s = c->prepared;
    attention_work w = { s, c, fig__noise_open(c->run, s->attr.stream) };
    fig__parallel(s->parts, forward_part, &w);
}

/* -- gradient ----------------------------------------------------------------------------------------------------------------- */

static void block_backward(const attention_work *w, int part, const block *z)
{
    const attention_state *s = w->s;
    const fig_eval *c = w->c;
    const float *q = FIG_F32_IN(c, 0) + z->q_at, *k = FIG_F32_IN(c, 1) + z->k_at, *dy = FIG_F32_IN(c, 3) + z->q_at;
    float *dq = FIG_F32_OUT(c, 0) + z->q_at, *dk = FIG_F32_OUT(c, 1) + z->k_at, *dv = FIG_F32_OUT(c, 2) + z->k_at;
    float *p = buffer(w, part, 0), *dp = buffer(w, part, 1), *dropped = p;
    bool more = z->first + z->rows != s->queries; /* the last block is the first to be done */
    weights_of(w, z, turned(w, part, 0), p);
    fig__small_product(z->rows, z->keys, s->width, dy, s->row, 1, turned(w, part, 1), s->keys, false, dp, z->keys);
    if (s->attr.dropout > 0.0f) {
        dropped = buffer(w, part, 2);
        drop(w, z, dp, dp);
        drop(w, z, p, dropped);
    }
    fig__small_product(z->keys, s->width, z->rows, dropped, 1, z->keys, dy, s->row, more, dv, s->row);
    for (int64_t t = 0; t < z->rows; t++)
        fig__fast_attention_row_gradient(dp + t * z->keys, p + t * z->keys, s->attr.scale, z->keys);
    fig__small_product(z->rows, s->width, z->keys, dp, z->keys, 1, k, s->row, false, dq, s->row);
    fig__small_product(z->keys, s->width, z->rows, dp, 1, z->keys, q, s->row, more, dk, s->row);
}

static void backward_part(void *context, int part, int parts)
{
    const attention_work *w = context;
    const attention_state *s = w->s;
    int64_t begin, end;
    fig__share(s->batch * s->heads, 1, part, parts, &begin, &end);
    for (int64_t head = begin; head < end; head++) {
        turn(w, head, 1, turned(w, part, 0));
        turn(w, head, 2, turned(w, part, 1));
        for (int64_t first = (s->queries - 1) / s->block * s->block; first >= 0; first -= s->block) {
            block z = make_block(s, head, first);
            block_backward(w, part, &z);
        }
    }
}

static void backward_run(fig_eval *c)
{
    const attention_state *s = c->prepared;
    attention_work w = { s, c, fig__noise_open(c->run, s->attr.stream) };
    fig__parallel(s->parts, backward_part, &w);
}

const fig_kernel fig_kernel_attention = {
    .name = "blocks", .op = "attention", .accepts = attention_accepts, .prepare = forward_prepare, .release = release,
    .run = forward_run,
};
const fig_kernel fig_kernel_attention_gradient = {
    .name = "blocks", .op = "attention_gradient", .accepts = attention_accepts, .prepare = backward_prepare, .release = release,
    .run = backward_run,
};
