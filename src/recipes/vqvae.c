/* recipes/vqvae.c - VQ-VAE: pictures as grids of codes out of a codebook (van den Oord et al. 2017, Neural Discrete Representation
 * Learning; the codebook by moving averages as in Razavi et al. 2019, appendix A.1)
 *
 *     x -> encoder -> h (B, H/f, W/f, D) -> nearest vectors q of the codebook -> decoder -> p(x | q)
 *     loss per example = -log p(x | q) / numbers in x + commitment * mean |h - stop(q)|^2
 *
 * The decoder's gradient passes to the encoder as if q were h (straight through); the commitment keeps h near its code; the codebook
 * follows h by itself (recipes/codebook.c). New pictures come from a prior over grids, a PixelCNN of codes (recipes/code_prior.h) that is
 * told the class, or each code by itself as often as it was taken. The prior learns in the same run: side by side with the autoencoder,
 * whose encoder's work it shares, or alone when the autoencoder has had its steps and rests. Nothing passes from it to the encoder.
 * With a critic (adversary.h) this is VQ-GAN (Esser et al. 2021): pictures are sharp where a mean would be grey.
 * As a picture has one grid of codes only,
 *
 *     log p(x) >= log p(x | q) + log p(codes),
 *
 * which is the score `elbo`. Bodies: the convolutions of every autoencoder (coder.h) down to the grid, then residual blocks. Pictures
 * lie in [0, 1]. Codes leave and enter the program as their numbers in the codebook, in raster order. */
#include "recipes/adversary.h"
#include "recipes/code_prior.h"
#include "recipes/codebook.h"
#include "recipes/coder.h"
#include <math.h>
#include <string.h>

typedef struct vq_options {
    fig__codebook_options codebook;
    fig__code_prior_options pixelcnn;
    fig__adversary_options adversary;
    int body, activation, norm, init, likelihood, pixels, prior, condition;
    int64_t width, size, channels, halvings, blocks, autoencoder_steps;
    double slope, sigma, commitment;
} vq_options;
enum { GAUSSIAN, BERNOULLI };
enum { PRIOR_PIXELCNN, PRIOR_FREQUENCY };
enum { CONDITION_AUTO, CONDITION_NONE, CONDITION_CLASS };

typedef struct vq {
    fig_model *model;
    const vq_options *o;
    fig__coder_options body;
    fig__coder coder;
    int64_t rows, columns, top; /* of the grid; channels around it */
    int64_t numbers;            /* in a picture */
    fig__code_prior prior;
    fig__adversary adversary;
} vq;

/* -- the networks --------------------------------------------------------------------------------------------------------- */

static fig_node blocks(const vq *v, fig_node h)
{
    for (int64_t i = 0; i < v->o->blocks; i++)
        h = fig_residual_block(h, v->top, &(fig_residual_opts){ .groups = 1, .no_norm = v->o->norm == FIG__NORM_NONE });
    return fig__activate(h, v->o->activation, v->o->slope);
}

static fig_node encode(const vq *v, fig_node x) /* (B, rows, columns, D) */
{
    fig_graph *g = fig_model_graph(v->model);
    fig_scope_push(g, "encoder");
    fig_node h = blocks(v, fig__coder_to_grid(&v->coder, x)); /* (B, rows, columns, top) */
    h = fig_conv2d(h, v->o->codebook.width, 1, &(fig_conv_layer_opts){ .label = "code" });
    fig_scope_pop(g);
    return h;
}

static fig_node decode(const vq *v, fig_node q) /* logits or means, (B, H, W, C) */
{
    fig_graph *g = fig_model_graph(v->model);
    fig_scope_push(g, "decoder");
    fig_node h = fig_conv2d(q, v->top, 3, &(fig_conv_layer_opts){ .padding = 1, .label = "code" });
    fig_node y = fig__coder_from_grid(&v->coder, blocks(v, h), 1);
    fig_scope_pop(g);
    return y;
}

typedef struct coded {
    fig_node h, index, q; /* (B, rows, columns, D), i32 (B, rows, columns), (B, rows, columns, D) */
} coded;

