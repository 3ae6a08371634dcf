/* test_train_round.c - what a round of phases computes, against the same numbers by hand
 *
 * Two weights a and b, two phases with losses of both, plain gradient descent: order, sharing, repetition, weights of
 * examples, running statistics and averages all show in a few numbers. */
#include "toy_recipe.h"

enum { ALTERNATING, SIMULTANEOUS, REPEATED, EVERY_OTHER, CLIPPED, STATISTICS, NOISY };

static fig_node rows(fig_model *m, fig_node one)
{
    return fig_broadcast(fig_reshape(one, FIG_SHAPE(1)), FIG_SHAPE(fig_model_batch(m)));
}

static fig_status two_players(fig_model *m, const void *options, const fig_data_spec *data, fig_error *err)
{
    const toy_options *o = options;
    fig_graph *g = fig_model_graph(m);
    (void)data;
    fig_node a = fig_param(g, "first.a", FIG_SHAPE(1), (fig_init){ .kind = FIG_INIT_CONSTANT, .a = 0.5f });
    fig_node b = fig_param(g, "second.b", FIG_SHAPE(1), (fig_init){ .kind = FIG_INIT_CONSTANT, .a = -0.25f });
    if (fig_model_purpose(m) != FIG_FOR_TRAINING) {
        fig_model_sampler(
            m, &(fig_sampler_decl){ .name = "none", .output = fig_broadcast(a, FIG_SHAPE(fig_model_batch(m), 2)) });
        return FIG_OK;
    }
    fig_node product = fig_mul(a, b);
    fig_node loss_a = fig_square(fig_shift(product, -1));            /* (a b - 1)^2 */
    fig_node loss_b = fig_square(fig_add(product, fig_scale(b, 2))); /* (a b + 2 b)^2 */
    fig_phase first = { .name = "first",
                        .loss = rows(m, loss_a),
                        .trains = "first",
                        .simultaneous = o->mode == SIMULTANEOUS,
                        .times = o->mode == REPEATED ? 3 : 1,
                        .every = o->mode == EVERY_OTHER ? 2 : 1,
                        .clip_weights = o->mode == CLIPPED ? 0.52f : 0 };
    FIG_TRY(fig_model_phase(m, &first, err));
    return fig_model_phase(m, &(fig_phase){ .name = "second", .loss = rows(m, loss_b), .trains = "second" }, err);
}

typedef struct pair {
    double a, b;
} pair;
static void move_a(pair *w, double lr, pair at) { w->a -= lr * 2 * (at.a * at.b - 1) * at.b; }
static void move_b(pair *w, double lr, pair at) { w->b -= lr * 2 * (at.a * at.b + 2 * at.b) * (at.a + 2); }

static void play(int mode, int steps)
{
    fig_error err = { 0 };
    char setting[32];
    snprintf(setting, sizeof setting, "mode=%d", mode);
    const char *settings[] = { setting, "optimizer=sgd", "lr=0.05", "phases.second.lr=0.02", "batch=8", NULL };
    fig_recipe recipe = toy_recipe(two_players);
    fig_trainer *t = toy_trainer(&recipe, NULL, false, settings, NULL, &err);
    if (!t) {
        TEST_FAIL("%s", err.message);
        return;
    }
    CHECK_INT(t->round->n_groups, mode == REPEATED || mode == EVERY_OTHER ? 2 : 1);
    pair w = { 0.5, -0.25 };
    for (int i = 0; i < steps; i++) {
        pair before = w;
        int times = mode == REPEATED ? 3 : mode == EVERY_OTHER && i % 2 ? 0 : 1;
        for (int k = 0; k < times; k++)
            move_a(&w, 0.05, w);
        if (mode == CLIPPED)
            w.a = fmin(fmax(w.a, -0.52f), 0.52f);
        move_b(&w, 0.02, mode == SIMULTANEOUS ? before : w);
        toy_steps(t, 1);
        CHECK_NEAR(*toy_state(t, "first.a"), w.a, 1e-6);
        CHECK_NEAR(*toy_state(t, "second.b"), w.b, 1e-6);
    }
    fig_trainer_free(t);
}

FIG_TEST(second_phase_sees_the_first) { play(ALTERNATING, 5); }
FIG_TEST(simultaneous_phases_do_not) { play(SIMULTANEOUS, 5); }
FIG_TEST(a_phase_runs_several_times) { play(REPEATED, 4); }
FIG_TEST(a_phase_runs_in_some_rounds) { play(EVERY_OTHER, 6); }
FIG_TEST(weights_are_clipped) { play(CLIPPED, 5); }

/* -- data, weights of examples, accumulation ----------------------------------------------------------------------- */

