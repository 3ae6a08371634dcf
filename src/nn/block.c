/* nn/block.c - the Transformer block of GPT-2 (Radford et al. 2019): normalise, then compute, then add */
#include "nn/layer.h"

fig_node fig_transformer_block(fig_node x, const fig_block_opts *opts)
{
    fig_block_opts o = opts ? *opts : (fig_block_opts){ 0 };
    fig_graph *g = x.graph;
    if (fig__poisoned(x))
        return x;
    int64_t c = fig_dim(x, -1), hidden = o.hidden > 0 ? o.hidden : 4 * c;
    fig_attention_opts attention = o.attention;
    attention.label = attention.label ? attention.label : "attention";
    attention.no_bias = attention.no_bias || o.no_bias;
    attention.dropout = attention.dropout > 0 ? attention.dropout : o.dropout;
    attention.init = attention.init.kind ? attention.init : o.init;
    attention.out_init = attention.out_init.kind ? attention.out_init : o.out_init;

    fig__layer_begin(g, o.label, "block");
    fig_node h = fig_layer_norm(x, &(fig_norm_opts){ .label = "norm1", .no_bias = o.no_bias });
    x = fig_add(x, fig_self_attention(h, &attention)); /* (B, T, C) */
    h = fig_layer_norm(x, &(fig_norm_opts){ .label = "norm2", .no_bias = o.no_bias });
    h = fig_gelu_tanh(
        fig_linear(h, hidden, &(fig_linear_opts){ .label = "expand", .no_bias = o.no_bias, .init = o.init }));
    h = fig_linear(h, c, &(fig_linear_opts){ .label = "contract", .no_bias = o.no_bias, .init = o.out_init });
    if (fig_is_training(g) && o.dropout > 0)
        h = fig_dropout(h, o.dropout);
    fig_scope_pop(g);
    return fig_add(x, h);
}
