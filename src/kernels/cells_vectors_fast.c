/* kernels/cells_vectors_fast.c - recurrent steps sixteen units at a time, AVX-512 with bf16
 *
 * Formulas: ops/recurrent.c. As cells_fast.c, with two gains: exponentials take half the work (kernels/vector_exp.h), and what is
 * stored in bf16 is widened and rounded in registers. A GRU's first two gates have the same gradient in dx, dz and the state: it is
 * rounded once. */
#include "kernels/cells.h"
#include "kernels/panel.h"
#include "kernels/vector_exp.h"

#include <stddef.h>

#if defined(__x86_64__)

#define TARGET "avx512f,avx512bw,avx512dq,avx512vl,avx512bf16"
#define VECTORS __attribute__((always_inline, target(TARGET))) static inline

typedef __mmask16 mask;

VECTORS __m512 load(bool narrow, const void *x, int64_t at, mask m)
{
    if (!narrow)
        return _mm512_maskz_loadu_ps(m, (const float *)x + at);
    __m256i bits = _mm256_maskz_loadu_epi16(m, (const uint16_t *)x + at);
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(bits), 16));
}

/* The nearest bf16 numbers. The processor's own instruction would make 0 of subnormal ones: where there is one, not by it. */
VECTORS __m256i rounded(__m512 x)
{
    enum { SUBNORMAL = 0x20 };
    if (__builtin_expect(_mm512_fpclass_ps_mask(x, SUBNORMAL) == 0, 1))
        return (__m256i)_mm512_cvtneps_pbh(x);
    __m512i bits = _mm512_castps_si512(x), odd = _mm512_and_si512(_mm512_srli_epi32(bits, 16), _mm512_set1_epi32(1));
    __m512i near = _mm512_add_epi32(bits, _mm512_add_epi32(odd, _mm512_set1_epi32(0x7fff)));
    enum { NOT_A_NUMBER = 0x81 };
    near = _mm512_mask_or_epi32(near, _mm512_fpclass_ps_mask(x, NOT_A_NUMBER), bits, _mm512_set1_epi32(0x400000));
    return _mm512_cvtepi32_epi16(_mm512_srli_epi32(near, 16));
}

/* What is to be stored: the numbers, or the same rounded. */
typedef struct stored {
    __m512 wide;
    __m256i narrow;
} stored;

VECTORS stored ready(bool narrow, __m512 x)
{
    stored s = { x, _mm256_setzero_si256() };
    if (narrow)
        s.narrow = rounded(x);
    return s;
}

VECTORS void store(bool narrow, void *y, int64_t at, mask m, const stored *s)
{
    if (narrow)
        _mm256_mask_storeu_epi16((uint16_t *)y + at, m, s->narrow);
    else
        _mm512_mask_storeu_ps((float *)y + at, m, s->wide);
}

VECTORS __m512 logistic(__m512 x) { return fig__vector_logistic(fig__vector_inverse_exp(x)); }

/* s (1 - s) */
VECTORS __m512 slope(__m512 s) { return _mm512_fnmadd_ps(s, s, s); }
/* 1 - y y */
VECTORS __m512 bend(__m512 y) { return _mm512_fnmadd_ps(y, y, _mm512_set1_ps(1.0f)); }

/* Sixteen units of row r, from unit j. */
VECTORS void tanh_forward(const fig__cells *c, bool narrow, int64_t r, int64_t j, mask m)
{
    __m512 z = _mm512_loadu_ps(c->product + r * FIG__PANEL + j);
    stored y = ready(narrow, fig__vector_tanh(_mm512_add_ps(load(narrow, c->x, r * c->x_row + j, m), z)));
    store(narrow, c->trace, r * c->trace_row + j, m, &y);
    store(narrow, c->state, r * c->state_row + j, m, &y);
}

