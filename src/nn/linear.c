/* nn/linear.c - the fully connected layer: y = x W' + b over the last axis */
#include "nn/layer.h"

fig_node fig_linear(fig_node x, int64_t units, const fig_linear_opts *opts)
{
    fig_linear_opts o = opts ? *opts : (fig_linear_opts){ 0 };
    fig_graph *g = x.graph;
    if (fig__poisoned(x))
        return x;
    fig_type type = fig_type_of(x);
    if (type.rank < 1 || units < 1)
        return fig_graph_fail(
            g, "linear: needs an input with at least one axis and at least one unit, got %d axes and %lld units",
            type.rank, (long long)units);
    int64_t in = type.dim[type.rank - 1];
    if (o.spectral && !fig_is_none(o.mask))
        return fig_graph_fail(g, "linear: a masked weight cannot have spectral norm as well");
    if (o.noise && (o.spectral || !fig_is_none(o.mask)))
        return fig_graph_fail(g, "linear: a weight with noise can be neither masked nor have spectral norm as well");
    fig__layer_begin(g, o.label, "linear");
    fig_node weight = fig_param(g, "weight", FIG_SHAPE(units, in), o.init); /* (out, in) */
    if (!fig_is_none(o.mask))
        weight = fig_mul(weight, o.mask);
    else if (o.spectral)
        weight = fig__spectral(g, weight);
    /* One matrix product whatever stands before the last axis: (B, T, in) is B * T rows. */
    fig_node rows = type.rank == 2 ? x : fig_reshape(x, FIG_SHAPE(-1, in));
    fig_node y = o.noise ? fig__noisy_product(rows, weight, o.noise)
                         : fig_matmul(rows, weight, &(fig_matmul_opts){ .transpose_b = true }); /* (rows, out) */
    if (!o.no_bias)
        y = fig_add(y, fig__bias(g, units, o.bias_init, in));
    if (type.rank != 2) {
        type.dim[type.rank - 1] = units;
        y = fig_reshape(y, type);
    }
    fig_scope_pop(g);
    return y;
}
