/* test_kernels_rank.c - sorting kernels against the reference heap, to the bit: ties, NaN, infinities, both zeros */
#include "kernel_trial.h"
#include "ops/attributes.h"

enum { TRIALS = 300 };

static void check(bool whole)
{
    trial_rng = (fig__rng){ 31 };
    for (int i = 0; i < TRIALS && !test_failures; i++) {
        fig_type x = { .dtype = FIG_F32, .rank = (int)trial_between(1, 3) };
        for (int axis = 0; axis < x.rank; axis++)
            x.dim[axis] = trial_size(axis == x.rank - 1 ? 3000 : 4);
        if (i % 2)
            x.dim[x.rank - 1] = trial_between(40, 5000);
        int64_t n = x.dim[x.rank - 1];
        fig_sort_attr sort = { i / 2 % 2 };
        fig_classes_attr top = { i % 3 ? 1 + trial_between(0, n - 1) / 8 : trial_between(1, n) };
        trial t = { .op = whole ? &fig_op_sort : &fig_op_top_k, .attr = whole ? (const void *)&sort : &top };
        trial_operand(&t, x, i % 5 ? 3 : 1e30, i % 4 == 1);
        float *data = t.data[0];
        for (int64_t k = 0; k < fig__count(&x) && i % 4 == 2; k++)
            if (trial_between(0, 3) == 0)
                data[k] =
                    (float[]){ NAN, -NAN, INFINITY, -INFINITY, 0.0f, -0.0f, 1e-40f, -1e-40f }[trial_between(0, 7)];
        if (i % 7 == 0) /* the hardest for a growing pool: every block beats the ones before */
            for (int64_t k = 0; k < fig__count(&x); k++)
                data[k] = (float)k;
        trial_check(&t, 0);
    }
}

FIG_TEST(sort) { check(true); }
FIG_TEST(top_k) { check(false); }

FIG_TEST_MAIN
