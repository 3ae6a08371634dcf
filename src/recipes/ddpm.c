/* recipes/ddpm.c - denoising diffusion (Ho et al. 2020)
 *
 * An example is drowned in noise little by little, and a network learns to see what it was:
 *
 *     x(t) = signal(t) example + noise(t) e,   e ~ N(0, 1),  t one of T times
 *     loss = weight(t) | network(x(t), t, class) - target |^2, averaged over the elements
 *
 * The target is the noise e, the example itself, or the velocity signal e - noise example between the two (Salimans and Ho 2022), which
 * is well behaved at every t. min_snr (Hang et al. 2023) bounds how much the nearly clean times count: with r = signal^2 / noise^2, the
 * loss on the example has weight min(r, limit), whatever the network's target is. Sampling goes back from noise; see
 * recipes/solvers.c and recipes/noise_schedule.c. */
#include "recipes/solvers.h"
#include <math.h>
#include <stdlib.h>

typedef struct ddpm_options {
    fig__denoiser_options net;
    int noise, predict, weighting, time, sampler;
    int64_t times, sample_steps;
    double snr_limit, eta;
    bool clip_samples;
} ddpm_options;
enum { WEIGHT_NONE, WEIGHT_MIN_SNR };

/* -- training --------------------------------------------------------------------------------------------------------- */

/* Weight of a time's loss on what is predicted. */
static double weight_at(const ddpm_options *o, double signal, double noise)
{
    double ratio = signal * signal / (noise * noise);
    if (o->weighting == WEIGHT_NONE)
        return 1;
    double bounded = fmin(ratio, o->snr_limit);
    return o->predict == FIG__PREDICT_SAMPLE ? bounded : bounded / (o->predict == FIG__PREDICT_NOISE ? ratio : ratio + 1);
}

/* signal, noise and weight of each row's time (B), by table. */
static void look_up(const ddpm_options *o, const fig__noise_schedule *s, fig_node time, fig_node out[3])
{
    float table[3][FIG__MOST_TIMES];
    for (int t = 0; t < s->times; t++) {
        table[0][t] = (float)s->signal[t];
        table[1][t] = (float)s->noise[t];
        table[2][t] = (float)weight_at(o, s->signal[t], s->noise[t]);
    }
    for (int i = 0; i < 3; i++)
        out[i] = fig_gather(fig_constant_data(time.graph, FIG_SHAPE(s->times), table[i]), time);
}

static fig_node target_of(int predict, fig_node x, fig_node e, fig_node signal, fig_node noise)
{
    if (predict == FIG__PREDICT_NOISE)
        return e;
    return predict == FIG__PREDICT_SAMPLE ? x : fig_sub(fig_mul(signal, e), fig_mul(noise, x));
}

static fig_status declare_training(const fig__denoiser *d, const ddpm_options *o, const fig__noise_schedule *s, fig_error *err)
{
    fig_node x = fig__denoiser_examples(d); /* (B, H, W, C) or (B, D) */
    fig_node time = fig_floor(fig_scale(fig__row_uniform(d, o->time == 0), (float)s->times)), at[3]; /* (B) each */
    look_up(o, s, fig_cast(time, FIG_I32), at);
    fig_node signal = fig__per_sample(d, at[0]), noise = fig__per_sample(d, at[1]);
    fig_node e = fig_normal(x.graph, d->sample);
    fig_node noisy = fig_add(fig_mul(signal, x), fig_mul(noise, e));
    fig_node guess = fig__denoise(d, noisy, fig_scale(time, 1.0f / (float)s->times), fig__denoiser_labels(d));
    fig_node loss = fig__row_mean(fig_square(fig_sub(guess, target_of(o->predict, x, e, signal, noise)))); /* (B) */
    if (o->weighting != WEIGHT_NONE)
        loss = fig_mul(at[2], loss);
    return fig_model_phase(d->model, &(fig_phase){ .name = "denoise", .loss = loss }, err);
}

