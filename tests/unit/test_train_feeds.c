/* test_train_feeds.c - inputs that do not come from a file: pools of earlier values, the model's own sampler; stages;
 * roll-back; several data sets; frozen parts */
#include "sample_data.h"
#include "toy_recipe.h"

enum { POOL, STAGES, ROLL_OUT, FAULTY, TWO_SETS, POOL_MANY };

/* POOL: phase "maker" moves a counter by one each round and computes rows that hold it; phase "reader" keeps what the
 * pool gives. */
static fig_status pooled(fig_model *m, fig_node made, int64_t b, fig_error *err)
{
    fig_graph *g = fig_model_graph(m);
    fig_node old =
        fig_model_input_declare(m, &(fig_input_decl){ .name = "old", .feed = FIG_FEED_POOL, .from = made, .pool = 6 });
    fig_node seen = fig_model_state(m, &(fig_state_decl){ .name = "seen", .type = FIG_SHAPE(b, 2) });
    fig_assign(seen, old); /* in the round's first plan, so it shows the rows of the round before */
    fig_node w = fig_param(g, "reader.w", FIG_SHAPE(1), (fig_init){ .kind = FIG_INIT_ONES });
    return fig_model_phase(
        m, &(fig_phase){ .name = "reader", .trains = "reader", .loss = fig_sum_rows(fig_square(fig_mul(old, w))) },
        err);
}

/* POOL_MANY: a reader that runs three times a round and comes first, as the critic of a Wasserstein GAN. "seen" keeps what it read in its
 * last three runs. */
static fig_status pooled_often(fig_model *m, int64_t b, fig_error *err)
{
    fig_graph *g = fig_model_graph(m);
    fig_node made = fig_uniform(g, FIG_SHAPE(b, 2));
    fig_node old = fig_model_input_declare(m, &(fig_input_decl){ .name = "old", .feed = FIG_FEED_POOL, .from = made, .pool = 4 });
    fig_node seen = fig_model_state(m, &(fig_state_decl){ .name = "seen", .type = FIG_SHAPE(3, b, 2) });
    fig_assign(seen, fig_concat((fig_node[]){ fig_slice(seen, 0, 1, 2, 1), fig_expand(old, 0) }, 2, 0));
    fig_node w = fig_param(g, "reader.w", FIG_SHAPE(1), (fig_init){ .kind = FIG_INIT_ONES });
    fig_phase reader = { .name = "reader", .trains = "reader", .times = 3, .loss = fig_sum_rows(fig_square(fig_mul(old, w))) };
    return fig_model_phase(m, &reader, err);
}

