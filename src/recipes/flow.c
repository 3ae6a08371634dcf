/* recipes/flow.c - flow matching along straight lines (Lipman et al. 2022; Liu et al. 2022, "rectified flow")
 *
 * A line leads from each noise to each example, and a network learns how fast to walk at every place and time:
 *
 *     x(t) = (1 - t) noise + t example,   0 <= t <= 1
 *     loss = | network(x(t), t, class) - (example - noise) |^2, averaged over the elements
 *
 * With coupling=nearest the lines of a batch lead from each noise to an example near it (minibatch couplings, Pooladian et al. 2023, Tong
 * et al. 2023; here greedy), so that they cross less and few steps are enough.
 *
 * The answer is the mean velocity of all lines through x(t). Walking along it from fresh noise, with t from 0 to 1, ends at a sample
 * (recipes/solvers.c). */
#include "recipes/solvers.h"

typedef struct flow_options {
    fig__denoiser_options net;
    int time, coupling, sampler;
    double time_mean, time_spread;
    int64_t sample_steps;
} flow_options;
enum { COUPLING_INDEPENDENT, COUPLING_NEAREST };
enum { TIME_STRATIFIED, TIME_UNIFORM, TIME_LOGIT_NORMAL };

/* -- training --------------------------------------------------------------------------------------------------------- */

/* When to look, a time per row (B). logit_normal (Esser et al. 2024): more often in the middle, where the answer is hardest. */
static fig_node draw_times(const fig__denoiser *d, const flow_options *o)
{
    if (o->time != TIME_LOGIT_NORMAL)
        return fig__row_uniform(d, o->time == TIME_STRATIFIED);
    fig_node z = fig_normal(fig_model_graph(d->model), FIG_SHAPE(d->sample.dim[0]));
    return fig_sigmoid(fig_shift(fig_scale(z, (float)o->time_spread), (float)o->time_mean));
}

static fig_status declare_training(const fig__denoiser *d, const flow_options *o, fig_error *err)
{
    fig_node x = fig__denoiser_examples(d);                       /* (B, H, W, C) or (B, D) */
    fig_node noise = fig_normal(x.graph, d->sample);
    if (o->coupling == COUPLING_NEAREST)
        noise = fig__nearest_noise(x, noise);
    fig_node time = draw_times(d, o);                             /* (B) */
    fig_node way = fig_sub(x, noise);
    fig_node place = fig_add(noise, fig_mul(fig__per_sample(d, time), way));
    fig_node velocity = fig__denoise(d, place, time, fig__denoiser_labels(d));
    fig_node loss = fig__row_mean(fig_square(fig_sub(velocity, way))); /* (B) */
    return fig_model_phase(d->model, &(fig_phase){ .name = "velocity", .loss = loss }, err);
}

/* -- the record ------------------------------------------------------------------------------------------------------- */

static fig_status flow_request(const void *options, const fig_data_info *found, fig_data_request *request, fig_error *err)
{
    (void)err;
    fig__denoiser_request(&((const flow_options *)options)->net, found, request);
    return FIG_OK;
}

static fig_status flow_build(fig_model *model, const void *options, const fig_data_spec *data, fig_error *err)
{
    const flow_options *o = options;
    fig__denoiser d;
    FIG_TRY(fig__denoiser_open(&d, model, &o->net, data, err));
    if (o->coupling == COUPLING_NEAREST && d.classes) /* within a class, the noises near it are no longer N(0, 1) */
        return fig_fail(err, FIG_E_USAGE,
                        "coupling: nearest noises would tell the classes apart before sampling begins; set condition=none");
    if (fig_model_purpose(model) == FIG_FOR_TRAINING)
        return declare_training(&d, o, err);
    if (fig_model_purpose(model) == FIG_FOR_SAMPLING) {
        fig__solve_flow(&d, o->sampler, (int)o->sample_steps); /* the first is the default */
        fig__solve_flow(&d, o->sampler == FIG__EULER ? FIG__HEUN : FIG__EULER, (int)o->sample_steps);
    }
    return FIG_OK;
}

static char *flow_advise(const void *options, const fig_data_spec *data)
{
    const flow_options *o = options;
    fig__text out;
    fig__text_init(&out, 4096);
    fig__denoiser_advise(&o->net, data, &out);
    if (o->sampler == FIG__EULER && o->sample_steps < 8)
        fig__text_print(&out, "%lld Euler steps leave samples blurred; 20 to 50 do well, or sampler=heun\n", (long long)o->sample_steps);
    return out.data;
}

