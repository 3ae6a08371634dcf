/* cli/compare.c - models side by side: what they cost, how they score by one protocol, and a sheet of their samples
 *
 * A word is a run, a model file, or a document that `figment eval --json` has printed. Models stand in one table only when that is
 * fair: as much processor time of training (as their runs measured it), the same split of the same data, scores of one protocol.
 * Otherwise nothing is printed, and exit code 8 says what differs; the first two can be waived. */
#include "cli/compare.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define UNEVEN 1.1 /* most that the largest processor time may be of the least */

typedef struct compare_options {
    char *data, *metric, *split, *output, *inception;
    int64_t samples, seed, threads;
    bool any_compute, any_data, markdown, json;
} compare_options;

static const fig_option compare_option_table[] = {
    { "metric", FIG_TEXT, offsetof(compare_options, metric),
      .help = "a metric by name; may be repeated; default: frechet, kernel, prdc and diversity of samples; text: what the recipes have",
      .metavar = "NAME" },
    { "samples", FIG_INT, offsetof(compare_options, samples), 0, 0, 1e6, "samples of each that are judged; 0 = as each metric likes" },
    { "data", FIG_TEXT, offsetof(compare_options, data), .help = "what to score on instead of the models' own data",
      .metavar = "DATASET|PATH" },
    { "split", FIG_TEXT, offsetof(compare_options, split),
      .help = "train, validation or test; default: test if there is one, else validation", .metavar = "SPLIT" },
    { "seed", FIG_INT, offsetof(compare_options, seed), 1, 0, 9e15, "seed of the noise and of samples", .short_name = 's' },
    { "output", FIG_TEXT, offsetof(compare_options, output),
      .help = "a sheet of pictures: the first 64 samples of seed 1 of each model", .metavar = "FILE.png", .short_name = 'o' },
    { "inception", FIG_TEXT, offsetof(compare_options, inception),
      .help = "weights of Inception-v3 to see pictures with, as in `figment eval`", .metavar = "FILE.safetensors" },
    { "any_compute", FIG_BOOL, offsetof(compare_options, any_compute),
      .help = "also models whose training took different processor time, or where it was not measured" },
    { "any_data", FIG_BOOL, offsetof(compare_options, any_data), .help = "also models that were trained on different data or splits" },
    { "threads", FIG_INT, offsetof(compare_options, threads), 0, 0, 1024, "threads; 0 = what the machine allows", .short_name = 't' },
    { "markdown", FIG_BOOL, offsetof(compare_options, markdown), .help = "the table as Markdown, a row for each model" },
    { "json", FIG_BOOL, offsetof(compare_options, json), .help = "one JSON document \"figment.compare/1\"" },
    { 0 },
};

static bool is_document(const char *word)
{
    size_t length = strlen(word);
    return length > 5 && !strcmp(word + length - 5, ".json");
}

static char *read_text(const char *path, fig_error *err)
{
    FILE *in = fopen(path, "rb");
    char *text = malloc((1 << 20) + 1);
    size_t length = in && text ? fread(text, 1, (1 << 20) + 1, in) : 0;
    if (!in)
        fig_fail(err, FIG_E_NOT_FOUND, "%s: no such file; `figment eval RUN --json >%s` writes one", path, path);
    else if (!text || length > 1 << 20)
        fig_fail(err, FIG_E_LIMIT, "%s: more than 1 MB, which scores are not", path);
    if (in)
        fclose(in);
    if (!in || !text || length > 1 << 20) {
        free(text);
        return NULL;
    }
    text[length] = 0;
    return text;
}

static fig_status read_document(cli_compared *m, fig_error *err)
{
    char *text = read_text(m->word, err);
    if (!text)
        return err ? err->status : FIG_E_NOT_FOUND;
    fig_status status = fig_scores_read(text, m->word, m->model, m->score, CLI_COMPARED_SCORES, &m->scores, err);
    fig_origin_read(text, &m->origin);
    free(text);
    return status;
}


static fig_status describe(cli_compared *m, fig_error *err)
{
    char *json = NULL;
    fig_printable(m->word, m->model, sizeof m->model);
    FIG_TRY(fig_show_json(m->word, &json, err));
    fig_origin_read(json, &m->origin);
    free(json);
    return FIG_OK;
}

/* -- what makes a comparison fair ------------------------------------------------------------------------------------------------ */

const char *cli_compared_data(const cli_compared *m, char out[256])
{
    const fig_origin *o = &m->origin;
    int used = snprintf(out, 256, "%s", "-");
    if (o->data_hash[0])
        used = snprintf(out, 256, "%.100s-%.8s", o->data_name, o->data_hash);
    if (o->data_hash[0] && o->validation > 0)
        used += snprintf(out + used, 256 - (size_t)used, ", %g for validation", o->validation);
    if (o->data_hash[0] && o->test > 0)
        snprintf(out + used, 256 - (size_t)used, ", %g for a test", o->test);
    return out;
}

