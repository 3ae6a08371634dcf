/* ops/batch_normalise.c - normalisation over the batch (Ioffe and Szegedy 2015), training form
 *
 * Statistics per channel over all axes but the last. Mean and biased variance come out for the running averages, which are
 * the layer's business; with running statistics use fig_normalise_with. */
#include "ops/normalise.h"

static fig_status view(const fig_type *x, const fig_normalise_attr *attr, fig__normalise_view *out,
                       fig_type *statistics, fig_error *err)
{
    (void)attr;
    if (x->rank < 2)
        return fig_fail(err, FIG_E_SHAPE, "batch_normalise: x needs a batch axis and a channel axis, found %d axes",
                        x->rank);
    int64_t channels = x->dim[x->rank - 1];
    *out = (fig__normalise_view){ 1, fig__count(x) / channels, channels, 1 };
    *statistics = FIG_SHAPE(channels);
    return FIG_OK;
}

static const fig__normalise_kind batch = {
    .name = "batch_normalise",
    .view = view,
    .op = &fig_op_batch_normalise,
    .gradient_op = &fig_op_batch_normalise_gradient,
};

/* -- batch_normalise ----------------------------------------------------------------------------------------------- */

static fig_status batch_normalise_infer(fig_infer *c) { return fig__normalise_infer(c, &batch); }
static void batch_normalise_gradient(fig_gradient *c) { fig__normalise_gradient(c, &batch); }
static void batch_normalise_decompose(fig_decompose *c) { fig__normalise_decompose(c, &batch); }
static void batch_normalise_reference(fig_eval *c) { fig__normalise_reference(c, &batch); }

const fig_op fig_op_batch_normalise = {
    .name = "batch_normalise",
    .operands = -1,
    .attr_size = sizeof(fig_normalise_attr),
    .infer = batch_normalise_infer,
    .gradient = batch_normalise_gradient,
    .decompose = batch_normalise_decompose,
    .reference = batch_normalise_reference,
    .print = fig__normalise_print,
    .narrow = { FIG_NARROW_FREE, 1 },
};

/* -- its gradient -------------------------------------------------------------------------------------------------- */

static fig_status backward_infer(fig_infer *c) { return fig__normalise_gradient_infer(c, &batch); }
static void backward_decompose(fig_decompose *c) { fig__normalise_gradient_decompose(c, &batch); }
static void backward_reference(fig_eval *c) { fig__normalise_gradient_reference(c, &batch); }

const fig_op fig_op_batch_normalise_gradient = {
    .name = "batch_normalise_gradient",
    .operands = -1,
    .attr_size = sizeof(fig_normalise_attr),
    .infer = backward_infer,
    .decompose = backward_decompose,
    .reference = backward_reference,
    .print = fig__normalise_print,
    .narrow = { FIG_NARROW_FREE, 1 },
};

/* -- building ------------------------------------------------------------------------------------------------------ */

fig_node fig_batch_normalise(fig_node x, fig_node gamma, fig_node beta, float eps, fig_node *mean, fig_node *variance)
{
    return fig__normalise(&batch, x, gamma, beta, eps, 0, mean, variance);
}
