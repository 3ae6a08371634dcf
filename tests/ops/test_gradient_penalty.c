/* test_gradient_penalty.c - the critic's loss of WGAN-GP (Gulrajani et al. 2017), differentiated through a gradient
 *
 *     loss = mean D(fake) - mean D(real) + 10 mean (|| grad_x D(x) || - 1)^2,   x = e real + (1 - e) fake
 *
 * The penalty holds a gradient, so the weights' gradient goes through convolution's gradients a second time. It
 * is compared with central differences of the loss, weight by weight, for the critic of the paper (piecewise
 * linear: the second derivatives of its activations vanish) and for a smooth one with layer normalisation, where
 * nothing vanishes. */
#include "test.h"

#include <figment/plan.h>

enum { BATCH = 3, SIDE = 6, WEIGHTS = 7, LARGEST = 400 };

typedef struct weight {
    const char *name;
    fig_type type;
    float values[LARGEST];
} weight;

typedef struct setting {
    fig_session *session;
    fig_store *store;
    fig_plan *plan;
    weight w[WEIGHTS];
} setting;

/* x (B, 6, 6, 2) -> (B) */
static fig_node critic(fig_node x, const fig_node *w, bool smooth)
{
    fig_node h = fig_convolution(
        x, w[0], &(fig_conv_opts){ .stride = { 2 }, .before = { 1 }, .after = { 1 } }); /* (B, 3, 3, 5) */
    h = fig_add(h, w[1]);
    if (smooth)
        h = fig_tanh(fig_layer_normalise(h, w[5], w[6], 1e-3f));
    else
        h = fig_leaky_relu(h, 0.2f);
    h = fig_convolution(h, w[2], &(fig_conv_opts){ .before = { FIG_PAD_SAME } }); /* (B, 3, 3, 4) */
    h = smooth ? fig_softplus(h) : fig_leaky_relu(h, 0.2f);
    h = fig_matmul(fig_flatten(h), w[3], &(fig_matmul_opts){ .transpose_b = true }); /* (B, 1) */
    return fig_sum_rows(fig_add(h, w[4]));
}

static fig_node critic_loss(fig_graph *g, const fig_node *w, bool smooth)
{
    fig_type pictures = FIG_SHAPE(BATCH, SIDE, SIDE, 2);
    fig_node real = fig_input(g, "real", pictures), fake = fig_input(g, "fake", pictures);
    fig_node mix = fig_input(g, "mix", FIG_SHAPE(BATCH, 1, 1, 1));
    fig_node x = fig_add(fake, fig_mul(mix, fig_sub(real, fake)));
    fig_node slope;
    fig_gradients(critic(x, w, smooth), &x, 1, &slope);
    fig_node norm = fig_sqrt(fig_sum_rows(fig_square(slope))); /* (B) */
    fig_node penalty = fig_mean(fig_square(fig_shift(norm, -1.0f)), NULL);
    fig_node distance = fig_sub(fig_mean(critic(fake, w, smooth), NULL), fig_mean(critic(real, w, smooth), NULL));
    return fig_add(distance, fig_scale(penalty, 10.0f));
}

static void fill(float *to, int64_t count, uint32_t seed, float scale)
{
    uint32_t x = seed * 2654435761u + 1;
    for (int64_t i = 0; i < count; i++) {
        x = x * 1664525u + 1013904223u;
        to[i] = ((float)(x >> 8) / 8388608.0f - 1.0f) * scale;
    }
}

static double loss_at(setting *s, const weight *w, int64_t i, float value)
{
    fig_error err = { 0 };
    fig_type type;
    float *place = fig_plan_input(s->plan, w->name, &type);
    float saved = place[i];
    place[i] = value;
    if (fig_plan_run(s->plan, &(fig_run_opts){ 0 }, &err) != FIG_OK)
        TEST_FAIL("%s", err.message);
    place[i] = saved;
    return (double)*(const float *)fig_plan_output(s->plan, 0, &type);
}

static double difference(setting *s, const weight *w, int64_t i, float step)
{
    float up = w->values[i] + step, down = w->values[i] - step;
    return (loss_at(s, w, i, up) - loss_at(s, w, i, down)) / ((double)up - (double)down);
}

/* Returns how many weights could not be judged: the penalty jumps where a unit of the piecewise linear critic changes
 * sides, and a step that crosses such a place says nothing. It shows, as the difference then depends on the step's
 * length. */
