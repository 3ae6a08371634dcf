/* test_passes_simplify.c - each rule of the simplifying pass: the nodes it leaves, and that the values stay */
#include "pass_rig.h"

/* Compiles; `left` computing nodes must be there. Dedup comes along to drop what is no longer used. */
static void check(pass_rig *r, fig_node result, int left)
{
    rig_output(r, result);
    if (rig_compile(r)) {
        int found = rig_count(r, NULL);
        CHECK_INT(found, left);
        if (found != left) {
            char *text = fig_graph_print(r->plan->graph, false);
            fputs(text, stderr);
            free(text);
        }
    }
    rig_end(r);
}

#define BEGIN(...)                                                                                                    \
    pass_rig r = rig_begin("simplify dedup");                                                                         \
    fig_node x = rig_input(&r, FIG_SHAPE(__VA_ARGS__));                                                               \
    fig_graph *g = r.graph;                                                                                           \
    (void)g

/* -- element by element -------------------------------------------------------------------------------------------- */

FIG_TEST(neutral_elements_vanish)
{
    BEGIN(3, 4);
    fig_node y = fig_add(fig_zeros_like(x), fig_sub(x, fig_constant(g, 0)));
    y = fig_div(fig_mul(fig_ones_like(x), fig_mul(y, fig_constant(g, 1))), fig_constant(g, 1));
    check(&r, fig_tanh(fig_shift(fig_scale(fig_stop_gradient(y), 1), 0)), 1);
}

FIG_TEST(a_neutral_element_that_widens_stays)
{
    BEGIN(1, 4);
    check(&r, fig_add(x, fig_full(g, FIG_SHAPE(3, 4), 0)), 1);
}

FIG_TEST(constants_fold)
{
    BEGIN(3);
    fig_node c = fig_exp(fig_mul(fig_full(g, FIG_SHAPE(3), 0.5f), fig_constant(g, 3)));
    check(
        &r,
        fig_mul(x, fig_sum(fig_reshape(fig_broadcast(fig_slice(c, 0, 0, 1, 1), FIG_SHAPE(2, 4)), FIG_SHAPE(8)), NULL)),
        1);
}

FIG_TEST(numbers_move_into_the_node)
{
    BEGIN(3, 4);
    fig_node y = fig_mul(fig_full(g, FIG_SHAPE(3, 4), 3), x);               /* scale */
    y = fig_scale(fig_div(y, fig_constant(g, 4)), 2);                       /* one scale */
    check(&r, fig_sub(fig_neg(y), fig_constant(g, 5)), 2);                  /* scale, shift */
}

FIG_TEST(division_by_a_number_without_exact_reciprocal_stays)
{
    BEGIN(3);
    fig_node y = fig_div(x, fig_constant(g, 3));
    rig_output(&r, y);
    if (rig_compile(&r))
        CHECK_INT(rig_count(&r, "div"), 1);
    rig_end(&r);
}

FIG_TEST(signs_cancel)
{
    BEGIN(5);
    fig_node a = fig_tanh(x), b = fig_exp(x);
    fig_node y = fig_sub(a, fig_neg(b));                            /* a + b */
    y = fig_add(fig_neg(y), fig_neg(fig_neg(a)));                   /* a - (a + b) */
    check(&r, fig_mul(fig_neg(y), fig_sub(fig_zeros_like(b), b)), 5); /* tanh exp add sub mul */
}

FIG_TEST(known_powers_are_cheap)
{
    BEGIN(6);
    fig_node y = fig_pow(x, fig_constant(g, 2));
    y = fig_add(fig_pow(y, fig_constant(g, 0.5f)), fig_pow(x, fig_full(g, FIG_SHAPE(6), -0.5f)));
    rig_output(&r, fig_mul(fig_pow(y, fig_constant(g, 1)), fig_pow(y, fig_constant(g, -1))));
    if (rig_compile(&r))
        CHECK_INT(rig_count(&r, "pow"), 0);
    rig_end(&r);
}

FIG_TEST(a_choice_that_is_known_is_taken)
{
    BEGIN(4);
    fig_node y = fig_select(fig_constant(g, 1), x, fig_exp(x));
    check(&r, fig_select(fig_full(g, FIG_SHAPE(4), 0), fig_exp(y), fig_tanh(y)), 1);
}

