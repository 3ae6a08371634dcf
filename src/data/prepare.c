/* prepare.c - settling what a model needs with what the data has
 *
 * A request (or the spec of a model that exists) and the contents become a spec, index tables and settled values.
 * What is kept aside for validation and test is chosen in split.c; of text it is the last part, as texts are not
 * exchangeable. */
#include "data/prepared.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { DEFAULT_CONTEXT = 64, MAX_CONTEXT = 1 << 24 };

void fig__prepared_release(fig_data *data)
{
    fig__pictures_release(data);
    for (int split = 0; split < FIG_SPLITS; split++) {
        free(data->index[split]);
        free(data->tokens[split].owner);
        free(data->points[split]);
        data->index[split] = NULL;
        data->tokens[split] = (fig__tokens){ 0 };
        data->points[split] = NULL;
        data->count[split] = 0;
        data->from[split] = (fig_split)split;
    }
    free(data->class_map);
    data->class_map = NULL;
    fig_data_spec_free(data->spec);
    data->spec = NULL;
}

/* -- classes ------------------------------------------------------------------------------------------------------- */

static void copy_classes(const fig_data_info *info, fig_data_spec *spec)
{
    spec->classes = info->classes;
    if (!info->class_names)
        return;
    spec->class_names = fig__alloc((size_t)info->classes * sizeof *spec->class_names);
    for (int i = 0; i < info->classes; i++)
        spec->class_names[i] = fig__strdup(info->class_names[i]);
}

/* The data's classes in the numbers of a spec that exists: by name where both have names. */
static fig_status map_classes(fig_data *data, const fig_data_spec *like, fig_error *err)
{
    const fig_data_info *info = &data->contents.info;
    if (!like->classes || !info->classes)
        return FIG_OK;
    if (!like->class_names || !info->class_names)
        return info->classes <= like->classes ? FIG_OK
                                              : fig_fail(err, FIG_E_FORMAT, "%s: %d classes, the model knows %d",
                                                         info->path, info->classes, like->classes);
    data->class_map = fig__alloc((size_t)info->classes * sizeof *data->class_map);
    for (int i = 0; i < info->classes; i++) {
        int found = 0;
        while (found < like->classes && strcmp(like->class_names[found], info->class_names[i]))
            found++;
        if (found == like->classes)
            return fig_fail(err, FIG_E_FORMAT, "%s: class \"%s\" is none of the model's %d classes", info->path,
                            info->class_names[i], like->classes);
        data->class_map[i] = found;
    }
    return FIG_OK;
}

/* -- kinds --------------------------------------------------------------------------------------------------------- */

/* Mean and deviation of each channel over the train pictures as they are before any random change, in low..high. Whole numbers
 * per picture, so that the totals do not depend on rounding. */
static fig_status measure_channels(fig_data *data, double *offset, double *scale, fig_error *err)
{
    const fig_data_spec *spec = data->spec;
    fig_split split = data->count[FIG_TRAIN_SPLIT] ? FIG_TRAIN_SPLIT : FIG_TEST_SPLIT;
    size_t channels = (size_t)spec->channels, count = (size_t)spec->height * (size_t)spec->width * channels;
    fig__picture_reader *reader = fig__picture_reader_new(data);
    double sums[3] = { 0 }, squares[3] = { 0 }, pixels = 0;
    fig_status status = FIG_OK;
    for (int64_t i = 0; i < data->count[split] && status == FIG_OK; i++) {
        const uint8_t *bytes;
        if (i % 256 == 0) {
            status = fig__check_cancelled(&data->contents, err);
            fig__progress(&data->contents, "measuring pictures", (double)i / (double)data->count[split]);
        }
        if (fig__picture_reader_get(reader, data->from[split], fig__data_item(data, split, i), &bytes, NULL) != FIG_OK)
            continue; /* counted as skipped; the loader leaves it out too */
        uint64_t sum[3] = { 0 }, square[3] = { 0 };
        for (size_t k = 0; k < count; k++) {
            sum[k % channels] += bytes[k];
            square[k % channels] += (uint64_t)bytes[k] * bytes[k];
        }
        for (size_t c = 0; c < channels; c++) {
            sums[c] += (double)sum[c];
            squares[c] += (double)square[c];
        }
        pixels += (double)(count / channels);
    }
    fig__picture_reader_free(reader);
    double step = ((double)spec->high - spec->low) / 255;
    for (size_t c = 0; c < channels; c++) {
        double mean = pixels > 0 ? sums[c] / pixels : 0, square = pixels > 0 ? squares[c] / pixels : 0;
        double deviation = sqrt(fmax(square - mean * mean, 0)) * step;
        offset[c] = spec->low + mean * step;
        scale[c] = deviation > 0 ? deviation : 1;
    }
    return status;
}