static coded quantise(const vq *v, fig_node x)
{
    coded c = { .h = encode(v, x) };
    fig_node vectors = fig_stop_gradient(fig__codebook(v->model, &v->o->codebook)); /* (K, D) */
    c.index = fig__codebook_nearest(vectors, c.h);
    c.q = fig_gather(vectors, c.index);
    return c;
}

static fig_node shown_as(const vq *v, fig_node y) { return v->o->likelihood == BERNOULLI ? fig_sigmoid(y) : y; }
static fig_node shown(const vq *v, fig_node q) { return shown_as(v, decode(v, q)); }

/* -- the loss and the scores ---------------------------------------------------------------------------------------------- */

/* -log p(x | q), (B), but for what no weight can change. */
static fig_node misfit(const vq *v, fig_node y, fig_node x)
{
    if (v->o->likelihood == BERNOULLI)
        return fig_bernoulli_nll(y, x);
    return fig_scale(fig_squared_error(x, y), (float)(0.5 / (v->o->sigma * v->o->sigma)));
}

static fig_node squared_error(const vq *v, fig_node y, fig_node x) /* of what is shown, mean over values: (B) */
{
    return fig_scale(fig_squared_error(shown_as(v, y), x), (float)(1 / (double)v->numbers));
}

static fig_node commitment(const vq *v, coded c) /* (B) */
{
    double numbers = (double)(v->rows * v->columns * v->o->codebook.width);
    return fig_scale(fig_squared_error(c.h, fig_stop_gradient(c.q)), (float)(1 / numbers));
}

static fig_node label_input(const vq *v) { return v->prior.classes ? fig_model_input(v->model, "label") : FIG_NONE; }

/* -log p(codes), (B). */
static fig_node code_nll(const vq *v, fig_node index)
{
    if (v->o->prior == PRIOR_PIXELCNN)
        return fig__code_prior_nll(&v->prior, index, label_input(v));
    return fig_neg(fig_sum_rows(fig_gather(fig__codebook_log_frequency(v->model, &v->o->codebook), index)));
}

static fig_status declare_prior(const vq *v, fig_node index, fig_error *err)
{
    if (v->o->prior != PRIOR_PIXELCNN)
        return FIG_OK;
    fig_node nll = fig_scale(code_nll(v, index), (float)(1 / (double)(v->rows * v->columns))); /* nats a code */
    return fig_model_phase(
        v->model, &(fig_phase){ .name = "prior", .loss = nll, .trains = "prior", .from = v->o->autoencoder_steps }, err);
}

static fig_status declare_training(const vq *v, fig_node x, fig_error *err)
{
    const fig__adversary *critic = &v->adversary;
    bool side_by_side = v->o->autoencoder_steps == 0;
    coded c = quantise(v, x);
    fig_node y = decode(v, fig__straight_through(c.h, c.q));
    fig_node term = fig_scale(misfit(v, y, x), (float)(1 / (double)v->numbers)), tie = commitment(v, c); /* (B) */
    fig_node loss = term, seen = critic->model ? shown_as(v, y) : FIG_NONE, away = FIG_NONE;
    if (v->o->adversary.features > 0) {
        away = fig_scale(fig__adversary_distance(critic, x, seen), (float)(1 / (double)v->numbers));
        loss = fig_add(loss, fig_mul(fig_scale(away, (float)v->o->adversary.features), fig__adversary_on(critic)));
    }
    if (v->o->adversary.weight > 0) {
        fig_node fooled;
        FIG_TRY(fig__adversary_term(critic, "autoencoder", loss, seen, seen, &fooled, err));
        loss = fig_add(loss, fooled);
    }
    loss = fig_add(loss, fig_scale(tie, (float)v->o->commitment));
    FIG_TRY(fig_model_phase(v->model, &(fig_phase){ .name = "autoencoder", .loss = loss, .trains = "encoder decoder",
                                                    .until = v->o->autoencoder_steps, .simultaneous = true },
                            err));
    fig_model_log(v->model, "autoencoder", "mse", squared_error(v, y, x));
    fig_model_log(v->model, "autoencoder", "commitment", tie);
    fig_model_log(v->model, "autoencoder", "perplexity", fig__codebook_follow(v->model, &v->o->codebook, c.h, c.index));
    if (!fig_is_none(away))
        fig_model_log(v->model, "autoencoder", "features", away);
    /* Phases of the same rounds that follow each other share a plan, and with it the encoder's and the decoder's work. */
    if (side_by_side)
        FIG_TRY(declare_prior(v, c.index, err));
    if (critic->model)
        FIG_TRY(fig__adversary_phase(critic, x, seen, v->o->autoencoder_steps, err));
    return side_by_side ? FIG_OK : declare_prior(v, c.index, err);
}

