/* cli/compare.c - models side by side: what they cost, how they score by one protocol, and a sheet of their samples
 *
 * A word is a run, a model file, or a document that `figment eval --json` has printed. Scores meet in one table only when
 * their protocols are the same; otherwise nothing is printed, and exit code 8 says so. */
#include "cli/command.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define MOST_SCORES 64
enum { SHEET = 64, SHEET_COLUMNS = 16, CELL_WIDTH = 20 }; /* a sheet shown anywhere is the first 64 samples of seed 1 */

typedef struct compare_options {
    char *data, *metric, *split, *output;
    int64_t samples, seed, threads;
    bool json;
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
    { "threads", FIG_INT, offsetof(compare_options, threads), 0, 0, 1024, "threads; 0 = what the machine allows", .short_name = 't' },
    { "json", FIG_BOOL, offsetof(compare_options, json), .help = "one JSON document \"figment.compare/1\"" },
    { 0 },
};

typedef struct entry { /* a word of the command line */
    const char *word;
    char model[256], recipe[48];
    double parameters, seconds, cpu_seconds, sample_ms; /* NaN = not known */
    fig_score score[MOST_SCORES];
    int scores;
    float *pictures; /* SHEET of them in 0..1, or NULL */
    fig_type type;
} entry;

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

static fig_status read_document(entry *e, fig_error *err)
{
    char *text = read_text(e->word, err);
    if (!text)
        return err ? err->status : FIG_E_NOT_FOUND;
    fig_status status = fig_scores_read(text, e->word, e->model, e->score, MOST_SCORES, &e->scores, err);
    free(text);
    return status;
}

/* Weights and time of training, as far as the run or file says: a run has measured its processor time, a model alone has not. */
static void describe(entry *e, const fig_trained *model)
{
    char *json = NULL;
    fig_json *root = NULL;
    snprintf(e->recipe, sizeof e->recipe, "%s", fig_trained_recipe(model)->name);
    if (fig_show_json(e->word, &json, NULL) != FIG_OK || fig_json_parse(json, strlen(json), e->word, &root, NULL) != FIG_OK) {
        free(json);
        return;
    }
    e->parameters = fig_json_number(fig_json_get(cli_find_key(root, "parameters"), "all"), NAN);
    e->seconds = fig_json_number(fig_json_get(fig_json_get(root, "last_train"), "seconds"), NAN);
    e->cpu_seconds = fig_json_number(fig_json_get(fig_json_get(root, "last_train"), "cpu_seconds"), NAN);
    fig_json_free(root);
    free(json);
}

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

/* The sheet's samples, and how long one takes. */
static fig_status draw(fig_cli *cli, entry *e, fig_trained *model, fig_error *err)
{
    const fig_data_spec *data = fig_trained_data(model);
    fig_sampler *sampler = NULL;
    if (data->kind != FIG_DATA_IMAGES && data->kind != FIG_DATA_POINTS)
        return FIG_OK;
    FIG_TRY(fig_sampler_new(model, &(fig_sample_opts){ .count = SHEET, .seed = 1 }, &sampler, err));
    double begun = now();
    fig_status status = FIG_OK;
    for (bool finished = false; status == FIG_OK && !finished;) {
        status = fig_sampler_next(sampler, &finished, err);
        cli_progress_fraction(cli, "sampling", fig_sampler_done(sampler));
    }
    e->sample_ms = (now() - begun) * 1000 / SHEET;
    const float *values = status == FIG_OK ? fig_samples_values(fig_sampler_samples(sampler), &e->type) : NULL;
    int64_t count = values ? fig_elements(&e->type) : 0;
    if (values && data->kind == FIG_DATA_IMAGES && (e->pictures = malloc(sizeof *values * (size_t)count)))
        for (int64_t i = 0; i < count; i++)
            e->pictures[i] = (values[i] - data->low) / (data->high - data->low);
    fig_sampler_free(sampler);
    return status;
}

static fig_status score(fig_cli *cli, entry *e, fig_session *session, const fig_arguments *given, fig_error *err)
{
    static const char *const of_samples[] = { "frechet", "kernel", "prdc", "diversity", NULL };
    static const char *const of_modes[] = { "modes", "frechet", "kernel", "prdc", NULL }; /* points of the plane in classes */
    const compare_options *o = given->values;
    const char *metrics[FIG_MAX_WORDS + 1];
    int named = cli_arguments_list(given, "metric", metrics);
    fig_trained *model = NULL;
    FIG_TRY(fig_load(session, e->word, &model, err));
    const fig_data_spec *data = fig_trained_data(model);
    bool plane = data->kind == FIG_DATA_POINTS && data->dimensions == 2 && data->classes > 1;
    snprintf(e->model, sizeof e->model, "%s", e->word);
    describe(e, model);
    const char *const *usual = plane ? of_modes : data->kind == FIG_DATA_IMAGES || data->kind == FIG_DATA_POINTS ? of_samples : NULL;
    fig_eval_opts opts = { .data = o->data, .metrics = named ? metrics : usual, .samples = o->samples, .seed = (uint64_t)o->seed,
                           .split = o->split, .task = cli_progress_fraction, .user = cli };
    cli_say(cli, "Scoring", "%s", e->word);
    fig_status status = fig_evaluate(model, &opts, e->score, MOST_SCORES, &e->scores, err);
    if (status == FIG_OK)
        status = draw(cli, e, model, err);
    cli_progress_clear(cli);
    fig_trained_free(model);
    return status;
}

