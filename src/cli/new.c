/* cli/new.c - a commented run file to start from */
#include "cli/command.h"
#include <stdlib.h>
#include <string.h>

typedef struct new_options {
    char *output, *preset;
    bool force;
} new_options;

static const fig_option new_option_table[] = {
    { "output", FIG_TEXT, offsetof(new_options, output), .help = "where to write it; - is standard output",
      .fallback_text = "run.yaml", .metavar = "FILE", .short_name = 'o' },
    { "preset", FIG_TEXT, offsetof(new_options, preset), .help = "start from this preset's settings",
      .metavar = "PRESET" },
    { "force", FIG_BOOL, offsetof(new_options, force), .help = "replace a file that is there" },
    { 0 },
};

static fig_status new_run(fig_cli *cli, const fig_arguments *given, fig_error *err)
{
    const new_options *o = given->values;
    const fig_recipe *recipe = NULL;
    FIG_TRY(cli_recipe_named(given->word[0], &recipe, err));
    char *yaml = NULL;
    FIG_TRY(fig_run_file_template(recipe, o->preset, &yaml, err));
    fig_status status = cli_write_text(o->output, yaml, o->force, err);
    free(yaml);
    if (status == FIG_OK && strcmp(o->output, "-") != 0)
        cli_say(cli, "Wrote", "%s; edit it, then: figment train %s --data NAME|PATH -o runs/first", o->output,
                o->output);
    return status;
}

const fig_command fig_command_new = {
    .name = "new",
    .summary = "write a commented run file for a recipe",
    .usage = "RECIPE",
    .help = "The file holds every setting with its default, range and meaning; delete what you do not change.",
    .examples = "figment new vae -o run.yaml\nfigment new dcgan --preset mnist-5x5 -o -",
    .options = new_option_table,
    .options_size = sizeof(new_options),
    .least = 1,
    .most = 1,
    .run = new_run,
};
