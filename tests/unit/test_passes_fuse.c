/* test_passes_fuse.c - what becomes one program, what becomes part of a product, and what must not; updates in place */
#include "pass_rig.h"

/* -- element-by-element programs ----------------------------------------------------------------------------------- */

FIG_TEST(a_chain_is_one_program)
{
    pass_rig r = rig_begin("fuse-pointwise");
    fig_node x = rig_input(&r, FIG_SHAPE(5, 7)), b = rig_input(&r, FIG_SHAPE(7)), s = rig_input(&r, FIG_SCALAR);
    rig_output(&r, fig_tanh(fig_mul(fig_add(x, b), s)));
    if (rig_compile(&r)) {
        CHECK_INT(rig_count(&r, NULL), 1);
        CHECK_INT(rig_program(&r, 0)->n_steps, 3);
        CHECK_INT(rig_program(&r, 0)->n_out, 1);
    }
    rig_end(&r);
}

FIG_TEST(values_read_elsewhere_are_outputs)
{
    pass_rig r = rig_begin("fuse-pointwise");
    fig_node x = rig_input(&r, FIG_SHAPE(4, 4));
    fig_node a = fig_exp(x), b = fig_tanh(a), c = fig_add(a, b);
    rig_output(&r, fig_matmul(b, x, NULL)); /* b leaves, a does not */
    rig_output(&r, c);
    if (rig_compile(&r)) {
        CHECK_INT(rig_count(&r, "fused"), 1);
        CHECK_INT(rig_program(&r, 0)->n_out, 2);
    }
    rig_end(&r);
}

FIG_TEST(a_smaller_space_is_a_program_of_its_own)
{
    pass_rig r = rig_begin("fuse-pointwise");
    fig_node x = rig_input(&r, FIG_SHAPE(6, 5)), b = rig_input(&r, FIG_SHAPE(5));
    rig_output(&r, fig_exp(fig_mul(x, fig_rsqrt(fig_shift(b, 1))))); /* rsqrt is not computed six times */
    if (rig_compile(&r)) {
        CHECK_INT(rig_count(&r, "fused"), 2);
        CHECK_INT(rig_count(&r, NULL), 2);
    }
    rig_end(&r);
}

/* p and q could join, and s and e could join, but not both: e waits for n, n for p; q waits for t, t for s. */
FIG_TEST(two_groups_never_wait_for_each_other)
{
    pass_rig r = rig_begin("fuse-pointwise");
    fig_node x = rig_input(&r, FIG_SHAPE(4, 4)), y = rig_input(&r, FIG_SHAPE(4, 4)), w = rig_input(&r, FIG_SHAPE(4, 4));
    fig_node p = fig_exp(x), n = fig_matmul(p, w, NULL);
    fig_node s = fig_tanh(y), t = fig_matmul(s, w, NULL);
    rig_output(&r, fig_add(p, t));
    rig_output(&r, fig_add(s, n));
    if (rig_compile(&r))
        CHECK_INT(rig_count(&r, "fused"), 1);
    rig_end(&r);
}

FIG_TEST(a_value_in_between_keeps_groups_apart)
{
    pass_rig r = rig_begin("fuse-pointwise");
    fig_node x = rig_input(&r, FIG_SHAPE(4, 4));
    fig_node a = fig_exp(fig_neg(x)), b = fig_matmul(a, a, NULL);
    rig_output(&r, fig_add(a, fig_tanh(b))); /* tanh and add are one; a must be there first */
    if (rig_compile(&r))
        CHECK_INT(rig_count(&r, "fused"), 2);
    rig_end(&r);
}

/* -- sums behind a program ----------------------------------------------------------------------------------------- */

static void check_sums(fig_type type, unsigned axes, bool keep, bool mean)
{
    pass_rig r = rig_begin("fuse-pointwise");
    fig_node x = rig_input(&r, type), y = fig_square(fig_tanh(x));
    const fig_reduce_opts opts = {.axes = axes, .keep = keep};
    rig_output(&r, mean ? fig_mean(y, &opts) : fig_sum(y, &opts));
    rig_output(&r, fig_neg(y));
    if (rig_compile(&r)) {
        CHECK_INT(rig_count(&r, NULL), 1);
        const fig_fused_program *p = rig_program(&r, 0);
        REQUIRE(p && p->n_out == 2);
        int sum = p->reduce[0] ? 0 : 1;
        double count = 1;
        for (int i = 0; i < type.rank; i++)
            count *= axes >> i & 1 ? (double)type.dim[i] : 1;
        CHECK_INT(p->reduce[sum], axes);
        CHECK_NEAR(p->scale[sum], mean ? 1 / count : 1, 1e-7);
    }
    rig_end(&r);
}

