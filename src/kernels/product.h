/* kernels/product.h - a matmul node read into plain numbers, for the kernels that compute it */
#ifndef FIG_KERNELS_PRODUCT_H
#define FIG_KERNELS_PRODUCT_H

#include "kernels/kernel.h"

/* c[i] (m, n) = a[i] (m, k) b[i] (k, n) for i < batch. Leading axes are flattened: a (B, T, k) times a plain (k, n) is one
 * product with m = B * T. Offsets are in elements, repeated where a leading axis broadcasts. */
typedef struct fig__product {
    int64_t m, n, k, batch;
    bool transpose_a, transpose_b;
    int64_t *a_at, *b_at;      /* (batch) */
    int64_t a_step, b_step;    /* distance of consecutive offsets; -1 when they are not evenly spaced */
    int64_t a_row, b_row;      /* row lengths as stored */
    fig_epilogue after;
    bool narrow, narrow_out;   /* operands, result stored in bf16 */
} fig__product;

/* Of a matmul or matmul_fused node with f32 operands; with operands stored in bf16, whose bias is f32 and whose result is either. */
bool fig__product_f32(const fig_kernel_query *q);
bool fig__product_bf16(const fig_kernel_query *q);
void fig__product_init(fig__product *p, const fig_kernel_query *q);
void fig__product_clear(fig__product *p);

/* c (rows, n) = activation(c + bias) in up to `threads` threads; nothing to do is fine. bias may be NULL. */
/* run NULL: on this thread alone. */
void fig__epilogue(float *c, int64_t rows, int64_t n, const float *bias, const fig_epilogue *after, const fig_run *run);
static inline const float *fig__epilogue_bias(const fig_eval *c, const fig_epilogue *after)
{
    return after->bias ? FIG_F32_IN(c, 2) : NULL;
}

#endif
