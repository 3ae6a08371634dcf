/* cli/signals.c - Ctrl-C and SIGTERM while training
 *
 * The first signal lets the step end and a checkpoint be written (exit code 7), the second ends the process at once
 * (130 or 143). Without a guarded trainer the default action stays: there is nothing to save. A handler has no
 * argument, so the guarded trainer is the one static object of the command. */
#include "cli/command.h"
#include <signal.h>
#include <string.h>
#include <unistd.h>

static fig_trainer *volatile guarded;
static volatile sig_atomic_t stopping;

static void on_signal(int number)
{
    static const char text[] = "\nfigment: finishing the step and writing a checkpoint; once more ends at once\n";
    if (stopping || !guarded)
        _exit(128 + number);
    stopping = 1;
    fig_trainer_stop(guarded);
    ssize_t ignored = write(STDERR_FILENO, text, sizeof text - 1);
    (void)ignored;
}

void cli_signals_guard(fig_trainer *trainer)
{
    struct sigaction action;
    memset(&action, 0, sizeof action);
    sigemptyset(&action.sa_mask);
    action.sa_flags = SA_RESTART;
    action.sa_handler = trainer ? on_signal : SIG_DFL;
    guarded = trainer;
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
}