/* -- the record ------------------------------------------------------------------------------------------------------- */

static void declare_samplers(const fig__denoiser *d, const ddpm_options *o, const fig__noise_schedule *s)
{
    enum { KINDS = FIG__DPM + 1 };
    int count = (int)(o->sample_steps < s->times ? o->sample_steps : s->times);
    fig__diffusion how = { .schedule = s, .predict = o->predict, .eta = o->eta, .clip = o->clip_samples };
    for (int i = 0; i < KINDS; i++)
        fig__solve_diffusion(d, &how, (o->sampler + i) % KINDS, count); /* the first is the default */
}

static fig_status ddpm_request(const void *options, const fig_data_info *found, fig_data_request *request, fig_error *err)
{
    (void)err;
    fig__denoiser_request(&((const ddpm_options *)options)->net, found, request);
    return FIG_OK;
}

static fig_status ddpm_build(fig_model *model, const void *options, const fig_data_spec *data, fig_error *err)
{
    const ddpm_options *o = options;
    fig__denoiser d;
    FIG_TRY(fig__denoiser_open(&d, model, &o->net, data, err));
    fig__noise_schedule *s = fig__alloc(sizeof *s);
    fig__noise_schedule_fill(s, o->noise, (int)o->times);
    fig_status status = FIG_OK;
    if (fig_model_purpose(model) == FIG_FOR_TRAINING)
        status = declare_training(&d, o, s, err);
    if (fig_model_purpose(model) == FIG_FOR_SAMPLING)
        declare_samplers(&d, o, s);
    free(s);
    return status;
}

static char *ddpm_advise(const void *options, const fig_data_spec *data)
{
    const ddpm_options *o = options;
    fig__text out;
    fig__text_init(&out, 4096);
    fig__denoiser_advise(&o->net, data, &out);
    if (o->sampler == FIG__ANCESTRAL && o->sample_steps < 100)
        fig__text_print(&out, "%lld ancestral steps leave samples rough; 250 to 1000 do well, or sampler=dpm++\n",
                        (long long)o->sample_steps);
    if (o->predict == FIG__PREDICT_NOISE && o->noise == FIG__NOISE_COSINE)
        fig__text_print(&out, "with noise=cosine hardly any signal is left at the last times, where a guess of the noise says little of "
                              "the example; set predict=velocity\n");
    return out.data;
}

#define AT(field) offsetof(ddpm_options, field)
static const fig_option ddpm_option_table[] = {
    FIG__DENOISER_ROWS(ddpm_options, net),
    { "times", FIG_INT, AT(times), 1000, 10, FIG__MOST_TIMES, "how many times there are between clean and drowned" },
    { "noise", FIG_CHOICE, AT(noise), FIG__NOISE_LINEAR, 0, 0, "how the noise grows over them", .choices = FIG__NOISE_CHOICES },
    { "predict", FIG_CHOICE, AT(predict), FIG__PREDICT_NOISE, 0, 0, "what the network is asked for", .choices = FIG__PREDICT_CHOICES },
    { "weighting", FIG_CHOICE, AT(weighting), WEIGHT_NONE, 0, 0, "how much each time's loss counts", .choices = "none min_snr" },
    { "snr_limit", FIG_FLOAT, AT(snr_limit), 5, 0.01, 1e4, "min_snr: largest weight of the loss on the example" },
    { "time", FIG_CHOICE, AT(time), 0, 0, 0, "how training draws times; stratified: in each batch one from each of equal parts",
      .choices = "stratified uniform" },
    { "sampler", FIG_CHOICE, AT(sampler), FIG__DDIM, 0, 0, "how samples are made", .choices = FIG__DIFFUSION_SAMPLERS, .sampling = true },
    { "sample_steps", FIG_INT, AT(sample_steps), 50, 1, FIG__MOST_STEPS, "steps from noise to a sample, at most as many as times",
      .sampling = true },
    { "eta", FIG_FLOAT, AT(eta), 0, 0, 1, "ddim: share of fresh noise in a step (0 = none, 1 = as ancestral)", .sampling = true },
    { "clip_samples", FIG_BOOL, AT(clip_samples), 1, 0, 0, "keep guesses of a picture within its range in every step of sampling",
      .sampling = true },
    { 0 },
};

