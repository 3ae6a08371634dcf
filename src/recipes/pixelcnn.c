/* recipes/pixelcnn.c - the gated PixelCNN: pictures written pixel by pixel, with exact likelihoods (van den Oord et al. 2016)
 *
 *     p(x) = product over pixels in raster order of p(pixel | pixels above, and to the left in its row)
 *     loss per example = -log p(x), in nats
 *
 * Two stacks of convolutions see together exactly what comes before a pixel:
 *
 *     vertical     rows above          v' = v + gate(V * v)                kernel (k/2 + 1) x k, padded above; first layer k/2 x k
 *     horizontal   the row, left       h' = h + R gate(H * h + N (V * v))  kernel 1 x (k/2 + 1), padded left;  first layer 1 x k/2
 *
 * with gate(a, b) = tanh(a) s(b), R and N 1x1. (The paper's vertical stack has no sum; without it a deep one begins with nothing left
 * of the rows above, as a gate halves what it lets through.) Kernels hold the causal taps only: nothing is computed to be masked away. The
 * first layers read the picture moved by one row or one column. A class adds a vector of its own before each gate. The head says
 * of a pixel: one logit (bernoulli), a logit per level (softmax), or a mixture of logistic distributions, discretised to the levels
 * (Salimans et al. 2017); of colours one channel after the other, each told the channels before it.
 *
 * Pictures are drawn with caches: a step computes one row of the vertical stack from the rows above it, and one pixel of the
 * horizontal one from the pixels to its left, in states with margins of zeros where a picture's padding is. */
#include "recipes/levels.h"
#include "recipes/settings.h"
#include <math.h>
#include <string.h>

typedef struct pixelcnn_options {
    int likelihood, pixels, init;
    int64_t layers, width, head, kernel, first_kernel, levels, mixtures, size, channels;
    bool conditional;
} pixelcnn_options;
enum { BERNOULLI, SOFTMAX, LOGISTIC };

typedef struct net {
    fig_model *model;
    fig_graph *g;
    const pixelcnn_options *o;
    int64_t batch, height, width, channels, levels;
    int classes;
    fig_node label; /* i32 (B) or none */
    /* one step: else none */
    fig_node row, column;                             /* i32 (B): the pixel that is computed */
    fig_node picture, line;                           /* (B, (margin + H) W channels), (B, (margin + W) channels), newest in */
} net;

static bool is_step(const net *n) { return !fig_is_none(n->row); }

/* -- convolutions that look back only ------------------------------------------------------------------------------------ */

typedef struct taps_opts {
    int rows, columns, above, left, right; /* kernel, padding */
} taps_opts;

static fig_node taps(const net *n, fig_node x, int64_t filters, const char *label, taps_opts o)
{
    int64_t channels = fig_dim(x, -1), area = (int64_t)o.rows * o.columns;
    fig_init init = { .fan_in = area * channels, .fan_out = area * filters };
    fig_conv_opts how = { .before = { o.above, o.left ? o.left : FIG_PAD_NONE }, .after = { 0, o.right ? o.right : FIG_PAD_NONE } };
    fig_scope_push(n->g, label);
    fig_node weight = fig_param(n->g, "weight", FIG_SHAPE(filters, o.rows, o.columns, channels), init);
    fig_node bias = fig_param(n->g, "bias", FIG_SHAPE(filters), (fig_init){ .kind = FIG_INIT_ZEROS });
    fig_scope_pop(n->g);
    return fig_add(fig_convolution(x, weight, &how), bias);
}

static fig_node pointwise(const net *n, fig_node x, int64_t filters, const char *label)
{
    return taps(n, x, filters, label, (taps_opts){ .rows = 1, .columns = 1 });
}

/* -- what a layer reads, whole or in one step ------------------------------------------------------------------------------ */

static fig_node times(fig_node x, int64_t factor) { return fig_mul(x, fig_constant_i32(x.graph, (int32_t)factor)); }
static fig_node plus(fig_node x, int64_t amount) { return fig_add(x, fig_constant_i32(x.graph, (int32_t)amount)); }

