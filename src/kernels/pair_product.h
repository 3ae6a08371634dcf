/* kernels/pair_product.h - products of bf16 matrices as the processor multiplies them: by pairs
 *
 * One instruction of AVX512_BF16 adds to each of 16 f32 sums the products of two bf16 pairs. So operands are read in units of 32
 * bits, each two neighbours along the summed axis:
 *
 *     c[i * c_row + j] = more * c + sum over l < k of  a[i * a_row + l * a_column] . b[l * b_row + j]     a, b: pairs
 *
 * A bf16 matrix whose rows run along the summed axis is such an a as it lies, or such a b after a transposition of 32-bit
 * units. One whose rows run across it has its rows joined two by two (fig__fast_pair_rows). Of an odd number the last pair's
 * second half must be 0 on one side. */
#ifndef FIG_KERNELS_PAIR_PRODUCT_H
#define FIG_KERNELS_PAIR_PRODUCT_H

#include "kernels/panel.h"

#include <stdbool.h>
#include <stdint.h>

/* Whether this processor has the instructions; the functions below must not be called otherwise. */
bool fig__pairs_available(void);
void fig__fast_pair_product(int64_t m, int64_t n, int64_t k, const uint32_t *a, int64_t a_row, int64_t a_column, const uint32_t *b,
                            int64_t b_row, bool more, float *c, int64_t c_row);
/* c[i * c_row + j] = sum over l < pairs of a[i * a_row + l] . panel[l * 32 + j], for i < rows <= FIG__TILE_ROWS and j < 32, asking for
 * lines meanwhile: as kernels/panel.h. */
void fig__fast_pair_panel(int64_t rows, int64_t pairs, const uint32_t *a, int64_t a_row, const uint32_t *panel, float *c, int64_t c_row,
                          fig__lines ask);
/* to[j] = (first[j], second[j]); second NULL = zeros. */
void fig__fast_pair_rows(uint32_t *to, const uint16_t *first, const uint16_t *second, int64_t n);
/* The same from f32, rounded. */
void fig__fast_pair_rows_f32(uint32_t *to, const float *first, const float *second, int64_t n);

#endif
