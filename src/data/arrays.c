/* arrays.c - numpy files as data: pictures or points, with or without labels
 *
 *     images.npy (+ labels.npy beside it)             one split
 *     x_train.npy, y_train.npy, x_test.npy ...        a folder: splits by name
 *     mnist.npz with x_train, y_train, x_test, y_test  the same in one file
 *
 * An array whose name has a word "y", "label", "labels", "target" or "targets" holds labels: whole numbers, one per item. Others
 * are items: three or four dimensions are pictures, (n, H, W), (n, H, W, 1|3) or (n, 1|3, H, W); two are points, (n, D).
 * Pictures of floating numbers must lie in 0..1, -1..1 or 0..255, which is found from their least and largest value over all
 * splits, and become bytes: one range for all of the data, as a split may happen to have no value below zero. An array is converted
 * when it is read, by what is known then, and read again in the rare case that a later one shows another range.
 * Labels may be any whole numbers from 0 to 99,999. */
#include "data/npy.h"
#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_CLASSES = 100000, MAX_DIMENSIONS = 65536 };

typedef struct arrays {
    uint8_t *pixels[FIG_SPLITS]; /* (items, H, W, C) */
    uint64_t bytes[FIG_SPLITS];
    fig_values values[FIG_SPLITS]; /* what floating numbers were taken for */
    double least, most;            /* of all floating numbers */
} arrays;

/* -- names --------------------------------------------------------------------------------------------------------- */

static bool is_labels_name(const char *name)
{
    static const char *const words[] = { "y", "label", "labels", "target", "targets" };
    while (*name) {
        size_t length = 0;
        while (isalpha((unsigned char)name[length]))
            length++;
        for (size_t i = 0; i < sizeof words / sizeof *words; i++)
            if (length == strlen(words[i]) && !strncmp(name, words[i], length))
                return true;
        name += length ? length : 1;
    }
    return false;
}

static const char *const npy_ending[] = { ".npy", NULL };
static const char *const npz_ending[] = { ".npz", NULL };

static int arrays_probe(const char *path, bool folder)
{
    if (!folder)
        return fig__has_ending(path, npy_ending) || fig__has_ending(path, npz_ending) ? 80 : 0;
    fig__arena *arena = fig__arena_new();
    char **names;
    size_t count;
    int score = 0;
    if (fig__list_folder(arena, path, &names, &count, NULL) == FIG_OK)
        for (size_t i = 0; i < count && !score; i++)
            score = fig__has_ending(names[i], npy_ending) && !is_labels_name(names[i]) ? 70 : 0;
    fig__arena_free(arena);
    return score;
}

/* -- pictures ------------------------------------------------------------------------------------------------------ */

typedef struct layout {
    uint64_t height, width, channels;
    bool planar;
} layout;

static fig_status find_layout(const fig__npy *a, const char *where, layout *out, fig_error *err)
{
    *out = (layout){ a->dim[1], a->dim[2], 1, false };
    if (a->rank == 3)
        return FIG_OK;
    if (a->dim[3] == 1 || a->dim[3] == 3)
        out->channels = a->dim[3];
    else if (a->dim[1] == 1 || a->dim[1] == 3)
        *out = (layout){ a->dim[2], a->dim[3], a->dim[1], true };
    else
        return fig_fail(err, FIG_E_FORMAT,
                        "%s: an array of %llu x %llu x %llu x %llu; pictures need 1 or 3 channels as the last or second size",
                        where, (unsigned long long)a->dim[0], (unsigned long long)a->dim[1], (unsigned long long)a->dim[2],
                        (unsigned long long)a->dim[3]);
    return FIG_OK;
}

static fig_status measure(const fig__npy *a, const char *where, double *least, double *most, fig_error *err)
{
    *least = INFINITY;
    *most = -INFINITY;
    for (uint64_t i = 0; i < a->count; i++) {
        double value = fig__npy_number(a, i);
        if (!isfinite(value))
            return fig_fail(err, FIG_E_FORMAT, "%s: number %llu is not finite", where, (unsigned long long)i);
        *least = value < *least ? value : *least;
        *most = value > *most ? value : *most;
    }
    return FIG_OK;
}

