/* recipes/game.c - the two-player game of a GAN: phases, logs and default settings for each loss, and what steadies it
 *
 * A round updates the critic (five times for the Wasserstein losses), then the generator against the critic that is left. Nothing is
 * stopped or detached by hand: a phase moves only the weights under its own scope. With `fakes = shared` both phases name the
 * same fake node, so it is computed once a round.
 *
 * Between a sample and the critic may stand, for real and fake alike: changes of the picture (recipes/augment.c), then noise (instance
 * noise, Sonderby et al. 2017). The critic's fakes may come from a pool of earlier ones (experience replay, Shrivastava et al. 2017);
 * the generator is always judged by new ones.
 *
 * A critic that tells classes apart (Salimans et al. 2016; Odena 2016) is taught by a few labelled examples: their cross-entropy is added
 * to its loss, of a batch of their own in each of its steps, seen through the same changes.
 *
 * Adaptive augmentation (Karras et al. 2020): the probability is a state that the critic's phase moves by batch / augment_examples,
 * upwards while real logits are surer than the target, on average over the last batches. It is saved with the run and logged. */
#include "recipes/game.h"
#include "recipes/augment.h"

static bool judges_singly(const fig__rules *rules) { return rules->loss == FIG_WASSERSTEIN || rules->loss == FIG_WGAN_GP; }

bool fig__rows_apart(const fig__rules *rules) { return judges_singly(rules) || rules->r1 > 0; }

/* Radford et al. 2015 for the losses on probabilities; Gulrajani et al. 2017; Arjovsky et al. 2017, whose authors found momentum to
 * destabilise the clipped critic. */
static const char *usual_settings(int loss)
{
    if (loss == FIG_WGAN_GP)
        return "lr=1e-4 beta1=0 beta2=0.9";
    return loss == FIG_WASSERSTEIN ? "optimizer=rmsprop lr=5e-5" : "lr=2e-4 beta1=0.5";
}

/* -- one logit per example -------------------------------------------------------------------------------------------- */

/* A number for every k rows (rows / k) -> the same for each of them (rows). */
static fig_node for_each(fig_node numbers, int64_t rows)
{
    int64_t groups = fig_dim(numbers, 0);
    if (groups >= rows || groups < 1)
        return numbers;
    return fig_reshape(fig_broadcast(fig_reshape(numbers, FIG_SHAPE(groups, 1)), FIG_SHAPE(groups, rows / groups)),
                       FIG_SHAPE(rows));
}

/* (rows), or (rows / k); of patches the mean. */
static fig_node flat(fig_node logits)
{
    fig_type type = fig_type_of(logits);
    int64_t rows = type.rank ? type.dim[0] : 1, patches = rows > 0 ? fig_elements(&type) / rows : 1;
    return patches > 1 ? fig_scale(fig_sum_rows(logits), 1 / (float)patches) : fig_reshape(logits, FIG_SHAPE(-1));
}

/* Several numbers for an example, (k rows) in turn -> their mean (rows). */
static fig_node folded(fig_node numbers, int64_t rows)
{
    int64_t many = fig_dim(numbers, 0);
    if (many <= rows || rows < 1)
        return numbers;
    return fig_mean(fig_reshape(numbers, FIG_SHAPE(many / rows, rows)), &(fig_reduce_opts){ .axis = 0 });
}

/* -- what the critic sees --------------------------------------------------------------------------------------------- */

typedef struct view {
    fig_model *model;
    const fig__game *game;
    const fig__rules *rules;
    unsigned augment;
    fig_node probability; /* (1) */
    fig_node label;       /* i32 (B) or none */
} view;

static fig_node row_state(fig_model *model, const char *name)
{
    return fig_model_state(model, &(fig_state_decl){ .name = name, .type = FIG_SHAPE(1) });
}

static fig_status open_view(view *v, fig_model *model, const fig__game *game, fig_node real, fig_error *err)
{
    const fig__rules *rules = game->rules;
    *v = (view){ .model = model, .game = game, .rules = rules };
    FIG_TRY(fig__read_augment(rules->augment, &v->augment, err));
    if (v->augment && fig_rank(real) != 4)
        return fig_fail(err, FIG_E_USAGE, "augment: changes are of pictures, not of points; set augment=none");
    if (v->augment)
        v->probability = rules->augment_target > 0
                             ? row_state(model, "augment.probability")
                             : fig_full(fig_model_graph(model), FIG_SHAPE(1), (float)rules->augment_probability);
    v->label = game->classes ? fig_model_input(model, "label") : FIG_NONE;
    return FIG_OK;
}

