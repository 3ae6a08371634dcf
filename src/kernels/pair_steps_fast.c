/* kernels/pair_steps_fast.c - tiles of bf16 convolutions along one axis, AVX512_BF16 (kernels/pair_steps.h) */
#include "kernels/pair_steps.h"
#include "kernels/tile_rows.h"
#include "kernels/vector_exp.h"

#include "core/core.h"
#include "ops/bf16.h"

#if defined(__x86_64__)

#define TARGET "avx512f,avx512bw,avx512bf16"
#define ALWAYS __attribute__((always_inline, target(TARGET))) static inline
#define EACH_ROW(i) _Pragma("GCC unroll 13") for (int i = 0; i < rows; i++)

/* Rows in memory are walked by five pointers, as there are not registers enough for thirteen. */
#define PAIR_ROW(i) ((i) < 3 ? a0 + (i) * row : (i) < 6 ? a3 + ((i) - 3) * row : (i) < 9 ? a6 + ((i) - 6) * row : \
                     (i) < 12 ? a9 + ((i) - 9) * row : a12)

/* rows and narrow are constants after inlining. */
ALWAYS void steps_tile(int rows, bool narrow, const fig__pair_tile *t, void *c, int64_t c_row)
{
    __m512 low[FIG__PAIR_ROWS], high[FIG__PAIR_ROWS];
    low[0] = _mm512_loadu_ps(t->bias);
    high[0] = _mm512_loadu_ps(t->bias + 16);
    EACH_ROW(i) low[i] = low[0], high[i] = high[0];
    for (const fig__pair_source *s = t->source, *last = s + t->sources; s < last; s++) {
        const int64_t row = s->row, step = s->ask.step;
        const char *ask = s->ask.at;
        const uint32_t *panel = s->panel, *end = panel + s->pairs * FIG__PAIR_COLUMNS;
        const uint32_t *a0 = s->rows, *a3 = a0 + 3 * row, *a6 = a3 + 3 * row, *a9 = a6 + 3 * row, *a12 = a9 + 3 * row;
        for (; panel < end; panel += FIG__PAIR_COLUMNS, a0++, a3++, a6++, a9++, a12++, ask += step) {
            __m512i left = _mm512_loadu_si512(panel), right = _mm512_loadu_si512(panel + 16);
            _mm_prefetch(ask, _MM_HINT_T0);
            EACH_ROW(i)
            {
                __m512i u = _mm512_set1_epi32((int)*PAIR_ROW(i));
                low[i] = _mm512_dpbf16_ps(low[i], (__m512bh)u, (__m512bh)left);
                high[i] = _mm512_dpbf16_ps(high[i], (__m512bh)u, (__m512bh)right);
            }
        }
    }
    EACH_ROW(i)
    {
        if (narrow) {
            _mm512_storeu_si512((uint16_t *)c + i * c_row, (__m512i)_mm512_cvtne2ps_pbh(high[i], low[i]));
        } else {
            _mm512_storeu_ps((float *)c + i * c_row, low[i]);
            _mm512_storeu_ps((float *)c + i * c_row + 16, high[i]);
        }
    }
}

ALWAYS void outer_tile(int rows, int64_t pairs, const uint32_t *d, int64_t d_row, const uint32_t *panel, float *sum, int64_t sum_row,
                       const char *ask, int64_t step)
{
    __m512 low[FIG__PAIR_ROWS], high[FIG__PAIR_ROWS];
    EACH_ROW(i) low[i] = _mm512_loadu_ps(sum + i * sum_row), high[i] = _mm512_loadu_ps(sum + i * sum_row + 16);
    for (const uint32_t *end = panel + pairs * FIG__PAIR_COLUMNS; panel < end; panel += FIG__PAIR_COLUMNS, d += d_row, ask += step) {
        __m512i left = _mm512_loadu_si512(panel), right = _mm512_loadu_si512(panel + 16);
        _mm_prefetch(ask, _MM_HINT_T0);
        EACH_ROW(i)
        {
            __m512i u = _mm512_set1_epi32((int)d[i]);
            low[i] = _mm512_dpbf16_ps(low[i], (__m512bh)u, (__m512bh)left);
            high[i] = _mm512_dpbf16_ps(high[i], (__m512bh)u, (__m512bh)right);
        }
    }
    EACH_ROW(i) _mm512_storeu_ps(sum + i * sum_row, low[i]), _mm512_storeu_ps(sum + i * sum_row + 16, high[i]);
}

