/* ops/interpret.c - runs a graph by the reference loops, node after node: the oracle of the op tests
 *
 * Independent of passes, plans and kernels: every value has memory of its own, a view is copied. */
#include "cases.h"
#include <stdlib.h>
#include <string.h>

static void run_node(const fig_graph *graph, const fig__node *node, void **data, const fig_run *run)
{
    fig_tensor in[MAX_OPERANDS], out[FIG_MAX_OUTPUTS];
    FIG_BUG_IF(node->n_in > MAX_OPERANDS, "%s has %d operands", node->op->name, node->n_in);
    for (int i = 0; i < node->n_in; i++)
        in[i] = (fig_tensor){ graph->values[node->in[i]].type, data[node->in[i]] };
    for (int i = 0; i < node->n_out; i++) {
        const fig_type *type = &graph->values[node->first_out + i].type;
        out[i] = (fig_tensor){ *type, fig__alloc(fig__bytes(type)) };
        data[node->first_out + i] = out[i].data;
    }
    if (node->op->flags & FIG_OP_VIEW) {
        memcpy(out[0].data, in[0].data, fig__bytes(&out[0].type));
        return;
    }
    FIG_BUG_IF(!node->op->reference, "%s has no reference loop", node->op->name);
    node->op->reference(
        &(fig_eval){ .n_in = node->n_in, .n_out = node->n_out, .in = in, .out = out, .attr = node->attr, .run = run });
}

void **interpret(const fig_graph *graph, const instance *t, const fig_node *roots, int n_roots, const fig_run *run)
{
    void **data = fig__alloc(sizeof *data * (size_t)graph->n_values);
    bool *needed = fig__alloc((size_t)graph->n_values);
    int32_t *ids = fig__alloc(sizeof *ids * (size_t)(n_roots + 1));
    for (int i = 0; i < n_roots; i++)
        ids[i] = roots[i].id;
    fig__mark_needed(graph, ids, n_roots, needed);
    for (int i = 0; i < t->operands; i++)
        data[t->operand[i].node.id] = t->operand[i].data;
    for (int32_t n = 0; n < graph->n_nodes; n++) {
        const fig__node *node = &graph->nodes[n];
        bool wanted = false;
        for (int i = 0; i < node->n_out; i++)
            wanted |= needed[node->first_out + i];
        if (wanted && !(node->op->flags & FIG_OP_LEAF))
            run_node(graph, node, data, run);
    }
    free(ids);
    free(needed);
    return data;
}

void interpret_free(const fig_graph *graph, const instance *t, void **data)
{
    for (int i = 0; i < t->operands; i++)
        data[t->operand[i].node.id] = NULL;
    for (int32_t v = 0; v < graph->n_values; v++)
        free(data[v]);
    free(data);
}