static void declare_metrics(const vq *v, fig_node x)
{
    bool grey = v->o->likelihood == BERNOULLI;
    char law[64], protocol[160];
    snprintf(law, sizeof law, "gaussian,sigma=%g", v->o->sigma);
    snprintf(protocol, sizeof protocol, "%s,codes=%lldx%lld of %lld%s", grey ? fig__pixel_protocols[v->o->pixels] : law,
             (long long)v->rows, (long long)v->columns, (long long)v->o->codebook.codes, v->prior.classes ? ",class=given" : "");
    coded c = quantise(v, x);
    fig_node y = decode(v, c.q), rate = code_nll(v, c.index); /* (B) */
    fig_node nll = grey ? fig_bernoulli_nll(y, x)
                        : fig_gaussian_nll(x, y, fig_constant(fig_model_graph(v->model), (float)(2 * log(v->o->sigma))));
    fig_model_metric(v->model, &(fig_metric_decl){ .name = "elbo", .value = fig_neg(fig_add(nll, rate)), .unit = "nats/item",
                                                   .protocol = protocol, .higher_is_better = true,
                                                   .derive = grey ? "bits_per_dim" : NULL });
    fig_model_metric(v->model, &(fig_metric_decl){ .name = "reconstruction", .value = nll, .unit = "nats/item", .protocol = protocol });
    fig_model_metric(v->model, &(fig_metric_decl){ .name = "code_nll", .value = rate, .unit = "nats/item", .protocol = protocol });
    fig_model_metric(v->model, &(fig_metric_decl){ .name = "mse", .value = squared_error(v, y, x), .unit = "squared/value",
                                                   .protocol = "mean over values" });
}

/* -- samples, and the halves alone ------------------------------------------------------------------------------------------ */

static fig_node picture_of(const vq *v, fig_node index) /* i32 (B, rows, columns) -> (B, H, W, C) */
{
    return shown(v, fig_gather(fig__codebook(v->model, &v->o->codebook), index));
}

/* Code after code by the PixelCNN, then the picture of all. */
static void declare_raster(const vq *v)
{
    fig_graph *g = fig_model_graph(v->model);
    int64_t b = fig_model_batch(v->model), places = v->rows * v->columns;
    fig_type one = { .dtype = FIG_I32, .rank = 1, .dim = { b } }, all = { .dtype = FIG_I32, .rank = 2, .dim = { b, places } };
    fig_node token = fig_input(g, "token", one), position = fig_input(g, "position", one), made = fig_input(g, "codes", all);
    fig_node label = v->prior.classes ? fig_input(g, "label", one) : FIG_NONE;
    fig_model_sampler(v->model, &(fig_sampler_decl){ .name = "prior",
                                                     .loop = FIG_LOOP_RASTER,
                                                     .output = fig__code_prior_step(&v->prior, token, position, label),
                                                     .token = token,
                                                     .position = position,
                                                     .label = label,
                                                     .length = places,
                                                     .made = made,
                                                     .finish = picture_of(v, fig_reshape(made, FIG_SHAPE(b, v->rows, v->columns))) });
}

/* Codes drawn one by one, as often as they were taken of late. */
static void declare_frequencies(const vq *v)
{
    fig_node logits = fig__codebook_log_frequency(v->model, &v->o->codebook); /* (K) */
    logits = fig_broadcast(logits, FIG_SHAPE(fig_model_batch(v->model), v->rows, v->columns, v->o->codebook.codes));
    fig_model_sampler(v->model, &(fig_sampler_decl){
                                    .name = "prior", .loop = FIG_LOOP_ONCE, .output = picture_of(v, fig_categorical(logits)) });
}

