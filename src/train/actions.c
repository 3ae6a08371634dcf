/* train/actions.c - what is done at some steps: a log line, a score on the validation split, a sheet of samples, the
 * model file */
#include "train/trainer.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { TEXT_SAMPLES = 4 }; /* of a text sheet: enough to judge, and quick */

/* -- log ----------------------------------------------------------------------------------------------------------- */

static void put_rates(const fig_trainer *t, fig__text *line)
{
    bool same = true;
    for (int p = 1; p < t->round->model->n_phases; p++)
        same &= t->lr[p] == t->lr[0];
    for (int p = 0; p < t->round->model->n_phases && !(same && p > 0); p++) {
        fig__text_print(line, same ? ", \"lr\": " : ", \"lr.%s\": ", t->round->phase_name[p]);
        fig__put_float(line, t->lr[p]);
    }
}

fig_status fig__action_log(fig_trainer *t, fig_error *err)
{
    fig__text line;
    fig__text_init(&line, 1 << 20);
    fig__text_print(&line, "{\"step\": %lld, \"epoch\": %lld, \"split\": \"train\"", (long long)t->state.step,
                    (long long)fig__epoch_of(t, t->state.step));
    for (int i = 0; i < t->n_losses; i++) {
        if (!t->loss_key[i])
            continue;
        fig__text_print(&line, ", ");
        fig__json_put_text(&line, t->loss_key[i]);
        fig__text_print(&line, ": ");
        fig__put_float(&line, t->loss[i]);
    }
    put_rates(t, &line);
    double seconds = t->state.busy - t->state.logged_busy; /* of rounds alone: scores and sheets are no training */
    double pace = seconds > 0 ? (t->state.items - t->state.logged_items) / seconds : NAN;
    fig__text_print(&line, ", \"seconds\": %.3f, \"cpu_seconds\": ", fig__elapsed(t));
    fig__json_put_number(&line, floor(fig__cpu_elapsed(t) * 1000 + 0.5) / 1000);
    fig__text_print(&line, ", \"items_per_s\": ");
    fig__put_float(&line, isfinite(pace) ? floor(pace * 10 + 0.5) / 10 : NAN);
    fig__text_print(&line, "}");
    t->state.logged_busy = t->state.busy;
    t->state.logged_items = t->state.items;
    fig_status status = fig__journal_add(t, line.data, err);
    if (status == FIG_OK)
        fig__observe(t, "log", line.data, NULL);
    fig__text_free(&line);
    fig__arena *arena = fig__arena_new();
    const char *format = t->settings.preset && t->settings.preset->log_line ? t->settings.preset->log_line
                                                                            : t->settings.recipe->log_line;
    fig__format_line(t, format ? format : fig__default_line(t, arena), t->log_line, sizeof t->log_line);
    fig__arena_free(arena);
    return status;
}

/* -- scores -------------------------------------------------------------------------------------------------------- */

char *fig__scores_text(const fig_score *scores, int count)
{
    fig__text out;
    fig__text_init(&out, 1 << 20);
    fig__text_print(&out, "[");
    for (int i = 0; i < count; i++) {
        fig__text_print(&out, "%s{\"name\": ", i ? ", " : "");
        fig__json_put_text(&out, scores[i].name);
        fig__text_print(&out, ", \"value\": ");
        fig__json_put_number(&out, scores[i].value);
        fig__text_print(&out, ", \"unit\": ");
        fig__json_put_text(&out, scores[i].unit);
        fig__text_print(&out, ", \"split\": ");
        fig__json_put_text(&out, scores[i].split);
        fig__text_print(&out, ", \"n\": %lld, \"stderr\": ", (long long)scores[i].count);
        fig__json_put_number(&out, scores[i].standard_error);
        fig__text_print(&out, ", \"protocol\": ");
        fig__json_put_text(&out, scores[i].protocol);
        fig__text_print(&out, "}");
    }
    fig__text_print(&out, "]");
    return out.data;
}

