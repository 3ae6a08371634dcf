/* kernels/winograd.h - the transforms of 3x3 convolutions with fewer multiplications (kernels/convolution_winograd.c)
 *
 * A window of 4x4 places makes 2x2 results (Lavin and Gray 2015, after Winograd):
 *
 *     y = A' [ (G w G') o (B' x B) ] A       o: element by element, summed over the channels as 16 matrix products
 *
 *          | 1  0 -1  0 |        | 1   0   0  |         | 1  1  1  0 |
 *     B' = | 0  1  1  0 |    G = | 1/2 1/2 1/2|    A' = | 0  1 -1 -1 |
 *          | 0 -1  1  0 |        | 1/2-1/2 1/2|
 *          | 0  1  0 -1 |        | 0   0   1  |
 *
 * All factors are powers of two, so a transform only rounds its additions. Everything is a row of channels at a time; the element
 * at row i, column j of a transformed window is plane 4 i + j. `half` makes planes 0 to 7 (0) or 8 to 15 (1), which share no work. */
#ifndef FIG_KERNELS_WINOGRAD_H
#define FIG_KERNELS_WINOGRAD_H

#include "kernels/windows.h"

/* v[(4 i + j - 8 half) plane + c] = B' x B of the window whose 16 places are given row by row */
void fig__fast_winograd_window(const float *const *place, int half, int64_t channels, float *v, int64_t plane);
/* d[... the same] = A y A' of the 2x2 places given */
void fig__fast_winograd_result(const float *const *place, int half, int64_t channels, float *d, int64_t plane);
/* The 2x2 places = A' m A, m[(4 i + j) plane + c] */
void fig__fast_winograd_make(const float *m, int64_t plane, int64_t channels, float *const *place);
/* u[(4 i + j) plane + c] = G w G' of the nine taps given */
void fig__fast_winograd_weights(const float *const *tap, int64_t channels, float *u, int64_t plane);
/* The nine taps = G' m G */
void fig__fast_winograd_taps(const float *m, int64_t plane, int64_t channels, float *const *tap);

/* -- what f32 and bf16 share (convolution_winograd.c) ---------------------------------------------------------------------------- */

/* Whether a node is a 3x3 convolution with stride 1, in either precision, of at least so many channels both ways. */
bool fig__winograd_read(fig__conv *v, const fig_kernel_query *q, int64_t least);
int64_t fig__winograd_windows(const fig__conv *v); /* of 2x2 results, in the batch */
/* Weight gradient, of a fig__windows_work: sums of all groups, then the taps; parts own outputs. */
void fig__winograd_taps(void *work, int part, int parts);

#endif
