/* train/transform.h - the record of a gradient transform: gradients of a phase in, gradients out, as graph building
 *
 * Accumulation over batches comes before all of these and is the round's own (train/round.c), because it splits the
 * plan. */
#ifndef FIG_TRAIN_TRANSFORM_H
#define FIG_TRAIN_TRANSFORM_H

#include "train/options.h"
#include <figment/graph.h>

typedef struct fig__transforming {
    const fig__phase_options *options;
    fig_graph *graph;
    fig_node *gradient; /* of each weight that the phase trains; replaced in place */
    int count;
    fig_node norm; /* set by a transform that has computed the norm over all; logged as "grad_norm" */
} fig__transforming;

typedef struct fig__transform {
    const char *name;
    bool (*wanted)(const fig__phase_options *options);
    void (*apply)(fig__transforming *t);
} fig__transform;
extern const fig__transform *const fig__transforms[]; /* NULL-terminated, in order */

#endif
