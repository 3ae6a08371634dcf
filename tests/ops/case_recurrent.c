/* ops/case_recurrent.c - cases of gates and of recurrent layers: every cell, with and without gradients into states and kept values */
#include "cases.h"
#include "ops/attributes.h"
#include "ops/recurrent.h"
#include <string.h>

typedef struct sizes {
    int64_t batch, steps, width;
} sizes;

/* Widths around the kernels' blocks of 32 units, batches around their blocks of rows. */
static sizes any_sizes(instance *t)
{
    bool wide = !t->small && any_chance(t, 0.3);
    return (sizes){ any_between(t, 1, t->small ? 2 : wide ? 31 : 6), any_between(t, 1, t->small ? 3 : 6),
                    any_between(t, 1, t->small ? 2 : wide ? 80 : 9) };
}

static void recurrent(instance *t, fig_cell cell)
{
    sizes s = any_sizes(t);
    int gates = fig__cell_gates(cell);
    double reach = t->small ? 1 : 0.3;
    fig_node x = any_real(t, FIG_SHAPE(s.batch, s.steps, gates * s.width), -1, 1);
    fig_node weight = any_real(t, FIG_SHAPE(gates * s.width, s.width), -reach, reach);
    fig_node state[2] = { any_real(t, FIG_SHAPE(s.batch, s.width), -1, 1) }, bias = FIG_NONE, final[2];
    if (cell == FIG_CELL_LSTM)
        state[1] = any_real(t, FIG_SHAPE(s.batch, s.width), -1, 1);
    if (cell == FIG_CELL_GRU)
        bias = any_real(t, FIG_SHAPE(s.width), -1, 1);
    bool finals = any_chance(t, 0.5);
    give(t, fig_recurrent(cell, x, weight, state, bias, final));
    for (int i = 0; finals && i < (cell == FIG_CELL_LSTM ? 2 : 1); i++)
        give(t, final[i]);
}

static void plain(instance *t) { recurrent(t, FIG_CELL_TANH); }
static void lstm(instance *t) { recurrent(t, FIG_CELL_LSTM); }
static void gru(instance *t) { recurrent(t, FIG_CELL_GRU); }

/* A step at any place: before the ring is full, and after it has gone round. */
static void gated_step(instance *t)
{
    int kernel = (int)any_between(t, 2, 3), dilation = (int)any_between(t, 1, t->small ? 2 : 5);
    int64_t batch = any_between(t, 1, t->small ? 2 : 4), channels = any_between(t, 1, t->small ? 3 : 40);
    int64_t gate = any_between(t, 1, t->small ? 2 : 40), size = (kernel - 1) * dilation;
    double reach = t->small ? 1 : 0.2;
    fig_gated_step_in in = { .ring = any_real(t, FIG_SHAPE(batch, size, channels), -1, 1),
                             .x = any_real(t, FIG_SHAPE(batch, 1, channels), -1, 1),
                             .position = any_integers(t, FIG_SHAPE(batch), 0, 3 * size),
                             .weight = any_real(t, FIG_SHAPE(2 * gate, kernel * channels), -reach, reach),
                             .bias = any_real(t, FIG_SHAPE(2 * gate), -1, 1),
                             .residual = any_real(t, FIG_SHAPE(channels, gate), -reach, reach),
                             .residual_bias = any_real(t, FIG_SHAPE(channels), -1, 1) };
    fig_node out[3];
    fig_gated_step(&in, kernel, dilation, out);
    for (int i = 0; i < 3; i++)
        give(t, out[i]);
}