/* loss = sum((x - w)^2) per example: its mean moves w towards the mean of the batch. */
static fig_status centre(fig_model *m, const void *options, const fig_data_spec *data, fig_error *err)
{
    const toy_options *o = options;
    fig_graph *g = fig_model_graph(m);
    (void)data;
    fig_node w = fig_param(g, "centre", FIG_SHAPE(2), (fig_init){ .kind = FIG_INIT_ZEROS });
    if (fig_model_purpose(m) == FIG_FOR_SAMPLING) {
        fig_model_sampler(
            m, &(fig_sampler_decl){ .name = "centre", .output = fig_broadcast(w, FIG_SHAPE(fig_model_batch(m), 2)) });
        return FIG_OK;
    }
    fig_node x = fig_model_input(m, "point");
    fig_node loss = fig_sum_rows(fig_square(fig_sub(x, w)));
    if (fig_model_purpose(m) == FIG_FOR_EVALUATION) {
        fig_model_metric(m,
                         &(fig_metric_decl){
                             .name = "reconstruction", .value = loss, .unit = "nats/item", .derive = "bits_per_dim" });
        return FIG_OK;
    }
    if (o->mode == NOISY) /* not finite once w has moved far: log of a negative number */
        loss = fig_add(loss, fig_scale(fig_log(fig_shift(fig_sum(fig_neg(fig_square(w)), NULL), 0.001f)), 1e-9f));
    FIG_TRY(fig_model_phase(m, &(fig_phase){ .name = "fit", .loss = loss }, err));
    fig_model_log(m, "fit", "distance", loss);
    fig_model_metric(m, &(fig_metric_decl){ .name = "reconstruction", .value = loss });
    return FIG_OK;
}

static void centre_after(const char *const *settings, int steps, float out[2])
{
    fig_error err = { 0 };
    fig_recipe recipe = toy_recipe(centre);
    fig_trainer *t = toy_trainer(&recipe, NULL, false, settings, NULL, &err);
    if (!t) {
        TEST_FAIL("%s", err.message);
        return;
    }
    toy_steps(t, steps);
    memcpy(out, toy_state(t, "centre"), sizeof(float[2]));
    fig_trainer_free(t);
}

FIG_TEST(accumulated_batches_equal_a_large_one)
{
    static const char *const whole[] = { "batch=64", "lr=0.1", "data_order=sequential", "clip=0.5", NULL };
    static const char *const parts[] = {
        "batch=16", "accumulate=4", "lr=0.1", "data_order=sequential", "clip=0.5", NULL
    };
    float a[2] = { 0 }, b[2] = { 1 };
    centre_after(whole, 6, a);
    centre_after(parts, 6, b);
    CHECK_NEAR(a[0], b[0], 1e-6);
    CHECK_NEAR(a[1], b[1], 1e-6);
    CHECK(a[0] != 0);
}

/* Rows that only fill up a batch count nothing: with all of the data in one batch, w goes to the mean of the data. */
FIG_TEST(filled_rows_count_nothing)
{
    fig_error err = { 0 };
    fig_recipe recipe = toy_recipe(centre);
    static const char *const settings[] = { "batch=16384",  "optimizer=sgd",         "lr=0.5",
                                            "drop_last=no", "data_order=sequential", NULL };
    fig_trainer *t = toy_trainer(&recipe, NULL, false, settings, NULL, &err);
    REQUIRE(t != NULL);
    int64_t items = fig_data_items(t->data[0].data, FIG_TRAIN_SPLIT);
    REQUIRE(items < 16384);
    fig_loader *loader;
    const fig_batch *batch;
    REQUIRE_OK(fig_loader_new(t->data[0].data, &(fig_loader_opts){ .order = FIG_ORDER_SEQUENTIAL, .batch = (int)items },
                              &loader, &err),
               err);
    REQUIRE_OK(fig_loader_next(loader, &batch, &err), err);
    double mean[2] = { 0 };
    const float *x = NULL;
    for (int i = 0; i < batch->fields; i++)
        if (!strcmp(batch->name[i], "point"))
            x = batch->data[i];
    for (int64_t i = 0; i < items; i++)
        for (int d = 0; d < 2; d++)
            mean[d] += (double)x[2 * i + d] / (double)items;
    toy_steps(t, 1); /* gradient 2 (w - mean) times 0.5 is one jump */
    CHECK_INT(t->n_losses, 3);
    CHECK_TEXT(t->loss_key[2], "reconstruction");
    CHECK_NEAR(t->loss[1], t->loss[0], 1e-5);
    CHECK_NEAR(t->loss[2], t->loss[0], 1e-5);
    CHECK_NEAR(toy_state(t, "centre")[0], mean[0], 1e-4);
    CHECK_NEAR(toy_state(t, "centre")[1], mean[1], 1e-4);
    fig_loader_free(loader);
    fig_trainer_free(t);
}

