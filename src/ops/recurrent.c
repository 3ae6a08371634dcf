/* ops/recurrent.c - recurrent layers over whole sequences: plain (Elman 1990), LSTM, GRU
 *
 * The products of the inputs do not depend on the states, so they are made before, for all steps at once; only the recurrent
 * product is left in the loop. ops/recurrent.h says where everything stands. The decomposition is a scan; a gradient that
 * flows into what was kept for the gradient (a second derivative) goes through it.
 *
 * In a training in bf16 the products read bf16: the weight is stored so, and the state (backwards: the gates' gradient) is rounded
 * before it is multiplied, while the state itself goes on in f32. That is a property of the node, attr.rounded: kernels, reference
 * loops and decompositions round at the same places, else what a state feeds back would drive them apart. */
#include "ops/recurrent.h"
#include "graph/graph.h"
#include "ops/bf16.h"
#include "ops/op.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

static int cell_of(const void *attr) { return ((const fig_recurrent_attr *)attr)->cell; }
static bool rounds(const void *attr) { return ((const fig_recurrent_attr *)attr)->rounded != 0; }
static void round_products(void *attr) { ((fig_recurrent_attr *)attr)->rounded = 1; }

/* -- shapes -------------------------------------------------------------------------------------------------------- */

static fig_status expect_type(fig_infer *c, int operand, fig_type wanted, const char *op, const char *name)
{
    if (fig__types_equal(&c->in[operand], &wanted))
        return FIG_OK;
    char found[128], expected[128];
    fig__type_text(&c->in[operand], found);
    fig__type_text(&wanted, expected);
    return fig_fail(c->err, FIG_E_SHAPE, "%s: %s is %s, expected %s", op, name, found, expected);
}

static fig_status recurrent_infer(fig_infer *c)
{
    int cell = cell_of(c->attr), gates = fig__cell_gates(cell);
    if (c->n_in != (cell == FIG_CELL_TANH ? 3 : 4))
        return fig_fail(c->err, FIG_E_SHAPE, "recurrent: %d operands, expected %d", c->n_in, cell == FIG_CELL_TANH ? 3 : 4);
    FIG_TRY(fig__expect_dtype(c, FIG__X, FIG_F32, "recurrent"));
    FIG_TRY(fig__expect_rank(c, FIG__X, 3, "recurrent"));
    int64_t batch = c->in[FIG__X].dim[0], steps = c->in[FIG__X].dim[1], width = c->in[FIG__X].dim[2] / gates;
    if (steps < 1 || width < 1 || c->in[FIG__X].dim[2] != width * gates)
        return fig_fail(c->err, FIG_E_SHAPE, "recurrent: %lld steps of %lld numbers cannot be split into %d gates", (long long)steps,
                        (long long)c->in[FIG__X].dim[2], gates);
    FIG_TRY(expect_type(c, FIG__WEIGHT, FIG_SHAPE(width * gates, width), "recurrent", "the weight"));
    FIG_TRY(expect_type(c, FIG__H, FIG_SHAPE(batch, width), "recurrent", "the first state"));
    if (cell == FIG_CELL_LSTM)
        FIG_TRY(expect_type(c, FIG__C, FIG_SHAPE(batch, width), "recurrent", "the first cell state"));
    if (cell == FIG_CELL_GRU)
        FIG_TRY(expect_type(c, FIG__CELL_BIAS, FIG_SHAPE(width), "recurrent", "the bias"));
    c->out[FIG__TRACE] = c->in[FIG__X];
    c->n_out = cell == FIG_CELL_TANH ? 1 : 3;
    for (int i = 1; i < c->n_out; i++)
        c->out[i] = FIG_SHAPE(batch, steps, width);
    return FIG_OK;
}

