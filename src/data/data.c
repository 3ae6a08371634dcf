/* data.c - opening data by name: a catalogue entry, "kind:PATH", or a path whose kind is found from its content */
#include "data/catalogue.h"
#include "data/prepared.h"
#include <stdlib.h>
#include <string.h>

static const char *base_name(fig__arena *arena, const char *path)
{
    char *copy = fig__arena_text(arena, path);
    for (size_t length = strlen(copy); length > 1 && copy[length - 1] == '/';)
        copy[--length] = 0;
    char *slash = strrchr(copy, '/');
    return slash && slash[1] ? slash + 1 : copy;
}

static fig_status count_items(fig_data *data, const char *path, fig_error *err)
{
    const fig_data_info *info = &data->contents.info;
    for (int split = 0; split < FIG_SPLITS; split++)
        if (info->items[split] > 0)
            return FIG_OK;
    if (info->skipped)
        return fig_fail(err, FIG_E_FORMAT, "%s: none of its %lld items can be read; the first is %s: %s", path,
                        (long long)info->skipped, data->contents.skipped[0].name, data->contents.skipped[0].reason);
    return fig_fail(err, FIG_E_NOT_FOUND, "%s: no items in it", path);
}

static fig_status open_with(fig_data *data, const fig_source *source, const char *name, const char *path,
                            fig_error *err)
{
    fig__contents *contents = &data->contents;
    data->source = source;
    contents->info.name = fig__arena_text(contents->arena, name);
    contents->info.source = source->name;
    contents->info.path = fig__arena_text(contents->arena, path);
    FIG_TRY(source->open(contents, path, err));
    FIG_TRY(count_items(data, path, err));
    fig__sha256_finish(contents->hash, data->hash);
    contents->hash = NULL;
    fig__warn_skipped(contents);
    return FIG_OK;
}

/* "kind:PATH" with a known kind. A path with a colon in it is still a path. */
static const fig_source *find_prefix(const char *name, const char **rest)
{
    const char *colon = strchr(name, ':');
    const fig_source *source = colon && colon > name ? fig__source_find(name, (size_t)(colon - name)) : NULL;
    *rest = source ? colon + 1 : name;
    return source;
}

static fig_status unknown_name(const fig__catalogue *catalogue, const char *name, fig_error *err)
{
    char *kinds = fig__source_names();
    const char *near = fig__catalogue_nearest(catalogue, name);
    fig_status status =
        near ? fig_fail(err, FIG_E_NOT_FOUND,
                        "%s: no such file or folder, nor a data set of the catalogue; did you mean %s?", name, near)
             : fig_fail(err, FIG_E_NOT_FOUND,
                        "%s: no such file or folder, nor a data set of the catalogue (figment data "
                        "list); kinds that can be named as KIND:PATH: %s",
                        name, kinds);
    free(kinds);
    return status;
}

static bool is_any_file(const char *name) { return *name != 0; }

/* What a folder that no source wants has in it: nothing, something unreadable, or other files. */
static fig_status unknown_folder(const char *path, fig_error *err)
{
    fig__arena *arena = fig__arena_new();
    fig__files files;
    char *kinds = fig__source_names(), first[200];
    fig_status status = fig__find_files(arena, path, is_any_file, &files, err);
    if (status == FIG_OK && !files.count)
        status = fig_fail(err, FIG_E_NOT_FOUND, "%s: an empty folder%s; put PNG, JPEG or WebP pictures or other data into it",
                          path, files.links ? " (links are not followed)" : "");
    else if (status == FIG_OK) {
        fig_printable(files.names[0], first, sizeof first);
        status = fig_fail(err, FIG_E_FORMAT,
                          "%s: none of its %zu files is data of a known kind (the first is %s); known are %s, and KIND:PATH "
                          "forces one",
                          path, files.count, first, kinds);
    }
    free(kinds);
    fig__arena_free(arena);
    return status;
}

static fig_status unknown_kind(const char *path, fig_error *err)
{
    if (fig__path_is_folder(path))
        return unknown_folder(path, err);
    char *kinds = fig__source_names();
    fig_status status =
        fig_fail(err, FIG_E_FORMAT, "%s: no kind of data that is known (%s); force one with KIND:PATH", path, kinds);
    free(kinds);
    return status;
}

static fig_status open_dataset(fig_data *data, const fig__dataset *set, fig_error *err)
{
    fig__contents *contents = &data->contents;
    char *path;
    if (fig__path_exists(set->name))
        fig__warn(contents, "%s is taken from the catalogue; for the one in this folder write ./%s", set->name,
                  set->name);
    FIG_TRY(fig__dataset_get(set, &contents->opts, &path, err));
    const char *kept = fig__arena_text(contents->arena, path);
    free(path);
    FIG_TRY(open_with(data, fig__source_find(set->source, strlen(set->source)), set->name, kept, err));
    if (set->class_count && set->class_count == contents->info.classes) {
        const char **names = FIG_NEW_ARRAY(contents->arena, const char *, set->class_count);
        for (int i = 0; i < set->class_count; i++)
            names[i] = fig__arena_text(contents->arena, set->classes[i]);
        contents->info.class_names = names;
    }
    return FIG_OK;
}

/* A name of the catalogue wins over a file or folder so called; with a slash in it, a name is a path. */
static fig_status open_named(fig_data *data, const char *name, fig_error *err)
{
    const char *rest;
    int score;
    const fig_source *source = find_prefix(name, &rest);
    if (source)
        return open_with(data, source, source->probe ? base_name(data->contents.arena, rest) : name, rest, err);
    fig__catalogue catalogue;
    FIG_TRY(fig__catalogue_load(&catalogue, err));
    const fig__dataset *set = fig__catalogue_find(&catalogue, name);
    fig_status status;
    if (set)
        status = open_dataset(data, set, err);
    else if (!fig__path_exists(name))
        status = unknown_name(&catalogue, name, err);
    else if (!(source = fig__source_probe(name, &score)))
        status = unknown_kind(name, err);
    else
        status = open_with(data, source, base_name(data->contents.arena, name), name, err);
    fig__catalogue_free(&catalogue);
    return status;
}

fig_status fig_data_open(const char *name, const fig_data_open_opts *opts, fig_data **out, fig_error *err)
{
    *out = NULL;
    if (!name || !*name)
        return fig_fail(err, FIG_E_USAGE, "no data set was named");
    fig_data *data = fig__alloc(sizeof *data);
    fig__contents_init(&data->contents, opts);
    fig_status status = open_named(data, name, err);
    if (status != FIG_OK) {
        fig_data_free(data);
        return status;
    }
    *out = data;
    return FIG_OK;
}

void fig_data_free(fig_data *data)
{
    if (!data)
        return;
    fig__prepared_release(data);
    if (data->source && data->contents.self && data->source->close)
        data->source->close(&data->contents);
    fig__contents_clear(&data->contents);
    free(data);
}

const fig_data_info *fig_data_get_info(const fig_data *data) { return &data->contents.info; }
const fig_data_spec *fig_data_get_spec(const fig_data *data) { return data->spec; }
int64_t fig_data_items(const fig_data *data, fig_split split) { return data->count[split]; }