static fig_status settle_pictures(fig_data *data, const fig_data_request *request, const fig_data_spec *like,
                                  fig_error *err)
{
    const fig_data_info *info = &data->contents.info;
    fig_data_spec *spec = data->spec;
    spec->height = request->height ? request->height : request->width;
    spec->width = request->width ? request->width : request->height;
    if (!spec->height && info->mixed_sizes)
        return fig_fail(err, FIG_E_USAGE,
                        "%s: pictures of different sizes (the first is %d x %d); choose the size they are to be "
                        "brought to, such as --set size=64",
                        info->path, info->width, info->height);
    if (!spec->height) {
        spec->height = info->height;
        spec->width = info->width;
    }
    spec->channels = request->channels ? request->channels : data->contents.any_colour ? 3 : 1;
    if (spec->channels != 1 && spec->channels != 3)
        return fig_fail(err, FIG_E_USAGE, "pictures with %d channels; 1 (grey) or 3 (colour) can be made",
                        spec->channels);
    if (spec->height < 1 || spec->width < 1 ||
        fig__picture_limits((uint64_t)spec->width, (uint64_t)spec->height, err) != FIG_OK)
        return fig_fail(err, FIG_E_USAGE, "pictures of %d x %d pixels cannot be made", spec->width, spec->height);
    spec->low = request->low;
    spec->high = request->low == 0 && request->high == 0 ? 1 : request->high;
    spec->values = info->values;
    if (like && like->values == FIG_VALUES_SIGNED && info->values == FIG_VALUES_UNIT)
        fig__warn(&data->contents,
                  "%s: its values lie in %s and are taken for that range, those that the model was trained on in %s; put all splits into "
                  "one folder or .npz so that they share a range",
                  info->path, fig__values_name(info->values), fig__values_name(like->values));
    spec->binarise = request->binarise;
    spec->resize = request->resize;
    memcpy(spec->background, request->background ? request->background : (const unsigned char[]){ 255, 255, 255 }, 3);
    if (request->binarise && (like ? like->offset != NULL : request->standardise_pictures))
        return fig_fail(err, FIG_E_USAGE, "pictures in two values cannot be standardised; set standardise=no");
    if (!(spec->low < spec->high) || !isfinite(spec->low) || !isfinite(spec->high))
        return fig_fail(err, FIG_E_USAGE, "pixel values from %g to %g; the first must be the smaller one",
                        (double)spec->low, (double)spec->high);
    FIG_TRY(fig__settle_splits(data, err));
    FIG_TRY(fig__pictures_prepare(data, err));
    if (!(like ? like->offset != NULL : request->standardise_pictures))
        return FIG_OK;
    size_t bytes = (size_t)spec->channels * sizeof(double);
    spec->offset = fig__alloc(bytes);
    spec->scale = fig__alloc(bytes);
    if (!like)
        return measure_channels(data, spec->offset, spec->scale, err);
    memcpy(spec->offset, like->offset, bytes);
    memcpy(spec->scale, like->scale, bytes);
    return FIG_OK;
}