#define USUAL "batch=64 lr=1e-3 warmup=200 schedule=cosine lr_end=0.02 clip=1 ema=0.9995 "
#define MODERN "noise=cosine predict=velocity sampler=dpm++ sample_steps=20 "
static const fig_preset ddpm_presets[] = {
    /* clang-format off */
    { .name = "pictures",
      .summary = "grey pictures of 28 pixels, of a class if they have classes: 640,000 looked at, 0.43 GFLOP each",
      .settings = MODERN "stem=2 width=32 levels=1,2 blocks=2 " USUAL "steps=10000 sample_rows=10 sample_columns=10",
      .data_kinds = FIG_DATA_IMAGES, .data = "mnist" },
    { .name = "points",
      .summary = "points in the plane: 31 million looked at, 26 TFLOP",
      .settings = "noise=cosine predict=velocity sample_steps=100 hidden=256,256,256 batch=512 lr=2e-3 warmup=100 schedule=cosine "
                  "lr_end=0.01 ema=0.999 steps=60000 sample_rows=25 sample_columns=40",
      .data_kinds = FIG_DATA_POINTS, .data = "synthetic:ring8" },
    { .name = "classic",
      .summary = "linear schedule, noise prediction and 1000 ancestral steps as in the paper: 640,000 looked at, 1.9 GFLOP each",
      .settings = "noise=linear predict=noise sampler=ancestral sample_steps=1000 width=32 levels=1,2,2 blocks=2 attention=16 "
                  "batch=64 lr=2e-4 clip=1 ema=0.999 steps=10000 sample_every=5000",
      .data = "fashion-mnist" },
    { .name = "dit",
      .summary = "the same pictures through a small Transformer: 0.5 GFLOP each",
      .settings = MODERN "body=dit patch=4 width=128 depth=8 heads=4 " USUAL "steps=10000 sample_rows=10 sample_columns=10",
      .data = "mnist" },
    { .name = "folder-32",
      .summary = "colour pictures of 32 pixels: 576,000 looked at, 1.6 GFLOP each",
      .settings = MODERN "size=32 channels=3 stem=2 width=48 levels=1,2,3 blocks=2 " USUAL "steps=9000 sample_rows=10 sample_columns=10",
      .data = "a picture folder" },
    { .name = "folder-64",
      .summary = "colour pictures of 64 pixels: 537,600 looked at, 1.9 GFLOP each",
      .settings = MODERN "size=64 channels=3 stem=2 width=32 levels=1,2,3 blocks=1 " USUAL "steps=8400",
      .data = "a picture folder" },
    /* clang-format on */
    { 0 },
};

const fig_recipe fig_recipe_ddpm = {
    .name = "ddpm",
    .summary = "denoising diffusion: noise is taken away step by step",
    .paper = "Ho et al. 2020, arXiv 2006.11239; Song et al. 2020, arXiv 2010.02502; Lu et al. 2022, arXiv 2211.01095",
    .help = "A network learns to see an example through any amount of noise; sampling begins with noise alone and cleans it step by "
            "step. Three targets, two schedules, three samplers that share one network. Steady to train and faithful to the data; "
            "pictures of a class when the data have classes, with guidance; points in the plane.",
    .data_kinds = FIG_DATA_IMAGES | FIG_DATA_POINTS,
    .options = ddpm_option_table,
    .options_size = sizeof(ddpm_options),
    .presets = ddpm_presets,
    .request = ddpm_request,
    .build = ddpm_build,
    .advise = ddpm_advise,
    .networks = "denoiser",
};
