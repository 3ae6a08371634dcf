/* cli/train.c - training: builds what fig_trainer_new wants to know from flags, then pulls steps until it says finished
 *
 * RECIPE, RUN.YAML or a run folder says what to train. Flags such as --steps are settings too ("steps=N") and win
 * over --set, which wins over preset and run file. The loop over steps is nothing but fig_trainer_step and the
 * progress line. */
#include "cli/command.h"
#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

typedef struct train_options {
    char *data, *output, *preset, *set, *epochs, *steps, *minutes, *cpu_minutes, *seed, *precision, *memory_budget, *from, *dump_graph;
    int64_t threads;
    bool resume, dry_run, no_tune, json;
} train_options;

static const fig_option train_option_table[] = {
    { "data", FIG_TEXT, offsetof(train_options, data),
      .help = "catalogue name, file or folder; NAME=PATH for a recipe with several inputs; may be repeated",
      .metavar = "DATASET|PATH" },
    { "output", FIG_TEXT, offsetof(train_options, output), .help = "run folder (default runs/RECIPE-DATA-N)",
      .metavar = "RUN", .short_name = 'o' },
    { "preset", FIG_TEXT, offsetof(train_options, preset),
      .help = "named settings of the recipe; default: by the kind of data", .metavar = "PRESET" },
    { "set", FIG_TEXT, offsetof(train_options, set),
      .help = "any setting of the recipe or the training; may be repeated", .metavar = "SETTING=VALUE" },
    { "epochs", FIG_TEXT, offsetof(train_options, epochs), .help = "passes over the data", .metavar = "N" },
    { "steps", FIG_TEXT, offsetof(train_options, steps), .help = "steps, instead of epochs", .metavar = "N" },
    { "minutes", FIG_TEXT, offsetof(train_options, minutes), .help = "stop early after this long, at a logged step",
      .metavar = "M" },
    { "cpu_minutes", FIG_TEXT, offsetof(train_options, cpu_minutes),
      .help = "stop early after so much processor time of all threads together, at a logged step", .metavar = "M" },
    { "seed", FIG_TEXT, offsetof(train_options, seed), .help = "the same seed gives the same bits", .metavar = "S",
      .short_name = 's' },
    { "threads", FIG_INT, offsetof(train_options, threads), 0, 0, 1024, "threads; 0 = what the machine allows",
      .short_name = 't' },
    { "precision", FIG_TEXT, offsetof(train_options, precision),
      .help = "f32, or bf16: operands of products and stored activations in bf16, weights and sums in f32",
      .metavar = "f32|bf16" },
    { "memory_budget", FIG_TEXT, offsetof(train_options, memory_budget),
      .help = "most memory of a step, e.g. 600MB: activations are computed a second time instead of kept until it fits; "
              "--dry-run shows which",
      .metavar = "SIZE" },
    { "resume", FIG_BOOL, offsetof(train_options, resume),
      .help = "go on from the last checkpoint of RUN, to the same bits as without the interruption" },
    { "from", FIG_TEXT, offsetof(train_options, from), .help = "begin with the weights of this model",
      .metavar = "MODEL" },
    { "dry_run", FIG_BOOL, offsetof(train_options, dry_run),
      .help = "only show what would be trained: weights, memory, operations, time" },
    { "no_tune", FIG_BOOL, offsetof(train_options, no_tune),
      .help = "take kernels from the fixed table; otherwise they are measured when a run begins, and its checkpoints keep them" },
    { "dump_graph", FIG_TEXT, offsetof(train_options, dump_graph),
      .help = "with --dry-run: the step's graph as text, or for Graphviz where FILE ends in .dot", .metavar = "FILE" },
    { "json", FIG_BOOL, offsetof(train_options, json),
      .help = "one JSON document: \"figment.plan/1\" of a dry run, else \"figment.trained/1\"" },
    { 0 },
};

