/* test_train_settings.c - cadences, schedules, option tables, and how layers of settings become one */
#include "sample_data.h"
#include "test.h"
#include "train/optimizer.h"
#include "train/schedule.h"
#include "train/settings.h"
#include <unistd.h>

static fig__cadence cadence(const char *text)
{
    fig__cadence c = { 0 };
    fig_error err = { 0 };
    CHECK_OK(fig__cadence_parse("log_every", text, &c, &err), err);
    return c;
}

FIG_TEST(cadences)
{
    CHECK_INT(cadence("100").unit, FIG__STEPS);
    CHECK_NEAR(cadence("100 steps").every, 100, 0);
    CHECK_INT(cadence("2 epochs").unit, FIG__EPOCHS);
    CHECK_NEAR(cadence("10epochs").every, 10, 0);
    CHECK_NEAR(cadence("5 minutes").every, 300, 0);
    CHECK_NEAR(cadence("0.5 minutes").every, 30, 0);
    CHECK_NEAR(cadence("30 seconds").every, 30, 0);
    CHECK_INT(cadence("0").unit, FIG__NEVER);
    CHECK_INT(cadence("never").unit, FIG__NEVER);
    CHECK_INT(cadence("auto").unit, FIG__AUTO);
    static const char *const wrong[] = { "", "often", "-3", "1.5", "5 fortnights", "1e5", "3 stepsx" };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        fig__cadence c;
        fig_error err = { 0 };
        CHECK_FAILS(fig__cadence_parse("log_every", wrong[i], &c, &err), err, FIG_E_USAGE, "log_every");
    }
}

FIG_TEST(cadence_due)
{
    fig__cadence steps = cadence("3"), epochs = cadence("2 epochs"), clock = cadence("1 minute"),
                 never = cadence("never");
    CHECK(fig__cadence_due(&steps, 6, 10, 0, 0) && !fig__cadence_due(&steps, 7, 10, 0, 0));
    CHECK(fig__cadence_due(&epochs, 20, 10, 0, 0) && !fig__cadence_due(&epochs, 10, 10, 0, 0));
    CHECK(fig__cadence_due(&clock, 1, 10, 5, 65) && !fig__cadence_due(&clock, 1, 10, 5, 64));
    CHECK(!fig__cadence_due(&never, 1, 1, 0, 1e9));
}

FIG_TEST(cadence_auto)
{
    fig__cadence c = cadence("auto");
    fig__cadence_settle(&c, 10, 0, 2000, 1300, false);
    CHECK(c.unit == FIG__STEPS && c.every == 200);
    c = cadence("auto");
    fig__cadence_settle(&c, 100, 100, 46800, 468, false);
    CHECK_NEAR(c.every, 100, 0);
    c = cadence("auto");
    fig__cadence_settle(&c, 10, 0, 46800, 468, true);
    CHECK(c.unit == FIG__EPOCHS && c.every == 10);
    c = cadence("auto");
    fig__cadence_settle(&c, 10, 0, 5, 5, true);
    CHECK(c.unit == FIG__EPOCHS && c.every == 1);
}

FIG_TEST(keep_words)
{
    fig__keep keep;
    fig_error err = { 0 };
    CHECK_OK(fig__keep_parse("all", &keep, &err), err);
    CHECK_INT(keep.last, 0);
    CHECK_OK(fig__keep_parse("last 3", &keep, &err), err);
    CHECK(keep.last == 3 && !keep.best);
    CHECK_OK(fig__keep_parse("last 2 best", &keep, &err), err);
    CHECK(keep.last == 2 && keep.best);
    CHECK_OK(fig__keep_parse("best", &keep, &err), err);
    CHECK(keep.last == 1 && keep.best);
    CHECK_FAILS(fig__keep_parse("last", &keep, &err), err, FIG_E_USAGE, "keep");
    CHECK_FAILS(fig__keep_parse("last 0", &keep, &err), err, FIG_E_USAGE, "keep");
    CHECK_FAILS(fig__keep_parse("first 3", &keep, &err), err, FIG_E_USAGE, "keep");
}

static double rate(const char *schedule, int64_t warmup, int64_t step)
{
    fig__train_options o;
    fig_options_defaults(fig__train_options_table, &o);
    fig_options_set(fig__train_options_table, &o, "schedule", schedule, NULL);
    o.warmup = warmup;
    o.lr_end = 0.1;
    o.drop_every = 10;
    double factor = fig__schedule_factor(&o, step, 100 + warmup);
    fig_options_free(fig__train_options_table, &o);
    return factor;
}

