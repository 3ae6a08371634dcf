/* recipes/vae.c - the variational autoencoder (Kingma and Welling 2013), the importance-weighted one (Burda et al. 2015), and the one
 * with a critic, VAE-GAN (Larsen et al. 2016)
 *
 *     x -> encoder -> mean, log-variance -> z = mean + deviation * noise -> decoder -> p(x | z)
 *     loss per example = -log p(x | z) + beta * KL( q(z | x) || N(0, I) ), in nats
 *
 * With K samples of z an example's rows lie side by side, (B K, ...): the reconstruction is their mean, or the bound is a tighter one,
 *
 *     loss per example = -log 1/K sum over k of w_k,    w = p(x | z) p(z) / q(z | x)
 *
 * The weights of dense layers may have noise, whose size is learned: then the bound holds their KL too, each example its share
 * (nn/variational.c).
 *
 * A critic (adversary.h) is shown pictures of the codes of data and of the prior's; its opinion reaches the decoder only, and how far a
 * reconstruction is from its picture can be said by its features, beside the likelihood of the pixels or instead of it.
 *
 * Bodies: coder.h. Likelihoods: Bernoulli, over grey levels or of pictures drawn in black and white; Gaussian with a fixed
 * deviation, or a learned one (one number, or one per element); logistic, discretised to 256 levels (levels.h), which gives pictures of
 * 8 bits a probability and not a density. Pictures lie in [0, 1]. The decoder always gives logits or means; a probability appears only
 * in samples. */
#include "recipes/adversary.h"
#include "recipes/coder.h"
#include "recipes/levels.h"
#include <math.h>
#include <string.h>

typedef struct vae_options {
    fig__coder_options coder;
    int likelihood, pixels, bound, sigma_per, variational_dropout;
    int64_t latent, samples, kl_warmup;
    double sigma, sigma_floor, beta, free_bits, likelihood_weight;
    fig__adversary_options adversary;
} vae_options;
enum { BERNOULLI, GAUSSIAN, GAUSSIAN_LEARNED, LOGISTIC };
enum { PER_MODEL, PER_ELEMENT };
enum { ELBO, IMPORTANCE };
enum { LEVELS = 256 };
enum { SAMPLES_A_RUN = 25 }; /* of the bound of many samples: 64 x 25 rows keep the products busy and the caches are not outgrown */

typedef struct vae { /* what encoder and decoder need to know */
    fig_model *model;
    const vae_options *o;
    fig__coder coder;
    int64_t draws; /* K of z for an example */
    int64_t items; /* examples to train on */
    fig__adversary adversary; /* without a model where there is none */
} vae;

typedef struct code {
    fig_node mean, log_variance;
} code; /* (B, Z) each */
typedef struct guess {
    fig_node centre, spread;
} guess; /* of the data's shape: logits; or means and log-variances; or means in -1 .. 1 and logs of 1 / scale */

/* -- the two networks ------------------------------------------------------------------------------------------------- */

static code encode(const vae *v, fig_node x)
{
    fig_graph *g = fig_model_graph(v->model);
    fig_scope_push(g, "encoder");
    fig_node h = fig__coder_down(&v->coder, x);
    code q;
    fig_linear_opts mean = { .label = "mean", .noise = v->coder.noise };
    fig_linear_opts log_variance = { .label = "log_variance", .noise = v->coder.noise };
    q.mean = fig_linear(h, v->o->latent, &mean);                 /* (B, Z) */
    q.log_variance = fig_linear(h, v->o->latent, &log_variance); /* (B, Z) */
    fig_scope_pop(g);
    return q;
}

/* log(exp(raw) + floor^2): the learned deviation cannot fall below the floor, and never loses its gradient. */
static fig_node floored(fig_node raw, double floor) { return fig_log(fig_shift(fig_exp(raw), (float)(floor * floor))); }

/* How widely values are spread around their means, from the network's own number: it begins at a deviation of 1, or at a scale of an
 * eighth or so of half the range. */
static fig_node spread_of(const vae *v, fig_node raw)
{
    return v->o->likelihood == LOGISTIC ? fig_shift(raw, 2) : floored(raw, v->o->sigma_floor);
}

