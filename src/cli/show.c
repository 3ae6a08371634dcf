/* cli/show.c - what a run or a model file is: recipe, options, data, scores, files */
#include "cli/command.h"
#include <stdlib.h>
#include <string.h>

typedef struct show_options {
    bool json, command;
} show_options;

static const fig_option show_option_table[] = {
    { "command", FIG_BOOL, offsetof(show_options, command), .help = "only the command line that repeats the run" },
    { "json", FIG_BOOL, offsetof(show_options, json),
      .help = "one JSON document: \"figment.run/1\" of a run, \"figment.model/1\" of a model file" },
    { 0 },
};

static fig_status print_command(const char *document, const char *path, fig_error *err)
{
    fig_json *root = NULL;
    FIG_TRY(fig_json_parse(document, strlen(document), path, &root, err));
    const char *command = fig_json_text(cli_find_key(root, "command"), NULL);
    fig_status status = FIG_OK;
    if (command)
        puts(command);
    else
        status = fig_fail(err, FIG_E_NOT_FOUND, "%s: records no command; ask for a run folder", path);
    fig_json_free(root);
    return status;
}

static fig_status show_run(fig_cli *cli, const fig_arguments *given, fig_error *err)
{
    const show_options *o = given->values;
    char *document = NULL;
    FIG_TRY(fig_show_json(given->word[0], &document, err));
    if (!o->command)
        return cli_print_document(cli, document, o->json, given->word[0], err);
    fig_status status = print_command(document, given->word[0], err);
    free(document);
    return status;
}

const fig_command fig_command_show = {
    .name = "show",
    .summary = "show what a run or a model file is: recipe, options, data, scores, files",
    .usage = "RUN|MODEL",
    .examples = "figment show runs/clothes\nfigment show runs/clothes/model.safetensors --json",
    .options = show_option_table,
    .options_size = sizeof(show_options),
    .least = 1,
    .most = 1,
    .run = show_run,
};
