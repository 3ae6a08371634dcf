/* kernels/small_product.c - small products: by hand where the processor has AVX-512, else the library's */
#include "kernels/small_product.h"
#include "kernels/move.h"
#include "kernels/onednn.h"

void fig__small_product(int64_t m, int64_t n, int64_t k, const float *a, int64_t a_row, int64_t a_column, const float *b, int64_t b_row,
                        bool more, float *c, int64_t c_row)
{
    if (fig__fast_small_product(m, n, k, a, a_row, a_column, b, b_row, more, c, c_row))
        return;
    bool transposed = a_column != 1;
    fig__gemm(transposed, false, m, n, k, a, transposed ? a_column : a_row, b, b_row, more ? 1.0f : 0.0f, c, c_row);
}

void fig__small_transpose(float *to, int64_t to_row, const float *from, int64_t from_row, int64_t rows, int64_t columns)
{
    fig__fast_transpose_4((uint32_t *)(void *)to, to_row, (const uint32_t *)(const void *)from, from_row, columns, rows);
}
