/* test_runs.c - short runs of every recipe and classic preset through the trainer
 *
 * A run must stay finite and leave a model that loads and samples; a few must also learn something in that time. Widths and batches
 * are made small where a preset would take too long; that the presets themselves are right is test_presets.c and test_dcgan.c. */
#include "test.h"
#include <figment/figment.h>
#include <stdlib.h>
#include <unistd.h>

/* No name may mean two things: a recipe's options and the training options are set in one flat namespace. */
FIG_TEST(no_option_stands_twice)
{
    for (int i = 0; fig_recipe_at(i); i++) {
        const fig_option *own = fig_recipe_at(i)->options;
        for (size_t a = 0; a < fig_options_count(own); a++) {
            if (fig_options_find(fig_train_option_table(), own[a].name))
                TEST_FAIL("%s: %s is a training option as well", fig_recipe_at(i)->name, own[a].name);
            for (size_t b = 0; b < a; b++)
                if (!strcmp(own[a].name, own[b].name))
                    TEST_FAIL("%s: %s stands twice", fig_recipe_at(i)->name, own[a].name);
        }
    }
}

typedef struct watched { double first, last; int logged; bool finite; } watched;

static void watch(void *user, const fig_train_progress *p)
{
    watched *w = user;
    for (int i = 0; p->logged && i < p->losses; i++)
        w->finite = w->finite && isfinite(p->loss[i]);
    if (p->logged && p->losses) {
        w->last = p->loss[0];
        if (!w->logged++)
            w->first = p->loss[0];
    }
}

/* Trains in a folder of its own, loads the model and draws four samples; all of it must succeed. */
static watched run(const char *recipe, const char *preset, const char *data, const char *settings)
{
    char folder[256], path[300];
    const char *base = getenv("TMPDIR");
    snprintf(folder, sizeof folder, "%s/figment-run-XXXXXX", base ? base : P_tmpdir);
    watched w = { .finite = true };
    fig_error err = { 0 };
    if (!mkdtemp(folder)) {
        TEST_FAIL("cannot make a folder");
        return w;
    }
    const char *list[16] = { "threads=1", "log_every=1", "eval_every=never", "sample_rows=2", "sample_columns=2", "sample_length=20" };
    int count = 6;
    char *copy = strdup(settings), *rest = copy, *word;
    while ((word = strsep(&rest, " ")) && count < 15)
        list[count++] = word;
    snprintf(path, sizeof path, "%s/run", folder);
    fig_train_opts opts = { .recipe = fig_recipe_find(recipe), .preset = preset, .data = (const char *[]){ data, NULL }, .output = path,
                            .settings = list };
    fig_status status = fig_train(NULL, &opts, watch, &w, &err);
    fig_trained *model = NULL;
    fig_samples *samples = NULL;
    if (status == FIG_OK)
        status = fig_load(NULL, path, &model, &err);
    if (status == FIG_OK)
        status = fig_sample(model, &(fig_sample_opts){ .count = 4, .seed = 1, .length = 20 }, &samples, &err);
    if (status != FIG_OK)
        TEST_FAIL("%s/%s: %s", recipe, preset, err.message);
    else
        CHECK_INT(fig_samples_count(samples), 4);
    if (!w.finite)
        TEST_FAIL("%s/%s: a loss is not finite", recipe, preset);
    fig_type type;
    const float *values = samples ? fig_samples_values(samples, &type) : NULL;
    for (int64_t i = 0; values && i < fig_elements(&type); i++)
        if (!isfinite(values[i])) {
            TEST_FAIL("%s/%s: a sample is not finite", recipe, preset);
            break;
        }
    fig_samples_free(samples);
    fig_trained_free(model);
    free(copy);
    char command[300];
    snprintf(command, sizeof command, "rm -rf %s", folder);
    CHECK(system(command) == 0);
    return w;
}

FIG_TEST(vae_learns)
{
    watched w = run("vae", "plane", "synthetic:moons:1000", "steps=300");
    CHECK(w.last < 0.5 * w.first);
    w = run("vae", "classic", "synthetic:shapes:500", "steps=50");
    CHECK(w.last < 0.8 * w.first);
    w = run("vae", "pictures", "synthetic:shapes:200", "steps=20 width=8 batch=16");
    CHECK(w.last < w.first);
    run("vae", "vae_conv", "synthetic:shapes:100", "steps=3 width=4 batch=8");
}

FIG_TEST(vae_options_run)
{
    run("vae", "plane", "synthetic:moons:500", "steps=30 likelihood=gaussian_learned kl_warmup=10 free_bits=0.1");
    run("vae", "plane", "synthetic:moons:500", "steps=30 likelihood=gaussian_learned sigma_per=element hidden=16,8 activation=tanh");
    run("vae", "pictures", "synthetic:shapes:100", "steps=3 width=4 batch=8 likelihood=gaussian_learned sigma_per=element norm=none");
}

