/* writer.c - writing a file so that it is either the old one or the whole new one, whatever happens
 *
 *     begin    folder/.NAME.tmp-RANDOM is made
 *     add      64 KB at a time go into it; the first fault sticks, later adds do nothing
 *     commit   rest written, fsync (the bytes are on the disk), close, rename over NAME, fsync of the folder (the name is, too)
 *
 * Any fault before the rename removes the temporary and leaves the old file alone. A link is followed, so that what it
 * points to is replaced and not the link; the old file's permissions are kept. A target that is not a regular file (a
 * pipe, /dev/null) cannot be replaced and is written directly. */
#include "core/core.h"
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

enum { BUFFER = 1 << 16 };

struct fig__writer {
    char *path;      /* as the caller named it, for messages */
    char *target;    /* what is replaced: path, or what the link points to */
    char *temporary; /* NULL when the target is written directly */
    int file;
    int fault;       /* errno of the first failure, 0 = none */
    size_t used;
    uint8_t buffer[BUFFER];
};

static uint32_t chance(void)
{
    uint32_t value;
    if (getrandom(&value, sizeof value, 0) != sizeof value)
        value = (uint32_t)getpid() ^ (uint32_t)(fig__seconds() * 1e9);
    return value;
}

/* Frees the writer, and removes a temporary that was not renamed. */
static void discard(fig__writer *writer)
{
    if (writer->file >= 0)
        close(writer->file);
    if (writer->temporary)
        unlink(writer->temporary);
    free(writer->temporary);
    free(writer->target);
    free(writer->path);
    free(writer);
}

static fig_status failed(fig__writer *writer, int fault, fig_error *err)
{
    const char *hint = fault == ENOSPC || fault == EDQUOT ? "; free some space or choose another disk" : "";
    fig_status status = fig_fail(err, FIG_E_IO, "%s: cannot write (%s)%s", writer->path, strerror(fault), hint);
    discard(writer);
    return status;
}

static int open_temporary(fig__writer *writer, const struct stat *old)
{
    const char *slash = strrchr(writer->target, '/');
    int folder = slash ? (int)(slash - writer->target) + 1 : 0;
    const char *name = writer->target + folder;
    for (int attempt = 0; attempt < 100; attempt++) {
        free(writer->temporary);
        /* A long name is cut: with the ending it must fit 255 bytes. */
        writer->temporary = fig__format("%.*s.%.200s.tmp-%08x", folder, writer->target, name, chance());
        writer->file = open(writer->temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
        if (writer->file >= 0) {
            if (old && fchmod(writer->file, old->st_mode & 0777)) { /* permissions are a courtesy, not a reason to fail */ }
            return 0;
        }
        if (errno != EEXIST)
            break;
    }
    int fault = errno;
    free(writer->temporary);
    writer->temporary = NULL;
    return fault;
}

fig_status fig__writer_begin(const char *path, fig__writer **out, fig_error *err)
{
    *out = NULL;
    fig__writer *writer = fig__alloc(sizeof *writer);
    writer->file = -1;
    writer->path = fig__strdup(path);
    struct stat old;
    bool exists = stat(path, &old) == 0;
    if (exists && S_ISDIR(old.st_mode)) {
        discard(writer);
        return fig_fail(err, FIG_E_IO, "%s: is a folder, expected the name of a file to write", path);
    }
    writer->target = exists ? realpath(path, NULL) : NULL;
    if (!writer->target)
        writer->target = fig__strdup(path);
    int fault = 0;
    if (exists && !S_ISREG(old.st_mode)) {
        writer->file = open(path, O_WRONLY | O_CLOEXEC);
        fault = writer->file < 0 ? errno : 0;
    } else {
        fault = open_temporary(writer, exists ? &old : NULL);
    }
    if (fault == ENOENT) {
        discard(writer);
        return fig_fail(err, FIG_E_IO, "%s: the folder does not exist", path);
    }
    if (fault)
        return failed(writer, fault, err);
    *out = writer;
    return FIG_OK;
}

static void write_out(fig__writer *writer, const uint8_t *data, uint64_t length)
{
    while (length > 0 && !writer->fault) {
        /* Linux writes at most 2 GiB at once. */
        ssize_t put = write(writer->file, data, length < 1 << 30 ? length : 1 << 30);
        if (put < 0 && errno != EINTR)
            writer->fault = errno;
        if (put > 0) {
            data += put;
            length -= (uint64_t)put;
        }
    }
}

static void flush(fig__writer *writer)
{
    write_out(writer, writer->buffer, writer->used);
    writer->used = 0;
}

void fig__writer_add(fig__writer *writer, const void *data, uint64_t length)
{
    if (length > BUFFER - writer->used)
        flush(writer);
    if (length > BUFFER) {
        write_out(writer, data, length);
    } else if (length) {
        memcpy(writer->buffer + writer->used, data, length);
        writer->used += length;
    }
}

/* The new name is in the folder's own blocks; without this a power cut may bring the old file back, or none. */
static void sync_folder(const char *file)
{
    const char *slash = strrchr(file, '/');
    char *folder = slash ? fig__format("%.*s", (int)(slash - file) + 1, file) : fig__strdup(".");
    int handle = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (handle >= 0) {
        fsync(handle); /* some file systems cannot; the file itself is safe by now */
        close(handle);
    }
    free(folder);
}

fig_status fig__writer_commit(fig__writer *writer, fig_error *err)
{
    flush(writer);
    if (!writer->fault && writer->temporary && fsync(writer->file))
        writer->fault = errno;
    if (close(writer->file) && !writer->fault)
        writer->fault = errno;
    writer->file = -1;
    if (!writer->fault && writer->temporary && rename(writer->temporary, writer->target))
        writer->fault = errno;
    if (writer->fault)
        return failed(writer, writer->fault, err);
    if (writer->temporary)
        sync_folder(writer->target);
    free(writer->temporary); /* it has the target's name now */
    writer->temporary = NULL;
    discard(writer);
    return FIG_OK;
}

void fig__writer_abort(fig__writer *writer)
{
    if (writer)
        discard(writer);
}

fig_status fig__file_write(const char *path, const void *data, uint64_t length, fig_error *err)
{
    fig__writer *writer;
    FIG_TRY(fig__writer_begin(path, &writer, err));
    fig__writer_add(writer, data, length);
    return fig__writer_commit(writer, err);
}
