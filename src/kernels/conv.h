/* kernels/conv.h - a convolution node read into plain numbers, for the kernels that compute it
 *
 * All three ops are one form (ops/convolution.c): x (B, in..., C), w (O, kernel..., C / groups), y (B, out..., O). Forward makes
 * y, the data gradient makes x, the weight gradient makes w. Axes that a node lacks have size 1 here, placed first, so that
 * the last of the three is always the node's innermost: its taps times channels are one straight run in memory. */
#ifndef FIG_KERNELS_CONV_H
#define FIG_KERNELS_CONV_H

#include "kernels/kernel.h"

typedef enum fig__conv_kind { FIG__CONV_FORWARD, FIG__CONV_DATA, FIG__CONV_WEIGHT } fig__conv_kind;

typedef struct fig__conv {
    fig__conv_kind kind;
    int spatial;               /* of the node: 1 to 3 */
    int64_t batch, channels, outputs, groups;
    int64_t in[3], out[3], kernel[3], stride[3], dilation[3], before[3], after[3];
    int64_t in_places, out_places, taps; /* products of the above */
    fig_epilogue after_sum;    /* bias and activation of convolution_fused */
    bool narrow, narrow_out;   /* operands (not the bias), result stored in bf16 */
    bool plus;                 /* of convolution_plus: operand 2 is added, a bias is operand 3; sums of columns are result 1 */
} fig__conv;

/* False for anything but f32 operands of the four ops; bf16 also where products are in bf16 and this processor has the instructions. */
bool fig__conv_read(fig__conv *v, const fig_kernel_query *q);
bool fig__conv_read_any(fig__conv *v, const fig_kernel_query *q);
double fig__conv_flops(const fig__conv *v);
/* One window position sees the whole input, each element once: the op is a plain product of (B, in * C) and (O, in * C). */
bool fig__conv_is_dense(const fig__conv *v);
/* Kernel of size 1, no padding, stride 1: a product over the channels at every place. */
bool fig__conv_is_pointwise(const fig__conv *v);

#endif
