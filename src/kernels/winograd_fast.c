/* kernels/winograd_fast.c - transforms of windows, results and weights, a row of channels at a time (kernels/winograd.h) */
#include "kernels/winograd.h"
#include "kernels/parallel.h"

/* Places of three rows: a - c and c + sign b, then the same along the row. */
static inline __attribute__((always_inline)) void window_half(const float *const *a, const float *const *b, const float *const *c,
                                                              float sign, int64_t channels, float *v, int64_t plane)
{
    const float *a0 = a[0], *a1 = a[1], *a2 = a[2], *a3 = a[3], *b0 = b[0], *b1 = b[1], *b2 = b[2], *b3 = b[3];
    const float *c0 = c[0], *c1 = c[1], *c2 = c[2], *c3 = c[3];
#pragma omp simd
    for (int64_t i = 0; i < channels; i++) {
        float r0 = a0[i] - c0[i], r1 = a1[i] - c1[i], r2 = a2[i] - c2[i], r3 = a3[i] - c3[i];
        v[i] = r0 - r2;
        v[plane + i] = r1 + r2;
        v[2 * plane + i] = r2 - r1;
        v[3 * plane + i] = r1 - r3;
        r0 = c0[i] + sign * b0[i], r1 = c1[i] + sign * b1[i], r2 = c2[i] + sign * b2[i], r3 = c3[i] + sign * b3[i];
        v[4 * plane + i] = r0 - r2;
        v[5 * plane + i] = r1 + r2;
        v[6 * plane + i] = r2 - r1;
        v[7 * plane + i] = r1 - r3;
    }
}

FIG_CLONES static void window_upper(const float *const *place, int64_t channels, float *v, int64_t plane)
{
    window_half(place, place + 4, place + 8, 1.0f, channels, v, plane);
}

FIG_CLONES static void window_lower(const float *const *place, int64_t channels, float *v, int64_t plane)
{
    window_half(place + 8, place + 12, place + 4, -1.0f, channels, v, plane);
}

void fig__fast_winograd_window(const float *const *place, int half, int64_t channels, float *v, int64_t plane)
{
    (half ? window_lower : window_upper)(place, channels, v, plane);
}

FIG_CLONES static void result_upper(const float *const *place, int64_t channels, float *d, int64_t plane)
{
    const float *a0 = place[0], *a1 = place[1], *b0 = place[2], *b1 = place[3];
#pragma omp simd
    for (int64_t i = 0; i < channels; i++) {
        float r0 = a0[i], r1 = a1[i];
        d[i] = r0;
        d[plane + i] = r0 + r1;
        d[2 * plane + i] = r0 - r1;
        d[3 * plane + i] = -r1;
        r0 += b0[i], r1 += b1[i];
        d[4 * plane + i] = r0;
        d[5 * plane + i] = r0 + r1;
        d[6 * plane + i] = r0 - r1;
        d[7 * plane + i] = -r1;
    }
}

FIG_CLONES static void result_lower(const float *const *place, int64_t channels, float *d, int64_t plane)
{
    const float *a0 = place[0], *a1 = place[1], *b0 = place[2], *b1 = place[3];
#pragma omp simd
    for (int64_t i = 0; i < channels; i++) {
        float s0 = b0[i], s1 = b1[i], r0 = a0[i] - s0, r1 = a1[i] - s1;
        d[i] = r0;
        d[plane + i] = r0 + r1;
        d[2 * plane + i] = r0 - r1;
        d[3 * plane + i] = -r1;
        d[4 * plane + i] = -s0;
        d[5 * plane + i] = -s0 - s1;
        d[6 * plane + i] = s1 - s0;
        d[7 * plane + i] = s1;
    }
}

void fig__fast_winograd_result(const float *const *place, int half, int64_t channels, float *d, int64_t plane)
{
    (half ? result_lower : result_upper)(place, channels, d, plane);
}

FIG_CLONES
void fig__fast_winograd_make(const float *m, int64_t plane, int64_t channels, float *const *place)
{
    float *a0 = place[0], *a1 = place[1], *b0 = place[2], *b1 = place[3];
#pragma omp simd
    for (int64_t i = 0; i < channels; i++) {
        float upper[4], lower[4];
        for (int j = 0; j < 4; j++) {
            float m1 = m[(4 + j) * plane + i], m2 = m[(8 + j) * plane + i];
            upper[j] = m[j * plane + i] + m1 + m2;
            lower[j] = m1 - m2 - m[(12 + j) * plane + i];
        }
        a0[i] = upper[0] + upper[1] + upper[2];
        a1[i] = upper[1] - upper[2] - upper[3];
        b0[i] = lower[0] + lower[1] + lower[2];
        b1[i] = lower[1] - lower[2] - lower[3];
    }
}

FIG_CLONES
void fig__fast_winograd_weights(const float *const *tap, int64_t channels, float *u, int64_t plane)
{
    const float *t0 = tap[0], *t1 = tap[1], *t2 = tap[2], *t3 = tap[3], *t4 = tap[4], *t5 = tap[5], *t6 = tap[6], *t7 = tap[7],
                *t8 = tap[8];
#pragma omp simd
    for (int64_t i = 0; i < channels; i++) {
        float row[3][4] = { { t0[i], 0, 0, t6[i] }, { t1[i], 0, 0, t7[i] }, { t2[i], 0, 0, t8[i] } };
        const float middle[3] = { t3[i], t4[i], t5[i] };
        for (int k = 0; k < 3; k++) {
            float ends = 0.5f * (row[k][0] + row[k][3]), half = 0.5f * middle[k];
            row[k][1] = ends + half;
            row[k][2] = ends - half;
        }
        for (int j = 0; j < 4; j++) {
            float ends = 0.5f * (row[0][j] + row[2][j]), half = 0.5f * row[1][j];
            u[4 * j * plane + i] = row[0][j];
            u[(4 * j + 1) * plane + i] = ends + half;
            u[(4 * j + 2) * plane + i] = ends - half;
            u[(4 * j + 3) * plane + i] = row[2][j];
        }
    }
}

FIG_CLONES
void fig__fast_winograd_taps(const float *m, int64_t plane, int64_t channels, float *const *tap)
{
    float *t0 = tap[0], *t1 = tap[1], *t2 = tap[2], *t3 = tap[3], *t4 = tap[4], *t5 = tap[5], *t6 = tap[6], *t7 = tap[7], *t8 = tap[8];
#pragma omp simd
    for (int64_t i = 0; i < channels; i++) {
        float row[3][4];
        for (int j = 0; j < 4; j++) {
            float m1 = m[(4 + j) * plane + i], m2 = m[(8 + j) * plane + i], both = 0.5f * (m1 + m2);
            row[0][j] = m[j * plane + i] + both;
            row[1][j] = 0.5f * (m1 - m2);
            row[2][j] = m[(12 + j) * plane + i] + both;
        }
        float both0 = 0.5f * (row[0][1] + row[0][2]), both1 = 0.5f * (row[1][1] + row[1][2]), both2 = 0.5f * (row[2][1] + row[2][2]);
        t0[i] = row[0][0] + both0;
        t1[i] = 0.5f * (row[0][1] - row[0][2]);
        t2[i] = row[0][3] + both0;
        t3[i] = row[1][0] + both1;
        t4[i] = 0.5f * (row[1][1] - row[1][2]);
        t5[i] = row[1][3] + both1;
        t6[i] = row[2][0] + both2;
        t7[i] = 0.5f * (row[2][1] - row[2][2]);
        t8[i] = row[2][3] + both2;
    }
}
