/* recipes/rnn.c - a recurrent network over characters or bytes (Graves 2013; Karpathy's char-rnn)
 *
 *     tokens (B, T) -> layers x recurrent layer -> logits (B, T, V)
 *     loss per token = cross-entropy of the next one, in nats
 *
 * The first layer reads tokens as if they were one-hot vectors, that is, as rows of its input weight. Gradients reach back to the
 * window's first token (back-propagation through time, truncated to `context` steps); each window begins with zero states.
 * Sampling runs one token per row and step; the layers' states are states of the step graph, so there is no longest text. */
#include "recipes/settings.h"

typedef struct rnn_options {
    int cell, tokens;
    int64_t layers, width, context, vocabulary;
    double dropout;
} rnn_options;

typedef struct rnn {
    const rnn_options *o;
    fig_model *model;
    int64_t vocabulary;
    bool single; /* one token, with states */
} rnn;

/* A layer's states before this step, in the order of fig_recurrent: h, and c of an LSTM. */
static void carried(const rnn *n, int64_t batch, fig_node state[2])
{
    static const char *const names[] = { "hidden", "cell" };
    for (int i = 0; i < 2; i++)
        state[i] = fig_model_state(n->model, &(fig_state_decl){ .name = names[i],
                                                                .type = FIG_SHAPE(batch, n->o->width),
                                                                .reset = FIG_RESET_SEQUENCE });
}

/* One layer: tokens (B, T) i32 at the bottom, else (B, T, width) -> (B, T, width) */
static fig_node recurrent_layer(const rnn *n, fig_node x, bool bottom)
{
    static fig_node (*const kinds[])(fig_node, int64_t, const fig_recurrent_opts *) = { fig_rnn, fig_lstm, fig_gru };
    const rnn_options *o = n->o;
    fig_node state[2], final[2];
    fig_recurrent_opts opts = { .classes = bottom ? n->vocabulary : 0 };
    if (n->single) {
        carried(n, fig_dim(x, 0), state);
        opts.state = state;
        opts.final = final;
    }
    fig_node y = kinds[o->cell](x, o->width, &opts);
    for (int i = 0; n->single && i < (o->cell == FIG_CELL_LSTM ? 2 : 1); i++)
        fig_assign(state[i], final[i]);
    return y;
}

/* tokens i32 (B, T) -> logits (B, T, V) */
static fig_node predict(const rnn *n, fig_node tokens)
{
    static const char *const names[] = { "layer1", "layer2", "layer3", "layer4", "layer5", "layer6", "layer7", "layer8" };
    fig_graph *g = tokens.graph;
    fig_node x = tokens;
    fig_scope_push(g, "decoder");
    for (int64_t i = 0; i < n->o->layers; i++) {
        fig_scope_push(g, names[i]);
        if (i && fig_is_training(g) && n->o->dropout > 0)
            x = fig_dropout(x, (float)n->o->dropout);
        x = recurrent_layer(n, x, i == 0); /* (B, T, width) */
        fig_scope_pop(g);
    }
    fig_init bounded = { .kind = FIG_INIT_UNIFORM_FAN_IN };
    x = fig_linear(x, n->vocabulary, &(fig_linear_opts){ .label = "logits", .init = bounded, .bias_init = bounded });
    fig_scope_pop(g);
    return x;
}

/* Nats per token (B, T) of windows (B, T + 1). mask (B, T) is 0 where the window reaches past the end of the text. */
static fig_node next_token_loss(const rnn *n, fig_node window, fig_node *mask)
{
    int64_t t = fig_dim(window, 1) - 1;
    fig_node next = fig_slice(window, 1, 1, t, 1); /* (B, T) */
    *mask = fig_greater_equal(next, fig_constant_i32(window.graph, 0));
    return fig_cross_entropy(predict(n, fig_slice(window, 1, 0, t, 1)), next);
}

static void declare_sampler(rnn *n, int64_t known)
{
    enum { NO_END = 1 << 30 };
    fig_type row = { .dtype = FIG_I32, .rank = 1, .dim = { fig_model_batch(n->model) } };
    fig_node token = fig_input(fig_model_graph(n->model), "token", row); /* (B) */
    n->single = true;
    fig_node logits = fig_squeeze(predict(n, fig_expand(token, -1)), 1); /* (B, V) */
    if (n->vocabulary > known)                                           /* rows without a token are never drawn */
        logits = fig_slice(logits, 1, 0, known, 1);
    fig_model_sampler(n->model, &(fig_sampler_decl){
                                    .name = "text", .loop = FIG_LOOP_TOKEN, .output = logits, .token = token, .length = NO_END });
}