VECTORS void lstm_forward(const fig__cells *c, bool narrow, int64_t r, int64_t j, mask m)
{
    const float *z = c->product + r * 4 * FIG__PANEL + j;
    int64_t x = r * c->x_row + j, trace = r * c->trace_row + j;
    __m512 gate[4];
#pragma GCC unroll 4
    for (int g = 0; g < 4; g++) {
        __m512 sum = _mm512_add_ps(load(narrow, c->x, x + g * c->x_gate, m), _mm512_loadu_ps(z + g * FIG__PANEL));
        gate[g] = g == 2 ? fig__vector_tanh(sum) : logistic(sum);
    }
    __m512 before = _mm512_maskz_loadu_ps(m, (const float *)c->before + r * c->before_row + j);
    __m512 now = _mm512_fmadd_ps(gate[1], before, _mm512_mul_ps(gate[0], gate[2]));
    stored h = ready(narrow, _mm512_mul_ps(gate[3], fig__vector_tanh(now)));
#pragma GCC unroll 4
    for (int g = 0; g < 4; g++) {
        stored kept = ready(narrow, gate[g]);
        store(narrow, c->trace, trace + g * c->trace_gate, m, &kept);
    }
    _mm512_mask_storeu_ps(c->extra + r * c->extra_row + j, m, now);
    store(narrow, c->y, r * c->y_row + j, m, &h);
    store(narrow, c->state, r * c->state_row + j, m, &h);
}

VECTORS void gru_forward(const fig__cells *c, bool narrow, int64_t r, int64_t j, mask m)
{
    const float *z = c->product + r * 3 * FIG__PANEL + j;
    int64_t x = r * c->x_row + j, trace = r * c->trace_row + j;
    __m512 reset = logistic(_mm512_add_ps(load(narrow, c->x, x, m), _mm512_loadu_ps(z)));
    __m512 update = logistic(_mm512_add_ps(load(narrow, c->x, x + c->x_gate, m), _mm512_loadu_ps(z + FIG__PANEL)));
    __m512 part = _mm512_add_ps(_mm512_loadu_ps(z + 2 * FIG__PANEL), _mm512_maskz_loadu_ps(m, c->bias + j));
    __m512 fresh = fig__vector_tanh(_mm512_fmadd_ps(reset, part, load(narrow, c->x, x + 2 * c->x_gate, m)));
    __m512 before = _mm512_maskz_loadu_ps(m, (const float *)c->before + r * c->before_row + j);
    __m512 now = _mm512_fmadd_ps(update, _mm512_sub_ps(before, fresh), fresh);
    stored kept[3] = { ready(narrow, reset), ready(narrow, update), ready(narrow, fresh) }, h = ready(narrow, now);
#pragma GCC unroll 3
    for (int g = 0; g < 3; g++)
        store(narrow, c->trace, trace + g * c->trace_gate, m, &kept[g]);
    _mm512_mask_storeu_ps(c->extra + r * c->extra_row + j, m, part);
    store(narrow, c->y, r * c->y_row + j, m, &h);
    store(narrow, c->state, r * c->state_row + j, m, &h);
    if (narrow)
        _mm512_mask_storeu_ps(c->wide_state + r * c->state_row + j, m, now);
}

VECTORS void tanh_backward(const fig__cells *c, bool narrow, int64_t r, int64_t j, mask m)
{
    __m512 y = load(narrow, c->trace, r * c->trace_row + j, m), dy = load(narrow, c->dy, r * c->dy_row + j, m);
    stored dx = ready(narrow, _mm512_mul_ps(_mm512_add_ps(dy, _mm512_loadu_ps(c->product + r * FIG__PANEL + j)), bend(y)));
    store(narrow, c->dx, r * c->x_row + j, m, &dx);
    store(narrow, c->state, r * c->state_row + j, m, &dx);
}

VECTORS void lstm_backward(const fig__cells *c, bool narrow, int64_t r, int64_t j, mask m)
{
    __m512 gate[4];
#pragma GCC unroll 4
    for (int g = 0; g < 4; g++)
        gate[g] = load(narrow, c->trace, r * c->trace_row + g * c->trace_gate + j, m);
    __m512 in = gate[0], forget = gate[1], g = gate[2], out = gate[3];
    __m512 before = _mm512_maskz_loadu_ps(m, (const float *)c->before + r * c->before_row + j);
    __m512 squashed = fig__vector_tanh(_mm512_maskz_loadu_ps(m, c->extra + r * c->extra_row + j));
    __m512 dh = _mm512_add_ps(load(narrow, c->dy, r * c->dy_row + j, m), _mm512_loadu_ps(c->product + r * FIG__PANEL + j));
    __m512 dc = _mm512_maskz_loadu_ps(m, c->flow + r * c->flow_row + j);
    if (c->dextra)
        dc = _mm512_add_ps(dc, _mm512_maskz_loadu_ps(m, c->dextra + r * c->extra_row + j));
    dc = _mm512_fmadd_ps(_mm512_mul_ps(dh, out), bend(squashed), dc);
    stored d[4] = { ready(narrow, _mm512_mul_ps(_mm512_mul_ps(dc, g), slope(in))),
                    ready(narrow, _mm512_mul_ps(_mm512_mul_ps(dc, before), slope(forget))),
                    ready(narrow, _mm512_mul_ps(_mm512_mul_ps(dc, in), bend(g))),
                    ready(narrow, _mm512_mul_ps(_mm512_mul_ps(dh, squashed), slope(out))) };
    _mm512_mask_storeu_ps(c->flow + r * c->flow_row + j, m, _mm512_mul_ps(dc, forget));
#pragma GCC unroll 4
    for (int k = 0; k < 4; k++) {
        store(narrow, c->dx, r * c->x_row + k * c->x_gate + j, m, &d[k]);
        store(narrow, c->state, r * c->state_row + k * c->state_gate + j, m, &d[k]);
    }
}

