/* ops/case_leaves.c - cases of constants, casts and stop_gradient */
#include "cases.h"

static void full(instance *t)
{
    fig_type type = any_shape(t, (int)any_between(t, 0, 4));
    give(t, fig_full(t->graph, type, 1.25f));
    type.dtype = FIG_I32;
    give(t, fig_full(t->graph, type, -7));
}

static void constant_data(instance *t)
{
    float numbers[6] = { 1, -2, 3.5f, 0, 1e-20f, -7 };
    give(t, fig_constant_data(t->graph, FIG_SHAPE(2, 3), numbers));
}

static void iota(instance *t)
{
    fig_type type = any_shape(t, (int)any_between(t, 1, 4));
    int axis = (int)any_between(t, -type.rank, type.rank - 1);
    give(t, fig_iota(t->graph, type, axis));
    type.dtype = FIG_I32;
    give(t, fig_iota(t->graph, type, axis));
}

static void cast(instance *t)
{
    fig_type type = any_shape(t, (int)any_between(t, 0, 4));
    fig_node x = any_real(t, type, -100, 100), i = any_integers(t, type, -100000, 100000);
    give(t, fig_cast(x, FIG_I32));
    give(t, fig_cast(fig_cast(x, FIG_BF16), FIG_F32));
    give(t, fig_cast(i, FIG_F32));
    give(t, fig_cast(fig_cast(i, FIG_BF16), FIG_I32));
    if (type.rank)
        give(t, fig_cast(fig_cast(x, FIG_I8), FIG_F32));
}

static void stop_gradient(instance *t)
{
    fig_type type = any_shape(t, (int)any_between(t, 0, 4));
    fig_node x = any_real(t, type, -2, 2), y = any_fixed(t, type, -2, 2);
    give(t, fig_mul(x, fig_stop_gradient(y)));
}

const op_case cases_leaves[] = {
    { "full", full },
    { "constant_data", constant_data },
    { "iota", iota },
    { "cast", cast, NO_DIFFERENCES }, /* rounding has steps */
    { "stop_gradient", stop_gradient },
    { 0 },
};
