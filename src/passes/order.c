/* passes/order.c - the order in which nodes run
 *
 * Any topological order is right; this one keeps few bytes alive and lets states be replaced in place. Among the
 * nodes whose operands are ready, one that frees at least as much as it takes goes first (weight updates as soon as
 * their gradient is there), otherwise the one that was built first. A reader of a state's old content goes before
 * the value that replaces it, unless the reader itself needs the new one.
 *
 * That is greedy and can be wrong: the order of building, with the same rule for states, is made too, and the one of
 * the two that needs less memory is taken. */
#include "passes/pass.h"

#include <stdlib.h>
#include <string.h>

typedef struct edges { int32_t *target; int count, capacity; } edges;

typedef struct scheduler {
    const fig_graph *g;
    const fig__needs *needs;
    edges *next;       /* node -> nodes that wait for it */
    int *waiting;      /* node -> edges that lead to it */
    int32_t *root;     /* value -> value that owns its storage: views follow their operand */
    int *readers;      /* root -> nodes that read it, views not counted */
    bool *kept, *replaces; /* root: readable after the run; it becomes a state */
    int32_t n_live;
} scheduler;

static bool is_view(const fig__node *node)
{
    return (node->op->flags & FIG_OP_VIEW) != 0;
}

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

/* -- readers of a state before its writer -------------------------------------------------------------------------- */

typedef struct search { int32_t *mark, *stack, now; } search;

/* mark[n] == now: node n depends on node `start`. Order edges may point to smaller numbers, hence a stack and not
 * one sweep. */
static void mark_dependents(const scheduler *s, int32_t start, search *found)
{
    int depth = 0;
    found->mark[start] = ++found->now;
    found->stack[depth++] = start;
    while (depth) {
        int32_t n = found->stack[--depth];
        for (int i = 0; i < s->next[n].count; i++) {
            int32_t t = s->next[n].target[i];
            if (found->mark[t] != found->now) {
                found->mark[t] = found->now;
                found->stack[depth++] = t;
            }
        }
    }
}

/* read_by[a]: nodes that read the state of assignment a. */
static void find_readers(const scheduler *s, edges *read_by)
{
    const fig_graph *g = s->g;
    fig__index state_of = {0};
    for (int a = 0; a < g->n_assigns; a++)
        *fig__index_at(&state_of, (uint64_t)g->assigns[a].state, -1) = a;
    for (int32_t n = 0; n < g->n_nodes; n++) {
        if (!fig__node_needed(g, s->needs, n) || is_view(&g->nodes[n]))
            continue;
        for (int i = 0; i < g->nodes[n].n_in; i++) {
            int64_t a = fig__index_get(&state_of, (uint64_t)s->root[g->nodes[n].in[i]], -1);
            if (a < 0)
                continue;
            edges *e = &read_by[a];
            if (e->count == e->capacity) {
                e->capacity = e->capacity ? e->capacity * 2 : 4;
                e->target = fig__realloc(e->target, sizeof *e->target * (size_t)e->capacity);
            }
            e->target[e->count++] = n;
        }
    }
    fig__index_free(&state_of);
}

static void readers_first(scheduler *s)
{
    const fig_graph *g = s->g;
    size_t bytes = sizeof(int32_t) * (size_t)(g->n_nodes + 1);
    search found = {.mark = fig__alloc(bytes), .stack = fig__alloc(bytes)};
    edges *read_by = fig__alloc(sizeof *read_by * (size_t)(g->n_assigns + 1));
    find_readers(s, read_by);
    for (int a = 0; a < g->n_assigns; a++) {
        int32_t writer = g->values[s->root[g->assigns[a].value]].node;
        if (read_by[a].count)
            mark_dependents(s, writer, &found);
        for (int i = 0; i < read_by[a].count; i++)
            if (found.mark[read_by[a].target[i]] != found.now) /* else it needs the new content, or is the writer */
                add_edge(s, read_by[a].target[i], writer);
        free(read_by[a].target);
    }
    free(read_by);
    free(found.mark);
    free(found.stack);
}

/* -- what there is to schedule ------------------------------------------------------------------------------------- */

/* Calls once per storage that node n reads: the i-th operand is the first with its root. */
static bool first_of_root(const scheduler *s, const fig__node *node, int i)
{
    for (int k = 0; k < i; k++)
        if (s->root[node->in[k]] == s->root[node->in[i]])
            return false;
    return true;
}

