/* passes/recompute.c - computing activations a second time instead of keeping them (Chen et al. 2016)
 *
 * Where a plan needs more memory than it may take, some of what the forward pass keeps for the backward pass is dropped
 * after its last forward reader and computed again just before its first backward reader:
 *
 *     kept          x1 -> h1 -> x2 -> h2 -> x3 ... loss ... dx3 -> dx2 (reads h2) -> dx1 (reads h1)
 *     block 1 again x1 -> .. -> x2 -> h2 -> x3 ... loss ... dx3 -> dx2 (reads h2), x1 -> h1', dx1 (reads h1')
 *
 * What can be dropped together - a *block* - is found in three ways: the nodes of one layer scope ("block3",
 * "block3.attention"), a stretch of the running order that holds a certain share of the bytes (networks without nested
 * scopes), and single nodes (an activation behind a product). What is kept of a block is what nodes outside it read in
 * the forward pass. "Forward" is what runs before the moment that needs most memory, so rounds of several phases, with
 * several forward and backward passes in one graph, need no rule of their own.
 *
 * Greedy: the block that takes away most bytes above the target per operation, measured by walking the whole order
 * (passes/replay.c), until nothing is above it. The target comes down in steps, so that the dearest moment is always
 * treated first; what turns out not to be needed in the end is taken back.
 *
 * Without a target (fig__program_spare) the same is done with what costs little more than a pass over memory - normalisations,
 * activations, copies, never a product -, as far as it pays.
 *
 * Runs after fusion and dedup, which would merge the second runs with the first again. A second run is the same node
 * - op, attributes, types, noise stream - so it takes the same kernel and gives the same bits. */
#include "passes/replay.h"

#include <stdlib.h>
#include <string.h>

#define STAGE 0.94         /* of the peak: the next target on the way down */
#define LEAST_SHARE 1e-3   /* of the peak: smaller single values are not looked at */
#define CHEAP 0.5          /* the part of a cheap node's cost that may be operations; the rest is moving its bytes */
#define CHEAP_STAGE 0.98
#define DEAREST 0.075      /* share of the cost that a share of the peak may be paid with */
enum { MEASURED = 40,      /* blocks of a turn that are measured: the best by a rough count */
       DEAD_PRODUCERS = 12, /* of a single value, that are run again with it */
       FINEST = 32 };      /* stretches of the running order: halves, quarters, ... */

typedef struct block {
    int32_t first, count; /* in the list of nodes */
    double rank;          /* rough: bytes an operation */
} block;

typedef struct chooser {
    fig__replay *r;
    int32_t cut;       /* of this turn */
    int32_t *crossing; /* nodes whose results are read on both sides of the cut, in order */
    int64_t *crossing_bytes; /* per node of the graph; 0 = does not cross */
    int n_crossing;
    int32_t *node;     /* of all blocks of this turn */
    int n_nodes, capacity;
    block *list;
    int n_blocks, blocks_capacity;
    int32_t *mark, now;
    struct taken { int32_t *node; int count; int32_t cut; } *taken; /* blocks that were chosen, in order */
    int n_taken;
    bool cheap; /* only what costs little more than moving its bytes */
} chooser;

static bool may_repeat(const chooser *c, int32_t n)
{
    return fig__replay_can_repeat(c->r, n) && (!c->cheap || c->r->product[n] <= CHEAP * c->r->cost[n]);
}

/* -- which values cross the cut ------------------------------------------------------------------------------------ */

static void find_crossing(chooser *c)
{
    const fig__replay *r = c->r;
    const fig_graph *g = r->g;
    c->n_crossing = 0;
    for (int32_t n = 0; n < g->n_nodes; n++) {
        c->crossing_bytes[n] = 0;
        if (n > c->cut || r->cut[n] != FIG__NO_CUT || !may_repeat(c, n))
            continue;
        for (int i = 0; i < g->nodes[n].n_out; i++) {
            int32_t v = g->nodes[n].first_out + i;
            if (r->last_at[v] > c->cut)
                c->crossing_bytes[n] += r->bytes[v];
        }
        if (c->crossing_bytes[n] > 0)
            c->crossing[c->n_crossing++] = n;
    }
}

