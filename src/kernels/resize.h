/* kernels/resize.h - the inner loops of resizing (resize_fast.c): whole lines of pixels, channels last */
#ifndef FIG_KERNELS_RESIZE_H
#define FIG_KERNELS_RESIZE_H

#include "ops/resize.h"

/* line = upper (1 - weight) + lower weight, n numbers */
void fig__fast_resize_blend(float *line, const float *upper, const float *lower, float weight, int64_t n);
/* line += row weight */
void fig__fast_resize_gather(float *line, const float *row, float weight, int64_t n);
/* Pixel j of y (columns, channels) = its two pixels of the line. */
void fig__fast_resize_columns(float *y, const float *line, const fig__resize_tap *tap, int64_t columns,
                              int64_t channels);
/* The transpose: what pixel j of the line holds is added to its two pixels of dx. */
void fig__fast_resize_columns_back(float *dx, const float *line, const fig__resize_tap *tap, int64_t columns,
                                   int64_t channels);

#endif
