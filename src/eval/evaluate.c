/* eval/evaluate.c - scoring a saved model: finding the data it was trained on, choosing the split, and which metrics are taken of
 * the model (evaluator.c) and which of its samples (judged.c) */
#include "eval/evaluator.h"
#include "eval/judged.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Data set names of a run's run.yaml ("data: mnist", or a mapping), else the name inside the model. */
static fig_status find_names(const fig_trained *t, fig__arena *arena, const char **key, const char **name, int max,
                             int *count, fig_error *err)
{
    *count = 0;
    if (t->run_folder) {
        char *path = fig__path_join(arena, t->run_folder, "run.yaml"), *text;
        uint64_t length;
        if (fig__path_exists(path)) {
            FIG_TRY(fig__file_read(path, 4 << 20, &text, &length, err));
            fig__yaml yaml = { 0 };
            fig_status status = fig__yaml_parse(text, length, path, &yaml, err);
            free(text);
            FIG_TRY(status);
            for (size_t i = 0; i < yaml.count && *count < max; i++) {
                bool keyed = fig__starts_with(yaml.rows[i].key, "data.");
                if (!keyed && strcmp(yaml.rows[i].key, "data"))
                    continue;
                key[*count] = fig__arena_text(arena, keyed ? yaml.rows[i].key + 5 : "");
                name[(*count)++] = fig__arena_text(arena, yaml.rows[i].value);
            }
            fig__yaml_free(&yaml);
        }
    }
    if (!*count && t->data->name[0]) {
        key[0] = "";
        name[0] = t->data->name;
        *count = 1;
    }
    return *count
               ? FIG_OK
               : fig_fail(err, FIG_E_USAGE, "the model does not say what it was trained on; name the data with --data");
}

static fig_status choose_split(fig_data *data, const char *name, fig_split *out, fig_error *err)
{
    for (int i = 0; name && i < FIG_SPLITS; i++)
        if (!strcmp(fig__split_names[i], name)) {
            *out = (fig_split)i;
            return fig_data_items(data, *out) > 0
                       ? FIG_OK
                       : fig_fail(err, FIG_E_NOT_FOUND, "%s has no %s split", fig_data_get_info(data)->name, name);
        }
    if (name)
        return fig_fail(err, FIG_E_USAGE, "split \"%.40s\" is not one of train, validation, test", name);
    *out = fig_data_items(data, FIG_TEST_SPLIT) > 0 ? FIG_TEST_SPLIT : FIG_VALIDATION_SPLIT;
    if (fig_data_items(data, *out) > 0)
        return FIG_OK;
    return fig_fail(err, FIG_E_NOT_FOUND,
                    "%s has neither a test nor a validation split; score other data (--data), or --split train",
                    fig_data_get_info(data)->name);
}

/* True when the model was chosen by its score on this split of its own data. */
static bool chosen_on(const fig_trained *t, const char *split)
{
    fig__json *json = NULL;
    if (!t->provenance || fig__json_parse(t->provenance, strlen(t->provenance), "provenance", &json, NULL) != FIG_OK)
        return false;
    const char *on = fig__json_text(fig__json_get(json, "chosen_on"), "");
    bool same = !strcmp(on, split);
    fig__json_free(json);
    return same;
}

/* -- metrics that the recipe declares --------------------------------------------------------------------------------------- */

typedef struct telling { /* from a share of the work to its name and share */
    const fig_eval_opts *opts;
} telling;

static void tell(void *user, double done)
{
    const fig_eval_opts *o = ((telling *)user)->opts;
    if (o->progress)
        o->progress(o->user, done);
    if (o->task)
        o->task(o->user, "evaluating", done);
}

static bool is_cancelled(void *user)
{
    const fig_eval_opts *o = ((telling *)user)->opts;
    return o->cancelled && o->cancelled(o->user);
}

static fig_status open_data(const fig_trained *t, const fig_eval_opts *opts, const char *name, fig_data **out, fig_error *err)
{
    fig_status status = fig_data_open(name, &(fig_data_open_opts){ .user = opts->user, .cancelled = opts->cancelled }, out, err);
    if (status == FIG_E_NOT_FOUND && !opts->data) {
        fig_error_clear(err);
        fig_fail(err, status, "the model was trained on \"%s\", which is not here; name the data with --data", name);
    }
    return status == FIG_OK ? fig_data_prepare_like(*out, t->data, err) : status;
}

/* `metrics` as the evaluator takes them; none = FIG_OK and no score when the recipe declares no metric. */
static fig_status score_declared(fig_trained *t, const fig_eval_opts *opts, const char *const *metrics, const char **key,
                                 const char **name, int n_data, fig_score *scores, int max, int *count, fig_error *err)
{
    fig__data_set sets[8] = { 0 };
    fig__evaluator *evaluator = NULL;
    telling to = { opts };
    fig_split split = FIG_TEST_SPLIT;
    fig_status status = fig__evaluator_new(t, metrics, &evaluator, err);
    bool any = status == FIG_OK && fig__evaluator_metrics(evaluator) > 0;
    for (int i = 0; status == FIG_OK && any && i < n_data; i++) {
        sets[i].key = key[i];
        status = open_data(t, opts, name[i], &sets[i].data, err);
    }
    if (status == FIG_OK && any)
        status = choose_split(sets[0].data, opts->split, &split, err);
    if (status == FIG_OK && any) {
        fig__eval_run run = { .data = sets,
                              .n_data = n_data,
                              .split = split,
                              .count = opts->count,
                              .seed = opts->seed,
                              .samples = opts->samples,
                              .progress = tell,
                              .cancelled = is_cancelled,
                              .user = &to };
        if (!opts->data && chosen_on(t, fig__split_names[split]))
            run.note = "chosen-on-this-split";
        status = fig__evaluator_run(evaluator, &run, scores, max, count, err);
    }
    fig__evaluator_free(evaluator);
    for (int i = 0; i < 8; i++)
        fig_data_free(sets[i].data);
    return status;
}

