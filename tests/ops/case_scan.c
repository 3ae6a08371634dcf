/* ops/case_scan.c - cases of loops: two states of which one crosses over, a sequence, a fixed weight, outputs, both ways */
#include "cases.h"

/* h' = tanh(x + h w) + c / 4, c' = h: y = h' * x */
static void cell(fig_scan_body *b)
{
    fig_node h = fig_tanh(fig_add(b->x[0], fig_matmul(b->state[0], b->fixed[0], NULL)));
    h = fig_add(h, fig_scale(b->state[1], 0.25f));
    b->new_state[0] = h;
    b->new_state[1] = b->state[0];
    b->y[0] = fig_mul(h, b->x[0]);
}

static void recurrent(instance *t)
{
    int64_t steps = any_between(t, 1, t->small ? 3 : 7), batch = any_between(t, 1, t->small ? 2 : 5);
    int64_t width = any_between(t, 1, t->small ? 2 : 9);
    fig_node state[2] = { any_real(t, FIG_SHAPE(batch, width), -1, 1), any_real(t, FIG_SHAPE(batch, width), -1, 1) };
    fig_node x = any_real(t, FIG_SHAPE(steps, batch, width), -1, 1), w = any_real(t, FIG_SHAPE(width, width), -1, 1);
    fig_node final_state[2], y[1];
    fig_scan_opts opts = { .state = state, .x = &x, .fixed = &w, .states = 2, .xs = 1, .fixeds = 1, .ys = 1 };
    opts.reverse = any_chance(t, 0.5);
    opts.recompute = any_chance(t, 0.5);
    fig_scan(t->graph, cell, &opts, final_state, y);
    give(t, final_state[0]);
    give(t, final_state[1]);
    give(t, y[0]);
}

/* A walk: state' = state + noise * step, without sequences; different noise in every step */
static void stride(fig_scan_body *b)
{
    fig_node noise = fig_uniform(b->graph, fig_type_of(b->state[0]));
    b->new_state[0] = fig_add(b->state[0], fig_mul(noise, b->fixed[0]));
    b->y[0] = b->state[0];
}

static void walk(instance *t)
{
    fig_node start = any_real(t, any_shape(t, 2), -1, 1), length = any_real(t, FIG_SCALAR, 0.5, 1), final_state[1],
             y[1];
    fig_scan_opts opts = {
        .state = &start, .fixed = &length, .states = 1, .fixeds = 1, .ys = 1, .steps = any_between(t, 1, 4)
    };
    fig_scan(t->graph, stride, &opts, final_state, y);
    give(t, final_state[0]);
    give(t, y[0]);
}

const op_case cases_scan[] = {
    { "scan", recurrent },
    { "scan", walk },
    { 0 },
};