static guess decode(const vae *v, fig_node z)
{
    fig_graph *g = fig_model_graph(v->model);
    bool learned = v->o->likelihood >= GAUSSIAN_LEARNED, two = learned && v->o->sigma_per == PER_ELEMENT;
    fig_scope_push(g, "decoder");
    fig_node y = fig__coder_up(&v->coder, z, two ? 2 : 1);
    guess p = { y, FIG_NONE };
    if (two) {
        int64_t n = fig_dim(y, -1) / 2;
        p.centre = fig_slice(y, -1, 0, n, 1);
        p.spread = spread_of(v, fig_slice(y, -1, n, n, 1));
    } else if (learned) {
        const char *name = v->o->likelihood == LOGISTIC ? "log_sharp" : "log_variance";
        p.spread = spread_of(v, fig_param(g, name, FIG_SHAPE(1), (fig_init){ .kind = FIG_INIT_ZEROS }));
    } else if (v->o->likelihood == GAUSSIAN) {
        p.spread = fig_constant(g, (float)(2 * log(v->o->sigma)));
    }
    fig_scope_pop(g);
    return p;
}

static fig_node shown_of(const vae *v, guess p) /* what a picture of p(x | z) shows: probabilities or means */
{
    if (v->o->likelihood == LOGISTIC) /* the last levels own all that is beyond */
        return fig_clamp(fig_scale(fig_shift(p.centre, 1), 0.5f), 0, 1);
    return v->o->likelihood == BERNOULLI ? fig_sigmoid(p.centre) : p.centre;
}

static fig_node shown(const vae *v, fig_node z) { return shown_of(v, decode(v, z)); }

/* -- the bound ------------------------------------------------------------------------------------------------------------- */

static fig_node repeated(fig_node x, int64_t times) /* (B, ...) -> (B times, ...), the same rows side by side */
{
    if (times == 1)
        return x;
    fig_type wide = fig_type_of(fig_expand(x, 1)), rows = fig_type_of(x);
    wide.dim[1] = times;
    rows.dim[0] *= times;
    return fig_reshape(fig_broadcast(fig_expand(x, 1), wide), rows);
}

static fig_node posterior_sample(const vae *v, code q, fig_node *noise) /* z (B K, Z) */
{
    int64_t b = v->coder.data.dim[0], z = v->o->latent;
    *noise = fig_model_noise(v->model, v->draws * z);
    if (v->draws > 1)
        *noise = fig_reshape(*noise, FIG_SHAPE(b * v->draws, z));
    fig_node sigma = fig_exp(fig_scale(q.log_variance, 0.5f)); /* (B, Z) */
    return fig_add(repeated(q.mean, v->draws), fig_mul(repeated(sigma, v->draws), *noise));
}

static fig_node mean_of_draws(const vae *v, fig_node value) /* (B K) -> (B) */
{
    if (v->draws == 1)
        return value;
    return fig_mean(fig_reshape(value, FIG_SHAPE(v->coder.data.dim[0], v->draws)), &(fig_reduce_opts){ .axis = 1 });
}

static fig_node reconstruction(const vae *v, guess p, fig_node x) /* -log p(x | z), (B K) */
{
    x = repeated(x, v->draws);
    if (v->o->likelihood == BERNOULLI)
        return fig_bernoulli_nll(p.centre, x);
    if (v->o->likelihood != LOGISTIC)
        return fig_gaussian_nll(x, p.centre, p.spread);
    fig_node value = fig_scale(fig__nearest_level(x, LEVELS), 1.0f / (LEVELS - 1));
    return fig_neg(fig_sum_rows(fig__logistic(value, p.centre, p.spread, LEVELS)));
}

/* log 1/K sum of weights, (B), from -log p(x | z) (B K): log p(z) - log q(z | x) = 1/2 sum (noise^2 - z^2 + log-variance). */
static fig_node importance_bound(const vae *v, code q, fig_node z, fig_node noise, fig_node nll)
{
    fig_node prior = fig_scale(fig_sum_rows(fig_sub(fig_square(noise), fig_square(z))), 0.5f); /* (B K) */
    fig_node weight = fig_reshape(fig_sub(prior, nll), FIG_SHAPE(v->coder.data.dim[0], v->draws));   /* log w less what follows */
    fig_node spread = fig_scale(fig_sum_rows(q.log_variance), 0.5f);                           /* (B) */
    return fig_shift(fig_add(fig_logsumexp(weight), spread), (float)-log((double)v->draws));
}