static fig_node cache(const net *n, const char *name, fig_type type)
{
    return fig_model_state(n->model, &(fig_state_decl){ .name = name, .type = type, .reset = FIG_RESET_SEQUENCE });
}

/* Kernel and padding of the vertical stack, and the rows that it reads: v is the layer below, none for the picture itself. */
static fig_node read_above(const net *n, fig_node v, int kernel, taps_opts *o)
{
    bool first = fig_is_none(v);
    int margin = kernel / 2;
    *o = (taps_opts){ .rows = first ? margin : margin + 1, .columns = kernel, .above = margin, .left = margin, .right = margin };
    if (!is_step(n)) /* the first layer does not see its own row: the picture without its last row, padded above */
        return first ? fig_slice(n->picture, 1, 0, n->height - 1, 1) : v;
    o->above = 0;
    if (first) {
        fig_node rows = fig_dynamic_slice(n->picture, times(n->row, n->width * n->channels), 1, margin * n->width * n->channels);
        return fig_reshape(rows, FIG_SHAPE(n->batch, margin, n->width, n->channels));
    }
    int64_t c = fig_dim(v, -1);
    fig_node state = cache(n, "rows", FIG_SHAPE(n->batch, (margin + n->height) * n->width, c));
    fig_node line = fig_reshape(v, FIG_SHAPE(n->batch, n->width, c));
    fig_node all = fig_dynamic_update(state, line, times(plus(n->row, margin), n->width), 1);
    fig_assign(state, all);
    return fig_reshape(fig_dynamic_slice(all, times(n->row, n->width), 1, (margin + 1) * n->width),
                       FIG_SHAPE(n->batch, margin + 1, n->width, c));
}

static fig_node read_left(const net *n, fig_node h, int kernel, taps_opts *o)
{
    bool first = fig_is_none(h);
    int margin = kernel / 2;
    *o = (taps_opts){ .rows = 1, .columns = first ? margin : margin + 1, .left = margin };
    if (!is_step(n))
        return first ? fig_slice(n->picture, 2, 0, n->width - 1, 1) : h;
    o->left = 0;
    if (first) {
        fig_node pixels = fig_dynamic_slice(n->line, times(n->column, n->channels), 1, margin * n->channels);
        return fig_reshape(pixels, FIG_SHAPE(n->batch, 1, margin, n->channels));
    }
    int64_t c = fig_dim(h, -1);
    fig_node state = cache(n, "pixels", FIG_SHAPE(n->batch, margin + n->width, c));
    fig_node all = fig_dynamic_update(state, fig_reshape(h, FIG_SHAPE(n->batch, 1, c)), plus(n->column, margin), 1);
    fig_assign(state, all);
    return fig_reshape(fig_dynamic_slice(all, n->column, 1, margin + 1), FIG_SHAPE(n->batch, 1, margin + 1, c));
}

/* -- the two stacks ------------------------------------------------------------------------------------------------------ */

static fig_node told_class(const net *n, fig_node x, const char *label)
{
    if (fig_is_none(n->label))
        return x;
    fig_node own = fig_embedding(n->label, n->classes, fig_dim(x, -1), &(fig_embedding_opts){ .label = label }); /* (B, 2 C) */
    return fig_add(x, fig_reshape(own, FIG_SHAPE(n->batch, 1, 1, -1)));
}