static void declare_samplers(const vq *v)
{
    int64_t b = fig_model_batch(v->model), places = v->rows * v->columns;
    if (v->o->prior == PRIOR_PIXELCNN)
        declare_raster(v);
    else
        declare_frequencies(v);
    coded c = quantise(v, fig_model_input(v->model, "image"));
    fig_node numbers = fig_reshape(fig_cast(c.index, FIG_F32), FIG_SHAPE(b, places));
    fig_model_sampler(v->model, &(fig_sampler_decl){
                                    .name = "reconstruct", .loop = FIG_LOOP_ONCE, .output = shown(v, c.q), .input = "image" });
    fig_model_sampler(v->model, &(fig_sampler_decl){
                                    .name = "encode", .loop = FIG_LOOP_ONCE, .output = numbers, .input = "image", .codes = true });
    fig_node given = fig_input(fig_model_graph(v->model), "code", FIG_SHAPE(b, places));
    fig_node index = fig_reshape(fig_cast(fig_floor(fig_shift(given, 0.5f)), FIG_I32), FIG_SHAPE(b, v->rows, v->columns));
    fig_model_sampler(
        v->model, &(fig_sampler_decl){ .name = "decode", .loop = FIG_LOOP_ONCE, .output = picture_of(v, index), .input = "code" });
}

/* -- the record ------------------------------------------------------------------------------------------------------------ */

static fig_status vqvae_request(const void *options, const fig_data_info *found, fig_data_request *request, fig_error *err)
{
    const vq_options *o = options;
    request->kinds = FIG_DATA_IMAGES;
    fig__ask_pictures(found, o->size, o->channels, request);
    request->binarise = (fig_binarise)o->pixels;
    if (o->pixels && o->likelihood != BERNOULLI)
        return fig_fail(err, FIG_E_USAGE, "pixels: two values have no Gaussian density; set likelihood=bernoulli or pixels=grey");
    if (o->pixels && fig__has_adversary(&o->adversary))
        return fig_fail(err, FIG_E_USAGE, "pixels: a critic tells black and white from the grey of a mean at once; set pixels=grey");
    return FIG_OK;
}

static fig_status open_networks(vq *v, const fig_data_spec *data, fig_error *err)
{
    const vq_options *o = v->o;
    int64_t step = (int64_t)1 << o->halvings;
    if (data->height % step || data->width % step || data->height < 2 * step || data->width < 2 * step)
        return fig_fail(err, FIG_E_USAGE,
                        "halvings: pictures of %dx%d pixels cannot be halved %lld times to a grid of 2x2 places or more; set fewer, or "
                        "size=32",
                        data->width, data->height, (long long)o->halvings);
    if (o->norm == FIG__NORM_BATCH)
        return fig_fail(err, FIG_E_USAGE, "norm: over the batch, a picture's codes would change with its neighbours; set norm=sample");
    v->body = (fig__coder_options){ .body = FIG__BODY_CONV + o->body, .activation = o->activation, .norm = o->norm, .init = o->init,
                                    .width = o->width, .slope = o->slope };
    v->coder = (fig__coder){ .o = &v->body, .conv = true, .levels = (int)o->halvings,
                             .data = FIG_SHAPE(fig_model_batch(v->model), data->height, data->width, data->channels) };
    v->rows = data->height / step;
    v->columns = data->width / step;
    v->top = o->width << (o->halvings - 1);
    v->numbers = (int64_t)data->height * data->width * data->channels;
    v->prior = (fig__code_prior){ .model = v->model, .o = &o->pixelcnn, .rows = v->rows, .columns = v->columns,
                                  .codes = o->codebook.codes };
    if (o->prior == PRIOR_PIXELCNN && o->condition != CONDITION_NONE)
        v->prior.classes = data->classes;
    if (o->condition == CONDITION_CLASS && !v->prior.classes)
        return fig_fail(err, FIG_E_USAGE, "condition: %s; set condition=auto",
                        data->classes ? "codes drawn by frequency are told nothing" : "the data have no classes");
    if (fig__has_adversary(&o->adversary) && fig_model_purpose(v->model) == FIG_FOR_TRAINING)
        FIG_TRY(fig__adversary_open(&v->adversary, v->model, &o->adversary, data, o->init, err));
    fig__set_init(v->model, o->init);
    return o->prior == PRIOR_PIXELCNN ? fig__code_prior_check(&v->prior, err) : FIG_OK;
}

