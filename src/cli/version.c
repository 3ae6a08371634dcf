/* cli/version.c - which figment this is */
#include "cli/command.h"

typedef struct version_options {
    bool json;
} version_options;

static const fig_option version_option_table[] = {
    { "json", FIG_BOOL, offsetof(version_options, json), .help = "one JSON document \"figment.version/1\"" },
    { 0 },
};

static fig_status version_run(fig_cli *cli, const fig_arguments *given, fig_error *err)
{
    (void)cli;
    (void)err;
    const version_options *o = given->values;
    if (!o->json) {
        printf("figment %s\n", fig_version());
        return FIG_OK;
    }
    cli_doc json = cli_doc_begin(stdout, "version");
    cli_doc_text(&json, "version", fig_version());
    cli_doc_text(&json, "compiler", "gcc " __VERSION__);
    cli_doc_end(&json);
    return FIG_OK;
}

const fig_command fig_command_version = {
    .name = "version",
    .summary = "print the version",
    .usage = "",
    .options = version_option_table,
    .options_size = sizeof(version_options),
    .run = version_run,
};
