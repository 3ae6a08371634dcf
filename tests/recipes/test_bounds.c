/* test_bounds.c - the importance-weighted bound of a VAE against a likelihood that is known
 *
 * With no hidden layers and a fixed deviation the decoder is linear, x = W z + b + sigma noise, so that p(x) = N(b, W W' + sigma^2 I)
 * in closed form; with one latent number the determinant and the inverse are those of a rank-one change. */
#include "data/prepared.h"
#include "registry/trained.h"
#include "unit/sample_data.h"
#include "test.h"
#include <figment/figment.h>

static fig_trained *trained(const char *folder, const char *const *settings)
{
    fig_error err = { 0 };
    fig_trained *model = NULL;
    char *path = fig__format("%s/run", folder);
    fig_train_opts opts = { .recipe = fig_recipe_find("vae"),
                            .preset = "plane",
                            .data = (const char *[]){ "synthetic:moons:400", NULL },
                            .output = path,
                            .settings = settings };
    if (fig_train(NULL, &opts, NULL, NULL, &err) != FIG_OK || fig_load(NULL, path, &model, &err) != FIG_OK)
        TEST_FAIL("%s", err.message);
    free(path);
    return model;
}

static const float *weight(const fig_trained *t, const char *name)
{
    int index = fig_store_find(t->store, name);
    return index < 0 ? NULL : fig_store_data(t->store, index);
}

/* Mean of log p(x) over the first `count` items of the training split. */
static double exact(const fig_trained *t, double sigma, int count)
{
    fig_error err = { 0 };
    fig_data *data;
    fig_loader *loader;
    const fig_batch *batch;
    const float *w = weight(t, "decoder.linear1.weight"), *b = weight(t, "decoder.linear1.bias");
    CHECK_OK(fig_data_open("synthetic:moons:400", NULL, &data, &err), err);
    CHECK_OK(fig_data_prepare_like(data, t->data, &err), err);
    CHECK_OK(fig_loader_new(data, &(fig_loader_opts){ .batch = count, .order = FIG_ORDER_SEQUENTIAL }, &loader, &err), err);
    CHECK_OK(fig_loader_next(loader, &batch, &err), err);
    const float *x = batch->data[0];
    double s2 = sigma * sigma, ww = w[0] * w[0] + w[1] * w[1], sum = 0;
    for (int i = 0; i < count; i++) {
        double d[2] = { x[2 * i] - b[0], x[2 * i + 1] - b[1] }, along = d[0] * w[0] + d[1] * w[1];
        double mahalanobis = (d[0] * d[0] + d[1] * d[1] - along * along / (s2 + ww)) / s2;
        sum -= 0.5 * (mahalanobis + log(s2 * (s2 + ww)) + 2 * log(2 * M_PI));
    }
    fig_loader_free(loader);
    fig_data_free(data);
    return sum / count;
}

FIG_TEST(many_samples_reach_the_likelihood)
{
    char *folder = fig__strdup(sample_folder());
    fig_error err = { 0 };
    const char *const settings[] = { "threads=1", "hidden=0", "latent=1", "sigma=0.4", "steps=60", "log_every=never", "sample_every=never",
                                     "eval_every=never", "validation=0", NULL };
    fig_trained *model = trained(folder, settings);
    REQUIRE(model != NULL);
    double truth = exact(model, 0.4, 100);
    fig_score scores[8];
    int count = 0;
    fig_eval_opts opts = { .split = "train", .count = 100, .metrics = (const char *const[]){ "elbo", "iw_bound", NULL }, .samples = 2000 };
    REQUIRE_OK(fig_evaluate(model, &opts, scores, 8, &count, &err), err);
    CHECK_INT(count, 2);
    CHECK_TEXT(scores[1].name, "iw_bound");
    CHECK_HAS(scores[1].protocol, "samples=2000");
    CHECK_NEAR(scores[1].value, truth, 5e-3);
    CHECK(scores[0].value < scores[1].value); /* a bound of one sample is looser */
    /* few samples lie between */
    double many = scores[1].value;
    opts.samples = 25;
    REQUIRE_OK(fig_evaluate(model, &opts, scores, 8, &count, &err), err);
    CHECK(scores[1].value > scores[0].value && scores[1].value < many);
    /* costly: not computed unless it is named */
    opts.metrics = NULL;
    REQUIRE_OK(fig_evaluate(model, &opts, scores, 8, &count, &err), err);
    for (int i = 0; i < count; i++)
        CHECK(strcmp(scores[i].name, "iw_bound") != 0);
    fig_trained_free(model);
    sample_folder_end(folder);
    free(folder);
}

FIG_TEST(importance_weighted_training)
{
    char *folder = fig__strdup(sample_folder());
    fig_error err = { 0 };
    const char *const settings[] = { "threads=1", "steps=300", "latent=1", "samples=8", "bound=importance", "log_every=never",
                                     "sample_every=never", "eval_every=never", "validation=0", NULL };
    fig_trained *model = trained(folder, settings);
    REQUIRE(model != NULL);
    fig_score scores[8];
    int count = 0;
    fig_eval_opts opts = { .split = "train", .metrics = (const char *const[]){ "elbo", "iw_bound", NULL }, .samples = 100 };
    REQUIRE_OK(fig_evaluate(model, &opts, scores, 8, &count, &err), err);
    CHECK(scores[1].value > scores[0].value);
    CHECK(scores[1].value > -12); /* untrained it is about -100: sigma is 0.1, the moons are 3 wide */
    fig_trained_free(model);
    sample_folder_end(folder);
    fig_train_opts wrong = { .recipe = fig_recipe_find("vae"), .preset = "plane", .data = (const char *[]){ "synthetic:moons:100", NULL },
                             .settings = (const char *const[]){ "bound=importance", "beta=2", NULL }, .dry_run = true };
    CHECK_FAILS(fig_train(NULL, &wrong, NULL, NULL, &err), err, FIG_E_USAGE, "beta");
    free(folder);
}

FIG_TEST_MAIN
