/* recipes/made.c - the masked autoencoder: exact likelihoods of black-and-white pictures in one pass (Germain et al. 2015)
 *
 *     p(x) = product over pixels of p(pixel | pixels before it in an ordering), one logit each
 *     loss per example = -log p(x), in nats
 *
 * Every unit has a degree: a pixel its place 0 .. D - 1 in the ordering, a hidden unit the last place that it may know of, spread evenly
 * over 0 .. D - 2. Weights are cut by masks so that nothing reaches a pixel's logit from its own place or a later one:
 *
 *     into a hidden unit       degree of the unit   >= degree of what it reads
 *     into a pixel's logit     place of the pixel   >  degree of what it reads
 *
 * No hidden layer leaves the logistic autoregression of Frey 1998. With several masks (order-agnostic training, section 4.2) each set
 * has hidden degrees, and with order=random an ordering, of its own; a step draws one, and the model is the mixture of all. Masks are a
 * function of the options, compared inside the graph from vectors of degrees and never stored. Pictures are drawn pixel by
 * pixel in the ordering of the first mask. */
#include "recipes/settings.h"
#include <math.h>
#include <stdlib.h>

typedef struct made_options {
    int pixels, order, activation, init;
    int64_t masks, size;
    double slope;
    bool direct, conditional;
    char *hidden;
} made_options;
enum { RASTER, RANDOM };
enum { MOST_SETS = 32 };

typedef struct made {
    fig_model *model;
    const made_options *o;
    int64_t pixels; /* D */
    int classes;
    fig__widths hidden;
    fig_node table[FIG__MOST_LAYERS + 1]; /* degrees (masks, D), then of each hidden layer (masks, width) */
} made;

/* -- degrees ---------------------------------------------------------------------------------------------------------- */

static void shuffle(float *values, int64_t count, fig__rng *rng)
{
    for (int64_t i = count - 1; i > 0; i--) {
        int64_t k = (int64_t)fig__rng_below(rng, (uint64_t)i + 1);
        float kept = values[i];
        values[i] = values[k];
        values[k] = kept;
    }
}

/* One row per set of masks. Of layer 0, the pixels, places; of hidden layers, degrees. */
static float *degrees(const made *n, int layer, int64_t width)
{
    float *all = fig__alloc(sizeof *all * (size_t)(width * n->o->masks));
    for (int64_t set = 0; set < n->o->masks; set++) {
        float *row = all + set * width;
        fig__rng rng = { 1 + (uint64_t)set * (FIG__MOST_LAYERS + 1) + (uint64_t)layer };
        for (int64_t i = 0; i < width; i++)
            row[i] = layer ? (float)(i * (n->pixels - 1) / width) : (float)i;
        if (layer ? set > 0 : n->o->order == RANDOM)
            shuffle(row, width, &rng);
    }
    return all;
}

static void make_tables(made *n)
{
    for (int layer = 0; layer <= n->hidden.count; layer++) {
        int64_t width = layer ? n->hidden.width[layer - 1] : n->pixels;
        float *all = degrees(n, layer, width);
        n->table[layer] = fig_constant_data(fig_model_graph(n->model), FIG_SHAPE(n->o->masks, width), all);
        free(all);
    }
}

/* The degrees of one set, (width); set is i32 (1). */
static fig_node degrees_of(const made *n, int layer, fig_node set)
{
    return fig_reshape(fig_gather(n->table[layer], set), FIG_SHAPE(-1));
}

/* -- the network ------------------------------------------------------------------------------------------------------ */

static fig_node rising(fig_node to, fig_node from) { return fig_greater_equal(fig_expand(to, -1), from); } /* (out, in) */
static fig_node strictly_rising(fig_node to, fig_node from) { return fig_greater(fig_expand(to, -1), from); }

/* x (B, D) of 0 and 1, label i32 (B) or none -> logits (B, D) */
static fig_node predict(const made *n, fig_node x, fig_node label, fig_node set)
{
    const made_options *o = n->o;
    fig_graph *g = fig_model_graph(n->model);
    fig_scope_push(g, "autoencoder");
    fig_node place = degrees_of(n, 0, set), known = place, h = x;
    for (int i = 0; i < n->hidden.count; i++) {
        fig_node degree = degrees_of(n, i + 1, set);
        h = fig_linear(h, n->hidden.width[i], &(fig_linear_opts){ .mask = rising(degree, known) }); /* (B, width) */
        if (i == 0 && !fig_is_none(label))
            h = fig_add(h, fig_embedding(label, n->classes, n->hidden.width[0], &(fig_embedding_opts){ .label = "class" }));
        h = fig__activate(h, o->activation, o->slope);
        known = degree;
    }
    fig_node logits = fig_linear(h, n->pixels, &(fig_linear_opts){ .mask = strictly_rising(place, known), .label = "logits" });
    if (o->direct && n->hidden.count)
        logits = fig_add(logits, fig_linear(x, n->pixels, &(fig_linear_opts){ .mask = strictly_rising(place, place), .no_bias = true,
                                                                              .label = "direct" }));
    fig_scope_pop(g);
    return logits;
}

