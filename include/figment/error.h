/* figment/error.h - how a Figment function says that it failed
 *
 * Every function that can fail returns a fig_status and takes a `fig_error *err` last, which may be NULL. Who detects
 * the fault writes the message (where, what was found, what was expected, what to do); who receives it passes it up
 * with FIG_TRY. The first error wins: a second fig_fail on the same fig_error leaves the message alone. */
#ifndef FIGMENT_ERROR_H
#define FIGMENT_ERROR_H

#include <stdarg.h>
#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define FIG_API __attribute__((visibility("default")))
#define FIG_PRINTF(format_index, first) __attribute__((format(printf, format_index, first)))
#else
#define FIG_API
#define FIG_PRINTF(format_index, first)
#endif

/* The numbers up to 9 are also the exit codes of the command. */
typedef enum fig_status {
    FIG_OK = 0,
    FIG_E_FAILED = 1,       /* something went wrong that fits no other line */
    FIG_E_USAGE = 2,        /* the caller's arguments: unknown option, value out of range */
    FIG_E_NOT_FOUND = 3,    /* a file, model, data set or name does not exist */
    FIG_E_FORMAT = 4,       /* bytes from outside are invalid or corrupt */
    FIG_E_IO = 5,           /* reading or writing failed: disk full, permission */
    FIG_E_LIMIT = 6,        /* would exceed memory or another resource limit */
    FIG_E_INTERRUPTED = 7,  /* stopped by request, state saved */
    FIG_E_CHECK = 8,        /* a gate or a verification said no */
    FIG_E_INCONCLUSIVE = 9, /* a gate cannot tell yet */
    FIG_E_SHAPE = 10,       /* shapes or types of a graph do not meet */
    FIG_E_NUMERIC = 11      /* NaN or infinity where a number is needed */
} fig_status;

typedef struct fig_error {
    fig_status status; /* FIG_OK while nothing failed */
    char message[1024];
} fig_error;

/* Records a failure and returns `status`, so that `return fig_fail(...)` reads as one thought. err may be NULL. */
FIG_API fig_status fig_fail(fig_error *err, fig_status status, const char *format, ...) FIG_PRINTF(3, 4);
FIG_API fig_status fig_failv(fig_error *err, fig_status status, const char *format, va_list args);
/* Puts "prefix: " before the message that is there (a path, a layer). No effect while err is NULL or holds no error. */
FIG_API fig_status fig_error_prefix(fig_error *err, const char *format, ...) FIG_PRINTF(2, 3);
FIG_API void fig_error_clear(fig_error *err);
/* Text as it may stand on a terminal or in a log: control characters and bytes that are no UTF-8 become \xNN; cut to `size`. Names
 * from files and folders go through it before a person sees them; messages of errors have. */
FIG_API void fig_printable(const char *text, char *out, size_t size);
/* The process exit code for a status, by reference: 0-9 as numbered, 10 -> 2, 11 -> 1. */
FIG_API int fig_status_exit_code(fig_status status);

#define FIG_TRY(call)                                  \
    do {                                               \
        fig_status fig_try_status_ = (call);           \
        if (fig_try_status_ != FIG_OK)                 \
            return fig_try_status_;                    \
    } while (0)

#ifdef __cplusplus
}
#endif
#endif
