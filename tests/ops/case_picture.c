/* ops/case_picture.c - cases of pools, mirrored borders, resizing and reading between pixels */
#include "cases.h"

/* -- pools: distinct values, so that differences do not move the largest to another place ------------------------- */

static fig_type any_pool(instance *t, fig_pool_opts *o)
{
    int spatial = (int)any_between(t, 1, t->small ? 2 : 3);
    fig_type x = { .rank = spatial + 2 };
    x.dim[0] = any_between(t, 1, 2);
    x.dim[spatial + 1] = t->small ? any_between(t, 1, 2) : any_size(t);
    if (spatial == 3 && x.dim[4] > 16)
        x.dim[4] = 16;
    bool usual = any_chance(t, 0.4);
    for (int i = 0; i < spatial; i++) {
        o->size[i] = usual ? 2 : (int)any_between(t, 1, 3);
        o->stride[i] = usual ? 0 : (int)any_between(t, 1, 3);
        int before = usual ? 0 : (int)any_between(t, 0, o->size[i] - 1),
            after = usual ? 0 : (int)any_between(t, 0, o->size[i] - 1);
        o->before[i] = before || !i ? before : FIG_PAD_NONE;
        o->after[i] = after || !i ? after : FIG_PAD_NONE;
        x.dim[i + 1] = o->size[i] + any_between(t, 0, t->small ? 2 : 6);
    }
    return x;
}

static fig_node pool(fig_node x, bool largest, const fig_pool_opts *o)
{
    return largest ? fig_max_pool(x, o) : fig_average_pool(x, o);
}

static fig_node any_pooled(instance *t, bool largest, fig_node *x)
{
    fig_pool_opts o = { 0 };
    fig_type type = any_pool(t, &o);
    bool ties = !t->small && any_chance(t, 0.3);
    *x = ties ? any_grid(t, type, -1, 1, 1, 0) : any_distinct(t, type);
    return pool(*x, largest, &o);
}

static fig_node any_pool_gradient(instance *t, bool largest)
{
    fig_node x, y = any_pooled(t, largest, &x), dx;
    fig_gradients_from(y, any_real(t, fig_type_of(y), -1, 1), &x, 1, &dx);
    return dx;
}

static void max_pool(instance *t)
{
    fig_node x;
    give(t, any_pooled(t, true, &x));
}

static void average_pool(instance *t)
{
    fig_node x;
    give(t, any_pooled(t, false, &x));
}

static void max_pool_gradient(instance *t) { give(t, any_pool_gradient(t, true)); }
static void average_pool_gradient(instance *t) { give(t, any_pool_gradient(t, false)); }

static void max_pool_pick(instance *t)
{
    fig_node x, y = any_pooled(t, true, &x), dx, u, picked;
    fig_node dy = any_real(t, fig_type_of(y), -1, 1);
    fig_gradients_from(y, dy, &x, 1, &dx);
    u = any_real(t, fig_type_of(x), -1, 1);
    fig_gradients_from(dx, u, &dy, 1, &picked);
    give(t, picked);
}

/* -- resizing ----------------------------------------------------------------------------------------------------- */

static fig_type any_picture(instance *t, int64_t most)
{
    return FIG_SHAPE(any_between(t, 1, 2), any_between(t, 1, most), any_between(t, 1, most),
                     any_between(t, 1, t->small ? 2 : 9));
}

typedef fig_node (*resizer)(fig_node x, int64_t height, int64_t width);

static fig_node any_resized(instance *t, resizer rule, fig_node *x)
{
    int64_t most = t->small ? 3 : 12;
    fig_type type = any_picture(t, most);
    int64_t height = any_chance(t, 0.3) ? 2 * type.dim[1] : any_between(t, 1, most), width = any_between(t, 1, most);
    if (height == type.dim[1] && width == type.dim[2])
        height++;
    *x = any_real(t, type, -1, 1);
    return rule(*x, height, width);
}

static fig_node any_resize_gradient(instance *t, resizer rule)
{
    fig_node x, y = any_resized(t, rule, &x), dx;
    fig_gradients_from(y, any_real(t, fig_type_of(y), -1, 1), &x, 1, &dx);
    return dx;
}

static fig_node any_reflected(instance *t, fig_node *x)
{
    int spatial = (int)any_between(t, 1, t->small ? 2 : 3);
    fig_type type = { .rank = spatial + 2 };
    int64_t amount = any_between(t, 1, 3);
    type.dim[0] = any_between(t, 1, 2);
    type.dim[spatial + 1] = t->small ? any_between(t, 1, 2) : any_size(t);
    if (spatial == 3 && type.dim[4] > 16)
        type.dim[4] = 16;
    for (int i = 0; i < spatial; i++)
        type.dim[i + 1] = amount + any_between(t, 1, t->small ? 2 : 6);
    *x = any_real(t, type, -1, 1);
    return fig_pad_reflect(*x, amount);
}

static void pad_reflect(instance *t)
{
    fig_node x;
    give(t, any_reflected(t, &x));
}

static void pad_reflect_gradient(instance *t)
{
    fig_node x, y = any_reflected(t, &x), dx;
    fig_gradients_from(y, any_real(t, fig_type_of(y), -1, 1), &x, 1, &dx);
    give(t, dx);
}

static void resize_nearest(instance *t)
{
    fig_node x;
    give(t, any_resized(t, fig_resize_nearest, &x));
}

static void resize_bilinear(instance *t)
{
    fig_node x;
    give(t, any_resized(t, fig_resize_bilinear, &x));
}

static void resize_nearest_gradient(instance *t) { give(t, any_resize_gradient(t, fig_resize_nearest)); }
static void resize_bilinear_gradient(instance *t) { give(t, any_resize_gradient(t, fig_resize_bilinear)); }

/* Places stay away from whole pixels, where the slope jumps; some lie outside of the picture. */
static fig_node any_sampled(instance *t, fig_node in[2])
{
    fig_type x = any_picture(t, t->small ? 3 : 9);
    fig_type at = FIG_SHAPE(x.dim[0], any_between(t, 1, t->small ? 2 : 6), any_between(t, 1, t->small ? 2 : 6), 2);
    double far = (double)(x.dim[1] > x.dim[2] ? x.dim[1] : x.dim[2]) + 1;
    in[0] = any_real(t, x, -1, 1);
    in[1] = any_apart(t, at, -2, far, 1);
    return fig_sample_bilinear(in[0], in[1]);
}

static void sample_bilinear(instance *t)
{
    fig_node in[2];
    give(t, any_sampled(t, in));
}

static void sample_bilinear_gradient(instance *t)
{
    fig_node in[2], out[2], y = any_sampled(t, in);
    fig_gradients_from(y, any_real(t, fig_type_of(y), -1, 1), in, 2, out);
    give(t, out[0]);
    give(t, out[1]);
}

const op_case cases_picture[] = {
    { "max_pool", max_pool },
    { "max_pool_gradient", max_pool_gradient },
    { "max_pool_pick", max_pool_pick },
    { "average_pool", average_pool },
    { "average_pool_gradient", average_pool_gradient },
    { "pad_reflect", pad_reflect },
    { "pad_reflect_gradient", pad_reflect_gradient },
    { "resize_nearest", resize_nearest },
    { "resize_nearest_gradient", resize_nearest_gradient },
    { "resize_bilinear", resize_bilinear },
    { "resize_bilinear_gradient", resize_bilinear_gradient },
    { "sample_bilinear", sample_bilinear },
    { "sample_bilinear_gradient", sample_bilinear_gradient },
    { 0 },
};
