/* ops/case_convolution.c - cases of convolution and its two gradients, in 1 to 3 axes */
#include "cases.h"

typedef struct geometry {
    fig_conv_opts opts;
    fig_type x, weight; /* of the convolution */
} geometry;

/* Half of the cases are what networks use, half is anything that fits. */
static void any_window(instance *t, fig_conv_opts *o, int axis, int64_t *kernel)
{
    static const struct {
        int kernel, stride, before, after;
    } usual[] = {
        { 3, 1, 1, 1 }, { 4, 2, 1, 1 }, { 5, 2, 1, 2 }, { 1, 1, 0, 0 },
        { 5, 1, 2, 2 }, { 3, 2, 0, 1 }, { 4, 1, 0, 0 }, { 2, 2, 0, 0 },
    };
    int most = t->small ? 2 : 4, padding[2];
    if (any_chance(t, 0.5)) {
        int pick = (int)any_between(t, 0, t->small ? 3 : 7);
        *kernel = t->small && usual[pick].kernel > 3 ? 3 : usual[pick].kernel;
        o->stride[axis] = usual[pick].stride;
        o->dilation[axis] = 1;
        padding[0] = usual[pick].before;
        padding[1] = usual[pick].after;
    } else {
        *kernel = any_between(t, 1, most);
        o->stride[axis] = (int)any_between(t, 1, 3);
        o->dilation[axis] = (int)any_between(t, 1, 3);
        padding[0] = (int)any_between(t, 0, 2);
        padding[1] = (int)any_between(t, 0, 2);
    }
    o->before[axis] = padding[0] || !axis ? padding[0] : FIG_PAD_NONE;
    o->after[axis] = padding[1] || !axis ? padding[1] : FIG_PAD_NONE;
}

/* Enough operations for kernels that split a weight gradient by pictures. */
static geometry large_convolution(instance *t)
{
    geometry g = { .x = FIG_SHAPE(any_between(t, 2, 4), 20, 20, 16), .weight = FIG_SHAPE(any_between(t, 17, 24), 3, 3, 16) };
    g.opts = (fig_conv_opts){ .before = { 1 }, .after = { 1 } };
    return g;
}

/* Twice as small: windows of phases, with every padding and with sizes that windows do not fill. */
static geometry halving_convolution(instance *t)
{
    geometry g = { .x = FIG_SHAPE(any_between(t, 1, 3), any_between(t, 7, 21), any_between(t, 7, 21), any_between(t, 8, 40)) };
    g.weight = FIG_SHAPE(any_between(t, 8, 40), 4, 4, g.x.dim[3]);
    for (int axis = 0; axis < 2; axis++) {
        int before = (int)any_between(t, 0, 3), after = (int)any_between(t, 0, 3);
        g.opts.stride[axis] = 2;
        g.opts.before[axis] = before || !axis ? before : FIG_PAD_NONE;
        g.opts.after[axis] = after || !axis ? after : FIG_PAD_NONE;
    }
    return g;
}

/* Windows of 3x3 kernels: every padding, sizes that windows do not fill, more channels than a panel has. */
static geometry window_convolution(instance *t)
{
    geometry g = { .x = FIG_SHAPE(any_between(t, 1, 3), any_between(t, 5, 14), any_between(t, 5, 14), any_between(t, 8, 72)) };
    g.weight = FIG_SHAPE(any_between(t, 8, 72), 3, 3, g.x.dim[3]);
    for (int axis = 0; axis < 2; axis++) {
        int before = (int)any_between(t, 0, 2), after = (int)any_between(t, 0, 2);
        g.opts.before[axis] = before || !axis ? before : FIG_PAD_NONE;
        g.opts.after[axis] = after || !axis ? after : FIG_PAD_NONE;
    }
    return g;
}

