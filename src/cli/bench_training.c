/* cli/bench_training.c - whole training steps of a recipe, and steps of its sampler, on random data and weights
 *
 * The records are presets of the recipes with the names and shapes of common PyTorch benchmarks: same layers, same batch, a whole
 * step (forward, backward, clipping, optimizer), through the trainer that `figment train` uses. A sampler's step is one call of
 * fig_sampler_next: a picture, a token, a denoising step. */
#include "cli/bench.h"
#include <stdlib.h>
#include <string.h>

const fig_option cli_bench_no_options[] = { { 0 } };

fig_status cli_bench_request_pictures(const void *options, const fig_data_info *found, fig_data_request *request, fig_error *err)
{
    (void)options, (void)found, (void)err;
    request->kinds = FIG_DATA_IMAGES;
    request->low = -1;
    request->high = 1;
    return FIG_OK;
}

void cli_bench_init_fan_in(fig_model *model)
{
    fig_init init = { .kind = FIG_INIT_UNIFORM_FAN_IN };
    fig_model_default_init(model, init, init);
}

/* Opens the workload's trainer. dry: only to have its weights. */
static fig_status open_trainer(const cli_bench_job *job, bool dry, fig_trainer **out, fig_error *err)
{
    const cli_bench_options *o = job->o;
    const fig_workload *w = job->w;
    const char *data[] = { o->data && !dry ? o->data : w->data, NULL }, *settings[FIG_MAX_WORDS + 4] = { NULL };
    char batch[32], precision[32], memory[64];
    int n = 0;
    snprintf(batch, sizeof batch, "batch=%lld", (long long)o->batch);
    snprintf(precision, sizeof precision, "precision=%.16s", o->precision);
    if (o->batch && !dry)
        settings[n++] = batch;
    if (!dry)
        settings[n++] = precision;
    snprintf(memory, sizeof memory, "memory_budget=%.40s", o->memory_budget ? o->memory_budget : "");
    if (o->memory_budget && !dry)
        settings[n++] = memory;
    for (int i = 0; !dry && job->set[i]; i++)
        settings[n++] = job->set[i];
    const char *own = w->preset ? w->preset : w->name;
    fig_train_opts opts = { .recipe = w->recipe ? w->recipe : fig_recipe_find(w->recipe_name),
                            .preset = o->preset ? o->preset : own,
                            .data = data,
                            .settings = settings,
                            .dry_run = dry,
                            .no_tune = o->no_tune,
                            .command = job->cli->command_line,
                            .message = cli_on_message,
                            .user = job->cli };
    return fig_trainer_new(job->session, &opts, out, err);
}

static fig_status train_step(void *user, fig_error *err)
{
    double seconds;
    return fig_trainer_bench(user, 0, 1, &seconds, err);
}

fig_status cli_bench_training(const cli_bench_job *job, cli_bench_result *out, fig_error *err)
{
    const cli_bench_options *o = job->o;
    fig_trainer *trainer = NULL;
    cli_bench_reset_peak();
    out->precision = o->precision;
    FIG_TRY(open_trainer(job, false, &trainer, err));
    fig_status status = cli_bench_time(o, o->seconds, train_step, trainer, out, err);
    out->startup = fig_trainer_startup(trainer, &out->tuning);
    if (status == FIG_OK) {
        fig_plan_info info = fig_trainer_plan_info(trainer);
        out->items = (double)(o->batch ? o->batch : job->w->batch) * job->w->items;
        cli_bench_take_memory(&info, out);
        out->kernels = o->tune ? fig_trainer_kernels(trainer) : NULL;
    }
    if (status == FIG_OK && o->profile) {
        char *profile = fig_trainer_profile(trainer, 5);
        fputs(profile ? profile : "", stderr);
        free(profile);
    }
    fig_trainer_free(trainer);
    return status;
}

/* -- sampling ------------------------------------------------------------------------------------------------------ */

typedef struct sampling {
    fig_trainer *trainer;
    fig_sample_opts opts;
    fig_sampler *sampler;
} sampling;

static fig_status sample_step(void *user, fig_error *err)
{
    sampling *s = user;
    bool finished = false;
    return fig_sampler_next(s->sampler, &finished, err);
}

/* Steps that make a token run with weights in the precision asked for; those that make a picture in f32. */
static fig_status choose_weights(const cli_bench_job *job, fig_weights *weights, cli_bench_result *out, fig_error *err)
{
    static const char *const names[] = { "f32", "bf16", "int8" };
    int found = -1;
    for (int i = 0; i < 3; i++)
        if (!strcmp(job->o->precision, names[i]))
            found = i;
    if (found < 0)
        return fig_fail(err, FIG_E_USAGE, "--precision: \"%.16s\", expected f32, bf16 or int8", job->o->precision);
    *weights = job->w->length ? (fig_weights)found : FIG_WEIGHTS_F32;
    out->precision = names[*weights];
    return FIG_OK;
}

