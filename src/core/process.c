/* process.c - runs a program without a shell
 *
 * posix_spawn and not fork: after a parallel region the OpenMP run time does not survive a fork. Standard input is
 * empty; standard output goes to the caller's text or away; of standard error the end is kept and, when the program
 * fails, appended to the caller's text, so that there is a reason to show. Both pipes are drained together until they
 * close, or a chatty child would block. */
#include "core/core.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

enum { TAIL = 2048 }; /* bytes of standard error that are kept */

typedef struct tail { char bytes[TAIL]; size_t used; } tail;

static void tail_add(tail *t, const char *bytes, size_t count)
{
    if (count > TAIL) {
        bytes += count - TAIL;
        count = TAIL;
    }
    if (t->used + count > TAIL) {
        size_t drop = t->used + count - TAIL;
        memmove(t->bytes, t->bytes + drop, t->used - drop);
        t->used -= drop;
    }
    memcpy(t->bytes + t->used, bytes, count);
    t->used += count;
}

static void drain(int output, int errors, fig__text *out, tail *end)
{
    struct pollfd pipes[2] = { { .fd = output, .events = POLLIN }, { .fd = errors, .events = POLLIN } };
    while (pipes[0].fd >= 0 || pipes[1].fd >= 0) {
        if (poll(pipes, 2, -1) < 0) {
            if (errno == EINTR)
                continue;
            return;
        }
        for (int i = 0; i < 2; i++) {
            if (pipes[i].fd < 0 || !pipes[i].revents)
                continue;
            char piece[4096];
            ssize_t got = read(pipes[i].fd, piece, sizeof piece);
            if (got == 0 || (got < 0 && errno != EINTR && errno != EAGAIN))
                pipes[i].fd = -1; /* poll skips negative ones */
            else if (got > 0 && i == 0 && out)
                fig__text_add(out, piece, (size_t)got);
            else if (got > 0 && i == 1)
                tail_add(end, piece, (size_t)got);
        }
    }
}

/* The child's view: our signal settings must not leak into it (a host may block or ignore signals). */
static int spawn(const char *const argv[], const char *folder, int output, int errors, pid_t *child)
{
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    if (posix_spawn_file_actions_init(&actions))
        return ENOMEM;
    if (posix_spawnattr_init(&attributes)) {
        posix_spawn_file_actions_destroy(&actions);
        return ENOMEM;
    }
    sigset_t none, all;
    sigemptyset(&none);
    sigfillset(&all);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setsigdefault(&attributes, &all);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    int fault = posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
    if (!fault)
        fault = posix_spawn_file_actions_adddup2(&actions, output, 1);
    if (!fault)
        fault = posix_spawn_file_actions_adddup2(&actions, errors, 2);
    if (!fault && folder)
        fault = posix_spawn_file_actions_addchdir_np(&actions, folder);
    if (!fault)
        fault = posix_spawnp(child, argv[0], &actions, &attributes, (char *const *)(uintptr_t)argv, environ);
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&actions);
    return fault;
}

fig_status fig__process_run(const char *const argv[], const char *folder, fig__text *out, int *code, fig_error *err)
{
    *code = -1;
    if (folder && !fig__path_is_folder(folder))
        return fig_fail(err, FIG_E_NOT_FOUND, "%s: no such folder (to run %s in)", folder, argv[0]);
    int output[2], errors[2];
    if (pipe2(output, O_CLOEXEC))
        return fig_fail(err, FIG_E_FAILED, "%s: cannot make a pipe (%s)", argv[0], strerror(errno));
    if (pipe2(errors, O_CLOEXEC)) {
        int fault = errno;
        close(output[0]);
        close(output[1]);
        return fig_fail(err, FIG_E_FAILED, "%s: cannot make a pipe (%s)", argv[0], strerror(fault));
    }
    pid_t child;
    int fault = spawn(argv, folder, output[1], errors[1], &child);
    close(output[1]);
    close(errors[1]);
    tail end = { .used = 0 };
    if (!fault)
        drain(output[0], errors[0], out, &end);
    close(output[0]);
    close(errors[0]);
    /* A folder of the path that this user may not search gives EACCES, though the program is simply not there. */
    if (fault == ENOENT || (fault == EACCES && !strchr(argv[0], '/')))
        return fig_fail(err, FIG_E_NOT_FOUND, "%s: no such program; install it", argv[0]);
    if (fault)
        return fig_fail(err, FIG_E_FAILED, "%s: cannot start (%s)", argv[0], strerror(fault));

    int state;
    pid_t ended;
    do
        ended = waitpid(child, &state, 0);
    while (ended < 0 && errno == EINTR);
    if (ended < 0)
        return fig_fail(err, FIG_E_FAILED, "%s: cannot wait for it (%s)", argv[0], strerror(errno));
    *code = WIFEXITED(state) ? WEXITSTATUS(state) : 128 + WTERMSIG(state);
    if (*code != 0 && out)
        fig__text_add(out, end.bytes, end.used);
    return FIG_OK;
}