#define TILES(rows)                                                                                                            \
    __attribute__((target(TARGET))) static void steps_##rows(const fig__pair_tile *t, float *c, int64_t c_row)                 \
    {                                                                                                                          \
        steps_tile(rows, false, t, c, c_row);                                                                                  \
    }                                                                                                                          \
    __attribute__((target(TARGET))) static void narrow_##rows(const fig__pair_tile *t, uint16_t *c, int64_t c_row)             \
    {                                                                                                                          \
        steps_tile(rows, true, t, c, c_row);                                                                                   \
    }                                                                                                                          \
    __attribute__((target(TARGET))) static void outer_##rows(int64_t pairs, const uint32_t *d, int64_t d_row,                  \
                                                             const uint32_t *panel, float *sum, int64_t sum_row,               \
                                                             fig__pair_ask ask)                                                \
    {                                                                                                                          \
        outer_tile(rows, pairs, d, d_row, panel, sum, sum_row, ask.at, ask.step);                                              \
    }
FIG__EACH_TILE(TILES)

void fig__fast_pair_steps(const fig__pair_tile *t, int64_t rows, float *c, int64_t c_row)
{
    static void (*const tile[])(const fig__pair_tile *, float *, int64_t) = FIG__TILE_TABLE(steps);
    tile[rows](t, c, c_row);
}

void fig__fast_pair_steps_bf16(const fig__pair_tile *t, int64_t rows, uint16_t *c, int64_t c_row)
{
    static void (*const tile[])(const fig__pair_tile *, uint16_t *, int64_t) = FIG__TILE_TABLE(narrow);
    tile[rows](t, c, c_row);
}

void fig__fast_pair_outer(int64_t rows, int64_t pairs, const uint32_t *d, int64_t d_row, const uint32_t *panel, float *sum,
                          int64_t sum_row, fig__pair_ask ask)
{
    static void (*const tile[])(int64_t, const uint32_t *, int64_t, const uint32_t *, float *, int64_t,
                                fig__pair_ask) = FIG__TILE_TABLE(outer);
    tile[rows](pairs, d, d_row, panel, sum, sum_row, ask);
}

/* tanh(a) = (1 - e) / (1 + e) with e = e^-2a; where that would leave few digits, the first terms of its series. Results are rounded
 * to eight bits, so powers of two of rounded products will do. */
ALWAYS __m512 tanh_of(__m512 a)
{
    const __m512 one = _mm512_set1_ps(1.0f);
    __m512 e = fig__vector_power(_mm512_min_ps(_mm512_set1_ps(60.0f), _mm512_mul_ps(a, _mm512_set1_ps(-2.88539008177792681f))));
    __m512 far = _mm512_div_ps(_mm512_sub_ps(one, e), _mm512_add_ps(one, e)), square = _mm512_mul_ps(a, a);
    __m512 more = _mm512_fmadd_ps(square, _mm512_set1_ps(0.13333333f), _mm512_set1_ps(-0.33333333f));
    __m512 near = _mm512_fmadd_ps(_mm512_mul_ps(more, square), a, a);
    return _mm512_mask_blend_ps(_mm512_cmp_ps_mask(square, _mm512_set1_ps(0.015625f), _CMP_LT_OQ), far, near);
}

ALWAYS __m512 logistic_of(__m512 b)
{
    return fig__vector_logistic(fig__vector_power(_mm512_mul_ps(b, _mm512_set1_ps(-1.44269504088896341f))));
}

__attribute__((target(TARGET)))
void fig__fast_pair_gate(const float *sums, int64_t rows, uint16_t *trace, int64_t trace_row, int64_t half, uint16_t *y, int64_t y_row)
{
    for (int64_t i = 0; i < rows; i++, sums += FIG__PAIR_COLUMNS, trace += trace_row, y += y_row) {
        __m512 a = tanh_of(_mm512_loadu_ps(sums)), b = logistic_of(_mm512_loadu_ps(sums + 16));
        _mm256_storeu_si256((__m256i *)(void *)trace, (__m256i)_mm512_cvtneps_pbh(a));
        _mm256_storeu_si256((__m256i *)(void *)(trace + half), (__m256i)_mm512_cvtneps_pbh(b));
        _mm256_storeu_si256((__m256i *)(void *)y, (__m256i)_mm512_cvtneps_pbh(_mm512_mul_ps(a, b)));
    }
}

