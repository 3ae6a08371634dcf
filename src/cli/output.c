/* cli/output.c - what goes to standard error, colours, and files that the command itself writes */
#include "cli/command.h"
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static bool is_set(const char *variable)
{
    const char *value = getenv(variable);
    return value && *value;
}

static bool wants_colour(int choice, int descriptor)
{
    if (choice)
        return choice == 1;
    if (is_set("NO_COLOR"))
        return false;
    const char *force = getenv("CLICOLOR_FORCE"), *term = getenv("TERM");
    if (force && *force && strcmp(force, "0") != 0)
        return true;
    return isatty(descriptor) && !(term && !strcmp(term, "dumb"));
}

void cli_output_settle(fig_cli *cli)
{
    static const char *const levels[] = { "error", "warning", "info", "debug" };
    cli->colour_out = wants_colour(cli->color, STDOUT_FILENO);
    cli->colour_err = wants_colour(cli->color, STDERR_FILENO);
    const char *level = getenv("FIGMENT_LOG");
    for (int i = 0; level && !cli->verbosity && i < 4; i++)
        if (!strcmp(level, levels[i]))
            cli->verbosity = i - 1;
    const char *term = getenv("TERM");
    bool terminal = isatty(STDERR_FILENO) && !(term && !strcmp(term, "dumb"));
    if (cli->progress == FIG_PROGRESS_AUTO)
        cli->progress = cli->verbosity < 0 ? FIG_PROGRESS_NONE : terminal ? FIG_PROGRESS_BAR : FIG_PROGRESS_PLAIN;
}

/* The rest of a line, without what a terminal would obey. */
static void put_clean(const char *format, va_list args)
{
    va_list again;
    va_copy(again, args);
    int length = vsnprintf(NULL, 0, format, again);
    va_end(again);
    size_t size = length > 0 ? (size_t)length + 1 : 1;
    char *raw = malloc(size), *clean = malloc(4 * size);
    if (raw && clean) {
        vsnprintf(raw, size, format, args);
        fig_printable(raw, clean, 4 * size);
        fputs(clean, stderr);
    }
    fputc('\n', stderr);
    free(raw);
    free(clean);
}

void cli_say(fig_cli *cli, const char *verb, const char *format, ...)
{
    if (cli->verbosity < 0 || cli->progress == FIG_PROGRESS_JSON)
        return;
    cli_progress_clear(cli);
    fprintf(stderr, "%s%12s%s ", cli->colour_err ? "\033[1;32m" : "", verb, cli->colour_err ? "\033[0m" : "");
    va_list args;
    va_start(args, format);
    put_clean(format, args);
    va_end(args);
}

void cli_warn(fig_cli *cli, const char *format, ...)
{
    cli_progress_clear(cli);
    fprintf(stderr, "figment: %swarning:%s ", cli->colour_err ? "\033[1;33m" : "", cli->colour_err ? "\033[0m" : "");
    va_list args;
    va_start(args, format);
    put_clean(format, args);
    va_end(args);
}

void cli_print_error(fig_cli *cli, const fig_error *err)
{
    fprintf(stderr, "%sfigment:%s %s\n", cli->colour_err ? "\033[1;31m" : "", cli->colour_err ? "\033[0m" : "",
            err->message[0] ? err->message : "failed without a message");
}

void cli_on_message(void *user, int level, const char *line)
{
    fig_cli *cli = user;
    if (level <= 1 && cli->verbosity >= level - 1)
        cli_warn(cli, "%s", line);
    else if (level == 2 && cli->verbosity >= 0)
        cli_say(cli, "Note", "%s", line);
    else if (level >= 3 && cli->verbosity >= level - 2)
        cli_say(cli, "Debug", "%s", line);
}

const char *cli_bold(const fig_cli *cli) { return cli->colour_out ? "\033[1m" : ""; }

const char *cli_plain(const fig_cli *cli) { return cli->colour_out ? "\033[0m" : ""; }

/* Writes and syncs a temporary beside the file; the old one stays whole until the rename. */
static fig_status write_file(const char *path, const char *text, fig_error *err)
{
    char *temporary = cli_join("%s.%ld.tmp", path, (long)getpid());
    int descriptor = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    bool fine = descriptor >= 0;
    for (size_t length = strlen(text); fine && length;) {
        ssize_t wrote = write(descriptor, text, length);
        if (wrote < 0 && errno == EINTR)
            continue;
        fine = wrote > 0;
        if (fine) {
            text += wrote;
            length -= (size_t)wrote;
        }
    }
    fine = fine && fsync(descriptor) == 0;
    int reason = errno;
    if (descriptor >= 0 && close(descriptor) != 0 && fine) {
        fine = false;
        reason = errno;
    }
    if (fine && rename(temporary, path) != 0) {
        fine = false;
        reason = errno;
    }
    if (!fine && descriptor >= 0)
        unlink(temporary);
    free(temporary);
    if (!fine)
        return fig_fail(err, FIG_E_IO, "%s: cannot write: %s", path, strerror(reason));
    return FIG_OK;
}

fig_status cli_write_text(const char *path, const char *text, bool replace, fig_error *err)
{
    if (!strcmp(path, "-")) {
        fputs(text, stdout);
        return FIG_OK;
    }
    struct stat there;
    if (!replace && stat(path, &there) == 0)
        return fig_fail(err, FIG_E_USAGE,
                        "%s is there already; choose another name with -o, or add --force to replace it", path);
    return write_file(path, text, err);
}

fig_status cli_flush(fig_error *err)
{
    if (fflush(stdout) != 0 || ferror(stdout))
        return fig_fail(err, FIG_E_IO, "standard output: cannot write: %s", strerror(errno ? errno : EIO));
    return FIG_OK;
}

const char *cli_count_text(int64_t count, char out[32])
{
    char digits[24];
    int length = snprintf(digits, sizeof digits, "%lld", (long long)count);
    int first = digits[0] == '-', at = 0;
    for (int i = 0; i < length; i++) {
        if (i > first && (length - i) % 3 == 0)
            out[at++] = ',';
        out[at++] = digits[i];
    }
    out[at] = 0;
    return out;
}

const char *cli_time_text(double seconds, char out[32])
{
    if (!(seconds >= 0 && seconds < 1e9)) {
        snprintf(out, 32, "?");
        return out;
    }
    long whole = (long)(seconds + 0.5);
    if (whole < 3600)
        snprintf(out, 32, "%ld:%02ld", whole / 60, whole % 60);
    else
        snprintf(out, 32, "%ld:%02ld:%02ld", whole / 3600, whole / 60 % 60, whole % 60);
    return out;
}

char *cli_join(const char *format, ...)
{
    char *text = NULL;
    va_list args;
    va_start(args, format);
    int length = vasprintf(&text, format, args);
    va_end(args);
    if (length < 0) {
        fputs("figment: out of memory\n", stderr);
        exit(6);
    }
    return text;
}
