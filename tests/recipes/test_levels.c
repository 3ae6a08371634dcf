/* test_levels.c - discretised logistic distributions: the chances of all levels sum to one and are those of the formula, in both open
 * ends too; a VAE scored by them reports bounds, and bits that are the same bounds in other units */
#include "nn_rig.h"
#include "recipes/levels.h"
#include "unit/sample_data.h"

enum { LEVELS = 256, CASES = 7 };

static const float cases[CASES][2] = { /* mean, log_sharp */
    { 0, 0 }, { 0.3f, 2 }, { -0.999f, 5 }, { 1, 6.5f }, { 2.5f, 3 }, { -4, -3 }, { 0.1f, 9 /* kept at 7 */ }
};

typedef struct logistic {
    fig_node out[2];
} logistic;

static fig_status build(fig_model *m, void *user, fig_error *err)
{
    logistic *l = user;
    (void)err;
    fig_graph *g = fig_model_graph(m);
    fig_node value = fig_input(g, "value", FIG_SHAPE(LEVELS, 1)), p = fig_input(g, "parameters", FIG_SHAPE(2 * CASES));
    fig_node nearest = fig_scale(fig__nearest_level(value, LEVELS), 1.0f / (LEVELS - 1));
    fig_node mean = fig_reshape(fig_slice(p, 0, 0, CASES, 1), FIG_SHAPE(1, CASES));
    fig_node sharp = fig_reshape(fig_slice(p, 0, CASES, CASES, 1), FIG_SHAPE(1, CASES));
    l->out[0] = fig__logistic(nearest, mean, sharp, LEVELS); /* (LEVELS, CASES) */
    /* a mixture of the second and the third, three to one */
    float mixed[] = { logf(3), 0, cases[1][0], cases[2][0], cases[1][1], cases[2][1] };
    fig_node parts = fig_constant_data(g, FIG_SHAPE(1, 6), mixed);
    l->out[1] = fig__logistic_mixture(parts, nearest, 2, LEVELS); /* (LEVELS) */
    return FIG_OK;
}

static double s(double x) { return 1 / (1 + exp(-x)); }

static double chance(int level, const float *how)
{
    double sharp = exp(fmin(fmax((double)how[1], -4), 7)), centre = 2.0 * level / (LEVELS - 1) - 1 - (double)how[0];
    double high = level == LEVELS - 1 ? 1 : s((centre + 1.0 / (LEVELS - 1)) * sharp);
    double low = level == 0 ? 0 : s((centre - 1.0 / (LEVELS - 1)) * sharp);
    return high - low;
}

FIG_TEST(chances_are_those_of_the_formula)
{
    logistic l;
    nn_network network = { build, &l };
    nn_rig r;
    REQUIRE(nn_begin(&r, &network, FIG_FOR_EVALUATION, LEVELS) && nn_compile(&r, l.out, 2));
    for (int i = 0; i < LEVELS; i++) /* a little off, as after a resize */
        nn_input(&r, "value")[i] = ((float)i + 0.4f * (float)(i % 3 - 1)) / (LEVELS - 1);
    for (int c = 0; c < CASES; c++)
        for (int k = 0; k < 2; k++)
            nn_input(&r, "parameters")[k * CASES + c] = cases[c][k];
    nn_run(&r, 0);
    const float *log_chance = nn_output(&r, 0), *mixed = nn_output(&r, 1);
    double sum[CASES] = { 0 }, mixed_sum = 0;
    for (int i = 0; i < LEVELS; i++) {
        for (int c = 0; c < CASES; c++) {
            double found = (double)log_chance[i * CASES + c], expected = chance(i, cases[c]);
            sum[c] += exp(found);
            CHECK(isfinite(found));
            if (expected > 1e-9) /* below, differences of s lose what the graph keeps; ends lie at up to 1,100 scales, in f32 */
                CHECK_NEAR(found, log(expected), 2e-4 + 1e-15 / expected);
        }
        mixed_sum += exp((double)mixed[i]);
        CHECK_NEAR(exp((double)mixed[i]), 0.75 * chance(i, cases[1]) + 0.25 * chance(i, cases[2]), 1e-6);
    }
    for (int c = 0; c < CASES; c++)
        CHECK_NEAR(sum[c], 1, 1e-5);
    CHECK_NEAR(mixed_sum, 1, 1e-5);
    nn_end(&r);
}

/* -- as the likelihood of a VAE ------------------------------------------------------------------------------------------- */

