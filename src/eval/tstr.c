/* eval/tstr.c - what generated pictures are worth to somebody who trains on them
 *
 * tstr_accuracy: a classifier like the judge is trained on generated, labelled pictures alone and tested on the real ones (train on
 * synthetic, test on real; Esteban et al. 2017). augmentation_gain: one trained on all real training pictures and the generated
 * ones, less the judge, which had the real ones only; its error is that of the paired difference over the test pictures.
 * Items without a class are left out of both and counted in the protocol.
 * Both train in a folder of their own in the cache, on IDX files that are written there. */
#include "eval/judged.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_CLASSES = 256, BATCH = 100 };

typedef struct set { /* pictures to train on, in two parts: real ones first */
    const fig_data_spec *spec;
    uint8_t *pixels, *label;
    int64_t count, skipped; /* items without a class are not trained on */
    size_t row;
} set;

static fig_status set_init(set *s, const fig_data_spec *spec, int64_t count, fig_error *err)
{
    *s = (set){ .spec = spec, .row = (size_t)spec->height * (size_t)spec->width * (size_t)spec->channels };
    s->pixels = malloc((size_t)count * s->row + 1);
    s->label = malloc((size_t)count + 1);
    if (!s->pixels || !s->label)
        return fig_fail(err, FIG_E_LIMIT, "no memory for %lld pictures to train on", (long long)count);
    return FIG_OK;
}

static void set_clear(set *s)
{
    free(s->pixels);
    free(s->label);
}

static fig_status add_made(set *s, fig__judged *j, int64_t count, fig_error *err)
{
    const uint8_t *pixels;
    const int32_t *label;
    FIG_TRY(fig__judged_pictures(j, count, &pixels, &label, err));
    for (int64_t i = 0; i < count; i++) {
        if (label[i] < 0)
            continue;
        s->label[s->count] = (uint8_t)label[i];
        memcpy(s->pixels + (size_t)s->count++ * s->row, pixels + (size_t)i * s->row, s->row);
    }
    s->skipped = count - s->count;
    if (!s->count)
        return fig_fail(err, FIG_E_USAGE, "training on samples needs their classes, and %s",
                        fig__judged_what(j)->pictures ? "these pictures have none (a folder for each class, or labels beside them)"
                                                      : "this model does not tell classes apart (see its recipe's conditional)");
    return FIG_OK;
}

static fig_status add_real(set *s, fig__judged *j, fig_error *err)
{
    fig_loader *loader;
    int64_t left = fig_data_items(fig__judged_data(j), FIG_TRAIN_SPLIT);
    FIG_TRY(fig_loader_new(fig__judged_data(j),
                           &(fig_loader_opts){ .split = FIG_TRAIN_SPLIT, .order = FIG_ORDER_SEQUENTIAL, .batch = BATCH, .still = true },
                           &loader, err));
    fig_status status = FIG_OK;
    while (left > 0 && status == FIG_OK) {
        const fig_batch *batch;
        status = fig_loader_next(loader, &batch, err);
        const float *image = status == FIG_OK ? fig_batch_field(batch, "image", NULL) : NULL;
        const int32_t *label = status == FIG_OK ? fig_batch_field(batch, "label", NULL) : NULL;
        if (status == FIG_OK && (!image || !label))
            status = fig_fail(err, FIG_E_FAILED, "the training pictures have no labels");
        for (int r = 0; image && label && r < batch->real_rows && left > 0; r++, left--) {
            if (label[r] < 0)
                continue;
            for (size_t i = 0; i < s->row; i++)
                s->pixels[(size_t)s->count * s->row + i] = (uint8_t)lrint((double)image[(size_t)r * s->row + i] * 255);
            s->label[s->count++] = (uint8_t)label[r];
        }
    }
    fig_loader_free(loader);
    return status;
}

/* -- IDX files ------------------------------------------------------------------------------------------------------------------------- */

static void add_number(fig__writer *out, int64_t number)
{
    uint8_t bytes[4] = { (uint8_t)(number >> 24), (uint8_t)(number >> 16), (uint8_t)(number >> 8), (uint8_t)number };
    fig__writer_add(out, bytes, 4);
}

static fig_status write_idx(const set *s, const char *folder, fig_error *err)
{
    char *images = fig__format("%s/train-images-idx4-ubyte", folder), *labels = fig__format("%s/train-labels-idx1-ubyte", folder);
    fig__writer *out = NULL;
    fig_status status = fig__make_folders(folder, err);
    if (status == FIG_OK)
        status = fig__writer_begin(images, &out, err);
    if (status == FIG_OK) {
        fig__writer_add(out, (const uint8_t[]){ 0, 0, 8, 4 }, 4);
        add_number(out, s->count);
        add_number(out, s->spec->height);
        add_number(out, s->spec->width);
        add_number(out, s->spec->channels);
        fig__writer_add(out, s->pixels, (uint64_t)s->count * s->row);
        status = fig__writer_commit(out, err);
    }
    if (status == FIG_OK)
        status = fig__writer_begin(labels, &out, err);
    if (status == FIG_OK) {
        fig__writer_add(out, (const uint8_t[]){ 0, 0, 8, 1 }, 4);
        add_number(out, s->count);
        fig__writer_add(out, s->label, (uint64_t)s->count);
        status = fig__writer_commit(out, err);
    }
    free(images);
    free(labels);
    return status;
}

