/* test_builders.c - what the builders of shape, index and product ops promise: hand-computed answers, no-ops, and
 * messages
 *
 * The op cases check that loops, kernels and gradients agree with each other; here stand answers worked out by hand. */
#include "test.h"

#include "graph/graph.h"
#include <figment/plan.h>

enum { MOST = 64 };

/* Compiles and runs one value and compares it with the numbers given, f32 or i32. */
static void check_values(fig_node x, int count, const double *expected, int line)
{
    fig_error err = { 0 };
    fig_session *session = NULL;
    fig_store *store = NULL;
    fig_plan *plan = NULL;
    fig_type type = { 0 };
    fig_plan_opts opts = { .outputs = &x, .n_outputs = 1 };
    bool good = fig_graph_check(x.graph, &err) == FIG_OK &&
                fig_session_new(&(fig_session_opts){ .threads = 1 }, &session, &err) == FIG_OK &&
                fig_store_new(session, &store, &err) == FIG_OK &&
                fig_plan_compile(x.graph, store, &opts, &plan, &err) == FIG_OK &&
                fig_plan_run(plan, &(fig_run_opts){ 0 }, &err) == FIG_OK;
    if (!good)
        TEST_FAIL("line %d: %s", line, err.message);
    const void *found = good ? fig_plan_output(plan, 0, &type) : NULL;
    if (good && fig_elements(&type) != count)
        TEST_FAIL("line %d: %lld values, expected %d", line, (long long)fig_elements(&type), count);
    for (int i = 0; good && i < count && i < fig_elements(&type); i++) {
        double value = type.dtype == FIG_I32 ? (double)((const int32_t *)found)[i] : (double)((const float *)found)[i];
        if (!(fabs(value - expected[i]) <= 1e-5) && !(isnan(value) && isnan(expected[i])))
            TEST_FAIL("line %d: value %d is %g, expected %g", line, i, value, expected[i]);
    }
    fig_plan_free(plan);
    fig_store_free(store);
    fig_session_free(session);
}

#define VALUES(x, ...) \
    check_values(x, (int)(sizeof((double[]){ __VA_ARGS__ }) / sizeof(double)), (double[]){ __VA_ARGS__ }, __LINE__)

static fig_node numbers(fig_graph *g, fig_type type, const float *values) { return fig_constant_data(g, type, values); }
#define NUMBERS(g, type, ...) numbers(g, type, (float[]){ __VA_ARGS__ })

static fig_node integers(fig_graph *g, fig_type type, const int32_t *values)
{
    type.dtype = FIG_I32;
    return fig_constant_data(g, type, values);
}
#define INTEGERS(g, type, ...) integers(g, type, (int32_t[]){ __VA_ARGS__ })

/* 0, 1, 2 ... in this shape */
static fig_node counted(fig_graph *g, fig_type type)
{
    float values[MOST];
    for (int i = 0; i < fig_elements(&type); i++)
        values[i] = (float)i;
    return fig_constant_data(g, type, values);
}

static bool has_shape(fig_node x, fig_type shape)
{
    fig_type type = fig_type_of(x);
    return fig__shapes_equal(&type, &shape);
}

/* The call marks the graph with a message that contains the part; the result is poisoned but usable. */
static void check_message(fig_graph *g, fig_node result, const char *part, int line)
{
    fig_error err = { 0 };
    fig_node later = fig_add(fig_flatten(fig_transpose(result, NULL)), result);
    if (!fig__poisoned(later))
        TEST_FAIL("line %d: what follows a mistake is not poisoned", line);
    if (fig_graph_check(g, &err) != FIG_E_SHAPE || !strstr(err.message, part))
        TEST_FAIL("line %d: message \"%s\" lacks \"%s\"", line, err.message, part);
    fig_graph_free(g);
}
#define MESSAGE(g, result, part) check_message(g, result, part, __LINE__)

/* -- shape ops ---------------------------------------------------------------------------------------------------- */

