/* recipes/autoencoder.c - autoencoders without a probability model: plain (Hinton and Salakhutdinov 2006), denoising (Vincent et al.
 * 2008), sparse (Ng 2011) and contractive (Rifai et al. 2011)
 *
 *     x -> corrupted x -> encoder -> code z -> decoder -> x again
 *     loss per example = reconstruction of the clean x [+ sparsity] [+ contraction * |dz/dx|^2]
 *
 * The kinds are options that combine. What makes a code useful is what is asked of it beside being short: to repair what noise has
 * done to x, to have few units at work at a time, or to stand still when x changes a little.
 *
 * The encoder's Jacobian is never formed: for a random sign s of each unit, E |d(s . z)/dx|^2 is the sum of squares of all its entries
 * (Hutchinson 1989); batch norm would mix the rows, so norm=none belongs to it. To draw new examples, codes are taken from a
 * Gaussian with the training codes' running mean and deviation per unit: good enough to look, and no density. Pictures lie in
 * [0, 1], points as the data have them. */
#include "nn/layer.h"
#include "recipes/coder.h"
#include <string.h>

typedef struct ae_options {
    fig__coder_options coder;
    int loss, corruption, sparse;
    int64_t latent;
    double amount, sparsity, activity, contraction;
} ae_options;
enum { SQUARED, BERNOULLI };
enum { CLEAN, NOISE, MASK, SALT };
enum { DENSE, SPARSE_L1, SPARSE_KL };

typedef struct ae {
    fig_model *model;
    const ae_options *o;
    fig__coder coder;
} ae;

/* -- the networks --------------------------------------------------------------------------------------------------------- */

typedef struct code {
    fig_node logits, z; /* (B, Z): before and after the code's own activation */
} code;

/* Sparse codes are activities: none below zero (l1), or between 0 and 1 (kl). */
static code encode(const ae *a, fig_node x)
{
    fig_graph *g = fig_model_graph(a->model);
    fig_scope_push(g, "encoder");
    code c;
    c.logits = fig_linear(fig__coder_down(&a->coder, x), a->o->latent, &(fig_linear_opts){ .label = "code" });
    c.z = a->o->sparse == SPARSE_L1 ? fig_relu(c.logits) : a->o->sparse == SPARSE_KL ? fig_sigmoid(c.logits) : c.logits;
    fig_scope_pop(g);
    return c;
}

/* Running mean and variance of each unit over the training codes: of all so far, and of the last hundred batches or so once there are
 * as many. For averaged weights (`ema`) they are gathered anew, from batches that count alike (train/standing.c). */
typedef struct spread {
    fig_node mean, variance; /* (Z) */
} spread;

static spread code_spread(const ae *a)
{
    fig_graph *g = fig_model_graph(a->model);
    fig_type type = FIG_SHAPE(a->o->latent);
    fig_scope_push(g, "encoder");
    spread s = { fig_buffer(g, "code_mean", type, (fig_init){ .kind = FIG_INIT_ZEROS }),
                 fig_buffer(g, "code_variance", type, (fig_init){ .kind = FIG_INIT_ONES }) };
    fig_scope_pop(g);
    return s;
}

/* The mean moves by `share` of its way to the batch's, and the variance is that of both together. A share of 1 leaves nothing of what
 * was there, be it infinite. */
static void move_spread(spread *s, fig_node mean, fig_node variance, fig_node share)
{
    fig_node rest = fig_shift(fig_neg(share), 1), way = fig_sub(mean, s->mean);
    fig_node before = fig_mul(fig_add(s->variance, fig_mul(fig_square(way), share)), rest);
    s->variance = fig_select(rest, fig_add(before, fig_mul(variance, share)), variance);
    s->mean = fig_select(rest, fig_add(s->mean, fig_mul(way, share)), mean);
}

