/* test_nn_spectral.c - spectral norm: the vectors find the largest singular value, a network called twice moves them once, and the
 * gradient is that of W / sigma with the vectors held still; R1 by hand */
#include "nn_rig.h"

enum { IN = 7, OUT = 5 };

static fig_status build_twice(fig_model *m, void *user, fig_error *err)
{
    fig_node *out = user;
    for (int i = 0; i < 63; i++) { /* so many that the list of weights grows where the layer's buffer comes in */
        char name[16];
        snprintf(name, sizeof name, "before%d", i);
        fig_buffer(fig_model_graph(m), name, FIG_SHAPE(1), (fig_init){ .kind = FIG_INIT_ZEROS });
    }
    fig_node x = fig_input(fig_model_graph(m), "x", FIG_SHAPE(IN, IN)), y[2];
    for (int call = 0; call < 2; call++) {
        fig_scope_push(fig_model_graph(m), "critic");
        y[call] = fig_linear(x, OUT, &(fig_linear_opts){ .spectral = true, .no_bias = true });
        fig_scope_pop(fig_model_graph(m));
    }
    CHECK_INT(fig_model_graph(m)->n_assigns, 1);
    out[0] = y[0];
    out[1] = fig_sub(y[1], y[0]);
    return fig_model_phase(m, &(fig_phase){ .name = "critic", .loss = fig_sum_rows(y[0]) }, err);
}

/* Largest singular value of w (OUT, IN), by many steps in double precision. */
static double largest(const float *w)
{
    double u[OUT] = { 1, 0.5, -0.3, 0.2, 0.7 }, v[IN], sigma = 0;
    for (int step = 0; step < 3000; step++) {
        double norm = 0;
        for (int i = 0; i < IN; i++) {
            v[i] = 0;
            for (int o = 0; o < OUT; o++)
                v[i] += (double)w[o * IN + i] * u[o];
            norm += v[i] * v[i];
        }
        sigma = 0;
        for (int o = 0; o < OUT; o++) {
            u[o] = 0;
            for (int i = 0; i < IN; i++)
                u[o] += (double)w[o * IN + i] * v[i] / sqrt(norm);
            sigma += u[o] * u[o];
        }
        sigma = sqrt(sigma);
        for (int o = 0; o < OUT; o++)
            u[o] /= sigma;
    }
    return sigma;
}

FIG_TEST(finds_the_largest_singular_value)
{
    fig_node out[2];
    nn_network network = { build_twice, out };
    nn_rig r;
    REQUIRE(nn_begin(&r, &network, FIG_FOR_TRAINING, IN));
    if (nn_compile(&r, out, 2)) {
        for (int i = 0; i < IN; i++)
            nn_input(&r, "x")[i * IN + i] = 1;
        for (int step = 0; step < 400; step++)
            nn_run(&r, (uint64_t)step);
        const float *w = nn_state(&r, "critic.linear1.weight"), *u = nn_state(&r, "critic.linear1.spectral");
        double sigma = largest(w), length = 0;
        for (int o = 0; o < OUT; o++) {
            length += (double)u[o] * (double)u[o];
            for (int i = 0; i < IN; i++)
                CHECK_NEAR(nn_output(&r, 0)[i * OUT + o], (double)w[o * IN + i] / sigma, 1e-5);
        }
        CHECK_NEAR(length, 1, 1e-5);
        for (int i = 0; i < IN * OUT; i++)
            CHECK(nn_output(&r, 1)[i] == 0);
    }
    nn_end(&r);
}

/* Of a square of the output, against (f(w + h) - f(w - h)) / 2h; u is at its fixed point, where moving it does not matter. */
static fig_status build_gradient(fig_model *m, void *user, fig_error *err)
{
    fig_node *out = user;
    fig_node x = fig_input(fig_model_graph(m), "x", FIG_SHAPE(3, IN));
    fig_node y = fig_linear(x, OUT, &(fig_linear_opts){ .spectral = true, .no_bias = true });
    fig_node loss = fig_sum_rows(fig_square(y));
    out[0] = fig_sum(loss, NULL);
    fig_node w = fig_state(fig_model_graph(m), "linear1.weight", FIG_SHAPE(OUT, IN));
    fig_gradients(out[0], &w, 1, &out[1]);
    return fig_model_phase(m, &(fig_phase){ .name = "critic", .loss = loss }, err);
}

FIG_TEST(gradient)
{
    fig_node out[2];
    nn_network network = { build_gradient, out };
    nn_rig r;
    REQUIRE(nn_begin(&r, &network, FIG_FOR_TRAINING, 3));
    if (nn_compile(&r, out, 2)) {
        for (int i = 0; i < 3 * IN; i++)
            nn_input(&r, "x")[i] = sinf((float)(3 * i + 1));
        for (int step = 0; step < 400; step++)
            nn_run(&r, 0);
        float *w = nn_state(&r, "linear1.weight"), exact[OUT * IN];
        memcpy(exact, nn_output(&r, 1), sizeof exact);
        for (int i = 0; i < OUT * IN; i += 3) {
            float kept = w[i];
            double f[2];
            for (int side = 0; side < 2; side++) {
                w[i] = kept + (side ? 1e-2f : -1e-2f);
                for (int step = 0; step < 100; step++)
                    nn_run(&r, 0);
                f[side] = (double)nn_output(&r, 0)[0];
            }
            w[i] = kept;
            CHECK_NEAR(exact[i], (f[1] - f[0]) / 2e-2, 2e-2 * (1 + fabs((double)exact[i])));
        }
    }
    nn_end(&r);
}

/* logit = sum of a_i x_i^2 / 2, so that its gradient is a x. Two rows to a logit: the squares of both. */
static fig_status build_r1(fig_model *m, void *user, fig_error *err)
{
    fig_node *out = user;
    fig_graph *g = fig_model_graph(m);
    (void)err;
    static const float a[3] = { 1, -2, 0.5f };
    fig_node x = fig_input(g, "x", FIG_SHAPE(4, 3));
    fig_node terms = fig_scale(fig_mul(fig_square(x), fig_constant_data(g, FIG_SHAPE(3), a)), 0.5f);
    out[0] = fig_r1_penalty(fig_sum_rows(terms), x);                            /* (4) */
    out[1] = fig_r1_penalty(fig_sum_rows(fig_reshape(terms, FIG_SHAPE(2, 6))), x); /* (2) */
    return FIG_OK;
}

FIG_TEST(r1_by_hand)
{
    fig_node out[2];
    nn_network network = { build_r1, out };
    nn_rig r;
    REQUIRE(nn_begin(&r, &network, FIG_FOR_EVALUATION, 4));
    if (nn_compile(&r, out, 2)) {
        float *x = nn_input(&r, "x");
        for (int i = 0; i < 12; i++)
            x[i] = (float)(i - 5) / 4;
        nn_run(&r, 0);
        double row[4];
        for (int b = 0; b < 4; b++) {
            const float *v = x + 3 * b;
            row[b] = 0.5 * (double)(v[0] * v[0] + 4 * v[1] * v[1] + 0.25f * v[2] * v[2]);
            CHECK_NEAR(nn_output(&r, 0)[b], row[b], 1e-5);
        }
        CHECK_NEAR(nn_output(&r, 1)[0], row[0] + row[1], 1e-5);
        CHECK_NEAR(nn_output(&r, 1)[1], row[2] + row[3], 1e-5);
    }
    nn_end(&r);
}

FIG_TEST_MAIN
