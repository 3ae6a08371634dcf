/* kernels/pair_product_fast.c - the inner loops of bf16 products, AVX512_BF16
 *
 * As small_product_fast.c: a tile of the result, rows by vectors times 16 columns, stays in registers over the whole sum. */
#include "kernels/pair_product.h"
#include "kernels/parallel.h"
#include "kernels/tile_rows.h"

#include "core/core.h"

bool fig__pairs_available(void) { return fig__machine_get()->avx512_bf16; }

FIG_CLONES void fig__fast_pair_rows(uint32_t *restrict to, const uint16_t *restrict first, const uint16_t *restrict second, int64_t n)
{
    for (int64_t j = 0; j < n && second; j++)
        to[j] = (uint32_t)first[j] | (uint32_t)second[j] << 16;
    for (int64_t j = 0; j < n && !second; j++)
        to[j] = first[j];
}

static inline uint32_t rounded(float value)
{
    uint32_t bits;
    __builtin_memcpy(&bits, &value, sizeof bits);
    uint32_t nan = (bits & 0x7fffffffu) > 0x7f800000u ? 0xFFFFFFFFu : 0u, near = bits + 0x7fffu + (bits >> 16 & 1u);
    return ((bits | 0x400000u) & nan) | (near & ~nan);
}

FIG_CLONES static void join_rounded(uint32_t *restrict to, const float *restrict first, const float *restrict second, int64_t n)
{
    for (int64_t j = 0; j < n && second; j++)
        to[j] = rounded(first[j]) >> 16 | (rounded(second[j]) & 0xFFFF0000u);
    for (int64_t j = 0; j < n && !second; j++)
        to[j] = rounded(first[j]) >> 16;
}

#if defined(__x86_64__)
#include <immintrin.h>

typedef struct matrices {
    int64_t k;
    const uint32_t *a;
    int64_t a_row, a_column;
    const uint32_t *b;
    int64_t b_row;
    bool more;
    float *c;
    int64_t c_row;
} matrices;

#define TARGET "avx512f,avx512bf16"
#define ALWAYS __attribute__((always_inline, target(TARGET))) static inline