/* -- making blocks ------------------------------------------------------------------------------------------------- */

static void begin_block(chooser *c)
{
    if (c->n_blocks == c->blocks_capacity) {
        c->blocks_capacity = c->blocks_capacity ? 2 * c->blocks_capacity : 256;
        c->list = fig__realloc(c->list, sizeof *c->list * (size_t)c->blocks_capacity);
    }
    c->list[c->n_blocks] = (block){ .first = c->n_nodes };
    c->now++;
}

static void add_node(chooser *c, int32_t n)
{
    if (c->mark[n] == c->now)
        return;
    c->mark[n] = c->now;
    if (c->n_nodes == c->capacity) {
        c->capacity = c->capacity ? 2 * c->capacity : 1024;
        c->node = fig__realloc(c->node, sizeof *c->node * (size_t)c->capacity);
    }
    c->node[c->n_nodes++] = n;
    c->list[c->n_blocks].count++;
}

/* Keeps the block when it would free anything. */
static void end_block(chooser *c)
{
    block *b = &c->list[c->n_blocks];
    double bytes = 0, cost = 1;
    for (int i = 0; i < b->count; i++) {
        bytes += (double)c->crossing_bytes[c->node[b->first + i]];
        cost += c->r->cost[c->node[b->first + i]];
    }
    b->rank = bytes / cost;
    if (b->count)
        c->n_blocks++;
}

/* Where a block ends: within a layer scope, or between two places. */
typedef struct bounds { const char *path; size_t length; int32_t from, to; } bounds;

static bool inside(const chooser *c, const bounds *b, int32_t n)
{
    const char *path = c->r->g->nodes[n].path;
    return b->path ? !strncmp(path, b->path, b->length) && (!path[b->length] || path[b->length] == '.')
                   : n >= b->from && n < b->to;
}

/* Some forward node outside reads it: it stays. */
static bool leaves_block(const chooser *c, const bounds *b, int32_t n)
{
    const fig__replay *r = c->r;
    const fig__node *node = &r->g->nodes[n];
    for (int i = 0; i < node->n_out; i++)
        for (int32_t k = r->reader_start[node->first_out + i]; k < r->reader_start[node->first_out + i + 1]; k++)
            if (r->reader[k] <= c->cut && !inside(c, b, r->reader[k]))
                return true;
    return false;
}

/* What the block's nodes read and nobody keeps is computed again as well, as far as it belongs to the block (bounds NULL: up to a
 * few nodes). */
static void add_producers(chooser *c, const bounds *b)
{
    const fig__replay *r = c->r;
    const fig_graph *g = r->g;
    block *own = &c->list[c->n_blocks];
    int dead = 0;
    for (int i = 0; i < own->count; i++) { /* the list grows while it is walked */
        int32_t n = c->node[own->first + i];
        for (int k = 0; k < g->nodes[n].n_in; k++) {
            int32_t root = r->root[g->nodes[n].in[k]], from = g->values[root].node;
            if (c->mark[from] == c->now || c->crossing_bytes[from] || r->cut[from] != FIG__NO_CUT ||
                r->last_at[root] > c->cut || !may_repeat(c, from))
                continue;
            if (b ? inside(c, b, from) : dead++ < DEAD_PRODUCERS)
                add_node(c, from);
        }
    }
}

static void make_block(chooser *c, const bounds *b)
{
    begin_block(c);
    for (int i = 0; i < c->n_crossing; i++)
        if (inside(c, b, c->crossing[i]) && !leaves_block(c, b, c->crossing[i]))
            add_node(c, c->crossing[i]);
    add_producers(c, b);
    end_block(c);
}

static void make_single_blocks(chooser *c, int64_t least)
{
    for (int i = 0; i < c->n_crossing; i++) {
        if (c->crossing_bytes[c->crossing[i]] < least)
            continue;
        begin_block(c);
        add_node(c, c->crossing[i]);
        end_block(c);
        begin_block(c);
        add_node(c, c->crossing[i]);
        add_producers(c, NULL);
        if (c->list[c->n_blocks].count > 1)
            end_block(c);
    }
}

