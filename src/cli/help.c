/* cli/help.c - help for people and the command page of the docs, both from the tables
 *
 * -h is usage and options, --help and `figment help VERB` add the explanation and examples, `figment help --all` is
 * docs/commands.md: a check in the test run compares the two. */
#include "cli/command.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define HELP_COLUMN 30

/* -- one option --------------------------------------------------------------------------------------------------- */

static void dashed(const char *name, char *out, size_t size)
{
    snprintf(out, size, "%s", name);
    for (char *c = out; *c; c++)
        *c = *c == '_' ? '-' : *c;
}

static const char *metavar(const fig_option *row)
{
    if (row->metavar)
        return row->metavar;
    switch (row->type) {
    case FIG_INT:
        return "N";
    case FIG_FLOAT:
        return "X";
    case FIG_CHOICE:
        return "WORD";
    default:
        return "TEXT";
    }
}

static void number_text(double value, char out[32])
{
    if (fabs(value) < 1e9 && fabs(value - rint(value)) < 1e-300)
        snprintf(out, 32, "%.0f", value);
    else
        snprintf(out, 32, "%.7g", value);
}

/* "default 0.001, 0 to 1", "bar plain json none; default auto", or nothing where there is nothing to say. */
static void range_text(const fig_option *row, bool setting, char *out, size_t size)
{
    char low[32], high[32], fallback[32], word[64];
    out[0] = 0;
    if (row->type == FIG_INT || row->type == FIG_FLOAT) {
        number_text(row->min, low);
        number_text(row->max, high);
        number_text(row->fallback, fallback);
        bool given = setting || row->fallback != 0, ranged = row->min != 0 || row->max != 0;
        snprintf(out, size, "%s%s%s", given ? "default " : "", given ? fallback : "", given && ranged ? ", " : "");
        if (ranged && row->max >= 1e9)
            snprintf(out + strlen(out), size - strlen(out), "from %s", low);
        else if (ranged)
            snprintf(out + strlen(out), size - strlen(out), "%s to %s", low, high);
    } else if (row->type == FIG_CHOICE) {
        const char *at = row->choices;
        for (int i = 0; i < (int)row->fallback && at; i++)
            at = strchr(at, ' ') ? strchr(at, ' ') + 1 : NULL;
        snprintf(word, sizeof word, "%.*s", at ? (int)strcspn(at, " ") : 0, at ? at : "");
        snprintf(out, size, "one of %s; default %s", row->choices, word);
    } else if (row->type == FIG_BOOL && setting) {
        snprintf(out, size, "default %s", row->fallback != 0 ? "true" : "false");
    } else if (row->type == FIG_TEXT && row->fallback_text && row->fallback_text[0]) {
        snprintf(out, size, "default %s", row->fallback_text);
    }
    if (setting && row->sampling) /* no weight depends on it */
        snprintf(out + strlen(out), size - strlen(out), "%salso for one sampling: sample --set", out[0] ? "; " : "");
}

/* "-o, --output FILE", or "kl_warmup N" for a setting. */
static void option_label(const fig_option *row, bool setting, char *out, size_t size)
{
    char name[64], letter[8] = "";
    if (setting) {
        snprintf(out, size, "%s", row->name);
        return;
    }
    dashed(row->name, name, sizeof name);
    bool only_letter = row->short_name && !name[1];
    if (row->short_name)
        snprintf(letter, sizeof letter, "-%c%s", row->short_name, only_letter ? "" : ", ");
    const char *value = row->type == FIG_BOOL ? NULL : metavar(row);
    snprintf(out, size, "%s%s%s%s%s", letter, only_letter ? "" : "--", only_letter ? "" : name, value ? " " : "",
             value ? value : "");
}

/* Text from `column` on, broken at blanks before column 100; a line's end in the text is a blank. */
static void print_wrapped(FILE *out, const char *text, int column, int at)
{
    for (bool first = true; *text; first = false) {
        int word = (int)strcspn(text, " \n");
        bool fits = at + 1 + word <= 100;
        if (!first && fits)
            fputc(' ', out);
        else if (!first)
            fprintf(out, "\n%*s", column, "");
        at = (first ? at : fits ? at + 1 : column) + word;
        fwrite(text, 1, (size_t)word, out);
        text += word;
        text += *text != 0;
    }
    fputc('\n', out);
}