static fig_status vqvae_build(fig_model *model, const void *options, const fig_data_spec *data, fig_error *err)
{
    vq v = { .model = model, .o = options };
    FIG_TRY(open_networks(&v, data, err));
    if (fig_model_purpose(model) == FIG_FOR_SAMPLING)
        declare_samplers(&v);
    else if (fig_model_purpose(model) == FIG_FOR_EVALUATION)
        declare_metrics(&v, fig_model_input(model, "image"));
    else
        return declare_training(&v, fig_model_input(model, "image"), err);
    return FIG_OK;
}

static char *vqvae_advise(const void *options, const fig_data_spec *data)
{
    const vq_options *o = options;
    (void)data;
    fig__text out;
    fig__text_init(&out, 4096);
    if (fig__has_adversary(&o->adversary) && o->autoencoder_steps > 0 && o->adversary.from >= o->autoencoder_steps)
        fig__text_print(&out, "adversarial_from: by then the autoencoder rests (autoencoder_steps), so the critic never plays\n");
    if (o->codebook.restart <= 0)
        fig__text_print(&out, "restart=0: codes that nothing is near to in the first steps are lost; try restart=0.01\n");
    if (o->prior == PRIOR_FREQUENCY && o->autoencoder_steps > 0)
        fig__text_print(&out, "autoencoder_steps: with prior=frequency nothing is left to learn after them\n");
    return out.data;
}

#define AT(field) offsetof(vq_options, field)
#define BOOK(field) AT(codebook.field)
#define PIXELCNN(field) AT(pixelcnn.field)
#define ADVERSARY(field) AT(adversary.field)
static const fig_option vqvae_option_table[] = {
    { "body", FIG_CHOICE, AT(body), 0, 0, 0, "networks: convolutions, or light: depthwise-separable ones", .choices = "conv light" },
    { "width", FIG_INT, AT(width), 32, 1, 1024, "channels after the first layer, doubled at each further halving" },
    { "halvings", FIG_INT, AT(halvings), 2, 1, 5, "how often a picture's sides are halved to those of the grid of codes" },
    { "blocks", FIG_INT, AT(blocks), 2, 0, 16, "residual blocks before the codes, and as many behind them" },
    FIG__CODEBOOK_ROWS(BOOK),
    { "commitment", FIG_FLOAT, AT(commitment), 0.25, 0, 100, "weight of the distance between what the encoder says and its code" },
    { "likelihood", FIG_CHOICE, AT(likelihood), GAUSSIAN, 0, 0, "what the decoder says about a value", .choices = "gaussian bernoulli" },
    { "pixels", FIG_CHOICE, AT(pixels), FIG_BINARISE_NONE, 0, 0,
      "grey levels as they are, or black and white: drawn by their level at each step (dynamic), or from half up (threshold)",
      .choices = FIG__PIXEL_CHOICES },
    { "sigma", FIG_FLOAT, AT(sigma), 0.1, 1e-4, 1e4, "gaussian: the deviation" },
    { "prior", FIG_CHOICE, AT(prior), PRIOR_PIXELCNN, 0, 0,
      "what new codes are drawn from: a PixelCNN over the grid, or how often each was taken", .choices = "pixelcnn frequency" },
    { "condition", FIG_CHOICE, AT(condition), CONDITION_AUTO, 0, 0,
      "what the PixelCNN is told; auto = the class, where the data have classes", .choices = "auto none class" },
    { "autoencoder_steps", FIG_INT, AT(autoencoder_steps), 0, 0, 1e12,
      "steps in which the autoencoder learns; then it rests, and the prior learns alone; 0 = both learn side by side to the end" },
    FIG__CODE_PRIOR_ROWS(PIXELCNN),
    FIG__ADVERSARY_ROWS(ADVERSARY),
    { "size", FIG_INT, AT(size), 0, 0, 512, "side of a picture in pixels; 0 = as the data, at most 64" },
    { "channels", FIG_INT, AT(channels), 0, 0, 3, "1 grey, 3 colour; 0 = as the data" },
    { "activation", FIG_CHOICE, AT(activation), 0, 0, 0, "of hidden layers", .choices = FIG__ACTIVATION_CHOICES },
    { "slope", FIG_FLOAT, AT(slope), 0.2, 0, 1, "leaky_relu: slope below zero" },
    { "norm", FIG_CHOICE, AT(norm), FIG__NORM_NONE, 0, 0, "normalisation of hidden layers, of each sample by itself",
      .choices = FIG__NORM_CHOICES },
    { "init", FIG_CHOICE, AT(init), FIG__INIT_GLOROT, 0, 0, "first values of the weights", .choices = FIG__INIT_CHOICES },
    { 0 },
};

