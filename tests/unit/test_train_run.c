/* test_train_run.c - a run folder from the first sheet to the model file: what is in it, stopping and going on to the
 * same bits, damage, refusals, controllers */
#include "sample_data.h"
#include "toy_recipe.h"
#include <figment/use.h>

static const fig_recipe *gan(void) { return fig_recipe_find("gan"); }

/* 30 rounds of a small GAN on points, with a checkpoint every 7 rounds. */
static const char *const base[] = { "preset=points",
                                    "steps=30",
                                    "batch=32",
                                    "log_every=3",
                                    "checkpoint_every=7",
                                    "sample_every=10",
                                    "generator.hidden=16",
                                    "critic.hidden=16",
                                    "ema=0.9",
                                    "keep=last 2",
                                    NULL };
static const char *const *settings_of(const char *more)
{
    static const char *list[16];
    int n = 0;
    for (int i = 1; base[i]; i++)
        list[n++] = base[i];
    list[n++] = more;
    list[n] = NULL;
    return list;
}

static fig_status run(const char *folder, bool resume, int calls, char *message, fig_error *err)
{
    fig_trainer *t = toy_trainer(gan(), folder, resume, settings_of(NULL), message, err);
    if (!t)
        return err->status;
    fig_train_progress p;
    fig_status status = FIG_OK;
    for (int i = 0; status == FIG_OK && (calls < 0 || i < calls); i++) {
        status = fig_trainer_step(t, &p, err);
        if (p.finished)
            break;
    }
    fig_trainer_free(t); /* a run that is left in the middle has only its last checkpoint, as after kill -9 */
    return status;
}

static char *slurp(const char *folder, const char *name, uint64_t *length)
{
    char *data = NULL;
    uint64_t unused;
    fig_error err = { 0 };
    if (fig__file_read(sample_path(folder, name), 64 << 20, &data, length ? length : &unused, &err) != FIG_OK)
        TEST_FAIL("%s", err.message);
    return data ? data : fig__strdup("");
}

/* The log without what depends on the clock. */
static char *log_of(const char *folder)
{
    char *log = slurp(folder, "log.jsonl", NULL), *to = log;
    for (char *at = log; *at;) {
        size_t line = strcspn(at, "\n");
        char *seconds = strstr(at, ", \"seconds\"");
        size_t kept = seconds && seconds < at + line ? (size_t)(seconds - at) : line;
        memmove(to, at, kept);
        to[kept] = '\n';
        to += kept + 1;
        at += line + (at[line] == '\n');
    }
    *to = 0;
    return log;
}

static void same_runs(const char *a, const char *b)
{
    uint64_t n, m;
    char *one = slurp(a, "model.safetensors", &n), *other = slurp(b, "model.safetensors", &m);
    CHECK(n == m && !memcmp(one, other, n));
    free(one);
    free(other);
    one = log_of(a);
    other = log_of(b);
    CHECK_TEXT(one, other);
    free(one);
    free(other);
    one = slurp(a, "samples/step-0000030.png", &n);
    other = slurp(b, "samples/step-0000030.png", &m);
    CHECK(n == m && !memcmp(one, other, n));
    free(one);
    free(other);
}

FIG_TEST(a_whole_run)
{
    fig_error err = { 0 };
    const char *folder = sample_folder();
    char *path = fig__strdup(folder);
    CHECK_OK(run(path, false, -1, NULL, &err), err);
    static const char *const files[] = { "run.yaml",
                                         "log.jsonl",
                                         "model.safetensors",
                                         "report.html",
                                         "samples/step-0000000.png",
                                         "samples/step-0000010.png",
                                         "samples/step-0000030.png",
                                         "checkpoints/step-0000028.ckpt",
                                         "checkpoints/step-0000030.ckpt" };
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++)
        if (!fig__path_exists(sample_path(path, files[i])))
            TEST_FAIL("%s is missing", files[i]);
    CHECK(!fig__path_exists(sample_path(path, "checkpoints/step-0000021.ckpt"))); /* keep: last 2 */
    char *log = slurp(path, "log.jsonl", NULL);
    CHECK_HAS(log, "{\"step\": 3, \"epoch\": 1, \"split\": \"train\", \"loss.discriminator\": ");
    CHECK_HAS(log, "\"loss.generator\": ");
    CHECK_HAS(log, ", \"cpu_seconds\": ");
    CHECK_HAS(log, "\"items_per_s\": ");
    free(log);
    /* a second run into the folder is refused, a resume of the finished one has nothing to do */
    CHECK_FAILS(run(path, false, -1, NULL, &err), err, FIG_E_USAGE, "--resume");
    CHECK_OK(run(path, true, -1, NULL, &err), err);
    char *json;
    CHECK_OK(fig_show_json(path, &json, &err), err);
    CHECK_HAS(json, "\"schema\": \"figment.run/1\"");
    CHECK_HAS(json, "\"finished\": true");
    free(json);
    sample_folder_end(path);
    free(path);
}

