/* report_pictures.c - pictures in a data report: sizes, pixel statistics; with check, repeats, blanks and
 * contradictions
 *
 * Repeats are found by a 128-bit hash of size and pixels as decoded, so that a copy in another file format with the
 * same pixels counts too. Near repeats (another size, compressed once more) are found as alike.c says. */
#include "data/report.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { SAMPLE = 2000, NAMED = 20, MAX_SIZES = 1000 };

typedef struct print {
    uint64_t hash[2];
    int64_t index;
    int32_t label;
    uint8_t split;
} print;

typedef struct size_count {
    int height, width;
    int64_t count;
} size_count;

typedef struct survey {
    fig__report *report;
    int low, high;
    uint64_t pixels[3]; /* counted per channel; grey counts for all three */
    double sum[3], squares[3];
    size_count sizes[MAX_SIZES];
    int size_count;
    print *prints;
    fig__fingerprint *near; /* beside prints, in the order of reading */
    int64_t print_count, blank_count, near_within, near_between;
    print blanks[NAMED];
} survey;

static void count_size(survey *s, const fig_picture *picture)
{
    int i = 0;
    while (i < s->size_count && (s->sizes[i].height != picture->height || s->sizes[i].width != picture->width))
        i++;
    if (i == MAX_SIZES)
        return;
    if (i == s->size_count)
        s->sizes[s->size_count++] = (size_count){ picture->height, picture->width, 0 };
    s->sizes[i].count++;
}

/* Whole numbers per picture, so that the totals do not depend on the order of rounding. Returns true when all are
 * equal. */
static bool count_pixels(survey *s, const fig_picture *picture)
{
    size_t area = (size_t)picture->width * (size_t)picture->height, channels = (size_t)picture->channels;
    int low = 255, high = 0;
    for (size_t c = 0; c < channels; c++) {
        uint64_t sum = 0, squares = 0;
        for (size_t i = 0; i < area; i++) {
            unsigned value = picture->pixels[i * channels + c];
            sum += value;
            squares += value * value;
            low = (int)value < low ? (int)value : low;
            high = (int)value > high ? (int)value : high;
        }
        for (size_t to = c; to < (channels == 1 ? 3 : c + 1); to++) {
            s->pixels[to] += area;
            s->sum[to] += (double)sum;
            s->squares[to] += (double)squares;
        }
    }
    s->low = low < s->low ? low : s->low;
    s->high = high > s->high ? high : s->high;
    return low == high;
}

static void look_at(survey *s, fig_split split, int64_t index, const fig_picture *picture)
{
    const fig__contents *contents = &s->report->data->contents;
    print mark = { .index = index,
                   .split = (uint8_t)split,
                   .label = contents->labels[split] ? contents->labels[split][index] : -1 };
    count_size(s, picture);
    if (count_pixels(s, picture) && s->blank_count++ < NAMED)
        s->blanks[s->blank_count - 1] = mark;
    if (!s->prints)
        return;
    size_t bytes = (size_t)picture->width * (size_t)picture->height * (size_t)picture->channels;
    uint64_t size = (uint64_t)picture->width << 32 | (uint64_t)picture->height << 8 | (uint64_t)picture->channels;
    mark.hash[0] = fig__hash64(picture->pixels, bytes, size);
    mark.hash[1] = fig__hash64(picture->pixels, bytes, ~size);
    fig__fingerprint_of(picture, &s->near[s->print_count]);
    s->prints[s->print_count++] = mark;
}

static fig_status read_split(survey *s, fig_split split, int64_t step, fig_error *err)
{
    fig_data *data = s->report->data;
    int64_t items = data->contents.info.items[split];
    for (int64_t i = 0; i < items; i += step) {
        fig_picture picture = { 0 };
        bool borrowed = false;
        fig_error inner = { 0 };
        if (i % 256 == 0 || step > 1) {
            FIG_TRY(fig__check_cancelled(&data->contents, err));
            fig__progress(&data->contents, "reading pictures", (double)i / (double)items);
        }
        fig_status status =
            data->source->picture(&data->contents, split, i, &(fig__decode_opts){ 0 }, &picture, &borrowed, &inner);
        if (status == FIG_OK)
            look_at(s, split, i, &picture);
        else if (s->report->check) {
            char name[512];
            data->source->item_name(&data->contents, split, i, name, sizeof name);
            fig__skip(&data->contents, name, inner.message);
        }
        if (!borrowed)
            fig_picture_free(&picture);
    }
    return FIG_OK;
}

