/* text.c - text: one file, or a folder of text files, plain or gzip
 *
 * Files of a folder follow one another in the order of their names, each on lines of its own. Files called train,
 * val or test, or lying in folders so called, are splits; else all is train. A byte-order mark is dropped, nothing
 * else changed. */
#include "data/source.h"
#include <stdlib.h>
#include <string.h>

enum { SNIFF = 4096 };

static const char *const endings[] = { ".txt", ".text", ".md", ".txt.gz", ".text.gz", ".md.gz", NULL };

typedef struct text {
    struct {
        char *bytes;
        uint64_t length;
    } split[FIG_SPLITS];
} text;

static bool is_text_name(const char *name) { return fig__has_ending(name, endings); }

/* Mostly printable, no NUL: some eight-bit text passes too, and is then read as bytes. */
static bool looks_like_text(const char *path)
{
    fig__stream *stream;
    unsigned char bytes[SNIFF];
    uint64_t got = 0, odd = 0;
    if (fig__stream_open(path, &stream, NULL) != FIG_OK)
        return false;
    bool fine = fig__stream_read_some(stream, bytes, sizeof bytes, &got, NULL) == FIG_OK && got > 0;
    fig__stream_close(stream);
    for (uint64_t i = 0; i < got; i++) {
        if (!bytes[i])
            return false;
        odd += bytes[i] < 0x20 && bytes[i] != '\n' && bytes[i] != '\r' && bytes[i] != '\t' && bytes[i] != '\f';
    }
    return fine && odd * 50 <= got;
}

static int text_probe(const char *path, bool folder)
{
    if (!folder)
        return is_text_name(path) ? 70 : looks_like_text(path) ? 30 : 0;
    fig__arena *arena = fig__arena_new();
    fig__files files;
    int score = fig__find_files(arena, path, is_text_name, &files, NULL) == FIG_OK && files.count ? 40 : 0;
    fig__arena_free(arena);
    return score;
}

/* By the first folder of the path, or by the file's name up to its first dot. */
static bool split_of(const char *name, fig_split *out)
{
    const char *slash = strchr(name, '/');
    if (slash && fig__split_from_name(name, (size_t)(slash - name), out))
        return true;
    const char *base = fig__base_name(name);
    return fig__split_from_name(base, strcspn(base, "."), out);
}

static fig_status add_file(fig__contents *contents, fig_split split, const char *path, fig_error *err)
{
    text *self = contents->self;
    char *bytes;
    uint64_t length, limit = fig__memory_available() / 4;
    FIG_TRY(fig__check_cancelled(contents, err));
    FIG_TRY(fig__stream_read_all(path, limit, &bytes, &length, err));
    uint64_t skip = length >= 3 && !memcmp(bytes, "\xef\xbb\xbf", 3) ? 3 : 0, used = self->split[split].length;
    if (!used && !skip) {
        free(self->split[split].bytes);
        self->split[split].bytes = bytes;
        self->split[split].length = length;
        return FIG_OK;
    }
    char *all = self->split[split].bytes;
    bool newline = used && all[used - 1] != '\n';
    char *grown = used + length + 2 > limit ? NULL : realloc(all, used + length + 2);
    if (!grown) {
        free(bytes);
        return fig_fail(err, FIG_E_LIMIT, "%s: no memory for more text than %llu MB", path,
                        (unsigned long long)(used >> 20));
    }
    if (newline)
        grown[used++] = '\n';
    memcpy(grown + used, bytes + skip, length - skip + 1); /* with the NUL */
    free(bytes);
    self->split[split].bytes = grown;
    self->split[split].length = used + length - skip;
    return FIG_OK;
}

static fig_status add_folder(fig__contents *contents, const char *path, fig_error *err)
{
    fig__files files;
    FIG_TRY(fig__find_files(contents->arena, path, is_text_name, &files, err));
    bool has_train = false;
    fig_split split;
    for (size_t i = 0; i < files.count; i++)
        has_train = has_train || (split_of(files.names[i], &split) && split == FIG_TRAIN_SPLIT);
    if (files.links)
        fig__warn(contents, "%s: %zu links were not followed", path, files.links);
    for (size_t i = 0; i < files.count; i++) {
        fig__progress(contents, "reading text", (double)i / (double)files.count);
        if (!has_train || !split_of(files.names[i], &split))
            split = FIG_TRAIN_SPLIT;
        FIG_TRY(add_file(contents, split, fig__path_join(contents->arena, path, files.names[i]), err));
    }
    return FIG_OK;
}

static fig_status text_open(fig__contents *contents, const char *path, fig_error *err)
{
    text *self = contents->self = fig__alloc(sizeof *self);
    contents->info.kind = FIG_DATA_TEXT;
    FIG_TRY(fig__path_is_folder(path) ? add_folder(contents, path, err)
                                      : add_file(contents, FIG_TRAIN_SPLIT, path, err));
    for (int split = 0; split < FIG_SPLITS; split++) {
        contents->text[split] = self->split[split].bytes;
        contents->info.items[split] = (int64_t)self->split[split].length;
        fig__sha256_update(contents->hash, fig__split_names[split], strlen(fig__split_names[split]));
        fig__sha256_update(contents->hash, self->split[split].bytes, self->split[split].length);
    }
    if (!contents->info.items[FIG_TRAIN_SPLIT] && !contents->info.items[FIG_TEST_SPLIT])
        return fig_fail(err, FIG_E_FORMAT, "%s: there is no text in it", path);
    return FIG_OK;
}

static void text_close(fig__contents *contents)
{
    text *self = contents->self;
    for (int split = 0; split < FIG_SPLITS; split++)
        free(self->split[split].bytes);
    free(self);
}

const fig_source fig_source_text = {
    .name = "text",
    .summary = "a text file, or a folder of them (train.txt, val.txt and test.txt are splits); plain or gzip",
    .probe = text_probe,
    .open = text_open,
    .close = text_close,
};
