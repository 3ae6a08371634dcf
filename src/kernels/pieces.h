/* kernels/pieces.h - the inner loop of products of pieces (kernels/pieces.c) */
#ifndef FIG_KERNELS_PIECES_H
#define FIG_KERNELS_PIECES_H

#include <stdint.h>

/* z[i * z_row + j] = trace[i * trace_row + j] trace[i * trace_row + half + j], for i < rows and j < n. */
void fig__fast_gated(float *z, int64_t z_row, const float *trace, int64_t trace_row, int64_t half, int64_t rows, int64_t n);

#endif
