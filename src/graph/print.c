/* graph/print.c - a graph as text, one node a line, or as Graphviz; and its verification */
#include "graph/graph.h"

#include <stdlib.h>
#include <string.h>

static const char *leaf_name(const fig__node *node)
{
    bool named = node->op == &fig_op_input || node->op == &fig_op_state || node->op == &fig_op_scalar;
    return named ? ((const fig_leaf_attr *)node->attr)->name : NULL;
}

static void print_node(const fig_graph *g, const fig__node *node, fig__text *out)
{
    for (int i = 0; i < node->n_out; i++)
        fig__text_print(out, "%s%%%d", i ? ", " : "", node->first_out + i);
    fig__text_print(out, " = %s", node->op->name);
    for (int i = 0; i < node->n_in; i++)
        fig__text_print(out, "%s%%%d", i ? ", " : "(", node->in[i]);
    if (node->n_in)
        fig__text_print(out, ")");
    if (node->op->print && node->attr)
        node->op->print(node->attr, out);
    for (int i = 0; i < node->n_out; i++) {
        char type[128];
        fig__type_text(&g->values[node->first_out + i].type, type);
        fig__text_print(out, "%s%s", i ? "; " : " : ", type);
    }
    if (*node->path)
        fig__text_print(out, "  @%s", node->path);
    fig__text_print(out, node->again ? "  (again)\n" : "\n");
}

static void print_dot_node(const fig_graph *g, int index, fig__text *out)
{
    const fig__node *node = &g->nodes[index];
    char type[128];
    fig__type_text(&g->values[node->first_out].type, type);
    const char *name = leaf_name(node);
    fig__text_print(out, "  n%d [label=\"%s%s%s\\n%s\"%s];\n", index, node->op->name, name ? " " : "", name ? name : "",
                    type, node->n_in ? "" : ", shape=box");
    for (int i = 0; i < node->n_in; i++)
        fig__text_print(out, "  n%d -> n%d;\n", g->values[node->in[i]].node, index);
}

char *fig_graph_print(const fig_graph *g, bool dot)
{
    fig__text out;
    fig__text_init(&out, 1u << 28);
    if (dot)
        fig__text_print(&out, "digraph figment {\n  node [fontname=\"monospace\", fontsize=10];\n");
    for (int i = 0; i < g->n_nodes; i++) {
        if (dot)
            print_dot_node(g, i, &out);
        else
            print_node(g, &g->nodes[i], &out);
    }
    for (int i = 0; i < g->n_assigns; i++) {
        const fig__assign *a = &g->assigns[i];
        if (dot)
            fig__text_print(&out, "  n%d -> n%d [style=dashed, label=assign];\n", g->values[a->value].node,
                            g->values[a->state].node);
        else
            fig__text_print(&out, "%%%d := %%%d\n", a->state, a->value);
    }
    if (dot)
        fig__text_print(&out, "}\n");
    if (!out.data)
        return fig__strdup("");
    return out.data;
}

static fig_status verify_node(const fig_graph *g, const fig__node *node, fig_error *err)
{
    fig_type *in = fig__alloc(sizeof *in * (size_t)(node->n_in + 1));
    fig_type out[FIG_MAX_OUTPUTS];
    memset(out, 0, sizeof out);
    fig_status status = FIG_OK;
    for (int i = 0; i < node->n_in && status == FIG_OK; i++) {
        if (node->in[i] <= 0 || node->in[i] >= node->first_out)
            status = fig_fail(err, FIG_E_FAILED, "%s: operand %d is value %d, not an earlier one", node->op->name, i,
                              node->in[i]);
        else
            in[i] = g->values[node->in[i]].type;
    }
    fig_infer c = {.n_in = node->n_in, .n_out = 1, .in = in, .out = out, .attr = node->attr, .err = err};
    if (status == FIG_OK)
        status = fig__infer_stored(node->op, &c, node->stored);
    free(in);
    FIG_TRY(status);
    if (c.n_out != node->n_out)
        return fig_fail(err, FIG_E_FAILED, "%s: %d outputs, the shape rule says %d", node->op->name, node->n_out,
                        c.n_out);
    for (int i = 0; i < c.n_out; i++)
        if (!fig__types_equal(&out[i], &g->values[node->first_out + i].type))
            return fig_fail(err, FIG_E_FAILED, "%s: output %d differs from its shape rule", node->op->name, i);
    return FIG_OK;
}

fig_status fig__graph_verify(const fig_graph *g, fig_error *err)
{
    for (int i = 0; i < g->n_nodes; i++)
        FIG_TRY(verify_node(g, &g->nodes[i], err));
    for (int i = 0; i < g->n_assigns; i++)
        if (!fig__types_equal(&g->values[g->assigns[i].state].type, &g->values[g->assigns[i].value].type))
            return fig_fail(err, FIG_E_FAILED, "assignment %d: types differ", i);
    return FIG_OK;
}