#define AT(field) offsetof(flow_options, field)
static const fig_option flow_option_table[] = {
    FIG__DENOISER_ROWS(flow_options, net),
    { "time", FIG_CHOICE, AT(time), TIME_STRATIFIED, 0, 0,
      "where on the lines training looks: uniform, in each batch one time from each of equal parts (stratified), or mostly in the middle",
      .choices = "stratified uniform logit_normal" },
    { "time_mean", FIG_FLOAT, AT(time_mean), 0, -10, 10, "logit_normal: mean of the normal number" },
    { "time_spread", FIG_FLOAT, AT(time_spread), 1, 0.01, 10, "logit_normal: its deviation" },
    { "coupling", FIG_CHOICE, AT(coupling), COUPLING_INDEPENDENT, 0, 0,
      "which noise a line begins at: any, or the nearest that is left in the batch, which straightens the ways; not with classes",
      .choices = "independent nearest" },
    { "sampler", FIG_CHOICE, AT(sampler), FIG__EULER, 0, 0, "how samples walk; heun looks twice a step", .choices = FIG__FLOW_SAMPLERS,
      .sampling = true },
    { "sample_steps", FIG_INT, AT(sample_steps), 30, 1, FIG__MOST_STEPS, "steps from noise to a sample", .sampling = true },
    { 0 },
};

#define STEADY "warmup=200 schedule=cosine lr_end=0.02 clip=1 ema=0.9995 "
#define USUAL "batch=64 lr=1e-3 " STEADY
/* Of the same pictures twice as many steps: on Fashion-MNIST nearer after the same time (docs/results.md). */
#define SMALLER "batch=32 lr=2e-3 " STEADY
static const fig_preset flow_presets[] = {
    /* clang-format off */
    { .name = "pictures",
      .summary = "grey pictures of 28 pixels, of a class if they have classes: 640,000 looked at, 0.43 GFLOP each",
      .settings = "stem=2 width=32 levels=1,2 blocks=2 " USUAL "steps=10000 sample_rows=10 sample_columns=10",
      .data_kinds = FIG_DATA_IMAGES, .data = "mnist" },
    { .name = "points",
      .summary = "points in the plane: 31 million looked at, 26 TFLOP",
      .settings = "hidden=256,256,256 batch=512 lr=2e-3 warmup=100 schedule=cosine lr_end=0.01 ema=0.999 steps=60000 "
                  "sample_steps=100 sample_rows=25 sample_columns=40",
      .data_kinds = FIG_DATA_POINTS, .data = "synthetic:ring8" },
    { .name = "dit",
      .summary = "the same pictures through a small Transformer: 0.5 GFLOP each",
      .settings = "body=dit patch=4 width=128 depth=8 heads=4 " USUAL "steps=10000 sample_rows=10 sample_columns=10",
      .data = "mnist" },
    { .name = "folder-32",
      .summary = "colour pictures of 32 pixels: 576,000 looked at, 1.6 GFLOP each",
      .settings = "size=32 channels=3 stem=2 width=48 levels=1,2,3 blocks=2 test=0.1 " SMALLER
                  "steps=18000 sample_rows=10 sample_columns=10",
      .data = "a picture folder" },
    { .name = "folder-64",
      .summary = "colour pictures of 64 pixels: 537,600 looked at, 1.9 GFLOP each",
      .settings = "size=64 channels=3 stem=2 width=32 levels=1,2,3 blocks=1 test=0.1 " SMALLER "steps=16800",
      .data = "a picture folder" },
    /* clang-format on */
    { 0 },
};

const fig_recipe fig_recipe_flow = {
    .name = "flow",
    .summary = "flow matching along straight lines from noise to data",
    .paper = "Lipman et al. 2022, arXiv 2210.02747; Liu et al. 2022, arXiv 2209.03003",
    .help = "A network learns how fast to walk from noise to data, and samples are made by walking in some dozens of steps. One loss "
            "that falls steadily, no adversary: slower to sample than a GAN, easier to train, and no picture is left out. Pictures "
            "of a class when the data have classes, with guidance; points in the plane.",
    .data_kinds = FIG_DATA_IMAGES | FIG_DATA_POINTS,
    .options = flow_option_table,
    .options_size = sizeof(flow_options),
    .presets = flow_presets,
    .request = flow_request,
    .build = flow_build,
    .advise = flow_advise,
    .networks = "denoiser",
};
