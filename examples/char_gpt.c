/* char_gpt.c - a small GPT over the characters of any text
 *
 *     char_gpt TEXT [STEPS [FOLDER]]        e.g. char_gpt jargon 2000 run
 *
 * Training reads whole windows of characters. Writing takes one character per step: keys and values of the earlier ones stay in
 * states of the step graph, so both graphs share their weights by name and nothing else. */
#include <figment/figment.h>
#include <stdio.h>

enum { LAYERS = 4, HEADS = 4, WIDTH = 128, CONTEXT = 64 };
static const fig_init small = { .kind = FIG_INIT_NORMAL, .a = 0.02f };

/* tokens i32 (B, T) at positions i32 -> logits (B, T, V); a cached step says where each row is. */
static fig_node gpt(fig_node tokens, fig_node positions, int64_t vocabulary, fig_node cached_at)
{
    fig_node x = fig_embedding(tokens, vocabulary, WIDTH, &(fig_embedding_opts){ .label = "tokens" });
    x = fig_add(
        x, fig_embedding(positions, CONTEXT, WIDTH, &(fig_embedding_opts){ .label = "positions" })); /* (B, T, C) */
    for (int i = 0; i < LAYERS; i++)
        x = fig_transformer_block(x, &(fig_block_opts){ .attention = { .heads = HEADS,
                                                                       .causal = true,
                                                                       .cache = fig_is_none(cached_at) ? 0 : CONTEXT,
                                                                       .position = cached_at },
                                                        .no_bias = true,
                                                        .init = small,
                                                        .out_init = small });
    x = fig_layer_norm(x, &(fig_norm_opts){ .no_bias = true, .label = "norm" });
    return fig_linear(x, vocabulary, &(fig_linear_opts){ .no_bias = true, .init = small, .label = "logits" });
}

static fig_status build(fig_model *m, const void *options, const fig_data_spec *data, fig_error *err)
{
    fig_graph *g = fig_model_graph(m);
    (void)options;
    fig_type row = { .dtype = FIG_I32, .rank = 1, .dim = { fig_model_batch(m) } },
             line = { .dtype = FIG_I32, .rank = 1, .dim = { CONTEXT } };
    if (fig_model_purpose(m) == FIG_FOR_SAMPLING) {
        fig_node token = fig_input(g, "token", row), position = fig_input(g, "position", row);
        fig_node logits =
            gpt(fig_expand(token, -1), fig_expand(position, -1), data->vocabulary, position); /* (B, 1, V) */
        fig_model_sampler(m, &(fig_sampler_decl){ .name = "text",
                                                  .loop = FIG_LOOP_TOKEN,
                                                  .output = fig_squeeze(logits, 1),
                                                  .token = token,
                                                  .position = position,
                                                  .length = CONTEXT });
        return FIG_OK;
    }
    fig_node window = fig_model_input(m, "tokens"); /* (B, T + 1) */
    fig_node logits = gpt(fig_slice(window, 1, 0, CONTEXT, 1), fig_iota(g, line, 0), data->vocabulary, FIG_NONE);
    fig_node nats = fig_cross_entropy(logits, fig_slice(window, 1, 1, CONTEXT, 1)); /* (B, T) */
    if (fig_model_purpose(m) == FIG_FOR_TRAINING)
        return fig_model_phase(m, &(fig_phase){ .name = "cross_entropy", .loss = nats }, err);
    fig_model_metric(m, &(fig_metric_decl){ .name = "cross_entropy",
                                            .value = nats,
                                            .unit = "nats/token",
                                            .protocol = "windows=context",
                                            .derive = "perplexity bits_per_byte" });
    return FIG_OK;
}

static fig_status request(const void *options, const fig_data_info *found, fig_data_request *request, fig_error *err)
{
    (void)options, (void)found, (void)err;
    *request = (fig_data_request){ .kinds = FIG_DATA_TEXT, .tokenizer = "char", .context = CONTEXT, .validation = 0.1 };
    return FIG_OK;
}

static const fig_option no_options[] = { { 0 } };
static const fig_preset presets[] = {
    { "text", "any text",
      "optimizer=adamw lr=3e-3 beta2=0.99 weight_decay=0.1 clip=1 batch=12 warmup=100 schedule=cosine lr_end=0.02",
      FIG_DATA_TEXT },
    { 0 },
};
static const fig_recipe char_gpt = {
    .name = "char-gpt",
    .summary = "GPT over characters",
    .data_kinds = FIG_DATA_TEXT,
    .options = no_options,
    .options_size = 1,
    .presets = presets,
    .request = request,
    .build = build,
    .log_line = "step {step}: {loss.cross_entropy:.3f} nats per character",
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
    snprintf(steps, sizeof steps, "steps=%s", argc > 2 ? argv[2] : "2000");
    fig_train_opts opts = { .recipe = &char_gpt,
                            .data = (const char *[]){ argc > 1 ? argv[1] : "jargon", NULL },
                            .output = argc > 3 ? argv[3] : "run",
                            .settings = (const char *[]){ steps, NULL } };
    fig_error err = { 0 };
    if (fig_train(NULL, &opts, show, NULL, &err) != FIG_OK)
        fprintf(stderr, "char_gpt: %s\n", err.message);
    return fig_status_exit_code(err.status);
}
