/* cli/bench_print.c - the results of `figment bench` as a table and as JSON, and beside those of an earlier run */
#include "cli/bench.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define MOST_DOCUMENT (16 << 20)

/* -- an earlier document ------------------------------------------------------------------------------------------- */

static fig_status read_file(const char *path, char **text, size_t *length, fig_error *err)
{
    FILE *file = fopen(path, "rb");
    if (!file)
        return fig_fail(err, FIG_E_NOT_FOUND,
                        "%s: cannot be read; --compare wants the output of an earlier `figment bench --json`", path);
    char *buffer = malloc(MOST_DOCUMENT + 1);
    *length = buffer ? fread(buffer, 1, MOST_DOCUMENT + 1, file) : 0;
    bool bad = ferror(file) != 0 || !buffer;
    fclose(file);
    if (bad || *length > MOST_DOCUMENT) {
        free(buffer);
        return fig_fail(err, bad ? FIG_E_IO : FIG_E_LIMIT, "%s: %s", path,
                        bad ? "cannot be read" : "is too long for a result of bench");
    }
    *text = buffer;
    return FIG_OK;
}

static void take_before(const fig_json *row, cli_bench_result *results, int count)
{
    const char *name = fig_json_text(fig_json_get(row, "workload"), "");
    double seconds = fig_json_number(fig_json_get(row, "median_step_s"), NAN);
    const char *precision = fig_json_text(fig_json_get(row, "precision"), "f32");
    for (int i = 0; i < count && seconds > 0; i++)
        if (!strcmp(results[i].workload, name) && !strcmp(results[i].precision, precision)) {
            results[i].before = seconds;
            results[i].before_peak_mb = fig_json_number(fig_json_get(row, "peak_rss_mb"), 0);
        }
}

fig_status cli_bench_compare(const char *path, cli_bench_result *results, int count, fig_error *err)
{
    char *text = NULL;
    size_t length = 0;
    fig_json *root = NULL;
    FIG_TRY(read_file(path, &text, &length, err));
    fig_status status = fig_json_parse(text, length, path, &root, err);
    if (status == FIG_OK && strcmp(fig_json_text(fig_json_get(root, "schema"), ""), "figment.bench/1"))
        status = fig_fail(err, FIG_E_FORMAT,
                          "%s: not a document \"figment.bench/1\"; make one with `figment bench --json`", path);
    const fig_json *rows = status == FIG_OK ? fig_json_get(root, "results") : NULL;
    for (size_t i = 0; i < fig_json_count(rows); i++)
        take_before(fig_json_at(rows, i), results, count);
    fig_json_free(root);
    free(text);
    return status;
}

/* -- printing ------------------------------------------------------------------------------------------------------ */

/* The share of the machine's measured ceiling that a step uses: of arithmetic or of memory, whichever it is nearer to. */
static double peak_fraction(const cli_bench_ceilings *top, const cli_bench_result *result)
{
    double bytes = result->bytes / result->median / 1e9 / cli_bench_copy_gbps(top);
    double flops = result->flops / result->median / 1e9 / cli_bench_gemm_gflops(top);
    return bytes > flops ? bytes : flops;
}

static void put_machine(cli_doc *json, fig_session *session, const cli_bench_ceilings *top)
{
    char *document = fig_doctor_json(session);
    fig_json *root = NULL;
    if (document && fig_json_parse(document, strlen(document), "doctor", &root, NULL) != FIG_OK)
        root = NULL;
    cli_doc_open(json, "machine", '{');
    cli_doc_text(json, "cpu", fig_json_text(cli_find_key(root, "cpu"), NULL));
    cli_doc_text(json, "isa", fig_json_text(cli_find_key(root, "isa"), NULL));
    cli_doc_int(json, "threads", fig_session_threads(session));
    cli_doc_number(json, "gemm_f32_gflops", cli_bench_gemm_gflops(top));
    cli_doc_text(json, "gemm_bf16_gflops", NULL);
    cli_doc_number(json, "copy_gbps", cli_bench_copy_gbps(top));
    cli_doc_close(json, '}');
    fig_json_free(root);
    free(document);
}

