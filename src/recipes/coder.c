/* recipes/coder.c - the bodies that autoencoders share; see coder.h */
#include "recipes/coder.h"

static int halvings(int64_t side) /* stops at an odd size, or at 4 to 7 pixels */
{
    int levels = 0;
    while (side % 2 == 0 && side >= 8 && levels < 5)
        side /= 2, levels++;
    return levels;
}

fig_status fig__coder_begin(fig_model *model, const fig__coder_options *o, const fig_data_spec *data, fig__coder *out, fig_error *err)
{
    bool points = data->kind == FIG_DATA_POINTS;
    int64_t b = fig_model_batch(model);
    *out = (fig__coder){ .o = o };
    out->data = points ? FIG_SHAPE(b, data->dimensions) : FIG_SHAPE(b, data->height, data->width, data->channels);
    if (points && o->body >= FIG__BODY_CONV)
        return fig_fail(err, FIG_E_USAGE, "body: points have no places for convolutions; set body=mlp");
    out->levels = points || data->height != data->width ? 0 : halvings(data->height);
    out->conv = !points && (o->body >= FIG__BODY_CONV || (o->body == FIG__BODY_AUTO && out->levels > 0));
    if (out->conv && out->levels == 0)
        return fig_fail(err, FIG_E_USAGE,
                        "body: %s needs square pictures of even size from 8 pixels, got %dx%d; set size=32 or body=mlp",
                        o->body == FIG__BODY_LIGHT ? "light" : "conv", data->height, data->width);
    FIG_TRY(fig__read_widths("hidden", o->hidden, &out->hidden, err));
    fig__set_init(model, o->init);
    return FIG_OK;
}

static fig_node layer(const fig__coder *c, fig_node h) { return fig__activate(h, c->o->activation, c->o->slope); }

static fig_node normed(const fig__coder *c, fig_node h)
{
    if (c->o->norm == FIG__NORM_BATCH)
        h = fig_batch_norm(h, NULL);
    else if (c->o->norm == FIG__NORM_SAMPLE)
        h = fig_group_norm(h, &(fig_norm_opts){ .groups = 1 });
    return layer(c, h);
}

static fig_node dense(const fig__coder *c, fig_node h, int64_t units)
{
    return fig_linear(h, units, &(fig_linear_opts){ .noise = c->noise });
}

/* Few channels hold nothing to separate. */
static bool separable(const fig__coder *c, fig_node h) { return c->o->body == FIG__BODY_LIGHT && fig_dim(h, -1) >= 8; }

static fig_node shrink(const fig__coder *c, fig_node h, int64_t filters) /* half the side */
{
    fig_conv_layer_opts opts = { .stride = 2, .padding = 1 };
    if (!separable(c, h))
        return fig_conv2d(h, filters, 4, &opts);
    opts.groups = (int)fig_dim(h, -1);
    opts.no_bias = true;
    return fig_conv2d(fig_conv2d(h, opts.groups, 4, &opts), filters, 1, NULL);
}

static fig_node grow(const fig__coder *c, fig_node h, int64_t filters) /* twice the side */
{
    fig_conv_layer_opts opts = { .stride = 2, .padding = 1 };
    if (!separable(c, h) || filters < 8)
        return fig_conv2d_transposed(h, filters, 4, &opts);
    opts.groups = (int)filters;
    return fig_conv2d_transposed(fig_conv2d(h, filters, 1, &(fig_conv_layer_opts){ .no_bias = true }), filters, 4, &opts);
}

fig_node fig__coder_to_grid(const fig__coder *c, fig_node x)
{
    for (int i = 0; i < c->levels; i++)
        x = normed(c, shrink(c, x, c->o->width << i)); /* (rows, H/2, W/2, width * 2^i) */
    return x;
}

fig_node fig__coder_from_grid(const fig__coder *c, fig_node h, int64_t parts)
{
    for (int i = c->levels - 2; i >= 0; i--)
        h = normed(c, grow(c, h, c->o->width << i));
    return grow(c, h, parts * c->data.dim[3]);
}

fig_node fig__coder_down(const fig__coder *c, fig_node x)
{
    fig_node h = fig_flatten(c->conv ? fig__coder_to_grid(c, x) : x);
    for (int i = 0; i < c->hidden.count; i++)
        h = layer(c, dense(c, h, c->hidden.width[i]));
    return h;
}

fig_node fig__coder_up(const fig__coder *c, fig_node z, int64_t parts)
{
    fig_node h = z;
    for (int i = c->hidden.count - 1; i >= 0; i--)
        h = layer(c, dense(c, h, c->hidden.width[i]));
    if (!c->conv) {
        fig_node y = dense(c, h, parts * fig_elements(&c->data) / c->data.dim[0]);
        fig_type shape = c->data;
        shape.dim[0] = fig_dim(z, 0);
        shape.dim[shape.rank - 1] *= parts;
        return fig_reshape(y, shape);
    }
    int64_t side = c->data.dim[1] >> c->levels, channels = c->o->width << (c->levels - 1);
    h = fig_reshape(dense(c, h, side * side * channels), FIG_SHAPE(-1, side, side, channels));
    if (c->hidden.count)
        h = normed(c, h);
    return fig__coder_from_grid(c, h, parts);
}