/* Columns beyond the last vector's mask are neither read nor written. rows and vectors are constants after inlining. */
ALWAYS void tile(const matrices *x, int64_t i, int64_t j, int rows, int vectors, __mmask16 last)
{
    __m512 sum[24];
    const uint32_t *a = x->a + i * x->a_row, *b = x->b + j;
#pragma GCC unroll 24
    for (int s = 0; s < rows * vectors; s++)
        sum[s] = _mm512_setzero_ps();
    for (int64_t l = 0; l < x->k; l++, a += x->a_column, b += x->b_row) {
        __m512i v[4];
#pragma GCC unroll 4
        for (int t = 0; t < vectors; t++)
            v[t] = t == vectors - 1 ? _mm512_maskz_loadu_epi32(last, b + 16 * t) : _mm512_loadu_si512(b + 16 * t);
#pragma GCC unroll 12
        for (int r = 0; r < rows; r++) {
            __m512i u = _mm512_set1_epi32((int)a[r * x->a_row]);
#pragma GCC unroll 4
            for (int t = 0; t < vectors; t++)
                sum[r * vectors + t] = _mm512_dpbf16_ps(sum[r * vectors + t], (__m512bh)u, (__m512bh)v[t]);
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
    __attribute__((target(TARGET))) static void name(const matrices *x, int64_t m, int64_t j, __mmask16 last)          \
    {                                                                                                                  \
        int64_t i = 0;                                                                                                 \
        for (; i + most <= m; i += most)                                                                               \
            tile(x, i, j, most, vectors, last);                                                                        \
        for (; i + 4 <= m; i += 4)                                                                                     \
            tile(x, i, j, 4, vectors, last);                                                                           \
        for (; i + 2 <= m; i += 2)                                                                                     \
            tile(x, i, j, 2, vectors, last);                                                                           \
        if (i < m)                                                                                                     \
            tile(x, i, j, 1, vectors, last);                                                                           \
    }
PANEL(panel_4, 4, 6)
PANEL(panel_3, 3, 8)
PANEL(panel_2, 2, 12)
PANEL(panel_1, 1, 12)

void fig__fast_pair_product(int64_t m, int64_t n, int64_t k, const uint32_t *a, int64_t a_row, int64_t a_column, const uint32_t *b,
                            int64_t b_row, bool more, float *c, int64_t c_row)
{
    matrices x = { k, a, a_row, a_column, b, b_row, more, c, c_row };
    for (int64_t j = 0; j < n; j += 64) {
        int64_t left = n - j < 64 ? n - j : 64;
        __mmask16 last = (__mmask16)(left % 16 ? (1u << left % 16) - 1 : 0xFFFFu);
        if (left > 48)
            panel_4(&x, m, j, last);
        else if (left > 32)
            panel_3(&x, m, j, last);
        else if (left > 16)
            panel_2(&x, m, j, last);
        else
            panel_1(&x, m, j, last);
    }
}

/* -- rows of f32 joined ------------------------------------------------------------------------------------------------------ */

/* Both rows by one instruction, which would make 0 of subnormal numbers: where there is one, not by it. Returns how many. */
__attribute__((target("avx512f,avx512bw,avx512dq,avx512bf16")))
static int64_t join_in_vectors(uint32_t *to, const float *first, const float *second, int64_t n)
{
    enum { SUBNORMAL = 0x20 };
    uint16_t order[32];
    for (int i = 0; i < 32; i++)
        order[i] = (uint16_t)(i / 2 + i % 2 * 16);
    const __m512i turns = _mm512_loadu_si512(order);
    int64_t j = 0;
    for (; j + 16 <= n; j += 16) {
        __m512 low = _mm512_loadu_ps(first + j), high = _mm512_loadu_ps(second + j);
        if (_mm512_fpclass_ps_mask(low, SUBNORMAL) | _mm512_fpclass_ps_mask(high, SUBNORMAL))
            join_rounded(to + j, first + j, second + j, 16);
        else
            _mm512_storeu_si512(to + j, _mm512_permutexvar_epi16(turns, (__m512i)_mm512_cvtne2ps_pbh(high, low)));
    }
    return j;
}

void fig__fast_pair_rows_f32(uint32_t *to, const float *first, const float *second, int64_t n)
{
    int64_t done = second && fig__pairs_available() ? join_in_vectors(to, first, second, n) : 0;
    join_rounded(to + done, first + done, second ? second + done : NULL, n - done);
}

/* -- packed panels of 32 columns ------------------------------------------------------------------------------------------- */

/* Rows in memory are walked by five pointers, as there are not registers enough for thirteen. */
#define PAIR_ROW(i) ((i) < 3 ? a0 + (i) * row : (i) < 6 ? a3 + ((i) - 3) * row : (i) < 9 ? a6 + ((i) - 6) * row : \
                     (i) < 12 ? a9 + ((i) - 9) * row : a12)

ALWAYS void pair_tile(int rows, int64_t pairs, const uint32_t *a, int64_t row, const uint32_t *panel, float *c, int64_t c_row,
                      fig__lines ask)
{
    __m512 low[13], high[13];
    const uint32_t *a0 = a, *a3 = a0 + 3 * row, *a6 = a3 + 3 * row, *a9 = a6 + 3 * row, *a12 = a9 + 3 * row;
#pragma GCC unroll 13
    for (int i = 0; i < rows; i++)
        low[i] = high[i] = _mm512_setzero_ps();
    const char *const *asked = ask.at + ask.count;
    const int64_t stretch = fig__lines_stretch(pairs, ask.count) * 32;
    for (const uint32_t *end = panel + pairs * 32; panel < end;) {
        const uint32_t *stop = end - panel > stretch ? panel + stretch : end;
        if (ask.at < asked)
            __builtin_prefetch(*ask.at++, 1);
        for (; panel < stop; panel += 32, a0++, a3++, a6++, a9++, a12++) {
            __m512i left = _mm512_loadu_si512(panel), right = _mm512_loadu_si512(panel + 16);
#pragma GCC unroll 13
            for (int i = 0; i < rows; i++) {
                __m512i u = _mm512_set1_epi32((int)*PAIR_ROW(i));
                low[i] = _mm512_dpbf16_ps(low[i], (__m512bh)u, (__m512bh)left);
                high[i] = _mm512_dpbf16_ps(high[i], (__m512bh)u, (__m512bh)right);
            }
        }
    }
#pragma GCC unroll 13
    for (int i = 0; i < rows; i++) {
        _mm512_storeu_ps(c + i * c_row, low[i]);
        _mm512_storeu_ps(c + i * c_row + 16, high[i]);
    }
}

#define PAIR_TILE(rows)                                                                                                       \
    __attribute__((target(TARGET))) static void pair_tile_##rows(int64_t pairs, const uint32_t *a, int64_t a_row,             \
                                                                 const uint32_t *panel, float *c, int64_t c_row, fig__lines ask) \
    {                                                                                                                         \
        pair_tile(rows, pairs, a, a_row, panel, c, c_row, ask);                                                               \
    }
FIG__EACH_TILE(PAIR_TILE)

void fig__fast_pair_panel(int64_t rows, int64_t pairs, const uint32_t *a, int64_t a_row, const uint32_t *panel, float *c, int64_t c_row,
                          fig__lines ask)
{
    typedef void tile_of_rows(int64_t, const uint32_t *, int64_t, const uint32_t *, float *, int64_t, fig__lines);
    static tile_of_rows *const tiles[] = FIG__TILE_TABLE(pair_tile);
    tiles[rows](pairs, a, a_row, panel, c, c_row, ask);
}

#else

void fig__fast_pair_rows_f32(uint32_t *to, const float *first, const float *second, int64_t n)
{
    join_rounded(to, first, second, n);
}

void fig__fast_pair_panel(int64_t rows, int64_t pairs, const uint32_t *a, int64_t a_row, const uint32_t *panel, float *c, int64_t c_row,
                          fig__lines ask)
{
    (void)rows, (void)pairs, (void)a, (void)a_row, (void)panel, (void)c, (void)c_row, (void)ask;
    FIG_BUG("products by pairs on a processor without them");
}

void fig__fast_pair_product(int64_t m, int64_t n, int64_t k, const uint32_t *a, int64_t a_row, int64_t a_column, const uint32_t *b,
                            int64_t b_row, bool more, float *c, int64_t c_row)
{
    (void)m, (void)n, (void)k, (void)a, (void)a_row, (void)a_column, (void)b, (void)b_row, (void)more, (void)c, (void)c_row;
    FIG_BUG("products by pairs on a processor without them");
}

#endif