/* Rows "KEY KERNEL" as objects. */
static void put_kernels(cli_doc *json, const char *rows)
{
    cli_doc_open(json, "kernels", '[');
    for (const char *at = rows; *at;) {
        size_t key = strcspn(at, " "), line = strcspn(at, "\n");
        char text[2][128];
        snprintf(text[0], sizeof text[0], "%.*s", (int)(key < line ? key : line), at);
        snprintf(text[1], sizeof text[1], "%.*s", key < line ? (int)(line - key - 1) : 0, at + key + 1);
        cli_doc_open(json, NULL, '{');
        cli_doc_text(json, "key", text[0]);
        cli_doc_text(json, "kernel", text[1]);
        cli_doc_close(json, '}');
        at += line + (at[line] == '\n');
    }
    cli_doc_close(json, ']');
}

static void put_result(cli_doc *json, int threads, const cli_bench_ceilings *top, const cli_bench_result *r)
{
    cli_doc_open(json, NULL, '{');
    cli_doc_text(json, "workload", r->workload);
    cli_doc_text(json, "precision", r->precision);
    cli_doc_int(json, "threads", threads);
    cli_doc_int(json, "steps", r->steps);
    cli_doc_number(json, "median_step_s", r->median);
    cli_doc_number(json, "min_step_s", r->least);
    cli_doc_number(json, "items_per_s", r->items / r->median);
    cli_doc_number(json, "flops_per_step", r->flops);
    cli_doc_number(json, "bytes_per_step", r->bytes > 0 ? r->bytes : NAN);
    cli_doc_number(json, "peak_fraction", peak_fraction(top, r));
    cli_doc_number(json, "startup_s", r->startup > 0 ? r->startup : NAN);
    cli_doc_number(json, "tuning_s", r->startup > 0 ? r->tuning : NAN);
    cli_doc_number(json, "peak_rss_mb", r->peak_rss_mb);
    cli_doc_number(json, "forecast_mb", r->forecast_mb);
    cli_doc_number(json, "planned_mb", r->planned_mb);
    cli_doc_number(json, "live_mb", r->live_mb);
    if (r->kernels)
        put_kernels(json, r->kernels);
    if (r->before > 0) {
        cli_doc_number(json, "before_step_s", r->before);
        cli_doc_number(json, "speed_up", r->before / r->median);
        cli_doc_number(json, "memory_ratio", r->before_peak_mb > 0 ? r->peak_rss_mb / r->before_peak_mb : NAN);
    }
    cli_doc_close(json, '}');
}

static void print_json(fig_session *session, const cli_bench_ceilings *top,
                       const cli_bench_result *results, int count)
{
    cli_doc json = cli_doc_begin(stdout, "bench");
    put_machine(&json, session, top);
    cli_doc_open(&json, "results", '[');
    for (int i = 0; i < count; i++)
        put_result(&json, fig_session_threads(session), top, &results[i]);
    cli_doc_close(&json, ']');
    cli_doc_end(&json);
}

static void print_table(const cli_bench_options *o, fig_session *session, const cli_bench_ceilings *top,
                        const cli_bench_result *results, int count)
{
    printf("ceilings on %d threads: matrix products %.0f GFLOP/s f32, copying %.1f GB/s\n\n",
           fig_session_threads(session), cli_bench_gemm_gflops(top), cli_bench_copy_gbps(top));
    printf("%-26s %6s %12s %12s %14s %9s %7s %8s %9s %9s %9s %8s%s\n", "workload", "steps", "median ms", "least ms",
           "items/s", "GFLOP/s", "GB/s", "ceiling", "plan MB", "live MB", "peak MB", "start s",
           o->compare ? "    before ms  speed-up" : "");
    for (int i = 0; i < count; i++) {
        const cli_bench_result *r = &results[i];
        printf("%-26s %6d %12.3f %12.3f %14.1f %9.1f %7.1f %7.1f%% %9.1f %9.1f %9.1f %8.2f", r->workload, r->steps,
               1e3 * r->median, 1e3 * r->least, r->items / r->median, r->flops / r->median / 1e9,
               r->bytes / r->median / 1e9, 100 * peak_fraction(top, r), r->planned_mb, r->live_mb, r->peak_rss_mb, r->startup);
        if (r->before > 0)
            printf(" %12.3f %9.3f", 1e3 * r->before, r->before / r->median);
        printf("\n");
    }
    for (int i = 0; i < count; i++)
        if (results[i].kernels)
            printf("\nkernels of %s\n%s", results[i].workload, results[i].kernels);
}

void cli_bench_print(const cli_bench_options *o, fig_session *session, const cli_bench_ceilings *top,
                     const cli_bench_result *results, int count)
{
    if (o->json)
        print_json(session, top, results, count);
    else
        print_table(o, session, top, results, count);
}