static fig_status backward_infer(fig_infer *c)
{
    int cell = cell_of(c->attr), gates = fig__cell_gates(cell);
    static const int least[] = { 3, 5, 6 }, most[] = { 3, 6, 6 };
    if (c->n_in < least[cell] || c->n_in > most[cell])
        return fig_fail(c->err, FIG_E_SHAPE, "recurrent_gradient: %d operands, expected %d", c->n_in, most[cell]);
    FIG_TRY(fig__expect_dtype(c, FIG__TRACE, FIG_F32, "recurrent_gradient"));
    FIG_TRY(fig__expect_rank(c, FIG__TRACE, 3, "recurrent_gradient"));
    int64_t batch = c->in[0].dim[0], steps = c->in[0].dim[1], width = c->in[0].dim[2] / gates;
    FIG_TRY(expect_type(c, FIG__WEIGHT, FIG_SHAPE(width * gates, width), "recurrent_gradient", "the weight"));
    fig_type each = FIG_SHAPE(batch, steps, width), first = FIG_SHAPE(batch, width);
    for (int i = FIG__D_HIDDEN; i < c->n_in; i++)
        FIG_TRY(expect_type(c, i, i == 4 ? first : each, "recurrent_gradient", "an operand"));
    c->n_out = cell == FIG_CELL_TANH ? 2 : 3;
    c->out[FIG__DX] = c->in[0];
    c->out[FIG__DH_FIRST] = first;
    if (cell == FIG_CELL_LSTM)
        c->out[FIG__LSTM_DC_FIRST] = first;
    if (cell == FIG_CELL_GRU)
        c->out[FIG__GRU_DZ] = c->in[0];
    return FIG_OK;
}

static double recurrent_flops(const fig_infer *c) /* one product per step; the gradient's has the same size */
{
    return 2.0 * (double)fig__count(&c->in[0]) * (double)c->in[FIG__WEIGHT].dim[1];
}

static void recurrent_print(const void *attr, fig__text *out)
{
    static const char *const names[] = { "tanh", "lstm", "gru" };
    fig__text_print(out, " cell=%s%s", names[cell_of(attr)], rounds(attr) ? " rounded" : "");
}

/* -- decompositions: scans over (T, B, ...) ------------------------------------------------------------------------ */

static fig_node swap_time(fig_node x) { return fig_transpose(x, (const int[]){ 1, 0, 2 }); } /* (B, T, C) <-> (T, B, C) */

static fig_node gate_of(fig_node z, int which, int64_t width) { return fig_slice(z, 1, which * width, width, 1); }

/* What a product multiplies with the weight. */
static fig_node multiplied(const fig_scan_body *b, fig_node x)
{
    return rounds(b->user) ? fig_cast(fig_cast(x, FIG_BF16), FIG_F32) : x;
}

static fig_node state_product(const fig_scan_body *b) /* (B, G H) */
{
    return fig_matmul(multiplied(b, b->state[0]), b->fixed[0], &(fig_matmul_opts){ .transpose_b = true });
}

static void tanh_step(fig_scan_body *b)
{
    b->new_state[0] = b->y[0] = fig_tanh(fig_add(b->x[0], state_product(b))); /* (B, H) */
}

static void lstm_step(fig_scan_body *b)
{
    int64_t width = fig_dim(b->state[0], 1);
    fig_node z = fig_add(b->x[0], state_product(b)); /* (B, 4 H) */
    fig_node in = fig_sigmoid(gate_of(z, 0, width)), forget = fig_sigmoid(gate_of(z, 1, width));
    fig_node g = fig_tanh(gate_of(z, 2, width)), out = fig_sigmoid(gate_of(z, 3, width));
    fig_node cell = fig_add(fig_mul(forget, b->state[1]), fig_mul(in, g)); /* (B, H) */
    b->y[0] = fig_concat((fig_node[]){ in, forget, g, out }, 4, 1);
    b->new_state[0] = b->y[1] = fig_mul(out, fig_tanh(cell));
    b->new_state[1] = b->y[2] = cell;
}

static void gru_step(fig_scan_body *b)
{
    int64_t width = fig_dim(b->state[0], 1);
    fig_node x = b->x[0], h = b->state[0];
    fig_node z = state_product(b); /* (B, 3 H) */
    fig_node reset = fig_sigmoid(fig_add(gate_of(x, 0, width), gate_of(z, 0, width)));
    fig_node update = fig_sigmoid(fig_add(gate_of(x, 1, width), gate_of(z, 1, width)));
    fig_node extra = fig_add(gate_of(z, 2, width), b->fixed[1]); /* (B, H) */
    fig_node n = fig_tanh(fig_add(gate_of(x, 2, width), fig_mul(reset, extra)));
    b->y[0] = fig_concat((fig_node[]){ reset, update, n }, 3, 1);
    b->new_state[0] = b->y[1] = fig_add(n, fig_mul(update, fig_sub(h, n)));
    b->y[2] = extra;
}

