/* nn/losses.c - losses per example: sums over an example's elements, (B); the trainer averages over the batch
 *
 * Sums, never means over elements: with means over d data and k latent elements the KL term would weigh d / (2k) times its
 * due, which drives a VAE's posterior to collapse. */
#include "nn/layer.h"
#include <math.h>

fig_node fig_kl_unit_gaussian(fig_node mean, fig_node log_variance)
{
    /* 1/2 sum (exp(lv) + m^2 - 1 - lv) */
    fig_node inner = fig_sub(fig_add(fig_exp(log_variance), fig_square(mean)), fig_shift(log_variance, 1));
    return fig_scale(fig_sum_rows(inner), 0.5f);
}

fig_node fig_bernoulli_nll(fig_node logits, fig_node target) { return fig_sum_rows(fig_bce_logits(logits, target)); }

fig_node fig_gaussian_nll(fig_node target, fig_node mean, fig_node log_variance)
{
    /* 1/2 sum (log 2 pi + lv + (t - m)^2 exp(-lv)); the square comes first, so that lv broadcasts to its shape */
    fig_node scaled = fig_mul(fig_square(fig_sub(target, mean)), fig_exp(fig_neg(log_variance)));
    return fig_scale(fig_sum_rows(fig_add(scaled, fig_shift(log_variance, (float)log(2 * M_PI)))), 0.5f);
}

fig_node fig_squared_error(fig_node a, fig_node b) { return fig_sum_rows(fig_square(fig_sub(a, b))); }
