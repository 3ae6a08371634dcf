/* train/trainer.c - making a trainer: settings, data, states, plans, run folder; and freeing it
 *
 * The order matters: data decides the preset, options decide the request, the prepared data decide shapes, phases
 * decide their settings. Tensors get first values from the seed, then from --from and parts, and a checkpoint
 * overrides all. */
#include "train/trainer.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/statvfs.h>
#include <unistd.h>

void fig__say(const fig_trainer *t, int level, const char *format, ...)
{
    if (!t->message)
        return;
    va_list args;
    va_start(args, format);
    char line[1200];
    vsnprintf(line, sizeof line, format, args);
    va_end(args);
    t->message(t->user, level, line);
}

double fig__elapsed(const fig_trainer *t) { return t->began != 0 ? fig__seconds() - t->began : t->state.seconds; }

/* Of the whole process, so also of what a host does beside the training. */
double fig__cpu_elapsed(const fig_trainer *t) { return t->began != 0 ? fig__cpu_seconds() - t->cpu_began : t->state.cpu_seconds; }

const char *fig__limit_reached(const fig_trainer *t)
{
    const fig__train_options *o = &t->settings.train;
    if (o->minutes > 0 && fig__elapsed(t) >= o->minutes * 60)
        return FIG__TIME_LIMIT;
    return o->cpu_minutes > 0 && fig__cpu_elapsed(t) >= o->cpu_minutes * 60 ? FIG__CPU_LIMIT : NULL;
}

int64_t fig__epoch_of(const fig_trainer *t, int64_t step)
{
    return t->epoch_steps > 0 && step > 0 ? (step - 1) / t->epoch_steps + 1 : 0;
}

char *fig__run_path(const fig_trainer *t, fig__arena *arena, const char *name)
{
    return fig__path_join(arena, t->output, name);
}

void fig__observe(fig_trainer *t, const char *event, const char *json, const char *path)
{
    fig_observation what = { event, t->state.step, json, path };
    for (int i = 0; i < t->n_observers; i++)
        t->observer[i].call(t->observer[i].user, &what);
}

void fig_trainer_add_observer(fig_trainer *t, fig_observer observer, void *user)
{
    if (t->n_observers < FIG__MAX_LISTENERS)
        t->observer[t->n_observers++] = (fig__observing){ observer, user };
}

/* -- the run folder ------------------------------------------------------------------------------------------------ */

static fig_status take_lock(fig_trainer *t, fig_error *err)
{
    fig__arena *arena = fig__arena_new();
    char *path = fig__run_path(t, arena, ".lock");
    t->lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    fig_status status = FIG_OK;
    if (t->lock < 0)
        status = fig_fail(err, FIG_E_IO, "%s: cannot write here (%s); choose another output folder", t->output,
                          strerror(errno));
    else if (flock(t->lock, LOCK_EX | LOCK_NB)) /* the lock goes with the process, so none is ever stale */
        status = fig_fail(err, FIG_E_USAGE, "%s: another training writes here; wait for it, or choose another folder",
                          t->output);
    fig__arena_free(arena);
    return status;
}

static fig_status open_folder(fig_trainer *t, fig_error *err)
{
    fig__arena *arena = fig__arena_new();
    fig_status status = FIG_OK;
    bool exists =
        fig__path_exists(fig__run_path(t, arena, "run.yaml")) || fig__path_exists(fig__run_path(t, arena, "log.jsonl"));
    if (exists && !t->resume)
        status = fig_fail(err, FIG_E_USAGE,
                          "%s: holds a run already; go on with it by --resume, or choose another folder", t->output);
    static const char *const folders[] = { "samples", "checkpoints", "models" };
    for (int i = 0; i < (t->settings.train.snapshots > 0 ? 3 : 2) && status == FIG_OK; i++)
        status = fig__make_folders(fig__run_path(t, arena, folders[i]), err);
    fig__arena_free(arena);
    return status == FIG_OK ? take_lock(t, err) : status;
}

/* Where the settings begin, behind the comment that names the command. */
static const char *without_comments(const char *yaml)
{
    while (*yaml == '#')
        yaml += strcspn(yaml, "\n") + 1;
    return yaml;
}

/* run.yaml: written in a new run; in a resumed one compared first, and written again where length or cadences are
 * new. */
