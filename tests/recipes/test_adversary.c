/* test_adversary.c - a critic beside an autoencoder: how strongly it pushes, from when on, and what its features say; the variational
 * one with a critic (VQ-GAN is in test_vqvae.c) */
#include "denoiser_rig.h"
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
    FIG_TRY(fig__adversary_term(&p->adversary, "phase", loss, made, made, &p->term, err));
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

/* -- VAE-GAN --------------------------------------------------------------------------------------------------------------- */

#define TINY \
    "epochs=0 schedule=constant log_every=1 sample_every=never batch=8 width=4 hidden=16 latent=4 size=16 channels=1 norm=sample " \
    "likelihood=gaussian sigma=0.2 critic.width=4 "

FIG_TEST(each_option_of_the_hybrid_trains_something_else)
{
    static const char *const kinds[] = {
        "adversarial=0", "adversarial=0.3", "adversarial=0.6", "adversarial=0.3 adversarial_scale=fixed",
        "adversarial=0.3 adversarial_from=10",
        "adversarial=0.3 critic.patches=yes", "critic.features=1",
        "adversarial=0.3 critic.features=1",
        "adversarial=0.3 critic.features=1 likelihood_weight=0", "adversarial=0.3 critic.loss=non-saturating",
        "adversarial=0.3 critic.spectral_norm=no", "adversarial=0.3 critic.r1=1", "adversarial=0.3 critic.rate=3",
        "adversarial=0.3 critic.augment=cutout", "adversarial=0.3 norm=batch", "adversarial=0.3 likelihood=discretized_logistic",
        "adversarial=0.3 likelihood=bernoulli", "adversarial=0.3 kl_warmup=10 free_bits=0.1"
    };
    enum { KINDS = sizeof kinds / sizeof *kinds };
    char folder[256], name[16], settings[512];
    losses l[KINDS];
    make_folder(folder);
    for (int i = 0; i < KINDS; i++) {
        snprintf(name, sizeof name, "k%d", i);
        snprintf(settings, sizeof settings, TINY "steps=20 critic.patches=no %s", kinds[i]);
        l[i] = train_run("vae", "pictures", "synthetic:shapes:64", folder, name, settings, false);
        CHECK_INT(l[i].count, 20);
        for (int k = 0; k < i; k++)
            if (l[k].last == l[i].last)
                TEST_FAIL("%s and %s gave the same loss", kinds[k], kinds[i]);
    }
    drop_folder(folder);
}

FIG_TEST(a_hybrid_goes_on_with_the_same_bits)
{
    check_resume("vae", "pictures", "synthetic:shapes:64", TINY "adversarial=0.3 adversarial_from=3 critic.features=1 ema=0.9");
}

FIG_TEST(what_a_critic_cannot_see_is_refused)
{
    static const struct {
        const char *data, *settings[3], *says;
    } bad[] = {
        { "random:points:2", { "adversarial=0.3", "likelihood=gaussian", NULL }, "the critic sees pictures" },
        { "random:16x16x1", { "adversarial=0.3", "pixels=dynamic", NULL }, "pixels=grey" },
        { "random:16x16x1", { "adversarial=0.3", "samples=2", NULL }, "samples=1" },
        { "random:16x16x1", { "adversarial=0.3", "critic.augment=tint", NULL }, "tint" },
    };
    for (int i = 0; i < (int)(sizeof bad / sizeof *bad); i++) {
        fig_error err = { 0 };
        fig_trainer *t = NULL;
        fig_train_opts opts = { .recipe = fig_recipe_find("vae"), .data = (const char *[]){ bad[i].data, NULL },
                                .settings = bad[i].settings, .dry_run = true };
        CHECK(fig_trainer_new(NULL, &opts, &t, &err) == FIG_E_USAGE);
        CHECK_HAS(err.message, bad[i].says);
        fig_trainer_free(t);
    }
}

FIG_TEST_MAIN