fig_status cli_bench_sampling(const cli_bench_job *job, cli_bench_result *out, fig_error *err)
{
    const cli_bench_options *o = job->o;
    const fig_workload *w = job->w;
    int batch = o->batch ? (int)o->batch : w->batch;
    sampling s = { .opts = { .sampler = w->sampler,
                             .batch = batch,
                             .count = (int64_t)batch * (w->length ? CLI_BENCH_MOST_STEPS / w->length + 2 : CLI_BENCH_MOST_STEPS + 8),
                             .length = w->length,
                             .greedy = w->greedy,
                             .seed = 1 } };
    cli_bench_reset_peak();
    FIG_TRY(choose_weights(job, &s.opts.weights, out, err));
    double from = cli_bench_now();
    FIG_TRY(open_trainer(job, true, &s.trainer, err));
    fig_status status = fig_trainer_sampler(s.trainer, &s.opts, &s.sampler, err);
    out->startup = cli_bench_now() - from;
    if (status == FIG_OK)
        status = cli_bench_time(o, o->seconds, sample_step, &s, out, err);
    if (status == FIG_OK) {
        fig_plan_info info = fig_sampler_plan_info(s.sampler);
        out->items = batch;
        cli_bench_take_memory(&info, out);
    }
    if (status == FIG_OK && o->profile) {
        char *profile = fig_sampler_profile(s.sampler, 5);
        fputs(profile ? profile : "", stderr);
        free(profile);
    }
    fig_sampler_free(s.sampler);
    fig_trainer_free(s.trainer);
    return status;
}

/* -- workloads ----------------------------------------------------------------------------------------------------- */

const fig_workload fig_workload_mlp_gan = {
    .name = "mlp_gan",
    .summary = "MLP GAN, 28x28, batch 128",
    .run = cli_bench_training,
    .recipe_name = "gan",
    .data = "random:28x28x1",
    .batch = 128,
    .items = 1,
};
const fig_workload fig_workload_dcgan28 = {
    .name = "dcgan28",
    .summary = "DCGAN with 5x5 kernels, 28x28, batch 256",
    .run = cli_bench_training,
    .recipe_name = "dcgan",
    .data = "random:28x28x1",
    .batch = 256,
    .items = 1,
};
const fig_workload fig_workload_dcgan64 = {
    .name = "dcgan64",
    .summary = "DCGAN, 64x64x3, batch 64",
    .run = cli_bench_training,
    .recipe_name = "dcgan",
    .data = "random:64x64x3",
    .batch = 64,
    .items = 1,
};
const fig_workload fig_workload_vae_mlp = {
    .name = "vae_mlp",
    .summary = "MLP VAE, 28x28, batch 128",
    .run = cli_bench_training,
    .recipe_name = "vae",
    .data = "random:28x28x1",
    .batch = 128,
    .items = 1,
};
const fig_workload fig_workload_vae_conv = {
    .name = "vae_conv",
    .summary = "convolutional VAE, 32x32x3, batch 128",
    .run = cli_bench_training,
    .recipe_name = "vae",
    .data = "random:32x32x3",
    .batch = 128,
    .items = 1,
};
const fig_workload fig_workload_char_lstm = {
    .name = "char_lstm",
    .summary = "LSTM 2 x 512, 50 x 100 characters",
    .run = cli_bench_training,
    .recipe_name = "rnn",
    .data = "random:tokens:65",
    .batch = 50,
    .items = 100,
};
const fig_workload fig_workload_char_gru = {
    .name = "char_gru",
    .summary = "GRU 2 x 512, 50 x 100 characters",
    .run = cli_bench_training,
    .recipe_name = "rnn",
    .data = "random:tokens:65",
    .batch = 50,
    .items = 100,
};
const fig_workload fig_workload_gpt_nano_cpu = {
    .name = "gpt_nano_cpu",
    .summary = "GPT 4 x 128, 12 x 64 characters",
    .run = cli_bench_training,
    .recipe_name = "gpt",
    .data = "random:tokens:65",
    .batch = 12,
    .items = 64,
};
const fig_workload fig_workload_gpt_nano_full = {
    .name = "gpt_nano_full",
    .summary = "GPT 6 x 384, dropout, 64 x 256 characters",
    .run = cli_bench_training,
    .recipe_name = "gpt",
    .data = "random:tokens:65",
    .batch = 64,
    .items = 256,
};
const fig_workload fig_workload_gpt2_124m = {
    .name = "gpt2_124m",
    .summary = "GPT-2 of 124 M weights, 4 x 64 tokens",
    .run = cli_bench_training,
    .recipe_name = "gpt",
    .data = "random:tokens:50257",
    .batch = 4,
    .items = 64,
};
const fig_workload fig_workload_dcgan64_generate = {
    .name = "dcgan64_generate",
    .summary = "one picture of dcgan64's generator",
    .run = cli_bench_sampling,
    .recipe_name = "dcgan",
    .preset = "dcgan64",
    .data = "random:64x64x3",
    .batch = 1,
    .items = 1,
};
const fig_workload fig_workload_gpt_generate = {
    .name = "gpt_generate", .summary = "one character of gpt_nano_full, cached, greedy", .run = cli_bench_sampling,
    .recipe_name = "gpt", .preset = "gpt_nano_full", .data = "random:tokens:65", .batch = 1, .items = 1, .length = 255, .greedy = true,
};
const fig_workload fig_workload_gpt2_124m_generate = {
    .name = "gpt2_124m_generate", .summary = "one token of gpt2_124m, cached, greedy", .run = cli_bench_sampling,
    .recipe_name = "gpt", .preset = "gpt2_124m", .data = "random:tokens:50257", .batch = 1, .items = 1, .length = 255, .greedy = true,
};