FIG_TEST(reshape_resolves_and_keeps)
{
    fig_graph *g = fig_graph_new();
    fig_node x = counted(g, FIG_SHAPE(2, 3, 4));
    CHECK(has_shape(fig_reshape(x, FIG_SHAPE(4, -1)), FIG_SHAPE(4, 6)));
    CHECK(has_shape(fig_flatten(x), FIG_SHAPE(2, 12)));
    CHECK(has_shape(fig_expand(x, -1), FIG_SHAPE(2, 3, 4, 1)));
    CHECK(has_shape(fig_expand(x, 0), FIG_SHAPE(1, 2, 3, 4)));
    CHECK(has_shape(fig_squeeze(fig_expand(x, 1), 1), FIG_SHAPE(2, 3, 4)));
    CHECK_INT(fig_reshape(x, FIG_SHAPE(2, -1, 4)).id, x.id);
    CHECK_INT(fig_transpose(x, (int[]){ 0, 1, 2 }).id, x.id);
    CHECK_INT(fig_slice(x, 1, 0, 3, 1).id, x.id);
    CHECK_INT(fig_pad(x, 1, 0, 0, 7).id, x.id);
    CHECK_INT(fig_concat(&x, 1, 0).id, x.id);
    CHECK_INT(fig_broadcast(x, FIG_SHAPE(2, 3, 4)).id, x.id);
    fig_node picture = fig_expand(x, -1);
    CHECK_INT(fig_resize_bilinear(picture, 3, 4).id, picture.id);
    fig_graph_free(g);
}

FIG_TEST(shape_ops_by_hand)
{
    fig_graph *g = fig_graph_new();
    fig_node x = counted(g, FIG_SHAPE(2, 3));
    VALUES(fig_transpose(x, NULL), 0, 3, 1, 4, 2, 5);
    VALUES(fig_transpose(fig_reshape(counted(g, FIG_SHAPE(12)), FIG_SHAPE(2, 3, 2)), (int[]){ 1, 2, 0 }), 0, 6, 1, 7, 2,
           8, 3, 9, 4, 10, 5, 11);
    VALUES(fig_concat((fig_node[]){ x, fig_slice(x, 1, 1, 1, 1) }, 2, -1), 0, 1, 2, 1, 3, 4, 5, 4);
    VALUES(fig_concat((fig_node[]){ x, x }, 2, 0), 0, 1, 2, 3, 4, 5, 0, 1, 2, 3, 4, 5);
    VALUES(fig_slice(counted(g, FIG_SHAPE(10)), 0, 1, 3, 4), 1, 5, 9);
    VALUES(fig_pad(x, 1, 1, -1, 9), 9, 0, 1, 9, 3, 4);
    VALUES(fig_pad(x, 0, -1, 1, 0), 3, 4, 5, 0, 0, 0);
    VALUES(fig_pad(x, 1, -1, -1, 9), 1, 4);
    VALUES(fig_reverse(x, 1), 2, 1, 0, 5, 4, 3);
    VALUES(fig_broadcast(NUMBERS(g, FIG_SHAPE(2, 1), 7, 8), FIG_SHAPE(2, 2, 3)), 7, 7, 7, 8, 8, 8, 7, 7, 7, 8, 8, 8);
    VALUES(fig_space_to_depth(counted(g, FIG_SHAPE(1, 2, 4, 1)), 2), 0, 1, 4, 5, 2, 3, 6, 7);
    VALUES(fig_depth_to_space(counted(g, FIG_SHAPE(1, 1, 2, 4)), 2), 0, 1, 4, 5, 2, 3, 6, 7);
    fig_graph_free(g);
}

/* A builder that looked through its operand would lose this gradient. */
FIG_TEST(gradient_reaches_what_was_reshaped)
{
    fig_graph *g = fig_graph_new();
    fig_node middle[2], slope[2], x = counted(g, FIG_SHAPE(6));
    middle[0] = fig_reshape(x, FIG_SHAPE(2, 3));
    middle[1] = fig_transpose(middle[0], NULL);
    fig_node back = fig_flatten(fig_reshape(fig_transpose(middle[1], NULL), FIG_SHAPE(1, 6)));
    fig_gradients(fig_sum(fig_square(back), NULL), middle, 2, slope);
    VALUES(slope[0], 0, 2, 4, 6, 8, 10);
    VALUES(slope[1], 0, 6, 2, 8, 4, 10);
    fig_graph_free(g);
}

/* -- indices ------------------------------------------------------------------------------------------------------ */

