/* report_text.c - text in a data report: characters, lines, what is not UTF-8, the most common characters */
#include "data/report.h"
#include <stdlib.h>
#include <string.h>

enum { CODE_POINTS = 0x110000, COMMON = 20 };

typedef struct count {
    uint32_t point;
    int64_t times;
} count;

typedef struct survey {
    int64_t characters, lines, longest, invalid, first_invalid, zeros, returns;
    int64_t times[CODE_POINTS];
} survey;

static void read_text(survey *s, const char *text, int64_t length)
{
    int64_t line = 0;
    for (int64_t at = 0; at < length;) {
        uint32_t point;
        int size = fig__utf8_decode(text + at, length - at, &point);
        if (!size) {
            if (!s->invalid++)
                s->first_invalid = at;
            at++;
            continue;
        }
        s->characters++;
        s->times[point]++;
        s->zeros += point == 0;
        s->returns += point == '\r';
        line = point == '\n' ? 0 : line + 1;
        s->lines += point == '\n';
        s->longest = line > s->longest ? line : s->longest;
        at += size;
    }
    s->lines += length && text[length - 1] != '\n';
}

static int by_times(const void *a, const void *b)
{
    const count *x = a, *y = b;
    return x->times != y->times ? (x->times > y->times ? -1 : 1) : x->point < y->point ? -1 : x->point > y->point;
}

static void put_common(fig__report *report, const survey *s)
{
    int distinct = 0;
    for (int point = 0; point < CODE_POINTS; point++)
        distinct += s->times[point] > 0;
    count *list = fig__alloc((size_t)distinct * sizeof *list + 1);
    for (uint32_t point = 0, next = 0; point < CODE_POINTS; point++)
        if (s->times[point])
            list[next++] = (count){ point, s->times[point] };
    qsort(list, (size_t)distinct, sizeof *list, by_times);
    fig__report_number(report, "distinct_characters", distinct);
    fig__text_print(report->out, ",\"most_common\":[");
    for (int i = 0; i < distinct && i < COMMON; i++) {
        char bytes[5] = "";
        fig__utf8_encode(list[i].point, bytes);
        fig__text_print(report->out, "%s{\"character\":", i ? "," : "");
        fig__json_put_text(report->out, bytes);
        fig__text_print(report->out, ",\"times\":%lld}", (long long)list[i].times);
    }
    fig__text_print(report->out, "]");
    int64_t rare = 0;
    for (int i = 0; i < distinct; i++)
        rare += list[i].times < 3;
    if (report->check && rare * 4 > distinct && distinct > 100) {
        fig__finding_begin(
            report, "note",
            "%lld of %d characters occur once or twice; they make the vocabulary larger and are not learned",
            (long long)rare, distinct);
        fig__finding_end(report);
    }
    free(list);
}

static void find_faults(fig__report *report, const survey *s)
{
    if (s->invalid) {
        fig__finding_begin(
            report, "warning",
            "%lld bytes are not UTF-8, the first is byte %lld; the text is read as bytes, unless they are mended",
            (long long)s->invalid, (long long)s->first_invalid);
        fig__finding_end(report);
    }
    if (s->zeros) {
        fig__finding_begin(report, "warning", "%lld zero bytes; perhaps this is not text", (long long)s->zeros);
        fig__finding_end(report);
    }
    if (s->returns) {
        fig__finding_begin(report, "note",
                           "%lld carriage returns (lines end as on Windows); they are learned as characters",
                           (long long)s->returns);
        fig__finding_end(report);
    }
    if (s->characters && s->characters < 10000) {
        fig__finding_begin(report, "note", "only %lld characters; a model will learn them by heart",
                           (long long)s->characters);
        fig__finding_end(report);
    }
}

fig_status fig__report_words(fig__report *report, fig_error *err)
{
    const fig__contents *contents = &report->data->contents;
    survey *s = fig__alloc(sizeof *s);
    fig_status status = FIG_OK;
    int64_t bytes = 0;
    for (int split = 0; split < FIG_SPLITS && status == FIG_OK; split++) {
        status = fig__check_cancelled(contents, err);
        bytes += contents->info.items[split];
        read_text(s, contents->text[split], contents->info.items[split]);
    }
    if (status == FIG_OK) {
        fig__report_number(report, "bytes", (double)bytes);
        fig__report_number(report, "characters", (double)s->characters);
        fig__report_number(report, "lines", (double)s->lines);
        fig__report_number(report, "longest_line", (double)s->longest);
        fig__report_number(report, "invalid_utf8", (double)s->invalid);
        put_common(report, s);
        find_faults(report, s);
    }
    free(s);
    return status;
}
