/* recipes/game.c - the two-player game of a GAN: phases, logs and default settings for each loss
 *
 * A round updates the critic (five times for the Wasserstein losses), then the generator against the critic that is left. Nothing is
 * stopped or detached by hand: a phase moves only the weights under its own scope. With `fakes = shared` both phases name the
 * same fake node, so it is computed once a round. */
#include "recipes/game.h"

bool fig__rows_apart(const fig__rules *rules) { return rules->loss == FIG_WASSERSTEIN || rules->loss == FIG_WGAN_GP; }

/* Radford et al. 2015 for the losses on probabilities; Gulrajani et al. 2017; Arjovsky et al. 2017, whose authors found momentum to
 * destabilise the clipped critic. */
static const char *usual_settings(int loss)
{
    if (loss == FIG_WGAN_GP)
        return "lr=1e-4 beta1=0 beta2=0.9";
    return loss == FIG_WASSERSTEIN ? "optimizer=rmsprop lr=5e-5" : "lr=2e-4 beta1=0.5";
}

/* Points on the lines between real and fake samples, a random one for each row. */
static fig_node between(fig_node real, fig_node fake)
{
    fig_type type = fig_type_of(real), column = { .rank = type.rank, .dim = { type.dim[0] } };
    for (int i = 1; i < type.rank; i++)
        column.dim[i] = 1;
    return fig_add(real, fig_mul(fig_uniform(real.graph, column), fig_sub(fake, real)));
}

static fig_node flat(fig_node logits) { return fig_reshape(logits, FIG_SHAPE(-1)); } /* (B) */

static void log_critic(fig_model *model, const fig__rules *rules, fig_node on_real, fig_node on_fake)
{
    if (fig__rows_apart(rules)) { /* the critic's estimate of the distance between the two distributions */
        fig_model_log(model, "discriminator", "distance", fig_sub(on_real, on_fake));
        return;
    }
    fig_node edge = fig_constant(on_real.graph, rules->loss == FIG_LEAST_SQUARES ? 0.5f : 0);
    fig_model_log(model, "discriminator", "accuracy_real", fig_greater(on_real, edge));
    fig_model_log(model, "discriminator", "accuracy_fake", fig_less(on_fake, edge));
}

fig_status fig__play(fig_model *model, const fig__game *game, fig_node real, fig_error *err)
{
    const fig__rules *rules = game->rules;
    fig_adversarial kind = (fig_adversarial)rules->loss;
    int64_t batch = fig_model_batch(model);
    fig_node fake = game->generate(model, game->networks, fig_model_noise(model, rules->latent));
    fig_node on_real, on_fake, loss; /* (B) each */
    if (rules->critic_batches == 0) {
        on_real = flat(game->judge(model, game->networks, real));
        on_fake = flat(game->judge(model, game->networks, fake));
        loss = fig_add(fig_critic_loss(kind, on_real, FIG_GOAL_REAL), fig_critic_loss(kind, on_fake, FIG_GOAL_FAKE));
    } else {
        fig_node both =
            flat(game->judge(model, game->networks, fig_concat((fig_node[]){ real, fake }, 2, 0))); /* (2B) */
        on_real = fig_slice(both, 0, 0, batch, 1);
        on_fake = fig_slice(both, 0, batch, batch, 1);
        loss = fig_add(fig_critic_loss(kind, on_real, FIG_GOAL_REAL), fig_critic_loss(kind, on_fake, FIG_GOAL_FAKE));
        loss = fig_scale(loss, 0.5f); /* the mean over 2B examples */
    }
    if (kind == FIG_WGAN_GP) {
        fig_node middle = between(real, fake);
        fig_node penalty = fig_gradient_penalty(flat(game->judge(model, game->networks, middle)), middle); /* (B) */
        loss = fig_add(loss, fig_scale(penalty, (float)rules->penalty));
        fig_model_log(model, "discriminator", "penalty", penalty);
    }
    log_critic(model, rules, on_real, on_fake);
    FIG_TRY(fig_model_phase(model,
                            &(fig_phase){ .name = "discriminator",
                                          .loss = loss,
                                          .trains = "discriminator",
                                          .times = fig__rows_apart(rules) ? 5 : 1,
                                          .simultaneous = rules->update == 1,
                                          .settings = usual_settings(rules->loss),
                                          .clip_weights = kind == FIG_WASSERSTEIN ? (float)rules->clip_weights : 0 },
                            err));

    fig_node judged = on_fake;
    if (rules->fakes == 1)
        judged = flat(game->judge(model, game->networks,
                                  game->generate(model, game->networks, fig_model_noise(model, rules->latent))));
    else if (rules->critic_batches == 1)
        judged = flat(game->judge(model, game->networks, fake));
    return fig_model_phase(model,
                           &(fig_phase){ .name = "generator",
                                         .loss = fig_generator_loss(kind, judged),
                                         .trains = "generator",
                                         .settings = usual_settings(rules->loss) },
                           err);
}

void fig__draw(fig_model *model, const fig__game *game)
{
    fig_node sample = game->generate(model, game->networks, fig_model_noise(model, game->rules->latent));
    fig_model_sampler(
        model, &(fig_sampler_decl){ .name = "samples", .loop = FIG_LOOP_ONCE, .output = sample, .as_trained = true });
}