static fig_status settle_run_file(fig_trainer *t, fig_error *err)
{
    fig__arena *arena = fig__arena_new();
    char *path = fig__run_path(t, arena, "run.yaml"), *old = NULL;
    char *yaml =
        fig__settings_write(&t->settings, t->command, t->round->phase_name, t->round->phase, t->round->model->n_phases);
    uint64_t length;
    fig_status status = FIG_OK;
    if (t->resume && fig__path_exists(path)) {
        status = fig__file_read(path, 4 << 20, &old, &length, err);
        if (status == FIG_OK)
            status = fig__settings_compare(old, yaml, path, err);
    }
    if (status == FIG_OK && (!old || strcmp(without_comments(old), without_comments(yaml))))
        status = fig__file_write(path, yaml, strlen(yaml), err);
    free(old);
    free(yaml);
    fig__arena_free(arena);
    return status;
}

/* What writers that were killed have left. Their names are this program's own, and the lock says that none of them
 * lives. */
static void remove_leftovers(const fig_trainer *t)
{
    static const char *const folders[] = { ".", "samples", "checkpoints" }, *const made[] = { ".step-", ".model.",
                                                                                              ".run.", ".report." };
    fig__arena *arena = fig__arena_new();
    for (int i = 0; i < 3; i++) {
        char *folder = fig__run_path(t, arena, folders[i]), **names;
        size_t count;
        if (fig__list_folder(arena, folder, &names, &count, NULL) != FIG_OK)
            continue;
        for (size_t k = 0; k < count; k++)
            for (int m = 0; m < 4; m++)
                if (fig__starts_with(names[k], made[m]) && strstr(names[k], ".tmp-"))
                    unlink(fig__path_join(arena, folder, names[k]));
    }
    fig__arena_free(arena);
}

/* A checkpoint beside the old ones, and the model: warned about at the start, when something can still be done. */
static void check_space(const fig_trainer *t)
{
    struct statvfs disk;
    double needed = 0;
    for (int i = 0; i < fig_store_count(t->store); i++)
        needed += (double)fig_store_bytes(t->store, i);
    needed *= t->settings.keep.last ? (double)t->settings.keep.last + 2 : 4;
    if (statvfs(t->output, &disk))
        return;
    double available = (double)disk.f_bavail * (double)disk.f_frsize;
    if (needed > available)
        fig__say(t, FIG_LOG_WARNING,
                 "%s: %.0f MB are free, checkpoints will need %.0f MB; free some space, or set keep=\"last 1\"",
                 t->output, available / 1e6, needed / 1e6);
}

/* -- states -------------------------------------------------------------------------------------------------------- */

static fig_status start_from(fig_trainer *t, fig_error *err)
{
    const fig_model *m = t->round->model;
    int count;
    for (int i = 0; i < m->n_parts; i++)
        FIG_TRY(fig__model_file_weights(m->part[i].path, t->store, m->part[i].name, NULL, &count, err));
    if (!t->from)
        return FIG_OK;
    char *path = fig__path_is_folder(t->from) ? fig__format("%s/model.safetensors", t->from) : fig__strdup(t->from);
    fig_status status = fig__model_file_weights(path, t->store, NULL, t->settings.recipe->name, &count, err);
    free(path);
    return status;
}

/* Averages begin as the weights themselves. */
static void start_averages(fig_trainer *t)
{
    for (int i = 0; i < fig_store_count(t->store); i++) {
        const char *name = fig_store_name(t->store, i);
        int weight = fig__starts_with(name, "ema/") ? fig_store_find(t->store, name + 4) : -1;
        if (weight >= 0)
            memcpy(fig_store_data(t->store, i), fig_store_data(t->store, weight), fig_store_bytes(t->store, i));
    }
}

static void mark_saved(fig_trainer *t)
{
    for (int i = 0; i < fig_store_count(t->store); i++)
        fig_store_set_flags(t->store, i, fig_store_flags(t->store, i) | FIG__SAVED);
}

/* -- length and cadences ------------------------------------------------------------------------------------------- */

static void count_batches(fig_trainer *t)
{
    int64_t per_round[FIG__MAX_DATA] = { 0 };
    t->batches_per_round = 1;
    for (int g = 0; g < t->round->n_groups; g++) {
        const fig__group *group = &t->round->group[g];
        unsigned used = fig__feeds_used(t->feeds, fig__group_main(group));
        for (int set = 0; set < FIG__MAX_DATA; set++)
            if (used >> set & 1)
                per_round[set] += group->times * (group->accumulate ? t->settings.train.accumulate : 1);
    }
    for (int set = 0; set < FIG__MAX_DATA; set++)
        if (per_round[set] > t->batches_per_round)
            t->batches_per_round = per_round[set];
}

