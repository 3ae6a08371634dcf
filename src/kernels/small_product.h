/* kernels/small_product.h - products of small matrices in place, for kernels that make many of them
 *
 * A library's product packs its operands and decides about threads: one or two microseconds, as much as a whole product of
 * 32 x 64 x 32. Here operands are taken as they lie and the result is kept in registers; it needs rows of b that run straight.
 * With AVX-512 only; elsewhere the library's product is called. */
#ifndef FIG_KERNELS_SMALL_PRODUCT_H
#define FIG_KERNELS_SMALL_PRODUCT_H

#include <stdbool.h>
#include <stdint.h>

/* c[i * c_row + j] = more * c + sum over l < k of a[i * a_row + l * a_column] * b[l * b_row + j], i < m, j < n; more is 0 or 1 (0: c
 * is not read). Either a_row or a_column is 1. */
void fig__small_product(int64_t m, int64_t n, int64_t k, const float *a, int64_t a_row, int64_t a_column, const float *b, int64_t b_row,
                        bool more, float *c, int64_t c_row);
/* small_product_fast.c: the same where the processor can, else false. */
bool fig__fast_small_product(int64_t m, int64_t n, int64_t k, const float *a, int64_t a_row, int64_t a_column, const float *b,
                             int64_t b_row, bool more, float *c, int64_t c_row);

#endif
