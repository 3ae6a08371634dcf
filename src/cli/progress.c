/* cli/progress.c - the progress line on standard error
 *
 * bar:   one line, redrawn at most ten times a second: "Training [===>  ] 1,200/3,000 [0:12<0:18, 96.1 it/s, loss=0.93]"
 * plain: the recipe's own log line at every logged step, for files and pipes; a task of over two seconds is named once
 * json:  one object a line at every logged step
 * The bar is wiped before anything else is printed to standard error. */
#include "cli/command.h"
#include <math.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

static double now_seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

static int terminal_columns(void)
{
    struct winsize size;
    return ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 20 ? size.ws_col : 80;
}

void cli_progress_clear(fig_cli *cli)
{
    if (cli->drawn)
        fputs("\r\033[K", stderr);
    cli->drawn = false;
}

/* "Verb [bar] rest" cut to the terminal; without the bar where the line is too narrow for both. */
static void draw(fig_cli *cli, const char *verb, double share, const char *rest)
{
    char bar[48] = "";
    int columns = terminal_columns() - 1, room = columns - 16 - (int)strlen(rest);
    if (share >= 0 && room >= 8) {
        int width = room < 40 ? room : 40, full = (int)(share * width);
        bar[0] = '[';
        for (int i = 0; i < width; i++)
            bar[1 + i] = i < full ? '=' : i == full ? '>' : ' ';
        memcpy(bar + 1 + width, "] ", 3);
    }
    const char *colour = cli->colour_err ? "\033[1;36m" : "", *back = cli->colour_err ? "\033[0m" : "";
    fprintf(stderr, "\r%s%12s%s %s%.*s\033[K", colour, verb, back, bar, columns - 13 - (int)strlen(bar), rest);
    fflush(stderr);
    cli->drawn = true;
    cli->drawn_at = now_seconds();
}

static bool too_soon(const fig_cli *cli) { return now_seconds() - cli->drawn_at < 0.1; }

/* " generator=0.91 discriminator=1.20": losses of the last logged step. */
static void losses_text(const fig_train_progress *now, char *out, size_t size)
{
    size_t used = 0;
    out[0] = 0;
    for (int i = 0; i < now->losses && used + 1 < size; i++) {
        const char *name = now->loss_name[i];
        if (!strncmp(name, "loss.", 5))
            name = now->losses == 1 ? "loss" : name + 5;
        int wrote = snprintf(out + used, size - used, ", %s=%.4g", name, now->loss[i]);
        used += wrote > 0 ? (size_t)wrote : 0;
    }
}

static void print_bar(fig_cli *cli, const fig_train_progress *now)
{
    char done[32], all[32], elapsed[32], left[32], losses[256], rest[512];
    losses_text(now, losses, sizeof losses);
    double rate = now->seconds > 0 ? (double)now->step / now->seconds : 0;
    if (now->seconds_left >= 0 && (double)now->step > 0)
        rate = now->seconds_left > 0 ? (double)(now->steps - now->step) / now->seconds_left : rate;
    snprintf(rest, sizeof rest, "%s/%s [%s<%s, %.3g it/s%s]", cli_count_text(now->step, done),
             cli_count_text(now->steps, all), cli_time_text(now->seconds, elapsed),
             cli_time_text(now->seconds_left, left), rate, losses);
    draw(cli, "Training", now->steps > 0 ? (double)now->step / (double)now->steps : -1, rest);
}

static void print_json(const fig_train_progress *now)
{
    cli_doc json = cli_doc_begin(stderr, "progress");
    cli_doc_int(&json, "step", now->step);
    cli_doc_int(&json, "steps", now->steps);
    cli_doc_int(&json, "epoch", now->epoch);
    cli_doc_number(&json, "seconds", now->seconds);
    cli_doc_number(&json, "seconds_left", now->seconds_left);
    cli_doc_number(&json, "items_per_s", now->items_per_s);
    for (int i = 0; i < now->losses; i++)
        cli_doc_number(&json, now->loss_name[i], now->loss[i]);
    if (now->evaluated && now->validation_name)
        cli_doc_number(&json, now->validation_name, now->validation);
    cli_doc_end(&json);
}

void cli_progress_training(fig_cli *cli, const fig_train_progress *now)
{
    bool watched = now->evaluated && now->validation_name && !isnan(now->validation);
    switch (cli->progress) {
    case FIG_PROGRESS_NONE:
        return;
    case FIG_PROGRESS_JSON:
        if (now->logged || now->evaluated)
            print_json(now);
        return;
    case FIG_PROGRESS_PLAIN:
        if (now->logged && now->log_line)
            fprintf(stderr, "%s\n", now->log_line);
        break;
    case FIG_PROGRESS_AUTO:
    case FIG_PROGRESS_BAR:
        break;
    }
    if (watched)
        cli_say(cli, "Evaluated", "step %lld: %s %.6g", (long long)now->step, now->validation_name, now->validation);
    if (cli->progress == FIG_PROGRESS_BAR && (!too_soon(cli) || now->finished || watched))
        print_bar(cli, now);
}

void cli_progress_fraction(void *user, const char *what, double done)
{
    fig_cli *cli = user;
    char clean[sizeof cli->what];
    fig_printable(what, clean, sizeof clean);
    bool same = !strcmp(cli->what, clean);
    if (!same) {
        memcpy(cli->what, clean, sizeof clean);
        cli->what_since = now_seconds();
        cli->what_said = false;
    }
    if (cli->progress == FIG_PROGRESS_BAR && (!same || !too_soon(cli) || done >= 1)) {
        char rest[256], left[48] = "", time[32];
        double since = now_seconds() - cli->what_since;
        if (done > 0.01 && done < 1 && since > 2)
            snprintf(left, sizeof left, ", %s left", cli_time_text(since * (1 - done) / done, time));
        if (done >= 0)
            snprintf(rest, sizeof rest, "%3.0f %% %.180s%s", 100 * done, clean, left);
        else
            snprintf(rest, sizeof rest, "%s", clean);
        draw(cli, "Working", done, rest);
    } else if (cli->progress == FIG_PROGRESS_PLAIN && !cli->what_said && now_seconds() - cli->what_since > 2) {
        cli->what_said = true;
        cli_say(cli, "Working", "%s", clean);
    }
}
