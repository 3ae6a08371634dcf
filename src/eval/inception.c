/* eval/inception.c - Inception-v3 up to its last average pool, as the Frechet distance of the literature (FID) takes it
 *
 * Szegedy et al. 2016, in the form of the network of 5 December 2015 that Heusel et al. 2017 used and pytorch-fid has carried over:
 * average pools leave padding out, and the last block's pool takes the largest value instead. Pictures are brought to 299 x 299 by
 * bilinear interpolation without smoothing, to -1..1, grey ones to three equal channels.
 *
 * A unit is a convolution without bias, batch norm (eps 0.001) and ReLU. In use batch norm only scales and shifts, so that it goes into
 * the convolution's weights when these are read. Files have the names of the port, weights as (out, in, kh, kw). What else is in a file
 * (the classifier, counts of batches) is left alone. */
#include "eval/inception.h"
#include "interop/safetensors.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define EPS 0.001

/* -- the network ------------------------------------------------------------------------------------------------------------------ */

typedef struct builder {
    fig__inception_net *net;
    const char *block;
    fig_node x; /* what the block reads */
} builder;
typedef struct window { /* of a unit */
    int kh, kw, stride, pad_h, pad_w;
} window;

static const window w1x1 = { 1, 1, 1, 0, 0 }, w3x3 = { 3, 3, 1, 1, 1 }, w5x5 = { 5, 5, 1, 2, 2 }, w1x7 = { 1, 7, 1, 0, 3 },
                    w7x1 = { 7, 1, 1, 3, 0 }, w1x3 = { 1, 3, 1, 0, 1 }, w3x1 = { 3, 1, 1, 1, 0 }, inner = { 3, 3, 1, 0, 0 },
                    half = { 3, 3, 2, 0, 0 };

static fig_node unit(const builder *b, fig_node x, const char *name, int filters, window w)
{
    fig__inception_net *net = b->net;
    if (net->units == FIG__INCEPTION_UNITS)
        FIG_BUG("inception: more than %d units", FIG__INCEPTION_UNITS);
    fig__inception_unit *u = &net->unit[net->units++];
    snprintf(u->name, sizeof u->name, "%s%s%s", b->block, *b->block ? "." : "", name);
    u->weight = FIG_SHAPE(filters / net->narrow, w.kh, w.kw, fig_dim(x, 3));
    char state[64];
    snprintf(state, sizeof state, "%s.weight", u->name);
    fig_node weight = fig_state(x.graph, state, u->weight);
    snprintf(state, sizeof state, "%s.bias", u->name);
    fig_node bias = fig_state(x.graph, state, FIG_SHAPE(filters / net->narrow));
    int pad_w = w.pad_w ? w.pad_w : FIG_PAD_NONE; /* 0 would repeat that of the height */
    fig_conv_opts opts = { .stride = { w.stride, w.stride }, .before = { w.pad_h, pad_w }, .after = { w.pad_h, pad_w } };
    return fig_relu(fig_add(fig_convolution(x, weight, &opts), bias));
}

static fig_node smooth(fig_node x)
{
    return fig_average_pool(x, &(fig_pool_opts){ .size = { 3, 3 }, .stride = { 1, 1 }, .before = { 1, 1 }, .after = { 1, 1 } });
}
static fig_node largest(fig_node x)
{
    return fig_max_pool(x, &(fig_pool_opts){ .size = { 3, 3 }, .stride = { 1, 1 }, .before = { 1, 1 }, .after = { 1, 1 } });
}
static fig_node halve(fig_node x) { return fig_max_pool(x, &(fig_pool_opts){ .size = { 3, 3 }, .stride = { 2, 2 } }); }

#define JOIN(...) fig_concat((fig_node[]){ __VA_ARGS__ }, sizeof((fig_node[]){ __VA_ARGS__ }) / sizeof(fig_node), 3)

/* (B, 35, 35, C) -> 224 + pool channels */
static fig_node block_a(builder b, int pool)
{
    fig_node one = unit(&b, b.x, "branch1x1", 64, w1x1);
    fig_node five = unit(&b, unit(&b, b.x, "branch5x5_1", 48, w1x1), "branch5x5_2", 64, w5x5);
    fig_node three = unit(&b, unit(&b, b.x, "branch3x3dbl_1", 64, w1x1), "branch3x3dbl_2", 96, w3x3);
    three = unit(&b, three, "branch3x3dbl_3", 96, w3x3);
    fig_node pooled = unit(&b, smooth(b.x), "branch_pool", pool, w1x1);
    return JOIN(one, five, three, pooled);
}