VECTORS void gru_backward(const fig__cells *c, bool narrow, int64_t r, int64_t j, mask m)
{
    int64_t trace = r * c->trace_row + j;
    __m512 reset = load(narrow, c->trace, trace, m), update = load(narrow, c->trace, trace + c->trace_gate, m);
    __m512 fresh = load(narrow, c->trace, trace + 2 * c->trace_gate, m);
    __m512 before = load(narrow && !c->wide_before, c->before, r * c->before_row + j, m);
    __m512 extra = _mm512_maskz_loadu_ps(m, c->extra + r * c->extra_row + j);
    __m512 dh = _mm512_add_ps(load(narrow, c->dy, r * c->dy_row + j, m), _mm512_loadu_ps(c->product + r * FIG__PANEL + j));
    dh = _mm512_add_ps(dh, _mm512_maskz_loadu_ps(m, c->flow + r * c->flow_row + j));
    __m512 passed = _mm512_mul_ps(dh, update), dfresh = _mm512_mul_ps(_mm512_sub_ps(dh, passed), bend(fresh));
    __m512 dreset = _mm512_mul_ps(_mm512_mul_ps(dfresh, extra), slope(reset));
    __m512 dupdate = _mm512_mul_ps(_mm512_mul_ps(dh, _mm512_sub_ps(before, fresh)), slope(update));
    stored d[3] = { ready(narrow, dreset), ready(narrow, dupdate), ready(narrow, _mm512_mul_ps(dfresh, reset)) };
    stored last = ready(narrow, dfresh);
    _mm512_mask_storeu_ps(c->flow + r * c->flow_row + j, m, passed);
#pragma GCC unroll 3
    for (int g = 0; g < 3; g++) {
        store(narrow, c->dx, r * c->x_row + g * c->x_gate + j, m, g == 2 ? &last : &d[g]);
        store(narrow, c->dz, r * c->dz_row + g * c->dz_gate + j, m, &d[g]);
        store(narrow, c->state, r * c->state_row + g * c->state_gate + j, m, &d[g]);
    }
}

/* All rows, in f32 and in bf16. */
#define ROWS(name, label, narrow)                                                   \
    __attribute__((target(TARGET))) static void name##_##label(const fig__cells *c) \
    {                                                                               \
        for (int64_t r = 0; r < c->rows; r++)                                       \
            for (int64_t j = 0; j < c->units; j += 16)                              \
                name(c, narrow, r, j, fig__first_places(c->units - j));             \
    }
#define STEP(name) ROWS(name, wide, false) ROWS(name, narrow, true)
STEP(tanh_forward)
STEP(lstm_forward)
STEP(gru_forward)
STEP(tanh_backward)
STEP(lstm_backward)
STEP(gru_backward)

/* By fig_cell: in f32, in bf16. */
fig__cells_step *const fig__fast_cells_vectors_forward[3][2] = { { tanh_forward_wide, tanh_forward_narrow },
                                                                 { lstm_forward_wide, lstm_forward_narrow },
                                                                 { gru_forward_wide, gru_forward_narrow } };
fig__cells_step *const fig__fast_cells_vectors_backward[3][2] = { { tanh_backward_wide, tanh_backward_narrow },
                                                                  { lstm_backward_wide, lstm_backward_narrow },
                                                                  { gru_backward_wide, gru_backward_narrow } };
#else
fig__cells_step *const fig__fast_cells_vectors_forward[3][2] = { { NULL } }, *const fig__fast_cells_vectors_backward[3][2] = { { NULL } };
#endif
