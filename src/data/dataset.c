/* dataset.c - a data set of the catalogue in the cache: is it whole, and making it so
 *
 *     CACHE/datasets/NAME/            the files and complete.json, which is written last: there means whole and checked
 *     CACHE/datasets/NAME.partial/    files that arrived so far, each checked; download/ holds packages and what
 *     came out CACHE/datasets/NAME.lock        held while somebody fetches, so that two processes do not do it twice
 *
 * A stopped fetch goes on with what is there. Files that a person put into NAME/ by hand are checked and accepted. */
#include "data/catalogue.h"
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

enum { PIECE = 1 << 20 };

typedef struct job {
    fig__arena *arena;
    const fig__dataset *set;
    const fig_data_open_opts *opts;
    char *folder, *partial; /* of this set */
} job;

static void progress(const job *j, const char *what, double done)
{
    if (j->opts->progress)
        j->opts->progress(j->opts->user, what, done);
}

static char *datasets_folder(fig__arena *arena)
{
    char *cache = fig__cache_folder(), *folder = fig__path_join(arena, cache, "datasets");
    free(cache);
    return folder;
}

/* -- where it lies ------------------------------------------------------------------------------------------------- */

static bool has_all_files(fig__arena *arena, const fig__dataset *set, const char *folder, const char *suffix)
{
    for (size_t i = 0; i < set->file_count; i++) {
        char *path = fig__arena_format(arena, "%s/%s%s", folder, set->files[i].name, suffix);
        uint64_t size;
        if (fig__file_size(path, &size, NULL) != FIG_OK || (!*suffix && size != set->files[i].bytes) || !size)
            return false;
    }
    return true;
}

/* A set of one file is named by that file, so that a text set is not read as a folder. */
static const char *path_of(fig__arena *arena, const fig__dataset *set, const char *folder, const char *suffix)
{
    if (set->file_count > 1)
        return fig__arena_text(arena, folder);
    return fig__arena_format(arena, "%s/%s%s", folder, set->files[0].name, suffix);
}

const char *fig__dataset_locate(fig__arena *arena, const fig__dataset *set, bool *installed)
{
    *installed = false;
    char *folder = fig__path_join(arena, datasets_folder(arena), set->name);
    if (fig__path_exists(fig__path_join(arena, folder, "complete.json")) && has_all_files(arena, set, folder, ""))
        return path_of(arena, set, folder, "");
    for (size_t i = 0; i < set->place_count; i++) {
        const fig__dataset_place *place = &set->places[i];
        if (!strcmp(place->kind, "installed") && has_all_files(arena, set, place->what, place->suffix)) {
            *installed = true;
            return path_of(arena, set, place->what, place->suffix);
        }
    }
    return NULL;
}

/* -- checking and unpacking ---------------------------------------------------------------------------------------- */

/* Reads `from` (plain or gzip) against the catalogue's sum and, with `to`, writes it there unpacked. */
static fig_status check_file(const job *j, size_t index, const char *from, const char *to, fig_error *err)
{
    const fig__dataset_file *file = &j->set->files[index];
    fig__stream *stream;
    fig__writer *writer = NULL;
    FIG_TRY(fig__stream_open(from, &stream, err));
    fig_status status = to ? fig__writer_begin(to, &writer, err) : FIG_OK;
    fig__sha256 *sha = fig__sha256_new();
    char *piece = fig__alloc(PIECE), hash[65], what[200];
    snprintf(what, sizeof what, "checking %s", file->name);
    uint64_t total = 0, got = 1;
    while (status == FIG_OK && got && total <= file->bytes) {
        status = fig__stream_read_some(stream, piece, PIECE, &got, err);
        fig__sha256_update(sha, piece, got);
        if (writer)
            fig__writer_add(writer, piece, got);
        total += got;
        progress(j, what, (double)total / (double)file->bytes);
    }
    fig__sha256_finish(sha, hash);
    if (status == FIG_OK && (total != file->bytes || strcmp(hash, file->sha256)))
        status = fig_fail(
            err, FIG_E_FORMAT,
            "%s is not what the catalogue knows (%llu bytes with SHA-256 %.12s..., expected %llu and %.12s...)",
            file->name, (unsigned long long)total, hash, (unsigned long long)file->bytes, file->sha256);
    if (writer && status == FIG_OK)
        status = fig__writer_commit(writer, err);
    else
        fig__writer_abort(writer);
    free(piece);
    fig__stream_close(stream);
    return status;
}

static char *partial_path(const job *j, size_t index)
{
    return fig__path_join(j->arena, j->partial, j->set->files[index].name);
}