static const fig_score *score(const fig_score *scores, int count, const char *name)
{
    for (int i = 0; i < count; i++)
        if (!strcmp(scores[i].name, name))
            return &scores[i];
    return NULL;
}

static void scored(const char *per)
{
    char *folder = fig__strdup(sample_folder()), *path = fig__format("%s/run", folder), *sigma_per = fig__format("sigma_per=%s", per);
    fig_error err = { 0 };
    fig_trained *model = NULL;
    const char *const settings[] = { "threads=1", "steps=40", "size=16", "body=mlp", "hidden=32", "latent=4", "batch=32", "lr=1e-2",
                                     "likelihood=discretized_logistic", sigma_per, "log_every=never", "sample_every=never",
                                     "eval_every=never", NULL };
    fig_train_opts opts = { .recipe = fig_recipe_find("vae"), .data = (const char *[]){ "synthetic:shapes:300", NULL }, .output = path,
                            .settings = settings, .no_tune = true };
    CHECK_OK(fig_train(NULL, &opts, NULL, NULL, &err), err);
    REQUIRE_OK(fig_load(NULL, path, &model, &err), err);
    fig_score scores[8];
    int count = 0;
    fig_eval_opts how = { .count = 40, .metrics = (const char *const[]){ "elbo", "iw_bound", NULL }, .samples = 100 };
    REQUIRE_OK(fig_evaluate(model, &how, scores, 8, &count, &err), err);
    const fig_score *elbo = score(scores, count, "elbo"), *bound = score(scores, count, "iw_bound");
    const fig_score *bits = score(scores, count, "bits_per_dim");
    REQUIRE(elbo && bound && bits && count == 3); /* of two bounds the first has the name */
    double numbers = 16 * 16 * 1;
    CHECK_NEAR(bits->value, -elbo->value / numbers / log(2), 1e-9);
    CHECK_NEAR(bits->standard_error, elbo->standard_error / numbers / log(2), 1e-9);
    CHECK(bound->value > elbo->value);
    CHECK(bits->value > 0 && bits->value < 6); /* 8 says nothing of a level */
    CHECK(!bits->higher_is_better && elbo->higher_is_better);
    CHECK_HAS(elbo->protocol, "logistic,levels=256,samples=1");
    fig_score other[8]; /* by its own name: that of the plain bound alone */
    how.metrics = (const char *const[]){ "bits_per_dim", NULL };
    REQUIRE_OK(fig_evaluate(model, &how, other, 8, &count, &err), err);
    CHECK_INT(count, 1);
    CHECK_NEAR(other[0].value, bits->value, 1e-9);
    how.metrics = (const char *const[]){ "iw_bound", NULL }; /* with the tighter bound alone, that of it */
    REQUIRE_OK(fig_evaluate(model, &how, other, 8, &count, &err), err);
    const fig_score *tighter = score(other, count, "bits_per_dim");
    REQUIRE(tighter && count == 2);
    CHECK_NEAR(tighter->value, -other[0].value / numbers / log(2), 1e-9);
    CHECK_HAS(tighter->protocol, "iw_bound/1,logistic,levels=256,samples=100");
    fig_samples *drawn = NULL;
    CHECK_OK(fig_sample(model, &(fig_sample_opts){ .count = 4, .seed = 1 }, &drawn, &err), err);
    fig_type type;
    const float *value = drawn ? fig_samples_values(drawn, &type) : NULL;
    for (int64_t i = 0; value && i < fig_elements(&type); i++)
        CHECK(value[i] >= 0 && value[i] <= 1);
    fig_samples_free(drawn);
    fig_trained_free(model);
    sample_folder_end(folder);
    free(sigma_per);
    free(path);
    free(folder);
}

FIG_TEST(bounds_in_bits)
{
    scored("model");
    scored("element");
}

FIG_TEST(what_has_no_levels_is_refused)
{
    static const struct {
        const char *data, *settings[4], *part;
    } wrong[] = { { "synthetic:moons:100", { "likelihood=discretized_logistic", "body=mlp" }, "discretized_logistic" },
                  { "synthetic:shapes:100", { "likelihood=discretized_logistic", "pixels=dynamic" }, "grey levels" } };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        fig_error err = { 0 };
        fig_train_opts opts = { .recipe = fig_recipe_find("vae"), .data = (const char *[]){ wrong[i].data, NULL },
                                .settings = wrong[i].settings, .dry_run = true };
        CHECK_FAILS(fig_train(NULL, &opts, NULL, NULL, &err), err, FIG_E_USAGE, wrong[i].part);
    }
}

FIG_TEST_MAIN