static void settle_length(fig_trainer *t)
{
    const fig__train_options *o = &t->settings.train;
    int64_t batches = fig__feeds_epoch_batches(t->feeds);
    t->epoch_steps = o->epoch_steps ? o->epoch_steps : (batches + t->batches_per_round - 1) / t->batches_per_round;
    if (t->epoch_steps < 1)
        t->epoch_steps = 1;
    int64_t of_epochs = o->epochs * t->epoch_steps;
    t->steps = o->steps && o->epochs ? (o->steps < of_epochs ? o->steps : of_epochs) : o->steps ? o->steps : of_epochs;
    bool whole = o->epochs > 0;
    fig__cadence_settle(&t->settings.log_every, 100, 100, t->steps, t->epoch_steps, false);
    fig__cadence_settle(&t->settings.sample_every, 10, 0, t->steps, t->epoch_steps, whole);
    fig__cadence_settle(&t->settings.eval_every, 10, 0, t->steps, t->epoch_steps, whole);
}

/* -- scores -------------------------------------------------------------------------------------------------------- */

/* Validation runs only where there is something to score, and the split to score it on. */
static fig_status find_watch(fig_trainer *t, fig_error *err)
{
    t->state.best_step = -1;
    t->state.best = t->state.last_score = NAN;
    const char *wanted = t->settings.train.watch ? t->settings.train.watch : "";
    if (t->random_data)
        return FIG_OK;
    fig_model *m;
    FIG_TRY(fig__model_build(t->settings.recipe, t->settings.options, t->spec, FIG_FOR_EVALUATION, 1, &m, err));
    bool known = !*wanted;
    for (int i = 0; i < m->n_metrics; i++)
        if (!*wanted || fig__metric_gives(&m->metric[i], wanted)) {
            known = true;
            snprintf(t->watch, sizeof t->watch, "%s", *wanted ? wanted : m->metric[i].name);
            break;
        }
    t->has_metrics = m->n_metrics > 0 && fig_data_items(t->data[0].data, FIG_VALIDATION_SPLIT) > 0;
    fig__model_free(m);
    if (!known)
        return fig_fail(err, FIG_E_USAGE, "watch: recipe %s has no metric \"%.60s\"", t->settings.recipe->name, wanted);
    if (*wanted && !t->has_metrics)
        return fig_fail(err, FIG_E_USAGE, "watch: there is no validation split; set validation=0.1");
    if (t->settings.train.early_stopping.patience && !t->has_metrics)
        return fig_fail(
            err, FIG_E_USAGE,
            "early_stopping.patience: nothing is scored while training: set validation=0.1, or choose a recipe "
            "with metrics");
    return FIG_OK;
}

/* -- making -------------------------------------------------------------------------------------------------------- */

static void copy_request(fig_trainer *t, const fig_train_opts *o)
{
    t->output = o->dry_run ? NULL : fig__strdup(o->output);
    t->command = fig__strdup(o->command);
    t->from = fig__strdup(o->from);
    t->resume = o->resume;
    t->dry = o->dry_run;
    t->no_tune = o->no_tune;
    t->message = o->message;
    t->notify = o->progress;
    t->user = o->user;
    t->lock = -1;
}

static void give_advice(const fig_trainer *t)
{
    char *advice = t->settings.recipe->advise ? t->settings.recipe->advise(t->settings.options, t->spec) : NULL;
    for (char *line = advice; line && *line;) {
        size_t length = strcspn(line, "\n");
        if (length)
            fig__say(t, FIG_LOG_WARNING, "%.*s", (int)length, line);
        line += length + (line[length] == '\n');
    }
    free(advice);
}

static fig_status build(fig_trainer *t, fig_error *err)
{
    FIG_TRY(fig_store_new(t->session, &t->store, err));
    FIG_TRY(fig__round_new(&t->settings, t->spec, t->settings.train.batch, &t->round, err));
    FIG_TRY(fig__model_initialise(t->round->model, t->store, (uint64_t)t->settings.train.seed, err));
    mark_saved(t);
    t->view = (fig_trained){ .session = t->session,
                             .store = t->store,
                             .recipe = t->settings.recipe,
                             .options = t->settings.options,
                             .data = t->spec,
                             .seed = (uint64_t)t->settings.train.seed,
                             .state_prefix = t->settings.train.ema > 0 ? "ema/" : NULL };
    FIG_TRY(fig__standing_prepare(t, err));
    return fig__feeds_new(t, &t->feeds, err);
}