/* Mean and deviation of each column over the train items. A constant column keeps deviation 1. */
static void measure_columns(const fig_data *data, double *offset, double *scale)
{
    int dimensions = data->spec->dimensions;
    fig_split split = data->count[FIG_TRAIN_SPLIT] ? FIG_TRAIN_SPLIT : FIG_TEST_SPLIT;
    const float *points = data->contents.points[data->from[split]];
    int64_t count = data->count[split];
    for (int column = 0; column < dimensions; column++) {
        double sum = 0, squares = 0;
        for (int64_t i = 0; i < count; i++)
            sum += points[fig__data_item(data, split, i) * dimensions + column];
        double mean = count ? sum / (double)count : 0;
        for (int64_t i = 0; i < count; i++) {
            double away = points[fig__data_item(data, split, i) * dimensions + column] - mean;
            squares += away * away;
        }
        double deviation = count ? sqrt(squares / (double)count) : 0;
        offset[column] = mean;
        scale[column] = deviation > 0 ? deviation : 1;
    }
}

static fig_status settle_points(fig_data *data, const fig_data_request *request, const fig_data_spec *like,
                                fig_error *err)
{
    const fig_data_info *info = &data->contents.info;
    fig_data_spec *spec = data->spec;
    spec->dimensions = info->dimensions;
    if (like && like->dimensions != info->dimensions)
        return fig_fail(err, FIG_E_FORMAT, "%s: points of %d numbers, the model was made for %d", info->path,
                        info->dimensions, like->dimensions);
    FIG_TRY(fig__settle_splits(data, err));
    if (like ? like->offset != NULL : request->standardise) {
        size_t bytes = (size_t)spec->dimensions * sizeof(double);
        spec->offset = fig__alloc(bytes);
        spec->scale = fig__alloc(bytes);
        if (like) {
            memcpy(spec->offset, like->offset, bytes);
            memcpy(spec->scale, like->scale, bytes);
        } else
            measure_columns(data, spec->offset, spec->scale);
    }
    for (int split = 0; split < FIG_SPLITS; split++) {
        int64_t values = info->items[split] * spec->dimensions;
        float *to = data->points[split] = fig__alloc((size_t)values * sizeof *to + 1);
        for (int64_t i = 0; i < values; i++) {
            int64_t column = i % spec->dimensions;
            double value = data->contents.points[split][i];
            to[i] = (float)(spec->offset ? (value - spec->offset[column]) / spec->scale[column] : value);
        }
    }
    return FIG_OK;
}

/* -- text ---------------------------------------------------------------------------------------------------------- */

static fig_status build_tokenizer(fig_data *data, const char *kind, fig_error *err)
{
    const fig__contents *contents = &data->contents;
    const char *text[FIG_SPLITS];
    int64_t length[FIG_SPLITS];
    int pieces = 0;
    kind = kind && *kind ? kind : "char";
    bool bytes = false;
    for (int split = 0; split < FIG_SPLITS; split++) {
        if (!contents->info.items[split])
            continue;
        text[pieces] = contents->text[split];
        length[pieces] = contents->info.items[split];
        int64_t invalid = strcmp(kind, "byte") ? fig__find_invalid_utf8(text[pieces], length[pieces]) : -1;
        if (invalid >= 0 && !bytes)
            fig__warn(contents, "%s: byte %lld is not UTF-8, so the text is read as bytes and not as characters",
                      contents->info.path, (long long)invalid);
        bytes = bytes || invalid >= 0;
        pieces++;
    }
    return fig__tokenizer_build(bytes ? "byte" : kind, text, length, pieces, &data->spec->tokenizer, err);
}

/* Windows of context + 1 tokens that share only their ends: each but the first token is predicted once. The last one may
 * reach past the end, where its tokens are -1. */
static int64_t count_windows(int64_t tokens, int context)
{
    return tokens > context ? (tokens - 1 + context - 1) / context : 0;
}