/* The explanation of a command: paragraphs between empty lines, and lines "  NAME  what it is" as rows of a list. */
static void print_explanation(FILE *out, const char *text, bool markdown)
{
    while (*text) {
        const char *end = strstr(text, "\n  "), *gap = strstr(text, "\n\n");
        if (!end || (gap && gap < end))
            end = gap;
        const char *turn = text[0] == ' ' ? strchr(text, '\n') : NULL; /* a row ends with its line */
        if (turn && (!end || turn < end))
            end = turn;
        if (!end)
            end = text + strlen(text);
        char *part = cli_join("%.*s", (int)(end - text), text);
        int name = part[0] == ' ' ? (int)strcspn(part + 2, " ") : 0;
        char *meaning = name ? part + 2 + name + strspn(part + 2 + name, " ") : part;
        if (markdown)
            name ? fprintf(out, "- `%.*s`: %s\n", name, part + 2, meaning) : fprintf(out, "%s\n", part);
        else if (name)
            fprintf(out, "  %-11.*s ", name, part + 2), print_wrapped(out, meaning, 14, 14);
        else
            print_wrapped(out, part, 0, 0);
        bool apart = gap == end || (markdown && ((*end && end[1] == ' ') != (name > 0)));
        if (apart && *end)
            fputc('\n', out);
        free(part);
        text = end + strspn(end, "\n");
    }
}

void cli_help_options(FILE *out, const fig_option *table, bool settings)
{
    for (size_t i = 0, n = table ? fig_options_count(table) : 0; i < n; i++) {
        char label[96], range[256];
        option_label(&table[i], settings, label, sizeof label);
        range_text(&table[i], settings, range, sizeof range);
        char *line =
            cli_join("%s%s%s%s", table[i].help ? table[i].help : "", range[0] ? " (" : "", range, range[0] ? ")" : "");
        fprintf(out, "  %-*s", HELP_COLUMN - 3, label);
        if ((int)strlen(label) > HELP_COLUMN - 4)
            fprintf(out, "\n%*s", HELP_COLUMN, "");
        else
            fputc(' ', out);
        print_wrapped(out, line, HELP_COLUMN, HELP_COLUMN);
        free(line);
    }
}

/* -- terminal ----------------------------------------------------------------------------------------------------- */

void cli_help_overview(FILE *out)
{
    fputs("figment trains, evaluates and samples generative models: pictures, text, points in the plane\n\n", out);
    for (int i = 0; cli_command_at(i); i++)
        fprintf(out, "  figment %-12s %s\n", cli_command_at(i)->name, cli_command_at(i)->summary);
    fputs(
        "\nA first run:\n"
        "  figment train vae --data fashion-mnist -o runs/clothes\n"
        "  figment sample runs/clothes -n 64 -o clothes.png\n"
        "\n`figment help VERB` explains a command. Exit codes: 0 fine, 1 failed, 2 usage, 3 not found, 4 corrupt "
        "input,\n"
        "5 reading or writing, 6 memory or another limit, 7 interrupted with a checkpoint saved, 8 a check said no.\n",
        out);
}

static void print_indented(FILE *out, const char *lines, const char *indent)
{
    for (const char *at = lines; at && *at;) {
        size_t length = strcspn(at, "\n");
        fprintf(out, "%s%.*s\n", indent, (int)length, at);
        at += length + (at[length] == '\n');
    }
}

void cli_help_command(FILE *out, const fig_command *command, bool full)
{
    fprintf(out, "figment %s - %s\n\n", command->name, command->summary);
    fprintf(out, "usage: figment %s%s%s%s\n", command->name, command->usage[0] ? " " : "", command->usage,
            command->options ? " [options]" : "");
    if (full && command->examples) {
        fputs("\nexamples:\n", out);
        print_indented(out, command->examples, "  ");
    }
    if (full && command->help) {
        fputc('\n', out);
        print_explanation(out, command->help, false);
    }
    if (command->options) {
        fputs("\noptions:\n", out);
        cli_help_options(out, command->options, false);
    }
    if (full) {
        fputs("\noptions of every command:\n", out);
        cli_help_options(out, cli_global_options(), false);
    }
}

/* -- docs/commands.md --------------------------------------------------------------------------------------------- */

/* Table cells must not hold a bare bar. */
static void put_cell(FILE *out, const char *text)
{
    for (; *text; text++)
        fprintf(out, *text == '|' ? "\\|" : "%c", *text);
}

static void markdown_options(FILE *out, const fig_option *table, bool settings)
{
    fprintf(out, "| %s | | |\n|---|---|---|\n", settings ? "setting" : "option");
    for (size_t i = 0, n = fig_options_count(table); i < n; i++) {
        char label[96], range[256];
        option_label(&table[i], settings, label, sizeof label);
        range_text(&table[i], settings, range, sizeof range);
        fputs("| `", out);
        put_cell(out, label);
        fputs("` | ", out);
        put_cell(out, table[i].help ? table[i].help : "");
        fputs(" | ", out);
        put_cell(out, range);
        fputs(" |\n", out);
    }
    fputc('\n', out);
}

