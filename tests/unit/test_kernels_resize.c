/* test_kernels_resize.c - resizing kernels against the reference loops: up, down, by odd factors, from and to one pixel */
#include "kernel_trial.h"
#include "ops/attributes.h"

enum { TRIALS = 200 };

static void check_resize(const fig_op *op, double tolerance)
{
    trial_rng = (fig__rng){ 21 };
    for (int i = 0; i < TRIALS && !test_failures; i++) {
        fig_type x = { .dtype = FIG_F32,
                       .rank = 4,
                       .dim = { trial_between(1, 4), trial_size(24), trial_size(24), trial_size(70) } };
        bool twice = trial_between(0, 3) == 0;
        fig_resize_attr attr = { twice ? 2 * x.dim[1] : trial_size(30), twice ? 2 * x.dim[2] : trial_size(30) };
        trial t = { .op = op, .attr = &attr };
        trial_operand(&t, x, 1, false);
        trial_check(&t, tolerance);
    }
}

FIG_TEST(nearest) { check_resize(&fig_op_resize_nearest, 0); } /* a copy */
/* Three blends of numbers up to 1, each within 2 roundings of the reference's in another order. */
FIG_TEST(bilinear) { check_resize(&fig_op_resize_bilinear, 6e-7); }
/* Sums of up to 30 x 30 terms, by lines rather than one by one: 900 roundings at the very worst, in practice their root. */
FIG_TEST(nearest_gradient) { check_resize(&fig_op_resize_nearest_gradient, 2e-6); }
FIG_TEST(bilinear_gradient) { check_resize(&fig_op_resize_bilinear_gradient, 2e-6); }

FIG_TEST_MAIN