static fig_status encode_splits(fig_data *data, fig_error *err)
{
    const fig__contents *contents = &data->contents;
    for (int split = 0; split < FIG_SPLITS; split++) {
        fig__tokens *tokens = &data->tokens[split];
        int64_t length = contents->info.items[split], unknown = 0;
        if (!length)
            continue;
        FIG_TRY(fig__tokenizer_encode_all(data->spec->tokenizer, contents->text[split], length, &tokens->owner,
                                          &tokens->width, &tokens->count, &unknown, err));
        tokens->ids = tokens->owner;
        if (unknown)
            fig__warn(contents, "%s: %lld characters of the %s text are not in the vocabulary and are left out",
                      contents->info.path, (long long)unknown, fig__split_names[split]);
    }
    return FIG_OK;
}

static void split_text(fig_data *data)
{
    fig__tokens *train = &data->tokens[FIG_TRAIN_SPLIT], *validation = &data->tokens[FIG_VALIDATION_SPLIT];
    if (!(data->spec->validation > 0) || validation->count || !train->count)
        return;
    int64_t first = (int64_t)((double)train->count * (1 - data->spec->validation));
    *validation =
        (fig__tokens){ (const char *)train->ids + first * train->width, train->width, train->count - first, NULL };
    train->count = first;
}

static fig_status settle_text(fig_data *data, const fig_data_request *request, const fig_data_spec *like,
                              fig_error *err)
{
    const fig_data_info *info = &data->contents.info;
    fig_data_spec *spec = data->spec;
    spec->context = request->context ? request->context : DEFAULT_CONTEXT;
    if (spec->context < 1 || spec->context > MAX_CONTEXT)
        return fig_fail(err, FIG_E_USAGE, "a context of %d tokens; 1 to %d are possible", spec->context, MAX_CONTEXT);
    if (like)
        spec->tokenizer = fig__tokenizer_copy(like->tokenizer);
    else
        FIG_TRY(build_tokenizer(data, request->tokenizer, err));
    spec->vocabulary = spec->tokenizer->size;
    FIG_TRY(encode_splits(data, err));
    if (spec->test > 0 && !data->tokens[FIG_TEST_SPLIT].count)
        return fig_fail(err, FIG_E_USAGE, "test: of text only a validation part is kept aside; put the test text into a file of its own");
    bool own_validation = data->tokens[FIG_VALIDATION_SPLIT].count > 0;
    split_text(data);
    for (int split = 0; split < FIG_SPLITS; split++) {
        int64_t tokens = data->tokens[split].count;
        data->count[split] = count_windows(tokens, spec->context);
        if (!tokens || data->count[split])
            continue;
        bool needed = split == FIG_TRAIN_SPLIT || (split == FIG_VALIDATION_SPLIT && !own_validation);
        if (needed)
            return fig_fail(err, FIG_E_USAGE,
                            "%s: the %s text has %lld tokens, fewer than a context of %d and one more; use a shorter "
                            "context or more text",
                            info->path, fig__split_names[split], (long long)tokens, spec->context);
        fig__warn(&data->contents,
                  "%s: the %s text has %lld tokens, fewer than a context of %d and one more, and is left out",
                  info->path, fig__split_names[split], (long long)tokens, spec->context);
    }
    return FIG_OK;
}

/* -- all together -------------------------------------------------------------------------------------------------- */

static const char *kind_name(unsigned kind)
{
    return kind == FIG_DATA_IMAGES   ? "pictures"
           : kind == FIG_DATA_TEXT   ? "text"
           : kind == FIG_DATA_POINTS ? "points"
                                     : "nothing";
}

static fig_status refuse_kind(const fig_data *data, unsigned accepted, fig_error *err)
{
    fig__text list;
    fig__text_init(&list, 200);
    for (unsigned kind = 1; kind <= FIG_DATA_POINTS; kind <<= 1)
        if (accepted & kind)
            fig__text_print(&list, "%s%s", list.length ? " or " : "", kind_name(kind));
    fig_status status = fig_fail(err, FIG_E_USAGE, "%s: holds %s, but this model needs %s", data->contents.info.path,
                                 kind_name(data->contents.info.kind), list.length ? list.data : "nothing");
    fig__text_free(&list);
    return status;
}

