/* recipes/bodies.h - the networks that GANs choose from: one set for every recipe of two players
 *
 * A body is a generator, noise (B, latent) -> sample, and a critic, sample -> one logit a row. What can be said of all of them -
 * normalisation, spectral norm, minibatch deviation, packing, classes - is said here once, so that each combines with each. */
#ifndef FIG_RECIPES_BODIES_H
#define FIG_RECIPES_BODIES_H

#include "recipes/settings.h"

typedef struct fig__player { /* a multilayer perceptron */
    char *hidden;
    int activation;
    double slope;
} fig__player;

typedef struct fig__body_options {
    int body, output, init, norm, condition;
    fig__player generator, critic;
    bool batch_norm, bias, spectral_norm, stddev, patches;
    int64_t size, channels, width, pieces, packing, labels;
    double dropout, labels_weight;
} fig__body_options;

enum { FIG__GAN_MLP, FIG__GAN_DCGAN, FIG__GAN_TUTORIAL, FIG__GAN_RESNET, FIG__GAN_LIGHT };
enum { FIG__CRITIC_AUTO, FIG__CRITIC_NONE, FIG__CRITIC_BATCH, FIG__CRITIC_SAMPLE, FIG__CRITIC_LAYER };
enum { FIG__CLASS_NONE, FIG__CLASS_CONCAT, FIG__CLASS_PROJECTION };

/* clang-format off */
/* Rows of a recipe's option table for a member of type fig__body_options; BODY and INIT are the recipe's defaults. */
#define FIG__BODY_ROWS(OPTIONS, MEMBER, BODY, INIT) \
    { "body", FIG_CHOICE, offsetof(OPTIONS, MEMBER.body), BODY, 0, 0, \
      "networks: mlp (pictures and points), dcgan (4x4 kernels), tutorial (5x5, dense ends), resnet, or light (dcgan with " \
      "depthwise-separable convolutions)", \
      .choices = "mlp dcgan tutorial resnet light" }, \
    { "size", FIG_INT, offsetof(OPTIONS, MEMBER.size), 0, 0, 512, \
      "side of a picture; mlp: any, as the data at most 64; others: 28, 32 or 64; 0 = what fits the data" }, \
    { "channels", FIG_INT, offsetof(OPTIONS, MEMBER.channels), 0, 0, 3, "1 grey, 3 colour; 0 = as the data" }, \
    { "width", FIG_INT, offsetof(OPTIONS, MEMBER.width), 64, 1, 512, \
      "not mlp: channels of the widest layers, doubled at each halving of the side" }, \
    { "generator.hidden", FIG_TEXT, offsetof(OPTIONS, MEMBER.generator.hidden), 0, 0, 0, \
      "mlp: widths of the generator's hidden layers; 0 = none", .fallback_text = "128", .metavar = "N,N" }, \
    { "generator.activation", FIG_CHOICE, offsetof(OPTIONS, MEMBER.generator.activation), 1, 0, 0, \
      "mlp: of the generator's hidden layers", .choices = FIG__ACTIVATION_CHOICES }, \
    { "generator.slope", FIG_FLOAT, offsetof(OPTIONS, MEMBER.generator.slope), 0.2, 0, 1, "mlp, leaky_relu: slope below zero" }, \
    { "generator.batch_norm", FIG_BOOL, offsetof(OPTIONS, MEMBER.batch_norm), 0, 0, 0, \
      "mlp: normalise the generator's hidden layers" }, \
    { "generator.bias", FIG_BOOL, offsetof(OPTIONS, MEMBER.bias), 1, 0, 0, "mlp: the generator's layers have biases" }, \
    { "critic.hidden", FIG_TEXT, offsetof(OPTIONS, MEMBER.critic.hidden), 0, 0, 0, \
      "mlp: widths of the critic's hidden layers; 0 = none", .fallback_text = "128", .metavar = "N,N" }, \
    { "critic.activation", FIG_CHOICE, offsetof(OPTIONS, MEMBER.critic.activation), 1, 0, 0, \
      "mlp: of the critic's hidden layers", .choices = FIG__ACTIVATION_CHOICES }, \
    { "critic.slope", FIG_FLOAT, offsetof(OPTIONS, MEMBER.critic.slope), 0.2, 0, 1, "mlp, leaky_relu: slope below zero" }, \
    { "critic.pieces", FIG_INT, offsetof(OPTIONS, MEMBER.pieces), 1, 1, 16, \
      "mlp: above 1, a unit of the critic is the largest of so many linear ones (maxout, Goodfellow et al. 2013), without activation" }, \
    { "critic.norm", FIG_CHOICE, offsetof(OPTIONS, MEMBER.norm), FIG__CRITIC_AUTO, 0, 0, \
      "normalisation in the critic: sample = layer norm over a whole sample, layer = over the channels of a place; auto = none, but " \
      "dcgan batch, or sample where rows must stay apart", \
      .choices = "auto none batch sample layer" }, \
    { "critic.dropout", FIG_FLOAT, offsetof(OPTIONS, MEMBER.dropout), 0, 0, 0.95, \
      "share of the critic's activations dropped while training" }, \
    { "critic.spectral_norm", FIG_BOOL, offsetof(OPTIONS, MEMBER.spectral_norm), 0, 0, 0, \
      "divide each weight of the critic by its largest singular value (Miyato et al. 2018)" }, \
    { "critic.minibatch_stddev", FIG_BOOL, offsetof(OPTIONS, MEMBER.stddev), 0, 0, 0, \
      "show the critic's last layer how much samples differ in groups of 4 (Karras et al. 2018)" }, \
    { "critic.patches", FIG_BOOL, offsetof(OPTIONS, MEMBER.patches), 0, 0, 0, \
      "not mlp: a logit for each of many overlapping patches, not one for all (Isola et al. 2017)" }, \
    { "packing", FIG_INT, offsetof(OPTIONS, MEMBER.packing), 1, 1, 16, \
      "samples that the critic judges together, so that it sees a lack of variety (Lin et al. 2018, PacGAN)" }, \
    { "condition", FIG_CHOICE, offsetof(OPTIONS, MEMBER.condition), FIG__CLASS_NONE, 0, 0, \
      "samples of a class: the critic is told it beside its input (concat, Mirza and Osindero 2014) or compares it with what it " \
      "has seen (projection, Miyato and Koyama 2018)", \
      .choices = "none concat projection" }, \
    { "labels", FIG_INT, offsetof(OPTIONS, MEMBER.labels), 0, 0, 1000000000, \
      "semi-supervised: the critic also tells the classes apart and is taught them by so many labelled examples, the same number of each " \
      "class, chosen by the seed (Salimans et al. 2016; Odena 2016); scored by accuracy, which also chooses the best model; 0 = none" }, \
    { "labels_weight", FIG_FLOAT, offsetof(OPTIONS, MEMBER.labels_weight), 1, 0, 1e4, \
      "labels: weight of the labelled examples' cross-entropy in the critic's loss" }, \
    { "output", FIG_CHOICE, offsetof(OPTIONS, MEMBER.output), 0, 0, 0, \
      "last activation of the generator; auto = tanh for pictures, linear for points", .choices = "auto tanh linear" }, \
    { "init", FIG_CHOICE, offsetof(OPTIONS, MEMBER.init), INIT, 0, 0, "first values of the weights", \
      .choices = FIG__INIT_CHOICES }
