/* cli/completion.c - what a shell may offer next
 *
 * The scripts for bash, zsh and fish hand the words typed so far to `figment completion words -- WORD...` and show what it
 * prints: candidates for the last word, one a line, a tab and an explanation behind it. So the tables of the commands, recipes
 * and settings are the only place that knows; a new command or option needs nothing here. What a value is follows from its
 * metavar (NAME|PATH, PRESET, ...): the words below have a list, anything else is left to the shell, which offers files. */
#include "cli/bench.h"
#include "cli/command.h"
#include <stdlib.h>
#include <string.h>

typedef struct offer {
    const char *begun; /* the last word, perhaps empty */
    const fig_command *command;
    const fig_recipe *recipe; /* the first word that names one, or NULL */
} offer;

static void say(const offer *o, const char *prefix, const char *word, const char *suffix, const char *why)
{
    size_t before = strlen(prefix), length = strlen(word), typed = strlen(o->begun);
    bool fits = typed <= before ? !strncmp(o->begun, prefix, typed)
                                : !strncmp(o->begun, prefix, before) && typed <= before + length &&
                                      !strncmp(o->begun + before, word, typed - before);
    if (fits)
        printf("%s%s%s\t%s\n", prefix, word, suffix, why ? why : "");
}

/* -- lists, by what a value is called ------------------------------------------------------------------------------------ */

static void say_recipes(const offer *o)
{
    for (int i = 0; fig_recipe_at(i); i++)
        say(o, "", fig_recipe_at(i)->name, "", fig_recipe_at(i)->summary);
}

static void say_presets(const offer *o)
{
    for (const fig_preset *preset = o->recipe ? o->recipe->presets : NULL; preset && preset->name; preset++)
        say(o, "", preset->name, "", preset->summary);
}

static void say_settings(const offer *o)
{
    const fig_option *tables[] = { o->recipe ? o->recipe->options : NULL, fig_train_option_table() };
    for (size_t t = 0; t < sizeof tables / sizeof *tables; t++)
        for (const fig_option *row = tables[t]; row && row->type != FIG_END; row++)
            say(o, "", row->name, "=", row->help);
}

static void say_data(const offer *o)
{
    char *document = NULL;
    fig_error err;
    fig_json *json = NULL;
    if (fig_data_catalogue(&document, &err) == FIG_OK &&
        fig_json_parse(document, strlen(document), "catalogue", &json, &err) == FIG_OK) {
        const fig_json *sets = cli_find_key(json, "datasets");
        for (size_t i = 0, n = fig_json_count(sets); i < n; i++) {
            const fig_json *set = fig_json_at(sets, i);
            say(o, "", fig_json_text(fig_json_get(set, "name"), ""), "", fig_json_text(fig_json_get(set, "title"), ""));
        }
    }
    fig_json_free(json);
    free(document);
}

static void say_workloads(const offer *o)
{
    for (int i = 0; cli_workload_at(i); i++)
        say(o, "", cli_workload_at(i)->name, "", cli_workload_at(i)->summary);
}

/* The next word of a command's name, after those of `group`; a group of commands is offered once. */
static void say_commands(const offer *o, const char *group)
{
    size_t length = strlen(group);
    char last[64] = "", word[64];
    for (int i = 0; cli_command_at(i); i++) {
        const char *name = cli_command_at(i)->name, *rest = name + length + (length > 0);
        if (length && (strncmp(name, group, length) != 0 || name[length] != ' '))
            continue;
        snprintf(word, sizeof word, "%.*s", (int)strcspn(rest, " "), rest);
        if (strcmp(word, last) != 0)
            say(o, "", word, "", strchr(rest, ' ') ? "" : cli_command_at(i)->summary);
        snprintf(last, sizeof last, "%s", word);
    }
}

static void say_verbs(const offer *o) { say_commands(o, ""); }

static void say_choices(const offer *o, const char *choices)
{
    char word[64];
    for (const char *at = choices; *at; at += strspn(at, " ")) {
        snprintf(word, sizeof word, "%.*s", (int)strcspn(at, " "), at);
        say(o, "", word, "", "");
        at += strcspn(at, " ");
    }
}

static const struct {
    const char *what;
    void (*say)(const offer *o);
} lists[] = {
    { "RECIPE", say_recipes }, { "PRESET", say_presets },     { "SETTING=VALUE", say_settings },
    { "DATASET", say_data },   { "WORKLOAD", say_workloads }, { "VERB", say_verbs },
};

/* What a usage or metavar such as "RECIPE|RUN.YAML" names: alternatives between bars, in brackets or not. */
static void say_kinds(const offer *o, const char *kinds)
{
    static const char between[] = "|[]. ";
    for (const char *at = kinds; *at; at += strspn(at, between)) {
        size_t length = strcspn(at, between);
        for (size_t i = 0; i < sizeof lists / sizeof *lists; i++)
            if (strlen(lists[i].what) == length && !strncmp(at, lists[i].what, length))
                lists[i].say(o);
        at += length;
    }
}

/* -- one line ---------------------------------------------------------------------------------------------------------------- */

