/* kernels/columns.h - windows of a convolution laid out as rows of a matrix
 *
 * Row (b, o1, o2, o3) of the columns matrix holds what that output place sees: (k1, k2, k3, c), zeros where it sees padding.
 * Weights (O, k1, k2, k3, c) are rows of the same kind, so convolutions become products of the two. Channels last makes the
 * copying cheap: (k3, c) of one window row is one straight run when the innermost dilation is 1. */
#ifndef FIG_KERNELS_COLUMNS_H
#define FIG_KERNELS_COLUMNS_H

#include "kernels/conv.h"

/* Rows [first_row, first_row + rows) of x's columns, into `out` (rows, taps * channels). Without groups. */
void fig__columns_gather(const fig__conv *v, const float *x, int64_t first_row, int64_t rows, float *out);
/* The opposite for whole images: dx[b] = sum of the columns that lie on each place, for `count` images from `columns`
 * (count * out places, taps * channels). Of dx (count, in..., channels) only the lines [first, last) of the middle spatial axis
 * are written, so that parts can share an image. */
void fig__columns_scatter(const fig__conv *v, const float *columns, int64_t count, int64_t first, int64_t last, float *dx);

#endif
