/* nn/unet.c - the U-Net of diffusion models (Ho et al. 2020 after Ronneberger et al. 2015), told a time
 *
 *     level 0   in -> R R ------------------------------------------> R R R -> norm, silu, out
 *                       \ halve                              double /
 *     level 1            R R --------------------------------> R R R          R = residual block; A = attention
 *                           \ halve                    double /
 *     level 2                R R ----> R A R ----> R R R
 *
 * Each residual block on the way up also reads (concatenated) what a block, or the halving, made on the way down. A block is
 *     x + conv(silu(norm(conv(silu(norm(x))) + linear(time)))),
 * with a 1x1 convolution on x where channels change. The time is a number per row; sines and cosines of it (Vaswani et al. 2017) go through
 * two dense layers. Where a level's pictures have one of the sides in .attention, each block is followed by attention over places. */
#include "nn/layer.h"
#include <math.h>
#include <stdio.h>

enum { MOST_LEVELS = 8, MOST_SKIPS = 128 };

typedef struct unet {
    const fig_unet_opts *o;
    fig_graph *g;
    fig_node time;             /* (B, 4 width), after silu */
    fig_node skip[MOST_SKIPS]; /* what the way up will read */
    int skips;
} unet;

fig_node fig_time_embedding(fig_node time, int64_t width)
{
    fig_graph *g = time.graph;
    if (fig__poisoned(time))
        return time;
    if (fig_rank(time) != 1 || width < 2 || width % 2)
        return fig_graph_fail(g, "time_embedding: needs one number per row and an even width, got %d axes, width %lld",
                              fig_rank(time), (long long)width);
    fig_type half = FIG_SHAPE(1, width / 2);
    fig_node rate = fig_exp(fig_scale(fig_iota(g, half, 1), (float)(-log(10000.0) * 2 / (double)width)));
    fig_node angle = fig_mul(fig_reshape(time, FIG_SHAPE(-1, 1)), rate); /* (B, width / 2) */
    return fig_concat((fig_node[]){ fig_sin(angle), fig_cos(angle) }, 2, 1);
}

static fig_node convolve(fig_node x, int64_t channels, int kernel, int stride, const char *label)
{
    return fig_conv2d(x, channels, kernel,
                      &(fig_conv_layer_opts){ .stride = stride, .padding = kernel / 2, .label = label });
}

/* First values of the last weights of a block. */
static fig_init last_init(const unet *u) { return (fig_init){ .kind = u->o->zero_out ? FIG_INIT_ZEROS : FIG_INIT_DEFAULT }; }

static fig_node convolve_last(const unet *u, fig_node x, int64_t channels, const char *label)
{
    return fig_conv2d(x, channels, 3,
                      &(fig_conv_layer_opts){ .padding = 1, .label = label, .init = last_init(u), .bias_init = last_init(u) });
}

static fig_node settle(fig_node x, const char *label)
{
    return fig_silu(fig_group_norm(x, &(fig_norm_opts){ .label = label }));
}

static fig_node residual(const unet *u, fig_node x, int64_t channels, const char *label)
{
    fig_scope_push(u->g, label);
    fig_node h = convolve(settle(x, "norm1"), channels, 3, 1, "conv1");
    fig_node time = fig_linear(u->time, channels, &(fig_linear_opts){ .label = "time" });
    h = fig_add(h, fig_reshape(time, FIG_SHAPE(-1, 1, 1, channels)));
    h = settle(h, "norm2");
    if (fig_is_training(u->g) && u->o->dropout > 0)
        h = fig_dropout(h, u->o->dropout);
    h = convolve_last(u, h, channels, "conv2");
    if (fig_dim(x, -1) != channels)
        x = convolve(x, channels, 1, 1, "project");
    fig_scope_pop(u->g);
    return fig_add(x, h);
}

/* x + attention(norm(x)) over the places of a picture. */
static fig_node attend(const unet *u, fig_node x, const char *label)
{
    fig_type type = fig_type_of(x);
    fig_scope_push(u->g, label);
    fig_node h = fig_reshape(fig_group_norm(x, &(fig_norm_opts){ .label = "norm" }),
                             FIG_SHAPE(type.dim[0], type.dim[1] * type.dim[2], type.dim[3]));
    h = fig_self_attention(h, &(fig_attention_opts){ .heads = u->o->heads, .label = "attention", .out_init = last_init(u) });
    fig_scope_pop(u->g);
    return fig_add(x, fig_reshape(h, type));
}

static bool attends(const unet *u, fig_node x)
{
    for (int i = 0; i < MOST_LEVELS && u->o->attention[i]; i++)
        if (u->o->attention[i] == fig_dim(x, 1))
            return true;
    return u->o->attention[0] == 0 && fig_dim(x, 1) == 16;
}

