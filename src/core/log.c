/* log.c - messages go where the host decides; without a hook, or above its level, they cost a comparison */
#include "core/core.h"

void fig__log_print(const fig__log *log, int level, const char *format, ...)
{
    if (!log || !log->hook || level > log->level)
        return;
    char message[2048]; /* longer ones are cut: a log line is read by people */
    va_list args;
    va_start(args, format);
    vsnprintf(message, sizeof message, format, args);
    va_end(args);
    log->hook(log->user, level, message);
}
