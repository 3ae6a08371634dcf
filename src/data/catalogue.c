/* catalogue.c - reading share/catalogue.yaml, which is compiled in, and telling about it
 *
 * The build turns the file into one C string (see meson.build), so that the program finds it wherever it lies. */
#include "data/catalogue.h"
#include <stdlib.h>
#include <string.h>

static const char catalogue_text[] =
#include "catalogue.inc"
    ;

/* -- reading ------------------------------------------------------------------------------------------------------- */

/* A row's key is walked part by part: "datasets" . NAME . "files" . 0 . "sha256". */
typedef struct cursor {
    const char *at;
} cursor;

static size_t next_part(cursor *key, const char **part)
{
    *part = key->at;
    size_t length = strcspn(key->at, ".");
    key->at += length + (key->at[length] == '.');
    return length;
}

static bool is_word(const char *part, size_t length, const char *word)
{
    return strlen(word) == length && !memcmp(part, word, length);
}

static fig__dataset *find_or_add(fig__catalogue *catalogue, const char *name, size_t length)
{
    if (catalogue->count && is_word(name, length, catalogue->sets[catalogue->count - 1].name))
        return &catalogue->sets[catalogue->count - 1];
    fig__dataset *set = &catalogue->sets[catalogue->count++];
    set->name = fig__arena_format(catalogue->arena, "%.*s", (int)length, name);
    return set;
}

/* Element `index` of a list in the arena; lists are filled in order, so it is the last one or a new one. */
static void *element(fig__arena *arena, void *list, size_t *count, const char *index, size_t length, size_t size,
                     size_t maximum)
{
    size_t at = 0;
    for (size_t i = 0; i < length; i++)
        at = at * 10 + (size_t)(index[i] - '0');
    if (at >= maximum)
        return NULL;
    void **items = list;
    if (!*items)
        *items = fig__arena_alloc(arena, maximum * size);
    *count = at + 1 > *count ? at + 1 : *count;
    return (char *)*items + at * size;
}

