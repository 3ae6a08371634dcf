/* cli/bench.h - what the files of `figment bench` share
 *
 * How to add a workload: a `const fig_workload fig_workload_NAME` at the end of the file it fits (bench_training.c: training
 * and sampling steps of a recipe; bench_machine.c: ceilings; a new one for a new kind) and a row in workloads.def. The
 * entries op:NAME, one for each family of operations, are rows of bench_ops.c. */
#ifndef FIG_CLI_BENCH_H
#define FIG_CLI_BENCH_H

#include "cli/command.h"

typedef struct cli_bench_options {
    int64_t steps, batch, threads;
    double seconds;
    char *preset, *set, *data, *precision, *memory_budget, *compare;
    bool profile, tune, no_tune, list, json;
} cli_bench_options;

typedef struct cli_bench_result {
    const char *workload, *summary, *precision; /* what it ran in: f32, bf16; of tokens also int8, for weights */
    int steps;                     /* timed */
    double median, least;          /* seconds a step */
    double items;                  /* that a step processes: pictures, tokens, products */
    double flops;                  /* a step, counted from the graph */
    double bytes;                  /* that a step moves at least, where that may be the measure; else 0 */
    double planned_mb, live_mb;    /* memory as planned; the most that is alive at one moment: no plan can do with less */
    double forecast_mb, peak_rss_mb; /* of the process: planned and what comes beside; as it was */
    double startup, tuning;        /* seconds from nothing to the first step; the part in which kernels were measured */
    double before, before_peak_mb; /* of --compare; 0 = not there */
    char *kernels;                 /* --tune: the measured choices that were used, heap text; NULL = none */
} cli_bench_result;

typedef struct fig_workload fig_workload;

/* What a workload is run with. */
typedef struct cli_bench_job {
    fig_cli *cli;
    const cli_bench_options *o;
    fig_session *session;
    const fig_workload *w;
    const char *const *set; /* of --set, NULL-terminated */
} cli_bench_job;

struct fig_workload {
    const char *name, *summary;
    fig_status (*run)(const cli_bench_job *job, cli_bench_result *out, fig_error *err);
    /* a recipe's steps */
    const fig_recipe *recipe; /* one of the bench's own, or */
    const char *recipe_name;  /* one that everybody has; its preset is named like the workload unless .preset is given */
    const char *preset;
    const char *data;         /* gives the shapes; the values are random */
    int batch;                /* the preset's, for items a second */
    int items;                /* per row of the batch: 1, or tokens of a window */
    const char *sampler;      /* sampling: its name; NULL = the first */
    int64_t length;           /* sampling of tokens: longest sequence */
    bool greedy;              /* the likeliest token instead of a draw */
    /* one graph */
    fig_node (*graph)(fig_graph *graph, int64_t batch); /* its inputs are named "a" to "d" */
};

/* -- bench.c */
const fig_workload *cli_workload_at(int index); /* NULL after the last */

/* -- bench_training.c: whole training steps, and steps of a sampler, of a recipe with random weights */
fig_status cli_bench_training(const cli_bench_job *job, cli_bench_result *out, fig_error *err);
fig_status cli_bench_sampling(const cli_bench_job *job, cli_bench_result *out, fig_error *err);
/* For recipes of the bench's own: no options, pictures from -1 to 1 (with labels, where the recipe reads them), first values as
 * PyTorch's. */
extern const fig_option cli_bench_no_options[];
fig_status cli_bench_request_pictures(const void *options, const fig_data_info *found, fig_data_request *request, fig_error *err);
void cli_bench_init_fan_in(fig_model *model);

/* -- bench_graph.c: a plan of one graph */
fig_status cli_bench_graph(const cli_bench_job *job, cli_bench_result *out, fig_error *err);
fig_status cli_bench_time_graph(fig_session *session, fig_node output, const cli_bench_options *o, double limit,
                                cli_bench_result *out, fig_error *err);

/* -- bench_ops.c: op:NAME */
const fig_workload *cli_bench_op_at(int index); /* NULL after the last */

/* -- bench_machine.c: the machine's ceilings */
typedef struct cli_bench_ceilings {
    cli_bench_result gemm, copy;
} cli_bench_ceilings;
fig_status cli_bench_ceilings_measure(fig_session *session, double seconds, cli_bench_ceilings *out, fig_error *err);
double cli_bench_gemm_gflops(const cli_bench_ceilings *top);
double cli_bench_copy_gbps(const cli_bench_ceilings *top);

/* -- bench_time.c: clocks and memory */
#define CLI_BENCH_MOST_STEPS 2000
double cli_bench_now(void);
/* Runs `step` until `o` is satisfied: o->steps times, or for about `limit` seconds and at least three times; warms up before. */
fig_status cli_bench_time(const cli_bench_options *o, double limit, fig_status (*step)(void *user, fig_error *err), void *user,
                          cli_bench_result *out, fig_error *err);
/* The most memory this process has held since the last reset, in MB (10^6 bytes). */
void cli_bench_reset_peak(void);
double cli_bench_peak_mb(void);
void cli_bench_take_memory(const fig_plan_info *info, cli_bench_result *out);

/* -- bench_print.c */
void cli_bench_print(const cli_bench_options *o, fig_session *session, const cli_bench_ceilings *top,
                     const cli_bench_result *results, int count);
/* Reads an earlier --json document into .before of the results. */
fig_status cli_bench_compare(const char *path, cli_bench_result *results, int count, fig_error *err);

#endif
