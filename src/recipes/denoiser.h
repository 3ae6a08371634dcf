/* recipes/denoiser.h - the network of flow matching and diffusion: it sees a noisy sample, a time and perhaps a class, and answers with
 * a sample-shaped guess (of the noise, of the clean sample, of the way between them: the recipe says of what)
 *
 * What both families share is here: bodies, classes that are told and sometimes withheld, and guidance. */
#ifndef FIG_RECIPES_DENOISER_H
#define FIG_RECIPES_DENOISER_H

#include "recipes/settings.h"

typedef struct fig__denoiser_options { /* in every recipe that has such a network */
    int body, condition, init;
    int64_t size, channels, width, blocks, attention, heads, stem, depth, patch;
    char *levels, *hidden;
    double dropout, label_dropout, guidance;
} fig__denoiser_options;

enum { FIG__BODY_AUTO, FIG__BODY_UNET, FIG__BODY_MLP, FIG__BODY_DIT };
enum { FIG__CONDITION_AUTO, FIG__CONDITION_NONE, FIG__CONDITION_CLASS };

/* Rows of the recipe's option table for a member of type fig__denoiser_options. */
/* clang-format off */
#define FIG__DENOISER_ROWS(OPTIONS, MEMBER) \
    { "body", FIG_CHOICE, offsetof(OPTIONS, MEMBER.body), FIG__BODY_AUTO, 0, 0, \
      "network; auto = unet for pictures, mlp for points; dit is a Transformer over squares of pixels", .choices = "auto unet mlp dit" }, \
    { "size", FIG_INT, offsetof(OPTIONS, MEMBER.size), 0, 0, 256, "side of a picture in pixels; 0 = as the data, at most 64" }, \
    { "channels", FIG_INT, offsetof(OPTIONS, MEMBER.channels), 0, 0, 3, "1 grey, 3 colour; 0 = as the data" }, \
    { "width", FIG_INT, offsetof(OPTIONS, MEMBER.width), 32, 4, 1024, "unet: channels of the first level; dit: of a token" }, \
    { "levels", FIG_TEXT, offsetof(OPTIONS, MEMBER.levels), 0, 0, 0, \
      "unet: channels of each level, as multiples of the width; each level has half the side of the one before", \
      .fallback_text = "1,2,2", .metavar = "N,N" }, \
    { "blocks", FIG_INT, offsetof(OPTIONS, MEMBER.blocks), 2, 1, 16, \
      "unet: residual blocks of a level on the way down, one more on the way up" }, \
    { "attention", FIG_INT, offsetof(OPTIONS, MEMBER.attention), 8, 0, 64, \
      "unet: largest side at which blocks are followed by attention; 0 = only in the middle" }, \
    { "heads", FIG_INT, offsetof(OPTIONS, MEMBER.heads), 4, 1, 64, "heads of an attention" }, \
    { "stem", FIG_INT, offsetof(OPTIONS, MEMBER.stem), 1, 1, 8, \
      "unet: side of the squares of pixels that become one place with more channels; 2 needs a quarter of the operations" }, \
    { "depth", FIG_INT, offsetof(OPTIONS, MEMBER.depth), 8, 1, 48, "dit: blocks" }, \
    { "patch", FIG_INT, offsetof(OPTIONS, MEMBER.patch), 4, 1, 32, "dit: side of the squares of pixels that become tokens" }, \
    { "hidden", FIG_TEXT, offsetof(OPTIONS, MEMBER.hidden), 0, 0, 0, "mlp: widths of the hidden layers", \
      .fallback_text = "256,256,256", .metavar = "N,N" }, \
    { "dropout", FIG_FLOAT, offsetof(OPTIONS, MEMBER.dropout), 0, 0, 0.95, "share of activations dropped in blocks while training" }, \
    { "init", FIG_CHOICE, offsetof(OPTIONS, MEMBER.init), FIG__INIT_FAN_IN, 0, 0, "first values of the weights", \
      .choices = FIG__INIT_CHOICES }, \
    { "condition", FIG_CHOICE, offsetof(OPTIONS, MEMBER.condition), FIG__CONDITION_AUTO, 0, 0, \
      "what the network is told besides the time; auto = the class, of pictures that have classes", .choices = "auto none class" }, \
    { "label_dropout", FIG_FLOAT, offsetof(OPTIONS, MEMBER.label_dropout), 0.1, 0, 1, \
      "share of training examples whose class is withheld, which guidance needs" }, \
    { "guidance", FIG_FLOAT, offsetof(OPTIONS, MEMBER.guidance), 1, 0, 100, \
      "sampling: how strongly samples are pushed towards their class (1 = as learned; other values cost twice the time)", .sampling = true }
