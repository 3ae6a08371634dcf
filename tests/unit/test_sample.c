/* test_sample.c - drawing samples: choosing tokens, text token by token, pictures of points, files in every format */
#include "eval/derived.h"
#include "sample_data.h"
#include "test.h"
#include "toy_recipe.h"
#include <figment/use.h>

static int32_t pick(const float *logits, int n, fig__pick how, double u)
{
    char scratch[64 * FIG__PICK_BYTES];
    return fig__pick_token(logits, n, &how, u, scratch);
}

FIG_TEST(choosing_a_token)
{
    const float logits[4] = { logf(0.1f), logf(0.4f), logf(0.3f), logf(0.2f) };
    fig__pick all = { 1, 1, 0, false };
    CHECK_INT(pick(logits, 4, all, 0.05), 0); /* in the order of the vocabulary: 0.1, 0.5, 0.8, 1 */
    CHECK_INT(pick(logits, 4, all, 0.3), 1);
    CHECK_INT(pick(logits, 4, all, 0.7), 2);
    CHECK_INT(pick(logits, 4, all, 0.999), 3);
    fig__pick two = { 1, 1, 2, false }; /* 0.4 and 0.3, likeliest first */
    CHECK_INT(pick(logits, 4, two, 0.57), 1);
    CHECK_INT(pick(logits, 4, two, 0.58), 2);
    fig__pick most = { 1, 0.65, 0, false }; /* 0.4 + 0.3 reach 0.65 */
    CHECK_INT(pick(logits, 4, most, 0.99), 2);
    fig__pick one = { 1, 1e-9, 0, false };
    CHECK_INT(pick(logits, 4, one, 0.99), 1);
    fig__pick cold = { 0.01, 1, 0, false }, greedy = { 1, 1, 0, true };
    CHECK_INT(pick(logits, 4, cold, 0.99), 1);
    CHECK_INT(pick(logits, 4, greedy, 0.99), 1);
    const float equal[3] = { 2, 2, 2 };
    CHECK_INT(pick(equal, 3, greedy, 0.5), 0);
    const float broken[3] = { NAN, NAN, NAN };
    int32_t any = pick(broken, 3, all, 0.5);
    CHECK(any >= 0 && any < 3);
    int counts[4] = { 0 };
    fig__rng rng = { 7 };
    for (int i = 0; i < 20000; i++)
        counts[pick(logits, 4, all, fig__rng_uniform(&rng))]++;
    CHECK_NEAR(counts[1] / 20000.0, 0.4, 0.015);
}

FIG_TEST(utf8_is_not_cut)
{
    CHECK_INT(fig__whole_utf8("abc", 3), 3);
    CHECK_INT(fig__whole_utf8("a\xc3\xa9", 3), 3);
    CHECK_INT(fig__whole_utf8("a\xc3", 2), 1);
    CHECK_INT(fig__whole_utf8("\xe4\xb8", 2), 0);
    CHECK_INT(fig__whole_utf8("\xe4\xb8\xad", 3), 3);
    CHECK_INT(fig__whole_utf8("x\xf0\x9f\x98", 4), 1);
    CHECK_INT(fig__whole_utf8("\x80\x80\x80\x80\x80", 5), 5);
    CHECK_INT(fig__whole_utf8("", 0), 0);
}

/* A tiny GPT on a text of Latin and Chinese characters. */
static fig_trained *small_text_model(const char *folder, const char *tokens)
{
    fig_error err = { 0 };
    fig__text text;
    fig__text_init(&text, 1 << 20);
    for (int i = 0; i < 60; i++)
        fig__text_print(&text, "the cat sat; \xe4\xb8\xad\xe6\x96\x87 line %d\n", i % 7);
    const char *file = sample_path(folder, "text.txt");
    sample_text(file, text.data);
    fig__text_free(&text);
    const char *data[] = { file, NULL },
               *settings[] = { tokens,    "layers=1", "heads=2",        "width=16",         "context=12",
                               "steps=3", "batch=4",  "validation=0.1", "sample_length=20", NULL };
    char *run = fig__format("%s/run-%s", folder, tokens);
    fig_trainer *t;
    fig_train_progress p = { 0 };
    fig_train_opts opts = { .recipe = fig_recipe_find("gpt"), .data = data, .settings = settings, .output = run };
    if (fig_trainer_new(NULL, &opts, &t, &err) != FIG_OK) {
        TEST_FAIL("%s", err.message);
        return NULL;
    }
    while (!p.finished && fig_trainer_step(t, &p, &err) == FIG_OK) {}
    fig_trainer_free(t);
    fig_trained *m = NULL;
    CHECK_OK(fig_load(NULL, run, &m, &err), err);
    free(run);
    return m;
}