static const fig_score *find_score(const entry *e, const char *name)
{
    for (int i = 0; i < e->scores; i++)
        if (!strcmp(e->score[i].name, name))
            return &e->score[i];
    return NULL;
}

static fig_status check_protocols(const entry *all, int count, fig_error *err)
{
    for (int i = 0; i < count; i++)
        for (int k = 0; k < all[i].scores; k++)
            for (int other = i + 1; other < count; other++) {
                const fig_score *b = find_score(&all[other], all[i].score[k].name);
                if (b && fig_scores_comparable(&all[i].score[k], b, err) != FIG_OK) {
                    fig_error_prefix(err, "%s and %s", all[i].word, all[other].word);
                    return FIG_E_CHECK;
                }
            }
    return FIG_OK;
}

/* -- what comes out ----------------------------------------------------------------------------------------------------------- */

/* Every score that any model has, in the order of its first owner. */
static int list_scores(const entry *all, int count, const fig_score *list[MOST_SCORES])
{
    int found = 0;
    for (int i = 0; i < count; i++)
        for (int k = 0; k < all[i].scores; k++) {
            bool known = false;
            for (int n = 0; n < found; n++)
                known |= !strcmp(list[n]->name, all[i].score[k].name);
            if (!known && found < MOST_SCORES)
                list[found++] = &all[i].score[k];
        }
    return found;
}

static void cell(char out[64], double value, double error, const char *format)
{
    char number[32] = "-", spread[32] = "";
    if (isfinite(value))
        snprintf(number, sizeof number, format, value);
    if (isfinite(value) && isfinite(error))
        snprintf(spread, sizeof spread, " +- %.2g", error);
    snprintf(out, 64, "%s%s", number, spread);
}

/* One line a score, one column a model: as many models as fit, whatever their names. */
static void print_line(const char *name, char (*cells)[64], int count)
{
    printf("%-18s", name);
    for (int i = 0; i < count; i++)
        printf("  %*s", CELL_WIDTH, cells[i]);
    putchar('\n');
}

static void print_table(const fig_cli *cli, const entry *all, int count)
{
    const fig_score *list[MOST_SCORES];
    int scores = list_scores(all, count, list);
    char(*cells)[64] = calloc((size_t)count + 1, sizeof *cells);
    if (!cells)
        return;
    for (int i = 0; i < count; i++) { /* the end of a long name tells most */
        size_t length = strlen(all[i].model);
        snprintf(cells[i], sizeof cells[i], "%s", all[i].model + (length > CELL_WIDTH ? length - CELL_WIDTH : 0));
    }
    printf("%s", cli_bold(cli));
    print_line("", cells, count);
    printf("%s", cli_plain(cli));
    for (int i = 0; i < count; i++)
        snprintf(cells[i], sizeof cells[i], "%s", all[i].recipe[0] ? all[i].recipe : "-");
    print_line("recipe", cells, count);
    for (int i = 0; i < count; i++)
        cell(cells[i], all[i].parameters, NAN, "%.0f");
    print_line("weights", cells, count);
    for (int i = 0; i < count; i++)
        cell(cells[i], all[i].cpu_seconds, NAN, all[i].cpu_seconds < 10 ? "%.2f" : "%.0f");
    print_line("training CPU s", cells, count);
    for (int i = 0; i < count; i++)
        cell(cells[i], all[i].sample_ms, NAN, "%.3g");
    print_line("ms a sample", cells, count);
    for (int k = 0; k < scores; k++) {
        for (int i = 0; i < count; i++) {
            const fig_score *s = find_score(&all[i], list[k]->name);
            cell(cells[i], s ? s->value : NAN, s ? s->standard_error : NAN, "%.5g");
        }
        print_line(list[k]->name, cells, count);
    }
    putchar('\n');
    for (int k = 0; k < scores; k++)
        printf("%-18s  %s is better; %s\n", list[k]->name, list[k]->higher_is_better ? "higher" : "lower", list[k]->protocol);
    free(cells);
}

