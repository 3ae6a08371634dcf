/* test_adversary.c - a critic beside an autoencoder: how strongly it pushes, from when on, and what its features say */
#include "nn_rig.h"
#include "recipes/adversary.h"

enum { B = 2, SIDE = 16, PIXELS = SIDE * SIDE };

typedef struct push {
    fig__adversary_options options;
    int sets;
    fig__adversary adversary;
    fig_node term, of_term, of_loss, of_fooled, distance, fooled;
} push;

static fig_status build_push(fig_model *model, void *user, fig_error *err)
{
    push *p = user;
    fig_graph *g = fig_model_graph(model);
    fig_data_spec data = { .kind = FIG_DATA_IMAGES, .height = SIDE, .width = SIDE, .channels = 1 };
    FIG_TRY(fig__adversary_open(&p->adversary, model, &p->options, &data, FIG__INIT_GLOROT, err));
    fig_node x = fig_input(g, "x", FIG_SHAPE(B, SIDE, SIDE, 1)), made = fig_input(g, "made", FIG_SHAPE(p->sets * B, SIDE, SIDE, 1));
    fig_node loss = fig_squared_error(x, fig_slice(made, 0, 0, B, 1)); /* (B) */
    FIG_TRY(fig__adversary_term(&p->adversary, "phase", loss, made, &p->term, err));
    FIG_TRY(fig__play_generator(model, &p->adversary.game, fig_shift(fig_scale(made, 2), -1), &p->fooled, err));
    fig_gradients(p->term, &made, 1, &p->of_term);
    fig_gradients(loss, &made, 1, &p->of_loss);
    fig_gradients(p->fooled, &made, 1, &p->of_fooled);
    p->distance = fig__adversary_distance(&p->adversary, x, fig_slice(made, 0, 0, B, 1));
    return FIG_OK;
}

static bool run_push(nn_rig *rig, nn_network *network, push *p, float clock)
{
    *network = (nn_network){ build_push, p };
    if (!nn_begin(rig, network, FIG_FOR_EVALUATION, B)) {
        TEST_FAIL("build: %s", rig->err.message);
        return false;
    }
    fig_node outputs[] = { p->term, p->of_term, p->of_loss, p->of_fooled, p->distance, p->fooled };
    if (!nn_compile(rig, outputs, 6))
        return false;
    for (int i = 0; i < B * PIXELS; i++)
        nn_input(rig, "x")[i] = (float)(i * 7 % 13) / 13;
    for (int i = 0; i < p->sets * B * PIXELS; i++)
        nn_input(rig, "made")[i] = (float)(i * 5 % 11) / 11;
    if (p->options.from)
        fig_plan_set_scalar(rig->plan, "adversarial_clock", clock);
    nn_run(rig, 1);
    return true;
}

static double length(const float *x, int count)
{
    double sum = 0;
    for (int i = 0; i < count; i++)
        sum += (double)x[i] * (double)x[i];
    return sqrt(sum);
}

#define OPTIONS .loss = FIG_HINGE, .patches = true, .width = 4, .weight = 0.3, .rate = 1

FIG_TEST(adaptive_it_pushes_as_strongly_as_the_loss)
{
    nn_rig rig;
    nn_network network;
    push p = { .options = { OPTIONS }, .sets = 1 };
    if (run_push(&rig, &network, &p, 0)) {
        double pull = length(nn_output(&rig, 2), B * PIXELS), raw = length(nn_output(&rig, 3), B * PIXELS);
        CHECK(raw > 0);
        CHECK_NEAR(length(nn_output(&rig, 1), B * PIXELS) / (0.3 * pull), 1, 1e-4);
        for (int i = 0; i < B * PIXELS; i++) /* and in the critic's direction */
            CHECK_NEAR(nn_output(&rig, 1)[i], nn_output(&rig, 3)[i] * 0.3 * pull / raw, 1e-5 * pull);
        for (int i = 0; i < B; i++)
            CHECK_NEAR(nn_output(&rig, 0)[i], nn_output(&rig, 5)[i] * 0.3 * pull / raw, 1e-4 * pull / raw);
    }
    nn_end(&rig);
}

FIG_TEST(fixed_it_is_the_generators_loss)
{
    nn_rig rig;
    nn_network network;
    push p = { .options = { OPTIONS, .scale = 1 }, .sets = 2 };
    if (run_push(&rig, &network, &p, 0)) {
        for (int i = 0; i < 2 * B * PIXELS; i++) /* of two sets the mean */
            CHECK_NEAR(nn_output(&rig, 1)[i], 0.3 * 0.5 * (double)nn_output(&rig, 3)[i], 1e-6);
        for (int i = 0; i < B; i++) {
            double both = 0.5 * ((double)nn_output(&rig, 5)[i] + (double)nn_output(&rig, 5)[B + i]);
            CHECK_NEAR(nn_output(&rig, 0)[i], 0.3 * both, 1e-5);
        }
    }
    nn_end(&rig);
}

FIG_TEST(before_its_step_it_counts_nothing)
{
    for (int on = 0; on < 2; on++) {
        nn_rig rig;
        nn_network network;
        push p = { .options = { OPTIONS, .from = 1000 }, .sets = 1 };
        if (run_push(&rig, &network, &p, on ? 1 : 0.999f)) /* the clock at steps 1000 and 999 */
            CHECK((length(nn_output(&rig, 1), B * PIXELS) > 0) == on);
        nn_end(&rig);
    }
}

FIG_TEST(features_tell_pictures_apart)
{
    nn_rig rig;
    nn_network network;
    push p = { .options = { OPTIONS }, .sets = 1 };
    if (run_push(&rig, &network, &p, 0)) {
        CHECK(nn_output(&rig, 4)[0] > 0 && nn_output(&rig, 4)[1] > 0);
        memcpy(nn_input(&rig, "made"), nn_input(&rig, "x"), sizeof(float) * B * PIXELS);
        nn_run(&rig, 2);
        CHECK(nn_output(&rig, 4)[0] == 0 && nn_output(&rig, 4)[1] == 0);
    }
    nn_end(&rig);
}

FIG_TEST_MAIN
