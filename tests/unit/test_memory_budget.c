/* test_memory_budget.c - training within less memory: the peak drops, the plan says so, and not one bit is another
 *
 * Second runs are the same nodes as the first, with the same kernels and noise streams, so losses and all states are equal
 * to the bit. Random graphs under budgets are in test_random_graphs.c. */
#include "toy_recipe.h"

#include <figment/figment.h>
#include <stdlib.h>

enum { STEPS = 3 };

static fig_trainer *open_trainer(const fig_recipe *recipe, const char *data, const char *const *settings, const char *budget,
                                 fig_error *err)
{
    const char *all[24] = { NULL }, *names[] = { data, NULL };
    char text[64];
    int n = 0;
    while (settings[n])
        all[n] = settings[n], n++;
    snprintf(text, sizeof text, "memory_budget=%s", budget ? budget : "none");
    all[n] = text;
    fig_train_opts opts = { .recipe = recipe,
                            .data = names,
                            .settings = all,
                            .no_tune = true,
                            .session_opts = &(fig_session_opts){ .threads = 2 } };
    fig_trainer *t = NULL;
    return fig_trainer_new(NULL, &opts, &t, err) == FIG_OK ? t : NULL;
}

static uint64_t planned(const fig_trainer *t)
{
    fig_plan_info info = fig_trainer_plan_info(t);
    return info.planned_bytes + info.state_bytes;
}

static bool equal_states(const fig_trainer *a, const fig_trainer *b)
{
    if (fig_store_count(a->store) != fig_store_count(b->store))
        return false;
    for (int i = 0; i < fig_store_count(a->store); i++)
        if (memcmp(fig_store_data(a->store, i), fig_store_data(b->store, i), fig_store_bytes(a->store, i))) {
            fprintf(stderr, "    %s differs\n", fig_store_name(a->store, i));
            return false;
        }
    return true;
}

/* Trains with and without; `share`: the budget, as a part of what the step takes otherwise. */
static void compare(const fig_recipe *recipe, const char *data, const char *const *settings, double share)
{
    fig_error err = { 0 };
    double seconds[STEPS];
    fig_trainer *whole = open_trainer(recipe, data, settings, NULL, &err);
    if (!whole) {
        TEST_FAIL("%s: %s", recipe->name, err.message);
        return;
    }
    char budget[32];
    snprintf(budget, sizeof budget, "%.6fMB", share * (double)planned(whole) / 1e6);
    fig_trainer *part = open_trainer(recipe, data, settings, budget, &err);
    if (!part) {
        TEST_FAIL("%s: %s", recipe->name, err.message);
        fig_trainer_free(whole);
        return;
    }
    fig_plan_info info = fig_trainer_plan_info(part);
    CHECK((double)planned(part) <= share * (double)planned(whole));
    CHECK(info.recomputed_steps > 0 || share > 0.95); /* where little is to be saved, running some nodes later may do */
    CHECK(info.unbudgeted_bytes + info.state_bytes == planned(whole));
    CHECK_NEAR(info.flops / fig_trainer_plan_info(whole).flops, 1, 1e-9); /* second runs are counted apart */
    CHECK_OK(fig_trainer_bench(whole, 0, STEPS, seconds, &err), err);
    CHECK_OK(fig_trainer_bench(part, 0, STEPS, seconds, &err), err);
    CHECK_INT(part->n_losses, whole->n_losses);
    for (int i = 0; i < whole->n_losses; i++)
        CHECK(!memcmp(&part->loss[i], &whole->loss[i], sizeof whole->loss[i]));
    CHECK(equal_states(whole, part));
    fig_trainer_free(part);
    fig_trainer_free(whole);
}

FIG_TEST(gpt_with_dropout)
{
    static const char *const settings[] = { "layers=4", "width=32", "heads=4", "context=64", "dropout=0.2", "batch=8", NULL };
    compare(fig_recipe_find("gpt"), "random:tokens:65", settings, 0.6);
    compare(fig_recipe_find("gpt"), "random:tokens:65", settings, 0.45);
}

