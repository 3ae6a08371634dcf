/* recipes/dcgan.c - the deep convolutional GAN (Radford et al. 2015) for pictures of 28, 32 or 64 pixels
 *
 * Two bodies, both without a dense layer between picture and critic's last convolution:
 *
 *   dcgan      4x4 kernels. generator: noise as a 1x1 picture -> transposed convolution to 4x4 (7x7 for 28 pixels) -> halves the channels
 *              and doubles the side until the picture is there, batch norm and ReLU between, tanh last. discriminator: its
 *              mirror, leaky ReLU 0.2, no norm in the first layer, last a convolution as large as what is left: one logit.
 *              No convolution has a bias. (Listing G; bench dcgan64.)
 *   tutorial   5x5 kernels, "same" padding. generator: dense to side/4, batch norm, then strides 1, 2, 2. discriminator: two
 *              strided convolutions with bias and dropout, a dense logit. Leaky slope 0.3 and Keras' batch norm. (Listing A; bench
 *              dcgan28.)
 *
 * The Wasserstein losses compare single samples, so their critic may not mix a batch: batch norm is replaced by norm over a sample. */
#include "recipes/game.h"

typedef struct dcgan_options {
    fig__rules rules;
    int body, init, critic_norm;
    int64_t size, channels, width;
    double dropout;
} dcgan_options;
enum { BODY_DCGAN, BODY_TUTORIAL };
enum { NORM_AUTO, NORM_NONE, NORM_BATCH, NORM_SAMPLE };

typedef struct dcgan {
    const dcgan_options *o;
    int64_t side, channels; /* of a picture */
    int64_t base;           /* side of the smallest picture inside */
    int levels;             /* doublings from base to side */
    int norm;               /* of the critic, resolved */
} dcgan;

static const fig_norm_opts keras_norm = { .eps = 1e-3f, .momentum = 0.01f };
static const fig_conv_layer_opts halve = { .stride = 2,
                                           .padding = 1,
                                           .no_bias = true }; /* with a 4x4 kernel: exactly half, or double */

/* -- body "dcgan" ----------------------------------------------------------------------------------------------------- */

static fig_node generate_dcgan(const dcgan *n, fig_node noise)
{
    int64_t batch = fig_dim(noise, 0), width = n->o->width << (n->levels - 1);
    fig_node h = fig_reshape(noise, FIG_SHAPE(batch, 1, 1, -1));
    h = fig_conv2d_transposed(h, width, (int)n->base,
                              &(fig_conv_layer_opts){ .no_bias = true }); /* (B, base, base, width) */
    for (int i = 1; i < n->levels; i++) {
        h = fig_relu(fig_batch_norm(h, NULL));
        h = fig_conv2d_transposed(h, width >> i, 4, &halve);
    }
    return fig_conv2d_transposed(fig_relu(fig_batch_norm(h, NULL)), n->channels, 4, &halve); /* (B, side, side, C) */
}

static fig_node critic_norm(const dcgan *n, fig_node h)
{
    if (n->norm == NORM_BATCH)
        return fig_batch_norm(h, NULL);
    return n->norm == NORM_SAMPLE ? fig_group_norm(h, &(fig_norm_opts){ .groups = 1 }) : h;
}

static fig_node judge_dcgan(const dcgan *n, fig_node pictures)
{
    fig_node h = fig_leaky_relu(fig_conv2d(pictures, n->o->width, 4, &halve), 0.2f);
    for (int i = 1; i < n->levels; i++)
        h = fig_leaky_relu(critic_norm(n, fig_conv2d(h, n->o->width << i, 4, &halve)), 0.2f);
    if (n->o->dropout > 0)
        h = fig_is_training(h.graph) ? fig_dropout(h, (float)n->o->dropout) : h;
    return fig_conv2d(h, 1, (int)n->base, &(fig_conv_layer_opts){ .no_bias = true }); /* (B, 1, 1, 1) */
}

/* -- body "tutorial" --------------------------------------------------------------------------------------------------------- */

static fig_node spread(fig_node h, int64_t filters, int stride)
{
    return fig_conv2d_transposed(h, filters, 5,
                                 &(fig_conv_layer_opts){ .stride = stride, .padding = FIG_PAD_SAME, .no_bias = true });
}

static fig_node settle(fig_node h) { return fig_leaky_relu(fig_batch_norm(h, &keras_norm), 0.3f); }

static fig_node generate_tutorial(const dcgan *n, fig_node noise)
{
    int64_t width = n->o->width, side = n->side / 4;
    fig_node h = settle(fig_linear(noise, side * side * 4 * width, &(fig_linear_opts){ .no_bias = true }));
    h = fig_reshape(h, FIG_SHAPE(-1, side, side, 4 * width));
    h = settle(spread(h, 2 * width, 1)); /* (B, side/4, side/4, 2 width) */
    h = settle(spread(h, width, 2));     /* (B, side/2, side/2, width) */
    return spread(h, n->channels, 2);    /* (B, side, side, C) */
}

