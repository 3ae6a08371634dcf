/* option.c - option tables: defaults, text to value with range errors, value to text
 *
 * The table is the only thing that knows an option; this file is the only one that reads a row's type. A row's field in
 * the struct is reached through `place`: int64_t, double, bool, char * (owned) or int, as the type says. Messages name
 * the option, what was given and what is allowed; a caller with a place (a file and line, a flag) puts it in front. */
#include "core/core.h"
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static void *field_of(const fig_option *row, void *values) { return (char *)values + row->place; }
static const void *const_field(const fig_option *row, const void *values) { return (const char *)values + row->place; }

size_t fig_options_count(const fig_option *table)
{
    size_t count = 0;
    while (table && table[count].type != FIG_END)
        count++;
    return count;
}

static bool same_name(const char *a, const char *b)
{
    for (;; a++, b++) {
        if ((*a == '-' ? '_' : *a) != (*b == '-' ? '_' : *b))
            return false;
        if (!*a)
            return true;
    }
}

const fig_option *fig_options_find(const fig_option *table, const char *name)
{
    for (const fig_option *row = table; row && row->type != FIG_END; row++)
        if (same_name(row->name, name))
            return row;
    return NULL;
}

const char *fig_options_nearest(const fig_option *table, const char *name)
{
    /* A slip of the hand: few edits, and most of the word right. */
    size_t length = strlen(name);
    const char *nearest = NULL;
    int least = 4;
    for (const fig_option *row = table; row && row->type != FIG_END; row++) {
        int distance = fig__edit_distance(row->name, name);
        if (distance < least && (size_t)distance * 2 < length) {
            least = distance;
            nearest = row->name;
        }
    }
    if (nearest)
        return nearest;
    /* Or the group was left out: "hidden" for "critic.hidden". */
    for (const fig_option *row = table; row && row->type != FIG_END; row++) {
        const char *dot = strrchr(row->name, '.');
        if (dot && same_name(dot + 1, name))
            return row->name;
    }
    return NULL;
}

static int64_t whole(double number)
{
    if (number >= 0x1p63)
        return INT64_MAX;
    return number < -0x1p63 ? INT64_MIN : (int64_t)number;
}

void fig_options_defaults(const fig_option *table, void *values)
{
    for (const fig_option *row = table; row && row->type != FIG_END; row++) {
        void *field = field_of(row, values);
        switch (row->type) {
        case FIG_INT:
            *(int64_t *)field = whole(row->fallback);
            break;
        case FIG_FLOAT:
            *(double *)field = row->fallback;
            break;
        case FIG_BOOL:
            *(bool *)field = row->fallback != 0;
            break;
        case FIG_TEXT:
            *(char **)field = fig__strdup(row->fallback_text);
            break;
        case FIG_CHOICE:
            *(int *)field = (int)row->fallback;
            break;
        case FIG_END:
            break;
        }
    }
}

void fig_options_free(const fig_option *table, void *values)
{
    if (!values)
        return;
    for (const fig_option *row = table; row && row->type != FIG_END; row++)
        if (row->type == FIG_TEXT) {
            char **field = field_of(row, values);
            free(*field);
            *field = NULL;
        }
}

void fig_options_copy(const fig_option *table, void *to, const void *from)
{
    for (const fig_option *row = table; row && row->type != FIG_END; row++) {
        void *field = field_of(row, to);
        const void *source = const_field(row, from);
        switch (row->type) {
        case FIG_INT:
            *(int64_t *)field = *(const int64_t *)source;
            break;
        case FIG_FLOAT:
            *(double *)field = *(const double *)source;
            break;
        case FIG_BOOL:
            *(bool *)field = *(const bool *)source;
            break;
        case FIG_TEXT:
            *(char **)field = fig__strdup(*(char *const *)source);
            break;
        case FIG_CHOICE:
            *(int *)field = *(const int *)source;
            break;
        case FIG_END:
            break;
        }
    }
}

/* -- text to value ------------------------------------------------------------------------------------------------- */

/* min and max both 0 mean that any number will do. */
static bool has_range(const fig_option *row) { return row->min != 0 || row->max != 0; }

/* " (1 to 4096)", or nothing. */
static void range_text(const fig_option *row, char out[80])
{
    char low[32], high[32];
    fig__number_text(row->min, low);
    fig__number_text(row->max, high);
    out[0] = 0;
    if (has_range(row))
        snprintf(out, 80, " (%s to %s)", low, high);
}

static fig_status set_number(const fig_option *row, void *field, const char *text, fig_error *err)
{
    char range[80];
    range_text(row, range);
    double number;
    int64_t integer = 0;
    bool valid = fig__number_parse(text, &number) && !isnan(number);
    if (row->type == FIG_INT && valid) {
        char *end;
        errno = 0;
        integer = strtoll(text, &end, 10);
        valid = errno == 0;
        if (*end) { /* "1e6" and "2.0" are whole as well */
            valid = number == rint(number) && fabs(number) < 0x1p63;
            integer = valid ? (int64_t)number : 0;
        }
    }
    if (!valid)
        return fig_fail(err, FIG_E_USAGE, "%s: \"%.60s\" is not a %s%s", row->name, text,
                        row->type == FIG_INT ? "whole number" : "number", range);
    if (has_range(row) && (number < row->min || number > row->max))
        return fig_fail(err, FIG_E_USAGE, "%s: %.60s is out of range%s", row->name, text, range);
    if (!has_range(row) && isinf(number))
        return fig_fail(err, FIG_E_USAGE, "%s: %.60s is not a finite number", row->name, text);
    if (row->type == FIG_INT)
        *(int64_t *)field = integer;
    else
        *(double *)field = number;
    return FIG_OK;
}

