/* kernels/attention_pairs.c - attention and its gradient on bf16 operands, products by pairs (pair_product.h)
 *
 * As attention.c: for one head a block of queries meets the keys it sees, and its scores stay in the second cache; parts own heads.
 * Scores, their softmax and all sums are f32; what goes into a product is bf16. Each product's second operand is laid out in pairs
 * along its summed axis, once a head or once a block:
 *
 *     s  = q k^T      k turned            dp = dy v^T     v turned               turned: 32-bit units (width / 2, keys)
 *     y  = p v        v joined            dq = ds k       k joined               joined: rows two by two (keys / 2, width)
 *     dv += p^T dy    p and dy joined     dk += ds^T q    ds and q joined        of a block: (queries / 2, ...)
 *
 * A pair beyond the last key or query has zeros on its first operand's side. */
#include "kernels/cast.h"
#include "kernels/fast.h"
#include "kernels/move.h"
#include "kernels/noise.h"
#include "kernels/pair_product.h"
#include "kernels/parallel.h"

#include <stdlib.h>
#include <string.h>

enum { BLOCK_SCORES = 1 << 14, MOST_QUERIES = 64 };

/* Areas of a part's memory: offsets in bytes. */
typedef enum area { SCORES, SLOPES, DROPPED, ROWS, LINES, KEYS_TURNED, VALUES_TURNED, KEYS_JOINED, WEIGHTS_JOINED, SLOPES_JOINED,
                    QUERIES_JOINED, UPSTREAM_JOINED, DK, DV, AREAS } area;

typedef struct attention_state {
    fig_attention_attr attr;
    int64_t batch, queries, keys, heads, width, row; /* row = heads * width */
    int64_t block, pairs;                            /* queries of a block; pairs of keys */
    int parts;
    size_t at[AREAS + 1];
} attention_state;

static bool pairs_accepts(const fig_kernel_query *q)
{
    if (!fig__pairs_available() || ((const fig_attention_attr *)q->attr)->scale <= 0.0f || q->in[0].dim[3] % 2)
        return false;
    for (int i = 0; i < q->n_in; i++)
        if (q->in[i].dtype != FIG_BF16)
            return false;
    return true;
}

static fig_status prepare(const fig_kernel_query *q, bool gradient, void **prepared, size_t *workspace)
{
    const int64_t *dim = q->in[0].dim;
    attention_state *s = fig__alloc(sizeof(*s));
    s->attr = *(const fig_attention_attr *)q->attr;
    s->batch = dim[0], s->queries = dim[1], s->heads = dim[2], s->width = dim[3], s->keys = q->in[1].dim[1];
    s->row = s->heads * s->width;
    s->pairs = (s->keys + 1) / 2;
    s->block = BLOCK_SCORES / s->keys / 16 * 16;
    s->block = s->block < 16 ? 16 : s->block > MOST_QUERIES ? MOST_QUERIES : s->block;
    if (s->attr.causal && s->block > 32 && s->queries <= 64)
        s->block = 32; /* else a short sequence would be one block, with nothing to leave out */
    if (s->block > s->queries)
        s->block = s->queries;
    s->parts = fig__parts(s->batch * s->heads * s->queries * s->keys * 4, q->threads);
    if (s->parts > s->batch * s->heads)
        s->parts = (int)(s->batch * s->heads);
    int64_t scores = s->block * s->keys, joined = (s->block + 1) / 2, drops = s->attr.dropout > 0.0f;
    const int64_t units[AREAS] = { /* of four bytes */
        [SCORES] = scores, [SLOPES] = gradient ? scores : 0, [DROPPED] = gradient && drops ? scores : 0,
        [ROWS] = s->block * s->pairs, [LINES] = s->block * s->width, [KEYS_TURNED] = s->width / 2 * s->keys,
        [VALUES_TURNED] = gradient ? s->width / 2 * s->keys : 0, [KEYS_JOINED] = s->pairs * s->width,
        [WEIGHTS_JOINED] = gradient ? joined * s->keys : 0, [SLOPES_JOINED] = gradient ? joined * s->keys : 0,
        [QUERIES_JOINED] = gradient ? joined * s->width : 0, [UPSTREAM_JOINED] = gradient ? joined * s->width : 0,
        [DK] = gradient ? s->keys * s->width : 0, [DV] = gradient ? s->keys * s->width : 0,
    };
    for (int i = 0; i < AREAS; i++)
        s->at[i + 1] = s->at[i] + (4 * (size_t)units[i] + 63) / 64 * 64;
    *workspace = s->at[AREAS] * (size_t)s->parts;
    *prepared = s;
    return FIG_OK;
}