typedef struct request { /* what the flags add up to; texts are heap or borrowed from argv, lists end with NULL */
    const fig_recipe *recipe;
    char *run_file, *output;
    const char *data[FIG_MAX_WORDS + 1];
    char *settings[FIG_MAX_WORDS + 10]; /* of --set, then of the flags that are settings */
    int n_data, n_settings;
} request;

/* -- what to train ------------------------------------------------------------------------------------------------ */

static bool is_folder(const char *path)
{
    struct stat there;
    return stat(path, &there) == 0 && S_ISDIR(there.st_mode);
}

static bool exists(const char *path)
{
    struct stat there;
    return stat(path, &there) == 0;
}

static bool is_run_file_name(const char *word)
{
    const char *dot = strrchr(word, '.');
    return dot && (!strcmp(dot, ".yaml") || !strcmp(dot, ".yml") || !strcmp(dot, ".json"));
}

/* A run folder's own run.yaml: heap text, or NULL and the reason. */
static char *file_of_run(const char *folder, fig_error *err)
{
    char *file = cli_join("%s/run.yaml", folder);
    if (exists(file))
        return file;
    fig_fail(err, FIG_E_NOT_FOUND,
             "%s: holds no run.yaml, so it is no run to go on with; name a recipe and --data to begin one", folder);
    free(file);
    return NULL;
}

static fig_status choose_subject(const fig_arguments *given, request *r, fig_error *err)
{
    const train_options *o = given->values;
    if (!given->words) {
        if (!o->output || !o->resume)
            return fig_fail(err, FIG_E_USAGE,
                            "train what? name a recipe (`figment recipes`), a run file, or --resume -o RUN");
        r->run_file = file_of_run(o->output, err);
        return r->run_file ? FIG_OK : FIG_E_NOT_FOUND;
    }
    const char *word = given->word[0];
    r->recipe = fig_recipe_find(word);
    if (r->recipe)
        return FIG_OK;
    if (is_folder(word)) {
        r->run_file = file_of_run(word, err);
        if (r->run_file && !r->output)
            r->output = cli_join("%s", word);
        return r->run_file ? FIG_OK : FIG_E_NOT_FOUND;
    }
    if (exists(word) || is_run_file_name(word)) {
        if (!exists(word))
            return fig_fail(err, FIG_E_NOT_FOUND, "%s: no such run file; `figment new RECIPE -o %s` writes one", word,
                            word);
        r->run_file = cli_join("%s", word);
        return FIG_OK;
    }
    return cli_recipe_named(word, &r->recipe, err);
}

/* -- where to ----------------------------------------------------------------------------------------------------- */

/* Letters of a data name that can stand in a folder name: "idx:/a/My Photos/" -> "my-photos". */
static void folder_word(const char *data, char *out, size_t size)
{
    const char *end = data + strlen(data);
    while (end > data && end[-1] == '/')
        end--;
    const char *start = end;
    while (start > data && start[-1] != '/' && start[-1] != ':' && start[-1] != '=')
        start--;
    size_t length = 0;
    for (; start < end && *start != '.' && length + 1 < size && length < 40; start++) {
        char c = *start >= 'A' && *start <= 'Z' ? (char)(*start + 32) : *start;
        bool plain = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
        out[length++] = plain ? c : '-';
    }
    snprintf(out + length, size - length, "%s", length ? "" : "data");
}

/* runs/RECIPE-DATA-N with the first free N. */
static char *free_run_name(const request *r)
{
    char data[64] = "run";
    if (r->n_data)
        folder_word(r->data[0], data, sizeof data);
    for (int n = 1;; n++) {
        char *name = r->recipe && r->n_data ? cli_join("runs/%s-%s-%d", r->recipe->name, data, n)
                     : r->recipe            ? cli_join("runs/%s-%d", r->recipe->name, n)
                                            : cli_join("runs/%s-%d", data, n);
        if (!exists(name))
            return name;
        free(name);
    }
}

/* -- settings ----------------------------------------------------------------------------------------------------- */

static void add_setting(request *r, const char *name, const char *value)
{
    if (value)
        r->settings[r->n_settings++] = cli_join("%s=%s", name, value);
}

