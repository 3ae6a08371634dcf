/* test_presets.c - every preset builds for every purpose and names only options that exist
 *
 * The classic listings A to G have exactly the weights that their tables count. */
#include "nn/model.h"
#include "test.h"
#include <figment/figment.h>
#include <stdlib.h>

/* Applies the settings of a preset that belong to the recipe; the others must be training options. Returns how many are neither. */
static int apply(const fig_recipe *recipe, const fig_preset *preset, void *options)
{
    int unknown = 0;
    fig_error err = { 0 };
    char *copy = strdup(preset->settings), *rest = copy, *word;
    while ((word = strsep(&rest, " "))) {
        char *value = strchr(word, '=');
        if (!value)
            continue;
        *value++ = 0;
        if (fig_options_find(recipe->options, word))
            CHECK_OK(fig_options_set(recipe->options, options, word, value, &err), err);
        else
            unknown++;
    }
    free(copy);
    return unknown;
}

static fig_data_spec spec_for(const fig_recipe *recipe, const fig_preset *preset, const void *options)
{
    bool text = recipe->data_kinds & FIG_DATA_TEXT, points = preset->data && strncmp(preset->data, "synthetic", 9) == 0;
    fig_data_info found = { .kind = text     ? FIG_DATA_TEXT
                                    : points ? FIG_DATA_POINTS
                                             : FIG_DATA_IMAGES,
                            .height = 28,
                            .width = 28,
                            .channels = 1,
                            .classes = text ? 0 : 10,
                            .dimensions = 2 };
    fig_data_request request = { 0 };
    fig_error err = { 0 };
    CHECK_OK(recipe->request(options, &found, &request, &err), err);
    CHECK(request.kinds & found.kind);
    return (fig_data_spec){ .kind = found.kind,
                            .height = request.height,
                            .width = request.width,
                            .channels = request.channels,
                            .low = request.low,
                            .high = request.high,
                            .context = request.context,
                            .vocabulary = text ? 65 : 0,
                            .classes = found.classes,
                            .dimensions = points ? 2 : 0 };
}

static long long weights_under(const fig_model *model, const char *scope)
{
    long long sum = 0;
    for (int i = 0; i < model->n_weights; i++)
        if (model->weights[i].trained && fig__in_scopes(model->weights[i].name, scope))
            sum += fig__count(&model->weights[i].type);
    return sum;
}

typedef struct built {
    const fig_recipe *recipe;
    void *options;
    fig_data_spec spec;
    fig_model *model;
} built;

static bool build(built *b, const char *recipe, const char *preset, const char *more, fig_purpose purpose)
{
    fig_error err = { 0 };
    *b = (built){ .recipe = fig_recipe_find(recipe) };
    const fig_preset *p = b->recipe ? b->recipe->presets : NULL;
    while (p && p->name && strcmp(p->name, preset))
        p++;
    if (!p || !p->name) {
        TEST_FAIL("%s has no preset %s", recipe, preset);
        return false;
    }
    b->options = calloc(1, b->recipe->options_size);
    fig_options_defaults(b->recipe->options, b->options);
    apply(b->recipe, p, b->options);
    if (more)
        apply(b->recipe, &(fig_preset){ .settings = more }, b->options);
    b->spec = spec_for(b->recipe, p, b->options);
    fig_status status = fig__model_build(b->recipe, b->options, &b->spec, purpose, 2, &b->model, &err);
    if (status != FIG_OK)
        TEST_FAIL("%s/%s, purpose %d: %s", recipe, preset, (int)purpose, err.message);
    return status == FIG_OK;
}

static void unbuild(built *b)
{
    fig__model_free(b->model);
    if (b->options)
        fig_options_free(b->recipe->options, b->options);
    free(b->options);
}

static void count(const char *recipe, const char *preset, const char *more, const char *one, long long ones,
                  const char *other, long long others)
{
    built b;
    if (build(&b, recipe, preset, more, FIG_FOR_TRAINING)) {
        CHECK_INT(weights_under(b.model, one), ones);
        CHECK_INT(weights_under(b.model, other), others);
        CHECK_INT(weights_under(b.model, NULL), ones + others);
    }
    unbuild(&b);
}

FIG_TEST(listing_weight_counts)
{
    count("dcgan", "mnist-5x5", NULL, "generator", 2305472, "discriminator", 212865);
    count("dcgan", "mnist-5x5-short", NULL, "generator", 2305472, "discriminator", 212865);
    count("gan", "mlp-128", NULL, "generator", 114064, "discriminator", 100609);
    count("gan", "linear-critic", NULL, "generator", 114320, "discriminator", 785);
    count("gan", "linear-critic", "critic.hidden=128", "generator", 114320, "discriminator", 100609);
    count("gan", "mlp-128x2", NULL, "generator", 130576, "discriminator", 100609);
    count("gan", "mlp-relu4", NULL, "generator", 424720, "discriminator", 398593);
    count("vae", "plane", NULL, "encoder", 192 + 130 + 130, "decoder", 192 + 130);
    count("vae", "plane", "hidden=0", "encoder", 6 + 6, "decoder", 6);
    count("dcgan", "folder-32", NULL, "generator", 1068928, "discriminator", 663296);
    count("dcgan", "folder-32-short", NULL, "generator", 1068928, "discriminator", 663296);
}