/* -- all metrics --------------------------------------------------------------------------------------------------------------- */

static void tell_task(void *user, const char *what, double done)
{
    const fig_eval_opts *o = ((telling *)user)->opts;
    if (o->task)
        o->task(o->user, what, done);
    if (o->progress && done >= 0)
        o->progress(o->user, done);
}

static fig_status check_counts(const fig_eval_opts *opts, fig_error *err)
{
    if (opts->count < 0)
        return fig_fail(err, FIG_E_USAGE, "count: %lld items, expected 0 (all) or more", (long long)opts->count);
    if (opts->samples < 0 || opts->samples > 1000000000)
        return fig_fail(err, FIG_E_USAGE, "samples: %lld draws per item, expected 0 (5,000) to 1e9", (long long)opts->samples);
    return FIG_OK;
}

static fig_status score_samples(fig_session *session, fig_trained *t, const char *pictures, const fig_eval_opts *opts,
                                const char *data, const char *const *metrics, fig_score *scores, int max, int *count, fig_error *err)
{
    telling to = { opts };
    fig__judging judging = { .session = session, .model = t, .pictures = pictures, .data = data, .split = opts->split,
                             .metrics = metrics, .settings = opts->settings, .count = opts->samples, .seed = opts->seed, .cost = opts->cost,
                             .inception = opts->inception,
                             .hooks = { .progress = tell_task, .cancelled = is_cancelled, .user = &to } };
    for (int i = 0; t && !opts->data && i < FIG_SPLITS; i++)
        judging.chosen_on = chosen_on(t, fig__split_names[i]) ? fig__split_names[i] : judging.chosen_on;
    return fig__judge_samples(&judging, scores, max, count, err);
}

/* Names of either kind; each list ends with NULL. */
static void sort_names(const char *const *names, const char **declared, const char **of_samples, int max, int *n_declared,
                       int *n_samples)
{
    *n_declared = *n_samples = 0;
    for (int i = 0; names && names[i] && i < max; i++)
        if (fig__sample_metric_find(names[i]))
            of_samples[(*n_samples)++] = names[i];
        else
            declared[(*n_declared)++] = names[i];
    declared[*n_declared] = of_samples[*n_samples] = NULL;
}

fig_status fig_evaluate(fig_trained *t, const fig_eval_opts *opts, fig_score *scores, int max, int *count, fig_error *err)
{
    static const fig_eval_opts none;
    enum { MOST = 64 };
    opts = opts ? opts : &none;
    *count = 0;
    FIG_TRY(check_counts(opts, err));
    fig__arena *arena = fig__arena_new();
    const char *key[8] = { "" }, *name[8] = { opts->data }, *declared[MOST + 1], *of_samples[MOST + 1];
    int n_data = 1, n_declared, n_samples, more = 0;
    sort_names(opts->metrics, declared, of_samples, MOST, &n_declared, &n_samples);
    fig_status status = opts->data ? FIG_OK : find_names(t, arena, key, name, 8, &n_data, err);
    if (status == FIG_OK && opts->inception && !n_samples)
        status = fig_fail(err, FIG_E_USAGE, "Inception weights are for metrics of samples, and none was named; name one, such as frechet");
    if (status == FIG_OK && (n_declared || !n_samples))
        status = score_declared(t, opts, n_declared ? declared : NULL, key, name, n_data, scores, max, count, err);
    bool by_samples = n_samples > 0;
    if (status == FIG_OK && !n_declared && !n_samples && !*count) { /* a recipe that knows no likelihood */
        by_samples = true;
        if (t->data->kind != FIG_DATA_IMAGES && t->data->kind != FIG_DATA_POINTS)
            status = fig_fail(err, FIG_E_NOT_FOUND, "recipe %s declares no metric, and no samples but pictures and points are judged",
                              t->recipe->name);
    }
    if (status == FIG_OK && by_samples)
        status = score_samples(t->session, t, NULL, opts, name[0], n_samples ? of_samples : NULL, scores + *count, max - *count,
                               &more, err);
    *count += more;
    fig__arena_free(arena);
    return status;
}

fig_status fig_evaluate_pictures(fig_session *session, const char *path, const fig_eval_opts *opts, fig_score *scores, int max,
                                 int *count, fig_error *err)
{
    *count = 0;
    if (!opts || !opts->data)
        return fig_fail(err, FIG_E_USAGE, "%s: say with --data which pictures these are to be compared with", path);
    FIG_TRY(check_counts(opts, err));
    for (int i = 0; opts->metrics && opts->metrics[i]; i++)
        if (!fig__sample_metric_find(opts->metrics[i]))
            return fig_fail(err, FIG_E_NOT_FOUND, "metric %.60s is not one that pictures can be judged by without their model",
                            opts->metrics[i]);
    fig_session *own = NULL;
    if (!session)
        FIG_TRY(fig_session_new(NULL, &own, err));
    fig_status status =
        score_samples(session ? session : own, NULL, path, opts, opts->data, opts->metrics, scores, max, count, err);
    fig_session_free(own);
    return status;
}

const char *fig_sample_metric_at(int index, const char **summary, const char **scores)
{
    for (int i = 0; i <= index; i++)
        if (!fig__sample_metrics[i])
            return NULL;
    const fig__sample_metric *m = fig__sample_metrics[index];
    if (summary)
        *summary = m->summary;
    if (scores)
        *scores = m->gives;
    return m->name;
}
