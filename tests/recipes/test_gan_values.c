/* test_gan_values.c - what steadies a GAN, compared with a computation by hand: packing and projection on nets small enough, the moves of
 * adaptive augmentation's probability */
#include "nn_rig.h"
#include "recipes/bodies.h"
#include "recipes/game.h"
#include "train/trainer.h"

/* -- packing and projection ------------------------------------------------------------------------------------------------ */

enum { B = 4, D = 2, CLASSES = 3 };

typedef struct critic {
    fig__body_options options;
    fig_node out;
} critic;

static fig_status build(fig_model *m, void *user, fig_error *err)
{
    critic *c = user;
    fig__body body;
    fig_graph *g = fig_model_graph(m);
    fig_data_spec spec = { .kind = FIG_DATA_POINTS, .dimensions = D, .classes = CLASSES };
    FIG_TRY(fig__body_open(&body, m, &c->options, &spec, false, err));
    fig_node label = fig_input(g, "label", (fig_type){ .dtype = FIG_I32, .rank = 1, .dim = { B } });
    c->out = fig_reshape(fig__body_judge(m, &body, fig_input(g, "x", FIG_SHAPE(B, D)), label), FIG_SHAPE(-1));
    return FIG_OK;
}

static const int labels[B] = { 2, 0, 1, 1 };
static double weight(int i) { return 0.1 * (i % 7) - 0.25; }
static double class_weight(int i) { return 0.07 * (i % 11) - 0.3; }
static double value(int i) { return 0.3 * i - 1; }

/* Without hidden layers the features are the packed numbers themselves: the logit is w . x + b, and of classes the sum over the pack of
 * a vector for (class, place), times x. */
static void logits_are(int packing, int condition)
{
    char none[] = "0";
    critic c = { .options = { .packing = packing, .condition = condition, .pieces = 1, .generator.hidden = none, .critic.hidden = none } };
    nn_network network = { build, &c };
    nn_rig r;
    int width = packing * D;
    REQUIRE(nn_begin(&r, &network, FIG_FOR_EVALUATION, B) && nn_compile(&r, &c.out, 1));
    for (int i = 0; i < width; i++)
        nn_state(&r, "discriminator.linear1.weight")[i] = (float)weight(i);
    nn_state(&r, "discriminator.linear1.bias")[0] = 0.125f;
    for (int i = 0; condition && i < CLASSES * packing * width; i++)
        nn_state(&r, "discriminator.projection.weight")[i] = (float)class_weight(i);
    for (int i = 0; i < B * D; i++)
        nn_input(&r, "x")[i] = (float)value(i);
    int32_t *label = fig_plan_input(r.plan, "label", NULL);
    for (int i = 0; label && i < B; i++)
        label[i] = labels[i];
    nn_run(&r, 0);
    for (int p = 0; p < B / packing; p++) {
        double logit = 0.125;
        for (int i = 0; i < width; i++) {
            double x = value(p * width + i);
            logit += weight(i) * x;
            for (int place = 0; condition && place < packing; place++)
                logit += class_weight((place * CLASSES + labels[p * packing + place]) * width + i) * x;
        }
        CHECK_NEAR(nn_output(&r, 0)[p], logit, 1e-5);
    }
    nn_end(&r);
}

FIG_TEST(packs_and_projections_by_hand)
{
    for (int packing = 1; packing <= 4; packing *= 2) {
        logits_are(packing, FIG__CLASS_NONE);
        logits_are(packing, FIG__CLASS_PROJECTION);
    }
}

/* Pictures of a pack lie side by side as channels: what the first kernel has for a place, and nothing else, reads that picture. */
typedef struct pictures {
    fig__body_options options;
    fig_node out;
} pictures;

static fig_status build_pictures(fig_model *m, void *user, fig_error *err)
{
    pictures *c = user;
    fig__body body;
    fig_data_spec spec = { .kind = FIG_DATA_IMAGES, .height = 16, .width = 16, .channels = 3 };
    FIG_TRY(fig__body_open(&body, m, &c->options, &spec, true, err));
    fig_node x = fig_input(fig_model_graph(m), "x", FIG_SHAPE(4, 16, 16, 3));
    c->out = fig_reshape(fig__body_judge(m, &body, x, FIG_NONE), FIG_SHAPE(-1));
    return FIG_OK;
}

FIG_TEST(packed_pictures_are_channels)
{
    enum { PIXELS = 16 * 16 * 3 };
    char none[] = "0";
    pictures c = { .options = { .body = FIG__GAN_DCGAN, .width = 4, .packing = 2, .pieces = 1, .generator.hidden = none,
                                .critic.hidden = none, .init = FIG__INIT_GLOROT } };
    nn_network network = { build_pictures, &c };
    nn_rig r;
    REQUIRE(nn_begin(&r, &network, FIG_FOR_EVALUATION, 4) && nn_compile(&r, &c.out, 1));
    fig_type type = *fig_store_type(r.store, fig_store_find(r.store, "discriminator.conv1.weight"));
    CHECK_INT(type.dim[3], 6);
    float *w = nn_state(&r, "discriminator.conv1.weight"), *x = nn_input(&r, "x");
    for (int64_t i = 0; i < fig_elements(&type); i++) /* blind for the second picture */
        if (i % 6 >= 3)
            w[i] = 0;
    for (int i = 0; i < 4 * PIXELS; i++)
        x[i] = (float)(i * 7 % 23) / 23 - 0.5f;
    nn_run(&r, 0);
    float before[2] = { nn_output(&r, 0)[0], nn_output(&r, 0)[1] };
    for (int i = 0; i < PIXELS; i++)
        x[PIXELS + i] += 0.3f * (float)(i % 5);
    nn_run(&r, 1);
    CHECK(nn_output(&r, 0)[0] == before[0] && nn_output(&r, 0)[1] == before[1]);
    for (int i = 0; i < PIXELS; i++)
        x[i] += 0.3f * (float)(i % 5);
    nn_run(&r, 2);
    CHECK(nn_output(&r, 0)[0] != before[0] && nn_output(&r, 0)[1] == before[1]);
    nn_end(&r);
}

