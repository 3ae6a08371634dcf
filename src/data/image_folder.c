/* image_folder.c - a folder of pictures, with or without a sub-folder per class
 *
 *     DIR/1.png, DIR/2.png ...                   no classes
 *     DIR/cat/1.jpg ..., DIR/dog/7.jpg ...       classes: cat, dog
 *     DIR/train/..., DIR/val/..., DIR/test/...   splits, each as above
 *
 * Opening walks the folder and checks every file's structure (sizes, checksums, end marker), which finds nearly
 * every broken copy without decoding it; those are skipped and named. Files beyond the first CHECK_BUDGET bytes are
 * only looked at for their first bytes, so that huge sets open in seconds. Decoding is left to the loader's threads. */
#include "data/source.h"
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define CHECK_BUDGET (256ull << 20)

static const char *const endings[] = { ".png", ".jpg", ".jpeg", ".jpe", ".webp", NULL };
static const char *const other_endings[] = { ".gif", ".bmp", ".tif", ".tiff", ".ppm", ".heic", ".avif", NULL };

typedef struct image_folder {
    const char *root;
    const char **names[FIG_SPLITS]; /* relative to the root */
} image_folder;

/* One file of the walk, sorted into split and class. */
typedef struct found {
    const char *name;
    fig_split split;
    const char *class_name; /* NULL = lies beside the class folders */
} found;

typedef struct survey {
    found *files;
    size_t count;
    uint64_t budget; /* bytes that may still be checked whole */
    fig__sha256 *stamp; /* of those that are not; NULL = all are */
} survey;

static bool is_picture_name(const char *name) { return fig__has_ending(name, endings); }
static bool is_any_picture_name(const char *name)
{
    return fig__has_ending(name, endings) || fig__has_ending(name, other_endings);
}

static int image_folder_probe(const char *path, bool folder)
{
    if (!folder)
        return 0;
    fig__arena *arena = fig__arena_new();
    fig__files files;
    int score = fig__find_files(arena, path, is_picture_name, &files, NULL) == FIG_OK && files.count ? 50 : 0;
    fig__arena_free(arena);
    return score;
}

/* -- names into splits and classes --------------------------------------------------------------------------------- */

static void sort_file(fig__arena *arena, const char *name, bool has_splits, found *out)
{
    *out = (found){ .name = name };
    const char *rest = name, *slash = strchr(name, '/');
    if (has_splits && slash && fig__split_from_name(name, (size_t)(slash - name), &out->split))
        rest = slash + 1;
    slash = strchr(rest, '/');
    if (slash)
        out->class_name = fig__arena_format(arena, "%.*s", (int)(slash - rest), rest);
}

/* The folder has splits when one of its sub-folders is a train folder. */
static bool find_splits(const fig__files *files)
{
    for (size_t i = 0; i < files->count; i++) {
        fig_split split;
        const char *slash = strchr(files->names[i], '/');
        if (slash && fig__split_from_name(files->names[i], (size_t)(slash - files->names[i]), &split) &&
            split == FIG_TRAIN_SPLIT)
            return true;
    }
    return false;
}

static int by_text(const void *a, const void *b) { return strcmp(*(const char *const *)a, *(const char *const *)b); }

/* Sorted names of all class folders; none when pictures also lie beside them or there is only one. */
static void find_classes(fig__contents *contents, const survey *s)
{
    const char **names = FIG_NEW_ARRAY(contents->arena, const char *, s->count + 1);
    size_t count = 0, unique = 0;
    for (size_t i = 0; i < s->count; i++) {
        if (!s->files[i].class_name)
            return;
        if (!count || strcmp(names[count - 1], s->files[i].class_name)) /* files of a class follow one another */
            names[count++] = s->files[i].class_name;
    }
    if (!count)
        return;
    qsort(names, count, sizeof *names, by_text);
    for (size_t i = 0; i < count; i++)
        if (!i || strcmp(names[i], names[unique - 1]))
            names[unique++] = names[i];
    if (unique < 2)
        return;
    contents->info.classes = (int)unique;
    contents->info.class_names = names;
}

static int32_t class_number(const fig_data_info *info, const char *name)
{
    const char **place = bsearch(&name, info->class_names, (size_t)info->classes, sizeof *info->class_names, by_text);
    return (int32_t)(place - (const char **)(uintptr_t)info->class_names);
}