static fig_status collect(const fig_arguments *given, request *r, fig_error *err)
{
    const train_options *o = given->values;
    const char *set[FIG_MAX_WORDS + 1];
    int count = cli_arguments_list(given, "set", set);
    for (int i = 0; i < count; i++) {
        const char *equals = strchr(set[i], '=');
        if (!equals || equals == set[i])
            return fig_fail(err, FIG_E_USAGE, "--set %s: expected NAME=VALUE, e.g. --set lr=1e-3", set[i]);
        r->settings[r->n_settings++] = cli_join("%s", set[i]);
    }
    add_setting(r, "epochs", o->epochs);
    add_setting(r, "steps", o->steps);
    add_setting(r, "minutes", o->minutes);
    add_setting(r, "cpu_minutes", o->cpu_minutes);
    add_setting(r, "seed", o->seed);
    add_setting(r, "precision", o->precision);
    add_setting(r, "memory_budget", o->memory_budget);
    if (o->threads) {
        char number[32];
        snprintf(number, sizeof number, "%lld", (long long)o->threads);
        add_setting(r, "threads", number);
    }
    r->n_data = cli_arguments_list(given, "data", r->data);
    r->output = o->output ? cli_join("%s", o->output) : NULL;
    FIG_TRY(choose_subject(given, r, err));
    if (r->recipe && !r->n_data && !(o->resume && r->output && exists(r->output))) {
        const char *hint = r->recipe->presets && r->recipe->presets->data ? r->recipe->presets->data : "DATASET|PATH";
        return fig_fail(err, FIG_E_USAGE,
                        "train %s on what? add --data %s (`figment data list` shows what can be fetched)",
                        r->recipe->name, hint);
    }
    if (!o->dry_run && !r->output) {
        if (o->resume)
            return fig_fail(err, FIG_E_USAGE, "--resume: which run? add -o RUN");
        r->output = free_run_name(r);
    }
    if (o->dump_graph && !o->dry_run)
        return fig_fail(err, FIG_E_USAGE, "--dump-graph goes with --dry-run");
    return FIG_OK;
}

static void request_free(request *r)
{
    for (int i = 0; i < r->n_settings; i++)
        free(r->settings[i]);
    free(r->run_file);
    free(r->output);
}

/* -- running ------------------------------------------------------------------------------------------------------ */

static fig_status show_plan(fig_cli *cli, const train_options *o, fig_trainer *trainer, fig_error *err)
{
    if (o->dump_graph) {
        size_t length = strlen(o->dump_graph);
        char *graph = fig_trainer_print_graph(trainer, length > 4 && !strcmp(o->dump_graph + length - 4, ".dot"));
        if (!graph)
            return fig_fail(err, FIG_E_LIMIT, "out of memory while printing the graph");
        fig_status status = cli_write_text(o->dump_graph, graph, true, err);
        free(graph);
        if (status != FIG_OK || !strcmp(o->dump_graph, "-"))
            return status;
    }
    char *plan = NULL;
    FIG_TRY(fig_trainer_plan_json(trainer, &plan, err));
    return cli_print_document(cli, plan, o->json, "plan", err);
}

static void print_result(const request *r, const fig_train_progress *end, bool as_json)
{
    if (!as_json) {
        puts(r->output);
        return;
    }
    cli_doc json = cli_doc_begin(stdout, "trained");
    cli_doc_text(&json, "run", r->output);
    cli_doc_int(&json, "steps", end->step);
    cli_doc_int(&json, "epoch", end->epoch);
    cli_doc_number(&json, "seconds", end->seconds);
    cli_doc_number(&json, "cpu_seconds", end->cpu_seconds);
    cli_doc_text(&json, "why_finished", end->why_finished);
    cli_doc_open(&json, "losses", '{');
    for (int i = 0; i < end->losses; i++)
        cli_doc_number(&json, end->loss_name[i], end->loss[i]);
    cli_doc_close(&json, '}');
    cli_doc_text(&json, "validation_name", end->validation_name);
    cli_doc_number(&json, "validation", end->validation_name ? end->validation : 0.0 / 0.0);
    cli_doc_end(&json);
}

