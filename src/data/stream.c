/* stream.c - reading a file forward, unpacking it when it is gzip (RFC 1952) through zlib
 *
 * Only regular files are opened: a pipe or device in a data folder would hang the reader. zlib checks gzip's own
 * checksum and reports a cut file. */
#include "data/source.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

/* Deflate cannot pack better than 1032:1, so a larger promise in a header is a lie. */
enum { MAX_RATIO = 1032, PIECE = 1 << 20 };

struct fig__stream {
    gzFile file;
    uint64_t packed; /* size of the file */
    char *path;
};

fig_status fig__stream_open(const char *path, fig__stream **out, fig_error *err)
{
    *out = NULL;
    uint64_t size;
    FIG_TRY(fig__file_size(path, &size, err));
    errno = 0;
    gzFile file = gzopen(path, "rb");
    if (!file)
        return fig_fail(err, errno == ENOENT ? FIG_E_NOT_FOUND : FIG_E_IO, "%s: cannot be opened (%s)", path,
                        strerror(errno));
    gzbuffer(file, 256 << 10);
    fig__stream *stream = fig__alloc(sizeof *stream);
    *stream = (fig__stream){ file, size, fig__strdup(path) };
    *out = stream;
    return FIG_OK;
}

void fig__stream_close(fig__stream *stream)
{
    if (!stream)
        return;
    gzclose(stream->file);
    free(stream->path);
    free(stream);
}

static fig_status explain(fig__stream *stream, fig_error *err)
{
    int code = Z_OK;
    const char *text = gzerror(stream->file, &code);
    if (code == Z_ERRNO)
        return fig_fail(err, FIG_E_IO, "%s: cannot be read (%s)", stream->path, strerror(errno));
    if (code == Z_BUF_ERROR)
        return fig_fail(err, FIG_E_FORMAT, "%s: the gzip data is cut short; fetch or copy the file again",
                        stream->path);
    if (fig__starts_with(text, stream->path)) /* zlib puts the path before its message */
        text += strlen(stream->path) + (fig__starts_with(text + strlen(stream->path), ": ") ? 2 : 0);
    return fig_fail(err, FIG_E_FORMAT, "%s: corrupt gzip data (%s); fetch or copy the file again", stream->path, text);
}

fig_status fig__stream_read_some(fig__stream *stream, void *out, uint64_t count, uint64_t *got, fig_error *err)
{
    *got = 0;
    while (*got < count) {
        uint64_t left = count - *got;
        int piece = gzread(stream->file, (char *)out + *got, left > PIECE ? PIECE : (unsigned)left);
        if (piece < 0)
            return explain(stream, err);
        *got += (uint64_t)piece;
        if (piece == 0) {
            int code = Z_OK;
            gzerror(stream->file, &code);
            return code == Z_OK || code == Z_STREAM_END ? FIG_OK : explain(stream, err);
        }
    }
    return FIG_OK;
}

fig_status fig__stream_read(fig__stream *stream, void *out, uint64_t count, fig_error *err)
{
    uint64_t got;
    FIG_TRY(fig__stream_read_some(stream, out, count, &got, err));
    if (got < count)
        return fig_fail(err, FIG_E_FORMAT, "%s: cut short: %llu bytes are missing; fetch or copy the file again",
                        stream->path, (unsigned long long)(count - got));
    return FIG_OK;
}

fig_status fig__stream_expect(const fig__stream *stream, uint64_t count, fig_error *err)
{
    uint64_t most = stream->packed;
    if (!gzdirect(stream->file))
        most *= MAX_RATIO; /* a file's size is below 2^53 */
    if (count > most)
        return fig_fail(err, FIG_E_FORMAT,
                        "%s: the header promises %llu bytes, the file of %llu bytes cannot hold them", stream->path,
                        (unsigned long long)count, (unsigned long long)stream->packed);
    return FIG_OK;
}

fig_status fig__stream_expect_end(fig__stream *stream, fig_error *err)
{
    char byte;
    uint64_t got;
    FIG_TRY(fig__stream_read_some(stream, &byte, 1, &got, err));
    return got ? fig_fail(err, FIG_E_FORMAT, "%s: bytes follow after the end that the header gives", stream->path)
               : FIG_OK;
}

fig_status fig__check_memory(const char *path, uint64_t bytes, fig_error *err)
{
    uint64_t limit = fig__memory_available() / 2;
    if (bytes > limit)
        return fig_fail(err, FIG_E_LIMIT, "%s: needs %llu MB of memory, more than half of the %llu MB that are free",
                        path, (unsigned long long)(bytes >> 20), (unsigned long long)(limit >> 19));
    return FIG_OK;
}

fig_status fig__stream_read_all(const char *path, uint64_t maximum, char **data, uint64_t *length, fig_error *err)
{
    *data = NULL;
    *length = 0;
    fig__stream *stream;
    FIG_TRY(fig__stream_open(path, &stream, err));
    uint64_t room = stream->packed + 1 < 4096 ? 4096 : stream->packed + 1, used = 0;
    char *bytes = malloc(room + 1);
    fig_status status = FIG_OK;
    for (bool more = bytes != NULL; more && status == FIG_OK;) {
        uint64_t got;
        status = fig__stream_read_some(stream, bytes + used, room - used, &got, err);
        used += got;
        more = status == FIG_OK && used == room;
        if (status == FIG_OK && used > maximum)
            status = fig_fail(err, FIG_E_LIMIT, "%s: unpacks to more than the %llu MB allowed here", path,
                              (unsigned long long)(maximum >> 20));
        if (more && status == FIG_OK) {
            room += room / 2;
            char *grown = realloc(bytes, room + 1);
            if (!grown)
                status = fig_fail(err, FIG_E_LIMIT, "%s: no memory for its content", path);
            else
                bytes = grown;
        }
    }
    if (!bytes)
        status = fig_fail(err, FIG_E_LIMIT, "%s: no memory for its content", path);
    fig__stream_close(stream);
    if (status != FIG_OK) {
        free(bytes);
        return status;
    }
    bytes[used] = 0;
    *data = bytes;
    *length = used;
    return FIG_OK;
}
