/* cli/bench_graph.c - timing a plan of one graph whose inputs are named "a" to "d" */
#include "cli/bench.h"
#include <stdlib.h>
#include <string.h>

static fig_status run_plan(void *user, fig_error *err)
{
    static const fig_run_opts opts = { .seed = 1 };
    return fig_plan_run(user, &opts, err);
}

/* Small numbers of both signs; indices 0 to 15. */
static void fill_input(void *data, const fig_type *type)
{
    float *numbers = data;
    int32_t *indices = data;
    for (int64_t k = 0; k < fig_elements(type); k++)
        if (type->dtype == FIG_F32)
            numbers[k] = (float)(k * 2654435761u % 1000) * 1e-3f - 0.5f;
        else
            indices[k] = (int32_t)(k * 2654435761u % 16);
}

/* Fills the inputs; what they hold and what comes out is the least that has to be moved. */
static double fill_inputs(fig_plan *plan)
{
    static const char *const names[] = { "a", "b", "c", "d" };
    fig_type type;
    double bytes = 0;
    for (int i = 0; i < 4; i++) {
        void *data = fig_plan_input(plan, names[i], &type);
        if (!data)
            continue;
        fill_input(data, &type);
        bytes += 4.0 * (double)fig_elements(&type);
    }
    fig_plan_output(plan, 0, &type);
    return bytes + 4.0 * (double)fig_elements(&type);
}

fig_status cli_bench_time_graph(fig_session *session, fig_node output, const cli_bench_options *o, double limit,
                                cli_bench_result *out, fig_error *err)
{
    fig_store *store = NULL;
    fig_plan *plan = NULL;
    cli_bench_reset_peak();
    fig_status status = fig_store_new(session, &store, err);
    if (status == FIG_OK)
        status =
            fig_plan_compile(output.graph, store, &(fig_plan_opts){ .outputs = &output, .n_outputs = 1 }, &plan, err);
    if (status == FIG_OK)
        out->bytes = fill_inputs(plan);
    if (status == FIG_OK)
        status = cli_bench_time(o, limit, run_plan, plan, out, err);
    if (status == FIG_OK) {
        fig_plan_info info = fig_plan_get_info(plan);
        cli_bench_take_memory(&info, out);
    }
    if (status == FIG_OK && o->profile) {
        char *profile = fig_plan_profile(plan, 5);
        fputs(profile ? profile : "", stderr);
        free(profile);
    }
    fig_plan_free(plan);
    fig_store_free(store);
    return status;
}

fig_status cli_bench_graph(const cli_bench_job *job, cli_bench_result *out, fig_error *err)
{
    const fig_workload *w = job->w;
    int64_t batch = job->o->batch ? job->o->batch : w->batch;
    fig_graph *graph = fig_graph_new();
    fig_node output = w->graph(graph, batch);
    out->items = (double)batch;
    fig_status status = fig_graph_check(graph, err);
    if (status == FIG_OK)
        status = cli_bench_time_graph(job->session, output, job->o, job->o->seconds, out, err);
    fig_graph_free(graph);
    return status;
}