static bool is_whole(const job *j, size_t index)
{
    uint64_t size;
    return fig__file_size(partial_path(j, index), &size, NULL) == FIG_OK && size == j->set->files[index].bytes;
}

static bool is_wanted(void *user, size_t file) { return !is_whole(user, file); }

/* -- one place ----------------------------------------------------------------------------------------------------- */

static fig_status arrived(void *user, size_t file, const char *path, fig_error *err)
{
    job *j = user;
    return check_file(j, file, path, partial_path(j, file), err);
}

static fig_status try_place(job *j, const fig__dataset_place *place, fig_error *err)
{
    char *download = fig__arena_format(j->arena, "%s/download-%s", j->partial, place->kind);
    FIG_TRY(fig__make_folders(download, err));
    fig__fetch fetch = { .arena = j->arena,
                         .set = j->set,
                         .place = place,
                         .folder = download,
                         .wanted = is_wanted,
                         .arrived = arrived,
                         .user = j };
    char what[200];
    snprintf(what, sizeof what, "fetching %s (%s)", j->set->name, place->kind);
    progress(j, what, -1);
    fig_status status = fig__fetch_place(&fetch, err);
    if (status == FIG_OK || !fetch.keep)
        fig__remove_folder(download);
    return status;
}

static bool is_cancelled(const job *j) { return j->opts->cancelled && j->opts->cancelled(j->opts->user); }

/* Every place in turn; the message names what each said. */
static fig_status try_places(job *j, fig_error *err)
{
    fig__text said;
    fig__text_init(&said, 600);
    fig_status status = FIG_E_IO;
    for (size_t i = 0; i < j->set->place_count && status != FIG_OK; i++) {
        const fig__dataset_place *place = &j->set->places[i];
        fig_error inner = { 0 };
        if (!strcmp(place->kind, "installed"))
            continue;
        status = try_place(j, place, &inner);
        if (status != FIG_OK && is_cancelled(j)) {
            fig__text_free(&said);
            return fig_fail(err, FIG_E_INTERRUPTED, "stopped while fetching %s; what has arrived is kept",
                            j->set->name);
        }
        if (status != FIG_OK)
            fig__text_print(&said, "%s%s %s: %.200s", said.length ? "; " : "", place->kind, place->what, inner.message);
    }
    if (status != FIG_OK) {
        fig__text names;
        fig__text_init(&names, 300);
        for (size_t i = 0; i < j->set->file_count; i++)
            fig__text_print(&names, "%s%s", i ? ", " : "", j->set->files[i].name);
        status =
            fig_fail(err, FIG_E_IO, "%s could not be fetched (%s); install what is missing, or put %s into %s by hand",
                     j->set->name, said.data ? said.data : "no place is known", names.data ? names.data : "its files",
                     j->folder);
        fig__text_free(&names);
    }
    fig__text_free(&said);
    return status;
}

/* -- the whole ----------------------------------------------------------------------------------------------------- */

/* What lies in NAME/ without complete.json: put there by hand. Whole: accept it. */
static bool accept_by_hand(job *j)
{
    for (size_t i = 0; i < j->set->file_count; i++) {
        char *path = fig__path_join(j->arena, j->folder, j->set->files[i].name);
        char *packed = fig__arena_format(j->arena, "%s.gz", path);
        bool plain = fig__path_exists(path);
        if ((!plain && !fig__path_exists(packed)) ||
            check_file(j, i, plain ? path : packed, plain ? NULL : path, NULL) != FIG_OK)
            return false;
    }
    return true;
}

static fig_status write_complete(job *j, const char *folder, fig_error *err)
{
    fig__text json;
    char now[32];
    fig__text_init(&json, 1 << 20);
    fig__utc_now(now);
    fig__text_print(&json, "{\"schema\":\"figment.dataset/1\",\"name\":\"%s\",\"checked\":\"%s\",\"files\":[",
                    j->set->name, now);
    for (size_t i = 0; i < j->set->file_count; i++)
        fig__text_print(&json, "%s{\"name\":\"%s\",\"sha256\":\"%s\"}", i ? "," : "", j->set->files[i].name,
                        j->set->files[i].sha256);
    fig__text_print(&json, "]}\n");
    fig_status status = fig__file_write(fig__path_join(j->arena, folder, "complete.json"), json.data, json.length, err);
    fig__text_free(&json);
    return status;
}

