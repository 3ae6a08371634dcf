/* ops/case_shape.c - cases of the ops that move numbers without changing them */
#include "cases.h"

static int64_t long_size(instance *t) { return any_between(t, 2, t->small ? 3 : 12); }

/* Every axis has at least 2 elements, so that moving it is not a no-op. */
static fig_type long_shape(instance *t, int rank)
{
    fig_type type = { .rank = rank };
    for (int i = 0; i < rank; i++)
        type.dim[i] = rank > 3 && t->small ? 2 : long_size(t);
    return type;
}

static fig_node any_values(instance *t, fig_type type)
{
    return !t->small && any_chance(t, 0.25) ? any_integers(t, type, -99, 99) : any_real(t, type, -1, 1);
}

static void reshape(instance *t)
{
    int rank = (int)any_between(t, 2, 5);
    fig_node x = any_values(t, any_shape(t, rank));
    switch (any_between(t, 0, 3)) {
    case 0:
        give(t, fig_reshape(x, FIG_SHAPE(-1)));
        break;
    case 1:
        give(t, fig_expand(x, (int)any_between(t, -1, rank)));
        break;
    case 2:
        give(t, fig_reshape(fig_reshape(x, FIG_SHAPE(-1)), fig_type_of(x)));
        break;
    default:
        give(t, fig_squeeze(fig_expand(x, 1), 1));
        break;
    }
}

static void transpose(instance *t)
{
    int rank = (int)any_between(t, 2, t->small ? 4 : 5), order[FIG_MAX_RANK];
    fig_type type = long_shape(t, rank);
    for (int i = 0; i < rank; i++)
        order[i] = i;
    for (int i = rank - 1; i > 0; i--) {
        int j = (int)any_between(t, 0, i), swapped = order[i];
        order[i] = order[j];
        order[j] = swapped;
    }
    bool identity = true;
    for (int i = 0; i < rank; i++)
        identity = identity && order[i] == i;
    if (any_chance(t, 0.2) && rank > 2)
        type.dim[any_between(t, 0, rank - 3)] = 1;
    fig_node x = any_values(t, type);
    give(t, fig_transpose(x, identity || any_chance(t, 0.3) ? NULL : order));
    give(t, fig_transpose(fig_transpose(x, order), NULL));
    give(t, fig_transpose(x, NULL));
}

static void broadcast(instance *t)
{
    int rank = (int)any_between(t, 1, 4), lead = (int)any_between(t, 0, rank);
    fig_type to = long_shape(t, rank), from = { .rank = rank - lead };
    for (int i = 0; i < from.rank; i++)
        from.dim[i] = any_chance(t, 0.5) ? 1 : to.dim[i + lead];
    if (!lead)
        from.dim[any_between(t, 0, rank - 1)] = 1;
    give(t, fig_broadcast(any_values(t, from), to));
}

static void concat(instance *t)
{
    int rank = (int)any_between(t, 1, 4), axis = (int)any_between(t, -rank, rank - 1);
    int count = (int)(any_chance(t, 0.1) ? any_between(t, 8, 12) : any_between(t, 2, 4));
    fig_type type = any_shape(t, rank);
    bool integers = !t->small && any_chance(t, 0.25);
    fig_node parts[12];
    for (int p = 0; p < count; p++) {
        type.dim[axis < 0 ? axis + rank : axis] = any_between(t, 1, t->small ? 2 : 9);
        parts[p] = integers ? any_integers(t, type, -9, 9) : any_real(t, type, -1, 1);
    }
    if (any_chance(t, 0.2))
        parts[0] = parts[1];
    give(t, fig_concat(parts, count, axis));
}

static void slice(instance *t)
{
    int rank = (int)any_between(t, 1, 4), axis = (int)any_between(t, 0, rank - 1);
    fig_type type = any_shape(t, rank);
    int64_t n = any_between(t, 2, t->small ? 5 : 20), step = any_chance(t, 0.5) ? 1 : any_between(t, 2, 3);
    type.dim[axis] = n;
    int64_t start = any_between(t, 0, n - 1), most = (n - 1 - start) / step + 1;
    int64_t length = any_between(t, 1, start == 0 && step == 1 ? n - 1 : most);
    give(t, fig_slice(any_values(t, type), any_chance(t, 0.5) ? axis : axis - rank, start, length, step));
}

static void pad(instance *t)
{
    int rank = (int)any_between(t, 1, 4), axis = (int)any_between(t, 0, rank - 1);
    fig_type type = any_shape(t, rank);
    type.dim[axis] = any_between(t, 3, t->small ? 4 : 12);
    int64_t before = any_between(t, -1, 3), after = any_between(t, before > 0 ? -1 : 1, 3);
    fig_node x = any_values(t, type);
    give(t, fig_pad(x, axis, before, after, any_chance(t, 0.5) ? 0.0f : 2.0f));
    give(t, fig_pad(x, axis, -1, -1, 0.0f));
}

static void reverse(instance *t)
{
    int rank = (int)any_between(t, 1, 4), axis = (int)any_between(t, 0, rank - 1);
    fig_type type = any_shape(t, rank);
    type.dim[axis] = long_size(t);
    give(t, fig_reverse(any_values(t, type), axis - rank));
}

const op_case cases_shape[] = {
    { "reshape", reshape },     { "transpose", transpose },
    { "broadcast", broadcast }, { "concat", concat },
    { "slice", slice },         { "pad", pad },
    { "reverse", reverse },     { 0 },
};
