/* nn/variational.c - variational dropout: dense weights with noise whose size is learned (Kingma, Salimans and Welling 2015, in the
 * additive form of Molchanov et al. 2017)
 *
 * A weight is Gaussian, w ~ N(theta, alpha theta^2), before the data known by the order of its size only (log |w| uniform). Rows of a
 * layer's input need not share a draw of the weights, and what a row becomes is Gaussian as well; so noise is drawn for results and
 * not for weights (local reparameterisation), in two products instead of one draw a row:
 *
 *     y ~ N(x theta', x^2 (alpha theta^2)')
 *     KL of a weight = k1 (1 - s(k2 + k3 log alpha)) + 1/2 log(1 + 1 / alpha)        (an approximation; 0 as alpha grows)
 *
 * FIG_NOISE_WEIGHT learns the variance alpha theta^2 of each weight ("log_variance", (out, in)), FIG_NOISE_LAYER one alpha for all of a
 * layer ("log_alpha", (1)). Outside of training a layer uses theta; a weight of which little but noise is left (log alpha > 3) is 0. */
#include "nn/layer.h"
#include "nn/model.h"

#define PRUNED 3.0f /* log alpha: noise of 4.5 times the weight */

static fig_node log_alpha_of(fig_node weight, fig_node log_variance)
{
    return fig_sub(log_variance, fig_log(fig_shift(fig_square(weight), 1e-8f)));
}

static fig_node product(fig_node x, fig_node weight) { return fig_matmul(x, weight, &(fig_matmul_opts){ .transpose_b = true }); }

fig_node fig__noisy_product(fig_node x, fig_node weight, fig_weight_noise noise)
{
    if (fig__poisoned(x) || fig__poisoned(weight))
        return fig__poisoned(x) ? x : weight;
    fig_graph *g = x.graph;
    bool each = noise == FIG_NOISE_WEIGHT;
    fig_node learned = each ? fig_param(g, "log_variance", fig_type_of(weight), (fig_init){ .kind = FIG_INIT_CONSTANT, .a = -8 })
                            : fig_param(g, "log_alpha", FIG_SHAPE(1), (fig_init){ .kind = FIG_INIT_CONSTANT, .a = -4 });
    fig_node log_alpha = each ? log_alpha_of(weight, learned) : learned; /* (out, in), or (1) */
    fig__weight_is_noisy(g, weight, log_alpha);
    if (!fig_is_training(g)) /* a layer of one alpha would be pruned as a whole: its weights stand */
        return product(x, each ? fig_mul(weight, fig_less_equal(log_alpha, fig_constant(g, PRUNED))) : weight);
    fig_node variance = each ? product(fig_square(x), fig_exp(learned))
                             : fig_mul(product(fig_square(x), fig_square(weight)), fig_exp(learned)); /* (rows, out) */
    fig_node y = product(x, weight);
    return fig_add(y, fig_mul(fig_sqrt(fig_shift(variance, 1e-8f)), fig_normal(g, fig_type_of(y))));
}

static fig_node kl_of(fig_node log_alpha)
{
    const float k1 = 0.63576f, k2 = 1.87320f, k3 = 1.48695f;
    fig_node little = fig_sigmoid(fig_neg(fig_shift(fig_scale(log_alpha, k3), k2)));
    return fig_add(fig_scale(little, k1), fig_scale(fig_softplus(fig_neg(log_alpha)), 0.5f));
}

/* Sum of f(log alpha) over all noisy weights; one alpha of a layer counts for each of its weights. */
static fig_node sum_over_weights(fig_model *model, fig_node (*f)(fig_node log_alpha), double *weights)
{
    fig_node total = FIG_NONE;
    int count = model->n_weights;
    *weights = 0;
    for (int i = 0; i < count; i++) {
        fig_node log_alpha = model->weights[i].log_alpha;
        if (fig_is_none(log_alpha))
            continue;
        fig_type type = fig_type_of(log_alpha);
        double numbers = (double)fig_elements(&model->weights[i].type);
        fig_node sum = fig_scale(fig_sum(f(log_alpha), NULL), (float)(numbers / (double)fig_elements(&type)));
        total = fig_is_none(total) ? sum : fig_add(total, sum);
        *weights += numbers;
    }
    return total;
}

fig_node fig_model_weight_kl(fig_model *model)
{
    double weights;
    return sum_over_weights(model, kl_of, &weights);
}

static fig_node is_pruned(fig_node log_alpha) { return fig_greater(log_alpha, fig_constant(log_alpha.graph, PRUNED)); }

fig_node fig_model_sparsity(fig_model *model)
{
    double weights;
    fig_node pruned = sum_over_weights(model, is_pruned, &weights);
    return fig_is_none(pruned) ? pruned : fig_scale(pruned, (float)(1 / weights));
}