static int check_weight(setting *s, int k, const float *gradient)
{
    const weight *w = &s->w[k];
    int64_t count = fig_elements(&w->type);
    int skipped = 0;
    double largest = 1e-3;
    for (int64_t i = 0; i < count; i++)
        largest = fmax(largest, fabs((double)gradient[i]));
    for (int64_t i = 0; i < count; i++) {
        double slope = difference(s, w, i, 4e-3f);
        if (fabs(slope - (double)gradient[i]) <= 1e-2 * largest)
            continue;
        if (fabs(slope - difference(s, w, i, 2e-3f)) > 1e-2 * largest)
            skipped++;
        else
            TEST_FAIL("%s[%lld]: gradient %.6g, by differences %.6g", w->name, (long long)i, (double)gradient[i],
                      slope);
    }
    return skipped;
}

static bool compile(setting *s, fig_graph *g, bool smooth)
{
    static const fig_type shapes[WEIGHTS] = {
        { .rank = 4, .dim = { 5, 3, 3, 2 } }, { .rank = 1, .dim = { 5 } }, { .rank = 4, .dim = { 4, 3, 3, 5 } },
        { .rank = 2, .dim = { 1, 36 } },      { .rank = 1, .dim = { 1 } }, { .rank = 1, .dim = { 5 } },
        { .rank = 1, .dim = { 5 } },
    };
    static const char *const names[WEIGHTS] = { "conv1", "bias1", "conv2", "linear", "bias", "gamma", "beta" };
    fig_node w[WEIGHTS], outputs[1 + WEIGHTS];
    int used = smooth ? WEIGHTS : WEIGHTS - 2;
    for (int k = 0; k < used; k++) {
        s->w[k] = (weight){ .name = names[k], .type = shapes[k] };
        w[k] = fig_input(g, names[k], shapes[k]);
    }
    outputs[0] = critic_loss(g, w, smooth);
    fig_gradients(outputs[0], w, used, outputs + 1);
    fig_error err = { 0 };
    fig_plan_opts opts = { .outputs = outputs, .n_outputs = 1 + used };
    if (fig_graph_check(g, &err) == FIG_OK && fig_plan_compile(g, s->store, &opts, &s->plan, &err) == FIG_OK)
        return true;
    TEST_FAIL("%s", err.message);
    return false;
}

static void fill_inputs(setting *s, int used)
{
    static const float scale[WEIGHTS] = { 0.5f, 0.2f, 0.4f, 0.6f, 0.1f, 1.0f, 0.5f };
    fig_type type;
    fill(fig_plan_input(s->plan, "real", &type), BATCH * SIDE * SIDE * 2, 101, 1.0f);
    fill(fig_plan_input(s->plan, "fake", &type), BATCH * SIDE * SIDE * 2, 102, 1.0f);
    float *mix = fig_plan_input(s->plan, "mix", &type);
    for (int i = 0; i < BATCH; i++)
        mix[i] = 0.2f + 0.3f * (float)i;
    for (int k = 0; k < used; k++) {
        float *to = fig_plan_input(s->plan, s->w[k].name, &type);
        fill(to, fig_elements(&type), (uint32_t)k + 1, scale[k]);
        memcpy(s->w[k].values, to, sizeof(float) * (size_t)fig_elements(&type));
    }
}

static void check_critic(bool reference, bool smooth)
{
    fig_error err = { 0 };
    static setting s;
    static float gradient[WEIGHTS][LARGEST];
    memset(&s, 0, sizeof s);
    CHECK_OK(fig_session_new(&(fig_session_opts){ .threads = 1, .reference_kernels = reference }, &s.session, &err),
             err);
    CHECK_OK(fig_store_new(s.session, &s.store, &err), err);
    fig_graph *g = fig_graph_new();
    if (compile(&s, g, smooth)) {
        int used = smooth ? WEIGHTS : WEIGHTS - 2;
        fill_inputs(&s, used);
        CHECK_OK(fig_plan_run(s.plan, &(fig_run_opts){ 0 }, &err), err);
        for (int k = 0; k < used; k++) {
            fig_type type;
            const float *from = fig_plan_output(s.plan, k + 1, &type);
            memcpy(gradient[k], from, sizeof(float) * (size_t)fig_elements(&type));
        }
        int skipped = 0;
        for (int k = 0; k < used; k++)
            skipped += check_weight(&s, k, gradient[k]);
        CHECK(skipped <= (smooth ? 0 : 8)); /* of 312 */
    }
    fig_plan_free(s.plan);
    fig_graph_free(g);
    fig_store_free(s.store);
    fig_session_free(s.session);
}

FIG_TEST(paper_critic_by_reference_loops) { check_critic(true, false); }
FIG_TEST(paper_critic_by_kernels) { check_critic(false, false); }
FIG_TEST(smooth_critic_by_reference_loops) { check_critic(true, true); }
FIG_TEST(smooth_critic_by_kernels) { check_critic(false, true); }

FIG_TEST_MAIN
