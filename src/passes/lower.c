/* passes/lower.c - composites without a fast kernel become what they are made of
 *
 * An op marked FIG_OP_LOWERED is one node while a graph is built and differentiated, and is computed through its
 * decomposition. Its reference loop stays the oracle of the tests. When such an op gets a kernel the mark goes. */
#include "passes/pass.h"

static void decompose(fig_graph *to, const fig__node *node, fig_node *map)
{
    fig_node *in = fig__arena_alloc(to->arena, sizeof *in * (size_t)(node->n_in + 1)), out[FIG_MAX_OUTPUTS] = { { 0 } };
    for (int i = 0; i < node->n_in; i++)
        in[i] = map[node->in[i]];
    const char *saved = to->scopes.override_path;
    to->scopes.override_path = fig__arena_text(to->arena, node->path);
    node->op->decompose(&(fig_decompose){
        .graph = to, .n_in = node->n_in, .n_out = node->n_out, .in = in, .attr = node->attr, .out = out });
    to->scopes.override_path = saved;
    for (int i = 0; i < node->n_out; i++)
        map[node->first_out + i] = out[i];
}

void fig__lower(const fig_graph *from, const fig__needs *needs, fig_graph *to, fig_node *map)
{
    for (int32_t n = 0; n < from->n_nodes; n++) {
        if (!fig__node_needed(from, needs, n))
            continue;
        if (from->nodes[n].op->flags & FIG_OP_LOWERED)
            decompose(to, &from->nodes[n], map);
        else
            fig__copy_node(to, from, n, map);
    }
}