static geometry any_convolution(instance *t)
{
    if (!t->small && any_chance(t, 0.04))
        return large_convolution(t);
    if (!t->small && any_chance(t, 0.06))
        return halving_convolution(t);
    if (!t->small && any_chance(t, 0.06))
        return window_convolution(t);
    int spatial = (int)any_between(t, 1, 3);
    int64_t groups = any_chance(t, 0.7) ? 1 : any_between(t, 2, 3), in_each = any_between(t, 1, 3),
            out_each = any_between(t, 1, 3);
    if (!t->small && any_chance(t, 0.5)) { /* wide enough for vectors, and not too even */
        in_each = any_between(t, 1, spatial == 3 ? 8 : 20);
        out_each = any_between(t, 1, spatial == 3 ? 8 : 20);
    }
    if (any_chance(t, 0.15) && groups > 1) /* depthwise */
        in_each = out_each = 1;
    geometry g = { .x = { .rank = spatial + 2 }, .weight = { .rank = spatial + 2 } };
    g.opts.groups = (int)groups;
    g.x.dim[0] = any_between(t, 1, t->small ? 2 : 3);
    g.x.dim[spatial + 1] = groups * in_each;
    g.weight.dim[0] = groups * out_each;
    g.weight.dim[spatial + 1] = in_each;
    for (int i = 0; i < spatial; i++) {
        any_window(t, &g.opts, i, &g.weight.dim[i + 1]);
        int64_t reach = g.opts.dilation[i] * (g.weight.dim[i + 1] - 1) + 1;
        int64_t least =
            reach - (g.opts.before[i] > 0 ? g.opts.before[i] : 0) - (g.opts.after[i] > 0 ? g.opts.after[i] : 0);
        least = least < 1 ? 1 : least;
        g.x.dim[i + 1] = least + any_between(t, 0, t->small ? 2 : spatial == 3 ? 3 : 9);
    }
    if (any_chance(t, 0.15))
        g.opts.before[0] = FIG_PAD_SAME;
    return g;
}

static void convolution(instance *t)
{
    geometry g = any_convolution(t);
    fig_node x = any_real(t, g.x, -1, 1);
    give(t, fig_convolution(x, any_real(t, g.weight, -1, 1), &g.opts));
}

/* One axis, stride 1: longer than a block of the kernels for sequences, dilated and causal as in WaveNet. */
static geometry any_sequence(instance *t)
{
    bool tall = !t->small && any_chance(t, 0.15);
    int64_t taps = any_between(t, 1, 3), dilation = any_between(t, 1, t->small ? 2 : tall ? 200 : 20);
    geometry g = { .x = FIG_SHAPE(any_between(t, 1, 2), any_between(t, 1, t->small ? 4 : tall ? 900 : 60),
                                  any_between(t, 1, t->small ? 2 : tall ? 18 : 40)),
                   .weight = FIG_SHAPE(any_between(t, 1, t->small ? 2 : tall ? 36 : 40), taps, 0) };
    g.weight.dim[2] = g.x.dim[2];
    int reach = (int)(dilation * (taps - 1)), before = any_chance(t, 0.5) ? reach : (int)any_between(t, 0, reach);
    g.opts = (fig_conv_opts){ .dilation = { (int)dilation }, .before = { before }, .after = { reach - before } };
    if (any_chance(t, 0.2) && g.x.dim[1] > reach - before)
        g.opts.after[0] = 0;
    if (!g.opts.after[0])
        g.opts.after[0] = FIG_PAD_NONE;
    return g;
}

static void sequence(instance *t)
{
    geometry g = any_sequence(t);
    fig_node x = any_real(t, g.x, -1, 1);
    give(t, fig_convolution(x, any_real(t, g.weight, -0.3, 0.3), &g.opts));
}

/* 3x3 with stride 1 over enough channels for windows of 4x4; wide: more windows than one block of them. */
static geometry any_picture(instance *t)
{
    bool wide = !t->small && any_chance(t, 0.1);
    int64_t least = t->small ? 1 : wide ? 17 : 3, most = t->small ? 3 : wide ? 23 : 9, channels = t->small ? 2 : wide ? 14 : 40;
    geometry g = { .x = FIG_SHAPE(any_between(t, 1, 2), any_between(t, least, most), any_between(t, least, most),
                                  any_between(t, t->small ? 1 : 8, channels)),
                   .weight = FIG_SHAPE(any_between(t, t->small ? 1 : 8, channels), 3, 3, 0) };
    g.weight.dim[3] = g.x.dim[3];
    for (int i = 0; i < 2; i++) {
        int64_t all = t->small ? 2 : any_between(t, 0, 4), before = any_between(t, all > 2 ? all - 2 : 0, all < 2 ? all : 2);
        g.opts.before[i] = before || !i ? (int)before : FIG_PAD_NONE;
        g.opts.after[i] = all - before || !i ? (int)(all - before) : FIG_PAD_NONE;
    }
    return g;
}

