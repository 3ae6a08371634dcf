/* kernels/softmax_fast.c - rows of softmax, log-softmax, logsumexp and their gradients
 *
 * The maximum is taken off first, so the largest term is exp(0). */
#include "kernels/exponential.h"
#include "kernels/fast.h"
#include "kernels/parallel.h"

#include <math.h>
#include <string.h>

FIG_CLONES static float exponentials(float *y, const float *x, float m, int64_t n)
{
    float sum = 0;
#pragma omp simd reduction(+ : sum)
    for (int64_t i = 0; i < n; i++) {
        float e = fig__exp(x[i] - m);
        y[i] = e;
        sum += e;
    }
    return sum;
}

FIG_CLONES static float sum_of_exponentials(const float *x, float m, int64_t n)
{
    float sum = 0;
    for (int64_t i = 0; i < n; i++)
        sum += fig__exp(x[i] - m);
    return sum;
}

/* The compiler makes vectors of a maximum only where it need not mind NaN. Here it need not: a NaN comes back through exp. */
#pragma GCC push_options
#pragma GCC optimize("finite-math-only")
FIG_CLONES static float row_maximum(const float *x, int64_t n)
{
    float m = x[0];
    for (int64_t i = 1; i < n; i++)
        m = x[i] > m ? x[i] : m;
    return m;
}
#pragma GCC pop_options

FIG_CLONES static void multiply(float *y, float factor, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        y[i] *= factor;
}

FIG_CLONES static void subtract(float *y, const float *x, float value, int64_t n)
{
#pragma omp simd
    for (int64_t i = 0; i < n; i++)
        y[i] = x[i] - value;
}

FIG_CLONES static float inner_product(const float *a, const float *b, int64_t n)
{
    float sum = 0;
    for (int64_t i = 0; i < n; i++)
        sum += a[i] * b[i];
    return sum;
}

FIG_CLONES static void weigh(float *dx, const float *y, const float *dy, float inner, int64_t n)
{
#pragma omp simd
    for (int64_t i = 0; i < n; i++)
        dx[i] = y[i] * (dy[i] - inner);
}

void fig__fast_softmax_scaled(float *y, const float *x, float scale, int64_t n)
{
    float sum = exponentials(y, x, row_maximum(x, n), n);
    multiply(y, scale / sum, n);
}

void fig__fast_softmax(float *y, const float *x, int64_t n)
{
    fig__fast_softmax_scaled(y, x, 1.0f, n);
}

float fig__fast_logsumexp(const float *x, int64_t n)
{
    float m = row_maximum(x, n);
    return isinf(m) ? m : m + logf(sum_of_exponentials(x, m, n));
}

void fig__fast_log_softmax(float *y, const float *x, int64_t n)
{
    float m = row_maximum(x, n);
    subtract(y, x, m + logf(sum_of_exponentials(x, m, n)), n);
}

void fig__fast_softmax_gradient(float *dx, const float *y, const float *dy, int64_t n)
{
    weigh(dx, y, dy, inner_product(y, dy, n), n);
}
