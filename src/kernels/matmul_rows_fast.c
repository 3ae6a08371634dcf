/* kernels/matmul_rows_fast.c - inner loops of products with one to four rows (decoding one token, a critic's single output)
 *
 * Such a product reads its big operand once and does next to nothing with it, so it runs at the speed of memory when the reads
 * are long and straight. */
#include "kernels/fast.h"
#include "kernels/parallel.h"

#include <string.h>

/* One line after another: a processor's prefetchers follow one straight walk much better than several side by side (47 against 28
 * GB/s from memory on two Zen 4 cores, lines of 768). Four sums of a line hide the latency of an FMA. */
typedef float vector __attribute__((vector_size(64), aligned(4), may_alias));

FIG_CLONES
static void dot_one(int64_t n, int64_t k, const float *restrict a, const float *restrict b, int64_t b_row, float *restrict c,
                    int64_t step)
{
    for (int64_t j = 0; j < n; j++, b += b_row) {
        vector s0 = { 0 }, s1 = { 0 }, s2 = { 0 }, s3 = { 0 };
        int64_t i = 0;
        for (; i + 64 <= k; i += 64) {
            s0 += *(const vector *)(a + i) * *(const vector *)(b + i);
            s1 += *(const vector *)(a + i + 16) * *(const vector *)(b + i + 16);
            s2 += *(const vector *)(a + i + 32) * *(const vector *)(b + i + 32);
            s3 += *(const vector *)(a + i + 48) * *(const vector *)(b + i + 48);
        }
        for (; i + 16 <= k; i += 16)
            s0 += *(const vector *)(a + i) * *(const vector *)(b + i);
        s0 = (s0 + s1) + (s2 + s3);
        float sum = 0;
        for (int l = 0; l < 16; l++)
            sum += s0[l];
        for (; i < k; i++)
            sum += a[i] * b[i];
        c[j * step] = sum;
    }
}

/* Four rows of a at once, two lines of b: eight sums, and each line of b is read once for all. */
FIG_CLONES
static void dot_four(int64_t n, int64_t k, const float *const a[4], const float *restrict b, int64_t b_row, float *restrict out)
{
    const float *restrict a0 = a[0], *restrict a1 = a[1], *restrict a2 = a[2], *restrict a3 = a[3];
    for (int64_t j = 0; j < n; j += 2, out += 8) {
        const float *restrict b0 = b + j * b_row, *restrict b1 = j + 1 < n ? b0 + b_row : b0;
        float s00 = 0, s01 = 0, s10 = 0, s11 = 0, s20 = 0, s21 = 0, s30 = 0, s31 = 0;
        for (int64_t i = 0; i < k; i++) {
            float u = b0[i], v = b1[i];
            s00 += a0[i] * u;
            s10 += a1[i] * u;
            s20 += a2[i] * u;
            s30 += a3[i] * u;
            s01 += a0[i] * v;
            s11 += a1[i] * v;
            s21 += a2[i] * v;
            s31 += a3[i] * v;
        }
        out[0] = s00, out[1] = s10, out[2] = s20, out[3] = s30;
        out[4] = s01, out[5] = s11, out[6] = s21, out[7] = s31;
    }
}

void fig__fast_rows_dot(int m, int64_t n, int64_t k, const float *a, const float *b, int64_t b_row, float *c, int64_t c_row,
                        int64_t c_column)
{
    if (m == 1) {
        dot_one(n, k, a, b, b_row, c, c_column);
        return;
    }
    /* Two or three rows are computed as four with the last repeated: reading b is what takes the time. */
    const float *rows[FIG__ROWS];
    for (int i = 0; i < FIG__ROWS; i++)
        rows[i] = a + (i < m ? i : m - 1) * k;
    float out[16 * FIG__ROWS];
    for (int64_t j = 0; j < n; j += 16) {
        int64_t width = n - j < 16 ? n - j : 16;
        dot_four(width, k, rows, b + j * b_row, b_row, out);
        for (int64_t l = 0; l < width; l++)
            for (int i = 0; i < m; i++)
                c[i * c_row + (j + l) * c_column] = out[l * FIG__ROWS + i];
    }
}

FIG_CLONES
static void axpy_one(int64_t n, int64_t k, const float *restrict a, const float *restrict b, int64_t b_row, float *restrict sum)
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

/* Four rows, two lines of b at a time. sum (4, FIG__ROWS_WIDTH) */
FIG_CLONES
static void axpy_four(int64_t n, int64_t k, const float *const a[4], const float *restrict b, int64_t b_row, float *restrict sum)
{
    float *restrict s0 = sum, *restrict s1 = sum + FIG__ROWS_WIDTH, *restrict s2 = s1 + FIG__ROWS_WIDTH,
                    *restrict s3 = s2 + FIG__ROWS_WIDTH;
    memset(sum, 0, sizeof(float) * 4 * FIG__ROWS_WIDTH);
    int64_t i = 0;
    for (; i + 2 <= k; i += 2) {
        float p0 = a[0][i], p1 = a[1][i], p2 = a[2][i], p3 = a[3][i];
        float q0 = a[0][i + 1], q1 = a[1][i + 1], q2 = a[2][i + 1], q3 = a[3][i + 1];
        const float *restrict b0 = b + i * b_row, *restrict b1 = b0 + b_row;
        for (int64_t j = 0; j < n; j++) {
            float u = b0[j], v = b1[j];
            s0[j] += p0 * u + q0 * v;
            s1[j] += p1 * u + q1 * v;
            s2[j] += p2 * u + q2 * v;
            s3[j] += p3 * u + q3 * v;
        }
    }
    if (i < k) {
        const float *restrict b0 = b + i * b_row;
        for (int64_t j = 0; j < n; j++) {
            s0[j] += a[0][i] * b0[j];
            s1[j] += a[1][i] * b0[j];
            s2[j] += a[2][i] * b0[j];
            s3[j] += a[3][i] * b0[j];
        }
    }
}

void fig__fast_rows_axpy(int m, int64_t n, int64_t k, const float *a, const float *b, int64_t b_row, float *c, int64_t c_row,
                         int64_t c_column)
{
    float sum[FIG__ROWS * FIG__ROWS_WIDTH];
    if (m == 1) {
        axpy_one(n, k, a, b, b_row, sum);
    } else {
        const float *rows[FIG__ROWS];
        for (int i = 0; i < FIG__ROWS; i++)
            rows[i] = a + (i < m ? i : m - 1) * k;
        axpy_four(n, k, rows, b, b_row, sum);
    }
    for (int i = 0; i < m; i++)
        for (int64_t j = 0; j < n; j++)
            c[i * c_row + j * c_column] = sum[i * FIG__ROWS_WIDTH + j];
}
