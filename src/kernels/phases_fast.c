/* kernels/phases_fast.c - transforms of windows, results and weights, a row of channels at a time (kernels/phases.h) */
#include "kernels/phases.h"
#include "kernels/parallel.h"

FIG_CLONES
void fig__fast_phase_window(const float *const *place, int64_t channels, float *v, int64_t plane)
{
    const float *a0 = place[0], *a1 = place[1], *a2 = place[2], *b0 = place[3], *b1 = place[4], *b2 = place[5], *c0 = place[6],
                *c1 = place[7], *c2 = place[8];
#pragma omp simd
    for (int64_t i = 0; i < channels; i++) {
        float m0 = b0[i], m1 = b1[i], m2 = b2[i];
        float u0 = a0[i] - m0, u1 = a1[i] - m1, u2 = a2[i] - m2;
        float l0 = m0 - c0[i], l1 = m1 - c1[i], l2 = m2 - c2[i];
        v[i] = u0 - u1;
        v[plane + i] = u1;
        v[2 * plane + i] = u1 - u2;
        v[3 * plane + i] = m0 - m1;
        v[4 * plane + i] = m1;
        v[5 * plane + i] = m1 - m2;
        v[6 * plane + i] = l0 - l1;
        v[7 * plane + i] = l1;
        v[8 * plane + i] = l1 - l2;
    }
}

FIG_CLONES
void fig__fast_phase_result(const float *const *place, int64_t channels, float *d, int64_t plane)
{
    const float *a0 = place[0], *a1 = place[1], *b0 = place[2], *b1 = place[3];
#pragma omp simd
    for (int64_t i = 0; i < channels; i++) {
        float y0 = a0[i], y1 = a1[i], z0 = b0[i], z1 = b1[i], s0 = y0 + z0, s1 = y1 + z1;
        d[i] = y0;
        d[plane + i] = y0 + y1;
        d[2 * plane + i] = -y1;
        d[3 * plane + i] = s0;
        d[4 * plane + i] = s0 + s1;
        d[5 * plane + i] = -s1;
        d[6 * plane + i] = -z0;
        d[7 * plane + i] = -z0 - z1;
        d[8 * plane + i] = z1;
    }
}

FIG_CLONES
void fig__fast_phase_make(const float *m, int64_t plane, int64_t channels, float *const *place)
{
    float *a0 = place[0], *a1 = place[1], *b0 = place[2], *b1 = place[3];
#pragma omp simd
    for (int64_t i = 0; i < channels; i++) {
        float upper[3], lower[3];
        for (int j = 0; j < 3; j++) {
            float middle = m[(3 + j) * plane + i];
            upper[j] = m[j * plane + i] + middle;
            lower[j] = middle - m[(6 + j) * plane + i];
        }
        a0[i] = upper[0] + upper[1];
        a1[i] = upper[1] - upper[2];
        b0[i] = lower[0] + lower[1];
        b1[i] = lower[1] - lower[2];
    }
}

FIG_CLONES
void fig__fast_phase_weights(const float *const *tap, int64_t channels, float *u, int64_t plane)
{
    const float *a0 = tap[0], *a1 = tap[1], *b0 = tap[2], *b1 = tap[3];
#pragma omp simd
    for (int64_t i = 0; i < channels; i++) {
        float y0 = a0[i], y1 = a1[i], z0 = b0[i], z1 = b1[i], s0 = y0 + z0, s1 = y1 + z1;
        u[i] = y0;
        u[plane + i] = y0 + y1;
        u[2 * plane + i] = y1;
        u[3 * plane + i] = s0;
        u[4 * plane + i] = s0 + s1;
        u[5 * plane + i] = s1;
        u[6 * plane + i] = z0;
        u[7 * plane + i] = z0 + z1;
        u[8 * plane + i] = z1;
    }
}

FIG_CLONES
void fig__fast_phase_taps(const float *m, int64_t plane, int64_t channels, float *const *tap)
{
    float *a0 = tap[0], *a1 = tap[1], *b0 = tap[2], *b1 = tap[3];
#pragma omp simd
    for (int64_t i = 0; i < channels; i++) {
        float upper[3], lower[3];
        for (int j = 0; j < 3; j++) {
            float middle = m[(3 + j) * plane + i];
            upper[j] = m[j * plane + i] + middle;
            lower[j] = middle + m[(6 + j) * plane + i];
        }
        a0[i] = upper[0] + upper[1];
        a1[i] = upper[1] + upper[2];
        b0[i] = lower[0] + lower[1];
        b1[i] = lower[1] + lower[2];
    }
}
