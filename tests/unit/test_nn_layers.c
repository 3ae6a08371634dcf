/* test_nn_layers.c - layers: names and sharing of weights, batch norm's running statistics, cached against whole attention, blocks. */
#include "nn_rig.h"

/* -- names ------------------------------------------------------------------------------------------------------------ */

static fig_node small_net(fig_graph *g, fig_node x)
{
    fig_scope_push(g, "net");
    fig_node h = fig_relu(fig_linear(x, 8, NULL));
    h = fig_linear(h, 3, &(fig_linear_opts){ .label = "last", .no_bias = true });
    fig_scope_pop(g);
    return h;
}

static fig_status build_twice(fig_model *m, void *user, fig_error *err)
{
    fig_node *out = user;
    (void)err;
    fig_node x = fig_input(fig_model_graph(m), "x", FIG_SHAPE(2, 5));
    out[0] = small_net(fig_model_graph(m), x);
    out[1] = small_net(fig_model_graph(m), fig_scale(x, 2));
    return FIG_OK;
}

FIG_TEST(weights_are_shared_by_scope)
{
    fig_node out[2];
    nn_network network = { build_twice, out };
    nn_rig r;
    REQUIRE(nn_begin(&r, &network, FIG_FOR_EVALUATION, 2));
    CHECK_INT(r.model->n_weights, 3);
    CHECK_TEXT(r.model->weights[0].name, "net.linear1.weight");
    CHECK_TEXT(r.model->weights[1].name, "net.linear1.bias");
    CHECK_TEXT(r.model->weights[2].name, "net.last.weight");
    CHECK_INT(r.model->weights[0].init.kind, FIG_INIT_GLOROT_UNIFORM);
    CHECK_INT(r.model->weights[0].init.fan_in, 5);
    CHECK_INT(r.model->weights[0].init.fan_out, 8);
    if (nn_compile(&r, out, 2)) {
        float *x = nn_input(&r, "x");
        for (int i = 0; i < 10; i++)
            x[i] = (float)(i % 3) - 1;
        nn_run(&r, 0);
        for (int i = 0; i < 6; i++) /* no bias is set yet, so the network is linear in the scale */
            CHECK_NEAR(nn_output(&r, 1)[i], 2 * nn_output(&r, 0)[i], 1e-5);
    }
    nn_end(&r);
}

static fig_status build_clash(fig_model *m, void *user, fig_error *err)
{
    (void)user, (void)err;
    fig_node x = fig_input(fig_model_graph(m), "x", FIG_SHAPE(2, 5));
    fig_linear(x, 3, &(fig_linear_opts){ .label = "same" });
    fig_linear(x, 4, &(fig_linear_opts){ .label = "same" });
    return FIG_OK;
}

FIG_TEST(one_name_two_shapes_is_an_error)
{
    nn_network network = { build_clash, NULL };
    nn_rig r;
    CHECK(!nn_begin(&r, &network, FIG_FOR_EVALUATION, 2));
    CHECK_HAS(r.err.message, "same.weight");
    nn_end(&r);
}

/* Five outputs of five inputs, output i connected to inputs 0 .. i - 1 only. */
static fig_status build_masked(fig_model *m, void *user, fig_error *err)
{
    fig_node *out = user;
    (void)err;
    fig_graph *g = fig_model_graph(m);
    fig_type square = FIG_SHAPE(5, 5);
    fig_node x = fig_input(g, "x", FIG_SHAPE(1, 5)), y = fig_linear(x, 5, &(fig_linear_opts){
        .mask = fig_greater(fig_iota(g, square, 0), fig_iota(g, square, 1)) });
    out[0] = y;
    fig_gradients(y, &m->weights[0].node, 1, &out[1]);
    return FIG_OK;
}

