/* cifar.c - the binary files of CIFAR-10 and CIFAR-100
 *
 *     data_batch_1.bin ... data_batch_5.bin, test_batch.bin     records of a label and 3 x 32 x 32 bytes, plane by plane
 *     train.bin, test.bin                                       the same with a coarse label before the fine one
 *
 * A folder with some of these files, or one file. Names of classes are read from batches.meta.txt or fine_label_names.txt
 * beside them. Planes are turned into pixels once, while reading, so that an item afterwards costs nothing. */
#include "data/source.h"
#include <stdlib.h>
#include <string.h>

enum { SIDE = 32, AREA = SIDE * SIDE, PIXELS = 3 * AREA, MAX_NAMES = 1 << 16 };

/* The two families: bytes of labels before the pixels (the last one counts), and how many classes there are. */
static const struct {
    int labels, classes;
    const char *names;
} families[] = { { 1, 10, "batches.meta.txt" }, { 2, 100, "fine_label_names.txt" } };

typedef struct cifar {
    uint8_t *pixels[FIG_SPLITS]; /* (items, 32, 32, 3) */
    uint64_t bytes[FIG_SPLITS];
    int family;
} cifar;

/* -- names --------------------------------------------------------------------------------------------------------- */

static bool is_batch_name(const char *name, int *family, fig_split *split)
{
    size_t length = strlen(name);
    *family = 0;
    *split = FIG_TRAIN_SPLIT;
    if (!strncmp(name, "data_batch", 10) && fig__ends_with(name, ".bin"))
        return true;
    *split = FIG_TEST_SPLIT;
    if (!strcmp(name, "test_batch.bin"))
        return true;
    *family = 1;
    if (length == 8 && !strcmp(name, "test.bin"))
        return true;
    *split = FIG_TRAIN_SPLIT;
    return length == 9 && !strcmp(name, "train.bin");
}

static bool has_whole_records(const char *path, int family)
{
    uint64_t size, record = (uint64_t)(PIXELS + families[family].labels);
    return fig__file_size(path, &size, NULL) == FIG_OK && size && size % record == 0;
}

static int cifar_probe(const char *path, bool folder)
{
    int family;
    fig_split split;
    if (!folder)
        return is_batch_name(fig__base_name(path), &family, &split) && has_whole_records(path, family) ? 85 : 0;
    fig__arena *arena = fig__arena_new();
    char **names;
    size_t count;
    int score = 0;
    if (fig__list_folder(arena, path, &names, &count, NULL) == FIG_OK)
        for (size_t i = 0; i < count && !score; i++)
            score = is_batch_name(names[i], &family, &split) && has_whole_records(fig__path_join(arena, path, names[i]), family) ? 85 : 0;
    fig__arena_free(arena);
    return score;
}

/* -- reading ------------------------------------------------------------------------------------------------------- */

/* Records of a file behind those that the split has already. */
static void add_records(fig__contents *contents, fig_split split, const uint8_t *from, int64_t count, int32_t *labels, uint8_t *to)
{
    cifar *self = contents->self;
    int before = families[self->family].labels;
    for (int64_t i = 0; i < count; i++, from += before + PIXELS, to += PIXELS) {
        labels[i] = from[before - 1];
        for (int p = 0; p < AREA; p++)
            for (int c = 0; c < 3; c++)
                to[3 * p + c] = from[before + c * AREA + p];
    }
    contents->info.items[split] += count;
}

static fig_status check_labels(const char *path, const uint8_t *from, int64_t count, int family, fig_error *err)
{
    int labels = families[family].labels, classes = families[family].classes;
    for (int64_t i = 0; i < count; i++, from += labels + PIXELS)
        if (from[labels - 1] >= classes)
            return fig_fail(err, FIG_E_FORMAT, "%s: record %lld has label %d, expected 0 to %d; is it a CIFAR file?", path,
                            (long long)i, from[labels - 1], classes - 1);
    return FIG_OK;
}

/* One split from its files, in the order of their names; `room` items are expected in all. */
static fig_status read_split(fig__contents *contents, fig_split split, const char *const *paths, size_t files, fig_error *err)
{
    cifar *self = contents->self;
    uint64_t record = (uint64_t)(PIXELS + families[self->family].labels), total = 0;
    for (size_t i = 0; i < files; i++) {
        uint64_t size;
        FIG_TRY(fig__file_size(paths[i], &size, err));
        if (!size || size % record)
            return fig_fail(err, FIG_E_FORMAT, "%s: %llu bytes are no whole number of CIFAR records of %llu; the file is cut short",
                            paths[i], (unsigned long long)size, (unsigned long long)record);
        total += size / record;
    }
    if (total > FIG__MAX_ITEMS)
        return fig_fail(err, FIG_E_LIMIT, "%s: %llu items, at most %d are read", paths[0], (unsigned long long)total, FIG__MAX_ITEMS);
    FIG_TRY(fig__check_memory(paths[0], total * (PIXELS + sizeof(int32_t)), err));
    void *pages;
    self->bytes[split] = total * PIXELS;
    FIG_TRY(fig__pages_new(self->bytes[split], &pages, err));
    self->pixels[split] = pages;
    int32_t *labels = FIG_NEW_ARRAY(contents->arena, int32_t, total);
    contents->labels[split] = labels;
    for (size_t i = 0; i < files; i++) {
        char *bytes;
        uint64_t length;
        FIG_TRY(fig__check_cancelled(contents, err));
        FIG_TRY(fig__file_read(paths[i], total * record, &bytes, &length, err));
        int64_t count = (int64_t)(length / record), done = contents->info.items[split];
        fig_status status = length % record || done + count > (int64_t)total
                                ? fig_fail(err, FIG_E_IO, "%s: changed while it was read", paths[i])
                                : check_labels(paths[i], (const uint8_t *)bytes, count, self->family, err);
        if (status == FIG_OK) {
            fig__sha256_update(contents->hash, bytes, length);
            add_records(contents, split, (const uint8_t *)bytes, count, labels + done, self->pixels[split] + done * PIXELS);
        }
        free(bytes);
        FIG_TRY(status);
    }
    return FIG_OK;
}

