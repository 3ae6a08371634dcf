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

FIG__NORMALISATION(batch)

const fig_op fig_op_batch_normalise = { .name = "batch_normalise", FIG__NORMALISE_FIELDS };
const fig_op fig_op_batch_normalise_gradient = {
    .name = "batch_normalise_gradient",
    FIG__NORMALISE_GRADIENT_FIELDS,
};

fig_node fig_batch_normalise(fig_node x, fig_node gamma, fig_node beta, float eps, fig_node *mean, fig_node *variance)
{
    return fig__normalise(&batch_kind, x, gamma, beta, eps, 0, mean, variance);
}