static void recurrent_decompose(fig_decompose *c)
{
    static void (*const steps[])(fig_scan_body *) = { tanh_step, lstm_step, gru_step };
    int cell = cell_of(c->attr);
    fig_node x = swap_time(c->in[FIG__X]), y[3];
    fig_node fixed[2] = { c->in[FIG__WEIGHT], cell == FIG_CELL_GRU ? c->in[FIG__CELL_BIAS] : FIG_NONE };
    fig_scan(c->graph, steps[cell],
             &(fig_scan_opts){ .state = c->in + FIG__H, /* an LSTM's c stands behind h */
                               .states = cell == FIG_CELL_LSTM ? 2 : 1,
                               .x = &x,
                               .xs = 1,
                               .fixed = fixed,
                               .fixeds = cell == FIG_CELL_GRU ? 2 : 1,
                               .ys = c->n_out,
                               .user = c->attr },
             NULL, y);
    for (int i = 0; i < c->n_out; i++)
        c->out[i] = swap_time(y[i]);
}

/* The value of each step before it: (B, T, H) from (B, H) and (B, T, H). */
static fig_node before(fig_node first, fig_node each)
{
    int64_t steps = fig_dim(each, 1);
    fig_node parts[2] = { fig_expand(first, 1), steps > 1 ? fig_slice(each, 1, 0, steps - 1, 1) : FIG_NONE };
    return steps > 1 ? fig_concat(parts, 2, 1) : parts[0];
}

static fig_node one_minus(fig_node x) { return fig_shift(fig_neg(x), 1); }
static fig_node bell(fig_node s) { return fig_mul(s, one_minus(s)); }                  /* slope of the logistic function */
static fig_node tanh_bell(fig_node t) { return one_minus(fig_square(t)); }

static void tanh_back(fig_scan_body *b) /* x: h, dh */
{
    b->y[0] = fig_mul(fig_add(b->x[1], b->state[0]), tanh_bell(b->x[0]));
    b->new_state[0] = fig_matmul(multiplied(b, b->y[0]), b->fixed[0], NULL);
}

static void lstm_back(fig_scan_body *b) /* x: trace, dh, c, c before, dc */
{
    int64_t width = fig_dim(b->state[0], 1);
    const fig_node *x = b->x;
    fig_node in = gate_of(x[0], 0, width), forget = gate_of(x[0], 1, width), g = gate_of(x[0], 2, width), out = gate_of(x[0], 3, width);
    fig_node dh = fig_add(x[1], b->state[0]), squashed = fig_tanh(x[2]); /* (B, H) */
    fig_node dc = fig_add(fig_add(b->state[1], x[4]), fig_mul(fig_mul(dh, out), tanh_bell(squashed)));
    fig_node parts[4] = { fig_mul(fig_mul(dc, g), bell(in)), fig_mul(fig_mul(dc, x[3]), bell(forget)),
                          fig_mul(fig_mul(dc, in), tanh_bell(g)), fig_mul(fig_mul(dh, squashed), bell(out)) };
    b->y[0] = fig_concat(parts, 4, 1);
    b->new_state[0] = fig_matmul(multiplied(b, b->y[0]), b->fixed[0], NULL);
    b->new_state[1] = fig_mul(dc, forget);
}

static void gru_back(fig_scan_body *b) /* x: trace, dh, h before, extra */
{
    int64_t width = fig_dim(b->state[0], 1);
    const fig_node *x = b->x;
    fig_node reset = gate_of(x[0], 0, width), update = gate_of(x[0], 1, width), n = gate_of(x[0], 2, width);
    fig_node dh = fig_add(x[1], b->state[0]); /* (B, H) */
    fig_node dn = fig_mul(fig_mul(dh, one_minus(update)), tanh_bell(n));
    fig_node dupdate = fig_mul(fig_mul(dh, fig_sub(x[2], n)), bell(update));
    fig_node dreset = fig_mul(fig_mul(dn, x[3]), bell(reset));
    b->y[0] = fig_concat((fig_node[]){ dreset, dupdate, dn }, 3, 1);
    b->y[1] = fig_concat((fig_node[]){ dreset, dupdate, fig_mul(dn, reset) }, 3, 1);
    b->new_state[0] = fig_add(fig_mul(dh, update), fig_matmul(multiplied(b, b->y[1]), b->fixed[0], NULL));
}