FIG_TEST(index_ops_by_hand)
{
    fig_graph *g = fig_graph_new();
    fig_node x = counted(g, FIG_SHAPE(2, 4)), table = counted(g, FIG_SHAPE(3, 2));
    fig_node starts = INTEGERS(g, FIG_SHAPE(2), 1, 9);
    VALUES(fig_dynamic_slice(x, starts, 1, 2), 1, 2, 6, 7); /* 9 is clamped to 2 */
    VALUES(fig_dynamic_slice(x, fig_constant_i32(g, -5), 1, 3), 0, 1, 2, 4, 5, 6);
    VALUES(fig_dynamic_slice(x, fig_constant_i32(g, 1), 0, 1), 4, 5, 6, 7);
    VALUES(fig_dynamic_update(x, NUMBERS(g, FIG_SHAPE(2, 2), -1, -2, -3, -4), starts, 1), 0, -1, -2, 3, 4, 5, -3, -4);
    VALUES(fig_gather(table, INTEGERS(g, FIG_SHAPE(2, 2), 2, 0, -7, 99)), 4, 5, 0, 1, 0, 1, 4, 5);
    VALUES(fig_scatter_add(FIG_SHAPE(3, 2), INTEGERS(g, FIG_SHAPE(3), 1, 1, 0), counted(g, FIG_SHAPE(3, 2))), 4, 5, 2,
           4, 0, 0);
    VALUES(fig_pick(x, INTEGERS(g, FIG_SHAPE(2), 3, 0)), 3, 4);
    VALUES(fig_one_hot(INTEGERS(g, FIG_SHAPE(3), 1, -1, 2), 2), 0, 1, 0, 0, 0, 0);
    fig_graph_free(g);
}

FIG_TEST(ties_go_to_the_lower_index)
{
    fig_graph *g = fig_graph_new();
    fig_node values, indices, x = NUMBERS(g, FIG_SHAPE(6), 2, 5, 2, NAN, 5, -INFINITY);
    fig_top_k(x, 3, &values, &indices);
    VALUES(values, 5, 5, 2);
    VALUES(indices, 1, 4, 0);
    fig_sort(x, true, NULL, &indices);
    VALUES(indices, 1, 4, 0, 2, 5, 3);
    fig_sort(x, false, NULL, &indices);
    VALUES(indices, 3, 5, 0, 2, 1, 4);
    fig_node slope;
    fig_top_k(x, 2, &values, NULL);
    fig_gradients(fig_sum(fig_mul(values, NUMBERS(g, FIG_SHAPE(2), 10, 20)), NULL), &x, 1, &slope);
    VALUES(slope, 0, 10, 0, 0, 20, 0);
    fig_graph_free(g);
}

/* -- products ----------------------------------------------------------------------------------------------------- */

FIG_TEST(product_by_hand)
{
    fig_graph *g = fig_graph_new();
    fig_node a = counted(g, FIG_SHAPE(2, 3)), b = counted(g, FIG_SHAPE(3, 2));
    VALUES(fig_matmul(a, b, NULL), 10, 13, 28, 40);
    VALUES(fig_matmul(a, a, &(fig_matmul_opts){ .transpose_b = true }), 5, 14, 14, 50);
    VALUES(fig_matmul(a, a, &(fig_matmul_opts){ .transpose_a = true }), 9, 12, 15, 12, 17, 22, 15, 22, 29);
    VALUES(fig_matmul(b, a, &(fig_matmul_opts){ true, true }), 10, 28, 13, 40);
    CHECK(has_shape(
        fig_matmul(fig_zeros_like(fig_reshape(a, FIG_SHAPE(1, 2, 3))), fig_full(g, FIG_SHAPE(5, 3, 4), 1), NULL),
        FIG_SHAPE(5, 2, 4)));
    fig_graph_free(g);
}

/* A linear layer's weight gradient is one product over all rows. */
FIG_TEST(linear_layer_is_one_product)
{
    fig_graph *g = fig_graph_new();
    fig_node x = fig_input(g, "x", FIG_SHAPE(4, 5, 6)), w = fig_input(g, "w", FIG_SHAPE(7, 6)), slope[2];
    fig_node y = fig_matmul(x, w, &(fig_matmul_opts){ .transpose_b = true }); /* (4, 5, 7) */
    CHECK(has_shape(y, FIG_SHAPE(4, 5, 7)));
    fig_gradients(fig_sum(fig_square(y), NULL), (fig_node[]){ x, w }, 2, slope);
    CHECK(has_shape(slope[0], FIG_SHAPE(4, 5, 6)) && has_shape(slope[1], FIG_SHAPE(7, 6)));
    int products = 0;
    for (int n = 0; n < g->n_nodes; n++) {
        if (g->nodes[n].op != &fig_op_matmul)
            continue;
        products++;
        CHECK_INT(g->values[g->nodes[n].first_out].type.rank, 2);
    }
    CHECK_INT(products, 3);
    CHECK(fig__producer(slope[1]) == &fig_op_matmul);
    fig_graph_free(g);
}

