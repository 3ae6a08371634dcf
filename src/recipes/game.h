/* recipes/game.h - the two-player game of a GAN, whatever the two networks are
 *
 * A recipe supplies a generator (noise -> sample) and a critic (sample -> logit); this file turns them into two phases:
 * "discriminator" and "generator", each with its own loss and optimizer settings. */
#ifndef FIG_RECIPES_GAME_H
#define FIG_RECIPES_GAME_H

#include "recipes/settings.h"

typedef struct fig__rules { /* the options that every GAN recipe has */
    int loss, fakes, critic_batches, update;
    double penalty, clip_weights;
    int64_t latent;
} fig__rules;

/* Rows of the recipe's option table for a member of type fig__rules. */
#define FIG__RULES_ROWS(OPTIONS, MEMBER)                                                           \
    { "loss", FIG_CHOICE, offsetof(OPTIONS, MEMBER.loss),  FIG_NON_SATURATING,                     \
      0,      0,          "what the two players minimise", .choices = FIG_ADVERSARIAL_CHOICES },   \
        { "latent",                                                                                \
          FIG_INT,                                                                                 \
          offsetof(OPTIONS, MEMBER.latent),                                                        \
          100,                                                                                     \
          1,                                                                                       \
          4096,                                                                                    \
          "numbers in the noise that a sample is made from" },                                     \
        { "fakes",                                                                                 \
          FIG_CHOICE,                                                                              \
          offsetof(OPTIONS, MEMBER.fakes),                                                         \
          0,                                                                                       \
          0,                                                                                       \
          0,                                                                                       \
          "generator's batch: the one the critic has seen, or a new one",                          \
          .choices = "shared fresh" },                                                             \
        { "critic.batches",                                                                        \
          FIG_CHOICE,                                                                              \
          offsetof(OPTIONS, MEMBER.critic_batches),                                                \
          0,                                                                                       \
          0,                                                                                       \
          0,                                                                                       \
          "critic sees real and fake apart (losses added), or joined in one batch (mean of both)", \
          .choices = "separate joined" },                                                          \
        { "update",                                                                                \
          FIG_CHOICE,                                                                              \
          offsetof(OPTIONS, MEMBER.update),                                                        \
          0,                                                                                       \
          0,                                                                                       \
          0,                                                                                       \
          "generator moves against the new critic, or both at once",                               \
          .choices = "alternating simultaneous" },                                                 \
        { "critic.penalty",                                                                        \
          FIG_FLOAT,                                                                               \
          offsetof(OPTIONS, MEMBER.penalty),                                                       \
          10,                                                                                      \
          0,                                                                                       \
          1e4,                                                                                     \
          "wgan-gp: weight of the gradient penalty" },                                             \
    {                                                                                              \
        "critic.clip", FIG_FLOAT, offsetof(OPTIONS, MEMBER.clip_weights), 0.01, 1e-6, 100,         \
            "wasserstein: bound of the critic's weights"                                           \
    }

typedef struct fig__game {
    const fig__rules *rules;
    const void *networks;                                                         /* passed on to the two functions */
    fig_node (*generate)(fig_model *model, const void *networks, fig_node noise); /* (B, latent) -> samples */
    fig_node (*judge)(fig_model *model, const void *networks, fig_node samples);  /* samples -> logits, one per row */
} fig__game;

/* Declares the phases (training) with the loss's usual optimizer settings as defaults, on real samples. */
fig_status fig__play(fig_model *model, const fig__game *game, fig_node real, fig_error *err);
/* Declares the sampler "samples": noise through the generator. */
void fig__draw(fig_model *model, const fig__game *game);
/* True for the losses whose critic must not mix the rows of a batch (no batch norm). */
bool fig__rows_apart(const fig__rules *rules);

#endif
