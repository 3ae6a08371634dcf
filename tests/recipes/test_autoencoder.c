/* test_autoencoder.c - every kind of autoencoder changes what is trained; codes are spread as the recipe says; encoder and decoder
 * alone are the two halves of a reconstruction */
#include "denoiser_rig.h"
#include <stdlib.h>
#include <string.h>

typedef struct seen { double first, last; int logged; } seen;

static void watch(void *user, const fig_train_progress *p)
{
    seen *s = user;
    if (!p->logged || !p->losses)
        return;
    s->last = p->loss[0];
    if (!s->logged++)
        s->first = p->loss[0];
}

/* Trains in `folder`/name. */
static seen train(const char *folder, const char *name, const char *data, const char *settings)
{
    char path[400];
    const char *list[16] = { "threads=1", "log_every=1", "eval_every=never", "sample_every=never", "batch=32" };
    int count = 5;
    char *copy = strdup(settings), *rest = copy, *word;
    while ((word = strsep(&rest, " ")) && count < 15)
        list[count++] = word;
    snprintf(path, sizeof path, "%s/%s", folder, name);
    seen s = { 0 };
    fig_error err = { 0 };
    fig_train_opts opts = { .recipe = fig_recipe_find("autoencoder"), .data = (const char *[]){ data, NULL }, .output = path,
                            .settings = list };
    CHECK_OK(fig_train(NULL, &opts, watch, &s, &err), err);
    free(copy);
    return s;
}

FIG_TEST(each_kind_trains_another_loss)
{
    static const char *const kinds[] = {
        "corruption=none", "corruption=noise amount=0.1", "corruption=mask", "corruption=salt", "sparse=l1 sparsity=0.1",
        "sparse=kl sparsity=1", "contraction=1", "loss=bernoulli", "body=light width=8", "body=mlp hidden=16"
    };
    enum { KINDS = sizeof kinds / sizeof *kinds };
    char folder[256], name[16], settings[200];
    seen s[KINDS];
    make_folder(folder);
    for (int i = 0; i < KINDS; i++) {
        snprintf(name, sizeof name, "k%d", i);
        snprintf(settings, sizeof settings, "steps=6 latent=4 width=4 hidden=16 size=16 %s", kinds[i]);
        s[i] = train(folder, name, "synthetic:shapes", settings);
        CHECK(isfinite(s[i].last) && s[i].logged == 6);
        for (int k = 0; k < i; k++)
            if (s[k].last == s[i].last)
                TEST_FAIL("%s and %s gave the same loss", kinds[k], kinds[i]);
    }
    drop_folder(folder);
}

typedef struct feed { const float *from; int64_t row; } feed;

static fig_status read_rows(void *user, int64_t rows, int64_t numbers, float *to, fig_error *err)
{
    feed *f = user;
    (void)err;
    memcpy(to, f->from + f->row * numbers, sizeof *to * (size_t)(rows * numbers));
    f->row += rows;
    return FIG_OK;
}

static fig_samples *half(fig_trained *model, const char *name, int64_t count, const float *from, bool by_rows)
{
    fig_samples *out = NULL;
    fig_error err = { 0 };
    feed f = { .from = from };
    fig_sample_opts opts = { .count = count, .sampler = name, .batch = 7, .user = &f };
    if (by_rows)
        opts.read = read_rows;
    else
        opts.input = from;
    CHECK_OK(fig_sample(model, &opts, &out, &err), err);
    return out;
}

