/* kernels/cast_fast.c - casts in vectors; choices are made by masks and selects, never by branches */
#include "kernels/cast.h"
#include "kernels/exponential.h"
#include "kernels/parallel.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

static inline uint16_t to_bf16(float value)
{
    uint32_t bits = fig__float_bits(value), rounded = bits + 0x7fffu + (bits >> 16 & 1u);
    uint32_t nan = (bits & 0x7fffffffu) > 0x7f800000u ? 0xFFFFFFFFu : 0u;
    return (uint16_t)((((bits | 0x400000u) & nan) | (rounded & ~nan)) >> 16);
}

static inline float from_bf16(uint16_t value) { return fig__bits_float((uint32_t)value << 16); }

/* Towards zero; out of range stops at the ends, NaN becomes 0. 2147483520 is the largest float below 2^31. */
static inline int32_t to_i32(float value)
{
    float number = value != value ? 0.0f : value, high = number > 2147483520.0f ? 2147483520.0f : number;
    float inside = high < -2147483648.0f ? -2147483648.0f : high;
    return number >= 2147483648.0f ? INT32_MAX : (int32_t)inside;
}

#define CAST(name, to_type, from_type, expression)               \
    FIG_CLONES                                                   \
    void fig__fast_##name(void *to, const void *from, int64_t n) \
    {                                                            \
        to_type *restrict y = to;                                \
        const from_type *restrict x = from;                      \
        for (int64_t i = 0; i < n; i++)                          \
            y[i] = expression;                                   \
    }
CAST(bf16_to_f32, float, uint16_t, from_bf16(x[i]))
CAST(f32_to_i32, int32_t, float, to_i32(x[i]))
CAST(i32_to_f32, float, int32_t, (float)x[i])
CAST(i32_to_bf16, uint16_t, int32_t, to_bf16((float)x[i]))
CAST(bf16_to_i32, int32_t, uint16_t, to_i32(from_bf16(x[i])))

FIG_CLONES static void round_in_bits(uint16_t *restrict to, const float *restrict from, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        to[i] = to_bf16(from[i]);
}

#if defined(__x86_64__)
/* Thirty-two by one instruction, which would make 0 of subnormal numbers: where there is one, not by it. Returns how many. */
__attribute__((target("avx512f,avx512bw,avx512dq,avx512bf16")))
static int64_t round_in_vectors(uint16_t *to, const float *from, int64_t n)
{
    enum { SUBNORMAL = 0x20 };
    int64_t i = 0;
    for (; i + 32 <= n; i += 32) {
        __m512 low = _mm512_loadu_ps(from + i), high = _mm512_loadu_ps(from + i + 16);
        if (_mm512_fpclass_ps_mask(low, SUBNORMAL) | _mm512_fpclass_ps_mask(high, SUBNORMAL))
            round_in_bits(to + i, from + i, 32);
        else
            _mm512_storeu_si512(to + i, (__m512i)_mm512_cvtne2ps_pbh(high, low));
    }
    return i;
}
#endif

void fig__fast_f32_to_bf16(void *to, const void *from, int64_t n)
{
    int64_t done = 0;
#if defined(__x86_64__)
    if (n >= 32 && __builtin_cpu_supports("avx512bf16"))
        done = round_in_vectors(to, from, n);
#endif
    round_in_bits((uint16_t *)to + done, (const float *)from + done, n - done);
}

/* Bits of |w| order as integers do, and NaN stands above infinity: the largest of them is the line's largest number or says that
 * there is none. */
FIG_CLONES
static uint32_t largest_bits(const float *from, int64_t n)
{
    uint32_t largest = 0;
    for (int64_t i = 0; i < n; i++) {
        uint32_t bits = fig__float_bits(from[i]) & 0x7fffffffu;
        largest = bits > largest ? bits : largest;
    }
    return largest;
}

float fig__fast_largest(const float *from, int64_t n) { return fig__bits_float(largest_bits(from, n)); }

/* inverse is 0 for a line that is all zeros or not all finite: then nothing of it is read. */
FIG_CLONES
void fig__fast_f32_to_int8(int8_t *restrict to, const float *restrict from, float inverse, int64_t n)
{
    if (inverse > 0)
        for (int64_t i = 0; i < n; i++)
            to[i] = (int8_t)(int32_t)__builtin_rintf(from[i] * inverse);
    else
        for (int64_t i = 0; i < n; i++)
            to[i] = 0;
}

FIG_CLONES
void fig__fast_int8_to_f32(float *restrict to, const int8_t *restrict from, float scale, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        to[i] = (float)from[i] * scale;
}