static fig_status build(fig_model *m, const void *options, const fig_data_spec *data, fig_error *err)
{
    const toy_options *o = options;
    fig_graph *g = fig_model_graph(m);
    int64_t b = fig_model_batch(m);
    (void)data;
    fig_node count = fig_param(g, "maker.count", FIG_SHAPE(2), (fig_init){ .kind = FIG_INIT_ZEROS });
    fig_node made = fig_broadcast(count, FIG_SHAPE(b, 2)); /* (B, 2) */
    if (fig_model_purpose(m) == FIG_FOR_SAMPLING) {
        fig_node noise = fig_model_noise(m, 2);
        fig_model_sampler(
            m, &(fig_sampler_decl){ .name = "made", .output = o->mode == ROLL_OUT ? fig_add(noise, made) : made });
        return FIG_OK;
    }
    if (fig_model_purpose(m) == FIG_FOR_EVALUATION)
        return FIG_OK;
    if (o->mode == POOL_MANY)
        return pooled_often(m, b, err);
    if (o->mode == STAGES)
        FIG_TRY(fig_model_stages(m, (fig_stage[]){ { "before", 3 }, { "after", 0 } }, 2, err));
    fig_node loss = fig_neg(fig_sum_rows(made)); /* gradient -1: with lr 1 each round adds 1 */
    if (o->mode == FAULTY) {                     /* every batch whose first point lies right of a line is a fault */
        fig_node x = fig_model_input(m, "point");
        fig_node edge =
            fig_sub(fig_constant(g, 0.9f), fig_reshape(fig_slice(fig_slice(x, 0, 0, 1, 1), 1, 0, 1, 1), FIG_SCALAR));
        loss = fig_add(loss, fig_scale(fig_log(fig_max(edge, fig_constant(g, -1))), 1e-12f));
    }
    FIG_TRY(fig_model_phase(
        m,
        &(fig_phase){ .name = "maker", .trains = "maker", .loss = loss, .stage = o->mode == STAGES ? "before" : NULL },
        err));
    if (o->mode == POOL)
        return pooled(m, made, b, err);
    if (o->mode == STAGES) {
        fig_node other = fig_param(g, "second.count", FIG_SHAPE(2), (fig_init){ .kind = FIG_INIT_ZEROS });
        return fig_model_phase(m,
                               &(fig_phase){ .name = "second",
                                             .trains = "second",
                                             .stage = "after",
                                             .loss = fig_neg(fig_sum_rows(fig_broadcast(other, FIG_SHAPE(b, 2)))) },
                               err);
    }
    if (o->mode == ROLL_OUT) {
        fig_type rows = FIG_SHAPE(b, 2);
        fig_node own = fig_model_input_declare(
            m, &(fig_input_decl){ .name = "own", .feed = FIG_FEED_SAMPLER, .type = rows, .sampler = "made" });
        fig_node seen = fig_model_state(m, &(fig_state_decl){ .name = "seen", .type = rows });
        fig_assign(seen, own);
    }
    if (o->mode == TWO_SETS) {
        fig_node left = fig_model_input_declare(m, &(fig_input_decl){ .name = "left", .field = "point", .data = "a" });
        fig_node right =
            fig_model_input_declare(m, &(fig_input_decl){ .name = "right", .field = "point", .data = "b" });
        fig_assign(fig_model_state(m, &(fig_state_decl){ .name = "seen.a", .type = fig_type_of(left) }), left);
        fig_assign(fig_model_state(m, &(fig_state_decl){ .name = "seen.b", .type = fig_type_of(right) }), right);
    }
    return FIG_OK;
}

static fig_trainer *begin(const fig_recipe *recipe, const char *folder, bool resume, const char *const *settings,
                          char *message)
{
    fig_error err = { 0 };
    fig_trainer *t = toy_trainer(recipe, folder, resume, settings, message, &err);
    if (!t)
        TEST_FAIL("%s", err.message);
    return t;
}

FIG_TEST(a_pool_gives_old_rows)
{
    fig_recipe recipe = toy_recipe(build);
    static const char *const settings[] = { "mode=0",   "batch=2", "optimizer=sgd", "lr=1", "phases.reader.lr=0",
                                            "steps=60", NULL };
    fig_trainer *t = begin(&recipe, NULL, false, settings, NULL);
    REQUIRE(t != NULL);
    CHECK_INT(t->round->n_groups, 2);
    int old = 0;
    for (int i = 0; i < 40; i++) {
        toy_steps(t, 1);
        const float *seen = toy_state(t, "seen");
        for (int k = 0; k < 4; k++)
            CHECK(seen[k] >= 0 && seen[k] <= (float)i &&
                  seen[k] == floorf(seen[k])); /* rows computed before the update */
        if (i > 0 && i < 4)                    /* filling: new rows pass through */
            CHECK(seen[0] == (float)(i - 1) && seen[2] == (float)(i - 1));
        old += i > 0 && seen[0] < (float)(i - 1);
    }
    CHECK(old > 8 && old < 32); /* about half are older */
    fig_trainer_free(t);
}