FIG_TEST(schedules)
{
    CHECK_NEAR(rate("constant", 0, 50), 1, 0);
    CHECK_NEAR(rate("linear", 0, 0), 1, 0);
    CHECK_NEAR(rate("linear", 0, 50), 0.55, 1e-12);
    CHECK_NEAR(rate("linear", 0, 100), 0.1, 1e-12);
    CHECK_NEAR(rate("linear", 0, 500), 0.1, 1e-12);
    CHECK_NEAR(rate("cosine", 0, 50), 0.55, 1e-12);
    CHECK_NEAR(rate("cosine", 0, 25), 0.1 + 0.9 * 0.5 * (1 + sqrt(0.5)), 1e-12);
    CHECK_NEAR(rate("step", 0, 9), 1, 0);
    CHECK_NEAR(rate("step", 0, 35), 0.125, 1e-12);
    CHECK_NEAR(rate("plateau", 0, 77), 1, 0);
    for (int i = 0; fig__schedules[i].name; i++) { /* each with warm-up */
        CHECK_NEAR(rate(fig__schedules[i].name, 20, 0), 0.05, 1e-12);
        CHECK_NEAR(rate(fig__schedules[i].name, 20, 19), 1, 1e-12);
        CHECK_NEAR(rate(fig__schedules[i].name, 20, 20), 1, 1e-12);
    }
}

/* The words of a choice and the records they stand for are two lists: they must agree. */
FIG_TEST(choices_match_records)
{
    fig__train_options o;
    fig_options_defaults(fig__train_options_table, &o);
    for (int i = 0; fig__optimizers[i]; i++) {
        CHECK(fig_options_set(fig__train_options_table, &o, "optimizer", fig__optimizers[i]->name, NULL) == FIG_OK);
        CHECK_INT(o.phase.optimizer, i);
    }
    for (int i = 0; fig__schedules[i].name; i++) {
        CHECK(fig_options_set(fig__train_options_table, &o, "schedule", fig__schedules[i].name, NULL) == FIG_OK);
        CHECK_INT(o.schedule, i);
    }
    fig_options_free(fig__train_options_table, &o);
}

/* One flat namespace: no recipe may have an option that the training has. */
FIG_TEST(names_are_unique)
{
    for (int i = 0; fig_recipe_at(i); i++) {
        const fig_recipe *recipe = fig_recipe_at(i);
        for (const fig_option *row = recipe->options; row && row->type != FIG_END; row++) {
            if (fig_options_find(fig__train_options_table, row->name))
                TEST_FAIL("recipe %s: option \"%s\" is also a training option", recipe->name, row->name);
            if (fig_options_find(recipe->options, row->name) != row)
                TEST_FAIL("recipe %s: option \"%s\" stands twice", recipe->name, row->name);
        }
        for (const fig_preset *p = recipe->presets; p && p->name; p++) {
            fig_error err = { 0 };
            fig__settings s;
            CHECK_OK(fig__settings_read(&(fig_train_opts){ .recipe = recipe, .preset = p->name }, &s, &err), err);
            CHECK_OK(fig__settings_resolve(&s, recipe->data_kinds, &err), err);
            fig__settings_free(&s);
        }
    }
}

/* -- layers, with a recipe of the test's own ----------------------------------------------------------------------- */

typedef struct own_options {
    int64_t latent;
    char *name;
} own_options;
static const fig_option own_table[] = {
    { "latent", FIG_INT, offsetof(own_options, latent), 8, 1, 64, "size of the code" },
    { "name", FIG_TEXT, offsetof(own_options, name), .help = "a text", .fallback_text = "plain" },
    { 0 },
};
static const fig_preset own_presets[] = {
    { .name = "small",
      .settings = "latent=4 lr=0.5 epochs=3 sample_every='2 epochs' phases.b.beta1=0.3",
      .data_kinds = FIG_DATA_IMAGES },
    { .name = "points", .settings = "steps=50", .data_kinds = FIG_DATA_POINTS },
    { 0 },
};
static const fig_recipe own = { .name = "own",
                                .options = own_table,
                                .options_size = sizeof(own_options),
                                .presets = own_presets,
                                .data_kinds = FIG_DATA_IMAGES | FIG_DATA_POINTS };