/* clang-format on */

typedef struct fig__denoiser fig__denoiser;
struct fig__denoiser {
    const fig__denoiser_options *o;
    fig_model *model;
    fig_type sample; /* (B, H, W, C) or (B, D) */
    int body;
    float low, high; /* of pixels: -1 to 1 unless they are standardised */
    int64_t classes; /* 0 = is told none */
    fig_node asked;  /* sampling: the classes asked for, i32 (B); FIG_NONE when classes are not told */
    fig_node start;  /* sampling: N(0, 1), the noise that every sampler of the recipe begins with */
    fig__widths levels, hidden;
    fig_node (*network)(const fig__denoiser *d, fig_node x, fig_node time, fig_node label); /* of the body; tests put theirs here */
};

/* What such a recipe asks of its data: pictures in [-1, 1], standardised points. */
void fig__denoiser_request(const fig__denoiser_options *o, const fig_data_info *found, fig_data_request *request);
/* Reads options; mistakes in them are FIG_E_USAGE. */
fig_status fig__denoiser_open(fig__denoiser *out, fig_model *model, const fig__denoiser_options *o, const fig_data_spec *data,
                              fig_error *err);
/* Lines about settings that do badly, for a recipe's `advise`. */
void fig__denoiser_advise(const fig__denoiser_options *o, const fig_data_spec *data, fig__text *out);

/* Training: the examples, their classes with some withheld (FIG_NONE when classes are not told). */
fig_node fig__denoiser_examples(const fig__denoiser *d);
fig_node fig__denoiser_labels(const fig__denoiser *d);
/* x as .sample with any number of rows, time (rows) from 0 to 1, label i32 (rows) with -1 for no class -> as x. */
fig_node fig__denoise(const fig__denoiser *d, fig_node x, fig_node time, fig_node label);
/* The same, guided (Ho and Salimans 2022): guess without a class + guidance * (guess with it - guess without). */
fig_node fig__denoise_guided(const fig__denoiser *d, fig_node x, fig_node time, fig_node label);

/* A number per row (B), ready to be multiplied with samples: (B, 1, 1, 1) or (B, 1). */
fig_node fig__per_sample(const fig__denoiser *d, fig_node numbers);
/* Numbers in [0, 1), one per row: independent, or one from each of B equal parts, which makes a batch's loss vary less. */
fig_node fig__row_uniform(const fig__denoiser *d, bool stratified);
/* The rows of `noise` in another order, so that those of the same number lie near each other: each row of x takes the nearest that is
 * left. */
fig_node fig__nearest_noise(fig_node x, fig_node noise);
/* Mean over the elements of each row: (B). */
fig_node fig__row_mean(fig_node x);

/* Samplers that carry samples from run to run, in the state "NAME.sample"; in the run whose scalar "first" is 1 they get .start. */
fig_node fig__carried(const fig__denoiser *d, const char *sampler);
/* `next` is what the following run begins with, and the sample after the last; fills in and declares the sampler, which has its name,
 * steps, scalars and their table. */
void fig__carry_on(const fig__denoiser *d, fig_node next, fig_sampler_decl *sampler);

#endif
