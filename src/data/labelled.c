/* labelled.c - a few labelled examples out of many: the same number of each class, a function of the seed
 *
 * Semi-supervised learning is tested with data whose labels are all known, of which it may see a few. Which, is drawn for each class
 * by itself; where the classes do not divide their number, the first ones in a random order have one more. */
#include "data/prepared.h"
#include <stdlib.h>

static const char stream_name[] = "labelled";

static int32_t label_of(const fig_data *data, fig_split split, int64_t place)
{
    const int32_t *labels = data->contents.labels[data->from[split]];
    return labels ? labels[fig__data_item(data, split, place)] : -1;
}

/* How many of each class: quota[order of the class] */
static void share_out(int classes, int64_t count, uint64_t seed, int64_t *quota)
{
    fig__permutation order;
    fig__permutation_init(&order, (uint64_t)classes, seed, fig__hash64(stream_name, sizeof stream_name - 1, 1), 0);
    for (int c = 0; c < classes; c++)
        quota[fig__permutation_at(&order, (uint64_t)c)] = count / classes + (c < count % classes);
}

static fig_status too_few(const fig_data *data, int class, int64_t found, int64_t wanted, fig_error *err)
{
    const fig_data_info *info = &data->contents.info;
    char number[16];
    snprintf(number, sizeof number, "%d", class);
    return fig_fail(err, FIG_E_USAGE, "labels: class %.60s has %lld examples to train on, %lld are wanted of each; ask for fewer labels",
                    info->class_names ? info->class_names[class] : number, (long long)found, (long long)wanted);
}

fig_status fig__pick_labelled(const fig_data *data, fig_split split, int64_t count, uint64_t seed, int32_t **out, fig_error *err)
{
    int classes = data->contents.info.classes;
    int64_t items = data->count[split];
    *out = NULL;
    if (!data->spec->classes || classes < 1 || data->spec->kind == FIG_DATA_TEXT)
        return fig_fail(err, FIG_E_USAGE, "labels: %s has no classes; set labels=0", data->contents.info.path);
    if (count < classes)
        return fig_fail(err, FIG_E_USAGE, "labels: %lld labelled examples for %d classes; at least one of each is needed", (long long)count,
                        classes);
    if (count > items)
        return fig_fail(err, FIG_E_USAGE, "labels: %s has %lld examples to train on, %lld labelled ones are wanted; ask for fewer labels",
                        data->contents.info.path, (long long)items, (long long)count);
    int64_t *quota = fig__alloc((size_t)classes * sizeof *quota), *has = fig__alloc((size_t)classes * sizeof *has);
    int32_t **of = fig__alloc((size_t)classes * sizeof *of), *picked = fig__alloc((size_t)count * sizeof *picked);
    share_out(classes, count, seed, quota);
    for (int64_t i = 0; i < items; i++) {
        int32_t label = label_of(data, split, i);
        if (label >= 0)
            has[label]++;
    }
    fig_status status = FIG_OK;
    for (int c = 0; c < classes; c++)
        if (has[c] < quota[c] && status == FIG_OK)
            status = too_few(data, c, has[c], quota[c], err);
    for (int c = 0; c < classes; c++)
        of[c] = fig__alloc((size_t)has[c] * sizeof **of + 1);
    int64_t *seen = fig__alloc((size_t)classes * sizeof *seen), at = 0;
    for (int64_t i = 0; i < items; i++) {
        int32_t label = label_of(data, split, i);
        if (label >= 0)
            of[label][seen[label]++] = (int32_t)i;
    }
    for (int c = 0; c < classes && status == FIG_OK; c++) {
        fig__permutation order;
        fig__permutation_init(&order, (uint64_t)has[c], seed, fig__hash64(stream_name, sizeof stream_name - 1, 2 + (uint64_t)c), 0);
        for (int64_t k = 0; k < quota[c]; k++)
            picked[at++] = of[c][fig__permutation_at(&order, (uint64_t)k)];
    }
    for (int c = 0; c < classes; c++)
        free(of[c]);
    free(of);
    free(seen);
    free(has);
    free(quota);
    if (status == FIG_OK)
        *out = picked;
    else
        free(picked);
    return status;
}
