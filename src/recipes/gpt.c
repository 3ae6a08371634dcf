/* recipes/gpt.c - a decoder-only Transformer over characters or bytes (Radford et al. 2019)
 *
 *     tokens (B, T) -> token table + position table -> layers x block -> norm -> logits (B, T, V)
 *     loss per token = cross-entropy of the next one, in nats
 *
 * The last product shares the token table unless tie=no. Initial weights are N(0, 0.02^2), those that end a residual branch smaller by
 * sqrt(2 layers), so that the sum over layers keeps its scale. Sampling runs one token per row and step; keys and values of
 * earlier positions lie in states of the step graph. */
#include "recipes/settings.h"
#include <math.h>
#include <string.h>

typedef struct gpt_options {
    int tokens;
    int64_t layers, heads, width, context, positions, vocabulary;
    double dropout;
    bool bias, tie;
} gpt_options;

typedef struct gpt {
    const gpt_options *o;
    int64_t vocabulary, positions;
    int64_t cache;     /* 0 = whole sequences */
    fig_node position; /* i32 (B), cached steps only */
} gpt;

static const fig_init small = { .kind = FIG_INIT_NORMAL, .a = 0.02f };

/* tokens i32 (B, T), places i32 (B, T) or (T) -> logits (B, T, V) */
static fig_node predict(const gpt *n, fig_node tokens, fig_node places)
{
    const gpt_options *o = n->o;
    fig_graph *g = tokens.graph;
    float dropout = fig_is_training(g) ? (float)o->dropout : 0;
    fig_init out = { .kind = FIG_INIT_NORMAL, .a = (float)(0.02 / sqrt(2.0 * (double)o->layers)) };
    fig_scope_push(g, "decoder");
    fig_node table = fig_param(g, "tokens.weight", FIG_SHAPE(n->vocabulary, o->width), small);
    fig_node x = fig_gather(table, tokens);
    x = fig_add(x, fig_embedding(places, n->positions, o->width,
                                 &(fig_embedding_opts){ .init = small, .label = "positions" })); /* (B, T, C) */
    x = dropout > 0 ? fig_dropout(x, dropout) : x;
    for (int64_t i = 0; i < o->layers; i++)
        x = fig_transformer_block(
            x, &(fig_block_opts){
                   .attention = { .heads = (int)o->heads, .causal = true, .cache = n->cache, .position = n->position },
                   .dropout = (float)o->dropout,
                   .no_bias = !o->bias,
                   .init = small,
                   .out_init = out });
    x = fig_layer_norm(x, &(fig_norm_opts){ .label = "norm", .no_bias = !o->bias });
    fig_node rows = fig_reshape(x, FIG_SHAPE(-1, o->width)); /* (B T, C) */
    if (!o->tie)
        table = fig_param(g, "logits.weight", FIG_SHAPE(n->vocabulary, o->width), small);
    fig_node logits = fig_matmul(rows, table, &(fig_matmul_opts){ .transpose_b = true });
    fig_scope_pop(g);
    return fig_reshape(logits, FIG_SHAPE(fig_dim(x, 0), fig_dim(x, 1), n->vocabulary));
}

/* Nats per token (B, T) of windows (B, T + 1): each token is predicted from those before it in its window. mask (B, T) is
 * 0 where the window reaches past the end of the text. */
static fig_node next_token_loss(const gpt *n, fig_node window, fig_node *mask)
{
    int64_t t = fig_dim(window, 1) - 1;
    fig_type places = { .dtype = FIG_I32, .rank = 1, .dim = { t } };
    fig_node next = fig_slice(window, 1, 1, t, 1); /* (B, T) */
    fig_node logits = predict(n, fig_slice(window, 1, 0, t, 1), fig_iota(window.graph, places, 0));
    *mask = fig_greater_equal(next, fig_constant_i32(window.graph, 0));
    return fig_cross_entropy(logits, next);
}

