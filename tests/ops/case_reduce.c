/* ops/case_reduce.c - cases of reductions and running sums */
#include "cases.h"

static fig_reduce_opts any_axes(instance *t, int rank)
{
    fig_reduce_opts opts = { .axes = (unsigned)any_between(t, 1, (1 << rank) - 1), .keep = any_chance(t, 0.5) };
    if (any_chance(t, 0.2))
        opts = (fig_reduce_opts){ .axis = FIG_ALL_AXES };
    else if (any_chance(t, 0.3))
        opts = (fig_reduce_opts){ .axis = (int)any_between(t, -rank, rank - 1) };
    return opts;
}

static void sum(instance *t)
{
    int rank = (int)any_between(t, 1, 5);
    fig_type type = any_shape(t, rank);
    fig_reduce_opts opts = any_axes(t, rank);
    bool integers = !t->small && any_chance(t, 0.2);
    give(t, fig_sum(integers ? any_integers(t, type, -99, 99) : any_real(t, type, -1, 2), &opts));
}

static void mean(instance *t)
{
    int rank = (int)any_between(t, 1, 5);
    fig_reduce_opts opts = any_axes(t, rank);
    give(t, fig_mean(any_real(t, any_shape(t, rank), -1, 2), &opts));
}

static void reduce_max(instance *t)
{
    int rank = (int)any_between(t, 1, 5);
    fig_type type = any_shape(t, rank);
    fig_reduce_opts opts = any_axes(t, rank);
    if (t->small || any_chance(t, 0.5))
        give(t, fig_reduce_max(any_distinct(t, type), &opts));
    else if (any_chance(t, 0.5)) /* ties */
        give(t, fig_reduce_max(any_grid(t, type, -1, 1, 1, 0), &opts));
    else
        give(t, fig_reduce_max(any_integers(t, type, -9, 9), &opts));
}

static void argmax(instance *t)
{
    int rank = (int)any_between(t, 1, 4), axis = (int)any_between(t, -rank, rank - 1);
    fig_type type = any_shape(t, rank);
    if (any_chance(t, 0.5))
        give(t, fig_argmax(any_distinct(t, type), axis));
    else if (any_chance(t, 0.5)) /* ties: the first */
        give(t, fig_argmax(any_grid(t, type, -1, 1, 1, 0), axis));
    else
        give(t, fig_argmax(any_integers(t, type, -9, 9), axis));
}

static void cumsum(instance *t)
{
    int rank = (int)any_between(t, 1, 4), axis = (int)any_between(t, -rank, rank - 1);
    fig_type type = any_shape(t, rank);
    bool integers = !t->small && any_chance(t, 0.2);
    fig_node x = integers ? any_integers(t, type, -99, 99) : any_real(t, type, -1, 2);
    give(t, fig_cumsum(x, axis, any_chance(t, 0.5), any_chance(t, 0.5)));
}

const op_case cases_reduce[] = {
    { "sum", sum },
    { "mean", mean },
    { "reduce_max", reduce_max },
    { "argmax", argmax },
    { "cumsum", cumsum },
    { 0 },
};