/* v and h (B, H, W, C), none below the first layer; in one step (B, 1, W, C) and (B, 1, 1, C). */
static void gated_layer(const net *n, int index, fig_node *v, fig_node *h)
{
    char name[24];
    int64_t c = n->o->width;
    int kernel = (int)(index ? n->o->kernel : n->o->first_kernel);
    taps_opts o;
    snprintf(name, sizeof name, "layer%d", index + 1);
    fig_scope_push(n->g, name);
    fig_node from = read_above(n, *v, kernel, &o);
    fig_node above = taps(n, from, 2 * c, "vertical", o); /* (B, H, W, 2 C) */
    from = read_left(n, *h, kernel, &o);
    fig_node left = taps(n, from, 2 * c, "horizontal", o); /* (B, H, W, 2 C) */
    fig_node here = is_step(n) ? fig_dynamic_slice(above, n->column, 2, 1) : above;
    left = fig_add(left, pointwise(n, here, 2 * c, "down"));
    fig_node z = pointwise(n, fig_gate(told_class(n, left, "horizontal_class")), c, "residual");
    *h = fig_is_none(*h) ? z : fig_add(*h, z);
    if (index + 1 < n->o->layers) { /* the last layer's is read by nothing */
        z = fig_gate(told_class(n, above, "vertical_class"));
        *v = fig_is_none(*v) ? z : fig_add(*v, z);
    }
    fig_scope_pop(n->g);
}

/* Channel c of the values x (B, H, W, channels), as (B, H, W, 1). */
static fig_node channel(fig_node x, int64_t c) { return fig_slice(x, 3, c, 1, 1); }

/* What the head says of each channel, (B, H, W, outputs). known (B, H, W, channels): those before are read. */
static void predict(const net *n, fig_node known, fig_node *out)
{
    const pixelcnn_options *o = n->o;
    const int64_t outputs[] = { 1, n->levels, 3 * o->mixtures };
    fig_node v = FIG_NONE, h = FIG_NONE;
    fig_scope_push(n->g, "stacks");
    for (int i = 0; i < o->layers; i++)
        gated_layer(n, i, &v, &h);
    fig_scope_pop(n->g);
    fig_scope_push(n->g, "head");
    fig_node common = pointwise(n, fig_relu(h), o->head, "hidden"); /* (B, H, W, head) */
    for (int64_t c = 0; c < n->channels; c++) {
        static const char *const names[] = { "first", "second", "third" };
        fig_scope_push(n->g, names[c]);
        fig_node own = common;
        if (c)
            own = fig_add(own, pointwise(n, fig_slice(known, 3, 0, c, 1), o->head, "before"));
        out[c] = pointwise(n, fig_relu(own), outputs[o->likelihood], "out");
        fig_scope_pop(n->g);
    }
    fig_scope_pop(n->g);
}

/* -- what it is for --------------------------------------------------------------------------------------------------------- */