static void follow_codes(const ae *a, fig_node z)
{
    enum { STEPS = 100 };
    fig_graph *g = fig_model_graph(a->model);
    spread old = code_spread(a), s = old;
    fig_node steps = fig_model_state(a->model, &(fig_state_decl){ .name = "code_steps", .type = FIG_SHAPE(1) });
    fig_node mean = fig__mean_over_rows(a->model, z), off = fig_sub(z, mean); /* (Z), (B, Z) */
    fig_node share = fig_max(fig_reciprocal(fig_shift(steps, 1)), fig_constant(g, 1.0f / STEPS));
    move_spread(&s, mean, fig__mean_over_rows(a->model, fig_square(off)), share);
    fig_assign(old.mean, s.mean);
    fig_assign(old.variance, s.variance);
    fig_assign(steps, fig_shift(steps, 1));
}

/* The same of weights that no step has seen, while their reconstructions are made. */
static void gather_codes(const ae *a, fig_node z)
{
    fig_reduce_opts rows = { .axis = 0 };
    spread old = code_spread(a), s = old;
    fig_node mean = fig_mean(z, &rows);
    move_spread(&s, mean, fig_mean(fig_square(fig_sub(z, mean)), &rows), fig_scalar(z.graph, "standing", 1));
    fig__assign_anchored(old.mean, s.mean, z);
    fig__assign_anchored(old.variance, s.variance, z);
}

static fig_node decode(const ae *a, fig_node z) /* logits or values, of the data's shape */
{
    fig_graph *g = fig_model_graph(a->model);
    fig_scope_push(g, "decoder");
    fig_node y = fig__coder_up(&a->coder, z, 1);
    fig_scope_pop(g);
    return y;
}

static fig_node shown(const ae *a, fig_node z)
{
    fig_node y = decode(a, z);
    return a->o->loss == BERNOULLI ? fig_sigmoid(y) : y;
}

/* -- the loss ------------------------------------------------------------------------------------------------------------- */

/* noise: N(0, amount^2) on every value. mask: values that are 0 with chance `amount`. salt: values that are 0 or 1, evenly, with chance
 * `amount`. */
static fig_node corrupted(const ae *a, fig_node x)
{
    fig_graph *g = fig_model_graph(a->model);
    fig_type type = fig_type_of(x);
    float amount = (float)a->o->amount;
    if (a->o->corruption == CLEAN)
        return x;
    if (a->o->corruption == NOISE)
        return fig_add(x, fig_scale(fig_normal(g, type), amount));
    fig_node u = fig_uniform(g, type), zero = fig_constant(g, 0), one = fig_constant(g, 1);
    fig_node hit = fig_less(u, fig_constant(g, amount));
    if (a->o->corruption == MASK)
        return fig_select(hit, zero, x);
    return fig_select(hit, fig_select(fig_less(u, fig_constant(g, amount / 2)), one, zero), x);
}

static fig_node reconstruction(const ae *a, fig_node y, fig_node x) /* (B) */
{
    return a->o->loss == BERNOULLI ? fig_bernoulli_nll(y, x) : fig_squared_error(y, x);
}

/* KL( wanted activity || mean activity over the batch ), the same for each example; rows that only fill up count nothing. */
static fig_node activity_penalty(const ae *a, fig_node z) /* (B) */
{
    float rho = (float)a->o->activity;
    fig_node mean = fig__mean_over_rows(a->model, z); /* (Z) */
    mean = fig_clamp(mean, 1e-6f, 1 - 1e-6f);
    fig_node on = fig_scale(fig_log(fig_scale(mean, 1 / rho)), -rho);
    fig_node off = fig_scale(fig_log(fig_scale(fig_shift(fig_neg(mean), 1), 1 / (1 - rho))), rho - 1);
    return fig_broadcast(fig_sum(fig_add(on, off), NULL), FIG_SHAPE(fig_dim(z, 0)));
}

static fig_node sparsity_penalty(const ae *a, fig_node z) /* (B) */
{
    return a->o->sparse == SPARSE_L1 ? fig_sum_rows(z) : activity_penalty(a, z);
}

