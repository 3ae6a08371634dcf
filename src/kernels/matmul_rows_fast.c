/* kernels/matmul_rows_fast.c - inner loops of products with one to four rows (decoding one token, a critic's single output)
 *
 * Such a product reads its big operand once and does next to nothing with it, so it runs at the speed of memory when the reads
 * are long and straight. Four lines of the big operand go at a time: enough independent sums to hide the latency of an FMA. */
#include "kernels/fast.h"
#include "kernels/parallel.h"

#include <string.h>

FIG_CLONES
static void dot_one(int64_t n, int64_t k, const float *restrict a, const float *restrict b, int64_t b_row, float *restrict c,
                    int64_t step)
{
    int64_t j = 0;
    for (; j + 4 <= n; j += 4) {
        const float *b0 = b + j * b_row, *b1 = b0 + b_row, *b2 = b1 + b_row, *b3 = b2 + b_row;
        float s0 = 0, s1 = 0, s2 = 0, s3 = 0;
        for (int64_t i = 0; i < k; i++) {
            float v = a[i];
            s0 += v * b0[i];
            s1 += v * b1[i];
            s2 += v * b2[i];
            s3 += v * b3[i];
        }
        c[j * step] = s0;
        c[(j + 1) * step] = s1;
        c[(j + 2) * step] = s2;
        c[(j + 3) * step] = s3;
    }
    for (; j < n; j++) {
        const float *b0 = b + j * b_row;
        float s0 = 0;
        for (int64_t i = 0; i < k; i++)
            s0 += a[i] * b0[i];
        c[j * step] = s0;
    }
}

/* Two rows of a at once, two lines of b: four sums again, and each line of b is read once for both. */
FIG_CLONES
static void dot_two(int64_t n, int64_t k, const float *restrict a0, const float *restrict a1, const float *restrict b, int64_t b_row,
                    float *restrict c0, float *restrict c1, int64_t step)
{
    int64_t j = 0;
    for (; j + 2 <= n; j += 2) {
        const float *b0 = b + j * b_row, *b1 = b0 + b_row;
        float s00 = 0, s01 = 0, s10 = 0, s11 = 0;
        for (int64_t i = 0; i < k; i++) {
            s00 += a0[i] * b0[i];
            s01 += a0[i] * b1[i];
            s10 += a1[i] * b0[i];
            s11 += a1[i] * b1[i];
        }
        c0[j * step] = s00;
        c0[(j + 1) * step] = s01;
        c1[j * step] = s10;
        c1[(j + 1) * step] = s11;
    }
    for (; j < n; j++) {
        const float *b0 = b + j * b_row;
        float s0 = 0, s1 = 0;
        for (int64_t i = 0; i < k; i++) {
            s0 += a0[i] * b0[i];
            s1 += a1[i] * b0[i];
        }
        c0[j * step] = s0;
        c1[j * step] = s1;
    }
}

void fig__fast_rows_dot(int m, int64_t n, int64_t k, const float *a, const float *b, int64_t b_row, float *c, int64_t c_row,
                        int64_t c_column)
{
    /* In blocks of 16 lines of b, which stay in the first cache for the second pair of rows. */
    for (int64_t j = 0; j < n; j += 16) {
        int64_t width = n - j < 16 ? n - j : 16;
        int i = 0;
        for (; i + 2 <= m; i += 2)
            dot_two(width, k, a + i * k, a + (i + 1) * k, b + j * b_row, b_row, c + i * c_row + j * c_column,
                    c + (i + 1) * c_row + j * c_column, c_column);
        if (i < m)
            dot_one(width, k, a + i * k, b + j * b_row, b_row, c + i * c_row + j * c_column, c_column);
    }
}

FIG_CLONES
static void axpy(int64_t n, int64_t k, const float *restrict a, const float *restrict b, int64_t b_row, float *restrict sum)
{
    memset(sum, 0, sizeof(float) * (size_t)n);
    int64_t i = 0;
    for (; i + 4 <= k; i += 4) {
        float a0 = a[i], a1 = a[i + 1], a2 = a[i + 2], a3 = a[i + 3];
        const float *b0 = b + i * b_row, *b1 = b0 + b_row, *b2 = b1 + b_row, *b3 = b2 + b_row;
        for (int64_t j = 0; j < n; j++)
            sum[j] += a0 * b0[j] + a1 * b1[j] + a2 * b2[j] + a3 * b3[j];
    }
    for (; i < k; i++) {
        float a0 = a[i];
        const float *b0 = b + i * b_row;
        for (int64_t j = 0; j < n; j++)
            sum[j] += a0 * b0[j];
    }
}

void fig__fast_rows_axpy(int m, int64_t n, int64_t k, const float *a, const float *b, int64_t b_row, float *c, int64_t c_row,
                         int64_t c_column)
{
    float sum[FIG__ROWS_WIDTH];
    for (int i = 0; i < m; i++) {
        axpy(n, k, a + i * k, b, b_row, sum);
        for (int64_t j = 0; j < n; j++)
            c[i * c_row + j * c_column] = sum[j];
    }
}