static fig_node likelihood(net *n) /* -log p(x), (B) */
{
    fig_node x = fig_model_input(n->model, "image"), level = fig__nearest_level(x, n->levels), out[3], sum = FIG_NONE;
    n->picture = n->o->likelihood == BERNOULLI ? x : fig_scale(level, 1 / (float)(n->levels - 1));
    predict(n, n->picture, out);
    for (int64_t c = 0; c < n->channels; c++) {
        fig_node nll, own = channel(n->picture, c);
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
    int64_t b = n->batch, wide = fig_dim(out, -1);
    if (n->o->likelihood == SOFTMAX)
        return fig_reshape(out, FIG_SHAPE(b, wide));
    if (n->o->likelihood == BERNOULLI) {
        fig_node logit = fig_reshape(out, FIG_SHAPE(b, 1));
        return fig_concat((fig_node[]){ fig_zeros_like(logit), logit }, 2, 1);
    }
    fig_node values = fig_scale(fig_iota(n->g, FIG_SHAPE(1, n->levels, 1), 1), 1 / (float)(n->levels - 1));
    return fig__logistic_mixture(fig_reshape(out, FIG_SHAPE(b, 1, wide)), values, n->o->mixtures, n->levels);
}

/* The last token goes into the picture and into the row so far; then the logits of the element whose turn it is. */
static void declare_sampler(net *n)
{
    fig_type one = { .dtype = FIG_I32, .rank = 1, .dim = { n->batch } };
    int64_t ch = n->channels, margin = n->o->first_kernel / 2, length = n->height * n->width * ch;
    fig_node token = fig_input(n->g, "token", one), position = fig_input(n->g, "position", one);
    n->label = n->o->conditional ? fig_input(n->g, "label", one) : FIG_NONE;
    fig_node across = fig_constant_i32(n->g, (int32_t)(n->width * ch)), place = fig_mod(position, across); /* in the row */
    n->row = fig_div(position, across);
    n->column = fig_div(place, fig_constant_i32(n->g, (int32_t)ch));

    /* before the first element the token is 0, and goes where a zero is */
    fig_node value = fig_expand(fig_scale(fig_cast(token, FIG_F32), 1 / (float)(n->levels - 1)), -1); /* (B, 1) */
    fig_node last = fig_max(plus(position, -1), fig_constant_i32(n->g, 0));
    fig_node picture = cache(n, "picture", FIG_SHAPE(n->batch, (margin + n->height) * n->width * ch));
    fig_node line = cache(n, "line", FIG_SHAPE(n->batch, (margin + n->width) * ch));
    n->picture = fig_dynamic_update(picture, value, plus(last, margin * n->width * ch), 1);
    n->line = fig_dynamic_update(line, value, plus(fig_mod(last, across), margin * ch), 1);
    fig_assign(picture, n->picture);
    fig_assign(line, n->line);

    fig_node known = fig_dynamic_slice(n->line, times(plus(n->column, margin), ch), 1, ch); /* (B, channels): this pixel so far */
    fig_node out[3];
    predict(n, fig_reshape(known, FIG_SHAPE(n->batch, 1, 1, ch)), out);
    fig_node logits = level_logits(n, out[0]);
    for (int64_t c = 1; c < ch; c++) {
        fig_node turn = fig_equal(fig_mod(place, fig_constant_i32(n->g, (int32_t)ch)), fig_constant_i32(n->g, (int32_t)c));
        logits = fig_select(fig_expand(turn, -1), level_logits(n, out[c]), logits);
    }
    fig_model_sampler(n->model, &(fig_sampler_decl){ .name = "raster",
                                                     .loop = FIG_LOOP_RASTER,
                                                     .output = logits,
                                                     .token = token,
                                                     .position = position,
                                                     .label = n->label,
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
    net n = { .model = model, .g = fig_model_graph(model), .o = o, .batch = fig_model_batch(model), .height = data->height,
              .width = data->width, .channels = data->channels, .classes = data->classes,
              .levels = o->likelihood == BERNOULLI ? 2 : o->levels };
    if (o->kernel % 2 == 0 || o->first_kernel % 2 == 0)
        return fig_fail(err, FIG_E_USAGE, "kernel: %lld and %lld, expected odd sides such as 3 and 7", (long long)o->kernel,
                        (long long)o->first_kernel);
    if (n.height < 2 || n.width < 2)
        return fig_fail(err, FIG_E_USAGE, "pictures of %d x %d pixels are too small; 2 x 2 is the least", data->width, data->height);
    if (o->conditional && data->classes < 1)
        return fig_fail(err, FIG_E_USAGE, "conditional: needs data with classes");
    fig__set_init(model, o->init);
    if (fig_model_purpose(model) == FIG_FOR_SAMPLING) {
        declare_sampler(&n);
        return FIG_OK;
    }
    n.label = o->conditional ? fig_model_input(model, "label") : FIG_NONE;
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
    { "layers", FIG_INT, AT(layers), 8, 1, 64, "gated layers" },
    { "width", FIG_INT, AT(width), 32, 1, 1024, "channels of each stack" },
    { "head", FIG_INT, AT(head), 64, 1, 4096, "channels before the last convolution" },
    { "kernel", FIG_INT, AT(kernel), 3, 3, 15, "side of the kernels, odd: as far as a layer looks, to both sides" },
    { "first_kernel", FIG_INT, AT(first_kernel), 7, 3, 31, "the same of the first layer" },
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
      .summary = "ten gated layers of 32 channels, eight epochs of digits in black and white",
      .settings = "layers=10 width=32 head=64 batch=32 lr=2e-3 clip=1 schedule=cosine lr_end=0.01 warmup=400 epochs=8 validation=0",
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
