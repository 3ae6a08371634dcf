/* exec/run.c - running a plan; its inputs, outputs, profile and the search for a value that is not finite */
#include "exec/exec.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

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

/* All copies read before any writes: assigned values never alias a state that another copy overwrites, since a value
 * given from outside was copied at compile time. */
static void copy_states(const fig_plan *plan)
{
    for (int i = 0; i < plan->n_copies; i++)
        memcpy(plan->copy[i].to, plan->copy[i].from, plan->copy[i].bytes);
}

void fig__plan_run_inside(fig_plan *plan, const fig_run *run)
{
    plan->run = *run;
    plan->run.threads = plan->session->threads;
    for (int i = 0; i < plan->n_steps; i++)
        plan->step[i].run(&plan->step[i].eval);
    copy_states(plan);
}

static void begin(fig_plan *plan, int *saved)
{
    pthread_mutex_lock(&plan->session->lock);
    fig__threads_enter(plan->session->threads, saved);
}

static void end(fig_plan *plan, int saved)
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
    begin(plan, &saved);
    fig__plan_run_inside(plan, &run);
    end(plan, saved);
    return FIG_OK;
}

/* -- profile ------------------------------------------------------------------------------------------------------- */

typedef struct row { const char *name, *op; char shape[128]; double seconds, flops; int calls; } row;

static int by_seconds(const void *a, const void *b)
{
    double x = ((const row *)a)->seconds, y = ((const row *)b)->seconds;
    return (x < y) - (x > y);
}

static double flops_of(const fig_plan *plan, const fig__step *step)
{
    const fig__node *node = &plan->graph->nodes[step->node];
    fig_error err = {0};
    if (!node->op->flops)
        return 0;
    fig_type in[16], out[FIG_MAX_OUTPUTS];
    for (int i = 0; i < node->n_in && i < 16; i++)
        in[i] = step->eval.in[i].type;
    for (int i = 0; i < node->n_out; i++)
        out[i] = step->eval.out[i].type;
    fig_infer infer = {.n_in = node->n_in, .n_out = node->n_out, .in = in, .out = out, .attr = node->attr, .err = &err};
    return node->n_in <= 16 ? node->op->flops(&infer) : 0;
}

static row *add_row(row *rows, int *count, const row *wanted)
{
    for (int i = 0; i < *count; i++)
        if (!strcmp(rows[i].name, wanted->name) && !strcmp(rows[i].op, wanted->op) &&
            !strcmp(rows[i].shape, wanted->shape))
            return &rows[i];
    rows[*count] = *wanted;
    return &rows[(*count)++];
}

char *fig_plan_profile(fig_plan *plan, int runs)
{
    fig__text out;
    fig__text_init(&out, 1u << 24);
    if (plan->dry)
        return fig__strdup("");
    double *seconds = fig__alloc(sizeof *seconds * (size_t)(plan->n_steps + 1)), total = 0;
    int saved, count = 0;
    begin(plan, &saved);
    for (int r = 0; r < runs; r++) {
        for (int i = 0; i < plan->n_steps; i++) {
            double from = fig__seconds();
            plan->step[i].run(&plan->step[i].eval);
            seconds[i] += fig__seconds() - from;
        }
        copy_states(plan);
    }
    end(plan, saved);
    row *rows = fig__alloc(sizeof *rows * (size_t)(plan->n_steps + 1));
    for (int i = 0; i < plan->n_steps; i++) {
        const fig__step *step = &plan->step[i];
        row wanted = { .name = step->kernel ? step->kernel->name : "reference",
                       .op = plan->graph->nodes[step->node].op->name };
        fig__type_text(&step->eval.out[0].type, wanted.shape);
        row *r = add_row(rows, &count, &wanted);
        r->seconds += seconds[i] / runs;
        r->flops += flops_of(plan, step);
        r->calls++;
        total += seconds[i] / runs;
    }
    qsort(rows, (size_t)count, sizeof *rows, by_seconds);
    fig__text_print(&out, "%-34s %-28s %-30s %6s %10s %7s %8s\n", "kernel", "op", "result", "calls", "ms", "share",
                    "GFLOP/s");
    for (int i = 0; i < count; i++)
        fig__text_print(&out, "%-34s %-28s %-30s %6d %10.4f %6.1f%% %8.1f\n", rows[i].name, rows[i].op, rows[i].shape,
                        rows[i].calls, rows[i].seconds * 1e3, 100 * rows[i].seconds / (total > 0 ? total : 1),
                        rows[i].flops / rows[i].seconds / 1e9);
    fig__text_print(&out, "%-34s %-28s %-30s %6d %10.4f\n", "total", "", "", plan->n_steps, total * 1e3);
    free(rows);
    free(seconds);
    return out.data;
}

/* -- not finite ---------------------------------------------------------------------------------------------------- */

static bool finite_tensor(const fig_tensor *t)
{
    if (t->type.dtype != FIG_F32)
        return true;
    const float *x = t->data;
    int64_t n = fig__count(&t->type);
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
    begin(plan, &saved);
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
    end(plan, saved);
    return found;
}
