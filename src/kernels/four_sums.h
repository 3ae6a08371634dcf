/* kernels/four_sums.h - the sums of four registers of sixteen numbers, by one tree of shuffles (AVX-512) */
#ifndef FIG_KERNELS_FOUR_SUMS_H
#define FIG_KERNELS_FOUR_SUMS_H

#if defined(__x86_64__)
#include <immintrin.h>

__attribute__((always_inline, target("avx512f,avx512bw,avx512vl,avx512dq"))) static inline __m128 fig__four_sums(__m512 s0, __m512 s1,
                                                                                                               __m512 s2, __m512 s3)
{
    __m512 p = _mm512_add_ps(_mm512_shuffle_f32x4(s0, s1, 0x44), _mm512_shuffle_f32x4(s0, s1, 0xEE));
    __m512 q = _mm512_add_ps(_mm512_shuffle_f32x4(s2, s3, 0x44), _mm512_shuffle_f32x4(s2, s3, 0xEE));
    p = _mm512_add_ps(_mm512_shuffle_f32x4(p, q, 0x88), _mm512_shuffle_f32x4(p, q, 0xDD)); /* a quarter for each register */
    p = _mm512_add_ps(p, _mm512_permute_ps(p, 0x4E));
    p = _mm512_add_ps(p, _mm512_permute_ps(p, 0xB1));
    const __m512i first = _mm512_set_epi32(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 12, 8, 4, 0);
    return _mm512_castps512_ps128(_mm512_permutexvar_ps(first, p));
}
#endif

#endif
