/* kernels/cast_fast.c - casts in vectors; choices are made by masks and selects, never by branches */
#include "kernels/cast.h"
#include "kernels/exponential.h"
#include "kernels/parallel.h"

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
CAST(f32_to_bf16, uint16_t, float, to_bf16(x[i]))
CAST(bf16_to_f32, float, uint16_t, from_bf16(x[i]))
CAST(f32_to_i32, int32_t, float, to_i32(x[i]))
CAST(i32_to_f32, float, int32_t, (float)x[i])
CAST(i32_to_bf16, uint16_t, int32_t, to_bf16((float)x[i]))
CAST(bf16_to_i32, int32_t, uint16_t, to_i32(from_bf16(x[i])))

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
