/* train/build.h - writing a group of phases into the graph: losses, gradients, updates, assignments */
#ifndef FIG_TRAIN_BUILD_H
#define FIG_TRAIN_BUILD_H

#include "train/round.h"

typedef struct fig__builder {
    fig__round *round;
    fig_graph *graph;
    fig_store *store;
    fig__arena *arena;     /* of this building: maps of substitutions */
    fig__assign *declared; /* assignments that the recipe made; the graph's own list is rewritten per group */
    int n_declared;
    int32_t *weight_of; /* per declared assignment: its state's index in model->weights */
    bool *used;         /* [assignment]: done in this group, and at which anchor */
    int32_t *anchor;
    fig_node *current; /* per weight: its value at this point of the round */
} fig__builder;

void fig__builder_begin(fig__builder *builder, fig__round *round, fig_store *store);
void fig__builder_end(fig__builder *builder);
/* Each puts the group's nodes into the graph and makes its assignments the graph's only ones; outputs go to
 * group->output. */
fig_status fig__build_group(fig__builder *builder, fig__group *group, fig_error *err);
fig_status fig__build_accumulate(fig__builder *builder, fig__group *group, fig_error *err);
fig_status fig__build_apply(fig__builder *builder, fig__group *group, fig_error *err);

#endif
