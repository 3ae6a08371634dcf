/* nn/init.c - first values of weights
 *
 * Element i of a weight is a function of (seed, hash of its name, i) alone, through Philox: it depends neither on the
 * order in which layers are made, nor on what other weights exist, nor on threads. Bounds and deviations follow Glorot and Bengio 2010,
 * He et al. 2015 (ReLU gain), Saxe et al. 2014 (orthogonal); fans were set when the weight was declared (nn/param.c). */
#include "kernels/noise.h"
#include "kernels/parallel.h"
#include "nn/model.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct stream {
    uint64_t seed, key;
} stream;

/* What the threads share: elements [0, count) in tiles of whole Philox blocks, each made from its index alone. */
typedef struct filling filling;
struct filling {
    stream s;
    double base, scale; /* uniform: base + scale u; normal: base + scale x */
    int64_t count;
    float *data;
    void (*tile)(const filling *f, int64_t at, int64_t n);
};

static void fill_part(void *context, int part, int parts)
{
    const filling *f = context;
    int64_t begin, end;
    fig__share(f->count, FIG__NOISE_TILE, part, parts, &begin, &end);
    for (int64_t at = begin; at < end; at += FIG__NOISE_TILE)
        f->tile(f, at, end - at < FIG__NOISE_TILE ? end - at : FIG__NOISE_TILE);
}

static void fill_tiles(stream s, double base, double scale, int64_t count, float *data,
                       void (*tile)(const filling *f, int64_t at, int64_t n))
{
    filling f = { s, base, scale, count, data, tile };
    fig__parallel(fig__parts(count * 8, fig__threads_now()), fill_part, &f);
}

/* Uniform in (0, 1): never 0, so that its logarithm is finite. */
static double unit(uint32_t bits) { return ((double)bits + 0.5) * (1.0 / 4294967296.0); }

static void words_of(const filling *f, int64_t at, int64_t n, uint32_t words[FIG__NOISE_TILE])
{
    fig__noise_stream blocks = { .step = 0 };
    fig__philox_key(f->s.seed, f->s.key, blocks.key);
    fig__fast_philox(&blocks, (uint64_t)at / 4, (n + 3) / 4, words);
}

static void uniform_tile(const filling *f, int64_t at, int64_t n)
{
    uint32_t words[FIG__NOISE_TILE];
    words_of(f, at, n, words);
    for (int64_t i = 0; i < n; i++)
        f->data[at + i] = (float)(f->base + f->scale * unit(words[i]));
}

/* Two normals from two uniforms (Box and Muller 1958), four from one Philox call. */
static void four_normals(stream s, uint64_t draw, uint64_t index, double out[4])
{
    uint32_t bits[4];
    fig__philox(s.seed, s.key, draw, index, bits);
    for (int pair = 0; pair < 4; pair += 2) {
        double radius = sqrt(-2.0 * log(unit(bits[pair]))), angle = 2.0 * M_PI * unit(bits[pair + 1]);
        out[pair] = radius * cos(angle);
        out[pair + 1] = radius * sin(angle);
    }
}

/* The vector functions are less exact than the scalar ones, in double by far enough: where both ends of what the exact number can be
 * round to one float, it is that float. Once in half a million numbers they do not, and the scalar functions decide. */
static void normal_tile(const filling *f, int64_t at, int64_t n)
{
    uint32_t words[FIG__NOISE_TILE];
    float low[FIG__NOISE_TILE], high[FIG__NOISE_TILE];
    int64_t whole = (n + 3) / 4 * 4;
    words_of(f, at, n, words);
    fig__fast_normal_bounds(low, high, words, f->base, f->scale, whole);
    if (memcmp(low, high, sizeof *low * (size_t)n) != 0) /* bits: the two zeros differ */
        for (int64_t i = 0; i < n; i++) {
            double normals[4];
            if (memcmp(&low[i], &high[i], sizeof *low) == 0)
                continue;
            four_normals(f->s, 0, (uint64_t)(at + i) / 4, normals);
            low[i] = (float)(f->base + f->scale * normals[i % 4]);
        }
    memcpy(f->data + at, low, sizeof *low * (size_t)n);
}

