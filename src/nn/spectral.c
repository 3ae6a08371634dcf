/* nn/spectral.c - spectral normalisation (Miyato et al. 2018, arXiv 1802.05957): W / sigma(W), sigma the largest singular value
 *
 * One step of the power iteration a training step, from where the last one ended:
 *
 *     v = unit(W' u),  u = unit(W v),  sigma = u' W v
 *
 * The vectors are constants to the gradient. u is a buffer beside the weight ("spectral"), saved with it, so that a resumed run
 * goes on with the same bits. A critic that is called on real and on fake samples makes W / sigma once; a later phase, whose W
 * has changed, makes it anew and moves u again. */
#include "nn/layer.h"

/* x / |x| for a row (1, n). */
static fig_node unit(fig_node x)
{
    return fig_mul(x, fig_rsqrt(fig_shift(fig_sum(fig_square(x), NULL), 1e-12f)));
}

fig_node fig__spectral(fig_graph *g, fig_node weight)
{
    if (fig__poisoned(weight))
        return weight;
    fig_node *made = fig__weight_made(g, weight);
    if (made && !fig_is_none(*made))
        return *made;
    fig_matmul_opts turned = { .transpose_b = true };
    int64_t out = fig_dim(weight, 0);
    fig_node matrix = fig_reshape(weight, FIG_SHAPE(out, -1)), still = fig_stop_gradient(matrix); /* (out, rest) */
    fig_node u = fig_buffer(g, "spectral", FIG_SHAPE(1, out), (fig_init){ .kind = FIG_INIT_NORMAL, .a = 1 });
    fig_node v = unit(fig_matmul(u, still, NULL));  /* (1, rest) */
    fig_node stretched = fig_matmul(v, matrix, &turned); /* (1, out) */
    fig_node next = fig_stop_gradient(unit(stretched));
    fig_node sigma = fig_sum(fig_mul(next, stretched), NULL);
    fig_node normal = fig_div(weight, sigma);
    if (fig_is_training(g))
        fig__assign_anchored(u, next, normal);
    made = fig__weight_made(g, weight); /* the buffer may have moved the list */
    if (made)
        *made = normal;
    return normal;
}
