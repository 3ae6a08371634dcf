/* kernels/cells_fast.c - the element-by-element part of recurrent steps (ops/recurrent.c has the formulas) */
#include "kernels/cells.h"
#include "kernels/exponential.h"
#include "kernels/pair_product.h"
#include "kernels/panel.h"
#include "kernels/parallel.h"

#include <stddef.h>

/* One row; the loops over units are asked for as vectors: results may stand where operands stood. */
#define EACH_UNIT _Pragma("omp simd") for (int64_t j = 0; j < n; j++)

FIG_CLONES
static void tanh_forward(const fig__cells *c)
{
    int64_t n = c->units;
    for (int64_t r = 0; r < c->rows; r++) {
        const float *z = c->product + r * FIG__PANEL, *x = (const float *)c->x + r * c->x_row;
        float *y = (float *)c->trace + r * c->trace_row, *state = (float *)c->state + r * c->state_row;
        EACH_UNIT y[j] = state[j] = fig__tanh(x[j] + z[j]);
    }
}

FIG_CLONES
static void lstm_forward(const fig__cells *c)
{
    int64_t n = c->units, gate = c->x_gate, kept = c->trace_gate;
    for (int64_t r = 0; r < c->rows; r++) {
        const float *z = c->product + r * 4 * FIG__PANEL, *x = (const float *)c->x + r * c->x_row;
        const float *before = (const float *)c->before + r * c->before_row;
        float *trace = (float *)c->trace + r * c->trace_row, *cell = c->extra + r * c->extra_row;
        float *y = (float *)c->y + r * c->y_row;
        float *state = (float *)c->state + r * c->state_row;
        EACH_UNIT
        {
            float in = fig__logistic(x[j] + z[j]), forget = fig__logistic(x[gate + j] + z[FIG__PANEL + j]);
            float g = fig__tanh(x[2 * gate + j] + z[2 * FIG__PANEL + j]);
            float out = fig__logistic(x[3 * gate + j] + z[3 * FIG__PANEL + j]);
            float now = forget * before[j] + in * g, h = out * fig__tanh(now);
            trace[j] = in;
            trace[kept + j] = forget;
            trace[2 * kept + j] = g;
            trace[3 * kept + j] = out;
            cell[j] = now;
            y[j] = state[j] = h;
        }
    }
}

FIG_CLONES
static void gru_forward(const fig__cells *c)
{
    int64_t n = c->units, gate = c->x_gate, kept = c->trace_gate;
    const float *bias = c->bias;
    for (int64_t r = 0; r < c->rows; r++) {
        const float *z = c->product + r * 3 * FIG__PANEL, *x = (const float *)c->x + r * c->x_row;
        const float *before = (const float *)c->before + r * c->before_row;
        float *trace = (float *)c->trace + r * c->trace_row, *extra = c->extra + r * c->extra_row;
        float *y = (float *)c->y + r * c->y_row;
        float *state = (float *)c->state + r * c->state_row;
        EACH_UNIT
        {
            float reset = fig__logistic(x[j] + z[j]), update = fig__logistic(x[gate + j] + z[FIG__PANEL + j]);
            float part = z[2 * FIG__PANEL + j] + bias[j], fresh = fig__tanh(x[2 * gate + j] + reset * part);
            trace[j] = reset;
            trace[kept + j] = update;
            trace[2 * kept + j] = fresh;
            extra[j] = part;
            y[j] = state[j] = fresh + update * (before[j] - fresh);
        }
    }
}

FIG_CLONES
static void tanh_backward(const fig__cells *c)
{
    int64_t n = c->units;
    for (int64_t r = 0; r < c->rows; r++) {
        const float *y = (float *)c->trace + r * c->trace_row, *dy = (const float *)c->dy + r * c->dy_row;
        const float *z = c->product + r * FIG__PANEL;
        float *dx = (float *)c->dx + r * c->x_row, *state = (float *)c->state + r * c->state_row;
        EACH_UNIT dx[j] = state[j] = (dy[j] + z[j]) * (1.0f - y[j] * y[j]);
    }
}

FIG_CLONES
static void lstm_backward(const fig__cells *c)
{
    int64_t n = c->units, gate = c->x_gate, kept = c->trace_gate, apart = c->state_gate;
    for (int64_t r = 0; r < c->rows; r++) {
        const float *trace = (float *)c->trace + r * c->trace_row, *cell = c->extra + r * c->extra_row;
        const float *before = (const float *)c->before + r * c->before_row;
        const float *dy = (const float *)c->dy + r * c->dy_row, *z = c->product + r * FIG__PANEL;
        const float *dcell = c->dextra ? c->dextra + r * c->extra_row : NULL;
        float *dx = (float *)c->dx + r * c->x_row, *state = (float *)c->state + r * c->state_row;
        float *flow = c->flow + r * c->flow_row;
        if (dcell)
            EACH_UNIT flow[j] += dcell[j];
        EACH_UNIT
        {
            float in = trace[j], forget = trace[kept + j], g = trace[2 * kept + j], out = trace[3 * kept + j];
            float squashed = fig__tanh(cell[j]), dh = dy[j] + z[j];
            float dc = flow[j] + dh * out * (1.0f - squashed * squashed);
            float a = dc * g * in * (1.0f - in), b = dc * before[j] * forget * (1.0f - forget);
            float d = dc * in * (1.0f - g * g), e = dh * squashed * out * (1.0f - out);
            flow[j] = dc * forget;
            dx[j] = state[j] = a;
            dx[gate + j] = state[apart + j] = b;
            dx[2 * gate + j] = state[2 * apart + j] = d;
            dx[3 * gate + j] = state[3 * apart + j] = e;
        }
    }
}

