/* cli/bench_classifiers.c - workloads that name what a picture shows: recipes of the bench's own, made of the library's layers
 *
 *     mnist_cnn    two convolutions of 32, max pooling, a hidden layer of 128, dropout, at 28x28x1, batch 64: the shape of a
 *                  widely used C library's example, for comparing with it
 *     separable    depthwise-separable blocks (Howard et al. 2017) at 32x32x3, batch 64 */
#include "cli/bench.h"

/* x (B, features) -> the phase of a classifier */
static fig_status classify(fig_model *model, fig_node x, const fig_data_spec *data, fig_error *err)
{
    fig_node logits = fig_linear(x, data->classes, NULL); /* (B, classes) */
    fig_node loss = fig_cross_entropy(logits, fig_model_input(model, "label"));
    return fig_model_phase(model, &(fig_phase){ .name = "classes", .loss = loss }, err);
}

/* -- mnist_cnn ----------------------------------------------------------------------------------------------------------- */

static fig_status mnist_cnn_build(fig_model *model, const void *options, const fig_data_spec *data, fig_error *err)
{
    (void)options;
    cli_bench_init_fan_in(model);
    fig_node x = fig_model_input(model, "image");              /* (B, 28, 28, 1) */
    fig_node h = fig_relu(fig_conv2d(x, 32, 3, NULL));         /* (B, 26, 26, 32) */
    h = fig_relu(fig_conv2d(h, 32, 3, NULL));                  /* (B, 24, 24, 32) */
    h = fig_max_pool(h, &(fig_pool_opts){ .size = { 2, 2 } }); /* (B, 12, 12, 32) */
    h = fig_flatten(fig_dropout(h, 0.2f));                     /* (B, 4608) */
    h = fig_dropout(fig_relu(fig_linear(h, 128, NULL)), 0.2f); /* (B, 128) */
    return classify(model, h, data, err);
}

static const fig_preset mnist_cnn_presets[] = {
    { .name = "mnist_cnn",
      .summary = "28x28x1, batch 64",
      .settings = "batch=64 steps=100 optimizer=rmsprop lr=1e-3",
      .data_kinds = FIG_DATA_IMAGES },
    { 0 },
};
static const fig_recipe mnist_cnn = {
    .name = "mnist_cnn",
    .summary = "small convolutional classifier",
    .data_kinds = FIG_DATA_IMAGES,
    .options = cli_bench_no_options,
    .options_size = sizeof(int),
    .presets = mnist_cnn_presets,
    .request = cli_bench_request_pictures,
    .build = mnist_cnn_build,
};

/* -- separable ----------------------------------------------------------------------------------------------------------- */

static fig_node settle(fig_node x) { return fig_relu(fig_batch_norm(x, NULL)); }
static fig_node convolve(fig_node x, int64_t channels, int kernel, int stride, int groups)
{
    return fig_conv2d(
        x, channels, kernel,
        &(fig_conv_layer_opts){ .stride = stride, .groups = groups, .padding = kernel / 2, .no_bias = true });
}

static fig_status separable_build(fig_model *model, const void *options, const fig_data_spec *data, fig_error *err)
{
    static const struct {
        int width, stride;
    } blocks[] = { { 64, 1 }, { 128, 2 }, { 128, 1 }, { 256, 2 }, { 256, 1 }, { 256, 1 } };
    (void)options;
    cli_bench_init_fan_in(model);
    fig_node x = fig_model_input(model, "image");  /* (B, H, W, C) */
    fig_node h = settle(convolve(x, 32, 3, 1, 1)); /* (B, H, W, 32) */
    for (size_t i = 0; i < sizeof blocks / sizeof *blocks; i++) {
        h = settle(convolve(h, fig_dim(h, -1), 3, blocks[i].stride, (int)fig_dim(h, -1)));
        h = settle(convolve(h, blocks[i].width, 1, 1, 1));
    }
    h = fig_mean(h, &(fig_reduce_opts){ .axes = 2 | 4 }); /* (B, 256) */
    return classify(model, h, data, err);
}

static const fig_preset separable_presets[] = {
    { .name = "separable",
      .summary = "32x32x3, batch 64",
      .settings = "batch=64 steps=100",
      .data_kinds = FIG_DATA_IMAGES },
    { 0 },
};
static const fig_recipe separable = {
    .name = "separable",
    .summary = "depthwise-separable classifier",
    .data_kinds = FIG_DATA_IMAGES,
    .options = cli_bench_no_options,
    .options_size = sizeof(int),
    .presets = separable_presets,
    .request = cli_bench_request_pictures,
    .build = separable_build,
};

/* -- workloads --------------------------------------------------------------------------------------------------------- */

const fig_workload fig_workload_mnist_cnn = {
    .name = "mnist_cnn",
    .summary = "small convolutional classifier, 28x28x1, batch 64",
    .run = cli_bench_training,
    .recipe = &mnist_cnn,
    .data = "random:28x28x1",
    .batch = 64,
    .items = 1,
};
const fig_workload fig_workload_separable = {
    .name = "separable",
    .summary = "depthwise-separable classifier, 32x32x3, batch 64",
    .run = cli_bench_training,
    .recipe = &separable,
    .data = "random:32x32x3",
    .batch = 64,
    .items = 1,
};