FIG_TEST(layers_of_settings)
{
    fig_error err = { 0 };
    fig__settings s;
    const char *folder = sample_folder();
    const char *file = sample_path(folder, "run.yaml");
    sample_text(file, "recipe: own\nlatent: 16\nphases:\n  b:\n    lr: 0.125\n  a: {eps: 1e-3}\nname: \"a b\"\n");
    const char *set[] = { "batch=7", "phases.a.clip=2", NULL };
    REQUIRE_OK(fig__settings_read(&(fig_train_opts){ .recipe = &own, .run_file = file, .settings = set }, &s, &err),
               err);
    REQUIRE_OK(fig__settings_resolve(&s, FIG_DATA_IMAGES, &err), err);
    const own_options *o = s.options;
    CHECK_TEXT(s.preset->name, "small");
    CHECK_INT(o->latent, 16); /* file over preset */
    CHECK_TEXT(o->name, "a b");
    CHECK_INT(s.train.batch, 7);  /* set over default */
    CHECK_INT(s.train.epochs, 3); /* preset over default */
    CHECK_INT(s.train.steps, 0);
    CHECK(s.sample_every.unit == FIG__EPOCHS && s.sample_every.every == 2);
    fig__phase_options a, b;
    CHECK_OK(fig__settings_phase(&s, "a", "lr=0.25 beta1=0.5", &a, &err), err);
    CHECK_OK(fig__settings_phase(&s, "b", "lr=0.25 beta1=0.5", &b, &err), err);
    CHECK_NEAR(a.lr, 0.25, 0);  /* the phase's own default over the preset's bare key */
    CHECK_NEAR(b.lr, 0.125, 0); /* the file names the phase */
    CHECK_NEAR(a.beta1, 0.5, 0);
    CHECK_NEAR(b.beta1, 0.3, 0); /* so does the preset */
    CHECK_NEAR(a.eps, 1e-3, 0);
    CHECK_NEAR(a.clip, 2, 0);
    CHECK_NEAR(b.clip, 0, 0);
    fig__settings_free(&s);

    const char *bare[] = { "lr=0.75", "steps=20", NULL }; /* what the user sets bare wins over all of it */
    REQUIRE_OK(fig__settings_read(&(fig_train_opts){ .recipe = &own, .run_file = file, .settings = bare }, &s, &err),
               err);
    REQUIRE_OK(fig__settings_resolve(&s, FIG_DATA_IMAGES, &err), err);
    CHECK_OK(fig__settings_phase(&s, "b", "lr=0.25", &b, &err), err);
    CHECK_NEAR(b.lr, 0.75, 0);
    CHECK(s.train.steps == 20 && s.train.epochs == 0);
    static const char *const names[] = { "a", "c" };
    CHECK_FAILS(fig__settings_check_phases(&s, names, 2, &err), err, FIG_E_USAGE,
                "line 5: \"phases.b.lr\": no such phase");
    fig__settings_free(&s);
    sample_folder_end(folder);
}

static void refuse(const char *yaml, fig_status status, const char *part)
{
    fig_error err = { 0 };
    fig__settings s;
    const char *folder = sample_folder(), *file = sample_path(folder, "run.yaml");
    sample_text(file, yaml);
    fig_status found = fig__settings_read(&(fig_train_opts){ .recipe = &own, .run_file = file }, &s, &err);
    if (found == FIG_OK) {
        found = fig__settings_resolve(&s, FIG_DATA_IMAGES, &err);
        fig__settings_free(&s);
    }
    CHECK_INT(found, status);
    CHECK_HAS(err.message, part);
    sample_folder_end(folder);
}

