/* test_gan_options.c - everything that steadies a GAN combines with everything else
 *
 * Every option alone, and every two of them together, train 20 steps of small networks: all losses stay finite, and what the run holds
 * afterwards - weights, moments, averages, pools - is not what it holds without the option. A run that was cut in two holds the same
 * bits as one that was not. */
#include "test.h"
#include "train/trainer.h"
#include <figment/figment.h>
#include <stdlib.h>
#include <unistd.h>

enum { MOST_SETTINGS = 32, STEPS = 20 };

/* Options of one group exclude each other. `idle`: beside options that begin so, it rightly changes nothing. */
static const struct {
    const char *settings, *group, *idle;
} options[] = {
    { "update=simultaneous", "update", "loss=w" }, /* a critic of five steps a round moves before the generator */
    { "loss=least-squares", "loss" },
    { "loss=hinge", "loss" },
    { "loss=wasserstein", "loss" },
    { "loss=wgan-gp", "loss" },
    { "critic.r1=0.5", "r1" },
    { "body=dcgan width=2", "body" },
    { "body=resnet width=2 init=glorot", "body" },
    { "body=light width=8", "body" },
    { "body=tutorial width=2", "body" },
    { "body=dcgan width=2 critic.patches=yes", "body" },
    { "condition=concat", "condition" },
    { "condition=projection", "condition" },
    { "labels=9", "condition" },
    { "critic.spectral_norm=yes", "spectral" },
    { "critic.minibatch_stddev=yes", "stddev" },
    { "packing=2", "packing" },
    { "critic.rate=3", "rate" },
    { "replay=12", "replay" },
    { "instance_noise=0.3 instance_noise_steps=30", "noise" },
    { "augment=colour,translation,cutout,flip", "augment" },
    { "augment=translation,colour augment_target=0.6 augment_examples=40", "augment" },
    { "ema=0.9", "ema" },
    { "critic.norm=layer", "norm" },
    { "fakes=fresh", "fakes" },
    { "critic.batches=joined", "batches" },
    { "critic.pieces=2", "body" },
};
enum { OPTIONS = sizeof options / sizeof *options };

static fig_session *session;

/* 0 when something is wrong. */
static uint64_t trained(const char *recipe, const char *data, const char *base, const char *first, const char *second)
{
    char *text = fig__format("%s %s %s", base, first, second), *rest = text, *word;
    const char *list[MOST_SETTINGS] = { 0 };
    int count = 0;
    while ((word = strsep(&rest, " ")) && count < MOST_SETTINGS - 1)
        if (*word)
            list[count++] = word;
    fig_error err = { 0 };
    fig_trainer *t = NULL;
    fig_train_opts opts = { .recipe = fig_recipe_find(recipe), .data = (const char *[]){ data, NULL }, .settings = list, .no_tune = true };
    uint64_t hash = 0;
    if (!session)
        fig_session_new(&(fig_session_opts){ .threads = 1 }, &session, NULL);
    fig_status status = fig_trainer_new(session, &opts, &t, &err);
    fig_train_progress p = { 0 };
    bool finite = true;
    while (status == FIG_OK && !p.finished) {
        status = fig_trainer_step(t, &p, &err);
        for (int i = 0; status == FIG_OK && i < t->n_losses; i++)
            finite = finite && isfinite(t->loss[i]);
    }
    if (status != FIG_OK)
        TEST_FAIL("%s + %s: %s", first, second, err.message);
    else if (!finite)
        TEST_FAIL("%s + %s: a loss is not finite", first, second);
    else
        for (int i = 0; i < fig_store_count(t->store); i++)
            hash = hash * 31 + fig__hash64(fig_store_data(t->store, i), fig_store_bytes(t->store, i), 1);
    fig_trainer_free(t);
    free(text);
    return hash;
}

#define SMALL                                                                                                                \
    "size=16 channels=1 latent=4 generator.hidden=8 generator.batch_norm=yes critic.hidden=8 critic.norm=none batch=8 steps=20 " \
    "sample_every=never eval_every=never log_every=1000 validation=0 epochs=0"

