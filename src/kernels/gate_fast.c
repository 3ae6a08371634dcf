/* kernels/gate_fast.c - inner loops of the gate: one row at a time, results may stand where operands stood */
#include "kernels/fast.h"
#include "kernels/parallel.h"

#include <math.h>

FIG_CLONES
void fig__fast_gate(const float *x, float *trace, float *y, int64_t rows, int64_t n)
{
    for (int64_t r = 0; r < rows; r++, x += 2 * n, trace += 2 * n, y += n) {
#pragma omp simd
        for (int64_t j = 0; j < n; j++) {
            float a = tanhf(x[j]), b = 1.0f / (1.0f + expf(-x[n + j]));
            trace[j] = a;
            trace[n + j] = b;
            y[j] = a * b;
        }
    }
}

FIG_CLONES
void fig__fast_gate_gradient(const float *trace, const float *dy, float *dx, int64_t rows, int64_t n)
{
    for (int64_t r = 0; r < rows; r++, trace += 2 * n, dy += n, dx += 2 * n) {
#pragma omp simd
        for (int64_t j = 0; j < n; j++) {
            float a = trace[j], b = trace[n + j], d = dy[j];
            dx[j] = d * b * (1.0f - a * a);
            dx[n + j] = d * a * b * (1.0f - b);
        }
    }
}
