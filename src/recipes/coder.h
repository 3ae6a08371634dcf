/* recipes/coder.h - the two halves of every autoencoder: from an example to its features, and from a code back
 *
 * Bodies: mlp (hidden layers of any widths), conv (4x4 kernels, stride 2, down to 4 to 7 pixels, then the hidden layers) and light
 * (the same with depthwise-separable convolutions, Howard et al. 2017: one kernel a channel, then a 1x1 convolution across them). */
#ifndef FIG_RECIPES_CODER_H
#define FIG_RECIPES_CODER_H

#include "recipes/settings.h"

typedef struct fig__coder_options {
    int body, activation, norm, init;
    int64_t width, size, channels;
    double slope;
    char *hidden;
} fig__coder_options;
enum { FIG__BODY_AUTO, FIG__BODY_MLP, FIG__BODY_CONV, FIG__BODY_LIGHT };
#define FIG__NORM_CHOICES "none batch sample"
enum { FIG__NORM_NONE, FIG__NORM_BATCH, FIG__NORM_SAMPLE };

/* Rows of an option table; AT(field) gives a field's place in fig__coder_options. */
#define FIG__CODER_BODY_ROWS(AT)                                                                                        \
    { "body", FIG_CHOICE, AT(body), FIG__BODY_AUTO, 0, 0,                                                               \
      "networks: mlp, or conv for pictures, or light: conv with depthwise-separable convolutions",                      \
      .choices = "auto mlp conv light" },                                                                               \
        { "hidden", FIG_TEXT, AT(hidden), 0, 0, 0,                                                                      \
          "widths of the dense hidden layers of the encoder, mirrored in the decoder; 0 = none", .fallback_text = "400", \
          .metavar = "N,N" },                                                                                           \
        { "width", FIG_INT, AT(width), 32, 1, 1024,                                                                     \
          "conv: channels after the first layer, doubled at each further one" },                                        \
        { "size", FIG_INT, AT(size), 0, 0, 512, "side of a picture in pixels; 0 = as the data, at most 64" },           \
        { "channels", FIG_INT, AT(channels), 0, 0, 3, "1 grey, 3 colour; 0 = as the data" }
#define FIG__CODER_LAYER_ROWS(AT)                                                                                       \
    { "activation", FIG_CHOICE, AT(activation), 0, 0, 0, "of hidden layers", .choices = FIG__ACTIVATION_CHOICES },      \
        { "slope", FIG_FLOAT, AT(slope), 0.2, 0, 1, "leaky_relu: slope below zero" },                                   \
        { "norm", FIG_CHOICE, AT(norm), FIG__NORM_BATCH, 0, 0,                                                          \
          "conv: normalisation of hidden layers, over the batch or of each sample by itself", .choices = FIG__NORM_CHOICES }, \
        { "init", FIG_CHOICE, AT(init), FIG__INIT_GLOROT, 0, 0, "first values of the weights", .choices = FIG__INIT_CHOICES }

typedef struct fig__coder {
    const fig__coder_options *o;
    fig_type data; /* (B, H, W, C) or (B, D) */
    fig__widths hidden;
    bool conv;
    int levels; /* conv: how often the picture is halved */
    fig_weight_noise noise; /* of the dense layers; set after fig__coder_begin */
} fig__coder;

/* Sets the weights' first values as well. FIG_E_USAGE for options that do not fit the data. */
fig_status fig__coder_begin(fig_model *model, const fig__coder_options *options, const fig_data_spec *data, fig__coder *out,
                            fig_error *err);
/* x of the data's shape, any number of rows -> features (rows, F). */
fig_node fig__coder_down(const fig__coder *coder, fig_node x);
/* z (rows, Z) -> (rows, ...) of the data's shape with `parts` numbers an element, along the last axis. */
fig_node fig__coder_up(const fig__coder *coder, fig_node z, int64_t parts);

/* The convolutions alone, `levels` halvings (1 or more, the caller's) of pictures whose sides allow them: x -> (rows, H >> levels, W >>
 * levels, width << (levels - 1)), and from such a grid back to (rows, H, W, parts C). */
fig_node fig__coder_to_grid(const fig__coder *coder, fig_node x);
fig_node fig__coder_from_grid(const fig__coder *coder, fig_node grid, int64_t parts);

#endif