static fig_status rnn_request(const void *options, const fig_data_info *found, fig_data_request *request, fig_error *err)
{
    static const char *const tokenizers[] = { "char", "byte" };
    const rnn_options *o = options;
    (void)found, (void)err;
    request->kinds = FIG_DATA_TEXT;
    request->tokenizer = tokenizers[o->tokens];
    request->context = (int)o->context;
    request->validation = 0.1;
    return FIG_OK;
}

static fig_status rnn_build(fig_model *model, const void *options, const fig_data_spec *data, fig_error *err)
{
    const rnn_options *o = options;
    rnn n = { .o = o, .model = model, .vocabulary = o->vocabulary > 0 ? o->vocabulary : data->vocabulary };
    if (n.vocabulary < data->vocabulary)
        return fig_fail(err, FIG_E_USAGE, "vocabulary: %lld is smaller than the data's %d tokens; leave it 0",
                        (long long)n.vocabulary, data->vocabulary);
    if (fig_model_purpose(model) == FIG_FOR_SAMPLING) {
        declare_sampler(&n, data->vocabulary);
        return FIG_OK;
    }
    fig_node mask, nats = next_token_loss(&n, fig_model_input(model, "tokens"), &mask); /* (B, T) */
    if (fig_model_purpose(model) == FIG_FOR_TRAINING)
        return fig_model_phase(model,
                               &(fig_phase){ .name = "cross_entropy", .loss = nats, .mask = mask, .settings = "clip=5" }, err);
    fig_model_metric(model, &(fig_metric_decl){ .name = "cross_entropy",
                                                .value = nats,
                                                .mask = mask,
                                                .unit = "nats/token",
                                                .derive = "perplexity bits_per_byte",
                                                .protocol = "windows=context,states=zero" });
    return FIG_OK;
}

#define AT(field) offsetof(rnn_options, field)
static const fig_option rnn_option_table[] = {
    { "cell", FIG_CHOICE, AT(cell), FIG_CELL_LSTM, 0, 0, "kind of the layers: plain, or with gates", .choices = "tanh lstm gru" },
    { "tokens", FIG_CHOICE, AT(tokens), 0, 0, 0, "what a token is", .choices = "char byte" },
    { "layers", FIG_INT, AT(layers), 2, 1, 8, "recurrent layers, one above the other" },
    { "width", FIG_INT, AT(width), 256, 1, 8192, "units of a layer" },
    { "context", FIG_INT, AT(context), 100, 2, 8192, "tokens per training window, as far as gradients reach back" },
    { "vocabulary", FIG_INT, AT(vocabulary), 0, 0, 1 << 20, "rows of the first weight; 0 = as many as the text needs" },
    { "dropout", FIG_FLOAT, AT(dropout), 0, 0, 0.95, "share of activations dropped between layers while training" },
    { 0 },
};

static const fig_preset rnn_presets[] = {
    /* clang-format off */
    { .name = "text",
      .summary = "two LSTM layers of 256 over characters, some minutes on two cores",
      .settings = "cell=lstm layers=2 width=256 context=100 batch=50 steps=2000 lr=4e-3 schedule=cosine lr_end=0.05",
      .data_kinds = FIG_DATA_TEXT, .data = "tinyshakespeare" },
    { .name = "char-rnn",
      .summary = "two LSTM layers of 128, windows of 50, batch 50, RMSprop",
      .settings = "cell=lstm layers=2 width=128 context=50 batch=50 optimizer=rmsprop lr=2e-3 epochs=50",
      .data = "tinyshakespeare" },
    { .name = "char_lstm",
      .summary = "bench: LSTM 2 x 512, 100 steps of 50 sequences",
      .settings = "cell=lstm layers=2 width=512 context=100 vocabulary=65 batch=50 steps=2000 lr=2e-3",
      .data = "tinyshakespeare" },
    { .name = "char_gru",
      .summary = "bench: GRU 2 x 512, 100 steps of 50 sequences",
      .settings = "cell=gru layers=2 width=512 context=100 vocabulary=65 batch=50 steps=2000 lr=2e-3",
      .data = "tinyshakespeare" },
    /* clang-format on */
    { 0 },
};

const fig_recipe fig_recipe_rnn = {
    .name = "rnn",
    .summary = "recurrent language model over characters or bytes: plain, LSTM or GRU",
    .paper = "Graves 2013, Generating Sequences With Recurrent Neural Networks",
    .help = "Reads text one character at a time and keeps what it needs in the states of its layers. Writes new text of any "
            "length in the same manner, from a prompt or from nothing.",
    .data_kinds = FIG_DATA_TEXT,
    .options = rnn_option_table,
    .options_size = sizeof(rnn_options),
    .presets = rnn_presets,
    .request = rnn_request,
    .build = rnn_build,
    .networks = "decoder",
};
