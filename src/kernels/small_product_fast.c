/* kernels/small_product_fast.c - the inner loops of small products, AVX-512
 *
 * A tile of the result, ROWS by VECTORS times 16 columns, stays in registers over the whole sum: 24 sums, with the b vectors
 * of one step and a broadcast element of a. The last columns are masked. */
#include "kernels/small_product.h"

#if defined(__x86_64__)
#include <immintrin.h>

typedef struct matrices {
    int64_t k;
    const float *a;
    int64_t a_row, a_column;
    const float *b;
    int64_t b_row;
    bool more;
    float *c;
    int64_t c_row;
} matrices;

#define ALWAYS __attribute__((always_inline, target("avx512f"))) static inline

/* Columns beyond the last vector's mask are neither read nor written. rows and vectors are constants after inlining. */
ALWAYS void tile(const matrices *x, int64_t i, int64_t j, int rows, int vectors, __mmask16 last)
{
    __m512 sum[24];
    const float *a = x->a + i * x->a_row, *b = x->b + j;
#pragma GCC unroll 24
    for (int s = 0; s < rows * vectors; s++)
        sum[s] = _mm512_setzero_ps();
    for (int64_t l = 0; l < x->k; l++, a += x->a_column, b += x->b_row) {
        __m512 v[4];
#pragma GCC unroll 4
        for (int t = 0; t < vectors; t++)
            v[t] = t == vectors - 1 ? _mm512_maskz_loadu_ps(last, b + 16 * t) : _mm512_loadu_ps(b + 16 * t);
#pragma GCC unroll 12
        for (int r = 0; r < rows; r++) {
            __m512 u = _mm512_set1_ps(a[r * x->a_row]);
#pragma GCC unroll 4
            for (int t = 0; t < vectors; t++)
                sum[r * vectors + t] = _mm512_fmadd_ps(u, v[t], sum[r * vectors + t]);
        }
    }
#pragma GCC unroll 12
    for (int r = 0; r < rows; r++)
#pragma GCC unroll 4
        for (int t = 0; t < vectors; t++) {
            float *c = x->c + (i + r) * x->c_row + j + 16 * t;
            __mmask16 mask = t == vectors - 1 ? last : 0xFFFF;
            __m512 value = sum[r * vectors + t];
            if (x->more)
                value = _mm512_add_ps(value, _mm512_maskz_loadu_ps(mask, c));
            _mm512_mask_storeu_ps(c, mask, value);
        }
}

/* All rows of one column panel. */
#define PANEL(name, vectors, most)                                                                                     \
    __attribute__((target("avx512f"))) static void name(const matrices *x, int64_t m, int64_t j, __mmask16 last)       \
    {                                                                                                                  \
        int64_t i = 0;                                                                                                 \
        for (; i + most <= m; i += most)                                                                               \
            tile(x, i, j, most, vectors, last);                                                                        \
        for (; most > 6 && i + 6 <= m; i += 6)                                                                         \
            tile(x, i, j, 6, vectors, last);                                                                           \
        if (i + 4 <= m) {                                                                                              \
            tile(x, i, j, 4, vectors, last);                                                                           \
            i += 4;                                                                                                    \
        }                                                                                                              \
        if (i + 2 <= m) {                                                                                              \
            tile(x, i, j, 2, vectors, last);                                                                           \
            i += 2;                                                                                                    \
        }                                                                                                              \
        if (i < m)                                                                                                     \
            tile(x, i, j, 1, vectors, last);                                                                           \
    }
PANEL(panel_4, 4, 6)
PANEL(panel_3, 3, 8)
PANEL(panel_2, 2, 12)
PANEL(panel_1, 1, 12)
#endif

bool fig__fast_small_product(int64_t m, int64_t n, int64_t k, const float *a, int64_t a_row, int64_t a_column, const float *b,
                             int64_t b_row, bool more, float *c, int64_t c_row)
{
#if defined(__x86_64__)
    if (!__builtin_cpu_supports("avx512f"))
        return false;
    matrices x = { k, a, a_row, a_column, b, b_row, more, c, c_row };
    for (int64_t j = 0; j < n;) {
        int64_t vectors = (n - j + 15) / 16;
        if (vectors > 4)
            vectors = vectors == 5 ? 3 : 4; /* 3 + 2 rather than 4 + 1 */
        int64_t width = n - j < 16 * vectors ? n - j : 16 * vectors;
        __mmask16 last = (__mmask16)(0xFFFFu >> (16 * vectors - width));
        if (vectors == 4)
            panel_4(&x, m, j, last);
        else if (vectors == 3)
            panel_3(&x, m, j, last);
        else if (vectors == 2)
            panel_2(&x, m, j, last);
        else
            panel_1(&x, m, j, last);
        j += width;
    }
    return true;
#else
    (void)m, (void)n, (void)k, (void)a, (void)a_row, (void)a_column, (void)b, (void)b_row, (void)more, (void)c, (void)c_row;
    return false;
#endif
}
