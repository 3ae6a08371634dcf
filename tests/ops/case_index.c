/* ops/case_index.c - cases of the ops that read and write by index, and of sorting */
#include "cases.h"
#include "ops/shape.h"

/* -- dynamic slices: starts run past both ends, where they are clamped -------------------------------------------- */

static fig_node any_start(instance *t, const fig_type *x, int axis)
{
    bool per_row = axis >= 1 && any_chance(t, 0.6);
    fig_type type = per_row ? FIG_SHAPE(x->dim[0]) : FIG_SCALAR;
    return any_integers(t, type, -2, x->dim[axis] + 2);
}

static fig_type sliced_shape(instance *t, int *axis)
{
    int rank = (int)any_between(t, 1, 4);
    fig_type type = any_shape(t, rank);
    *axis = (int)any_between(t, rank > 1, rank - 1);
    type.dim[*axis] = any_between(t, 2, t->small ? 4 : 12);
    return type;
}

static void dynamic_slice(instance *t)
{
    int axis;
    fig_type type = sliced_shape(t, &axis);
    bool integers = !t->small && any_chance(t, 0.25);
    fig_node x = integers ? any_integers(t, type, -9, 9) : any_real(t, type, -1, 1);
    give(t, fig_dynamic_slice(x, any_start(t, &type, axis), axis, any_between(t, 1, type.dim[axis])));
}

static void dynamic_update(instance *t)
{
    int axis;
    fig_type type = sliced_shape(t, &axis), part = type;
    part.dim[axis] = any_between(t, 1, type.dim[axis]);
    fig_node x = any_real(t, type, -1, 1), start = any_start(t, &type, axis);
    give(t, fig_dynamic_update(x, any_real(t, part, -1, 1), start, axis));
    if (any_chance(t, 0.5))
        give(t, fig_dynamic_update(fig_scale(x, 2), any_real(t, part, -1, 1), start, axis)); /* may be done in place */
}

/* -- rows of a table ---------------------------------------------------------------------------------------------- */

static fig_type index_shape(instance *t)
{
    fig_type type = { .rank = (int)any_between(t, 0, 3) };
    for (int i = 0; i < type.rank; i++)
        type.dim[i] = any_between(t, 1, t->small ? 2 : 6);
    return type;
}

static void gather(instance *t)
{
    fig_type table = any_shape(t, (int)any_between(t, 1, 3));
    fig_node index = any_integers(t, index_shape(t), -1, table.dim[0]);
    bool integers = !t->small && any_chance(t, 0.25);
    give(t, fig_gather(integers ? any_integers(t, table, -9, 9) : any_real(t, table, -1, 1), index));
}

static void scatter_add(instance *t)
{
    fig_type table = any_shape(t, (int)any_between(t, 1, 3)), update = index_shape(t);
    fig_node index = any_integers(t, update, -1, table.dim[0]);
    for (int i = 1; i < table.rank; i++)
        update.dim[update.rank++] = table.dim[i];
    give(t, fig_scatter_add(table, index, any_real(t, update, -1, 1)));
}

static void scatter_onto(instance *t)
{
    fig_type table = any_shape(t, (int)any_between(t, 1, 3)), update = index_shape(t);
    fig_node index = any_integers(t, update, -1, table.dim[0]);
    for (int i = 1; i < table.rank; i++)
        update.dim[update.rank++] = table.dim[i];
    give(t, fig__scatter_onto(any_real(t, table, -1, 1), index, any_real(t, update, -1, 1)));
}

static void pick(instance *t)
{
    fig_type type = any_shape(t, (int)any_between(t, 1, 4)), index = type;
    if (any_chance(t, 0.5)) {
        index.rank--;
        index.dim[index.rank] = 0;
        fig_node places = any_integers(t, index, -1, type.dim[type.rank - 1]);
        bool integers = !t->small && any_chance(t, 0.25);
        give(t, fig_pick(integers ? any_integers(t, type, -9, 9) : any_real(t, type, -1, 1), places));
        return;
    }
    index.dim[type.rank - 1] = any_between(t, 1, 4);
    give(t, fig__pick_many(any_real(t, type, -1, 1), any_integers(t, index, -1, type.dim[type.rank - 1])));
}

static void place(instance *t)
{
    fig_type type = any_shape(t, (int)any_between(t, 1, 4));
    int64_t n = any_size(t);
    give(t, fig__place(any_integers(t, type, -1, n), any_real(t, type, -1, 1), n));
}

static void one_hot(instance *t)
{
    int64_t classes = any_size(t);
    give(t, fig_one_hot(any_integers(t, index_shape(t), -1, classes), classes));
}

/* -- order -------------------------------------------------------------------------------------------------------- */

static fig_node any_ranked(instance *t, fig_type type)
{
    if (t->small || any_chance(t, 0.5))
        return any_distinct(t, type);
    return any_grid(t, type, -2, 2, 1, 0); /* ties: lower index first */
}

static void top_k(instance *t)
{
    fig_type type = any_shape(t, (int)any_between(t, 1, 3));
    fig_node values, indices;
    fig_top_k(any_ranked(t, type), any_between(t, 1, type.dim[type.rank - 1]), &values, &indices);
    give(t, values);
    give(t, indices);
}

static void sort(instance *t)
{
    fig_node values, indices;
    fig_sort(any_ranked(t, any_shape(t, (int)any_between(t, 1, 3))), any_chance(t, 0.5), &values, &indices);
    give(t, values);
    give(t, indices);
}

const op_case cases_index[] = {
    { "dynamic_slice", dynamic_slice },
    { "dynamic_update", dynamic_update },
    { "gather", gather },
    { "scatter_add", scatter_add },
    { "scatter_add", scatter_onto },
    { "pick", pick },
    { "place", place },
    { "one_hot", one_hot },
    { "top_k", top_k },
    { "sort", sort },
    { 0 },
};
