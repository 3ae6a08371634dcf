/* kernels/attention_fast.c - rows of attention weights and of their gradients
 *
 * A row of scores passes the first cache three times: maximum, exponentials and their sum, division. Exponentials are powers of
 * two (vector_exp.h), 7.5 in a nanosecond on one core, where plain C made 2. */
#include "kernels/exponential.h"
#include "kernels/fast.h"
#include "kernels/parallel.h"
#include "kernels/vector_exp.h"

#include <string.h>

#if defined(__x86_64__)
/* Whole vectors first, then what is left of the row. */
__attribute__((target("avx512f"))) static void softmax_avx512(float *x, float scale, int64_t n)
{
    const __m512 lowest = _mm512_set1_ps(-__builtin_inff());
    const __mmask16 rest = n % 16 ? fig__first_places(n % 16) : 0;
    const int64_t whole = n - n % 16;
    float steep = scale * 1.44269504088896341f; /* 1 / ln 2 */
    __m512 most = _mm512_mask_loadu_ps(lowest, rest, x + whole), sum = _mm512_setzero_ps();
    for (int64_t i = 0; i < whole; i += 16)
        most = _mm512_max_ps(most, _mm512_loadu_ps(x + i));
    __m512 factor = _mm512_set1_ps(steep), shift = _mm512_set1_ps(steep * _mm512_reduce_max_ps(most));
    for (int64_t i = 0; i < whole; i += 16) {
        __m512 power = fig__vector_power(_mm512_fmsub_ps(_mm512_loadu_ps(x + i), factor, shift));
        _mm512_storeu_ps(x + i, power);
        sum = _mm512_add_ps(sum, power);
    }
    __m512 power = fig__vector_power(_mm512_fmsub_ps(_mm512_maskz_loadu_ps(rest, x + whole), factor, shift));
    sum = _mm512_mask_add_ps(sum, rest, sum, power);
    __m512 share = _mm512_set1_ps(1.0f / _mm512_reduce_add_ps(sum));
    for (int64_t i = 0; i < whole; i += 16)
        _mm512_storeu_ps(x + i, _mm512_mul_ps(_mm512_loadu_ps(x + i), share));
    _mm512_mask_storeu_ps(x + whole, rest, _mm512_mul_ps(power, share));
}
#endif

/* The compiler makes vectors of a maximum only where it need not mind NaN. Here it need not: a NaN comes back through exp. */
#pragma GCC push_options
#pragma GCC optimize("finite-math-only")
FIG_CLONES static float maximum(const float *x, int64_t n)
{
    float m = x[0];
    for (int64_t i = 1; i < n; i++)
        m = x[i] > m ? x[i] : m;
    return m;
}
#pragma GCC pop_options

FIG_CLONES static float exponentials(float *y, float scale, float m, int64_t n)
{
    float sum = 0;
    for (int64_t i = 0; i < n; i++) {
        float e = fig__exp((y[i] - m) * scale);
        y[i] = e;
        sum += e;
    }
    return sum;
}

FIG_CLONES static void multiply(float *y, float factor, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        y[i] *= factor;
}

static void softmax(float *x, float scale, int64_t n)
{
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx512f")) {
        softmax_avx512(x, scale, n);
        return;
    }
#endif
    multiply(x, 1.0f / exponentials(x, scale, maximum(x, n), n), n);
}

void fig__fast_attention_weights(float *x, float scale, int64_t rows, int64_t seen, int64_t more, int64_t n)
{
    for (int64_t t = 0; t < rows; t++, x += n, seen += more) {
        softmax(x, scale, seen);
        memset(x + seen, 0, sizeof(float) * (size_t)(n - seen));
    }
}

FIG_CLONES static float inner_product(const float *a, const float *b, int64_t n)
{
    float sum = 0;
    for (int64_t i = 0; i < n; i++)
        sum += a[i] * b[i];
    return sum;
}

FIG_CLONES static void weigh(float *dp, const float *p, float inner, float scale, int64_t n)
{
#pragma omp simd
    for (int64_t i = 0; i < n; i++)
        dp[i] = p[i] * (dp[i] - inner) * scale;
}

void fig__fast_attention_slopes(float *dp, const float *p, float scale, int64_t rows, int64_t n)
{
    for (int64_t t = 0; t < rows; t++, dp += n, p += n)
        weigh(dp, p, inner_product(p, dp, n), scale, n);
}
