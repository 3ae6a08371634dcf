/* dcgan28.c - the DCGAN of the well-known MNIST tutorial: 28 x 28 grey, 5x5 kernels
 *
 *     dcgan28 [DATA [STEPS [FOLDER]]]        e.g. dcgan28 mnist 3000 run
 *
 * Layers as they are usually written one under the other; weights Glorot uniform; two players with a rate each. */
#include <figment/figment.h>
#include <stdio.h>

static const fig_norm_opts norm = { .eps = 1e-3f, .momentum = 0.01f };

static fig_node up(fig_node h, int64_t filters, int stride)
{
    return fig_conv2d_transposed(h, filters, 5,
                                 &(fig_conv_layer_opts){ .stride = stride, .padding = FIG_PAD_SAME, .no_bias = true });
}

static fig_node down(fig_node h, int64_t filters)
{
    h = fig_conv2d(h, filters, 5, &(fig_conv_layer_opts){ .stride = 2, .padding = FIG_PAD_SAME });
    h = fig_leaky_relu(h, 0.3f);
    return fig_is_training(h.graph) ? fig_dropout(h, 0.3f) : h;
}

static fig_node generator(fig_graph *g, fig_node z)
{
    fig_scope_push(g, "generator");
    fig_node h = fig_linear(z, 7 * 7 * 256, &(fig_linear_opts){ .no_bias = true });
    h = fig_leaky_relu(fig_batch_norm(h, &norm), 0.3f);
    h = fig_reshape(h, FIG_SHAPE(-1, 7, 7, 256));
    h = fig_leaky_relu(fig_batch_norm(up(h, 128, 1), &norm), 0.3f); /* (B, 7, 7, 128) */
    h = fig_leaky_relu(fig_batch_norm(up(h, 64, 2), &norm), 0.3f);  /* (B, 14, 14, 64) */
    h = fig_tanh(up(h, 1, 2));                                      /* (B, 28, 28, 1) */
    fig_scope_pop(g);
    return h;
}

static fig_node discriminator(fig_graph *g, fig_node picture)
{
    fig_scope_push(g, "discriminator");
    fig_node h = down(picture, 64); /* (B, 14, 14, 64) */
    h = down(h, 128);               /* (B, 7, 7, 128) */
    h = fig_linear(fig_flatten(h), 1, NULL);
    fig_scope_pop(g);
    return h; /* (B, 1) */
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
    FIG_TRY(fig_model_phase(
        m,
        &(fig_phase){
            .name = "discriminator", .loss = critic, .trains = "discriminator", .settings = "lr=1e-4 beta1=0.9" },
        err));
    fig_node fooled = fig_generator_loss(FIG_NON_SATURATING, on_fake);
    return fig_model_phase(
        m, &(fig_phase){ .name = "generator", .loss = fooled, .trains = "generator", .settings = "lr=2e-4 beta1=0.5" },
        err);
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
    { "mnist", "MNIST, an epoch is 100 steps",
      "batch=100 eps=1e-7 epoch_steps=100 validation=0 log_every=1epochs sample_every=10epochs", FIG_DATA_IMAGES },
    { 0 },
};
static const fig_recipe dcgan28 = {
    .name = "dcgan28",
    .summary = "DCGAN, 28 pixels grey",
    .data_kinds = FIG_DATA_IMAGES,
    .options = no_options,
    .options_size = 1,
    .presets = presets,
    .request = request,
    .build = build,
    .networks = "generator discriminator",
    .log_line = "Epoch: {epoch}, Gen Loss: {loss.generator:.4f}, Disc Loss: {loss.discriminator:.4f}",
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
    snprintf(steps, sizeof steps, "steps=%s", argc > 2 ? argv[2] : "3000");
    fig_train_opts opts = { .recipe = &dcgan28,
                            .data = (const char *[]){ argc > 1 ? argv[1] : "mnist", NULL },
                            .output = argc > 3 ? argv[3] : "run",
                            .settings = (const char *[]){ steps, NULL } };
    fig_error err = { 0 };
    if (fig_train(NULL, &opts, show, NULL, &err) != FIG_OK)
        fprintf(stderr, "dcgan28: %s\n", err.message);
    return fig_status_exit_code(err.status);
}
