/* passes/order.c - the order in which nodes run
 *
 * Any topological order is right; this one keeps few bytes alive and lets states be replaced in place. Among the nodes
 * whose operands are ready, one that frees at least as much as it takes goes first (weight updates as soon as their
 * gradient is there), otherwise the one that was built first. A reader of a state's old content goes before the value that
 * replaces it, unless the reader itself needs the new one. */
#include "passes/pass.h"

#include <stdlib.h>
#include <string.h>

typedef struct edges { int32_t *target; int count, capacity; } edges;

typedef struct scheduler {
    const fig_graph *g;
    bool *live;        /* node is needed */
    int *waiting;      /* operands (and order constraints) not done yet */
    edges *next;       /* node -> nodes that wait for it */
    int *readers;      /* per value: needed nodes that still read it */
    bool *pinned;      /* per value: output or assigned, never freed */
} scheduler;

static void add_edge(scheduler *s, int32_t before, int32_t after)
{
    edges *e = &s->next[before];
    if (e->count == e->capacity) {
        e->capacity = e->capacity ? e->capacity * 2 : 4;
        e->target = fig__realloc(e->target, sizeof *e->target * (size_t)e->capacity);
    }
    e->target[e->count++] = after;
    s->waiting[after]++;
}

/* reached[n] = node n depends on node `start`. Order edges may point to smaller numbers, hence a stack and not one sweep. */
static void mark_dependents(const scheduler *s, int32_t start, bool *reached, int32_t *stack)
{
    int depth = 0;
    memset(reached, 0, sizeof *reached * (size_t)s->g->n_nodes);
    reached[start] = true;
    stack[depth++] = start;
    while (depth) {
        int32_t n = stack[--depth];
        for (int i = 0; i < s->next[n].count; i++) {
            int32_t t = s->next[n].target[i];
            if (!reached[t]) {
                reached[t] = true;
                stack[depth++] = t;
            }
        }
    }
}

static int32_t storage(const fig_graph *g, int32_t value)
{
    while (fig__node_of(g, value)->op->flags & FIG_OP_VIEW)
        value = fig__node_of(g, value)->in[0];
    return value;
}

static void readers_first(scheduler *s)
{
    const fig_graph *g = s->g;
    bool *reached = fig__alloc(sizeof *reached * (size_t)(g->n_nodes + 1));
    int32_t *stack = fig__alloc(sizeof *stack * (size_t)(g->n_nodes + 1));
    int32_t *root = fig__alloc(sizeof *root * (size_t)g->n_values);
    for (int32_t v = 1; v < g->n_values; v++)
        root[v] = storage(g, v);
    /* readers of each state, gathered once */
    fig__index state_of = {0};
    for (int a = 0; a < g->n_assigns; a++)
        *fig__index_at(&state_of, (uint64_t)g->assigns[a].state, -1) = a;
    edges *read_by = fig__alloc(sizeof *read_by * (size_t)(g->n_assigns + 1));
    for (int32_t n = 0; n < g->n_nodes; n++) {
        if (!s->live[n] || (g->nodes[n].op->flags & FIG_OP_VIEW))
            continue;
        for (int i = 0; i < g->nodes[n].n_in; i++) {
            int64_t a = fig__index_get(&state_of, (uint64_t)root[g->nodes[n].in[i]], -1);
            if (a < 0)
                continue;
            edges *e = &read_by[a];
            e->target = fig__realloc(e->target, sizeof *e->target * (size_t)(e->count + 1));
            e->target[e->count++] = n;
        }
    }
    for (int a = 0; a < g->n_assigns; a++) {
        int32_t writer = g->values[root[g->assigns[a].value]].node;
        if (!read_by[a].count)
            continue;
        mark_dependents(s, writer, reached, stack);
        for (int i = 0; i < read_by[a].count; i++)
            if (read_by[a].target[i] != writer && !reached[read_by[a].target[i]])
                add_edge(s, read_by[a].target[i], writer);
        free(read_by[a].target);
    }
    free(read_by);
    free(root);
    free(stack);
    free(reached);
    fig__index_free(&state_of);
}

