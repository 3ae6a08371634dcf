/* contents.c - what every source needs while it reads: skipped items, messages to the host, names of splits */
#include <ctype.h>
#include "data/source.h"
#include <stdarg.h>
#include <string.h>
#include <strings.h>

enum { WARNINGS = 10 }; /* one line per skipped item up to here, then a count */

const char *const fig__split_names[FIG_SPLITS] = { "train", "validation", "test" };

void fig__contents_init(fig__contents *contents, const fig_data_open_opts *opts)
{
    *contents = (fig__contents){ .arena = fig__arena_new(), .names = fig__arena_new(), .hash = fig__sha256_new() };
    if (opts)
        contents->opts = *opts;
    contents->info.skipped_names = contents->skipped_names;
    pthread_mutex_init(&contents->lock, NULL);
}

void fig__contents_clear(fig__contents *contents)
{
    if (contents->hash) {
        char unused[65];
        fig__sha256_finish(contents->hash, unused);
    }
    pthread_mutex_destroy(&contents->lock);
    fig__arena_free(contents->names);
    fig__arena_free(contents->arena);
}

void fig__skip(fig__contents *contents, const char *name, const char *reason)
{
    char clean[512];
    fig_printable(name, clean, sizeof clean);
    pthread_mutex_lock(&contents->lock);
    contents->info.skipped++;
    int at = contents->info.skipped_named;
    if (at < 100) {
        contents->skipped[at] =
            (fig__skipped){ fig__arena_text(contents->names, clean), fig__arena_text(contents->names, reason) };
        contents->skipped_names[at] = contents->skipped[at].name;
        contents->info.skipped_named = at + 1;
    }
    pthread_mutex_unlock(&contents->lock);
}

void fig__warn_skipped(fig__contents *contents)
{
    pthread_mutex_lock(&contents->lock);
    int64_t skipped = contents->info.skipped, from = contents->warned;
    contents->warned = skipped;
    pthread_mutex_unlock(&contents->lock);
    for (int64_t i = from; i < skipped && i < WARNINGS; i++)
        fig__warn(contents, "skipped %s: %s", contents->skipped[i].name, contents->skipped[i].reason);
    if (skipped > from && skipped > WARNINGS)
        fig__warn(contents, "skipped %lld items in all", (long long)skipped);
}

void fig__warn(const fig__contents *contents, const char *format, ...)
{
    if (!contents->opts.warn)
        return;
    char message[1024];
    va_list args;
    va_start(args, format);
    vsnprintf(message, sizeof message, format, args);
    va_end(args);
    contents->opts.warn(contents->opts.user, message);
}

void fig__progress(const fig__contents *contents, const char *what, double done)
{
    if (contents->opts.progress)
        contents->opts.progress(contents->opts.user, what, done);
}

fig_status fig__check_cancelled(const fig__contents *contents, fig_error *err)
{
    if (contents->opts.cancelled && contents->opts.cancelled(contents->opts.user))
        return fig_fail(err, FIG_E_INTERRUPTED, "stopped while reading the data");
    return FIG_OK;
}

/* -- splits -------------------------------------------------------------------------------------------------------- */

static const struct {
    const char *word;
    fig_split split;
} split_words[] = {
    { "train", FIG_TRAIN_SPLIT },      { "training", FIG_TRAIN_SPLIT },        { "val", FIG_VALIDATION_SPLIT },
    { "valid", FIG_VALIDATION_SPLIT }, { "validation", FIG_VALIDATION_SPLIT }, { "dev", FIG_VALIDATION_SPLIT },
    { "test", FIG_TEST_SPLIT },        { "testing", FIG_TEST_SPLIT },          { "t10k", FIG_TEST_SPLIT },
};

bool fig__split_from_name(const char *name, size_t length, fig_split *out)
{
    for (size_t i = 0; i < sizeof split_words / sizeof *split_words; i++)
        if (strlen(split_words[i].word) == length && !strncasecmp(split_words[i].word, name, length)) {
            *out = split_words[i].split;
            return true;
        }
    return false;
}

bool fig__split_in_name(const char *name, fig_split *out)
{
    while (*name) {
        size_t length = 0;
        while (isalnum((unsigned char)name[length]))
            length++;
        if (length && fig__split_from_name(name, length, out))
            return true;
        name += length ? length : 1;
    }
    return false;
}
