/* recipes/pixelcnn.c - the gated PixelCNN: pictures written pixel by pixel, with exact likelihoods (van den Oord et al. 2016)
 *
 *     p(x) = product over pixels in raster order of p(pixel | pixels above, and to the left in its row)
 *     loss per example = -log p(x), in nats
 *
 * Two stacks of gated convolutions (recipes/raster.c) see together exactly what comes before a pixel. A class adds a vector of its own
 * before each gate. The head says of a pixel: one logit (bernoulli), a logit per level (softmax), or a mixture of logistic
 * distributions, discretised to the levels (Salimans et al. 2017); of colours one channel after the other, each told the channels
 * before it. Pictures are drawn with caches, one pixel a step. */
#include "recipes/levels.h"
#include "recipes/raster.h"
#include <string.h>

typedef struct pixelcnn_options {
    fig__raster_options raster;
    int likelihood, pixels, init;
    int64_t head, levels, mixtures, size, channels;
    bool conditional;
} pixelcnn_options;
enum { BERNOULLI, SOFTMAX, LOGISTIC };

typedef struct net {
    fig__raster raster; /* its channels are the picture's */
    const pixelcnn_options *o;
    int64_t levels;
} net;

/* Channel c of the values x (B, H, W, channels), as (B, H, W, 1). */
static fig_node channel(fig_node x, int64_t c) { return fig_slice(x, 3, c, 1, 1); }

/* What the head says of each channel, (B, H, W, outputs). known (B, H, W, channels): those before are read. */
static void predict(const net *n, fig_node known, fig_node *out)
{
    const pixelcnn_options *o = n->o;
    const int64_t outputs[] = { 1, n->levels, 3 * o->mixtures };
    fig_graph *g = n->raster.g;
    fig_node h = fig__raster_stacks(&n->raster);
    fig_scope_push(g, "head");
    fig_node common = fig__raster_point(&n->raster, fig_relu(h), o->head, "hidden"); /* (B, H, W, head) */
    for (int64_t c = 0; c < n->raster.channels; c++) {
        static const char *const names[] = { "first", "second", "third" };
        fig_scope_push(g, names[c]);
        fig_node own = common;
        if (c)
            own = fig_add(own, fig__raster_point(&n->raster, fig_slice(known, 3, 0, c, 1), o->head, "before"));
        out[c] = fig__raster_point(&n->raster, fig_relu(own), outputs[o->likelihood], "out");
        fig_scope_pop(g);
    }
    fig_scope_pop(g);
}

/* -- what it is for --------------------------------------------------------------------------------------------------------- */

static fig_node likelihood(net *n) /* -log p(x), (B) */
{
    fig_node x = fig_model_input(n->raster.model, "image"), level = fig__nearest_level(x, n->levels), out[3], sum = FIG_NONE;
    n->raster.grid = n->o->likelihood == BERNOULLI ? x : fig_scale(level, 1 / (float)(n->levels - 1));
    predict(n, n->raster.grid, out);
    for (int64_t c = 0; c < n->raster.channels; c++) {
        fig_node nll, own = channel(n->raster.grid, c);
        if (n->o->likelihood == BERNOULLI)
            nll = fig_bernoulli_nll(out[c], own);
        else if (n->o->likelihood == SOFTMAX)
            nll = fig_sum_rows(fig_cross_entropy(out[c], fig_cast(fig_squeeze(channel(level, c), 3), FIG_I32)));
        else
            nll = fig_neg(fig_sum_rows(fig__logistic_mixture(out[c], own, n->o->mixtures, n->levels)));
        sum = c ? fig_add(sum, nll) : nll;
    }
    return sum;
}

/* Logits (B, levels) of one pixel's channel from what the head says of it (B, 1, 1, outputs). */
static fig_node level_logits(const net *n, fig_node out)
{
    int64_t b = n->raster.batch, wide = fig_dim(out, -1);
    if (n->o->likelihood == SOFTMAX)
        return fig_reshape(out, FIG_SHAPE(b, wide));
    if (n->o->likelihood == BERNOULLI) {
        fig_node logit = fig_reshape(out, FIG_SHAPE(b, 1));
        return fig_concat((fig_node[]){ fig_zeros_like(logit), logit }, 2, 1);
    }
    fig_node values = fig_scale(fig_iota(n->raster.g, FIG_SHAPE(1, n->levels, 1), 1), 1 / (float)(n->levels - 1));
    return fig__logistic_mixture(fig_reshape(out, FIG_SHAPE(b, 1, wide)), values, n->o->mixtures, n->levels);
}

