/* error.c - recording failures: the first message wins, callers may pass NULL
 *
 * A fig_error is plain memory of the caller, so nothing here allocates and a failure can be reported when memory is
 * gone. */
#include <figment/error.h>
#include <stdio.h>
#include <string.h>

fig_status fig_failv(fig_error *err, fig_status status, const char *format, va_list args)
{
    if (status == FIG_OK)
        status = FIG_E_FAILED;
    if (!err)
        return status;
    if (err->status != FIG_OK)
        return err->status;
    err->status = status;
    vsnprintf(err->message, sizeof err->message, format, args);
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
    char old[sizeof err->message];
    memcpy(old, err->message, sizeof old);
    va_list args;
    va_start(args, format);
    int length = vsnprintf(err->message, sizeof err->message - 2, format, args);
    va_end(args);
    if (length < 0)
        length = 0;
    if ((size_t)length > sizeof err->message - 3)
        length = (int)sizeof err->message - 3;
    /* A message too long loses its end, never the place. */
    snprintf(err->message + length, sizeof err->message - (size_t)length, ": %s", old);
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
