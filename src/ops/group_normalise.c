/* ops/group_normalise.c - normalisation of groups of channels over space (Wu and He 2018)
 *
 * x (B, spatial..., C): statistics per row and group. One channel per group is instance normalisation. */
#include "ops/normalise.h"

static fig_status view(const fig_type *x, const fig_normalise_attr *attr, fig__normalise_view *out,
                       fig_type *statistics, fig_error *err)
{
    if (x->rank < 2)
        return fig_fail(err, FIG_E_SHAPE, "group_normalise: x needs a batch axis and a channel axis, found %d axes",
                        x->rank);
    int64_t channels = x->dim[x->rank - 1];
    if (attr->groups < 1 || channels % attr->groups)
        return fig_fail(err, FIG_E_SHAPE, "group_normalise: %lld channels do not divide into %d groups",
                        (long long)channels, attr->groups);
    *out = (fig__normalise_view){ x->dim[0], fig__count(x) / (x->dim[0] * channels), attr->groups,
                                  channels / attr->groups };
    *statistics = FIG_SHAPE(x->dim[0], attr->groups);
    return FIG_OK;
}

FIG__NORMALISATION(group)

const fig_op fig_op_group_normalise = { .name = "group_normalise", FIG__NORMALISE_FIELDS };
const fig_op fig_op_group_normalise_gradient = {
    .name = "group_normalise_gradient",
    FIG__NORMALISE_GRADIENT_FIELDS,
};

fig_node fig_group_normalise(fig_node x, int groups, fig_node gamma, fig_node beta, float eps)
{
    return fig__normalise(&group_kind, x, gamma, beta, eps, groups, NULL, NULL);
}

fig_node fig_instance_normalise(fig_node x, fig_node gamma, fig_node beta, float eps)
{
    return fig__normalise(&group_kind, x, gamma, beta, eps, fig_rank(x) ? (int)fig_dim(x, -1) : 0, NULL, NULL);
}
