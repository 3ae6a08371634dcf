/* cli/arguments.c - one parser for every command, driven by its option table
 *
 * --name VALUE, --name=VALUE, -nVALUE, -n VALUE, flags alone or as --name=false, single letters in a row (-qv), "--"
 * before words that begin with a dash; options and words in any order. Underscores of the table are dashes on the
 * command line. Errors name the nearest known option. */
#include "cli/command.h"
#include <stdlib.h>
#include <string.h>

typedef struct global_options {
    int color, progress;
    bool quiet, verbose;
} global_options;

static const fig_option global_option_table[] = {
    { "color", FIG_CHOICE, offsetof(global_options, color), 0, .help = "colours in the output",
      .choices = "auto always never" },
    { "progress", FIG_CHOICE, offsetof(global_options, progress), 0,
      .help = "progress on standard error: auto is a bar on a terminal, else a line at every logged step",
      .choices = "auto bar plain json none" },
    { "quiet", FIG_BOOL, offsetof(global_options, quiet), .help = "errors only", .short_name = 'q' },
    { "verbose", FIG_BOOL, offsetof(global_options, verbose), .help = "more messages; twice: for debugging",
      .short_name = 'v' },
    { 0 },
};

const fig_option *cli_global_options(void) { return global_option_table; }

static bool has_word(const char *words, const char *word)
{
    size_t length = strlen(word);
    for (const char *at = words; at && (at = strstr(at, word)); at += length)
        if ((at == words || at[-1] == ' ') && (!at[length] || at[length] == ' '))
            return true;
    return false;
}

static const fig_option *find_short(const fig_option *table, char letter)
{
    for (size_t i = 0, n = table ? fig_options_count(table) : 0; i < n; i++)
        if (table[i].short_name == letter)
            return &table[i];
    return NULL;
}

static const fig_option *find_long(const fig_option *table, const char *name)
{
    return table ? fig_options_find(table, name) : NULL;
}

/* True when `name` is something that a run file can set: then --set is what the user looks for. */
static bool is_setting(const char *name)
{
    if (fig_options_find(fig_train_option_table(), name))
        return true;
    for (int i = 0; fig_recipe_at(i); i++)
        if (fig_options_find(fig_recipe_at(i)->options, name))
            return true;
    return false;
}

static fig_status unknown_option(const fig_command *command, const char *name, fig_error *err)
{
    const char *near = command->options ? fig_options_nearest(command->options, name) : NULL;
    if (!near)
        near = fig_options_nearest(global_option_table, name);
    if (find_long(command->options, "set") && is_setting(name))
        return fig_fail(err, FIG_E_USAGE, "unknown option --%s; did you mean --set %s=VALUE?", name, name);
    if (!near)
        return fig_fail(err, FIG_E_USAGE, "unknown option --%s; `figment help %s` lists all", name, command->name);
    char dashed[64];
    snprintf(dashed, sizeof dashed, "%s", near);
    for (char *c = dashed; *c; c++)
        *c = *c == '_' ? '-' : *c;
    return fig_fail(err, FIG_E_USAGE, "unknown option --%s; did you mean --%s?", name, dashed);
}

typedef struct parser {
    const fig_command *command;
    fig_arguments *out;
    global_options globals;
    int verbose;
    int argc, at;
    char **argv;
} parser;

static fig_status store(parser *p, const fig_option *row, const char *value, fig_error *err)
{
    fig_arguments *out = p->out;
    if (row >= global_option_table &&
        row < global_option_table + sizeof(global_option_table) / sizeof(*global_option_table)) {
        p->verbose += !strcmp(row->name, "verbose");
        return fig_options_set(global_option_table, &p->globals, row->name, value, err);
    }
    size_t index = (size_t)(row - p->command->options);
    bool repeatable = has_word(p->command->repeatable, row->name);
    if (repeatable) {
        if (out->repeats == FIG_MAX_WORDS)
            return fig_fail(err, FIG_E_USAGE, "--%s is given more than %d times; use a run file", row->name,
                            FIG_MAX_WORDS);
        out->repeated[out->repeats].row = row;
        out->repeated[out->repeats++].value = value;
    }
    if (index < FIG_MAX_WORDS && out->times[index] < 255)
        out->times[index]++;
    return fig_options_set(p->command->options, out->values, row->name, value, err);
}

/* The value that follows in the next word. */
static fig_status next_value(parser *p, const char *shown, const fig_option *row, const char **value, fig_error *err)
{
    if (p->at + 1 >= p->argc)
        return fig_fail(err, FIG_E_USAGE, "%s needs a value%s%s", shown, row->metavar ? ": " : "",
                        row->metavar ? row->metavar : "");
    *value = p->argv[++p->at];
    return FIG_OK;
}

