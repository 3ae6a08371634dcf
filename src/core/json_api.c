/* core/json_api.c - the public face of the JSON reader (figment/json.h): the same tree, the questions hosts need */
#include "core/core.h"
#include <figment/json.h>

fig_status fig_json_parse(const char *text, size_t length, const char *where, fig_json **out, fig_error *err)
{
    return fig__json_parse(text, length, where, out, err);
}

void fig_json_free(fig_json *root)
{
    fig__json_free(root);
}

fig_json_kind fig_json_kind_of(const fig_json *value)
{
    if (!value)
        return FIG_JSON_NONE;
    if (fig__json_is_object(value))
        return FIG_JSON_OBJECT;
    if (fig__json_is_array(value))
        return FIG_JSON_ARRAY;
    if (fig__json_is_number(value))
        return FIG_JSON_NUMBER;
    if (fig__json_is_null(value))
        return FIG_JSON_NULL;
    return fig__json_text(value, NULL) ? FIG_JSON_TEXT : FIG_JSON_BOOL;
}

const fig_json *fig_json_get(const fig_json *object, const char *key)
{
    return fig__json_get(object, key);
}

size_t fig_json_count(const fig_json *array_or_object)
{
    return fig__json_count(array_or_object);
}

const fig_json *fig_json_at(const fig_json *array_or_object, size_t index)
{
    return fig__json_is_object(array_or_object) ? fig__json_value(array_or_object, index) : fig__json_at(array_or_object, index);
}

const char *fig_json_key(const fig_json *object, size_t index)
{
    return fig__json_key(object, index);
}

const char *fig_json_text(const fig_json *value, const char *fallback)
{
    return fig__json_text(value, fallback);
}

double fig_json_number(const fig_json *value, double fallback)
{
    return fig__json_number(value, fallback);
}

bool fig_json_bool(const fig_json *value, bool fallback)
{
    return fig__json_bool(value, fallback);
}
