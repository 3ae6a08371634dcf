/* nn/norm.c - normalisation layers: batch, layer, group, instance, RMS
 *
 * Batch norm (Ioffe and Szegedy 2015) uses the batch's statistics while training and moves the running ones towards them,
 *     running = (1 - momentum) * running + momentum * batch,
 * with the unbiased variance n / (n - 1), as PyTorch's and TensorFlow's fused layers do; in inference it uses the running
 * ones. That assignment is anchored on the layer's output: only a phase that really computes the layer moves them.
 * For averaged weights the statistics are gathered anew (train/standing.c): the mean over batches, whose k-th counts 1 / k. */
#include "nn/layer.h"

typedef struct affine {
    fig_node gamma, beta;
} affine;

static fig_node constant_vector(fig_graph *g, int64_t channels, float value)
{
    return fig_full(g, FIG_SHAPE(channels), value);
}

/* gamma and beta (C), FIG_NONE where the layer has none. */
static affine make_affine(fig_graph *g, const fig_norm_opts *o, int64_t channels)
{
    affine a = { FIG_NONE, FIG_NONE };
    if (!o->no_affine)
        a.gamma = fig_param(g, "gamma", FIG_SHAPE(channels), (fig_init){ .kind = FIG_INIT_ONES });
    if (!o->no_affine && !o->no_bias)
        a.beta = fig_param(g, "beta", FIG_SHAPE(channels), (fig_init){ .kind = FIG_INIT_ZEROS });
    return a;
}

static affine make_full_affine(fig_graph *g, const fig_norm_opts *o, int64_t channels)
{
    affine a = make_affine(g, o, channels);
    if (fig_is_none(a.gamma))
        a.gamma = constant_vector(g, channels, 1);
    if (fig_is_none(a.beta))
        a.beta = constant_vector(g, channels, 0);
    return a;
}

/* The first share is 1, and then nothing is left of what was there, be it infinite. */
static fig_node mean_over_batches(fig_node running, fig_node batch)
{
    fig_node share = fig_scalar(batch.graph, "standing", 1), rest = fig_shift(fig_neg(share), 1);
    return fig_select(rest, fig_add(fig_mul(running, rest), fig_mul(batch, share)), batch);
}

static void move_running(fig_node running, fig_node batch, float momentum, fig_node anchor)
{
    fig_node next = fig__is_standing(anchor.graph)
                        ? mean_over_batches(running, batch)
                        : fig_add(fig_scale(running, 1 - momentum), fig_scale(batch, momentum));
    fig__assign_anchored(running, next, anchor);
}

fig_node fig_batch_norm(fig_node x, const fig_norm_opts *opts)
{
    fig_norm_opts o = opts ? *opts : (fig_norm_opts){ 0 };
    fig_graph *g = x.graph;
    if (fig__poisoned(x))
        return x;
    if (fig_rank(x) < 2)
        return fig_graph_fail(g, "batch_norm: needs a batch and a channel axis, got %d axes", fig_rank(x));
    float eps = o.eps > 0 ? o.eps : 1e-5f, momentum = o.momentum > 0 ? o.momentum : 0.1f;
    int64_t channels = fig_dim(x, -1);
    fig__layer_begin(g, o.label, "batch_norm");
    affine a = make_full_affine(g, &o, channels);
    fig_node mean = fig_buffer(g, "mean", FIG_SHAPE(channels), (fig_init){ .kind = FIG_INIT_ZEROS });
    fig_node variance = fig_buffer(g, "variance", FIG_SHAPE(channels), (fig_init){ .kind = FIG_INIT_ONES });
    fig_node y;
    if (fig_is_training(g) || fig__is_standing(g)) {
        fig_node batch_mean, batch_variance; /* (C), biased */
        y = fig_batch_normalise(x, a.gamma, a.beta, eps, &batch_mean, &batch_variance);
        fig_type type = fig_type_of(x);
        double n = (double)(fig_elements(&type) / channels);
        move_running(mean, batch_mean, momentum, y);
        move_running(variance, n > 1 ? fig_scale(batch_variance, (float)(n / (n - 1))) : batch_variance, momentum, y);
    } else {
        y = fig_normalise_with(x, mean, variance, a.gamma, a.beta, eps);
    }
    fig_scope_pop(g);
    return y;
}

fig_node fig_layer_norm(fig_node x, const fig_norm_opts *opts)
{
    fig_norm_opts o = opts ? *opts : (fig_norm_opts){ 0 };
    fig_graph *g = x.graph;
    if (fig__poisoned(x))
        return x;
    fig__layer_begin(g, o.label, "layer_norm");
    affine a = make_affine(g, &o, fig_dim(x, -1));
    fig_node y = fig_layer_normalise(x, a.gamma, a.beta, o.eps > 0 ? o.eps : 1e-5f);
    fig_scope_pop(g);
    return y;
}

fig_node fig_group_norm(fig_node x, const fig_norm_opts *opts)
{
    fig_norm_opts o = opts ? *opts : (fig_norm_opts){ 0 };
    fig_graph *g = x.graph;
    if (fig__poisoned(x))
        return x;
    int64_t channels = fig_dim(x, -1);
    int groups = o.groups > 0 ? o.groups : 32;
    while (o.groups <= 0 && channels % groups) /* the largest divisor up to 32 */
        groups--;
    fig__layer_begin(g, o.label, "group_norm");
    affine a = make_affine(g, &o, channels);
    fig_node y = fig_group_normalise(x, groups, a.gamma, a.beta, o.eps > 0 ? o.eps : 1e-5f);
    fig_scope_pop(g);
    return y;
}

fig_node fig_instance_norm(fig_node x, const fig_norm_opts *opts)
{
    fig_norm_opts o = opts ? *opts : (fig_norm_opts){ 0 };
    fig_graph *g = x.graph;
    if (fig__poisoned(x))
        return x;
    fig__layer_begin(g, o.label, "instance_norm");
    affine a = make_affine(g, &o, fig_dim(x, -1));
    fig_node y = fig_instance_normalise(x, a.gamma, a.beta, o.eps > 0 ? o.eps : 1e-5f);
    fig_scope_pop(g);
    return y;
}

fig_node fig_rms_norm(fig_node x, const fig_norm_opts *opts)
{
    fig_norm_opts o = opts ? *opts : (fig_norm_opts){ 0 };
    fig_graph *g = x.graph;
    if (fig__poisoned(x))
        return x;
    o.no_bias = true;
    fig__layer_begin(g, o.label, "rms_norm");
    affine a = make_full_affine(g, &o, fig_dim(x, -1)); /* beta stays unused */
    fig_node y = fig_rms_normalise(x, a.gamma, o.eps > 0 ? o.eps : 1e-5f);
    fig_scope_pop(g);
    return y;
}