static void print_json(const entry *all, int count)
{
    cli_doc json = cli_doc_begin(stdout, "compare");
    cli_doc_open(&json, "models", '[');
    for (int i = 0; i < count; i++) {
        const entry *e = &all[i];
        cli_doc_open(&json, NULL, '{');
        cli_doc_text(&json, "model", e->model);
        cli_doc_text(&json, "recipe", e->recipe[0] ? e->recipe : NULL);
        cli_doc_number(&json, "parameters", e->parameters);
        cli_doc_number(&json, "train_seconds", e->seconds);
        cli_doc_number(&json, "train_cpu_seconds", e->cpu_seconds);
        cli_doc_number(&json, "sample_ms", e->sample_ms);
        cli_doc_open(&json, "metrics", '[');
        for (int k = 0; k < e->scores; k++) {
            const fig_score *s = &e->score[k];
            cli_doc_open(&json, NULL, '{');
            cli_doc_text(&json, "name", s->name);
            cli_doc_number(&json, "value", s->value);
            cli_doc_text(&json, "unit", s->unit);
            cli_doc_text(&json, "split", s->split);
            cli_doc_int(&json, "n", s->count);
            cli_doc_number(&json, "stderr", s->standard_error);
            cli_doc_text(&json, "better", s->higher_is_better ? "higher" : "lower");
            cli_doc_text(&json, "protocol", s->protocol);
            cli_doc_close(&json, '}');
        }
        cli_doc_close(&json, ']');
        cli_doc_close(&json, '}');
    }
    cli_doc_close(&json, ']');
    cli_doc_end(&json);
}

/* 64 pictures of each model in rows of 16, models apart by an empty row. */
static fig_status save_sheet(fig_cli *cli, const entry *all, int count, const char *path, fig_error *err)
{
    const entry *first = NULL;
    int models = 0;
    for (int i = 0; i < count; i++) {
        if (!all[i].pictures)
            continue;
        first = first ? first : &all[i];
        if (memcmp(first->type.dim, all[i].type.dim, sizeof first->type.dim))
            return fig_fail(err, FIG_E_USAGE, "%s: a sheet needs pictures of one size, and those of %s and %s differ", path, first->word,
                            all[i].word);
        models++;
    }
    if (!first)
        return fig_fail(err, FIG_E_USAGE, "%s: none of these makes pictures, so there is no sheet", path);
    size_t one = (size_t)(first->type.dim[1] * first->type.dim[2] * first->type.dim[3]);
    int cells = models * (SHEET + SHEET_COLUMNS) - SHEET_COLUMNS, at = 0;
    float *sheet = calloc((size_t)cells * one, sizeof *sheet);
    if (!sheet)
        return fig_fail(err, FIG_E_LIMIT, "%s: no memory for the sheet", path);
    for (int i = 0; i < count; i++)
        if (all[i].pictures) {
            memcpy(sheet + (size_t)at * one, all[i].pictures, SHEET * one * sizeof *sheet);
            at += SHEET + SHEET_COLUMNS;
        }
    fig_picture picture;
    fig_status status = fig_picture_sheet(sheet, cells, (int)first->type.dim[1], (int)first->type.dim[2], (int)first->type.dim[3], 0, 1,
                                          SHEET_COLUMNS, 2, 0, &picture, err);
    if (status == FIG_OK) {
        status = fig_picture_save(&picture, path, err);
        fig_picture_free(&picture);
    }
    free(sheet);
    if (status == FIG_OK)
        cli_say(cli, "Wrote", "%s: the first 64 samples of seed 1 of each, in the order given", path);
    return status;
}

static fig_status compare_run(fig_cli *cli, const fig_arguments *given, fig_error *err)
{
    const compare_options *o = given->values;
    fig_session *session = NULL;
    entry *all = calloc((size_t)given->words, sizeof *all);
    if (!all)
        return fig_fail(err, FIG_E_LIMIT, "out of memory");
    fig_status status = cli_session_open(cli, o->threads, false, &session, err);
    for (int i = 0; i < given->words && status == FIG_OK; i++) {
        all[i] = (entry){ .word = given->word[i], .parameters = NAN, .seconds = NAN, .cpu_seconds = NAN, .sample_ms = NAN };
        status = is_document(all[i].word) ? read_document(&all[i], err) : score(cli, &all[i], session, given, err);
        if (status == FIG_OK)
            status = check_protocols(all, i + 1, err);
    }
    if (status == FIG_OK && o->json)
        print_json(all, given->words);
    else if (status == FIG_OK)
        print_table(cli, all, given->words);
    if (status == FIG_OK && o->output)
        status = save_sheet(cli, all, given->words, o->output, err);
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
    .help = "Each model is scored as by `figment eval`, or its scores are read from what `figment eval --json` printed. Scores whose "
            "protocols differ - another judge, data, split, count or seed - are refused with exit code 8. Training CPU seconds are "
            "what the run has measured, all threads together; milliseconds a sample are those of 64 samples here and now.",
    .examples = "figment compare runs/vae runs/gan runs/flow -o families.png\n"
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