/* Kernels are measured once, when a run begins. A resumed run takes them from its checkpoint and measures nothing, so that
 * it repeats its bits; so does a run without tuning, whose table is empty. */
static void choose_kernels(fig_trainer *t)
{
    t->choices = fig__choices_new();
    bool resumed = t->output && t->resume && fig__checkpoint_choices(t, t->choices);
    t->choices->frozen = resumed || t->no_tune;
    if (!t->choices->frozen)
        fig__choices_load(t->choices);
}

/* What a memory budget leaves for plans: the states are known once all plans were built, so they are built here for nothing else. */
static fig_status settle_budget(fig_trainer *t, fig_error *err)
{
    uint64_t budget = t->settings.memory_budget, states = 0;
    fig__round *round = NULL;
    fig_store *store = NULL;
    fig_status status = fig_store_new(t->session, &store, err);
    if (status == FIG_OK)
        status = fig__round_new(&t->settings, t->spec, t->settings.train.batch, &round, err);
    if (status == FIG_OK)
        status = fig__model_initialise(round->model, store, 1, err);
    if (status == FIG_OK)
        status = fig__round_compile(round, store, NULL, true, err);
    for (int i = 0; status == FIG_OK && i < fig_store_count(store); i++)
        states += fig_store_bytes(store, i);
    if (status == FIG_OK && states >= budget)
        status = fig_fail(err, FIG_E_LIMIT, "memory_budget: weights and the optimizer's states take %.0f MB alone, the budget is %.0f MB",
                          (double)states / 1e6, (double)budget / 1e6);
    if (status == FIG_OK) {
        fig__round_set_budget(t->round, round, budget - states);
        t->budget_states = states;
    }
    fig__round_free(round);
    fig_store_free(store);
    return status;
}

/* Refuses a budget that cannot be kept, with the one that could. */
static fig_status over_budget(const fig_trainer *t, fig_error *err)
{
    return fig_fail(err, FIG_E_LIMIT,
                    "memory_budget: a step needs at least %.0f MB, of which %.0f MB are weights and the optimizer's states, even with "
                    "activations computed again; the budget is %.0f MB; raise it, or use a smaller batch",
                    (double)(t->budget_states + t->round->plan_least) / 1e6 + 0.5, (double)t->budget_states / 1e6,
                    (double)t->settings.memory_budget / 1e6);
}

/* Compiles; when memory does not suffice, says which batch would fit. */
static fig_status compile(fig_trainer *t, fig_error *err)
{
    fig_error fault = { 0 };
    if (t->settings.memory_budget)
        FIG_TRY(settle_budget(t, err));
    if (t->settings.train.precision == FIG__BF16 && !fig__round_in_bf16(t->round))
        fig__say(t, FIG_LOG_WARNING, "precision: this processor has no bf16 arithmetic (AVX512_BF16); the run computes in f32");
    choose_kernels(t);
    fig_status status = fig__round_compile(t->round, t->store, t->choices, t->dry, &fault);
    if (status == FIG_OK && t->dry && fig__round_info(t->round).planned_bytes > fig__memory_available())
        status = FIG_E_LIMIT;
    if (status == FIG_E_LIMIT && t->round->plan_budget && t->round->plan_least > t->round->plan_budget)
        return over_budget(t, err);
    if (status == FIG_E_LIMIT)
        return fig__refuse_with_batch(t, err);
    if (status != FIG_OK)
        return fig_fail(err, status, "%s", fault.message);
    t->view.share = t->dry ? NULL : fig__group_main(&t->round->group[0]);
    return FIG_OK;
}

/* A run that was killed right after its last checkpoint may lack what comes behind it. */
static fig_status complete_files(fig_trainer *t, fig_error *err)
{
    fig__arena *arena = fig__arena_new();
    fig_status status = FIG_OK;
    if (!fig__path_exists(fig__run_path(t, arena, "model.safetensors")) &&
        (t->state.best_step < 0 || t->state.best_step == t->state.step))
        status = fig__write_model(t, "model", err);
    if (status == FIG_OK && !fig__path_exists(fig__run_path(t, arena, "report.html")))
        status = fig__report(t, err);
    fig__arena_free(arena);
    return status;
}

