/* recipes/bodies.c - the networks that GANs choose from
 *
 *   mlp        two multilayer perceptrons, on pictures or points (Goodfellow et al. 2014). Batch norm keeps Keras' constants (eps
 *              1e-3, momentum 0.01), which the classic listings B to E rely on.
 *   dcgan      4x4 kernels (Radford et al. 2015). generator: noise as a 1x1 picture -> transposed convolution to 4x4 (7x7 for 28
 *              pixels) -> halves the channels and doubles the side until the picture is there, batch norm and ReLU between. critic: its
 *              mirror, leaky ReLU 0.2, no norm in the first layer, last a convolution as large as what is left: one logit. No
 *              convolution has a bias, but in a critic without norm all have: else its logits would grow in proportion to the
 *              picture's distance from grey, and grey pictures would never be found out. (Listing G; bench dcgan64.)
 *   light      dcgan with depthwise-separable convolutions (Howard et al. 2017): one kernel a channel, a 1x1 convolution across them.
 *   tutorial   5x5 kernels, "same" padding. generator: dense to side/4, batch norm, then strides 1, 2, 2. critic: two strided
 *              convolutions with bias and dropout, a dense logit. Leaky slope 0.3 and Keras' batch norm. (Listing A; bench dcgan28.)
 *   resnet     residual blocks of two 3x3 kernels (Gulrajani et al. 2017; Miyato et al. 2018). generator: dense to the smallest
 *              picture, a block per doubling; critic: a block per halving and one more, summed over places.
 *
 * Every critic goes through the same steps: told the class beside its input, samples packed, body, differences of the batch appended,
 * a last layer, compared with the class - or one logit for each class, of which it makes its own. Every weight may be divided by its
 * largest singular value. */
#include "recipes/bodies.h"
#include <string.h>

enum { OUTPUT_AUTO, OUTPUT_TANH, OUTPUT_LINEAR };
enum { CLASS_WIDTH = 16, STDDEV_GROUP = 4 };

static const fig_norm_opts keras_norm = { .eps = 1e-3f, .momentum = 0.01f };
/* with a 4x4 kernel: exactly half, or double */
static const fig_conv_layer_opts halve = { .stride = 2, .padding = 1, .no_bias = true };

static bool is_dcgan(const fig__body_options *o) { return o->body == FIG__GAN_DCGAN || o->body == FIG__GAN_LIGHT; }
static int64_t side_of(const fig__body *n) { return n->sample.dim[1]; }
static int64_t channels_of(const fig__body *n) { return n->sample.dim[n->sample.rank - 1]; }

/* -- generators ------------------------------------------------------------------------------------------------------- */

static fig_node generate_mlp(const fig__body *n, fig_node noise)
{
    fig_linear_opts linear = { .no_bias = !n->o->bias };
    fig_node h = noise; /* (B, latent) */
    for (int i = 0; i < n->generator.count; i++) {
        h = fig_linear(h, n->generator.width[i], &linear);
        if (n->o->batch_norm)
            h = fig_batch_norm(h, &keras_norm);
        h = fig__activate(h, n->o->generator.activation, n->o->generator.slope);
    }
    return fig_linear(h, fig_elements(&n->sample) / n->sample.dim[0], &linear); /* (B, elements) */
}

/* Few channels hold nothing to separate. */
static bool separable(const fig__body *n, int64_t channels) { return n->o->body == FIG__GAN_LIGHT && channels >= 8; }

static fig_node twice(const fig__body *n, fig_node h, int64_t filters)
{
    fig_conv_layer_opts how = halve;
    if (separable(n, filters)) {
        how.groups = (int)filters;
        h = fig_conv2d(h, filters, 1, &(fig_conv_layer_opts){ .no_bias = true });
    }
    return fig_conv2d_transposed(h, filters, 4, &how);
}