static fig_node read_label(const made *n) { return n->o->conditional ? fig_model_input(n->model, "label") : FIG_NONE; }

static fig_node set_number(const made *n, int64_t set)
{
    int32_t number = (int32_t)set;
    return fig_constant_data(fig_model_graph(n->model), (fig_type){ .dtype = FIG_I32, .rank = 1, .dim = { 1 } }, &number);
}

/* -- what it is for --------------------------------------------------------------------------------------------------- */

static fig_status declare_training(const made *n, fig_error *err)
{
    fig_node x = fig_flatten(fig_model_input(n->model, "image")), set = set_number(n, 0); /* (B, D) */
    if (n->o->masks > 1)
        set = fig_cast(fig_scale(fig_uniform(fig_model_graph(n->model), FIG_SHAPE(1)), (float)n->o->masks), FIG_I32);
    fig_node loss = fig_bernoulli_nll(predict(n, x, read_label(n), set), x); /* (B) */
    return fig_model_phase(n->model, &(fig_phase){ .name = "nll", .loss = loss }, err);
}

/* -log of the mean over masks of p(x): a mixture of models that each sum to one, and so a likelihood itself. */
static void declare_metrics(const made *n)
{
    fig_node x = fig_flatten(fig_model_input(n->model, "image")), label = read_label(n), log_p[MOST_SETS];
    for (int64_t set = 0; set < n->o->masks; set++)
        log_p[set] = fig_expand(fig_neg(fig_bernoulli_nll(predict(n, x, label, set_number(n, set)), x)), -1); /* (B, 1) */
    fig_node nll = fig_neg(fig_squeeze(log_p[0], -1));
    char protocol[64];
    const char *law = fig__pixel_protocols[1 + n->o->pixels], *given = n->o->conditional ? ",class=given" : "";
    snprintf(protocol, sizeof protocol, "%s%s", law, given);
    if (n->o->masks > 1) {
        fig_node all = fig_concat(log_p, (int)n->o->masks, 1);
        nll = fig_shift(fig_neg(fig_logsumexp(all)), (float)log((double)n->o->masks));
        snprintf(protocol, sizeof protocol, "%s,masks=%lld%s", law, (long long)n->o->masks, given);
    }
    fig_model_metric(n->model, &(fig_metric_decl){ .name = "nll", .value = nll, .unit = "nats/item", .protocol = protocol,
                                                   .derive = "bits_per_dim" });
}

/* A step puts the last token into the picture so far, and reads the logit of the pixel whose turn it is. */
static void declare_sampler(const made *n)
{
    fig_graph *g = fig_model_graph(n->model);
    int64_t b = fig_model_batch(n->model), d = n->pixels;
    fig_type row = { .dtype = FIG_I32, .rank = 1, .dim = { b } };
    fig_node token = fig_input(g, "token", row), position = fig_input(g, "position", row);
    fig_node label = n->o->conditional ? fig_input(g, "label", row) : FIG_NONE;
    fig_node now = fig_expand(fig_cast(position, FIG_F32), -1), place = degrees_of(n, 0, set_number(n, 0)); /* (B, 1), (D) */
    fig_node drawn = fig_model_state(n->model, &(fig_state_decl){ .name = "drawn", .type = FIG_SHAPE(b, d), .reset = FIG_RESET_SEQUENCE });
    fig_node x = fig_select(fig_equal(place, fig_shift(now, -1)), fig_expand(fig_cast(token, FIG_F32), -1), drawn); /* (B, D) */
    fig_assign(drawn, x);
    fig_node own = fig_mul(predict(n, x, label, set_number(n, 0)), fig_equal(place, now)); /* (B, D), 0 but for one */
    fig_node logit = fig_sum(own, &(fig_reduce_opts){ .axis = 1, .keep = true });          /* (B, 1): of white against black */
    float *places = degrees(n, 0, d);
    int32_t *order = fig__alloc(sizeof *order * (size_t)d);
    for (int64_t i = 0; i < d; i++)
        order[(int64_t)places[i]] = (int32_t)i;
    fig_model_sampler(n->model, &(fig_sampler_decl){ .name = "ancestral",
                                                     .loop = FIG_LOOP_RASTER,
                                                     .output = fig_concat((fig_node[]){ fig_zeros_like(logit), logit }, 2, 1),
                                                     .token = token,
                                                     .position = position,
                                                     .label = label,
                                                     .order = order,
                                                     .length = d });
    free(order);
    free(places);
}

