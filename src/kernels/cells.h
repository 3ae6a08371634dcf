/* kernels/cells.h - one step of a block of recurrent units, what is left when the product is made */
#ifndef FIG_KERNELS_CELLS_H
#define FIG_KERNELS_CELLS_H

#include <stdint.h>

/* Rows of the batch by at most 32 units. Pointers stand at the first row and unit; gate g of row r lies at x + r * x_row +
 * g * x_gate, and so on. */
typedef struct fig__cells {
    int64_t rows, units;
    const float *product;  /* forward: (rows, gates, 32); backward: (rows, 32) or NULL before the last step */
    const float *x;        /* forward */
    float *dx;             /* backward, with the strides of x */
    int64_t x_row, x_gate;
    float *dz;             /* backward, GRU */
    int64_t dz_row, dz_gate;
    float *trace;          /* forward: result; backward: operand */
    int64_t trace_row, trace_gate;
    float *y;              /* h */
    int64_t y_row;
    float *extra;          /* c of an LSTM, weight_n h + bias of a GRU */
    const float *dextra;   /* backward, with the stride of extra; may be NULL */
    int64_t extra_row;
    const float *before;   /* c (LSTM) or h (GRU) of the step before */
    int64_t before_row;
    const float *bias;     /* GRU, forward */
    const float *dy;       /* backward */
    int64_t dy_row;
    float *flow;           /* backward: dc (LSTM), or the part of dh that passes by the product (GRU): in and out */
    int64_t flow_row;
    float *state;          /* forward: h for the next product; backward: dz for the next product, gates state_gate apart */
    int64_t state_row, state_gate;
} fig__cells;

/* A block of cells between bf16 and f32: rows by gates by units, with strides on both sides. */
typedef struct fig__cell_block {
    int64_t rows, gates, units, wide_row, wide_gate, narrow_row, narrow_gate;
} fig__cell_block;
void fig__fast_cells_widen(const fig__cell_block *b, float *wide, const uint16_t *narrow);
void fig__fast_cells_narrow(const fig__cell_block *b, const float *wide, uint16_t *narrow);
/* In place: each number becomes the nearest bf16 one. */
void fig__fast_cells_round(const fig__cell_block *b, float *wide);

/* By fig_cell. */
typedef void fig__cells_step(const fig__cells *c);
extern fig__cells_step *const fig__fast_cells_forward[3], *const fig__fast_cells_backward[3];

#endif