FIG_TEST(vae_of_black_and_white)
{
    watched w = run("vae", "black-and-white", "synthetic:shapes:300", "steps=100 hidden=50 latent=8 epochs=0");
    CHECK(w.last < 0.8 * w.first);
    w = run("vae", "importance", "synthetic:shapes:300", "steps=50 hidden=50 latent=8 epochs=0");
    CHECK(w.last < 0.9 * w.first);
    run("vae", "pictures", "synthetic:shapes:100", "steps=3 width=4 batch=8 samples=3 pixels=threshold");
}

FIG_TEST(gan_presets_run)
{
    run("gan", "mlp-128", "synthetic:shapes:1000", "steps=50 sample_every=never");
    run("gan", "linear-critic", "synthetic:shapes:1000", "steps=50 sample_every=never");
    run("gan", "mlp-128x2", "synthetic:shapes:1000", "steps=50 sample_every=never");
    run("gan", "mlp-relu4", "synthetic:shapes:1000", "steps=10 sample_every=never");
    run("gan", "points", "synthetic:ring8:1000", "steps=50 sample_every=never");
    run("gan", "pictures", "synthetic:shapes:300", "steps=10 sample_every=never update=simultaneous");
}

FIG_TEST(gan_losses_run)
{
    run("gan", "mlp-128", "synthetic:shapes:300", "steps=10 sample_every=never loss=least-squares");
    run("gan", "mlp-128", "synthetic:shapes:300", "steps=10 sample_every=never loss=hinge update=simultaneous");
    run("gan", "mlp-128", "synthetic:shapes:300", "steps=10 sample_every=never loss=wasserstein");
    run("gan", "mlp-128", "synthetic:shapes:300", "steps=10 sample_every=never loss=wgan-gp fakes=fresh");
}

FIG_TEST(dcgan_presets_run)
{
    run("dcgan", "mnist-5x5", "synthetic:shapes:100", "steps=3 width=4 batch=8 sample_every=never keep=best");
    run("dcgan", "folder-32", "synthetic:shapes:100", "steps=3 width=8 batch=8 sample_every=never");
    run("dcgan", "pictures", "synthetic:shapes:100", "steps=3 width=8 batch=8 sample_every=never");
    run("dcgan", "pictures", "synthetic:shapes:100", "steps=2 width=8 batch=8 loss=wgan-gp size=32");
    run("dcgan", "pictures", "synthetic:shapes:100", "steps=2 width=8 batch=8 loss=wasserstein size=64 channels=3");
    run("dcgan", "dcgan64", "synthetic:shapes:100", "steps=2 width=4 batch=4");
}

FIG_TEST(gpt_learns)
{
    char path[512];
    snprintf(path, sizeof path, "text:%s/recipes/test_runs.c", getenv("FIGMENT_TESTS") ? getenv("FIGMENT_TESTS") : "tests");
    watched w = run("gpt", "nano-cpu", path, "steps=40 width=32 layers=2 context=32 warmup=5");
    CHECK(w.last < 0.85 * w.first);
    run("gpt", "text", path, "steps=3 width=32 layers=1 tokens=byte dropout=0.1 bias=yes tie=no");
}

FIG_TEST(rnn_learns)
{
    char path[512];
    snprintf(path, sizeof path, "text:%s/recipes/test_runs.c", getenv("FIGMENT_TESTS") ? getenv("FIGMENT_TESTS") : "tests");
    watched w = run("rnn", "text", path, "steps=40 width=48 context=32 batch=16 lr=1e-2");
    CHECK(w.last < 0.85 * w.first);
    run("rnn", "char-rnn", path, "steps=3 width=32 cell=gru tokens=byte dropout=0.1");
    run("rnn", "text", path, "steps=3 width=32 cell=tanh layers=1 batch=8");
}

FIG_TEST(made_learns)
{
    watched w = run("made", "pictures", "synthetic:shapes:300", "steps=60 hidden=100 batch=32 lr=1e-2 epochs=0");
    CHECK(w.last < 0.5 * w.first);
    run("made", "logistic", "synthetic:shapes:100", "steps=3 batch=16 order=random size=12 epochs=0");
    run("made", "digits", "synthetic:shapes:100", "steps=3 batch=16 hidden=20,20 conditional=yes size=12 masks=3 epochs=0");
}

FIG_TEST(pixelcnn_learns)
{
    watched w = run("pixelcnn", "pictures", "synthetic:shapes:200",
                    "steps=30 layers=3 width=8 head=16 batch=8 size=12 warmup=0 lr=1e-2 sample_every=never");
    CHECK(w.last < 0.6 * w.first);
    w = run("pixelcnn", "grey", "synthetic:shapes:200",
            "steps=30 layers=2 width=8 head=16 batch=8 size=8 warmup=0 lr=1e-2 sample_every=never");
    CHECK(w.last < 0.8 * w.first);
    w = run("pixelcnn", "colour", "synthetic:shapes:100", "steps=20 layers=2 width=8 head=16 batch=8 size=8 levels=16 warmup=0");
    CHECK(w.last < w.first);
}

FIG_TEST_MAIN