static fig_node judge_tutorial(const dcgan *n, fig_node pictures)
{
    fig_node h = pictures;
    for (int i = 0; i < 2; i++) {
        h = fig_conv2d(h, n->o->width << i, 5, &(fig_conv_layer_opts){ .stride = 2, .padding = FIG_PAD_SAME });
        h = fig_leaky_relu(h, 0.3f);
        if (n->o->dropout > 0 && fig_is_training(h.graph))
            h = fig_dropout(h, (float)n->o->dropout);
    }
    return fig_linear(fig_flatten(h), 1, NULL); /* (B, 1) */
}

/* -- the game ------------------------------------------------------------------------------------------------------------------ */

static fig_node generate(fig_model *model, const void *networks, fig_node noise)
{
    const dcgan *n = networks;
    fig_scope_push(fig_model_graph(model), "generator");
    fig_node y = fig_tanh(n->o->body == BODY_TUTORIAL ? generate_tutorial(n, noise) : generate_dcgan(n, noise));
    fig_scope_pop(fig_model_graph(model));
    return y;
}

static fig_node judge(fig_model *model, const void *networks, fig_node pictures)
{
    const dcgan *n = networks;
    fig_scope_push(fig_model_graph(model), "discriminator");
    fig_node logit = n->o->body == BODY_TUTORIAL ? judge_tutorial(n, pictures) : judge_dcgan(n, pictures);
    fig_scope_pop(fig_model_graph(model));
    return logit;
}

static fig_status dcgan_request(const void *options, const fig_data_info *found, fig_data_request *request,
                                fig_error *err)
{
    const dcgan_options *o = options;
    (void)err;
    request->kinds = FIG_DATA_IMAGES;
    request->low = -1;
    request->high = 1;
    fig__ask_pictures(found, o->size, o->channels, request);
    if (o->size == 0 && request->height != 28 &&
        request->height != 64) /* the sizes that a body can reach by doubling */
        request->height = request->width = request->height > 48 ? 64 : 32;
    return FIG_OK;
}

static fig_status dcgan_build(fig_model *model, const void *options, const fig_data_spec *data, fig_error *err)
{
    const dcgan_options *o = options;
    dcgan n = {
        .o = o, .side = data->height, .channels = data->channels, .base = data->height, .norm = o->critic_norm
    };
    while (n.base % 2 == 0 && n.base > 7)
        n.base /= 2, n.levels++;
    bool reachable = data->height == data->width && (o->body == BODY_TUTORIAL ? n.side % 4 == 0 : n.levels >= 2);
    if (!reachable)
        return fig_fail(err, FIG_E_USAGE,
                        "size: %dx%d pictures do not fit this body, whose side is 4 to 7 pixels doubled at least "
                        "twice; set size=28, 32 or 64",
                        data->height, data->width);
    if (n.norm == NORM_AUTO)
        n.norm = fig__rows_apart(&o->rules) ? NORM_SAMPLE : NORM_BATCH;
    fig__set_init(model, o->init);
    fig__game game = { .rules = &o->rules, .networks = &n, .generate = generate, .judge = judge };
    if (fig_model_purpose(model) == FIG_FOR_TRAINING)
        return fig__play(model, &game, fig_model_input(model, "image"), err);
    if (fig_model_purpose(model) == FIG_FOR_SAMPLING)
        fig__draw(model, &game);
    return FIG_OK;
}

static char *dcgan_advise(const void *options, const fig_data_spec *data)
{
    const dcgan_options *o = options;
    fig__text out;
    fig__text_init(&out, 4096);
    (void)data;
    if (fig__rows_apart(&o->rules) && o->critic_norm == NORM_BATCH)
        fig__text_print(&out, "critic.norm=batch mixes the rows of a batch, but this loss judges each sample alone; "
                              "set critic.norm=sample\n");
    return out.data;
}

#define AT(field) offsetof(dcgan_options, field)
static const fig_option dcgan_option_table[] = {
    { "body", FIG_CHOICE, AT(body), BODY_DCGAN, 0, 0, "networks: dcgan (4x4 kernels) or tutorial (5x5, dense ends)",
      .choices = "dcgan tutorial" },
    { "size", FIG_INT, AT(size), 0, 0, 128, "side of a picture: 28, 32 or 64; 0 = what fits the data" },
    { "channels", FIG_INT, AT(channels), 0, 0, 3, "1 grey, 3 colour; 0 = as the data" },
    { "width", FIG_INT, AT(width), 64, 1, 512, "channels of the widest layers, doubled at each halving of the side" },
    FIG__RULES_ROWS(dcgan_options, rules),
    { "critic.norm", FIG_CHOICE, AT(critic_norm), NORM_AUTO, 0, 0,
      "body dcgan: normalisation in the critic; auto = batch, or sample where rows must stay apart",
      .choices = "auto none batch sample" },
    { "critic.dropout", FIG_FLOAT, AT(dropout), 0, 0, 0.95,
      "share of the critic's activations dropped while training" },
    { "init", FIG_CHOICE, AT(init), FIG__INIT_DCGAN, 0, 0, "first values of the weights",
      .choices = FIG__INIT_CHOICES },
    { 0 },
};