static void make_scope_blocks(chooser *c)
{
    const fig_graph *g = c->r->g;
    fig__index seen = { 0 };
    for (int i = 0; i < c->n_crossing; i++) {
        const char *path = g->nodes[c->crossing[i]].path;
        for (size_t length = strcspn(path, "."); length; length += path[length] ? 1 + strcspn(path + length + 1, ".") : 0) {
            int64_t *at = fig__index_at(&seen, fig__hash64(path, length, 7), 0);
            if (!(*at)++)
                make_block(c, &(bounds){ .path = path, .length = length });
            if (!path[length])
                break;
        }
    }
    fig__index_free(&seen);
}

static void make_stretches(chooser *c)
{
    int64_t total = 0;
    for (int i = 0; i < c->n_crossing; i++)
        total += c->crossing_bytes[c->crossing[i]];
    for (int parts = 2; parts <= FINEST; parts *= 2) {
        int64_t passed = 0;
        int32_t from = 0;
        for (int i = 0, part = 1; i < c->n_crossing; i++) {
            passed += c->crossing_bytes[c->crossing[i]];
            if (passed < total / parts * part && i + 1 < c->n_crossing)
                continue;
            make_block(c, &(bounds){ .from = from, .to = c->crossing[i] + 1 });
            from = c->crossing[i] + 1;
            while (total / parts * part <= passed)
                part++;
        }
    }
}

static int by_rank(const void *a, const void *b)
{
    const block *x = a, *y = b;
    if (x->rank != y->rank)
        return x->rank < y->rank ? 1 : -1;
    return (x->first > y->first) - (x->first < y->first);
}

/* -- choosing ------------------------------------------------------------------------------------------------------ */

static void take(chooser *c, const block *b)
{
    c->taken = fig__realloc(c->taken, sizeof *c->taken * (size_t)(c->n_taken + 1));
    struct taken *t = &c->taken[c->n_taken++];
    *t = (struct taken){ .node = fig__alloc(sizeof *t->node * (size_t)b->count), .count = b->count, .cut = c->cut };
    memcpy(t->node, c->node + b->first, sizeof *t->node * (size_t)b->count);
    fig__replay_cut(c->r, t->node, t->count, t->cut);
}

/* One more block; false when none brings the excess down. `now` is what was measured last. */
static bool choose_one(chooser *c, int64_t target, const fig__replay_sum *now)
{
    c->cut = now->peak_at;
    c->n_nodes = c->n_blocks = 0;
    find_crossing(c);
    make_single_blocks(c, (int64_t)(LEAST_SHARE * (double)now->peak));
    make_scope_blocks(c);
    make_stretches(c);
    if (!c->n_blocks)
        return false;
    qsort(c->list, (size_t)c->n_blocks, sizeof *c->list, by_rank);
    int best = -1;
    double most = 0;
    for (int i = 0; i < c->n_blocks && i < MEASURED; i++) {
        block *b = &c->list[i];
        fig__replay_cut(c->r, c->node + b->first, b->count, c->cut);
        fig__replay_sum with = fig__replay_measure(c->r, target);
        fig__replay_cut(c->r, c->node + b->first, b->count, FIG__NO_CUT);
        double less = (now->excess - with.excess) / (with.extra - now->extra + 1);
        if (with.excess < now->excess && less > most) {
            most = less;
            best = i;
        }
    }
    if (best >= 0)
        take(c, &c->list[best]);
    return best >= 0;
}

/* What was chosen early may have become needless by what came later. */
static void give_back(chooser *c, int64_t target)
{
    for (int i = c->n_taken - 1; i >= 0; i--) {
        const struct taken *t = &c->taken[i];
        fig__replay_cut(c->r, t->node, t->count, FIG__NO_CUT);
        if (fig__replay_measure(c->r, target).excess > 0)
            fig__replay_cut(c->r, t->node, t->count, t->cut);
    }
}