static fig_node shown(const view *v, fig_node x)
{
    if (v->augment)
        x = fig__augment(v->augment, x, v->probability);
    if (v->rules->instance_noise > 0) {
        double end = v->rules->instance_noise_steps ? 0 : v->rules->instance_noise;
        fig_node level = fig_model_ramp(v->model, "instance_noise", v->rules->instance_noise, end,
                                        (double)v->rules->instance_noise_steps);
        x = fig_add(x, fig_mul(fig_normal(x.graph, fig_type_of(x)), level));
    }
    return x;
}

static fig_node judge(const view *v, fig_node x, fig_node label) /* (rows) or (rows / k), or one per patch on further axes */
{
    fig_node logits = v->game->judge(v->model, v->game->networks, x, label);
    fig_type type = fig_type_of(logits);
    return type.rank && fig_elements(&type) == type.dim[0] ? fig_reshape(logits, FIG_SHAPE(-1)) : logits;
}

static fig_node make(const view *v)
{
    return v->game->generate(v->model, v->game->networks, fig_model_noise(v->model, v->rules->latent), v->label);
}

/* Fakes from the pool, with the classes that they were made of: (B, elements + 1) while they lie there. */
static fig_node replayed(const view *v, fig_node fake, fig_node *label)
{
    fig_type type = fig_type_of(fake);
    int64_t elements = fig_elements(&type) / type.dim[0];
    fig_node from = fig_flatten(fake);
    *label = v->label;
    if (v->game->classes) {
        fig_node class = fig_reshape(fig_cast(v->label, FIG_F32), FIG_SHAPE(-1, 1));
        from = fig_concat((fig_node[]){ from, class }, 2, 1);
    }
    fig_node old = fig_model_input_declare(
        v->model,
        &(fig_input_decl){ .name = "replay", .feed = FIG_FEED_POOL, .from = from, .pool = (int)v->rules->replay });
    if (v->game->classes) {
        *label = fig_cast(fig_reshape(fig_slice(old, 1, elements, 1, 1), FIG_SHAPE(-1)), FIG_I32);
        old = fig_slice(old, 1, 0, elements, 1);
    }
    return fig_reshape(old, type);
}

/* -- the critic's phase ----------------------------------------------------------------------------------------------- */

/* Points on the lines between real and fake samples, a random one for each row, or for rows that are judged together. */
static fig_node between(fig_node real, fig_node fake, int64_t together)
{
    fig_type type = fig_type_of(real), column = { .rank = type.rank, .dim = { type.dim[0] / together } };
    for (int i = 1; i < type.rank; i++)
        column.dim[i] = 1;
    fig_node share = fig_uniform(real.graph, column);
    if (together > 1) {
        column.dim[0] = type.dim[0];
        share = fig_reshape(for_each(flat(share), type.dim[0]), column);
    }
    return fig_add(real, fig_mul(share, fig_sub(fake, real)));
}

static fig_node edge(const view *v) /* between logits of real and of fake samples */
{
    return fig_constant(fig_model_graph(v->model), v->rules->loss == FIG_LEAST_SQUARES ? 0.5f : 0);
}

static void log_critic(const view *v, fig_node on_real, fig_node on_fake)
{
    if (judges_singly(v->rules)) { /* the critic's estimate of the distance between the two distributions */
        fig_model_log(v->model, "discriminator", "distance", fig_sub(on_real, on_fake));
        return;
    }
    fig_node middle = edge(v);
    fig_model_log(v->model, "discriminator", "accuracy_real", fig_greater(on_real, middle));
    fig_model_log(v->model, "discriminator", "accuracy_fake", fig_less(on_fake, middle));
}

/* Moves the probability of augmentation. The mean sign follows the last four batches or so. */
static void adapt(const view *v, fig_node on_real)
{
    if (!v->augment || v->rules->augment_target <= 0)
        return;
    fig_node average = row_state(v->model, "augment.sign");
    fig_node signs = for_each(fig_sign(fig_sub(on_real, edge(v))), fig_model_batch(v->model)); /* (B) */
    fig_node now = fig_reshape(fig__mean_over_rows(v->model, signs), FIG_SHAPE(1));
    fig_node sign = fig_stop_gradient(fig_add(fig_scale(average, 0.75f), fig_scale(now, 0.25f)));
    float step = (float)((double)fig_model_batch(v->model) / (double)v->rules->augment_examples);
    fig_node moved = fig_add(v->probability, fig_scale(fig_sign(fig_shift(sign, -(float)v->rules->augment_target)), step));
    fig_assign(average, sign);
    fig_assign(v->probability, fig_clamp(moved, 0, (float)v->rules->augment_probability));
    fig_model_log(v->model, "discriminator", "augment_probability", fig_reshape(v->probability, FIG_SCALAR));
}

