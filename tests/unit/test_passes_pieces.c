/* test_passes_pieces.c - products over tensors side by side, and their gradients, without the copy (passes/pieces.c). */
#include "pass_rig.h"

enum { PLACES = 520, CHANNELS = 16, OUTPUTS = 24 };

/* Two pieces side by side, a product over both, and all gradients. */
static pass_rig begin_joined(bool gated, bool seen)
{
    pass_rig r = rig_begin("fuse-epilogue pieces");
    fig_node x[2], piece[2];
    for (int i = 0; i < 2; i++) {
        x[i] = rig_input(&r, FIG_SHAPE(1, PLACES, gated ? 2 * CHANNELS : CHANNELS));
        piece[i] = gated ? fig_gate(x[i]) : fig_scale(x[i], 0.5f);
    }
    fig_node w = rig_input(&r, FIG_SHAPE(OUTPUTS, 1, 2 * CHANNELS)), bias = rig_input(&r, FIG_SHAPE(OUTPUTS));
    fig_node all = fig_concat(piece, 2, 2), y = fig_relu(fig_add(fig_convolution(all, w, NULL), bias));
    fig_node wrt[3] = { x[0], x[1], w }, gradient[3];
    fig_gradients(fig_mean(fig_square(y), NULL), wrt, 3, gradient);
    rig_output(&r, y);
    for (int i = 0; i < 3; i++)
        rig_output(&r, gradient[i]);
    if (seen)
        rig_output(&r, all);
    return r;
}

FIG_TEST(pieces_are_read_where_they_lie)
{
    for (int gated = 0; gated < 2; gated++) {
        pass_rig r = begin_joined(gated, false);
        if (rig_compile(&r)) {
            CHECK_INT(rig_count(&r, "concat"), 0);
            CHECK_INT(rig_count(&r, "pieces_product"), 1);
            CHECK_INT(rig_count(&r, "pieces_weight_gradient"), 1);
            CHECK_INT(rig_count(&r, "convolution_data_gradient"), 2);
        }
        rig_end(&r);
    }
}

FIG_TEST(a_copy_that_somebody_wants_stays)
{
    pass_rig r = begin_joined(true, true);
    if (rig_compile(&r)) {
        CHECK_INT(rig_count(&r, "concat"), 1);
        CHECK_INT(rig_count(&r, "pieces_product"), 0);
    }
    rig_end(&r);
}

FIG_TEST(a_weight_gradient_reads_the_trace_of_a_gate)
{
    pass_rig r = rig_begin("fuse-epilogue pieces");
    fig_node x = rig_input(&r, FIG_SHAPE(1, PLACES, 2 * CHANNELS)), w = rig_input(&r, FIG_SHAPE(OUTPUTS, 1, CHANNELS));
    fig_node wrt[2] = { x, w }, gradient[2];
    fig_gradients(fig_mean(fig_square(fig_convolution(fig_gate(x), w, NULL)), NULL), wrt, 2, gradient);
    rig_output(&r, gradient[0]);
    rig_output(&r, gradient[1]);
    if (rig_compile(&r))
        CHECK_INT(rig_count(&r, "pieces_weight_gradient"), 1);
    rig_end(&r);
}

/* A piece of one join is the product of another, with nothing between: gradients of pieces of gradients of pieces. */
FIG_TEST(joins_of_joins)
{
    pass_rig r = rig_begin("fuse-epilogue pieces");
    fig_node x[3], w[2], wrt[5], gradient[5];
    for (int i = 0; i < 3; i++)
        wrt[i] = x[i] = rig_input(&r, FIG_SHAPE(1, PLACES, CHANNELS));
    for (int i = 0; i < 2; i++)
        wrt[3 + i] = w[i] = rig_input(&r, FIG_SHAPE(CHANNELS, 1, 2 * CHANNELS));
    fig_node inner = fig_convolution(fig_concat((fig_node[]){ x[0], x[1] }, 2, 2), w[0], NULL);
    fig_node y = fig_convolution(fig_concat((fig_node[]){ inner, x[2] }, 2, 2), w[1], NULL);
    fig_gradients(fig_mean(fig_square(y), NULL), wrt, 5, gradient);
    for (int i = 0; i < 5; i++)
        rig_output(&r, gradient[i]);
    if (rig_compile(&r))
        CHECK_INT(rig_count(&r, "concat"), 0);
    rig_end(&r);
}

FIG_TEST_MAIN
