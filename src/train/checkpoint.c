/* train/checkpoint.c - saving everything, and going on from it to the same bits
 *
 *     RUN/checkpoints/step-0004680.ckpt    safetensors: every state of the training; metadata: run state, checksums
 *
 * A checkpoint is written beside its place and renamed, so a name that exists is a whole file; CRC-32C of every tensor
 * and of the metadata says so again when it is read. Resuming takes the newest that is valid and names those that are
 * not. What log and samples hold past it is cut, because the resumed run will write it again. Only files that this run
 * has listed as its own are ever removed. */
#include "train/trainer.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char *checkpoint_path(const fig_trainer *t, fig__arena *arena, int64_t step)
{
    return fig__run_path(t, arena, fig__arena_format(arena, "checkpoints/step-%07lld.ckpt", (long long)step));
}

fig_status fig__check_weights_finite(const fig_trainer *t, fig_error *err)
{
    for (int i = 0; i < fig_store_count(t->store); i++) {
        const fig_type *type = fig_store_type(t->store, i);
        if (!(fig_store_flags(t->store, i) & FIG__SAVED) || type->dtype != FIG_F32)
            continue;
        const float *x = fig_store_data(t->store, i);
        int64_t n = fig__count(type);
        float probe = 0; /* stays 0 unless something is not finite */
        for (int64_t k = 0; k < n; k++)
            probe += x[k] * 0.0f;
        if (probe != 0.0f || isnan(probe))
            return fig_fail(
                err, FIG_E_NUMERIC,
                "step %lld: \"%s\" holds values that are not finite; the last checkpoint is good; try a lower "
                "lr, or clip=1",
                (long long)t->state.step, fig_store_name(t->store, i));
    }
    return FIG_OK;
}

/* -- writing ------------------------------------------------------------------------------------------------------- */

static fig_status write_file(fig_trainer *t, fig_error *err)
{
    fig__arena *arena = fig__arena_new();
    int all = fig_store_count(t->store);
    fig__safetensors_entry *entries = FIG_NEW_ARRAY(arena, fig__safetensors_entry, all);
    size_t count = 0;
    for (int i = 0; i < all; i++)
        if (fig_store_flags(t->store, i) & FIG__SAVED)
            entries[count++] = (fig__safetensors_entry){ .name = fig_store_name(t->store, i),
                                                         .type = *fig_store_type(t->store, i),
                                                         .data = fig_store_data(t->store, i),
                                                         .bytes = fig_store_bytes(t->store, i) };
    char *state = fig__state_write(t);
    char *kernels = fig__choices_text(t->choices);
    fig__pairs pairs = { .pair = { { "format", "figment.checkpoint/1" },
                                   { "recipe", t->settings.recipe->name },
                                   { "figment", FIG_VERSION },
                                   { "kernels", kernels },
                                   { "state", state } },
                         .count = 5 };
    fig__add_checksums(&pairs, entries, count, arena);
    char *path = checkpoint_path(t, arena, t->state.step);
    fig_status status = fig__safetensors_write(path, entries, count, pairs.pair, pairs.count, err);
    if (status == FIG_OK)
        fig__observe(t, "checkpoint", NULL, path);
    free(kernels);
    free(state);
    fig__arena_free(arena);
    return status;
}

/* Removes what the keep policy does not want, oldest first; never the newest, nor the best when that is kept. */
static void prune(fig_trainer *t)
{
    fig__run_state *s = &t->state;
    if (!t->settings.keep.last)
        return;
    fig__arena *arena = fig__arena_new();
    int kept = 0;
    for (int i = 0; i < s->n_kept; i++) {
        bool recent = i >= s->n_kept - t->settings.keep.last,
             best = t->settings.keep.best && s->kept[i] == s->best_step;
        if (recent || best)
            s->kept[kept++] = s->kept[i];
        else
            unlink(checkpoint_path(t, arena, s->kept[i]));
    }
    s->n_kept = kept;
    fig__arena_free(arena);
}

fig_status fig__checkpoint_write(fig_trainer *t, fig_error *err)
{
    if (!t->output)
        return FIG_OK;
    FIG_TRY(fig__check_weights_finite(t, err));
    fig__run_state *s = &t->state;
    s->seconds = fig__elapsed(t);
    s->cpu_seconds = fig__cpu_elapsed(t);
    int n_kept = s->n_kept;
    if (!s->n_kept || s->kept[s->n_kept - 1] != s->step) {
        if (s->n_kept ==
            FIG__MAX_KEPT) /* more than anyone looks through: the oldest leaves the list, and stays on the disk */
            memmove(s->kept, s->kept + 1, sizeof *s->kept * (size_t)--s->n_kept);
        s->kept[s->n_kept++] = s->step;
    }
    fig_status status = write_file(t, err);
    if (status != FIG_OK) {
        s->n_kept = n_kept;
        return status;
    }
    t->last_checkpointed = s->seconds;
    prune(t);
    return FIG_OK;
}