FIG_TEST(sums_over_leading_trailing_and_middle_axes)
{
    for (unsigned axes = 1; axes < 8; axes++)
        for (int kind = 0; kind < 4; kind++) {
            check_sums(FIG_SHAPE(3, 5, 7), axes, kind & 1, kind >> 1);
            check_sums(FIG_SHAPE(40, 1, 300), axes, kind & 1, kind >> 1);
            check_sums(FIG_SHAPE(1, 2049, 1), axes, kind & 1, kind >> 1);
        }
}

FIG_TEST(a_sum_is_not_read_by_its_own_program)
{
    pass_rig r = rig_begin("fuse-pointwise");
    fig_node x = rig_input(&r, FIG_SHAPE(6, 9)), e = fig_exp(x);
    rig_output(&r, fig_div(e, fig_sum(e, &(fig_reduce_opts){.axes = 2, .keep = true}))); /* softmax: two programs */
    if (rig_compile(&r))
        CHECK_INT(rig_count(&r, NULL), 2);
    rig_end(&r);
}

FIG_TEST(a_sum_of_a_sum_is_taken_after_it)
{
    pass_rig r = rig_begin("fuse-pointwise");
    fig_node x = rig_input(&r, FIG_SHAPE(6, 9));
    rig_output(&r, fig_sum(fig_sum(fig_exp(x), &(fig_reduce_opts){.axes = 2}), NULL));
    if (rig_compile(&r))
        CHECK_INT(rig_count(&r, "sum"), 1);
    rig_end(&r);
}

/* A result of the same type as an operand, but summed (over an axis of size 1 it would be a view, so over two), may
 * not be written over it. */
FIG_TEST(a_kept_sum_is_not_written_over_an_operand)
{
    pass_rig r = rig_begin("fuse-pointwise order");
    fig_node s = rig_state(&r, "s", FIG_SHAPE(1, 4)), y = fig_exp(s);
    fig_assign(s, fig_scale(fig_sum(y, &(fig_reduce_opts){.axes = 1, .keep = true}), 0.3f));
    rig_output(&r, fig_tanh(y));
    CHECK(rig_compile(&r));
    rig_end(&r);
}

/* -- limits -------------------------------------------------------------------------------------------------------- */

FIG_TEST(long_chains_are_cut)
{
    pass_rig r = rig_begin("fuse-pointwise");
    fig_node x = rig_input(&r, FIG_SHAPE(33)), y = x;
    for (int i = 0; i < 120; i++)
        y = fig_tanh(fig_add(y, x));
    rig_output(&r, y);
    if (rig_compile(&r)) {
        CHECK_INT(rig_count(&r, NULL), 5); /* 240 steps, 48 a program */
        for (int i = 0; i < 5; i++)
            CHECK_INT(rig_program(&r, i)->n_steps, 48);
    }
    rig_end(&r);
}

FIG_TEST(many_operands_are_shared_out)
{
    pass_rig r = rig_begin("fuse-pointwise");
    fig_node sum = FIG_NONE;
    for (int i = 0; i < 60; i++) {
        fig_node x = rig_input(&r, FIG_SHAPE(19));
        sum = i ? fig_add(sum, x) : x;
    }
    rig_output(&r, sum);
    if (rig_compile(&r)) {
        CHECK_INT(rig_count(&r, NULL), 3);
        for (int i = 0; i < 3; i++)
            CHECK(rig_program(&r, i)->n_in <= 24);
    }
    rig_end(&r);
}

/* Groups with many sums and outputs each are merged by a later node: the limits hold for the union. */
FIG_TEST(many_sums_and_outputs_stay_within_a_program)
{
    pass_rig r = rig_begin("fuse-pointwise");
    fig_node all = FIG_NONE;
    for (int k = 0; k < 6; k++) {
        fig_node y = rig_input(&r, FIG_SHAPE(8, 9));
        for (int i = 0; i < 7; i++) {
            y = fig_tanh(y);
            rig_output(&r, fig_sum(y, &(fig_reduce_opts){.axes = (unsigned)(1 + (i & 1))}));
        }
        rig_output(&r, y);
        all = k ? fig_add(all, y) : y;
    }
    rig_output(&r, all);
    if (rig_compile(&r))
        for (int i = 0; i < rig_count(&r, "fused"); i++) {
            const fig_fused_program *p = rig_program(&r, i);
            int sums = 0;
            for (int k = 0; k < p->n_out; k++)
                sums += p->reduce[k] != 0;
            CHECK(sums <= 8 && p->n_steps <= 48 && p->n_in <= 24 && p->n_out <= FIG_MAX_OUTPUTS);
        }
    rig_end(&r);
}

