/* kernels/noise_fast.c - Philox4x32-10 on many counters at once, and distributions of its words */
#include "kernels/noise.h"
#include "kernels/parallel.h"
#include "ops/noise_math.h"

#include <math.h>
#include <string.h>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

enum { LANES = 16, ROUNDS = 10 };
#define MULTIPLIER_0 0xD2511F53u
#define MULTIPLIER_1 0xCD9E8D57u
#define WEYL_0 0x9E3779B9u
#define WEYL_1 0xBB67AE85u

/* Sixteen blocks side by side; the rounds are those of core/random.c. Words stand in the low halves of 64-bit lanes, so that
 * products need no shuffling. */
FIG_CLONES
static void philox_lanes(const fig__noise_stream *stream, uint64_t first, int64_t blocks, uint32_t *words)
{
    for (int64_t done = 0; done < blocks; done += LANES) {
        uint64_t c0[LANES], c1[LANES], c2[LANES], c3[LANES];
        for (int i = 0; i < LANES; i++) {
            uint64_t block = first + (uint64_t)done + (uint64_t)i;
            c0[i] = (uint32_t)block;
            c1[i] = block >> 32;
            c2[i] = (uint32_t)stream->step;
            c3[i] = stream->step >> 32;
        }
        uint32_t k0 = stream->key[0], k1 = stream->key[1];
        for (int round = 0; round < ROUNDS; round++, k0 += WEYL_0, k1 += WEYL_1)
            for (int i = 0; i < LANES; i++) {
                uint64_t p0 = (c0[i] & 0xFFFFFFFFu) * MULTIPLIER_0, p1 = (c2[i] & 0xFFFFFFFFu) * MULTIPLIER_1;
                c0[i] = p1 >> 32 ^ c1[i] ^ k0;
                c2[i] = p0 >> 32 ^ c3[i] ^ k1;
                c1[i] = p1 & 0xFFFFFFFFu;
                c3[i] = p0 & 0xFFFFFFFFu;
            }
        for (int64_t i = 0; i < LANES && done + i < blocks; i++) {
            uint32_t block[4] = { (uint32_t)c0[i], (uint32_t)c1[i], (uint32_t)c2[i], (uint32_t)c3[i] };
            memcpy(words + 4 * (done + i), block, sizeof(block));
        }
    }
}

#if defined(__x86_64__)
/* The same by hand for AVX-512, 2.6 words a nanosecond instead of 1: whole groups of sixteen blocks; returns how many blocks. */
__attribute__((target("avx512f")))
static int64_t philox_avx512(const fig__noise_stream *stream, uint64_t first, int64_t blocks, uint32_t *words)
{
    const __m512i m0 = _mm512_set1_epi64(MULTIPLIER_0), m1 = _mm512_set1_epi64(MULTIPLIER_1), low = _mm512_set1_epi64(0xFFFFFFFF);
    const __m512i count = _mm512_set_epi64(7, 6, 5, 4, 3, 2, 1, 0);
    const __m512i front = _mm512_set_epi64(11, 3, 10, 2, 9, 1, 8, 0), back = _mm512_set_epi64(15, 7, 14, 6, 13, 5, 12, 4);
    uint64_t key[ROUNDS][2]; /* in memory, from where a round reads them at no cost */
    for (uint32_t round = 0; round < ROUNDS; round++) {
        key[round][0] = stream->key[0] + round * WEYL_0;
        key[round][1] = stream->key[1] + round * WEYL_1;
    }
    int64_t done = 0;
    for (; done + LANES <= blocks; done += LANES, words += 4 * LANES) {
        __m512i c0[2], c1[2], c2[2], c3[2];
        for (int h = 0; h < 2; h++) {
            c0[h] = _mm512_add_epi64(_mm512_set1_epi64((int64_t)(first + (uint64_t)done) + 8 * h), count);
            c1[h] = _mm512_srli_epi64(c0[h], 32);
            c2[h] = _mm512_set1_epi64((int64_t)(stream->step & 0xFFFFFFFFu));
            c3[h] = _mm512_set1_epi64((int64_t)(stream->step >> 32));
        }
#pragma GCC unroll 10
        for (int round = 0; round < ROUNDS; round++)
            for (int h = 0; h < 2; h++) {
                __m512i p0 = _mm512_mul_epu32(c0[h], m0), p1 = _mm512_mul_epu32(c2[h], m1);
                c0[h] = _mm512_ternarylogic_epi64(_mm512_srli_epi64(p1, 32), c1[h], _mm512_set1_epi64((int64_t)key[round][0]), 0x96);
                c2[h] = _mm512_ternarylogic_epi64(_mm512_srli_epi64(p0, 32), c3[h], _mm512_set1_epi64((int64_t)key[round][1]), 0x96);
                c1[h] = p1; /* high halves are rubbish from here on; only low ones are read */
                c3[h] = p0;
            }
        for (int h = 0; h < 2; h++) {
            __m512i a = _mm512_or_si512(_mm512_and_si512(c0[h], low), _mm512_slli_epi64(c1[h], 32));
            __m512i b = _mm512_or_si512(_mm512_and_si512(c2[h], low), _mm512_slli_epi64(c3[h], 32));
            _mm512_storeu_si512(words + 32 * h, _mm512_permutex2var_epi64(a, front, b));
            _mm512_storeu_si512(words + 32 * h + 16, _mm512_permutex2var_epi64(a, back, b));
        }
    }
    return done;
}
#endif

