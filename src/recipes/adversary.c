/* recipes/adversary.c - a critic beside an autoencoder; see adversary.h
 *
 * With g the gradient of the critic's term by the picture y that the decoder makes, the decoder is given the term s g y: its gradient is
 * s times that of the critic's term, and the way back through the critic is gone once whatever s is. Adaptive,
 *
 *     s = weight * |d loss / d y| / |g|
 *
 * over the whole batch: Esser et al. take the gradients by the decoder's last weights, one layer further. Before its step s is 0. */
#include "recipes/adversary.h"

enum { ADAPTIVE, FIXED };
#define LARGEST_SCALE 1e4f

static fig_node judge(fig_model *model, const void *networks, fig_node samples, fig_node label)
{
    return fig__body_judge(model, networks, samples, label);
}

fig_status fig__adversary_open(fig__adversary *a, fig_model *model, const fig__adversary_options *o, const fig_data_spec *data,
                               int init, fig_error *err)
{
    if (data->kind != FIG_DATA_IMAGES)
        return fig_fail(err, FIG_E_USAGE, "adversarial: the critic sees pictures, not points; set adversarial=0 and critic.features=0");
    *a = (fig__adversary){ .model = model, .o = o };
    a->rules = (fig__rules){ .loss = o->loss, .r1 = o->r1, .rate = o->rate, .augment = o->augment, .augment_probability = 1 };
    a->body_options = (fig__body_options){ .body = FIG__GAN_DCGAN, .norm = FIG__CRITIC_NONE, .init = init, .width = o->width,
                                           .spectral_norm = o->spectral_norm, .patches = o->patches, .packing = 1, .pieces = 1 };
    fig_status status = fig__body_open(&a->body, model, &a->body_options, data, true, err);
    if (status != FIG_OK)
        return fig_error_prefix(err, "adversarial"), status;
    a->game = (fig__game){ .rules = &a->rules, .networks = &a->body, .judge = judge };
    return FIG_OK;
}

static fig_node centred(fig_node pictures) { return fig_shift(fig_scale(pictures, 2), -1); } /* 0 .. 1 to -1 .. 1 */

fig_node fig__adversary_on(const fig__adversary *a)
{
    if (!a->o->from)
        return fig_constant(fig_model_graph(a->model), 1);
    /* the clock goes from 0 to 1 in `from` steps */
    fig_node clock = fig_model_ramp(a->model, "adversarial_clock", 0, 1, (double)a->o->from);
    return fig_greater_equal(clock, fig_constant(fig_model_graph(a->model), (float)(1 - 0.5 / (double)a->o->from)));
}

fig_node fig__adversary_distance(const fig__adversary *a, fig_node real, fig_node made)
{
    fig_node x = fig_stop_gradient(fig__body_features(a->model, &a->body, centred(real), FIG_NONE));
    fig_node y = fig__body_features(a->model, &a->body, centred(made), FIG_NONE);
    return fig_scale(fig_squared_error(x, y), 0.5f);
}

/* (k B) in turn -> their mean, (B). */
static fig_node mean_of_sets(fig_node numbers, int64_t batch)
{
    int64_t sets = fig_dim(numbers, 0) / batch;
    return sets < 2 ? numbers : fig_mean(fig_reshape(numbers, FIG_SHAPE(sets, batch)), &(fig_reduce_opts){ .axis = 0 });
}

static fig_node length(fig_node x) { return fig_sqrt(fig_sum(fig_square(x), NULL)); }

fig_status fig__adversary_term(const fig__adversary *a, const char *phase, fig_node loss, fig_node at, fig_node made, fig_node *out,
                               fig_error *err)
{
    fig_node fooled, pushed, pulled;
    int64_t batch = fig_model_batch(a->model);
    FIG_TRY(fig__play_generator(a->model, &a->game, centred(made), &fooled, err)); /* (k B) */
    fooled = mean_of_sets(fooled, batch);                                           /* (B) */
    fig_gradients(fooled, &made, 1, &pushed);                                       /* (k B, H, W, C) */
    fig_node scale = fig_scale(fig__adversary_on(a), (float)a->o->weight);          /* rank 0 */
    if (a->o->scale == ADAPTIVE) {
        fig_gradients(loss, &at, 1, &pulled);
        fig_node ratio = fig_div(length(pulled), fig_shift(length(pushed), 1e-8f));
        scale = fig_mul(scale, fig_clamp(ratio, 0, LARGEST_SCALE));
        fig_model_log(a->model, phase, "adversarial_scale", scale);
    }
    fig_model_log(a->model, phase, "adversarial", fooled);
    fig_node way = fig_sum_rows(fig_mul(fig_stop_gradient(pushed), made)); /* (k B) */
    way = fig_scale(mean_of_sets(way, batch), (float)(fig_dim(made, 0) / batch));
    fig_node value = fig_stop_gradient(fig_sub(fooled, way)); /* so that the sum is what it stands for */
    *out = fig_mul(fig_add(way, value), fig_stop_gradient(scale));
    return fig_graph_check(fig_model_graph(a->model), err);
}

fig_status fig__adversary_phase(const fig__adversary *a, fig_node real, fig_node made, int64_t until, fig_error *err)
{
    return fig__play_critic(a->model, &a->game, centred(real), centred(made), a->o->from, until, err);
}
