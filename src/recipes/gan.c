/* recipes/gan.c - the first GAN (Goodfellow et al. 2014): two multilayer perceptrons, on pictures or points
 *
 *     generator       noise (B, latent) -> [linear, batch norm?, activation]... -> linear -> tanh?
 *     discriminator   sample, flattened -> [linear, activation]... -> linear 1: a logit
 *
 * The classic listings B to E are presets of this file. Batch norm keeps Keras' constants (eps 1e-3, momentum 0.01), which
 * they rely on. Pictures lie in [-1, 1], the range of tanh. */
#include "recipes/game.h"
#include <string.h>

typedef struct player {
    char *hidden;
    int activation;
    double slope;
} player;
typedef struct gan_options {
    fig__rules rules;
    player generator, critic;
    bool batch_norm;
    int output, init;
    int64_t size, channels;
} gan_options;
enum { OUTPUT_AUTO, OUTPUT_TANH, OUTPUT_LINEAR };

typedef struct gan { /* the options, read */
    const gan_options *o;
    fig_type sample; /* (B, H, W, C) or (B, D) */
    fig__widths generator, critic;
    bool squash;
} gan;

static fig_node generate(fig_model *model, const void *networks, fig_node noise)
{
    const gan *n = networks;
    fig_scope_push(fig_model_graph(model), "generator");
    fig_node h = noise; /* (B, latent) */
    for (int i = 0; i < n->generator.count; i++) {
        h = fig_linear(h, n->generator.width[i], NULL);
        if (n->o->batch_norm)
            h = fig_batch_norm(h, &(fig_norm_opts){ .eps = 1e-3f, .momentum = 0.01f });
        h = fig__activate(h, n->o->generator.activation, n->o->generator.slope);
    }
    fig_node y = fig_linear(h, fig_elements(&n->sample) / n->sample.dim[0], NULL);
    y = fig_reshape(n->squash ? fig_tanh(y) : y, n->sample);
    fig_scope_pop(fig_model_graph(model));
    return y;
}

static fig_node judge(fig_model *model, const void *networks, fig_node samples)
{
    const gan *n = networks;
    fig_scope_push(fig_model_graph(model), "discriminator");
    fig_node h = fig_flatten(samples); /* (B or 2B, elements) */
    for (int i = 0; i < n->critic.count; i++)
        h = fig__activate(fig_linear(h, n->critic.width[i], NULL), n->o->critic.activation, n->o->critic.slope);
    fig_node logit = fig_linear(h, 1, NULL); /* (B, 1) */
    fig_scope_pop(fig_model_graph(model));
    return logit;
}

static fig_status gan_request(const void *options, const fig_data_info *found, fig_data_request *request,
                              fig_error *err)
{
    const gan_options *o = options;
    (void)err;
    request->kinds = FIG_DATA_IMAGES | FIG_DATA_POINTS;
    request->low = -1;
    request->high = 1;
    request->standardise = true;
    if (found->kind == FIG_DATA_IMAGES)
        fig__ask_pictures(found, o->size, o->channels, request);
    return FIG_OK;
}

static fig_status gan_build(fig_model *model, const void *options, const fig_data_spec *data, fig_error *err)
{
    const gan_options *o = options;
    bool points = data->kind == FIG_DATA_POINTS;
    int64_t b = fig_model_batch(model);
    gan n = { .o = o,
              .sample =
                  points ? FIG_SHAPE(b, data->dimensions) : FIG_SHAPE(b, data->height, data->width, data->channels) };
    n.squash = o->output == OUTPUT_TANH || (o->output == OUTPUT_AUTO && !points);
    FIG_TRY(fig__read_widths("generator.hidden", o->generator.hidden, &n.generator, err));
    FIG_TRY(fig__read_widths("critic.hidden", o->critic.hidden, &n.critic, err));
    fig__set_init(model, o->init);
    fig__game game = { .rules = &o->rules, .networks = &n, .generate = generate, .judge = judge };
    if (fig_model_purpose(model) == FIG_FOR_TRAINING)
        return fig__play(model, &game, fig_model_input(model, points ? "point" : "image"), err);
    if (fig_model_purpose(model) == FIG_FOR_SAMPLING)
        fig__draw(model, &game);
    return FIG_OK;
}

static char *gan_advise(const void *options, const fig_data_spec *data)
{
    const gan_options *o = options;
    fig__text out;
    fig__text_init(&out, 4096);
    fig__widths critic;
    if (fig__read_widths("critic.hidden", o->critic.hidden, &critic, NULL) == FIG_OK && critic.count == 0)
        fig__text_print(&out, "the critic has no hidden layer: it is linear, can compare mean pictures only, and "
                              "samples will collapse; set critic.hidden=128\n");
    if (o->output == OUTPUT_TANH && data && data->kind == FIG_DATA_POINTS)
        fig__text_print(&out, "output=tanh keeps points inside the unit square, but the data need not lie there; "
                              "set output=linear\n");
    return out.data;
}

