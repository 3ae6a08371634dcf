/* kernels/fast.h - the inner loops of the *_fast.c files
 *
 * Those files hold no threads and no decisions: plain loops over arrays, compiled with fast-math and once per processor
 * generation (FIG_CLONES). The kernels beside them split the work and call these. All arrays are f32 and dense unless a
 * stride is given. */
#ifndef FIG_KERNELS_FAST_H
#define FIG_KERNELS_FAST_H

#include "ops/attributes.h"

/* -- matmul_rows_fast.c: products with at most FIG__ROWS rows, bound by reading the other operand once ------------------------ */
#define FIG__ROWS 4
/* c[i * c_row + j * c_column] = sum over k of a[i * k_length + k] * b[j * b_row + k], for i < m, j < n. */
void fig__fast_rows_dot(int m, int64_t n, int64_t k, const float *a, const float *b, int64_t b_row, float *c, int64_t c_row,
                        int64_t c_column);
/* c[i * c_row + j * c_column] = sum over k of a[i * k_length + k] * b[k * b_row + j]; n at most FIG__ROWS_WIDTH. */
#define FIG__ROWS_WIDTH 512
void fig__fast_rows_axpy(int m, int64_t n, int64_t k, const float *a, const float *b, int64_t b_row, float *c, int64_t c_row,
                         int64_t c_column);

/* -- epilogue_fast.c ------------------------------------------------------------------------------------------------------------ */
/* c (rows, n) = activation(c + bias); bias (n) may be NULL. */
void fig__fast_epilogue(float *c, int64_t rows, int64_t n, const float *bias, const fig_epilogue *after);

#endif
