/* cli/bench_pictures.c - workloads of picture translation and diffusion: recipes of the bench's own, made of the library's layers
 *
 *     cyclegan     Zhu et al. 2017 at 64x64, batch 1: two generators of 6 residual blocks, two patch critics; least squares, cycle (10)
 *                  and identity (5) losses. Both players see the fakes of one moment, as the original program does.
 *     ddpm_unet    Ho et al. 2020 at 32x32x3, batch 32: predict the noise at a random time of 1000
 *
 * All go through the trainer as any recipe would. ddpm_unet_generate and ddpm_unet_denoise are one step of the sampler: forward only. */
#include "cli/bench.h"
#include <math.h>

/* -- cyclegan -------------------------------------------------------------------------------------------------------- */

static fig_node translate(fig_node x, const char *name)
{
    return fig_resnet_generator(x, &(fig_resnet_generator_opts){ .label = name });
}
static fig_node judge(fig_node x, const char *name)
{
    return fig_patch_critic(x, &(fig_patch_critic_opts){ .label = name });
}

static fig_node row_mean(fig_node x) /* (B, ...) -> (B) */
{
    fig_type type = fig_type_of(x);
    return fig_scale(fig_sum_rows(x), (float)type.dim[0] / (float)fig_elements(&type));
}
static fig_node absolute_error(fig_node a, fig_node b) { return row_mean(fig_abs(fig_sub(a, b))); }
static fig_node taken_for(fig_node logits, float goal) { return row_mean(fig_square(fig_shift(logits, -goal))); }
static fig_node half(fig_node x, int64_t which)
{
    int64_t rows = fig_dim(x, 0) / 2;
    return fig_slice(x, 0, which * rows, rows, 1);
}

static fig_status cyclegan_build(fig_model *model, const void *options, const fig_data_spec *data, fig_error *err)
{
    (void)options, (void)data;
    cli_bench_init_fan_in(model);
    fig_node a = fig_model_input(model, "image");
    fig_node b = fig_model_input_declare(model, &(fig_input_decl){ .name = "other", .field = "image", .data = "b" });
    /* Each generator sees both kinds of pictures at once: one to translate, one to leave as it is. */
    fig_node to_b = translate(fig_concat((fig_node[]){ a, b }, 2, 0), "generator_b"); /* (2B, H, W, C) */
    fig_node to_a = translate(fig_concat((fig_node[]){ b, a }, 2, 0), "generator_a");
    fig_node fake_b = half(to_b, 0), fake_a = half(to_a, 0), same_b = half(to_b, 1), same_a = half(to_a, 1);
    fig_node back_a = translate(fake_b, "generator_a"), back_b = translate(fake_a, "generator_b");
    fig_node on_fake_b = judge(fake_b, "critic_b"), on_fake_a = judge(fake_a, "critic_a"); /* (B, h, w, 1) */

    fig_node fooled = fig_add(taken_for(on_fake_b, 1), taken_for(on_fake_a, 1));
    fig_node cycle = fig_add(absolute_error(back_a, a), absolute_error(back_b, b));
    fig_node same = fig_add(absolute_error(same_b, b), absolute_error(same_a, a));
    FIG_TRY(fig_model_phase(model,
                            &(fig_phase){ .name = "generators",
                                          .loss = fig_add(fooled, fig_add(fig_scale(cycle, 10), fig_scale(same, 5))),
                                          .trains = "generator_a generator_b",
                                          .simultaneous = true,
                                          .settings = "lr=2e-4 beta1=0.5" },
                            err));
    fig_node real = fig_add(taken_for(judge(b, "critic_b"), 1), taken_for(judge(a, "critic_a"), 1));
    fig_node fake = fig_add(taken_for(on_fake_b, 0), taken_for(on_fake_a, 0));
    return fig_model_phase(model,
                           &(fig_phase){ .name = "critics",
                                         .loss = fig_scale(fig_add(real, fake), 0.5f),
                                         .trains = "critic_a critic_b",
                                         .settings = "lr=2e-4 beta1=0.5" },
                           err);
}

static const fig_preset cyclegan_presets[] = {
    { .name = "cyclegan",
      .summary = "64x64x3, batch 1",
      .settings = "batch=1 steps=100",
      .data_kinds = FIG_DATA_IMAGES },
    { 0 },
};
static const fig_recipe cyclegan = {
    .name = "cyclegan",
    .summary = "picture translation without pairs",
    .data_kinds = FIG_DATA_IMAGES,
    .options = cli_bench_no_options,
    .options_size = sizeof(int),
    .presets = cyclegan_presets,
    .request = cli_bench_request_pictures,
    .build = cyclegan_build,
    .networks = "generator_a generator_b critic_a critic_b",
};

/* -- ddpm_unet --------------------------------------------------------------------------------------------------------- */

#define TIMES 1000

/* Share of the picture's variance that is left at each time, for noise from 1e-4 to 0.02. */
static fig_node shares_left(fig_graph *g)
{
    float left[TIMES];
    double product = 1;
    for (int i = 0; i < TIMES; i++) {
        product *= 1 - (1e-4 + (0.02 - 1e-4) * i / (TIMES - 1));
        left[i] = (float)product;
    }
    return fig_constant_data(g, FIG_SHAPE(TIMES), left);
}