/* The last token goes into the picture and into the row so far; then the logits of the element whose turn it is. */
static void declare_sampler(net *n)
{
    fig__raster *r = &n->raster;
    fig_type one = { .dtype = FIG_I32, .rank = 1, .dim = { r->batch } };
    int64_t ch = r->channels, margin = r->o->first_kernel / 2, length = r->height * r->width * ch;
    fig_node token = fig_input(r->g, "token", one), position = fig_input(r->g, "position", one);
    r->label = n->o->conditional ? fig_input(r->g, "label", one) : FIG_NONE;
    fig_node across = fig_constant_i32(r->g, (int32_t)(r->width * ch)), many = fig_constant_i32(r->g, (int32_t)ch);
    fig_node place = fig_mod(position, across); /* in the row */
    r->row = fig_div(position, across);
    r->column = fig_div(place, many);

    /* before the first element the token is 0, and goes where a zero is */
    fig_node value = fig_expand(fig_scale(fig_cast(token, FIG_F32), 1 / (float)(n->levels - 1)), -1); /* (B, 1) */
    fig_node last = fig_max(fig_add(position, fig_constant_i32(r->g, -1)), fig_constant_i32(r->g, 0));
    fig__raster_remember(r, value, last);

    /* (B, channels): this pixel so far */
    fig_node here = fig_mul(fig_add(r->column, fig_constant_i32(r->g, (int32_t)margin)), many);
    fig_node known = fig_dynamic_slice(r->line, here, 1, ch), out[3];
    predict(n, fig_reshape(known, FIG_SHAPE(r->batch, 1, 1, ch)), out);
    fig_node logits = level_logits(n, out[0]);
    for (int64_t c = 1; c < ch; c++) {
        fig_node turn = fig_equal(fig_mod(place, many), fig_constant_i32(r->g, (int32_t)c));
        logits = fig_select(fig_expand(turn, -1), level_logits(n, out[c]), logits);
    }
    fig_model_sampler(r->model, &(fig_sampler_decl){ .name = "raster",
                                                     .loop = FIG_LOOP_RASTER,
                                                     .output = logits,
                                                     .token = token,
                                                     .position = position,
                                                     .label = r->label,
                                                     .length = length });
}

/* -- the record --------------------------------------------------------------------------------------------------------------- */

static fig_status pixelcnn_request(const void *options, const fig_data_info *found, fig_data_request *request, fig_error *err)
{
    const pixelcnn_options *o = options;
    (void)err;
    request->kinds = FIG_DATA_IMAGES;
    request->binarise = o->likelihood == BERNOULLI ? (fig_binarise)(1 + o->pixels) : FIG_BINARISE_NONE;
    fig__ask_pictures(found, o->size, o->channels == 0 && o->likelihood == BERNOULLI ? 1 : o->channels, request);
    return FIG_OK;
}

static fig_status pixelcnn_build(fig_model *model, const void *options, const fig_data_spec *data, fig_error *err)
{
    const pixelcnn_options *o = options;
    net n = { .raster = { .model = model, .g = fig_model_graph(model), .o = &o->raster, .batch = fig_model_batch(model),
                          .height = data->height, .width = data->width, .channels = data->channels, .classes = data->classes },
              .o = o, .levels = o->likelihood == BERNOULLI ? 2 : o->levels };
    FIG_TRY(fig__raster_check(&n.raster, err));
    if (o->conditional && data->classes < 1)
        return fig_fail(err, FIG_E_USAGE, "conditional: needs data with classes");
    fig__set_init(model, o->init);
    if (fig_model_purpose(model) == FIG_FOR_SAMPLING) {
        declare_sampler(&n);
        return FIG_OK;
    }
    n.raster.label = o->conditional ? fig_model_input(model, "label") : FIG_NONE;
    fig_node nll = likelihood(&n); /* (B) */
    if (fig_model_purpose(model) == FIG_FOR_TRAINING)
        return fig_model_phase(model, &(fig_phase){ .name = "nll", .loss = nll }, err);
    char protocol[64], levels[32];
    snprintf(levels, sizeof levels, "levels=%lld", (long long)n.levels);
    snprintf(protocol, sizeof protocol, "%s%s", o->likelihood == BERNOULLI ? fig__pixel_protocols[1 + o->pixels] : levels,
             o->conditional ? ",class=given" : "");
    fig_model_metric(model, &(fig_metric_decl){ .name = "nll", .value = nll, .unit = "nats/item", .protocol = protocol,
                                                .derive = "bits_per_dim" });
    return FIG_OK;
}

