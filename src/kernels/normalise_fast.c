/* kernels/normalise_fast.c - inner loops of normalisations: moments, products and affine maps of columns and of rows */
#include "kernels/fast.h"
#include "kernels/parallel.h"

#include <math.h>
#include <stddef.h>

/* Two rows at a time halve the traffic of the sums. */
FIG_CLONES
void fig__fast_moments(const float *restrict x, const float *restrict shift, int64_t rows, int64_t columns, float *restrict sum,
                       float *restrict square)
{
    int64_t row = 0;
    for (; row + 2 <= rows; row += 2, x += 2 * columns) {
        const float *restrict next = x + columns;
        for (int64_t j = 0; j < columns; j++) {
            float u = x[j] - shift[j], v = next[j] - shift[j];
            sum[j] += u + v;
            square[j] += u * u + v * v;
        }
    }
    for (; row < rows; row++, x += columns)
        for (int64_t j = 0; j < columns; j++) {
            float u = x[j] - shift[j];
            sum[j] += u;
            square[j] += u * u;
        }
}

FIG_CLONES
void fig__fast_products(const float *restrict x, const float *restrict dy, const float *restrict mean, int64_t rows, int64_t columns,
                        float *restrict sum, float *restrict product)
{
    int64_t row = 0;
    for (; row + 2 <= rows; row += 2, x += 2 * columns, dy += 2 * columns) {
        const float *restrict x1 = x + columns, *restrict dy1 = dy + columns;
        for (int64_t j = 0; j < columns; j++) {
            sum[j] += dy[j] + dy1[j];
            product[j] += dy[j] * (x[j] - mean[j]) + dy1[j] * (x1[j] - mean[j]);
        }
    }
    for (; row < rows; row++, x += columns, dy += columns)
        for (int64_t j = 0; j < columns; j++) {
            sum[j] += dy[j];
            product[j] += dy[j] * (x[j] - mean[j]);
        }
}

FIG_CLONES
void fig__fast_affine(float *y, const float *x, const float *a, const float *b, int64_t rows, int64_t columns)
{
    for (int64_t row = 0; row < rows; row++, x += columns, y += columns) {
#pragma omp simd
        for (int64_t j = 0; j < columns; j++)
            y[j] = a[j] * x[j] + b[j];
    }
}

FIG_CLONES
void fig__fast_affine_two(float *z, const float *dy, const float *x, const float *a, const float *b, const float *c, int64_t rows,
                          int64_t columns)
{
    for (int64_t row = 0; row < rows; row++, x += columns, dy += columns, z += columns) {
#pragma omp simd
        for (int64_t j = 0; j < columns; j++)
            z[j] = a[j] * dy[j] + b[j] * x[j] + c[j];
    }
}

/* Two passes over a row that is in the first cache: exact for any mean. */
FIG_CLONES
void fig__fast_row_moments(const float *x, int64_t n, float *mean, float *variance)
{
    float sum = 0, squares = 0;
    for (int64_t i = 0; i < n; i++)
        sum += x[i];
    float m = sum / (float)n;
    for (int64_t i = 0; i < n; i++)
        squares += (x[i] - m) * (x[i] - m);
    *mean = m;
    *variance = squares / (float)n;
}

FIG_CLONES
float fig__fast_row_square(const float *x, int64_t n)
{
    float squares = 0;
    for (int64_t i = 0; i < n; i++)
        squares += x[i] * x[i];
    return squares / (float)n;
}

FIG_CLONES static void scale_row(float *y, const float *x, float mean, float scale, int64_t n)
{
#pragma omp simd
    for (int64_t i = 0; i < n; i++)
        y[i] = (x[i] - mean) * scale;
}

FIG_CLONES static void scale_row_gamma(float *y, const float *x, float mean, float scale, const float *gamma, int64_t n)
{
#pragma omp simd
    for (int64_t i = 0; i < n; i++)
        y[i] = (x[i] - mean) * scale * gamma[i];
}

FIG_CLONES
static void scale_row_both(float *y, const float *x, float mean, float scale, const float *gamma, const float *beta, int64_t n)
{
#pragma omp simd
    for (int64_t i = 0; i < n; i++)
        y[i] = (x[i] - mean) * scale * gamma[i] + beta[i];
}

void fig__fast_row_normalise(float *y, const float *x, float mean, float scale, const float *gamma, const float *beta, int64_t n)
{
    if (gamma && beta)
        scale_row_both(y, x, mean, scale, gamma, beta, n);
    else if (gamma)
        scale_row_gamma(y, x, mean, scale, gamma, n);
    else
        scale_row(y, x, mean, scale, n);
}

/* sum(g), sum(g h) */
FIG_CLONES
static void backward_sums(const float *x, const float *dy, float mean, float scale, const float *gamma, int64_t n, float *sum, float *along)
{
    float s = 0, p = 0;
    if (gamma) {
        for (int64_t i = 0; i < n; i++) {
            float g = dy[i] * gamma[i];
            s += g;
            p += g * (x[i] - mean);
        }
    } else {
        for (int64_t i = 0; i < n; i++) {
            s += dy[i];
            p += dy[i] * (x[i] - mean);
        }
    }
    *sum = s;
    *along = p * scale;
}

/* dgamma and dbeta of one row, before dx may overwrite dy */
FIG_CLONES
static void backward_channels(const float *restrict x, const float *restrict dy, float mean, float scale, float *restrict dgamma,
                              float *restrict dbeta, int64_t n)
{
    if (dbeta)
        for (int64_t i = 0; i < n; i++) {
            dgamma[i] += dy[i] * (x[i] - mean) * scale;
            dbeta[i] += dy[i];
        }
    else
        for (int64_t i = 0; i < n; i++)
            dgamma[i] += dy[i] * (x[i] - mean) * scale;
}

/* dx = scale (g - share - (x - mean) slope) */
FIG_CLONES
static void backward_write(float *dx, const float *x, const float *dy, float mean, float scale, const float *gamma,
                           float share, float slope, int64_t n)
{
    if (gamma) {
#pragma omp simd
        for (int64_t i = 0; i < n; i++)
            dx[i] = scale * (dy[i] * gamma[i] - share - (x[i] - mean) * slope);
    } else {
#pragma omp simd
        for (int64_t i = 0; i < n; i++)
            dx[i] = scale * (dy[i] - share - (x[i] - mean) * slope);
    }
}

void fig__fast_row_backward(float *dx, const float *x, const float *dy, float mean, float scale, const float *gamma, bool centred,
                            float *dgamma, float *dbeta, int64_t n)
{
    float sum, along;
    backward_sums(x, dy, mean, scale, gamma, n, &sum, &along);
    if (dgamma)
        backward_channels(x, dy, mean, scale, dgamma, dbeta, n);
    backward_write(dx, x, dy, mean, scale, gamma, centred ? sum / (float)n : 0.0f, scale * along / (float)n, n);
}
