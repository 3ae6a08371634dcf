/* kernels/adam_fast.c - the inner loop of adam.c */
#include "kernels/fast.h"
#include "kernels/parallel.h"

#include <math.h>

/* A weight whose gradient has become exactly zero (a dead unit) leaves averages behind that decay into the subnormal
 * numbers and stay there for ever, where every operation takes a hundred times as long. Below this they are zero: beside any
 * eps that a rate survives, their share of the update is far under a unit of the last place. */
#define TINY 1e-35f

/* An output may stand where an operand stands, element for element. */
FIG_CLONES void fig__fast_adam(const fig__adam *a, int64_t n, const float *g, const float *w, const float *m, const float *v,
                               float *w_out, float *m_out, float *v_out)
{
    const fig__adam k = *a;
#pragma omp simd
    for (int64_t i = 0; i < n; i++) {
        float gradient = g[i] * k.scale + w[i] * k.decay;
        float mean = m[i] * k.keep_mean + gradient * k.add_mean;
        float square = v[i] * k.keep_square + gradient * gradient * k.add_square;
        mean = fabsf(mean) < TINY ? 0.0f : mean;
        square = square < TINY ? 0.0f : square;
        w_out[i] = w[i] * k.shrink - mean * k.rate / (sqrtf(square) * k.root + k.eps);
        m_out[i] = mean;
        v_out[i] = square;
    }
}
