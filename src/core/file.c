/* file.c - reading, mapping, listing and growing files
 *
 * Whole-file writing lives in writer.c. Every message begins with the path and ends with the system's reason; a file
 * that is not there is FIG_E_NOT_FOUND, anything else the system refuses is FIG_E_IO. */
#include "core/core.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static fig_status refused(const char *path, const char *what, fig_error *err)
{
    int fault = errno;
    fig_status status = fault == ENOENT || fault == ENOTDIR ? FIG_E_NOT_FOUND : FIG_E_IO;
    if (fault == ENOENT)
        return fig_fail(err, status, "%s: no such file or folder", path);
    return fig_fail(err, status, "%s: cannot %s (%s)", path, what, strerror(fault));
}

static fig_status open_for_reading(const char *path, int *file, struct stat *info, fig_error *err)
{
    *file = open(path, O_RDONLY | O_CLOEXEC);
    if (*file < 0)
        return refused(path, "open", err);
    if (fstat(*file, info)) {
        fig_status status = refused(path, "read", err);
        close(*file);
        return status;
    }
    if (S_ISDIR(info->st_mode)) {
        close(*file);
        return fig_fail(err, FIG_E_IO, "%s: is a folder, expected a file", path);
    }
    return FIG_OK;
}

/* Reads to the end of the file: sizes are a hint only, as pipes have none and files grow. */
static fig_status read_all(const char *path, int file, uint64_t maximum, fig__text *into, fig_error *err)
{
    size_t room = into->capacity;
    for (;;) {
        if (into->length + 1 >= room) {
            room = room < 4096 ? 8192 : room + room / 2;
            into->data = fig__realloc(into->data, room);
            into->capacity = room;
        }
        ssize_t got = read(file, into->data + into->length, room - into->length - 1);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return refused(path, "read", err);
        if (got == 0)
            break;
        into->length += (size_t)got;
        if (into->length > maximum)
            return fig_fail(err, FIG_E_LIMIT, "%s: larger than the %" PRIu64 " bytes allowed here", path, maximum);
    }
    into->data[into->length] = 0;
    return FIG_OK;
}

fig_status fig__file_read(const char *path, uint64_t maximum, char **data, uint64_t *length, fig_error *err)
{
    *data = NULL;
    *length = 0;
    int file;
    struct stat info;
    FIG_TRY(open_for_reading(path, &file, &info, err));
    if (S_ISREG(info.st_mode) && (uint64_t)info.st_size > maximum) {
        close(file);
        return fig_fail(err, FIG_E_LIMIT, "%s: %" PRIu64 " bytes, at most %" PRIu64 " are allowed here", path,
                        (uint64_t)info.st_size, maximum);
    }
    fig__text text;
    fig__text_init(&text, SIZE_MAX / 2);
    text.capacity = S_ISREG(info.st_mode) ? (size_t)info.st_size + 2 : 8192;
    text.data = malloc(text.capacity); /* the size is the file's: may be more than there is */
    if (!text.data) {
        close(file);
        return fig_fail(err, FIG_E_LIMIT, "%s: no memory for %zu bytes", path, text.capacity);
    }
    fig_status status = read_all(path, file, maximum, &text, err);
    close(file);
    if (status != FIG_OK) {
        fig__text_free(&text);
        return status;
    }
    *data = text.data;
    *length = text.length;
    return FIG_OK;
}

fig_status fig__file_append(const char *path, const void *data, uint64_t length, fig_error *err)
{
    int file = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
    if (file < 0)
        return refused(path, "open for writing", err);
    struct stat before;
    bool regular = !fstat(file, &before) && S_ISREG(before.st_mode);
    ssize_t put;
    do
        put = write(file, data, length);
    while (put < 0 && errno == EINTR);
    fig_status status = FIG_OK;
    if (put < 0 || (uint64_t)put < length) {
        int fault = put < 0 ? errno : ENOSPC;
        if (put > 0 && regular && ftruncate(file, before.st_size)) /* half a line is worse than none */
            fault = errno;
        status = fig_fail(err, FIG_E_IO, "%s: cannot write (%s)", path, strerror(fault));
    }
    if (close(file) && status == FIG_OK)
        status = refused(path, "write", err);
    return status;
}

fig_status fig__file_truncate(const char *path, uint64_t length, fig_error *err)
{
    if (length > INT64_MAX)
        return fig_fail(err, FIG_E_USAGE, "%s: cannot cut to %" PRIu64 " bytes", path, length);
    return truncate(path, (off_t)length) ? refused(path, "cut", err) : FIG_OK;
}

/* -- paths and folders --------------------------------------------------------------------------------------------- */