#define AT(field) offsetof(gan_options, field)
static const fig_option gan_option_table[] = {
    FIG__RULES_ROWS(gan_options, rules),
    { "generator.hidden", FIG_TEXT, AT(generator.hidden), 0, 0, 0, "widths of the generator's hidden layers; 0 = none",
      .fallback_text = "128", .metavar = "N,N" },
    { "generator.activation", FIG_CHOICE, AT(generator.activation), 1, 0, 0, "of the generator's hidden layers",
      .choices = FIG__ACTIVATION_CHOICES },
    { "generator.slope", FIG_FLOAT, AT(generator.slope), 0.2, 0, 1, "leaky_relu: slope below zero" },
    { "generator.batch_norm", FIG_BOOL, AT(batch_norm), 0, 0, 0, "normalise the generator's hidden layers" },
    { "critic.hidden", FIG_TEXT, AT(critic.hidden), 0, 0, 0, "widths of the critic's hidden layers; 0 = none",
      .fallback_text = "128", .metavar = "N,N" },
    { "critic.activation", FIG_CHOICE, AT(critic.activation), 1, 0, 0, "of the critic's hidden layers",
      .choices = FIG__ACTIVATION_CHOICES },
    { "critic.slope", FIG_FLOAT, AT(critic.slope), 0.2, 0, 1, "leaky_relu: slope below zero" },
    { "output", FIG_CHOICE, AT(output), OUTPUT_AUTO, 0, 0,
      "last activation of the generator; auto = tanh for pictures, linear for points", .choices = "auto tanh linear" },
    { "size", FIG_INT, AT(size), 0, 0, 512, "side of a picture in pixels; 0 = as the data, at most 64" },
    { "channels", FIG_INT, AT(channels), 0, 0, 3, "1 grey, 3 colour; 0 = as the data" },
    { "init", FIG_CHOICE, AT(init), FIG__INIT_GLOROT, 0, 0, "first values of the weights",
      .choices = FIG__INIT_CHOICES },
    { 0 },
};

/* What a preset says of one player wins over the usual settings of the loss (game.c); a bare lr would not. */
#define BOTH(LR, BETA1)                                                                       \
    "phases.generator.lr=" LR " phases.generator.beta1=" BETA1 " phases.discriminator.lr=" LR \
    " phases.discriminator.beta1=" BETA1 " "
#define B_LINE "Epoch: {epoch}, Step: {step}, Gen Loss: {loss.generator:.4f}, Disc Loss: {loss.discriminator:.4f}"
static const fig_preset gan_presets[] = {
    /* clang-format off */
    { .name = "pictures",
      .summary = "MLP GAN for small pictures",
      .settings = "generator.hidden=256,512 generator.batch_norm=yes critic.hidden=512,256 batch=128 epochs=30",
      .data_kinds = FIG_DATA_IMAGES, .data = "mnist" },
    { .name = "points",
      .summary = "GAN on points in the plane",
      .settings = "latent=16 generator.hidden=128,128 critic.hidden=128,128 batch=256 "
                  "phases.generator.lr=2e-4 phases.discriminator.lr=4e-4 steps=15000 "
                  "sample_rows=25 sample_columns=40",
      .data_kinds = FIG_DATA_POINTS, .data = "synthetic:ring8" },
    { .name = "mlp-128",
      .summary = "listing B: 100-128-784 against 784-128-1",
      .settings = "generator.hidden=128 generator.slope=0.01 critic.hidden=128 critic.slope=0.01 size=28 "
                  "channels=1 batch=128 eps=1e-7 epochs=100 validation=0 log_every=100 sample_every=10epochs "
                  "sample_rows=10 sample_columns=10",
      .data = "mnist", .log_line = B_LINE },
    { .name = "linear-critic",
      .summary = "listing C: a teaching counter-example, the critic has no hidden layer",
      .settings = "generator.hidden=128 generator.batch_norm=yes generator.slope=0.2 critic.hidden=0 size=28 "
                  "channels=1 batch=128 "
                  BOTH("1e-4", "0.9")
                  "eps=1e-7 epochs=10 validation=0 log_every=100 sample_every=1epochs sample_rows=10 "
                  "sample_columns=10",
      .data = "mnist", .log_line = B_LINE },
    { .name = "mlp-128x2",
      .summary = "listing D: 100-128-128-784 against 784-128-1, one joined critic batch",
      .settings = "generator.hidden=128,128 generator.activation=relu critic.hidden=128 critic.activation=relu "
                  "critic.batches=joined fakes=fresh data_order=replacement size=28 channels=1 batch=128 "
                  BOTH("1e-4", "0.5")
                  "eps=1e-7 epochs=100 validation=0 log_every=100 sample_every=10epochs sample_rows=1 "
                  "sample_columns=10",
      .data = "mnist", .log_line = B_LINE },
    { .name = "mlp-relu4",
      .summary = "listing E: a five-layer ReLU generator, Wasserstein with gradient penalty",
      .settings = "loss=wgan-gp generator.hidden=256,256,256,256 generator.activation=relu "
                  "critic.hidden=256,256,256,256 critic.slope=0.2 critic.penalty=10 output=tanh fakes=fresh "
                  "size=28 channels=1 init=uniform_fan_in batch=64 epochs=20 validation=0",
      .data = "mnist" },
    { .name = "mlp_gan",
      .summary = "bench: 100-128-784 against 784-128-1, slope 0.2, batch 128",
      .settings = "generator.hidden=128 critic.hidden=128 generator.slope=0.2 critic.slope=0.2 size=28 channels=1 "
                  "init=uniform_fan_in batch=128 epochs=100",
      .data = "mnist" },
    /* clang-format on */
    { 0 },
};

const fig_recipe fig_recipe_gan = {
    .name = "gan",
    .summary = "generative adversarial network of two multilayer perceptrons",
    .paper = "Goodfellow et al. 2014, arXiv 1406.2661",
    .help = "A generator turns noise into samples, a discriminator learns to tell them from real ones, and each is "
            "trained against the other. Small and "
            "quick: the place to study losses, collapse and balance, on digits or on points in the plane.",
    .data_kinds = FIG_DATA_IMAGES | FIG_DATA_POINTS,
    .options = gan_option_table,
    .options_size = sizeof(gan_options),
    .presets = gan_presets,
    .request = gan_request,
    .build = gan_build,
    .advise = gan_advise,
    .networks = "generator discriminator",
    .log_line = B_LINE,
};