FIG_TEST(broadcasts_in_front_are_left_out)
{
    BEGIN(4);
    fig_node row = fig_broadcast(x, FIG_SHAPE(3, 4)), other = rig_input(&r, FIG_SHAPE(3, 4));
    rig_output(&r, fig_mul(row, other));
    rig_output(&r, fig_add(row, fig_exp(row))); /* here it gives the shape */
    if (rig_compile(&r))
        CHECK_INT(rig_count(&r, "mul"), 1);
    CHECK(fig_rank(x) == 1);
    const fig_graph *compiled = r.plan->graph;
    for (int32_t n = 0; n < compiled->n_nodes; n++)
        if (compiled->nodes[n].op == &fig_op_mul)
            CHECK(compiled->values[compiled->nodes[n].in[0]].type.rank == 1);
    rig_end(&r);
}

/* -- shapes -------------------------------------------------------------------------------------------------------- */

FIG_TEST(views_of_views_are_one)
{
    BEGIN(2, 6);
    rig_output(&r, fig_tanh(fig_reshape(fig_reshape(fig_reshape(x, FIG_SHAPE(3, 4)), FIG_SHAPE(12)), FIG_SHAPE(4, 3))));
    rig_output(&r, fig_exp(fig_reshape(fig_reshape(x, FIG_SHAPE(12)), FIG_SHAPE(2, 6))));
    if (rig_compile(&r)) {
        const fig_graph *c = r.plan->graph;
        for (int32_t n = 0; n < c->n_nodes; n++)
            if (c->nodes[n].op == &fig_op_tanh)
                CHECK(fig__node_of(c, fig__node_of(c, c->nodes[n].in[0])->in[0])->op == &fig_op_input);
            else if (c->nodes[n].op == &fig_op_exp)
                CHECK(fig__node_of(c, c->nodes[n].in[0])->op == &fig_op_input);
    }
    rig_end(&r);
}

FIG_TEST(transposes_cancel_and_compose)
{
    BEGIN(2, 3, 4);
    fig_node back = fig_transpose(fig_transpose(x, (int[]){2, 0, 1}), (int[]){1, 2, 0});
    check(&r, fig_tanh(back), 1);
}

FIG_TEST(two_transposes_are_one)
{
    pass_rig r = rig_begin("simplify dedup");
    fig_node x = rig_input(&r, FIG_SHAPE(2, 3, 4));
    check(&r, fig_tanh(fig_transpose(fig_transpose(x, (int[]){2, 0, 1}), (int[]){2, 0, 1})), 2);
}

FIG_TEST(transposed_operands_go_into_the_product)
{
    pass_rig r = rig_begin("simplify dedup");
    fig_node a = rig_input(&r, FIG_SHAPE(2, 4, 3)), b = rig_input(&r, FIG_SHAPE(2, 5, 4));
    check(&r, fig_matmul(fig_transpose(a, NULL), fig_transpose(b, NULL), NULL), 1);
}

FIG_TEST(broadcasts_of_broadcasts_are_one)
{
    pass_rig r = rig_begin("simplify dedup");
    fig_node x = rig_input(&r, FIG_SHAPE(1, 3));
    check(&r, fig_broadcast(fig_broadcast(x, FIG_SHAPE(2, 3)), FIG_SHAPE(4, 2, 3)), 1);
}

/* -- pieces -------------------------------------------------------------------------------------------------------- */

FIG_TEST(slices_of_slices_parts_and_pads)
{
    pass_rig r = rig_begin("simplify dedup");
    fig_node x = rig_input(&r, FIG_SHAPE(3, 8)), y = rig_input(&r, FIG_SHAPE(3, 2));
    rig_output(&r, fig_tanh(fig_slice(fig_slice(x, 1, 2, 5, 1), 1, 1, 3, 1)));
    fig_node both = fig_concat((fig_node[]){x, y}, 2, 1);
    rig_output(&r, fig_exp(fig_slice(both, 1, 8, 2, 1)));  /* y itself */
    rig_output(&r, fig_exp(fig_slice(both, 1, 3, 2, 1)));  /* of x */
    rig_output(&r, fig_exp(fig_slice(fig_pad(y, 0, 2, 1, 0), 0, 2, 3, 1))); /* y again */
    if (rig_compile(&r)) {
        CHECK_INT(rig_count(&r, "concat"), 0);
        CHECK_INT(rig_count(&r, "pad"), 0);
        CHECK_INT(rig_count(&r, "slice"), 2);
    }
    rig_end(&r);
}

