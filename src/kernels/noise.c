/* kernels/noise.c - normal, uniform, Bernoulli, categorical and dropout: tiles of words, shared out to threads */
#include "kernels/noise.h"
#include "kernels/parallel.h"
#include "kernels/storage.h"

#include <math.h>
#include <string.h>

fig__noise_stream fig__noise_open(const fig_run *run, uint64_t stream)
{
    fig__noise_stream s = { .step = run->step };
    fig__philox_key(run->seed, stream, s.key);
    return s;
}

typedef struct noise_work noise_work;
/* One tile: elements [at, at + n) of the value, words of theirs. */
typedef void tile_function(const noise_work *w, int64_t at, const uint32_t *words, int64_t n);

struct noise_work {
    const fig_eval *c;
    fig__noise_stream stream;
    uint64_t first;     /* global index of element 0 */
    int64_t n;
    float rate, kept;
    tile_function *tile;
};

/* Tiles lie on multiples of the tile size of the global index, so the first and last may be short. */
static void noise_part(void *context, int part, int parts)
{
    const noise_work *w = context;
    uint32_t words[FIG__NOISE_TILE + 4];
    uint64_t lead = w->first % FIG__NOISE_TILE;
    int64_t begin, end;
    fig__share(w->n + (int64_t)lead, FIG__NOISE_TILE, part, parts, &begin, &end);
    for (int64_t tile = begin; tile < end; tile += FIG__NOISE_TILE) {
        int64_t from = tile < (int64_t)lead ? (int64_t)lead : tile;              /* first element wanted, from the grid's start */
        int64_t to = end - tile < FIG__NOISE_TILE ? end : tile + FIG__NOISE_TILE;
        uint64_t global = w->first - lead + (uint64_t)from;
        int64_t skip = (int64_t)(global % 4), n = to - from;
        fig__fast_philox(&w->stream, global / 4, (skip + n + 3) / 4, words);
        w->tile(w, from - (int64_t)lead, words + skip, n);
    }
}

static void run_noise(fig_eval *c, tile_function *tile)
{
    const fig_noise_attr *attr = c->attr;
    noise_work w = {
        .c = c, .stream = fig__noise_open(c->run, attr->stream), .first = fig__noise_first(c->run, &c->out[0].type),
        .n = fig_elements(&c->out[0].type), .rate = attr->rate, .kept = 1.0f / (1.0f - attr->rate), .tile = tile,
    };
    fig__parallel_in(c->run->team, fig__parts(w.n * 8, c->run->threads), noise_part, &w);
}

static void uniform_tile(const noise_work *w, int64_t at, const uint32_t *words, int64_t n)
{
    fig__fast_noise_uniform(FIG_F32_OUT(w->c, 0) + at, words, n);
}

/* Pairs of elements share their words: an odd first element belongs to the pair begun one word before, which noise_part has
 * made (blocks are whole); an even last one needs the word behind it, made for the same reason. */
static void normal_tile(const noise_work *w, int64_t at, const uint32_t *words, int64_t n)
{
    float values[FIG__NOISE_TILE + 2];
    int64_t odd = (int64_t)((w->first + (uint64_t)at) & 1), all = (odd + n + 1) / 2 * 2;
    fig__fast_noise_normal(values, words - odd, all);
    memcpy(FIG_F32_OUT(w->c, 0) + at, values + odd, sizeof(float) * (size_t)n);
}

static void bernoulli_tile(const noise_work *w, int64_t at, const uint32_t *words, int64_t n)
{
    fig__fast_noise_bernoulli(FIG_F32_OUT(w->c, 0) + at, words, FIG_F32_IN(w->c, 0) + at, n);
}

static void dropout_tile(const noise_work *w, int64_t at, const uint32_t *words, int64_t n)
{
    float spare[FIG__NOISE_TILE];
    const float *x = fig__load(&w->c->in[0], at, n, spare);
    float *y = fig__target(&w->c->out[0], at, spare);
    fig__fast_noise_dropout(y, words, x, w->rate, w->kept, n);
    fig__store(&w->c->out[0], at, n, y);
}

static void uniform_run(fig_eval *c) { run_noise(c, uniform_tile); }
static void normal_run(fig_eval *c) { run_noise(c, normal_tile); }
static void bernoulli_run(fig_eval *c) { run_noise(c, bernoulli_tile); }
static void dropout_run(fig_eval *c) { run_noise(c, dropout_tile); }

static bool noise_accepts(const fig_kernel_query *q)
{
    return fig_elements(&q->out[0]) > 0;
}

/* -- categorical: argmax of logits + Gumbel noise, row by row ----------------------------------------------------------------- */

static int32_t best_of_row(const float *x, const fig__noise_stream *stream, uint64_t global, int64_t classes)
{
    uint32_t words[FIG__NOISE_TILE + 4];
    float gumbel[FIG__NOISE_TILE], highest = -INFINITY;
    int64_t best = 0;
    for (int64_t k = 0; k < classes; k += FIG__NOISE_TILE) {
        int64_t n = classes - k < FIG__NOISE_TILE ? classes - k : FIG__NOISE_TILE;
        uint64_t at = global + (uint64_t)k;
        fig__fast_philox(stream, at / 4, ((int64_t)(at % 4) + n + 3) / 4, words);
        fig__fast_noise_gumbel(gumbel, words + at % 4, n);
        for (int64_t i = 0; i < n; i++) {
            float score = x[k + i] + gumbel[i];
            if (score > highest) {
                highest = score;
                best = k + i;
            }
        }
    }
    return (int32_t)best;
}

typedef struct categorical_work {
    const fig_eval *c;
    fig__noise_stream stream;
    uint64_t first;
    int64_t rows, classes;
} categorical_work;

static void categorical_part(void *context, int part, int parts)
{
    const categorical_work *w = context;
    int64_t begin, end;
    fig__share(w->rows, 1, part, parts, &begin, &end);
    for (int64_t row = begin; row < end; row++)
        FIG_I32_OUT(w->c, 0)[row] = best_of_row(FIG_F32_IN(w->c, 0) + row * w->classes, &w->stream,
                                                w->first + (uint64_t)(row * w->classes), w->classes);
}

static void categorical_run(fig_eval *c)
{
    const fig_type *x = &c->in[0].type;
    categorical_work w = { c, fig__noise_open(c->run, ((const fig_noise_attr *)c->attr)->stream), fig__noise_first(c->run, x), 0,
                           x->dim[x->rank - 1] };
    w.rows = fig_elements(x) / w.classes;
    fig__parallel_in(c->run->team, fig__parts(fig_elements(x) * 16, c->run->threads), categorical_part, &w);
}

const fig_kernel fig_kernel_normal = { .name = "philox", .op = "normal", .team = true, .accepts = noise_accepts, .run = normal_run };
const fig_kernel fig_kernel_uniform = { .name = "philox", .op = "uniform", .team = true, .accepts = noise_accepts, .run = uniform_run };
const fig_kernel fig_kernel_bernoulli = {
    .name = "philox", .op = "bernoulli", .accepts = noise_accepts, .run = bernoulli_run, .inplace = 1,
};
const fig_kernel fig_kernel_dropout = {
    .name = "philox", .op = "dropout", .bf16 = true, .accepts = noise_accepts, .run = dropout_run, .inplace = 1,
};
const fig_kernel fig_kernel_categorical = { .name = "philox", .op = "categorical", .team = true, .accepts = noise_accepts,
    .run = categorical_run };
