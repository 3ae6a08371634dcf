/* eval/inception.h - the network that published Frechet distances are made with, from weights that the user has */
#ifndef FIG_EVAL_INCEPTION_H
#define FIG_EVAL_INCEPTION_H

#include "core/core.h"
#include <figment/plan.h>

enum { FIG__INCEPTION_WIDTH = 2048, FIG__INCEPTION_SIDE = 299, FIG__INCEPTION_UNITS = 94 };

typedef struct fig__inception_unit { /* convolution, batch norm, ReLU */
    char name[48];   /* "Mixed_5b.branch1x1"; states NAME.weight, NAME.bias */
    fig_type weight; /* (filters, kh, kw, in) */
} fig__inception_unit;
typedef struct fig__inception_net {
    int narrow; /* every number of filters divided by this: 1, or for tests up to 16 */
    fig__inception_unit unit[FIG__INCEPTION_UNITS];
    int units;
    fig_node output; /* (B, 2048 / narrow) */
} fig__inception_net;

/* Of pictures (B, H, W, 1 or 3) in 0..1, into their graph. */
void fig__inception_build(fig__inception_net *net, fig_node pictures);
/* Reads the units' weights from a file of pytorch-fid's names and layout into new states of the store, each convolution with the batch
 * norm behind it. hash: of what was read. */
fig_status fig__inception_load(const fig__inception_net *net, const char *path, fig_store *store, char hash[65], fig_error *err);

#endif
