/* cli/eval.c - scores of a model on a split of data */
#include "cli/command.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define MOST_SCORES 64

typedef struct eval_options {
    char *data, *metric, *split;
    int64_t count, samples, seed, threads;
    bool tune, json;
} eval_options;

static const fig_option eval_option_table[] = {
    { "data", FIG_TEXT, offsetof(eval_options, data), .help = "what to score on instead of the model's own data",
      .metavar = "DATASET|PATH" },
    { "metric", FIG_TEXT, offsetof(eval_options, metric),
      .help = "a metric by name; may be repeated; default: all that the recipe has, but for costly ones (iw_bound)", .metavar = "NAME" },
    { "n", FIG_INT, offsetof(eval_options, count), 0, 0, 1e12, "items; 0 = the whole split", .short_name = 'n' },
    { "samples", FIG_INT, offsetof(eval_options, samples), 0, 0, 1e9,
      "iw_bound: draws of the latent code per item; 0 = 5,000" },
    { "split", FIG_TEXT, offsetof(eval_options, split),
      .help = "train, validation or test; default: test if there is one, else validation", .metavar = "SPLIT" },
    { "seed", FIG_INT, offsetof(eval_options, seed), 1, 0, 9e15, "seed of the noise", .short_name = 's' },
    { "threads", FIG_INT, offsetof(eval_options, threads), 0, 0, 1024, "threads; 0 = what the machine allows",
      .short_name = 't' },
    { "tune", FIG_BOOL, offsetof(eval_options, tune),
      .help = "choose kernels by measuring; otherwise by the fixed table, which gives the same bits everywhere" },
    { "json", FIG_BOOL, offsetof(eval_options, json), .help = "one JSON document \"figment.eval/1\"" },
    { 0 },
};

static void on_progress(void *user, double done) { cli_progress_fraction(user, "evaluating", done); }

static void print_scores(const fig_cli *cli, const fig_score *scores, int count)
{
    printf("%s%-20s %14s %12s  %-14s %-10s %9s  %s%s\n", cli_bold(cli), "metric", "value", "stderr", "unit", "split",
           "n", "protocol", cli_plain(cli));
    for (int i = 0; i < count; i++) {
        char items[32], error[32] = "-", value[32] = "-";
        if (isfinite(scores[i].value))
            snprintf(value, sizeof value, "%.6g", scores[i].value);
        if (isfinite(scores[i].standard_error))
            snprintf(error, sizeof error, "%.3g", scores[i].standard_error);
        printf("%-20s %14s %12s  %-14s %-10s %9s  %s\n", scores[i].name, value, error, scores[i].unit, scores[i].split,
               cli_count_text(scores[i].count, items), scores[i].protocol);
    }
}

static fig_status evaluate(fig_cli *cli, const fig_arguments *given, fig_trained *model, fig_error *err)
{
    const eval_options *o = given->values;
    const char *metrics[FIG_MAX_WORDS + 1];
    int named = cli_arguments_list(given, "metric", metrics), count = 0;
    fig_score *scores = calloc(MOST_SCORES, sizeof *scores);
    if (!scores)
        return fig_fail(err, FIG_E_LIMIT, "out of memory");
    fig_eval_opts opts = { .data = o->data,
                           .metrics = named ? metrics : NULL,
                           .count = o->count,
                           .samples = o->samples,
                           .seed = (uint64_t)o->seed,
                           .split = o->split,
                           .progress = on_progress,
                           .user = cli };
    fig_status status = fig_evaluate(model, &opts, scores, MOST_SCORES, &count, err);
    cli_progress_clear(cli);
    if (status == FIG_OK && o->json)
        status = cli_print_document(cli, fig_scores_json(given->word[0], scores, count), true, given->word[0], err);
    else if (status == FIG_OK)
        print_scores(cli, scores, count);
    free(scores);
    return status;
}

static fig_status eval_run(fig_cli *cli, const fig_arguments *given, fig_error *err)
{
    const eval_options *o = given->values;
    fig_session *session = NULL;
    fig_trained *model = NULL;
    FIG_TRY(cli_session_open(cli, o->threads, o->tune, &session, err));
    fig_status status = fig_load(session, given->word[0], &model, err);
    if (status == FIG_OK)
        status = evaluate(cli, given, model, err);
    fig_trained_free(model);
    fig_session_free(session);
    return status;
}

const fig_command fig_command_eval = {
    .name = "eval",
    .summary = "score a model on held-out data",
    .usage = "RUN|MODEL",
    .help = "Every score names its split, the number of items and a protocol; scores of different protocols are "
            "never compared.",
    .examples = "figment eval runs/clothes\nfigment eval runs/digits --metric elbo --json",
    .options = eval_option_table,
    .options_size = sizeof(eval_options),
    .repeatable = "metric",
    .least = 1,
    .most = 1,
    .computes = true,
    .run = eval_run,
};