static void markdown_command(FILE *out, const fig_command *command)
{
    fprintf(out, "## figment %s\n\n%c%s.\n\n", command->name,
            command->summary[0] - ('a' <= command->summary[0] ? 32 : 0), command->summary + 1);
    fprintf(out, "    figment %s%s%s%s\n\n", command->name, command->usage[0] ? " " : "", command->usage,
            command->options ? " [options]" : "");
    if (command->help) {
        print_explanation(out, command->help, true);
        fputc('\n', out);
    }
    if (command->examples) {
        print_indented(out, command->examples, "    ");
        fputc('\n', out);
    }
    if (command->options)
        markdown_options(out, command->options, false);
}

static void markdown_recipe(FILE *out, const fig_recipe *recipe)
{
    fprintf(out, "### %s\n\n%s\n\n", recipe->name, recipe->help ? recipe->help : recipe->summary);
    fputs("| preset | | settings |\n|---|---|---|\n", out);
    for (const fig_preset *preset = recipe->presets; preset && preset->name; preset++)
        fprintf(out, "| `%s` | %s | `%s` |\n", preset->name, preset->summary ? preset->summary : "",
                preset->settings ? preset->settings : "");
    fputc('\n', out);
    markdown_options(out, recipe->options, true);
}

static void markdown_all(FILE *out)
{
    fputs(
        "# Commands\n\nThis page is made from the option tables by `figment help --all`; a check compares the two.\n\n"
        "Results go to standard output; progress and messages to standard error. Every command that reads takes "
        "`--json` and\n"
        "prints one document whose first key is its `schema`.\n\n"
        "| exit code | |\n|---|---|\n| 0 | fine |\n| 1 | failed |\n| 2 | usage: unknown option, value out of range |\n"
        "| 3 | a file, model, data set or name was not found |\n| 4 | corrupt or invalid input |\n| 5 | reading or "
        "writing failed |\n"
        "| 6 | memory or another limit |\n| 7 | interrupted, a checkpoint is saved |\n| 8 | a check said no |\n"
        "| 130, 143 | ended at once by SIGINT or SIGTERM |\n\n",
        out);
    fputs("## Options of every command\n\n", out);
    markdown_options(out, cli_global_options(), false);
    fputs("`NO_COLOR`, `CLICOLOR_FORCE`, `TERM=dumb` and `FIGMENT_LOG=error|warning|info|debug` are honoured;\n"
          "`FIGMENT_KERNELS=reference` computes with the plain loops alone; `FIGMENT_HOME` moves the cache.\n\n",
          out);
    for (int i = 0; cli_command_at(i); i++)
        markdown_command(out, cli_command_at(i));
    fputs("## Settings of every training\n\nIn a run file, or with `--set NAME=VALUE`. `phases.NAME.lr` and the like "
          "set one phase's own.\n\n",
          out);
    markdown_options(out, fig_train_option_table(), true);
    fputs("## Recipes\n\n", out);
    for (int i = 0; fig_recipe_at(i); i++)
        markdown_recipe(out, fig_recipe_at(i));
}

/* -- the command -------------------------------------------------------------------------------------------------- */

typedef struct help_options {
    bool all;
} help_options;

static const fig_option help_option_table[] = {
    { "all", FIG_BOOL, offsetof(help_options, all), .help = "everything as one Markdown page: docs/commands.md" },
    { 0 },
};

static fig_status help_run(fig_cli *cli, const fig_arguments *given, fig_error *err)
{
    (void)cli;
    const help_options *o = given->values;
    if (o->all) {
        markdown_all(stdout);
        return FIG_OK;
    }
    if (!given->words) {
        cli_help_overview(stdout);
        return FIG_OK;
    }
    char *name = given->words > 1 ? cli_join("%s %s", given->word[0], given->word[1]) : cli_join("%s", given->word[0]);
    const fig_command *command = cli_command_find(name);
    size_t length = strlen(name);
    bool found = command != NULL;
    if (command)
        cli_help_command(stdout, command, true);
    for (int i = 0; !command && cli_command_at(i); i++) /* a group: each of its commands */
        if (!strncmp(cli_command_at(i)->name, name, length) && cli_command_at(i)->name[length] == ' ') {
            fprintf(stdout, "%s", found ? "\n" : "");
            cli_help_command(stdout, cli_command_at(i), false);
            found = true;
        }
    if (!found)
        fig_fail(err, FIG_E_USAGE, "no command \"%s\"; `figment help` lists all", name);
    free(name);
    return found ? FIG_OK : FIG_E_USAGE;
}

const fig_command fig_command_help = {
    .name = "help",
    .summary = "explain a command",
    .usage = "[VERB]",
    .examples = "figment help train\nfigment help data",
    .options = help_option_table,
    .options_size = sizeof(help_options),
    .most = 2,
    .run = help_run,
};
