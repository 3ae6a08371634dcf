/* kernels/pieces_fast.c - results of gates from their traces, in f32 (kernels/pieces.c) */
#include "kernels/pieces.h"
#include "kernels/parallel.h"

FIG_CLONES
void fig__fast_gated(float *restrict z, int64_t z_row, const float *restrict trace, int64_t trace_row, int64_t half, int64_t rows,
                     int64_t n)
{
    for (int64_t i = 0; i < rows; i++, z += z_row, trace += trace_row)
        for (int64_t j = 0; j < n; j++)
            z[j] = trace[j] * trace[half + j];
}