static fig_node generate_dcgan(const fig__body *n, fig_node noise)
{
    int64_t batch = fig_dim(noise, 0), width = n->o->width << (n->levels - 1);
    fig_node h = fig_reshape(noise, FIG_SHAPE(batch, 1, 1, -1));
    h = fig_conv2d_transposed(h, width, (int)n->base, &(fig_conv_layer_opts){ .no_bias = true }); /* (B, base, base, width) */
    for (int i = 1; i < n->levels; i++) {
        h = fig_relu(fig_batch_norm(h, NULL));
        h = twice(n, h, width >> i);
    }
    return twice(n, fig_relu(fig_batch_norm(h, NULL)), channels_of(n)); /* (B, side, side, C) */
}

static fig_node spread(fig_node h, int64_t filters, int stride)
{
    return fig_conv2d_transposed(h, filters, 5,
                                 &(fig_conv_layer_opts){ .stride = stride, .padding = FIG_PAD_SAME, .no_bias = true });
}

static fig_node settle(fig_node h) { return fig_leaky_relu(fig_batch_norm(h, &keras_norm), 0.3f); }

static fig_node generate_tutorial(const fig__body *n, fig_node noise)
{
    int64_t width = n->o->width, side = side_of(n) / 4;
    fig_node h = settle(fig_linear(noise, side * side * 4 * width, &(fig_linear_opts){ .no_bias = true }));
    h = fig_reshape(h, FIG_SHAPE(-1, side, side, 4 * width));
    h = settle(spread(h, 2 * width, 1)); /* (B, side/4, side/4, 2 width) */
    h = settle(spread(h, width, 2));     /* (B, side/2, side/2, width) */
    return spread(h, channels_of(n), 2); /* (B, side, side, C) */
}

static fig_node doubled(fig_node h) { return fig_resize_nearest(h, 2 * fig_dim(h, 1), 2 * fig_dim(h, 2)); }

static fig_node grow(fig_node h, int64_t filters)
{
    static const fig_conv_layer_opts same = { .padding = 1 };
    fig_node y = fig_conv2d(doubled(fig_relu(fig_batch_norm(h, NULL))), filters, 3, &same);
    y = fig_conv2d(fig_relu(fig_batch_norm(y, NULL)), filters, 3, &same);
    return fig_add(y, doubled(fig_conv2d(h, filters, 1, NULL))); /* a 1x1 kernel before doubling is the same, at a quarter of the work */
}

static fig_node generate_resnet(const fig__body *n, fig_node noise)
{
    int64_t width = n->o->width << (n->levels - 1);
    fig_node h = fig_reshape(fig_linear(noise, n->base * n->base * width, NULL), FIG_SHAPE(-1, n->base, n->base, width));
    for (int i = 0; i < n->levels; i++)
        h = grow(h, width >> i);
    return fig_conv2d(fig_relu(fig_batch_norm(h, NULL)), channels_of(n), 3, &(fig_conv_layer_opts){ .padding = 1 });
}

fig_node fig__body_generate(fig_model *model, const void *body, fig_node noise, fig_node label)
{
    static fig_node (*const generators[])(const fig__body *, fig_node) = { generate_mlp, generate_dcgan, generate_tutorial,
                                                                          generate_resnet, generate_dcgan };
    const fig__body *n = body;
    fig_scope_push(fig_model_graph(model), "generator");
    if (n->classes) {
        fig_node class = fig_embedding(label, n->classes, CLASS_WIDTH,
                                       &(fig_embedding_opts){ .label = "class", .init = { FIG_INIT_NORMAL, .a = 1 } });
        noise = fig_concat((fig_node[]){ noise, class }, 2, 1); /* (B, latent + CLASS_WIDTH) */
    }
    fig_node y = generators[n->o->body](n, noise);
    if (n->squash)
        y = fig_tanh(y);
    if (n->o->body == FIG__GAN_MLP)
        y = fig_reshape(y, n->sample);
    fig_scope_pop(fig_model_graph(model));
    return y;
}