FIG_CLONES
static void gru_backward(const fig__cells *c)
{
    int64_t n = c->units, gate = c->x_gate, kept = c->trace_gate, apart = c->state_gate, apart_dz = c->dz_gate;
    for (int64_t r = 0; r < c->rows; r++) {
        const float *trace = (float *)c->trace + r * c->trace_row, *extra = c->extra + r * c->extra_row;
        const float *before = (const float *)c->before + r * c->before_row;
        const float *dy = (const float *)c->dy + r * c->dy_row, *z = c->product + r * FIG__PANEL;
        float *dx = (float *)c->dx + r * c->x_row, *dz = (float *)c->dz + r * c->dz_row;
        float *state = (float *)c->state + r * c->state_row;
        float *flow = c->flow + r * c->flow_row;
        EACH_UNIT
        {
            float reset = trace[j], update = trace[kept + j], fresh = trace[2 * kept + j], dh = dy[j] + z[j] + flow[j];
            float dfresh = dh * (1.0f - update) * (1.0f - fresh * fresh);
            float dreset = dfresh * extra[j] * reset * (1.0f - reset);
            float dupdate = dh * (before[j] - fresh) * update * (1.0f - update), dextra = dfresh * reset;
            flow[j] = dh * update;
            dx[j] = dz[j] = state[j] = dreset;
            dx[gate + j] = dz[apart_dz + j] = state[apart + j] = dupdate;
            dx[2 * gate + j] = dfresh;
            dz[2 * apart_dz + j] = state[2 * apart + j] = dextra;
        }
    }
}

static inline uint32_t rounded(float value) /* the bits of the nearest bf16 number as f32; NaN stays NaN */
{
    uint32_t bits = fig__float_bits(value), near = bits + 0x7fffu + (bits >> 16 & 1u);
    uint32_t nan = (bits & 0x7fffffffu) > 0x7f800000u ? 0xFFFFFFFFu : 0u;
    return (((bits | 0x400000u) & nan) | (near & ~nan)) & 0xFFFF0000u;
}

#define EACH_LINE(b)                            \
    for (int64_t r = 0; r < (b)->rows; r++)     \
        for (int64_t g = 0; g < (b)->gates; g++)

FIG_CLONES
void fig__fast_cells_widen(const fig__cell_block *b, float *wide, const uint16_t *narrow)
{
    int64_t n = b->units;
    EACH_LINE(b)
    {
        float *restrict y = wide + r * b->wide_row + g * b->wide_gate;
        const uint16_t *restrict x = narrow + r * b->narrow_row + g * b->narrow_gate;
        for (int64_t j = 0; j < n; j++)
            y[j] = fig__bits_float((uint32_t)x[j] << 16);
    }
}

FIG_CLONES
void fig__fast_cells_narrow(const fig__cell_block *b, const float *wide, uint16_t *narrow)
{
    int64_t n = b->units;
    EACH_LINE(b)
    {
        const float *restrict x = wide + r * b->wide_row + g * b->wide_gate;
        uint16_t *restrict y = narrow + r * b->narrow_row + g * b->narrow_gate;
        for (int64_t j = 0; j < n; j++)
            y[j] = (uint16_t)(rounded(x[j]) >> 16);
    }
}

FIG_CLONES
void fig__fast_cells_round(const fig__cell_block *b, float *wide)
{
    int64_t n = b->units;
    EACH_LINE(b)
    {
        float *x = wide + r * b->wide_row + g * b->wide_gate;
        for (int64_t j = 0; j < n; j++)
            x[j] = fig__bits_float(rounded(x[j]));
    }
}

void fig__fast_cells_forward(int cell, const fig__cells *c)
{
    fig__cells_step *const plain[3] = { tanh_forward, lstm_forward, gru_forward };
    (fig__pairs_available() ? fig__fast_cells_vectors_forward[cell][c->narrow] : plain[cell])(c);
}

void fig__fast_cells_backward(int cell, const fig__cells *c)
{
    fig__cells_step *const plain[3] = { tanh_backward, lstm_backward, gru_backward };
    (fig__pairs_available() ? fig__fast_cells_vectors_backward[cell][c->narrow] : plain[cell])(c);
}
