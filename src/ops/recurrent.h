/* ops/recurrent.h - where the operands and results of the two recurrent ops stand
 *
 * What the gradient needs of each step is kept by the forward op; what belongs to a step lies in (B, T, ...).
 *
 *   recurrent            operands  x (B, T, G H), weight (G H, H), h (B, H), and c (B, H) of an LSTM, bias (H) of a GRU
 *                        results   trace (B, T, G H): the gates after their functions; of a plain cell that is h itself
 *                                  h (B, T, H)        LSTM and GRU
 *                                  extra (B, T, H)    LSTM: c; GRU: weight_n h + bias, before the reset gate
 *   recurrent_gradient   operands  trace, weight, dh (B, T, H), then  LSTM: c, c before the first step, and dc if there is one
 *                                                                     GRU: h, h before the first step, extra
 *                        results   dx (B, T, G H), dh (B, H) before the first step, then  LSTM: dc (B, H) before the first step
 *                                                                                        GRU: dz (B, T, G H)
 *
 * dz is the gradient of the recurrent products; it differs from dx in a GRU only, by the reset gate. The weight's gradient is
 * one product over all steps, dz' h, made beside the op. */
#ifndef FIG_OPS_RECURRENT_H
#define FIG_OPS_RECURRENT_H

#include "ops/attributes.h"

enum { FIG__X, FIG__WEIGHT, FIG__H, FIG__C, FIG__CELL_BIAS = FIG__C };           /* operands of recurrent */
enum { FIG__TRACE, FIG__HIDDEN, FIG__EXTRA };                                    /* results */
enum { FIG__D_HIDDEN = 2, FIG__LSTM_C = 3, FIG__LSTM_C_FIRST, FIG__LSTM_DC };    /* operands of the gradient */
enum { FIG__GRU_H = 3, FIG__GRU_H_FIRST, FIG__GRU_EXTRA };
enum { FIG__DX, FIG__DH_FIRST, FIG__LSTM_DC_FIRST, FIG__GRU_DZ = FIG__LSTM_DC_FIRST }; /* results of the gradient */

static inline int fig__cell_gates(int cell) { return cell == FIG_CELL_TANH ? 1 : cell == FIG_CELL_LSTM ? 4 : 3; }

#endif
