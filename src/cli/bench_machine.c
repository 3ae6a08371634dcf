/* cli/bench_machine.c - the machine's ceilings, through the same engine: matrix products and copying
 *
 * gemm: one f32 product of 1024 x 1024 matrices, 2 * 1024^3 operations. copy: 64 MiB read and 64 MiB written by an
 * element-by-element step, well past the caches. Every call of `figment bench` measures both first. */
#include "cli/bench.h"

#define GEMM_SIDE 1024
#define COPY_FLOATS (16 << 20)

static fig_node gemm_graph(fig_graph *graph, int64_t batch)
{
    fig_type square = FIG_SHAPE(GEMM_SIDE, GEMM_SIDE);
    (void)batch;
    return fig_matmul(fig_input(graph, "a", square), fig_input(graph, "b", square), NULL);
}

static fig_node copy_graph(fig_graph *graph, int64_t batch)
{
    (void)batch;
    return fig_neg(fig_input(graph, "a", FIG_SHAPE(COPY_FLOATS)));
}

static fig_status measure(fig_session *session, fig_node (*build)(fig_graph *, int64_t), double seconds,
                          cli_bench_result *out, fig_error *err)
{
    static const cli_bench_options plain = { 0 };
    fig_graph *graph = fig_graph_new();
    fig_status status = cli_bench_time_graph(session, build(graph, 1), &plain, seconds, out, err);
    fig_graph_free(graph);
    return status;
}

fig_status cli_bench_ceilings_measure(fig_session *session, double seconds, cli_bench_ceilings *out, fig_error *err)
{
    out->gemm = (cli_bench_result){ .workload = "gemm", .precision = "f32", .items = 1 };
    out->copy = (cli_bench_result){ .workload = "copy", .precision = "f32", .items = COPY_FLOATS };
    FIG_TRY(measure(session, gemm_graph, seconds, &out->gemm, err));
    out->gemm.bytes = 0;
    return measure(session, copy_graph, seconds, &out->copy, err);
}

double cli_bench_gemm_gflops(const cli_bench_ceilings *top) { return top->gemm.flops / top->gemm.least / 1e9; }
double cli_bench_copy_gbps(const cli_bench_ceilings *top) { return top->copy.bytes / top->copy.least / 1e9; }

/* Without .run: the ceilings are measured before anything else, and these are what was found. */
const fig_workload fig_workload_gemm = { .name = "gemm", .summary = "ceiling: a 1024 x 1024 product, f32" };
const fig_workload fig_workload_copy = { .name = "copy", .summary = "ceiling: 64 MiB read and written" };