/* -- checking files ------------------------------------------------------------------------------------------------ */

static fig_status check_start(const char *path, fig_error *err)
{
    uint8_t start[16];
    int file = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    ssize_t got = file >= 0 ? read(file, start, sizeof start) : -1;
    if (file >= 0)
        close(file);
    if (got < 0)
        return fig_fail(err, FIG_E_IO, "cannot be read");
    return fig__codec_find(start, (uint64_t)got) ? FIG_OK : fig_fail(err, FIG_E_FORMAT, "neither PNG, JPEG nor WebP");
}

/* When and how large: what tells a changed file from an old one without reading it. */
static void stamp_file(survey *s, const char *path)
{
    struct stat info = { 0 };
    if (lstat(path, &info))
        return;
    /* Copies may keep the time of writing; that of the change of the entry nobody can set. */
    int64_t facts[5] = { (int64_t)info.st_size, (int64_t)info.st_mtim.tv_sec, (int64_t)info.st_mtim.tv_nsec,
                         (int64_t)info.st_ctim.tv_sec, (int64_t)info.st_ctim.tv_nsec };
    s->stamp = s->stamp ? s->stamp : fig__sha256_new();
    fig__sha256_update(s->stamp, path, strlen(path) + 1);
    fig__sha256_update(s->stamp, facts, sizeof facts);
}

/* Looks at one file and feeds the hash; `facts` has width 0 when only its start was looked at. */
static fig_status check_file(fig__contents *contents, survey *s, const char *path, fig__picture_facts *facts,
                             fig_error *err)
{
    uint64_t size;
    char *bytes;
    *facts = (fig__picture_facts){ 0 };
    FIG_TRY(fig__file_size(path, &size, err));
    fig__sha256_update(contents->hash, &size, sizeof size);
    if (size > FIG__MAX_PICTURE_FILE)
        return fig_fail(err, FIG_E_LIMIT, "a file of %llu MB", (unsigned long long)(size >> 20));
    contents->file_bytes += size;
    if (size > s->budget) {
        s->budget = 0;
        stamp_file(s, path);
        return check_start(path, err);
    }
    s->budget -= size;
    FIG_TRY(fig__file_read(path, FIG__MAX_PICTURE_FILE, &bytes, &size, err));
    fig__sha256_update(contents->hash, bytes, size);
    fig_status status = fig__picture_check((const uint8_t *)bytes, size, facts, err);
    free(bytes);
    return status;
}

static void note_facts(fig__contents *contents, const fig__picture_facts *facts)
{
    fig_data_info *info = &contents->info;
    if (!facts->width)
        return;
    if (!info->width) {
        info->width = facts->width;
        info->height = facts->height;
        info->channels = facts->channels;
    }
    info->mixed_sizes = info->mixed_sizes || info->width != facts->width || info->height != facts->height;
    contents->any_colour = contents->any_colour || facts->channels == 3;
}

/* Keeps the good files of every split, in the order of the walk. */
static fig_status keep_good(fig__contents *contents, survey *s, fig_error *err)
{
    image_folder *self = contents->self;
    fig_data_info *info = &contents->info;
    int32_t *labels[FIG_SPLITS];
    for (int split = 0; split < FIG_SPLITS; split++) {
        self->names[split] = FIG_NEW_ARRAY(contents->arena, const char *, s->count);
        labels[split] = FIG_NEW_ARRAY(contents->arena, int32_t, s->count);
        contents->labels[split] = info->classes ? labels[split] : NULL;
    }
    char path[4096];
    bool partly = false;
    for (size_t i = 0; i < s->count; i++) {
        const found *file = &s->files[i];
        fig__picture_facts facts;
        fig_error inner = { 0 };
        if (i % 256 == 0) {
            FIG_TRY(fig__check_cancelled(contents, err));
            fig__progress(contents, "looking at pictures", (double)i / (double)s->count);
        }
        fig__sha256_update(contents->hash, file->name, strlen(file->name) + 1);
        int length = snprintf(path, sizeof path, "%s/%s", self->root, file->name);
        fig_status status = length < (int)sizeof path ? check_file(contents, s, path, &facts, &inner)
                                                      : fig_fail(&inner, FIG_E_LIMIT, "a path of %d bytes", length);
        if (status != FIG_OK) {
            const char *reason = inner.message;
            if (fig__starts_with(reason, path)) /* the name stands before the reason already */
                reason += strlen(path) + 2;
            fig__skip(contents, file->name, reason);
            continue;
        }
        partly = partly || !facts.width;
        note_facts(contents, &facts);
        int64_t at = info->items[file->split]++;
        self->names[file->split][at] = file->name;
        labels[file->split][at] = info->classes ? class_number(info, file->class_name) : -1;
    }
    if (partly) { /* sizes of the rest are unknown, so they have to be taken as mixed */
        info->mixed_sizes = true;
        contents->any_colour = true;
    }
    return FIG_OK;
}

