/* cli/eval.c - scores of a model on a split of data */
#include "cli/command.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define MOST_SCORES 64

typedef struct eval_options {
    char *data, *metric, *split, *samples, *set, *inception;
    int64_t count, seed, threads;
    bool tune, json;
} eval_options;

static const fig_option eval_option_table[] = {
    { "data", FIG_TEXT, offsetof(eval_options, data), .help = "what to score on instead of the model's own data",
      .metavar = "DATASET|PATH" },
    { "metric", FIG_TEXT, offsetof(eval_options, metric),
      .help = "a metric by name; may be repeated; default: all that the recipe has, but for costly ones (iw_bound)",
      .metavar = "NAME" },
    { "n", FIG_INT, offsetof(eval_options, count), 0, 0, 1e12, "items; 0 = the whole split", .short_name = 'n' },
    { "samples", FIG_TEXT, offsetof(eval_options, samples),
      .help = "metrics of samples: how many are made (default 2,000; tstr and gain 10,000), or pictures made elsewhere, without RUN; "
              "iw_bound: draws of the latent code per item (default 5,000)",
      .metavar = "N|FILE|FOLDER" },
    { "split", FIG_TEXT, offsetof(eval_options, split),
      .help = "train, validation or test; default: test if there is one, else validation", .metavar = "SPLIT" },
    { "seed", FIG_INT, offsetof(eval_options, seed), 1, 0, 9e15, "seed of the noise and of samples", .short_name = 's' },
    { "set", FIG_TEXT, offsetof(eval_options, set),
      .help = "metrics of samples: a setting of sampling, such as guidance=2 or sample_steps=20; may be repeated",
      .metavar = "NAME=VALUE" },
    { "inception", FIG_TEXT, offsetof(eval_options, inception),
      .help = "weights of Inception-v3 that you have, by the names of pytorch-fid: pictures are compared in its 2048 features, as "
              "published Frechet distances are",
      .metavar = "FILE.safetensors" },
    { "threads", FIG_INT, offsetof(eval_options, threads), 0, 0, 1024, "threads; 0 = what the machine allows",
      .short_name = 't' },
    { "tune", FIG_BOOL, offsetof(eval_options, tune),
      .help = "choose kernels by measuring; otherwise by the fixed table, which gives the same bits everywhere" },
    { "json", FIG_BOOL, offsetof(eval_options, json), .help = "one JSON document \"figment.eval/1\"" },
    { 0 },
};

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

/* --samples: a number, or where pictures are. */
static fig_status read_samples(const eval_options *o, int64_t *count, const char **path, fig_error *err)
{
    *count = 0;
    *path = NULL;
    if (!o->samples)
        return FIG_OK;
    char *end;
    double number = strtod(o->samples, &end);
    if (end == o->samples || *end) {
        *path = o->samples;
        return FIG_OK;
    }
    if (!(number >= 0 && number <= 1e9) || number != floor(number))
        return fig_fail(err, FIG_E_USAGE, "--samples %s: expected a whole number to 1e9, a file or a folder", o->samples);
    *count = (int64_t)number;
    return FIG_OK;
}

