/* nn/residual.c - the pre-activation residual block (He et al. 2016) over pictures (B, H, W, C) */
#include "nn/layer.h"

static fig_node activate(fig_node x, const fig_residual_opts *o, const char *label)
{
    return fig_relu(o->no_norm ? x : fig_group_norm(x, &(fig_norm_opts){ .groups = o->groups, .label = label }));
}

fig_node fig_residual_block(fig_node x, int64_t channels, const fig_residual_opts *opts)
{
    fig_residual_opts o = opts ? *opts : (fig_residual_opts){ 0 };
    fig_graph *g = x.graph;
    if (fig__poisoned(x))
        return x;
    int kernel = o.kernel > 0 ? o.kernel : 3;
    fig__layer_begin(g, o.label, "residual");
    fig_node h = fig_conv2d(activate(x, &o, "norm1"), channels, kernel,
                            &(fig_conv_layer_opts){ .padding = FIG_PAD_SAME, .label = "conv1" });
    h = activate(h, &o, "norm2");
    if (fig_is_training(g) && o.dropout > 0)
        h = fig_dropout(h, o.dropout);
    h = fig_conv2d(h, channels, kernel, &(fig_conv_layer_opts){ .padding = FIG_PAD_SAME, .label = "conv2" });
    if (fig_dim(x, -1) != channels)
        x = fig_conv2d(x, channels, 1, &(fig_conv_layer_opts){ .no_bias = true, .label = "project" });
    fig_scope_pop(g);
    return fig_add(x, h);
}
