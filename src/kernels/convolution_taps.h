/* kernels/convolution_taps.h - the register tiles of convolution_taps.c */
#ifndef FIG_KERNELS_CONVOLUTION_TAPS_H
#define FIG_KERNELS_CONVOLUTION_TAPS_H

#include <stdint.h>

/* Places that follow one another in a line of the output, seen by one tap: dy's, and x's that the tap reads. */
typedef struct fig__segment {
    const float *x, *dy;
    int64_t places;
} fig__segment;

/* outputs x 16 vectors numbers of dw, a row `row` apart, over all segments:
 *     dw[o][i] = (add ? dw[o][i] : 0) + sum over places of dy[o] x[i];
 * x steps by x_step, dy by dy_step from place to place. Only where the processor has AVX-512; 1 to 8 outputs, 1 or 2 vectors. */
enum { FIG__TAP_OUTPUTS = 8, FIG__TAP_VECTORS = 2, FIG__TAP_LANES = 16 };
void fig__fast_tap_sums(int outputs, int vectors, const fig__segment *segment, int64_t segments, int64_t x_step, int64_t dy_step,
                        int add, float *dw, int64_t row);

#endif