FIG_TEST(refusals)
{
    refuse("latent: 8\nbatsh: 3\n", FIG_E_USAGE, "line 2: unknown setting \"batsh\"; did you mean \"batch\"?");
    refuse("latend: 8\n", FIG_E_USAGE, "did you mean \"latent\"?");
    refuse("batch: 0\n", FIG_E_USAGE, "line 1: batch: 0 is out of range (1 to 1048576)");
    refuse("\nlatent: 65\n", FIG_E_USAGE, "line 2: latent: 65 is out of range (1 to 64)");
    refuse("lr: fast\n", FIG_E_USAGE, "\"fast\" is not a number");
    refuse("lr: nan\n", FIG_E_USAGE, "lr");
    refuse("optimizer: sdg\n", FIG_E_USAGE, "not one of: adam, adamw, sgd, rmsprop");
    refuse("recipe: vae\n", FIG_E_USAGE, "is for recipe vae, not own");
    refuse("preset: huge\n", FIG_E_NOT_FOUND, "it has: small, points");
    refuse("log_every: sometimes\n", FIG_E_USAGE, "log_every");
    refuse("precision: f16\n", FIG_E_USAGE, "not one of: f32, bf16");
    refuse("steps: 0\nepochs: 0\n", FIG_E_USAGE, "both steps and epochs are 0");
    refuse("batch: 3\nbatch: 4\n", FIG_E_FORMAT, "set twice");
    refuse("batch: [1, 2]\n", FIG_E_USAGE, "batch.0");
}

/* run.yaml holds everything: read back, it gives the same again. */
FIG_TEST(run_file_round_trip)
{
    fig_error err = { 0 };
    fig__settings s, again;
    const char *data[] = { "left=some where", "right=it's: #1", NULL },
               *set[] = { "name=x: y # z", "lr=0.1", "phases.a.lr=3e-7", NULL };
    static const char *const names[] = { "a", "b" };
    fig__phase_options phase[2], phase_again[2];
    REQUIRE_OK(fig__settings_read(&(fig_train_opts){ .recipe = &own, .data = data, .settings = set }, &s, &err), err);
    REQUIRE_OK(fig__settings_resolve(&s, FIG_DATA_IMAGES, &err), err);
    for (int i = 0; i < 2; i++)
        CHECK_OK(fig__settings_phase(&s, names[i], "beta2=0.9", &phase[i], &err), err);
    char *yaml = fig__settings_write(&s, "figment train", names, phase, 2);
    const char *folder = sample_folder(), *file = sample_path(folder, "run.yaml");
    sample_text(file, yaml);
    REQUIRE_OK(fig__settings_read(&(fig_train_opts){ .recipe = &own, .run_file = file }, &again, &err), err);
    REQUIRE_OK(fig__settings_resolve(&again, FIG_DATA_IMAGES, &err), err);
    for (int i = 0; i < 2; i++)
        CHECK_OK(fig__settings_phase(&again, names[i], "beta2=0.9", &phase_again[i], &err), err);
    CHECK_INT(again.n_data, 2);
    CHECK_TEXT(again.data[1].key, "right");
    CHECK_TEXT(again.data[1].name, "it's: #1");
    char *twice = fig__settings_write(&again, "figment train", names, phase_again, 2);
    CHECK_TEXT(twice, yaml);
    CHECK_OK(fig__settings_compare(yaml, twice, "run.yaml", &err), err);
    free(twice);
    fig__settings_free(&again);

    const char *other[] = { "latent=9", "log_every=7", "epochs=99", NULL };
    REQUIRE_OK(
        fig__settings_read(&(fig_train_opts){ .recipe = &own, .run_file = file, .settings = other }, &again, &err),
        err);
    REQUIRE_OK(fig__settings_resolve(&again, FIG_DATA_IMAGES, &err), err);
    twice = fig__settings_write(&again, "figment train", names, phase_again, 2);
    CHECK_FAILS(fig__settings_compare(yaml, twice, "run.yaml", &err), err, FIG_E_USAGE,
                "1 differs: latent was 4, now 9");
    free(twice);
    free(yaml);
    fig__settings_free(&again);
    fig__settings_free(&s);
    sample_folder_end(folder);
}

FIG_TEST(template_is_a_run_file)
{
    for (int i = 0; fig_recipe_at(i); i++) {
        fig_error err = { 0 };
        char *yaml;
        REQUIRE_OK(fig_run_file_template(fig_recipe_at(i), NULL, &yaml, &err), err);
        const char *folder = sample_folder(), *file = sample_path(folder, "run.yaml");
        sample_text(file, yaml);
        fig__settings s;
        REQUIRE_OK(fig__settings_read(&(fig_train_opts){ .run_file = file }, &s, &err), err);
        CHECK_OK(fig__settings_resolve(&s, fig_recipe_at(i)->data_kinds, &err), err);
        fig__settings_free(&s);
        free(yaml);
        sample_folder_end(folder);
    }
}

FIG_TEST_MAIN