static char *text_of(fig_trained *m, fig_sample_opts opts, int64_t index)
{
    fig_error err = { 0 };
    fig_samples *s;
    if (fig_sample(m, &opts, &s, &err) != FIG_OK) {
        TEST_FAIL("%s", err.message);
        return fig__strdup("");
    }
    int64_t length;
    const char *text = fig_samples_text(s, index, &length);
    char *copy = fig__format("%.*s", (int)length, text);
    fig_samples_free(s);
    return copy;
}

static void same_text(char *a, char *b)
{
    CHECK_TEXT(a, b);
    free(a);
    free(b);
}

FIG_TEST(text)
{
    const char *folder = sample_folder();
    char *keep = fig__strdup(folder);
    fig_trained *m = small_text_model(keep, "tokens=char");
    REQUIRE(m != NULL);
    /* longer than the 12 positions, so the window slides; sample i is the same whatever is drawn with it */
    fig_sample_opts o = { .count = 5, .seed = 3, .length = 60, .batch = 4 };
    char *third = text_of(m, o, 3);
    o.batch = 2;
    same_text(fig__strdup(third), text_of(m, o, 3));
    o.batch = 0;
    same_text(fig__strdup(third), text_of(m, o, 3));
    o.seed = 4;
    char *other = text_of(m, o, 3);
    CHECK(strcmp(third, other) != 0);
    free(third);
    free(other);
    o.greedy = true;
    same_text(text_of(m, o, 0), text_of(m, o, 4));
    o.prompt = "\xe4\xb8\xad\xe6\x96\x87 line";
    o.length = 5;
    other = text_of(m, o, 1);
    CHECK(fig__starts_with(other, o.prompt));
    free(other);
    o.prompt = "the cat sat; the cat sat; the cat sat; "; /* longer than the window */
    other = text_of(m, o, 0);
    CHECK(fig__starts_with(other, o.prompt) && strlen(other) > strlen(o.prompt));
    free(other);
    fig_error err = { 0 };
    fig_samples *s;
    o.prompt = "Q";
    CHECK_FAILS(fig_sample(m, &o, &s, &err), err, FIG_E_USAGE, "prompt");
    o.prompt = NULL;
    o.temperature = -1;
    CHECK_FAILS(fig_sample(m, &o, &s, &err), err, FIG_E_USAGE, "temperature");
    o.temperature = 0;
    o.sampler = "beams";
    CHECK_FAILS(fig_sample(m, &o, &s, &err), err, FIG_E_NOT_FOUND, "it has: text");
    fig_trained_free(m);
    sample_folder_end(keep);
    free(keep);
}

typedef struct heard {
    char text[4096];
    int pieces;
    int stop_after;
} heard;
static bool hear(void *user, int64_t sample, const char *bytes, int length)
{
    heard *h = user;
    if (sample == 1) {
        strncat(h->text, bytes, (size_t)length);
        h->pieces++;
        const char *at = h->text; /* whole characters only */
        while (*at)
            CHECK(fig__utf8_next(&at) >= 0 || true);
    }
    return !h->stop_after || h->pieces < h->stop_after;
}