static fig_node stage(const unet *u, fig_node x, int64_t channels, const char *way, int level, int block)
{
    char label[48];
    snprintf(label, sizeof label, "%s%d_%d", way, level + 1, block + 1);
    x = residual(u, x, channels, label);
    snprintf(label, sizeof label, "%s%d_%d.look", way, level + 1, block + 1);
    return attends(u, x) ? attend(u, x, label) : x;
}

static void keep(unet *u, fig_node x)
{
    if (u->skips == MOST_SKIPS)
        fig_graph_fail(u->g, "unet: more than %d levels and blocks", MOST_SKIPS);
    else
        u->skip[u->skips++] = x;
}

static fig_node go_down(unet *u, fig_node h, const int *multipliers, int levels, int blocks)
{
    char label[48];
    keep(u, h);
    for (int level = 0; level < levels; level++) {
        for (int block = 0; block < blocks; block++)
            keep(u, h = stage(u, h, u->o->width * multipliers[level], "down", level, block));
        snprintf(label, sizeof label, "halve%d", level + 1);
        if (level + 1 < levels)
            keep(u, h = convolve(h, fig_dim(h, -1), 3, 2, label));
    }
    return h;
}

static fig_node go_up(unet *u, fig_node h, const int *multipliers, int levels, int blocks)
{
    char label[48];
    for (int level = levels - 1; level >= 0; level--) {
        for (int block = 0; block <= blocks && u->skips; block++) {
            h = fig_concat((fig_node[]){ h, u->skip[--u->skips] }, 2, -1);
            h = stage(u, h, u->o->width * multipliers[level], "up", level, block);
        }
        if (level == 0)
            break;
        snprintf(label, sizeof label, "double%d", level + 1);
        fig_node next = u->skip[u->skips - 1]; /* of the level above: its size may be odd */
        h = convolve(fig_resize_nearest(h, fig_dim(next, 1), fig_dim(next, 2)), fig_dim(h, -1), 3, 1, label);
    }
    return h;
}

fig_node fig_unet(fig_node x, fig_node time, const fig_unet_opts *opts)
{
    static const int usual[] = { 1, 2, 2 };
    fig_unet_opts o = opts ? *opts : (fig_unet_opts){ 0 };
    fig_graph *g = x.graph;
    if (fig__poisoned(x) || fig__poisoned(time))
        return fig__poisoned(x) ? x : time;
    if (fig_rank(x) != 4 || fig_rank(time) != 1 || fig_dim(time, 0) != fig_dim(x, 0))
        return fig_graph_fail(g, "unet: needs pictures (B, H, W, C) and a time per row (B); got %d and %d axes",
                              fig_rank(x), fig_rank(time));
    o.width = o.width > 0 ? o.width : 64;
    o.heads = o.heads > 0 ? o.heads : 1;
    const int *multipliers = o.multipliers[0] ? o.multipliers : usual;
    int levels = 0, blocks = o.blocks > 0 ? o.blocks : 2;
    while (levels < (o.multipliers[0] ? MOST_LEVELS : 3) && multipliers[levels] > 0)
        levels++;
    fig_type told = fig_is_none(o.condition) ? FIG_SHAPE(0) : fig_type_of(o.condition);
    if (!fig_is_none(o.condition) && (told.rank != 2 || told.dim[0] != fig_dim(x, 0) || told.dim[1] != 4 * o.width))
        return fig_graph_fail(g, "unet: the condition needs %lld numbers a row, 4 times the width", (long long)(4 * o.width));
    unet u = { .o = &o, .g = g };
    fig__layer_begin(g, o.label, "unet");
    u.time = fig_linear(fig_time_embedding(time, o.width), 4 * o.width, &(fig_linear_opts){ .label = "time1" });
    u.time = fig_linear(fig_silu(u.time), 4 * o.width, &(fig_linear_opts){ .label = "time2" });
    u.time = fig_silu(fig_is_none(o.condition) ? u.time : fig_add(u.time, o.condition));
    fig_node h = go_down(&u, convolve(x, o.width, 3, 1, "in"), multipliers, levels, blocks);
    h = residual(&u, h, fig_dim(h, -1), "middle1");
    h = residual(&u, attend(&u, h, "middle.look"), fig_dim(h, -1), "middle2");
    h = go_up(&u, h, multipliers, levels, blocks);
    h = convolve_last(&u, settle(h, "norm"), o.outputs > 0 ? o.outputs : fig_dim(x, -1), "out");
    fig_scope_pop(g);
    return h;
}
