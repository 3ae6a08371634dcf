/* tests/plan_check.h - is a plan's memory laid out so that nobody's numbers are overwritten?
 *
 * Independent of how the layout was made: the plan's steps are walked with a map from every 64 bytes of memory to
 * the value that lies there. An operand must still lie where it is read; a result may only cover an operand of the
 * same step where the kernel says that it works in place. At the end outputs and new states must lie where they will
 * be looked for. */
#ifndef PLAN_CHECK_H
#define PLAN_CHECK_H

#include "exec/exec.h"
#include "test.h"

enum { HELD_BY_WORKSPACE = -2 };

typedef struct plan_check {
    const fig_plan *plan;
    fig__index holder; /* address / 64 -> value */
    bool good;
} plan_check;

static inline int32_t check_root(const fig_graph *g, int32_t v)
{
    while (fig__node_of(g, v)->op->flags & FIG_OP_VIEW)
        v = fig__node_of(g, v)->in[0];
    return v;
}

static inline void check_complain(plan_check *c, int32_t node, int32_t value, int32_t found, const char *what)
{
    const fig__node *at = node < c->plan->graph->n_nodes ? &c->plan->graph->nodes[node] : NULL;
    if (c->good)
        TEST_FAIL("layout: step of node %d (%s): value %d: %s (%d there)", node, at ? at->op->name : "end", value, what,
                  found);
    c->good = false;
}

static inline void check_hold(plan_check *c, const void *data, size_t bytes, int32_t value)
{
    for (size_t at = 0; at < bytes; at += 64)
        *fig__index_at(&c->holder, ((uint64_t)(uintptr_t)data + at) / 64, -1) = value;
}

/* The value (or its root) lies whole at its place. */
static inline void check_there(plan_check *c, int32_t node, int32_t value, const char *what)
{
    size_t bytes = fig__bytes(&c->plan->graph->values[value].type);
    int32_t root = check_root(c->plan->graph, value);
    for (size_t at = 0; at < bytes; at += 64) {
        int64_t found = fig__index_get(&c->holder, ((uint64_t)(uintptr_t)c->plan->data[value] + at) / 64, -1);
        if (found != root)
            check_complain(c, node, value, (int32_t)found, what);
    }
}

static inline bool check_overlap(const void *a, size_t a_bytes, const void *b, size_t b_bytes)
{
    a_bytes = (a_bytes + 63) / 64 * 64, b_bytes = (b_bytes + 63) / 64 * 64;
    return (const char *)a < (const char *)b + b_bytes && (const char *)b < (const char *)a + a_bytes;
}

static inline bool check_in_place(const fig_plan *plan, const fig__step *step, int operand, int output)
{
    const fig__node *node = &plan->graph->nodes[step->node];
    const fig_tensor *in = &step->eval.in[operand], *out = &step->eval.out[output];
    unsigned bits = step->kernel ? step->kernel->inplace : (node->op->flags & FIG_OP_INPLACE) != 0;
    bool asked = operand < 32 && (bits >> operand & 1);
    if (!asked || in->data != out->data || !fig__types_equal(&in->type, &out->type))
        return false;
    if (node->op == &fig_op_fused) {
        const fig_fused_program *p = ((const fig_fused_attr *)node->attr)->program;
        return fig__shapes_equal(&p->space, &in->type) && !p->reduce[output];
    }
    return output == 0;
}

static inline void check_step(plan_check *c, const fig__step *step)
{
    const fig_plan *plan = c->plan;
    const fig__node *node = &plan->graph->nodes[step->node];
    for (int i = 0; i < node->n_in; i++)
        check_there(c, step->node, node->in[i], "an operand was overwritten");
    for (int k = 0; k < node->n_out; k++) {
        const fig_tensor *out = &step->eval.out[k];
        for (int i = 0; i < node->n_in; i++)
            if (check_overlap(out->data, fig__bytes(&out->type), step->eval.in[i].data,
                              fig__bytes(&step->eval.in[i].type)) &&
                !check_in_place(plan, step, i, k))
                check_complain(c, step->node, node->first_out + k, node->in[i], "covers an operand of its own step");
        for (int j = 0; j < k; j++)
            if (check_overlap(out->data, fig__bytes(&out->type), step->eval.out[j].data,
                              fig__bytes(&step->eval.out[j].type)))
                check_complain(c, step->node, node->first_out + k, node->first_out + j, "covers another result");
        if (step->workspace && check_overlap(out->data, fig__bytes(&out->type), step->eval.workspace, step->workspace))
            check_complain(c, step->node, node->first_out + k, HELD_BY_WORKSPACE, "covers the workspace");
        check_hold(c, out->data, fig__bytes(&out->type), node->first_out + k);
    }
    for (int i = 0; step->workspace && i < node->n_in; i++)
        if (check_overlap(step->eval.workspace, step->workspace, step->eval.in[i].data,
                          fig__bytes(&step->eval.in[i].type)))
            check_complain(c, step->node, node->in[i], HELD_BY_WORKSPACE, "the workspace covers an operand");
    if (step->workspace)
        check_hold(c, step->eval.workspace, step->workspace, HELD_BY_WORKSPACE);
}

/* Fails the test and returns false when something lies wrong. */
static inline bool check_plan_layout(const fig_plan *plan)
{
    const fig_graph *g = plan->graph;
    plan_check c = {.plan = plan, .good = true};
    for (int32_t n = 0; n < g->n_nodes; n++)
        if (g->nodes[n].op->flags & (FIG_OP_LEAF | FIG_OP_CONSTANT))
            check_hold(&c, plan->data[g->nodes[n].first_out], fig__bytes(&g->values[g->nodes[n].first_out].type),
                       g->nodes[n].first_out);
    for (int i = 0; i < plan->n_steps; i++)
        check_step(&c, &plan->step[i]);
    for (int i = 0; i < plan->n_outputs; i++)
        check_there(&c, g->n_nodes, plan->output[i], "an output was overwritten");
    int copies = 0;
    for (int i = 0; i < g->n_assigns; i++) {
        const fig__assign *a = &g->assigns[i];
        check_there(&c, g->n_nodes, a->value, "a new state was overwritten");
        if (copies < plan->n_copies && plan->copy[copies].to == plan->data[a->state]) {
            if (plan->copy[copies].from != plan->data[a->value])
                check_complain(&c, g->n_nodes, a->value, -1, "copied from elsewhere");
            copies++;
        } else if (plan->data[a->value] != plan->data[a->state]) {
            check_complain(&c, g->n_nodes, a->value, -1, "a new state is neither in place nor copied");
        }
    }
    if (copies != plan->n_copies)
        check_complain(&c, g->n_nodes, 0, -1, "copies without an assignment");
    for (int i = 0; i < plan->n_copies; i++) /* no copy may destroy what a later one reads */
        for (int j = i + 1; j < plan->n_copies; j++)
            if (check_overlap(plan->copy[i].to, plan->copy[i].bytes, plan->copy[j].from, plan->copy[j].bytes))
                check_complain(&c, g->n_nodes, 0, -1, "a copy overwrites what a later one reads");
    for (int i = 0; i < plan->n_copies; i++)
        for (int k = 0; k < plan->n_outputs; k++)
            if (check_overlap(plan->copy[i].to, plan->copy[i].bytes, plan->data[plan->output[k]],
                              fig__bytes(&g->values[plan->output[k]].type)))
                check_complain(&c, g->n_nodes, plan->output[k], -1, "a copy overwrites an output");
    fig__index_free(&c.holder);
    return c.good;
}

#endif
