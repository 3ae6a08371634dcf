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

static const fig__normalise_kind layer = {
    .name = "layer_normalise",
    .view = view,
    .op = &fig_op_layer_normalise,
    .gradient_op = &fig_op_layer_normalise_gradient,
};

/* -- layer_normalise ----------------------------------------------------------------------------------------------- */

static fig_status layer_normalise_infer(fig_infer *c) { return fig__normalise_infer(c, &layer); }
static void layer_normalise_gradient(fig_gradient *c) { fig__normalise_gradient(c, &layer); }
static void layer_normalise_decompose(fig_decompose *c) { fig__normalise_decompose(c, &layer); }
static void layer_normalise_reference(fig_eval *c) { fig__normalise_reference(c, &layer); }

const fig_op fig_op_layer_normalise = {
    .name = "layer_normalise",
    .operands = -1,
    .attr_size = sizeof(fig_normalise_attr),
    .infer = layer_normalise_infer,
    .gradient = layer_normalise_gradient,
    .decompose = layer_normalise_decompose,
    .reference = layer_normalise_reference,
    .print = fig__normalise_print,
    .narrow = { FIG_NARROW_FREE, 1 },
};

/* -- its gradient -------------------------------------------------------------------------------------------------- */

static fig_status backward_infer(fig_infer *c) { return fig__normalise_gradient_infer(c, &layer); }
static void backward_decompose(fig_decompose *c) { fig__normalise_gradient_decompose(c, &layer); }
static void backward_reference(fig_eval *c) { fig__normalise_gradient_reference(c, &layer); }

const fig_op fig_op_layer_normalise_gradient = {
    .name = "layer_normalise_gradient",
    .operands = -1,
    .attr_size = sizeof(fig_normalise_attr),
    .infer = backward_infer,
    .decompose = backward_decompose,
    .reference = backward_reference,
    .print = fig__normalise_print,
    .narrow = { FIG_NARROW_FREE, 1 },
};

/* -- building ------------------------------------------------------------------------------------------------------ */

fig_node fig_layer_normalise(fig_node x, fig_node gamma, fig_node beta, float eps)
{
    return fig__normalise(&layer, x, gamma, beta, eps, 0, NULL, NULL);
}