__attribute__((target(TARGET)))
void fig__fast_pair_join(uint32_t *to, int64_t to_row, const uint16_t *from, int64_t from_row, int64_t pairs, int64_t columns)
{
    uint16_t order[32];
    for (int i = 0; i < 32; i++)
        order[i] = (uint16_t)(i / 2 + i % 2 * 32);
    const __m512i low = _mm512_loadu_si512(order), high = _mm512_add_epi16(low, _mm512_set1_epi16(16));
    for (int64_t l = 0; l < pairs; l++, to += to_row, from += 2 * from_row) {
        const uint16_t *next = from + from_row;
        int64_t j = 0;
        for (; j + 32 <= columns; j += 32) {
            __m512i a = _mm512_loadu_si512(from + j), b = _mm512_loadu_si512(next + j);
            _mm512_storeu_si512(to + j, _mm512_permutex2var_epi16(a, low, b));
            _mm512_storeu_si512(to + j + 16, _mm512_permutex2var_epi16(a, high, b));
        }
        for (; j < columns; j++)
            to[j] = (uint32_t)from[j] | (uint32_t)next[j] << 16;
    }
}

ALWAYS __m512 widened(const uint16_t *from)
{
    return (__m512)_mm512_slli_epi32(_mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i *)(const void *)from)), 16);
}

__attribute__((target(TARGET)))
void fig__fast_pair_gated(uint16_t *z, const uint16_t *a, const uint16_t *b, int64_t n)
{
    int64_t j = 0;
    for (; j + 16 <= n; j += 16)
        _mm256_storeu_si256((__m256i *)(void *)(z + j), (__m256i)_mm512_cvtneps_pbh(_mm512_mul_ps(widened(a + j), widened(b + j))));
    for (; j < n; j++) {
        float product = fig__from_bf16(a[j]) * fig__from_bf16(b[j]);
        z[j] = fig__to_bf16(product);
    }
}

__attribute__((target(TARGET)))
void fig__fast_pair_join_gated(uint32_t *to, int64_t to_row, const uint16_t *from, int64_t from_row, int64_t half, int64_t pairs,
                               int64_t columns)
{
    uint16_t order[32];
    for (int i = 0; i < 32; i++)
        order[i] = (uint16_t)(i / 2 + i % 2 * 16);
    const __m512i turns = _mm512_loadu_si512(order);
    for (int64_t l = 0; l < pairs; l++, to += to_row, from += 2 * from_row)
        for (int64_t j = 0; j < columns; j += 16) {
            const uint16_t *next = from + from_row;
            __m512 first = _mm512_mul_ps(widened(from + j), widened(from + half + j)),
                   second = _mm512_mul_ps(widened(next + j), widened(next + half + j));
            _mm512_storeu_si512(to + j, _mm512_permutexvar_epi16(turns, (__m512i)_mm512_cvtne2ps_pbh(second, first)));
        }
}

#else

void fig__fast_pair_steps(const fig__pair_tile *t, int64_t rows, float *c, int64_t c_row)
{
    (void)t, (void)rows, (void)c, (void)c_row;
    FIG_BUG("products by pairs on a processor without them");
}

void fig__fast_pair_steps_bf16(const fig__pair_tile *t, int64_t rows, uint16_t *c, int64_t c_row)
{
    (void)t, (void)rows, (void)c, (void)c_row;
    FIG_BUG("products by pairs on a processor without them");
}

void fig__fast_pair_gate(const float *sums, int64_t rows, uint16_t *trace, int64_t trace_row, int64_t half, uint16_t *y, int64_t y_row)
{
    (void)sums, (void)rows, (void)trace, (void)trace_row, (void)half, (void)y, (void)y_row;
    FIG_BUG("products by pairs on a processor without them");
}

void fig__fast_pair_outer(int64_t rows, int64_t pairs, const uint32_t *d, int64_t d_row, const uint32_t *panel, float *sum,
                          int64_t sum_row, fig__pair_ask ask)
{
    (void)rows, (void)pairs, (void)d, (void)d_row, (void)panel, (void)sum, (void)sum_row, (void)ask;
    FIG_BUG("products by pairs on a processor without them");
}

void fig__fast_pair_join(uint32_t *to, int64_t to_row, const uint16_t *from, int64_t from_row, int64_t pairs, int64_t columns)
{
    (void)to, (void)to_row, (void)from, (void)from_row, (void)pairs, (void)columns;
    FIG_BUG("products by pairs on a processor without them");
}

void fig__fast_pair_gated(uint16_t *z, const uint16_t *a, const uint16_t *b, int64_t n)
{
    (void)z, (void)a, (void)b, (void)n;
    FIG_BUG("products by pairs on a processor without them");
}

void fig__fast_pair_join_gated(uint32_t *to, int64_t to_row, const uint16_t *from, int64_t from_row, int64_t half, int64_t pairs,
                               int64_t columns)
{
    (void)to, (void)to_row, (void)from, (void)from_row, (void)half, (void)pairs, (void)columns;
    FIG_BUG("products by pairs on a processor without them");
}

#endif