FIG_TEST(every_two_options_combine)
{
    static uint64_t alone[OPTIONS];
    uint64_t plain = trained("gan", "synthetic:shapes:64", SMALL, "", "");
    for (int i = 0; i < OPTIONS; i++) {
        alone[i] = trained("gan", "synthetic:shapes:64", SMALL, options[i].settings, "");
        if (alone[i] == plain)
            TEST_FAIL("%s changes nothing", options[i].settings);
    }
    for (int i = 0; i < OPTIONS; i++)
        for (int k = i + 1; k < OPTIONS; k++) {
            if (!strcmp(options[i].group, options[k].group))
                continue;
            uint64_t both = trained("gan", "synthetic:shapes:64", SMALL, options[i].settings, options[k].settings);
            bool idle = options[i].idle && !strncmp(options[k].settings, options[i].idle, strlen(options[i].idle));
            if (both && !idle && (both == alone[i] || both == alone[k]))
                TEST_FAIL("%s: changes nothing beside %s", options[both == alone[i] ? k : i].settings,
                          options[both == alone[i] ? i : k].settings);
        }
}

/* -- a cut run -------------------------------------------------------------------------------------------------------- */

/* Trains up to `steps` in RUN and reads the model file; false when something is wrong. */
static bool train_to(const char *run, const char *settings, const char *steps, bool resume, uint64_t *hash)
{
    char *text = fig__strdup(settings), *rest = text, *word;
    const char *list[MOST_SETTINGS] = { steps, "epochs=0", "sample_every=never", "eval_every=never", "checkpoint_every=3",
                                        "schedule=constant" /* else a cut run's rates would have fallen by its end */ };
    int count = 6;
    while ((word = strsep(&rest, " ")) && count < MOST_SETTINGS - 1)
        list[count++] = word;
    fig_error err = { 0 };
    fig_train_opts opts = { .recipe = fig_recipe_find("dcgan"),
                            .data = (const char *[]){ "synthetic:shapes:64", NULL },
                            .settings = list,
                            .output = run,
                            .resume = resume,
                            .no_tune = true };
    fig_status status = fig_train(NULL, &opts, NULL, NULL, &err);
    CHECK_OK(status, err);
    free(text);
    if (status != FIG_OK)
        return false;
    fig__arena *arena = fig__arena_new();
    char *path = fig__path_join(arena, run, "model.safetensors");
    FILE *f = fopen(path, "rb");
    static char bytes[1 << 22];
    size_t size = f ? fread(bytes, 1, sizeof bytes, f) : 0;
    if (f)
        fclose(f);
    *hash = fig__hash64(bytes, size, 1);
    fig__arena_free(arena);
    return size > 0;
}

/* The whole run's model. */
static uint64_t cut_in_two(const char *settings)
{
    char folder[256], whole[300], cut[300], command[300];
    snprintf(folder, sizeof folder, "%s/figment-gan-XXXXXX", getenv("TMPDIR") ? getenv("TMPDIR") : P_tmpdir);
    if (!mkdtemp(folder))
        TEST_FAIL("no folder");
    snprintf(whole, sizeof whole, "%s/whole", folder);
    snprintf(cut, sizeof cut, "%s/cut", folder);
    uint64_t a = 0, b = 1, part;
    CHECK(train_to(whole, settings, "steps=9", false, &a));
    CHECK(train_to(cut, settings, "steps=5", false, &part));
    CHECK(train_to(cut, settings, "steps=9", true, &b));
    CHECK(a == b);
    CHECK(a != part);
    snprintf(command, sizeof command, "rm -rf %s", folder);
    CHECK(system(command) == 0);
    return a;
}

FIG_TEST(a_resumed_run_holds_the_same_bits)
{
    cut_in_two("threads=1 size=16 channels=1 latent=4 width=2 batch=8 validation=0 loss=hinge ema=0.9 replay=12 "
               "critic.spectral_norm=yes condition=projection packing=2 augment=colour,translation "
               "augment_target=0.6 augment_examples=40 instance_noise=0.2 instance_noise_steps=6");
    cut_in_two("threads=1 size=16 channels=1 latent=4 width=2 batch=8 validation=0 loss=wgan-gp labels=9 replay=12");
}

/* Random changes of pictures depend on seed, epoch and item, or on batch and row: 9 rounds of 8 of 51 pictures go past an epoch. */
FIG_TEST(a_resumed_run_sees_the_same_changes)
{
    static const char *const orders[] = { "shuffled", "replacement", "balanced" };
    for (int i = 0; i < 3; i++) {
        char *text = fig__format("threads=1 size=16 channels=3 latent=4 width=2 batch=8 data_order=%s random_flip=both random_crop=2 "
                                 "random_rotation=15 random_scale=0.2 random_colour=0.3 workers=%d", orders[i], i + 1);
        uint64_t changed = cut_in_two(text);
        strstr(text, " random_flip")[0] = 0;
        CHECK(changed != cut_in_two(text));
        free(text);
    }
}