FIG_TEST(text_as_it_comes)
{
    char *keep = fig__strdup(sample_folder());
    fig_trained *m = small_text_model(keep, "tokens=byte");
    REQUIRE(m != NULL);
    heard h = { .pieces = 0 };
    fig_sample_opts o = { .count = 2, .seed = 1, .length = 40, .prompt = "the ", .piece = hear, .user = &h };
    fig_error err = { 0 };
    fig_samples *s;
    REQUIRE_OK(fig_sample(m, &o, &s, &err), err);
    int64_t length;
    const char *text = fig_samples_text(s, 1, &length);
    CHECK(!strncmp(h.text, text, (size_t)length));
    CHECK(h.pieces > 2);
    fig_samples_free(s);
    h = (heard){ .stop_after = 3 };
    CHECK_FAILS(fig_sample(m, &o, &s, &err), err, FIG_E_INTERRUPTED, "stopped");
    /* pulled: one token of every row a call */
    o.piece = NULL;
    fig_sampler *sampler;
    bool finished = false;
    int calls = 0;
    REQUIRE_OK(fig_sampler_new(m, &o, &sampler, &err), err);
    for (; !finished && calls < 1000; calls++)
        CHECK_OK(fig_sampler_next(sampler, &finished, &err), err);
    CHECK_INT(calls, 40);
    CHECK_INT(fig_samples_count(fig_sampler_samples(sampler)), 2);
    fig_sampler_free(sampler);
    fig_trained_free(m);
    sample_folder_end(keep);
    free(keep);
}

/* -- beam and raster: a step graph with known probabilities -------------------------------------------------------- */

/* A chain of three tokens whose next token depends on the one before, and on nothing else:
 *     from 0: 0.1 0.5 0.4     from 1: 0.4 0.3 0.3     from 2: 0.05 0.05 0.9
 * From 0 the greedy path is 1 0 (0.5 * 0.4 = 0.2); the best is 2 2 (0.4 * 0.9 = 0.36). A state counts the steps of
 * each row. */
static fig_status chain(fig_model *m, const void *options, const fig_data_spec *data, fig_error *err)
{
    static const float p[9] = { 0.1f, 0.5f, 0.4f, 0.4f, 0.3f, 0.3f, 0.05f, 0.05f, 0.9f };
    fig_graph *g = fig_model_graph(m);
    const toy_options *o = options;
    int64_t b = fig_model_batch(m);
    (void)data;
    fig_node table = fig_log(fig_constant_data(g, FIG_SHAPE(3, 3), p));
    fig_node unit = fig_param(g, "unit", FIG_SHAPE(1), (fig_init){ .kind = FIG_INIT_ONES });
    if (fig_model_purpose(m) == FIG_FOR_TRAINING)
        return fig_model_phase(m, &(fig_phase){ .name = "none", .loss = fig_broadcast(unit, FIG_SHAPE(b)) }, err);
    if (fig_model_purpose(m) == FIG_FOR_EVALUATION)
        return FIG_OK;
    fig_type row = { .dtype = FIG_I32, .rank = 1, .dim = { b } };
    fig_node token = fig_input(g, "token", row);
    fig_node path = fig_model_state(m, &(fig_state_decl){ .name = "path", .type = FIG_SHAPE(b, 1) });
    fig_assign(path, fig_add(fig_scale(path, 10), fig_expand(fig_cast(token, FIG_F32), 1)));
    fig_node logits = fig_add(fig_gather(table, token), fig_scale(path, 0)); /* (B, 3) */
    fig_model_sampler(m, &(fig_sampler_decl){ .name = "chain",
                                              .output = logits,
                                              .token = token,
                                              .loop = o->mode ? FIG_LOOP_RASTER : FIG_LOOP_BEAM,
                                              .length = o->mode ? 4 : 64 });
    return FIG_OK;
}

static fig_sampler *chain_sampler(fig_session **session, fig_trained *t, toy_options *o, fig_recipe *recipe,
                                  const fig_sample_opts *opts)
{
    fig_error err = { 0 };
    fig_sampler *s = NULL;
    fig_model *m;
    *recipe = toy_recipe(chain);
    CHECK_OK(fig_session_new(&(fig_session_opts){ .threads = 1 }, session, &err), err);
    *t = (fig_trained){ .session = *session, .recipe = recipe, .options = o };
    t->data = fig_data_spec_copy(
        &(fig_data_spec){ .kind = FIG_DATA_IMAGES, .height = 2, .width = 2, .channels = 1, .low = -1, .high = 1 });
    CHECK_OK(fig_store_new(*session, &t->store, &err), err);
    CHECK_OK(fig__model_build(recipe, o, t->data, FIG_FOR_TRAINING, 2, &m, &err), err);
    CHECK_OK(fig__model_initialise(m, t->store, 1, &err), err);
    fig__model_free(m);
    if (fig_sampler_new(t, opts, &s, &err) != FIG_OK)
        TEST_FAIL("%s", err.message);
    for (bool finished = false; s && !finished;)
        if (fig_sampler_next(s, &finished, &err) != FIG_OK) {
            TEST_FAIL("%s", err.message);
            break;
        }
    return s;
}

