/* exec/recomputed.c - what a plan computes a second time to stay within its budget, by layer */
#include "exec/exec.h"

#include <stdlib.h>
#include <string.h>

typedef struct row {
    char *layer;
    int steps;
    double bytes, flops;
} row;

/* The first `depth` names of a path; heap text. */
static char *first_names(const char *path, int depth)
{
    size_t length = 0;
    for (int i = 0; i < depth && path[length]; i++)
        length += (length > 0) + strcspn(path + length + (length > 0), ".");
    return fig__format("%.*s", (int)length, path);
}

static double flops_of(const fig_graph *g, const fig__node *node)
{
    if (!node->op->flops)
        return 0;
    fig_error err = { 0 };
    fig_type *in = fig__alloc(sizeof *in * (size_t)(node->n_in + 1)), out[FIG_MAX_OUTPUTS];
    for (int i = 0; i < node->n_in; i++)
        in[i] = g->values[node->in[i]].type;
    for (int i = 0; i < node->n_out; i++)
        out[i] = g->values[node->first_out + i].type;
    fig_infer infer = {
        .n_in = node->n_in, .n_out = node->n_out, .in = in, .out = out, .attr = node->attr, .err = &err
    };
    double flops = node->op->flops(&infer);
    free(in);
    return flops;
}

static int collect(const fig_graph *g, int depth, row *rows)
{
    int count = 0;
    for (int32_t n = 0; n < g->n_nodes; n++) {
        const fig__node *node = &g->nodes[n];
        if (!node->again)
            continue;
        char *layer = first_names(node->path, depth);
        int at = 0;
        while (at < count && strcmp(rows[at].layer, layer))
            at++;
        if (at == count)
            rows[count++] = (row){ .layer = layer };
        else
            free(layer);
        rows[at].steps++;
        rows[at].flops += flops_of(g, node);
        for (int i = 0; i < node->n_out; i++)
            rows[at].bytes += (double)fig__bytes(&g->values[node->first_out + i].type);
    }
    return count;
}

char *fig_plan_recomputed_json(const fig_plan *plan, int most)
{
    const fig_graph *g = plan->graph;
    row *rows = fig__alloc(sizeof *rows * (size_t)(g->n_nodes + 1));
    int count = 0;
    for (int depth = 6; depth >= 0; depth--) {
        for (int i = 0; i < count; i++)
            free(rows[i].layer);
        count = collect(g, depth, rows);
        if (count <= most)
            break;
    }
    fig__text out;
    fig__text_init(&out, 1u << 20);
    fig__text_add(&out, "[", 1);
    for (int i = 0; i < count; i++) {
        fig__text_print(&out, "%s{\"layer\": ", i ? ", " : "");
        fig__json_put_text(&out, rows[i].layer);
        fig__text_print(&out, ", \"steps\": %d, \"mb\": %.1f, \"flops\": %.0f}", rows[i].steps, rows[i].bytes / 1e6, rows[i].flops);
        free(rows[i].layer);
    }
    fig__text_add(&out, "]", 1);
    free(rows);
    return out.data;
}