/* -- classes ---------------------------------------------------------------------------------------------------------- */

/* A conditional generator is asked for classes; a sample depends on the one that it is of. */
static float first_value(fig_trainer *t, const char *classes)
{
    fig_sampler *sampler = NULL;
    fig_error err = { 0 };
    float value = 0;
    fig_sample_opts opts = { .count = 2, .batch = 2, .seed = 1, .classes = classes };
    CHECK_OK(fig_trainer_sampler(t, &opts, &sampler, &err), err);
    bool finished = false;
    while (sampler && !finished && fig_sampler_next(sampler, &finished, &err) == FIG_OK)
        ;
    fig_type type;
    const float *values = sampler ? fig_samples_values(fig_sampler_samples(sampler), &type) : NULL;
    CHECK(values != NULL);
    value = values ? values[0] : 0;
    fig_sampler_free(sampler);
    return value;
}

FIG_TEST(a_class_can_be_asked_for)
{
    static const char *const settings[] = { "threads=1", "size=16", "latent=4", "width=2", "batch=8", "steps=4", "epochs=0",
                                            "validation=0", "condition=concat", NULL };
    fig_error err = { 0 };
    fig_trainer *t = NULL;
    fig_train_opts opts = { .recipe = fig_recipe_find("dcgan"), .data = (const char *[]){ "synthetic:shapes:64", NULL },
                            .settings = settings, .no_tune = true };
    REQUIRE_OK(fig_trainer_new(NULL, &opts, &t, &err), err);
    fig_train_progress p;
    CHECK_OK(fig_trainer_step(t, &p, &err), err);
    float disc = first_value(t, "disc"), ring = first_value(t, "ring");
    CHECK(disc != ring);
    CHECK(first_value(t, "disc,ring") == disc);
    CHECK(first_value(t, NULL) == disc);
    fig_trainer_free(t);
}

/* Convolutions and leaky ReLUs alone are proportional to their picture: a logit of grey could only be 0, and a generator that is
 * judged by it fades to grey. A norm brings offsets; without one the convolutions have biases. */
FIG_TEST(a_critic_without_norm_has_biases)
{
    for (int norm = 0; norm < 2; norm++) {
        const char *const settings[] = { "threads=1", "size=16", "latent=4", "width=2", "batch=8", "steps=4", "epochs=0",
                                         "validation=0", norm ? "critic.norm=batch" : "critic.norm=none", NULL };
        fig_error err = { 0 };
        fig_trainer *t = NULL;
        fig_train_opts opts = { .recipe = fig_recipe_find("dcgan"), .data = (const char *[]){ "synthetic:shapes:64", NULL },
                                .settings = settings, .no_tune = true };
        REQUIRE_OK(fig_trainer_new(NULL, &opts, &t, &err), err);
        int biases = 0;
        for (int layer = 1; layer <= 3; layer++) {
            char name[64];
            snprintf(name, sizeof name, "discriminator.conv%d.bias", layer);
            biases += fig_store_find(t->store, name) >= 0;
        }
        CHECK_INT(biases, norm ? 0 : 3);
        fig_trainer_free(t);
    }
}

FIG_TEST(bad_options_are_named)
{
    static const struct {
        const char *data, *settings[5], *part;
    } cases[] = {
        { "synthetic:shapes:64", { "packing=3", "batch=8" }, "packing" },
        { "synthetic:swissroll:64", { "condition=concat" }, "condition" },
        { "synthetic:shapes:64", { "augment=colour,blur" }, "\"blur\"" },
        { "synthetic:ring8:64", { "augment=colour" }, "augment" },
        { "synthetic:ring8:64", { "body=resnet" }, "body" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        fig_error err = { 0 };
        fig_trainer *t = NULL;
        fig_train_opts opts = { .recipe = fig_recipe_find("gan"), .data = (const char *[]){ cases[i].data, NULL },
                                .settings = cases[i].settings, .no_tune = true };
        CHECK_FAILS(fig_trainer_new(NULL, &opts, &t, &err), err, FIG_E_USAGE, cases[i].part);
        fig_trainer_free(t);
    }
}

FIG_TEST_MAIN
