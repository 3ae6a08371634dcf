/* cli/bench_time.c - the clock and the memory of a measurement
 *
 * Memory is read from the kernel's high-water mark, which is set back before each workload, so that one process can
 * measure several. */
#include "cli/bench.h"
#include <malloc.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define WARM_UP 3

double cli_bench_now(void)
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

static void summarise(double *seconds, int n, cli_bench_result *out)
{
    qsort(seconds, (size_t)n, sizeof *seconds, by_size);
    out->steps = n;
    out->least = seconds[0];
    out->median = n % 2 ? seconds[n / 2] : (seconds[n / 2 - 1] + seconds[n / 2]) / 2;
}

fig_status cli_bench_time(const cli_bench_options *o, double limit, fig_status (*step)(void *user, fig_error *err),
                          void *user, cli_bench_result *out, fig_error *err)
{
    double *seconds = malloc(sizeof *seconds * CLI_BENCH_MOST_STEPS);
    if (!seconds)
        return fig_fail(err, FIG_E_LIMIT, "out of memory");
    fig_status status = FIG_OK;
    double start = cli_bench_now(), at = start;
    for (int i = 0; i < WARM_UP && status == FIG_OK && (i == 0 || at - start < limit / 5); i++) {
        status = step(user, err);
        at = cli_bench_now();
    }
    int least = o->steps ? (int)o->steps : 3, most = o->steps ? (int)o->steps : CLI_BENCH_MOST_STEPS, count = 0;
    for (start = at; status == FIG_OK && count < most && (count < least || at - start < limit); count++) {
        double before = at;
        status = step(user, err);
        at = cli_bench_now();
        seconds[count] = at - before;
    }
    if (status == FIG_OK)
        summarise(seconds, count, out);
    free(seconds);
    return status;
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

void cli_bench_take_memory(const fig_plan_info *info, cli_bench_result *out)
{
    out->flops = info->flops;
    out->planned_mb = (double)(info->planned_bytes + info->state_bytes) / 1e6;
    out->live_mb = (double)(info->live_bytes + info->state_bytes) / 1e6;
    out->forecast_mb = out->planned_mb + (double)info->overhead_bytes / 1e6;
    out->peak_rss_mb = cli_bench_peak_mb();
}
