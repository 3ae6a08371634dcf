/* recipes/gan.c - the first GAN (Goodfellow et al. 2014): two multilayer perceptrons, on pictures or points
 *
 *     generator       noise (B, latent) -> [linear, batch norm?, activation]... -> linear -> tanh?
 *     discriminator   sample, flattened -> [linear, activation]... -> linear 1: a logit
 *
 * The networks are those of recipes/bodies.c, the game that of recipes/game.c; the classic listings B to E are presets of this file.
 * Pictures lie in [-1, 1], the range of tanh. */
#include "recipes/gan.h"

static fig_status gan_request(const void *options, const fig_data_info *found, fig_data_request *request,
                              fig_error *err)
{
    (void)err;
    request->kinds = FIG_DATA_IMAGES | FIG_DATA_POINTS;
    request->low = -1;
    request->high = 1;
    request->standardise = true;
    fig__body_request(&((const fig__gan_options *)options)->body, found, request);
    return FIG_OK;
}

fig_status fig__gan_build(fig_model *model, const void *options, const fig_data_spec *data, fig_error *err)
{
    const fig__gan_options *o = options;
    fig__body body;
    FIG_TRY(fig__body_open(&body, model, &o->body, data, fig__rows_apart(&o->rules), err));
    fig__game game = { .rules = &o->rules,
                       .networks = &body,
                       .classes = body.classes > 0,
                       .generate = fig__body_generate,
                       .judge = fig__body_judge,
                       .labels = o->body.labels,
                       .labels_weight = o->body.labels_weight,
                       .classify = fig__body_classify };
    const char *field = data->kind == FIG_DATA_POINTS ? "point" : "image";
    if (fig_model_purpose(model) == FIG_FOR_TRAINING)
        return fig__play(model, &game, fig_model_input(model, field), err);
    if (fig_model_purpose(model) == FIG_FOR_EVALUATION && game.labels > 0)
        fig__score_classes(model, &game, fig_model_input(model, field));
    if (fig_model_purpose(model) == FIG_FOR_SAMPLING)
        fig__draw(model, &game);
    return FIG_OK;
}

char *fig__gan_advise(const void *options, const fig_data_spec *data)
{
    const fig__gan_options *o = options;
    fig__text out;
    fig__text_init(&out, 4096);
    fig__body_advise(&o->body, fig__rows_apart(&o->rules), data, &out);
    fig__rules_advise(&o->rules, &out);
    return out.data;
}

static const fig_option gan_option_table[] = {
    FIG__RULES_ROWS(fig__gan_options, rules),
    FIG__BODY_ROWS(fig__gan_options, body, FIG__GAN_MLP, FIG__INIT_GLOROT),
    { 0 },
};

/* What a preset says of one player wins over the usual settings of the loss (game.c); a bare lr would not. */
#define BOTH(LR, BETA1)                                                                       \
    "phases.generator.lr=" LR " phases.generator.beta1=" BETA1 " phases.discriminator.lr=" LR \
    " phases.discriminator.beta1=" BETA1 " "
/* The synthetic experiment of Lin et al. 2018: z of two numbers, batch norm and no bias in the generator, a maxout critic. */
#define RING                                                                                                    \
    "latent=2 generator.hidden=400,400,400,400 generator.activation=relu generator.batch_norm=yes generator.bias=no " \
    "critic.hidden=200,200,200 critic.pieces=5 " BOTH("1e-4", "0.8") "sample_rows=25 sample_columns=40 "
#define B_LINE "Epoch: {epoch}, Step: {step}, Gen Loss: {loss.generator:.4f}, Disc Loss: {loss.discriminator:.4f}"
static const fig_preset gan_presets[] = {
    /* clang-format off */
    { .name = "pictures",
      .summary = "MLP GAN for small pictures",
      .settings = "generator.hidden=256,512 generator.batch_norm=yes critic.hidden=512,256 batch=128 epochs=30",
      .data_kinds = FIG_DATA_IMAGES, .data = "mnist" },
    { .name = "points",
      .summary = "points in the plane, as PacGAN's ring: 4 x 400 against 3 x 200 of 5 pieces",
      .settings = RING "batch=100 steps=88000",
      .data_kinds = FIG_DATA_POINTS, .data = "synthetic:ring8" },
    { .name = "points-packed",
      .summary = "the same with two samples judged together (PacGAN2)",
      .settings = RING "packing=2 batch=200 steps=73000",
      .data = "synthetic:ring8" },
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
    .options_size = sizeof(fig__gan_options),
    .presets = gan_presets,
    .request = gan_request,
    .build = fig__gan_build,
    .advise = fig__gan_advise,
    .networks = "generator discriminator",
    .log_line = B_LINE,
};
