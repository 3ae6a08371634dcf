/* json.c - reading JSON from outside: limits, then a small tree of our own
 *
 * jansson parses (UTF-8 checked, duplicate keys and trailing bytes refused); its tree is then copied into one arena,
 * where an object is two arrays in file order. Objects with more than a few members also get an index: open addressing
 * by hash of the key, so that a tokenizer's 50,000 entries are found at once.
 *
 *     object: keys[count], items[count], index[power of two >= 2 * count] -> position + 1, 0 = free
 *
 * Reading a value as something it is not gives the caller's fallback, so callers check what they need and nothing can
 * crash. */
#include "core/core.h"
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
    MAXIMUM_DEPTH = 128,       /* no format of ours nests deeper than ten */
    MAXIMUM_BYTES = 100 << 20, /* the limit of a safetensors header, the largest JSON we read */
    SMALL_OBJECT = 8           /* up to here looking at every key is faster than hashing */
};

typedef enum kind { KIND_NULL, KIND_BOOL, KIND_INT, KIND_REAL, KIND_TEXT, KIND_ARRAY, KIND_OBJECT } kind;

struct fig__json {
    kind kind;
    uint32_t count;      /* of an array or object */
    uint32_t index_mask; /* of an object with an index, else 0 */
    union {
        bool boolean;
        int64_t integer;
        double real;
        const char *text;
        struct {
            struct fig__json *items;
            const char **keys;
            uint32_t *index;
        } list;
    } as;
};

/* The root knows the arena in which everything, itself included, lives. */
typedef struct root { fig__json value; fig__arena *arena; } root;

static void make_index(fig__arena *arena, fig__json *object)
{
    uint32_t size = 2 * SMALL_OBJECT;
    while (size < 2 * object->count)
        size *= 2;
    object->index_mask = size - 1;
    object->as.list.index = FIG_NEW_ARRAY(arena, uint32_t, size);
    for (uint32_t i = 0; i < object->count; i++) {
        const char *key = object->as.list.keys[i];
        uint32_t slot = (uint32_t)fig__hash64(key, strlen(key), 0) & object->index_mask;
        while (object->as.list.index[slot])
            slot = (slot + 1) & object->index_mask;
        object->as.list.index[slot] = i + 1;
    }
}

/* Copies a value and all below it; false when it nests too deep. */
static bool copy(fig__arena *arena, const json_t *from, fig__json *to, int depth)
{
    if (depth > MAXIMUM_DEPTH)
        return false;
    switch (json_typeof(from)) {
    case JSON_OBJECT: {
        *to = (fig__json){ .kind = KIND_OBJECT, .count = (uint32_t)json_object_size(from) };
        to->as.list.keys = FIG_NEW_ARRAY(arena, const char *, to->count);
        to->as.list.items = FIG_NEW_ARRAY(arena, fig__json, to->count);
        uint32_t i = 0;
        for (void *at = json_object_iter((json_t *)(uintptr_t)from); at;
             at = json_object_iter_next((json_t *)(uintptr_t)from, at), i++) {
            to->as.list.keys[i] = fig__arena_text(arena, json_object_iter_key(at));
            if (!copy(arena, json_object_iter_value(at), &to->as.list.items[i], depth + 1))
                return false;
        }
        if (to->count > SMALL_OBJECT)
            make_index(arena, to);
        return true;
    }
    case JSON_ARRAY:
        *to = (fig__json){ .kind = KIND_ARRAY, .count = (uint32_t)json_array_size(from) };
        to->as.list.items = FIG_NEW_ARRAY(arena, fig__json, to->count);
        for (uint32_t i = 0; i < to->count; i++)
            if (!copy(arena, json_array_get(from, i), &to->as.list.items[i], depth + 1))
                return false;
        return true;
    case JSON_STRING:
        *to = (fig__json){ .kind = KIND_TEXT, .as.text = fig__arena_text(arena, json_string_value(from)) };
        return true;
    case JSON_INTEGER:
        *to = (fig__json){ .kind = KIND_INT, .as.integer = json_integer_value(from) };
        return true;
    case JSON_REAL:
        *to = (fig__json){ .kind = KIND_REAL, .as.real = json_real_value(from) };
        return true;
    case JSON_TRUE:
    case JSON_FALSE:
        *to = (fig__json){ .kind = KIND_BOOL, .as.boolean = json_is_true(from) };
        return true;
    case JSON_NULL:
        break;
    }
    *to = (fig__json){ .kind = KIND_NULL };
    return true;
}

