/* cli/bench.c - how long a training step takes, beside what the machine could do
 *
 * The training workloads are presets of the recipes with the names and shapes of common PyTorch benchmarks: same
 * layers, same batch, random data, a whole step (forward, backward, clipping, optimizer). Speeds are of this machine
 * at this moment: compare only runs of one sitting. The first result is the first workload named. */
#include "cli/bench.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define WARM_UP 3
#define MOST_STEPS 500

typedef struct workload {
    const char *name; /* also the preset's */
    const char *recipe;
    const char *data; /* gives the shapes; the values are random */
    int batch;        /* of the preset, for items a second */
    int items;        /* per row of the batch: 1, or tokens of a window */
} workload;

static const workload workloads[] = {
    { "mlp_gan", "gan", "random:28x28x1", 128, 1 },
    { "dcgan28", "dcgan", "random:28x28x1", 256, 1 },
    { "dcgan64", "dcgan", "random:64x64x3", 64, 1 },
    { "vae_mlp", "vae", "random:28x28x1", 128, 1 },
    { "vae_conv", "vae", "random:32x32x3", 128, 1 },
    { "gpt_nano_cpu", "gpt", "random:tokens:65", 12, 64 },
    { "gpt_nano_full", "gpt", "random:tokens:65", 64, 256 },
    { "gpt2_124m", "gpt", "random:tokens:50257", 4, 64 },
    { "gemm", NULL, NULL, 0, 0 },
    { "copy", NULL, NULL, 0, 0 },
};
enum { WORKLOADS = sizeof workloads / sizeof *workloads };

typedef struct bench_options {
    int64_t steps, batch, threads;
    double seconds;
    char *preset, *precision;
    bool profile, json;
} bench_options;

static const fig_option bench_option_table[] = {
    { "steps", FIG_INT, offsetof(bench_options, steps), 0, 0, MOST_STEPS,
      "timed steps; 0 = as many as fit into --seconds" },
    { "seconds", FIG_FLOAT, offsetof(bench_options, seconds), 10, 0.01, 3600,
      "time for a workload, at least three steps" },
    { "batch", FIG_INT, offsetof(bench_options, batch), 0, 0, 65536, "rows of a batch; 0 = the workload's own" },
    { "preset", FIG_TEXT, offsetof(bench_options, preset), .help = "another preset of the workload's recipe",
      .metavar = "NAME" },
    { "precision", FIG_TEXT, offsetof(bench_options, precision), .help = "arithmetic of the products",
      .fallback_text = "f32", .metavar = "f32" },
    { "threads", FIG_INT, offsetof(bench_options, threads), 0, 0, 1024, "threads; 0 = what the machine allows",
      .short_name = 't' },
    { "profile", FIG_BOOL, offsetof(bench_options, profile),
      .help = "also print the time of every step of the plan to standard error" },
    { "json", FIG_BOOL, offsetof(bench_options, json), .help = "one JSON document \"figment.bench/1\"" },
    { 0 },
};

static const workload *find_workload(const char *name, fig_error *err)
{
    fig_option table[WORKLOADS + 1];
    memset(table, 0, sizeof table);
    for (int i = 0; i < WORKLOADS; i++) {
        if (!strcmp(workloads[i].name, name))
            return &workloads[i];
        table[i].name = workloads[i].name;
        table[i].type = FIG_BOOL;
    }
    const char *near = fig_options_nearest(table, name);
    fig_fail(err, FIG_E_NOT_FOUND, "no workload \"%s\"; %s%s%s", name,
             near ? "did you mean " : "`figment help bench` lists all", near ? near : "", near ? "?" : "");
    return NULL;
}

/* -- one training workload ---------------------------------------------------------------------------------------- */

static fig_status time_steps(const bench_options *o, fig_trainer *trainer, cli_bench_result *out, fig_error *err)
{
    double *seconds = malloc(sizeof *seconds * MOST_STEPS);
    if (!seconds)
        return fig_fail(err, FIG_E_LIMIT, "out of memory");
    int steps = (int)o->steps;
    fig_status status = FIG_OK;
    if (!steps) { /* three steps tell how many fit */
        status = fig_trainer_bench(trainer, WARM_UP, 3, seconds, err);
        cli_bench_summary(seconds, 3, out);
        double fit = o->seconds / (out->median > 1e-9 ? out->median : 1e-9);
        steps = fit < 3 ? 3 : fit > MOST_STEPS ? MOST_STEPS : (int)fit;
    }
    if (status == FIG_OK)
        status = fig_trainer_bench(trainer, o->steps ? WARM_UP : 1, steps, seconds, err);
    if (status == FIG_OK)
        cli_bench_summary(seconds, steps, out);
    free(seconds);
    return status;
}