static fig_status log_scores(fig_trainer *t, fig_error *err)
{
    fig__text line;
    fig__text_init(&line, 1 << 20);
    fig__text_print(&line, "{\"step\": %lld, \"epoch\": %lld, \"split\": \"validation\"", (long long)t->state.step,
                    (long long)fig__epoch_of(t, t->state.step));
    for (int i = 0; i < t->state.n_scores; i++) {
        fig__text_print(&line, ", ");
        fig__json_put_text(&line, t->state.scores[i].name);
        fig__text_print(&line, ": ");
        fig__json_put_number(&line, t->state.scores[i].value);
    }
    fig__text_print(&line, ", \"seconds\": %.3f}", fig__elapsed(t));
    fig_status status = fig__journal_add(t, line.data, err);
    if (status == FIG_OK)
        fig__observe(t, "evaluation", line.data, NULL);
    fig__text_free(&line);
    return status;
}

static bool was_stopped(void *user) { return ((fig_trainer *)user)->stop != 0; }

/* A new best score is kept as the model file at once, so that whatever happens later, the best is on the disk. The
 * score of the untrained model (step 0) is for the record only. */
static fig_status note_best(fig_trainer *t, fig_error *err)
{
    fig__run_state *s = &t->state;
    s->last_score = NAN;
    for (int i = 0; i < s->n_scores; i++)
        if (!strcmp(s->scores[i].name, t->watch)) {
            s->last_score = s->scores[i].value;
            t->watch_higher = s->scores[i].higher_is_better;
        }
    s->scored_step = s->step;
    if (!isfinite(s->last_score) || s->step == 0)
        return FIG_OK;
    if (s->best_step >= 0 && !(t->watch_higher ? s->last_score > s->best : s->last_score < s->best))
        return FIG_OK;
    s->best = s->last_score;
    s->best_step = s->step;
    memcpy(s->best_scores, s->scores, sizeof s->scores);
    s->n_best_scores = s->n_scores;
    if (t->settings.keep.best)
        s->todo |= FIG__TODO_CHECKPOINT;
    return fig__write_model(t, "model", err);
}

fig_status fig__action_evaluate(fig_trainer *t, fig_error *err)
{
    FIG_TRY(fig__standing_refresh(t, err));
    if (!t->evaluator)
        FIG_TRY(fig__evaluator_new(&t->view, NULL, &t->evaluator, err));
    fig__eval_run run = { .data = t->data,
                          .n_data = t->n_data,
                          .split = FIG_VALIDATION_SPLIT,
                          .count = t->settings.train.eval_items,
                          .cancelled = was_stopped,
                          .user = t };
    FIG_TRY(fig__evaluator_run(t->evaluator, &run, t->state.scores, FIG__MAX_SCORES, &t->state.n_scores, err));
    FIG_TRY(log_scores(t, err));
    return note_best(t, err);
}

/* -- samples ------------------------------------------------------------------------------------------------------- */

/* First rows of validation (else train) data, for samplers that read some. */
static fig_status read_examples(fig_trainer *t, const char *field, int64_t count, float **out, fig_error *err)
{
    fig_split split =
        fig_data_items(t->data[0].data, FIG_VALIDATION_SPLIT) > 0 ? FIG_VALIDATION_SPLIT : FIG_TRAIN_SPLIT;
    fig_loader *loader;
    const fig_batch *batch;
    *out = NULL;
    FIG_TRY(fig_loader_new(t->data[0].data,
                           &(fig_loader_opts){ .split = split, .order = FIG_ORDER_SEQUENTIAL, .batch = (int)count, .still = true },
                           &loader, err));
    fig_status status = fig_loader_next(loader, &batch, err);
    for (int i = 0; status == FIG_OK && i < batch->fields; i++)
        if (!strcmp(batch->name[i], field)) {
            size_t bytes = fig__bytes(&batch->type[i]);
            *out = memcpy(fig__alloc(bytes), batch->data[i], bytes);
        }
    fig_loader_free(loader);
    if (status == FIG_OK && !*out)
        return fig_fail(err, FIG_E_FAILED, "the sampler reads \"%s\", which the data do not have", field);
    return status;
}

