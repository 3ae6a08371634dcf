/* test_passes_gate_products.c - a gate's gradient together with the products that it reads (passes/gate_products.c). */
#include "pass_rig.h"

enum { PLACES = 520, CHANNELS = 16, FIRST = 24, SECOND = 40 };

/* A gate behind a bias, read by convolutions of size 1, and gradients of the bias and of what it is added to. */
static pass_rig begin_gate(int readers, int taps, bool seen)
{
    pass_rig r = rig_begin("gate-products");
    fig_node x = rig_input(&r, FIG_SHAPE(1, PLACES, 2 * CHANNELS)), bias = rig_input(&r, FIG_SHAPE(2 * CHANNELS));
    fig_node inside = fig_gate(fig_add(x, bias)), wrt[3] = { x, bias, inside }, gradient[3], loss = fig_scale(fig_mean(bias, NULL), 0);
    for (int i = 0; i < readers; i++) {
        fig_node w = rig_input(&r, FIG_SHAPE(i ? SECOND : FIRST, taps, CHANNELS));
        loss = fig_add(loss, fig_mean(fig_square(fig_convolution(inside, w, NULL)), NULL));
    }
    fig_gradients(loss, wrt, 3, gradient);
    for (int i = 0; i < (seen ? 3 : 2); i++)
        rig_output(&r, gradient[i]);
    return r;
}

FIG_TEST(products_and_sum_are_part_of_the_gradient)
{
    for (int readers = 1; readers < 6; readers++) {
        pass_rig r = begin_gate(readers, 1, false);
        if (rig_compile(&r)) { /* four at most, however their sum is nested */
            CHECK_INT(rig_count(&r, "gate_products"), readers <= 4);
            CHECK_INT(rig_count(&r, "gate_gradient"), readers > 4);
            CHECK_INT(rig_count(&r, "convolution_data_gradient"), readers > 4 ? readers : 0);
        }
        rig_end(&r);
    }
}

FIG_TEST(not_where_the_operand_is_wanted_or_taps_are_several)
{
    for (int taps = 1; taps < 3; taps++) {
        pass_rig r = begin_gate(2, taps, taps == 1);
        if (rig_compile(&r)) {
            CHECK_INT(rig_count(&r, "gate_products"), 0);
            CHECK_INT(rig_count(&r, "gate_gradient"), 1);
        }
        rig_end(&r);
    }
}

FIG_TEST_MAIN