static void backward_decompose(fig_decompose *c)
{
    static void (*const steps[])(fig_scan_body *) = { tanh_back, lstm_back, gru_back };
    int cell = cell_of(c->attr), xs = 2;
    const fig_node *in = c->in;
    fig_node x[5] = { swap_time(in[FIG__TRACE]), swap_time(in[FIG__D_HIDDEN]) }, y[2], final[2];
    if (cell == FIG_CELL_LSTM) {
        x[xs++] = swap_time(in[FIG__LSTM_C]);
        x[xs++] = swap_time(before(in[FIG__LSTM_C_FIRST], in[FIG__LSTM_C]));
        x[xs++] = c->n_in > FIG__LSTM_DC ? swap_time(in[FIG__LSTM_DC]) : fig_zeros_like(x[1]);
    } else if (cell == FIG_CELL_GRU) {
        x[xs++] = swap_time(before(in[FIG__GRU_H_FIRST], in[FIG__GRU_H]));
        x[xs++] = swap_time(in[FIG__GRU_EXTRA]);
    }
    fig_type first = FIG_SHAPE(fig_dim(in[0], 0), fig_dim(in[FIG__WEIGHT], 1));
    fig_node state[2] = { fig_full(c->graph, first, 0), fig_full(c->graph, first, 0) };
    fig_scan(c->graph, steps[cell],
             &(fig_scan_opts){ .state = state,
                               .states = cell == FIG_CELL_LSTM ? 2 : 1,
                               .x = x,
                               .xs = xs,
                               .fixed = &in[FIG__WEIGHT],
                               .fixeds = 1,
                               .ys = cell == FIG_CELL_GRU ? 2 : 1,
                               .reverse = true,
                               .user = c->attr },
             final, y);
    c->out[FIG__DX] = swap_time(y[0]);
    c->out[FIG__DH_FIRST] = final[0];
    if (cell == FIG_CELL_LSTM)
        c->out[FIG__LSTM_DC_FIRST] = final[1];
    if (cell == FIG_CELL_GRU)
        c->out[FIG__GRU_DZ] = swap_time(y[1]);
}

/* -- gradient ------------------------------------------------------------------------------------------------------ */

/* Something flows into a value that was kept for the gradient. Operands become copies first: one may depend on another, and
 * only what the op itself does with them is wanted. */
static void gradient_through_parts(fig_gradient *c)
{
    fig_node copies[4], parts[3], given[3], flow[3];
    int count = 0;
    for (int i = 0; i < c->n_in; i++)
        copies[i] = fig__emit(c->graph, &fig_op_copy, &c->in[i], 1, NULL);
    recurrent_decompose(&(fig_decompose){
        .graph = c->graph, .n_in = c->n_in, .n_out = c->n_out, .in = copies, .attr = c->attr, .out = parts });
    for (int i = 0; i < c->n_out; i++) {
        if (fig_is_none(c->upstreams[i]))
            continue;
        given[count] = parts[i];
        flow[count++] = c->upstreams[i];
    }
    fig__gradients_of(c->graph, given, flow, count, copies, c->n_in, c->result);
}

static fig_node rows_of(fig_node x) { return fig_reshape(x, FIG_SHAPE(-1, fig_dim(x, -1))); } /* (B, T, C) -> (B T, C) */