/* -- reading ------------------------------------------------------------------------------------------------------- */

static fig_status read_tensors(fig_trainer *t, const fig__safetensors *file, const char *path, fig_error *err)
{
    size_t wanted = 0;
    for (int i = 0; i < fig_store_count(t->store); i++) {
        if (!(fig_store_flags(t->store, i) & FIG__SAVED))
            continue;
        wanted++;
        const fig__safetensors_entry *entry = fig__safetensors_find(file, fig_store_name(t->store, i));
        if (!entry || !entry->usable || !fig__types_equal(&entry->type, fig_store_type(t->store, i)))
            return fig_fail(err, FIG_E_FORMAT,
                            "%s: state \"%s\" is missing or has another shape; the run was made with other settings",
                            path, fig_store_name(t->store, i));
    }
    if (wanted != fig__safetensors_count(file))
        return fig_fail(err, FIG_E_FORMAT, "%s: holds %zu tensors, this run has %zu", path,
                        fig__safetensors_count(file), wanted);
    for (int i = 0; i < fig_store_count(t->store); i++)
        if (fig_store_flags(t->store, i) & FIG__SAVED)
            FIG_TRY(fig__safetensors_get(file, fig_store_name(t->store, i), fig_store_type(t->store, i),
                                         fig_store_data(t->store, i), err));
    return FIG_OK;
}

static fig_status read_file(fig_trainer *t, const char *path, fig_error *err)
{
    fig__safetensors *file;
    FIG_TRY(fig__safetensors_open(path, &file, err));
    const char *format = fig__safetensors_metadata(file, "format"), *state = fig__safetensors_metadata(file, "state");
    const char *recipe = fig__safetensors_metadata(file, "recipe");
    fig_status status;
    if (!format || strcmp(format, "figment.checkpoint/1") || !state || !recipe)
        status = fig_fail(err, FIG_E_FORMAT, "%s: not a checkpoint", path);
    else
        status = fig__verify_checksums(file, path, err);
    if (status == FIG_OK && strcmp(recipe, t->settings.recipe->name))
        status = fig_fail(err, FIG_E_USAGE, "%s: is of recipe %.60s, not %s", path, recipe, t->settings.recipe->name);
    if (status == FIG_OK)
        status = read_tensors(t, file, path, err);
    if (status == FIG_OK)
        status = fig__state_read(t, state, path, err);
    fig__safetensors_close(file);
    return status;
}

/* Step of "step-NUMBER.ckpt", or -1. */
static int64_t step_of(const char *name)
{
    long long step;
    int used = 0;
    return sscanf(name, "step-%lld.ckpt%n", &step, &used) == 1 && used && !name[used] && step >= 0 ? step : -1;
}

/* Visits checkpoints, newest first, until `visit` says that one will do. */
static fig_status visit_newest(const fig_trainer *t, fig_status (*visit)(void *user, const char *path, bool *found, fig_error *err),
                               void *user, bool *found, fig_error *err)
{
    fig__arena *arena = fig__arena_new();
    char **names;
    size_t count;
    fig_status status = FIG_OK;
    *found = false;
    if (fig__list_folder(arena, fig__run_path(t, arena, "checkpoints"), &names, &count, NULL) != FIG_OK)
        count = 0;
    for (size_t left = count; left > 0 && !*found && status == FIG_OK; left--) {
        /* Names are sorted by bytes; steps beyond 7 digits would not be, so the newest is searched for. */
        size_t newest = count;
        for (size_t i = 0; i < count; i++)
            if (names[i] && step_of(names[i]) >= 0 && (newest == count || step_of(names[i]) > step_of(names[newest])))
                newest = i;
        if (newest == count)
            break;
        char *path = fig__run_path(t, arena, fig__arena_format(arena, "checkpoints/%s", names[newest]));
        names[newest] = NULL;
        status = visit(user, path, found, err);
    }
    fig__arena_free(arena);
    return status;
}

static fig_status visit_whole(void *user, const char *path, bool *found, fig_error *err)
{
    fig_trainer *t = user;
    fig_error fault = { 0 };
    fig_status read = read_file(t, path, &fault);
    *found = read == FIG_OK;
    if (read == FIG_E_USAGE) /* other data, other recipe: an older one will not be better */
        return fig_fail(err, read, "%s", fault.message);
    if (read != FIG_OK)
        fig__say(t, FIG_LOG_WARNING, "%s; going back to the checkpoint before", fault.message);
    return FIG_OK;
}