static fig_status fetch_and_place(job *j, fig_error *err)
{
    if (fig__path_is_folder(j->folder)) {
        if (accept_by_hand(j))
            return write_complete(j, j->folder, err);
        /* Damaged or half: what is whole of it is found again in the partial folder, the rest fetched. */
        if (fig__path_is_folder(j->partial))
            fig__remove_folder(j->partial);
        if (rename(j->folder, j->partial))
            return fig_fail(err, FIG_E_IO, "%s: cannot be moved aside (%s)", j->folder, strerror(errno));
        for (size_t i = 0; i < j->set->file_count; i++)
            if (fig__path_exists(partial_path(j, i)) && check_file(j, i, partial_path(j, i), NULL, NULL) != FIG_OK)
                remove(partial_path(j, i));
    }
    FIG_TRY(fig__make_folders(j->partial, err));
    FIG_TRY(try_places(j, err));
    FIG_TRY(write_complete(j, j->partial, err));
    for (size_t i = 0; i < j->set->place_count; i++) /* left by places that failed */
        fig__remove_folder(fig__arena_format(j->arena, "%s/download-%s", j->partial, j->set->places[i].kind));
    if (rename(j->partial, j->folder))
        return fig_fail(err, FIG_E_IO, "%s: cannot be moved into place (%s)", j->partial, strerror(errno));
    return FIG_OK;
}

static fig_status lock(job *j, const char *path, int *file, fig_error *err)
{
    *file = open(path, O_CREAT | O_RDWR | O_CLOEXEC | O_NOFOLLOW, 0666);
    if (*file < 0)
        return fig_fail(err, FIG_E_IO, "%s: cannot be written (%s); set FIGMENT_HOME to a folder that can", path,
                        strerror(errno));
    while (flock(*file, LOCK_EX | LOCK_NB)) {
        if (errno != EWOULDBLOCK && errno != EINTR)
            break; /* no locks on this file system: go on without */
        if (is_cancelled(j)) {
            close(*file);
            return fig_fail(err, FIG_E_INTERRUPTED, "stopped while waiting for another process that fetches %s",
                            j->set->name);
        }
        progress(j, "waiting for another process that fetches it", -1);
        nanosleep(&(struct timespec){ .tv_nsec = 200000000 }, NULL);
    }
    return FIG_OK;
}

static fig_status get(job *j, const char **path, fig_error *err)
{
    bool installed;
    *path = fig__dataset_locate(j->arena, j->set, &installed);
    if (*path)
        return FIG_OK;
    char *folder = datasets_folder(j->arena);
    j->folder = fig__path_join(j->arena, folder, j->set->name);
    j->partial = fig__arena_format(j->arena, "%s.partial", j->folder);
    if (j->opts->offline && !fig__path_is_folder(j->folder))
        return fig_fail(err, FIG_E_NOT_FOUND, "%s is not in the cache (%s), and fetching is switched off", j->set->name,
                        folder);
    FIG_TRY(fig__make_folders(folder, err));
    int file;
    FIG_TRY(lock(j, fig__arena_format(j->arena, "%s.lock", j->folder), &file, err));
    fig_status status = FIG_OK;
    *path = fig__dataset_locate(j->arena, j->set, &installed); /* perhaps the other process has just made it */
    if (!*path) {
        status = fetch_and_place(j, err);
        *path = path_of(j->arena, j->set, j->folder, "");
    }
    close(file);
    return status;
}

fig_status fig__dataset_get(const fig__dataset *set, const fig_data_open_opts *opts, char **path, fig_error *err)
{
    static const fig_data_open_opts defaults;
    job j = { .arena = fig__arena_new(), .set = set, .opts = opts ? opts : &defaults };
    const char *found = NULL;
    fig_status status = get(&j, &found, err);
    *path = status == FIG_OK ? fig__strdup(found) : NULL;
    fig__arena_free(j.arena);
    return status;
}

fig_status fig_data_get(const char *name, const fig_data_open_opts *opts, char **path, fig_error *err)
{
    *path = NULL;
    fig__catalogue catalogue;
    FIG_TRY(fig__catalogue_load(&catalogue, err));
    const fig__dataset *set = fig__catalogue_find(&catalogue, name);
    const char *near = set ? NULL : fig__catalogue_nearest(&catalogue, name);
    fig_status status = set ? fig__dataset_get(set, opts, path, err)
                            : fig_fail(err, FIG_E_NOT_FOUND, "%s: no data set of this name in the catalogue%s%s%s",
                                       name, near ? "; did you mean " : "", near ? near : "", near ? "?" : "");
    fig__catalogue_free(&catalogue);
    return status;
}