static bool set_field(fig__catalogue *catalogue, fig__dataset *set, cursor *key, const char *value)
{
    const char *part, *index, *field;
    size_t length = next_part(key, &part);
    struct {
        const char *name;
        const char **place;
    } texts[] = {
        { "title", &set->title },     { "items", &set->items },   { "source", &set->source },
        { "licence", &set->licence }, { "credit", &set->credit },
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        if (is_word(part, length, texts[i].name)) {
            *texts[i].place = value;
            return true;
        }
    size_t index_length = next_part(key, &index), field_length = next_part(key, &field);
    if (is_word(part, length, "classes")) {
        size_t count = (size_t)set->class_count;
        const char **name = element(catalogue->arena, &set->classes, &count, index, index_length, sizeof *name, 1000);
        if (name)
            *name = value;
        set->class_count = (int)count;
        return name != NULL;
    }
    if (is_word(part, length, "files")) {
        fig__dataset_file *file =
            element(catalogue->arena, &set->files, &set->file_count, index, index_length, sizeof *file, 100);
        if (file && is_word(field, field_length, "name"))
            file->name = value;
        else if (file && is_word(field, field_length, "sha256"))
            file->sha256 = value;
        else if (file && is_word(field, field_length, "bytes"))
            file->bytes = strtoull(value, NULL, 10);
        else
            return false;
        return true;
    }
    if (is_word(part, length, "places")) {
        fig__dataset_place *place =
            element(catalogue->arena, &set->places, &set->place_count, index, index_length, sizeof *place, 16);
        struct {
            const char *name;
            const char **place;
        } fields[] = {
            { "kind", place ? &place->kind : NULL },
            { "what", place ? &place->what : NULL },
            { "from", place ? &place->from : NULL },
            { "suffix", place ? &place->suffix : NULL },
        };
        for (size_t i = 0; place && i < sizeof fields / sizeof *fields; i++)
            if (is_word(field, field_length, fields[i].name)) {
                *fields[i].place = value;
                return true;
            }
    }
    return false;
}

/* A file's name becomes part of a path: it must be a plain one. */
static bool is_plain(const char *name) { return name && *name && *name != '.' && !strchr(name, '/'); }

static fig_status check_set(fig__dataset *set, fig_error *err)
{
    bool fine = is_plain(set->name) && set->title && set->items && set->licence && set->source && set->file_count &&
                set->place_count && fig__source_find(set->source, strlen(set->source));
    for (size_t i = 0; fine && i < set->file_count; i++)
        fine = is_plain(set->files[i].name) && set->files[i].sha256 && strlen(set->files[i].sha256) == 64 &&
               set->files[i].bytes;
    for (size_t i = 0; fine && i < set->place_count; i++) {
        fig__dataset_place *place = &set->places[i];
        place->suffix = place->suffix ? place->suffix : "";
        place->from = place->from ? place->from : "";
        fine = place->kind && place->what;
    }
    return fine ? FIG_OK : fig_fail(err, FIG_E_FORMAT, "catalogue: the entry \"%s\" is not complete", set->name);
}

fig_status fig__catalogue_read(const char *text, size_t length, fig__catalogue *out, fig_error *err)
{
    *out = (fig__catalogue){ 0 };
    FIG_TRY(fig__yaml_parse(text, length, "catalogue", &out->yaml, err));
    out->arena = fig__arena_new();
    out->sets = FIG_NEW_ARRAY(out->arena, fig__dataset, out->yaml.count);
    fig_status status = FIG_OK;
    for (size_t i = 0; i < out->yaml.count && status == FIG_OK; i++) {
        const fig__yaml_row *row = &out->yaml.rows[i];
        cursor key = { row->key };
        const char *part, *name;
        size_t part_length = next_part(&key, &part), name_length = next_part(&key, &name);
        if (!is_word(part, part_length, "datasets") || !name_length ||
            !set_field(out, find_or_add(out, name, name_length), &key, row->value))
            status = fig_fail(err, FIG_E_FORMAT, "catalogue: line %d: unknown key %s", row->line, row->key);
    }
    for (size_t i = 0; i < out->count && status == FIG_OK; i++)
        status = check_set(&out->sets[i], err);
    if (status != FIG_OK)
        fig__catalogue_free(out);
    return status;
}

fig_status fig__catalogue_load(fig__catalogue *out, fig_error *err)
{
    return fig__catalogue_read(catalogue_text, sizeof catalogue_text - 1, out, err);
}

void fig__catalogue_free(fig__catalogue *catalogue)
{
    fig__arena_free(catalogue->arena);
    fig__yaml_free(&catalogue->yaml);
    *catalogue = (fig__catalogue){ 0 };
}

const fig__dataset *fig__catalogue_find(const fig__catalogue *catalogue, const char *name)
{
    for (size_t i = 0; i < catalogue->count; i++)
        if (!strcmp(catalogue->sets[i].name, name))
            return &catalogue->sets[i];
    return NULL;
}

const char *fig__catalogue_nearest(const fig__catalogue *catalogue, const char *name)
{
    const char *nearest = NULL;
    int best = 4;
    for (size_t i = 0; i < catalogue->count; i++) {
        int distance = fig__edit_distance(name, catalogue->sets[i].name);
        if (distance < best && distance * 2 < (int)strlen(catalogue->sets[i].name)) {
            best = distance;
            nearest = catalogue->sets[i].name;
        }
    }
    return nearest;
}

/* -- telling ------------------------------------------------------------------------------------------------------- */

static void put_text(fig__text *out, const char *key, const char *value)
{
    fig__text_print(out, ",\"%s\":", key);
    if (value)
        fig__json_put_text(out, value);
    else
        fig__text_print(out, "null");
}

static void put_set(fig__text *out, fig__arena *arena, const fig__dataset *set)
{
    uint64_t bytes = 0;
    bool installed;
    const char *path = fig__dataset_locate(arena, set, &installed);
    for (size_t i = 0; i < set->file_count; i++)
        bytes += set->files[i].bytes;
    fig__text_print(out, "{\"name\":\"%s\"", set->name);
    put_text(out, "title", set->title);
    put_text(out, "source", set->source);
    put_text(out, "items", set->items);
    fig__text_print(out, ",\"bytes\":%llu", (unsigned long long)bytes);
    put_text(out, "licence", set->licence);
    put_text(out, "credit", set->credit);
    put_text(out, "state", !path ? "absent" : installed ? "installed" : "cached");
    put_text(out, "path", path);
    fig__text_print(out, ",\"places\":[");
    for (size_t i = 0; i < set->place_count; i++) {
        fig__text_print(out, i ? ",{\"kind\":\"%s\"" : "{\"kind\":\"%s\"", set->places[i].kind);
        put_text(out, "what", set->places[i].what);
        fig__text_print(out, "}");
    }
    fig__text_print(out, "]}");
}

fig_status fig_data_catalogue(char **json, fig_error *err)
{
    *json = NULL;
    fig__catalogue catalogue;
    FIG_TRY(fig__catalogue_load(&catalogue, err));
    fig__text out;
    fig__text_init(&out, 1 << 20);
    fig__arena *arena = fig__arena_new();
    char *cache = fig__cache_folder();
    fig__text_print(&out, "{\"schema\":\"figment.catalogue/1\"");
    put_text(&out, "cache", cache);
    fig__text_print(&out, ",\"datasets\":[");
    for (size_t i = 0; i < catalogue.count; i++) {
        fig__text_print(&out, i ? "," : "");
        put_set(&out, arena, &catalogue.sets[i]);
    }
    fig__text_print(&out, "]}");
    free(cache);
    fig__arena_free(arena);
    fig__catalogue_free(&catalogue);
    *json = out.data;
    return FIG_OK;
}
