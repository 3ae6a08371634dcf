/* ops/bf16.h - bf16 numbers: the upper half of an f32
 *
 * Eight bits of mantissa, the whole range of f32. To bf16: to the nearest, ties to even; NaN stays NaN, beyond the largest is
 * infinity. From bf16 is exact. */
#ifndef FIG_OPS_BF16_H
#define FIG_OPS_BF16_H

#include <stdint.h>
#include <string.h>

static inline uint16_t fig__to_bf16(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    if ((bits & 0x7fffffff) > 0x7f800000)
        return (uint16_t)(bits >> 16 | 0x40); /* a quiet NaN, whatever its low bits were */
    return (uint16_t)((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

static inline float fig__from_bf16(uint16_t value)
{
    uint32_t bits = (uint32_t)value << 16;
    float result;
    memcpy(&result, &bits, sizeof result);
    return result;
}

#endif