static void recurrent_gradient(fig_gradient *c)
{
    int cell = cell_of(c->attr), hidden = cell == FIG_CELL_TANH ? FIG__TRACE : FIG__HIDDEN;
    const fig_node *up = c->upstreams;
    if (cell != FIG_CELL_TANH && (!fig_is_none(up[FIG__TRACE]) || (cell == FIG_CELL_GRU && !fig_is_none(up[FIG__EXTRA])))) {
        gradient_through_parts(c);
        return;
    }
    fig_node h = c->outs[hidden], dh = fig_is_none(up[hidden]) ? fig_zeros_like(h) : up[hidden];
    fig_node in[6] = { c->outs[FIG__TRACE], c->in[FIG__WEIGHT], dh }, out[3];
    int n = 3;
    if (cell == FIG_CELL_LSTM) {
        in[n++] = c->outs[FIG__EXTRA];
        in[n++] = c->in[FIG__C];
        if (!fig_is_none(up[FIG__EXTRA]))
            in[n++] = up[FIG__EXTRA];
    } else if (cell == FIG_CELL_GRU) {
        in[n++] = h;
        in[n++] = c->in[FIG__H];
        in[n++] = c->outs[FIG__EXTRA];
    }
    fig__emit_multi(c->graph, &fig_op_recurrent_gradient, in, n, c->attr, out, cell == FIG_CELL_TANH ? 2 : 3);
    fig_node dz = cell == FIG_CELL_GRU ? out[FIG__GRU_DZ] : out[FIG__DX]; /* (B, T, G H) */
    int64_t width = fig_dim(h, -1);
    c->result[FIG__X] = out[FIG__DX];
    c->result[FIG__H] = out[FIG__DH_FIRST];
    if (c->wanted[FIG__WEIGHT])
        c->result[FIG__WEIGHT] =
            fig_matmul(rows_of(dz), rows_of(before(c->in[FIG__H], h)), &(fig_matmul_opts){ .transpose_a = true });
    if (cell == FIG_CELL_LSTM)
        c->result[FIG__C] = out[FIG__LSTM_DC_FIRST];
    if (cell == FIG_CELL_GRU && c->wanted[FIG__CELL_BIAS])
        c->result[FIG__CELL_BIAS] =
            fig_sum(fig_slice(rows_of(dz), 1, 2 * width, width, 1), &(fig_reduce_opts){ .axis = 0 });
}

/* -- reference loops ----------------------------------------------------------------------------------------------- */

static double logistic(double x) { return 1 / (1 + exp(-x)); }

/* Numbers of one op, and the place of (row, step) in (B, T, width) and (B, T, gates width). */
typedef struct loop {
    fig_eval *c;
    int cell, gates;
    bool rounded;
    int64_t batch, steps, width;
} loop;

static loop loop_of(fig_eval *c)
{
    const int64_t *dim = c->in[0].type.dim;
    int cell = cell_of(c->attr), gates = fig__cell_gates(cell);
    return (loop){ c, cell, gates, rounds(c->attr), dim[0], dim[1], dim[2] / gates };
}

/* What a product multiplies with the weight. */
static double factor_of(const loop *l, double x) { return l->rounded ? (double)fig__from_bf16(fig__to_bf16((float)x)) : x; }

/* One unit of one step: z[gate] holds the recurrent products. */
static void unit_forward(const loop *l, int64_t b, int64_t t, int64_t j, const double z[4])
{
    fig_eval *c = l->c;
    int64_t at = (b * l->steps + t) * l->width + j, x_at = at + (b * l->steps + t) * l->width * (l->gates - 1);
    const float *x = FIG_F32_IN(c, FIG__X) + x_at;
    float *trace = FIG_F32_OUT(c, FIG__TRACE) + x_at;
    if (l->cell == FIG_CELL_TANH) {
        trace[0] = (float)tanh((double)x[0] + z[0]);
        return;
    }
    double a[4];
    if (l->cell == FIG_CELL_LSTM) {
        for (int g = 0; g < 4; g++)
            a[g] = g == 2 ? tanh((double)x[g * l->width] + z[g]) : logistic((double)x[g * l->width] + z[g]);
        double last = (double)(t ? FIG_F32_OUT(c, FIG__EXTRA)[at - l->width] : FIG_F32_IN(c, FIG__C)[b * l->width + j]);
        double cell = a[1] * last + a[0] * a[2];
        FIG_F32_OUT(c, FIG__EXTRA)[at] = (float)cell;
        FIG_F32_OUT(c, FIG__HIDDEN)[at] = (float)(a[3] * tanh(cell));
    } else {
        double last = (double)(t ? FIG_F32_OUT(c, FIG__HIDDEN)[at - l->width] : FIG_F32_IN(c, FIG__H)[b * l->width + j]);
        double extra = z[2] + (double)FIG_F32_IN(c, FIG__CELL_BIAS)[j];
        a[0] = logistic((double)x[0] + z[0]);
        a[1] = logistic((double)x[l->width] + z[1]);
        a[2] = tanh((double)x[2 * l->width] + a[0] * extra);
        FIG_F32_OUT(c, FIG__EXTRA)[at] = (float)extra;
        FIG_F32_OUT(c, FIG__HIDDEN)[at] = (float)((1 - a[1]) * a[2] + a[1] * last);
    }
    for (int g = 0; g < l->gates; g++)
        trace[g * l->width] = (float)a[g];
}

