/* recipes/dcgan.c - the deep convolutional GAN (Radford et al. 2015) for pictures of 28, 32 or 64 pixels
 *
 * Its networks - the paper's, a tutorial's, residual ones - are those of recipes/bodies.c, the game that of recipes/game.c.
 *
 * The Wasserstein losses compare single samples, so their critic may not mix a batch: batch norm is replaced by norm over a sample. */
#include "recipes/gan.h"

static fig_status dcgan_request(const void *options, const fig_data_info *found, fig_data_request *request,
                                fig_error *err)
{
    (void)err;
    request->kinds = FIG_DATA_IMAGES;
    request->low = -1;
    request->high = 1;
    fig__body_request(&((const fig__gan_options *)options)->body, found, request);
    return FIG_OK;
}

static const fig_option dcgan_option_table[] = {
    FIG__RULES_ROWS(fig__gan_options, rules),
    FIG__BODY_ROWS(fig__gan_options, body, FIG__GAN_DCGAN, FIG__INIT_DCGAN),
    { 0 },
};

/* Many small steps with high rates that fall to zero: on Fashion-MNIST far ahead of batches of 64, 64 channels and rates of 2e-4 after the
 * same time (docs/results.md). */
#define SMALL "size=28 channels=1 schedule=linear ema=0.999 sample_rows=10 sample_columns=10 "
#define RATES(GENERATOR, CRITIC) "phases.generator.lr=" GENERATOR " phases.discriminator.lr=" CRITIC " "
#define DIGITS SMALL "width=32 batch=32 "
#define COLOUR                                                                                                    \
    "channels=3 batch=32 loss=hinge critic.spectral_norm=yes critic.norm=batch augment=colour,translation,cutout " \
    "schedule=linear ema=0.9995 test=0.1 " RATES("4e-4", "4e-4")
#define A_SETTINGS                                                                                            \
    "body=tutorial size=28 channels=1 width=64 critic.dropout=0.3 init=glorot batch=100 eps=1e-7 "            \
    "phases.generator.lr=2e-4 "                                                                               \
    "phases.generator.beta1=0.5 phases.discriminator.lr=1e-4 phases.discriminator.beta1=0.9 epoch_steps=100 " \
    "validation=0 sample_rows=10 sample_columns=10 "
#define A_LINE "Epoch: {epoch}, Gen Loss: {loss.generator:.4f}, Disc Loss: {loss.discriminator:.4f}"
#define G_SETTINGS                                                                                  \
    "body=dcgan size=32 channels=3 width=64 init=uniform_fan_in fakes=fresh batch=64 drop_last=no " \
    "validation=0 sample_rows=8 sample_columns=8 sample_gap=2 sample_zoom=1 "
