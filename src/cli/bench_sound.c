/* cli/bench_sound.c - WaveNet (van den Oord et al. 2016): a recipe of the bench's own, made of the library's layers
 *
 *     wavenet            2 stacks of 10 gated layers, dilations 1 to 512, 64 channels, 256 for the skip connections, 256 mu-law
 *                        levels; a training step on 4 sequences of 8192 samples
 *     wavenet_generate   one sample of one sequence, earlier inputs in the layers' rings */
#include "cli/bench.h"

enum { LEVELS = 256, CHANNELS = 64, SKIP = 256, LAYERS = 20, STACK = 10, SAMPLES = 8192, NO_END = 1 << 30 };

static fig_status request_levels(const void *options, const fig_data_info *found, fig_data_request *request, fig_error *err)
{
    (void)options, (void)found, (void)err;
    request->kinds = FIG_DATA_TEXT;
    request->tokenizer = "byte";
    request->context = SAMPLES;
    return FIG_OK;
}

/* levels i32 (B, T) -> logits (B, T, 256); position: of one step, else FIG_NONE */
static fig_node predict(fig_node levels, fig_node position)
{
    static const fig_init normal = { .kind = FIG_INIT_NORMAL, .a = 1 };
    fig_graph *g = levels.graph;
    fig_node inside[LAYERS];
    fig_scope_push(g, "net");
    fig_node x = fig_embedding(levels, LEVELS, CHANNELS, &(fig_embedding_opts){ .init = normal }); /* (B, T, 64) */
    for (int i = 0; i < LAYERS; i++)
        x = fig_gated_layer(x, &(fig_gated_opts){ .dilation = 1 << i % STACK, .position = position }, &inside[i]);
    x = fig_relu(fig_skip_sum(inside, LAYERS, SKIP, NULL)); /* (B, T, 256) */
    x = fig_relu(fig_conv1d(x, SKIP, 1, NULL));
    x = fig_conv1d(x, LEVELS, 1, NULL);
    fig_scope_pop(g);
    return x;
}

static fig_status wavenet_build(fig_model *model, const void *options, const fig_data_spec *data, fig_error *err)
{
    (void)options, (void)data;
    fig_graph *g = fig_model_graph(model);
    cli_bench_init_fan_in(model);
    if (fig_model_purpose(model) == FIG_FOR_SAMPLING) {
        fig_type row = { .dtype = FIG_I32, .rank = 1, .dim = { fig_model_batch(model) } };
        fig_node level = fig_input(g, "level", row), position = fig_input(g, "position", row);
        fig_node logits = fig_squeeze(predict(fig_expand(level, -1), position), 1); /* (B, 256) */
        fig_model_sampler(model, &(fig_sampler_decl){ .name = "sound",
                                                      .loop = FIG_LOOP_TOKEN,
                                                      .output = logits,
                                                      .token = level,
                                                      .position = position,
                                                      .length = NO_END });
        return FIG_OK;
    }
    fig_node window = fig_model_input(model, "tokens"); /* (B, T + 1) */
    fig_node logits = predict(fig_slice(window, 1, 0, SAMPLES, 1), FIG_NONE), next = fig_slice(window, 1, 1, SAMPLES, 1);
    return fig_model_phase(model, &(fig_phase){ .name = "cross_entropy", .loss = fig_cross_entropy(logits, next),
                                                .mask = fig_greater_equal(next, fig_constant_i32(g, 0)), .settings = "lr=1e-3" }, err);
}

static const fig_preset wavenet_presets[] = {
    { .name = "wavenet", .summary = "4 sequences of 8192 samples", .settings = "batch=4 steps=100", .data_kinds = FIG_DATA_TEXT },
    { 0 },
};
static const fig_recipe wavenet = {
    .name = "wavenet",
    .summary = "sample by sample model of sound",
    .data_kinds = FIG_DATA_TEXT,
    .options = cli_bench_no_options,
    .options_size = sizeof(int),
    .presets = wavenet_presets,
    .request = request_levels,
    .build = wavenet_build,
    .networks = "net",
};

const fig_workload fig_workload_wavenet = {
    .name = "wavenet", .summary = "WaveNet, 20 layers, 4 x 8192 samples", .run = cli_bench_training,
    .recipe = &wavenet, .data = "random:tokens:256", .batch = 4, .items = SAMPLES,
};
const fig_workload fig_workload_wavenet_generate = {
    .name = "wavenet_generate", .summary = "one sample of wavenet, queue-cached", .run = cli_bench_sampling,
    .recipe = &wavenet, .preset = "wavenet", .data = "random:tokens:256", .batch = 1, .items = 1, .length = 500,
};