static void recurrent_reference(fig_eval *c)
{
    loop l = loop_of(c);
    const float *weight = FIG_F32_IN(c, FIG__WEIGHT);
    const float *hidden = FIG_F32_OUT(c, l.cell == FIG_CELL_TANH ? FIG__TRACE : FIG__HIDDEN);
    for (int64_t b = 0; b < l.batch; b++)
        for (int64_t t = 0; t < l.steps; t++) {
            const float *h = t ? hidden + (b * l.steps + t - 1) * l.width : FIG_F32_IN(c, FIG__H) + b * l.width;
            for (int64_t j = 0; j < l.width; j++) {
                double z[4] = { 0 };
                for (int g = 0; g < l.gates; g++)
                    for (int64_t k = 0; k < l.width; k++)
                        z[g] += (double)weight[(g * l.width + j) * l.width + k] * factor_of(&l, (double)h[k]);
                unit_forward(&l, b, t, j, z);
            }
        }
}

/* One unit of one step backwards: dh and dc hold what flows in, and receive what flows to the step before other than through
 * the product; dz[gate] receives the gradient of the product. */
static void unit_backward(const loop *l, int64_t b, int64_t t, int64_t j, double *dh, double *dc, double dz[4])
{
    fig_eval *c = l->c;
    int64_t at = (b * l->steps + t) * l->width + j, x_at = at + (b * l->steps + t) * l->width * (l->gates - 1);
    float *dx = FIG_F32_OUT(c, FIG__DX) + x_at;
    double a[4] = { 0 };
    for (int g = 0; g < l->gates; g++)
        a[g] = (double)FIG_F32_IN(c, FIG__TRACE)[x_at + g * l->width];
    *dh += (double)FIG_F32_IN(c, FIG__D_HIDDEN)[at];
    if (l->cell == FIG_CELL_TANH) {
        dx[0] = (float)(dz[0] = *dh * (1 - a[0] * a[0]));
        *dh = 0;
    } else if (l->cell == FIG_CELL_LSTM) {
        const float *cell = FIG_F32_IN(c, FIG__LSTM_C);
        double last = (double)(t ? cell[at - l->width] : FIG_F32_IN(c, FIG__LSTM_C_FIRST)[b * l->width + j]);
        double squashed = tanh((double)cell[at]);
        *dc += *dh * a[3] * (1 - squashed * squashed) + (c->n_in > FIG__LSTM_DC ? (double)FIG_F32_IN(c, FIG__LSTM_DC)[at] : 0);
        dz[0] = *dc * a[2] * a[0] * (1 - a[0]);
        dz[1] = *dc * last * a[1] * (1 - a[1]);
        dz[2] = *dc * a[0] * (1 - a[2] * a[2]);
        dz[3] = *dh * squashed * a[3] * (1 - a[3]);
        for (int g = 0; g < 4; g++)
            dx[g * l->width] = (float)dz[g];
        *dh = 0;
        *dc *= a[1];
    } else {
        double last = (double)(t ? FIG_F32_IN(c, FIG__GRU_H)[at - l->width] : FIG_F32_IN(c, FIG__GRU_H_FIRST)[b * l->width + j]);
        double dn = *dh * (1 - a[1]) * (1 - a[2] * a[2]);
        dz[0] = dn * (double)FIG_F32_IN(c, FIG__GRU_EXTRA)[at] * a[0] * (1 - a[0]);
        dz[1] = *dh * (last - a[2]) * a[1] * (1 - a[1]);
        dz[2] = dn * a[0];
        for (int g = 0; g < 3; g++) {
            dx[g * l->width] = (float)(g == 2 ? dn : dz[g]);
            FIG_F32_OUT(c, FIG__GRU_DZ)[x_at + g * l->width] = (float)dz[g];
        }
        *dh *= a[1];
    }
}

