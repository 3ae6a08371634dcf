/* train/sgd.c - stochastic gradient descent, with momentum (Polyak 1964) and Nesterov's form (Sutskever et al. 2013)
 *
 *     m = momentum m + g           w = w - lr m                      (nesterov: w - lr (g + momentum m))
 *
 * Weight decay is added to the gradient. The first step's m is g. */
#include "train/optimizer.h"

static void sgd_set(const fig__phase_options *o, double lr, int64_t t, double *scalar)
{
    (void)o, (void)t;
    scalar[0] = lr;
}

static int sgd_states(const fig__phase_options *o) { return o->momentum > 0 ? 1 : 0; }

static fig_node sgd_update(fig__update *u)
{
    const fig__phase_options *o = u->options;
    fig_node gradient = u->gradient;
    if (u->decays)
        gradient = fig_add(gradient, fig_scale(u->weight, (float)o->weight_decay));
    if (o->momentum > 0) {
        u->state[0] = fig_add(fig_scale(u->state[0], (float)o->momentum), gradient);
        gradient = o->nesterov ? fig_add(gradient, fig_scale(u->state[0], (float)o->momentum)) : u->state[0];
    }
    return fig_sub(u->weight, fig_mul(gradient, u->scalar[0]));
}

const fig__optimizer fig__optimizer_sgd = {
    .name = "sgd",
    .state = { "m" },
    .scalar = { "rate" },
    .set = sgd_set,
    .states = sgd_states,
    .update = sgd_update,
};
