/* denoiser_rig.h - a model whose guesses are known exactly, for testing how samples are made from them; and short trainings */
#ifndef DENOISER_RIG_H
#define DENOISER_RIG_H

#include "recipes/solvers.h"
#include "registry/trained.h"
#include "test.h"
#include <figment/figment.h>
#include <unistd.h>

/* A recipe without weights that matter: build declares samplers, on points of two numbers. */
typedef struct exact_rig {
    fig_session *session;
    fig_trained t;
    fig_recipe recipe;
} exact_rig;
static const fig_option exact_table[] = { { "unused", FIG_INT, 0, 0, 0, 1, "nothing" }, { 0 } };

static inline bool exact_open(exact_rig *r, fig_status (*build)(fig_model *, const void *, const fig_data_spec *, fig_error *))
{
    static int64_t unused;
    fig_error err = { 0 };
    *r = (exact_rig){ .recipe = { .name = "exact", .options = exact_table, .options_size = sizeof unused, .build = build } };
    CHECK_OK(fig_session_new(&(fig_session_opts){ .threads = 1 }, &r->session, &err), err);
    r->t = (fig_trained){ .session = r->session, .recipe = &r->recipe, .options = &unused,
                          .data = fig_data_spec_copy(&(fig_data_spec){ .kind = FIG_DATA_POINTS, .dimensions = 2 }) };
    CHECK_OK(fig_store_new(r->session, &r->t.store, &err), err);
    return err.status == FIG_OK;
}

static inline void exact_close(exact_rig *r)
{
    fig_data_spec_free(r->t.data);
    fig_store_free(r->t.store);
    fig_session_free(r->session);
}

/* `count` points of seed 3, heap; NULL when it fails. */
static inline float *exact_draw(exact_rig *r, const char *sampler, int64_t count)
{
    fig_error err = { 0 };
    fig_samples *s = NULL;
    if (fig_sample(&r->t, &(fig_sample_opts){ .count = count, .seed = 3, .sampler = sampler }, &s, &err) != FIG_OK) {
        TEST_FAIL("%s: %s", sampler, err.message);
        return NULL;
    }
    size_t bytes = (size_t)count * 2 * sizeof(float);
    float *copy = memcpy(malloc(bytes), fig_samples_values(s, NULL), bytes);
    fig_samples_free(s);
    return copy;
}

/* A folder for runs, removed by drop_folder. */
static inline void make_folder(char out[256])
{
    const char *base = getenv("TMPDIR");
    snprintf(out, 256, "%s/figment-run-XXXXXX", base ? base : P_tmpdir);
    if (!mkdtemp(out))
        TEST_FAIL("cannot make a folder");
}

static inline void drop_folder(const char *folder)
{
    char command[300];
    snprintf(command, sizeof command, "rm -rf %s", folder);
    CHECK(system(command) == 0);
}

typedef struct losses { double first, last; int count; } losses;

static inline void note_loss(void *user, const fig_train_progress *p)
{
    losses *l = user;
    if (!p->logged || !p->losses)
        return;
    CHECK(isfinite(p->loss[0]));
    l->last = p->loss[0];
    if (!l->count++)
        l->first = p->loss[0];
}

/* Trains into folder/name; settings are blank-separated. */
static inline losses train_run(const char *recipe, const char *preset, const char *data, const char *folder, const char *name,
                               const char *settings, bool resume)
{
    char path[300], *copy = strdup(settings), *rest = copy, *word;
    const char *list[32] = { "threads=1", "eval_every=never", "sample_rows=2", "sample_columns=2" };
    int count = 4;
    losses l = { 0 };
    fig_error err = { 0 };
    snprintf(path, sizeof path, "%s/%s", folder, name);
    while ((word = strsep(&rest, " ")) && count < 31)
        list[count++] = word;
    fig_train_opts opts = { .recipe = fig_recipe_find(recipe), .preset = preset, .data = (const char *[]){ data, NULL }, .output = path,
                            .settings = list, .resume = resume };
    if (fig_train(NULL, &opts, note_loss, &l, &err) != FIG_OK)
        TEST_FAIL("%s/%s: %s", recipe, preset, err.message);
    free(copy);
    return l;
}

/* Samples of a run, or NULL. */
static inline fig_samples *draw_from(const char *folder, const char *name, const fig_sample_opts *opts)
{
    char path[300];
    fig_error err = { 0 };
    fig_trained *model = NULL;
    fig_samples *samples = NULL;
    snprintf(path, sizeof path, "%s/%s", folder, name);
    fig_status status = fig_load(NULL, path, &model, &err);
    if (status == FIG_OK)
        status = fig_sample(model, opts, &samples, &err);
    if (status != FIG_OK)
        TEST_FAIL("%s: %s", name, err.message);
    fig_trained_free(model);
    return samples;
}

/* Share of points whose sign of x is that of their mode: mode 0 of ring2 lies at (1, 0), mode 1 at (-1, 0). */
static inline double on_their_side(const fig_samples *s)
{
    const float *v = s ? fig_samples_values(s, NULL) : NULL;
    int64_t good = 0, n = s ? fig_samples_count(s) : 1;
    for (int64_t i = 0; v && i < n; i++)
        good += (v[2 * i] > 0) == (fig_samples_class(s, i) == 0);
    return (double)good / (double)n;
}

/* Are two runs' model files the same bytes? */
static inline bool same_model(const char *folder, const char *a, const char *b)
{
    char command[700];
    snprintf(command, sizeof command, "cmp -s %s/%s/model.safetensors %s/%s/model.safetensors", folder, a, folder, b);
    return system(command) == 0;
}

/* Whole and interrupted training of a recipe end in the same bytes. */
static inline void check_resume(const char *recipe, const char *preset, const char *data, const char *settings)
{
    char folder[256], half[512], whole[512];
    make_folder(folder);
    snprintf(half, sizeof half, "%s steps=4", settings);
    snprintf(whole, sizeof whole, "%s steps=9", settings);
    train_run(recipe, preset, data, folder, "whole", whole, false);
    train_run(recipe, preset, data, folder, "parts", half, false);
    CHECK(!same_model(folder, "whole", "parts"));
    train_run(recipe, preset, data, folder, "parts", whole, true);
    CHECK(same_model(folder, "whole", "parts"));
    drop_folder(folder);
}

#endif