/* Small batches: at equal operations twice the steps halve the error of the first minute. */
#define STEADY "batch=32 lr=1e-3 warmup=100 schedule=cosine lr_end=0.02 sample_rows=10 sample_columns=10 "
#define GREY "width=32 blocks=1 prior.layers=5 prior.width=48 prior.head=96 " STEADY
#define COLOUR "channels=3 codes=512 prior.layers=8 prior.dropout=0.2 " STEADY
#define GAN "adversarial=0.3 adversarial_from=1000 "
static const fig_preset vqvae_presets[] = {
    /* clang-format off */
    { .name = "pictures",
      .summary = "grids of 7x7 codes for grey pictures of 28 pixels: 480,000 looked at, 0.16 GFLOP each",
      .settings = "codes=256 " GREY "steps=15000",
      .data_kinds = FIG_DATA_IMAGES, .data = "fashion-mnist" },
    { .name = "black-and-white",
      .summary = "digits drawn in black and white at each step, 7x7 codes of 64: 480,000 looked at, 0.16 GFLOP each",
      .settings = "likelihood=bernoulli pixels=dynamic codes=64 " GREY "steps=15000",
      .data = "mnist" },
    { .name = "vqgan",
      .summary = "grey pictures with a critic of patches from step 1,000 on (Esser et al. 2021): 480,000 looked at, 0.22 GFLOP each",
      .settings = "codes=256 " GAN GREY "steps=15000",
      .data = "fashion-mnist" },
    { .name = "two-stages",
      .summary = "as published: first the autoencoder alone, then the prior over its codes; 480,000 pictures for each, 0.18 GFLOP together",
      .settings = "codes=256 autoencoder_steps=15000 " GREY "steps=30000",
      .data = "fashion-mnist" },
    { .name = "folder-32",
      .summary = "colour pictures of 32 pixels, 8x8 codes: 384,000 looked at, 0.65 GFLOP each",
      .settings = "size=32 width=48 " COLOUR "steps=12000",
      .data = "a picture folder" },
    { .name = "folder-64",
      .summary = "colour pictures of 64 pixels, 8x8 codes, a critic of patches: 384,000 looked at, 0.97 GFLOP each",
      .settings = "size=64 halvings=3 width=24 blocks=1 " GAN COLOUR "steps=12000",
      .data = "a picture folder" },
    /* clang-format on */
    { 0 },
};

const fig_recipe fig_recipe_vqvae = {
    .name = "vqvae",
    .summary = "VQ-VAE: pictures as grids of codes, compressed, reconstructed and drawn anew",
    .paper = "van den Oord et al. 2017, arXiv 1711.00937; Razavi et al. 2019, arXiv 1906.00446",
    .help = "An encoder says a picture in a small grid of codes out of a learned codebook, and a decoder makes the picture of them. Few "
            "numbers say a whole picture (figment encode, decode). A second network learns which grids there are and draws new ones, of "
            "a class if wanted. Sharper than a vae; with a critic (adversarial=0.3) sharper still.",
    .data_kinds = FIG_DATA_IMAGES,
    .options = vqvae_option_table,
    .options_size = sizeof(vq_options),
    .presets = vqvae_presets,
    .request = vqvae_request,
    .build = vqvae_build,
    .advise = vqvae_advise,
    .networks = "encoder decoder prior discriminator",
};
