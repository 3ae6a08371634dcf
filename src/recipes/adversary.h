/* recipes/adversary.h - a critic beside an autoencoder, as an option of it: VQ-GAN (Esser et al. 2021), VAE-GAN (Larsen et al. 2016)
 *
 * The critic tells pictures from what the decoder makes; the decoder is also trained to pass for real, and what the critic's last layer
 * sees may say how far a picture is from its reconstruction. Networks and rules are those of GANs (bodies.h, game.h). */
#ifndef FIG_RECIPES_ADVERSARY_H
#define FIG_RECIPES_ADVERSARY_H

#include "recipes/bodies.h"
#include "recipes/game.h"

typedef struct fig__adversary_options {
    int loss, scale;
    bool spectral_norm, patches;
    int64_t from, width;
    double weight, features, r1, rate;
    char *augment;
} fig__adversary_options;

/* clang-format off */
/* Rows of a recipe's option table; AT(field) gives a field's place in fig__adversary_options. */
#define FIG__ADVERSARY_ROWS(AT) \
    { "adversarial", FIG_FLOAT, AT(weight), 0, 0, 1e4, \
      "how much a critic's opinion counts, which tells pictures from what the decoder makes; 0 = there is none" }, \
    { "adversarial_from", FIG_INT, AT(from), 0, 0, 1e12, "step from which on the critic learns and counts" }, \
    { "adversarial_scale", FIG_CHOICE, AT(scale), 0, 0, 0, \
      "adaptive: it pushes the picture as strongly as the reconstruction does, times `adversarial`; fixed: times that alone", \
      .choices = "adaptive fixed" }, \
    { "critic.loss", FIG_CHOICE, AT(loss), FIG_HINGE, 0, 0, "what critic and decoder play for", \
      .choices = "non-saturating least-squares hinge" }, \
    { "critic.features", FIG_FLOAT, AT(features), 0, 0, 1e4, \
      "weight of the squared distance between a picture and its reconstruction as the critic's last layer sees them" }, \
    { "critic.patches", FIG_BOOL, AT(patches), 1, 0, 0, "a logit for each of many overlapping patches, not one for all" }, \
    { "critic.width", FIG_INT, AT(width), 32, 1, 512, "channels of the critic's first layer, doubled at each halving of the side" }, \
    { "critic.spectral_norm", FIG_BOOL, AT(spectral_norm), 1, 0, 0, "divide each of its weights by its largest singular value" }, \
    { "critic.r1", FIG_FLOAT, AT(r1), 0, 0, 1e5, "weight of half the squared gradient at real pictures; 0 = none" }, \
    { "critic.rate", FIG_FLOAT, AT(rate), 1, 1e-3, 1e3, "the critic's learning rate is so many times its lr" }, \
    { "critic.augment", FIG_TEXT, AT(augment), 0, 0, 0, \
      "changes of all pictures that the critic sees: some of colour, translation, cutout, flip, for small data", \
      .fallback_text = "none", .metavar = "KIND,KIND" }
/* clang-format on */

typedef struct fig__adversary {
    fig_model *model;
    const fig__adversary_options *o;
    fig__rules rules;
    fig__body_options body_options;
    fig__body body;
    fig__game game; /* points into this record, which must stay where it is */
} fig__adversary;

static inline bool fig__has_adversary(const fig__adversary_options *o) { return o->weight > 0 || o->features > 0; }

/* FIG_E_USAGE for data that a critic cannot see. `init` as fig__set_init has it. */
fig_status fig__adversary_open(fig__adversary *adversary, fig_model *model, const fig__adversary_options *options,
                               const fig_data_spec *data, int init, fig_error *err);
/* 0 before the step from which on the critic counts, then 1; rank 0. */
fig_node fig__adversary_on(const fig__adversary *adversary);
/* How far the critic's features of `made` are from those of `real`: -log of a Gaussian of deviation 1 but for its constant, in nats.
 * Pictures in [0, 1], (B, H, W, C) each -> (B). */
fig_node fig__adversary_distance(const fig__adversary *adversary, fig_node real, fig_node made);
/* What the decoder is to lower for the pictures `made` (k B, H, W, C) besides `loss` (B), which reaches it by the pictures `at` (B, H, W,
 * C), the same or others: (B), weighted. Logs "adversarial" with the phase, and its scale where that is adaptive. */
fig_status fig__adversary_term(const fig__adversary *adversary, const char *phase, fig_node loss, fig_node at, fig_node made,
                               fig_node *out, fig_error *err);
/* The critic's own phase, "discriminator", until round `until` (0 = for ever). */
fig_status fig__adversary_phase(const fig__adversary *adversary, fig_node real, fig_node made, int64_t until, fig_error *err);

#endif