static fig_status check_compute(const cli_compared *all, int count, fig_error *err)
{
    const cli_compared *least = all, *most = all;
    for (int i = 0; i < count; i++) {
        if (!isfinite(all[i].origin.cpu_seconds))
            return fig_fail(err, FIG_E_CHECK,
                            "%s does not say how much processor time its training took: it is no run, or one of an earlier version; "
                            "--any-compute compares all the same", all[i].word);
        least = all[i].origin.cpu_seconds < least->origin.cpu_seconds ? &all[i] : least;
        most = all[i].origin.cpu_seconds > most->origin.cpu_seconds ? &all[i] : most;
    }
    if (most->origin.cpu_seconds <= UNEVEN * least->origin.cpu_seconds)
        return FIG_OK;
    return fig_fail(err, FIG_E_CHECK,
                    "the training of %s took %.4g s of processor time and that of %s %.4g s, which differ by more than 10 %%; train both "
                    "with the same --cpu-minutes, or compare all the same with --any-compute",
                    most->word, most->origin.cpu_seconds, least->word, least->origin.cpu_seconds);
}

/* The same bytes, and the same of them kept aside; a folder may have been moved. What is not known is the same as nothing. */
bool cli_compared_alike(const cli_compared *a, const cli_compared *b)
{
    const fig_origin *one = &a->origin, *other = &b->origin;
    return one->data_hash[0] && !strcmp(one->data_hash, other->data_hash) && one->validation == other->validation &&
           one->test == other->test;
}

static fig_status check_data(const cli_compared *all, int count, fig_error *err)
{
    char one[256], other[256];
    for (int i = 1; i < count; i++)
        if (!cli_compared_alike(&all[0], &all[i]))
            return fig_fail(err, FIG_E_CHECK,
                            "%.200s was trained on %s and %.200s on %s (- is not known); train both on one split of the same data, or "
                            "compare all the same with --any-data",
                            all[0].word, cli_compared_data(&all[0], one), all[i].word, cli_compared_data(&all[i], other));
    return FIG_OK;
}

