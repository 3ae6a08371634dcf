/* test_kernels_pool.c - pooling kernels against the reference loops: random windows, strides, paddings; 1, 2 and 3 axes */
#include "kernel_trial.h"
#include "ops/window.h"

enum { TRIALS = 200 };

/* A window of a random pool, and the types of its input and result. */
static fig_pool_attr any_pool(fig_type *x, fig_type *y)
{
    fig_pool_attr a;
    memset(&a, 0, sizeof a);
    a.spatial = (int)trial_between(1, 3);
    *x = (fig_type){ .dtype = FIG_F32, .rank = a.spatial + 2 };
    x->dim[0] = trial_between(1, 4);
    x->dim[a.spatial + 1] = trial_between(0, 9) ? trial_size(70) : trial_between(250, 520);
    for (int i = 0; i < a.spatial; i++) {
        a.size[i] = (int)trial_between(1, 4);
        a.stride[i] = (int)trial_between(1, 4);
        a.before[i] = (int)trial_between(0, a.size[i] - 1);
        a.after[i] = (int)trial_between(0, a.size[i] - 1);
        int64_t least = a.size[i] - a.before[i] - a.after[i];
        a.input[i] = x->dim[i + 1] = trial_between(least < 1 ? 1 : least, 9);
    }
    *y = *x;
    fig__window w = fig__window_of_pool(&a);
    for (int i = 0; i < a.spatial; i++)
        y->dim[i + 1] = w.out[i];
    return a;
}

static void check_pool(const fig_op *op, bool takes_input, bool takes_other, bool other_is_pooled, double tolerance)
{
    trial_rng = (fig__rng){ 11 };
    for (int i = 0; i < TRIALS && !test_failures; i++) {
        fig_type x, y;
        fig_pool_attr attr = any_pool(&x, &y);
        trial t = { .op = op, .attr = &attr };
        if (takes_input)
            trial_operand(&t, x, 2, i % 2);
        if (takes_other)
            trial_operand(&t, other_is_pooled ? y : x, 1, false);
        trial_check(&t, tolerance);
    }
}

/* What is chosen is the reference's choice, ties included, so it is equal to the bit; gradients add in the same order. */
FIG_TEST(max_pool) { check_pool(&fig_op_max_pool, true, false, false, 0); }
FIG_TEST(max_pool_gradient) { check_pool(&fig_op_max_pool_gradient, true, true, true, 0); }
FIG_TEST(max_pool_pick) { check_pool(&fig_op_max_pool_pick, true, true, false, 0); }
/* Up to 64 places in the same order; products of the share may be contracted into the sums: a few roundings. */
FIG_TEST(average_pool) { check_pool(&fig_op_average_pool, true, false, false, 4e-7); }
FIG_TEST(average_pool_gradient) { check_pool(&fig_op_average_pool_gradient, false, true, true, 4e-7); }

/* A NaN is never hidden by a larger number, and infinities are numbers. */
FIG_TEST(specials)
{
    trial_rng = (fig__rng){ 12 };
    for (int i = 0; i < TRIALS && !test_failures; i++) {
        const fig_op *const ops[] = { &fig_op_max_pool, &fig_op_max_pool_gradient, &fig_op_max_pool_pick };
        fig_type x, y;
        fig_pool_attr attr = any_pool(&x, &y);
        trial t = { .op = ops[i % 3], .attr = &attr };
        trial_operand(&t, x, 2, true);
        float *data = t.data[0];
        for (int64_t k = 0; k < fig__count(&x); k++) {
            int64_t kind = trial_between(0, 19);
            data[k] = kind == 0 ? NAN : kind == 1 ? INFINITY : kind < 6 ? -INFINITY : data[k];
        }
        if (i % 3)
            trial_operand(&t, i % 3 == 1 ? y : x, 1, false);
        trial_check(&t, 0);
    }
}

FIG_TEST_MAIN
