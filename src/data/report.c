/* report.c - what a data set is like, as JSON: counts, classes, points; pictures and text have files of their own
 *
 * Without `check` the report is quick and looks at a sample; with it everything is read, and what looks wrong is
 * listed as findings: broken and repeated items, the same item in two splits or under two labels, classes with few
 * items, blank pictures, constant columns. */
#include "data/report.h"
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_REPORT = 64 << 20, NAMED = 20 };

void fig__report_number(fig__report *report, const char *key, double value)
{
    fig__text_print(report->out, ",\"%s\":", key);
    fig__json_put_number(report->out, value);
}

void fig__report_text(fig__report *report, const char *key, const char *value)
{
    fig__text_print(report->out, ",\"%s\":", key);
    if (value)
        fig__json_put_text(report->out, value);
    else
        fig__text_print(report->out, "null");
}

/* -- findings ------------------------------------------------------------------------------------------------------ */

static void put_formatted(fig__text *out, const char *format, va_list args)
{
    char text[1024];
    vsnprintf(text, sizeof text, format, args);
    fig__json_put_text(out, text);
}

void fig__finding_begin(fig__report *report, const char *severity, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fig__text_print(&report->findings, "%s{\"severity\":\"%s\",\"what\":", report->findings.length ? "," : "",
                    severity);
    put_formatted(&report->findings, format, args);
    fig__text_print(&report->findings, ",\"items\":[");
    va_end(args);
}

void fig__finding_item(fig__report *report, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    bool first = report->findings.length && report->findings.data[report->findings.length - 1] == '[';
    fig__text_print(&report->findings, first ? "" : ",");
    put_formatted(&report->findings, format, args);
    va_end(args);
}

void fig__finding_end(fig__report *report) { fig__text_print(&report->findings, "]}"); }

/* -- classes ------------------------------------------------------------------------------------------------------- */

static void find_rare_classes(fig__report *report, const int64_t *counts)
{
    const fig_data_info *info = &report->data->contents.info;
    int64_t most = 0, least = INT64_MAX;
    for (int i = 0; i < info->classes; i++) {
        most = counts[i] > most ? counts[i] : most;
        least = counts[i] < least ? counts[i] : least;
    }
    if (!most || least * 10 >= most)
        return;
    fig__finding_begin(report, "warning",
                       "classes of very different size: %lld train items in the largest, %lld in the smallest",
                       (long long)most, (long long)least);
    for (int i = 0, named = 0; i < info->classes && named < NAMED; i++)
        if (counts[i] * 10 < most) {
            if (info->class_names)
                fig__finding_item(report, "%s (%lld)", info->class_names[i], (long long)counts[i]);
            else
                fig__finding_item(report, "class %d (%lld)", i, (long long)counts[i]);
            named++;
        }
    fig__finding_end(report);
}

void fig__report_classes(fig__report *report)
{
    const fig__contents *contents = &report->data->contents;
    const fig_data_info *info = &contents->info;
    fig__report_number(report, "classes", info->classes);
    if (!info->classes)
        return;
    if (info->class_names) {
        fig__text_print(report->out, ",\"class_names\":[");
        for (int i = 0; i < info->classes; i++) {
            fig__text_print(report->out, i ? "," : "");
            fig__json_put_text(report->out, info->class_names[i]);
        }
        fig__text_print(report->out, "]");
    }
    int64_t *counts = fig__alloc((size_t)info->classes * sizeof *counts);
    bool first = true;
    fig__text_print(report->out, ",\"class_counts\":{");
    for (int split = 0; split < FIG_SPLITS; split++) {
        if (!info->items[split] || !contents->labels[split])
            continue;
        memset(counts, 0, (size_t)info->classes * sizeof *counts);
        for (int64_t i = 0; i < info->items[split]; i++)
            if (contents->labels[split][i] >= 0)
                counts[contents->labels[split][i]]++;
        fig__text_print(report->out, "%s\"%s\":[", first ? "" : ",", fig__split_names[split]);
        first = false;
        for (int i = 0; i < info->classes; i++)
            fig__text_print(report->out, i ? ",%lld" : "%lld", (long long)counts[i]);
        fig__text_print(report->out, "]");
        if (split == FIG_TRAIN_SPLIT)
            find_rare_classes(report, counts);
    }
    fig__text_print(report->out, "}");
    free(counts);
}

/* -- points -------------------------------------------------------------------------------------------------------- */