FIG_TEST(averages_follow)
{
    fig_error err = { 0 };
    fig_recipe recipe = toy_recipe(centre);
    static const char *const settings[] = { "batch=32", "optimizer=sgd", "lr=0.1", "ema=0.9", "ema_warm=no", NULL };
    fig_trainer *t = toy_trainer(&recipe, NULL, false, settings, NULL, &err);
    REQUIRE(t != NULL);
    double mean = 0;
    for (int i = 0; i < 8; i++) {
        toy_steps(t, 1);
        mean = 0.9 * mean + 0.1 * (double)toy_state(t, "centre")[0];
        CHECK_NEAR(toy_state(t, "ema/centre")[0], mean, 1e-6);
    }
    fig_trainer_free(t);
}

FIG_TEST(not_finite_is_found_and_moves_nothing)
{
    fig_error err = { 0 };
    fig_recipe recipe = toy_recipe(centre);
    static const char *const settings[] = { "mode=6", "batch=32", "lr=0.01", NULL };
    fig_trainer *t = toy_trainer(&recipe, NULL, false, settings, NULL, &err);
    REQUIRE(t != NULL);
    float last[2] = { 0 };
    fig_train_progress p;
    fig_status status = FIG_OK;
    for (int i = 0; i < 50 && status == FIG_OK; i++) {
        memcpy(last, toy_state(t, "centre"), sizeof last);
        status = fig_trainer_step(t, &p, &err);
    }
    CHECK_INT(status, FIG_E_NUMERIC);
    CHECK_HAS(err.message, "phase \"fit\", step");
    CHECK_HAS(err.message, "log");
    CHECK(!memcmp(last, toy_state(t, "centre"), sizeof last));
    fig_trainer_free(t);
}

/* -- running statistics -------------------------------------------------------------------------------------------- */

/* A generator with batch norm and a critic with batch norm, called on real and on fake: the running mean of the
 * generator moves once a round (its fakes are shared), that of the critic three times (real, fake, and fake again
 * under the new critic). */
static fig_status normed_players(fig_model *m, const void *options, const fig_data_spec *data, fig_error *err)
{
    fig_graph *g = fig_model_graph(m);
    (void)options, (void)data;
    fig_scope_push(g, "generator");
    fig_node z = fig_full(g, FIG_SHAPE(fig_model_batch(m), 2), 0);
    z = fig_add(z, fig_param(g, "shift", FIG_SHAPE(2),
                             (fig_init){ .kind = FIG_INIT_ONES })); /* constant rows: batch mean = shift */
    fig_node fake = fig_add(fig_batch_norm(z, &(fig_norm_opts){ .momentum = 0.5f }), z);
    fig_scope_pop(g);
    if (fig_model_purpose(m) == FIG_FOR_SAMPLING) {
        fig_model_sampler(m, &(fig_sampler_decl){ .name = "none", .output = fake });
        return FIG_OK;
    }
    if (fig_model_purpose(m) == FIG_FOR_EVALUATION)
        return FIG_OK;
    fig_node logit[2], in[2] = { fig_full(g, FIG_SHAPE(fig_model_batch(m), 2), 4), fake };
    for (int i = 0; i < 2; i++) {
        fig_scope_push(g, "critic");
        logit[i] = fig_reshape(fig_linear(fig_batch_norm(in[i], &(fig_norm_opts){ .momentum = 0.5f }), 1, NULL),
                               FIG_SHAPE(-1));
        fig_scope_pop(g);
    }
    FIG_TRY(
        fig_model_phase(m,
                        &(fig_phase){ .name = "critic",
                                      .trains = "critic",
                                      .loss = fig_add(fig_critic_loss(FIG_NON_SATURATING, logit[0], FIG_GOAL_REAL),
                                                      fig_critic_loss(FIG_NON_SATURATING, logit[1], FIG_GOAL_FAKE)) },
                        err));
    return fig_model_phase(m,
                           &(fig_phase){ .name = "generator",
                                         .trains = "generator",
                                         .loss = fig_generator_loss(FIG_NON_SATURATING, logit[1]) },
                           err);
}

FIG_TEST(running_statistics_move_once_a_use)
{
    fig_error err = { 0 };
    fig_recipe recipe = toy_recipe(normed_players);
    static const char *const settings[] = { "batch=4", "optimizer=sgd", "lr=0", NULL };
    fig_trainer *t = toy_trainer(&recipe, NULL, false, settings, NULL, &err);
    if (!t) {
        TEST_FAIL("%s", err.message);
        return;
    }
    double generator = 0, critic = 0;
    for (int i = 0; i < 3; i++) {
        generator = 0.5 * generator + 0.5 * 1; /* the mean of z is 1 */
        critic = 0.5 * critic + 0.5 * 4;       /* real */
        critic = 0.5 * critic + 0.5 * 1;       /* fake = 0 + z */
        critic = 0.5 * critic + 0.5 * 1;       /* fake, judged again in the generator's phase */
        toy_steps(t, 1);
        CHECK_NEAR(toy_state(t, "generator.batch_norm1.mean")[0], generator, 1e-5);
        CHECK_NEAR(toy_state(t, "critic.batch_norm1.mean")[0], critic, 1e-5);
    }
    fig_trainer_free(t);
}

FIG_TEST_MAIN