static void begin(scheduler *s, const fig_graph *g, const fig__needs *needs)
{
    size_t nodes = (size_t)g->n_nodes + 1, values = (size_t)g->n_values;
    *s = (scheduler){.g = g, .needs = needs, .next = fig__alloc(nodes * sizeof(edges))};
    s->waiting = fig__alloc(nodes * sizeof(int));
    s->root = fig__alloc(values * sizeof(int32_t));
    s->readers = fig__alloc(values * sizeof(int));
    s->kept = fig__alloc(values);
    s->replaces = fig__alloc(values);
    for (int32_t v = 1; v < g->n_values; v++) {
        const fig__node *node = fig__node_of(g, v);
        s->root[v] = is_view(node) ? s->root[node->in[0]] : v;
        s->kept[s->root[v]] |= needs->root[v];
    }
    for (int a = 0; a < g->n_assigns; a++)
        s->replaces[s->root[g->assigns[a].value]] = true;
    for (int32_t n = 0; n < g->n_nodes; n++) {
        const fig__node *node = &g->nodes[n];
        if (!fig__node_needed(g, needs, n))
            continue;
        s->n_live++;
        for (int i = 0; i < node->n_in; i++) {
            add_edge(s, g->values[node->in[i]].node, n);
            if (!is_view(node) && first_of_root(s, node, i))
                s->readers[s->root[node->in[i]]]++;
        }
    }
    readers_first(s);
}

static void end(scheduler *s)
{
    for (int32_t n = 0; n < s->g->n_nodes; n++)
        free(s->next[n].target);
    free(s->next);
    free(s->waiting);
    free(s->root);
    free(s->readers);
    free(s->kept);
    free(s->replaces);
}

/* Bytes of the plan's block; what is given from outside or replaces a state takes none. */
static int64_t bytes_of(const scheduler *s, int32_t root)
{
    const fig__node *node = fig__node_of(s->g, root);
    bool held = s->replaces[root] || (node->op->flags & (FIG_OP_LEAF | FIG_OP_CONSTANT | FIG_OP_VIEW));
    return held ? 0 : (int64_t)fig__bytes(&s->g->values[root].type);
}

/* Bytes that running n frees less those it takes. `left` counts the readers of each root that have not run. */
static int64_t gain(const scheduler *s, const int *left, int32_t n)
{
    const fig__node *node = &s->g->nodes[n];
    int64_t bytes = 0;
    if (is_view(node))
        return 0;
    for (int i = 0; i < node->n_out; i++)
        bytes -= bytes_of(s, node->first_out + i);
    for (int i = 0; i < node->n_in; i++) {
        int32_t root = s->root[node->in[i]];
        if (left[root] == 1 && !s->kept[root] && first_of_root(s, node, i))
            bytes += bytes_of(s, root);
    }
    return bytes;
}

/* The most bytes alive at one moment. */
static int64_t peak_of(const scheduler *s, const int32_t *order)
{
    int64_t now = 0, most = 0;
    int *left = fig__alloc(sizeof *left * (size_t)s->g->n_values);
    memcpy(left, s->readers, sizeof *left * (size_t)s->g->n_values);
    for (int32_t k = 0; k < s->n_live; k++) {
        const fig__node *node = &s->g->nodes[order[k]];
        if (is_view(node))
            continue;
        for (int i = 0; i < node->n_out; i++)
            now += bytes_of(s, node->first_out + i);
        if (now > most)
            most = now;
        for (int i = 0; i < node->n_in; i++) {
            int32_t root = s->root[node->in[i]];
            if (first_of_root(s, node, i) && --left[root] == 0 && !s->kept[root])
                now -= bytes_of(s, root);
        }
        for (int i = 0; i < node->n_out; i++) /* nobody wants it */
            if (!left[node->first_out + i] && !s->kept[node->first_out + i] && !s->readers[node->first_out + i])
                now -= bytes_of(s, node->first_out + i);
    }
    free(left);
    return most;
}

/* -- scheduling ---------------------------------------------------------------------------------------------------- */

/* A heap of ready nodes, smallest number on top. */
typedef struct heap { int32_t *node; int count; } heap;

static void push(heap *h, int32_t n)
{
    int at = h->count++;
    for (; at > 0 && h->node[(at - 1) / 2] > n; at = (at - 1) / 2)
        h->node[at] = h->node[(at - 1) / 2];
    h->node[at] = n;
}

