/* ops/interpret.c - runs a graph by the reference loops, node after node: the oracle of the op tests
 *
 * Independent of passes, plans and kernels: every value has memory of its own, a view is copied. A loop is run here too, by
 * interpreting its body once per step. */
#include "cases.h"
#include <stdlib.h>
#include <string.h>

static void evaluate(const fig_graph *graph, const int32_t *roots, int n_roots, void **data, const fig_run *run);

/* Memory of inputs belongs to who gave it. */
static void free_made(const fig_graph *graph, void **data)
{
    for (int32_t v = 1; v < graph->n_values; v++)
        if (!(fig__node_of(graph, v)->op->flags & FIG_OP_LEAF))
            free(data[v]);
    free(data);
}

/* -- loops: slices of sequences in, one body run, states on and outputs into their places --------------------------- */

static void feed(const fig_graph *body, void **data, const char *role, int index, void *value)
{
    char name[32];
    snprintf(name, sizeof name, "%s%d", role, index);
    int32_t leaf = fig__find_leaf(body, &fig_op_input, name);
    if (leaf >= 0)
        data[leaf] = value;
}

static void *slice(const fig_tensor *sequence, int64_t t)
{
    return (char *)sequence->data + fig__bytes(&sequence->type) / (size_t)sequence->type.dim[0] * (size_t)t;
}

static void scan_step(const fig__scan *s, int64_t t, const fig_tensor *in, const fig_tensor *out, const fig_run *run)
{
    void **data = fig__alloc(sizeof *data * (size_t)s->body->n_values);
    int32_t *roots = fig__alloc(sizeof *roots * (size_t)(s->states + s->ys + 1));
    memcpy(roots, s->new_state, sizeof *roots * (size_t)s->states);
    memcpy(roots + s->states, s->y, sizeof *roots * (size_t)s->ys);
    for (int i = 0; i < s->states; i++) {
        feed(s->body, data, "state", i, out[i].data);
        if (s->keep)
            memcpy(slice(&out[s->states + s->ys + i], t), out[i].data, fig__bytes(&out[i].type));
    }
    for (int i = 0; i < s->xs; i++)
        feed(s->body, data, "x", i, slice(&in[s->states + i], t));
    for (int i = 0; i < s->fixeds; i++)
        feed(s->body, data, "fixed", i, in[s->states + s->xs + i].data);
    fig_run inside = *run;
    inside.step = fig__hash64(&t, sizeof t, run->step);
    evaluate(s->body, roots, s->states + s->ys, data, &inside);
    for (int i = 0; i < s->ys; i++)
        memcpy(slice(&out[s->states + i], t), data[s->y[i]], fig__bytes(&s->body->values[s->y[i]].type));
    void *next[FIG_MAX_OUTPUTS]; /* all are read before one is overwritten: a state may go on as another */
    for (int i = 0; i < s->states; i++) {
        next[i] = fig__alloc(fig__bytes(&out[i].type));
        memcpy(next[i], data[s->new_state[i]], fig__bytes(&out[i].type));
    }
    for (int i = 0; i < s->states; i++) {
        memcpy(out[i].data, next[i], fig__bytes(&out[i].type));
        free(next[i]);
    }
    free(roots);
    free_made(s->body, data);
}

static void run_scan(const fig__scan *s, const fig_tensor *in, const fig_tensor *out, const fig_run *run)
{
    for (int i = 0; i < s->states; i++)
        memcpy(out[i].data, in[i].data, fig__bytes(&in[i].type));
    for (int64_t k = 0; k < s->steps; k++)
        scan_step(s, s->reverse ? s->steps - 1 - k : k, in, out, run);
}

/* -- nodes -------------------------------------------------------------------------------------------------------- */

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
    if (node->op->flags & FIG_OP_VIEW)
        memcpy(out[0].data, in[0].data, fig__bytes(&out[0].type));
    else if (node->op == &fig_op_scan)
        run_scan(((const fig_scan_attr *)node->attr)->scan, in, out, run);
    else
        node->op->reference(&(fig_eval){
            .n_in = node->n_in, .n_out = node->n_out, .in = in, .out = out, .attr = node->attr, .run = run });
}

static void evaluate(const fig_graph *graph, const int32_t *roots, int n_roots, void **data, const fig_run *run)
{
    bool *needed = fig__alloc((size_t)graph->n_values);
    fig__mark_needed(graph, roots, n_roots, needed);
    for (int32_t n = 0; n < graph->n_nodes; n++) {
        const fig__node *node = &graph->nodes[n];
        bool wanted = false;
        for (int i = 0; i < node->n_out; i++)
            wanted |= needed[node->first_out + i];
        if (wanted && !(node->op->flags & FIG_OP_LEAF))
            run_node(graph, node, data, run);
    }
    free(needed);
}

void **interpret(const instance *t, const fig_node *roots, int n_roots, const fig_run *run)
{
    void **data = fig__alloc(sizeof *data * (size_t)t->graph->n_values);
    int32_t *ids = fig__alloc(sizeof *ids * (size_t)(n_roots + 1));
    for (int i = 0; i < n_roots; i++)
        ids[i] = roots[i].id;
    for (int i = 0; i < t->operands; i++)
        data[t->operand[i].node.id] = t->operand[i].data;
    evaluate(t->graph, ids, n_roots, data, run);
    free(ids);
    return data;
}

void interpret_free(const instance *t, void **data) { free_made(t->graph, data); }
