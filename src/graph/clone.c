/* graph/clone.c - copying nodes: how passes make a new graph from an old one, and how a phase sees new weights
 *
 * Substitution is what lets a recipe declare the losses of several phases in one graph: the second phase is the same
 * graph with the first phase's new weights in place of the old ones. Only what depends on them is built again; the
 * rest (the fake batch, for example) is shared and so computed once. */
#include "graph/graph.h"

#include <stdlib.h>
#include <string.h>

void fig__copy_node(fig_graph *to, const fig_graph *from, int32_t index, fig_node *map)
{
    fig__node node = from->nodes[index]; /* by value: `to` may be `from`, whose array can move */
    fig_node *in = fig__alloc(sizeof *in * (size_t)(node.n_in + 1));
    fig_node out[FIG_MAX_OUTPUTS];
    for (int i = 0; i < node.n_in; i++)
        in[i] = map[node.in[i]];
    const char *saved = to->scopes.override_path;
    to->scopes.override_path = to == from ? node.path : fig__arena_text(to->arena, node.path);
    if (node.stored)
        fig__emit_stored(to, node.op, in, node.n_in, node.attr, node.stored, out, node.n_out);
    else
        fig__emit_multi(to, node.op, in, node.n_in, node.attr, out, node.n_out);
    to->scopes.override_path = saved;
    free(in);
    if (node.again && to->n_nodes)
        to->nodes[to->n_nodes - 1].again = true;
    for (int i = 0; i < node.n_out; i++)
        map[node.first_out + i] = out[i];
    if ((node.op->flags & FIG_OP_LEAF) && to != from && node.attr) {
        const char *name = ((const fig_leaf_attr *)node.attr)->name;
        uint64_t key = fig__hash64(name, strlen(name), fig__hash64(node.op->name, strlen(node.op->name), 1));
        *fig__index_at(&to->leaves, key, -1) = out[0].id;
    }
}

void fig__mark_needed(const fig_graph *g, const int32_t *roots, int count, bool *needed)
{
    memset(needed, 0, sizeof *needed * (size_t)g->n_values);
    for (int i = 0; i < count; i++)
        needed[roots[i]] = true;
    for (int n = g->n_nodes - 1; n >= 0; n--) {
        const fig__node *node = &g->nodes[n];
        bool any = false;
        for (int i = 0; i < node->n_out; i++)
            any |= needed[node->first_out + i];
        if (!any)
            continue;
        for (int i = 0; i < node->n_in; i++)
            needed[node->in[i]] = true;
    }
}

fig_node *fig__substitute(fig_graph *g, const fig_node *old_values, const fig_node *new_values, int count,
                          const fig_node *roots, int n_roots, fig__arena *arena)
{
    int32_t n_values = g->n_values, n_nodes = g->n_nodes;
    fig_node *map = FIG_NEW_ARRAY(arena, fig_node, n_values);
    bool *needed = fig__alloc(sizeof *needed * (size_t)n_values),
         *changed = fig__alloc(sizeof *changed * (size_t)n_values);
    int32_t *ids = fig__alloc(sizeof *ids * (size_t)(n_roots + 1));
    for (int i = 0; i < n_roots; i++)
        ids[i] = roots[i].id;
    fig__mark_needed(g, ids, n_roots, needed);
    for (int32_t v = 0; v < n_values; v++)
        map[v] = (fig_node){g, v};
    for (int i = 0; i < count; i++) {
        map[old_values[i].id] = new_values[i];
        changed[old_values[i].id] = true;
    }
    for (int32_t n = 0; n < n_nodes; n++) {
        const fig__node *node = &g->nodes[n];
        bool touched = false, wanted = false;
        for (int i = 0; i < node->n_in; i++)
            touched |= changed[node->in[i]];
        for (int i = 0; i < node->n_out; i++)
            wanted |= needed[node->first_out + i] && !changed[node->first_out + i];
        if (!touched || !wanted)
            continue;
        int32_t first = node->first_out, n_out = node->n_out;
        fig__copy_node(g, g, n, map);
        for (int i = 0; i < n_out; i++)
            changed[first + i] = true;
    }
    free(needed);
    free(changed);
    free(ids);
    return map;
}
