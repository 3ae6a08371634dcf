/* exec/profile.c - where a plan's time goes: a table of its steps, equal ones together
 *
 * A row is a kernel with its op and the shape of its result; the time of a step is the least of several runs, so that whatever else
 * the machine does counts little. Operations are the op's own count; bytes are operands and
 * results, each once, which is the least that has to be moved when nothing is in a cache. The layers of a row are shown as the part
 * of their paths that all have in common. */
#include "exec/exec.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct row {
    const char *name, *op;
    char shape[128], path[96];
    double seconds, flops, bytes;
    int calls;
} row;

static int by_seconds(const void *a, const void *b)
{
    double x = ((const row *)a)->seconds, y = ((const row *)b)->seconds;
    return (x < y) - (x > y);
}

static double flops_of(const fig_plan *plan, const fig__step *step)
{
    const fig__node *node = &plan->graph->nodes[step->node];
    if (!node->op->flops)
        return 0;
    fig_error err = { 0 };
    fig_type *in = fig__alloc(sizeof *in * (size_t)(node->n_in + 1)), out[FIG_MAX_OUTPUTS];
    for (int i = 0; i < node->n_in; i++)
        in[i] = step->eval.in[i].type;
    for (int i = 0; i < node->n_out; i++)
        out[i] = step->eval.out[i].type;
    fig_infer infer = {
        .n_in = node->n_in, .n_out = node->n_out, .in = in, .out = out, .attr = node->attr, .err = &err
    };
    double flops = node->op->flops(&infer);
    free(in);
    return flops;
}

static double bytes_of(const fig__step *step)
{
    double bytes = 0;
    for (int i = 0; i < step->eval.n_in; i++)
        bytes += (double)fig__bytes(&step->eval.in[i].type);
    for (int i = 0; i < step->eval.n_out; i++)
        bytes += (double)fig__bytes(&step->eval.out[i].type);
    return bytes;
}

/* Cuts `path` back to what it shares with `other`, at a dot. */
static void keep_common(char *path, const char *other)
{
    size_t i = 0, dot = 0;
    while (path[i] && path[i] == other[i]) {
        if (path[i] == '.')
            dot = i;
        i++;
    }
    if (path[i] || (other[i] && other[i] != '.'))
        path[dot] = 0;
}

static row *add_row(row *rows, int *count, const row *wanted)
{
    for (int i = 0; i < *count; i++)
        if (!strcmp(rows[i].name, wanted->name) && !strcmp(rows[i].op, wanted->op) &&
            !strcmp(rows[i].shape, wanted->shape)) {
            keep_common(rows[i].path, wanted->path);
            return &rows[i];
        }
    rows[*count] = *wanted;
    return &rows[(*count)++];
}

static void time_steps(fig_plan *plan, int runs, double *seconds)
{
    int saved;
    fig__plan_enter(plan, &saved);
    fig__plan_run_once(plan);
    for (int i = 0; i < plan->n_steps; i++)
        seconds[i] = INFINITY;
    for (int r = 0; r < runs; r++) {
        fig__plan_steps(plan, plan->n_once, plan->n_steps, seconds);
        fig__plan_copy_states(plan);
    }
    fig__plan_leave(plan, saved);
}

static int collect(const fig_plan *plan, const double *seconds, row *rows)
{
    int count = 0;
    for (int i = plan->n_once; i < plan->n_steps; i++) {
        const fig__step *step = &plan->step[i];
        const fig__node *node = &plan->graph->nodes[step->node];
        row wanted = { .name = step->kernel ? step->kernel->name : "reference", .op = node->op->name };
        fig__type_text(&step->eval.out[0].type, wanted.shape);
        snprintf(wanted.path, sizeof wanted.path, "%s", node->path ? node->path : "");
        row *r = add_row(rows, &count, &wanted);
        r->seconds += seconds[i];
        r->flops += flops_of(plan, step);
        r->bytes += bytes_of(step);
        r->calls++;
    }
    return count;
}

char *fig_plan_profile(fig_plan *plan, int runs)
{
    if (plan->dry)
        return fig__strdup("");
    double *seconds = fig__alloc(sizeof *seconds * (size_t)(plan->n_steps + 1)), total = 0, flops = 0;
    row *rows = fig__alloc(sizeof *rows * (size_t)(plan->n_steps + 1));
    time_steps(plan, runs > 0 ? runs : 1, seconds);
    int count = collect(plan, seconds, rows);
    qsort(rows, (size_t)count, sizeof *rows, by_seconds);
    for (int i = 0; i < count; i++)
        total += rows[i].seconds, flops += rows[i].flops;
    fig__text out;
    fig__text_init(&out, 1u << 24);
    fig__text_print(&out, "%-34s %-28s %-24s %6s %10s %7s %8s %7s  %s\n", "kernel", "op", "result", "calls", "ms",
                    "share", "GFLOP/s", "GB/s", "layers");
    for (int i = 0; i < count; i++)
        fig__text_print(&out, "%-34s %-28s %-24s %6d %10.4f %6.1f%% %8.1f %7.1f  %s\n", rows[i].name, rows[i].op,
                        rows[i].shape, rows[i].calls, rows[i].seconds * 1e3,
                        100 * rows[i].seconds / (total > 0 ? total : 1), rows[i].flops / rows[i].seconds / 1e9,
                        rows[i].bytes / rows[i].seconds / 1e9, rows[i].path);
    fig__text_print(&out, "%-34s %-28s %-24s %6d %10.4f %7s %8.1f\n", "total", "", "", plan->n_steps - plan->n_once, total * 1e3, "",
                    total > 0 ? flops / total / 1e9 : 0);
    free(rows);
    free(seconds);
    return out.data;
}