FIG_TEST(a_mask_cuts_connections)
{
    fig_node out[2];
    nn_network network = { build_masked, out };
    nn_rig r;
    REQUIRE(nn_begin(&r, &network, FIG_FOR_EVALUATION, 1));
    REQUIRE(nn_compile(&r, out, 2));
    float *x = nn_input(&r, "x"), before[5];
    for (int i = 0; i < 5; i++)
        x[i] = (float)(i + 1);
    nn_run(&r, 0);
    for (int i = 0; i < 25; i++) /* a cut connection has no gradient */
        CHECK_NEAR(nn_output(&r, 1)[i], i / 5 > i % 5 ? i % 5 + 1 : 0, 1e-6);
    memcpy(before, nn_output(&r, 0), sizeof before);
    for (int i = 0; i < 5; i++) {
        x[i] += 1;
        nn_run(&r, 0);
        for (int k = 0; k < 5; k++)
            CHECK((nn_output(&r, 0)[k] != before[k]) == (k > i));
        x[i] -= 1;
    }
    nn_end(&r);
}

FIG_TEST(bare_graph_has_plain_states)
{
    fig_graph *g = fig_graph_new();
    fig_node y = fig_linear(fig_input(g, "x", FIG_SHAPE(2, 3, 5)), 4, NULL);
    fig_error err = { 0 };
    CHECK_OK(fig_graph_check(g, &err), err);
    CHECK_INT(fig_rank(y), 3);
    CHECK_INT(fig_dim(y, -1), 4);
    CHECK(fig__find_leaf(g, &fig_op_state, "linear1.weight") >= 0);
    CHECK(!fig_is_training(g));
    fig_graph_free(g);
}

/* -- batch norm ----------------------------------------------------------------------------------------------------------- */

static fig_status build_norm(fig_model *m, void *user, fig_error *err)
{
    fig_node x = fig_input(fig_model_graph(m), "x", FIG_SHAPE(4, 2)), *y = user;
    *y = fig_batch_norm(x, &(fig_norm_opts){ .momentum = 0.25f });
    if (fig_model_purpose(m) == FIG_FOR_TRAINING)
        return fig_model_phase(m, &(fig_phase){ .name = "p", .loss = fig_sum_rows(*y) }, err);
    return FIG_OK;
}

FIG_TEST(batch_norm_runs_averages)
{
    static const float x[8] = { 1, 10, 2, 10, 3, 10, 6, 14 }; /* column means 3, 11; unbiased variances 14/3, 4 */
    fig_node y;
    nn_network network = { build_norm, &y };
    nn_rig r;
    REQUIRE(nn_begin(&r, &network, FIG_FOR_TRAINING, 4));
    if (nn_compile(&r, &y, 1)) {
        memcpy(nn_input(&r, "x"), x, sizeof x);
        nn_run(&r, 0);
        CHECK_NEAR(nn_output(&r, 0)[6], 3 / sqrt(3.5 + 1e-5), 1e-5); /* biased variance inside */
        CHECK_NEAR(nn_state(&r, "batch_norm1.mean")[0], 0.25 * 3, 1e-6);
        CHECK_NEAR(nn_state(&r, "batch_norm1.mean")[1], 0.25 * 11, 1e-6);
        CHECK_NEAR(nn_state(&r, "batch_norm1.variance")[0], 0.75 + 0.25 * 14 / 3, 1e-5);
        CHECK_NEAR(nn_state(&r, "batch_norm1.variance")[1], 0.75 + 0.25 * 4, 1e-5);
    }
    nn_end(&r);

    REQUIRE(nn_begin(&r, &network, FIG_FOR_EVALUATION, 4));
    if (nn_compile(&r, &y, 1)) {
        nn_state(&r, "batch_norm1.mean")[0] = 2;
        nn_state(&r, "batch_norm1.variance")[0] = 4;
        memcpy(nn_input(&r, "x"), x, sizeof x);
        nn_run(&r, 0);
        CHECK_NEAR(nn_output(&r, 0)[6], 2, 1e-5);
        CHECK_NEAR(nn_state(&r, "batch_norm1.mean")[0], 2, 0);
    }
    nn_end(&r);
}

/* -- attention ---------------------------------------------------------------------------------------------------------------- */

enum { B = 2, T = 5, C = 8 };
typedef struct attention_case {
    fig_node y;
    bool cached;
} attention_case;

