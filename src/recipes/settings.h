/* recipes/settings.h - words and small readers that several recipes' options share */
#ifndef FIG_RECIPES_SETTINGS_H
#define FIG_RECIPES_SETTINGS_H

#include "core/core.h"
#include <figment/model.h>
#include <stddef.h>

/* First values of weights. glorot: Glorot uniform, zero bias (Keras); uniform_fan_in: bound 1/sqrt(fan-in), bias too
 * (PyTorch); dcgan: N(0, 0.02^2), the setting of the DCGAN paper. */
#define FIG__INIT_CHOICES "glorot uniform_fan_in he dcgan truncated_normal orthogonal"
enum { FIG__INIT_GLOROT, FIG__INIT_FAN_IN, FIG__INIT_HE, FIG__INIT_DCGAN, FIG__INIT_TRUNCATED, FIG__INIT_ORTHOGONAL };
void fig__set_init(fig_model *model, int choice);

#define FIG__ACTIVATION_CHOICES "relu leaky_relu tanh silu gelu"
fig_node fig__activate(fig_node x, int choice, double slope);

/* Widths of hidden layers as text: "400", "128,128"; "0", "none" or empty is no hidden layer. */
#define FIG__MOST_LAYERS 32
typedef struct fig__widths {
    int count;
    int64_t width[FIG__MOST_LAYERS];
} fig__widths;
fig_status fig__read_widths(const char *option, const char *text, fig__widths *out, fig_error *err);

/* What a picture's values are: fig_binarise by another name. What a protocol says of them. */
#define FIG__PIXEL_CHOICES "grey dynamic threshold"
extern const char *const fig__pixel_protocols[];

/* Mean over the rows that count of a value (B, ...), without its first axis. */
fig_node fig__mean_over_rows(fig_model *model, fig_node value);

/* Picture sizes. `size` and `channels` are options where 0 means: as the data are (square, at most 64 pixels; larger or
 * mixed ones become 64 or 32) and grey or colour as the data are. */
void fig__ask_pictures(const fig_data_info *found, int64_t size, int64_t channels, fig_data_request *request);

#endif