/* -- findings ------------------------------------------------------------------------------------------------------ */

static int by_hash(const void *a, const void *b)
{
    const print *x = a, *y = b;
    for (int i = 0; i < 2; i++)
        if (x->hash[i] != y->hash[i])
            return x->hash[i] < y->hash[i] ? -1 : 1;
    if (x->split != y->split)
        return x->split < y->split ? -1 : 1;
    return x->index < y->index ? -1 : x->index > y->index;
}

static bool is_same(const print *a, const print *b) { return a->hash[0] == b->hash[0] && a->hash[1] == b->hash[1]; }

typedef enum repeat { WITHIN, BETWEEN, CONTRADICTING, REPEATS } repeat;

static bool is_repeat(const print *a, const print *b, repeat kind)
{
    return is_same(a, b) && (kind == WITHIN    ? a->split == b->split
                             : kind == BETWEEN ? a->split != b->split
                                               : a->label != b->label);
}

static void name_item(const fig__report *report, const print *mark, char out[512])
{
    report->data->source->item_name(&report->data->contents, (fig_split)mark->split, mark->index, out, 512);
}

/* Neighbours in the sorted list that are the same picture: n copies give n - 1 repeats. */
static int64_t find_repeats(survey *s, repeat kind)
{
    static const struct {
        const char *severity, *what;
    } says[REPEATS] = {
        { "warning", "pictures occur more than once in a split" },
        { "error", "pictures occur in two splits, so scores on the second are too good" },
        { "error", "pictures occur under two different labels" },
    };
    fig__report *report = s->report;
    int64_t count = 0, named = 0;
    for (int64_t i = 1; i < s->print_count; i++)
        count += is_repeat(&s->prints[i - 1], &s->prints[i], kind);
    if (!count)
        return 0;
    fig__finding_begin(report, says[kind].severity, "%lld %s", (long long)count, says[kind].what);
    for (int64_t i = 1; i < s->print_count && named < NAMED; i++)
        if (is_repeat(&s->prints[i - 1], &s->prints[i], kind)) {
            char first[512], second[512];
            name_item(report, &s->prints[i - 1], first);
            name_item(report, &s->prints[i], second);
            fig__finding_item(report, "%.480s = %.480s", first, second);
            named++;
        }
    fig__finding_end(report);
    return count;
}

/* Pictures that are nearly an earlier one, but not the same; before the prints are sorted. */
static int64_t find_near(survey *s, const int32_t *group, bool between)
{
    fig__report *report = s->report;
    int64_t count = 0;
    for (int pass = 0; pass < 2; pass++) {
        int64_t named = 0;
        if (pass && !count)
            return 0;
        if (pass)
            fig__finding_begin(report, "warning", "%lld pictures are nearly the same as one %s", (long long)count,
                               between ? "of another split, so scores on the second may be too good" : "of the same split");
        for (int64_t i = 0; i < s->print_count; i++) {
            const print *first = &s->prints[group[i]], *mark = &s->prints[i];
            if (group[i] == i || is_same(first, mark) || (first->split != mark->split) != between)
                continue;
            count += !pass;
            if (!pass || named++ >= NAMED)
                continue;
            char one[512], other[512];
            name_item(report, first, one);
            name_item(report, mark, other);
            fig__finding_item(report, "%.480s ~ %.480s", one, other);
        }
        if (pass)
            fig__finding_end(report);
    }
    return count;
}

static void compare_near(survey *s)
{
    int32_t *group = fig__alloc((size_t)s->print_count * sizeof *group + 1);
    fig__group_alike(s->near, s->print_count, group);
    s->near_between = find_near(s, group, true);
    s->near_within = find_near(s, group, false);
    free(group);
}

