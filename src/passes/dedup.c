/* passes/dedup.c - one node for equal computations
 *
 * Two nodes are equal when op, attribute bytes and operands are. Noise is no exception: each draw has a stream of
 * its own in its attribute, so only copies of one draw (a phase built again, a decomposition) are equal, and they
 * hold the same bits. Attributes with pointers (constants' data, loop bodies) are equal only when they point to the
 * same place, except leaves, which were unique by name when built. */
#include "passes/pass.h"

#include <string.h>

static uint64_t key_of(const fig__node *node, const fig_node *map)
{
    uint64_t key = fig__hash64(node->op->name, strlen(node->op->name), 11);
    if (node->op->attr_size)
        key = fig__hash64(node->attr, node->op->attr_size, key);
    for (int i = 0; i < node->n_in; i++) {
        int32_t in = map[node->in[i]].id;
        key = fig__hash64(&in, sizeof in, key);
    }
    return key;
}

static bool equal(const fig__node *old, const fig__node *node, const fig_node *map)
{
    if (old->op != node->op || old->n_in != node->n_in)
        return false;
    if (node->op->attr_size && memcmp(old->attr, node->attr, node->op->attr_size) != 0)
        return false;
    for (int i = 0; i < node->n_in; i++)
        if (old->in[i] != map[node->in[i]].id)
            return false;
    return true;
}

void fig__dedup(const fig_graph *from, const fig__needs *needs, fig_graph *to, fig_node *map)
{
    fig__index seen = {0};
    for (int32_t n = 0; n < from->n_nodes; n++) {
        const fig__node *node = &from->nodes[n];
        if (!fig__node_needed(from, needs, n))
            continue;
        if ((node->op->flags & FIG_OP_LEAF) || node->again) { /* the one is unique, the other is there on purpose */
            fig__copy_node(to, from, n, map);
            continue;
        }
        int64_t *old = fig__index_at(&seen, key_of(node, map), -1);
        if (*old >= 0 && equal(&to->nodes[*old], node, map)) {
            for (int i = 0; i < node->n_out; i++)
                map[node->first_out + i] = (fig_node){to, to->nodes[*old].first_out + i};
            continue;
        }
        fig__copy_node(to, from, n, map);
        if (*old < 0)
            *old = to->n_nodes - 1;
    }
    fig__index_free(&seen);
}