static int32_t pop(heap *h)
{
    int32_t top = h->node[0], last = h->node[--h->count];
    int at = 0;
    for (int child = 1; child < h->count; child = 2 * at + 1) {
        child += child + 1 < h->count && h->node[child + 1] < h->node[child];
        if (h->node[child] >= last)
            break;
        h->node[at] = h->node[child];
        at = child;
    }
    h->node[at] = last;
    return top;
}

/* A node that is ready lies in `others`, and also in `freeing` from the moment on that it frees as much as it takes. */
typedef struct list {
    scheduler *s;
    heap freeing, others;
    int *waiting, *left;
    bool *ready, *promoted, *done; /* nodes */
    bool greedy;
} list;

static void promote(list *l, int32_t n)
{
    if (l->greedy && l->ready[n] && !l->promoted[n] && gain(l->s, l->left, n) >= 0) {
        l->promoted[n] = true;
        push(&l->freeing, n);
    }
}

static void make_ready(list *l, int32_t n)
{
    l->ready[n] = true;
    push(&l->others, n);
    promote(l, n);
}

/* One reader of the root is left: it would free it. Readers behind views are looked up through them. */
static void promote_last_reader(list *l, int32_t root, int32_t value)
{
    const scheduler *s = l->s;
    const edges *e = &s->next[s->g->values[value].node];
    for (int i = 0; i < e->count; i++) {
        int32_t n = e->target[i];
        const fig__node *node = &s->g->nodes[n];
        if (is_view(node) && s->root[node->first_out] == root)
            promote_last_reader(l, root, node->first_out);
        else if (!l->done[n])
            promote(l, n);
    }
}

static void run_node(list *l, int32_t n)
{
    const scheduler *s = l->s;
    const fig__node *node = &s->g->nodes[n];
    l->done[n] = true;
    for (int i = 0; i < node->n_in && !is_view(node); i++) {
        int32_t root = s->root[node->in[i]];
        if (first_of_root(s, node, i) && --l->left[root] == 1 && l->greedy)
            promote_last_reader(l, root, root);
    }
    for (int i = 0; i < s->next[n].count; i++)
        if (--l->waiting[s->next[n].target[i]] == 0)
            make_ready(l, s->next[n].target[i]);
}

static void schedule(scheduler *s, bool greedy, int32_t *order)
{
    size_t nodes = (size_t)s->g->n_nodes + 1, values = (size_t)s->g->n_values;
    list l = {
        .s = s, .greedy = greedy, .ready = fig__alloc(nodes), .promoted = fig__alloc(nodes), .done = fig__alloc(nodes)
    };
    l.freeing.node = fig__alloc(nodes * sizeof(int32_t));
    l.others.node = fig__alloc(nodes * sizeof(int32_t));
    l.waiting = memcpy(fig__alloc(nodes * sizeof(int)), s->waiting, nodes * sizeof(int));
    l.left = memcpy(fig__alloc(values * sizeof(int)), s->readers, values * sizeof(int));
    int32_t count = 0;
    for (int32_t n = 0; n < s->g->n_nodes; n++)
        if (fig__node_needed(s->g, s->needs, n) && !s->waiting[n])
            make_ready(&l, n);
    while (l.freeing.count || l.others.count) {
        int32_t n = pop(l.freeing.count ? &l.freeing : &l.others);
        if (l.done[n])
            continue;
        order[count++] = n;
        run_node(&l, n);
    }
    FIG_BUG_IF(count != s->n_live, "order: %d of %d nodes can run", count, s->n_live);
    free(l.freeing.node);
    free(l.others.node);
    free(l.waiting);
    free(l.left);
    free(l.ready);
    free(l.promoted);
    free(l.done);
}

void fig__order(const fig_graph *from, const fig__needs *needs, fig_graph *to, fig_node *map)
{
    scheduler s;
    begin(&s, from, needs);
    int32_t *greedy = fig__alloc(sizeof *greedy * (size_t)(s.n_live + 1)),
            *built = fig__alloc(sizeof *built * (size_t)(s.n_live + 1));
    schedule(&s, true, greedy);
    schedule(&s, false, built);
    const int32_t *order = peak_of(&s, greedy) <= peak_of(&s, built) ? greedy : built;
    for (int32_t k = 0; k < s.n_live; k++)
        fig__copy_node(to, from, order[k], map);
    free(greedy);
    free(built);
    end(&s);
}
