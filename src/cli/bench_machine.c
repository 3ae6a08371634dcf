/* cli/bench_machine.c - the machine's ceilings, through the same engine: matrix products and copying
 *
 * gemm: one f32 product of 1024 x 1024 matrices, 2 * 1024^3 operations. copy: 64 MiB read and 64 MiB written by an
 * element-by-element step, well past the caches. Memory is read from the kernel's high-water mark, which is set back
 * before each workload, so that one process can measure several. */
#include "cli/bench.h"
#include <malloc.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define GEMM_SIDE 1024
#define COPY_FLOATS (16 << 20)
#define MOST_RUNS 2000

static double now_seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

void cli_bench_summary(double *seconds, int n, cli_bench_result *out)
{
    qsort(seconds, (size_t)n, sizeof *seconds, by_size);
    out->steps = n;
    out->least = seconds[0];
    out->median = n % 2 ? seconds[n / 2] : (seconds[n / 2 - 1] + seconds[n / 2]) / 2;
}

void cli_bench_reset_peak(void)
{
    malloc_trim(0);
    FILE *file = fopen("/proc/self/clear_refs", "w");
    if (file) {
        fputs("5", file);
        fclose(file);
    }
}

double cli_bench_peak_mb(void)
{
    FILE *file = fopen("/proc/self/status", "r");
    char line[256];
    double kib = 0;
    while (file && fgets(line, sizeof line, file))
        if (sscanf(line, "VmHWM: %lf", &kib) == 1)
            break;
    if (file)
        fclose(file);
    return kib * 1024 / 1e6;
}

static fig_status time_plan(fig_plan *plan, double limit, cli_bench_result *out, fig_error *err)
{
    static const fig_run_opts opts = { .seed = 1 };
    double *seconds = malloc(sizeof *seconds * MOST_RUNS);
    if (!seconds)
        return fig_fail(err, FIG_E_LIMIT, "out of memory");
    int runs = 0;
    fig_status status = FIG_OK;
    for (int i = 0; i < 3 && status == FIG_OK; i++)
        status = fig_plan_run(plan, &opts, err);
    for (double start = now_seconds(), at = start;
         status == FIG_OK && runs < MOST_RUNS && (runs < 3 || at - start < limit); runs++) {
        double before = at;
        status = fig_plan_run(plan, &opts, err);
        at = now_seconds();
        seconds[runs] = at - before;
    }
    if (status == FIG_OK)
        cli_bench_summary(seconds, runs, out);
    free(seconds);
    return status;
}

/* Compiles and times a graph of the inputs "a" and "b" (either may be absent), which are filled with small numbers. */
static fig_status time_graph(fig_session *session, fig_node output, double limit, cli_bench_result *out, fig_error *err)
{
    fig_store *store = NULL;
    fig_plan *plan = NULL;
    fig_status status = fig_store_new(session, &store, err);
    cli_bench_reset_peak();
    if (status == FIG_OK)
        status =
            fig_plan_compile(output.graph, store, &(fig_plan_opts){ .outputs = &output, .n_outputs = 1 }, &plan, err);
    static const char *const names[] = { "a", "b" };
    for (int i = 0; status == FIG_OK && i < 2; i++) {
        fig_type type;
        float *data = fig_plan_input(plan, names[i], &type);
        for (int64_t k = 0; data && k < fig_elements(&type); k++)
            data[k] = (float)(k * 2654435761u % 1000) * 1e-3f - 0.5f;
    }
    if (status == FIG_OK)
        status = time_plan(plan, limit, out, err);
    if (status == FIG_OK) {
        fig_plan_info info = fig_plan_get_info(plan);
        out->planned_mb = (double)(info.planned_bytes + info.state_bytes) / 1e6;
        out->peak_rss_mb = cli_bench_peak_mb();
    }
    fig_plan_free(plan);
    fig_store_free(store);
    return status;
}

fig_status cli_bench_gemm(fig_session *session, double seconds, cli_bench_result *out, fig_error *err)
{
    fig_graph *graph = fig_graph_new();
    fig_type square = FIG_SHAPE(GEMM_SIDE, GEMM_SIDE);
    fig_node product = fig_matmul(fig_input(graph, "a", square), fig_input(graph, "b", square), NULL);
    *out = (cli_bench_result){ .workload = "gemm", .items = 1, .flops = 2.0 * GEMM_SIDE * GEMM_SIDE * GEMM_SIDE };
    fig_status status = time_graph(session, product, seconds, out, err);
    fig_graph_free(graph);
    return status;
}

fig_status cli_bench_copy(fig_session *session, double seconds, cli_bench_result *out, fig_error *err)
{
    fig_graph *graph = fig_graph_new();
    fig_node copy = fig_neg(fig_input(graph, "a", FIG_SHAPE(COPY_FLOATS)));
    *out = (cli_bench_result){ .workload = "copy", .items = COPY_FLOATS, .bytes = 2.0 * sizeof(float) * COPY_FLOATS };
    fig_status status = time_graph(session, copy, seconds, out, err);
    fig_graph_free(graph);
    return status;
}
