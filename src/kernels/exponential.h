/* kernels/exponential.h - exp for inner loops, inline: no call, no spilled registers, no slow path
 *
 * exp(x) = 2^n exp(r), n = round(x / ln 2), |r| <= ln 2 / 2; the polynomial is that of the Cephes library, off by at most 2 units
 * in the last place. glibc's vector function is as exact but leaves its fast path for masked scores (-1e30), and its call
 * costs more than the arithmetic: softmax over rows of 256 went from 1.1 (half masked: 0.2) to 1.95 elements a nanosecond on one core. */
#ifndef FIG_KERNELS_EXPONENTIAL_H
#define FIG_KERNELS_EXPONENTIAL_H

#include <stdint.h>
#include <string.h>

static inline float fig__bits_float(uint32_t bits)
{
    float value;
    memcpy(&value, &bits, sizeof(value));
    return value;
}

static inline uint32_t fig__float_bits(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof(bits));
    return bits;
}

/* x at most 88. Below -87.7 the result is 0 (less than the smallest normal number): n is -127 there, and the bits of 2^n are all
 * zero. A NaN stays one. Limits are set by masks on bits, as the compiler makes branches of conditions here. */
static inline float fig__exp(float x)
{
    uint32_t keep = x < -88.0f ? 0u : 0xFFFFFFFFu;
    float low = fig__bits_float((fig__float_bits(x) & keep) | (0xC2B00000u & ~keep)); /* -88 */
    float half = fig__bits_float((fig__float_bits(low) & 0x80000000u) | 0x3F000000u);
    int32_t n = (int32_t)(low * 1.44269504088896341f + half);
    float whole = (float)n, r = low - whole * 0.693359375f + whole * 2.12194440e-4f;
    float p = 1.9875691500e-4f;
    p = p * r + 1.3981999507e-3f;
    p = p * r + 8.3334519073e-3f;
    p = p * r + 4.1665795894e-2f;
    p = p * r + 1.6666665459e-1f;
    p = p * r + 5.0000001201e-1f;
    p = p * r * r + r + 1.0f;
    return p * fig__bits_float((uint32_t)(n + 127) << 23);
}

/* 1 / (1 + exp(-x)), with e = exp(-|x|): 1 / (1 + e), or e / (1 + e) below zero. */
static inline float fig__logistic(float x)
{
    uint32_t below = 0u - (fig__float_bits(x) >> 31);
    float e = fig__exp(fig__bits_float(fig__float_bits(x) | 0x80000000u));
    float top = fig__bits_float((fig__float_bits(e) & below) | (0x3F800000u & ~below)); /* e or 1 */
    return top / (1.0f + e);
}

/* (1 - e) / (1 + e) with e = exp(-2 |x|) has full relative precision where e is small enough; below 0.625 an odd polynomial, that of
 * the Cephes library, so that small numbers keep all their digits. */
static inline float fig__tanh(float x)
{
    float size = fig__bits_float(fig__float_bits(x) & 0x7FFFFFFFu), z = x * x;
    float e = fig__exp(-2.0f * size), far = (1.0f - e) / (1.0f + e);
    float p = -5.70498872745e-3f;
    p = p * z + 2.06390887954e-2f;
    p = p * z - 5.37397155531e-2f;
    p = p * z + 1.33314422036e-1f;
    p = p * z - 3.33332819422e-1f;
    float near = p * z * x + x;
    uint32_t is_far = size < 0.625f ? 0u : 0xFFFFFFFFu; /* a NaN is far */
    uint32_t with_sign = fig__float_bits(far) | (fig__float_bits(x) & 0x80000000u);
    return fig__bits_float((with_sign & is_far) | (fig__float_bits(near) & ~is_far));
}

#endif
