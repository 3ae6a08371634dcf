/* nn/dit.c - diffusion Transformer (Peebles and Xie 2022): squares of a picture are tokens, told a time and perhaps more
 *
 *     patches (B, T, P) -> linear + sines of the place -> blocks -> norm, linear -> patches
 *
 * A block is x + g1 attention(s1 norm(x) + b1), then x + g2 mlp(s2 norm(x) + b2), where the six vectors are one dense layer of what is
 * told (adaLN-zero): it begins at zero, with s = 1 + that, so that every block begins as nothing and the whole as 0. */
#include "nn/layer.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

typedef struct dit {
    const fig_dit_opts *o;
    fig_graph *g;
    fig_node told; /* (B, width), after silu */
} dit;

/* Sines and cosines of row and column at rates from 1 to 1/10000, a quarter of the width each: (1, T, width). */
static fig_node places(fig_graph *g, int64_t rows, int64_t columns, int64_t width)
{
    int64_t quarter = width / 4;
    float *table = fig__alloc(sizeof *table * (size_t)(rows * columns * width));
    for (int64_t t = 0; t < rows * columns; t++)
        for (int64_t i = 0; i < quarter; i++) {
            double rate = pow(10000, -(double)i / (double)quarter);
            float *at = table + t * width + i;
            at[0] = (float)sin(rate * (double)(t / columns));
            at[quarter] = (float)cos(rate * (double)(t / columns));
            at[2 * quarter] = (float)sin(rate * (double)(t % columns));
            at[3 * quarter] = (float)cos(rate * (double)(t % columns));
        }
    fig_node all = fig_constant_data(g, FIG_SHAPE(1, rows * columns, width), table);
    free(table);
    return all;
}

/* `count` vectors (B, 1, width) of what is told. */
static void modulation(const dit *d, int count, fig_node *out)
{
    static const fig_init zero = { .kind = FIG_INIT_ZEROS };
    int64_t width = d->o->width;
    fig_node all = fig_linear(d->told, count * width, &(fig_linear_opts){ .label = "modulation", .init = zero, .bias_init = zero });
    all = fig_reshape(all, FIG_SHAPE(-1, 1, count * width));
    for (int i = 0; i < count; i++)
        out[i] = fig_slice(all, 2, i * width, width, 1);
}

static fig_node modulated_norm(fig_node x, fig_node shift, fig_node scale)
{
    fig_node h = fig_layer_norm(x, &(fig_norm_opts){ .no_affine = true, .eps = 1e-6f });
    return fig_add(fig_mul(h, fig_shift(scale, 1)), shift);
}

static fig_node block(const dit *d, fig_node x, int64_t number) /* (B, T, width) */
{
    char label[32];
    fig_node m[6]; /* shift, scale, gate of attention; of the dense layers */
    snprintf(label, sizeof label, "block%lld", (long long)number);
    fig_scope_push(d->g, label);
    modulation(d, 6, m);
    fig_node h = fig_self_attention(modulated_norm(x, m[0], m[1]),
                                    &(fig_attention_opts){ .heads = d->o->heads, .dropout = d->o->dropout, .label = "attention" });
    x = fig_add(x, fig_mul(m[2], h));
    h = fig_linear(modulated_norm(x, m[3], m[4]), 4 * d->o->width, &(fig_linear_opts){ .label = "expand" });
    h = fig_linear(fig_gelu_tanh(h), d->o->width, &(fig_linear_opts){ .label = "contract" });
    if (fig_is_training(d->g) && d->o->dropout > 0)
        h = fig_dropout(h, d->o->dropout);
    fig_scope_pop(d->g);
    return fig_add(x, fig_mul(m[5], h));
}

static fig_node run(dit *d, fig_node x, fig_node time)
{
    static const fig_init zero = { .kind = FIG_INIT_ZEROS };
    const fig_dit_opts *o = d->o;
    int64_t outputs = o->outputs > 0 ? o->outputs : fig_dim(x, -1);
    fig_node h = fig_linear(fig_time_embedding(time, o->width), o->width, &(fig_linear_opts){ .label = "time1" });
    h = fig_linear(fig_silu(h), o->width, &(fig_linear_opts){ .label = "time2" });
    d->told = fig_silu(fig_is_none(o->condition) ? h : fig_add(h, o->condition));
    x = fig_space_to_depth(x, o->patch); /* (B, rows, columns, P) */
    int64_t rows = fig_dim(x, 1), columns = fig_dim(x, 2);
    x = fig_linear(fig_reshape(x, FIG_SHAPE(fig_dim(x, 0), rows * columns, -1)), o->width, &(fig_linear_opts){ .label = "in" });
    x = fig_add(x, places(d->g, rows, columns, o->width));
    for (int i = 0; i < o->depth; i++)
        x = block(d, x, i + 1);
    fig_node m[2];
    modulation(d, 2, m);
    x = fig_linear(modulated_norm(x, m[0], m[1]), o->patch * o->patch * outputs,
                   &(fig_linear_opts){ .label = "out", .init = zero, .bias_init = zero });
    return fig_depth_to_space(fig_reshape(x, FIG_SHAPE(-1, rows, columns, o->patch * o->patch * outputs)), o->patch);
}

fig_node fig_dit(fig_node x, fig_node time, const fig_dit_opts *opts)
{
    fig_dit_opts o = opts ? *opts : (fig_dit_opts){ 0 };
    fig_graph *g = x.graph;
    if (fig__poisoned(x) || fig__poisoned(time))
        return fig__poisoned(x) ? x : time;
    o.width = o.width > 0 ? o.width : 384;
    o.depth = o.depth > 0 ? o.depth : 12;
    o.heads = o.heads > 0 ? o.heads : 6;
    o.patch = o.patch > 0 ? o.patch : 2;
    if (fig_rank(x) != 4 || fig_rank(time) != 1 || fig_dim(time, 0) != fig_dim(x, 0))
        return fig_graph_fail(g, "dit: needs pictures (B, H, W, C) and a time per row (B); got %d and %d axes", fig_rank(x),
                              fig_rank(time));
    if (o.width % 4 || o.width % o.heads || fig_dim(x, 1) % o.patch || fig_dim(x, 2) % o.patch)
        return fig_graph_fail(g, "dit: the width %lld must be a multiple of 4 and of the %d heads, and patches of %d must fill %lldx%lld",
                              (long long)o.width, o.heads, o.patch, (long long)fig_dim(x, 1), (long long)fig_dim(x, 2));
    fig_type told = fig_is_none(o.condition) ? FIG_SHAPE(0) : fig_type_of(o.condition);
    if (!fig_is_none(o.condition) && (told.rank != 2 || told.dim[0] != fig_dim(x, 0) || told.dim[1] != o.width))
        return fig_graph_fail(g, "dit: the condition needs %lld numbers a row, as many as the width", (long long)o.width);
    dit d = { .o = &o, .g = g };
    fig__layer_begin(g, o.label, "dit");
    fig_node y = run(&d, x, time);
    fig_scope_pop(g);
    return y;
}
