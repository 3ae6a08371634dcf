/* train/adam.c - Adam (Kingma and Ba 2015), and AdamW (Loshchilov and Hutter 2019)
 *
 *     m = beta1 m + (1 - beta1) g            m^ = m / (1 - beta1^t)
 *     v = beta2 v + (1 - beta2) g^2          v^ = v / (1 - beta2^t)
 *     w = w - lr m^ / (sqrt(v^) + eps)
 *
 * Adam adds weight_decay * w to the gradient; AdamW shrinks the weight by lr * weight_decay apart from it. The
 * corrections of m and v are folded into two scalars: rate = lr / (1 - beta1^t) and root = 1 / sqrt(1 - beta2^t). */
#include "train/optimizer.h"
#include <math.h>

enum { RATE, ROOT, SHRINK };

static void adam_set(const fig__phase_options *o, double lr, int64_t t, double *scalar)
{
    scalar[RATE] = lr / (1 - pow(o->beta1, (double)t));
    scalar[ROOT] = 1 / sqrt(1 - pow(o->beta2, (double)t));
    scalar[SHRINK] = 1 - lr * o->weight_decay;
}

/* One moving average: decay * mean + (1 - decay) * x. */
static fig_node average(fig_node mean, fig_node x, double decay)
{
    return fig_add(fig_scale(mean, (float)decay), fig_scale(x, (float)(1 - decay)));
}

static fig_node moment_step(fig__update *u, fig_node weight, fig_node gradient)
{
    const fig__phase_options *o = u->options;
    u->state[0] = average(u->state[0], gradient, o->beta1);
    u->state[1] = average(u->state[1], fig_square(gradient), o->beta2);
    fig_node root = fig_shift(fig_mul(fig_sqrt(u->state[1]), u->scalar[ROOT]), (float)o->eps);
    return fig_sub(weight, fig_div(fig_mul(u->state[0], u->scalar[RATE]), root));
}

static fig_node adam_update(fig__update *u)
{
    fig_node gradient = u->gradient;
    if (u->decays)
        gradient = fig_add(gradient, fig_scale(u->weight, (float)u->options->weight_decay));
    return moment_step(u, u->weight, gradient);
}

static fig_node adamw_update(fig__update *u)
{
    return moment_step(u, u->decays ? fig_mul(u->weight, u->scalar[SHRINK]) : u->weight, u->gradient);
}

const fig__optimizer fig__optimizer_adam = {
    .name = "adam",
    .state = { "m", "v" },
    .scalar = { "rate", "root", "shrink" },
    .set = adam_set,
    .update = adam_update,
};
const fig__optimizer fig__optimizer_adamw = {
    .name = "adamw",
    .state = { "m", "v" },
    .scalar = { "rate", "root", "shrink" },
    .set = adam_set,
    .update = adamw_update,
};
