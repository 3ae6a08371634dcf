/* nn/init.c - first values of weights
 *
 * Element i of a weight is a function of (seed, hash of its name, i) alone, through Philox: it depends neither on the
 * order in which layers are made nor on what other weights exist. Bounds and deviations follow Glorot and Bengio 2010,
 * He et al. 2015 (ReLU gain), Saxe et al. 2014 (orthogonal); fans were set when the weight was declared (nn/param.c). */
#include "nn/model.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct stream {
    uint64_t seed, key;
} stream;

/* Uniform in (0, 1): never 0, so that its logarithm is finite. */
static double unit(uint32_t bits) { return ((double)bits + 0.5) * (1.0 / 4294967296.0); }

static void fill_uniform(stream s, double low, double high, int64_t count, float *data)
{
    uint32_t bits[4];
    for (int64_t i = 0; i < count; i++) {
        if (i % 4 == 0)
            fig__philox(s.seed, s.key, 0, (uint64_t)i / 4, bits);
        data[i] = (float)(low + (high - low) * unit(bits[i % 4]));
    }
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

static void fill_normal(stream s, double mean, double deviation, int64_t count, float *data)
{
    double normals[4];
    for (int64_t i = 0; i < count; i++) {
        if (i % 4 == 0)
            four_normals(s, 0, (uint64_t)i / 4, normals);
        data[i] = (float)(mean + deviation * normals[i % 4]);
    }
}

static void fill_truncated(stream s, double mean, double deviation, int64_t count, float *data)
{
    for (int64_t i = 0; i < count; i++) {
        double x = 3, normals[4];
        for (uint64_t draw = 0; fabs(x) > 2; draw++) {
            four_normals(s, draw, (uint64_t)i, normals);
            for (int k = 0; k < 4 && fabs(x) > 2; k++)
                x = normals[k];
        }
        data[i] = (float)(mean + deviation * x);
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
        fill_normal(s, (double)init->b, deviation, count, data);
        return;
    case FIG_INIT_TRUNCATED_NORMAL:
        fill_truncated(s, (double)init->b, deviation, count, data);
        return;
    case FIG_INIT_GLOROT_NORMAL:
        fill_normal(s, 0, sqrt(2.0 / both), count, data);
        return;
    case FIG_INIT_HE_NORMAL:
        fill_normal(s, 0, sqrt(2.0 / in), count, data);
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
    fill_uniform(s, -bound, bound, count, data);
}
