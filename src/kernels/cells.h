/* kernels/cells.h - one step of a block of recurrent units, what is left when the product is made */
#ifndef FIG_KERNELS_CELLS_H
#define FIG_KERNELS_CELLS_H

#include <stdbool.h>
#include <stdint.h>

/* Rows of the batch by at most 32 units. Pointers stand at the first row and unit; gate g of row r lies at x + r * x_row +
 * g * x_gate, and so on. void: f32, or bf16 if `narrow`. */
typedef struct fig__cells {
    int64_t rows, units;
    bool narrow;
    const float *product;  /* forward: (rows, gates, 32); backward: (rows, 32) */
    const void *x;         /* forward */
    void *dx;              /* backward, with the strides of x */
    int64_t x_row, x_gate;
    void *dz;              /* backward, GRU */
    int64_t dz_row, dz_gate;
    void *trace;           /* forward: result; backward: operand */
    int64_t trace_row, trace_gate;
    void *y;               /* h */
    int64_t y_row;
    float *extra;          /* c of an LSTM, weight_n h + bias of a GRU */
    const float *dextra;   /* backward, with the stride of extra; may be NULL */
    int64_t extra_row;
    const void *before;    /* of the step before: c of an LSTM, always f32; h of a GRU, f32 forward and where wide_before says so */
    int64_t before_row;
    bool wide_before;
    const float *bias;     /* GRU, forward */
    const void *dy;        /* backward */
    int64_t dy_row;
    float *flow;           /* backward: dc (LSTM), or the part of dh that passes by the product (GRU): in and out */
    int64_t flow_row;
    void *state;           /* forward: h for the next product; backward: dz for the next product, gates state_gate apart */
    float *wide_state;     /* forward, GRU, narrow: h for the next step, with the stride of state */
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

/* By cells_vectors_fast.c where fig__pairs_available(), which `narrow` asks for. */
void fig__fast_cells_forward(int cell, const fig__cells *c);
void fig__fast_cells_backward(int cell, const fig__cells *c);

/* By fig_cell, then f32 and narrow. */
typedef void fig__cells_step(const fig__cells *c);
extern fig__cells_step *const fig__fast_cells_vectors_forward[3][2], *const fig__fast_cells_vectors_backward[3][2];

#endif
