/* dcgan32_folder.c - a DCGAN on any folder of pictures: 32 x 32 colour, 4x4 kernels
 *
 *     dcgan32_folder FOLDER_OF_PICTURES [STEPS [FOLDER]]
 *
 * Pictures of any size and kind (grey, palette, with transparency) are resized, cropped to the centre and converted; broken ones are
 * skipped and named. The generator learns on fresh noise, against the critic that has just been updated. */
#include <figment/figment.h>
#include <stdio.h>

static const fig_conv_layer_opts project = { .no_bias = true }; /* 1x1 <-> 4x4 */
static const fig_conv_layer_opts resample = { .stride = 2,
                                              .padding = 1,
                                              .no_bias = true }; /* twice, or half, the side */

static fig_node generator(fig_graph *g, fig_node z)
{
    fig_scope_push(g, "generator");
    fig_node h = fig_reshape(z, FIG_SHAPE(-1, 1, 1, 100));
    h = fig_relu(fig_batch_norm(fig_conv2d_transposed(h, 256, 4, &project), NULL));  /* (B, 4, 4, 256) */
    h = fig_relu(fig_batch_norm(fig_conv2d_transposed(h, 128, 4, &resample), NULL)); /* (B, 8, 8, 128) */
    h = fig_relu(fig_batch_norm(fig_conv2d_transposed(h, 64, 4, &resample), NULL));  /* (B, 16, 16, 64) */
    h = fig_tanh(fig_conv2d_transposed(h, 3, 4, &resample));                         /* (B, 32, 32, 3) */
    fig_scope_pop(g);
    return h;
}

static fig_node discriminator(fig_graph *g, fig_node picture)
{
    fig_scope_push(g, "discriminator");
    fig_node h = fig_leaky_relu(fig_conv2d(picture, 64, 4, &resample), 0.2f);         /* (B, 16, 16, 64) */
    h = fig_leaky_relu(fig_batch_norm(fig_conv2d(h, 128, 4, &resample), NULL), 0.2f); /* (B, 8, 8, 128) */
    h = fig_leaky_relu(fig_batch_norm(fig_conv2d(h, 256, 4, &resample), NULL), 0.2f); /* (B, 4, 4, 256) */
    h = fig_conv2d(h, 1, 4, &project);                                                /* (B, 1, 1, 1) */
    fig_scope_pop(g);
    return h;
}

static fig_status build(fig_model *m, const void *options, const fig_data_spec *data, fig_error *err)
{
    fig_graph *g = fig_model_graph(m);
    (void)options, (void)data;
    fig_model_default_init(m, (fig_init){ .kind = FIG_INIT_NORMAL }, (fig_init){ 0 }); /* N(0, 0.02^2) */
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
    fig_node fresh = discriminator(g, generator(g, fig_model_noise(m, 100)));
    fig_node fooled = fig_generator_loss(FIG_NON_SATURATING, fresh);
    return fig_model_phase(m, &(fig_phase){ .name = "generator", .loss = fooled, .trains = "generator" }, err);
}

static fig_status request(const void *options, const fig_data_info *found, fig_data_request *request, fig_error *err)
{
    (void)options, (void)found, (void)err;
    *request =
        (fig_data_request){ .kinds = FIG_DATA_IMAGES, .height = 32, .width = 32, .channels = 3, .low = -1, .high = 1 };
    return FIG_OK;
}

static const fig_option no_options[] = { { 0 } };
static const fig_preset presets[] = {
    { "folder", "a folder of pictures",
      "batch=64 lr=2e-4 beta1=0.5 drop_last=no validation=0 log_every=50 sample_every=50", FIG_DATA_IMAGES },
    { 0 },
};
static const fig_recipe dcgan32 = {
    .name = "dcgan32",
    .summary = "DCGAN, 32 pixels colour",
    .data_kinds = FIG_DATA_IMAGES,
    .options = no_options,
    .options_size = 1,
    .presets = presets,
    .request = request,
    .build = build,
    .networks = "generator discriminator",
    .log_line = "Epoch [{epoch}/{epochs}] Loss_D: {loss.discriminator:.4f}, Loss_G: {loss.generator:.4f}",
};

static void show(void *user, const fig_train_progress *progress)
{
    (void)user;
    if (progress->logged)
        puts(progress->log_line);
    if (progress->finished)
        puts("Training finished.");
}

int main(int argc, char **argv)
{
    char steps[32];
    snprintf(steps, sizeof steps, "steps=%s", argc > 2 ? argv[2] : "18800");
    fig_train_opts opts = { .recipe = &dcgan32,
                            .data = (const char *[]){ argc > 1 ? argv[1] : "pictures", NULL },
                            .output = argc > 3 ? argv[3] : "run",
                            .settings = (const char *[]){ steps, NULL } };
    fig_error err = { 0 };
    if (fig_train(NULL, &opts, show, NULL, &err) != FIG_OK)
        fprintf(stderr, "dcgan32_folder: %s\n", err.message);
    return fig_status_exit_code(err.status);
}