/* Free bits (Kingma et al. 2016): a latent unit whose KL, averaged over the batch, is below the allowance costs the allowance and gets
 * no push to shrink further. The same for every example, so that the average over the batch is the sum over units. */
static fig_node kl_with_allowance(const vae *v, code q)
{
    fig_node each = fig_scale(
        fig_sub(fig_add(fig_exp(q.log_variance), fig_square(q.mean)), fig_shift(q.log_variance, 1)), 0.5f); /* (B, Z) */
    fig_node unit = fig__mean_over_rows(v->model, each); /* (Z) */
    unit = fig_max(unit, fig_constant(fig_model_graph(v->model), (float)v->o->free_bits));
    return fig_broadcast(fig_sum(unit, NULL), FIG_SHAPE(v->coder.data.dim[0])); /* (B) */
}

/* The bound of weights with noise is one of all data: each example bears its share of their KL. */
static fig_node with_weights(const vae *v, fig_node loss) /* (B) */
{
    fig_node kl = fig_model_weight_kl(v->model);
    if (fig_is_none(kl))
        return loss;
    kl = fig_scale(kl, (float)(1 / (double)v->items));
    if (v->o->kl_warmup > 0)
        kl = fig_mul(kl, fig_model_ramp(v->model, "weight_kl_weight", 0, 1, (double)v->o->kl_warmup));
    return fig_add(loss, kl);
}

static void log_weights(const vae *v)
{
    fig_node kl = fig_model_weight_kl(v->model);
    if (fig_is_none(kl))
        return;
    fig_model_log(v->model, "elbo", "weight_kl", kl);
    fig_model_log(v->model, "elbo", "sparsity", fig_model_sparsity(v->model));
}

/* A critic beside the bound: x again is what the critic's features and the pixels' likelihood judge, and the critic itself sees pictures
 * of the same codes and of the prior's, through which its opinion reaches the decoder and not the encoder. */
static fig_status declare_hybrid(const vae *v, fig_node x, guess p, fig_node z, fig_node term, fig_node cost, fig_error *err)
{
    const fig__adversary_options *o = &v->o->adversary;
    fig_node again = shown_of(v, p), fooled = FIG_NONE, away = FIG_NONE; /* (B, H, W, C) */
    fig_node codes = fig_concat((fig_node[]){ fig_stop_gradient(z), fig_model_noise(v->model, v->o->latent) }, 2, 0); /* (2 B, Z) */
    fig_node made = shown(v, codes);                                                                              /* (2 B, H, W, C) */
    term = fig_scale(term, (float)v->o->likelihood_weight);
    if (o->features > 0) {
        away = fig__adversary_distance(&v->adversary, x, again); /* (B) */
        term = fig_add(term, fig_mul(fig_scale(away, (float)o->features), fig__adversary_on(&v->adversary)));
    }
    fig_node loss = fig_add(term, cost);
    if (o->weight > 0) {
        FIG_TRY(fig__adversary_term(&v->adversary, "elbo", term, again, made, &fooled, err));
        loss = fig_add(loss, fooled);
    }
    FIG_TRY(fig_model_phase(v->model, &(fig_phase){ .name = "elbo", .loss = with_weights(v, loss), .trains = "encoder decoder",
                                                    .simultaneous = true },
                            err));
    if (o->features > 0)
        fig_model_log(v->model, "elbo", "features", away);
    return fig__adversary_phase(&v->adversary, x, made, 0, err);
}

