/* recipes/raster.c - the two gated stacks of a PixelCNN; see raster.h
 *
 * Kernels hold the causal taps only: nothing is computed to be masked away. The first layers read the grid moved by one row or one
 * column. gate(a, b) = tanh(a) s(b), R and N are 1x1. (The paper's vertical stack has no sum; without it a deep one begins with nothing
 * left of the rows above, as a gate halves what it lets through.) Cached states have margins of zeros where a grid's padding is. */
#include "recipes/raster.h"

static bool is_step(const fig__raster *n) { return !fig_is_none(n->row); }

/* -- convolutions that look back only ------------------------------------------------------------------------------------ */

typedef struct taps_opts {
    int rows, columns, above, left, right; /* kernel, padding */
} taps_opts;

static fig_node taps(const fig__raster *n, fig_node x, int64_t filters, const char *label, taps_opts o)
{
    int64_t channels = fig_dim(x, -1), area = (int64_t)o.rows * o.columns;
    fig_init init = { .fan_in = area * channels, .fan_out = area * filters };
    fig_conv_opts how = { .before = { o.above, o.left ? o.left : FIG_PAD_NONE }, .after = { 0, o.right ? o.right : FIG_PAD_NONE } };
    fig_scope_push(n->g, label);
    fig_node weight = fig_param(n->g, "weight", FIG_SHAPE(filters, o.rows, o.columns, channels), init);
    fig_node bias = fig_param(n->g, "bias", FIG_SHAPE(filters), (fig_init){ .kind = FIG_INIT_ZEROS });
    fig_scope_pop(n->g);
    return fig_add(fig_convolution(x, weight, &how), bias);
}

fig_node fig__raster_point(const fig__raster *n, fig_node x, int64_t filters, const char *label)
{
    return taps(n, x, filters, label, (taps_opts){ .rows = 1, .columns = 1 });
}

/* -- what a layer reads, whole or in one step ------------------------------------------------------------------------------ */

static fig_node times(fig_node x, int64_t factor) { return fig_mul(x, fig_constant_i32(x.graph, (int32_t)factor)); }
static fig_node plus(fig_node x, int64_t amount) { return fig_add(x, fig_constant_i32(x.graph, (int32_t)amount)); }

static fig_node cache(const fig__raster *n, const char *name, fig_type type)
{
    return fig_model_state(n->model, &(fig_state_decl){ .name = name, .type = type, .reset = FIG_RESET_SEQUENCE });
}

/* Kernel and padding of the vertical stack, and the rows that it reads: v is the layer below, none for the grid itself. */
static fig_node read_above(const fig__raster *n, fig_node v, int kernel, taps_opts *o)
{
    bool first = fig_is_none(v);
    int margin = kernel / 2;
    *o = (taps_opts){ .rows = first ? margin : margin + 1, .columns = kernel, .above = margin, .left = margin, .right = margin };
    if (!is_step(n)) /* the first layer does not see its own row: the grid without its last row, padded above */
        return first ? fig_slice(n->grid, 1, 0, n->height - 1, 1) : v;
    o->above = 0;
    if (first) {
        fig_node rows = fig_dynamic_slice(n->grid, times(n->row, n->width * n->channels), 1, margin * n->width * n->channels);
        return fig_reshape(rows, FIG_SHAPE(n->batch, margin, n->width, n->channels));
    }
    int64_t c = fig_dim(v, -1);
    fig_node state = cache(n, "rows", FIG_SHAPE(n->batch, (margin + n->height) * n->width, c));
    fig_node line = fig_reshape(v, FIG_SHAPE(n->batch, n->width, c));
    fig_node all = fig_dynamic_update(state, line, times(plus(n->row, margin), n->width), 1);
    fig_assign(state, all);
    return fig_reshape(fig_dynamic_slice(all, times(n->row, n->width), 1, (margin + 1) * n->width),
                       FIG_SHAPE(n->batch, margin + 1, n->width, c));
}