FIG_TEST(what_was_cut_and_put_together_is_whole)
{
    pass_rig r = rig_begin("simplify dedup");
    fig_node x = rig_input(&r, FIG_SHAPE(3, 8));
    fig_node a = fig_slice(x, 1, 0, 3, 1), b = fig_slice(x, 1, 3, 5, 1);
    check(&r, fig_tanh(fig_concat((fig_node[]){a, b}, 2, 1)), 1);
}

FIG_TEST(gradients_of_slices_are_put_side_by_side)
{
    pass_rig r = rig_begin("simplify dedup");
    fig_node x = rig_input(&r, FIG_SHAPE(4, 3, 5)), d;
    fig_node q = fig_slice(x, 1, 0, 1, 1), k = fig_slice(x, 1, 1, 1, 1), v = fig_slice(x, 1, 2, 1, 1);
    fig_gradients(fig_sum(fig_mul(fig_tanh(q), fig_mul(fig_exp(k), fig_square(v))), NULL), &x, 1, &d);
    rig_output(&r, d);
    if (rig_compile(&r)) {
        CHECK_INT(rig_count(&r, "pad"), 0);
        CHECK_INT(rig_count(&r, "concat"), 1);
    }
    rig_end(&r);
}

FIG_TEST(pieces_with_a_gap_or_an_overlap_are_added)
{
    pass_rig r = rig_begin("simplify dedup");
    fig_node x = rig_input(&r, FIG_SHAPE(6)), d;
    fig_node a = fig_slice(x, 0, 0, 2, 1), b = fig_slice(x, 0, 3, 3, 1), c = fig_slice(x, 0, 1, 3, 1);
    fig_gradients(fig_add(fig_add(fig_sum(fig_tanh(a), NULL), fig_sum(fig_exp(b), NULL)), fig_sum(fig_square(c), NULL)),
                  &x, 1, &d);
    rig_output(&r, d);
    CHECK(rig_compile(&r));
    rig_end(&r);
}

FIG_TEST(looking_up_in_order_is_a_slice)
{
    pass_rig r = rig_begin("simplify dedup");
    fig_node table = rig_input(&r, FIG_SHAPE(9, 4)), d;
    fig_type places = {.dtype = FIG_I32, .rank = 1, .dim = {6}};
    fig_gradients(fig_sum(fig_tanh(fig_gather(table, fig_iota(r.graph, places, 0))), NULL), &table, 1, &d);
    rig_output(&r, d);
    if (rig_compile(&r)) {
        CHECK_INT(rig_count(&r, "gather"), 0);
        CHECK_INT(rig_count(&r, "scatter_add"), 0);
    }
    rig_end(&r);
}

/* -- reductions ---------------------------------------------------------------------------------------------------- */

FIG_TEST(reducing_what_was_repeated_is_a_product)
{
    pass_rig r = rig_begin("simplify dedup");
    fig_node x = rig_input(&r, FIG_SHAPE(3, 1, 4));
    fig_node wide = fig_broadcast(x, FIG_SHAPE(2, 3, 5, 4));
    rig_output(&r, fig_sum(wide, &(fig_reduce_opts){.axes = 0x5}));               /* repeated axes only */
    rig_output(&r, fig_sum(wide, NULL));                                          /* all */
    rig_output(&r, fig_mean(wide, &(fig_reduce_opts){.axes = 0x7, .keep = true}));
    rig_output(&r, fig_reduce_max(wide, &(fig_reduce_opts){.axes = 0x5, .keep = true}));
    rig_output(&r, fig_sum(wide, &(fig_reduce_opts){ .axes = 0x2 })); /* repeated axes stay: nothing to gain */
    if (rig_compile(&r)) {
        CHECK_INT(rig_count(&r, "reduce_max"), 0);
        CHECK_INT(rig_count(&r, "mean"), 1);
        CHECK_INT(rig_count(&r, "sum"), 2);
        CHECK_INT(rig_count(&r, "broadcast"), 1);
    }
    rig_end(&r);
}