#define G_LINE "Epoch [{epoch}/{epochs}] Loss_D: {loss.discriminator:.4f}, Loss_G: {loss.generator:.4f}"
static const fig_preset dcgan_presets[] = {
    /* clang-format off */
    { .name = "pictures",
      .summary = "DCGAN in a few minutes, for pictures of 28, 32 or 64 pixels",
      .settings = "width=64 batch=64 ema=0.99 steps=4000",
      .data_kinds = FIG_DATA_IMAGES, .data = "fashion-mnist" },
    { .name = "non-saturating",
      .summary = "digits of 28 pixels: 384,000 looked at",
      .settings = DIGITS RATES("1e-3", "1e-3") "steps=12000 loss=non-saturating",
      .data = "mnist" },
    { .name = "least-squares",
      .summary = "the same with squared logits (Mao et al. 2017)",
      .settings = DIGITS RATES("1e-3", "1e-3") "steps=12000 loss=least-squares",
      .data = "mnist" },
    { .name = "hinge",
      .summary = "the same with hinge loss and spectral norm (Miyato et al. 2018)",
      .settings = DIGITS RATES("1e-3", "2e-3") "steps=12000 loss=hinge critic.spectral_norm=yes critic.norm=none",
      .data = "mnist" },
    { .name = "wgan-gp",
      .summary = "the same as Wasserstein GAN with gradient penalty, five critic steps",
      .settings = DIGITS RATES("5e-4", "5e-4") "steps=4000 loss=wgan-gp",
      .data = "mnist" },
    { .name = "conditional",
      .summary = "digits of a class: hinge, spectral norm, projection critic; 190 TFLOP",
      .settings = SMALL "width=64 batch=64 steps=20000 loss=hinge critic.spectral_norm=yes critic.norm=none condition=projection",
      .data = "mnist" },
    { .name = "resnet",
      .summary = "residual networks with hinge loss and spectral norm, for digits",
      .settings = SMALL "body=resnet width=32 batch=64 init=glorot steps=5000 loss=hinge critic.spectral_norm=yes",
      .data = "mnist" },
    { .name = "hinge-32",
      .summary = "colour pictures of 32 pixels: 1.3 million looked at, 0.39 GFLOP each",
      .settings = COLOUR "size=32 width=64 steps=40000",
      .data = "a picture folder" },
    { .name = "hinge-64",
      .summary = "colour pictures of 64 pixels: 960,000 looked at, 0.58 GFLOP each",
      .settings = COLOUR "size=64 width=32 steps=30000",
      .data = "a picture folder" },
    { .name = "mnist-5x5",
      .summary = "listing A: 28 pixels grey, 5x5 kernels, 100,000 steps",
      .settings = A_SETTINGS
                  "epochs=1000 log_every=1epochs sample_every=10epochs checkpoint_every=1epochs keep=all",
      .data = "mnist", .log_line = A_LINE },
    { .name = "mnist-5x5-short",
      .summary = "listing A in ten minutes: rates that fall to zero, bf16, averaged weights",
      .settings = A_SETTINGS
                  "epochs=75 schedule=linear precision=bf16 ema=0.9995 log_every=1epochs sample_every=5epochs",
      .data = "mnist", .log_line = A_LINE },
    { .name = "folder-32",
      .summary = "listing G: 32 pixels colour from a picture folder, 100 epochs",
      .settings = G_SETTINGS
                  "epochs=100 log_every=50 sample_every=50",
      .data = "a picture folder", .log_line = G_LINE },
    { .name = "folder-32-short",
      .summary = "listing G in ten minutes",
      .settings = G_SETTINGS
                  "steps=4000 log_every=50 sample_every=500",
      .data = "a picture folder", .log_line = G_LINE },
    { .name = "dcgan28",
      .summary = "bench: 28 pixels grey, 5x5 kernels, batch 256",
      .settings = "body=tutorial size=28 channels=1 width=64 critic.dropout=0.3 init=uniform_fan_in batch=256 "
                  "phases.generator.lr=1e-4 phases.generator.beta1=0.9 phases.discriminator.lr=1e-4 "
                  "phases.discriminator.beta1=0.9 epochs=50",
      .data = "mnist" },
    { .name = "dcgan64",
      .summary = "bench: the five-layer DCGAN at 64x64x3, batch 64",
      .settings = "body=dcgan size=64 channels=3 width=64 init=dcgan batch=64 epochs=25",
      .data = "a picture folder" },
    /* clang-format on */
    { 0 },
};

const fig_recipe fig_recipe_dcgan = {
    .name = "dcgan",
    .summary = "deep convolutional GAN for small pictures",
    .paper = "Radford, Metz and Chintala 2015, arXiv 1511.06434",
    .help = "A generator of transposed convolutions against a mirrored critic, with a choice of five losses. Sharp "
            "samples from any folder of pictures at "
            "28, 32 or 64 pixels, grey or colour.",
    .data_kinds = FIG_DATA_IMAGES,
    .options = dcgan_option_table,
    .options_size = sizeof(fig__gan_options),
    .presets = dcgan_presets,
    .request = dcgan_request,
    .build = fig__gan_build,
    .advise = fig__gan_advise,
    .networks = "generator discriminator",
    .log_line = G_LINE,
};
