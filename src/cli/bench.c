/* cli/bench.c - how long a step takes, beside what the machine could do
 *
 * A workload is a record (bench.h) and a row of workloads.def. Speeds are of this machine at this moment: compare only runs of one
 * sitting. The first result is the first workload named. */
#include "cli/bench.h"
#include <stdlib.h>
#include <string.h>

#define FIG_WORKLOAD(name) extern const fig_workload fig_workload_##name;
#include "cli/workloads.def"
#undef FIG_WORKLOAD

static const fig_workload *const workloads[] = {
#define FIG_WORKLOAD(name) &fig_workload_##name,
#include "cli/workloads.def"
#undef FIG_WORKLOAD
    NULL,
};
enum { WORKLOADS = sizeof workloads / sizeof *workloads - 1 };

const fig_workload *cli_workload_at(int index) { return index >= 0 && index < WORKLOADS ? workloads[index] : NULL; }

static const fig_option bench_option_table[] = {
    { "steps", FIG_INT, offsetof(cli_bench_options, steps), 0, 0, CLI_BENCH_MOST_STEPS,
      "timed steps; 0 = as many as fit into --seconds" },
    { "seconds", FIG_FLOAT, offsetof(cli_bench_options, seconds), 10, 0.01, 3600,
      "time for a workload, at least three steps" },
    { "batch", FIG_INT, offsetof(cli_bench_options, batch), 0, 0, 65536, "rows of a batch; 0 = the workload's own" },
    { "preset", FIG_TEXT, offsetof(cli_bench_options, preset), .help = "another preset of the workload's recipe",
      .metavar = "PRESET" },
    { "set", FIG_TEXT, offsetof(cli_bench_options, set),
      .help = "of training steps: any setting of the recipe or the training; may be repeated", .metavar = "SETTING=VALUE" },
    { "data", FIG_TEXT, offsetof(cli_bench_options, data),
      .help = "of training steps: another shape of the random data, e.g. random:48x48x3", .metavar = "SHAPE" },
    { "precision", FIG_TEXT, offsetof(cli_bench_options, precision),
      .help = "of training steps: f32, or products and stored activations in bf16; of one token or sample of sound: the weights",
      .fallback_text = "f32", .metavar = "f32|bf16|int8" },
    { "memory_budget", FIG_TEXT, offsetof(cli_bench_options, memory_budget),
      .help = "of training steps: most memory of a step, e.g. 600MB; activations are computed again to stay within it",
      .metavar = "SIZE" },
    { "threads", FIG_INT, offsetof(cli_bench_options, threads), 0, 0, 1024, "threads; 0 = what the machine allows",
      .short_name = 't' },
    { "profile", FIG_BOOL, offsetof(cli_bench_options, profile),
      .help = "also print a table of the plan's kernels to standard error: time, share, GFLOP/s, GB/s, layers" },
    { "compare", FIG_TEXT, offsetof(cli_bench_options, compare),
      .help = "an earlier --json document: prints how many times faster each workload is than there",
      .metavar = "FILE" },
    { "tune", FIG_BOOL, offsetof(cli_bench_options, tune),
      .help = "record the measured kernels that were used beside each result: rows of key and kernel" },
    { "no_tune", FIG_BOOL, offsetof(cli_bench_options, no_tune),
      .help = "take kernels from the fixed table; otherwise they are measured as in a training" },
    { "list", FIG_BOOL, offsetof(cli_bench_options, list), .help = "only list the workloads" },
    { "json", FIG_BOOL, offsetof(cli_bench_options, json), .help = "one JSON document \"figment.bench/1\"" },
    { 0 },
};

static const fig_workload *find_workload(const char *name, fig_error *err)
{
    static const char *const no_name = "";
    fig_option table[WORKLOADS + 65];
    int count = 0;
    memset(table, 0, sizeof table);
    for (int list = 0; list < 2; list++)
        for (int i = 0; count < WORKLOADS + 64; i++, count++) {
            const fig_workload *w = list ? cli_bench_op_at(i) : cli_workload_at(i);
            if (!w)
                break;
            if (!strcmp(w->name, name))
                return w;
            table[count] = (fig_option){ .name = w->name ? w->name : no_name, .type = FIG_BOOL };
        }
    const char *near = fig_options_nearest(table, name);
    fig_fail(err, FIG_E_NOT_FOUND, "no workload \"%s\"; %s%s%s", name,
             near ? "did you mean " : "`figment help bench` lists all", near ? near : "", near ? "?" : "");
    return NULL;
}

static fig_status run_one(const cli_bench_job *job, const cli_bench_ceilings *top, cli_bench_result *out,
                          fig_error *err)
{
    *out = (cli_bench_result){ .workload = job->w->name, .precision = "f32" };
    if (job->w->run)
        return job->w->run(job, out, err);
    *out = strcmp(job->w->name, "gemm") ? top->copy : top->gemm;
    return FIG_OK;
}