static fig_status parse_long(parser *p, const char *word, fig_error *err)
{
    char name[64];
    const char *equals = strchr(word, '=');
    size_t length = equals ? (size_t)(equals - word) : strlen(word);
    if (length >= sizeof name)
        return fig_fail(err, FIG_E_USAGE, "unknown option --%.40s...; `figment help %s` lists all", word,
                        p->command->name);
    memcpy(name, word, length);
    name[length] = 0;
    const fig_option *row = find_long(p->command->options, name);
    if (!row)
        row = find_long(global_option_table, name);
    if (!row)
        return unknown_option(p->command, name, err);
    const char *value = equals ? equals + 1 : "true";
    if (!equals && row->type != FIG_BOOL) {
        char shown[72];
        snprintf(shown, sizeof shown, "--%s", name);
        FIG_TRY(next_value(p, shown, row, &value, err));
    }
    return store(p, row, value, err);
}

static fig_status parse_short(parser *p, const char *letters, fig_error *err)
{
    for (const char *letter = letters; *letter; letter++) {
        const fig_option *row = find_short(p->command->options, *letter);
        if (!row)
            row = find_short(global_option_table, *letter);
        if (!row)
            return fig_fail(err, FIG_E_USAGE, "unknown option -%c; `figment help %s` lists all", *letter,
                            p->command->name);
        if (row->type == FIG_BOOL) {
            FIG_TRY(store(p, row, "true", err));
            continue;
        }
        const char *value = letter + 1;
        char shown[4] = { '-', *letter, 0, 0 };
        if (!*value)
            FIG_TRY(next_value(p, shown, row, &value, err));
        return store(p, row, value, err);
    }
    return FIG_OK;
}

static fig_status add_word(fig_arguments *out, const char *word, fig_error *err)
{
    const fig_command *command = out->command;
    if (out->words == command->most || out->words == FIG_MAX_WORDS)
        return fig_fail(err, FIG_E_USAGE, "unexpected argument \"%s\"; usage: figment %s%s%s", word, command->name,
                        command->usage[0] ? " " : "", command->usage);
    out->word[out->words++] = word;
    return FIG_OK;
}

static fig_status parse_words(parser *p, fig_error *err)
{
    fig_arguments *out = p->out;
    for (; p->at < p->argc; p->at++) {
        const char *word = p->argv[p->at];
        if (!strcmp(word, "--")) {
            while (++p->at < p->argc)
                FIG_TRY(add_word(out, p->argv[p->at], err));
            return FIG_OK;
        }
        if (!strcmp(word, "-h") || !strcmp(word, "--help")) {
            out->help = word[1] == 'h' ? 1 : 2;
            return FIG_OK;
        }
        if (word[0] == '-' && word[1] == '-')
            FIG_TRY(parse_long(p, word + 2, err));
        else if (word[0] == '-' && word[1])
            FIG_TRY(parse_short(p, word + 1, err));
        else
            FIG_TRY(add_word(out, word, err));
    }
    return FIG_OK;
}

fig_status cli_arguments_parse(const fig_command *command, int argc, char **argv, fig_cli *cli, fig_arguments *out,
                               fig_error *err)
{
    *out = (fig_arguments){ .command = command };
    out->values = calloc(1, command->options_size ? command->options_size : 1);
    if (!out->values)
        return fig_fail(err, FIG_E_LIMIT, "out of memory");
    if (command->options)
        fig_options_defaults(command->options, out->values);
    parser p = { .command = command, .out = out, .argc = argc, .argv = argv };
    fig_options_defaults(global_option_table, &p.globals);
    fig_status status = parse_words(&p, err);
    cli->color = p.globals.color;
    cli->progress = (fig_progress_mode)p.globals.progress;
    cli->verbosity = p.globals.quiet ? -1 : p.verbose > 2 ? 2 : p.verbose;
    if (status != FIG_OK || out->help)
        return status;
    if (out->words < command->least)
        return fig_fail(err, FIG_E_USAGE, "usage: figment %s %s (`figment help %s` explains)", command->name,
                        command->usage, command->name);
    return FIG_OK;
}

void cli_arguments_free(fig_arguments *arguments)
{
    if (arguments->values && arguments->command->options)
        fig_options_free(arguments->command->options, arguments->values);
    free(arguments->values);
    arguments->values = NULL;
}

bool cli_arguments_has(const fig_arguments *arguments, const char *name)
{
    const fig_option *row = find_long(arguments->command->options, name);
    return row && arguments->times[row - arguments->command->options] > 0;
}

int cli_arguments_list(const fig_arguments *arguments, const char *name, const char **list)
{
    int count = 0;
    for (int i = 0; i < arguments->repeats; i++)
        if (!strcmp(arguments->repeated[i].row->name, name))
            list[count++] = arguments->repeated[i].value;
    list[count] = NULL;
    return count;
}