static fig_status set_bool(const fig_option *row, void *field, const char *text, fig_error *err)
{
    static const char *const words[] = { "false", "true", "no", "yes", "0", "1", "off", "on" };
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        if (!strcmp(text, words[i])) {
            *(bool *)field = i % 2 == 1;
            return FIG_OK;
        }
    return fig_fail(err, FIG_E_USAGE, "%s: \"%.60s\" is neither true nor false", row->name, text);
}

/* The words of a blank-separated list, one by one; returns the length, 0 at the end. */
static size_t next_word(const char **at, const char **word)
{
    *at += strspn(*at, " ");
    *word = *at;
    size_t length = strcspn(*at, " ");
    *at += length;
    return length;
}

static fig_status set_choice(const fig_option *row, void *field, const char *text, fig_error *err)
{
    const char *at = row->choices, *word;
    int index = 0;
    for (size_t length; (length = next_word(&at, &word)) > 0; index++)
        if (strlen(text) == length && !memcmp(text, word, length)) {
            *(int *)field = index;
            return FIG_OK;
        }
    char list[512] = "";
    size_t used = 0;
    at = row->choices;
    for (size_t length; (length = next_word(&at, &word)) > 0 && used + length + 3 < sizeof list;)
        used += (size_t)snprintf(list + used, sizeof list - used, "%s%.*s", used ? ", " : "", (int)length, word);
    return fig_fail(err, FIG_E_USAGE, "%s: \"%.60s\" is not one of: %s", row->name, text, list);
}

fig_status fig_options_set(const fig_option *table, void *values, const char *name, const char *text, fig_error *err)
{
    const fig_option *row = fig_options_find(table, name);
    if (!row) {
        const char *nearest = fig_options_nearest(table, name);
        if (nearest)
            return fig_fail(err, FIG_E_USAGE, "unknown option \"%.80s\"; did you mean \"%s\"?", name, nearest);
        return fig_fail(err, FIG_E_USAGE, "unknown option \"%.80s\"", name);
    }
    void *field = field_of(row, values);
    switch (row->type) {
    case FIG_INT:
    case FIG_FLOAT:
        return set_number(row, field, text, err);
    case FIG_BOOL:
        return set_bool(row, field, text, err);
    case FIG_CHOICE:
        return set_choice(row, field, text, err);
    case FIG_TEXT: {
        char *copy = fig__strdup(text); /* before the free: text may be the old value */
        free(*(char **)field);
        *(char **)field = copy;
        return FIG_OK;
    }
    case FIG_END:
        break;
    }
    FIG_BUG("option \"%s\" has type %d", row->name, (int)row->type);
}

/* -- value to text ------------------------------------------------------------------------------------------------- */

void fig_options_get(const fig_option *row, const void *values, char *out, size_t size)
{
    const void *field = const_field(row, values);
    if (!size)
        return;
    out[0] = 0;
    switch (row->type) {
    case FIG_INT:
        snprintf(out, size, "%" PRId64, *(const int64_t *)field);
        break;
    case FIG_FLOAT: {
        char number[32];
        fig__number_text(*(const double *)field, number);
        snprintf(out, size, "%s", number);
        break;
    }
    case FIG_BOOL:
        snprintf(out, size, "%s", *(const bool *)field ? "true" : "false");
        break;
    case FIG_TEXT: {
        const char *text = *(char *const *)field;
        snprintf(out, size, "%s", text ? text : "");
        break;
    }
    case FIG_CHOICE: {
        const char *at = row->choices, *word = "";
        size_t length = 0;
        for (int i = *(const int *)field; i >= 0; i--)
            length = next_word(&at, &word);
        snprintf(out, size, "%.*s", (int)length, word);
        break;
    }
    case FIG_END:
        break;
    }
}

bool fig_options_is_default(const fig_option *row, const void *values)
{
    const void *field = const_field(row, values);
    switch (row->type) {
    case FIG_INT:
        return *(const int64_t *)field == whole(row->fallback);
    case FIG_FLOAT:
        return *(const double *)field == row->fallback;
    case FIG_BOOL:
        return *(const bool *)field == (row->fallback != 0);
    case FIG_TEXT: {
        const char *text = *(char *const *)field;
        if (!text || !row->fallback_text)
            return text == row->fallback_text;
        return !strcmp(text, row->fallback_text);
    }
    case FIG_CHOICE:
        return *(const int *)field == (int)row->fallback;
    case FIG_END:
        break;
    }
    return true;
}