/* Many broken items mean a broken copy: better to stop now than to train on what is left. */
static fig_status check_skipped(const fig_data *data, fig_error *err)
{
    const fig_data_info *info = &data->contents.info;
    int64_t good = info->items[0] + info->items[1] + info->items[2];
    if (info->kind != FIG_DATA_IMAGES || info->skipped <= 10 || info->skipped * 100 <= good + info->skipped)
        return FIG_OK;
    fig__text names;
    fig__text_init(&names, 700);
    for (int i = 0; i < info->skipped_named && i < 20; i++)
        fig__text_print(&names, "%s%s", i ? ", " : "", info->skipped_names[i]);
    fig_status status =
        fig_fail(err, FIG_E_FORMAT,
                 "%s: %lld of %lld items cannot be read, more than one in a hundred; remove or "
                 "replace them (%s ...)",
                 info->path, (long long)info->skipped, (long long)(good + info->skipped), names.data ? names.data : "");
    fig__text_free(&names);
    return status;
}

static fig_status settle(fig_data *data, const fig_data_request *request, const fig_data_spec *like, fig_error *err)
{
    const fig_data_info *info = &data->contents.info;
    if (!(request->kinds & (unsigned)info->kind))
        return refuse_kind(data, request->kinds, err);
    if (!(request->validation >= 0 && request->validation <= 0.5))
        return fig_fail(err, FIG_E_USAGE, "a validation part of %g; 0 to 0.5 is possible", request->validation);
    if (!(request->test >= 0 && request->test <= 0.5))
        return fig_fail(err, FIG_E_USAGE, "a test part of %g; 0 to 0.5 is possible", request->test);
    FIG_TRY(check_skipped(data, err));
    fig_data_spec *spec = data->spec = fig__spec_new();
    spec->kind = info->kind;
    spec->validation = request->validation;
    spec->test = request->test;
    memcpy(spec->data_hash, data->hash, sizeof spec->data_hash);
    fig__spec_set_name(spec, info->name);
    if (like) {
        FIG_TRY(map_classes(data, like, err));
        copy_classes(
            &(fig_data_info){ .classes = like->classes, .class_names = (const char *const *)like->class_names }, spec);
    } else
        copy_classes(info, spec);
    return spec->kind == FIG_DATA_IMAGES ? settle_pictures(data, request, like, err)
           : spec->kind == FIG_DATA_TEXT ? settle_text(data, request, like, err)
                                         : settle_points(data, request, like, err);
}

fig_status fig_data_prepare(fig_data *data, const fig_data_request *request, fig_error *err)
{
    fig__prepared_release(data);
    fig_status status = settle(data, request, NULL, err);
    if (status != FIG_OK)
        fig__prepared_release(data);
    else
        data->spec->items = data->count[FIG_TRAIN_SPLIT];
    return status;
}

fig_status fig_data_prepare_like(fig_data *data, const fig_data_spec *spec, fig_error *err)
{
    unsigned char background[3]; /* the spec may be this data's own */
    memcpy(background, spec->background, sizeof background);
    fig_data_request request = {
        .kinds = (unsigned)spec->kind,
        .height = spec->height,
        .width = spec->width,
        .channels = spec->channels,
        .low = spec->low,
        .high = spec->high,
        .binarise = spec->binarise,
        .resize = spec->resize,
        .background = background,
        .test = spec->test,
        .context = spec->context,
        .validation = spec->validation,
    };
    fig_data_spec *like = fig_data_spec_copy(spec); /* it may be this data's own */
    fig__prepared_release(data);
    fig_status status = settle(data, &request, like, err);
    fig_data_spec_free(like);
    if (status != FIG_OK)
        fig__prepared_release(data);
    return status;
}