FIG_TEST(beam_finds_the_likeliest)
{
    fig_session *session;
    fig_trained t;
    toy_options o = { 0, 1 };
    fig_recipe recipe;
    fig_sampler *s = chain_sampler(&session, &t, &o, &recipe, &(fig_sample_opts){ .count = 3, .length = 2, .beam = 3 });
    REQUIRE(s != NULL);
    const fig_samples *made = fig_sampler_samples(s);
    CHECK_INT(made->count, 3);
    const int32_t *v = made->values;
    CHECK(v[0] == 2 && v[1] == 2); /* 0.36 */
    CHECK(v[2] == 1 && v[3] == 0); /* 0.20 */
    CHECK(v[4] == 1 && v[5] == 1); /* 0.15, before 1 2 of the same */
    const float *path = fig_store_data(s->store, fig_store_find(s->store, "path"));
    CHECK(path[0] == 2 || path[0] == 1); /* states have followed their rows: 0 then the first token */
    fig_sampler_free(s);
    fig_data_spec_free(t.data);
    fig_store_free(t.store);
    fig_session_free(session);
}

FIG_TEST(raster_fills_a_picture)
{
    fig_session *session;
    fig_trained t;
    toy_options o = { 1, 1 };
    fig_recipe recipe;
    fig_sampler *s = chain_sampler(&session, &t, &o, &recipe, &(fig_sample_opts){ .count = 20, .seed = 2 });
    REQUIRE(s != NULL);
    fig_type type;
    const float *v = fig_samples_values(fig_sampler_samples(s), &type);
    CHECK(type.rank == 4 && type.dim[0] == 20 && type.dim[1] == 2 && type.dim[3] == 1);
    for (int i = 0; i < 80; i++)
        CHECK(v[i] == -1 || v[i] == 0 || v[i] == 1); /* three levels of -1..1 */
    fig_sampler_free(s);
    fig_data_spec_free(t.data);
    fig_store_free(t.store);
    fig_session_free(session);
}

/* Logits say the class and the step: level 3 c + k of 12 at step k < 4 of class c, in the order 2 0 3 1. */
static fig_status by_class(fig_model *m, const void *options, const fig_data_spec *data, fig_error *err)
{
    static const int32_t order[4] = { 2, 0, 3, 1 };
    fig_graph *g = fig_model_graph(m);
    int64_t b = fig_model_batch(m);
    fig_type row = { .dtype = FIG_I32, .rank = 1, .dim = { b } };
    fig_node unit = fig_param(g, "unit", FIG_SHAPE(1), (fig_init){ .kind = FIG_INIT_ONES });
    (void)options, (void)data;
    if (fig_model_purpose(m) == FIG_FOR_TRAINING)
        return fig_model_phase(m, &(fig_phase){ .name = "none", .loss = fig_broadcast(unit, FIG_SHAPE(b)) }, err);
    if (fig_model_purpose(m) == FIG_FOR_EVALUATION)
        return FIG_OK;
    fig_node token = fig_input(g, "token", row), position = fig_input(g, "position", row), label = fig_input(g, "label", row);
    fig_node level = fig_add(fig_mul(label, fig_constant_i32(g, 4)), position);
    fig_node logits = fig_scale(fig_add(fig_one_hot(level, 12), fig_scale(fig_expand(fig_cast(token, FIG_F32), 1), 0)), 100);
    fig_model_sampler(m, &(fig_sampler_decl){ .name = "classes",
                                              .output = logits,
                                              .token = token,
                                              .position = position,
                                              .label = label,
                                              .loop = FIG_LOOP_RASTER,
                                              .order = order,
                                              .length = 4 });
    return FIG_OK;
}