/* (B, 35, 35, 288) -> (B, 17, 17, 768) */
static fig_node block_b(builder b)
{
    fig_node one = unit(&b, b.x, "branch3x3", 384, half);
    fig_node three = unit(&b, unit(&b, b.x, "branch3x3dbl_1", 64, w1x1), "branch3x3dbl_2", 96, w3x3);
    three = unit(&b, three, "branch3x3dbl_3", 96, half);
    return JOIN(one, three, halve(b.x));
}

/* (B, 17, 17, 768), c channels inside */
static fig_node block_c(builder b, int c)
{
    fig_node one = unit(&b, b.x, "branch1x1", 192, w1x1);
    fig_node seven = unit(&b, unit(&b, b.x, "branch7x7_1", c, w1x1), "branch7x7_2", c, w1x7);
    seven = unit(&b, seven, "branch7x7_3", 192, w7x1);
    fig_node twice = unit(&b, unit(&b, b.x, "branch7x7dbl_1", c, w1x1), "branch7x7dbl_2", c, w7x1);
    twice = unit(&b, unit(&b, twice, "branch7x7dbl_3", c, w1x7), "branch7x7dbl_4", c, w7x1);
    twice = unit(&b, twice, "branch7x7dbl_5", 192, w1x7);
    fig_node pooled = unit(&b, smooth(b.x), "branch_pool", 192, w1x1);
    return JOIN(one, seven, twice, pooled);
}

/* (B, 17, 17, 768) -> (B, 8, 8, 1280) */
static fig_node block_d(builder b)
{
    fig_node three = unit(&b, unit(&b, b.x, "branch3x3_1", 192, w1x1), "branch3x3_2", 320, half);
    fig_node seven = unit(&b, unit(&b, b.x, "branch7x7x3_1", 192, w1x1), "branch7x7x3_2", 192, w1x7);
    seven = unit(&b, unit(&b, seven, "branch7x7x3_3", 192, w7x1), "branch7x7x3_4", 192, half);
    return JOIN(three, seven, halve(b.x));
}

/* (B, 8, 8, C) -> (B, 8, 8, 2048) */
static fig_node block_e(builder b, fig_node (*pool)(fig_node))
{
    fig_node one = unit(&b, b.x, "branch1x1", 320, w1x1);
    fig_node three = unit(&b, b.x, "branch3x3_1", 384, w1x1);
    fig_node three_a = unit(&b, three, "branch3x3_2a", 384, w1x3), three_b = unit(&b, three, "branch3x3_2b", 384, w3x1);
    fig_node twice = unit(&b, unit(&b, b.x, "branch3x3dbl_1", 448, w1x1), "branch3x3dbl_2", 384, w3x3);
    fig_node twice_a = unit(&b, twice, "branch3x3dbl_3a", 384, w1x3), twice_b = unit(&b, twice, "branch3x3dbl_3b", 384, w3x1);
    fig_node pooled = unit(&b, pool(b.x), "branch_pool", 192, w1x1);
    return JOIN(one, three_a, three_b, twice_a, twice_b, pooled);
}

void fig__inception_build(fig__inception_net *net, fig_node pictures)
{
    builder b = { .net = net, .block = "" };
    fig_node x = fig_resize_bilinear(pictures, FIG__INCEPTION_SIDE, FIG__INCEPTION_SIDE);
    x = fig_shift(fig_scale(x, 2), -1);
    if (fig_dim(pictures, 3) == 1)
        x = JOIN(x, x, x);
    x = unit(&b, x, "Conv2d_1a_3x3", 32, half);                 /* (B, 149, 149, 32) */
    x = unit(&b, x, "Conv2d_2a_3x3", 32, inner);                /* (B, 147, 147, 32) */
    x = halve(unit(&b, x, "Conv2d_2b_3x3", 64, w3x3));          /* (B, 73, 73, 64) */
    x = unit(&b, x, "Conv2d_3b_1x1", 80, w1x1);                 /* (B, 73, 73, 80) */
    x = halve(unit(&b, x, "Conv2d_4a_3x3", 192, inner));        /* (B, 35, 35, 192) */
    x = block_a((builder){ net, "Mixed_5b", x }, 32);           /* 256 */
    x = block_a((builder){ net, "Mixed_5c", x }, 64);           /* 288 */
    x = block_a((builder){ net, "Mixed_5d", x }, 64);           /* 288 */
    x = block_b((builder){ net, "Mixed_6a", x });               /* (B, 17, 17, 768) */
    x = block_c((builder){ net, "Mixed_6b", x }, 128);
    x = block_c((builder){ net, "Mixed_6c", x }, 160);
    x = block_c((builder){ net, "Mixed_6d", x }, 160);
    x = block_c((builder){ net, "Mixed_6e", x }, 192);
    x = block_d((builder){ net, "Mixed_7a", x });               /* (B, 8, 8, 1280) */
    x = block_e((builder){ net, "Mixed_7b", x }, smooth);       /* (B, 8, 8, 2048) */
    x = block_e((builder){ net, "Mixed_7c", x }, largest);
    net->output = fig_mean(fig_mean(x, &(fig_reduce_opts){ .axis = 1 }), &(fig_reduce_opts){ .axis = 1 }); /* (B, 2048) */
}