static void prepare(scheduler *s, const fig__needs *needs)
{
    const fig_graph *g = s->g;
    for (int32_t n = 0; n < g->n_nodes; n++)
        s->live[n] = fig__node_needed(g, needs, n);
    for (int32_t n = 0; n < g->n_nodes; n++) {
        if (!s->live[n])
            continue;
        for (int i = 0; i < g->nodes[n].n_in; i++) {
            s->readers[g->nodes[n].in[i]]++;
            add_edge(s, g->values[g->nodes[n].in[i]].node, n);
        }
    }
    for (int a = 0; a < g->n_assigns; a++)
        s->pinned[g->assigns[a].value] = true;
    readers_first(s);
}

static int64_t value_bytes(const scheduler *s, int32_t v)
{
    const fig__node *node = fig__node_of(s->g, v);
    bool held = node->op->flags & (FIG_OP_LEAF | FIG_OP_CONSTANT | FIG_OP_VIEW);
    return held ? 0 : (int64_t)fig__bytes(&s->g->values[v].type);
}

/* Bytes that running n frees less those it takes; an assigned value replaces a state and takes nothing. */
static int64_t gain(const scheduler *s, int32_t n)
{
    const fig__node *node = &s->g->nodes[n];
    int64_t bytes = 0;
    for (int i = 0; i < node->n_out; i++)
        if (!s->pinned[node->first_out + i])
            bytes -= value_bytes(s, node->first_out + i);
    for (int i = 0; i < node->n_in; i++)
        if (s->readers[node->in[i]] == 1 && !s->pinned[node->in[i]])
            bytes += value_bytes(s, node->in[i]);
    return bytes;
}

static int32_t choose(const scheduler *s, const int32_t *candidates, int count)
{
    int best = 0;
    int64_t best_gain = -1;
    for (int i = 0; i < count; i++) {
        int64_t g = gain(s, candidates[i]);
        bool frees = g >= 0, best_frees = best_gain >= 0;
        if (i == 0 || (frees && !best_frees) || (frees == best_frees && candidates[i] < candidates[best])) {
            best = i;
            best_gain = g;
        }
    }
    return best;
}

void fig__order(const fig_graph *from, const fig__needs *needs, fig_graph *to, fig_node *map)
{
    size_t nodes = (size_t)from->n_nodes + 1, values = (size_t)from->n_values;
    scheduler s = {.g = from, .live = fig__alloc(nodes * sizeof(bool)), .waiting = fig__alloc(nodes * sizeof(int)),
                   .next = fig__alloc(nodes * sizeof(edges)), .readers = fig__alloc(values * sizeof(int)),
                   .pinned = fig__alloc(values * sizeof(bool))};
    prepare(&s, needs);
    int32_t *candidates = fig__alloc(nodes * sizeof *candidates);
    int count = 0;
    for (int32_t n = 0; n < from->n_nodes; n++)
        if (s.live[n] && !s.waiting[n])
            candidates[count++] = n;
    while (count) {
        int at = choose(&s, candidates, count);
        int32_t n = candidates[at];
        candidates[at] = candidates[--count];
        fig__copy_node(to, from, n, map);
        for (int i = 0; i < from->nodes[n].n_in; i++)
            s.readers[from->nodes[n].in[i]]--;
        for (int i = 0; i < s.next[n].count; i++)
            if (--s.waiting[s.next[n].target[i]] == 0)
                candidates[count++] = s.next[n].target[i];
    }
    for (size_t n = 0; n < nodes; n++)
        free(s.next[n].target);
    free(candidates);
    free(s.live);
    free(s.waiting);
    free(s.next);
    free(s.readers);
    free(s.pinned);
}