/* -- critics ---------------------------------------------------------------------------------------------------------- */

static fig_linear_opts dense(const fig__body *n) { return (fig_linear_opts){ .spectral = n->o->spectral_norm }; }

static fig_node normalise(const fig__body *n, fig_node h)
{
    switch (n->norm) {
    case FIG__CRITIC_BATCH:
        return fig_batch_norm(h, NULL);
    case FIG__CRITIC_SAMPLE:
        return fig_rank(h) == 2 ? fig_layer_norm(h, NULL) : fig_group_norm(h, &(fig_norm_opts){ .groups = 1 });
    case FIG__CRITIC_LAYER:
        return fig_layer_norm(h, NULL);
    default:
        return h;
    }
}

static fig_node drop(const fig__body *n, fig_node h)
{
    return n->o->dropout > 0 && fig_is_training(h.graph) ? fig_dropout(h, (float)n->o->dropout) : h;
}

/* One more channel: how far the rows of a group are apart, the deviation averaged over everything that is known of them. */
static fig_node with_stddev(const fig__body *n, fig_node h)
{
    if (!n->group)
        return h;
    fig_type type = fig_type_of(h), rest = type;
    int64_t groups = type.dim[0] / n->group;
    rest.dim[type.rank - 1] = 1;
    fig_node x = fig_reshape(h, FIG_SHAPE(groups, n->group, -1));
    fig_node apart = fig_sub(x, fig_mean(x, &(fig_reduce_opts){ .axis = 1, .keep = true }));
    fig_node variance = fig_mean(fig_square(apart), &(fig_reduce_opts){ .axis = 1 }); /* (groups, features) */
    fig_node deviation = fig_mean(fig_sqrt(fig_shift(variance, 1e-8f)), &(fig_reduce_opts){ .axis = 1 }); /* (groups) */
    int64_t places = fig_elements(&rest) / type.dim[0];
    fig_node channel = fig_broadcast(fig_reshape(deviation, FIG_SHAPE(groups, 1, 1)), FIG_SHAPE(groups, n->group, places));
    return fig_concat((fig_node[]){ h, fig_reshape(channel, rest) }, 2, type.rank - 1);
}

static fig_node seen_mlp(const fig__body *n, fig_node samples)
{
    fig_linear_opts linear = dense(n);
    int64_t pieces = n->o->pieces;
    fig_node h = fig_flatten(samples); /* (rows, elements) */
    for (int i = 0; i < n->critic.count; i++) {
        int64_t width = n->critic.width[i];
        h = normalise(n, fig_linear(h, width * pieces, &linear));
        if (pieces > 1)
            h = fig_reduce_max(fig_reshape(h, FIG_SHAPE(-1, pieces, width)), &(fig_reduce_opts){ .axis = 1 });
        else
            h = fig__activate(h, n->o->critic.activation, n->o->critic.slope);
        h = drop(n, h);
    }
    return h;
}

/* A norm has offsets of its own. */
static bool normalised(const fig__body *n) { return n->norm != FIG__CRITIC_NONE; }

static fig_node half_as_large(const fig__body *n, fig_node h, int64_t filters)
{
    fig_conv_layer_opts how = halve, across = { .no_bias = normalised(n), .spectral = n->o->spectral_norm };
    how.no_bias = normalised(n);
    how.spectral = n->o->spectral_norm;
    if (!separable(n, fig_dim(h, -1)))
        return fig_conv2d(h, filters, 4, &how);
    how.groups = (int)fig_dim(h, -1);
    return fig_conv2d(fig_conv2d(h, how.groups, 4, &how), filters, 1, &across);
}

