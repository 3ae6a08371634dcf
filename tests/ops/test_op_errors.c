/* ops/test_op_errors.c - what building refuses, and how it says so */
#include "../test.h"

#include "ops/op.h"
#include <figment/graph.h>

/* Builds with a fresh graph and expects one mistake whose message has the part. */
static void expect(void (*build)(fig_graph *g), const char *part)
{
    fig_graph *g = fig_graph_new();
    fig_error err = { 0 };
    build(g);
    CHECK_FAILS(fig_graph_check(g, &err), err, FIG_E_SHAPE, part);
    fig_graph_free(g);
}

static fig_node real(fig_graph *g, fig_type type)
{
    static int number;
    char name[32];
    snprintf(name, sizeof name, "input%d", number++);
    return fig_input(g, name, type);
}

static fig_node integers(fig_graph *g, fig_type type)
{
    type.dtype = FIG_I32;
    return real(g, type);
}

/* -- losses take logits ---------------------------------------------------------------------------------------------- */

static void bce_of_sigmoid(fig_graph *g)
{
    fig_bce_logits(fig_sigmoid(real(g, FIG_SHAPE(4, 1))), real(g, FIG_SHAPE(4, 1)));
}

static void bce_of_tanh_behind_views(fig_graph *g)
{
    fig_scope_push(g, "discriminator");
    fig_node y = fig_tanh(real(g, FIG_SHAPE(4, 1)));
    fig_scope_pop(g);
    fig_bce_logits(fig_stop_gradient(fig_reshape(y, FIG_SHAPE(4))), real(g, FIG_SHAPE(4)));
}

static void cross_entropy_of_softmax(fig_graph *g)
{
    fig_cross_entropy(fig_reshape(fig_softmax(real(g, FIG_SHAPE(2, 3, 10))), FIG_SHAPE(6, 10)),
                      integers(g, FIG_SHAPE(6)));
}

static void cross_entropy_of_sigmoid(fig_graph *g)
{
    fig_cross_entropy(fig_sigmoid(real(g, FIG_SHAPE(6, 10))), integers(g, FIG_SHAPE(6)));
}

FIG_TEST(losses_refuse_squashed_operands)
{
    expect(bce_of_sigmoid, "bce_logits: takes logits, but is given the output of sigmoid; remove the sigmoid");
    expect(bce_of_tanh_behind_views, "output of tanh in discriminator; remove the tanh");
    expect(cross_entropy_of_softmax,
           "cross_entropy: takes logits, but is given the output of softmax; remove the softmax");
    expect(cross_entropy_of_sigmoid, "remove the sigmoid");
}

FIG_TEST(losses_accept_logits_of_a_squashed_hidden_layer)
{
    fig_graph *g = fig_graph_new();
    fig_error err = { 0 };
    fig_node hidden = fig_tanh(real(g, FIG_SHAPE(4, 8)));
    fig_node logits = fig_matmul(hidden, real(g, FIG_SHAPE(8, 3)), NULL);
    fig_cross_entropy(logits, integers(g, FIG_SHAPE(4)));
    fig_bce_logits(logits, fig_sigmoid(real(g, FIG_SHAPE(4, 3)))); /* a target may be squashed */
    CHECK_OK(fig_graph_check(g, &err), err);
    fig_graph_free(g);
}

/* -- shapes and types ---------------------------------------------------------------------------------------------------- */

