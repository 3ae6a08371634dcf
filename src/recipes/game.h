/* recipes/game.h - the two-player game of a GAN, whatever the two networks are
 *
 * A recipe supplies a generator (noise -> sample) and a critic (sample -> logit); this file turns them into two phases:
 * "discriminator" and "generator", each with its own loss and optimizer settings. */
#ifndef FIG_RECIPES_GAME_H
#define FIG_RECIPES_GAME_H

#include "recipes/settings.h"

typedef struct fig__rules { /* the options that every GAN recipe has */
    int loss, fakes, critic_batches, update;
    double penalty, clip_weights, r1, rate, instance_noise, augment_probability, augment_target;
    int64_t latent, instance_noise_steps, replay, augment_examples;
    char *augment;
} fig__rules;

/* clang-format off */
/* Rows of the recipe's option table for a member of type fig__rules. */
#define FIG__RULES_ROWS(OPTIONS, MEMBER) \
    { "loss", FIG_CHOICE, offsetof(OPTIONS, MEMBER.loss), FIG_NON_SATURATING, 0, 0, "what the two players minimise", \
      .choices = FIG_ADVERSARIAL_CHOICES }, \
    { "latent", FIG_INT, offsetof(OPTIONS, MEMBER.latent), 100, 1, 4096, "numbers in the noise that a sample is made from" }, \
    { "fakes", FIG_CHOICE, offsetof(OPTIONS, MEMBER.fakes), 0, 0, 0, \
      "generator's batch: the one the critic has seen, or a new one", .choices = "shared fresh" }, \
    { "critic.batches", FIG_CHOICE, offsetof(OPTIONS, MEMBER.critic_batches), 0, 0, 0, \
      "critic sees real and fake apart (losses added), or joined in one batch (mean of both)", .choices = "separate joined" }, \
    { "update", FIG_CHOICE, offsetof(OPTIONS, MEMBER.update), 0, 0, 0, \
      "generator moves against the new critic, or both at once", .choices = "alternating simultaneous" }, \
    { "critic.penalty", FIG_FLOAT, offsetof(OPTIONS, MEMBER.penalty), 10, 0, 1e4, "wgan-gp: weight of the gradient penalty" }, \
    { "critic.clip", FIG_FLOAT, offsetof(OPTIONS, MEMBER.clip_weights), 0.01, 1e-6, 100, \
      "wasserstein: bound of the critic's weights" }, \
    { "critic.r1", FIG_FLOAT, offsetof(OPTIONS, MEMBER.r1), 0, 0, 1e5, \
      "weight of half the squared gradient at real samples (R1, Mescheder et al. 2018); 0 = none" }, \
    { "critic.rate", FIG_FLOAT, offsetof(OPTIONS, MEMBER.rate), 1, 1e-3, 1e3, \
      "the critic's learning rate is so many times its lr (two time-scales, Heusel et al. 2017)" }, \
    { "instance_noise", FIG_FLOAT, offsetof(OPTIONS, MEMBER.instance_noise), 0, 0, 100, \
      "deviation of the noise on all that the critic sees (Sonderby et al. 2017); 0 = none" }, \
    { "instance_noise_steps", FIG_INT, offsetof(OPTIONS, MEMBER.instance_noise_steps), 0, 0, 1e12, \
      "the noise falls to 0 in a line over so many steps; 0 = it stays" }, \
    { "replay", FIG_INT, offsetof(OPTIONS, MEMBER.replay), 0, 0, 1000000, \
      "earlier samples that are kept and shown to the critic again, half of each batch (Shrivastava et al. 2017); 0 = none" }, \
    { "augment", FIG_TEXT, offsetof(OPTIONS, MEMBER.augment), 0, 0, 0, \
      "changes of all pictures that the critic sees: some of colour, translation, cutout, flip (Zhao et al. 2020), for small data", \
      .fallback_text = "none", .metavar = "KIND,KIND" }, \
    { "augment_probability", FIG_FLOAT, offsetof(OPTIONS, MEMBER.augment_probability), 1, 0, 1, \
      "of each kind for each picture; where it is adaptive, the largest" }, \
    { "augment_target", FIG_FLOAT, offsetof(OPTIONS, MEMBER.augment_target), 0, 0, 1, \
      "adaptive: the probability begins at 0, rises while real logits are surer than this (mean sign; Karras et al. 2020: 0.6) and " \
      "falls while they are not; 0 = it stays", }, \
    { "augment_examples", FIG_INT, offsetof(OPTIONS, MEMBER.augment_examples), 100000, 1, 1e12, \
      "adaptive: pictures seen while the probability goes from 0 to 1" }
/* clang-format on */

typedef struct fig__game {
    const fig__rules *rules;
    const void *networks; /* passed on to the two functions */
    bool classes;         /* samples are of the data's classes; else label is none */
    /* (B, latent), i32 (B) -> samples */
    fig_node (*generate)(fig_model *model, const void *networks, fig_node noise, fig_node label);
    /* samples, i32 (rows) -> logits, one per row, or one for every k rows that follow each other, or several on further axes */
    fig_node (*judge)(fig_model *model, const void *networks, fig_node samples, fig_node label);
    /* semi-supervised: so many labelled examples, and samples -> logits of their classes; 0 = none */
    int64_t labels;
    double labels_weight;
    fig_node (*classify)(fig_model *model, const void *networks, fig_node samples);
} fig__game;

/* Declares the phases (training) with the loss's usual optimizer settings as defaults, on real samples. */
fig_status fig__play(fig_model *model, const fig__game *game, fig_node real, fig_error *err);
/* The critic alone, for recipes whose samples are no generator's of noise: declares the phase "discriminator" on real samples (B, ...)
 * and on made ones (k B, ...), which count together as much as the real ones; rounds from `from` on, until `until` (0 = for ever). */
fig_status fig__play_critic(fig_model *model, const fig__game *game, fig_node real, fig_node made, int64_t from, int64_t until,
                            fig_error *err);
/* What making samples (rows, ...) that this critic takes for real costs, (rows). */
fig_status fig__play_generator(fig_model *model, const fig__game *game, fig_node made, fig_node *loss, fig_error *err);
/* Declares what can be scored (evaluation): how often the critic finds the class, where it is taught. */
void fig__score_classes(fig_model *model, const fig__game *game, fig_node real);
/* Declares the sampler "samples": noise through the generator. */
void fig__draw(fig_model *model, const fig__game *game);
/* True for the rules whose critic must not mix the rows of a batch (no batch norm): losses of single samples, penalties of gradients. */
bool fig__rows_apart(const fig__rules *rules);
/* One warning a line. */
void fig__rules_advise(const fig__rules *rules, fig__text *out);

#endif