FIG_TEST(the_halves_make_the_whole)
{
    enum { ROWS = 40 };
    char folder[256], path[300];
    float x[ROWS * 2];
    make_folder(folder);
    seen s = train(folder, "run", "synthetic:moons", "steps=400 latent=2 hidden=32 lr=1e-2");
    CHECK(s.last < 0.2 * s.first);
    fig_trained *model = NULL;
    fig_error err = { 0 };
    snprintf(path, sizeof path, "%s/run", folder);
    REQUIRE_OK(fig_load(NULL, path, &model, &err), err);
    for (int i = 0; i < ROWS * 2; i++)
        x[i] = (float)(i % 13) * 0.1f - 0.6f;
    fig_samples *whole = half(model, "reconstruct", ROWS, x, false), *codes = half(model, "encode", ROWS, x, true);
    fig_type type;
    const float *z = fig_samples_values(codes, &type);
    CHECK(z && type.rank == 2 && type.dim[0] == ROWS && type.dim[1] == 2);
    fig_samples *again = half(model, "decode", ROWS, z, true);
    CHECK(z && !memcmp(fig_samples_values(whole, NULL), fig_samples_values(again, NULL), sizeof x));
    fig_samples *drawn = NULL; /* codes as spread out as those of training, so what they stand for is as well */
    CHECK_OK(fig_sample(model, &(fig_sample_opts){ .count = 500, .seed = 1 }, &drawn, &err), err);
    const float *value = fig_samples_values(drawn, NULL);
    double square = 0;
    for (int i = 0; value && i < 1000; i++)
        square += (double)value[i] * (double)value[i] / 1000;
    CHECK(square > 0.2 && square < 5);
    fig_samples_free(whole);
    fig_samples_free(codes);
    fig_samples_free(again);
    fig_samples_free(drawn);
    fig_trained_free(model);
    drop_folder(folder);
}

/* Mean and variance of the codes of the whole training split, by the model that was written. */
static void codes_of(fig_trained *model, const char *data_name, int units, double *mean, double *variance)
{
    fig_error err = { 0 };
    fig_data *data;
    fig_loader *loader;
    const fig_batch *batch;
    CHECK_OK(fig_data_open(data_name, NULL, &data, &err), err);
    CHECK_OK(fig_data_prepare_like(data, model->data, &err), err);
    int64_t items = fig_data_items(data, FIG_TRAIN_SPLIT);
    CHECK_OK(fig_loader_new(data, &(fig_loader_opts){ .batch = (int)items, .order = FIG_ORDER_SEQUENTIAL }, &loader, &err), err);
    CHECK_OK(fig_loader_next(loader, &batch, &err), err);
    fig_samples *codes = half(model, "encode", items, batch->data[0], false);
    const float *z = fig_samples_values(codes, NULL);
    for (int u = 0; u < units; u++) {
        double sum = 0, squares = 0;
        for (int64_t i = 0; i < items; i++)
            sum += (double)z[i * units + u];
        mean[u] = sum / (double)items;
        for (int64_t i = 0; i < items; i++)
            squares += ((double)z[i * units + u] - mean[u]) * ((double)z[i * units + u] - mean[u]);
        variance[u] = squares / (double)items;
    }
    fig_samples_free(codes);
    fig_loader_free(loader);
    fig_data_free(data);
}

static const float *kept(const fig_trained *t, const char *name) { return fig_store_data(t->store, fig_store_find(t->store, name)); }

/* `share`: how far off a mean may be in deviations, and a variance in parts. */
static void spread_is_kept(const char *settings, double share)
{
    enum { UNITS = 3 };
    char folder[256], path[300];
    make_folder(folder);
    train(folder, "run", "synthetic:moons:320", settings);
    fig_trained *model = NULL;
    fig_error err = { 0 };
    snprintf(path, sizeof path, "%s/run", folder);
    REQUIRE_OK(fig_load(NULL, path, &model, &err), err);
    double mean[UNITS], variance[UNITS];
    codes_of(model, "synthetic:moons:320", UNITS, mean, variance);
    for (int u = 0; u < UNITS; u++) {
        CHECK_NEAR(kept(model, "encoder.code_mean")[u], mean[u], share * sqrt(variance[u]));
        CHECK_NEAR(kept(model, "encoder.code_variance")[u], variance[u], 2 * share * variance[u]);
        CHECK(variance[u] > 0);
    }
    fig_trained_free(model);
    drop_folder(folder);
}

/* Weights that do not move: after one pass over all data the spread is that of all codes, from whatever it began. */
FIG_TEST(the_spread_begins_with_the_first_batch)
{
    spread_is_kept("steps=10 latent=3 hidden=8 optimizer=sgd lr=1e-30 validation=0", 1e-4);
    spread_is_kept("steps=1 latent=3 hidden=8 optimizer=sgd lr=1e-30 validation=0 batch=320", 1e-4);
}

/* Averaged weights have a spread of their own: gathered from 2,048 examples, so within four standard errors. */
FIG_TEST(averaged_weights_have_their_own_spread)
{
    spread_is_kept("steps=40 latent=3 hidden=8 lr=3e-2 validation=0 ema=0.98 ema_warm=no", 4 / sqrt(2048.0));
}

FIG_TEST_MAIN