static fig_status build_attention(fig_model *m, void *user, fig_error *err)
{
    attention_case *c = user;
    fig_graph *g = fig_model_graph(m);
    fig_type row = { .dtype = FIG_I32, .rank = 1, .dim = { B } };
    (void)err;
    fig_node x = fig_input(g, "x", FIG_SHAPE(B, c->cached ? 1 : T, C));
    fig_attention_opts attention = { .heads = 2, .causal = true };
    if (c->cached) {
        attention.cache = T;
        attention.position = fig_input(g, "position", row);
    }
    c->y = fig_transformer_block(x, &(fig_block_opts){ .attention = attention });
    return FIG_OK;
}

FIG_TEST(cached_steps_equal_the_whole)
{
    attention_case whole = { .cached = false }, step = { .cached = true };
    nn_network one = { build_attention, &whole }, other = { build_attention, &step };
    nn_rig w, s;
    REQUIRE(nn_begin(&w, &one, FIG_FOR_EVALUATION, B) &&
            nn_begin(&s, &other, FIG_FOR_SAMPLING, B) == false); /* no sampler declared */
    nn_end(&s);
    REQUIRE(nn_begin(&s, &other, FIG_FOR_EVALUATION, B));
    CHECK_INT(s.model->n_weights, w.model->n_weights + 1);
    if (nn_compile(&w, &whole.y, 1) && nn_compile(&s, &step.y, 1)) {
        float *x = nn_input(&w, "x"), *part = nn_input(&s, "x");
        int32_t *position = fig_plan_input(s.plan, "position", NULL);
        for (int i = 0; i < B * T * C; i++)
            x[i] = (float)sin(i * 1.7);
        for (int i = 0; i < B * 2 * T * C; i++) /* stale values of another sequence must not be seen */
            nn_state(&s, "block1.attention.cache")[i] = 50;
        nn_run(&w, 0);
        for (int t = 0; t < T; t++) {
            for (int b = 0; b < B; b++) {
                memcpy(part + b * C, x + (b * T + t) * C, sizeof(float) * C);
                position[b] = t;
            }
            nn_run(&s, 0);
            for (int i = 0; i < B * C; i++)
                CHECK_NEAR(nn_output(&s, 0)[i], nn_output(&w, 0)[(i / C * T + t) * C + i % C], 1e-5);
        }
    }
    nn_end(&w);
    nn_end(&s);
}

static fig_status build_shapes(fig_model *m, void *user, fig_error *err)
{
    fig_graph *g = fig_model_graph(m);
    (void)user, (void)err;
    fig_node x = fig_input(g, "x", FIG_SHAPE(2, 9, 9, 6));
    fig_node y = fig_residual_block(x, 12, NULL);
    CHECK_INT(fig_dim(y, 1), 9);
    CHECK_INT(fig_dim(y, 3), 12);
    y = fig_conv2d(y, 4, 3, &(fig_conv_layer_opts){ .stride = 2, .padding = FIG_PAD_SAME });
    CHECK_INT(fig_dim(y, 1), 5);
    y = fig_conv2d_transposed(y, 3, 5, &(fig_conv_layer_opts){ .stride = 2, .padding = FIG_PAD_SAME });
    CHECK_INT(fig_dim(y, 2), 10);
    y = fig_conv2d_transposed(y, 3, 4, &(fig_conv_layer_opts){ .stride = 2, .padding = 1 });
    CHECK_INT(fig_dim(y, 2), 20);
    fig_node v = fig_conv3d(fig_input(g, "v", FIG_SHAPE(1, 4, 6, 6, 2)), 5, 3, &(fig_conv_layer_opts){ .padding = 1 });
    CHECK_INT(fig_dim(v, 1), 4);
    fig_node a =
        fig_conv1d(fig_input(g, "a", FIG_SHAPE(1, 16, 4)), 8, 3, &(fig_conv_layer_opts){ .dilation = 2, .groups = 2 });
    CHECK_INT(fig_dim(a, 1), 12);
    a = fig_instance_norm(fig_group_norm(fig_rms_norm(a, NULL), &(fig_norm_opts){ .no_affine = true }), NULL);
    CHECK_INT(fig_dim(a, 2), 8);
    return FIG_OK;
}

FIG_TEST(shapes)
{
    nn_network network = { build_shapes, NULL };
    nn_rig r;
    if (!nn_begin(&r, &network, FIG_FOR_EVALUATION, 2))
        TEST_FAIL("%s", r.err.message);
    nn_end(&r);
}

FIG_TEST_MAIN
