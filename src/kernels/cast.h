/* kernels/cast.h - arrays of one element type into another (cast_fast.c); the rules are those of ops/cast.c, to the bit */
#ifndef FIG_KERNELS_CAST_H
#define FIG_KERNELS_CAST_H

#include <stdint.h>

typedef void fig__cast(void *to, const void *from, int64_t n);
fig__cast fig__fast_f32_to_bf16, fig__fast_bf16_to_f32, fig__fast_f32_to_i32, fig__fast_i32_to_f32,
    fig__fast_i32_to_bf16, fig__fast_bf16_to_i32;

/* One line of int8 storage (ops/int8.h). Its largest |w|, NaN where one is: the scale is made of that outside of fast-math, which would
 * divide by multiplying; then the bytes, by `inverse`; and back. */
float fig__fast_largest(const float *from, int64_t n);
void fig__fast_f32_to_int8(int8_t *to, const float *from, float inverse, int64_t n);
void fig__fast_int8_to_f32(float *to, const int8_t *from, float scale, int64_t n);

#endif
