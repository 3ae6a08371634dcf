/* cli/recipes.c - the model families, and one's options and presets */
#include "cli/command.h"
#include <stdlib.h>
#include <string.h>

typedef struct recipes_options {
    bool json;
} recipes_options;

static const fig_option recipes_option_table[] = {
    { "json", FIG_BOOL, offsetof(recipes_options, json),
      .help = "one JSON document: \"figment.recipes/1\", or \"figment.recipe/1\" of the one named" },
    { 0 },
};

/* Names of data kinds, in the order of their bits. */
static const char *const kind_names[] = { "images", "text", "points" };

static const char *kinds_text(unsigned kinds, char out[64])
{
    out[0] = 0;
    for (size_t i = 0; i < sizeof kind_names / sizeof *kind_names; i++)
        if (kinds >> i & 1)
            snprintf(out + strlen(out), 64 - strlen(out), "%s%s", out[0] ? ", " : "", kind_names[i]);
    return out;
}

fig_status cli_recipe_named(const char *name, const fig_recipe **out, fig_error *err)
{
    enum { MOST = 256 };
    static const fig_option none = { 0 };
    fig_option table[MOST + 1];
    int count = 0;
    for (; count < MOST && fig_recipe_at(count); count++) {
        table[count] = none;
        table[count].name = fig_recipe_at(count)->name;
        table[count].type = FIG_BOOL;
    }
    table[count] = none;
    *out = fig_recipe_find(name);
    if (*out)
        return FIG_OK;
    const char *near = fig_options_nearest(table, name);
    if (near)
        return fig_fail(err, FIG_E_NOT_FOUND, "no recipe \"%s\"; did you mean %s?", name, near);
    return fig_fail(err, FIG_E_NOT_FOUND, "no recipe \"%s\"; `figment recipes` lists all", name);
}

static void put_recipe(cli_doc *json, const fig_recipe *recipe)
{
    cli_doc_text(json, "name", recipe->name);
    cli_doc_text(json, "summary", recipe->summary);
    cli_doc_text(json, "paper", recipe->paper);
    cli_doc_open(json, "data", '[');
    for (size_t i = 0; i < sizeof kind_names / sizeof *kind_names; i++)
        if (recipe->data_kinds >> i & 1)
            cli_doc_text(json, NULL, kind_names[i]);
    cli_doc_close(json, ']');
    cli_doc_open(json, "presets", '[');
    for (const fig_preset *preset = recipe->presets; preset && preset->name; preset++) {
        cli_doc_open(json, NULL, '{');
        cli_doc_text(json, "name", preset->name);
        cli_doc_text(json, "summary", preset->summary);
        cli_doc_text(json, "settings", preset->settings);
        cli_doc_text(json, "data", preset->data);
        cli_doc_number(json, "minutes", preset->minutes);
        cli_doc_close(json, '}');
    }
    cli_doc_close(json, ']');
}

static void list_all(const fig_cli *cli, bool as_json)
{
    char kinds[64];
    if (!as_json) {
        for (int i = 0; fig_recipe_at(i); i++)
            printf("%s%-10s%s %s (%s)\n", cli_bold(cli), fig_recipe_at(i)->name, cli_plain(cli),
                   fig_recipe_at(i)->summary, kinds_text(fig_recipe_at(i)->data_kinds, kinds));
        printf("\nfigment recipes NAME shows options and presets.\n");
        return;
    }
    cli_doc json = cli_doc_begin(stdout, "recipes");
    cli_doc_open(&json, "recipes", '[');
    for (int i = 0; fig_recipe_at(i); i++) {
        cli_doc_open(&json, NULL, '{');
        put_recipe(&json, fig_recipe_at(i));
        cli_doc_close(&json, '}');
    }
    cli_doc_close(&json, ']');
    cli_doc_end(&json);
}

static void show_one(const fig_cli *cli, const fig_recipe *recipe, bool as_json)
{
    if (as_json) {
        cli_doc json = cli_doc_begin(stdout, "recipe");
        put_recipe(&json, recipe);
        cli_doc_options(&json, "options", recipe->options);
        cli_doc_options(&json, "training_options", fig_train_option_table());
        cli_doc_end(&json);
        return;
    }
    const char *bold = cli_bold(cli), *plain = cli_plain(cli);
    char kinds[64];
    printf("%s%s%s - %s\n", bold, recipe->name, plain, recipe->summary);
    if (recipe->paper)
        printf("paper: %s\n", recipe->paper);
    printf("data:  %s\n", kinds_text(recipe->data_kinds, kinds));
    if (recipe->help)
        printf("\n%s\n", recipe->help);
    printf("\n%spresets%s (--preset NAME)\n", bold, plain);
    for (const fig_preset *preset = recipe->presets; preset && preset->name; preset++) {
        printf("  %-20s %s", preset->name, preset->summary ? preset->summary : "");
        if (preset->data || preset->minutes > 0)
            printf(" [%s%s", preset->data ? preset->data : "", preset->data && preset->minutes > 0 ? ", " : "");
        if (preset->minutes > 0)
            printf("%.3g min", preset->minutes);
        printf("%s\n", preset->data || preset->minutes > 0 ? "]" : "");
    }
    printf("\n%soptions%s (--set NAME=VALUE, or in a run file)\n", bold, plain);
    cli_help_options(stdout, recipe->options, true);
    printf("\n%straining options%s\n", bold, plain);
    cli_help_options(stdout, fig_train_option_table(), true);
}

static fig_status recipes_run(fig_cli *cli, const fig_arguments *given, fig_error *err)
{
    const recipes_options *o = given->values;
    if (!given->words) {
        list_all(cli, o->json);
        return FIG_OK;
    }
    const fig_recipe *recipe = NULL;
    FIG_TRY(cli_recipe_named(given->word[0], &recipe, err));
    show_one(cli, recipe, o->json);
    return FIG_OK;
}

const fig_command fig_command_recipes = {
    .name = "recipes",
    .summary = "list the model families, or one's options and presets",
    .usage = "[RECIPE]",
    .examples = "figment recipes\nfigment recipes vae",
    .options = recipes_option_table,
    .options_size = sizeof(recipes_options),
    .most = 1,
    .run = recipes_run,
};
