/* graph/graph.h - inside of a graph: nodes, values, leaves, assignments
 *
 * Values are numbered in the order of building, so a node's operands always have smaller numbers than its outputs:
 * the list is topologically sorted by construction and every walk is a plain loop. A node has one or more outputs
 * with consecutive value numbers. Everything lives in the graph's arena. */
#ifndef FIG_GRAPH_GRAPH_H
#define FIG_GRAPH_GRAPH_H

#include "graph/index.h"
#include "ops/attributes.h"
#include "ops/op.h"
#include <stdatomic.h>

typedef struct fig__node {
    const fig_op *op;
    const void *attr;      /* op->attr_size bytes */
    const char *path;      /* layer path, "" at the top */
    int32_t *in;           /* value numbers */
    int32_t n_in, n_out;
    int32_t first_out;     /* value number of output 0 */
    uint64_t stored;       /* 0, or FIG__STORED and bits: see fig__emit_stored */
    bool again;            /* a second run of an equal node, to save memory (passes/recompute.c): never merged */
} fig__node;

typedef struct fig__value {
    fig_type type;
    int32_t node;
} fig__value;

/* state := value at the end of the run. `anchor` is a value in whose presence the assignment makes sense (a batch-norm
 * output: a phase that does not use it does not update the running statistics), or -1 = always. */
typedef struct fig__assign {
    int32_t state, value, anchor;
} fig__assign;

/* Storage in bf16 (passes/cast.c) is a property of a node, not of its op: the op computes in f32 and its shape rule sees f32,
 * whatever operands are stored as; bit i says that output i is stored in bf16. Nodes without FIG__STORED are what their shape
 * rule says, so that an op of plain bytes (slice, gather) still may be given bf16 tensors by a person. */
#define FIG__STORED (1ull << 63)
void fig__emit_stored(fig_graph *graph, const fig_op *op, const fig_node *in, int n_in, const void *attr, uint64_t bits,
                      fig_node *out, int n_out);
/* The shape rule with storage applied, for building and verifying. */
fig_status fig__infer_stored(const fig_op *op, fig_infer *c, uint64_t stored);

/* What a graph may carry for the floors above: layers find their model through it. */
typedef struct fig__owner { void *model; } fig__owner;

/* Layer paths and automatic names (graph/scope.c). A frame is an entered scope; its counters start at 0 on entry. */
typedef struct fig__frame {
    const char *path;       /* "" at the top */
    fig__index counters;    /* hash of a layer kind -> how many so far */
} fig__frame;
typedef struct fig__scopes {
    fig__frame *frame;
    int depth, capacity;
    const char *override_path; /* set while gradients are built: the forward node's path */
    fig__index streams;        /* hash of a path -> noise nodes made there */
} fig__scopes;

/* Value 0 of every graph is the poisoned value that failed calls return: a scalar without a node. */
struct fig_graph {
    fig__arena *arena;
    fig__node *nodes;
    int32_t n_nodes, cap_nodes;
    fig__value *values;
    int32_t n_values, cap_values;
    fig__assign *assigns;
    int32_t n_assigns, cap_assigns;
    fig_error error;       /* first mistake */
    fig__scopes scopes;
    fig__index leaves;     /* hash of kind and name -> value number */
    fig__owner owner;
    fig_graph **children;  /* graphs of loop bodies, freed with this one */
    int n_children;
    atomic_int users;      /* how many graphs hold this one as a child; plans of several threads may */
};

/* Holds `child` (a loop body) as long as `graph` lives; fig_graph_free(child) then only drops one hold. */
void fig__graph_share(fig_graph *graph, fig_graph *child);

static inline const fig__node *fig__node_of(const fig_graph *g, int32_t value) { return &g->nodes[g->values[value].node]; }

/* Assignment with an anchor (see fig__assign); fig_assign uses -1. */
void fig__assign_anchored(fig_node state, fig_node value, fig_node anchor);
/* The current layer path with `name` appended, in the arena. name NULL = the path itself. */
const char *fig__scope_path(fig_graph *graph, const char *name);
/* "conv1", "conv2" ...: the next automatic name for `kind` in the current scope (counters restart when a scope is
 * entered). */
const char *fig__scope_auto(fig_graph *graph, const char *kind);
/* Value number of a leaf by kind and name, or -1. */
int32_t fig__find_leaf(const fig_graph *graph, const fig_op *op, const char *name);
/* Checks invariants (operand order, types against the shape rules): FIG_BUG text in err when a pass broke something. */
fig_status fig__graph_verify(const fig_graph *graph, fig_error *err);
/* values_needed[v] = true for every value that the roots depend on. needed has n_values entries. */
void fig__mark_needed(const fig_graph *graph, const int32_t *roots, int count, bool *needed);

/* -- cloning (graph/clone.c): passes and phases build a new graph from an old one ---------------------------------- */
/* Copies node n of `from` into `to`, with operands replaced through map (old value -> new node); its outputs are
 * entered into map. map has from->n_values entries, FIG_NONE where not yet copied. Noise streams and paths are kept. */
void fig__copy_node(fig_graph *to, const fig_graph *from, int32_t node, fig_node *map);
/* In one graph: rebuilds `roots` with each value old_values[i] replaced by new_values[i]; nodes that depend on none
 * of them are shared, not copied. Returns the map (in `arena`, n_values at the time of the call) from every old
 * value to its new one; values that the roots do not need, and untouched ones, map to themselves. Noise keeps its
 * stream. */
fig_node *fig__substitute(fig_graph *graph, const fig_node *old_values, const fig_node *new_values, int count,
                          const fig_node *roots, int n_roots, fig__arena *arena);

/* -- derivatives (autodiff/gradient.c) ---------------------------------------------------------------------------- */
/* Gradients of sum(values[i] * upstreams[i]) over all i, in one walk; zeros where nothing flows. For many results of one
 * graph this is much less work than adding up fig_gradients_from of each. */
void fig__gradients_of(fig_graph *graph, const fig_node *values, const fig_node *upstreams, int count,
                       const fig_node *wrt, int n_wrt, fig_node *result);

/* -- scan (graph/scan.c) ------------------------------------------------------------------------------------------- */
/* Body graph wiring. Body leaves are `input` nodes named "state0".., "x0".., "fixed0"..; results are value numbers.
 * Operands of the scan node: states, xs, fixeds. Outputs: final states, then ys (T, ...), then, when `keep`, the
 * state before each step (T, ...) per state, for the gradient. */
typedef struct fig__scan {
    fig_graph *body;
    int states, xs, fixeds, ys;
    int32_t *new_state, *y; /* value numbers in body */
    int64_t steps;
    bool reverse, keep, recompute;
} fig__scan;

#endif