/* A classifier of these pictures, and what it sees of the real ones. */
static fig_status train_and_see(fig__judged *j, const set *s, const char *what, fig__cloud *seen, fig_error *err)
{
    const fig__judging *judging = fig__judged_what(j);
    const fig__cloud *reference;
    char *folder;
    fig__judge *reader = NULL;
    FIG_TRY(fig__judge_workplace(&folder, err));
    fig_status status = write_idx(s, folder, err);
    if (status == FIG_OK)
        status = fig__judge_train(judging->session, folder, s->count, s->spec, what, &judging->hooks, &reader, err);
    if (status == FIG_OK)
        status = fig__judged_see(j, FIG__SEE_REFERENCE, 0, &reference, err);
    if (status == FIG_OK) /* the same pictures in the same order as the reference */
        status = fig__judged_see_with(j, reader, seen, err);
    fig__judge_free(reader);
    fig__remove_folder(folder);
    free(folder);
    return status;
}

static fig_status check_classes(fig__judged *j, const char *metric, fig_error *err)
{
    fig__judge *judge;
    FIG_TRY(fig__judged_judge(j, true, metric, &judge, err));
    if (fig__judge_classes(judge) > MOST_CLASSES)
        return fig_fail(err, FIG_E_LIMIT, "%s: %d classes, at most %d are trained on", metric, fig__judge_classes(judge), MOST_CLASSES);
    return FIG_OK;
}

/* The draw, and where items had no class: how many of the samples and of the real ones that are tested on. */
static void detail_of(const set *s, const fig__cloud *seen, const char *draw, char out[128])
{
    int64_t real = seen->rows - fig__cloud_labelled(seen);
    int used = snprintf(out, 128, "%s", draw);
    if (s->skipped || real)
        snprintf(out + used, 128 - (size_t)used, "-unlabelled%lld+%lld", (long long)s->skipped, (long long)real);
}

static fig_status score_tstr(fig__judged *j, int64_t count, fig_error *err)
{
    char draw[64], detail[128];
    set s;
    fig__cloud seen = { 0 };
    FIG_TRY(check_classes(j, "metric tstr", err));
    fig_status status = set_init(&s, fig__judged_spec(j), count, err);
    if (status == FIG_OK)
        status = add_made(&s, j, count, err);
    if (status == FIG_OK)
        status = train_and_see(j, &s, "training on samples", &seen, err);
    if (status == FIG_OK) {
        detail_of(&s, &seen, fig__judged_draw(j, count, draw), detail);
        fig__judged_put(j, "tstr_accuracy", "", fig__cloud_accuracy(&seen), fig__cloud_labelled(&seen), true, detail);
    }
    fig__cloud_clear(&seen);
    set_clear(&s);
    FIG_TRY(status);
    return fig__judged_put_accuracy(j, err);
}

/* Mean and error of the difference of being right, item by item. */
static fig__estimate gain_of(const fig__cloud *with, const fig__cloud *without)
{
    double sum = 0, squares = 0, n = (double)fig__cloud_labelled(with);
    for (int64_t i = 0; i < with->rows; i++) {
        if (with->label[i] < 0)
            continue;
        int gain = (fig__cloud_class(with, i) == with->label[i]) - (fig__cloud_class(without, i) == with->label[i]);
        sum += gain;
        squares += gain * gain;
    }
    return (fig__estimate){ sum / n, sqrt(fmax(squares / n - sum / n * (sum / n), 0) / fmax(n - 1, 1)) };
}

static fig_status score_gain(fig__judged *j, int64_t count, fig_error *err)
{
    const fig__cloud *reference = NULL;
    char draw[64], used[128], detail[160];
    set s;
    fig__cloud seen = { 0 };
    FIG_TRY(check_classes(j, "metric gain", err));
    int64_t real = fig_data_items(fig__judged_data(j), FIG_TRAIN_SPLIT);
    fig_status status = set_init(&s, fig__judged_spec(j), real + count, err);
    if (status == FIG_OK)
        status = add_made(&s, j, count, err);
    if (status == FIG_OK)
        status = add_real(&s, j, err);
    if (status == FIG_OK)
        status = train_and_see(j, &s, "training on real items and samples", &seen, err);
    if (status == FIG_OK)
        status = fig__judged_see(j, FIG__SEE_REFERENCE, 0, &reference, err);
    if (status == FIG_OK) {
        real = s.count - (count - s.skipped); /* that have a class */
        detail_of(&s, &seen, fig__judged_draw(j, count, draw), used);
        snprintf(detail, sizeof detail, "real%lld/%s", (long long)real, used);
        fig__judged_put(j, "augmentation_gain", "", gain_of(&seen, reference), fig__cloud_labelled(&seen), true, detail);
    }
    fig__cloud_clear(&seen);
    set_clear(&s);
    FIG_TRY(status);
    return fig__judged_put_accuracy(j, err);
}

const fig__sample_metric fig__sample_metric_tstr = {
    .name = "tstr",
    .summary = "accuracy on real items of a classifier trained on samples alone; for models that tell classes apart",
    .gives = "tstr_accuracy judge_accuracy",
    .kinds = FIG_DATA_IMAGES,
    .on_request = true,
    .usual = { 10000 },
    .score = score_tstr,
};

const fig__sample_metric fig__sample_metric_gain = {
    .name = "gain",
    .summary = "what adding samples to the real training items does to a classifier's accuracy",
    .gives = "augmentation_gain judge_accuracy",
    .kinds = FIG_DATA_IMAGES,
    .on_request = true,
    .usual = { 10000 },
    .score = score_gain,
};
