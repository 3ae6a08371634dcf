/* test_nn_losses.c - losses: values by hand, refusal of squashed logits, and the gradient penalty
 *
 * The penalty of a convolutional critic is differentiated with respect to the weights (a derivative of a derivative) and checked
 * against finite differences. */
#include "nn_rig.h"
#include <stdlib.h>

typedef struct loss_case {
    fig_node out[16];
    int count;
} loss_case;

static fig_status build_losses(fig_model *m, void *user, fig_error *err)
{
    loss_case *c = user;
    fig_graph *g = fig_model_graph(m);
    (void)err;
    fig_node l = fig_input(g, "logits", FIG_SHAPE(3, 1)), x = fig_input(g, "x", FIG_SHAPE(3, 2)),
             y = fig_input(g, "y", FIG_SHAPE(3, 2));
    for (int kind = 0; kind < 3; kind++) {
        c->out[c->count++] = fig_critic_loss((fig_adversarial)kind, l, FIG_GOAL_REAL);
        c->out[c->count++] = fig_critic_loss((fig_adversarial)kind, l, FIG_GOAL_FAKE);
        c->out[c->count++] = fig_generator_loss((fig_adversarial)kind, l);
    }
    c->out[c->count++] = fig_critic_loss(FIG_WGAN_GP, l, FIG_GOAL_REAL);
    c->out[c->count++] = fig_kl_unit_gaussian(x, y);
    c->out[c->count++] = fig_gaussian_nll(x, y, fig_constant(g, 0.5f));
    c->out[c->count++] = fig_bernoulli_nll(x, fig_sigmoid(y));
    c->out[c->count++] = fig_squared_error(x, y);
    return FIG_OK;
}

FIG_TEST(values)
{
    static const double l[3] = { -1.5, 0, 2 }, x[6] = { 0.3, -0.2, 1, 2, -1, 0.5 },
                        y[6] = { 0.1, 0.4, -0.3, 0.2, 1, -2 };
    loss_case c = { 0 };
    nn_network network = { build_losses, &c };
    nn_rig r;
    REQUIRE(nn_begin(&r, &network, FIG_FOR_EVALUATION, 3));
    if (nn_compile(&r, c.out, c.count)) {
        for (int i = 0; i < 3; i++)
            nn_input(&r, "logits")[i] = (float)l[i];
        for (int i = 0; i < 6; i++)
            nn_input(&r, "x")[i] = (float)x[i], nn_input(&r, "y")[i] = (float)y[i];
        nn_run(&r, 0);
        for (int i = 0; i < 3; i++) {
            double v = l[i], kl = 0, nll = 0, bce = 0, square = 0;
            for (int k = 2 * i; k < 2 * i + 2; k++) {
                double t = 1 / (1 + exp(-y[k]));
                kl += 0.5 * (exp(y[k]) + x[k] * x[k] - 1 - y[k]);
                nll += 0.5 * (log(2 * M_PI) + 0.5 + (x[k] - y[k]) * (x[k] - y[k]) * exp(-0.5));
                bce += log1p(exp(x[k])) - x[k] * t;
                square += (x[k] - y[k]) * (x[k] - y[k]);
            }
            double expected[] = { log1p(exp(-v)),
                                  log1p(exp(v)),
                                  log1p(exp(-v)),
                                  (v - 1) * (v - 1) / 2,
                                  v * v / 2,
                                  (v - 1) * (v - 1) / 2,
                                  fmax(0, 1 - v),
                                  fmax(0, 1 + v),
                                  -v,
                                  -v,
                                  kl,
                                  nll,
                                  bce,
                                  square };
            for (int k = 0; k < c.count; k++)
                CHECK_NEAR(nn_output(&r, k)[i], expected[k], 1e-5);
        }
    }
    nn_end(&r);
}