/* All results, so that gradients flow into the gates. */
static void all_results(instance *t, int rounded)
{
    sizes s = any_sizes(t);
    fig_recurrent_attr attr;
    memset(&attr, 0, sizeof attr);
    attr.rounded = rounded;
    attr.cell = (int)any_between(t, FIG_CELL_TANH, FIG_CELL_GRU);
    int gates = fig__cell_gates(attr.cell), n = attr.cell == FIG_CELL_TANH ? 1 : 3;
    fig_node in[4] = { any_real(t, FIG_SHAPE(s.batch, s.steps, gates * s.width), -1, 1),
                       any_real(t, FIG_SHAPE(gates * s.width, s.width), -0.3, 0.3), any_real(t, FIG_SHAPE(s.batch, s.width), -1, 1) },
             out[3];
    if (attr.cell == FIG_CELL_LSTM)
        in[3] = any_real(t, FIG_SHAPE(s.batch, s.width), -1, 1);
    if (attr.cell == FIG_CELL_GRU)
        in[3] = any_real(t, FIG_SHAPE(s.width), -1, 1);
    fig__emit_multi(t->graph, &fig_op_recurrent, in, attr.cell == FIG_CELL_TANH ? 3 : 4, &attr, out, n);
    for (int i = 0; i < n; i++)
        give(t, out[i]);
}

static void kept(instance *t) { all_results(t, 0); }
static void rounded(instance *t) { all_results(t, 1); }

static void any_gradient(instance *t, int rounds)
{
    sizes s = any_sizes(t);
    fig_recurrent_attr attr;
    memset(&attr, 0, sizeof attr);
    attr.rounded = rounds;
    attr.cell = (int)any_between(t, FIG_CELL_TANH, FIG_CELL_GRU);
    int gates = fig__cell_gates(attr.cell), n = 3;
    fig_type each = FIG_SHAPE(s.batch, s.steps, s.width), first = FIG_SHAPE(s.batch, s.width);
    fig_node in[6] = { any_real(t, FIG_SHAPE(s.batch, s.steps, gates * s.width), 0, 1),
                       any_real(t, FIG_SHAPE(gates * s.width, s.width), -0.3, 0.3), any_real(t, each, -1, 1) },
             out[3];
    if (attr.cell != FIG_CELL_TANH) {
        in[n++] = any_real(t, each, -1, 1);
        in[n++] = any_real(t, first, -1, 1);
        if (attr.cell == FIG_CELL_GRU || any_chance(t, 0.5))
            in[n++] = any_real(t, each, -1, 1);
    }
    int results = attr.cell == FIG_CELL_TANH ? 2 : 3;
    fig__emit_multi(t->graph, &fig_op_recurrent_gradient, in, n, &attr, out, results);
    for (int i = 0; i < results; i++)
        give(t, out[i]);
}

static void gradient(instance *t) { any_gradient(t, 0); }
static void rounded_gradient(instance *t) { any_gradient(t, 1); }

static fig_type any_pairs(instance *t)
{
    fig_type type = any_shape(t, (int)any_between(t, 1, 3));
    type.dim[type.rank - 1] *= 2;
    return type;
}

static void gate(instance *t) { give(t, fig_gate(any_real(t, any_pairs(t), -2, 2))); }

static void gate_kept(instance *t) /* both results, so that a gradient flows into what is kept */
{
    fig_node x = any_real(t, any_pairs(t), -2, 2), out[2];
    fig__emit_multi(t->graph, &fig_op_gate, &x, 1, NULL, out, 2);
    give(t, out[0]);
    give(t, out[1]);
}

static void gate_gradient(instance *t)
{
    fig_type type = any_pairs(t), half = type;
    half.dim[half.rank - 1] /= 2;
    fig_node in[2] = { any_real(t, type, -1, 1), any_real(t, half, -1, 1) };
    give(t, fig__emit(t->graph, &fig_op_gate_gradient, in, 2, NULL));
}

const op_case cases_recurrent[] = {
    { "gate", gate },
    { "gate", gate_kept },
    { "gate_gradient", gate_gradient },
    { "gated_step", gated_step },
    { "recurrent", plain },
    { "recurrent", lstm },
    { "recurrent", gru },
    { "recurrent", kept },
    { "recurrent", rounded, ONLY_BY_PASS },
    { "recurrent_gradient", gradient },
    { "recurrent_gradient", rounded_gradient, ONLY_BY_PASS },
    { 0 },
};