static fig_status declare_training(const vae *v, fig_node x, fig_error *err)
{
    const vae_options *o = v->o;
    code q = encode(v, x);
    fig_node noise, z = posterior_sample(v, q, &noise);         /* (B K, Z) */
    fig_node kl = fig_kl_unit_gaussian(q.mean, q.log_variance); /* (B) */
    guess p = decode(v, z);
    fig_node each = reconstruction(v, p, x), nll = mean_of_draws(v, each); /* (B K), (B) */
    if (o->bound == IMPORTANCE) {
        fig_node loss = with_weights(v, fig_neg(importance_bound(v, q, z, noise, each)));
        FIG_TRY(fig_model_phase(v->model, &(fig_phase){ .name = "elbo", .loss = loss }, err));
        fig_model_log(v->model, "elbo", "kl", kl);
        fig_model_log(v->model, "elbo", "reconstruction", nll);
        log_weights(v);
        return FIG_OK;
    }
    /* A fixed deviation's constant moves no weight; without it the loss reads squared error / (2 sigma^2) + KL. */
    fig_node term = nll;
    if (o->likelihood == GAUSSIAN)
        term = mean_of_draws(v, fig_scale(fig_squared_error(repeated(x, v->draws), p.centre), (float)(0.5 / (o->sigma * o->sigma))));
    fig_node cost = o->free_bits > 0 ? kl_with_allowance(v, q) : kl;
    if (o->kl_warmup > 0)
        cost = fig_mul(cost, fig_model_ramp(v->model, "kl_weight", 0, o->beta, (double)o->kl_warmup));
    else
        cost = fig_scale(cost, (float)o->beta);
    if (v->adversary.model)
        FIG_TRY(declare_hybrid(v, x, p, z, term, cost, err));
    else
        FIG_TRY(fig_model_phase(v->model, &(fig_phase){ .name = "elbo", .loss = with_weights(v, fig_add(term, cost)) }, err));
    fig_model_log(v->model, "elbo", "kl", kl);
    fig_model_log(v->model, "elbo", "reconstruction", nll);
    log_weights(v);
    return FIG_OK;
}

/* What is said of a value is a probability, not a density. */
static bool has_chances(const vae *v) { return v->o->likelihood == BERNOULLI || v->o->likelihood == LOGISTIC; }

/* The bound of many samples (5,000 where results are published): its gap to log p(x) is small. */
static void declare_many_samples(const vae *one, code q, fig_node x, const char *law)
{
    vae v = *one;
    v.draws = SAMPLES_A_RUN;
    fig_node noise, z = posterior_sample(&v, q, &noise);
    fig_node bound = importance_bound(&v, q, z, noise, reconstruction(&v, decode(&v, z), x));
    fig_model_metric(v.model, &(fig_metric_decl){ .name = "iw_bound", .value = bound, .unit = "nats/item", .protocol = law,
                                                  .higher_is_better = true, .samples = SAMPLES_A_RUN, .on_request = true,
                                                  .derive = has_chances(one) ? "bits_per_dim" : NULL });
}

static void declare_metrics(const vae *v, fig_node x)
{
    static const char *const laws[] = { "gaussian", "gaussian-learned", "logistic,levels=256" };
    const char *unit = "nats/item",
               *law = v->o->likelihood == BERNOULLI ? fig__pixel_protocols[v->o->pixels] : laws[v->o->likelihood - GAUSSIAN];
    char protocol[64];
    snprintf(protocol, sizeof protocol, "%s,samples=1", law);
    code q = encode(v, x);
    fig_node noise, z = posterior_sample(v, q, &noise);
    guess p = decode(v, z);
    fig_node nll = reconstruction(v, p, x), kl = fig_kl_unit_gaussian(q.mean, q.log_variance); /* (B) */
    fig_node bound = fig_add(nll, kl);
    fig_model_metric(v->model, &(fig_metric_decl){ .name = "elbo", .value = fig_neg(bound), .unit = unit, .protocol = protocol,
                                                   .higher_is_better = true, .derive = has_chances(v) ? "bits_per_dim" : NULL });
    fig_model_metric(v->model, &(fig_metric_decl){ .name = "reconstruction", .value = nll, .unit = unit, .protocol = protocol });
    fig_model_metric(v->model, &(fig_metric_decl){ .name = "kl", .value = kl, .unit = unit, .protocol = protocol });
    declare_many_samples(v, q, x, law);
    if (has_chances(v) || v->coder.data.rank != 4)
        return;
    /* A density over [0, 1] becomes a probability of 8-bit levels through their distance, 1 / 255. */
    double numbers = (double)(fig_elements(&v->coder.data) / v->coder.data.dim[0]);
    fig_node bits = fig_shift(fig_scale(bound, (float)(1 / (numbers * log(2)))), (float)log2(255));
    fig_model_metric(v->model, &(fig_metric_decl){ .name = "bits_per_dim", .value = bits, .unit = "bits/dim",
                                                   .protocol = "gaussian,8-bit levels,samples=1" });
}