static fig_status build_double_sigmoid(fig_model *m, void *user, fig_error *err)
{
    (void)err;
    fig_graph *g = fig_model_graph(m);
    fig_scope_push(g, "discriminator");
    fig_node p = fig_sigmoid(fig_linear(fig_input(g, "x", FIG_SHAPE(4, 6)), 1, &(fig_linear_opts){ .label = "last" }));
    fig_scope_pop(g);
    p = fig_reshape(p, FIG_SHAPE(4));
    if (user)
        fig_bce_logits(p, fig_zeros_like(p));
    else
        fig_critic_loss(FIG_NON_SATURATING, p, FIG_GOAL_REAL);
    return FIG_OK;
}

/* The double sigmoid of the classic listings cannot be written. */
FIG_TEST(squashed_logits_are_refused)
{
    for (int plain = 0; plain < 2; plain++) {
        nn_network network = { build_double_sigmoid, plain ? &plain : NULL };
        nn_rig r;
        CHECK(!nn_begin(&r, &network, FIG_FOR_EVALUATION, 4));
        CHECK_HAS(r.err.message, "logits");
        nn_end(&r);
    }
}

/* -- gradient penalty ---------------------------------------------------------------------------------------------------- */

typedef struct penalty_case {
    fig_node out[8];
    int count;
} penalty_case;

static fig_status build_penalty(fig_model *m, void *user, fig_error *err)
{
    penalty_case *c = user;
    fig_graph *g = fig_model_graph(m);
    (void)err;
    fig_node x = fig_input(g, "x", FIG_SHAPE(2, 6, 6, 2));
    fig_node h = fig_tanh(fig_conv2d(x, 3, 3, &(fig_conv_layer_opts){ .stride = 2, .padding = 1 }));
    h = fig_leaky_relu(fig_group_norm(fig_conv2d(h, 4, 2, NULL), &(fig_norm_opts){ .groups = 1 }), 0.2f);
    fig_node penalty = fig_sum(fig_gradient_penalty(fig_linear(fig_flatten(h), 1, NULL), x), NULL);
    c->out[0] = penalty;
    fig_node weights[8], gradients[8];
    c->count = m->n_weights - 1; /* the last bias has no influence */
    for (int i = 0; i < c->count; i++)
        weights[i] = m->weights[i].node;
    fig_gradients(penalty, weights, c->count, gradients);
    memcpy(c->out + 1, gradients, sizeof(fig_node) * (size_t)c->count);
    return FIG_OK;
}

FIG_TEST(gradient_penalty_of_a_convolutional_critic)
{
    penalty_case c = { 0 };
    nn_network network = { build_penalty, &c };
    nn_rig r;
    REQUIRE(nn_begin(&r, &network, FIG_FOR_EVALUATION, 2));
    if (nn_compile(&r, c.out, c.count + 1)) {
        for (int i = 0; i < 2 * 6 * 6 * 2; i++)
            nn_input(&r, "x")[i] = (float)sin(i * 0.9);
        float *gradient[8];
        nn_run(&r, 0);
        for (int k = 0; k < c.count; k++) {
            size_t bytes = fig__bytes(&r.model->weights[k].type);
            gradient[k] = malloc(bytes);
            memcpy(gradient[k], nn_output(&r, k + 1), bytes);
        }
        for (int k = 0; k < c.count; k++) {
            int64_t count = fig__count(&r.model->weights[k].type);
            float *w = nn_state(&r, r.model->weights[k].name);
            for (int64_t i = 0; i < count; i += 1 + count / 7) {
                const float at = w[i], step = 1e-2f;
                double side[2];
                for (int s = 0; s < 2; s++) {
                    w[i] = s ? at - step : at + step;
                    nn_run(&r, 0);
                    side[s] = (double)nn_output(&r, 0)[0];
                }
                w[i] = at;
                double slope = (side[0] - side[1]) / (2 * (double)step);
                CHECK_NEAR(gradient[k][i], slope, 2e-3 + 2e-2 * fabs(slope));
            }
            free(gradient[k]);
        }
    }
    nn_end(&r);
}

FIG_TEST_MAIN