FIG_TEST(classes_and_orders)
{
    fig_error err = { 0 };
    fig_session *session;
    fig_recipe recipe = toy_recipe(by_class);
    toy_options o = { 0, 1 };
    fig_model *m;
    REQUIRE_OK(fig_session_new(&(fig_session_opts){ .threads = 1 }, &session, &err), err);
    fig_trained t = { .session = session, .recipe = &recipe, .options = &o };
    char ant[] = "ant", bee[] = "bee", cow[] = "cow", *names[3] = { ant, bee, cow };
    t.data = fig_data_spec_copy(&(fig_data_spec){ .kind = FIG_DATA_IMAGES, .height = 2, .width = 2, .channels = 1, .low = 0, .high = 11,
                                                  .classes = 3, .class_names = names });
    CHECK_OK(fig_store_new(session, &t.store, &err), err);
    CHECK_OK(fig__model_build(&recipe, &o, t.data, FIG_FOR_TRAINING, 2, &m, &err), err);
    CHECK_OK(fig__model_initialise(m, t.store, 1, &err), err);
    fig__model_free(m);
    static const int step_of[4] = { 1, 3, 0, 2 }; /* the order turned round */
    const char *classes[] = { NULL, "bee", "2" };
    for (int k = 0; k < 3; k++) {
        fig_samples *made = NULL;
        REQUIRE_OK(fig_sample(&t, &(fig_sample_opts){ .count = 20, .classes = classes[k] }, &made, &err), err);
        const float *v = fig_samples_values(made, NULL);
        for (int i = 0; i < 80; i++)
            CHECK_NEAR(v[i], 4 * (k ? k : i / 4 % 3) + step_of[i % 4], 1e-5);
        fig_samples_free(made);
    }
    fig_samples *made;
    CHECK_FAILS(fig_sample(&t, &(fig_sample_opts){ .classes = "dog" }, &made, &err), err, FIG_E_USAGE, "not one of the model's 3");
    CHECK_FAILS(fig_sample(&t, &(fig_sample_opts){ .classes = "3" }, &made, &err), err, FIG_E_USAGE, "ant, bee, cow");
    fig_data_spec_free(t.data);
    fig_store_free(t.store);
    fig_session_free(session);
}

/* -- files --------------------------------------------------------------------------------------------------------- */

static char *saved(const fig_samples *s, const char *folder, const char *name, uint64_t *length)
{
    fig_error err = { 0 };
    char *data = NULL;
    char *path = fig__format("%s/%s", folder, name);
    CHECK_OK(fig_samples_save(s, path, &err), err);
    CHECK_OK(fig__file_read(path, 1 << 20, &data, length, &err), err);
    free(path);
    return data ? data : fig__strdup("");
}

FIG_TEST(saving_pictures)
{
    const char *folder = sample_folder();
    fig_error err = { 0 };
    fig_data_spec spec = { .kind = FIG_DATA_IMAGES, .height = 2, .width = 3, .channels = 1, .low = -1, .high = 1 };
    fig_samples *s = fig__samples_new(&spec, 2);
    fig_type one = FIG_SHAPE(2, 3, 1);
    REQUIRE_OK(fig__samples_hold(s, &one, &err), err);
    for (int i = 0; i < 12; i++)
        ((float *)s->values)[i] = (float)i / 8 - 0.5f;
    s->count = 2;
    uint64_t length;
    char *text = saved(s, folder, "a.csv", &length);
    CHECK_TEXT(text, "-0.5,-0.375,-0.25,-0.125,0,0.125\n0.25,0.375,0.5,0.625,0.75,0.875\n");
    free(text);
    text = saved(s, folder, "a.npy", &length);
    CHECK_INT(length, 128 + 48);
    CHECK(!memcmp(text, "\x93NUMPY\x01\x00", 8));
    CHECK_HAS(text + 10, "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 2, 3, 1), }");
    CHECK(!memcmp(text + 128, s->values, 48));
    free(text);
    text = saved(s, folder, "a.json", &length);
    CHECK_HAS(text, "{\"schema\": \"figment.samples/1\", \"count\": 2, \"shape\": [2, 3, 1], \"range\": [-1, 1], "
                    "\"values\": [[-0.5, -0.375,");
    free(text);
    text = saved(s, folder, "a.png", &length);
    CHECK(!memcmp(text + 1, "PNG", 3));
    free(text);
    char *inside = fig__format("%s/many/", folder);
    CHECK_OK(fig_samples_save(s, inside, &err), err);
    fig_picture p;
    CHECK_OK(fig_picture_load(sample_path(inside, "000001.png"), &p, &err), err);
    CHECK(p.width == 3 && p.height == 2);
    fig_picture_free(&p);
    free(inside);
    CHECK_FAILS(fig_samples_save(s, "a.gif", &err), err, FIG_E_USAGE, ".png");
    CHECK_FAILS(fig_samples_save(s, "/nowhere/at/all/a.csv", &err), err, FIG_E_IO, "folder");
    fig_samples_free(s);
    sample_folder_end(folder);
}

