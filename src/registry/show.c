/* registry/show.c - what a model or a run is, as JSON: "figment.model/1" and "figment.run/1"
 *
 * A model file describes itself in its metadata, which are JSON texts already. A run is told from its files: run.yaml,
 * the last lines of log.jsonl, and what lies in its folders; nothing is computed. */
#include "registry/model_file.h"

#include <stdlib.h>
#include <string.h>

static void put_counts(const fig_trained *m, fig__text *out)
{
    const char *at = m->recipe->networks ? m->recipe->networks : "";
    int64_t total = 0;
    for (int i = 0; i < fig_store_count(m->store); i++)
        if (fig_store_flags(m->store, i) & FIG_TRAINED)
            total += fig__count(fig_store_type(m->store, i));
    fig__text_print(out, "{\"all\": %lld", (long long)total);
    while (*at) {
        size_t length = strcspn(at, " ");
        char *scope = fig__format("%.*s", (int)length, at);
        int64_t count = 0;
        for (int i = 0; i < fig_store_count(m->store); i++)
            if ((fig_store_flags(m->store, i) & FIG_TRAINED) && fig__in_scopes(fig_store_name(m->store, i), scope))
                count += fig__count(fig_store_type(m->store, i));
        fig__text_print(out, ", ");
        fig__json_put_text(out, scope);
        fig__text_print(out, ": %lld", (long long)count);
        free(scope);
        at += length + strspn(at + length, " ");
    }
    fig__text_print(out, "}");
}

static void put_options(const fig_option *table, const void *values, fig__text *out)
{
    char value[4096];
    fig__text_print(out, "{");
    for (const fig_option *row = table; row && row->type != FIG_END; row++) {
        fig_options_get(row, values, value, sizeof value);
        fig__text_print(out, "%s", row == table ? "" : ", ");
        fig__json_put_text(out, row->name);
        fig__text_print(out, ": ");
        if (row->type == FIG_INT || row->type == FIG_FLOAT || row->type == FIG_BOOL)
            fig__text_print(out, "%s", strcmp(value, "inf") ? value : "null");
        else
            fig__json_put_text(out, value);
    }
    fig__text_print(out, "}");
}

char *fig_trained_json(const fig_trained *m)
{
    fig__text out;
    fig__text_init(&out, 64u << 20);
    char *data = fig_data_spec_to_json(m->data);
    fig__text_print(&out, "{\"schema\": \"figment.model/1\", \"path\": ");
    fig__json_put_text(&out, m->path ? m->path : "");
    fig__text_print(&out, ", \"recipe\": ");
    fig__json_put_text(&out, m->recipe->name);
    fig__text_print(&out, ", \"preset\": ");
    fig__json_put_text(&out, m->preset ? m->preset : "");
    fig__text_print(&out, ", \"parameters\": ");
    put_counts(m, &out);
    fig__text_print(&out, ", \"options\": ");
    put_options(m->recipe->options, m->options, &out);
    fig__text_print(&out, ", \"data\": %s, \"scores\": %s, \"provenance\": %s}", data ? data : "null",
                    m->scores ? m->scores : "[]", m->provenance ? m->provenance : "{}");
    free(data);
    return out.data;
}

/* -- runs ---------------------------------------------------------------------------------------------------------- */

static void put_names(fig__arena *arena, const char *folder, const char *what, fig__text *out)
{
    char **names;
    size_t count;
    fig__text_print(out, ", \"%s\": [", what);
    if (fig__list_folder(arena, fig__path_join(arena, folder, what), &names, &count, NULL) == FIG_OK)
        for (size_t i = 0, put = 0; i < count; i++)
            if (names[i][0] != '.') {
                fig__text_print(out, "%s", put++ ? ", " : "");
                fig__json_put_text(out, names[i]);
            }
    fig__text_print(out, "]");
}

/* The last line of each split in the log. A line is put in as it is when it parses. */
static void put_last_lines(const char *text, fig__text *out)
{
    static const char *const splits[] = { "train", "validation" };
    for (int k = 0; k < 2; k++) {
        const char *found = NULL;
        size_t length = 0;
        char mark[40];
        snprintf(mark, sizeof mark, "\"split\": \"%s\"", splits[k]);
        for (const char *at = text; *at;) {
            size_t line = strcspn(at, "\n");
            const char *hit = strstr(at, mark);
            if (!hit)
                break;
            if (hit < at + line) {
                found = at;
                length = line;
            }
            at += line + (at[line] == '\n');
        }
        fig__json *row = NULL;
        if (found && fig__json_parse(found, length, "log.jsonl", &row, NULL) == FIG_OK)
            fig__text_print(out, ", \"last_%s\": %.*s", splits[k], (int)length, found);
        fig__json_free(row);
    }
}

static fig_status show_run(const char *path, char **json, fig_error *err)
{
    fig__arena *arena = fig__arena_new();
    char *text = NULL, *log = NULL;
    uint64_t length;
    fig__yaml yaml = { 0 };
    char *file = fig__path_join(arena, path, "run.yaml");
    fig_status status = fig__file_read(file, 4 << 20, &text, &length, err);
    if (status == FIG_OK)
        status = fig__yaml_parse(text, length, file, &yaml, err);
    if (status != FIG_OK) {
        free(text);
        fig__arena_free(arena);
        return status;
    }
    fig__text out;
    fig__text_init(&out, 64u << 20);
    fig__text_print(&out, "{\"schema\": \"figment.run/1\", \"path\": ");
    fig__json_put_text(&out, path);
    fig__text_print(&out, ", \"settings\": {");
    for (size_t i = 0; i < yaml.count; i++) {
        fig__text_print(&out, "%s", i ? ", " : "");
        fig__json_put_text(&out, yaml.rows[i].key);
        fig__text_print(&out, ": ");
        fig__json_put_text(&out, yaml.rows[i].value);
    }
    fig__text_print(&out, "}");
    if (fig__file_read(fig__path_join(arena, path, "log.jsonl"), 1u << 30, &log, &length, NULL) == FIG_OK)
        put_last_lines(log, &out);
    put_names(arena, path, "samples", &out);
    put_names(arena, path, "checkpoints", &out);
    bool model = fig__path_exists(fig__path_join(arena, path, "model.safetensors"));
    bool finished = fig__path_exists(fig__path_join(arena, path, "report.html"));
    fig__text_print(&out, ", \"finished\": %s", finished ? "true" : "false");
    fig_trained *trained = NULL;
    if (model && fig_load(NULL, path, &trained, NULL) == FIG_OK) {
        char *inside = fig_trained_json(trained);
        fig__text_print(&out, ", \"model\": %s", inside);
        free(inside);
        fig_trained_free(trained);
    } else {
        fig__text_print(&out, ", \"model\": null");
    }
    fig__text_print(&out, "}");
    *json = out.data;
    free(text);
    free(log);
    fig__yaml_free(&yaml);
    fig__arena_free(arena);
    return FIG_OK;
}

fig_status fig_show_json(const char *path, char **json, fig_error *err)
{
    *json = NULL;
    if (!fig__path_exists(path))
        return fig_fail(err, FIG_E_NOT_FOUND, "%s: no such model or run", path);
    if (fig__path_is_folder(path)) {
        fig__arena *arena = fig__arena_new();
        bool run = fig__path_exists(fig__path_join(arena, path, "run.yaml"));
        fig__arena_free(arena);
        if (run)
            return show_run(path, json, err);
    }
    fig_trained *m;
    FIG_TRY(fig_load(NULL, path, &m, err));
    *json = fig_trained_json(m);
    fig_trained_free(m);
    return FIG_OK;
}
