/* ops/case_matmul.c - cases of matrix products: flags, broadcast leading axes, the linear layer */
#include "cases.h"

static fig_type matrix(int64_t rows, int64_t columns, bool transposed)
{
    return transposed ? FIG_SHAPE(columns, rows) : FIG_SHAPE(rows, columns);
}

/* Puts leading axes before a matrix. */
static fig_type stacked(const int64_t *lead, int count, fig_type m)
{
    fig_type type = { .rank = count + 2 };
    for (int i = 0; i < count; i++)
        type.dim[i] = lead[i];
    type.dim[count] = m.dim[0];
    type.dim[count + 1] = m.dim[1];
    return type;
}

static int64_t side(instance *t) { return t->small ? any_between(t, 1, 3) : any_size(t); }

static void matmul(instance *t)
{
    fig_matmul_opts opts = { .transpose_a = any_chance(t, 0.4), .transpose_b = any_chance(t, 0.4) };
    int64_t m = side(t), k = side(t), n = side(t), lead_a[3], lead_b[3];
    int rank_a = (int)any_between(t, 0, 2), rank_b = (int)any_between(t, 0, 2),
        widest = rank_a > rank_b ? rank_a : rank_b;
    for (int i = 0; i < widest; i++) { /* counted from the last leading axis */
        int64_t size = any_between(t, 1, t->small ? 2 : 4);
        int only = (int)any_between(t, 0, 5);
        if (i < rank_a)
            lead_a[rank_a - 1 - i] = only == 0 ? 1 : size;
        if (i < rank_b)
            lead_b[rank_b - 1 - i] = only == 1 ? 1 : size;
    }
    fig_node a = any_real(t, stacked(lead_a, rank_a, matrix(m, k, opts.transpose_a)), -1, 1);
    fig_node b = any_real(t, stacked(lead_b, rank_b, matrix(k, n, opts.transpose_b)), -1, 1);
    give(t, fig_matmul(a, b, any_chance(t, 0.1) && !opts.transpose_a && !opts.transpose_b ? NULL : &opts));
}

const op_case cases_matmul[] = { { "matmul", matmul }, { 0 } };
