/* kernels/tiles_fast.c - sums, maxima, fills and copies of tiles */
#include "kernels/parallel.h"
#include "kernels/tiles.h"

#include <math.h>
#include <string.h>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

/* Four sums side by side, so that additions do not wait for one another. */
FIG_CLONES float fig__fast_sum(const float *x, int64_t n)
{
    float s0 = 0, s1 = 0, s2 = 0, s3 = 0;
    int64_t quarter = n / 64 * 16;
    const float *x1 = x + quarter, *x2 = x1 + quarter, *x3 = x2 + quarter;
    for (int64_t i = 0; i < quarter; i++) {
        s0 += x[i];
        s1 += x1[i];
        s2 += x2[i];
        s3 += x3[i];
    }
    for (int64_t i = 4 * quarter; i < n; i++)
        s0 += x[i];
    return (s0 + s1) + (s2 + s3);
}

/* Straight through: of a gradient's norm, which is in no cache, nothing but reading counts. */
FIG_CLONES float fig__fast_sum_squares(const float *x, int64_t n)
{
    enum { WIDTH = 64, AHEAD = 512 };
    float sum[WIDTH] = { 0 }, rest = 0;
    int64_t i = 0;
    for (; i + WIDTH <= n; i += WIDTH) {
        for (int j = 0; j < WIDTH; j += 16)
            __builtin_prefetch(x + i + j + AHEAD);
        for (int j = 0; j < WIDTH; j++)
            sum[j] += x[i + j] * x[i + j];
    }
    for (; i < n; i++)
        rest += x[i] * x[i];
    for (int half = WIDTH / 2; half > 0; half /= 2)
        for (int j = 0; j < half; j++)
            sum[j] += sum[j + half];
    return sum[0] + rest;
}

/* Larger, or a NaN: once there, a NaN stays. */
#define MAX_WITH_NAN(x, m) ((x) > (m) || (x) != (x) ? (x) : (m))
enum { LANES = 32 };

FIG_CLONES float fig__fast_max(const float *x, int64_t n)
{
    float lane[LANES], m = -INFINITY;
    for (int j = 0; j < LANES; j++)
        lane[j] = -INFINITY;
    int64_t i = 0;
    for (; i + LANES <= n; i += LANES)
        for (int j = 0; j < LANES; j++)
            lane[j] = MAX_WITH_NAN(x[i + j], lane[j]);
    for (; i < n; i++)
        m = MAX_WITH_NAN(x[i], m);
    for (int j = 0; j < LANES; j++)
        m = MAX_WITH_NAN(lane[j], m);
    return m;
}

FIG_CLONES void fig__fast_row_sums(float *restrict out, const float *restrict x, int64_t rows, int64_t columns)
{
    for (int64_t row = 0; row < rows; row++, x += columns) {
        float sum = 0;
        for (int64_t j = 0; j < columns; j++)
            sum += x[j];
        out[row] = sum;
    }
}

FIG_CLONES void fig__fast_fill(float *y, float value, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        y[i] = value;
}

typedef float vector __attribute__((vector_size(64), aligned(4), may_alias));

/* 16 n columns; sums stay in registers. */
static inline __attribute__((always_inline)) void add_vectors(float *acc, const float *x, int64_t rows, int64_t columns, int n)
{
    vector sum[8];
    for (int i = 0; i < n; i++)
        sum[i] = *(const vector *)(acc + 16 * i);
    for (int64_t row = 0; row < rows; row++, x += columns)
        for (int i = 0; i < n; i++)
            sum[i] += *(const vector *)(x + 16 * i);
    for (int i = 0; i < n; i++)
        *(vector *)(acc + 16 * i) = sum[i];
}

/* Read straight through, which memory likes best: 128 columns at 22 GB/s on one core, by four rows at once at 8. */
FIG_CLONES void fig__fast_add_columns(float *restrict acc, const float *restrict x, int64_t rows, int64_t columns)
{
    int64_t done = 0;
    for (; done + 128 <= columns; done += 128)
        add_vectors(acc + done, x + done, rows, columns, 8);
    for (; done + 32 <= columns; done += 32)
        add_vectors(acc + done, x + done, rows, columns, 2);
    if (done == columns)
        return;
    int64_t row = 0;
    for (; row + 4 <= rows; row += 4, x += 4 * columns) {
        const float *x1 = x + columns, *x2 = x1 + columns, *x3 = x2 + columns;
        for (int64_t j = done; j < columns; j++)
            acc[j] += (x[j] + x1[j]) + (x2[j] + x3[j]);
    }
    for (; row < rows; row++, x += columns)
        for (int64_t j = done; j < columns; j++)
            acc[j] += x[j];
}

FIG_CLONES void fig__fast_max_columns(float *restrict acc, const float *restrict x, int64_t rows, int64_t columns)
{
    for (int64_t row = 0; row < rows; row++, x += columns)
        for (int64_t j = 0; j < columns; j++)
            acc[j] = MAX_WITH_NAN(x[j], acc[j]);
}

FIG_CLONES void fig__fast_add_to_double(double *restrict acc, const float *restrict x, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        acc[i] += (double)x[i];
}

void fig__fast_stream(float *y, const float *x, int64_t n)
{
    int64_t i = 0;
#if defined(__x86_64__)
    for (; i + 16 <= n; i += 16) {
        __m128 a = _mm_loadu_ps(x + i), b = _mm_loadu_ps(x + i + 4), c = _mm_loadu_ps(x + i + 8), d = _mm_loadu_ps(x + i + 12);
        _mm_stream_ps(y + i, a);
        _mm_stream_ps(y + i + 4, b);
        _mm_stream_ps(y + i + 8, c);
        _mm_stream_ps(y + i + 12, d);
    }
#endif
    if (i < n)
        memcpy(y + i, x + i, sizeof(float) * (size_t)(n - i));
}