FIG_TEST(dcgan)
{
    static const char *const settings[] = { "width=8", "batch=16", NULL };
    compare(fig_recipe_find("dcgan"), "random:64x64x3", settings, 0.8);
}

FIG_TEST(convolutional_vae)
{
    static const char *const settings[] = { "body=conv", "batch=32", NULL };
    compare(fig_recipe_find("vae"), "random:32x32x3", settings, 0.85);
}

FIG_TEST(critic_with_gradient_penalty)
{
    static const char *const settings[] = { "loss=wgan-gp", "batch=256", NULL };
    compare(fig_recipe_find("gan"), "random:28x28x1", settings, 0.98);
}

FIG_TEST(accumulated_batches)
{
    static const char *const settings[] = { "layers=4", "width=32", "heads=4", "context=64", "batch=8", "accumulate=2", NULL };
    compare(fig_recipe_find("gpt"), "random:tokens:65", settings, 0.6);
}

/* Noise prediction with a small U-Net: long skips, several resolutions, noise that both passes see. */
static fig_status denoiser(fig_model *m, const void *options, const fig_data_spec *data, fig_error *err)
{
    fig_graph *g = fig_model_graph(m);
    (void)options, (void)data;
    fig_node x = fig_model_input(m, "image");
    int64_t batch = fig_dim(x, 0);
    fig_node time = fig_scale(fig_uniform(g, FIG_SHAPE(batch)), 1000);
    fig_node noise = fig_normal(g, fig_type_of(x));
    fig_node predicted = fig_unet(fig_add(x, noise), time, &(fig_unet_opts){ .width = 16, .dropout = 0.1f });
    fig_node loss = fig_sum_rows(fig_square(fig_sub(predicted, noise)));
    if (fig_model_purpose(m) == FIG_FOR_SAMPLING) {
        fig_model_sampler(m, &(fig_sampler_decl){ .name = "none", .output = predicted });
        return FIG_OK;
    }
    if (fig_model_purpose(m) == FIG_FOR_EVALUATION)
        return FIG_OK;
    return fig_model_phase(m, &(fig_phase){ .name = "denoise", .loss = loss }, err);
}

FIG_TEST(unet)
{
    static const char *const settings[] = { "batch=4", NULL };
    fig_recipe recipe = toy_recipe(denoiser);
    compare(&recipe, "random:32x32x3", settings, 0.85);
}

FIG_TEST(impossible_and_bad_budgets)
{
    static const char *const settings[] = { "layers=2", "width=64", "heads=4", "context=64", "batch=8", NULL };
    static const char *const bad[] = { "600", "0.5MB", "-3GB", "1e3MB", "12 parsecs", "GB", "1.2.3MB", "2000TB", "600mb" };
    const fig_recipe *gpt = fig_recipe_find("gpt");
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        fig_error err = { 0 };
        CHECK(open_trainer(gpt, "random:tokens:65", settings, bad[i], &err) == NULL);
        CHECK_INT(err.status, FIG_E_USAGE);
        CHECK_HAS(err.message, "1MB to 1000TB");
    }
    fig_error err = { 0 };
    CHECK(open_trainer(gpt, "random:tokens:65", settings, "3MB", &err) == NULL);
    CHECK_INT(err.status, FIG_E_LIMIT);
    CHECK_HAS(err.message, "needs at least");
    /* The least that the message names can be had. */
    double least = 0;
    const char *at = strstr(err.message, "at least ");
    if (at && sscanf(at, "at least %lf", &least) == 1) {
        char text[32];
        snprintf(text, sizeof text, "%.0fMB", least);
        fig_error other = { 0 };
        fig_trainer *t = open_trainer(gpt, "random:tokens:65", settings, text, &other);
        if (!t)
            TEST_FAIL("%s: %s", text, other.message);
        fig_trainer_free(t);
    }
    err = (fig_error){ 0 };
    CHECK(open_trainer(gpt, "random:tokens:65", settings, "1MB", &err) == NULL);
    CHECK_HAS(err.message, "alone");
}

FIG_TEST_MAIN
