/* exec/run.c - running a plan; its inputs, outputs, and the search for a value that is not finite */
#include "exec/exec.h"
#include "kernels/parallel.h"
#include "ops/bf16.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { SHORTEST_STRETCH = 8 }; /* steps that share their work: starting a team for fewer gains nothing */

fig_plan_info fig_plan_get_info(const fig_plan *plan)
{
    return plan->info;
}

void *fig_plan_input(fig_plan *plan, const char *name, fig_type *type)
{
    int32_t v = fig__find_leaf(plan->graph, &fig_op_input, name);
    if (v < 0 || plan->dry)
        return NULL;
    if (type)
        *type = plan->graph->values[v].type;
    return plan->data[v];
}

bool fig_plan_set_scalar(fig_plan *plan, const char *name, float value)
{
    int32_t v = fig__find_leaf(plan->graph, &fig_op_scalar, name);
    if (v < 0 || plan->dry)
        return false;
    *(float *)plan->data[v] = value;
    return true;
}

const void *fig_plan_output(const fig_plan *plan, int index, fig_type *type)
{
    FIG_BUG_IF(index < 0 || index >= plan->n_outputs || plan->dry, "plan output %d of %d", index, plan->n_outputs);
    int32_t v = plan->output[index];
    if (type)
        *type = plan->graph->values[v].type;
    return plan->data[v];
}

static bool lies_in(const fig_graph *g, int32_t value, int32_t root)
{
    while (fig__node_of(g, value)->op->flags & FIG_OP_VIEW)
        value = fig__node_of(g, value)->in[0];
    return value == root;
}

void fig__plan_bind(fig_plan *plan, int32_t input, void *data)
{
    const fig_graph *g = plan->graph;
    if (plan->data[input] == data)
        return;
    for (int32_t v = 1; v < g->n_values; v++)
        if (lies_in(g, v, input))
            plan->data[v] = data;
    for (int i = 0; i < plan->n_steps; i++) {
        fig_tensor *in = (fig_tensor *)plan->step[i].eval.in; /* the plan's own; const is for kernels */
        for (int k = 0; k < plan->step[i].eval.n_in; k++)
            in[k].data = plan->data[g->nodes[plan->step[i].node].in[k]];
    }
}

/* All copies read before any writes: assigned values never alias a state that another copy overwrites, since a value
 * given from outside was copied at compile time. */
void fig__plan_copy_states(const fig_plan *plan)
{
    for (int i = 0; i < plan->n_copies; i++)
        memcpy(plan->copy[i].to, plan->copy[i].from, plan->copy[i].bytes);
}

void fig_plan_renew(fig_plan *plan)
{
    plan->stale = true;
}

typedef struct stretch {
    fig_plan *plan;
    int begin, end;
    double *least;
} stretch;

static void run_stretch(void *context)
{
    const stretch *s = context;
    for (int i = s->begin; i < s->end; i++) {
        double from = s->least ? fig__seconds() : 0;
        fig__team_ahead(s->plan->run.team, s->plan->step[i].ahead);
        s->plan->step[i].run(&s->plan->step[i].eval);
        double took = s->least ? fig__seconds() - from : 0;
        if (s->least && took < s->least[i])
            s->least[i] = took;
    }
}

/* One team does a whole stretch of steps that need no other threads: decoding a token is a hundred steps of microseconds. */
void fig__plan_steps(fig_plan *plan, int begin, int end, double *least)
{
    for (int from = begin, to; from < end; from = to) {
        int sharing = 0;
        for (to = from; to < end && plan->step[to].team; to++)
            sharing += plan->step[to].shares;
        bool together = sharing >= SHORTEST_STRETCH;
        for (; !together && to < end && (to == from || !plan->step[to].team);)
            to++;
        fig__with_team(together ? plan->session->threads : 1, &plan->run.team, run_stretch, &(stretch){ plan, from, to, least });
    }
}