FIG_TEST(points_are_plotted)
{
    fig_error err = { 0 };
    fig_picture p;
    const float points[] = { -1, 0, 1, 0, NAN, 3, 0, INFINITY };
    REQUIRE_OK(fig__scatter(points, 4, 2, 64, &p, &err), err);
    int dark = 0;
    for (int i = 0; i < 64 * 64; i++)
        dark += p.pixels[i] < 200;
    CHECK(dark > 4 && dark < 40);
    fig_picture_free(&p);
}

/* -- scores -------------------------------------------------------------------------------------------------------- */

FIG_TEST(means_and_errors)
{
    fig__sums sums = { 0 };
    const double x[4] = { 1, 2, 3, 6 };
    for (int i = 0; i < 4; i++) {
        sums.s += x[i], sums.m += 1, sums.ss += x[i] * x[i], sums.sm += x[i], sums.mm += 1, sums.n++;
    }
    fig_score score = { 0 };
    fig__score_mean(&sums, &score);
    CHECK_NEAR(score.value, 3, 1e-12);
    CHECK_NEAR(score.standard_error, sqrt(14.0 / 3 / 4), 1e-12); /* deviation / sqrt(n) */
    CHECK_INT(score.count, 4);
    fig__score_mean(&(fig__sums){ 0 }, &score);
    CHECK(isnan(score.value) && isnan(score.standard_error));
}

FIG_TEST(derived_scores)
{
    char *keep = fig__strdup(sample_folder());
    fig_trained *m = small_text_model(keep, "tokens=char");
    REQUIRE(m != NULL);
    fig_error err = { 0 };
    fig_score scores[8];
    int count = 0;
    REQUIRE_OK(fig_evaluate(m, NULL, scores, 8, &count, &err), err);
    CHECK_INT(count, 3);
    CHECK_TEXT(scores[0].name, "cross_entropy");
    CHECK(scores[0].value > 1 && scores[0].value < 5 && scores[0].standard_error > 0);
    CHECK_TEXT(scores[1].name, "perplexity");
    CHECK_NEAR(scores[1].value, exp(scores[0].value), 1e-9);
    CHECK_TEXT(scores[2].name, "bits_per_byte"); /* two characters of twenty-odd have three bytes */
    CHECK(scores[2].value < scores[0].value / M_LN2 && scores[2].value > scores[0].value / M_LN2 / 1.4);
    CHECK_HAS(scores[0].protocol, "window=12,stride=12,split=validation");
    fig_eval_opts one = { .metrics = (const char *const[]){ "perplexity", NULL }, .split = "train", .count = 10 };
    REQUIRE_OK(fig_evaluate(m, &one, scores, 8, &count, &err), err);
    CHECK_INT(count, 1);
    CHECK_INT(scores[0].count, 120);
    CHECK_FAILS(fig_evaluate(m, &(fig_eval_opts){ .split = "test" }, scores, 8, &count, &err), err, FIG_E_NOT_FOUND,
                "no test split");
    CHECK_FAILS(fig_evaluate(m, &(fig_eval_opts){ .split = "exam" }, scores, 8, &count, &err), err, FIG_E_USAGE,
                "exam");
    fig_trained_free(m);
    sample_folder_end(keep);
    free(keep);
}

FIG_TEST_MAIN
