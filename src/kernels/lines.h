/* kernels/lines.h - one row times the lines of a matrix that is stored in f32, bf16 or as int8 (ops/int8.h) */
#ifndef FIG_KERNELS_LINES_H
#define FIG_KERNELS_LINES_H

#include "kernels/fast.h"
#include "ops/int8.h"
#include "ops/op.h"

/* y[j] = sum over k of a[k] w[begin + j][k], for j < n; w is (lines, k). */
static inline void fig__lines(const fig_tensor *w, int64_t begin, int64_t n, int64_t k, const float *a, float *y)
{
    if (w->type.dtype == FIG_BF16)
        fig__fast_lines_bf16(n, k, a, (const uint16_t *)w->data + begin * k, y);
    else if (w->type.dtype == FIG_I8)
        fig__fast_lines_int8(n, k, a, (const int8_t *)w->data + begin * k, fig__int8_scales(&w->type, w->data) + begin, y);
    else
        fig__fast_lines_f32(n, k, a, (const float *)w->data + begin * k, y);
}

#endif
