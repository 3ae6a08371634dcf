/* cli/show.c - what a run or a model file is: recipe, options, data, scores, files */
#include "cli/command.h"

typedef struct show_options {
    bool json;
} show_options;

static const fig_option show_option_table[] = {
    { "json", FIG_BOOL, offsetof(show_options, json),
      .help = "one JSON document: \"figment.run/1\" of a run, \"figment.model/1\" of a model file" },
    { 0 },
};

static fig_status show_run(fig_cli *cli, const fig_arguments *given, fig_error *err)
{
    const show_options *o = given->values;
    char *document = NULL;
    FIG_TRY(fig_show_json(given->word[0], &document, err));
    return cli_print_document(cli, document, o->json, given->word[0], err);
}

const fig_command fig_command_show = {
    .name = "show",
    .summary = "show what a run or a model file is: recipe, options, data, scores, files",
    .usage = "RUN|MODEL",
    .help = "`figment train RUN/run.yaml -o NEW` repeats a run.",
    .examples = "figment show runs/clothes\nfigment show runs/clothes/model.safetensors --json",
    .options = show_option_table,
    .options_size = sizeof(show_options),
    .least = 1,
    .most = 1,
    .run = show_run,
};