static void declare_samplers(const vae *v, const char *field)
{
    fig_node prior = shown(v, fig_model_noise(v->model, v->o->latent));
    fig_model_sampler(v->model, &(fig_sampler_decl){ .name = "prior", .loop = FIG_LOOP_ONCE, .output = prior });
    fig_node mean = encode(v, fig_model_input(v->model, field)).mean, again = shown(v, mean);
    fig_model_sampler(
        v->model, &(fig_sampler_decl){ .name = "reconstruct", .loop = FIG_LOOP_ONCE, .output = again, .input = field });
    fig_model_sampler(v->model, &(fig_sampler_decl){
                                    .name = "encode", .loop = FIG_LOOP_ONCE, .output = mean, .input = field, .codes = true });
    fig_node given = fig_input(fig_model_graph(v->model), "code", FIG_SHAPE(fig_model_batch(v->model), v->o->latent));
    fig_model_sampler(
        v->model, &(fig_sampler_decl){ .name = "decode", .loop = FIG_LOOP_ONCE, .output = shown(v, given), .input = "code" });
}

/* -- the record ------------------------------------------------------------------------------------------------------------ */

static fig_status vae_request(const void *options, const fig_data_info *found, fig_data_request *request,
                              fig_error *err)
{
    const vae_options *o = options;
    request->kinds = FIG_DATA_IMAGES | FIG_DATA_POINTS;
    request->standardise = false;
    if (found->kind == FIG_DATA_IMAGES) {
        fig__ask_pictures(found, o->coder.size, o->coder.channels, request);
        request->binarise = (fig_binarise)o->pixels;
        if (o->pixels && o->likelihood != BERNOULLI)
            return fig_fail(err, FIG_E_USAGE, "pixels: two values are no grey levels; set likelihood=bernoulli or pixels=grey");
    }
    if (o->pixels && fig__has_adversary(&o->adversary))
        return fig_fail(err, FIG_E_USAGE, "pixels: a critic tells black and white from the grey of a mean at once; set pixels=grey");
    if (found->kind == FIG_DATA_POINTS && (o->likelihood == BERNOULLI || o->likelihood == LOGISTIC))
        return fig_fail(err, FIG_E_USAGE, "likelihood: %s; set likelihood=gaussian for points",
                        o->likelihood == BERNOULLI ? "bernoulli is for values in [0, 1]" : "discretized_logistic is for grey levels");
    return FIG_OK;
}

static fig_status vae_build(fig_model *model, const void *options, const fig_data_spec *data, fig_error *err)
{
    const vae_options *o = options;
    vae v = { .model = model, .o = o, .draws = 1 };
    if (o->bound == IMPORTANCE && (o->beta != 1 || o->kl_warmup > 0 || o->free_bits > 0))
        return fig_fail(err, FIG_E_USAGE,
                        "bound: the importance-weighted one has no KL term; leave beta, kl_warmup and free_bits as they are");
    if (fig_model_purpose(model) == FIG_FOR_TRAINING)
        v.draws = o->samples;
    if (fig__has_adversary(&o->adversary)) {
        if (o->bound == IMPORTANCE || o->samples > 1)
            return fig_fail(err, FIG_E_USAGE, "adversarial: a critic goes with the plain bound of one draw; set bound=elbo samples=1");
        if (fig_model_purpose(model) == FIG_FOR_TRAINING)
            FIG_TRY(fig__adversary_open(&v.adversary, model, &o->adversary, data, o->coder.init, err));
    }
    FIG_TRY(fig__coder_begin(model, &o->coder, data, &v.coder, err));
    v.coder.noise = (fig_weight_noise)o->variational_dropout;
    v.items = data->items > 0 ? data->items : v.coder.data.dim[0];
    const char *field = data->kind == FIG_DATA_POINTS ? "point" : "image";
    if (fig_model_purpose(model) == FIG_FOR_SAMPLING)
        declare_samplers(&v, field);
    else if (fig_model_purpose(model) == FIG_FOR_EVALUATION)
        declare_metrics(&v, fig_model_input(model, field));
    else
        return declare_training(&v, fig_model_input(model, field), err);
    return FIG_OK;
}

