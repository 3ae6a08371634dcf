/* test_kernels_sample.c - reading between pixels against the reference loops: places within, on the edges, outside */
#include "kernel_trial.h"

enum { TRIALS = 200 };

static void check_sample(const fig_op *op, bool back, double tolerance)
{
    trial_rng = (fig__rng){ 41 };
    for (int i = 0; i < TRIALS && !test_failures; i++) {
        fig_type x = { .dtype = FIG_F32,
                       .rank = 4,
                       .dim = { trial_between(1, 3), trial_size(12), trial_size(12), trial_size(90) } };
        fig_type at = x, y = x;
        at.dim[1] = y.dim[1] = trial_size(12);
        at.dim[2] = y.dim[2] = trial_size(12);
        at.dim[3] = 2;
        trial t = { .op = op };
        trial_operand(&t, x, 1, false);
        trial_operand(&t, at, 14, i % 3 == 0);
        float *place = t.data[1];
        for (int64_t k = 0; k < fig__count(&at); k++)
            place[k] = trial_between(0, 30) ? 0.5f * place[k] + 5
                                            : (float[]){ NAN, INFINITY, -1e30f, -1.0f }[trial_between(0, 3)];
        if (back)
            trial_operand(&t, y, 1, false);
        trial_check(&t, tolerance);
    }
}

/* Four products in another order: 4 roundings of numbers up to 1. */
FIG_TEST(sample) { check_sample(&fig_op_sample_bilinear, false, 5e-7); }
/* Sums of up to 144 products by place, and of 4 x 90 by channel, in float where the reference has double: 360 roundings at the
 * worst (2e-5), their root in practice; cancellation leaves results well below the terms' sum. */
FIG_TEST(sample_gradient) { check_sample(&fig_op_sample_bilinear_gradient, true, 3e-6); }

FIG_TEST_MAIN