FIG_TEST(reducing_axes_of_size_one_is_a_view)
{
    BEGIN(3, 1, 4);
    fig_node y = fig_sum(x, &(fig_reduce_opts){.axes = 2});
    rig_output(&r, fig_tanh(fig_mean(y, &(fig_reduce_opts){.axes = 2, .keep = true})));
    rig_output(&r, fig_reduce_max(fig_sum(y, NULL), NULL));
    if (rig_compile(&r)) {
        CHECK_INT(rig_count(&r, "reduce_max"), 0);
        CHECK_INT(rig_count(&r, "sum"), 1);
    }
    rig_end(&r);
}

FIG_TEST(reductions_of_constants_fold)
{
    BEGIN(3);
    fig_node c = fig_full(g, FIG_SHAPE(4, 5), 0.25f);
    fig_node s = fig_add(fig_sum(c, NULL), fig_add(fig_mean(c, NULL), fig_reduce_max(c, NULL)));
    check(&r, fig_mul(x, s), 1);
}

/* A table that is read by rows and multiplied: both gradients in one tensor. */
FIG_TEST(rows_are_added_where_the_rest_of_the_gradient_is)
{
    pass_rig r = rig_begin("simplify dedup");
    fig_node table = rig_input(&r, FIG_SHAPE(7, 3)), other = rig_input(&r, FIG_SHAPE(7, 3)), gradient;
    fig_node index = fig_cast(fig_scale(rig_input(&r, FIG_SHAPE(9)), 5), FIG_I32);
    fig_node rows = fig_square(fig_gather(table, index)), products = fig_mul(table, other);
    fig_gradients(fig_add(fig_sum(rows, NULL), fig_sum(products, NULL)), &table, 1, &gradient);
    rig_output(&r, gradient);
    if (rig_compile(&r)) {
        CHECK_INT(rig_count(&r, "scatter_add"), 1);
        CHECK_INT(rig_count(&r, "add"), 0);
    }
    rig_end(&r);
}

/* -- what must not happen ------------------------------------------------------------------------------------------ */

FIG_TEST(infinity_times_zero_stays)
{
    pass_rig r = rig_begin("simplify");
    fig_node x = rig_input(&r, FIG_SHAPE(2));
    rig_output(&r, fig_mul(x, fig_zeros_like(x)));
    r.plan = rig_compile_one(&r, r.store);
    REQUIRE(r.plan);
    ((float *)fig_plan_input(r.plan, "x0", NULL))[0] = INFINITY;
    fig_plan_run(r.plan, NULL, &r.err);
    CHECK(isnan(*(const float *)fig_plan_output(r.plan, 0, NULL)));
    rig_end(&r);
}

FIG_TEST(noise_is_never_merged)
{
    pass_rig r = rig_begin(NULL);
    fig_node a = fig_uniform(r.graph, FIG_SHAPE(40)), b = fig_uniform(r.graph, FIG_SHAPE(40));
    rig_output(&r, fig_sub(a, b));
    if (rig_compile(&r))
        CHECK(fabsf(*(const float *)fig_plan_output(r.plan, 0, NULL)) > 0);
    rig_end(&r);
}

FIG_TEST(states_that_seem_to_be_computed_are_swapped)
{
    pass_rig r = rig_begin(NULL);
    fig_node a = rig_state(&r, "a", FIG_SHAPE(4)), b = rig_state(&r, "b", FIG_SHAPE(4)),
             c = rig_state(&r, "c", FIG_SHAPE(4));
    fig_assign(a, fig_mul(b, fig_ones_like(b)));
    fig_assign(b, fig_add(a, fig_zeros_like(a)));
    fig_assign(c, fig_reshape(fig_reshape(fig_scale(c, 1), FIG_SHAPE(2, 2)), FIG_SHAPE(4))); /* itself: nothing to do */
    rig_output(&r, a);
    CHECK(rig_compile(&r));
    CHECK_INT(rig_count(&r, "copy"), 2); /* the output, a before the run, is also what b becomes */
    rig_end(&r);
}

FIG_TEST_MAIN