static fig_status make_sheet_sampler(fig_trainer *t, fig_error *err)
{
    const fig__train_options *o = &t->settings.train;
    fig_sample_opts opts = { .count = o->sample_rows * o->sample_columns,
                             .seed = (uint64_t)o->sample_seed,
                             .length = o->sample_length };
    if (t->spec->kind == FIG_DATA_TEXT)
        opts.count = opts.batch = opts.count < TEXT_SAMPLES ? (int)opts.count : TEXT_SAMPLES;
    fig_model *probe; /* the first sampler may want data */
    FIG_TRY(fig__model_build(t->view.recipe, t->view.options, t->view.data, FIG_FOR_SAMPLING, 1, &probe, err));
    fig_status status = FIG_OK;
    if (probe->sampler[0].input && t->n_data) {
        status = read_examples(t, probe->sampler[0].input, opts.count, &t->sheet_input, err);
        opts.input = t->sheet_input;
    }
    fig__model_free(probe);
    return status == FIG_OK ? fig_sampler_new(&t->view, &opts, &t->sheet, err) : status;
}

static fig_status save_sheet(fig_trainer *t, fig_error *err)
{
    const fig_samples *samples = fig_sampler_samples(t->sheet);
    bool picture = samples->kind == FIG_DATA_IMAGES || samples->kind == FIG_DATA_POINTS;
    fig__arena *arena = fig__arena_new();
    char *name = fig__arena_format(arena, "samples/step-%07lld.%s", (long long)t->state.step,
                                   picture         ? "png"
                                   : samples->text ? "txt"
                                                   : "csv");
    char *path = fig__run_path(t, arena, name);
    fig_status status;
    if (picture) {
        fig_picture sheet = { 0 };
        status = fig__samples_sheet(samples, (int)t->settings.train.sample_columns, (int)t->settings.train.sample_gap,
                                    (int)t->settings.train.sample_zoom, &sheet, err);
        if (status == FIG_OK)
            status = fig_picture_save(&sheet, path, err);
        fig_picture_free(&sheet);
    } else {
        status = fig_samples_save(samples, path, err);
    }
    if (status == FIG_OK)
        fig__observe(t, "sample", NULL, path);
    fig__arena_free(arena);
    return status;
}

fig_status fig__action_sample(fig_trainer *t, fig_error *err)
{
    if (!t->output)
        return FIG_OK;
    FIG_TRY(fig__standing_refresh(t, err));
    if (!t->sheet)
        FIG_TRY(make_sheet_sampler(t, err));
    else
        FIG_TRY(fig__sampler_restart(t->sheet, (uint64_t)t->settings.train.sample_seed, err));
    FIG_TRY(fig__sampler_finish(t->sheet, was_stopped, t, err));
    return save_sheet(t, err);
}

/* -- the model file ------------------------------------------------------------------------------------------------ */

fig_status fig__write_model(fig_trainer *t, const char *name, fig_error *err)
{
    if (!t->output)
        return FIG_OK;
    FIG_TRY(fig__standing_refresh(t, err));
    const fig__run_state *s = &t->state;
    fig__text provenance;
    fig__text_init(&provenance, 1 << 16);
    fig__text_print(
        &provenance,
        "{\"figment\": \"%s\", \"seed\": %lld, \"steps\": %lld, \"batch\": %lld, \"data_hash\": ", FIG_VERSION,
        (long long)t->settings.train.seed, (long long)s->step, (long long)t->settings.train.batch);
    fig__json_put_text(&provenance, t->spec->data_hash);
    bool best = s->best_step == s->step && s->step > 0;
    fig__text_print(&provenance, ", \"weights\": \"%s\"", t->view.state_prefix ? "moving average" : "last step");
    if (best) {
        fig__text_print(&provenance, ", \"chosen_on\": \"validation\", \"chosen_by\": ");
        fig__json_put_text(&provenance, t->watch);
    }
    fig__text_print(&provenance, "}");
    bool current = s->scored_step == s->step;
    char *scores = fig__scores_text(s->scores, current ? s->n_scores : 0);
    fig__arena *arena = fig__arena_new();
    fig__model_notes notes = { t->settings.preset ? t->settings.preset->name : "", scores, provenance.data };
    char *path = fig__run_path(t, arena, fig__arena_format(arena, "%s.safetensors", name));
    fig_status status = fig__model_file_write(path, &t->view, &notes, err);
    fig__arena_free(arena);
    free(scores);
    fig__text_free(&provenance);
    return status;
}