static fig_node read_left(const fig__raster *n, fig_node h, int kernel, taps_opts *o)
{
    bool first = fig_is_none(h);
    int margin = kernel / 2;
    *o = (taps_opts){ .rows = 1, .columns = first ? margin : margin + 1, .left = margin };
    if (!is_step(n))
        return first ? fig_slice(n->grid, 2, 0, n->width - 1, 1) : h;
    o->left = 0;
    if (first) {
        fig_node pixels = fig_dynamic_slice(n->line, times(n->column, n->channels), 1, margin * n->channels);
        return fig_reshape(pixels, FIG_SHAPE(n->batch, 1, margin, n->channels));
    }
    int64_t c = fig_dim(h, -1);
    fig_node state = cache(n, "pixels", FIG_SHAPE(n->batch, margin + n->width, c));
    fig_node all = fig_dynamic_update(state, fig_reshape(h, FIG_SHAPE(n->batch, 1, c)), plus(n->column, margin), 1);
    fig_assign(state, all);
    return fig_reshape(fig_dynamic_slice(all, n->column, 1, margin + 1), FIG_SHAPE(n->batch, 1, margin + 1, c));
}

/* -- the two stacks ------------------------------------------------------------------------------------------------------ */

static fig_node told_class(const fig__raster *n, fig_node x, const char *label)
{
    if (fig_is_none(n->label))
        return x;
    fig_node own = fig_embedding(n->label, n->classes, fig_dim(x, -1), &(fig_embedding_opts){ .label = label }); /* (B, 2 C) */
    return fig_add(x, fig_reshape(own, FIG_SHAPE(n->batch, 1, 1, -1)));
}

/* v and h (B, H, W, C), none below the first layer; in one step (B, 1, W, C) and (B, 1, 1, C). */
static void gated_layer(const fig__raster *n, int index, fig_node *v, fig_node *h)
{
    char name[24];
    int64_t c = n->o->width;
    int kernel = (int)(index ? n->o->kernel : n->o->first_kernel);
    taps_opts o;
    snprintf(name, sizeof name, "layer%d", index + 1);
    fig_scope_push(n->g, name);
    fig_node from = read_above(n, *v, kernel, &o);
    fig_node above = taps(n, from, 2 * c, "vertical", o); /* (B, H, W, 2 C) */
    from = read_left(n, *h, kernel, &o);
    fig_node left = taps(n, from, 2 * c, "horizontal", o); /* (B, H, W, 2 C) */
    fig_node here = is_step(n) ? fig_dynamic_slice(above, n->column, 2, 1) : above;
    left = fig_add(left, fig__raster_point(n, here, 2 * c, "down"));
    fig_node z = fig__raster_point(n, fig_gate(told_class(n, left, "horizontal_class")), c, "residual");
    *h = fig_is_none(*h) ? z : fig_add(*h, z);
    if (index + 1 < n->o->layers) { /* the last layer's is read by nothing */
        z = fig_gate(told_class(n, above, "vertical_class"));
        *v = fig_is_none(*v) ? z : fig_add(*v, z);
    }
    fig_scope_pop(n->g);
}

fig_node fig__raster_stacks(const fig__raster *n)
{
    fig_node v = FIG_NONE, h = FIG_NONE;
    fig_scope_push(n->g, "stacks");
    for (int i = 0; i < n->o->layers; i++)
        gated_layer(n, i, &v, &h);
    fig_scope_pop(n->g);
    return h;
}

void fig__raster_remember(fig__raster *n, fig_node value, fig_node element)
{
    int64_t ch = n->channels, margin = n->o->first_kernel / 2;
    fig_node across = fig_constant_i32(n->g, (int32_t)(n->width * ch));
    fig_node grid = cache(n, "picture", FIG_SHAPE(n->batch, (margin + n->height) * n->width * ch));
    fig_node line = cache(n, "line", FIG_SHAPE(n->batch, (margin + n->width) * ch));
    n->grid = fig_dynamic_update(grid, value, plus(element, margin * n->width * ch), 1);
    n->line = fig_dynamic_update(line, value, plus(fig_mod(element, across), margin * ch), 1);
    fig_assign(grid, n->grid);
    fig_assign(line, n->line);
}

fig_status fig__raster_check(const fig__raster *n, fig_error *err)
{
    if (n->o->kernel % 2 == 0 || n->o->first_kernel % 2 == 0)
        return fig_fail(err, FIG_E_USAGE, "kernel: %lld and %lld, expected odd sides such as 3 and 7", (long long)n->o->kernel,
                        (long long)n->o->first_kernel);
    if (n->height < 2 || n->width < 2)
        return fig_fail(err, FIG_E_USAGE, "pictures of %lld x %lld places are too small; 2 x 2 is the least", (long long)n->width,
                        (long long)n->height);
    return FIG_OK;
}