/* clang-format on */

typedef struct fig__body { /* the options, read and resolved for the data */
    const fig__body_options *o;
    fig_type sample;          /* (B, H, W, C) or (B, D) */
    fig__widths generator, critic;
    int64_t base;             /* side of the smallest picture inside */
    int levels;               /* doublings from base to side */
    int sight;                /* halvings of the critic; of patches one less, but two at least */
    int norm;                 /* of the critic */
    int classes;              /* 0 = samples are of no class */
    int told_apart;           /* classes that the critic finds; 0 = it does not */
    int64_t group;            /* rows whose differences the critic is shown; 0 = none */
    bool squash;
} fig__body;

/* Reads and checks. `rows_apart`: the loss judges each sample alone, so the critic may not mix a batch unless told to. */
fig_status fig__body_open(fig__body *body, fig_model *model, const fig__body_options *o, const fig_data_spec *data,
                          bool rows_apart, fig_error *err);
/* What to ask of the data. */
void fig__body_request(const fig__body_options *o, const fig_data_info *found, fig_data_request *request);
/* One warning a line. */
void fig__body_advise(const fig__body_options *o, bool rows_apart, const fig_data_spec *data, fig__text *out);

/* Noise (rows, latent), label i32 (rows) or none -> samples. Weights under "generator". */
fig_node fig__body_generate(fig_model *model, const void *body, fig_node noise, fig_node label);
/* Samples, label i32 (rows) or none -> logits, one for `packing` rows, or for each of their patches: (rows / packing, h, w, 1). Weights
 * under "discriminator". */
fig_node fig__body_judge(fig_model *model, const void *body, fig_node samples, fig_node label);
/* What the critic's last layer reads of samples: features (rows, ...). */
fig_node fig__body_features(fig_model *model, const void *body, fig_node samples, fig_node label);
/* Samples -> logits of the classes (rows, classes), of a critic that tells them apart. With K of them it has K + 1 answers: sums of
 * exponentials stand for "real" against 1 for "fake" (Salimans et al. 2016), so that logsumexp is the logit that judges. Of packed
 * samples the critic says it for each, and judges by their mean; of patches the classes are the mean. */
fig_node fig__body_classify(fig_model *model, const void *body, fig_node samples);

#endif