/* -- updates in place ---------------------------------------------------------------------------------------------- */

static void adam(pass_rig *r, const char *name, fig_node w, fig_node g, fig_node clip, fig_node fine)
{
    char first[32], second[32];
    snprintf(first, sizeof first, "m.%s", name);
    snprintf(second, sizeof second, "v.%s", name);
    fig_node m = rig_state(r, first, fig_type_of(w)), v = rig_state(r, second, fig_type_of(w));
    g = fig_mul(g, clip);
    fig_node m1 = fig_add(fig_scale(m, 0.9f), fig_scale(g, 0.1f));
    fig_node v1 = fig_add(fig_scale(v, 0.999f), fig_scale(fig_square(g), 0.001f));
    fig_node lr = fig_scalar(r->graph, "lr", 0.01f), step = fig_div(fig_mul(m1, lr), fig_shift(fig_sqrt(v1), 1e-3f));
    fig_assign(m, fig_select(fine, m1, m));
    fig_assign(v, fig_select(fine, v1, v));
    fig_assign(w, fig_select(fine, fig_sub(fig_scale(w, 0.999f), step), w));
}

/* A network trained by Adam with decay, clipping and a guard against bad steps: every state is replaced in place. */
static void check_adam(bool clipped)
{
    pass_rig r = rig_begin(NULL);
    fig_node x = rig_input(&r, FIG_SHAPE(12, 8)), h = x, w[3], b[3], d[6];
    for (int i = 0; i < 3; i++) {
        char name[2][8];
        snprintf(name[0], 8, "w%d", i);
        snprintf(name[1], 8, "b%d", i);
        w[i] = rig_state(&r, name[0], FIG_SHAPE(8, 8));
        b[i] = rig_state(&r, name[1], FIG_SHAPE(8));
        h = fig_tanh(fig_add(fig_matmul(h, w[i], &(fig_matmul_opts){.transpose_b = true}), b[i]));
    }
    fig_node loss = fig_mean(fig_square(h), NULL), norm = fig_constant(r.graph, 0);
    fig_gradients(loss, (fig_node[]){w[0], w[1], w[2], b[0], b[1], b[2]}, 6, d);
    for (int i = 0; i < 6; i++)
        norm = fig_add(norm, fig_sum(fig_square(d[i]), NULL));
    fig_node clip = clipped ? fig_min(fig_constant(r.graph, 1), fig_rsqrt(norm)) : fig_constant(r.graph, 1);
    fig_node fine = fig_less(fig_abs(loss), fig_constant(r.graph, 1e30f));
    for (int i = 0; i < 6; i++) {
        char name[8];
        snprintf(name, sizeof name, "%c%d", i < 3 ? 'w' : 'b', i % 3);
        adam(&r, name, i < 3 ? w[i] : b[i - 3], d[i], clip, fine);
    }
    rig_output(&r, loss);
    if (rig_compile(&r)) {
        CHECK_INT(r.plan->n_copies, 0);
        CHECK_INT(rig_count(&r, "copy"), 0);
        CHECK_INT(rig_count(&r, "matmul_fused"), 3);
        const fig_graph *g = r.plan->graph;
        for (int i = 0; i < g->n_assigns; i++)
            CHECK(r.plan->data[g->assigns[i].state] == r.plan->data[g->assigns[i].value]);
    }
    rig_end(&r);
}

FIG_TEST(adam_updates_in_place) { check_adam(false); }
FIG_TEST(clipped_adam_updates_in_place) { check_adam(true); }

FIG_TEST(momentum_and_averages_update_in_place)
{
    pass_rig r = rig_begin(NULL);
    fig_node w = rig_state(&r, "w", FIG_SHAPE(9, 9)), v = rig_state(&r, "v", FIG_SHAPE(9, 9));
    fig_node ema = rig_state(&r, "ema", FIG_SHAPE(9, 9)), x = rig_input(&r, FIG_SHAPE(4, 9)), g;
    fig_gradients(fig_mean(fig_tanh(fig_matmul(x, w, NULL)), NULL), &w, 1, &g);
    fig_node v1 = fig_add(fig_scale(v, 0.9f), g), w1 = fig_sub(w, fig_scale(v1, 0.1f));
    fig_assign(v, v1);
    fig_assign(w, w1);
    fig_assign(ema, fig_add(w1, fig_scale(fig_sub(ema, w1), 0.99f)));
    if (rig_compile(&r))
        CHECK_INT(r.plan->n_copies, 0);
    rig_end(&r);
}

