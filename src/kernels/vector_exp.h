/* kernels/vector_exp.h - exponentials of sixteen numbers at once, for inner loops written for AVX-512
 *
 * As kernels/exponential.h, with two instructions that plain C cannot name: one rounds, one multiplies by a power of two and makes
 * 0 or infinity of what is out of range. Neither limits nor masks are needed then, which is half of the work. */
#ifndef FIG_KERNELS_VECTOR_EXP_H
#define FIG_KERNELS_VECTOR_EXP_H

#if defined(__x86_64__)
#include <immintrin.h>
#include <stdint.h>

#define FIG_VECTORS __attribute__((always_inline, target("avx512f"))) static inline
#define FIG__NEAREST (_MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC)

/* The first n of sixteen places, n >= 1. */
FIG_VECTORS __mmask16 fig__first_places(int64_t n) { return n >= 16 ? 0xFFFF : (__mmask16)((1u << n) - 1); }

/* p x^6 + factor[0] x^5 ... + factor[5] */
FIG_VECTORS __m512 fig__vector_polynomial(__m512 x, __m512 p, const float factor[6])
{
#pragma GCC unroll 6
    for (int i = 0; i < 6; i++)
        p = _mm512_fmadd_ps(p, x, _mm512_set1_ps(factor[i]));
    return p;
}

/* 2^x, off by 1e-7 of it at most where x is exact; x finite or NaN. */
FIG_VECTORS __m512 fig__vector_power(__m512 x)
{
    const float factor[6] = { 1.339887440266574e-3f, 9.618437357674640e-3f, 5.550332471162809e-2f,
                              2.402264791363012e-1f, 6.931472028550421e-1f, 1.0f };
    __m512 whole = _mm512_roundscale_ps(x, FIG__NEAREST);
    __m512 p = fig__vector_polynomial(_mm512_sub_ps(x, whole), _mm512_set1_ps(1.535336188319500e-4f), factor);
    return _mm512_scalef_ps(p, whole);
}

/* e^-x; beyond +-87 as there, so that it is neither 0 nor infinite. ln 2 is taken off in two parts, so that nothing of x is lost. */
FIG_VECTORS __m512 fig__vector_inverse_exp(__m512 x)
{
    const float factor[6] = { 8.3334519073e-3f, 4.1665795894e-2f, 1.6666665459e-1f, 5.0000001201e-1f, 1.0f, 1.0f };
    x = _mm512_max_ps(_mm512_set1_ps(-87.0f), _mm512_min_ps(_mm512_set1_ps(87.0f), x)); /* a NaN stays one */
    __m512 whole = _mm512_roundscale_ps(_mm512_mul_ps(x, _mm512_set1_ps(-1.44269504088896341f)), FIG__NEAREST);
    __m512 rest = _mm512_fnmsub_ps(whole, _mm512_set1_ps(0.693359375f), x);
    rest = _mm512_fmadd_ps(whole, _mm512_set1_ps(2.12194440e-4f), rest);
    __m512 p = _mm512_fmadd_ps(_mm512_set1_ps(1.9875691500e-4f), rest, _mm512_set1_ps(1.3981999507e-3f));
    return _mm512_scalef_ps(fig__vector_polynomial(rest, p, factor), whole);
}

/* The logistic function, of e = e^-x. */
FIG_VECTORS __m512 fig__vector_logistic(__m512 e)
{
    const __m512 one = _mm512_set1_ps(1.0f);
    return _mm512_div_ps(one, _mm512_add_ps(one, e));
}

/* tanh, as kernels/exponential.h: far from zero by the exponential function, near it an odd polynomial, so that no digits are lost. */
FIG_VECTORS __m512 fig__vector_tanh(__m512 x)
{
    const __m512i sign = _mm512_set1_epi32(INT32_MIN);
    const __m512 one = _mm512_set1_ps(1.0f);
    __m512 size = _mm512_castsi512_ps(_mm512_andnot_si512(sign, _mm512_castps_si512(x)));
    __m512 z = _mm512_mul_ps(x, x), e = fig__vector_inverse_exp(_mm512_add_ps(size, size));
    __m512 far = _mm512_div_ps(_mm512_sub_ps(one, e), _mm512_add_ps(one, e));
    far = _mm512_castsi512_ps(_mm512_ternarylogic_epi32(sign, _mm512_castps_si512(x), _mm512_castps_si512(far), 0xCA)); /* x's sign */
    __m512 p = _mm512_fmadd_ps(_mm512_set1_ps(-5.70498872745e-3f), z, _mm512_set1_ps(2.06390887954e-2f));
    p = _mm512_fmadd_ps(p, z, _mm512_set1_ps(-5.37397155531e-2f));
    p = _mm512_fmadd_ps(p, z, _mm512_set1_ps(1.33314422036e-1f));
    p = _mm512_fmadd_ps(p, z, _mm512_set1_ps(-3.33332819422e-1f));
    __m512 near = _mm512_fmadd_ps(_mm512_mul_ps(p, z), x, x);
    return _mm512_mask_mov_ps(far, _mm512_cmp_ps_mask(size, _mm512_set1_ps(0.625f), _CMP_LT_OQ), near);
}
#endif

#endif