/* An unbiased estimate of the sum of squares of the code's derivatives by x, (B). */
static fig_node contraction_penalty(const ae *a, fig_node z, fig_node x)
{
    fig_graph *g = fig_model_graph(a->model);
    fig_node u = fig_uniform(g, fig_type_of(z)), slope;
    fig_node sign = fig_select(fig_less(u, fig_constant(g, 0.5f)), fig_constant(g, -1), fig_constant(g, 1)); /* (B, Z) */
    fig_gradients(fig_sum(fig_mul(z, sign), NULL), &x, 1, &slope); /* of x's shape */
    return fig_sum_rows(fig_square(slope));
}

static fig_status declare_training(const ae *a, fig_node x, fig_error *err)
{
    fig_node seen = corrupted(a, x);
    code c = encode(a, seen);
    follow_codes(a, c.z);
    fig_node term = reconstruction(a, decode(a, c.z), x), loss = term, sparse = FIG_NONE, contracted = FIG_NONE; /* (B) */
    if (a->o->sparse) {
        sparse = sparsity_penalty(a, c.z);
        loss = fig_add(loss, fig_scale(sparse, (float)a->o->sparsity));
    }
    if (a->o->contraction > 0) {
        contracted = contraction_penalty(a, c.z, seen);
        loss = fig_add(loss, fig_scale(contracted, (float)a->o->contraction));
    }
    FIG_TRY(fig_model_phase(a->model, &(fig_phase){ .name = "reconstruction", .loss = loss }, err));
    fig_model_log(a->model, "reconstruction", "error", term);
    if (!fig_is_none(sparse))
        fig_model_log(a->model, "reconstruction", "sparsity", sparse);
    if (!fig_is_none(contracted))
        fig_model_log(a->model, "reconstruction", "contraction", contracted);
    return FIG_OK;
}

static void declare_metrics(const ae *a, fig_node x)
{
    code c = encode(a, x);
    fig_node y = decode(a, c.z), shown_error;
    shown_error = fig_squared_error(a->o->loss == BERNOULLI ? fig_sigmoid(y) : y, x); /* (B) */
    double numbers = (double)fig_elements(&a->coder.data) / (double)a->coder.data.dim[0];
    bool grey = a->o->loss == BERNOULLI;
    fig_model_metric(a->model, &(fig_metric_decl){ .name = "mse", .value = fig_scale(shown_error, (float)(1 / numbers)),
                                                   .unit = "squared/value", .protocol = "mean over values" });
    fig_model_metric(a->model, &(fig_metric_decl){ .name = "reconstruction", .value = reconstruction(a, y, x),
                                                   .unit = grey ? "nats/item" : "squared/item",
                                                   .protocol = grey ? "grey-bernoulli" : "squared error" });
    fig_node active = fig_less(fig_constant(fig_model_graph(a->model), 1e-2f), fig_abs(c.z)); /* (B, Z), 1 where a unit is at work */
    fig_model_metric(a->model, &(fig_metric_decl){ .name = "active_units", .value = fig_sum_rows(active), .unit = "units",
                                                   .protocol = "above 0.01" });
}

static void declare_samplers(const ae *a, const char *field)
{
    fig_graph *g = fig_model_graph(a->model);
    fig_node x = fig_model_input(a->model, field);
    code c = encode(a, x);
    fig_node again = shown(a, c.z);
    fig_sampler_decl reconstruct = { .name = "reconstruct", .loop = FIG_LOOP_ONCE, .output = again, .input = field, .as_trained = true };
    if (fig__is_standing(g)) {
        gather_codes(a, c.z);
        fig_model_sampler(a->model, &reconstruct);
        return;
    }
    spread s = code_spread(a);
    fig_node z = fig_add(fig_mul(fig_model_noise(a->model, a->o->latent), fig_sqrt(s.variance)), s.mean); /* (B, Z) */
    z = a->o->sparse == SPARSE_L1 ? fig_relu(z) : a->o->sparse == SPARSE_KL ? fig_clamp(z, 0, 1) : z;
    fig_model_sampler(a->model, &(fig_sampler_decl){ .name = "prior", .loop = FIG_LOOP_ONCE, .output = shown(a, z) });
    fig_model_sampler(a->model, &reconstruct);
    fig_model_sampler(a->model, &(fig_sampler_decl){
                                    .name = "encode", .loop = FIG_LOOP_ONCE, .output = c.z, .input = field, .codes = true });
    fig_node given = fig_input(g, "code", FIG_SHAPE(fig_model_batch(a->model), a->o->latent));
    fig_model_sampler(a->model, &(fig_sampler_decl){ .name = "decode", .loop = FIG_LOOP_ONCE, .output = shown(a, given), .input = "code" });
}

