/* nn/translate.c - the two networks of picture translation (Johnson et al. 2016, Isola et al. 2017, Zhu et al. 2017)
 *
 *     fig_resnet_generator   7x7 convolution, two halvings, residual blocks, two doublings, 7x7 convolution, tanh; reflected borders,
 *                            instance norm without weights, ReLU
 *     fig_patch_critic       4x4 convolutions, strides 2 2 2 1 1, instance norm but in the first and last, leaky ReLU 0.2: one logit
 *                            for each of many overlapping patches (70x70 pixels with three halvings) */
#include "nn/layer.h"

static fig_node convolve(fig_node x, int64_t channels, int kernel, int stride, int padding, const char *label)
{
    return fig_conv2d(x, channels, kernel,
                      &(fig_conv_layer_opts){ .stride = stride, .padding = padding, .label = label });
}

static fig_node norm(fig_node x) { return fig_instance_norm(x, &(fig_norm_opts){ .no_affine = true }); }

static fig_node mirrored(fig_node x, int64_t channels, int kernel, const char *label)
{
    return convolve(fig_pad_reflect(x, kernel / 2), channels, kernel, 1, 0, label);
}

static fig_node residual(fig_node x)
{
    int64_t channels = fig_dim(x, -1);
    fig__layer_begin(x.graph, NULL, "residual");
    fig_node h = fig_relu(norm(mirrored(x, channels, 3, "conv1")));
    h = norm(mirrored(h, channels, 3, "conv2"));
    fig_scope_pop(x.graph);
    return fig_add(x, h);
}

fig_node fig_resnet_generator(fig_node x, const fig_resnet_generator_opts *opts)
{
    fig_resnet_generator_opts o = opts ? *opts : (fig_resnet_generator_opts){ 0 };
    fig_graph *g = x.graph;
    if (fig__poisoned(x))
        return x;
    if (fig_rank(x) != 4 || fig_dim(x, 1) % 4 || fig_dim(x, 2) % 4 || fig_dim(x, 1) < 8 || fig_dim(x, 2) < 8)
        return fig_graph_fail(
            g, "resnet_generator: needs pictures (B, H, W, C) with sides that are multiples of 4, from 8 on");
    int64_t width = o.width > 0 ? o.width : 64, outputs = o.outputs > 0 ? o.outputs : fig_dim(x, -1);
    int blocks = o.blocks > 0 ? o.blocks : 6;
    fig_conv_layer_opts grow = { .stride = 2, .padding = 1, .output_extra = 1 };

    fig__layer_begin(g, o.label, "resnet_generator");
    fig_node h = fig_relu(norm(mirrored(x, width, 7, "in"))); /* (B, H, W, width) */
    h = fig_relu(norm(convolve(h, 2 * width, 3, 2, 1, "halve1")));
    h = fig_relu(norm(convolve(h, 4 * width, 3, 2, 1, "halve2"))); /* (B, H/4, W/4, 4 width) */
    for (int i = 0; i < blocks; i++)
        h = residual(h);
    grow.label = "double1";
    h = fig_relu(norm(fig_conv2d_transposed(h, 2 * width, 3, &grow)));
    grow.label = "double2";
    h = fig_relu(norm(fig_conv2d_transposed(h, width, 3, &grow))); /* (B, H, W, width) */
    h = fig_tanh(mirrored(h, outputs, 7, "out"));
    fig_scope_pop(g);
    return h;
}

fig_node fig_patch_critic(fig_node x, const fig_patch_critic_opts *opts)
{
    fig_patch_critic_opts o = opts ? *opts : (fig_patch_critic_opts){ 0 };
    fig_graph *g = x.graph;
    if (fig__poisoned(x))
        return x;
    if (fig_rank(x) != 4)
        return fig_graph_fail(g, "patch_critic: needs pictures (B, H, W, C), got %d axes", fig_rank(x));
    int64_t width = o.width > 0 ? o.width : 64;
    int halvings = o.halvings > 0 ? o.halvings : 3;
    fig__layer_begin(g, o.label, "patch_critic");
    fig_node h = fig_leaky_relu(convolve(x, width, 4, 2, 1, NULL), 0.2f);
    for (int i = 1; i <= halvings; i++) /* the last of them keeps the size */
        h = fig_leaky_relu(norm(convolve(h, width << (i < 3 ? i : 3), 4, i < halvings ? 2 : 1, 1, NULL)), 0.2f);
    h = convolve(h, 1, 4, 1, 1, NULL); /* (B, h, w, 1) */
    fig_scope_pop(g);
    return h;
}