/* on_real: the critic's logits of `real`, none where they are part of a joined batch. */
static fig_node penalties(const view *v, fig_node real, fig_node on_real, fig_node fake, int64_t together, fig_node loss)
{
    int64_t batch = fig_model_batch(v->model);
    if (v->rules->loss == FIG_WGAN_GP) {
        fig_node middle = between(real, fake, together);
        fig_node penalty = for_each(fig_gradient_penalty(flat(judge(v, middle, v->label)), middle), batch); /* (B) */
        loss = fig_add(loss, fig_scale(penalty, (float)v->rules->penalty));
        fig_model_log(v->model, "discriminator", "penalty", penalty);
    }
    if (v->rules->r1 > 0) {
        fig_node penalty = for_each(fig_r1_penalty(flat(fig_is_none(on_real) ? judge(v, real, v->label) : on_real), real), batch); /* (B) */
        loss = fig_add(loss, fig_scale(penalty, (float)v->rules->r1));
        fig_model_log(v->model, "discriminator", "r1", penalty);
    }
    return loss;
}

typedef struct span {
    int64_t from, until;
} span; /* rounds */

/* 1 where the largest logit is that of the class. */
static fig_node found(fig_node logits, fig_node label) { return fig_equal(fig_argmax(logits, -1), label); }

/* A batch of the few labelled examples: the cost of their classes, (B). `field`: what a sample is called. */
static fig_node taught(const view *v, const char *field)
{
    fig_input_decl sample = { .name = "labelled", .field = field, .labelled = v->game->labels };
    fig_input_decl class = { .name = "labelled.label", .field = "label", .labelled = v->game->labels };
    fig_node x = fig_model_input_declare(v->model, &sample), label = fig_model_input_declare(v->model, &class);
    fig_node logits = v->game->classify(v->model, v->game->networks, shown(v, x)); /* (B, K) */
    fig_node cost = fig_cross_entropy(logits, label);
    fig_model_log(v->model, "discriminator", "class_loss", cost);
    fig_model_log(v->model, "discriminator", "accuracy_labelled", found(logits, label));
    return fig_scale(cost, (float)v->game->labels_weight);
}

/* `judged` receives the critic's logits of `seen`, none where they are part of a joined batch. */
static fig_status declare_critic(const view *v, fig_node real, fig_node seen, fig_node seen_label, span when, fig_node *judged,
                                 fig_error *err)
{
    fig_adversarial kind = (fig_adversarial)v->rules->loss;
    int64_t batch = fig_model_batch(v->model);
    fig_node on_real, on_fake, loss; /* (B) each */
    *judged = FIG_NONE;
    if (v->rules->critic_batches == 0) {
        on_real = judge(v, real, v->label);
        on_fake = *judged = judge(v, seen, seen_label);
        fig_node of_fakes = folded(fig_critic_loss(kind, on_fake, FIG_GOAL_FAKE), fig_dim(on_real, 0));
        loss = fig_add(fig_critic_loss(kind, on_real, FIG_GOAL_REAL), of_fakes);
    } else {
        fig_node labels = v->game->classes ? fig_concat((fig_node[]){ v->label, seen_label }, 2, 0) : FIG_NONE;
        fig_node both = judge(v, fig_concat((fig_node[]){ real, seen }, 2, 0), labels); /* (2B) */
        int64_t rows = fig_dim(both, 0) / 2;
        on_real = fig_slice(both, 0, 0, rows, 1);
        on_fake = fig_slice(both, 0, rows, rows, 1);
        loss = fig_add(fig_critic_loss(kind, on_real, FIG_GOAL_REAL), fig_critic_loss(kind, on_fake, FIG_GOAL_FAKE));
    }
    FIG_TRY(fig_graph_check(fig_model_graph(v->model), err));
    int64_t together = batch / fig_dim(on_real, 0);
    bool joined = v->rules->critic_batches == 1;
    loss = penalties(v, real, joined ? FIG_NONE : on_real, seen, together, for_each(loss, batch));
    if (joined)
        loss = fig_scale(loss, 0.5f); /* the mean over 2B examples */
    if (v->game->labels > 0)
        loss = fig_add(loss, taught(v, fig_rank(real) == 4 ? "image" : "point"));
    log_critic(v, for_each(flat(on_real), batch), folded(for_each(flat(on_fake), batch), batch));
    adapt(v, flat(on_real));
    return fig_model_phase(v->model,
                           &(fig_phase){ .name = "discriminator",
                                         .loss = loss,
                                         .trains = "discriminator",
                                         .times = judges_singly(v->rules) ? 5 : 1,
                                         .from = when.from,
                                         .until = when.until,
                                         .simultaneous = v->rules->update == 1,
                                         .settings = usual_settings(v->rules->loss),
                                         .rate = v->rules->rate,
                                         .clip_weights = kind == FIG_WASSERSTEIN ? (float)v->rules->clip_weights : 0 },
                           err);
}

