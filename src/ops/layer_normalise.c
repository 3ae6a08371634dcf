/* ops/layer_normalise.c - normalisation of each row along the last axis (Ba, Kiros and Hinton 2016) */
#include "ops/normalise.h"

static fig_status view(const fig_type *x, const fig_normalise_attr *attr, fig__normalise_view *out,
                       fig_type *statistics, fig_error *err)
{
    (void)attr;
    if (x->rank < 1)
        return fig_fail(err, FIG_E_SHAPE, "layer_normalise: x needs at least one axis, got a scalar");
    int64_t channels = x->dim[x->rank - 1];
    *out = (fig__normalise_view){ fig__count(x) / channels, 1, 1, channels };
    *statistics = *x;
    statistics->dim[--statistics->rank] = 0;
    return FIG_OK;
}

FIG__NORMALISATION(layer)

const fig_op fig_op_layer_normalise = { .name = "layer_normalise", FIG__NORMALISE_FIELDS };
const fig_op fig_op_layer_normalise_gradient = {
    .name = "layer_normalise_gradient",
    FIG__NORMALISE_GRADIENT_FIELDS,
};

fig_node fig_layer_normalise(fig_node x, fig_node gamma, fig_node beta, float eps)
{
    return fig__normalise(&layer_kind, x, gamma, beta, eps, 0, NULL, NULL);
}