/* The pool by hand: until it is full rows pass through; then a new row stays out, or is swapped for an old one, as its draw says. */
FIG_TEST(a_pool_swaps_as_its_draws_say)
{
    enum { CAPACITY = 6, BATCH = 2, SEED = 5 };
    fig_recipe recipe = toy_recipe(build);
    static const char *const settings[] = { "mode=0",             "batch=2",  "optimizer=sgd", "lr=1",
                                            "phases.reader.lr=0", "steps=60", "seed=5",        NULL };
    fig_trainer *t = begin(&recipe, NULL, false, settings, NULL);
    REQUIRE(t != NULL);
    float held[CAPACITY], fed[BATCH] = { 0 };
    int filled = 0, swapped = 0;
    for (int round = 0; round < 40; round++) {
        toy_steps(t, 1);
        const float *seen = toy_state(t, "seen"); /* what the round before has read */
        for (int row = 0; row < BATCH && round > 0; row++)
            CHECK(seen[2 * row] == fed[row] && seen[2 * row + 1] == fed[row]);
        for (int row = 0; row < BATCH; row++) {
            uint32_t bits[4];
            fed[row] = (float)round; /* the counter, before it is moved */
            if (filled < CAPACITY) {
                held[filled++] = fed[row];
                continue;
            }
            fig__philox(SEED, fig__hash64("old", 3, 11), (uint64_t)round, (uint64_t)row, bits);
            if (bits[0] & 1)
                continue;
            float *place = &held[bits[1] % CAPACITY], old = *place;
            *place = fed[row];
            fed[row] = old;
            swapped++;
        }
        CHECK(round >= 3 ? toy_state(t, "pool/old")[0] == held[0] && toy_state(t, "pool/old")[2 * 5] == held[5] : true);
    }
    CHECK(swapped > 20 && swapped < 55); /* of 74 */
    fig_trainer_free(t);
}

FIG_TEST(a_reader_that_runs_often_has_rows_of_its_own)
{
    enum { NUMBERS = 8 * 2 };
    fig_recipe recipe = toy_recipe(build);
    static const char *const settings[] = { "mode=5", "batch=8", "optimizer=sgd", "lr=0", "steps=4", NULL };
    fig_trainer *t = begin(&recipe, NULL, false, settings, NULL);
    REQUIRE(t != NULL);
    CHECK_INT(fig__round_runs(t->round), 6);
    for (int round = 0; round < 4; round++) {
        toy_steps(t, 1);
        const float *seen = toy_state(t, "seen");
        for (int a = 0; a < 3; a++)
            for (int b = 0; b < a; b++) {
                int same = 0;
                for (int i = 0; i < NUMBERS; i += 2) /* rows; an old one may come again, most are new */
                    for (int k = 0; k < NUMBERS; k += 2)
                        same += seen[a * NUMBERS + i] == seen[b * NUMBERS + k];
                CHECK(same < 5);
            }
    }
    fig_trainer_free(t);
}

FIG_TEST(stages_follow_each_other)
{
    fig_recipe recipe = toy_recipe(build);
    static const char *const settings[] = { "mode=1", "batch=2", "optimizer=sgd", "lr=1", "steps=8", NULL };
    fig_trainer *t = begin(&recipe, NULL, false, settings, NULL);
    REQUIRE(t != NULL);
    for (int i = 1; i <= 7; i++) {
        toy_steps(t, 1);
        CHECK_NEAR(toy_state(t, "maker.count")[0], i < 3 ? i : 3, 1e-6);
        CHECK_NEAR(toy_state(t, "second.count")[1], i < 3 ? 0 : i - 3, 1e-6);
    }
    fig_trainer_free(t);
}

FIG_TEST(the_models_own_samples)
{
    fig_recipe recipe = toy_recipe(build);
    static const char *const settings[] = { "mode=2", "batch=32", "optimizer=sgd", "lr=1", NULL };
    fig_trainer *t = begin(&recipe, NULL, false, settings, NULL);
    REQUIRE(t != NULL);
    float first[64];
    for (int i = 0; i < 4; i++) {
        toy_steps(t, 1);
        const float *seen = toy_state(t, "seen");
        double mean = 0;
        for (int k = 0; k < 64; k++)
            mean += (double)seen[k] / 64;
        CHECK_NEAR(mean, i, 0.6); /* the sampler sees the weights of now */
        if (i)
            CHECK(memcmp(first, seen, sizeof first) != 0);
        memcpy(first, seen, sizeof first);
    }
    fig_trainer_free(t);
}