/* What numbers mean, from the least and the largest that were seen. */
static fig_status find_values(bool floating, double least, double most, const char *where, fig_values *out, fig_error *err)
{
    *out = FIG_VALUES_LEVELS;
    if (floating && least >= 0 && most <= 1)
        *out = FIG_VALUES_UNIT;
    else if (floating && least >= -1 && most <= 1)
        *out = FIG_VALUES_SIGNED;
    else if (least < 0 || most > 255)
        return fig_fail(err, FIG_E_FORMAT,
                        "%s: pictures with values from %g to %g; 0..1, -1..1 or 0..255 are understood", where, least, most);
    return FIG_OK;
}

/* The values of one array: those of all floating ones that were read so far, this one with them. */
static fig_status settle_values(arrays *self, const fig__npy *a, const char *where, fig_values *out, fig_error *err)
{
    double least, most;
    *out = FIG_VALUES_BYTES;
    if (a->kind == 'b' || (a->kind == 'u' && a->width == 1))
        return FIG_OK;
    FIG_TRY(measure(a, where, &least, &most, err));
    if (a->kind != 'f') {
        FIG_TRY(find_values(false, least, most, where, out, err));
        return *out = FIG_VALUES_BYTES, FIG_OK;
    }
    bool levels = most > 1 || least < -1, first = self->least > self->most;
    if (!first && levels != (self->most > 1))
        return fig_fail(err, FIG_E_FORMAT, "%s: values from %g to %g, but the other split has %g to %g; bring both to one range", where,
                        least, most, self->least, self->most);
    self->least = least < self->least ? least : self->least;
    self->most = most > self->most ? most : self->most;
    return find_values(true, self->least, self->most, where, out, err);
}

static void convert(uint8_t *to, const fig__npy *a, const layout *l, fig_values values)
{
    uint64_t area = l->height * l->width, item = area * l->channels;
    bool plain = a->kind == 'u' && a->width == 1;
    double add = values == FIG_VALUES_SIGNED ? 1 : 0;
    double factor = values == FIG_VALUES_SIGNED ? 127.5 : values == FIG_VALUES_UNIT || a->kind == 'b' ? 255 : 1;
    for (uint64_t i = 0; i < a->count; i++) {
        uint64_t within = i % item, from = l->planar ? i - within + within % l->channels * area + within / l->channels : i;
        to[i] = plain ? a->values[from] : (uint8_t)((fig__npy_number(a, from) + add) * factor + 0.5);
    }
}

static fig_status add_pictures(fig__contents *contents, fig_split split, const fig__npy *a, const char *where, fig_error *err)
{
    arrays *self = contents->self;
    fig_data_info *info = &contents->info;
    layout l;
    fig_values values;
    FIG_TRY(find_layout(a, where, &l, err));
    if (fig__picture_limits(l.width, l.height, err) != FIG_OK)
        return fig_error_prefix(err, "%s", where);
    if (info->height && ((int)l.height != info->height || (int)l.width != info->width || (int)l.channels != info->channels))
        return fig_fail(err, FIG_E_FORMAT, "%s: pictures of %d x %d x %d, but the other split has %d x %d x %d", where, (int)l.height,
                        (int)l.width, (int)l.channels, info->height, info->width, info->channels);
    FIG_TRY(settle_values(self, a, where, &values, err));
    FIG_TRY(fig__check_memory(where, a->count, err));
    void *pages;
    FIG_TRY(fig__pages_new(a->count, &pages, err));
    self->pixels[split] = pages;
    self->bytes[split] = a->count;
    convert(self->pixels[split], a, &l, values);
    self->values[split] = values;
    info->kind = FIG_DATA_IMAGES;
    info->height = (int)l.height;
    info->width = (int)l.width;
    info->channels = (int)l.channels;
    contents->any_colour = l.channels == 3;
    return FIG_OK;
}