/* What is set to zero each time takes no second tensor of zeros. */
FIG_TEST(constants_are_written_into_their_state)
{
    pass_rig r = rig_begin(NULL);
    fig_node sum = rig_state(&r, "sum", FIG_SHAPE(70, 70)), w = rig_state(&r, "w", FIG_SHAPE(70, 70));
    fig_assign(w, fig_sub(w, sum));
    fig_assign(sum, fig_zeros_like(sum));
    if (rig_compile(&r)) {
        CHECK_INT(r.plan->n_copies, 0);
        CHECK(r.plan->fixed_bytes < 1000);
    }
    rig_end(&r);
}

/* -- bias and activation in a product ------------------------------------------------------------------------------ */

static fig_node product(pass_rig *r)
{
    return fig_matmul(rig_input(r, FIG_SHAPE(6, 5)), rig_input(r, FIG_SHAPE(5, 4)), NULL);
}

static void check_product(pass_rig *r, int fused, int all)
{
    if (rig_compile(r)) {
        CHECK_INT(rig_count(r, "matmul_fused") + rig_count(r, "convolution_fused"), fused);
        CHECK_INT(rig_count(r, NULL), all);
    }
    rig_end(r);
}

FIG_TEST(bias_and_activation_join_a_product)
{
    fig_node (*const activations[])(fig_node) = {fig_relu, fig_tanh, fig_sigmoid, fig_gelu_tanh, fig_silu};
    for (int i = 0; i < 5; i++)
        for (int side = 0; side < 2; side++) {
            pass_rig r = rig_begin("fuse-epilogue");
            fig_node y = product(&r), b = rig_input(&r, FIG_SHAPE(4));
            rig_output(&r, activations[i](side ? fig_add(b, y) : fig_add(y, b)));
            check_product(&r, 1, 1);
        }
    pass_rig r = rig_begin("fuse-epilogue");
    rig_output(&r, fig_leaky_relu(fig_add(product(&r), rig_input(&r, FIG_SHAPE(4))), 0.3f));
    check_product(&r, 1, 1);
}

FIG_TEST(a_gate_joins_a_convolution_of_several_taps)
{
    for (int taps = 1; taps <= 2; taps++)
        for (int seen = 0; seen < 2; seen++) { /* whether somebody else reads the sum */
            pass_rig r = rig_begin("fuse-epilogue");
            fig_node x = rig_input(&r, FIG_SHAPE(2, 9, 3)), w = rig_input(&r, FIG_SHAPE(4, taps, 3));
            fig_node sum = fig_add(fig_convolution(x, w, &(fig_conv_opts){ .before = { taps - 1 } }), rig_input(&r, FIG_SHAPE(4)));
            rig_output(&r, fig_gate(sum));
            if (seen)
                rig_output(&r, sum);
            if (rig_compile(&r)) {
                CHECK_INT(rig_count(&r, "convolution_gate"), taps > 1 && !seen);
                CHECK_INT(rig_count(&r, NULL), taps > 1 && !seen ? 1 : 2);
            }
            rig_end(&r);
        }
}

FIG_TEST(an_activation_joins_a_product_without_bias)
{
    pass_rig r = rig_begin("fuse-epilogue");
    rig_output(&r, fig_gelu_tanh(fig_reshape(product(&r), FIG_SHAPE(2, 3, 4))));
    check_product(&r, 1, 1);
    r = rig_begin("fuse-epilogue"); /* the product is wanted, too */
    fig_node y = product(&r);
    rig_output(&r, fig_tanh(y));
    rig_output(&r, y);
    check_product(&r, 0, 2);
}

