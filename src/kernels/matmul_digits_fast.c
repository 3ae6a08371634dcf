/* kernels/matmul_digits_fast.c - one row times int8 lines by whole numbers (AVX-512 VNNI)
 *
 * Widening bytes to floats takes three instructions for sixteen weights, which is slower than memory gives them. Here the row is brought
 * to whole numbers instead, once for all lines: A = a / step, |A| < 2^23, in three digits of eight bits,
 *
 *     A = 65536 d2 + 256 d1 + d0,   -128 <= d <= 127        sum q A = 65536 (sum q d2) + 256 (sum q d1) + (sum q d0)
 *
 * and one instruction adds 64 products of bytes. Their sums are exact in 32 bits; A is off by half a step, 2^-24 of the row's largest
 * number, as much as rounding a sum of that size once. The instruction wants bytes without a sign on one side, so it gets q + 128, and
 * sums begin at -128 (sum of digits). */
#include "core/core.h"
#include "kernels/fast.h"

#include <string.h>

#if defined(__x86_64__)
#include <immintrin.h>

enum { DIGITS = 3, LINES = 4, BLOCK = 64, MOST = 4096 }; /* longest row: its digits lie on the stack; sums stay below 2^31 up to 65,000 */
#define LARGEST 8355000.0f /* 127 * (65536 + 256 + 1) is the largest that three digits can be */
#define WHOLE "avx512f,avx512bw,avx512vl,avx512dq,avx512vnni"
#define IN_WHOLE __attribute__((always_inline, target(WHOLE))) static inline

typedef struct digits {
    int8_t of[DIGITS][MOST]; /* lowest first; zeros up to a whole block */
    __m512i start[DIGITS];
    float step;
} digits;

IN_WHOLE float largest_of(int64_t k, const float *a)
{
    const __m512i magnitude = _mm512_set1_epi32(0x7fffffff);
    __m512i most = _mm512_setzero_si512();
    for (int64_t i = 0; i < k; i += 16) {
        __mmask16 here = k - i < 16 ? (__mmask16)((1u << (k - i)) - 1) : (__mmask16)0xffff;
        most = _mm512_max_epu32(most, _mm512_and_si512(_mm512_castps_si512(_mm512_maskz_loadu_ps(here, a + i)), magnitude));
    }
    uint32_t bits = _mm512_reduce_max_epu32(most); /* bits of floats without sign are in the order of the floats, NaN last */
    float number;
    memcpy(&number, &bits, sizeof number);
    return number;
}

/* False where a row has no such form: with an infinity or a NaN, or too small. */
__attribute__((target(WHOLE))) static bool to_digits(int64_t k, const float *a, digits *d)
{
    float largest = largest_of(k, a);
    if (!(largest >= 1e-30f && largest <= 3.4028235e38f))
        return false;
    d->step = largest / LARGEST;
    const __m512 scale = _mm512_set1_ps(LARGEST / largest);
    for (int64_t i = 0; i < (k + BLOCK - 1) / BLOCK * BLOCK; i += 16) {
        int64_t left = k - i;
        __mmask16 here = left >= 16 ? (__mmask16)0xffff : left > 0 ? (__mmask16)((1u << left) - 1) : (__mmask16)0;
        __m512i whole = _mm512_cvtps_epi32(_mm512_mul_ps(_mm512_maskz_loadu_ps(here, a + i), scale));
        for (int digit = 0; digit < DIGITS; digit++) {
            __m512i low = _mm512_srai_epi32(_mm512_slli_epi32(whole, 24), 24);
            _mm_storeu_si128((__m128i *)(void *)(d->of[digit] + i), _mm512_cvtepi32_epi8(whole)); /* its lowest eight bits */
            whole = _mm512_srai_epi32(_mm512_sub_epi32(whole, low), 8);
        }
    }
    const __m512i offset = _mm512_set1_epi8((char)-128);
    for (int digit = 0; digit < DIGITS; digit++) {
        __m512i sum = _mm512_setzero_si512();
        for (int64_t i = 0; i < k; i += BLOCK)
            sum = _mm512_dpbusd_epi32(sum, offset, _mm512_loadu_si512(d->of[digit] + i)); /* 128 times each digit */
        d->start[digit] = _mm512_sub_epi32(_mm512_setzero_si512(), sum);
    }
    return true;
}

/* One block of each line: sums of products with all three digits. */
IN_WHOLE void add_block(const digits *d, int64_t i, const int8_t *const line[LINES], __mmask64 here, __m512i sum[LINES][DIGITS])
{
    const __m512i offset = _mm512_set1_epi8((char)-128);
    __m512i of[DIGITS];
    for (int digit = 0; digit < DIGITS; digit++)
        of[digit] = _mm512_loadu_si512(d->of[digit] + i);
    for (int l = 0; l < LINES; l++) {
        __m512i x = _mm512_xor_si512(_mm512_maskz_loadu_epi8(here, line[l] + i), offset);
        for (int digit = 0; digit < DIGITS; digit++)
            sum[l][digit] = _mm512_dpbusd_epi32(sum[l][digit], x, of[digit]);
    }
}

IN_WHOLE float total(const __m512i sum[DIGITS])
{
    __m512 low = _mm512_fmadd_ps(_mm512_cvtepi32_ps(sum[1]), _mm512_set1_ps(256), _mm512_cvtepi32_ps(sum[0]));
    return _mm512_reduce_add_ps(_mm512_fmadd_ps(_mm512_cvtepi32_ps(sum[2]), _mm512_set1_ps(65536), low));
}

/* Four lines at once from four quarters of the range: digits are read once for all, and memory gives straight walks that are far apart
 * faster than one (matmul_lines_fast.c). */
__attribute__((target(WHOLE))) static void lines_of(int64_t n, int64_t k, const digits *d, const int8_t *b, float *c)
{
    int64_t quarter = (n + LINES - 1) / LINES;
    for (int64_t j = 0; j < quarter; j++) {
        const int8_t *line[LINES];
        __m512i sum[LINES][DIGITS];
        for (int l = 0; l < LINES; l++) {
            line[l] = b + (j + l * quarter < n ? j + l * quarter : j) * k; /* what is too many is computed twice */
            for (int digit = 0; digit < DIGITS; digit++)
                sum[l][digit] = d->start[digit];
        }
        int64_t i = 0;
        for (; i + BLOCK <= k; i += BLOCK)
            add_block(d, i, line, ~(__mmask64)0, sum);
        if (i < k)
            add_block(d, i, line, ((__mmask64)1 << (k - i)) - 1, sum);
        for (int l = 0; l < LINES; l++)
            c[j + l * quarter < n ? j + l * quarter : j] = total(sum[l]) * d->step;
    }
}

bool fig__fast_lines_digits(int64_t n, int64_t k, const float *a, const int8_t *b, float *c)
{
    digits d;
    if (k > MOST || n < 4 || !fig__machine_get()->avx512_vnni || !to_digits(k, a, &d))
        return false;
    lines_of(n, k, &d, b, c);
    return true;
}
#else
bool fig__fast_lines_digits(int64_t n, int64_t k, const float *a, const int8_t *b, float *c)
{
    (void)n, (void)k, (void)a, (void)b, (void)c;
    return false;
}
#endif