void fig__plan_run_once(fig_plan *plan)
{
    if (plan->stale)
        fig__plan_steps(plan, 0, plan->n_once, NULL);
    plan->stale = false;
}

void fig__plan_run_inside(fig_plan *plan, const fig_run *run)
{
    plan->run = *run;
    plan->run.threads = plan->session->threads;
    plan->stale |= plan->keeps && plan->seen != *plan->store->version;
    if (plan->stale)
        fig__plan_run_once(plan);
    fig__plan_steps(plan, plan->n_once, plan->n_steps, NULL);
    fig__plan_copy_states(plan);
    plan->run.team = NULL; /* it ends with the run that led it */
    if (plan->store && plan->graph->n_assigns)
        plan->seen = ++*plan->store->version;
    else if (plan->store)
        plan->seen = *plan->store->version;
}

void fig__plan_enter(fig_plan *plan, int *saved)
{
    pthread_mutex_lock(&plan->session->lock);
    fig__threads_enter(plan->session->threads, saved);
}

void fig__plan_leave(fig_plan *plan, int saved)
{
    fig__threads_leave(saved);
    pthread_mutex_unlock(&plan->session->lock);
}

static fig_run run_of(const fig_plan *plan, const fig_run_opts *opts)
{
    fig_run run = {.threads = plan->session->threads};
    if (opts) {
        run.seed = opts->seed;
        run.step = opts->step;
        run.first_row = opts->first_row;
    }
    return run;
}

fig_status fig_plan_run(fig_plan *plan, const fig_run_opts *opts, fig_error *err)
{
    if (plan->dry)
        return fig_fail(err, FIG_E_USAGE, "a dry plan measures only and cannot run");
    int saved;
    fig_run run = run_of(plan, opts);
    fig__plan_enter(plan, &saved);
    fig__plan_run_inside(plan, &run);
    fig__plan_leave(plan, saved);
    return FIG_OK;
}

/* -- not finite ---------------------------------------------------------------------------------------------------- */

static bool finite_tensor(const fig_tensor *t)
{
    int64_t n = fig__count(&t->type);
    for (int64_t i = 0; t->type.dtype == FIG_BF16 && i < n; i++)
        if (!isfinite(fig__from_bf16(((const uint16_t *)t->data)[i])))
            return false;
    if (t->type.dtype != FIG_F32)
        return true;
    const float *x = t->data;
    for (int64_t i = 0; i < n; i++)
        if (!isfinite(x[i]))
            return false;
    return true;
}

static char *describe(const fig_plan *plan, const fig__step *step)
{
    const fig__node *node = &plan->graph->nodes[step->node];
    char type[128];
    fig__type_text(&step->eval.out[0].type, type);
    return fig__format("%s%sthe result of \"%s\", %s", node->path, *node->path ? ": " : "", node->op->name, type);
}

char *fig_plan_find_nonfinite(fig_plan *plan, const fig_run_opts *opts)
{
    if (plan->dry)
        return NULL;
    char *found = NULL;
    int saved;
    fig__plan_enter(plan, &saved);
    plan->run = run_of(plan, opts);
    const fig_graph *g = plan->graph;
    for (int32_t n = 0; n < g->n_nodes && !found; n++) {
        const fig__node *node = &g->nodes[n];
        fig_tensor leaf = {g->values[node->first_out].type, plan->data[node->first_out]};
        if ((node->op->flags & FIG_OP_LEAF) && !finite_tensor(&leaf))
            found = fig__format("%s \"%s\"", node->op->name, ((const fig_leaf_attr *)node->attr)->name);
    }
    for (int i = 0; i < plan->n_steps && !found; i++) {
        fig__step *step = &plan->step[i];
        step->run(&step->eval);
        for (int k = 0; k < step->eval.n_out && !found; k++)
            if (!finite_tensor(&step->eval.out[k]))
                found = describe(plan, step);
    }
    fig__plan_leave(plan, saved);
    return found;
}
