/* kernels/epilogue_fast.c - bias and activation over the rows of a finished product, for products that cannot do it themselves */
#include "kernels/fast.h"
#include "kernels/parallel.h"

#include <math.h>
#include <stddef.h>

typedef void row_function(float *restrict c, int64_t n, float p);

FIG_CLONES static void add_bias(float *restrict c, const float *restrict bias, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        c[i] += bias[i];
}

FIG_CLONES static void row_relu(float *restrict c, int64_t n, float p)
{
    (void)p;
    for (int64_t i = 0; i < n; i++)
        c[i] = c[i] > 0.0f ? c[i] : 0.0f;
}

FIG_CLONES static void row_leaky_relu(float *restrict c, int64_t n, float p)
{
    for (int64_t i = 0; i < n; i++)
        c[i] = c[i] > 0.0f ? c[i] : c[i] * p;
}

FIG_CLONES static void row_tanh(float *restrict c, int64_t n, float p)
{
    (void)p;
    for (int64_t i = 0; i < n; i++)
        c[i] = tanhf(c[i]);
}

FIG_CLONES static void row_sigmoid(float *restrict c, int64_t n, float p)
{
    (void)p;
    for (int64_t i = 0; i < n; i++)
        c[i] = 1.0f / (1.0f + expf(-c[i]));
}

FIG_CLONES static void row_gelu_tanh(float *restrict c, int64_t n, float p)
{
    (void)p;
    for (int64_t i = 0; i < n; i++) {
        float x = c[i];
        c[i] = 0.5f * x * (1.0f + tanhf(0.7978845608f * (x + 0.044715f * x * x * x)));
    }
}

FIG_CLONES static void row_silu(float *restrict c, int64_t n, float p)
{
    (void)p;
    for (int64_t i = 0; i < n; i++)
        c[i] = c[i] / (1.0f + expf(-c[i]));
}

void fig__fast_epilogue(float *c, int64_t rows, int64_t n, const float *bias, const fig_epilogue *after)
{
    static row_function *const functions[] = {
        [FIG_LINEAR] = NULL, [FIG_RELU] = row_relu, [FIG_LEAKY_RELU] = row_leaky_relu, [FIG_TANH] = row_tanh,
        [FIG_SIGMOID] = row_sigmoid, [FIG_GELU_TANH] = row_gelu_tanh, [FIG_SILU] = row_silu,
    };
    row_function *function = functions[after->activation];
    for (int64_t row = 0; row < rows; row++, c += n) {
        if (bias)
            add_bias(c, bias, n);
        if (function)
            function(c, n, after->p);
    }
}

/* Columns [j, j + count), where count is a constant of the caller's: their sums stay in registers. */
static inline __attribute__((always_inline)) void plus_columns(float *const *y, const float *const *added, int64_t rows,
                                                               const float *bias, float *sums, int64_t j, int64_t count)
{
    float sum[16] = { 0 }, shift[16] = { 0 };
    for (int64_t i = 0; bias && i < count; i++)
        shift[i] = bias[j + i];
    for (int64_t r = 0; r < rows; r++) {
        float *to = y[r] + j;
        const float *more = added[r] + j;
#pragma omp simd
        for (int64_t i = 0; i < count; i++)
            sum[i] += to[i] += more[i] + shift[i];
    }
    for (int64_t i = 0; i < count; i++)
        sums[j + i] += sum[i];
}

FIG_CLONES
void fig__fast_plus(float *const *y, const float *const *added, int64_t rows, int64_t n, const float *bias, float *sums)
{
    int64_t j = 0;
    for (; j + 16 <= n; j += 16)
        plus_columns(y, added, rows, bias, sums, j, 16);
    for (; j < n; j++)
        plus_columns(y, added, rows, bias, sums, j, 1);
}