/* The shapes of the benchmark peers: their own counts of weights. */
FIG_TEST(bench_weight_counts)
{
    count("gan", "mlp_gan", NULL, "generator", 114064, "discriminator", 100609);
    count("dcgan", "dcgan28", NULL, "generator", 2305472, "discriminator", 212865);
    count("dcgan", "dcgan64", NULL, "generator", 3576704, "discriminator", 2765568);
    count("vae", "vae_mlp", NULL, "encoder", 314000 + 8020 * 2, "decoder", 8400 + 314384);
    count("vae", "classic", NULL, "encoder", 314000 + 8020 * 2, "decoder", 8400 + 314384);
    count("vae", "vae_conv", NULL, "encoder", 1568 + 64 + 32832 + 128 + 131200 + 256 + 2 * 262272, "decoder",
          264192 + 131136 + 128 + 32800 + 64 + 1539);
    count("gpt", "gpt_nano_cpu", NULL, "decoder", 65 * 128 + 64 * 128 + 4 * (256 + 12 * 128 * 128) + 128, "none", 0);
    /* PyTorch has two biases where one does: 3,320,385 and 2,498,625 less one of them, of a GRU all but the candidate's. */
    count("rnn", "char_lstm", NULL, "decoder", 3320385 - 2 * 2048, "none", 0);
    count("rnn", "char_gru", NULL, "decoder", 2498625 - 2 * 1024, "none", 0);
    count("gpt", "gpt2_124m", NULL, "decoder", 124439808, "none", 0);
}

FIG_TEST(every_preset_builds_for_every_purpose)
{
    for (int i = 0; fig_recipe_at(i); i++) {
        const fig_recipe *recipe = fig_recipe_at(i);
        CHECK(recipe->presets[0].name != NULL);
        for (const fig_preset *p = recipe->presets; p->name; p++)
            for (int purpose = 0; purpose < 3; purpose++) {
                built b;
                build(&b, recipe->name, p->name, NULL, (fig_purpose)purpose);
                unbuild(&b);
            }
    }
}

FIG_TEST(every_loss_builds)
{
    static const char *const losses[] = { "loss=non-saturating", "loss=least-squares", "loss=hinge", "loss=wasserstein",
                                          "loss=wgan-gp" };
    for (int i = 0; i < 5; i++) {
        built b;
        if (build(&b, "dcgan", "pictures", losses[i], FIG_FOR_TRAINING)) {
            CHECK_INT(b.model->n_phases, 2);
            CHECK_INT(b.model->phase[0].times, i < 3 ? 1 : 5);
            CHECK((b.model->phase[0].clip_weights > 0) == (i == 3));
        }
        unbuild(&b);
        if (build(&b, "gan", "mlp-128x2", losses[i], FIG_FOR_TRAINING))
            CHECK_INT(b.model->n_phases, 2);
        unbuild(&b);
    }
}

/* A critic's batch norm would let one row's penalty depend on the others. */
FIG_TEST(gradient_penalty_has_no_batch_norm)
{
    built b;
    if (build(&b, "dcgan", "folder-32", "loss=wgan-gp", FIG_FOR_TRAINING))
        for (int i = 0; i < b.model->n_weights; i++)
            CHECK(
                !(strstr(b.model->weights[i].name, "discriminator") && strstr(b.model->weights[i].name, "batch_norm")));
    unbuild(&b);
}

FIG_TEST(linear_critic_is_named)
{
    built b;
    if (build(&b, "gan", "linear-critic", NULL, FIG_FOR_TRAINING)) {
        char *advice = b.recipe->advise(b.options, &b.spec);
        CHECK_HAS(advice, "no hidden layer");
        CHECK_HAS(advice, "critic.hidden=128");
        free(advice);
    }
    unbuild(&b);
    if (build(&b, "gan", "linear-critic", "critic.hidden=128", FIG_FOR_TRAINING)) {
        char *advice = b.recipe->advise(b.options, &b.spec);
        CHECK(advice == NULL);
        free(advice);
    }
    unbuild(&b);
}

FIG_TEST(bad_settings_are_named)
{
    struct {
        const char *recipe, *setting, *part;
    } cases[] = {
        { "gan", "critic.hidden=12x", "critic.hidden" },
        { "vae", "hidden=0,5", "hidden" },
        { "dcgan", "size=30", "size" },
        { "vae", "body=conv size=29", "body" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const fig_recipe *recipe = fig_recipe_find(cases[i].recipe);
        fig_error err = { 0 };
        void *options = calloc(1, recipe->options_size);
        fig_options_defaults(recipe->options, options);
        apply(recipe, &(fig_preset){ .settings = cases[i].setting }, options);
        fig_data_spec spec = spec_for(recipe, &recipe->presets[0], options);
        fig_model *model;
        CHECK_FAILS(fig__model_build(recipe, options, &spec, FIG_FOR_TRAINING, 2, &model, &err), err, FIG_E_USAGE,
                    cases[i].part);
        fig_options_free(recipe->options, options);
        free(options);
    }
}

FIG_TEST_MAIN