/* -- points and labels --------------------------------------------------------------------------------------------- */

static fig_status add_points(fig__contents *contents, fig_split split, const fig__npy *a, const char *where, fig_error *err)
{
    fig_data_info *info = &contents->info;
    if (!a->dim[1] || a->dim[1] > MAX_DIMENSIONS)
        return fig_fail(err, FIG_E_LIMIT,
                        "%s: points of %llu numbers; 1 to %d are read", where, (unsigned long long)a->dim[1], MAX_DIMENSIONS);
    if (info->dimensions && (uint64_t)info->dimensions != a->dim[1])
        return fig_fail(err, FIG_E_FORMAT, "%s: points of %llu numbers, but the other split has %d", where, (unsigned long long)a->dim[1],
                        info->dimensions);
    FIG_TRY(fig__check_memory(where, a->count * sizeof(float), err));
    float *points = FIG_NEW_ARRAY(contents->arena, float, a->count);
    for (uint64_t i = 0; i < a->count; i++) {
        points[i] = (float)fig__npy_number(a, i);
        if (!isfinite(points[i]))
            return fig_fail(err, FIG_E_FORMAT, "%s: number %llu is not finite", where, (unsigned long long)i);
    }
    contents->points[split] = points;
    info->kind = FIG_DATA_POINTS;
    info->dimensions = (int)a->dim[1];
    return FIG_OK;
}

static fig_status add_items(fig__contents *contents, fig_split split, const fig__npy *a, const char *where, fig_error *err)
{
    fig_data_info *info = &contents->info;
    if (info->items[split])
        return fig_fail(err, FIG_E_FORMAT, "%s: a second array of items for the %s split", where, fig__split_names[split]);
    if (a->rank < 2 || a->rank > 4 || !a->count)
        return fig_fail(err, FIG_E_FORMAT,
                        "%s: an array of %d dimensions and %llu numbers; pictures have 3 or 4 dimensions, points 2", where,
                        a->rank, (unsigned long long)a->count);
    if (info->kind != FIG_DATA_NONE && (info->kind == FIG_DATA_POINTS) != (a->rank == 2))
        return fig_fail(err, FIG_E_FORMAT, "%s: %s, but the other split has %s", where, a->rank == 2 ? "points" : "pictures",
                        a->rank == 2 ? "pictures" : "points");
    if (a->dim[0] > FIG__MAX_ITEMS)
        return fig_fail(err, FIG_E_LIMIT, "%s: %llu items, at most %d are read", where, (unsigned long long)a->dim[0], FIG__MAX_ITEMS);
    FIG_TRY((a->rank == 2 ? add_points : add_pictures)(contents, split, a, where, err));
    info->items[split] = (int64_t)a->dim[0];
    return FIG_OK;
}

static fig_status add_labels(fig__contents *contents, fig_split split, const fig__npy *a, const char *where, fig_error *err)
{
    if (a->count > FIG__MAX_ITEMS || a->rank < 1 || a->dim[0] != a->count)
        return fig_fail(err, FIG_E_FORMAT, "%s: labels are one number per item, in one dimension or (n, 1)", where);
    if (contents->labels[split])
        return fig_fail(err, FIG_E_FORMAT, "%s: a second array of labels for the %s split", where, fig__split_names[split]);
    FIG_TRY(fig__check_memory(where, (a->count + 1) * sizeof(int32_t), err));
    int32_t *labels = FIG_NEW_ARRAY(contents->arena, int32_t, a->count + 1);
    for (uint64_t i = 0; i < a->count; i++) {
        double value = fig__npy_number(a, i);
        if (!(value >= 0 && value < MAX_CLASSES) || value != floor(value))
            return fig_fail(err, FIG_E_FORMAT,
                            "%s: label %llu is %g; whole numbers from 0 to %d are read", where, (unsigned long long)i, value,
                            MAX_CLASSES - 1);
        labels[i] = (int32_t)value;
        if (labels[i] >= contents->info.classes)
            contents->info.classes = labels[i] + 1;
    }
    contents->labels[split] = labels;
    return FIG_OK;
}