static char *vae_advise(const void *options, const fig_data_spec *data)
{
    const vae_options *o = options;
    fig__text out;
    fig__text_init(&out, 4096);
    if (o->likelihood == GAUSSIAN && data->kind == FIG_DATA_IMAGES && o->sigma >= 1)
        fig__text_print(&out,
                        "sigma %g is wider than the pixels' own spread: the posterior will collapse onto the prior; "
                        "try sigma=0.1\n",
                        o->sigma);
    if (o->beta > 20)
        fig__text_print(
            &out,
            "beta %g drives the KL term to zero on most data: samples will all look alike; usual values are 0.5 to 8\n",
            o->beta);
    if (o->bound == IMPORTANCE && o->samples == 1)
        fig__text_print(&out, "the importance-weighted bound of one sample is the plain one; try samples=5\n");
    if (o->likelihood_weight != 1 && !fig__has_adversary(&o->adversary))
        fig__text_print(&out, "likelihood_weight does nothing without a critic; set critic.features=1 or adversarial=0.3\n");
    if (o->likelihood_weight <= 0 && fig__has_adversary(&o->adversary) && (o->adversary.features <= 0 || o->adversary.from > 0))
        fig__text_print(&out, "likelihood_weight=0 leaves nothing that a reconstruction is held to; set critic.features=1 and "
                              "adversarial_from=0\n");
    return out.data;
}

#define AT(field) offsetof(vae_options, field)
#define ADVERSARY(field) AT(adversary.field)
#define CODER(field) AT(coder.field)
static const fig_option vae_option_table[] = {
    FIG__CODER_BODY_ROWS(CODER),
    { "latent", FIG_INT, AT(latent), 32, 1, 4096, "numbers in the latent code" },
    { "likelihood", FIG_CHOICE, AT(likelihood), BERNOULLI, 0, 0,
      "what the decoder says about a value; discretized_logistic: the probability of each of 256 levels (Kingma et al. 2016)",
      .choices = "bernoulli gaussian gaussian_learned discretized_logistic" },
    { "pixels", FIG_CHOICE, AT(pixels), FIG_BINARISE_NONE, 0, 0,
      "grey levels as they are, or black and white: drawn by their level at each step (dynamic), or from half up (threshold)",
      .choices = FIG__PIXEL_CHOICES },
    { "sigma", FIG_FLOAT, AT(sigma), 1, 1e-4, 1e4, "gaussian: the fixed deviation" },
    { "sigma_per", FIG_CHOICE, AT(sigma_per), PER_MODEL, 0, 0, "gaussian_learned, discretized_logistic: one deviation, or one per element",
      .choices = "model element" },
    { "sigma_floor", FIG_FLOAT, AT(sigma_floor), 1e-2, 1e-6, 10, "gaussian_learned: smallest deviation" },
    { "bound", FIG_CHOICE, AT(bound), ELBO, 0, 0, "what is raised: the evidence lower bound, or the importance-weighted one of all samples",
      .choices = "elbo importance" },
    { "samples", FIG_INT, AT(samples), 1, 1, 1000, "draws of the latent code for an example, while training" },
    { "beta", FIG_FLOAT, AT(beta), 1, 0, 1000, "weight of the KL term (1 = the evidence lower bound)" },
    { "kl_warmup", FIG_INT, AT(kl_warmup), 0, 0, 1e9, "steps in which the KL term's weight rises from 0 to beta" },
    { "variational_dropout", FIG_CHOICE, AT(variational_dropout), FIG_NOISE_NONE, 0, 0,
      "noise on the weights of dense layers while training, as much as the bound lets each weight, or each layer, have (Kingma et al. "
      "2015); weights of which only noise is left become 0 (Molchanov et al. 2017)", .choices = "none weight layer" },
    { "free_bits", FIG_FLOAT, AT(free_bits), 0, 0, 100, "nats per latent unit that cost nothing" },
    { "likelihood_weight", FIG_FLOAT, AT(likelihood_weight), 1, 0, 1e4,
      "with a critic: how much the likelihood of the pixels counts beside critic.features; Larsen et al. 2016: 0" },
    FIG__ADVERSARY_ROWS(ADVERSARY),
    FIG__CODER_LAYER_ROWS(CODER),
    { 0 },
};