static void picture(instance *t)
{
    geometry g = any_picture(t);
    fig_node x = any_real(t, g.x, -1, 1);
    give(t, fig_convolution(x, any_real(t, g.weight, -0.5, 0.5), &g.opts));
}

/* As a gradient, with the remainders of strides that no window reaches; and as the transposed convolution. */
static void convolution_data_gradient(instance *t)
{
    geometry g = any_convolution(t);
    fig_node w = any_real(t, g.weight, -1, 1), dx;
    if (any_chance(t, 0.5)) {
        fig_node x = any_fixed(t, g.x, -1, 1), y = fig_convolution(x, w, &g.opts);
        fig_gradients_from(y, any_real(t, fig_type_of(y), -1, 1), &x, 1, &dx);
        give(t, dx);
        return;
    }
    g.x.dim[g.x.rank - 1] = g.weight.dim[0];
    for (int i = 0; i < g.x.rank - 2; i++) { /* enough input that cropping leaves something */
        g.x.dim[i + 1] = any_between(t, 1, t->small ? 2 : 5) + (g.opts.before[i] > 0) + (g.opts.after[i] > 0);
        if (g.opts.before[0] != FIG_PAD_SAME && any_chance(t, 0.3))
            g.opts.output_extra[0] = g.opts.stride[0] > 1 && (g.x.rank == 3 || g.opts.stride[1] > 1) &&
                                     (g.x.rank < 5 || g.opts.stride[2] > 1);
    }
    for (int i = 0; i < g.x.rank - 2; i++) {
        int64_t size = (g.x.dim[i + 1] - 1) * g.opts.stride[i] + g.opts.dilation[i] * (g.weight.dim[i + 1] - 1) + 1;
        int64_t cropped = (g.opts.before[i] > 0 ? g.opts.before[i] : 0) + (g.opts.after[i] > 0 ? g.opts.after[i] : 0);
        if (size - cropped < 1)
            g.x.dim[i + 1] += 4;
    }
    give(t, fig_convolution_transposed(any_real(t, g.x, -1, 1), w, &g.opts));
}

static void weight_gradient_of(instance *t, const geometry *g)
{
    fig_node x = any_real(t, g->x, -1, 1), w = any_fixed(t, g->weight, -1, 1), dw;
    fig_node y = fig_convolution(x, w, &g->opts);
    fig_gradients_from(y, any_real(t, fig_type_of(y), -1, 1), &w, 1, &dw);
    give(t, dw);
}

static void convolution_weight_gradient(instance *t)
{
    geometry g = any_convolution(t);
    weight_gradient_of(t, &g);
}

static void sequence_data_gradient(instance *t)
{
    geometry g = any_sequence(t);
    fig_node x = any_fixed(t, g.x, -1, 1), w = any_real(t, g.weight, -0.3, 0.3), dx;
    fig_node y = fig_convolution(x, w, &g.opts);
    fig_gradients_from(y, any_real(t, fig_type_of(y), -1, 1), &x, 1, &dx);
    give(t, dx);
}

static void sequence_weight_gradient(instance *t)
{
    geometry g = any_sequence(t);
    weight_gradient_of(t, &g);
}

const op_case cases_convolution[] = {
    { "convolution", convolution },
    { "convolution", sequence },
    { "convolution", picture },
    { "convolution_data_gradient", convolution_data_gradient },
    { "convolution_data_gradient", sequence_data_gradient },
    { "convolution_weight_gradient", convolution_weight_gradient },
    { "convolution_weight_gradient", sequence_weight_gradient },
    { 0 },
};