fig_status fig__file_size(const char *path, uint64_t *size, fig_error *err)
{
    struct stat info;
    *size = 0;
    if (stat(path, &info))
        return refused(path, "open", err);
    if (!S_ISREG(info.st_mode))
        return fig_fail(err, FIG_E_IO, "%s: not a regular file", path);
    *size = (uint64_t)info.st_size;
    return FIG_OK;
}

bool fig__path_exists(const char *path)
{
    struct stat info;
    return stat(path, &info) == 0;
}

bool fig__path_is_folder(const char *path)
{
    struct stat info;
    return stat(path, &info) == 0 && S_ISDIR(info.st_mode);
}

fig_status fig__make_folders(const char *path, fig_error *err)
{
    char *part = fig__strdup(path);
    fig_status status = FIG_OK;
    for (char *at = part + 1; status == FIG_OK && *part; at++) {
        bool end = *at == 0;
        if (*at != '/' && !end)
            continue;
        *at = 0;
        if (mkdir(part, 0777) && !fig__path_is_folder(part)) {
            int fault = errno;
            status = fig_fail(err, FIG_E_IO, "%s: cannot make the folder (%s)", part,
                              fault == EEXIST ? "a file of this name is in the way" : strerror(fault));
        }
        if (end)
            break;
        *at = '/';
    }
    free(part);
    return status;
}

static int remove_one(const char *path, const struct stat *info, int kind, struct FTW *walk)
{
    (void)info, (void)kind, (void)walk;
    remove(path);
    return 0;
}

void fig__remove_folder(const char *path) { nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS); }

static int by_bytes(const void *a, const void *b) { return strcmp(*(char *const *)a, *(char *const *)b); }

fig_status fig__list_folder(fig__arena *arena, const char *path, char ***names, size_t *count, fig_error *err)
{
    *names = NULL;
    *count = 0;
    DIR *folder = opendir(path);
    if (!folder)
        return refused(path, "open the folder", err);
    char **list = NULL;
    size_t used = 0, room = 0;
    struct dirent *entry;
    errno = 0;
    while ((entry = readdir(folder))) {
        if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, ".."))
            continue;
        if (used == room) {
            room = room ? room * 2 : 64;
            list = fig__realloc(list, room * sizeof *list);
        }
        list[used++] = fig__arena_text(arena, entry->d_name);
        errno = 0;
    }
    int fault = errno;
    closedir(folder);
    if (used)
        qsort(list, used, sizeof *list, by_bytes);
    *names = FIG_NEW_ARRAY(arena, char *, used + 1);
    if (used)
        memcpy(*names, list, used * sizeof *list);
    *count = used;
    free(list);
    return fault ? fig_fail(err, FIG_E_IO, "%s: cannot list the folder (%s)", path, strerror(fault)) : FIG_OK;
}

char *fig__path_join(fig__arena *arena, const char *folder, const char *name)
{
    if (name[0] == '/' || !folder[0])
        return fig__arena_text(arena, name);
    return fig__arena_format(arena, fig__ends_with(folder, "/") ? "%s%s" : "%s/%s", folder, name);
}

char *fig__cache_folder(void)
{
    const char *own = getenv("FIGMENT_HOME"), *shared = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
    if (own && own[0])
        return fig__format("%s/cache", own);
    if (shared && shared[0] == '/') /* the XDG rules: a relative path is to be ignored */
        return fig__format("%s/figment", shared);
    return fig__format("%s/.cache/figment", home && home[0] ? home : ".");
}

/* -- mapped files -------------------------------------------------------------------------------------------------- */

fig_status fig__map_open(const char *path, fig__map *out, fig_error *err)
{
    *out = (fig__map){ 0 };
    int file;
    struct stat info;
    FIG_TRY(open_for_reading(path, &file, &info, err));
    if (!S_ISREG(info.st_mode)) {
        close(file);
        return fig_fail(err, FIG_E_IO, "%s: not a regular file", path);
    }
    if (info.st_size == 0) { /* nothing to map, and not a fault */
        close(file);
        out->data = (const uint8_t *)"";
        return FIG_OK;
    }
    void *data = mmap(NULL, (size_t)info.st_size, PROT_READ, MAP_PRIVATE, file, 0);
    fig_status status = data == MAP_FAILED ? refused(path, "map", err) : FIG_OK;
    close(file);
    if (status == FIG_OK)
        *out = (fig__map){ .data = data, .length = (uint64_t)info.st_size };
    return status;
}

void fig__map_close(fig__map *map)
{
    if (map->length)
        munmap((void *)(uintptr_t)map->data, (size_t)map->length);
    *map = (fig__map){ 0 };
}
