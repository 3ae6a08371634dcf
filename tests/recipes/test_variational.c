/* test_variational.c - variational dropout: results of a noisy layer have the mean and the variance that draws of its weights would
 * give, the KL is close to its integral, pruned weights are none outside of training; a VAE's bound holds the weights' share */
#include "nn_rig.h"
#include "unit/sample_data.h"

enum { ROWS = 4000, IN = 3, UNITS = 4, WEIGHTS = IN * UNITS };

typedef struct layer {
    fig_weight_noise noise;
    fig_node out[3];
} layer;

static fig_status build(fig_model *m, void *user, fig_error *err)
{
    layer *l = user;
    fig_node x = fig_input(fig_model_graph(m), "x", FIG_SHAPE(ROWS, IN));
    l->out[0] = fig_linear(x, UNITS, &(fig_linear_opts){ .noise = l->noise, .label = "layer" });
    l->out[1] = fig_model_weight_kl(m);
    l->out[2] = fig_model_sparsity(m);
    if (fig_model_purpose(m) == FIG_FOR_TRAINING)
        return fig_model_phase(m, &(fig_phase){ .name = "loss", .loss = fig_sum_rows(l->out[0]) }, err);
    return FIG_OK;
}

static const float input[IN] = { 1.5f, -0.5f, 2 };
static const float theta[WEIGHTS] = { 0.4f, -0.3f, 0.2f, 1, 0.1f, -0.7f, 0.05f, 0.6f, -0.2f, 0.3f, -0.9f, 0.8f };

/* log alpha of weight i, as set. */
static double log_alpha(fig_weight_noise noise, int i) { return noise == FIG_NOISE_LAYER ? -0.7 : -5 + 0.9 * i; }

static void set_weights(nn_rig *r, fig_weight_noise noise)
{
    memcpy(nn_state(r, "layer.weight"), theta, sizeof theta);
    for (int u = 0; u < UNITS; u++)
        nn_state(r, "layer.bias")[u] = 0.25f * (float)u;
    for (int i = 0; noise == FIG_NOISE_WEIGHT && i < WEIGHTS; i++)
        nn_state(r, "layer.log_variance")[i] = (float)(log_alpha(noise, i) + log((double)theta[i] * (double)theta[i] + 1e-8));
    if (noise == FIG_NOISE_LAYER)
        nn_state(r, "layer.log_alpha")[0] = (float)log_alpha(noise, 0);
    for (int i = 0; i < ROWS * IN; i++)
        nn_input(r, "x")[i] = input[i % IN];
}

static double sigmoid(double x) { return 1 / (1 + exp(-x)); }
static double kl(double la) { return 0.63576 * (1 - sigmoid(1.87320 + 1.48695 * la)) + 0.5 * log1p(exp(-la)); }

static void draws_fit(fig_weight_noise noise)
{
    layer l = { .noise = noise };
    nn_network network = { build, &l };
    nn_rig r;
    REQUIRE(nn_begin(&r, &network, FIG_FOR_TRAINING, ROWS) && nn_compile(&r, l.out, 3));
    set_weights(&r, noise);
    nn_run(&r, 0);
    double expected_kl = 0, pruned = 0;
    for (int i = 0; i < WEIGHTS; i++) {
        expected_kl += kl(log_alpha(noise, i));
        pruned += log_alpha(noise, i) > 3;
    }
    for (int u = 0; u < UNITS; u++) {
        double mean = 0.25 * u, variance = 0, found = 0, squares = 0;
        for (int k = 0; k < IN; k++) {
            double w = (double)theta[u * IN + k], x = (double)input[k];
            mean += w * x;
            variance += x * x * w * w * exp(log_alpha(noise, u * IN + k));
        }
        for (int row = 0; row < ROWS; row++) {
            double y = (double)nn_output(&r, 0)[row * UNITS + u];
            found += y / ROWS;
            squares += (y - mean) * (y - mean) / ROWS;
        }
        CHECK_NEAR(found, mean, 4 * sqrt(variance / ROWS));
        CHECK_NEAR(squares, variance, 4 * variance * sqrt(2.0 / ROWS));
    }
    CHECK_NEAR(nn_output(&r, 1)[0], expected_kl, 1e-4 * expected_kl);
    CHECK_NEAR(nn_output(&r, 2)[0], pruned / WEIGHTS, 1e-6);
    nn_end(&r);
}

FIG_TEST(results_are_spread_as_the_weights_are)
{
    draws_fit(FIG_NOISE_WEIGHT);
    draws_fit(FIG_NOISE_LAYER);
}

static void still_outside(fig_weight_noise noise)
{
    layer l = { .noise = noise };
    nn_network network = { build, &l };
    nn_rig r;
    REQUIRE(nn_begin(&r, &network, FIG_FOR_EVALUATION, ROWS) && nn_compile(&r, l.out, 1));
    set_weights(&r, noise);
    nn_run(&r, 0);
    for (int u = 0; u < UNITS; u++) {
        double y = 0.25 * u;
        for (int k = 0; k < IN; k++)
            y += log_alpha(noise, u * IN + k) > 3 ? 0 : (double)theta[u * IN + k] * (double)input[k];
        CHECK_NEAR(nn_output(&r, 0)[u], y, 1e-6);
        CHECK_NEAR(nn_output(&r, 0)[(ROWS - 1) * UNITS + u], y, 1e-6);
    }
    nn_end(&r);
}