static fig_node seen_dcgan(const fig__body *n, fig_node pictures)
{
    fig_node h = fig_leaky_relu(half_as_large(n, pictures, n->o->width), 0.2f);
    for (int i = 1; i < n->sight; i++)
        h = fig_leaky_relu(normalise(n, half_as_large(n, h, n->o->width << i)), 0.2f);
    return drop(n, h); /* (rows, base, base, C), of patches perhaps twice as large */
}

static fig_node seen_tutorial(const fig__body *n, fig_node pictures)
{
    fig_conv_layer_opts how = { .stride = 2, .padding = FIG_PAD_SAME, .spectral = n->o->spectral_norm };
    fig_node h = pictures;
    for (int i = 0; i < 2; i++) {
        h = fig_conv2d(h, n->o->width << i, 5, &how);
        h = drop(n, fig_leaky_relu(i ? normalise(n, h) : h, 0.3f));
    }
    return h; /* (rows, side/4, side/4, 2 width) */
}

static fig_node half(fig_node h) { return fig_average_pool(h, &(fig_pool_opts){ .size = { 2 } }); }

/* A residual block of the critic; the first has nothing before its first kernel, the last keeps the side. */
static fig_node shrink(const fig__body *n, fig_node h, int64_t filters, bool first, bool last)
{
    fig_conv_layer_opts same = { .padding = 1, .spectral = n->o->spectral_norm }, point = { .spectral = n->o->spectral_norm };
    fig_node y = fig_conv2d(first ? h : fig_relu(normalise(n, h)), filters, 3, &same);
    y = fig_conv2d(fig_relu(normalise(n, y)), filters, 3, &same);
    if (last && fig_dim(h, -1) == filters)
        return fig_add(y, h);
    fig_node way = last ? h : half(h);
    return fig_add(last ? y : half(y), fig_conv2d(way, filters, 1, &point));
}

static fig_node seen_resnet(const fig__body *n, fig_node pictures)
{
    int64_t width = n->o->width;
    fig_node h = pictures;
    for (int i = 0; i < n->sight; i++)
        h = shrink(n, h, width << i, i == 0, false);
    h = shrink(n, h, width << (n->sight - 1), false, true);
    return drop(n, fig_relu(h)); /* (rows, base, base, C) */
}

static fig_node sum_places(fig_node h) { return fig_rank(h) == 2 ? h : fig_sum(h, &(fig_reduce_opts){ .axes = 6 }); } /* (rows, C) */

/* The last layer: one logit a row, or a patch; where classes are told apart, one for each of them and each sample of a pack. */
static fig_node last_of(const fig__body *n, fig_node h)
{
    fig_linear_opts linear = dense(n);
    int64_t outputs = n->told_apart ? n->told_apart * n->o->packing : 1;
    if (n->o->patches) /* (rows, h, w, outputs) */
        return fig_conv2d(h, outputs, 3, &(fig_conv_layer_opts){ .padding = 1, .spectral = n->o->spectral_norm });
    if (is_dcgan(n->o)) /* (rows, 1, 1, outputs) */
        return fig_conv2d(h, outputs, (int)n->base,
                          &(fig_conv_layer_opts){ .no_bias = normalised(n), .spectral = n->o->spectral_norm });
    return fig_linear(n->o->body == FIG__GAN_RESNET ? sum_places(h) : fig_flatten(h), outputs, &linear); /* (rows, outputs) */
}

/* The class beside the input: numbers for points and mlp pictures, else a picture of its own. */
static fig_node tell_class(const fig__body *n, fig_node samples, fig_node label)
{
    bool map = n->o->body != FIG__GAN_MLP;
    int64_t width = map ? side_of(n) * side_of(n) : CLASS_WIDTH;
    fig_node class = fig_embedding(label, n->classes, width,
                                   &(fig_embedding_opts){ .label = "class", .init = { FIG_INIT_NORMAL, .a = 1 } });
    if (map)
        class = fig_reshape(class, FIG_SHAPE(-1, side_of(n), side_of(n), 1));
    else
        samples = fig_flatten(samples);
    return fig_concat((fig_node[]){ samples, class }, 2, map ? 3 : 1);
}