FIG_TEST(two_data_sets)
{
    fig_error err = { 0 };
    fig_recipe recipe = toy_recipe(build);
    static const char *const settings[] = { "mode=4", "batch=16", "optimizer=sgd", NULL };
    static const char *const data[] = { "a=synthetic:ring8", "b=synthetic:moons", NULL }, *const one[] = {
        "a=synthetic:ring8", NULL
    };
    fig_trainer *t = NULL;
    REQUIRE_OK(
        fig_trainer_new(NULL, &(fig_train_opts){ .recipe = &recipe, .data = data, .settings = settings }, &t, &err),
        err);
    toy_steps(t, 2);
    CHECK(memcmp(toy_state(t, "seen.a"), toy_state(t, "seen.b"), sizeof(float[32])) != 0);
    CHECK(toy_state(t, "seen.a")[0] != 0 && toy_state(t, "seen.b")[0] != 0);
    CHECK_INT(t->state.drawn[0], 2);
    CHECK_INT(t->state.drawn[1], 2);
    fig_trainer_free(t);
    CHECK_FAILS(
        fig_trainer_new(NULL, &(fig_train_opts){ .recipe = &recipe, .data = one, .settings = settings }, &t, &err), err,
        FIG_E_USAGE, "--data");
}

/* The fault is in the data: going back and taking other batches gets past it, the same way each time. */
FIG_TEST(rolling_back)
{
    fig_recipe recipe = toy_recipe(build);
    static const char *const settings[] = { "mode=3",
                                            "batch=4",
                                            "optimizer=sgd",
                                            "lr=1",
                                            "steps=40",
                                            "checkpoint_every=5",
                                            "keep=all",
                                            "nan_policy.action=roll_back",
                                            "nan_policy.limit=100",
                                            "sample_every=never",
                                            NULL };
    char *whole = fig__strdup(sample_folder()), *parts = fig__strdup(sample_folder()), message[1024] = "";
    double end = 0;
    for (int part = 0; part < 4; part++) {
        fig_error err = { 0 };
        fig_trainer *t = begin(&recipe, part ? parts : whole, part > 1, settings, message);
        REQUIRE(t != NULL);
        fig_train_progress p = { 0 };
        for (int i = 0; !p.finished && (part == 0 || part == 3 || i < 17); i++)
            if (fig_trainer_step(t, &p, &err) != FIG_OK) {
                TEST_FAIL("%s", err.message);
                break;
            }
        if (part == 0) {
            end = (double)toy_state(t, "maker.count")[0];
            CHECK(t->state.noise_skip > 0);
            CHECK_NEAR(end, 40, 1e-6);
        }
        if (part == 3) {
            CHECK(p.finished);
            CHECK_NEAR(toy_state(t, "maker.count")[0], end, 0);
        }
        fig_trainer_free(t);
    }
    char *a, *b;
    uint64_t length;
    fig_error err = { 0 };
    REQUIRE_OK(fig__file_read(sample_path(whole, "model.safetensors"), 1 << 20, &a, &length, &err), err);
    REQUIRE_OK(fig__file_read(sample_path(parts, "model.safetensors"), 1 << 20, &b, &length, &err), err);
    CHECK(!memcmp(a, b, length));
    free(a);
    free(b);
    REQUIRE_OK(fig__file_read(sample_path(whole, "log.jsonl"), 1 << 20, &a, &length, &err), err);
    CHECK_HAS(a, "\"event\": \"roll_back\", \"controller\": \"nan_policy\"");
    free(a);
    sample_folder_end(whole);
    sample_folder_end(parts);
    free(whole);
    free(parts);
}

FIG_TEST_MAIN
