/* kernels/cast.h - arrays of one element type into another (cast_fast.c); the rules are those of ops/cast.c, to the bit */
#ifndef FIG_KERNELS_CAST_H
#define FIG_KERNELS_CAST_H

#include <stdint.h>

typedef void fig__cast(void *to, const void *from, int64_t n);
fig__cast fig__fast_f32_to_bf16, fig__fast_bf16_to_f32, fig__fast_f32_to_i32, fig__fast_i32_to_f32,
    fig__fast_i32_to_bf16, fig__fast_bf16_to_i32;

#endif