/* (rows, ..., C) -> (rows / packing, ..., packing C): samples side by side as channels. */
static fig_node pack(const fig__body *n, fig_node x)
{
    int64_t many = n->o->packing;
    if (many == 1)
        return x;
    if (fig_rank(x) == 2)
        return fig_reshape(x, FIG_SHAPE(-1, many * fig_dim(x, 1)));
    int64_t height = fig_dim(x, 1), width = fig_dim(x, 2), channels = fig_dim(x, 3);
    fig_node y = fig_reshape(x, FIG_SHAPE(-1, many, height, width, channels));
    y = fig_transpose(y, (const int[]){ 0, 2, 3, 1, 4 });
    return fig_reshape(y, FIG_SHAPE(-1, height, width, many * channels));
}

/* How well the classes go with what was seen: a vector per class, and per place in a pack, times the features (rows, C). */
static fig_node agreement(const fig__body *n, fig_node features, fig_node label)
{
    int64_t many = n->o->packing, width = fig_dim(features, 1);
    if (many > 1) {
        fig_type rows = { .dtype = FIG_I32, .rank = 1, .dim = { fig_dim(label, 0) } };
        fig_node place = fig_mod(fig_iota(label.graph, rows, 0), fig_constant_i32(label.graph, (int32_t)many));
        label = fig_add(label, fig_mul(place, fig_constant_i32(label.graph, n->classes)));
    }
    fig_node class = fig_embedding(label, n->classes * many, width,
                                   &(fig_embedding_opts){ .label = "projection", .spectral = n->o->spectral_norm });
    if (many > 1)
        class = fig_sum(fig_reshape(class, FIG_SHAPE(-1, many, width)), &(fig_reduce_opts){ .axis = 1 });
    return fig_reshape(fig_sum_rows(fig_mul(class, features)), FIG_SHAPE(-1, 1)); /* (rows, 1) */
}

static fig_node seen(const fig__body *n, fig_node samples, fig_node label)
{
    static fig_node (*const critics[])(const fig__body *, fig_node) = { seen_mlp, seen_dcgan, seen_tutorial, seen_resnet,
                                                                       seen_dcgan };
    if (n->classes && n->o->condition == FIG__CLASS_CONCAT)
        samples = tell_class(n, samples, label);
    if (fig_rank(samples) == 4 && n->o->body == FIG__GAN_MLP && n->o->packing > 1)
        samples = fig_flatten(samples);
    return critics[n->o->body](n, pack(n, samples));
}

fig_node fig__body_features(fig_model *model, const void *body, fig_node samples, fig_node label)
{
    fig_scope_push(fig_model_graph(model), "discriminator");
    fig_node h = seen(body, samples, label);
    fig_scope_pop(fig_model_graph(model));
    return h;
}

/* What the last layer says, compared with the class. */
static fig_node answers(fig_model *model, const fig__body *n, fig_node samples, fig_node label)
{
    fig_scope_push(fig_model_graph(model), "discriminator");
    fig_node h = seen(n, samples, label);
    fig_node logit = last_of(n, with_stddev(n, h));
    if (n->classes && n->o->condition == FIG__CLASS_PROJECTION) {
        fig_node agrees = agreement(n, sum_places(h), label); /* (rows, 1) */
        if (n->o->patches)
            agrees = fig_reshape(agrees, FIG_SHAPE(-1, 1, 1, 1));
        else
            logit = fig_reshape(logit, FIG_SHAPE(-1, 1));
        logit = fig_add(logit, agrees);
    }
    fig_scope_pop(fig_model_graph(model));
    return logit;
}

