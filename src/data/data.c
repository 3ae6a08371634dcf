/* data.c - opening data by name: a catalogue entry, "kind:PATH", or a path whose kind is found from its content */
#include <data/prepared.h>
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

static fig_status open_with(fig_data *data, const fig_source *source, const char *name, const char *path, fig_error *err)
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

static fig_status unknown_name(const char *name, fig_error *err)
{
    char *kinds = fig__source_names();
    fig_status status = fig_fail(err, FIG_E_NOT_FOUND, "%s: no such file or folder (kinds that can be named as KIND:PATH: %s)", name,
                                 kinds);
    free(kinds);
    return status;
}

static fig_status open_named(fig_data *data, const char *name, fig_error *err)
{
    const char *rest;
    const fig_source *source = find_prefix(name, &rest);
    if (source)
        return open_with(data, source, source->probe ? base_name(data->contents.arena, rest) : name, rest, err);
    if (!fig__path_exists(name))
        return unknown_name(name, err);
    int score;
    source = fig__source_probe(name, &score);
    if (!source) {
        char *kinds = fig__source_names();
        fig_status status = fig_fail(err, FIG_E_FORMAT, "%s: no kind of data that is known (%s); force one with KIND:PATH", name, kinds);
        free(kinds);
        return status;
    }
    return open_with(data, source, base_name(data->contents.arena, name), name, err);
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
