/* recipes/code_prior.h - the chance of a grid of codes, one code after the other: a PixelCNN (recipes/raster.h) whose pixels are numbers
 * in a codebook, embedded, with a softmax over the codebook. All weights lie under "prior". */
#ifndef FIG_RECIPES_CODE_PRIOR_H
#define FIG_RECIPES_CODE_PRIOR_H

#include "recipes/raster.h"

typedef struct fig__code_prior_options {
    fig__raster_options raster;
    int64_t head;
    double dropout;
} fig__code_prior_options;

/* clang-format off */
/* Rows of a recipe's option table; AT(field) gives a field's place in fig__code_prior_options. */
#define FIG__CODE_PRIOR_ROWS(AT) \
    { "prior.layers", FIG_INT, AT(raster.layers), 6, 1, 64, "gated layers of the prior" }, \
    { "prior.width", FIG_INT, AT(raster.width), 64, 1, 1024, "channels of each of its stacks" }, \
    { "prior.head", FIG_INT, AT(head), 128, 1, 4096, "channels before its last convolution" }, \
    { "prior.kernel", FIG_INT, AT(raster.kernel), 3, 3, 15, "side of its kernels, odd" }, \
    { "prior.first_kernel", FIG_INT, AT(raster.first_kernel), 5, 3, 31, "the same of its first layer" }, \
    { "prior.dropout", FIG_FLOAT, AT(dropout), 0, 0, 0.9, "share of numbers dropped before its head while training, for small data" }
/* clang-format on */

typedef struct fig__code_prior {
    fig_model *model;
    const fig__code_prior_options *o;
    int64_t rows, columns, codes;
    int classes; /* that it is told; 0 = none */
} fig__code_prior;

fig_status fig__code_prior_check(const fig__code_prior *prior, fig_error *err);
/* -log p(index | label), (B): index i32 (B, rows, columns), label i32 (B) or none. */
fig_node fig__code_prior_nll(const fig__code_prior *prior, fig_node index, fig_node label);
/* One step of drawing: token i32 (B), the code made last, position i32 (B) of the next in raster order -> its logits (B, codes). */
fig_node fig__code_prior_step(const fig__code_prior *prior, fig_node token, fig_node position, fig_node label);

#endif
