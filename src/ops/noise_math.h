/* ops/noise_math.h - from random words to numbers
 *
 * These formulas are part of what "same seed, same samples" means and never change. They vectorise; kernels that fill whole
 * tensors use them on the words of consecutive Philox blocks. */
#ifndef FIG_OPS_NOISE_MATH_H
#define FIG_OPS_NOISE_MATH_H

#include <math.h>
#include <stdint.h>

/* [0, 1): multiples of 2^-24, all of them floats. */
static inline float fig__noise_uniform(uint32_t word) { return (float)(int32_t)(word >> 8) * 0x1p-24f; }

/* Box-Muller. Elements 2j and 2j + 1 share the words of both: radius from the even one's word, angle from the odd one's.
 * The radius draws from (0, 1] in steps of 2^-32, so that |z| reaches 6.7. */
static inline float fig__noise_radius(uint32_t even) { return sqrtf(-2.0f * logf((float)even * 0x1p-32f + 0x1p-33f)); }
static inline float fig__noise_angle(uint32_t odd) { return 6.2831853071795865f * fig__noise_uniform(odd); }
static inline float fig__noise_normal_even(uint32_t even, uint32_t odd)
{
    return fig__noise_radius(even) * cosf(fig__noise_angle(odd));
}
static inline float fig__noise_normal_odd(uint32_t even, uint32_t odd)
{
    return fig__noise_radius(even) * sinf(fig__noise_angle(odd));
}

/* Gumbel(0, 1): -log(-log u), u in (0, 1) exclusive: 23 bits and a half, which is exact in a float. */
static inline float fig__noise_gumbel(uint32_t word)
{
    return -logf(-logf(((float)(int32_t)(word >> 9) + 0.5f) * 0x1p-23f));
}

#endif