fig_node fig__body_judge(fig_model *model, const void *body, fig_node samples, fig_node label)
{
    const fig__body *n = body;
    fig_node last = answers(model, n, samples, label);
    if (!n->told_apart)
        return last;
    fig_type one = fig_type_of(last);
    one.dim[one.rank - 1] = 1;
    fig_node real = fig_logsumexp(fig_reshape(last, FIG_SHAPE(-1, n->o->packing, n->told_apart))); /* (logits, packing) */
    return fig_reshape(fig_mean(real, &(fig_reduce_opts){ .axis = 1 }), one);
}

/* Each row followed by the next ones, as far as a pack goes: (rows, ...) -> (rows packing, ...). */
static fig_node with_followers(const fig__body *n, fig_node x)
{
    int64_t many = n->o->packing, rows = fig_dim(x, 0);
    fig_node turned[16]; /* packing is at most 16 */
    for (int64_t k = 0; k < many; k++) {
        int64_t from = k % rows;
        fig_node later = x;
        if (from)
            later = fig_concat((fig_node[]){ fig_slice(x, 0, from, rows - from, 1), fig_slice(x, 0, 0, from, 1) }, 2, 0);
        turned[k] = fig_expand(later, 1);
    }
    fig_type type = fig_type_of(x);
    type.dim[0] = rows * many;
    return many == 1 ? x : fig_reshape(fig_concat(turned, (int)many, 1), type);
}

fig_node fig__body_classify(fig_model *model, const void *body, fig_node samples)
{
    const fig__body *n = body;
    bool train = fig_model_purpose(model) == FIG_FOR_TRAINING; /* else each row is first in a pack, whatever the rows before it */
    fig_node last = answers(model, n, train ? samples : with_followers(n, samples), FIG_NONE);
    if (fig_rank(last) == 4)
        last = fig_mean(last, &(fig_reduce_opts){ .axes = 6 }); /* over patches */
    if (train)
        return fig_reshape(last, FIG_SHAPE(-1, n->told_apart));
    last = fig_reshape(last, FIG_SHAPE(-1, n->o->packing, n->told_apart));
    return fig_reshape(fig_slice(last, 1, 0, 1, 1), FIG_SHAPE(-1, n->told_apart));
}

/* -- what fits the data ----------------------------------------------------------------------------------------------- */

void fig__body_request(const fig__body_options *o, const fig_data_info *found, fig_data_request *request)
{
    if (found->kind != FIG_DATA_IMAGES)
        return;
    fig__ask_pictures(found, o->size, o->channels, request);
    if (o->body != FIG__GAN_MLP && o->size == 0 && request->height != 28 &&
        request->height != 64) /* the sizes that a body can reach by doubling */
        request->height = request->width = request->height > 48 ? 64 : 32;
}

static fig_status fit_picture(fig__body *n, const fig_data_spec *data, fig_error *err)
{
    n->base = data->height;
    while (n->base % 2 == 0 && n->base > 7)
        n->base /= 2, n->levels++;
    bool halved = n->levels >= 2 && n->base <= 7;
    bool reachable = data->height == data->width && (n->o->body == FIG__GAN_TUTORIAL ? data->height % 4 == 0 : halved);
    if (reachable)
        return FIG_OK;
    return fig_fail(err, FIG_E_USAGE,
                    "size: %dx%d pictures do not fit this body, whose side is 4 to 7 pixels doubled at least "
                    "twice; set size=28, 32 or 64",
                    data->height, data->width);
}

/* The largest group up to STDDEV_GROUP into which `rows` can be split; a prime number of rows is one group. */
static int64_t group_of(int64_t rows)
{
    for (int64_t group = STDDEV_GROUP; group > 1; group--)
        if (rows % group == 0)
            return group;
    return rows;
}