fig_status fig__json_parse(const char *text, size_t length, const char *where, fig__json **out, fig_error *err)
{
    *out = NULL;
    if (length > MAXIMUM_BYTES)
        return fig_fail(err, FIG_E_LIMIT, "%s: %zu bytes of JSON, at most %d are read", where, length, MAXIMUM_BYTES);
    json_error_t fault;
    json_t *parsed = json_loadb(text, length, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &fault);
    if (!parsed)
        return fig_fail(err, FIG_E_FORMAT, "%s: line %d, column %d: invalid JSON (%s)", where, fault.line, fault.column,
                        fault.text);
    fig__arena *arena = fig__arena_new();
    root *made = FIG_NEW(arena, root);
    made->arena = arena;
    bool copied = copy(arena, parsed, &made->value, 0);
    json_decref(parsed);
    if (!copied) {
        fig__arena_free(arena);
        return fig_fail(err, FIG_E_LIMIT, "%s: JSON nests deeper than %d levels", where, MAXIMUM_DEPTH);
    }
    *out = &made->value;
    return FIG_OK;
}

void fig__json_free(fig__json *json)
{
    if (json)
        fig__arena_free(((root *)json)->arena);
}

/* -- navigation ---------------------------------------------------------------------------------------------------- */

static bool is(const fig__json *value, kind wanted) { return value && value->kind == wanted; }

const fig__json *fig__json_get(const fig__json *object, const char *key)
{
    if (!is(object, KIND_OBJECT))
        return NULL;
    if (!object->index_mask) {
        for (uint32_t i = 0; i < object->count; i++)
            if (!strcmp(object->as.list.keys[i], key))
                return &object->as.list.items[i];
        return NULL;
    }
    uint32_t slot = (uint32_t)fig__hash64(key, strlen(key), 0) & object->index_mask;
    for (uint32_t found; (found = object->as.list.index[slot]); slot = (slot + 1) & object->index_mask)
        if (!strcmp(object->as.list.keys[found - 1], key))
            return &object->as.list.items[found - 1];
    return NULL;
}

const fig__json *fig__json_at(const fig__json *array, size_t index)
{
    return is(array, KIND_ARRAY) && index < array->count ? &array->as.list.items[index] : NULL;
}

size_t fig__json_count(const fig__json *list)
{
    return is(list, KIND_ARRAY) || is(list, KIND_OBJECT) ? list->count : 0;
}

const char *fig__json_key(const fig__json *object, size_t index)
{
    return is(object, KIND_OBJECT) && index < object->count ? object->as.list.keys[index] : NULL;
}

const fig__json *fig__json_value(const fig__json *object, size_t index)
{
    return is(object, KIND_OBJECT) && index < object->count ? &object->as.list.items[index] : NULL;
}

bool fig__json_is_object(const fig__json *value) { return is(value, KIND_OBJECT); }
bool fig__json_is_array(const fig__json *value) { return is(value, KIND_ARRAY); }
bool fig__json_is_number(const fig__json *value) { return is(value, KIND_INT) || is(value, KIND_REAL); }
bool fig__json_is_integer(const fig__json *value) { return is(value, KIND_INT); }
bool fig__json_is_null(const fig__json *value) { return is(value, KIND_NULL); }

const char *fig__json_text(const fig__json *value, const char *fallback)
{
    return is(value, KIND_TEXT) ? value->as.text : fallback;
}

double fig__json_number(const fig__json *value, double fallback)
{
    return is(value, KIND_INT) ? (double)value->as.integer : is(value, KIND_REAL) ? value->as.real : fallback;
}

int64_t fig__json_int(const fig__json *value, int64_t fallback)
{
    if (is(value, KIND_INT))
        return value->as.integer;
    if (is(value, KIND_REAL) && value->as.real == rint(value->as.real) && fabs(value->as.real) < 0x1p53)
        return (int64_t)value->as.real;
    return fallback;
}

bool fig__json_bool(const fig__json *value, bool fallback)
{
    return is(value, KIND_BOOL) ? value->as.boolean : fallback;
}

/* -- writing ------------------------------------------------------------------------------------------------------- */

void fig__json_put_text(fig__text *out, const char *text)
{
    fig__text_add(out, "\"", 1);
    while (*text) {
        const char *start = text;
        int32_t point = fig__utf8_next(&text);
        switch (point) {
        case '"':
        case '\\':
            fig__text_print(out, "\\%c", (char)point);
            break;
        case '\n':
            fig__text_add(out, "\\n", 2);
            break;
        case '\r':
            fig__text_add(out, "\\r", 2);
            break;
        case '\t':
            fig__text_add(out, "\\t", 2);
            break;
        case -1: /* not UTF-8: the replacement character */
            fig__text_add(out, "\xef\xbf\xbd", 3);
            break;
        default:
            if (point < 0x20 || point == 0x7f)
                fig__text_print(out, "\\u%04x", (unsigned)point);
            else
                fig__text_add(out, start, (size_t)(text - start));
        }
    }
    fig__text_add(out, "\"", 1);
}

void fig__json_put_number(fig__text *out, double value)
{
    char number[32];
    fig__number_text(value, number);
    fig__text_print(out, "%s", isfinite(value) ? number : "null"); /* JSON has no NaN */
}
