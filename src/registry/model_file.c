/* registry/model_file.c - writing a model file, and taking weights from one */
#include "registry/model_file.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static char *options_json(const fig_option *table, const void *values, fig__arena *arena)
{
    fig__text out;
    fig__text_init(&out, 1 << 20);
    char value[4096];
    fig__text_print(&out, "{");
    bool first = true;
    for (const fig_option *row = table; row && row->type != FIG_END; row++) {
        if (row->type == FIG_TEXT && !*(char *const *)((const char *)values + row->place))
            continue;
        fig_options_get(row, values, value, sizeof value);
        fig__text_print(&out, "%s", first ? "" : ",");
        fig__json_put_text(&out, row->name);
        fig__text_print(&out, ":");
        fig__json_put_text(&out, value);
        first = false;
    }
    fig__text_print(&out, "}");
    char *text = fig__arena_text(arena, out.data);
    fig__text_free(&out);
    return text;
}

/* Exported states, with their moving averages' data where the model is used with those. */
static size_t list_exported(const fig_trained *m, fig__arena *arena, fig__safetensors_entry **entries)
{
    size_t count = 0;
    int all = fig_store_count(m->store);
    *entries = FIG_NEW_ARRAY(arena, fig__safetensors_entry, all);
    for (int i = 0; i < all; i++) {
        if (!(fig_store_flags(m->store, i) & FIG_EXPORTED))
            continue;
        const char *name = fig_store_name(m->store, i);
        int from =
            m->state_prefix ? fig_store_find(m->store, fig__arena_format(arena, "%s%s", m->state_prefix, name)) : -1;
        from = from < 0 ? i : from;
        (*entries)[count++] = (fig__safetensors_entry){ .name = name,
                                                        .type = *fig_store_type(m->store, i),
                                                        .data = fig_store_data(m->store, from),
                                                        .bytes = fig_store_bytes(m->store, from) };
    }
    return count;
}

fig_status fig__model_file_write(const char *path, const fig_trained *m, const fig__model_notes *notes, fig_error *err)
{
    fig__arena *arena = fig__arena_new();
    char *spec = fig_data_spec_to_json(m->data);
    fig__safetensors_entry *entries;
    size_t count = list_exported(m, arena, &entries);
    fig__pairs pairs = { .pair = {
        { "format", "figment.model/1" },
        { "recipe", m->recipe->name },
        { "options", options_json(m->recipe->options, m->options, arena) },
        { "preset", notes->preset ? notes->preset : "" },
        { "data", spec },
        { "scores", notes->scores ? notes->scores : "[]" },
        { "provenance", notes->provenance ? notes->provenance : "{}" },
    }, .count = 7 };
    fig__add_checksums(&pairs, entries, count, arena);
    fig_status status = fig__safetensors_write(path, entries, count, pairs.pair, pairs.count, err);
    free(spec);
    fig__arena_free(arena);
    return status;
}

fig_status fig__model_file_weights(const char *path, fig_store *store, const char *scope, const char *recipe,
                                   int *count, fig_error *err)
{
    *count = 0;
    fig__safetensors *file;
    FIG_TRY(fig__safetensors_open(path, &file, err));
    fig_status status = FIG_OK;
    const char *made_by = fig__safetensors_metadata(file, "recipe");
    if (made_by)
        status = fig__verify_checksums(file, path, err);
    if (status == FIG_OK && recipe && made_by && strcmp(made_by, recipe))
        status = fig_fail(err, FIG_E_USAGE, "%s: is a model of recipe %.60s, not %s", path, made_by, recipe);
    for (size_t i = 0; i < fig__safetensors_count(file) && status == FIG_OK; i++) {
        const fig__safetensors_entry *entry = fig__safetensors_at(file, i);
        char *name = scope ? fig__format("%s.%s", scope, entry->name) : fig__strdup(entry->name);
        int index = fig_store_find(store, name);
        free(name);
        if (index < 0)
            continue;
        status =
            fig__safetensors_get(file, entry->name, fig_store_type(store, index), fig_store_data(store, index), err);
        if (status != FIG_OK)
            fig_error_prefix(err, "%s", path);
        *count += status == FIG_OK;
    }
    fig__safetensors_close(file);
    if (status == FIG_OK && !*count)
        return fig_fail(err, FIG_E_USAGE, "%s: holds none of this model's weights", path);
    return status;
}