static void truncated_tile(const filling *f, int64_t at, int64_t n)
{
    for (int64_t i = at; i < at + n; i++) {
        double x = 3, normals[4];
        for (uint64_t draw = 0; fabs(x) > 2; draw++) {
            four_normals(f->s, draw, (uint64_t)i, normals);
            for (int k = 0; k < 4 && fabs(x) > 2; k++)
                x = normals[k];
        }
        f->data[i] = (float)(f->base + f->scale * x);
    }
}

/* Modified Gram-Schmidt over the shorter side of the matrix (first axis, rest): rows become orthonormal when there are no
 * more rows than columns, columns otherwise. Vectors are drawn normal, so dependence has probability zero. */
static void fill_orthogonal(stream s, double gain, const fig_type *type, float *data)
{
    int64_t count = fig__count(type);
    int64_t rows = type->rank ? type->dim[0] : 1, columns = rows ? count / rows : 0;
    int64_t vectors = rows <= columns ? rows : columns, length = rows <= columns ? columns : rows;
    double *q = fig__alloc(sizeof *q * (size_t)(vectors * length) + 1);
    for (int64_t i = 0; i < vectors * length; i += 4) {
        double normals[4];
        four_normals(s, 0, (uint64_t)i / 4, normals);
        for (int64_t k = i; k < i + 4 && k < vectors * length; k++)
            q[k] = normals[k - i];
    }
    for (int64_t v = 0; v < vectors; v++) {
        double norm = 0, *self = q + v * length;
        for (int64_t i = 0; i < length; i++)
            norm += self[i] * self[i];
        for (int64_t i = 0; i < length; i++)
            self[i] /= sqrt(norm);
        for (int64_t u = v + 1; u < vectors; u++) {
            double dot = 0, *other = q + u * length;
            for (int64_t i = 0; i < length; i++)
                dot += self[i] * other[i];
            for (int64_t i = 0; i < length; i++)
                other[i] -= dot * self[i];
        }
    }
    for (int64_t r = 0; r < rows; r++)
        for (int64_t c = 0; c < columns; c++)
            data[r * columns + c] = (float)(gain * (rows <= columns ? q[r * length + c] : q[c * length + r]));
    free(q);
}

void fig__init_fill(const fig_init *init, const fig_type *type, uint64_t seed, const char *name, float *data)
{
    stream s = { seed, fig__hash64(name, strlen(name), 0) };
    int64_t count = fig__count(type);
    double in = init->fan_in > 0 ? (double)init->fan_in : 1,
           both = in + (init->fan_out > 0 ? (double)init->fan_out : 1);
    double deviation = init->a != 0 ? (double)init->a : 0.02, bound = 0;
    switch (init->kind) {
    case FIG_INIT_DEFAULT:
        FIG_BUG("%s: initialiser was not resolved", name);
    case FIG_INIT_ZEROS:
        memset(data, 0, sizeof *data * (size_t)count);
        return;
    case FIG_INIT_ONES:
    case FIG_INIT_CONSTANT:
        for (int64_t i = 0; i < count; i++)
            data[i] = init->kind == FIG_INIT_ONES ? 1.0f : init->a;
        return;
    case FIG_INIT_NORMAL:
        fill_tiles(s, (double)init->b, deviation, count, data, normal_tile);
        return;
    case FIG_INIT_TRUNCATED_NORMAL:
        fill_tiles(s, (double)init->b, deviation, count, data, truncated_tile);
        return;
    case FIG_INIT_GLOROT_NORMAL:
        fill_tiles(s, 0, sqrt(2.0 / both), count, data, normal_tile);
        return;
    case FIG_INIT_HE_NORMAL:
        fill_tiles(s, 0, sqrt(2.0 / in), count, data, normal_tile);
        return;
    case FIG_INIT_ORTHOGONAL:
        fill_orthogonal(s, init->a != 0 ? (double)init->a : 1.0, type, data);
        return;
    case FIG_INIT_UNIFORM:
        bound = (double)init->a;
        break;
    case FIG_INIT_UNIFORM_FAN_IN:
        bound = 1.0 / sqrt(in);
        break;
    case FIG_INIT_GLOROT_UNIFORM:
        bound = sqrt(6.0 / both);
        break;
    case FIG_INIT_HE_UNIFORM:
        bound = sqrt(6.0 / in);
        break;
    }
    fill_tiles(s, -bound, 2 * bound, count, data, uniform_tile);
}