static void backward_reference(fig_eval *c)
{
    loop l = loop_of(c);
    const float *weight = FIG_F32_IN(c, FIG__WEIGHT);
    double *dh = fig__alloc(sizeof(*dh) * (size_t)(l.width * (2 + l.gates)));
    double *dc = dh + l.width, *dz = dc + l.width; /* (H), (H), (H, gates) */
    for (int64_t b = 0; b < l.batch; b++) {
        for (int64_t j = 0; j < l.width; j++)
            dh[j] = dc[j] = 0;
        for (int64_t t = l.steps - 1; t >= 0; t--) {
            for (int64_t j = 0; j < l.width; j++) {
                double one[4] = { 0 };
                unit_backward(&l, b, t, j, &dh[j], &dc[j], one);
                memcpy(dz + j * l.gates, one, sizeof(*dz) * (size_t)l.gates);
            }
            for (int64_t k = 0; k < l.width; k++)
                for (int64_t j = 0; j < l.width; j++)
                    for (int g = 0; g < l.gates; g++)
                        dh[k] += factor_of(&l, dz[j * l.gates + g]) * (double)weight[(g * l.width + j) * l.width + k];
        }
        for (int64_t j = 0; j < l.width; j++) {
            FIG_F32_OUT(c, FIG__DH_FIRST)[b * l.width + j] = (float)dh[j];
            if (l.cell == FIG_CELL_LSTM)
                FIG_F32_OUT(c, FIG__LSTM_DC_FIRST)[b * l.width + j] = (float)dc[j];
        }
    }
    free(dh);
}

/* -- records ------------------------------------------------------------------------------------------------------- */

const fig_op fig_op_recurrent = {
    .name = "recurrent",
    .operands = -1,
    .attr_size = sizeof(fig_recurrent_attr),
    .infer = recurrent_infer,
    .gradient = recurrent_gradient,
    .decompose = recurrent_decompose,
    .reference = recurrent_reference,
    .flops = recurrent_flops,
    .print = recurrent_print,
    .narrow = { FIG_NARROW_PRODUCT, 1 << FIG__TRACE | 1 << FIG__HIDDEN, 0, round_products },
};

const fig_op fig_op_recurrent_gradient = {
    .name = "recurrent_gradient",
    .operands = -1,
    .attr_size = sizeof(fig_recurrent_attr),
    .infer = backward_infer,
    .decompose = backward_decompose,
    .reference = backward_reference,
    .flops = recurrent_flops,
    .print = recurrent_print,
    .narrow = { FIG_NARROW_PRODUCT, 1 << FIG__DX | 1 << FIG__GRU_DZ, 1 << FIG__D_HIDDEN | 1 << FIG__GRU_H, round_products },
};

/* -- building ------------------------------------------------------------------------------------------------------ */

static fig_node last_step(fig_node x) { return fig_squeeze(fig_slice(x, 1, fig_dim(x, 1) - 1, 1, 1), 1); } /* (B, T, H) -> (B, H) */

fig_node fig_recurrent(fig_cell cell, fig_node x, fig_node weight, const fig_node *state, fig_node bias, fig_node *final)
{
    fig_node in[4] = { x, weight, state[0], cell == FIG_CELL_LSTM ? state[1] : bias }, out[3];
    int n_in = cell == FIG_CELL_TANH ? 3 : 4, n_out = cell == FIG_CELL_TANH ? 1 : 3;
    fig_graph *graph = fig__graph_of(in, n_in);
    fig_recurrent_attr attr;
    memset(&attr, 0, sizeof attr);
    attr.cell = (int)cell;
    for (int i = 0; i < 3; i++)
        out[i] = (fig_node){ graph, 0 };
    if (graph)
        fig__emit_multi(graph, &fig_op_recurrent, in, n_in, &attr, out, n_out);
    fig_node h = out[cell == FIG_CELL_TANH ? FIG__TRACE : FIG__HIDDEN];
    if (!final)
        return h;
    final[0] = fig__poisoned(h) ? h : last_step(h);
    if (cell == FIG_CELL_LSTM)
        final[1] = fig__poisoned(h) ? h : last_step(out[FIG__EXTRA]);
    return h; /* (B, T, H) */
}