static void say_options(const offer *o)
{
    const fig_option *tables[] = { o->command->options, cli_global_options() };
    char name[64];
    for (size_t t = 0; t < sizeof tables / sizeof *tables; t++)
        for (const fig_option *row = tables[t]; row && row->type != FIG_END; row++) {
            snprintf(name, sizeof name, "%s", row->name);
            for (char *c = name; *c; c++)
                *c = *c == '_' ? '-' : *c;
            say(o, "--", name, "", row->help);
        }
}

/* The option whose value comes next after this word, or NULL. */
static const fig_option *wants_value(const fig_command *command, const char *word)
{
    const fig_option *tables[] = { command->options, cli_global_options() };
    for (size_t t = 0; word[0] == '-' && t < sizeof tables / sizeof *tables; t++)
        for (const fig_option *row = tables[t]; row && row->type != FIG_END; row++) {
            bool letter = row->short_name && word[1] == row->short_name && !word[2];
            bool name = word[1] == '-' && fig_options_find(row, word + 2) == row;
            if ((letter || name) && row->type != FIG_BOOL)
                return row;
        }
    return NULL;
}

static void say_value(const offer *o, const fig_option *row)
{
    if (row->type == FIG_CHOICE)
        say_choices(o, row->choices);
    else if (row->metavar)
        say_kinds(o, row->metavar);
}

static const fig_command *command_of(const char *const *word, int words, int *used)
{
    const fig_command *command = NULL;
    for (*used = 2; *used > 0 && !command; --*used) {
        if (*used >= words) /* the last word is still being typed */
            continue;
        char *name = cli_join(*used > 1 ? "%s %s" : "%s", word[0], word[1]);
        command = cli_command_find(name);
        free(name);
        if (command)
            break;
    }
    return command;
}

static void complete(const char *const *word, int words)
{
    offer o = { .begun = words ? word[words - 1] : "" };
    int used = 0;
    o.command = words ? command_of(word, words, &used) : NULL;
    if (!o.command) {
        say_commands(&o, words > 1 ? word[0] : "");
        return;
    }
    for (int i = used; i < words - 1 && !o.recipe; i++)
        o.recipe = fig_recipe_find(word[i]);
    const fig_option *row = words - 1 > used ? wants_value(o.command, word[words - 2]) : NULL;
    if (row)
        say_value(&o, row);
    else if (o.begun[0] == '-')
        say_options(&o);
    else
        say_kinds(&o, o.command->usage);
}

/* -- the scripts --------------------------------------------------------------------------------------------------------------- */

static const char bash_script[] = "_figment() {\n"
                                  "    mapfile -t COMPREPLY < <(figment completion words -- "
                                  "\"${COMP_WORDS[@]:1:COMP_CWORD}\" 2>/dev/null | cut -f1)\n"
                                  "    if [ ${#COMPREPLY[@]} = 0 ]; then compopt -o default\n"
                                  "    elif [[ ${COMPREPLY[0]} = *= ]]; then compopt -o nospace; fi\n"
                                  "}\n"
                                  "complete -F _figment figment\n";
static const char zsh_script[] =
    "#compdef figment\n"
    "_figment() {\n"
    "    local -a found\n"
    "    local line\n"
    "    figment completion words -- \"${(@)words[2,CURRENT]}\" 2>/dev/null | while IFS= read -r line; do\n"
    "        found+=(\"${${line%%$'\\t'*}//:/\\\\:}:${line#*$'\\t'}\")\n"
    "    done\n"
    "    if (( $#found )); then _describe figment found; else _files; fi\n"
    "}\n"
    "if [ \"$funcstack[1]\" = _figment ]; then _figment \"$@\"; else compdef _figment figment; fi\n";
static const char fish_script[] =
    "complete -c figment -a '(figment completion words -- (commandline -opc)[2..-1] (commandline -ct) 2>/dev/null)'\n";

static const struct {
    const char *shell, *script;
} scripts[] = {
    { "bash", bash_script },
    { "zsh", zsh_script },
    { "fish", fish_script },
};

static fig_status completion_run(fig_cli *cli, const fig_arguments *given, fig_error *err)
{
    (void)cli;
    if (!strcmp(given->word[0], "words")) {
        complete(given->word + 1, given->words - 1);
        return FIG_OK;
    }
    for (size_t i = 0; i < sizeof scripts / sizeof *scripts; i++)
        if (!strcmp(given->word[0], scripts[i].shell) && given->words == 1) {
            fputs(scripts[i].script, stdout);
            return FIG_OK;
        }
    return fig_fail(err, FIG_E_USAGE, "completion: expected bash, zsh or fish, found \"%s\"", given->word[0]);
}

const fig_command fig_command_completion = {
    .name = "completion",
    .summary = "the Tab key in bash, zsh or fish",
    .usage = "bash|zsh|fish",
    .help = "Prints a script that teaches a shell to complete figment's commands, options, settings, recipes, presets "
            "and data sets. The "
            "script asks figment itself (`figment completion words -- WORD...` prints what may stand in the last "
            "word's place), so it "
            "never grows old.",
    .examples = "figment completion bash >~/.local/share/bash-completion/completions/figment\n"
                "figment completion zsh >\"${fpath[1]}/_figment\"\n"
                "figment completion fish >~/.config/fish/completions/figment.fish",
    .least = 1,
    .most = FIG_MAX_WORDS,
    .run = completion_run,
};
