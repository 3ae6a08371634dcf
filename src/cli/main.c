/* cli/main.c - the `figment` command: finds the verb, parses, runs, and turns a status into an exit code
 *
 * Nothing but this happens before a command's own work, so that `figment version` starts in a few milliseconds. */
#include "cli/command.h"
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FIG_COMMAND(name) extern const fig_command fig_command_##name;
#include "cli/commands.def"
#undef FIG_COMMAND

static const fig_command *const commands[] = {
#define FIG_COMMAND(name) &fig_command_##name,
#include "cli/commands.def"
#undef FIG_COMMAND
    NULL
};

const fig_command *cli_command_at(int index) { return commands[index]; }

const fig_command *cli_command_find(const char *name)
{
    for (int i = 0; commands[i]; i++)
        if (!strcmp(commands[i]->name, name))
            return commands[i];
    return NULL;
}

/* The command whose name has the nearest spelling, or NULL. */
static const char *nearest_command(const char *name)
{
    static const int most = sizeof(commands) / sizeof(*commands);
    fig_option table[sizeof(commands) / sizeof(*commands) + 1] = { 0 };
    for (int i = 0; i < most && commands[i]; i++)
        table[i] = (fig_option){ .name = commands[i]->name, .type = FIG_BOOL };
    const char *near = fig_options_nearest(table, name);
    for (int i = 0; near && i < most && commands[i]; i++)
        if (!strcmp(commands[i]->name, near))
            return commands[i]->name;
    return NULL;
}

static fig_status unknown_command(const char *word, const char *second, fig_error *err)
{
    char *both = cli_join("%s%s%s", word, second ? " " : "", second ? second : "");
    size_t length = strlen(word);
    bool group = false;
    for (int i = 0; commands[i]; i++)
        group = group || (!strncmp(commands[i]->name, word, length) && commands[i]->name[length] == ' ');
    const char *near = group || !second ? nearest_command(both) : nearest_command(word);
    if (near)
        fig_fail(err, FIG_E_USAGE, "unknown command \"%s\"; did you mean `figment %s`?", group ? both : word, near);
    else if (group)
        fig_fail(err, FIG_E_USAGE, "figment %s needs one of the words that `figment help %s` lists", word, word);
    else
        fig_fail(err, FIG_E_USAGE, "unknown command \"%s\"; `figment help` lists all", word);
    free(both);
    return FIG_E_USAGE;
}

/* Finds the command at the head of the words; *used says how many of them are its name. */
static const fig_command *find_command(int argc, char **argv, int *used)
{
    const fig_command *command = NULL;
    if (argc > 1) {
        char *both = cli_join("%s %s", argv[0], argv[1]);
        command = cli_command_find(both);
        free(both);
        *used = 2;
    }
    if (!command) {
        command = cli_command_find(argv[0]);
        *used = 1;
    }
    return command;
}

/* The words as a shell would read them back: recorded in runs so that they can be repeated. */
static char *quoted_line(int argc, char **argv)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_=+.,:/@%";
    char *line = NULL;
    size_t length = 0;
    FILE *out = open_memstream(&line, &length);
    if (!out)
        return NULL;
    fputs("figment", out);
    for (int i = 1; i < argc; i++) {
        bool quote = !argv[i][0] || argv[i][strspn(argv[i], plain)];
        fputs(quote ? " '" : " ", out);
        for (const char *c = argv[i]; *c; c++)
            fputs(quote && *c == '\'' ? "'\\''" : (char[]){ *c, 0 }, out);
        fputs(quote ? "'" : "", out);
    }
    fclose(out);
    return line;
}

/* Threads that wait for one another spin for a moment and then sleep. OpenMP's run time spins for milliseconds unless told
 * otherwise, which on a busy machine costs a time slice at every step of a plan: mlp_gan beside ten other processes took 60
 * times as long. It reads the setting when it is loaded, so the command starts itself once more; where that fails it goes on. */
static void short_spins(char **argv)
{
    if (!getenv("GOMP_SPINCOUNT") && !getenv("OMP_WAIT_POLICY") && setenv("GOMP_SPINCOUNT", "4000", 1) == 0)
        execv("/proc/self/exe", argv);
}

static fig_status run(fig_cli *cli, int argc, char **argv, fig_error *err)
{
    if (argc < 2) {
        cli_help_overview(stderr);
        return fig_fail(err, FIG_E_USAGE, "which command? `figment help` explains them");
    }
    static char version[] = "version";
    if (!strcmp(argv[1], "-h") || !strcmp(argv[1], "--help")) {
        cli_help_overview(stdout);
        return FIG_OK;
    }
    if (!strcmp(argv[1], "-V") || !strcmp(argv[1], "--version"))
        argv[1] = version;
    int used = 1;
    const fig_command *command = find_command(argc - 1, argv + 1, &used);
    if (!command)
        return unknown_command(argv[1], argc > 2 && argv[2][0] != '-' ? argv[2] : NULL, err);
    fig_arguments given;
    fig_status status = cli_arguments_parse(command, argc - 1 - used, argv + 1 + used, cli, &given, err);
    cli_output_settle(cli);
    if (status == FIG_OK && given.help) {
        cli_help_command(stdout, command, given.help > 1);
    } else if (status == FIG_OK) {
        if (command->computes)
            short_spins(argv);
        status = command->run(cli, &given, err);
    }
    cli_arguments_free(&given);
    return status;
}

int main(int argc, char **argv)
{
    fig_cli cli = { .command_line = quoted_line(argc, argv) };
    fig_error err = { 0 };
    fig_status status = run(&cli, argc, argv, &err);
    cli_progress_clear(&cli);
    if (status == FIG_OK)
        status = cli_flush(&err);
    if (status != FIG_OK)
        cli_print_error(&cli, &err);
    free(cli.command_line);
    return fig_status_exit_code(status);
}
