/* recipes/levels.c - chances of grey levels under logistic distributions; see levels.h
 *
 * With a and b a level's upper and lower end in units of the scale and s the logistic function,
 *
 *     log(s(a) - s(b)) = -softplus(-a) - softplus(b) + log(1 - exp(b - a))
 *
 * which loses nothing in either tail; of it the open ends keep one term: log s(a), or log(1 - s(b)). */
#include "recipes/levels.h"

fig_node fig__nearest_level(fig_node x, int64_t levels) { return fig_floor(fig_shift(fig_scale(x, (float)(levels - 1)), 0.5f)); }

fig_node fig__logistic(fig_node value, fig_node mean, fig_node log_sharp, int64_t levels)
{
    float top = (float)(levels - 1);
    fig_graph *g = value.graph;
    fig_node sharp = fig_exp(fig_clamp(log_sharp, -4, 7)), half = fig_scale(sharp, 1 / top);
    fig_node centre = fig_mul(fig_sub(fig_shift(fig_scale(value, 2), -1), mean), sharp);
    fig_node a = fig_add(centre, half), b = fig_sub(centre, half);
    fig_node above = fig_greater(value, fig_constant(g, 0.5f / top)), below = fig_less(value, fig_constant(g, 1 - 0.5f / top));
    fig_node tails = fig_add(fig_mul(below, fig_softplus(fig_neg(a))), fig_mul(above, fig_softplus(b)));
    fig_node inner = fig_mul(fig_mul(above, below), fig_log(fig_neg(fig_expm1(fig_scale(half, -2)))));
    return fig_sub(inner, tails);
}

fig_node fig__logistic_mixture(fig_node parameters, fig_node value, int64_t mixtures, int64_t levels)
{
    int64_t k = mixtures;
    fig_node weight = fig_slice(parameters, -1, 0, k, 1), mean = fig_slice(parameters, -1, k, k, 1); /* (..., K) */
    fig_node each = fig__logistic(value, mean, fig_slice(parameters, -1, 2 * k, k, 1), levels);
    return fig_logsumexp(fig_add(fig_log_softmax(weight), each));
}
