/* kernels/matmul_lines_fast.c - one row times a matrix whose lines are f32, bf16 or bytes: dot products, one line after another
 *
 * Lines are read in straight walks, which is what a processor's prefetchers follow best, and widened in registers. The compiler widens
 * such small numbers one by one, so the loops are written for AVX-512 and for AVX2, beside plain ones for all other processors. */
#include "core/core.h"
#include "kernels/fast.h"
#include "kernels/four_sums.h"
#include "kernels/parallel.h"

#include <string.h>

/* -- any processor ---------------------------------------------------------------------------------------------------------------- */

static inline float from_f32(const float *b) { return *b; }
static inline float from_int8(const int8_t *b) { return (float)*b; }
static inline float from_bf16(const uint16_t *b)
{
    uint32_t bits = (uint32_t)*b << 16;
    float number;
    memcpy(&number, &bits, sizeof number);
    return number;
}

#define PLAIN(type, element)                                                                                           \
    static void plain_##type(int64_t n, int64_t k, const float *restrict a, const element *restrict b, float *restrict c) \
    {                                                                                                                  \
        for (int64_t j = 0; j < n; j++, b += k) {                                                                      \
            float sum = 0;                                                                                             \
            for (int64_t i = 0; i < k; i++)                                                                            \
                sum += a[i] * from_##type(b + i);                                                                      \
            c[j] = sum;                                                                                                \
        }                                                                                                              \
    }
PLAIN(f32, float)
PLAIN(bf16, uint16_t)
PLAIN(int8, int8_t)

#if defined(__x86_64__)
#include <immintrin.h>

/* Two lines at once, from the two halves of the range, so that a is read once for both: two straight walks far apart run at the speed
 * of memory (28 GB/s on one Zen 4 core), where one, waiting for two registers a product, gave 22. Four registers in flight; what is
 * left of a line at its end by hand. */
#define LINES(name, features, type, element, vector, width, zero, load, fma, add, reduce)                              \
    __attribute__((target(features))) static void name(int64_t n, int64_t k, const float *restrict a,                  \
                                                       const element *restrict b, float *restrict c)                   \
    {                                                                                                                  \
        for (int64_t j = 0, half = (n + 1) / 2; j < half; j++, b += k) {                                               \
            const element *d = j + half < n ? b + half * k : b; /* an odd line is computed twice */                    \
            vector s0 = zero(), s1 = zero(), t0 = zero(), t1 = zero();                                                 \
            int64_t i = 0;                                                                                             \
            for (; i + 2 * width <= k; i += 2 * width) {                                                               \
                vector x = load##_f32(a + i), y = load##_f32(a + i + width);                                           \
                s0 = fma(x, load##_##type(b + i), s0);                                                                 \
                t0 = fma(x, load##_##type(d + i), t0);                                                                 \
                s1 = fma(y, load##_##type(b + i + width), s1);                                                         \
                t1 = fma(y, load##_##type(d + i + width), t1);                                                         \
            }                                                                                                          \
            float s = reduce(add(s0, s1)), t = reduce(add(t0, t1));                                                    \
            for (; i < k; i++) {                                                                                       \
                s += a[i] * from_##type(b + i);                                                                        \
                t += a[i] * from_##type(d + i);                                                                        \
            }                                                                                                          \
            c[j] = s;                                                                                                  \
            c[j + half < n ? j + half : j] = t;                                                                        \
        }                                                                                                              \
    }

/* -- AVX-512 ---------------------------------------------------------------------------------------------------------------------- */

#define WIDE "avx512f,avx512bw,avx512vl,avx512dq,avx2,fma"
#define WIDE_LINES(type, element)                                                                                      \
    LINES(lines_wide_##type, WIDE, type, element, __m512, 16, _mm512_setzero_ps, wide, _mm512_fmadd_ps, _mm512_add_ps, wide_sum)
#define IN_WIDE __attribute__((always_inline, target(WIDE))) static inline

IN_WIDE __m512 wide_f32(const float *b) { return _mm512_loadu_ps(b); }
IN_WIDE __m512 wide_bf16(const uint16_t *b)
{
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i *)(const void *)b)), 16));
}
IN_WIDE __m512 wide_int8(const int8_t *b)
{
    return _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_loadu_si128((const __m128i *)(const void *)b)));
}
IN_WIDE float wide_sum(__m512 x) { return _mm512_reduce_add_ps(x); }

WIDE_LINES(f32, float)
WIDE_LINES(bf16, uint16_t)
WIDE_LINES(int8, int8_t)

/* bf16, four lines at once: pairs are split by a shift and a mask, so a stands apart in even and odd numbers. Widening takes two of
 * the three places that products wait for. Four sums are added up across by one tree of shuffles. From the caches 128x128, 64x64, 256x1280
 * and 256x256 go at 71, 54, 82 and 77 GB/s instead of 44, 41, 58 and 53; two lines at once so at 54, 48, 52 and 52, sixteen
 * neighbours at once at 70, 54, 72 and 64. Lines of a multiple of 32 numbers, at most APART. Returns how many it did. */
enum { APART = 4096, LINES_AT_ONCE = 4 };