static fig_status find_valid(fig_trainer *t, bool *found, fig_error *err)
{
    t->standing_step = -1; /* the same step may come again with other weights */
    return visit_newest(t, visit_whole, t, found, err);
}

/* All checkpoints of a run hold the same kernels, so a damaged newest one is no loss here. */
static fig_status visit_kernels(void *user, const char *path, bool *found, fig_error *err)
{
    (void)err;
    fig__safetensors *file;
    if (fig__safetensors_open(path, &file, NULL) != FIG_OK)
        return FIG_OK;
    const char *format = fig__safetensors_metadata(file, "format"), *kernels = fig__safetensors_metadata(file, "kernels");
    *found = format && !strcmp(format, "figment.checkpoint/1") && fig__verify_checksums(file, path, NULL) == FIG_OK;
    if (*found && kernels) /* one of an earlier version has none: it was made with the fixed ones */
        fig__choices_read(user, kernels, strlen(kernels));
    fig__safetensors_close(file);
    return FIG_OK;
}

bool fig__checkpoint_choices(const fig_trainer *t, fig_choices *choices)
{
    bool found;
    return visit_newest(t, visit_kernels, choices, &found, NULL) == FIG_OK && found;
}

/* -- cutting what will be written again ---------------------------------------------------------------------------- */

static fig_status cut_log(fig_trainer *t, fig_error *err)
{
    fig__arena *arena = fig__arena_new();
    char *path = fig__run_path(t, arena, "log.jsonl");
    fig__map map;
    fig_status status = FIG_OK;
    if (fig__map_open(path, &map, NULL) == FIG_OK) {
        uint64_t length = map.length;
        fig__map_close(&map);
        if (length > (uint64_t)t->state.log_bytes)
            status = fig__file_truncate(path, (uint64_t)t->state.log_bytes, err);
        else
            t->state.log_bytes = (int64_t)length; /* somebody shortened it; go on behind what is left */
    } else {
        t->state.log_bytes = 0;
    }
    fig__arena_free(arena);
    return status;
}

static void cut_samples(const fig_trainer *t)
{
    fig__arena *arena = fig__arena_new();
    char **names;
    size_t count;
    if (fig__list_folder(arena, fig__run_path(t, arena, "samples"), &names, &count, NULL) == FIG_OK)
        for (size_t i = 0; i < count; i++) {
            long long step;
            int used = 0;
            bool ours = sscanf(names[i], "step-%lld.%n", &step, &used) == 1 && used;
            bool redo = step == t->state.step && (t->state.todo & FIG__TODO_SAMPLE);
            if (ours && (step > t->state.step || redo))
                unlink(fig__run_path(t, arena, fig__arena_format(arena, "samples/%s", names[i])));
        }
    fig__arena_free(arena);
}

fig_status fig__checkpoint_resume(fig_trainer *t, bool *found, fig_error *err)
{
    FIG_TRY(find_valid(t, found, err));
    FIG_TRY(cut_log(t, err));
    cut_samples(t);
    return FIG_OK;
}

/* Back to the newest checkpoint, then on with other data and other noise than the first time. */
fig_status fig__checkpoint_roll_back(fig_trainer *t, fig_error *err)
{
    int64_t failed = t->state.step + 1, drawn[FIG__MAX_DATA], few[FIG__MAX_DATA], skip = t->state.noise_skip;
    memcpy(drawn, t->state.drawn, sizeof drawn);
    memcpy(few, t->state.few, sizeof few);
    fig__controlling kept[FIG__MAX_LISTENERS];
    for (int i = 0; i < t->n_controllers; i++) { /* the controllers' memory is of now: they count their roll-backs */
        size_t bytes = t->controller[i].record->state_size;
        kept[i].state = memcpy(fig__alloc(bytes + 1), t->controller[i].state, bytes);
    }
    int64_t log_bytes = t->state.log_bytes;
    bool found;
    fig_status status = find_valid(t, &found, err);
    for (int i = 0; i < t->n_controllers; i++) {
        memcpy(t->controller[i].state, kept[i].state, t->controller[i].record->state_size);
        free(kept[i].state);
    }
    FIG_TRY(status);
    if (!found)
        return fig_fail(err, FIG_E_NUMERIC,
                        "step %lld: the loss is not finite, and there is no checkpoint to go back to",
                        (long long)failed);
    memcpy(t->state.drawn, drawn, sizeof drawn);
    memcpy(t->state.few, few, sizeof few);
    t->state.noise_skip = skip + failed - t->state.step;
    t->state.log_bytes = log_bytes;
    fig__feeds_seek(t->feeds);
    return fig__checkpoint_write(t, err);
}
