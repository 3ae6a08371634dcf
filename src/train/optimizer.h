/* train/optimizer.h - the record of an optimizer: a rule that turns a gradient into a new weight, written as graph
 * building
 *
 * The rule is element by element, so that the compiler makes one pass over memory of it per weight. Numbers that
 * change from step to step (the rate, the correction of a young average) are the same for all weights of a phase: the
 * host computes them in double precision and feeds them as scalars before each update. What an optimizer remembers are
 * states named "opt/PHASE/STATE/WEIGHT". How to add one: its own file, a row in optimizers.def, its name in
 * FIG__OPTIMIZER_CHOICES. */
#ifndef FIG_TRAIN_OPTIMIZER_H
#define FIG_TRAIN_OPTIMIZER_H

#include "train/options.h"
#include <figment/graph.h>

#define FIG__OPTIMIZER_CHOICES "adam adamw sgd rmsprop"
#define FIG__OPTIMIZER_STATES 3
#define FIG__OPTIMIZER_SCALARS 3

typedef struct fig__update {
    const fig__phase_options *options;
    fig_graph *graph;
    fig_node weight, gradient;
    bool decays;                           /* weight decay applies to this weight */
    fig_node state[FIG__OPTIMIZER_STATES]; /* what is remembered; the rule replaces it by the new */
    fig_node scalar[FIG__OPTIMIZER_SCALARS];
} fig__update;

typedef struct fig__optimizer {
    const char *name;
    const char *state[FIG__OPTIMIZER_STATES + 1];   /* names, NULL-terminated; they begin as zeros */
    const char *scalar[FIG__OPTIMIZER_SCALARS + 1]; /* names under "phases.NAME." */
    /* The scalars for update number t (1, 2 ...) at learning rate lr. */
    void (*set)(const fig__phase_options *options, double lr, int64_t t, double *scalar);
    /* Which states these options need; NULL = all. */
    int (*states)(const fig__phase_options *options);
    fig_node (*update)(fig__update *u); /* the new weight */
} fig__optimizer;

extern const fig__optimizer *const fig__optimizers[]; /* NULL-terminated, in the order of the choices */

#endif
