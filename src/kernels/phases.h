/* kernels/phases.h - the transforms of 2x2 convolutions with fewer multiplications, of which four make a 4x4 convolution with stride 2
 * (kernels/convolution_phases.c)
 *
 * A window of 3x3 places makes 2x2 results (Winograd 1980; Lavin and Gray 2015): nine products instead of sixteen,
 *
 *     y = A' [ (G w G') o (B' x B) ] A       o: element by element, summed over the channels as 9 matrix products
 *
 *          | 1 -1  0 |        | 1 0 |         | 1  1  0 |
 *     B' = | 0  1  0 |    G = | 1 1 |    A' = | 0  1 -1 |
 *          | 0  1 -1 |        | 0 1 |
 *
 * There are no factors, so a transform only rounds its additions. Everything is a row of channels at a time; the element at row i,
 * column j of a transformed window is plane 3 i + j. */
#ifndef FIG_KERNELS_PHASES_H
#define FIG_KERNELS_PHASES_H

#include <stdint.h>

/* v[(3 i + j) plane + c] = B' x B of the nine places given row by row */
void fig__fast_phase_window(const float *const *place, int64_t channels, float *v, int64_t plane);
/* d[... the same] = A y A' of the 2x2 places given */
void fig__fast_phase_result(const float *const *place, int64_t channels, float *d, int64_t plane);
/* The 2x2 places = A' m A, m[(3 i + j) plane + c] */
void fig__fast_phase_make(const float *m, int64_t plane, int64_t channels, float *const *place);
/* u[(3 i + j) plane + c] = G w G' of the 2x2 taps given */
void fig__fast_phase_weights(const float *const *tap, int64_t channels, float *u, int64_t plane);
/* The 2x2 taps = G' m G */
void fig__fast_phase_taps(const float *m, int64_t plane, int64_t channels, float *const *tap);

#endif