static fig_status bench_training(fig_cli *cli, const bench_options *o, const workload *w, fig_session *session,
                                 cli_bench_result *out, fig_error *err)
{
    const char *data[] = { w->data, NULL }, *settings[3] = { NULL };
    char batch[32], precision[32];
    int n = 0;
    snprintf(batch, sizeof batch, "batch=%lld", (long long)o->batch);
    snprintf(precision, sizeof precision, "precision=%.16s", o->precision);
    if (o->batch)
        settings[n++] = batch;
    settings[n++] = precision;
    fig_train_opts opts = { .recipe = fig_recipe_find(w->recipe),
                            .preset = o->preset ? o->preset : w->name,
                            .data = data,
                            .settings = settings,
                            .command = cli->command_line,
                            .message = cli_on_message,
                            .user = cli };
    fig_trainer *trainer = NULL;
    *out = (cli_bench_result){ .workload = w->name };
    cli_bench_reset_peak();
    FIG_TRY(fig_trainer_new(session, &opts, &trainer, err));
    fig_status status = time_steps(o, trainer, out, err);
    if (status == FIG_OK) {
        fig_plan_info info = fig_trainer_plan_info(trainer);
        out->items = (double)(o->batch ? o->batch : w->batch) * w->items;
        out->flops = info.flops;
        out->planned_mb = (double)(info.planned_bytes + info.state_bytes) / 1e6;
        out->peak_rss_mb = cli_bench_peak_mb();
    }
    if (status == FIG_OK && o->profile) {
        char *profile = fig_trainer_profile(trainer, 5);
        fputs(profile ? profile : "", stderr);
        free(profile);
    }
    fig_trainer_free(trainer);
    return status;
}

/* -- printing ----------------------------------------------------------------------------------------------------- */

typedef struct ceilings {
    cli_bench_result gemm, copy;
} ceilings;

static double gemm_gflops(const ceilings *top) { return top->gemm.flops / top->gemm.least / 1e9; }
static double copy_gbps(const ceilings *top) { return top->copy.bytes / top->copy.least / 1e9; }

/* The share of the machine's measured ceiling that a step uses. */
static double peak_fraction(const ceilings *top, const cli_bench_result *result)
{
    if (result->bytes > 0)
        return result->bytes / result->median / 1e9 / copy_gbps(top);
    return result->flops / result->median / 1e9 / gemm_gflops(top);
}

static void put_machine(cli_doc *json, fig_session *session, const ceilings *top)
{
    char *document = fig_doctor_json(session);
    fig_json *root = NULL;
    if (document && fig_json_parse(document, strlen(document), "doctor", &root, NULL) != FIG_OK)
        root = NULL;
    cli_doc_open(json, "machine", '{');
    cli_doc_text(json, "cpu", fig_json_text(cli_find_key(root, "cpu"), NULL));
    cli_doc_text(json, "isa", fig_json_text(cli_find_key(root, "isa"), NULL));
    cli_doc_int(json, "threads", fig_session_threads(session));
    cli_doc_number(json, "gemm_f32_gflops", gemm_gflops(top));
    cli_doc_text(json, "gemm_bf16_gflops", NULL);
    cli_doc_number(json, "copy_gbps", copy_gbps(top));
    cli_doc_close(json, '}');
    fig_json_free(root);
    free(document);
}

static void print_json(const bench_options *o, fig_session *session, const ceilings *top,
                       const cli_bench_result *results, int count)
{
    cli_doc json = cli_doc_begin(stdout, "bench");
    put_machine(&json, session, top);
    cli_doc_open(&json, "results", '[');
    for (int i = 0; i < count; i++) {
        cli_doc_open(&json, NULL, '{');
        cli_doc_text(&json, "workload", results[i].workload);
        cli_doc_text(&json, "precision", o->precision);
        cli_doc_int(&json, "threads", fig_session_threads(session));
        cli_doc_int(&json, "steps", results[i].steps);
        cli_doc_number(&json, "median_step_s", results[i].median);
        cli_doc_number(&json, "min_step_s", results[i].least);
        cli_doc_number(&json, "items_per_s", results[i].items / results[i].median);
        cli_doc_number(&json, "flops_per_step", results[i].flops);
        cli_doc_number(&json, "peak_fraction", peak_fraction(top, &results[i]));
        cli_doc_number(&json, "peak_rss_mb", results[i].peak_rss_mb);
        cli_doc_number(&json, "planned_mb", results[i].planned_mb);
        cli_doc_close(&json, '}');
    }
    cli_doc_close(&json, ']');
    cli_doc_end(&json);
}