/* -- its weights -------------------------------------------------------------------------------------------------------------------- */

typedef struct reading {
    const fig__safetensors *file;
    const char *path;
    fig_store *store;
    fig__sha256 *hash;
} reading;

static fig_status read_tensor(const reading *r, const char *unit_name, const char *what, const fig_type *type, float *out, fig_error *err)
{
    char name[80];
    snprintf(name, sizeof name, "%s.%s", unit_name, what);
    FIG_TRY(fig__safetensors_get(r->file, name, type, out, err));
    fig__sha256_update(r->hash, name, strlen(name) + 1);
    fig__sha256_update(r->hash, out, sizeof *out * (size_t)fig_elements(type));
    return FIG_OK;
}

static fig_status add_state(const reading *r, const char *unit_name, const char *what, const fig_type *type, float **out, fig_error *err)
{
    char name[80];
    snprintf(name, sizeof name, "%s.%s", unit_name, what);
    FIG_TRY(fig_store_add(r->store, name, type, 0, err));
    *out = fig_store_data(r->store, fig_store_find(r->store, name));
    return FIG_OK;
}

/* weight' = weight * gamma / sqrt(variance + eps), bias' = beta - mean * gamma / sqrt(variance + eps); (out, in, kh, kw) becomes
 * (out, kh, kw, in). */
static fig_status fold(const reading *r, const fig__inception_unit *u, const float *stored, const float *const norm[4], fig_error *err)
{
    float *weight, *bias;
    int64_t out = u->weight.dim[0], area = u->weight.dim[1] * u->weight.dim[2], in = u->weight.dim[3];
    FIG_TRY(add_state(r, u->name, "weight", &u->weight, &weight, err));
    FIG_TRY(add_state(r, u->name, "bias", &FIG_SHAPE(out), &bias, err));
    for (int64_t o = 0; o < out; o++) {
        double scale = (double)norm[0][o] / sqrt((double)norm[3][o] + EPS);
        bias[o] = (float)((double)norm[1][o] - (double)norm[2][o] * scale);
        bool finite = isfinite(bias[o]);
        for (int64_t i = 0; i < in; i++)
            for (int64_t k = 0; k < area; k++) {
                float value = (float)((double)stored[(o * in + i) * area + k] * scale);
                finite = finite && isfinite(value);
                weight[(o * area + k) * in + i] = value;
            }
        if (!finite)
            return fig_fail(err, FIG_E_FORMAT, "%s: unit %s has numbers that are not finite, or a negative variance", r->path, u->name);
    }
    return FIG_OK;
}

static fig_status read_unit(const reading *r, const fig__inception_unit *u, fig_error *err)
{
    static const char *const parts[4] = { "bn.weight", "bn.bias", "bn.running_mean", "bn.running_var" };
    int64_t out = u->weight.dim[0];
    fig_type stored = FIG_SHAPE(out, u->weight.dim[3], u->weight.dim[1], u->weight.dim[2]), vector = FIG_SHAPE(out);
    float *weight = fig__alloc(sizeof *weight * (size_t)fig_elements(&stored)), *norm = fig__alloc(sizeof *norm * 4 * (size_t)out);
    fig_status status = read_tensor(r, u->name, "conv.weight", &stored, weight, err);
    for (int i = 0; i < 4 && status == FIG_OK; i++)
        status = read_tensor(r, u->name, parts[i], &vector, norm + i * out, err);
    if (status == FIG_OK)
        status = fold(r, u, weight, (const float *[]){ norm, norm + out, norm + 2 * out, norm + 3 * out }, err);
    free(norm);
    free(weight);
    return status;
}

fig_status fig__inception_load(const fig__inception_net *net, const char *path, fig_store *store, char hash[65], fig_error *err)
{
    fig__safetensors *file;
    FIG_TRY(fig__safetensors_open(path, &file, err));
    reading r = { file, path, store, fig__sha256_new() };
    fig_status status = FIG_OK;
    for (int i = 0; i < net->units && status == FIG_OK; i++)
        status = read_unit(&r, &net->unit[i], err);
    fig__sha256_finish(r.hash, hash);
    fig__safetensors_close(file);
    if (status == FIG_E_NOT_FOUND) { /* a tensor, not the file */
        char why[sizeof err->message] = "";
        if (err)
            snprintf(why, sizeof why, "%s", err->message);
        fig_error_clear(err);
        return fig_fail(err, FIG_E_FORMAT, "%.900s; Inception-v3 weights with the names of pytorch-fid are expected", why);
    }
    return status;
}
