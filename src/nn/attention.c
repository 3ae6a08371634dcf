/* nn/attention.c - multi-head self-attention (Vaswani et al. 2017), whole sequences or one cached step
 *
 * Queries, keys and values come from one product "qkv" whose output is (B, T, 3, H, D), and stay together. While decoding, keys
 * and values of earlier positions lie in a state (B, 2, H, S, D): heads before positions, so that the two products of a step
 * read a head's keys and values in one run. Row b of a step writes at position[b] and sees positions up to its own; what lies
 * behind them in the cache is masked, so a cache needs no clearing between sequences. */
#include "nn/layer.h"
#include "nn/model.h"

static fig_node cache_state(fig_graph *g, const char *name, fig_type type)
{
    if (!g->owner.model)
        return fig_state(g, fig__scope_path(g, name), type);
    return fig_model_state(g->owner.model,
                           &(fig_state_decl){ .name = name, .type = type, .reset = FIG_RESET_SEQUENCE });
}

static fig_node attend_cached(fig_graph *g, fig_node qkv, const fig_attention_opts *o)
{
    fig_node past = cache_state(g, "cache", FIG_SHAPE(fig_dim(qkv, 0), 2, fig_dim(qkv, 3), o->cache, fig_dim(qkv, 4))), now;
    fig_node y = fig_attention_step(past, qkv, o->position, &now); /* (B, T, H, D) */
    fig_assign(past, now);
    return y;
}

fig_node fig_self_attention(fig_node x, const fig_attention_opts *opts)
{
    fig_attention_opts o = opts ? *opts : (fig_attention_opts){ 0 };
    fig_graph *g = x.graph;
    if (fig__poisoned(x))
        return x;
    fig_type type = fig_type_of(x);
    int64_t heads = o.heads > 0 ? o.heads : 1;
    if (type.rank != 3 || type.dim[2] % heads)
        return fig_graph_fail(g,
                              "self_attention: needs (batch, time, channels) with channels divisible by %lld heads, "
                              "got %d axes, last %lld",
                              (long long)heads, type.rank, (long long)fig_dim(x, -1));
    if (o.cache > 0 && fig_is_none(o.position))
        return fig_graph_fail(g, "self_attention: a cache needs a position per row (.position)");
    int64_t b = type.dim[0], t = type.dim[1], c = type.dim[2];

    fig__layer_begin(g, o.label, "attention");
    fig_node qkv = fig_linear(x, 3 * c, &(fig_linear_opts){ .label = "qkv", .no_bias = o.no_bias, .init = o.init });
    qkv = fig_reshape(qkv, FIG_SHAPE(b, t, 3, heads, c / heads));
    float dropout = fig_is_training(g) ? o.dropout : 0;
    fig_node y = o.cache > 0 ? attend_cached(g, qkv, &o) : fig_attention_joint(qkv, o.causal, dropout); /* (B, T, H, D) */
    y = fig_linear(fig_reshape(y, type), c,
                   &(fig_linear_opts){ .label = "out", .no_bias = o.no_bias, .init = o.out_init });
    if (dropout > 0)
        y = fig_dropout(y, dropout);
    fig_scope_pop(g);
    return y; /* (B, T, C) */
}