/* -- the record ------------------------------------------------------------------------------------------------------- */

static fig_status made_request(const void *options, const fig_data_info *found, fig_data_request *request, fig_error *err)
{
    const made_options *o = options;
    (void)err;
    request->kinds = FIG_DATA_IMAGES;
    request->binarise = (fig_binarise)(1 + o->pixels);
    fig__ask_pictures(found, o->size, 1, request);
    return FIG_OK;
}

static fig_status made_build(fig_model *model, const void *options, const fig_data_spec *data, fig_error *err)
{
    const made_options *o = options;
    made n = { .model = model, .o = o, .pixels = (int64_t)data->height * data->width * data->channels, .classes = data->classes };
    FIG_TRY(fig__read_widths("hidden", o->hidden, &n.hidden, err));
    if (n.pixels < 2)
        return fig_fail(err, FIG_E_USAGE, "pictures of a single pixel leave nothing to learn an order of");
    if (o->conditional && (data->classes < 1 || !n.hidden.count))
        return fig_fail(err, FIG_E_USAGE, "conditional: needs %s", data->classes < 1 ? "data with classes" : "a hidden layer");
    fig__set_init(model, o->init);
    make_tables(&n);
    if (fig_model_purpose(model) == FIG_FOR_TRAINING)
        return declare_training(&n, err);
    if (fig_model_purpose(model) == FIG_FOR_EVALUATION)
        declare_metrics(&n);
    else
        declare_sampler(&n);
    return FIG_OK;
}

#define AT(field) offsetof(made_options, field)
static const fig_option made_option_table[] = {
    { "hidden", FIG_TEXT, AT(hidden), 0, 0, 0, "widths of the hidden layers; 0 = none: logistic autoregression", .fallback_text = "1000",
      .metavar = "N,N" },
    { "pixels", FIG_CHOICE, AT(pixels), 0, 0, 0,
      "black and white: drawn by the grey level at each step (dynamic), or from half up (threshold)", .choices = "dynamic threshold" },
    { "order", FIG_CHOICE, AT(order), RASTER, 0, 0, "which pixels a pixel is told from: those above and to the left, or by lot",
      .choices = "raster random" },
    { "masks", FIG_INT, AT(masks), 1, 1, MOST_SETS, "sets of masks that training draws from and scores are a mixture of" },
    { "direct", FIG_BOOL, AT(direct), 0, 0, 0, "connections from the pixels straight to the logits as well" },
    { "conditional", FIG_BOOL, AT(conditional), 0, 0, 0, "the network is told the class" },
    { "size", FIG_INT, AT(size), 0, 0, 64, "side of a picture in pixels; 0 = as the data, at most 64" },
    { "activation", FIG_CHOICE, AT(activation), 0, 0, 0, "of hidden layers", .choices = FIG__ACTIVATION_CHOICES },
    { "slope", FIG_FLOAT, AT(slope), 0.2, 0, 1, "leaky_relu: slope below zero" },
    { "init", FIG_CHOICE, AT(init), FIG__INIT_GLOROT, 0, 0, "first values of the weights", .choices = FIG__INIT_CHOICES },
    { 0 },
};

static const fig_preset made_presets[] = {
    /* clang-format off */
    { .name = "pictures",
      .summary = "one hidden layer of 1,000",
      .settings = "hidden=1000 batch=128 lr=1e-3 schedule=cosine lr_end=0.02 epochs=20",
      .data_kinds = FIG_DATA_IMAGES, .data = "mnist" },
    { .name = "digits",
      .summary = "one hidden layer of 8,000 as published, batch 128, 70 epochs",
      .settings = "hidden=8000 batch=128 lr=1e-3 schedule=cosine lr_end=0.01 epochs=70 validation=0",
      .data = "mnist" },
    { .name = "logistic",
      .summary = "no hidden layer: 784 logistic regressions, each on the pixels before",
      .settings = "hidden=0 batch=512 lr=1e-3 epochs=50 validation=0",
      .data = "mnist" },
    /* clang-format on */
    { 0 },
};

const fig_recipe fig_recipe_made = {
    .name = "made",
    .summary = "masked autoencoder: exact likelihoods of black-and-white pictures",
    .paper = "Germain et al. 2015, MADE: Masked Autoencoder for Distribution Estimation",
    .help = "Learns the chance of each pixel given those before it, all in one pass of a network whose connections are cut so that no "
            "pixel is told itself. Scores are exact; a picture is drawn pixel by pixel.",
    .data_kinds = FIG_DATA_IMAGES,
    .options = made_option_table,
    .options_size = sizeof(made_options),
    .presets = made_presets,
    .request = made_request,
    .build = made_build,
    .networks = "autoencoder",
};