fig_status fig__body_open(fig__body *n, fig_model *model, const fig__body_options *o, const fig_data_spec *data,
                          bool rows_apart, fig_error *err)
{
    bool points = data->kind == FIG_DATA_POINTS;
    int64_t b = fig_model_batch(model);
    *n = (fig__body){ .o = o, .norm = o->norm };
    n->sample = points ? FIG_SHAPE(b, data->dimensions) : FIG_SHAPE(b, data->height, data->width, data->channels);
    n->squash = o->output == OUTPUT_TANH || (o->output == OUTPUT_AUTO && !points);
    FIG_TRY(fig__read_widths("generator.hidden", o->generator.hidden, &n->generator, err));
    FIG_TRY(fig__read_widths("critic.hidden", o->critic.hidden, &n->critic, err));
    if (points && o->body != FIG__GAN_MLP)
        return fig_fail(err, FIG_E_USAGE, "body: points go through an mlp; set body=mlp");
    if (o->body != FIG__GAN_MLP)
        FIG_TRY(fit_picture(n, data, err));
    if (o->body == FIG__GAN_MLP && o->patches)
        return fig_fail(err, FIG_E_USAGE, "critic.patches: an mlp has no places; set body=dcgan");
    n->sight = o->patches && n->levels > 2 ? n->levels - 1 : n->levels;
    if (o->condition != FIG__CLASS_NONE && data->classes < 1)
        return fig_fail(err, FIG_E_USAGE, "condition: the data have no classes; set condition=none");
    if (fig_model_purpose(model) == FIG_FOR_TRAINING && b % o->packing)
        return fig_fail(err, FIG_E_USAGE, "packing: a batch of %lld cannot be split into packs of %lld; choose a multiple of it",
                        (long long)b, (long long)o->packing);
    if (o->labels > 0 && data->classes < 1)
        return fig_fail(err, FIG_E_USAGE, "labels: the data have no classes; set labels=0");
    if (o->labels > 0 && o->condition != FIG__CLASS_NONE)
        return fig_fail(err, FIG_E_USAGE, "labels: a critic that is told every class cannot learn to find it; set condition=none");
    n->classes = o->condition == FIG__CLASS_NONE ? 0 : data->classes;
    n->told_apart = o->labels > 0 ? data->classes : 0;
    n->group = o->stddev ? group_of(fig_model_purpose(model) == FIG_FOR_TRAINING ? b / o->packing : b) : 0;
    if (n->norm == FIG__CRITIC_AUTO)
        n->norm = !is_dcgan(o) ? FIG__CRITIC_NONE : rows_apart || o->labels > 0 ? FIG__CRITIC_SAMPLE : FIG__CRITIC_BATCH;
    fig__set_init(model, o->init);
    return FIG_OK;
}

void fig__body_advise(const fig__body_options *o, bool rows_apart, const fig_data_spec *data, fig__text *out)
{
    fig__widths critic;
    if (o->body == FIG__GAN_MLP && fig__read_widths("critic.hidden", o->critic.hidden, &critic, NULL) == FIG_OK && critic.count == 0)
        fig__text_print(out, "the critic has no hidden layer: it is linear, can compare mean pictures only, and "
                             "samples will collapse; set critic.hidden=128\n");
    if (o->output == OUTPUT_TANH && data && data->kind == FIG_DATA_POINTS)
        fig__text_print(out, "output=tanh keeps points inside the unit square, but the data need not lie there; "
                             "set output=linear\n");
    if (rows_apart && o->norm == FIG__CRITIC_BATCH)
        fig__text_print(out, "critic.norm=batch mixes the rows of a batch, but this loss judges each sample alone; "
                             "set critic.norm=sample\n");
    if (o->labels > 0 && o->norm == FIG__CRITIC_BATCH)
        fig__text_print(out, "critic.norm=batch gathers its statistics of real and fake pictures alike, which the classes of real ones "
                             "alone do not have; set critic.norm=sample\n");
    if (o->body == FIG__GAN_RESNET && o->init == FIG__INIT_DCGAN)
        fig__text_print(out, "init=dcgan makes weights too small for residual blocks without norm; set init=glorot\n");
}
