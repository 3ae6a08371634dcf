/* kernels/sample.h - the inner loops of reading between pixels (sample_fast.c): n channels of one place */
#ifndef FIG_KERNELS_SAMPLE_H
#define FIG_KERNELS_SAMPLE_H

#include "ops/sample_bilinear.h"

/* y = the four pixels of the cell, weighted; pixels are `channels` apart */
void fig__fast_sample(const fig__cell *cell, int64_t channels, int64_t n, const float *picture, float *y);
/* The pixels of dx += weight dy */
void fig__fast_sample_spread(const fig__cell *cell, int64_t channels, int64_t n, const float *dy, float *dx);
/* slope[0], slope[1] = sum over channels of dy times the derivative by row and by column */
void fig__fast_sample_slope(const fig__cell *cell, int64_t n, const float *picture, const float *dy, float slope[2]);

#endif