/* -- opening ------------------------------------------------------------------------------------------------------- */

/* How many labels there were, until all arrays are there and can be compared. */
typedef struct counts {
    int64_t labels[FIG_SPLITS];
    bool again; /* a second time through, for arrays whose values mean something else than it seemed */
} counts;

static fig_status convert_again(fig__contents *contents, fig_split split, const fig__npy *a, const char *where, fig_error *err)
{
    arrays *self = contents->self;
    layout l;
    if (a->rank < 3 || a->kind != 'f' || !self->pixels[split] || self->values[split] == contents->info.values)
        return FIG_OK;
    double least, most;
    FIG_TRY(find_layout(a, where, &l, err));
    FIG_TRY(measure(a, where, &least, &most, err));
    bool same = a->count == self->bytes[split] && (int)l.height == contents->info.height && (int)l.width == contents->info.width &&
                (int)l.channels == contents->info.channels && least >= self->least && most <= self->most;
    if (!same)
        return fig_fail(err, FIG_E_FORMAT, "%s: has changed while it was read", where);
    convert(self->pixels[split], a, &l, contents->info.values);
    return FIG_OK;
}

/* One array by its name: items or labels of the split that the name says. */
static fig_status add_array(fig__contents *contents, const char *name, const uint8_t *bytes, uint64_t length, const char *where, counts *n,
                            fig_error *err)
{
    fig__npy array;
    fig_split split = FIG_TRAIN_SPLIT;
    fig__split_in_name(name, &split);
    FIG_TRY(fig__npy_parse(bytes, length, where, &array, err));
    if (n->again)
        return is_labels_name(name) ? FIG_OK : convert_again(contents, split, &array, where, err);
    fig__sha256_update(contents->hash, name, strlen(name) + 1);
    fig__sha256_update(contents->hash, bytes, length);
    if (!is_labels_name(name))
        return add_items(contents, split, &array, where, err);
    n->labels[split] = (int64_t)array.count;
    return add_labels(contents, split, &array, where, err);
}

static fig_status add_file(fig__contents *contents, const char *path, const char *name, counts *n, fig_error *err)
{
    uint64_t size, length;
    char *bytes;
    FIG_TRY(fig__check_cancelled(contents, err));
    FIG_TRY(fig__file_size(path, &size, err));
    FIG_TRY(fig__check_memory(path, size, err));
    FIG_TRY(fig__file_read(path, size, &bytes, &length, err));
    fig_status status = add_array(contents, name, (const uint8_t *)bytes, length, path, n, err);
    free(bytes);
    return status;
}

static fig_status add_members(fig__contents *contents, const char *path, counts *n, fig_error *err)
{
    fig__map map;
    fig__zip zip;
    FIG_TRY(fig__map_open(path, &map, err));
    fig_status status = fig__zip_open(map.data, map.length, path, contents->arena, &zip, err);
    for (size_t i = 0; status == FIG_OK && i < zip.count; i++) {
        const fig__zip_member *member = &zip.members[i];
        char clean[200], where[4400];
        uint8_t *bytes;
        if (!fig__ends_with(member->name, ".npy"))
            continue;
        fig_printable(member->name, clean, sizeof clean);
        snprintf(where, sizeof where, "%.4000s, %s", path, clean);
        status = fig__check_cancelled(contents, err);
        if (status == FIG_OK)
            status = fig__zip_read(&zip, member, path, &bytes, err);
        if (status == FIG_OK) {
            status = add_array(contents, member->name, bytes, member->bytes, where, n, err);
            free(bytes);
        }
    }
    fig__map_close(&map);
    return status;
}

