/* nn/recurrent.c - recurrent layers: plain (Elman 1990), LSTM (Hochreiter and Schmidhuber 1997), GRU (Cho et al. 2014)
 *
 * The products of the inputs are one product over all steps; of classes they are rows of a table. The rest is one op,
 * fig_recurrent. The GRU is by default the form with the reset gate behind the product, which needs one product per step; the
 * first form, with the gate before it, is a scan. */
#include "nn/layer.h"

static const char *const kinds[] = { "rnn", "lstm", "gru" };
static const int gates_of[] = { 1, 4, 3 };

static fig_init bounded(fig_init init, int64_t units)
{
    init = fig__init_or(init, FIG_INIT_UNIFORM_FAN_IN);
    if (!init.fan_in)
        init.fan_in = units;
    return init;
}

/* x (B, T, in) or classes i32 (B, T) -> (B, T, gates): products and bias. */
static fig_node input_products(fig_node x, int64_t gates, int64_t units, const fig_recurrent_opts *o)
{
    fig_graph *g = x.graph;
    fig_node bias = o->no_bias ? FIG_NONE : fig_param(g, "input.bias", FIG_SHAPE(gates), bounded(o->bias_init, units)), z;
    if (o->classes > 0) {
        fig_node table = fig_param(g, "input.weight", FIG_SHAPE(o->classes, gates), bounded(o->init, units));
        return fig_gather(fig_is_none(bias) ? table : fig_add(table, bias), x); /* the table is much smaller than (B, T) rows */
    }
    int64_t b = fig_dim(x, 0), t = fig_dim(x, 1), in = fig_dim(x, 2);
    fig_node weight = fig_param(g, "input.weight", FIG_SHAPE(gates, in), bounded(o->init, units));
    z = fig_matmul(fig_reshape(x, FIG_SHAPE(b * t, in)), weight, &(fig_matmul_opts){ .transpose_b = true });
    return fig_reshape(fig_is_none(bias) ? z : fig_add(z, bias), FIG_SHAPE(b, t, gates));
}

/* One step of a GRU whose reset gate acts on h; fixed: weight of both gates, weight and bias of the candidate. */
static void reset_before_step(fig_scan_body *b)
{
    const fig_matmul_opts transposed = { .transpose_b = true };
    fig_node h = b->state[0], x = b->x[0];
    int64_t units = fig_dim(h, 1);
    fig_node both = fig_sigmoid(fig_add(fig_slice(x, 1, 0, 2 * units, 1), fig_matmul(h, b->fixed[0], &transposed)));
    fig_node reset = fig_slice(both, 1, 0, units, 1), update = fig_slice(both, 1, units, units, 1); /* (B, H) */
    fig_node product = fig_add(fig_matmul(fig_mul(reset, h), b->fixed[1], &transposed), b->fixed[2]);
    fig_node fresh = fig_tanh(fig_add(fig_slice(x, 1, 2 * units, units, 1), product));
    b->new_state[0] = b->y[0] = fig_add(fresh, fig_mul(update, fig_sub(h, fresh)));
}

static fig_node reset_before(fig_node x, fig_node weight, const fig_node *state, fig_node bias, fig_node *final)
{
    int64_t units = fig_dim(weight, 1);
    fig_node fixed[3] = { fig_slice(weight, 0, 0, 2 * units, 1), fig_slice(weight, 0, 2 * units, units, 1), bias };
    fig_node steps = fig_transpose(x, (const int[]){ 1, 0, 2 }), y; /* (T, B, 3 H) */
    fig_scan(x.graph, reset_before_step,
             &(fig_scan_opts){ .state = state, .states = 1, .x = &steps, .xs = 1, .fixed = fixed, .fixeds = 3, .ys = 1 }, final, &y);
    return fig_transpose(y, (const int[]){ 1, 0, 2 });
}

static fig_node recurrent(fig_cell cell, fig_node x, int64_t units, const fig_recurrent_opts *opts)
{
    fig_recurrent_opts o = opts ? *opts : (fig_recurrent_opts){ 0 };
    fig_graph *g = x.graph;
    int rank = o.classes > 0 ? 2 : 3, states = cell == FIG_CELL_LSTM ? 2 : 1;
    if (fig__poisoned(x))
        return x;
    if (fig_rank(x) != rank || units < 1)
        return fig_graph_fail(g, "%s: needs %s and at least one unit, got %d axes and %lld units", kinds[cell],
                              rank == 2 ? "classes (batch, time)" : "an input (batch, time, channels)", fig_rank(x), (long long)units);
    int64_t batch = fig_dim(x, 0), gates = gates_of[cell] * units;
    fig__layer_begin(g, o.label, kinds[cell]);
    fig_node weight = fig_param(g, "recurrent.weight", FIG_SHAPE(gates, units), bounded(o.recurrent_init, units)), bias = FIG_NONE;
    fig_node z = input_products(x, gates, units, &o), zero = fig_full(g, FIG_SHAPE(batch, units), 0), state[2];
    for (int i = 0; i < states; i++)
        state[i] = o.state ? o.state[i] : zero;
    if (cell == FIG_CELL_GRU)
        bias = o.no_bias ? fig_full(g, FIG_SHAPE(units), 0)
                         : fig_param(g, "recurrent.bias", FIG_SHAPE(units), bounded(o.bias_init, units));
    if (o.reverse)
        z = fig_reverse(z, 1);
    fig_node y = cell == FIG_CELL_GRU && o.reset_before ? reset_before(z, weight, state, bias, o.final)
                                                        : fig_recurrent(cell, z, weight, state, bias, o.final);
    fig_scope_pop(g);
    return o.reverse ? fig_reverse(y, 1) : y; /* (B, T, units) */
}

fig_node fig_rnn(fig_node x, int64_t units, const fig_recurrent_opts *opts) { return recurrent(FIG_CELL_TANH, x, units, opts); }
fig_node fig_lstm(fig_node x, int64_t units, const fig_recurrent_opts *opts) { return recurrent(FIG_CELL_LSTM, x, units, opts); }
fig_node fig_gru(fig_node x, int64_t units, const fig_recurrent_opts *opts) { return recurrent(FIG_CELL_GRU, x, units, opts); }