#define F_LINE "Epoch {epoch}: Loss = {loss.elbo:.4f}"
static const fig_preset vae_presets[] = {
    /* clang-format off */
    { .name = "pictures",
      .summary = "convolutional VAE for small pictures",
      .settings = "activation=leaky_relu latent=16 hidden=256 width=32 batch=128 lr=2e-3 schedule=cosine lr_end=0.02 epochs=8",
      .data_kinds = FIG_DATA_IMAGES, .data = "fashion-mnist" },
    { .name = "classic",
      .summary = "784-400-20-400-784 on grey levels",
      .settings = "body=mlp hidden=400 latent=20 likelihood=bernoulli init=uniform_fan_in lr=1e-3 batch=128 "
                  "epochs=10 validation=0 drop_last=no",
      .data = "mnist" },
    { .name = "black-and-white",
      .summary = "784-200-200-50, tanh, digits drawn in black and white at each step",
      .settings = "body=mlp hidden=200,200 latent=50 activation=tanh pixels=dynamic lr=1e-3 eps=1e-4 batch=100 epochs=1000 "
                  "schedule=cosine lr_end=0.01 validation=0",
      .data = "mnist" },
    { .name = "importance",
      .summary = "the same with the importance-weighted bound of 5 samples",
      .settings = "body=mlp hidden=200,200 latent=50 activation=tanh pixels=dynamic bound=importance samples=5 lr=1e-3 eps=1e-4 "
                  "batch=100 epochs=800 schedule=cosine lr_end=0.01 validation=0",
      .data = "mnist" },
    { .name = "levels",
      .summary = "pictures of 256 grey levels by discretised logistic distributions, a scale for each element",
      .settings = "activation=leaky_relu latent=64 hidden=256 width=32 likelihood=discretized_logistic sigma_per=element batch=128 "
                  "lr=1e-3 schedule=cosine lr_end=0.02 epochs=8",
      .data = "fashion-mnist" },
    { .name = "gan",
      .summary = "with a critic whose features judge reconstructions too (VAE-GAN, Larsen et al. 2016): 480,000 pictures, 0.11 GFLOP each",
      .settings = "activation=leaky_relu latent=64 hidden=256 width=32 norm=sample likelihood=gaussian sigma=0.1 adversarial=0.3 "
                  "critic.features=0.1 critic.patches=no batch=64 lr=1e-3 schedule=cosine lr_end=0.02 steps=7500",
      .data = "fashion-mnist" },
    { .name = "plane",
      .summary = "listing F: points in the plane",
      .settings = "body=mlp hidden=64 latent=2 likelihood=gaussian sigma=0.1 lr=1e-3 eps=1e-7 batch=64 epochs=50 "
                  "log_every=1epochs sample_rows=25 sample_columns=40",
      .data_kinds = FIG_DATA_POINTS, .data = "synthetic:moons", .log_line = F_LINE },
    { .name = "vae_mlp",
      .summary = "bench: MLP 784-400-20-400-784, batch 128",
      .settings = "body=mlp hidden=400 latent=20 size=28 channels=1 init=uniform_fan_in lr=1e-3 batch=128 epochs=10",
      .data = "mnist" },
    { .name = "vae_conv",
      .summary = "bench: 32x32x3, three strided convolutions, latent 128",
      .settings = "body=conv width=32 hidden=0 latent=128 size=32 channels=3 likelihood=gaussian sigma=0.70710678118 "
                  "activation=leaky_relu slope=0.2 norm=batch init=uniform_fan_in lr=1e-3 batch=128 epochs=10",
      .data = "cifar10" },
    /* clang-format on */
    { 0 },
};

const fig_recipe fig_recipe_vae = {
    .name = "vae",
    .summary = "variational autoencoder: compresses, reconstructs and samples",
    .paper = "Kingma and Welling 2013, arXiv 1312.6114",
    .help = "An encoder maps an example to a small Gaussian cloud, a decoder maps a point of the cloud back. Trained "
            "on the evidence lower bound, "
            "it gives smooth samples, a latent code for every example and an honest score (elbo). Works on pictures "
            "and on points.",
    .data_kinds = FIG_DATA_IMAGES | FIG_DATA_POINTS,
    .options = vae_option_table,
    .options_size = sizeof(vae_options),
    .presets = vae_presets,
    .request = vae_request,
    .build = vae_build,
    .advise = vae_advise,
    .networks = "encoder decoder discriminator",
};
