/* ops/case_noise.c - cases of noise: kernels must draw what the reference loops draw */
#include "cases.h"

static void normal(instance *t) { give(t, fig_normal(t->graph, any_shape(t, (int)any_between(t, 0, 4)))); }

static void uniform(instance *t) { give(t, fig_uniform(t->graph, any_shape(t, (int)any_between(t, 0, 4)))); }

static void bernoulli(instance *t)
{
    give(t, fig_bernoulli(any_fixed(t, any_shape(t, (int)any_between(t, 0, 4)), 0, 1)));
}

static void categorical(instance *t)
{
    give(t, fig_categorical(any_fixed(t, any_shape(t, (int)any_between(t, 1, 3)), -2, 2)));
}

static void dropout(instance *t)
{
    give(t, fig_dropout(any_real(t, any_shape(t, (int)any_between(t, 0, 4)), -2, 2), 0.3f));
}

const op_case cases_noise[] = {
    { "normal", normal },           { "uniform", uniform }, { "bernoulli", bernoulli },
    { "categorical", categorical }, { "dropout", dropout }, { 0 },
};
