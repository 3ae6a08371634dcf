/* eval/evaluate.c - scoring a saved model: finding the data it was trained on, choosing the split, and the scores as
 * JSON */
#include "eval/evaluator.h"

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

fig_status fig_evaluate(fig_trained *t, const fig_eval_opts *opts, fig_score *scores, int max, int *count,
                        fig_error *err)
{
    static const fig_eval_opts none;
    opts = opts ? opts : &none;
    *count = 0;
    if (opts->count < 0)
        return fig_fail(err, FIG_E_USAGE, "count: %lld items, expected 0 (all) or more", (long long)opts->count);
    if (opts->samples < 0 || opts->samples > 1000000000)
        return fig_fail(err, FIG_E_USAGE, "samples: %lld draws per item, expected 0 (5,000) to 1e9", (long long)opts->samples);
    fig__arena *arena = fig__arena_new();
    const char *key[8] = { "" }, *name[8] = { opts->data };
    int n_data = 1;
    fig__data_set sets[8] = { 0 };
    fig__evaluator *evaluator = NULL;
    fig_status status = opts->data ? FIG_OK : find_names(t, arena, key, name, 8, &n_data, err);
    for (int i = 0; status == FIG_OK && i < n_data; i++) {
        sets[i].key = key[i];
        status = fig_data_open(name[i], &(fig_data_open_opts){ .user = opts->user, .cancelled = opts->cancelled },
                               &sets[i].data, err);
        if (status == FIG_E_NOT_FOUND && !opts->data) {
            fig_error_clear(err);
            fig_fail(err, status, "the model was trained on \"%s\", which is not here; name the data with --data", name[i]);
        }
        if (status == FIG_OK)
            status = fig_data_prepare_like(sets[i].data, t->data, err);
    }
    fig_split split = FIG_TEST_SPLIT;
    if (status == FIG_OK)
        status = choose_split(sets[0].data, opts->split, &split, err);
    if (status == FIG_OK)
        status = fig__evaluator_new(t, opts->metrics, &evaluator, err);
    if (status == FIG_OK && !fig__evaluator_metrics(evaluator))
        status = fig_fail(err, FIG_E_NOT_FOUND,
                          "recipe %s declares no metric: its samples are judged, not its likelihood", t->recipe->name);
    if (status == FIG_OK) {
        fig__eval_run run = { .data = sets,
                              .n_data = n_data,
                              .split = split,
                              .count = opts->count,
                              .seed = opts->seed,
                              .samples = opts->samples,
                              .progress = opts->progress,
                              .cancelled = opts->cancelled,
                              .user = opts->user };
        if (!opts->data && chosen_on(t, fig__split_names[split]))
            run.note = "chosen-on-this-split";
        status = fig__evaluator_run(evaluator, &run, scores, max, count, err);
    }
    fig__evaluator_free(evaluator);
    for (int i = 0; i < 8; i++)
        fig_data_free(sets[i].data);
    fig__arena_free(arena);
    return status;
}

char *fig_scores_json(const char *model, const fig_score *scores, int count)
{
    fig__text out;
    fig__text_init(&out, 1 << 20);
    fig__text_print(&out, "{\"schema\": \"figment.eval/1\", \"model\": ");
    fig__json_put_text(&out, model ? model : "");
    fig__text_print(&out, ", \"metrics\": [");
    for (int i = 0; i < count; i++) {
        const fig_score *s = &scores[i];
        fig__text_print(&out, "%s{\"name\": ", i ? ", " : "");
        fig__json_put_text(&out, s->name);
        fig__text_print(&out, ", \"value\": ");
        fig__json_put_number(&out, s->value);
        fig__text_print(&out, ", \"unit\": ");
        fig__json_put_text(&out, s->unit);
        fig__text_print(&out, ", \"split\": ");
        fig__json_put_text(&out, s->split);
        fig__text_print(&out, ", \"n\": %lld, \"stderr\": ", (long long)s->count);
        fig__json_put_number(&out, s->standard_error);
        fig__text_print(&out, ", \"better\": \"%s\", \"protocol\": ", s->higher_is_better ? "higher" : "lower");
        fig__json_put_text(&out, s->protocol);
        fig__text_print(&out, "}");
    }
    fig__text_print(&out, "]}");
    return out.data;
}