/* -- the game --------------------------------------------------------------------------------------------------------- */

fig_status fig__play(fig_model *model, const fig__game *game, fig_node real, fig_error *err)
{
    const fig__rules *rules = game->rules;
    view v;
    FIG_TRY(open_view(&v, model, game, real, err));
    fig_node fake = make(&v), label = v.label, judged;
    fig_node pooled = rules->replay > 0 ? replayed(&v, fake, &label) : fake;
    real = shown(&v, real);
    fig_node seen = shown(&v, pooled);
    FIG_TRY(declare_critic(&v, real, seen, label, (span){ 0 }, &judged, err));

    if (rules->fakes == 1)
        judged = judge(&v, shown(&v, make(&v)), v.label);
    else if (rules->replay > 0)
        judged = judge(&v, shown(&v, fake), v.label);
    else if (rules->critic_batches == 1)
        judged = judge(&v, seen, v.label);
    fig_node loss = for_each(fig_generator_loss((fig_adversarial)rules->loss, judged), fig_model_batch(model));
    return fig_model_phase(model,
                           &(fig_phase){ .name = "generator",
                                         .loss = loss,
                                         .trains = "generator",
                                         .settings = usual_settings(rules->loss) },
                           err);
}

fig_status fig__play_critic(fig_model *model, const fig__game *game, fig_node real, fig_node made, int64_t from, int64_t until,
                            fig_error *err)
{
    view v;
    fig_node judged;
    FIG_TRY(open_view(&v, model, game, real, err));
    return declare_critic(&v, shown(&v, real), shown(&v, made), v.label, (span){ from, until }, &judged, err);
}

fig_status fig__play_generator(fig_model *model, const fig__game *game, fig_node made, fig_node *loss, fig_error *err)
{
    view v;
    FIG_TRY(open_view(&v, model, game, made, err));
    *loss = for_each(fig_generator_loss((fig_adversarial)game->rules->loss, judge(&v, shown(&v, made), v.label)), fig_dim(made, 0));
    return fig_graph_check(fig_model_graph(model), err);
}

void fig__score_classes(fig_model *model, const fig__game *game, fig_node real)
{
    if (game->labels < 1)
        return;
    fig_node label = fig_model_input(model, "label"), none = fig_constant_i32(fig_model_graph(model), 0);
    fig_node right = found(game->classify(model, game->networks, real), label); /* (B) */
    char protocol[48];
    snprintf(protocol, sizeof protocol, "labels=%lld", (long long)game->labels);
    fig_model_metric(model, &(fig_metric_decl){ .name = "accuracy", .value = right, .mask = fig_greater_equal(label, none), .unit = "",
                                                .protocol = protocol, .higher_is_better = true });
}

void fig__draw(fig_model *model, const fig__game *game)
{
    fig_graph *g = fig_model_graph(model);
    fig_node noise = fig_model_noise(model, game->rules->latent);
    fig_type rows = { .dtype = FIG_I32, .rank = 1, .dim = { fig_model_batch(model) } };
    fig_node label = game->classes ? fig_input(g, "label", rows) : FIG_NONE;
    fig_node sample = game->generate(model, game->networks, noise, label);
    fig_model_sampler(model, &(fig_sampler_decl){ .name = "samples",
                                                  .loop = FIG_LOOP_ONCE,
                                                  .output = sample,
                                                  .label = label,
                                                  .as_trained = true });
}

void fig__rules_advise(const fig__rules *rules, fig__text *out)
{
    unsigned kinds = 0;
    fig_status read = fig__read_augment(rules->augment, &kinds, NULL);
    if (rules->augment_target > 0 && read == FIG_OK && !kinds)
        fig__text_print(out, "augment_target does nothing without augment; set augment=colour,translation,cutout\n");
    if (rules->augment_target > 0 && judges_singly(rules))
        fig__text_print(out, "augment_target watches the sign of logits, which this loss leaves open; set augment_target=0\n");
    if (rules->instance_noise_steps > 0 && rules->instance_noise <= 0)
        fig__text_print(out, "instance_noise_steps does nothing without instance_noise; set instance_noise=0.1\n");
}
