/* bug.c - our own mistakes: says where, and stops the process
 *
 * The one place of the library that prints and aborts. A state that only a mistake of ours can produce must not go on
 * computing and be saved; nothing a user or a file does may lead here. */
#include "core/core.h"
#include <stdlib.h>

_Noreturn void fig__bug(const char *file, int line, const char *format, ...)
{
    fprintf(stderr, "figment: bug at %s:%d: ", file, line);
    va_list args;
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fputc('\n', stderr);
    abort();
}