#define AT(field) offsetof(pixelcnn_options, field)
static const fig_option pixelcnn_option_table[] = {
    { "layers", FIG_INT, AT(raster.layers), 8, 1, 64, "gated layers" },
    { "width", FIG_INT, AT(raster.width), 32, 1, 1024, "channels of each stack" },
    { "head", FIG_INT, AT(head), 64, 1, 4096, "channels before the last convolution" },
    { "kernel", FIG_INT, AT(raster.kernel), 3, 3, 15, "side of the kernels, odd: as far as a layer looks, to both sides" },
    { "first_kernel", FIG_INT, AT(raster.first_kernel), 7, 3, 31, "the same of the first layer" },
    { "likelihood", FIG_CHOICE, AT(likelihood), BERNOULLI, 0, 0,
      "what is said of a pixel: on or off, a chance per level, or a mixture of logistics", .choices = "bernoulli softmax logistic" },
    { "pixels", FIG_CHOICE, AT(pixels), 0, 0, 0,
      "bernoulli: black and white, drawn by the grey level at each step (dynamic), or from half up (threshold)",
      .choices = "dynamic threshold" },
    { "levels", FIG_INT, AT(levels), 256, 2, 256, "softmax, logistic: grey levels told apart" },
    { "mixtures", FIG_INT, AT(mixtures), 10, 1, 100, "logistic: distributions in the mixture" },
    { "conditional", FIG_BOOL, AT(conditional), 0, 0, 0, "the network is told the class" },
    { "size", FIG_INT, AT(size), 0, 0, 64, "side of a picture in pixels; 0 = as the data, at most 64" },
    { "channels", FIG_INT, AT(channels), 0, 0, 3, "1 grey, 3 colour; 0 = as the data, bernoulli: grey" },
    { "init", FIG_CHOICE, AT(init), FIG__INIT_GLOROT, 0, 0, "first values of the weights", .choices = FIG__INIT_CHOICES },
    { 0 },
};

static const fig_preset pixelcnn_presets[] = {
    /* clang-format off */
    { .name = "pictures",
      .summary = "eight gated layers of 32 channels over pixels in black and white",
      .settings = "layers=8 width=32 head=64 batch=64 lr=2e-3 clip=1 schedule=cosine lr_end=0.02 warmup=200 epochs=3",
      .data_kinds = FIG_DATA_IMAGES, .data = "mnist" },
    { .name = "digits",
      .summary = "ten gated layers of 32 channels, fourteen epochs of digits in black and white",
      .settings = "layers=10 width=32 head=64 batch=32 lr=2e-3 clip=1 schedule=cosine lr_end=0.01 warmup=400 epochs=14 validation=0",
      .data = "mnist" },
    { .name = "grey",
      .summary = "all 256 grey levels, a softmax over them, told the class",
      .settings = "layers=8 width=32 head=128 likelihood=softmax conditional=yes batch=64 lr=2e-3 clip=1 schedule=cosine lr_end=0.02 "
                  "warmup=200 epochs=4",
      .data = "fashion-mnist" },
    { .name = "colour",
      .summary = "colours of 32 pixels, mixtures of ten logistics",
      .settings = "layers=10 width=48 head=128 likelihood=logistic size=32 channels=3 batch=32 lr=1e-3 clip=1 schedule=cosine "
                  "lr_end=0.02 warmup=500 epochs=5",
      .data = "a folder" },
    /* clang-format on */
    { 0 },
};

const fig_recipe fig_recipe_pixelcnn = {
    .name = "pixelcnn",
    .summary = "gated PixelCNN: pictures pixel by pixel, with exact likelihoods",
    .paper = "van den Oord et al. 2016, Conditional Image Generation with PixelCNN Decoders",
    .help = "Learns what a pixel is likely to be, given the rows above it and the pixels to its left: in black and white, in greys or "
            "in colour. Scores are exact; a picture is drawn pixel by pixel.",
    .data_kinds = FIG_DATA_IMAGES,
    .options = pixelcnn_option_table,
    .options_size = sizeof(pixelcnn_options),
    .presets = pixelcnn_presets,
    .request = pixelcnn_request,
    .build = pixelcnn_build,
    .networks = "stacks head",
};