/* -- the record ----------------------------------------------------------------------------------------------------------- */

static fig_status autoencoder_request(const void *options, const fig_data_info *found, fig_data_request *request, fig_error *err)
{
    const ae_options *o = options;
    request->kinds = FIG_DATA_IMAGES | FIG_DATA_POINTS;
    if (found->kind == FIG_DATA_IMAGES)
        fig__ask_pictures(found, o->coder.size, o->coder.channels, request);
    if (o->corruption >= MASK && o->amount > 1)
        return fig_fail(err, FIG_E_USAGE, "amount: %g; of corruption=mask and salt it is a share of the values, at most 1", o->amount);
    if (found->kind == FIG_DATA_POINTS && (o->loss == BERNOULLI || o->corruption == SALT))
        return fig_fail(err, FIG_E_USAGE, "%s is for values in [0, 1]; set %s for points",
                        o->loss == BERNOULLI ? "loss: bernoulli" : "corruption: salt",
                        o->loss == BERNOULLI ? "loss=squared" : "corruption=noise");
    return FIG_OK;
}

static fig_status autoencoder_build(fig_model *model, const void *options, const fig_data_spec *data, fig_error *err)
{
    ae a = { .model = model, .o = options };
    FIG_TRY(fig__coder_begin(model, &a.o->coder, data, &a.coder, err));
    const char *field = data->kind == FIG_DATA_POINTS ? "point" : "image";
    if (fig_model_purpose(model) == FIG_FOR_SAMPLING)
        declare_samplers(&a, field);
    else if (fig_model_purpose(model) == FIG_FOR_EVALUATION)
        declare_metrics(&a, fig_model_input(model, field));
    else
        return declare_training(&a, fig_model_input(model, field), err);
    return FIG_OK;
}

static char *autoencoder_advise(const void *options, const fig_data_spec *data)
{
    const ae_options *o = options;
    int64_t numbers = data->kind == FIG_DATA_POINTS ? data->dimensions : (int64_t)data->height * data->width * data->channels;
    fig__text out;
    fig__text_init(&out, 4096);
    if (o->latent >= numbers && !o->corruption && !o->sparse && o->contraction <= 0)
        fig__text_print(&out,
                        "a code of %lld numbers for %lld values can copy them and learn nothing: set a smaller latent, or "
                        "corruption=mask, sparse=l1 or contraction=0.1\n",
                        (long long)o->latent, (long long)numbers);
    if (o->sparsity > 0 && o->sparse == DENSE && o->sparsity != 1e-3)
        fig__text_print(&out, "sparsity does nothing without sparse=l1 or sparse=kl\n");
    if (o->contraction > 0 && o->coder.norm == FIG__NORM_BATCH && o->coder.body != FIG__BODY_MLP && data->kind == FIG_DATA_IMAGES)
        fig__text_print(&out, "contraction is of rows by themselves, which batch norm mixes; set norm=sample\n");
    if (o->corruption == CLEAN && o->amount != 0.3)
        fig__text_print(&out, "amount does nothing without corruption=noise, mask or salt\n");
    return out.data;
}