static bool choose(chooser *c, int64_t target)
{
    for (;;) {
        fig__replay_sum now = fig__replay_measure(c->r, target);
        if (now.peak <= target)
            break;
        int64_t stage = (int64_t)(STAGE * (double)now.peak);
        stage = stage > target ? stage : target;
        do {
            now = fig__replay_measure(c->r, stage);
            if (now.peak > stage && !choose_one(c, stage, &now))
                return false;
        } while (now.peak > stage);
    }
    give_back(c, target);
    return true;
}

static void take_back(chooser *c, int n_taken)
{
    while (c->n_taken > n_taken) {
        const struct taken *t = &c->taken[--c->n_taken];
        fig__replay_cut(c->r, t->node, t->count, FIG__NO_CUT);
        free(t->node);
    }
}

static double whole_cost(const fig__replay *r)
{
    double sum = 0;
    for (int32_t n = 0; n < r->g->n_nodes; n++)
        sum += r->cost[n];
    return sum;
}

/* As far down as it pays. */
static void choose_cheap(chooser *c, double share)
{
    double whole = whole_cost(c->r), most = share * whole, paid = 0;
    fig__replay_sum now = fig__replay_measure(c->r, 0);
    int64_t begun = now.peak, reached = begun;
    int kept = 0;
    for (;;) {
        int64_t stage = (int64_t)(CHEAP_STAGE * (double)reached);
        do {
            now = fig__replay_measure(c->r, stage);
        } while (now.peak > stage && now.extra <= most && choose_one(c, stage, &now));
        double gained = (double)(reached - now.peak) / (double)begun;
        if (now.peak > stage || now.extra > most || now.extra - paid > DEAREST * gained * whole)
            break;
        reached = now.peak;
        paid = now.extra;
        kept = c->n_taken;
    }
    take_back(c, kept);
    give_back(c, reached);
}

static void begin(chooser *c, fig__replay *r, const fig__program *p, const fig__footprint *memory)
{
    fig__replay_begin(r, p, memory);
    size_t nodes = (size_t)p->graph->n_nodes + 1;
    *c = (chooser){ .r = r, .crossing = fig__alloc(nodes * sizeof(int32_t)), .mark = fig__alloc(nodes * sizeof(int32_t)),
                    .crossing_bytes = fig__alloc(nodes * sizeof(int64_t)) };
}

/* Builds what was chosen. */
static void build(chooser *c, fig__program *p, fig_graph **kept)
{
    const fig_graph *from = p->graph;
    fig__replay_measure(c->r, 0);
    fig_graph *to = fig_graph_new();
    fig_node *map = fig__alloc(sizeof *map * (size_t)from->n_values);
    fig__replay_build(c->r, to, map);
    for (int i = 0; i < p->n_outputs; i++)
        p->output[i] = map[p->output[i]].id;
    for (int i = 0; i < from->n_assigns; i++)
        fig_assign(map[from->assigns[i].state], map[from->assigns[i].value]);
    *kept = p->graph;
    p->graph = to;
    free(map);
}

static void end(chooser *c)
{
    take_back(c, 0);
    free(c->taken);
    free(c->crossing);
    free(c->crossing_bytes);
    free(c->mark);
    free(c->node);
    free(c->list);
    fig__replay_end(c->r);
}

bool fig__program_recompute(fig__program *p, const fig__footprint *memory, uint64_t target, fig_graph **kept)
{
    fig__replay r;
    chooser c;
    begin(&c, &r, p, memory);
    bool reached = choose(&c, target < INT64_MAX ? (int64_t)target : INT64_MAX);
    build(&c, p, kept);
    end(&c);
    return reached;
}

bool fig__program_spare(fig__program *p, const fig__footprint *memory, double share, fig_graph **kept)
{
    fig__replay r;
    chooser c;
    begin(&c, &r, p, memory);
    c.cheap = true;
    choose_cheap(&c, share);
    bool any = c.n_taken > 0;
    if (any)
        build(&c, p, kept);
    end(&c);
    return any;
}