static void print_table(fig_session *session, const ceilings *top, const cli_bench_result *results, int count)
{
    printf("ceilings on %d threads: matrix products %.0f GFLOP/s f32, copying %.1f GB/s\n\n",
           fig_session_threads(session), gemm_gflops(top), copy_gbps(top));
    printf("%-15s %6s %12s %12s %14s %9s %7s %9s %9s\n", "workload", "steps", "median ms", "least ms", "items/s",
           "GFLOP/s", "ceiling", "plan MB", "peak MB");
    for (int i = 0; i < count; i++)
        printf("%-15s %6d %12.3f %12.3f %14.1f %9.1f %6.1f%% %9.1f %9.1f\n", results[i].workload, results[i].steps,
               1e3 * results[i].median, 1e3 * results[i].least, results[i].items / results[i].median,
               results[i].flops / results[i].median / 1e9, 100 * peak_fraction(top, &results[i]), results[i].planned_mb,
               results[i].peak_rss_mb);
}

/* -- the command -------------------------------------------------------------------------------------------------- */

static fig_status bench_all(fig_cli *cli, const bench_options *o, fig_session *session, const workload *const *chosen,
                            int count, fig_error *err)
{
    cli_bench_result results[FIG_MAX_WORDS];
    ceilings top;
    double machine_seconds = o->seconds < 1 ? o->seconds : 1;
    cli_progress_fraction(cli, "gemm and copy", -1);
    FIG_TRY(cli_bench_gemm(session, machine_seconds, &top.gemm, err));
    FIG_TRY(cli_bench_copy(session, machine_seconds, &top.copy, err));
    for (int i = 0; i < count; i++) {
        cli_progress_fraction(cli, chosen[i]->name, count > 1 ? (double)i / count : -1);
        if (!strcmp(chosen[i]->name, "gemm"))
            results[i] = top.gemm;
        else if (!strcmp(chosen[i]->name, "copy"))
            results[i] = top.copy;
        else
            FIG_TRY(bench_training(cli, o, chosen[i], session, &results[i], err));
    }
    cli_progress_clear(cli);
    if (o->json)
        print_json(o, session, &top, results, count);
    else
        print_table(session, &top, results, count);
    return FIG_OK;
}

static fig_status bench_run(fig_cli *cli, const fig_arguments *given, fig_error *err)
{
    const bench_options *o = given->values;
    const workload *chosen[FIG_MAX_WORDS];
    int count = 0;
    for (; count < given->words; count++) {
        chosen[count] = find_workload(given->word[count], err);
        if (!chosen[count])
            return FIG_E_NOT_FOUND;
    }
    for (; !given->words && count < WORKLOADS; count++)
        chosen[count] = &workloads[count];
    fig_session *session = NULL;
    FIG_TRY(cli_session_open(cli, o->threads, &session, err));
    fig_status status = bench_all(cli, o, session, chosen, count, err);
    fig_session_free(session);
    return status;
}

const fig_command fig_command_bench = {
    .name = "bench",
    .summary = "time training steps, and what the machine could do at most",
    .usage = "[WORKLOAD]...",
    .help = "Workloads: mlp_gan dcgan28 dcgan64 vae_mlp vae_conv gpt_nano_cpu gpt_nano_full gpt2_124m, and the "
            "ceilings gemm and copy; without a name all of them. A step is whole: forward, backward, clipping, "
            "optimizer, on random data of the right shape. Compare only figures of one machine and one sitting.",
    .examples =
        "figment bench\nfigment bench dcgan64 --json\nfigment bench gpt_nano_full --batch 16 --steps 10 --profile",
    .options = bench_option_table,
    .options_size = sizeof(bench_options),
    .most = FIG_MAX_WORDS,
    .computes = true,
    .run = bench_run,
};
