/* test_passes_convolution_plus.c - what is added to a convolution or to a data gradient (passes/convolution_plus.c). */
#include "pass_rig.h"

enum { STEPS = 4100, CHANNELS = 32 };

/* x + convolution of size 1 of x's convolution of two taps, with gradients of x and of a bias in front of it all. */
static pass_rig begin_residual(bool seen)
{
    pass_rig r = rig_begin("fuse-epilogue convolution-plus");
    fig_node x = rig_input(&r, FIG_SHAPE(2, STEPS, CHANNELS)), bias = rig_input(&r, FIG_SHAPE(CHANNELS)), wrt[2] = { x, bias }, gradient[2];
    fig_node two = rig_input(&r, FIG_SHAPE(CHANNELS, 2, CHANNELS)), one = rig_input(&r, FIG_SHAPE(CHANNELS, 1, CHANNELS));
    fig_node after = rig_input(&r, FIG_SHAPE(CHANNELS)), base = fig_add(x, bias);
    fig_node inside = fig_tanh(fig_scale(fig_convolution(base, two, &(fig_conv_opts){ .before = { 3 }, .dilation = { 3 } }), 0.02f));
    fig_node change = fig_add(fig_convolution(inside, one, NULL), after), y = fig_add(base, change);
    fig_gradients(fig_mean(fig_square(y), NULL), wrt, 2, gradient);
    rig_output(&r, y);
    rig_output(&r, gradient[0]);
    rig_output(&r, gradient[1]);
    if (seen)
        rig_output(&r, change);
    return r;
}

FIG_TEST(residuals_and_their_gradients_are_added_on_the_way)
{
    pass_rig r = begin_residual(false);
    if (rig_compile(&r)) {
        CHECK_INT(rig_count(&r, "convolution_plus"), 2);
        CHECK_INT(rig_count(&r, "sum"), 0); /* the gradient of the bias comes with the other */
    }
    rig_end(&r);
}

FIG_TEST(a_convolution_that_somebody_wants_stays)
{
    pass_rig r = begin_residual(true);
    if (rig_compile(&r)) {
        CHECK_INT(rig_count(&r, "convolution_plus"), 1);
        CHECK_INT(rig_count(&r, "convolution_fused"), 1);
    }
    rig_end(&r);
}

FIG_TEST_MAIN