static double now(clockid_t clock)
{
    struct timespec t;
    clock_gettime(clock, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

/* The sheet's samples; how long they took, where no score has made more. */
static fig_status draw(fig_cli *cli, cli_compared *m, fig_trained *model, fig_error *err)
{
    const fig_data_spec *data = fig_trained_data(model);
    fig_sampler *sampler = NULL;
    if (data->kind != FIG_DATA_IMAGES && data->kind != FIG_DATA_POINTS)
        return FIG_OK;
    FIG_TRY(fig_sampler_new(model, &(fig_sample_opts){ .count = CLI_SHEET, .seed = 1 }, &sampler, err));
    double begun = now(CLOCK_MONOTONIC), cpu_begun = now(CLOCK_PROCESS_CPUTIME_ID);
    fig_status status = FIG_OK;
    for (bool finished = false; status == FIG_OK && !finished;) {
        status = fig_sampler_next(sampler, &finished, err);
        cli_progress_fraction(cli, "sampling", fig_sampler_done(sampler));
    }
    if (!m->sampling.samples)
        m->sampling = (fig_sampling_cost){ CLI_SHEET, now(CLOCK_MONOTONIC) - begun, now(CLOCK_PROCESS_CPUTIME_ID) - cpu_begun };
    const float *values = status == FIG_OK ? fig_samples_values(fig_sampler_samples(sampler), &m->type) : NULL;
    int64_t count = values ? fig_elements(&m->type) : 0;
    if (values && data->kind == FIG_DATA_IMAGES && (m->pictures = malloc(sizeof *values * (size_t)count)))
        for (int64_t i = 0; i < count; i++)
            m->pictures[i] = (values[i] - data->low) / (data->high - data->low);
    fig_sampler_free(sampler);
    return status;
}

static fig_status score(fig_cli *cli, cli_compared *m, fig_session *session, const fig_arguments *given, fig_error *err)
{
    static const char *const of_samples[] = { "frechet", "kernel", "prdc", "diversity", NULL };
    static const char *const of_modes[] = { "modes", "frechet", "kernel", "prdc", NULL }; /* points of the plane in classes */
    const compare_options *o = given->values;
    const char *metrics[FIG_MAX_WORDS + 1];
    int named = cli_arguments_list(given, "metric", metrics);
    fig_trained *model = NULL;
    FIG_TRY(fig_load(session, m->word, &model, err));
    const fig_data_spec *data = fig_trained_data(model);
    bool plane = data->kind == FIG_DATA_POINTS && data->dimensions == 2 && data->classes > 1;
    const char *const *usual = plane ? of_modes : data->kind == FIG_DATA_IMAGES || data->kind == FIG_DATA_POINTS ? of_samples : NULL;
    fig_eval_opts opts = { .data = o->data, .metrics = named ? metrics : usual, .samples = o->samples, .seed = (uint64_t)o->seed,
                           .split = o->split, .task = cli_progress_fraction, .inception = o->inception, .cost = &m->sampling, .user = cli };
    cli_say(cli, "Scoring", "%s", m->word);
    fig_status status = fig_evaluate(model, &opts, m->score, CLI_COMPARED_SCORES, &m->scores, err);
    if (status == FIG_OK && (o->output || !m->sampling.samples))
        status = draw(cli, m, model, err);
    cli_progress_clear(cli);
    fig_trained_free(model);
    return status;
}

const fig_score *cli_compared_score(const cli_compared *m, const char *name)
{
    for (int i = 0; i < m->scores; i++)
        if (!strcmp(m->score[i].name, name))
            return &m->score[i];
    return NULL;
}

static fig_status check_protocols(const cli_compared *all, int count, fig_error *err)
{
    for (int i = 0; i < count; i++)
        for (int k = 0; k < all[i].scores; k++)
            for (int other = i + 1; other < count; other++) {
                const fig_score *b = cli_compared_score(&all[other], all[i].score[k].name);
                if (b && fig_scores_comparable(&all[i].score[k], b, err) != FIG_OK) {
                    fig_error_prefix(err, "%s and %s", all[i].word, all[other].word);
                    return FIG_E_CHECK;
                }
            }
    return FIG_OK;
}

static fig_status compare_run(fig_cli *cli, const fig_arguments *given, fig_error *err)
{
    const compare_options *o = given->values;
    fig_session *session = NULL;
    if (o->json && o->markdown)
        return fig_fail(err, FIG_E_USAGE, "--json and --markdown are two forms of one table; choose one");
    cli_compared *all = calloc((size_t)given->words, sizeof *all);
    if (!all)
        return fig_fail(err, FIG_E_LIMIT, "out of memory");
    fig_status status = FIG_OK;
    for (int i = 0; i < given->words && status == FIG_OK; i++) { /* what can be refused is, before hours of scoring */
        all[i].word = given->word[i];
        status = is_document(all[i].word) ? read_document(&all[i], err) : describe(&all[i], err);
    }
    if (status == FIG_OK && !o->any_compute)
        status = check_compute(all, given->words, err);
    if (status == FIG_OK && !o->any_data)
        status = check_data(all, given->words, err);
    if (status == FIG_OK)
        status = cli_session_open(cli, o->threads, false, &session, err);
    for (int i = 0; i < given->words && status == FIG_OK; i++) {
        if (!is_document(all[i].word))
            status = score(cli, &all[i], session, given, err);
        if (status == FIG_OK)
            status = check_protocols(all, i + 1, err);
    }
    if (status == FIG_OK && o->json)
        cli_compare_json(all, given->words);
    else if (status == FIG_OK && o->markdown)
        cli_compare_markdown(all, given->words);
    else if (status == FIG_OK)
        cli_compare_table(cli, all, given->words);
    if (status == FIG_OK && o->output)
        status = cli_compare_sheet(cli, all, given->words, o->output, err);
    for (int i = 0; i < given->words; i++)
        free(all[i].pictures);
    free(all);
    fig_session_free(session);
    return status;
}

const fig_command fig_command_compare = {
    .name = "compare",
    .summary = "put models side by side: cost, scores by one protocol, a sheet of samples",
    .usage = "RUN|MODEL|SCORES.json RUN|MODEL|SCORES.json ...",
    .help = "Each model is scored as by `figment eval`, or its scores are read from what `figment eval --json` printed. Models are "
            "compared at equal compute: trained on one split of the same data, with as much processor time, as their runs measured "
            "it, to within 10 % (--cpu-minutes of `figment train` sees to that). Where that is not so, and where protocols of scores "
            "differ - another judge, data, split, count or seed - nothing is printed, and exit code 8 says what differs. Making "
            "samples has lines of its own: minutes for those that were judged, and milliseconds for one.",
    .examples = "figment compare runs/vae runs/gan runs/flow -o families.png --markdown\n"
                "figment compare runs/a runs/b --metric frechet --samples 10000 --json\n"
                "figment compare before.json after.json",
    .options = compare_option_table,
    .options_size = sizeof(compare_options),
    .repeatable = "metric",
    .least = 2,
    .most = FIG_MAX_WORDS,
    .computes = true,
    .run = compare_run,
};
