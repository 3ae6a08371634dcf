/* nn/gated.c - gated residual layers and the sum of their skip connections (WaveNet, van den Oord et al. 2016)
 *
 *     [f, g] = causal dilated convolution of x,  z = tanh(f) s(g),  x' = x + residual z,  skip total = sum over layers of skip z
 *
 * The skip products of all layers are one product of all z side by side. While generating, one step at a time, a layer needs its
 * input `dilation` steps ago (and twice that, for kernel 3): earlier inputs lie in a ring of (kernel - 1) dilation steps, a state
 * (B, ring, C); step t stands at t mod ring, where the oldest input is read before it is written over. Steps before the first
 * count as zeros, so rings need no clearing between sequences. */
#include "nn/layer.h"
#include "nn/model.h"

static fig_node ring_state(fig_graph *g, fig_type type)
{
    if (!g->owner.model)
        return fig_state(g, fig__scope_path(g, "ring"), type);
    return fig_model_state(g->owner.model, &(fig_state_decl){ .name = "ring", .type = type, .reset = FIG_RESET_SEQUENCE });
}

/* A weight of the layer's convolutions (filters, kernel, inputs), read as a matrix, and its bias. */
static fig_node matrix(fig_graph *g, const char *label, int64_t filters, int kernel, int64_t inputs, const fig_gated_opts *o,
                       fig_node *bias)
{
    fig__layer_begin(g, label, "conv");
    fig_init init = o->init;
    if (!init.fan_in)
        init.fan_in = kernel * inputs;
    if (!init.fan_out)
        init.fan_out = kernel * filters;
    fig_node weight = fig_param(g, "weight", FIG_SHAPE(filters, kernel, inputs), init);
    *bias = fig__bias(g, filters, o->bias_init, init.fan_in);
    fig_scope_pop(g);
    return fig_reshape(weight, FIG_SHAPE(filters, kernel * inputs));
}

/* The whole layer for one step: the same weights; the ring moves on. */
static fig_node cached_step(fig_node x, int64_t gate, int kernel, int dilation, const fig_gated_opts *o, fig_node *inside)
{
    fig_graph *g = x.graph;
    int64_t channels = fig_dim(x, 2);
    fig_gated_step_in in = { .x = x, .position = o->position };
    in.weight = matrix(g, "dilated", 2 * gate, kernel, channels, o, &in.bias);
    fig_scope_push(g, "dilated");
    in.ring = ring_state(g, FIG_SHAPE(fig_dim(x, 0), (int64_t)(kernel - 1) * dilation, channels));
    fig_scope_pop(g);
    in.residual = matrix(g, "residual", channels, 1, gate, o, &in.residual_bias);
    fig_node out[3];
    fig_gated_step(&in, kernel, dilation, out);
    fig_assign(in.ring, out[0]);
    *inside = out[2];
    return out[1];
}

fig_node fig_gated_layer(fig_node x, const fig_gated_opts *opts, fig_node *inside)
{
    fig_gated_opts o = opts ? *opts : (fig_gated_opts){ 0 };
    fig_graph *g = x.graph;
    *inside = x;
    if (fig__poisoned(x))
        return x;
    int kernel = o.kernel > 0 ? o.kernel : 2, dilation = o.dilation > 0 ? o.dilation : 1;
    bool step = !fig_is_none(o.position);
    if (fig_rank(x) != 3 || kernel > 16 || (step && fig_dim(x, 1) != 1))
        return fig_graph_fail(g, "gated_layer: needs (batch, time, channels), one step of time with .position, and a kernel of at most "
                                 "16; got %d axes, kernel %d", fig_rank(x), kernel);
    int64_t channels = fig_dim(x, 2), gate = o.gate > 0 ? o.gate : channels;
    fig__layer_begin(g, o.label, "gated");
    if (step && kernel > 1) {
        fig_node y = cached_step(x, gate, kernel, dilation, &o, inside);
        fig_scope_pop(g);
        return y;
    }
    fig_conv_layer_opts how = { .dilation = dilation, .causal = true, .init = o.init, .bias_init = o.bias_init, .label = "dilated" };
    fig_node both = fig_conv1d(x, 2 * gate, kernel, &how);
    *inside = fig_gate(both); /* (B, T, gate) */
    fig_conv_layer_opts same = { .init = o.init, .bias_init = o.bias_init, .label = "residual" };
    fig_node y = fig_add(x, fig_conv1d(*inside, channels, 1, &same));
    fig_scope_pop(g);
    return y; /* (B, T, C) */
}

fig_node fig_skip_sum(const fig_node *inside, int count, int64_t filters, const fig_conv_layer_opts *opts)
{
    fig_conv_layer_opts o = opts ? *opts : (fig_conv_layer_opts){ 0 };
    if (!o.label)
        o.label = "skip";
    return fig_conv1d(count > 1 ? fig_concat(inside, count, 2) : inside[0], filters, 1, &o);
}