static void declare_sampler(fig_model *model, gpt *n, int64_t known)
{
    fig_graph *g = fig_model_graph(model);
    fig_type row = { .dtype = FIG_I32, .rank = 1, .dim = { fig_model_batch(model) } };
    fig_node token = fig_input(g, "token", row); /* (B) */
    n->position = fig_input(g, "position", row); /* (B): each row may be at its own place */
    n->cache = n->positions;
    fig_node logits = fig_squeeze(predict(n, fig_expand(token, -1), fig_expand(n->position, -1)), 1); /* (B, V) */
    if (n->vocabulary > known) /* rows without a token are never drawn */
        logits = fig_slice(logits, 1, 0, known, 1);
    fig_model_sampler(model, &(fig_sampler_decl){ .name = "text",
                                                  .loop = FIG_LOOP_TOKEN,
                                                  .output = logits,
                                                  .token = token,
                                                  .position = n->position,
                                                  .length = n->positions });
}

static fig_status gpt_request(const void *options, const fig_data_info *found, fig_data_request *request,
                              fig_error *err)
{
    static const char *const tokenizers[] = { "char", "byte" };
    const gpt_options *o = options;
    (void)found;
    if (o->width % o->heads)
        return fig_fail(err, FIG_E_USAGE, "width: %lld cannot be split into %lld heads; set heads to a divisor",
                        (long long)o->width, (long long)o->heads);
    request->kinds = FIG_DATA_TEXT;
    request->tokenizer = tokenizers[o->tokens];
    request->context = (int)o->context;
    request->validation = 0.1;
    return FIG_OK;
}

static fig_status gpt_build(fig_model *model, const void *options, const fig_data_spec *data, fig_error *err)
{
    const gpt_options *o = options;
    gpt n = { .o = o,
              .vocabulary = o->vocabulary > 0 ? o->vocabulary : data->vocabulary,
              .positions = o->positions > 0 ? o->positions : o->context };
    if (n.vocabulary < data->vocabulary)
        return fig_fail(err, FIG_E_USAGE, "vocabulary: %lld is smaller than the data's %d tokens; leave it 0",
                        (long long)n.vocabulary, data->vocabulary);
    if (n.positions < o->context)
        return fig_fail(err, FIG_E_USAGE, "positions: %lld is smaller than the context of %lld", (long long)n.positions,
                        (long long)o->context);
    if (o->width % o->heads)
        return fig_fail(err, FIG_E_USAGE, "width: %lld cannot be split into %lld heads; set heads to a divisor",
                        (long long)o->width, (long long)o->heads);
    if (fig_model_purpose(model) == FIG_FOR_SAMPLING) {
        declare_sampler(model, &n, data->vocabulary);
        return FIG_OK;
    }
    fig_node mask, nats = next_token_loss(&n, fig_model_input(model, "tokens"), &mask); /* (B, T) */
    if (fig_model_purpose(model) == FIG_FOR_TRAINING)
        return fig_model_phase(model,
                               &(fig_phase){ .name = "cross_entropy",
                                             .loss = nats,
                                             .mask = mask,
                                             .settings = "optimizer=adamw weight_decay=0.1 clip=1" },
                               err);
    fig_model_metric(model, &(fig_metric_decl){ .name = "cross_entropy",
                                                .value = nats,
                                                .mask = mask,
                                                .unit = "nats/token",
                                                .derive = "perplexity bits_per_byte",
                                                .protocol = "windows=context" });
    return FIG_OK;
}

static char *gpt_advise(const void *options, const fig_data_spec *data)
{
    const gpt_options *o = options;
    fig__text out;
    fig__text_init(&out, 4096);
    if (o->width / o->heads < 8)
        fig__text_print(&out, "%lld heads over a width of %lld leave %lld numbers each; 16 to 64 work better\n",
                        (long long)o->heads, (long long)o->width, (long long)(o->width / o->heads));
    if (data && data->vocabulary > 1024 && o->tokens == 0)
        fig__text_print(&out, "the text has %d different characters; tokens=byte needs 256\n", data->vocabulary);
    return out.data;
}