void fig__fast_philox(const fig__noise_stream *stream, uint64_t first, int64_t blocks, uint32_t *words)
{
    int64_t done = 0;
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx512f"))
        done = philox_avx512(stream, first, blocks, words);
#endif
    philox_lanes(stream, first + (uint64_t)done, blocks - done, words + 4 * done);
}

FIG_CLONES
void fig__fast_noise_uniform(float *y, const uint32_t *words, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        y[i] = fig__noise_uniform(words[i]);
}

FIG_CLONES
void fig__fast_noise_normal(float *restrict y, const uint32_t *restrict words, int64_t n)
{
    float radius[FIG__NOISE_TILE / 2], even[FIG__NOISE_TILE / 2], odd[FIG__NOISE_TILE / 2];
    int64_t pairs = n / 2;
    for (int64_t i = 0; i < pairs; i++) {
        radius[i] = fig__noise_radius(words[2 * i]);
        odd[i] = fig__noise_angle(words[2 * i + 1]);
    }
    for (int64_t i = 0; i < pairs; i++)
        even[i] = radius[i] * cosf(odd[i]);
    for (int64_t i = 0; i < pairs; i++)
        odd[i] = radius[i] * sinf(odd[i]);
    for (int64_t i = 0; i < pairs; i++) {
        y[2 * i] = even[i];
        y[2 * i + 1] = odd[i];
    }
}

/* Functions in vectors are off by four units in the last place at most, 2^-51 of the result; the radius is at most 6.8, and the angle,
 * below 2 pi, may be off by one unit, 2^-50. So x is off by less than 2^-46. Sums are rounded at 2^-53 of their terms. */
#define NORMAL_ERROR 0x1p-45
#define SUM_ERROR 0x1p-51

FIG_CLONES
void fig__fast_normal_bounds(float *restrict low, float *restrict high, const uint32_t *restrict words, double mean,
                             double deviation, int64_t n)
{
    double radius[FIG__NOISE_TILE / 2], angle[FIG__NOISE_TILE / 2], even[FIG__NOISE_TILE / 2];
    int64_t pairs = n / 2;
    double size = deviation < 0 ? -deviation : deviation, centre = mean < 0 ? -mean : mean;
    double margin = size * NORMAL_ERROR + centre * SUM_ERROR, least = mean - margin, most = mean + margin;
    for (int64_t i = 0; i < pairs; i++) {
        radius[i] = sqrt(-2.0 * log(((double)words[2 * i] + 0.5) * (1.0 / 4294967296.0)));
        angle[i] = 2.0 * 3.14159265358979323846 * (((double)words[2 * i + 1] + 0.5) * (1.0 / 4294967296.0));
    }
    for (int64_t i = 0; i < pairs; i++) /* sine and cosine apart: together the compiler would call a function that is no vector's */
        even[i] = deviation * (radius[i] * cos(angle[i]));
    for (int64_t i = 0; i < pairs; i++)
        angle[i] = deviation * (radius[i] * sin(angle[i]));
    for (int64_t i = 0; i < pairs; i++) {
        low[2 * i] = (float)(least + even[i]);
        high[2 * i] = (float)(most + even[i]);
        low[2 * i + 1] = (float)(least + angle[i]);
        high[2 * i + 1] = (float)(most + angle[i]);
    }
}

FIG_CLONES
void fig__fast_noise_gumbel(float *y, const uint32_t *words, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        y[i] = fig__noise_gumbel(words[i]);
}

FIG_CLONES
void fig__fast_noise_bernoulli(float *y, const uint32_t *words, const float *probability, int64_t n)
{
#pragma omp simd
    for (int64_t i = 0; i < n; i++)
        y[i] = fig__noise_uniform(words[i]) < probability[i] ? 1.0f : 0.0f;
}

FIG_CLONES
void fig__fast_noise_dropout(float *y, const uint32_t *words, const float *x, float rate, float kept, int64_t n)
{
#pragma omp simd
    for (int64_t i = 0; i < n; i++)
        y[i] = fig__noise_uniform(words[i]) < rate ? 0.0f : x[i] * kept;
}