/* One name a line; used when there are as many as classes. */
static void read_names(fig__contents *contents, const char *folder)
{
    const cifar *self = contents->self;
    int classes = families[self->family].classes, found = 0;
    char *text;
    uint64_t length;
    if (fig__file_read(fig__path_join(contents->arena, folder, families[self->family].names), MAX_NAMES, &text, &length, NULL) !=
        FIG_OK)
        return;
    const char **names = FIG_NEW_ARRAY(contents->arena, const char *, classes);
    for (char *at = text; *at && found <= classes;) {
        size_t line = strcspn(at, "\r\n");
        char clean[100];
        if (line && found < classes) {
            fig_printable(fig__arena_format(contents->arena, "%.*s", (int)(line < 90 ? line : 90), at), clean, sizeof clean);
            names[found] = fig__arena_text(contents->arena, clean);
        }
        found += line > 0;
        at += line + strspn(at + line, "\r\n");
    }
    free(text);
    if (found == classes)
        contents->info.class_names = names;
}

static fig_status cifar_open(fig__contents *contents, const char *path, fig_error *err)
{
    cifar *self = contents->self = fig__alloc(sizeof *self);
    fig_data_info *info = &contents->info;
    info->kind = FIG_DATA_IMAGES;
    fig_split split;
    if (!fig__path_is_folder(path)) {
        bool known = is_batch_name(fig__base_name(path), &self->family, &split);
        if (!known) { /* forced: whichever divides the file */
            self->family = has_whole_records(path, 0) ? 0 : has_whole_records(path, 1);
            split = FIG_TRAIN_SPLIT;
        }
        FIG_TRY(read_split(contents, split, &path, 1, err));
    } else {
        char **names;
        size_t count;
        FIG_TRY(fig__list_folder(contents->arena, path, &names, &count, err));
        int family, chosen = -1;
        for (int wanted = 0; wanted < FIG_SPLITS; wanted++) {
            const char **paths = FIG_NEW_ARRAY(contents->arena, const char *, count + 1);
            size_t files = 0;
            for (size_t i = 0; i < count; i++)
                if (is_batch_name(names[i], &family, &split) && (int)split == wanted && (chosen < 0 || chosen == family)) {
                    chosen = self->family = family;
                    paths[files++] = fig__path_join(contents->arena, path, names[i]);
                }
            fig__sha256_update(contents->hash, fig__split_names[wanted], strlen(fig__split_names[wanted]));
            if (files)
                FIG_TRY(read_split(contents, (fig_split)wanted, paths, files, err));
        }
        if (chosen < 0)
            return fig_fail(err, FIG_E_NOT_FOUND, "%s: no CIFAR files in this folder (such as data_batch_1.bin)", path);
        read_names(contents, path);
    }
    info->height = info->width = SIDE;
    info->channels = 3;
    info->classes = families[self->family].classes;
    contents->any_colour = true;
    return FIG_OK;
}

static void cifar_close(fig__contents *contents)
{
    cifar *self = contents->self;
    for (int split = 0; split < FIG_SPLITS; split++)
        if (self->pixels[split])
            fig__pages_free(self->pixels[split], self->bytes[split]);
    free(self);
}

static fig_status cifar_picture(const fig__contents *contents, fig_split split, int64_t index, const fig__decode_opts *opts,
                                fig_picture *out, bool *borrowed, fig_error *err)
{
    (void)opts, (void)err;
    const cifar *self = contents->self;
    *borrowed = true;
    *out = (fig_picture){ SIDE, SIDE, 3, self->pixels[split] + index * PIXELS };
    return FIG_OK;
}

static void cifar_item_name(const fig__contents *contents, fig_split split, int64_t index, char *out, size_t size)
{
    (void)contents;
    snprintf(out, size, "%s picture %lld", fig__split_names[split], (long long)index);
}

const fig_source fig_source_cifar = {
    .name = "cifar",
    .summary = "the binary files of CIFAR-10 (data_batch_1.bin ...) or CIFAR-100 (train.bin), one or a folder of them",
    .probe = cifar_probe,
    .open = cifar_open,
    .close = cifar_close,
    .picture = cifar_picture,
    .item_name = cifar_item_name,
};