static fig_status make(fig_trainer *t, fig_session *session, const fig_train_opts *opts, fig_error *err)
{
    FIG_TRY(fig__settings_read(opts, &t->settings, err));
    FIG_TRY(fig__trainer_open_data(t, err));
    if (t->random_data && t->output)
        return fig_fail(err, FIG_E_USAGE, "random data are for benchmarks and dry runs; a run needs real data");
    if (!t->random_data)
        give_advice(t);
    t->session = session;
    if (!session) {
        fig_session_opts own = opts->session_opts ? *opts->session_opts : (fig_session_opts){ 0 };
        own.threads = own.threads ? own.threads : (int)t->settings.train.threads;
        FIG_TRY(fig_session_new(&own, &t->session, err));
        t->own_session = true;
    }
    FIG_TRY(build(t, err));
    FIG_TRY(find_watch(t, err));
    if (t->output)
        FIG_TRY(open_folder(t, err));
    if (t->output)
        FIG_TRY(settle_run_file(t, err));
    FIG_TRY(compile(t, err));
    if (t->dry) { /* a dry plan has no inputs to ask; one batch a round is close enough for an estimate of length */
        t->batches_per_round = 1;
        settle_length(t);
        return FIG_OK;
    }
    count_batches(t);
    settle_length(t);
    FIG_TRY(start_from(t, err));
    start_averages(t);
    fig__controllers_init(t);
    t->state.todo = (t->settings.sample_every.unit != FIG__NEVER ? FIG__TODO_SAMPLE : 0u) |
                    (t->has_metrics && t->settings.eval_every.unit != FIG__NEVER ? FIG__TODO_EVAL : 0u);
    bool found = false;
    if (t->output && t->resume) {
        remove_leftovers(t);
        FIG_TRY(fig__checkpoint_resume(t, &found, err));
    }
    if (t->output)
        check_space(t);
    if (found && !t->state.finished)
        fig__say(t, FIG_LOG_INFO, "going on from step %lld", (long long)t->state.step);
    if (found && t->settings.train.cpu_minutes > 0 && isnan(t->state.cpu_seconds))
        return fig_fail(err, FIG_E_USAGE, "cpu_minutes: %s began before processor time was counted; limit it with minutes or steps",
                        t->output);
    bool of_limit = !strcmp(t->state.why, FIG__TIME_LIMIT) || !strcmp(t->state.why, FIG__CPU_LIMIT);
    if (found && t->state.stopped && of_limit && !fig__limit_reached(t))
        t->state.stopped = false; /* the limit has moved */
    if (found && t->state.finished && t->state.step < t->steps && !t->state.stopped) {
        t->state.finished = false; /* more steps were asked for */
        t->state.why[0] = 0;
    }
    fig__feeds_seek(t->feeds);
    return found && t->state.finished ? complete_files(t, err) : FIG_OK;
}

fig_status fig_trainer_new(fig_session *session, const fig_train_opts *opts, fig_trainer **out, fig_error *err)
{
    *out = NULL;
    fig_trainer *t = fig__alloc(sizeof *t);
    copy_request(t, opts);
    double from = fig__seconds(), tuning;
    fig_status status = make(t, session, opts, err);
    if (status != FIG_OK) {
        fig_trainer_free(t);
        return status;
    }
    t->startup = fig__seconds() - from;
    fig_trainer_startup(t, &tuning);
    fig__say(t, FIG_LOG_DEBUG, "ready after %.2f s, of which %.2f s were for measuring kernels", t->startup, tuning);
    *out = t;
    return FIG_OK;
}

double fig_trainer_startup(const fig_trainer *t, double *tuning)
{
    if (tuning)
        *tuning = t->choices->spent;
    return t->startup;
}

char *fig_trainer_kernels(const fig_trainer *t) { return fig__choices_text(t->choices); }

void fig_trainer_free(fig_trainer *t)
{
    if (!t)
        return;
    fig_sampler_free(t->sheet);
    fig_sampler_free(t->standing);
    fig_loader_free(t->standing_examples);
    free(t->sheet_input);
    fig__evaluator_free(t->evaluator);
    fig__feeds_free(t->feeds);
    fig__round_free(t->round);
    for (int i = 0; i < t->n_controllers; i++)
        free(t->controller[i].state);
    fig_store_free(t->store);
    fig__choices_free(t->choices);
    for (int i = 0; i < t->n_data; i++)
        fig_data_free(t->data[i].data);
    fig_data_spec_free(t->spec);
    if (t->settings.arena)
        fig__settings_free(&t->settings);
    if (t->own_session)
        fig_session_free(t->session);
    if (t->lock >= 0)
        close(t->lock);
    free(t->output);
    free(t->command);
    free(t->from);
    free(t);
}

void fig_trainer_stop(fig_trainer *t) { t->stop = 1; }