static fig_status train(fig_cli *cli, const request *r, fig_trainer *trainer, bool as_json, fig_error *err)
{
    fig_train_progress now = { 0 };
    fig_status status = FIG_OK;
    cli_signals_guard(trainer);
    while (status == FIG_OK && !now.finished) {
        status = fig_trainer_step(trainer, &now, err);
        if (status == FIG_OK)
            cli_progress_training(cli, &now);
    }
    cli_signals_guard(NULL);
    cli_progress_clear(cli);
    FIG_TRY(status);
    char seconds[32], steps[32];
    cli_say(cli, "Finished", "%s steps in %s: %s", cli_count_text(now.step, steps), cli_time_text(now.seconds, seconds),
            now.why_finished ? now.why_finished : "all steps");
    cli_say(cli, "Next", "figment sample %s; figment eval %s; what was drawn on the way is in %s/samples", r->output,
            r->output, r->output);
    print_result(r, &now, as_json);
    return FIG_OK;
}

static fig_status prepare_and_train(fig_cli *cli, const train_options *o, const request *r, fig_error *err)
{
    fig_trainer *trainer = NULL;
    /* Threads are a setting, of --threads, the run file or the resumed run: the trainer makes the session. */
    fig_session_opts session = cli_session_opts(cli, 0);
    fig_train_opts opts = { .recipe = r->recipe,
                            .run_file = r->run_file,
                            .preset = o->preset,
                            .data = r->n_data ? r->data : NULL,
                            .output = o->dry_run ? NULL : r->output,
                            .settings = (const char *const *)r->settings,
                            .resume = o->resume,
                            .from = o->from,
                            .dry_run = o->dry_run,
                            .no_tune = o->no_tune,
                            .command = cli->command_line,
                            .message = cli_on_message,
                            .progress = cli_progress_fraction,
                            .user = cli,
                            .session_opts = &session };
    fig_status status = fig_trainer_new(NULL, &opts, &trainer, err);
    cli_progress_clear(cli);
    if (status == FIG_OK && o->dry_run)
        status = show_plan(cli, o, trainer, err);
    else if (status == FIG_OK)
        status = train(cli, r, trainer, o->json, err);
    fig_trainer_free(trainer);
    return status;
}

static fig_status train_run(fig_cli *cli, const fig_arguments *given, fig_error *err)
{
    const train_options *o = given->values;
    request r = { 0 };
    fig_status status = collect(given, &r, err);
    if (status == FIG_OK && !o->dry_run)
        cli_say(cli, "Training", "%s%s%s into %s", r.recipe ? r.recipe->name : r.run_file, r.n_data ? " on " : "",
                r.n_data ? r.data[0] : "", r.output);
    if (status == FIG_OK)
        status = prepare_and_train(cli, o, &r, err);
    request_free(&r);
    return status;
}

const fig_command fig_command_train = {
    .name = "train",
    .summary = "fit a model to data",
    .usage = "RECIPE|RUN.YAML|RUN",
    .help = "Makes a run folder: run.yaml (everything that was set), log.jsonl (one object a logged step), "
            "samples/ (sheets from one fixed seed), checkpoints/, and model.safetensors, which is all that "
            "`figment sample` needs. What --data names is fetched if it is in the catalogue. Ctrl-C finishes the "
            "step, writes a checkpoint and ends with exit code 7; --resume goes on to the same bits. Prints the "
            "run folder.",
    .examples = "figment train vae --data fashion-mnist -o runs/clothes\n"
                "figment train dcgan --data photos/ --minutes 30\n"
                "figment train gpt --data diary.txt --set context=128 --steps 3000\n"
                "figment train --resume -o runs/clothes\n"
                "figment train vae --data mnist --dry-run --json",
    .options = train_option_table,
    .options_size = sizeof(train_options),
    .repeatable = "data set",
    .most = 1,
    .computes = true,
    .run = train_run,
};