static fig_status evaluate(fig_cli *cli, const fig_arguments *given, fig_session *session, fig_error *err)
{
    const eval_options *o = given->values;
    const char *metrics[FIG_MAX_WORDS + 1], *settings[FIG_MAX_WORDS + 1], *path;
    int named = cli_arguments_list(given, "metric", metrics), count = 0;
    cli_arguments_list(given, "set", settings);
    fig_eval_opts opts = { .data = o->data,
                           .metrics = named ? metrics : NULL,
                           .count = o->count,
                           .seed = (uint64_t)o->seed,
                           .split = o->split,
                           .task = cli_progress_fraction,
                           .settings = settings,
                           .inception = o->inception,
                           .user = cli };
    FIG_TRY(read_samples(o, &opts.samples, &path, err));
    if (!given->words && !path)
        return fig_fail(err, FIG_E_USAGE,
                        "score what? name a run or a model, or --samples FOLDER; usage: figment eval [RUN|MODEL] [options]");
    if (given->words && path)
        return fig_fail(err, FIG_E_USAGE, "%s has samples of its own; leave it out to judge those in %s", given->word[0], path);
    fig_score *scores = calloc(MOST_SCORES, sizeof *scores);
    if (!scores)
        return fig_fail(err, FIG_E_LIMIT, "out of memory");
    fig_trained *model = NULL;
    const char *what = path ? path : given->word[0];
    fig_status status = path ? FIG_OK : fig_load(session, what, &model, err);
    if (status == FIG_OK)
        status = path ? fig_evaluate_pictures(session, path, &opts, scores, MOST_SCORES, &count, err)
                      : fig_evaluate(model, &opts, scores, MOST_SCORES, &count, err);
    cli_progress_clear(cli);
    if (status == FIG_OK && o->json) {
        char *about = NULL;
        fig_origin origin;
        if (!path)
            fig_show_json(what, &about, NULL);
        fig_origin_read(about, &origin);
        free(about);
        status = cli_print_document(cli, fig_scores_json_of(what, path ? NULL : &origin, scores, count), true, what, err);
    } else if (status == FIG_OK)
        print_scores(cli, scores, count);
    fig_trained_free(model);
    free(scores);
    return status;
}

static fig_status eval_run(fig_cli *cli, const fig_arguments *given, fig_error *err)
{
    const eval_options *o = given->values;
    fig_session *session = NULL;
    FIG_TRY(cli_session_open(cli, o->threads, o->tune, &session, err));
    fig_status status = evaluate(cli, given, session, err);
    fig_session_free(session);
    return status;
}

const fig_command fig_command_eval = {
    .name = "eval",
    .summary = "score a model on held-out data",
    .usage = "[RUN|MODEL]",
    .help = "Every score names its split, the number of items and a protocol; scores of different protocols are "
            "never compared.\n\n"
            "What the recipe declares (elbo, nll, cross_entropy ...) is scored on held-out items. Samples of pictures and points are "
            "judged by\n"
            "  frechet     distance to held-out items, beside that of as many real items, and the judge's own accuracy\n"
            "  kernel      kernel_distance: the same idea, independent of the number\n"
            "  prdc        precision, recall, density, coverage by nearest neighbours\n"
            "  modes       classes that are shown and mode_kl; points: modes within 3 deviations, good_samples\n"
            "  diversity   how far samples are apart, over real items\n"
            "  neighbours  memorisation: share of samples nearer to a training item than 5 % of held-out items are\n"
            "  tstr        accuracy of a classifier trained on samples alone; of models that tell classes apart\n"
            "  gain        augmentation_gain: what samples add to the real training items\n"
            "Pictures are compared in the features of a small classifier that is trained once on the data's own labels (about a minute) "
            "and kept in the cache; without labels, of a random convolutional net. Both get their pictures as the model does (parts kept "
            "aside, resize, background, two values), and the protocol says where that is not the usual way. Items without a class are "
            "left out of what needs one, and counted in the protocol. With --inception the features are those of published Frechet "
            "distances: Inception-v3 of 2015 as pytorch-fid has it, 299 x 299 by bilinear interpolation, from a file that you have (its "
            "weights, saved as safetensors by the same names); the protocol names their hash. A recipe that declares "
            "nothing, such as a GAN, is judged by its samples.",
    .examples = "figment eval runs/clothes\n"
                "figment eval runs/digits --metric elbo --json\n"
                "figment eval runs/digits --metric frechet --samples 10000\n"
                "figment eval --samples pictures/ --data mnist --metric frechet --metric prdc\n"
                "figment eval runs/faces --metric frechet --samples 10000 --inception inception-fid.safetensors",
    .options = eval_option_table,
    .options_size = sizeof(eval_options),
    .repeatable = "metric set",
    .most = 1,
    .computes = true,
    .run = eval_run,
};
