/* passes/pass.h - the record of a graph rewrite
 *
 * A pass reads one graph and builds another with the same outputs and assignments. Between passes the graph is
 * verified, and each pass can be switched off by name: outputs agree with it on and off (to rounding). */
#ifndef FIG_PASSES_PASS_H
#define FIG_PASSES_PASS_H

#include "graph/graph.h"

/* A graph with the values that must survive. */
typedef struct fig__program {
    fig_graph *graph; /* owned */
    int32_t *output;  /* value numbers, heap */
    int n_outputs;
} fig__program;

/* Which values of the old graph matter: those that some root depends on, and the roots (outputs, assigned states and
 * their values) themselves, which must exist in the new graph as they are. */
typedef struct fig__needs {
    const bool *value, *root, *output;
} fig__needs;

static inline bool fig__node_needed(const fig_graph *g, const fig__needs *needs, int32_t n)
{
    for (int i = 0; i < g->nodes[n].n_out; i++)
        if (needs->value[g->nodes[n].first_out + i])
            return true;
    return false;
}

/* What a plan may ask for beyond the usual (fig_plan_opts). */
enum { FIG__WITH_BF16 = 1, FIG__WITH_BF16_WEIGHTS = 2, FIG__WITH_INT8_WEIGHTS = 4, FIG__WITH_F32 = 8 /* not FIG__WITH_BF16 */ };

typedef struct fig__pass {
    const char *name;
    /* Rewrites `from` into `to` (an empty graph). Fills map: from-value -> to-node for every needed value. */
    void (*rewrite)(const fig_graph *from, const fig__needs *needs, fig_graph *to, fig_node *map);
    const char *why_here;
    unsigned only_with; /* 0 = always; else runs only where one of these was asked for */
} fig__pass;

extern const fig__pass fig__pipeline[]; /* ends with {0} */

/* How many operands of needed nodes each value is; heap, by value. */
int *fig__count_users(const fig_graph *g, const fig__needs *needs);
/* Copies node n, but for a sum over all places (axes but the last) of a value whose sums a new node has brought: sums[value]; else none. */
void fig__copy_but_sums(fig_graph *to, const fig_graph *from, int32_t n, const fig_node *sums, fig_node *map);

/* A convolution, or one of its gradients, that is a product over the channels at every place (passes/pieces.c). */
bool fig__plain_product(const fig_graph *g, const fig__node *node);

/* Starts a program: the part of `graph` that outputs and assignments need, copied. */
void fig__program_begin(const fig_graph *graph, const int32_t *outputs, int n_outputs, fig__program *out);
void fig__program_free(fig__program *program);
/* Runs the pipeline; `with`, of FIG__WITH_ bits, brings in passes that run only then; `off` names passes to leave out; `dump` is a
 * folder for listings or NULL. */
fig_status fig__program_optimise(fig__program *program, unsigned with, const char *off, const char *dump, fig_error *err);

void fig__lower(const fig_graph *from, const fig__needs *needs, fig_graph *to, fig_node *map);
void fig__simplify(const fig_graph *from, const fig__needs *needs, fig_graph *to, fig_node *map);
void fig__dedup(const fig_graph *from, const fig__needs *needs, fig_graph *to, fig_node *map);
void fig__fuse_epilogue(const fig_graph *from, const fig__needs *needs, fig_graph *to, fig_node *map);
void fig__pieces(const fig_graph *from, const fig__needs *needs, fig_graph *to, fig_node *map);
void fig__gate_products(const fig_graph *from, const fig__needs *needs, fig_graph *to, fig_node *map);
void fig__convolution_plus(const fig_graph *from, const fig__needs *needs, fig_graph *to, fig_node *map);
void fig__fuse_pointwise(const fig_graph *from, const fig__needs *needs, fig_graph *to, fig_node *map);
void fig__cast(const fig_graph *from, const fig__needs *needs, fig_graph *to, fig_node *map);
void fig__weights_bf16(const fig_graph *from, const fig__needs *needs, fig_graph *to, fig_node *map);
void fig__weights_int8(const fig_graph *from, const fig__needs *needs, fig_graph *to, fig_node *map);
void fig__order(const fig_graph *from, const fig__needs *needs, fig_graph *to, fig_node *map);

/* What the nodes of a compiled program hold: bytes of workspace and the kernel's in-place bits per node; per value, whether its
 * storage lies in the plan's block. */
typedef struct fig__footprint {
    const size_t *workspace;
    const unsigned *inplace;
    const bool *in_block;
} fig__footprint;
/* Replaces the graph by one that needs at most `target` bytes at a time, by running nodes twice (passes/recompute.c); false when
 * that cannot be reached, with the graph that comes nearest. The old graph, which the program no longer owns, goes to *kept. */
bool fig__program_recompute(fig__program *program, const fig__footprint *memory, uint64_t target, fig_graph **kept);
/* The same without a target: runs twice what is cheap, as far as it pays and adds at most `share` to the cost of all; false when
 * nothing does. */
bool fig__program_spare(fig__program *program, const fig__footprint *memory, double share, fig_graph **kept);
/* The last pass, order, once more. */
fig_status fig__program_reorder(fig__program *program, const char *off, const char *dump, fig_error *err);

/* Packs lifetimes into one block: sizes in bytes, [first, last] inclusive; offsets are multiples of 64. Returns the
 * size of the block. (passes/memory.c) */
typedef struct fig__lifetime { uint64_t bytes; int first, last; uint64_t offset; } fig__lifetime;
uint64_t fig__pack(fig__lifetime *life, int count);
/* The most bytes alive at one moment: no packing can be smaller. */
uint64_t fig__live_bound(const fig__lifetime *life, int count);

#endif
