/* kernels/attention.c - scaled dot-product attention and its gradient, block by block of queries
 *
 * For one head of one row, a block of queries meets all the keys it sees; its scores (queries, keys) stay in the second cache
 * and are never written out. Causal blocks end at their last visible key, so nearly half of the work is not done.
 *
 *     forward   s = q k^T,  p = softmax(scale s),  y = drop(p) v
 *     gradient  p again;  dv += drop(p)^T dy,  dp = drop(dy v^T),  ds = scale p (dp - sum(p dp)),  dq = ds k,  dk += ds^T q
 *
 * Operands are read where they lie: a head is a matrix whose rows are a whole position apart. Keys (and values, in the gradient)
 * are transposed once a head, so that every product's second operand has straight rows. Results in f32 are written in place.
 *
 * Operands in bf16 are multiplied by pairs (pair_product.h): scores, their softmax and all sums are f32, and what goes into a
 * product is bf16, laid out in pairs along the summed axis, once a head or once a block:
 *
 *     s  = q k^T      k turned            dp = dy v^T     v turned               turned: 32-bit units (width / 2, keys)
 *     y  = p v        v joined            dq = ds k       k joined               joined: rows two by two (keys / 2, width)
 *     dv += p^T dy    p and dy joined     dk += ds^T q    ds and q joined        of a block: (queries / 2, ...)
 *
 * A pair beyond the last key or query has zeros on its first operand's side.
 *
 * Parts own heads. In the gradient blocks go from the last to the first: the last one sees every key, so it starts dk and dv. */
#include "kernels/cast.h"
#include "kernels/fast.h"
#include "kernels/move.h"
#include "kernels/noise.h"
#include "kernels/pair_product.h"
#include "kernels/parallel.h"
#include "kernels/small_product.h"
#include "ops/attention.h"

#include <stdlib.h>
#include <string.h>

enum { BLOCK_SCORES = 1 << 14, /* floats of a block's scores: 64 KiB, three of them in the gradient */
       MOST_QUERIES = 64, MOST_CAUSAL = 32 /* queries of a block; half of the last MOST_CAUSAL keys is computed for nothing */ };

/* Areas of a part's memory. The second line is for bf16 only. */
typedef enum area { SCORES, SLOPES, DROPPED, KEYS_TURNED, VALUES_TURNED,
                    ROUNDED, JOINED, LINES_JOINED, BLOCK_JOINED, LINES, DK, DV, AREAS } area;

typedef struct attention_state {
    fig_attention_attr attr;
    fig__attention_shape shape;
    bool pairs;
    int64_t block; /* queries of a block */
    int parts;
    size_t at[AREAS + 1]; /* bytes */
} attention_state;

static bool all_of(const fig_kernel_query *q, fig_dtype dtype)
{
    for (int i = 0; i < q->n_in; i++)
        if (q->in[i].dtype != dtype)
            return false;
    return true;
}

static bool attention_accepts(const fig_kernel_query *q)
{
    if (fig_elements(&q->in[0]) == 0 || ((const fig_attention_attr *)q->attr)->scale <= 0.0f)
        return false;
    for (int i = 0; i < q->n_out && all_of(q, FIG_F32); i++)
        if (q->out[i].dtype != FIG_F32)
            return false;
    return all_of(q, FIG_F32) || (all_of(q, FIG_BF16) && fig__pairs_available() && fig__attention_shape_of(q->in).width % 2 == 0);
}

static int64_t queries_of_a_block(const attention_state *s)
{
    int64_t most = s->attr.causal ? MOST_CAUSAL : MOST_QUERIES, block = BLOCK_SCORES / s->shape.keys / 16 * 16;
    block = block < 16 ? 16 : block > most ? most : block;
    return block < s->shape.queries ? block : s->shape.queries;
}

static void lay_out(attention_state *s, bool gradient)
{
    int64_t keys = s->shape.keys, width = s->shape.width, scores = s->block * keys;
    int64_t turned = s->pairs ? width / 2 * keys : width * keys, joined = (s->block + 1) / 2, pairs = (keys + 1) / 2;
    int64_t bytes[AREAS] = {
        [SCORES] = scores, [SLOPES] = gradient ? scores : 0, [DROPPED] = gradient && s->attr.dropout > 0.0f ? scores : 0,
        [KEYS_TURNED] = turned, [VALUES_TURNED] = gradient ? turned : 0,
    };
    if (s->pairs) {
        bytes[ROUNDED] = s->block * pairs;
        bytes[JOINED] = gradient ? joined * keys : 0;
        bytes[LINES_JOINED] = pairs * width;
        bytes[BLOCK_JOINED] = gradient ? joined * width : 0;
        bytes[LINES] = s->block * width;
        bytes[DK] = bytes[DV] = gradient ? keys * width : 0;
    }
    for (int i = 0; i < AREAS; i++)
        s->at[i + 1] = s->at[i] + (4 * (size_t)bytes[i] + 63) / 64 * 64;
}