static fig_status bench_all(fig_cli *cli, const cli_bench_options *o, const char *const *set, fig_session *session,
                            const fig_workload *const *chosen, int count, fig_error *err)
{
    cli_bench_result results[FIG_MAX_WORDS];
    cli_bench_ceilings top;
    cli_progress_fraction(cli, "gemm and copy", -1);
    FIG_TRY(cli_bench_ceilings_measure(session, o->seconds < 1 ? o->seconds : 1, &top, err));
    fig_status status = FIG_OK;
    int done = 0;
    for (int i = 0; i < count && status == FIG_OK; i++) {
        cli_progress_fraction(cli, chosen[i]->name, count > 1 ? (double)i / count : -1);
        cli_bench_job job = { cli, o, session, chosen[i], set };
        status = run_one(&job, &top, &results[i], err);
        done += status == FIG_OK;
    }
    cli_progress_clear(cli);
    if (status == FIG_OK && o->compare)
        status = cli_bench_compare(o->compare, results, count, err);
    if (status == FIG_OK)
        cli_bench_print(o, session, &top, results, count);
    for (int i = 0; i < done; i++)
        free(results[i].kernels);
    return status;
}

static fig_status list_workloads(const cli_bench_options *o)
{
    cli_doc json = o->json ? cli_doc_begin(stdout, "workloads") : (cli_doc){ 0 };
    if (o->json)
        cli_doc_open(&json, "workloads", '[');
    for (int list = 0; list < 2; list++)
        for (int i = 0; list ? cli_bench_op_at(i) != NULL : cli_workload_at(i) != NULL; i++) {
            const fig_workload *w = list ? cli_bench_op_at(i) : cli_workload_at(i);
            const char *summary = w->summary ? w->summary : "one family of operations";
            if (!o->json) {
                printf("%-36s %s\n", w->name, summary);
                continue;
            }
            cli_doc_open(&json, NULL, '{');
            cli_doc_text(&json, "name", w->name);
            cli_doc_text(&json, "summary", summary);
            cli_doc_close(&json, '}');
        }
    if (o->json) {
        cli_doc_close(&json, ']');
        cli_doc_end(&json);
    }
    return FIG_OK;
}

static fig_status bench_run(fig_cli *cli, const fig_arguments *given, fig_error *err)
{
    const cli_bench_options *o = given->values;
    const fig_workload *chosen[FIG_MAX_WORDS];
    int count = 0;
    if (o->list)
        return list_workloads(o);
    for (int i = 0; i < given->words; i++) {
        if (!strcmp(given->word[i], "ops")) { /* every op:NAME */
            for (int k = 0; cli_bench_op_at(k) && count < FIG_MAX_WORDS; k++)
                chosen[count++] = cli_bench_op_at(k);
            continue;
        }
        const fig_workload *w = find_workload(given->word[i], err);
        if (!w)
            return FIG_E_NOT_FOUND;
        if (count < FIG_MAX_WORDS)
            chosen[count++] = w;
    }
    for (; !given->words && count < WORKLOADS; count++)
        chosen[count] = workloads[count];
    if (o->tune && o->no_tune)
        return fig_fail(err, FIG_E_USAGE, "--tune and --no-tune exclude each other");
    if (o->compare) /* a bad file is reported before anything is measured */
        FIG_TRY(cli_bench_compare(o->compare, NULL, 0, err));
    fig_session *session = NULL;
    FIG_TRY(cli_session_open(cli, o->threads, false, &session, err));
    const char *set[FIG_MAX_WORDS + 1];
    cli_arguments_list(given, "set", set);
    fig_status status = bench_all(cli, o, set, session, chosen, count, err);
    fig_session_free(session);
    return status;
}

const fig_command fig_command_bench = {
    .name = "bench",
    .summary = "time training steps, and what the machine could do at most",
    .usage = "[WORKLOAD]...",
    .help = "mlp_gan dcgan28 dcgan64 vae_mlp vae_conv char_lstm char_gru gpt_nano_cpu gpt_nano_full gpt2_124m wavenet cyclegan "
            "ddpm_unet "
            "mnist_cnn separable are training steps, whole ones: forward, backward, clipping, optimizer, on random data of the "
            "right shape. "
            "dcgan64_generate and ddpm_unet_generate make one picture, ddpm_unet_denoise a batch of 32, gpt_generate and "
            "gpt2_124m_generate one token, wavenet_generate one sample. gemm and copy "
            "are the "
            "machine's ceilings. Without a name all of these run. op:NAME is one family of operations (op:convolution, "
            "op:softmax "
            "...), ops all families. --list says what each is. Compare only figures of one machine and one sitting.",
    .examples = "figment bench\nfigment bench dcgan64 --json\nfigment bench dcgan64 --compare before.json\n"
                "figment bench gpt_nano_full --batch 16 --steps 10 --profile\nfigment bench op:max_pool --batch 4",
    .options = bench_option_table,
    .options_size = sizeof(cli_bench_options),
    .repeatable = "set",
    .most = FIG_MAX_WORDS,
    .computes = true,
    .run = bench_run,
};