FIG_TEST(killed_and_resumed)
{
    fig_error err = { 0 };
    char *whole = fig__strdup(sample_folder());
    CHECK_OK(run(whole, false, -1, NULL, &err), err);
    /* before the first sheet; before any checkpoint; at one; between two; at the last step; twice */
    static const int leave[][2] = { { 0, 0 }, { 3, 0 }, { 7, 0 }, { 12, 4 }, { 29, 0 }, { 9, 15 } };
    for (size_t i = 0; i < sizeof leave / sizeof leave[0]; i++) {
        char *parts = fig__strdup(sample_folder());
        CHECK_OK(run(parts, false, leave[i][0], NULL, &err), err);
        CHECK_OK(run(parts, true, leave[i][1], NULL, &err), err);
        CHECK_OK(run(parts, true, -1, NULL, &err), err);
        same_runs(whole, parts);
        sample_folder_end(parts);
        free(parts);
    }
    sample_folder_end(whole);
    free(whole);
}

FIG_TEST(stopped_on_request)
{
    fig_error err = { 0 };
    char *whole = fig__strdup(sample_folder()), *parts = fig__strdup(sample_folder());
    CHECK_OK(run(whole, false, -1, NULL, &err), err);
    fig_trainer *t = toy_trainer(gan(), parts, false, settings_of(NULL), NULL, &err);
    REQUIRE(t != NULL);
    toy_steps(t, 11);
    fig_trainer_stop(t);
    CHECK_FAILS(fig_trainer_step(t, NULL, &err), err, FIG_E_INTERRUPTED, "--resume");
    fig_trainer_free(t);
    CHECK(fig__path_exists(sample_path(parts, "checkpoints/step-0000011.ckpt")));
    CHECK_OK(run(parts, true, -1, NULL, &err), err);
    same_runs(whole, parts);
    sample_folder_end(whole);
    sample_folder_end(parts);
    free(whole);
    free(parts);
}

static void damage(const char *path, int64_t place, bool cut)
{
    char *data;
    uint64_t length;
    fig_error err = { 0 };
    REQUIRE_OK(fig__file_read(path, 64 << 20, &data, &length, &err), err);
    uint64_t at = place < 0 ? length - (uint64_t)-place : (uint64_t)place;
    if (cut)
        length = at;
    else
        data[at] = (char)(data[at] ^ 4);
    REQUIRE_OK(fig__file_write(path, data, length, &err), err);
    free(data);
}

/* One flipped bit anywhere, or a missing end: the checkpoint before is taken, and the end is the same. */
FIG_TEST(damaged_checkpoints)
{
    fig_error err = { 0 };
    char *whole = fig__strdup(sample_folder());
    CHECK_OK(run(whole, false, -1, NULL, &err), err);
    static const struct {
        int64_t place;
        bool cut;
    } harm[] = { { 3, false },  { 40, false },  { 700, false }, { -2000, false },
                 { -5, false }, { -300, true }, { 100, true },  { 0, true } };
    for (size_t i = 0; i < sizeof harm / sizeof harm[0]; i++) {
        char *parts = fig__strdup(sample_folder()), message[1024] = "";
        CHECK_OK(run(parts, false, 18, NULL, &err), err);
        damage(sample_path(parts, "checkpoints/step-0000014.ckpt"), harm[i].place, harm[i].cut);
        fig_trainer *t = toy_trainer(gan(), parts, true, settings_of(NULL), message, &err);
        if (!t) {
            TEST_FAIL("%s", err.message);
            return;
        }
        CHECK_INT(t->state.step, 7);
        fig_trainer_free(t);
        CHECK_OK(run(parts, true, -1, NULL, &err), err);
        same_runs(whole, parts);
        sample_folder_end(parts);
        free(parts);
    }
    sample_folder_end(whole);
    free(whole);
}