static fig_status train_ddpm(fig_model *model, fig_error *err)
{
    fig_graph *g = fig_model_graph(model);
    fig_node x = fig_model_input(model, "image"); /* (B, H, W, C) */
    int64_t batch = fig_model_batch(model);
    fig_node time = fig_cast(fig_floor(fig_scale(fig_uniform(g, FIG_SHAPE(batch)), TIMES)), FIG_I32);
    fig_node left = fig_reshape(fig_gather(shares_left(g), time), FIG_SHAPE(batch, 1, 1, 1));
    fig_node noise = fig_normal(g, fig_type_of(x));
    fig_node noisy = fig_add(fig_mul(fig_sqrt(left), x), fig_mul(fig_sqrt(fig_shift(fig_neg(left), 1)), noise));
    fig_node guess = fig_unet(noisy, fig_cast(time, FIG_F32), NULL);
    return fig_model_phase(model, &(fig_phase){ .name = "noise", .loss = row_mean(fig_square(fig_sub(guess, noise))) },
                           err);
}

/* One step of denoising: the picture is a state that goes from step to step. */
static void sample_ddpm(fig_model *model, const fig_data_spec *data)
{
    static const char *const names[] = { "time" };
    static const float table[] = { 500 };
    fig_graph *g = fig_model_graph(model);
    fig_type type = FIG_SHAPE(fig_model_batch(model), data->height, data->width, data->channels);
    fig_node x = fig_model_state(model, &(fig_state_decl){ .name = "picture",
                                                           .type = type,
                                                           .init = { FIG_INIT_NORMAL, 1, 0, 0, 0 },
                                                           .reset = FIG_RESET_SEQUENCE });
    fig_node time = fig_broadcast(fig_scalar(g, "time", 500), FIG_SHAPE(type.dim[0]));
    fig_node guess = fig_unet(x, time, NULL);
    fig_node next = fig_scale(fig_sub(x, fig_scale(guess, 0.1f)), 1.01f);
    next = fig_add(next, fig_scale(fig_normal(g, type), 0.1f));
    fig_assign(x, next);
    fig_model_sampler(model, &(fig_sampler_decl){ .name = "step",
                                                  .loop = FIG_LOOP_SCHEDULE,
                                                  .output = next,
                                                  .steps = 1,
                                                  .scalars = 1,
                                                  .scalar_names = names,
                                                  .table = table });
}

static fig_status ddpm_build(fig_model *model, const void *options, const fig_data_spec *data, fig_error *err)
{
    (void)options;
    cli_bench_init_fan_in(model);
    if (fig_model_purpose(model) == FIG_FOR_TRAINING)
        return train_ddpm(model, err);
    if (fig_model_purpose(model) == FIG_FOR_SAMPLING)
        sample_ddpm(model, data);
    return FIG_OK;
}

static const fig_preset ddpm_presets[] = {
    { .name = "ddpm_unet",
      .summary = "32x32x3, batch 32",
      .settings = "batch=32 steps=100 lr=2e-4 clip=1",
      .data_kinds = FIG_DATA_IMAGES },
    { 0 },
};
static const fig_recipe ddpm = {
    .name = "ddpm_unet",
    .summary = "diffusion with a U-Net",
    .data_kinds = FIG_DATA_IMAGES,
    .options = cli_bench_no_options,
    .options_size = sizeof(int),
    .presets = ddpm_presets,
    .request = cli_bench_request_pictures,
    .build = ddpm_build,
    .networks = "unet",
};

/* -- workloads --------------------------------------------------------------------------------------------------------- */

const fig_workload fig_workload_cyclegan = {
    .name = "cyclegan",
    .summary = "CycleGAN, 64x64x3, batch 1",
    .run = cli_bench_training,
    .recipe = &cyclegan,
    .data = "random:64x64x3",
    .batch = 1,
    .items = 1,
};
const fig_workload fig_workload_ddpm_unet = {
    .name = "ddpm_unet",
    .summary = "diffusion U-Net, 32x32x3, batch 32",
    .run = cli_bench_training,
    .recipe = &ddpm,
    .data = "random:32x32x3",
    .batch = 32,
    .items = 1,
};
const fig_workload fig_workload_ddpm_unet_denoise = {
    .name = "ddpm_unet_denoise",
    .summary = "one denoising step of ddpm_unet, batch 32",
    .run = cli_bench_sampling,
    .recipe = &ddpm,
    .preset = "ddpm_unet",
    .data = "random:32x32x3",
    .batch = 32,
    .items = 1,
};
const fig_workload fig_workload_ddpm_unet_generate = {
    .name = "ddpm_unet_generate",
    .summary = "one denoising step of one picture",
    .run = cli_bench_sampling,
    .recipe = &ddpm,
    .preset = "ddpm_unet",
    .data = "random:32x32x3",
    .batch = 1,
    .items = 1,
};