__attribute__((target(WIDE))) static int64_t wide_bf16_pairs(int64_t n, int64_t k, const float *restrict a,
                                                             const uint16_t *restrict b, float *restrict c)
{
    const __m512i even = _mm512_set_epi32(30, 28, 26, 24, 22, 20, 18, 16, 14, 12, 10, 8, 6, 4, 2, 0);
    const __m512i odd = _mm512_set_epi32(31, 29, 27, 25, 23, 21, 19, 17, 15, 13, 11, 9, 7, 5, 3, 1);
    const __m512i upper = _mm512_set1_epi32((int)0xFFFF0000u);
    const int64_t quarter = n / LINES_AT_ONCE;
    float apart[APART];
    for (int64_t i = 0; i < k; i += 32) {
        __m512 x = _mm512_loadu_ps(a + i), y = _mm512_loadu_ps(a + i + 16);
        _mm512_storeu_ps(apart + i, _mm512_permutex2var_ps(x, even, y));
        _mm512_storeu_ps(apart + i + 16, _mm512_permutex2var_ps(x, odd, y));
    }
    for (int64_t j = 0; j < quarter; j++, b += k) {
        __m512 s[LINES_AT_ONCE], t[LINES_AT_ONCE];
#pragma GCC unroll 4
        for (int l = 0; l < LINES_AT_ONCE; l++)
            s[l] = t[l] = _mm512_setzero_ps();
        for (int64_t i = 0; i < k; i += 32) {
            __m512 x = _mm512_loadu_ps(apart + i), y = _mm512_loadu_ps(apart + i + 16);
#pragma GCC unroll 4
            for (int l = 0; l < LINES_AT_ONCE; l++) {
                __m512i pair = _mm512_loadu_si512(b + l * quarter * k + i);
                s[l] = _mm512_fmadd_ps(x, _mm512_castsi512_ps(_mm512_slli_epi32(pair, 16)), s[l]);
                t[l] = _mm512_fmadd_ps(y, _mm512_castsi512_ps(_mm512_and_si512(pair, upper)), t[l]);
            }
        }
        float sum[LINES_AT_ONCE];
        _mm_storeu_ps(sum, fig__four_sums(_mm512_add_ps(s[0], t[0]), _mm512_add_ps(s[1], t[1]), _mm512_add_ps(s[2], t[2]),
                                          _mm512_add_ps(s[3], t[3])));
        for (int l = 0; l < LINES_AT_ONCE; l++)
            c[j + l * quarter] = sum[l];
    }
    return quarter * LINES_AT_ONCE;
}

/* -- AVX2 ------------------------------------------------------------------------------------------------------------------------- */

#define HALF "avx2,fma"
#define HALF_LINES(type, element)                                                                                      \
    LINES(lines_half_##type, HALF, type, element, __m256, 8, _mm256_setzero_ps, half, _mm256_fmadd_ps, _mm256_add_ps, half_sum)
#define IN_HALF __attribute__((always_inline, target(HALF))) static inline

IN_HALF __m256 half_f32(const float *b) { return _mm256_loadu_ps(b); }
IN_HALF __m256 half_bf16(const uint16_t *b)
{
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(_mm_loadu_si128((const __m128i *)(const void *)b)), 16));
}
IN_HALF __m256 half_int8(const int8_t *b)
{
    return _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_loadl_epi64((const __m128i *)(const void *)b)));
}
IN_HALF float half_sum(__m256 x)
{
    __m128 q = _mm_add_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps(x, 1));
    q = _mm_add_ps(q, _mm_movehl_ps(q, q));
    return _mm_cvtss_f32(_mm_add_ss(q, _mm_shuffle_ps(q, q, 1)));
}

HALF_LINES(f32, float)
HALF_LINES(bf16, uint16_t)
HALF_LINES(int8, int8_t)

#define BEST(type) (fig__machine_get()->avx512 ? lines_wide_##type : fig__machine_get()->avx2 ? lines_half_##type : plain_##type)
#define PAIRS(n, k, a, b, c) (fig__machine_get()->avx512 && (k) % 32 == 0 && (k) <= APART ? wide_bf16_pairs(n, k, a, b, c) : 0)
#else
#define BEST(type) plain_##type
#define PAIRS(n, k, a, b, c) 0
#endif

/* -- the choice ------------------------------------------------------------------------------------------------------------------- */

void fig__fast_lines_f32(int64_t n, int64_t k, const float *a, const float *b, float *c) { BEST(f32)(n, k, a, b, c); }
void fig__fast_lines_bf16(int64_t n, int64_t k, const float *a, const uint16_t *b, float *c)
{
    int64_t done = PAIRS(n, k, a, b, c);
    if (done < n)
        BEST(bf16)(n - done, k, a, b + done * k, c + done);
}
void fig__fast_lines_int8(int64_t n, int64_t k, const float *a, const int8_t *b, const float *scale, float *c)
{
    if (!fig__fast_lines_digits(n, k, a, b, c))
        BEST(int8)(n, k, a, b, c);
    for (int64_t j = 0; j < n; j++)
        c[j] *= scale[j];
}