#define AT(field) offsetof(gpt_options, field)
static const fig_option gpt_option_table[] = {
    { "tokens", FIG_CHOICE, AT(tokens), 0, 0, 0, "what a token is", .choices = "char byte" },
    { "layers", FIG_INT, AT(layers), 6, 1, 96, "Transformer blocks" },
    { "heads", FIG_INT, AT(heads), 6, 1, 128, "attention heads; must divide the width" },
    { "width", FIG_INT, AT(width), 384, 8, 16384, "numbers per token inside" },
    { "context", FIG_INT, AT(context), 256, 2, 8192, "tokens per training window" },
    { "positions", FIG_INT, AT(positions), 0, 0, 8192, "longest sequence that the model can hold; 0 = the context" },
    { "vocabulary", FIG_INT, AT(vocabulary), 0, 0, 1 << 20, "rows of the token table; 0 = as many as the text needs" },
    { "dropout", FIG_FLOAT, AT(dropout), 0, 0, 0.95, "share of activations dropped while training" },
    { "bias", FIG_BOOL, AT(bias), 0, 0, 0, "biases in products and norms" },
    { "tie", FIG_BOOL, AT(tie), 1, 0, 0, "the last product shares the token table" },
    { 0 },
};

static const fig_preset gpt_presets[] = {
    /* clang-format off */
    { .name = "text",
      .summary = "small GPT over characters, some minutes on two cores",
      .settings = "layers=4 heads=4 width=128 context=128 batch=32 steps=2000 lr=4e-3 beta2=0.99 warmup=100 "
                  "schedule=cosine lr_end=0.05",
      .data_kinds = FIG_DATA_TEXT, .data = "jargon" },
    { .name = "nano-cpu",
      .summary = "4 layers, 4 heads, 128 wide, context 64, batch 12, 2,000 steps",
      .settings = "layers=4 heads=4 width=128 context=64 batch=12 steps=2000 lr=4e-3 beta2=0.99 warmup=100 "
                  "schedule=cosine lr_end=0.02",
      .data = "tinyshakespeare" },
    { .name = "nano-full",
      .summary = "6 layers, 6 heads, 384 wide, context 256",
      .settings = "layers=6 heads=6 width=384 context=256 dropout=0.2 batch=64 steps=5000 lr=1e-3 beta2=0.99 "
                  "warmup=100 schedule=cosine lr_end=0.1",
      .data = "tinyshakespeare" },
    { .name = "gpt_nano_cpu",
      .summary = "bench: 4 x 4 x 128, batch 12 of 64 tokens",
      .settings = "layers=4 heads=4 width=128 context=64 vocabulary=65 batch=12 steps=2000 lr=3e-4 beta2=0.95",
      .data = "tinyshakespeare" },
    { .name = "gpt_nano_full",
      .summary = "bench: 6 x 6 x 384, batch 64 of 256 tokens, dropout 0.2",
      .settings = "layers=6 heads=6 width=384 context=256 vocabulary=65 dropout=0.2 batch=64 steps=5000 lr=3e-4 "
                  "beta2=0.95",
      .data = "tinyshakespeare" },
    { .name = "gpt2_124m",
      .summary = "bench: 12 x 12 x 768, batch 4 of 64 tokens",
      .settings = "layers=12 heads=12 width=768 context=64 positions=1024 vocabulary=50257 bias=yes batch=4 "
                  "steps=100 lr=3e-4 beta2=0.95",
      .data = "text" },
    /* clang-format on */
    { 0 },
};

const fig_recipe fig_recipe_gpt = {
    .name = "gpt",
    .summary = "Transformer language model over characters or bytes",
    .paper = "Radford et al. 2019, Language Models are Unsupervised Multitask Learners",
    .help = "Reads text and learns to predict the next character from those before it. Writes new text in the same "
            "manner, from a prompt or from nothing.",
    .data_kinds = FIG_DATA_TEXT,
    .options = gpt_option_table,
    .options_size = sizeof(gpt_options),
    .presets = gpt_presets,
    .request = gpt_request,
    .build = gpt_build,
    .advise = gpt_advise,
    .networks = "decoder",
};
