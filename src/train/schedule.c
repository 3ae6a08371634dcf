/* train/schedule.c - the schedules: constant, linear, cosine (Loshchilov and Hutter 2017), step, plateau
 *
 * linear and cosine go from 1 to lr_end over decay_steps (the whole run unless set) and stay there. step multiplies by
 * drop_factor every drop_every steps. plateau is constant here: its drops are decisions of a controller
 * (train/plateau.c). */
#include "train/schedule.h"
#include <math.h>
#include <string.h>

static double constant(const fig__train_options *o, double step, double steps)
{
    (void)o, (void)step, (void)steps;
    return 1;
}

static double linear(const fig__train_options *o, double step, double steps)
{
    double done = steps > 0 && step < steps ? step / steps : 1;
    return 1 + (o->lr_end - 1) * done;
}

static double cosine(const fig__train_options *o, double step, double steps)
{
    double done = steps > 0 && step < steps ? step / steps : 1;
    return o->lr_end + (1 - o->lr_end) * 0.5 * (1 + cos(M_PI * done));
}

static double step_drops(const fig__train_options *o, double step, double steps)
{
    (void)steps;
    return pow(o->drop_factor, floor(step / (double)o->drop_every));
}

const fig__schedule fig__schedules[] = {
    { "constant", constant }, { "linear", linear },    { "cosine", cosine },
    { "step", step_drops },   { "plateau", constant }, { 0 },
};

double fig__schedule_factor(const fig__train_options *o, int64_t step, int64_t steps)
{
    if (step < o->warmup)
        return (double)(step + 1) / (double)o->warmup;
    int64_t end = o->decay_steps ? o->decay_steps : steps;
    return fig__schedules[o->schedule].factor(o, (double)(step - o->warmup), (double)(end - o->warmup));
}

bool fig__schedule_is(const fig__train_options *o, const char *name)
{
    return !strcmp(fig__schedules[o->schedule].name, name);
}