#define A_SETTINGS                                                                                            \
    "body=tutorial size=28 channels=1 width=64 critic.dropout=0.3 init=glorot batch=100 eps=1e-7 "            \
    "phases.generator.lr=2e-4 "                                                                               \
    "phases.generator.beta1=0.5 phases.discriminator.lr=1e-4 phases.discriminator.beta1=0.9 epoch_steps=100 " \
    "validation=0 sample_rows=10 sample_columns=10 "
#define A_LINE "Epoch: {epoch}, Gen Loss: {loss.generator:.4f}, Disc Loss: {loss.discriminator:.4f}"
#define G_SETTINGS                                                                                  \
    "body=dcgan size=32 channels=3 width=64 init=uniform_fan_in fakes=fresh batch=64 drop_last=no " \
    "validation=0 sample_rows=8 sample_columns=8 sample_gap=2 sample_zoom=1 "
#define G_LINE "Epoch [{epoch}/{epochs}] Loss_D: {loss.discriminator:.4f}, Loss_G: {loss.generator:.4f}"
static const fig_preset dcgan_presets[] = {
    /* clang-format off */
    { .name = "pictures",
      .summary = "DCGAN in a few minutes, for pictures of 28, 32 or 64 pixels",
      .settings = "width=64 batch=64 ema=0.99 steps=4000",
      .data_kinds = FIG_DATA_IMAGES, .data = "fashion-mnist" },
    { .name = "mnist-5x5",
      .summary = "listing A: 28 pixels grey, 5x5 kernels, 100,000 steps",
      .settings = A_SETTINGS
                  "epochs=1000 log_every=1epochs sample_every=10epochs checkpoint_every=1epochs keep=all",
      .data = "mnist", .log_line = A_LINE },
    { .name = "mnist-5x5-short",
      .summary = "listing A in ten minutes: rates that fall to zero, bf16, averaged weights",
      .settings = A_SETTINGS
                  "epochs=75 schedule=linear precision=bf16 ema=0.9995 log_every=1epochs sample_every=5epochs",
      .data = "mnist", .log_line = A_LINE },
    { .name = "folder-32",
      .summary = "listing G: 32 pixels colour from a picture folder, 100 epochs",
      .settings = G_SETTINGS
                  "epochs=100 log_every=50 sample_every=50",
      .data = "a picture folder", .log_line = G_LINE },
    { .name = "folder-32-short",
      .summary = "listing G in ten minutes",
      .settings = G_SETTINGS
                  "steps=4000 log_every=50 sample_every=500",
      .data = "a picture folder", .log_line = G_LINE },
    { .name = "dcgan28",
      .summary = "bench: 28 pixels grey, 5x5 kernels, batch 256",
      .settings = "body=tutorial size=28 channels=1 width=64 critic.dropout=0.3 init=uniform_fan_in batch=256 "
                  "phases.generator.lr=1e-4 phases.generator.beta1=0.9 phases.discriminator.lr=1e-4 "
                  "phases.discriminator.beta1=0.9 epochs=50",
      .data = "mnist" },
    { .name = "dcgan64",
      .summary = "bench: the five-layer DCGAN at 64x64x3, batch 64",
      .settings = "body=dcgan size=64 channels=3 width=64 init=dcgan batch=64 epochs=25",
      .data = "a picture folder" },
    /* clang-format on */
    { 0 },
};

const fig_recipe fig_recipe_dcgan = {
    .name = "dcgan",
    .summary = "deep convolutional GAN for small pictures",
    .paper = "Radford, Metz and Chintala 2015, arXiv 1511.06434",
    .help = "A generator of transposed convolutions against a mirrored critic, with a choice of five losses. Sharp "
            "samples from any folder of pictures at "
            "28, 32 or 64 pixels, grey or colour.",
    .data_kinds = FIG_DATA_IMAGES,
    .options = dcgan_option_table,
    .options_size = sizeof(dcgan_options),
    .presets = dcgan_presets,
    .request = dcgan_request,
    .build = dcgan_build,
    .advise = dcgan_advise,
    .networks = "generator discriminator",
    .log_line = G_LINE,
};