static void find_blanks(survey *s)
{
    if (!s->blank_count)
        return;
    fig__finding_begin(s->report, "warning", "%lld pictures are of one colour", (long long)s->blank_count);
    for (int64_t i = 0; i < s->blank_count && i < NAMED; i++) {
        char name[512];
        name_item(s->report, &s->blanks[i], name);
        fig__finding_item(s->report, "%s", name);
    }
    fig__finding_end(s->report);
}

/* -- writing ------------------------------------------------------------------------------------------------------- */

static int by_count(const void *a, const void *b)
{
    const size_count *x = a, *y = b;
    return x->count != y->count     ? (x->count > y->count ? -1 : 1)
           : x->height != y->height ? x->height - y->height
                                    : x->width - y->width;
}

static void put_channels(survey *s, const char *key, bool deviation)
{
    int channels = s->report->data->contents.any_colour ? 3 : 1;
    fig__text_print(s->report->out, ",\"%s\":[", key);
    for (int c = 0; c < channels; c++) {
        double mean = s->sum[c] / (double)s->pixels[c], square = s->squares[c] / (double)s->pixels[c];
        fig__text_print(s->report->out, c ? "," : "");
        fig__json_put_number(s->report->out, deviation ? sqrt(fmax(square - mean * mean, 0)) : mean);
    }
    fig__text_print(s->report->out, "]");
}

static void put_survey(survey *s)
{
    fig__text *out = s->report->out;
    qsort(s->sizes, (size_t)s->size_count, sizeof *s->sizes, by_count);
    fig__text_print(out, ",\"sizes\":[");
    for (int i = 0; i < s->size_count && i < NAMED; i++)
        fig__text_print(out, "%s{\"height\":%d,\"width\":%d,\"items\":%lld}", i ? "," : "", s->sizes[i].height,
                        s->sizes[i].width, (long long)s->sizes[i].count);
    fig__text_print(out, "]");
    if (!s->pixels[0])
        return;
    fig__text_print(out, ",\"pixels\":{\"min\":%d,\"max\":%d", s->low, s->high);
    put_channels(s, "mean", false);
    put_channels(s, "deviation", true);
    fig__text_print(out, "}");
    if (!s->report->check)
        return;
    fig__report_number(s->report, "repeated", (double)find_repeats(s, WITHIN));
    fig__report_number(s->report, "in_two_splits", (double)find_repeats(s, BETWEEN));
    fig__report_number(s->report, "contradicting", (double)find_repeats(s, CONTRADICTING));
    fig__report_number(s->report, "nearly_repeated", (double)s->near_within);
    fig__report_number(s->report, "nearly_in_two_splits", (double)s->near_between);
    find_blanks(s);
}

fig_status fig__report_pictures(fig__report *report, fig_error *err)
{
    const fig_data_info *info = &report->data->contents.info;
    fig__report_number(report, "height", info->height);
    fig__report_number(report, "width", info->width);
    fig__report_number(report, "channels", report->data->contents.any_colour ? 3 : 1);
    fig__text_print(report->out, ",\"mixed_sizes\":%s", info->mixed_sizes ? "true" : "false");
    if (info->values)
        fig__text_print(report->out, ",\"values\":\"%s\"", fig__values_name(info->values));
    fig__report_classes(report);
    survey *s = fig__alloc(sizeof *s);
    s->report = report;
    s->low = 255;
    int64_t total = info->items[0] + info->items[1] + info->items[2];
    if (report->check) {
        s->prints = fig__alloc((size_t)total * sizeof *s->prints);
        s->near = fig__alloc((size_t)total * sizeof *s->near + 1);
    }
    fig_status status = FIG_OK;
    for (int split = 0; split < FIG_SPLITS && status == FIG_OK; split++)
        status = read_split(s, (fig_split)split, report->check || total <= SAMPLE ? 1 : total / SAMPLE, err);
    if (status == FIG_OK) {
        if (s->prints)
            compare_near(s);
        if (s->prints)
            qsort(s->prints, (size_t)s->print_count, sizeof *s->prints, by_hash);
        put_survey(s);
    }
    free(s->near);
    free(s->prints);
    free(s);
    return status;
}