static void tell_what_is_left_out(const fig__contents *contents, const char *path, const fig__files *files)
{
    size_t others = 0;
    for (size_t i = 0; i < files->count; i++)
        others += !is_picture_name(files->names[i]);
    if (others)
        fig__warn(contents, "%s: %zu pictures of other formats are left out; only PNG, JPEG and WebP are read", path, others);
    if (files->links)
        fig__warn(contents, "%s: %zu links were not followed", path, files->links);
    if (files->too_deep)
        fig__warn(contents, "%s: %zu folders lie too deep and were left out", path, files->too_deep);
}

static fig_status image_folder_open(fig__contents *contents, const char *path, fig_error *err)
{
    image_folder *self = contents->self = fig__alloc(sizeof *self);
    contents->info.kind = FIG_DATA_IMAGES;
    self->root = fig__arena_text(contents->arena, path);
    if (!fig__path_is_folder(path))
        return fig_fail(err, FIG_E_USAGE, "%s: a single file; pictures are read from a folder", path);
    fig__files files;
    fig__progress(contents, "looking for pictures", -1);
    FIG_TRY(fig__find_files(contents->arena, path, is_any_picture_name, &files, err));
    if (files.count > FIG__MAX_ITEMS)
        return fig_fail(err, FIG_E_LIMIT, "%s: %zu pictures, at most %d are read", path, files.count, FIG__MAX_ITEMS);
    tell_what_is_left_out(contents, path, &files);
    survey s = { .files = FIG_NEW_ARRAY(contents->arena, found, files.count), .budget = CHECK_BUDGET };
    bool has_splits = find_splits(&files);
    for (size_t i = 0; i < files.count; i++)
        if (is_picture_name(files.names[i]))
            sort_file(contents->arena, files.names[i], has_splits, &s.files[s.count++]);
    if (!s.count)
        return fig_fail(err, FIG_E_NOT_FOUND, "%s: no PNG, JPEG or WebP pictures in it", path);
    find_classes(contents, &s);
    fig_status status = keep_good(contents, &s, err);
    if (s.stamp)
        fig__sha256_finish(s.stamp, contents->stamp);
    return status;
}

static void image_folder_close(fig__contents *contents) { free(contents->self); }

/* -- items --------------------------------------------------------------------------------------------------------- */

static fig_status image_folder_picture(const fig__contents *contents, fig_split split, int64_t index,
                                       const fig__decode_opts *opts, fig_picture *out, bool *borrowed, fig_error *err)
{
    const image_folder *self = contents->self;
    char path[4096], *bytes;
    uint64_t length;
    *borrowed = false;
    *out = (fig_picture){ 0 };
    snprintf(path, sizeof path, "%s/%s", self->root, self->names[split][index]);
    FIG_TRY(fig__file_size(path, &length, err));
    FIG_TRY(fig__file_read(path, FIG__MAX_PICTURE_FILE, &bytes, &length, err));
    fig_status status = fig__picture_decode((const uint8_t *)bytes, length, opts, out, err);
    free(bytes);
    return status;
}

static void image_folder_item_name(const fig__contents *contents, fig_split split, int64_t index, char *out,
                                   size_t size)
{
    const image_folder *self = contents->self;
    fig_printable(self->names[split][index], out, size);
}

const fig_source fig_source_images = {
    .name = "images",
    .summary = "a folder of PNG, JPEG and WebP pictures; sub-folders are classes, train/ val/ test/ are splits",
    .decodes = true,
    .probe = image_folder_probe,
    .open = image_folder_open,
    .close = image_folder_close,
    .picture = image_folder_picture,
    .item_name = image_folder_item_name,
};