FIG_TEST(through_a_view_that_keeps_the_last_axis)
{
    pass_rig r = rig_begin("fuse-epilogue");
    fig_node y = fig_reshape(product(&r), FIG_SHAPE(2, 3, 4));
    rig_output(&r, fig_tanh(fig_add(y, rig_input(&r, FIG_SHAPE(4)))));
    check_product(&r, 1, 1);
    r = rig_begin("fuse-epilogue"); /* behind the sum as well */
    y = fig_reshape(fig_add(product(&r), rig_input(&r, FIG_SHAPE(4))), FIG_SHAPE(3, 2, 4));
    rig_output(&r, fig_gelu_tanh(y));
    check_product(&r, 1, 1);
    r = rig_begin("fuse-epilogue"); /* but not one that is wanted itself */
    y = fig_reshape(fig_add(product(&r), rig_input(&r, FIG_SHAPE(4))), FIG_SHAPE(3, 2, 4));
    rig_output(&r, y);
    rig_output(&r, fig_gelu_tanh(y));
    check_product(&r, 1, 2);
    r = rig_begin("fuse-epilogue");
    y = fig_reshape(product(&r), FIG_SHAPE(12, 2));
    rig_output(&r, fig_tanh(fig_add(y, rig_input(&r, FIG_SHAPE(2)))));
    check_product(&r, 0, 3);
}

FIG_TEST(a_result_used_twice_is_still_one_node)
{
    pass_rig r = rig_begin("fuse-epilogue");
    fig_node y = fig_tanh(fig_add(product(&r), rig_input(&r, FIG_SHAPE(4))));
    rig_output(&r, fig_mul(y, y));
    rig_output(&r, y);
    check_product(&r, 1, 2);
}

FIG_TEST(what_is_wanted_in_between_is_not_swallowed)
{
    pass_rig r = rig_begin("fuse-epilogue"); /* the sum is read twice: bias joins, activation does not */
    fig_node sum = fig_add(product(&r), rig_input(&r, FIG_SHAPE(4)));
    rig_output(&r, fig_mul(fig_gelu_tanh(sum), sum));
    check_product(&r, 1, 3);
    r = rig_begin("fuse-epilogue"); /* the sum is an output */
    sum = fig_add(product(&r), rig_input(&r, FIG_SHAPE(4)));
    rig_output(&r, sum);
    rig_output(&r, fig_tanh(sum));
    check_product(&r, 1, 2);
    r = rig_begin("fuse-epilogue"); /* the product is read twice: nothing joins */
    fig_node y = product(&r);
    rig_output(&r, fig_tanh(fig_add(y, rig_input(&r, FIG_SHAPE(4)))));
    rig_output(&r, fig_exp(y));
    check_product(&r, 0, 4);
    r = rig_begin("fuse-epilogue"); /* the view is an output */
    y = fig_reshape(product(&r), FIG_SHAPE(2, 3, 4));
    rig_output(&r, y);
    rig_output(&r, fig_tanh(fig_add(y, rig_input(&r, FIG_SHAPE(4)))));
    check_product(&r, 0, 3);
}

FIG_TEST(other_sums_are_no_bias)
{
    pass_rig r = rig_begin("fuse-epilogue");
    rig_output(&r, fig_add(product(&r), rig_input(&r, FIG_SHAPE(6, 1))));
    rig_output(&r, fig_add(product(&r), rig_input(&r, FIG_SHAPE(6, 4))));
    rig_output(&r, fig_add(product(&r), rig_input(&r, FIG_SCALAR)));
    check_product(&r, 0, 6);
}

FIG_TEST(a_bias_that_comes_later_than_the_product)
{
    pass_rig r = rig_begin("fuse-epilogue");
    fig_node y = product(&r), late = fig_exp(rig_input(&r, FIG_SHAPE(4)));
    rig_output(&r, fig_relu(fig_add(y, late)));
    check_product(&r, 1, 2);
}

/* The bias is made of the product's own result elsewhere: the product is read twice and stays. */
FIG_TEST(a_bias_made_of_the_product_itself)
{
    pass_rig r = rig_begin("fuse-epilogue");
    fig_node y = product(&r);
    rig_output(&r, fig_add(y, fig_sum(y, &(fig_reduce_opts){.axes = 1})));
    check_product(&r, 0, 3);
}

FIG_TEST(convolutions_take_them_too)
{
    pass_rig r = rig_begin("fuse-epilogue");
    fig_node x = rig_input(&r, FIG_SHAPE(2, 6, 6, 3)), w = rig_input(&r, FIG_SHAPE(4, 3, 3, 3));
    fig_node y = fig_convolution(x, w, &(fig_conv_opts){.stride = {2}, .before = {FIG_PAD_SAME}});
    rig_output(&r, fig_leaky_relu(fig_add(y, rig_input(&r, FIG_SHAPE(4))), 0.2f));
    check_product(&r, 1, 1);
}

FIG_TEST_MAIN
