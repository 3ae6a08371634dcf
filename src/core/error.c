/* error.c - recording failures: the first message wins, callers may pass NULL; text that may stand on a terminal
 *
 * A fig_error is plain memory of the caller, so nothing here allocates and a failure can be reported when memory is
 * gone. */
#include "core/core.h"
#include <figment/error.h>
#include <stdio.h>
#include <string.h>

void fig_printable(const char *text, char *out, size_t size)
{
    size_t used = 0;
    while (*text) {
        const char *start = text;
        char escaped[8];
        int32_t point = fig__utf8_next(&text);
        if (point < 0x20 || (point >= 0x7f && point < 0xa0)) { /* byte by byte */
            snprintf(escaped, sizeof escaped, "\\x%02x", (unsigned char)*start);
            text = start + 1;
            start = escaped;
        }
        size_t length = start == escaped ? 4 : (size_t)(text - start);
        if (used + length >= size)
            break;
        memcpy(out + used, start, length);
        used += length;
    }
    out[used] = 0;
}

fig_status fig_failv(fig_error *err, fig_status status, const char *format, va_list args)
{
    if (status == FIG_OK)
        status = FIG_E_FAILED;
    if (!err)
        return status;
    if (err->status != FIG_OK)
        return err->status;
    err->status = status;
    char raw[sizeof err->message];
    vsnprintf(raw, sizeof raw, format, args);
    fig_printable(raw, err->message, sizeof err->message);
    return status;
}

fig_status fig_fail(fig_error *err, fig_status status, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    status = fig_failv(err, status, format, args);
    va_end(args);
    return status;
}

fig_status fig_error_prefix(fig_error *err, const char *format, ...)
{
    if (!err || err->status == FIG_OK)
        return err ? err->status : FIG_E_FAILED;
    char old[sizeof err->message], raw[sizeof err->message];
    memcpy(old, err->message, sizeof old);
    va_list args;
    va_start(args, format);
    vsnprintf(raw, sizeof raw, format, args);
    va_end(args);
    fig_printable(raw, err->message, sizeof err->message - 2);
    size_t length = strlen(err->message);
    /* A message too long loses its end, never the place. */
    snprintf(err->message + length, sizeof err->message - length, ": %s", old);
    return err->status;
}

void fig_error_clear(fig_error *err)
{
    if (err) {
        err->status = FIG_OK;
        err->message[0] = 0;
    }
}

int fig_status_exit_code(fig_status status)
{
    switch (status) {
    case FIG_E_SHAPE: return 2;
    case FIG_E_NUMERIC: return 1;
    default: return (int)status;
    }
}
