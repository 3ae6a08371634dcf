/* test_train_standing.c - batch norm's statistics of averaged weights: they are those of the averages, in sheet and model file,
 * and training goes on as if nobody had looked */
#include "exec/exec.h"
#include "sample_data.h"
#include "test.h"
#include "train/trainer.h"
#include <figment/figment.h>

typedef struct finished {
    char folder[256];
    fig_trained *model;
} finished;

/* A small generator with batch norm. */
static fig_trainer *open_run(const char *folder, const char *sample_every, const char *ema)
{
    const char *settings[] = { "threads=1", "body=tutorial", "size=28", "width=8", "batch=16", "steps=12", "lr=0.01",
                               ema, sample_every, "ema_warm=no", "eval_every=never", NULL };
    fig_train_opts opts = { .recipe = fig_recipe_find("dcgan"), .data = (const char *[]){ "synthetic:shapes:100", NULL },
                            .output = sample_path(folder, "run"), .settings = settings };
    fig_error err = { 0 };
    fig_trainer *t = NULL;
    fig_status status = fig_trainer_new(NULL, &opts, &t, &err);
    if (status == FIG_OK)
        status = fig_trainer_run(t, NULL, NULL, &err);
    if (status != FIG_OK)
        TEST_FAIL("%s", err.message);
    return t;
}

static void train(finished *f, const char *sample_every, const char *ema)
{
    fig_error err = { 0 };
    snprintf(f->folder, sizeof f->folder, "%s", sample_folder());
    fig_trainer_free(open_run(f->folder, sample_every, ema));
    if (fig_load(NULL, sample_path(f->folder, "run"), &f->model, &err) != FIG_OK)
        TEST_FAIL("%s", err.message);
}

static void clear(finished *f)
{
    fig_trained_free(f->model);
    sample_folder_end(f->folder);
}

static const float *state(const finished *f, const char *name)
{
    int index = fig_store_find(f->model->store, name);
    if (index < 0)
        TEST_FAIL("no state %s", name);
    return index < 0 ? NULL : fig_store_data(f->model->store, index);
}

/* Mean over the units of (kept variance / variance by the weights). The first layer has no bias and its input is N(0, 1) of
 * 100 numbers: a unit's variance is the sum of its squared weights, its mean is zero. */
static double variance_ratio(const finished *f)
{
    enum { UNITS = 7 * 7 * 4 * 8, LATENT = 100 };
    const float *w = state(f, "generator.linear1.weight"), *kept = state(f, "generator.batch_norm1.variance");
    double ratio = 0;
    for (int u = 0; w && kept && u < UNITS; u++) {
        double sum = 0;
        for (int i = 0; i < LATENT; i++)
            sum += (double)w[u * LATENT + i] * w[u * LATENT + i];
        ratio += kept[u] / sum / UNITS;
    }
    return ratio;
}

FIG_TEST(statistics_are_of_the_averages)
{
    finished f = { .folder = "" };
    train(&f, "sample_every=never", "ema=0.999");
    /* 2048 draws: each unit's variance is right to 3 %, their mean to far less than 1 % */
    CHECK(fabs(variance_ratio(&f) - 1) < 0.01);
    clear(&f);
    train(&f, "sample_every=never", "ema=0"); /* the running ones have hardly left their first value, 1 */
    CHECK(fabs(variance_ratio(&f) - 1) > 0.1);
    clear(&f);
}

FIG_TEST(looking_changes_nothing)
{
    finished seen = { .folder = "" }, unseen = { .folder = "" };
    train(&seen, "sample_every=1", "ema=0.9");
    train(&unseen, "sample_every=never", "ema=0.9");
    fig_store *a = seen.model->store, *b = unseen.model->store;
    CHECK_INT(fig_store_count(a), fig_store_count(b));
    for (int i = 0; i < fig_store_count(a) && i < fig_store_count(b); i++)
        if (fig_store_bytes(a, i) != fig_store_bytes(b, i) ||
            memcmp(fig_store_data(a, i), fig_store_data(b, i), fig_store_bytes(a, i)) != 0)
            TEST_FAIL("%s differs", fig_store_name(a, i));
    clear(&seen);
    clear(&unseen);
}

/* A divergence may leave anything behind; the next statistics have nothing of it. */
FIG_TEST(what_was_there_does_not_matter)
{
    const char *folder = sample_folder();
    fig_trainer *t = open_run(folder, "sample_every=never", "ema=0.9");
    REQUIRE(t != NULL);
    fig_error err = { 0 };
    int index = fig_store_find(t->store, "ema/generator.batch_norm1.variance");
    REQUIRE(index >= 0);
    float *kept = fig_store_data(t->store, index);
    size_t bytes = fig_store_bytes(t->store, index);
    float *before = memcpy(fig__alloc(bytes), kept, bytes);
    for (size_t i = 0; i < bytes / sizeof *kept; i++)
        kept[i] = i % 2 ? NAN : INFINITY;
    t->standing_step = -1;
    CHECK_INT(fig__standing_refresh(t, &err), FIG_OK);
    CHECK(!memcmp(before, kept, bytes));
    free(before);
    fig_trainer_free(t);
    sample_folder_end(folder);
}

/* Back at an earlier checkpoint the run goes on otherwise than before, and comes by the same step with other weights. */
FIG_TEST(going_back_forgets_them)
{
    const char *folder = sample_folder();
    fig_trainer *t = open_run(folder, "sample_every=never", "ema=0.9");
    REQUIRE(t != NULL);
    fig_error err = { 0 };
    CHECK_INT(t->standing_step, t->state.step);
    CHECK_INT(fig__checkpoint_roll_back(t, &err), FIG_OK);
    CHECK_INT(t->standing_step, -1);
    fig_trainer_free(t);
    sample_folder_end(folder);
}

FIG_TEST_MAIN