/* -- adaptive augmentation ------------------------------------------------------------------------------------------------- */

enum { ROWS = 10 };
static int surely_real; /* of the ROWS pictures, those whose logit is above 0 */

static fig_node generate(fig_model *m, const void *networks, fig_node noise, fig_node label)
{
    (void)networks, (void)label;
    fig_scope_push(fig_model_graph(m), "generator");
    fig_node y = fig_reshape(fig_tanh(fig_linear(noise, 64, NULL)), FIG_SHAPE(-1, 8, 8, 1));
    fig_scope_pop(fig_model_graph(m));
    return y;
}

/* A critic that says the same of whatever it is shown. */
static fig_node judge(fig_model *m, const void *networks, fig_node samples, fig_node label)
{
    (void)networks, (void)label;
    fig_graph *g = fig_model_graph(m);
    float says[ROWS];
    for (int i = 0; i < ROWS; i++)
        says[i] = i < surely_real ? 1 : -1;
    fig_scope_push(g, "discriminator");
    fig_node w = fig_param(g, "w", FIG_SHAPE(1), (fig_init){ .kind = FIG_INIT_ONES });
    fig_scope_pop(g);
    fig_node none = fig_scale(fig_sum_rows(samples), 1e-20f); /* (ROWS) */
    return fig_add(fig_mul(fig_constant_data(g, FIG_SHAPE(ROWS), says), w), none);
}

static fig_status build_game(fig_model *m, const void *options, const fig_data_spec *data, fig_error *err)
{
    static char augment[] = "translation";
    static fig__rules rules = { .loss = FIG_NON_SATURATING, .latent = 2, .rate = 1, .augment = augment, .augment_probability = 0.9,
                                .augment_target = 0.6, .augment_examples = 100 };
    fig__game game = { .rules = &rules, .generate = generate, .judge = judge };
    (void)options, (void)data;
    if (fig_model_purpose(m) == FIG_FOR_TRAINING)
        return fig__play(m, &game, fig_model_input(m, "image"), err);
    if (fig_model_purpose(m) == FIG_FOR_SAMPLING)
        fig__draw(m, &game);
    return FIG_OK;
}

static fig_status ask_pictures(const void *options, const fig_data_info *found, fig_data_request *request, fig_error *err)
{
    (void)options, (void)found, (void)err;
    *request = (fig_data_request){ .kinds = FIG_DATA_IMAGES, .height = 8, .width = 8, .channels = 1, .low = -1, .high = 1 };
    return FIG_OK;
}

/* 40 rounds from `start`: each moves it by 10 / 100, up while the mean sign of the real logits, averaged, is above 0.6. */
static double moves(int real, double start)
{
    static const fig_option none[] = { { "unused", FIG_INT, 0, 0, 0, 1, "nothing" }, { 0 } };
    fig_recipe recipe = { .name = "rig", .options = none, .options_size = 8, .data_kinds = FIG_DATA_IMAGES, .request = ask_pictures,
                          .build = build_game };
    static const char *const settings[] = { "threads=1", "batch=10", "steps=40", "phases.generator.lr=1e-12",
                                            "phases.discriminator.lr=1e-12", "validation=0", "sample_every=never", NULL };
    fig_train_opts opts = { .recipe = &recipe, .data = (const char *[]){ "synthetic:shapes:50", NULL }, .settings = settings,
                            .no_tune = true };
    fig_error err = { 0 };
    fig_trainer *t = NULL;
    double p = start, sign = 0;
    surely_real = real;
    CHECK_OK(fig_trainer_new(NULL, &opts, &t, &err), err);
    if (!t)
        return -1;
    float *held = fig_store_data(t->store, fig_store_find(t->store, "augment.probability"));
    CHECK(held[0] == 0); /* it begins there */
    held[0] = (float)start;
    for (int i = 0; i < 40; i++) {
        fig_train_progress progress;
        CHECK_OK(fig_trainer_step(t, &progress, &err), err);
        sign = 0.75 * sign + 0.25 * (2.0 * real / ROWS - 1);
        p = fmin(fmax(p + (sign > 0.6 ? 0.1 : -0.1), 0), 0.9);
        CHECK_NEAR(held[0], p, 1e-5);
    }
    fig_trainer_free(t);
    return p;
}

FIG_TEST(the_probability_rises_when_the_critic_overfits)
{
    CHECK_NEAR(moves(10, 0), 0.9, 1e-9); /* sure of all: up, to the largest that is allowed */
    CHECK_NEAR(moves(9, 0.5), 0.9, 1e-9); /* mean sign 0.8 */
    CHECK_NEAR(moves(7, 0.5), 0, 1e-9); /* 0.4: down, to none */
    CHECK_NEAR(moves(0, 0.5), 0, 1e-9);
}

FIG_TEST_MAIN
