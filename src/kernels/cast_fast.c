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