FIG_TEST(outside_of_training_nothing_is_drawn)
{
    still_outside(FIG_NOISE_WEIGHT);
    still_outside(FIG_NOISE_LAYER);
}

/* KL(N(1, alpha) || log-uniform) up to the constant that makes it 0 for large alpha: E log|1 + sqrt(alpha) n| - 1/2 log alpha + (gamma
 * + log 2) / 2. The approximation is within a few hundredths of it. */
FIG_TEST(the_formula_is_close_to_the_integral)
{
    enum { POINTS = 200001 };
    for (double la = -8; la <= 8; la += 1) {
        double sum = 0, width = 16.0 / POINTS;
        for (int i = 0; i < POINTS; i++) {
            double n = -8 + (i + 0.5) * width;
            sum += exp(-0.5 * n * n) / sqrt(2 * M_PI) * log(fabs(1 + exp(0.5 * la) * n) + 1e-300) * width;
        }
        double exact = sum - 0.5 * la + 0.5 * (0.5772156649 + log(2));
        CHECK_NEAR(kl(la), exact, 0.02);
    }
}

/* -- in a VAE -------------------------------------------------------------------------------------------------------------- */

typedef struct logged {
    double loss, kl, reconstruction, weight_kl, sparsity;
    int steps;
} logged;

static void watch(void *user, const fig_train_progress *p)
{
    logged *l = user;
    l->steps += p->logged;
    for (int i = 0; p->logged && i < p->losses; i++) {
        struct {
            const char *name;
            double *to;
        } keys[] = { { "loss.elbo", &l->loss },
                     { "kl", &l->kl },
                     { "reconstruction", &l->reconstruction },
                     { "weight_kl", &l->weight_kl },
                     { "sparsity", &l->sparsity } };
        for (size_t k = 0; k < sizeof keys / sizeof *keys; k++)
            if (!strcmp(p->loss_name[i], keys[k].name))
                *keys[k].to = p->loss[i];
    }
}

static logged train(const char *folder, const char *name, const char *dropout, const char *steps, bool resume)
{
    logged l = { .weight_kl = -1, .sparsity = -1 };
    fig_error err = { 0 };
    char *path = fig__format("%s/%s", folder, name);
    const char *const settings[] = { "threads=1", "size=16", "body=mlp", "hidden=24", "latent=4", "batch=32", "lr=5e-2", "validation=0",
                                     "schedule=constant", "log_every=1", "checkpoint_every=4", "sample_every=never",
                                     "eval_every=never", dropout, steps, NULL };
    fig_train_opts opts = { .recipe = fig_recipe_find("vae"), .data = (const char *[]){ "synthetic:shapes:200", NULL }, .output = path,
                            .settings = settings, .resume = resume, .no_tune = true };
    CHECK_OK(fig_train(NULL, &opts, watch, &l, &err), err);
    free(path);
    return l;
}

FIG_TEST(the_bound_holds_each_examples_share)
{
    static const char *const kinds[] = { "variational_dropout=weight", "variational_dropout=layer" };
    char *folder = fig__strdup(sample_folder());
    logged plain = train(folder, "plain", "variational_dropout=none", "steps=3", false);
    CHECK(plain.weight_kl == -1 && plain.sparsity == -1);
    for (int i = 0; i < 2; i++) {
        logged first = train(folder, i ? "c" : "a", kinds[i], "steps=3", false);
        CHECK_INT(first.steps, 3);
        double whole = first.reconstruction + first.kl + first.weight_kl / 200;
        CHECK_NEAR(first.loss, whole, 1e-5 * whole);
        CHECK(first.loss != plain.loss && first.weight_kl > 0);
        logged later = train(folder, i ? "d" : "b", kinds[i], "steps=150", false);
        CHECK(later.weight_kl < 0.8 * first.weight_kl); /* noise grows where it costs nothing */
        CHECK(i ? later.sparsity == 0 : later.sparsity > 0.02 && later.sparsity < 1);
    }
    sample_folder_end(folder);
    free(folder);
}

FIG_TEST(a_resumed_run_is_the_same)
{
    char *folder = fig__strdup(sample_folder());
    train(folder, "cut", "variational_dropout=weight", "steps=6", false);
    logged cut = train(folder, "cut", "variational_dropout=weight", "steps=12", true);
    logged whole = train(folder, "whole", "variational_dropout=weight", "steps=12", false);
    CHECK_INT(cut.steps, 6);
    CHECK(cut.loss == whole.loss && cut.weight_kl == whole.weight_kl);
    sample_folder_end(folder);
    free(folder);
}

FIG_TEST_MAIN
