/* kernels/pair_steps.h - the inner loops of bf16 convolutions along one axis (kernels/convolution_pair_steps.c, convolution_pair_sums.c)
 *
 * Operands are read in units of 32 bits, two neighbours along the summed axis (kernels/pair_product.h). A tile is up to thirteen
 * steps by 32 columns, all its sums in registers. Each step of its products asks for one place of memory that will be wanted soon, so
 * that reading and writing of long sequences goes on beside them. Only where fig__pairs_available(). */
#ifndef FIG_KERNELS_PAIR_STEPS_H
#define FIG_KERNELS_PAIR_STEPS_H

#include <stdint.h>

#define FIG__PAIR_ROWS 13
#define FIG__PAIR_COLUMNS 32

/* Memory that is asked for: `step` bytes further each time; step 0 = the same place again and again. */
typedef struct fig__pair_ask {
    const char *at;
    int64_t step;
} fig__pair_ask;

/* One product of a sum of products: row i of the left side is the pairs at rows + i * row; panel[l * 32 + j] is the right side's. */
typedef struct fig__pair_source {
    const uint32_t *rows;
    int64_t row, pairs;
    const uint32_t *panel;
    fig__pair_ask ask;
} fig__pair_source;

typedef struct fig__pair_tile {
    int sources;
    const fig__pair_source *source;
    const float *bias; /* 32 numbers that the sums begin with */
} fig__pair_tile;

/* c[i * c_row + j] = the sums of row i, for i < rows <= 13 and j < 32; bf16: rounded. */
void fig__fast_pair_steps(const fig__pair_tile *t, int64_t rows, float *c, int64_t c_row);
void fig__fast_pair_steps_bf16(const fig__pair_tile *t, int64_t rows, uint16_t *c, int64_t c_row);
/* A gate of sums (rows, 32): a in columns 0 to 15, b in the others. trace = tanh(a), and s(b) `half` further; y = their product. */
void fig__fast_pair_gate(const float *sums, int64_t rows, uint16_t *trace, int64_t trace_row, int64_t half, uint16_t *y, int64_t y_row);

/* sum[i * sum_row + j] += sum over l < pairs of d[l * d_row + i] . panel[l * 32 + j], for i < rows <= 13 and j < 32. */
void fig__fast_pair_outer(int64_t rows, int64_t pairs, const uint32_t *d, int64_t d_row, const uint32_t *panel, float *sum,
                          int64_t sum_row, fig__pair_ask ask);
/* z[j] = a[j] b[j], rounded: the result of a gate from its trace. */
void fig__fast_pair_gated(uint16_t *z, const uint16_t *a, const uint16_t *b, int64_t n);
/* to[l * to_row + j] = (from[2 l * from_row + j], from[(2 l + 1) * from_row + j]), for j < columns. */
void fig__fast_pair_join(uint32_t *to, int64_t to_row, const uint16_t *from, int64_t from_row, int64_t pairs, int64_t columns);

/* The same of gates' results: number i is from[i] from[i + half], rounded. columns: a multiple of 16. */
void fig__fast_pair_join_gated(uint32_t *to, int64_t to_row, const uint16_t *from, int64_t from_row, int64_t half, int64_t pairs,
                               int64_t columns);

#endif