FIG_TEST(same_padding_inverts)
{
    fig_graph *g = fig_graph_new();
    fig_conv_opts same = { .stride = { 2 }, .before = { FIG_PAD_SAME } };
    fig_node x = fig_input(g, "x", FIG_SHAPE(1, 7, 8, 3)), w = fig_input(g, "w", FIG_SHAPE(4, 5, 5, 3));
    fig_node y = fig_convolution(x, w, &same);
    CHECK(has_shape(y, FIG_SHAPE(1, 4, 4, 4)));
    CHECK(has_shape(fig_convolution_transposed(y, w, &same), FIG_SHAPE(1, 8, 8, 3)));
    const fig_conv_attr *attr = fig__producer_attr(y);
    CHECK_INT(attr->before[0], 2); /* 7 rows: 4 windows need 11, so 4 more */
    CHECK_INT(attr->after[0], 2);
    CHECK_INT(attr->before[1], 1); /* 8 columns: 3 more, the odd one after */
    CHECK_INT(attr->after[1], 2);
    /* one pixel through a 5-wide kernel of stride 2: its centre lands on row 1 */
    fig_node one = fig_full(g, FIG_SHAPE(1, 1, 1, 1), 1),
             kernel = fig_reshape(counted(g, FIG_SHAPE(25)), FIG_SHAPE(1, 5, 5, 1));
    VALUES(fig_convolution_transposed(one, kernel, &same), 6, 7, 11, 12);
    fig_graph_free(g);
}

/* -- messages ----------------------------------------------------------------------------------------------------- */

FIG_TEST(messages_say_what_to_do)
{
    fig_graph *g = fig_graph_new();
    fig_scope_push(g, "enc");
    fig_node x = fig_input(g, "x", FIG_SHAPE(64, 28, 28, 1));
    MESSAGE(g, fig_convolution(x, fig_input(g, "w", FIG_SHAPE(8, 3, 3, 3)), NULL),
            "enc: convolution: weight f32 (8, 3, 3, 3) expects 3 input channels but x has 1, f32 (64, 28, 28, 1)");
    g = fig_graph_new();
    x = fig_input(g, "x", FIG_SHAPE(2, 3));
    MESSAGE(g, fig_matmul(x, x, NULL), "matmul: f32 (2, 3) times f32 (2, 3): 3 columns meet 2 rows");
    g = fig_graph_new();
    MESSAGE(g, fig_reshape(fig_input(g, "x", FIG_SHAPE(2, 3)), FIG_SHAPE(4, -1)), "reshape: f32 (2, 3) does not fit");
    g = fig_graph_new();
    MESSAGE(g, fig_slice(fig_input(g, "x", FIG_SHAPE(2, 3)), 1, 1, 3, 1), "do not lie within axis 1 of size 3");
    g = fig_graph_new();
    MESSAGE(g, fig_concat((fig_node[]){ fig_input(g, "x", FIG_SHAPE(2, 3)), fig_input(g, "y", FIG_SHAPE(3, 3)) }, 2, 1),
            "concat: part 1 is f32 (3, 3) but part 0 is f32 (2, 3)");
    g = fig_graph_new();
    MESSAGE(g, fig_matmul(fig_input(g, "x", FIG_SHAPE(2, 3)), FIG_NONE, NULL), "matmul: operand 2 is missing");
    g = fig_graph_new();
    MESSAGE(g, fig_max_pool(fig_input(g, "x", FIG_SHAPE(1, 2, 2, 1)), &(fig_pool_opts){ .size = { 3 } }),
            "window 3 does not fit in spatial axis 0 of size 2");
    g = fig_graph_new();
    MESSAGE(g,
            fig_convolution_transposed(fig_input(g, "x", FIG_SHAPE(1, 4, 3)), fig_input(g, "w", FIG_SHAPE(3, 4, 2)),
                                       &(fig_conv_opts){ .stride = { 2 }, .output_extra = { 2 } }),
            "output_extra 2 must be at least 0 and below the stride 2");
    g = fig_graph_new();
    MESSAGE(
        g,
        fig_dynamic_slice(fig_input(g, "x", FIG_SHAPE(4, 3)), fig_input(g, "s", (fig_type){ FIG_I32, 1, { 3 } }), 1, 2),
        "it must be a scalar or hold one place per row");
    g = fig_graph_new();
    MESSAGE(g, fig_transpose(fig_input(g, "x", FIG_SHAPE(4, 3, 2)), (int[]){ 0, 0, 1 }),
            "transpose: order names axis 0 twice");
}

FIG_TEST_MAIN