static void report_column(fig__report *report, int column)
{
    const fig__contents *contents = &report->data->contents;
    int dimensions = contents->info.dimensions;
    double low = INFINITY, high = -INFINITY, sum = 0, squares = 0;
    int64_t count = 0;
    for (int split = 0; split < FIG_SPLITS; split++)
        for (int64_t i = 0; i < contents->info.items[split]; i++, count++) {
            double value = contents->points[split][i * dimensions + column];
            low = fmin(low, value);
            high = fmax(high, value);
            sum += value;
            squares += value * value;
        }
    double mean = sum / (double)count, variance = squares / (double)count - mean * mean;
    fig__text_print(report->out, "%s{\"min\":", column ? "," : "");
    fig__json_put_number(report->out, low);
    fig__report_number(report, "max", high);
    fig__report_number(report, "mean", mean);
    fig__report_number(report, "deviation", sqrt(fmax(variance, 0)));
    fig__text_print(report->out, "}");
    if (low == high && count > 1) {
        fig__finding_begin(report, "warning", "column %d has one value only", column + 1);
        fig__finding_end(report);
    }
}

fig_status fig__report_points(fig__report *report, fig_error *err)
{
    (void)err;
    fig__report_number(report, "dimensions", report->data->contents.info.dimensions);
    fig__report_classes(report);
    fig__text_print(report->out, ",\"columns\":[");
    for (int column = 0; column < report->data->contents.info.dimensions; column++)
        report_column(report, column);
    fig__text_print(report->out, "]");
    return FIG_OK;
}

/* -- all ----------------------------------------------------------------------------------------------------------- */

static const struct {
    fig_data_kind kind;
    const char *name;
    fig_status (*report)(fig__report *report, fig_error *err);
} kinds[] = {
    { FIG_DATA_IMAGES, "images", fig__report_pictures },
    { FIG_DATA_TEXT, "text", fig__report_words },
    { FIG_DATA_POINTS, "points", fig__report_points },
};

static void put_skipped(fig__report *report)
{
    const fig__contents *contents = &report->data->contents;
    fig__report_number(report, "skipped", (double)contents->info.skipped);
    if (!contents->info.skipped)
        return;
    fig__finding_begin(report, "error", "%lld items cannot be read and are left out",
                       (long long)contents->info.skipped);
    for (int i = 0; i < contents->info.skipped_named; i++)
        fig__finding_item(report, "%s: %s", contents->skipped[i].name, contents->skipped[i].reason);
    fig__finding_end(report);
}

static void put_head(fig__report *report, const char *kind)
{
    const fig_data *data = report->data;
    const fig_data_info *info = &data->contents.info;
    fig__text_print(report->out, "{\"schema\":\"figment.data/1\"");
    fig__report_text(report, "name", info->name);
    fig__report_text(report, "kind", kind);
    fig__report_text(report, "source", info->source);
    fig__report_text(report, "path", info->path);
    fig__report_text(report, "data_hash", data->hash);
    fig__text_print(report->out, ",\"items\":{");
    for (int split = 0; split < FIG_SPLITS; split++)
        fig__text_print(report->out, "%s\"%s\":%lld", split ? "," : "", fig__split_names[split],
                        (long long)info->items[split]);
    fig__text_print(report->out, "},\"checked\":%s", report->check ? "true" : "false");
    if (report->check && info->items[FIG_TRAIN_SPLIT] && info->items[FIG_TRAIN_SPLIT] < 50 &&
        info->kind != FIG_DATA_TEXT) {
        fig__finding_begin(report, "note", "only %lld train items; a model will learn them by heart",
                           (long long)info->items[FIG_TRAIN_SPLIT]);
        fig__finding_end(report);
    }
}

fig_status fig_data_report(fig_data *data, bool check, char **json, fig_error *err)
{
    fig__text out;
    fig__text_init(&out, MAX_REPORT);
    fig__report report = { .data = data, .check = check, .out = &out };
    fig__text_init(&report.findings, MAX_REPORT / 2);
    fig_status status = FIG_OK;
    *json = NULL;
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (kinds[i].kind == data->contents.info.kind) {
            put_head(&report, kinds[i].name);
            status = kinds[i].report(&report, err);
        }
    put_skipped(&report);
    fig__text_print(&out, ",\"findings\":[");
    fig__text_add(&out, report.findings.data ? report.findings.data : "", report.findings.length);
    fig__text_print(&out, "]}");
    fig__text_free(&report.findings);
    if (status == FIG_OK && out.overflow)
        status = fig_fail(err, FIG_E_LIMIT, "%s: its report is longer than %d MB", data->contents.info.path,
                          MAX_REPORT >> 20);
    if (status == FIG_OK)
        *json = out.data;
    else
        fig__text_free(&out);
    return status;
}