FIG_TEST(refusals)
{
    fig_error err = { 0 };
    char *folder = fig__strdup(sample_folder()), message[1024];
    CHECK_OK(run(folder, false, 9, NULL, &err), err);
    CHECK(!toy_trainer(gan(), folder, true, settings_of("latent=3"), message, &err));
    CHECK_HAS(err.message, "latent was 2, now 3");
    err = (fig_error){ 0 };
    CHECK(!toy_trainer(gan(), folder, true, settings_of("synthetic.items=3"), message, &err));
    CHECK_HAS(err.message, "unknown setting");
    err = (fig_error){ 0 };
    static const char *const other[] = { "synthetic:moons", NULL };
    fig_trainer *t = NULL;
    CHECK_FAILS(
        fig_trainer_new(
            NULL,
            &(fig_train_opts){
                .recipe = gan(), .data = other, .output = folder, .resume = true, .settings = settings_of(NULL) },
            &t, &err),
        err, FIG_E_USAGE, "other data");
    fig_trainer *first = toy_trainer(gan(), folder, true, settings_of(NULL), NULL, &err);
    REQUIRE(first != NULL);
    CHECK(!toy_trainer(gan(), folder, true, settings_of(NULL), NULL, &err)); /* two at once */
    CHECK_HAS(err.message, "another training");
    fig_trainer_free(first);
    err = (fig_error){ 0 };
    char *file = fig__format("%s/a-file", folder);
    sample_text(file, "x");
    CHECK(!toy_trainer(gan(), file, false, settings_of(NULL), NULL, &err));
    CHECK_HAS(err.message, "a-file");
    free(file);
    sample_folder_end(folder);
    free(folder);
}

FIG_TEST(more_steps_may_be_asked_for)
{
    fig_error err = { 0 };
    char *folder = fig__strdup(sample_folder());
    CHECK_OK(run(folder, false, -1, NULL, &err), err);
    fig_trainer *t = toy_trainer(gan(), folder, true, settings_of("steps=33"), NULL, &err);
    REQUIRE(t != NULL);
    fig_train_progress p = { 0 };
    while (!p.finished && fig_trainer_step(t, &p, &err) == FIG_OK) {}
    CHECK_INT(p.step, 33);
    CHECK_TEXT(p.why_finished, "all steps");
    fig_trainer_free(t);
    sample_folder_end(folder);
    free(folder);
}

/* -- using what was trained ---------------------------------------------------------------------------------------- */

FIG_TEST(the_model_file_is_enough)
{
    fig_error err = { 0 };
    char *folder = fig__strdup(sample_folder());
    CHECK_OK(run(folder, false, -1, NULL, &err), err);
    char *elsewhere = fig__strdup(sample_folder()), *moved = fig__format("%s/moved.safetensors", elsewhere), *data;
    uint64_t length;
    REQUIRE_OK(fig__file_read(sample_path(folder, "model.safetensors"), 64 << 20, &data, &length, &err), err);
    REQUIRE_OK(fig__file_write(moved, data, length, &err), err);
    sample_folder_end(folder);
    fig_trained *m;
    fig_samples *many, *few;
    REQUIRE_OK(fig_load(NULL, moved, &m, &err), err);
    REQUIRE_OK(fig_sample(m, &(fig_sample_opts){ .count = 150, .seed = 5 }, &many, &err), err);
    REQUIRE_OK(fig_sample(m, &(fig_sample_opts){ .count = 3, .seed = 5 }, &few, &err), err);
    fig_type type;
    const float *a = fig_samples_values(many, &type), *b = fig_samples_values(few, NULL);
    CHECK(type.rank == 2 && type.dim[0] == 150 && type.dim[1] == 2);
    CHECK(!memcmp(a, b, sizeof(float[6]))); /* sample i depends on the seed and i */
    CHECK(memcmp(a, a + 128, sizeof(float[6])) != 0);
    char *json = fig_trained_json(m);
    CHECK_HAS(json, "\"schema\": \"figment.model/1\"");
    CHECK_HAS(json, "\"weights\": \"moving average\"");
    free(json);
    fig_samples_free(many);
    fig_samples_free(few);
    fig_trained_free(m);
    /* every bit counts */
    for (int64_t at = 9; at < (int64_t)length; at += (int64_t)length / 41) {
        data[at] = (char)(data[at] ^ 16);
        fig__file_write(moved, data, length, &err);
        data[at] = (char)(data[at] ^ 16);
        if (fig_load(NULL, moved, &m, &err) == FIG_OK) {
            TEST_FAIL("a flipped bit at %lld went unnoticed", (long long)at);
            fig_trained_free(m);
        }
        err = (fig_error){ 0 };
    }
    sample_folder_end(elsewhere);
    free(elsewhere);
    free(moved);
    free(data);
    free(folder);
}

FIG_TEST(starting_from_a_model)
{
    fig_error err = { 0 };
    char *folder = fig__strdup(sample_folder());
    CHECK_OK(run(folder, false, -1, NULL, &err), err);
    static const char *const data[] = { "synthetic:ring8", NULL };
    fig_trainer *t = NULL;
    fig_train_opts opts = { .recipe = gan(), .data = data, .settings = settings_of(NULL), .from = folder };
    REQUIRE_OK(fig_trainer_new(NULL, &opts, &t, &err), err);
    fig_trained *m;
    REQUIRE_OK(fig_load(NULL, folder, &m, &err), err);
    const char *name = "generator.linear1.weight";
    const float *a = toy_state(t, name), *b = fig_store_data(m->store, fig_store_find(m->store, name));
    CHECK(!memcmp(a, b, fig_store_bytes(m->store, fig_store_find(m->store, name))));
    fig_trained_free(m);
    fig_trainer_free(t);
    opts.recipe = fig_recipe_find("vae");
    opts.settings = NULL;
    CHECK_FAILS(fig_trainer_new(NULL, &opts, &t, &err), err, FIG_E_USAGE, "recipe gan, not vae");
    sample_folder_end(folder);
    free(folder);
}

