/* nn/conv.c - convolution layers of any rank and their transposed forms, with square kernels
 *
 * Weights are (filters, kernel..., channels / groups). A transposed layer's weight is the one of the convolution that it turns
 * round, (channels, kernel..., filters / groups), so its fan-in is output channels * kernel area, as PyTorch and Keras count. */
#include "nn/layer.h"

static fig_node conv_layer(fig_node x, int spatial, int64_t filters, int kernel, bool transposed,
                           const fig_conv_layer_opts *opts)
{
    fig_conv_layer_opts o = opts ? *opts : (fig_conv_layer_opts){ 0 };
    fig_graph *g = x.graph;
    if (fig__poisoned(x))
        return x;
    int64_t groups = o.groups > 0 ? o.groups : 1, channels = fig_dim(x, -1);
    if (fig_rank(x) != spatial + 2 || filters < 1 || kernel < 1)
        return fig_graph_fail(
            g,
            "conv%dd%s: needs an input with %d axes (batch, %d spatial, channels), a kernel and filters; got %d axes, "
            "kernel %d, %lld filters",
            spatial, transposed ? "_transposed" : "", spatial + 2, spatial, fig_rank(x), kernel, (long long)filters);
    if (o.causal && (spatial != 1 || transposed || o.stride > 1 || o.padding))
        return fig_graph_fail(g, "conv%dd: causal goes with one axis, stride 1 and no other padding", spatial);
    if (channels % groups || filters % groups)
        return fig_graph_fail(g, "conv%dd: %lld channels and %lld filters cannot be split into %lld groups", spatial,
                              (long long)channels, (long long)filters, (long long)groups);

    int64_t from = transposed ? filters : channels, to = transposed ? channels : filters; /* of the convolution */
    fig_type shape = { .rank = spatial + 2 };
    int64_t area = 1;
    shape.dim[0] = to;
    for (int i = 0; i < spatial; i++, area *= kernel)
        shape.dim[1 + i] = kernel;
    shape.dim[1 + spatial] = from / groups;
    if (!o.init.fan_in)
        o.init.fan_in = area * from / groups;
    if (!o.init.fan_out)
        o.init.fan_out = area * to / groups;

    fig__layer_begin(g, o.label, transposed ? "transposed" : "conv");
    fig_node weight = fig_param(g, "weight", shape, o.init); /* (to, k..., from / groups) */
    if (o.spectral)
        weight = fig__spectral(g, weight);
    fig_conv_opts how = { .stride = { o.stride },
                          .dilation = { o.dilation },
                          .groups = o.groups,
                          .before = { o.padding },
                          .after = { o.padding == FIG_PAD_SAME ? 0 : o.padding },
                          .output_extra = { o.output_extra } };
    if (o.causal) {
        how.before[0] = (kernel - 1) * (o.dilation > 0 ? o.dilation : 1);
        how.after[0] = 0;
    }
    fig_node y = transposed ? fig_convolution_transposed(x, weight, &how) : fig_convolution(x, weight, &how);
    if (!o.no_bias)
        y = fig_add(y, fig__bias(g, filters, o.bias_init, o.init.fan_in));
    fig_scope_pop(g);
    return y;
}

fig_node fig_conv1d(fig_node x, int64_t filters, int kernel, const fig_conv_layer_opts *opts)
{
    return conv_layer(x, 1, filters, kernel, false, opts);
}

fig_node fig_conv2d(fig_node x, int64_t filters, int kernel, const fig_conv_layer_opts *opts)
{
    return conv_layer(x, 2, filters, kernel, false, opts);
}

fig_node fig_conv3d(fig_node x, int64_t filters, int kernel, const fig_conv_layer_opts *opts)
{
    return conv_layer(x, 3, filters, kernel, false, opts);
}

fig_node fig_conv1d_transposed(fig_node x, int64_t filters, int kernel, const fig_conv_layer_opts *opts)
{
    return conv_layer(x, 1, filters, kernel, true, opts);
}

fig_node fig_conv2d_transposed(fig_node x, int64_t filters, int kernel, const fig_conv_layer_opts *opts)
{
    return conv_layer(x, 2, filters, kernel, true, opts);
}
