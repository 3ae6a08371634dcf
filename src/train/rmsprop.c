/* train/rmsprop.c - RMSprop (Hinton, lecture 6e, 2012), with optional momentum
 *
 *     v = decay_rate v + (1 - decay_rate) g^2        u = g / (sqrt(v) + eps)
 *     w = w - lr u                                   (momentum: m = momentum m + u, w - lr m) */
#include "train/optimizer.h"

static void rmsprop_set(const fig__phase_options *o, double lr, int64_t t, double *scalar)
{
    (void)o, (void)t;
    scalar[0] = lr;
}

static int rmsprop_states(const fig__phase_options *o) { return o->momentum > 0 ? 2 : 1; }

static fig_node rmsprop_update(fig__update *u)
{
    const fig__phase_options *o = u->options;
    fig_node gradient = u->gradient;
    if (u->decays)
        gradient = fig_add(gradient, fig_scale(u->weight, (float)o->weight_decay));
    u->state[0] = fig_add(fig_scale(u->state[0], (float)o->decay_rate),
                          fig_scale(fig_square(gradient), (float)(1 - o->decay_rate)));
    fig_node step = fig_div(gradient, fig_shift(fig_sqrt(u->state[0]), (float)o->eps));
    if (o->momentum > 0)
        step = u->state[1] = fig_add(fig_scale(u->state[1], (float)o->momentum), step);
    return fig_sub(u->weight, fig_mul(step, u->scalar[0]));
}

const fig__optimizer fig__optimizer_rmsprop = {
    .name = "rmsprop",
    .state = { "v", "m" },
    .scalar = { "rate" },
    .set = rmsprop_set,
    .states = rmsprop_states,
    .update = rmsprop_update,
};