static void shapes_apart(fig_graph *g) { fig_add(real(g, FIG_SHAPE(3, 4)), real(g, FIG_SHAPE(5))); }
static void types_apart(fig_graph *g) { fig_mul(real(g, FIG_SHAPE(3)), integers(g, FIG_SHAPE(3))); }
static void integer_exp(fig_graph *g) { fig_exp(integers(g, FIG_SHAPE(3))); }
static void bf16_sum(fig_graph *g) { fig_add(fig_cast(real(g, FIG_SHAPE(3)), FIG_BF16), real(g, FIG_SHAPE(3))); }
static void clamp_crossed(fig_graph *g) { fig_clamp(real(g, FIG_SHAPE(3)), 2, 1); }
static void axis_out(fig_graph *g) { fig_sum(real(g, FIG_SHAPE(3, 4)), &(fig_reduce_opts){ .axis = 2 }); }
static void axes_out(fig_graph *g) { fig_mean(real(g, FIG_SHAPE(3, 4)), &(fig_reduce_opts){ .axes = 1u << 5 }); }
static void cumsum_scalar(fig_graph *g) { fig_cumsum(real(g, FIG_SCALAR), 0, false, false); }
static void softmax_scalar(fig_graph *g) { fig_softmax(real(g, FIG_SCALAR)); }
static void labels_apart(fig_graph *g) { fig_cross_entropy(real(g, FIG_SHAPE(6, 10)), integers(g, FIG_SHAPE(5))); }
static void labels_real(fig_graph *g) { fig_cross_entropy(real(g, FIG_SHAPE(6, 10)), real(g, FIG_SHAPE(6))); }
static void dropout_all(fig_graph *g) { fig_dropout(real(g, FIG_SHAPE(6)), 1); }
static void groups_uneven(fig_graph *g)
{
    fig_group_normalise(real(g, FIG_SHAPE(2, 5, 6)), 4, FIG_NONE, FIG_NONE, 1e-5f);
}
static void gamma_wrong(fig_graph *g)
{
    fig_node c = real(g, FIG_SHAPE(5));
    fig_layer_normalise(real(g, FIG_SHAPE(2, 6)), c, c, 1e-5f);
}
static void eps_negative(fig_graph *g) { fig_layer_normalise(real(g, FIG_SHAPE(2, 6)), FIG_NONE, FIG_NONE, -1); }
static void keys_short(fig_graph *g)
{
    fig_node k = real(g, FIG_SHAPE(2, 3, 1, 4));
    fig_attention(real(g, FIG_SHAPE(2, 5, 1, 4)), k, k, true, 0);
}
static void heads_apart(fig_graph *g)
{
    fig_node k = real(g, FIG_SHAPE(2, 5, 2, 4));
    fig_attention(real(g, FIG_SHAPE(2, 5, 1, 4)), k, k, true, 0);
}
static void joint_of_two(fig_graph *g) { fig_attention_joint(real(g, FIG_SHAPE(2, 5, 2, 1, 4)), true, 0); }
static void joint_apart(fig_graph *g) { fig_attention_joint(real(g, FIG_SHAPE(2, 5, 1, 4)), true, 0); }
static void noise_integer(fig_graph *g) { fig_normal(g, (fig_type){ .dtype = FIG_I32, .rank = 1, .dim = { 3 } }); }
static void size_zero(fig_graph *g) { fig_full(g, FIG_SHAPE(3, 0), 1); }
static void size_huge(fig_graph *g) { fig_full(g, FIG_SHAPE(1ll << 40, 1ll << 40), 1); }
static void data_negative(fig_graph *g) { fig_constant_data(g, FIG_SHAPE(3, -2), "abc"); }

FIG_TEST(shape_rules_name_what_is_wrong)
{
    expect(shapes_apart, "add: shapes do not meet: f32 (3, 4) and f32 (5)");
    expect(types_apart, "mul: operands differ in type: f32 (3) and i32 (3)");
    expect(integer_exp, "exp: works on f32, found i32 (3)");
    expect(bf16_sum, "add: bf16 values");
    expect(clamp_crossed, "clamp: lower bound 2 is above upper bound 1");
    expect(axis_out, "sum: axis 2 of a value with 2 axes");
    expect(axes_out, "mean: axis mask 0x20");
    expect(cumsum_scalar, "cumsum: axis 0 of a value with 0 axes");
    expect(softmax_scalar, "softmax: needs at least one axis");
    expect(labels_apart,
           "cross_entropy: logits f32 (6, 10) need labels of their shape without the last axis, found i32 (5)");
    expect(labels_real, "cross_entropy: operand 2 must be i32");
    expect(dropout_all, "dropout: rate 1, expected 0 to below 1");
    expect(groups_uneven, "group_normalise: 6 channels do not divide into 4 groups");
    expect(gamma_wrong, "layer_normalise: gamma is f32 (5), expected f32 (6)");
    expect(eps_negative, "layer_normalise: eps is -1");
    expect(keys_short, "attention: causal with 5 queries needs at least as many keys, found 3");
    expect(heads_apart, "attention: q f32 (2, 5, 1, 4) needs k and v");
    expect(joint_of_two, "attention: queries, keys and values in one need (B, T, 3, H, D); found f32 (2, 5, 2, 1, 4)");
    expect(joint_apart, "attention: 1 operands, expected 3, or 1 of which the first has 5 axes");
    expect(noise_integer, "normal: noise is f32");
    expect(size_zero, "full: axis 1 has size 0");
    expect(size_huge, "full: axis 1 has size");
    expect(data_negative, "constant_data: axis 1 has size -2");
}

FIG_TEST(a_mistake_is_sticky_and_the_first_wins)
{
    fig_graph *g = fig_graph_new();
    fig_error err = { 0 };
    fig_scope_push(g, "enc");
    fig_node bad = fig_add(real(g, FIG_SHAPE(3)), real(g, FIG_SHAPE(4)));
    fig_scope_pop(g);
    fig_node more = fig_softmax(fig_layer_normalise(fig_sum(bad, NULL), FIG_NONE, FIG_NONE, 1e-5f));
    more = fig_cross_entropy(fig_attention(more, more, more, true, 0.5f), more);
    more = fig_dropout(fig_clamp(fig_cumsum(fig_argmax(more, 3), 1, true, false), 0, 1), 0.5f);
    fig_node all[1];
    fig_gradients(more, &bad, 1, all);
    CHECK_FAILS(fig_graph_check(g, &err), err, FIG_E_SHAPE, "enc: add: shapes do not meet");
    fig_graph_free(g);
}

FIG_TEST_MAIN
