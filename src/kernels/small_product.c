/* kernels/small_product.c - small products: by hand where the processor has AVX-512, else the library's */
#include "kernels/small_product.h"
#include "kernels/onednn.h"

void fig__small_product(int64_t m, int64_t n, int64_t k, const float *a, int64_t a_row, int64_t a_column, const float *b, int64_t b_row,
                        bool more, float *c, int64_t c_row)
{
    if (fig__fast_small_product(m, n, k, a, a_row, a_column, b, b_row, more, c, c_row))
        return;
    bool transposed = a_column != 1;
    fig__gemm(transposed, false, m, n, k, a, transposed ? a_column : a_row, b, b_row, more ? 1.0f : 0.0f, c, c_row);
}
