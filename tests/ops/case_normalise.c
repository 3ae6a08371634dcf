/* ops/case_normalise.c - cases of batch, layer, group and RMS normalisation and their gradient ops
 *
 * The statistics are results too, so that what flows back into them is checked; eps is large enough that groups of one or
 * two elements have tame derivatives. */
#include "cases.h"
#include <string.h>

static fig_normalise_attr attr_of(float eps, int groups, bool affine)
{
    fig_normalise_attr attr;
    memset(&attr, 0, sizeof attr);
    attr.eps = eps;
    attr.groups = groups;
    attr.affine = affine;
    return attr;
}

/* x, statistics' type and attribute for one of the kinds */
typedef struct subject { fig_type x, statistics, channel; fig_normalise_attr attr; } subject;

static subject any_subject(instance *t)
{
    const char *op = t->row->op;
    subject s = { .x = any_shape(t, (int)any_between(t, 2, 4)), .attr = attr_of(0.5f, 0, any_chance(t, 0.7)) };
    int64_t *channels = &s.x.dim[s.x.rank - 1];
    if (strncmp(op, "batch", 5) == 0) {
        s.statistics = FIG_SHAPE(*channels);
    } else if (strncmp(op, "group", 5) == 0) {
        s.attr.groups = (int)any_between(t, 1, 3);
        *channels = s.attr.groups * any_between(t, 1, t->small ? 2 : 9);
        s.statistics = FIG_SHAPE(s.x.dim[0], s.attr.groups);
    } else {
        s.statistics = s.x;
        s.statistics.rank--;
    }
    s.channel = FIG_SHAPE(*channels);
    return s;
}

static void forward(instance *t)
{
    subject s = any_subject(t);
    bool rms = strncmp(t->row->op, "rms", 3) == 0;
    fig_node in[3], out[3];
    int n = 0, n_out = rms ? 2 : 3;
    in[n++] = any_real(t, s.x, -2, 2);
    if (s.attr.affine)
        in[n++] = any_real(t, s.channel, 0.5, 1.5);
    if (s.attr.affine && !rms)
        in[n++] = any_real(t, s.channel, -1, 1);
    fig__emit_multi(t->graph, fig__op_find(t->row->op), in, n, &s.attr, out, n_out);
    for (int i = 0; i < n_out; i++)
        give(t, out[i]);
}

static void backward(instance *t)
{
    subject s = any_subject(t);
    bool rms = strncmp(t->row->op, "rms", 3) == 0;
    fig_node in[5], out[3];
    int n = 0, n_out = !s.attr.affine ? 1 : rms ? 2 : 3;
    in[n++] = any_real(t, s.x, -2, 2);
    if (s.attr.affine)
        in[n++] = any_real(t, s.channel, 0.5, 1.5);
    if (!rms)
        in[n++] = any_real(t, s.statistics, -0.5, 0.5);
    in[n++] = any_real(t, s.statistics, 0.5, 1.5);
    in[n++] = any_real(t, s.x, -1, 1);
    fig__emit_multi(t->graph, fig__op_find(t->row->op), in, n, &s.attr, out, n_out);
    for (int i = 0; i < n_out; i++)
        give(t, out[i]);
}

const op_case cases_normalise[] = {
    { "batch_normalise", forward },
    { "batch_normalise_gradient", backward },
    { "layer_normalise", forward },
    { "layer_normalise_gradient", backward },
    { "group_normalise", forward },
    { "group_normalise_gradient", backward },
    { "rms_normalise", forward },
    { "rms_normalise_gradient", backward },
    { 0 },
};
