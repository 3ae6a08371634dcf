/* kernels/cells.h - one step of a block of recurrent units, what is left when the product is made */
#ifndef FIG_KERNELS_CELLS_H
#define FIG_KERNELS_CELLS_H

#include <stdint.h>

/* Rows of the batch by at most 32 units. Pointers stand at the first row and unit; gate g of row r lies at x + r * x_row +
 * g * x_gate. `x` and `trace` share their strides, as do all that have one number per unit and step (y_row). */
typedef struct fig__cells {
    int64_t rows, units;
    const float *product;  /* forward: (rows, gates, 32); backward: (rows, 32) or NULL before the last step */
    const float *x;        /* forward */
    float *trace;          /* forward: result; backward: operand */
    int64_t x_row, x_gate;
    float *y, *extra;      /* h; c of an LSTM, weight_n h + bias of a GRU */
    const float *before;   /* c (LSTM) or h (GRU) of the step before */
    int64_t y_row, before_row;
    const float *bias;     /* GRU, forward */
    const float *dy, *dextra; /* backward; dextra may be NULL */
    float *flow;           /* backward: dc (LSTM), or the part of dh that passes by the product (GRU): in and out */
    int64_t flow_row;
    float *dx, *dz;        /* backward, strides of x; dz: GRU only */
    float *state;          /* forward: h for the next product; backward: dz for the next product, gates state_gate apart */
    int64_t state_row, state_gate;
} fig__cells;

/* By fig_cell. */
typedef void fig__cells_step(const fig__cells *c);
extern fig__cells_step *const fig__fast_cells_forward[3], *const fig__fast_cells_backward[3];

#endif
