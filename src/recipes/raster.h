/* recipes/raster.h - what is known at a place of a grid from the places before it: the two gated stacks of a PixelCNN (van den Oord et
 * al. 2016), over pictures or over grids of codes
 *
 *     vertical     rows above          v' = v + gate(V * v)                kernel (k/2 + 1) x k, padded above; first layer k/2 x k
 *     horizontal   the row, left       h' = h + R gate(H * h + N (V * v))  kernel 1 x (k/2 + 1), padded left;  first layer 1 x k/2
 *
 * A grid is read whole, while training, or place by place with caches: a step computes one row of the vertical stack from the rows
 * above it, and one place of the horizontal one from those to its left. */
#ifndef FIG_RECIPES_RASTER_H
#define FIG_RECIPES_RASTER_H

#include "recipes/settings.h"

typedef struct fig__raster_options {
    int64_t layers, width, kernel, first_kernel;
} fig__raster_options;

typedef struct fig__raster {
    fig_model *model;
    fig_graph *g;
    const fig__raster_options *o;
    int64_t batch, height, width, channels; /* channels: numbers at a place */
    int classes;
    fig_node label; /* i32 (B) or none: a class adds a vector of its own before each gate */
    fig_node grid;  /* (B, H, W, channels); in a step (B, (margin + H) W channels), newest in */
    /* one step: else none */
    fig_node row, column; /* i32 (B): the place that is computed */
    fig_node line;        /* (B, (margin + W) channels), newest in */
} fig__raster;

/* FIG_E_USAGE for kernels and grids that it cannot be. */
fig_status fig__raster_check(const fig__raster *raster, fig_error *err);
/* One step at row and column, which the caller has set: remembers `value` (B, n), the numbers from `element` on, i32 (B), in raster
 * order. What lies at the place itself is not read. */
void fig__raster_remember(fig__raster *raster, fig_node value, fig_node element);
/* What is known of each place, (B, H, W, o->width); in a step (B, 1, 1, o->width). Weights under "stacks". */
fig_node fig__raster_stacks(const fig__raster *raster);
/* A 1x1 convolution with weights under `label`. */
fig_node fig__raster_point(const fig__raster *raster, fig_node x, int64_t filters, const char *label);

#endif