static fig_status forward_prepare(const fig_kernel_query *q, void **prepared, size_t *workspace, fig_error *err)
{
    (void)err;
    return prepare(q, false, prepared, workspace);
}

static fig_status backward_prepare(const fig_kernel_query *q, void **prepared, size_t *workspace, fig_error *err)
{
    (void)err;
    return prepare(q, true, prepared, workspace);
}

static void release(void *prepared) { free(prepared); }

typedef struct attention_work {
    const attention_state *s;
    const fig_eval *c;
    fig__noise_stream stream;
    char *memory; /* of a part */
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

static void *memory(const attention_work *w, area which) { return w->memory + w->s->at[which]; }

static const uint16_t *narrow_in(const attention_work *w, int operand, int64_t at)
{
    return (const uint16_t *)w->c->in[operand].data + at;
}

/* Operand rows (n, width) of a head with its pairs along the width, turned: (width / 2, n). */
static void turn(const attention_work *w, int operand, int64_t at, area to)
{
    const attention_state *s = w->s;
    fig__fast_transpose_4(memory(w, to), s->keys, (const uint32_t *)(const void *)narrow_in(w, operand, at), s->row / 2, s->width / 2,
                          s->keys);
}

/* Operand rows (n, width) joined two by two. */
static void join(const attention_work *w, int operand, int64_t at, int64_t n, area to)
{
    const attention_state *s = w->s;
    uint32_t *pairs = memory(w, to);
    for (int64_t i = 0; i < n; i += 2, pairs += s->width)
        fig__fast_pair_rows(pairs, narrow_in(w, operand, at + i * s->row), i + 1 < n ? narrow_in(w, operand, at + (i + 1) * s->row) : NULL,
                            s->width);
}

/* Scores (rows, keys) of a block joined two by two. */
static void join_scores(const attention_work *w, const block *z, area from, area to)
{
    const float *x = memory(w, from);
    uint32_t *pairs = memory(w, to);
    for (int64_t i = 0; i < z->rows; i += 2, pairs += z->keys)
        fig__fast_pair_rows_f32(pairs, x + i * z->keys, i + 1 < z->rows ? x + (i + 1) * z->keys : NULL, z->keys);
}

/* Scores (rows, keys) rounded, row by row, a pair at the end filled up with 0. Returns pairs of a row. */
static int64_t round_scores(const attention_work *w, const block *z, area from)
{
    const float *x = memory(w, from);
    int64_t pairs = (z->keys + 1) / 2;
    uint16_t *to = memory(w, ROWS);
    for (int64_t i = 0; i < z->rows; i++, to += 2 * pairs) {
        fig__fast_f32_to_bf16(to, x + i * z->keys, z->keys);
        if (z->keys % 2)
            to[z->keys] = 0;
    }
    return pairs;
}

/* Lines (n, width) of f32 into result rows. */
static void put_lines(const attention_work *w, int result, int64_t at, const float *from, int64_t n)
{
    const attention_state *s = w->s;
    const fig_tensor *out = &w->c->out[result];
    for (int64_t i = 0; i < n; i++, from += s->width, at += s->row) {
        if (out->type.dtype == FIG_BF16)
            fig__fast_f32_to_bf16((uint16_t *)out->data + at, from, s->width);
        else
            memcpy((float *)out->data + at, from, sizeof(float) * (size_t)s->width);
    }
}

/* p (rows, keys) = softmax(scale q k^T), zero where a query may not look. */
static void weights_of(const attention_work *w, const block *z)
{
    const attention_state *s = w->s;
    float *p = memory(w, SCORES);
    fig__fast_pair_product(z->rows, z->keys, s->width / 2, (const uint32_t *)(const void *)narrow_in(w, 0, z->q_at), s->row / 2, 1,
                           memory(w, KEYS_TURNED), s->keys, false, p, z->keys);
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
    attention_work w = *(const attention_work *)context;
    const attention_state *s = w.s;
    int64_t begin, end;
    w.memory = (char *)w.c->workspace + s->at[AREAS] * (size_t)part;
    fig__share(s->batch * s->heads, 1, part, parts, &begin, &end);
    for (int64_t head = begin; head < end; head++) {
        int64_t keys_at = make_block(s, head, 0).k_at;
        turn(&w, 1, keys_at, KEYS_TURNED);
        join(&w, 2, keys_at, s->keys, KEYS_JOINED); /* the values, here */
        for (int64_t first = 0; first < s->queries; first += s->block) {
            block z = make_block(s, head, first);
            weights_of(&w, &z);
            if (s->attr.dropout > 0.0f)
                drop(&w, &z, memory(&w, SCORES), memory(&w, SCORES));
            int64_t pairs = round_scores(&w, &z, SCORES);
            fig__fast_pair_product(z.rows, s->width, pairs, memory(&w, ROWS), pairs, 1, memory(&w, KEYS_JOINED), s->width, false,
                                   memory(&w, LINES), s->width);
            put_lines(&w, 0, z.q_at, memory(&w, LINES), z.rows);
        }
    }
}

static void forward_run(fig_eval *c)
{
    const attention_state *s = c->prepared;
    attention_work w = { s, c, fig__noise_open(c->run, s->attr.stream), NULL };
    fig__parallel(s->parts, forward_part, &w);
}

/* -- gradient ----------------------------------------------------------------------------------------------------------------- */

static void block_backward(const attention_work *w, const block *z)
{
    const attention_state *s = w->s;
    bool more = z->first + z->rows != s->queries; /* the last block sees every key, and is the first to be done */
    float *p = memory(w, SCORES), *dp = memory(w, SLOPES);
    int64_t joined = (z->rows + 1) / 2;
    weights_of(w, z);
    fig__fast_pair_product(z->rows, z->keys, s->width / 2, (const uint32_t *)(const void *)narrow_in(w, 3, z->q_at), s->row / 2, 1,
                           memory(w, VALUES_TURNED), s->keys, false, dp, z->keys);
    if (s->attr.dropout > 0.0f) {
        drop(w, z, dp, dp);
        drop(w, z, p, memory(w, DROPPED));
    }
    join_scores(w, z, s->attr.dropout > 0.0f ? DROPPED : SCORES, WEIGHTS_JOINED);
    join(w, 3, z->q_at, z->rows, UPSTREAM_JOINED);
    fig__fast_pair_product(z->keys, s->width, joined, memory(w, WEIGHTS_JOINED), 1, z->keys, memory(w, UPSTREAM_JOINED), s->width, more,
                           memory(w, DV), s->width);
    for (int64_t t = 0; t < z->rows; t++)
        fig__fast_attention_row_gradient(dp + t * z->keys, p + t * z->keys, s->attr.scale, z->keys);
    int64_t pairs = round_scores(w, z, SLOPES);
    fig__fast_pair_product(z->rows, s->width, pairs, memory(w, ROWS), pairs, 1, memory(w, KEYS_JOINED), s->width, false,
                           memory(w, LINES), s->width);
    put_lines(w, 0, z->q_at, memory(w, LINES), z->rows);
    join_scores(w, z, SLOPES, SLOPES_JOINED);
    join(w, 0, z->q_at, z->rows, QUERIES_JOINED);
    fig__fast_pair_product(z->keys, s->width, joined, memory(w, SLOPES_JOINED), 1, z->keys, memory(w, QUERIES_JOINED), s->width, more,
                           memory(w, DK), s->width);
}

static void backward_part(void *context, int part, int parts)
{
    attention_work w = *(const attention_work *)context;
    const attention_state *s = w.s;
    int64_t begin, end;
    w.memory = (char *)w.c->workspace + s->at[AREAS] * (size_t)part;
    fig__share(s->batch * s->heads, 1, part, parts, &begin, &end);
    for (int64_t head = begin; head < end; head++) {
        int64_t keys_at = make_block(s, head, 0).k_at;
        turn(&w, 1, keys_at, KEYS_TURNED);
        turn(&w, 2, keys_at, VALUES_TURNED);
        join(&w, 1, keys_at, s->keys, KEYS_JOINED);
        for (int64_t first = (s->queries - 1) / s->block * s->block; first >= 0; first -= s->block) {
            block z = make_block(s, head, first);
            block_backward(&w, &z);
        }
        put_lines(&w, 1, keys_at, memory(&w, DK), s->keys);
        put_lines(&w, 2, keys_at, memory(&w, DV), s->keys);
    }
}

static void backward_run(fig_eval *c)
{
    const attention_state *s = c->prepared;
    attention_work w = { s, c, fig__noise_open(c->run, s->attr.stream), NULL };
    fig__parallel(s->parts, backward_part, &w);
}

const fig_kernel fig_kernel_attention_pairs = {
    .name = "pairs", .op = "attention", .bf16 = true, .rounds = true, .accepts = pairs_accepts, .prepare = forward_prepare,
    .release = release, .run = forward_run,
};
const fig_kernel fig_kernel_attention_gradient_pairs = {
    .name = "pairs", .op = "attention_gradient", .bf16 = true, .rounds = true, .accepts = pairs_accepts, .prepare = backward_prepare,
    .release = release, .run = backward_run,
};