static fig_status prepare(const fig_kernel_query *q, bool gradient, void **prepared, size_t *workspace)
{
    attention_state *s = fig__alloc(sizeof(*s));
    s->attr = *(const fig_attention_attr *)q->attr;
    s->shape = fig__attention_shape_of(q->in);
    s->pairs = q->in[0].dtype == FIG_BF16;
    s->block = queries_of_a_block(s);
    int64_t heads = s->shape.batch * s->shape.heads;
    s->parts = fig__parts(heads * s->shape.queries * s->shape.keys * 4, q->threads);
    if (s->parts > heads)
        s->parts = (int)heads;
    lay_out(s, gradient);
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

/* Queries [first, first + rows) of head h of row b, and the keys that the last of them sees. */
typedef struct block { int64_t b, h, first, rows, keys; } block;

static block make_block(const attention_state *s, int64_t head, int64_t first)
{
    const fig__attention_shape *shape = &s->shape;
    block z = { .b = head / shape->heads, .h = head % shape->heads, .first = first };
    z.rows = shape->queries - first < s->block ? shape->queries - first : s->block;
    z.keys = s->attr.causal ? first + z.rows + shape->keys - shape->queries : shape->keys;
    return z;
}

static void *memory(const attention_work *w, area which) { return w->memory + w->s->at[which]; }

/* -- matrices for products --------------------------------------------------------------------------------------------------- */

/* In units: f32, or pairs of bf16. */
typedef struct matrix {
    const void *data;
    int64_t row, column;
} matrix;

/* c (m, n) = a (m, k) b (k, n), added to c or not. */
static void multiply(const attention_work *w, int64_t m, int64_t n, int64_t k, matrix a, matrix b, bool more, float *c, int64_t c_row)
{
    if (w->s->pairs)
        fig__fast_pair_product(m, n, (k + 1) / 2, a.data, a.row, a.column, b.data, b.row, more, c, c_row);
    else
        fig__small_product(m, n, k, a.data, a.row, a.column, b.data, b.row, more, c, c_row);
}

/* Rows of queries, keys, values or dy from position t of a head on, as they lie. */
static const char *lines_of(const attention_work *w, int part, const block *z, int64_t t)
{
    const fig__attention_shape *s = &w->s->shape;
    int tensor = part == FIG__ATTENDED ? s->operands : fig__attention_tensor(s, part);
    return (const char *)w->c->in[tensor].data + fig__attention_at(s, part, z->b, t, z->h) * (w->s->pairs ? 2 : 4);
}

/* (queries, width): a block of queries or dy. */
static matrix block_rows(const attention_work *w, int part, const block *z)
{
    int64_t step = fig__attention_step(&w->s->shape, part);
    return (matrix){ lines_of(w, part, z, z->first), w->s->pairs ? step / 2 : step, 1 };
}

/* (width, keys): a head's keys or values. */
static void turn(const attention_work *w, int part, const block *z, area to)
{
    const fig__attention_shape *s = &w->s->shape;
    int64_t share = w->s->pairs ? 2 : 1;
    fig__fast_transpose_4(memory(w, to), s->keys, (const uint32_t *)(const void *)lines_of(w, part, z, 0),
                          fig__attention_step(s, part) / share, s->width / share, s->keys);
}
static matrix turned(const attention_work *w, area which) { return (matrix){ memory(w, which), w->s->shape.keys, 1 }; }

/* (n, width): lines from position t on, as a second operand. */
static matrix lines(const attention_work *w, int part, const block *z, int64_t t, int64_t n, area to)
{
    int64_t step = fig__attention_step(&w->s->shape, part), width = w->s->shape.width;
    const char *from = lines_of(w, part, z, t);
    if (!w->s->pairs)
        return (matrix){ from, step, 1 };
    const uint16_t *line = (const uint16_t *)(const void *)from;
    uint32_t *pairs = memory(w, to);
    for (int64_t i = 0; i < n; i += 2, line += 2 * step, pairs += width)
        fig__fast_pair_rows(pairs, line, i + 1 < n ? line + step : NULL, width);
    return (matrix){ memory(w, to), width, 1 };
}

/* (queries, keys): scores as a first operand. */
static matrix score_rows(const attention_work *w, const block *z, area from)
{
    const float *x = memory(w, from);
    if (!w->s->pairs)
        return (matrix){ x, z->keys, 1 };
    int64_t pairs = (z->keys + 1) / 2;
    uint16_t *to = memory(w, ROUNDED);
    for (int64_t i = 0; i < z->rows; i++, to += 2 * pairs) {
        fig__fast_f32_to_bf16(to, x + i * z->keys, z->keys);
        if (z->keys % 2)
            to[z->keys] = 0;
    }
    return (matrix){ memory(w, ROUNDED), pairs, 1 };
}

/* (keys, queries): the same transposed. */
static matrix score_columns(const attention_work *w, const block *z, area from)
{
    const float *x = memory(w, from);
    if (!w->s->pairs)
        return (matrix){ x, 1, z->keys };
    uint32_t *pairs = memory(w, JOINED);
    for (int64_t i = 0; i < z->rows; i += 2, pairs += z->keys)
        fig__fast_pair_rows_f32(pairs, x + i * z->keys, i + 1 < z->rows ? x + (i + 1) * z->keys : NULL, z->keys);
    return (matrix){ memory(w, JOINED), 1, z->keys };
}

/* Lines of a result from position t on: where to add them up, and their way there. */
typedef struct result {
    const fig_tensor *tensor;
    int64_t at, step;
    float *sums;
    int64_t row;
} result;

static result open_result(const attention_work *w, int part, const block *z, int64_t t, area spare)
{
    const fig__attention_shape *s = &w->s->shape;
    const fig_tensor *tensor = &w->c->out[part == FIG__ATTENDED ? 0 : fig__attention_tensor(s, part)];
    result r = { tensor, fig__attention_at(s, part, z->b, t, z->h), fig__attention_step(s, part), memory(w, spare), s->width };
    if (!w->s->pairs)
        r.sums = (float *)tensor->data + r.at, r.row = r.step;
    return r;
}

static void close_result(const attention_work *w, const result *r, int64_t n)
{
    int64_t width = w->s->shape.width;
    for (int64_t i = 0; i < n && w->s->pairs; i++) {
        if (r->tensor->type.dtype == FIG_BF16)
            fig__fast_f32_to_bf16((uint16_t *)r->tensor->data + r->at + i * r->step, r->sums + i * width, width);
        else
            memcpy((float *)r->tensor->data + r->at + i * r->step, r->sums + i * width, sizeof(float) * (size_t)width);
    }
}

/* -- weights ------------------------------------------------------------------------------------------------------------------ */

/* p (rows, keys) = softmax(scale q k^T), zero where a query may not look. */
static void weights_of(const attention_work *w, const block *z)
{
    const attention_state *s = w->s;
    float *p = memory(w, SCORES);
    multiply(w, z->rows, z->keys, s->shape.width, block_rows(w, FIG__QUERIES, z), turned(w, KEYS_TURNED), false, p, z->keys);
    int64_t seen = s->attr.causal ? z->first + 1 + s->shape.keys - s->shape.queries : z->keys;
    fig__fast_attention_weights(p, s->attr.scale, z->rows, seen, s->attr.causal ? 1 : 0, z->keys);
}

/* drop(p) into `dropped`, and dp = drop(dp) unless NULL; elements count through (B, H, T, S) of the global batch. */
static void drop(const attention_work *w, const block *z, const float *p, float *dropped, float *dp)
{
    enum { GROUP = 64 }; /* words that are made together (noise_fast.c) */
    const attention_state *s = w->s;
    uint32_t words[FIG__NOISE_TILE + 2 * GROUP];
    float rate = s->attr.dropout, kept = 1.0f / (1.0f - rate);
    uint64_t row = ((w->c->run->first_row + (uint64_t)z->b) * (uint64_t)s->shape.heads + (uint64_t)z->h) * (uint64_t)s->shape.queries;
    for (int64_t t = 0; t < z->rows; t++)
        for (int64_t k = 0; k < z->keys; k += FIG__NOISE_TILE) {
            int64_t n = z->keys - k < FIG__NOISE_TILE ? z->keys - k : FIG__NOISE_TILE, place = t * z->keys + k;
            uint64_t at = (row + (uint64_t)(z->first + t)) * (uint64_t)s->shape.keys + (uint64_t)k;
            fig__fast_philox(&w->stream, at / 4, ((int64_t)(at % 4) + n + GROUP - 1) / GROUP * (GROUP / 4), words);
            fig__fast_noise_dropout(dropped + place, words + at % 4, p + place, rate, kept, n);
            if (dp)
                fig__fast_noise_dropout(dp + place, words + at % 4, dp + place, rate, kept, n);
        }
}

/* -- forward ----------------------------------------------------------------------------------------------------------------- */

static void head_forward(const attention_work *w, int64_t head)
{
    const fig__attention_shape *s = &w->s->shape;
    block z = make_block(w->s, head, 0);
    turn(w, FIG__KEYS, &z, KEYS_TURNED);
    matrix values = lines(w, FIG__VALUES, &z, 0, s->keys, LINES_JOINED);
    for (int64_t first = 0; first < s->queries; first += w->s->block) {
        z = make_block(w->s, head, first);
        weights_of(w, &z);
        if (w->s->attr.dropout > 0.0f)
            drop(w, &z, memory(w, SCORES), memory(w, SCORES), NULL);
        result y = open_result(w, FIG__ATTENDED, &z, first, LINES);
        multiply(w, z.rows, s->width, z.keys, score_rows(w, &z, SCORES), values, false, y.sums, y.row);
        close_result(w, &y, z.rows);
    }
}

/* -- gradient ----------------------------------------------------------------------------------------------------------------- */

static void block_backward(const attention_work *w, const block *z, matrix keys, const result *dk, const result *dv)
{
    const attention_state *s = w->s;
    int64_t width = s->shape.width;
    bool more = z->first + z->rows != s->shape.queries; /* the last block is the first to be done */
    float *p = memory(w, SCORES), *dp = memory(w, SLOPES);
    weights_of(w, z);
    multiply(w, z->rows, z->keys, width, block_rows(w, FIG__ATTENDED, z), turned(w, VALUES_TURNED), false, dp, z->keys);
    if (s->attr.dropout > 0.0f)
        drop(w, z, p, memory(w, DROPPED), dp);
    matrix weights = score_columns(w, z, s->attr.dropout > 0.0f ? DROPPED : SCORES);
    multiply(w, z->keys, width, z->rows, weights, lines(w, FIG__ATTENDED, z, z->first, z->rows, BLOCK_JOINED), more, dv->sums, dv->row);
    fig__fast_attention_slopes(dp, p, s->attr.scale, z->rows, z->keys);
    result dq = open_result(w, FIG__QUERIES, z, z->first, LINES);
    multiply(w, z->rows, width, z->keys, score_rows(w, z, SLOPES), keys, false, dq.sums, dq.row);
    close_result(w, &dq, z->rows);
    matrix slopes = score_columns(w, z, SLOPES);
    multiply(w, z->keys, width, z->rows, slopes, lines(w, FIG__QUERIES, z, z->first, z->rows, BLOCK_JOINED), more, dk->sums, dk->row);
}

static void head_backward(const attention_work *w, int64_t head)
{
    const fig__attention_shape *s = &w->s->shape;
    block z = make_block(w->s, head, 0);
    turn(w, FIG__KEYS, &z, KEYS_TURNED);
    turn(w, FIG__VALUES, &z, VALUES_TURNED);
    matrix keys = lines(w, FIG__KEYS, &z, 0, s->keys, LINES_JOINED);
    result dk = open_result(w, FIG__KEYS, &z, 0, DK), dv = open_result(w, FIG__VALUES, &z, 0, DV);
    for (int64_t first = (s->queries - 1) / w->s->block * w->s->block; first >= 0; first -= w->s->block) {
        z = make_block(w->s, head, first);
        block_backward(w, &z, keys, &dk, &dv);
    }
    close_result(w, &dk, s->keys);
    close_result(w, &dv, s->keys);
}

/* -- records ------------------------------------------------------------------------------------------------------------------ */

typedef struct team {
    fig_eval *c;
    void (*head)(const attention_work *w, int64_t head);
} attention_team;

static void part_of_heads(void *context, int part, int parts)
{
    const attention_team *team = context;
    const attention_state *s = team->c->prepared;
    attention_work w = { s, team->c, fig__noise_open(team->c->run, s->attr.stream),
                         (char *)team->c->workspace + s->at[AREAS] * (size_t)part };
    int64_t begin, end;
    fig__share(s->shape.batch * s->shape.heads, 1, part, parts, &begin, &end);
    for (int64_t head = begin; head < end; head++)
        team->head(&w, head);
}

static void forward_run(fig_eval *c)
{
    fig__parallel(((const attention_state *)c->prepared)->parts, part_of_heads, &(attention_team){ c, head_forward });
}

static void backward_run(fig_eval *c)
{
    fig__parallel(((const attention_state *)c->prepared)->parts, part_of_heads, &(attention_team){ c, head_backward });
}

const fig_kernel fig_kernel_attention = {
    .name = "blocks", .op = "attention", .bf16 = true, .rounds = true, .accepts = attention_accepts, .prepare = forward_prepare,
    .release = release, .run = forward_run,
};
const fig_kernel fig_kernel_attention_gradient = {
    .name = "blocks", .op = "attention_gradient", .bf16 = true, .rounds = true, .accepts = attention_accepts,
    .prepare = backward_prepare, .release = release, .run = backward_run,
};