static fig_status check_labels(const fig__contents *contents, const char *path, const counts *n, fig_error *err)
{
    bool some = false, missing = false;
    for (int split = 0; split < FIG_SPLITS; split++) {
        int64_t items = contents->info.items[split];
        if (contents->labels[split] && n->labels[split] != items)
            return fig_fail(err, FIG_E_FORMAT, "%s: %lld labels for %lld items of the %s split", path, (long long)n->labels[split],
                            (long long)items, fig__split_names[split]);
        some = some || contents->labels[split];
        missing = missing || (items && !contents->labels[split]);
    }
    return some && missing ? fig_fail(err, FIG_E_FORMAT, "%s: one split has labels, another has none", path) : FIG_OK;
}

static bool is_npy_name(const char *name) { return fig__has_ending(name, npy_ending); }

static fig_status add_all(fig__contents *contents, const char *path, counts *n, fig_error *err)
{
    uint8_t start[2] = { 0 };
    if (fig__path_is_folder(path)) {
        fig__files files;
        FIG_TRY(fig__find_files(contents->arena, path, is_npy_name, &files, err));
        for (size_t i = 0; i < files.count; i++)
            FIG_TRY(add_file(contents, fig__path_join(contents->arena, path, files.names[i]), files.names[i], n, err));
        return FIG_OK;
    }
    FILE *file = fopen(path, "rbe");
    bool zipped = file && fread(start, 1, 2, file) == 2 && !memcmp(start, "PK", 2);
    if (file)
        fclose(file);
    return zipped ? add_members(contents, path, n, err) : add_file(contents, path, "items.npy", n, err);
}

/* One range for all splits; those that were taken for another are read again. */
static fig_status settle_range(fig__contents *contents, const char *path, counts *n, fig_error *err)
{
    const arrays *self = contents->self;
    if (self->least > self->most)
        return FIG_OK;
    FIG_TRY(find_values(true, self->least, self->most, path, &contents->info.values, err));
    for (int split = 0; split < FIG_SPLITS; split++)
        n->again |= self->values[split] != FIG_VALUES_BYTES && self->values[split] != contents->info.values;
    return n->again ? add_all(contents, path, n, err) : FIG_OK;
}

static fig_status arrays_open(fig__contents *contents, const char *path, fig_error *err)
{
    counts n = { { 0 }, false };
    arrays *self = contents->self = fig__alloc(sizeof(arrays));
    self->least = INFINITY;
    self->most = -INFINITY;
    FIG_TRY(add_all(contents, path, &n, err));
    if (contents->info.kind == FIG_DATA_NONE)
        return fig_fail(err, FIG_E_NOT_FOUND, "%s: no array of pictures or points in it", path);
    FIG_TRY(settle_range(contents, path, &n, err));
    return check_labels(contents, path, &n, err);
}

static void arrays_close(fig__contents *contents)
{
    arrays *self = contents->self;
    for (int split = 0; split < FIG_SPLITS; split++)
        if (self->pixels[split])
            fig__pages_free(self->pixels[split], self->bytes[split]);
    free(self);
}

static fig_status arrays_picture(const fig__contents *contents, fig_split split, int64_t index, const fig__decode_opts *opts,
                                 fig_picture *out, bool *borrowed, fig_error *err)
{
    (void)opts, (void)err;
    const arrays *self = contents->self;
    const fig_data_info *info = &contents->info;
    *borrowed = true;
    *out = (fig_picture){ info->width, info->height, info->channels,
                          self->pixels[split] + (size_t)index * (size_t)info->height * (size_t)info->width * (size_t)info->channels };
    return FIG_OK;
}

static void arrays_item_name(const fig__contents *contents, fig_split split, int64_t index, char *out, size_t size)
{
    (void)contents;
    snprintf(out, size, "%s item %lld", fig__split_names[split], (long long)index);
}

const fig_source fig_source_numpy = {
    .name = "numpy",
    .summary = "numpy arrays, .npy or .npz: pictures (n, H, W[, C]) or points (n, D), with labels by name",
    .probe = arrays_probe,
    .open = arrays_open,
    .close = arrays_close,
    .picture = arrays_picture,
    .item_name = arrays_item_name,
};
