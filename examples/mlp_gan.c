/* mlp_gan.c - the smallest GAN: 100-128-784 against 784-128-1, on MNIST
 *
 *     mlp_gan [DATA [STEPS [FOLDER]]]        e.g. mlp_gan mnist 46800 run
 *
 * The two networks and the two losses are the model. Data, batches, gradients, Adam, sample sheets, checkpoints and the log are the
 * trainer's: a sheet of 10 x 10 is drawn from one fixed noise before the first step and every ten epochs after. */
#include <figment/figment.h>
#include <stdio.h>

static fig_node generator(fig_graph *g, fig_node z)
{
    fig_scope_push(g, "generator");
    fig_node h = fig_leaky_relu(fig_linear(z, 128, NULL), 0.01f);                           /* (B, 128) */
    fig_node y = fig_reshape(fig_tanh(fig_linear(h, 784, NULL)), FIG_SHAPE(-1, 28, 28, 1)); /* (B, 28, 28, 1) */
    fig_scope_pop(g);
    return y;
}

static fig_node discriminator(fig_graph *g, fig_node picture)
{
    fig_scope_push(g, "discriminator");
    fig_node h = fig_leaky_relu(fig_linear(fig_flatten(picture), 128, NULL), 0.01f); /* (B, 128) */
    fig_node logit = fig_linear(h, 1, NULL); /* (B, 1): the sigmoid belongs to the loss */
    fig_scope_pop(g);
    return logit;
}

static fig_status build(fig_model *m, const void *options, const fig_data_spec *data, fig_error *err)
{
    fig_graph *g = fig_model_graph(m);
    (void)options, (void)data;
    fig_node fake = generator(g, fig_model_noise(m, 100));
    if (fig_model_purpose(m) == FIG_FOR_SAMPLING)
        fig_model_sampler(m, &(fig_sampler_decl){ .name = "samples", .output = fake });
    if (fig_model_purpose(m) != FIG_FOR_TRAINING)
        return FIG_OK;

    fig_node on_real = discriminator(g, fig_model_input(m, "image")), on_fake = discriminator(g, fake);
    fig_node critic = fig_add(fig_critic_loss(FIG_NON_SATURATING, on_real, FIG_GOAL_REAL),
                              fig_critic_loss(FIG_NON_SATURATING, on_fake, FIG_GOAL_FAKE));
    FIG_TRY(
        fig_model_phase(m, &(fig_phase){ .name = "discriminator", .loss = critic, .trains = "discriminator" }, err));
    fig_node fooled = fig_generator_loss(FIG_NON_SATURATING, on_fake);
    return fig_model_phase(m, &(fig_phase){ .name = "generator", .loss = fooled, .trains = "generator" }, err);
}

static fig_status request(const void *options, const fig_data_info *found, fig_data_request *request, fig_error *err)
{
    (void)options, (void)found, (void)err;
    *request =
        (fig_data_request){ .kinds = FIG_DATA_IMAGES, .height = 28, .width = 28, .channels = 1, .low = -1, .high = 1 };
    return FIG_OK;
}

static const fig_option no_options[] = { { 0 } };
static const fig_preset presets[] = {
    { "mlp-128", "MNIST, 100 epochs",
      "batch=128 lr=2e-4 beta1=0.5 epochs=100 validation=0 log_every=100 sample_every=10epochs sample_rows=10 "
      "sample_columns=10",
      FIG_DATA_IMAGES },
    { 0 },
};
static const fig_recipe mlp_gan = {
    .name = "mlp-gan",
    .summary = "MLP GAN",
    .data_kinds = FIG_DATA_IMAGES,
    .options = no_options,
    .options_size = 1,
    .presets = presets,
    .request = request,
    .build = build,
    .networks = "generator discriminator",
    .log_line = "Epoch: {epoch}, Step: {step}, Gen Loss: {loss.generator:.4f}, Disc Loss: {loss.discriminator:.4f}",
};

static void show(void *user, const fig_train_progress *progress)
{
    (void)user;
    if (progress->logged)
        puts(progress->log_line);
}

int main(int argc, char **argv)
{
    char steps[32];
    snprintf(steps, sizeof steps, "steps=%s", argc > 2 ? argv[2] : "46800");
    fig_train_opts opts = { .recipe = &mlp_gan,
                            .data = (const char *[]){ argc > 1 ? argv[1] : "mnist", NULL },
                            .output = argc > 3 ? argv[3] : "run",
                            .settings = (const char *[]){ steps, NULL } };
    fig_error err = { 0 };
    if (fig_train(NULL, &opts, show, NULL, &err) != FIG_OK)
        fprintf(stderr, "mlp_gan: %s\n", err.message);
    return fig_status_exit_code(err.status);
}
