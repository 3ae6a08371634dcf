/* passes/replay.h - a graph's running order with some nodes run twice: what it holds in memory, what it costs
 *
 * Node n may have a *cut*: readers at places up to the cut read the first run of n, later ones a second run, which takes
 * place just before the first of them. So nothing of the first run has to be kept across the cut. What the second run
 * itself reads is found the same way: from second runs where there are any, else it is kept until then. The cuts alone
 * say everything; a replay is measured in one walk, without building a graph. */
#ifndef FIG_PASSES_REPLAY_H
#define FIG_PASSES_REPLAY_H

#include "passes/pass.h"

#define FIG__NO_CUT INT32_MAX

/* One run of a node. `at`: the place of the node that asked for it (its own number for a first run). */
typedef struct fig__replay_run {
    int32_t node, at, operand;
    bool again, idle; /* idle: nobody reads this first run, all readers wait for the second; it does not take place */
} fig__replay_run;

typedef struct fig__replay {
    const fig_graph *g;
    const fig__footprint *memory;
    int32_t *root;        /* value -> value that owns its storage */
    bool *pinned;         /* roots that outlive the run: outputs, new states */
    int64_t *bytes;       /* of roots, in the block; 0 for leaves, constants, states */
    double *cost;         /* of nodes: operations, with those that moving its bytes would take the time of */
    double *product;      /* the part of it that is operations */
    int32_t *reader, *reader_start; /* nodes that read a root, in order; views are looked through */
    int32_t *cut;         /* per node; of views: their root's */
    /* the last walk */
    fig__replay_run *run;
    int count;
    bool *operand_again;  /* run.operand + i: operand i comes from a second run */
    int n_operands;
    bool *made[2];        /* nodes: first and second run have taken place */
    int32_t *last, *last_at; /* [value + n_values * again]: run that reads it last, and the place of it */
    int64_t *live;        /* per run */
} fig__replay;

typedef struct fig__replay_sum {
    int64_t peak;     /* bytes */
    int32_t peak_at;  /* place */
    double excess;    /* sum over runs of the bytes above the target */
    double extra;     /* cost of second runs */
} fig__replay_sum;

void fig__replay_begin(fig__replay *replay, const fig__program *program, const fig__footprint *memory);
void fig__replay_end(fig__replay *replay);
/* Gives `nodes` a cut, or takes it away (FIG__NO_CUT). */
void fig__replay_cut(fig__replay *replay, const int32_t *nodes, int count, int32_t cut);
fig__replay_sum fig__replay_measure(fig__replay *replay, int64_t target);
/* Whether node n computes something that could be computed again: no leaf, constant or view, and nothing of it is pinned. */
bool fig__replay_can_repeat(const fig__replay *replay, int32_t n);
/* Builds the measured order as a graph: maps old values to first runs. */
void fig__replay_build(const fig__replay *replay, fig_graph *to, fig_node *map);

#endif
