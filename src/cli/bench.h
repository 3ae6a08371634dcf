/* cli/bench.h - what bench.c (training workloads) and bench_machine.c (the machine's ceilings) share */
#ifndef FIG_CLI_BENCH_H
#define FIG_CLI_BENCH_H

#include "cli/command.h"

typedef struct cli_bench_result {
    const char *workload;
    int steps;                    /* timed */
    double median, least;         /* seconds a step */
    double items;                 /* that a step processes: pictures, tokens, products */
    double flops;                 /* a step */
    double bytes;                 /* a step moves, where that is the measure; else 0 */
    double planned_mb, peak_rss_mb;
} cli_bench_result;

/* Runs a plan for about `seconds` and at least three times after warming up. */
fig_status cli_bench_gemm(fig_session *session, double seconds, cli_bench_result *out, fig_error *err);
fig_status cli_bench_copy(fig_session *session, double seconds, cli_bench_result *out, fig_error *err);
/* Median and least of n times (sorts them). */
void cli_bench_summary(double *seconds, int n, cli_bench_result *out);
/* The most memory this process has held since the last reset, in MB (10^6 bytes). */
void cli_bench_reset_peak(void);
double cli_bench_peak_mb(void);

#endif
