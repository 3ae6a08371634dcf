/* test_nn_gated.c - causal convolutions and gated layers: what a step sees, plain loops, single steps against whole sequences. */
#include "nn_rig.h"

enum { B = 2, T = 9, C = 3, GATE = 4 };

typedef struct gated_case {
    int kernel, dilation;
    bool steps;
    fig_node out[3]; /* result, inside, skip sum of the same value twice */
} gated_case;

static fig_status build_gated(fig_model *m, void *user, fig_error *err)
{
    gated_case *c = user;
    fig_graph *g = fig_model_graph(m);
    fig_type row = { .dtype = FIG_I32, .rank = 1, .dim = { B } };
    (void)err;
    fig_init init = { .kind = FIG_INIT_UNIFORM, .a = 1 };
    fig_node x = fig_input(g, "x", FIG_SHAPE(B, c->steps ? 1 : T, C));
    fig_gated_opts opts = { .kernel = c->kernel, .dilation = c->dilation, .gate = GATE, .init = init, .bias_init = init };
    if (c->steps)
        opts.position = fig_input(g, "position", row);
    c->out[0] = fig_gated_layer(x, &opts, &c->out[1]);
    c->out[2] = fig_skip_sum((fig_node[]){ c->out[1], c->out[1] }, 2, 5, &(fig_conv_layer_opts){ .init = init });
    return FIG_OK;
}

/* The paper's formulas as loops. */
static void by_hand(nn_rig *r, const gated_case *c, const float *x, int b, int t, double y[C], double inside[GATE])
{
    const float *w = nn_state(r, "gated1.dilated.weight"), *wb = nn_state(r, "gated1.dilated.bias");
    const float *v = nn_state(r, "gated1.residual.weight"), *vb = nn_state(r, "gated1.residual.bias");
    for (int i = 0; i < GATE; i++) {
        double part[2];
        for (int half = 0; half < 2; half++) {
            int row = half * GATE + i;
            part[half] = (double)wb[row];
            for (int k = 0; k < c->kernel; k++) {
                int from = t - (c->kernel - 1 - k) * c->dilation;
                for (int j = 0; from >= 0 && j < C; j++)
                    part[half] += (double)w[(row * c->kernel + k) * C + j] * (double)x[(b * T + from) * C + j];
            }
        }
        inside[i] = tanh(part[0]) / (1 + exp(-part[1]));
    }
    for (int j = 0; j < C; j++) {
        y[j] = (double)x[(b * T + t) * C + j] + (double)vb[j];
        for (int i = 0; i < GATE; i++)
            y[j] += (double)v[j * GATE + i] * inside[i];
    }
}

static void check_gated(int kernel, int dilation)
{
    gated_case whole = { kernel, dilation, false, { { 0 } } }, step = { kernel, dilation, true, { { 0 } } };
    nn_network one = { build_gated, &whole }, other = { build_gated, &step };
    nn_rig w, s;
    bool good = nn_begin(&w, &one, FIG_FOR_EVALUATION, B);
    good = nn_begin(&s, &other, FIG_FOR_EVALUATION, B) && good;
    if (good && nn_compile(&w, whole.out, 3) && nn_compile(&s, step.out, 3)) {
        float *x = nn_input(&w, "x"), *part = nn_input(&s, "x");
        int32_t *position = fig_plan_input(s.plan, "position", NULL);
        for (int i = 0; i < B * T * C; i++)
            x[i] = (float)sin(i * 1.7);
        int ring = fig_store_find(s.store, "gated1.dilated.ring");
        for (int64_t i = 0; ring >= 0 && i < fig_elements(fig_store_type(s.store, ring)); i++)
            nn_state(&s, "gated1.dilated.ring")[i] = 50; /* of another sequence: must not be seen */
        nn_run(&w, 0);
        for (int t = 0; t < T; t++) {
            for (int b = 0; b < B; b++) {
                memcpy(part + b * C, x + (b * T + t) * C, sizeof(float) * C);
                if (position) /* kernel 1 looks at nothing earlier */
                    position[b] = t;
            }
            nn_run(&s, 0);
            for (int b = 0; b < B; b++) {
                double y[C], inside[GATE];
                by_hand(&w, &whole, x, b, t, y, inside);
                for (int j = 0; j < C; j++) {
                    CHECK_NEAR(nn_output(&w, 0)[(b * T + t) * C + j], y[j], 1e-5);
                    CHECK_NEAR(nn_output(&s, 0)[b * C + j], y[j], 1e-5);
                }
                for (int i = 0; i < GATE; i++)
                    CHECK_NEAR(nn_output(&s, 1)[b * GATE + i], inside[i], 1e-5);
                for (int i = 0; i < 5; i++)
                    CHECK_NEAR(nn_output(&s, 2)[b * 5 + i], nn_output(&w, 2)[(b * T + t) * 5 + i], 1e-5);
            }
        }
    }
    nn_end(&w);
    nn_end(&s);
}

FIG_TEST(steps_and_sequences_agree_with_the_formulas)
{
    check_gated(2, 1);
    check_gated(2, 3);
    check_gated(3, 2);
    check_gated(1, 1);
    check_gated(2, 16); /* longer than the sequence */
}

FIG_TEST(causal_is_refused_where_it_means_nothing)
{
    fig_error err = { 0 };
    fig_graph *g = fig_graph_new();
    fig_conv2d(fig_input(g, "x", FIG_SHAPE(1, 4, 4, 2)), 3, 3, &(fig_conv_layer_opts){ .causal = true });
    CHECK(fig_graph_check(g, &err) != FIG_OK);
    CHECK_HAS(err.message, "causal goes with one axis");
    fig_graph_free(g);
}

FIG_TEST_MAIN