#define AT(field) offsetof(ae_options, field)
#define CODER(field) AT(coder.field)
static const fig_option autoencoder_option_table[] = {
    FIG__CODER_BODY_ROWS(CODER),
    { "latent", FIG_INT, AT(latent), 32, 1, 4096, "numbers in the code" },
    { "loss", FIG_CHOICE, AT(loss), SQUARED, 0, 0, "how a reconstruction is judged: squared error, or binary cross-entropy of grey levels",
      .choices = "squared bernoulli" },
    { "corruption", FIG_CHOICE, AT(corruption), CLEAN, 0, 0,
      "what the encoder sees in training: x, x with Gaussian noise, with values set to 0 (mask), or to 0 or 1 (salt)",
      .choices = "none noise mask salt" },
    { "amount", FIG_FLOAT, AT(amount), 0.3, 0, 10, "of corruption: the noise's deviation, or the share of values" },
    { "sparse", FIG_CHOICE, AT(sparse), DENSE, 0, 0,
      "few units at work: codes from 0 up with an L1 penalty, or from 0 to 1 with their mean activity held at `activity`",
      .choices = "none l1 kl" },
    { "sparsity", FIG_FLOAT, AT(sparsity), 1e-3, 0, 1e4, "sparse: weight of the penalty" },
    { "activity", FIG_FLOAT, AT(activity), 0.05, 1e-4, 0.9999, "sparse=kl: the mean activity wanted of each unit" },
    { "contraction", FIG_FLOAT, AT(contraction), 0, 0, 1e4,
      "weight of the squared derivatives of the code by x (contractive autoencoder)" },
    FIG__CODER_LAYER_ROWS(CODER),
    { 0 },
};

static const fig_preset autoencoder_presets[] = {
    /* clang-format off */
    { .name = "pictures",
      .summary = "convolutional autoencoder for small pictures",
      .settings = "activation=leaky_relu latent=32 hidden=256 width=32 batch=128 lr=2e-3 schedule=cosine lr_end=0.02 epochs=8",
      .data_kinds = FIG_DATA_IMAGES, .data = "fashion-mnist" },
    { .name = "deep",
      .summary = "784-1000-500-250-30 and back, the shape of Hinton and Salakhutdinov",
      .settings = "body=mlp hidden=1000,500,250 latent=30 loss=bernoulli lr=1e-3 batch=128 epochs=20 schedule=cosine lr_end=0.02",
      .data = "mnist" },
    { .name = "denoising",
      .summary = "trained to repair pictures of which three tenths are missing",
      .settings = "body=mlp hidden=1000 latent=500 loss=bernoulli corruption=mask amount=0.3 lr=1e-3 batch=128 epochs=20",
      .data = "mnist" },
    { .name = "sparse",
      .summary = "a long code, trained to a mean activity of 0.05 a unit",
      .settings = "body=mlp hidden=0 latent=500 loss=bernoulli sparse=kl activity=0.05 sparsity=0.5 lr=1e-3 batch=128 epochs=20",
      .data = "mnist" },
    { .name = "contractive",
      .summary = "trained to change its code little when the picture changes a little",
      .settings = "body=mlp hidden=400 latent=100 activation=tanh loss=bernoulli contraction=0.1 lr=1e-3 batch=128 epochs=20",
      .data = "mnist" },
    { .name = "plane",
      .summary = "points in the plane through one number",
      .settings = "body=mlp hidden=64,64 latent=1 activation=tanh lr=3e-3 batch=64 epochs=50",
      .data_kinds = FIG_DATA_POINTS, .data = "synthetic:moons" },
    /* clang-format on */
    { 0 },
};

const fig_recipe fig_recipe_autoencoder = {
    .name = "autoencoder",
    .summary = "autoencoder: plain, denoising, sparse or contractive; short codes for pictures and points",
    .paper = "Hinton and Salakhutdinov 2006; Vincent et al. 2008; Rifai et al. 2011",
    .help = "An encoder makes a short code of an example and a decoder makes the example of its code. Good for reducing dimensions "
            "(figment encode), for compression and for repairing noisy pictures. It has no likelihood; to draw new examples, vae is "
            "better.",
    .data_kinds = FIG_DATA_IMAGES | FIG_DATA_POINTS,
    .options = autoencoder_option_table,
    .options_size = sizeof(ae_options),
    .presets = autoencoder_presets,
    .request = autoencoder_request,
    .build = autoencoder_build,
    .advise = autoencoder_advise,
    .networks = "encoder decoder",
};