/* -- scores and controllers ---------------------------------------------------------------------------------------- */

FIG_TEST(best_by_validation_and_early_stopping)
{
    fig_error err = { 0 };
    char *folder = fig__strdup(sample_folder());
    /* a rate so high that the score only gets worse after a while */
    static const char *const settings[] = { "hidden=32",
                                            "steps=400",
                                            "batch=64",
                                            "validation=0.2",
                                            "eval_every=10",
                                            "lr=0.03",
                                            "log_every=10",
                                            "early_stopping.patience=3",
                                            "sample_every=never",
                                            "checkpoint_every=50",
                                            NULL };
    fig_trainer *t = toy_trainer(fig_recipe_find("vae"), folder, false, settings, NULL, &err);
    REQUIRE(t != NULL);
    fig_train_progress p = { 0 };
    while (!p.finished && fig_trainer_step(t, &p, &err) == FIG_OK) {}
    CHECK_INT(err.status, FIG_OK);
    CHECK(p.step < 400);
    CHECK_HAS(p.why_finished, "early stopping: no better elbo in 3 evaluations");
    CHECK(t->state.best_step > 0 && t->state.best_step == p.step - 30);
    CHECK(t->state.best >= t->state.last_score);
    fig_trained *m;
    REQUIRE_OK(fig_load(NULL, folder, &m, &err), err);
    CHECK_HAS(m->provenance, "\"chosen_on\": \"validation\", \"chosen_by\": \"elbo\"");
    fig_score scores[16];
    int count;
    fig_eval_opts opts = { .split = "validation" };
    REQUIRE_OK(fig_evaluate(m, &opts, scores, 16, &count, &err), err);
    CHECK_TEXT(scores[0].name, "elbo");
    CHECK_NEAR(scores[0].value, t->state.best, 1e-9);
    CHECK_HAS(scores[0].protocol, "chosen-on-this-split");
    char *json = fig_scores_json("m", scores, count);
    CHECK_HAS(json,
              "{\"schema\": \"figment.eval/1\", \"model\": \"m\", \"metrics\": [{\"name\": \"elbo\", \"value\": ");
    free(json);
    CHECK_FAILS(fig_evaluate(m,
                             &(fig_eval_opts){ .metrics = (const char *const[]){ "warmth", NULL }, .split = "train" },
                             scores, 16, &count, &err),
                err, FIG_E_NOT_FOUND, "no metric \"warmth\"; it has: elbo");
    fig_trained_free(m);
    fig_trainer_free(t);
    sample_folder_end(folder);
    free(folder);
}

/* A host's own controller: halves the rate, then ends the run. */
static void halve(void *state, const void *options, fig_control *c)
{
    int *calls = state;
    (void)options;
    ++*calls;
    if (c->step == 4) {
        c->set_scalar(c, "lr", c->get_scalar(c, "lr") / 2);
        c->reason = "half";
    }
    if (c->step == 9) {
        c->stop = true;
        c->reason = "enough";
    }
}

FIG_TEST(a_controller_of_the_host)
{
    fig_error err = { 0 };
    char *folder = fig__strdup(sample_folder());
    static const fig_controller own = { .name = "own", .state_size = sizeof(int), .at_step = halve };
    fig_trainer *t = toy_trainer(gan(), folder, false, settings_of(NULL), NULL, &err);
    REQUIRE(t != NULL);
    REQUIRE_OK(fig_trainer_add_controller(t, &own, NULL, &err), err);
    double before = fig__base_lr(t, 1);
    fig_train_progress p = { 0 };
    while (!p.finished && fig_trainer_step(t, &p, &err) == FIG_OK) {}
    CHECK_INT(p.step, 9);
    CHECK_TEXT(p.why_finished, "enough");
    CHECK_NEAR(fig__base_lr(t, 1), before / 2, 1e-12);
    char *log = slurp(folder, "log.jsonl", NULL);
    CHECK_HAS(log, "{\"step\": 4, \"event\": \"control\", \"controller\": \"own\", \"reason\": \"half\"}");
    CHECK_HAS(log, "{\"step\": 9, \"event\": \"stop\", \"controller\": \"own\", \"reason\": \"enough\"}");
    free(log);
    fig_trainer_free(t);
    sample_folder_end(folder);
    free(folder);
}

FIG_TEST_MAIN
