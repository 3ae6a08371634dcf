/* yaml.c - run files: YAML's mappings of scalars, flattened to rows "a.b" = "text"
 *
 * libyaml gives events; values stay raw text, because types come from the option tables (so `no` is not false and 3e-4
 * not a string). Only what a run file needs is accepted: one document, mappings, sequences, scalars. Anchors, aliases
 * and tags are refused, a key may stand once, also when written once nested and once with dots; depth, rows and size
 * are bounded, so no file can blow up.
 *
 *     optimizer:            optimizer.lr     = "3e-4"   line 2
 *       lr: 3e-4            layers.0         = "64"     line 3
 *     layers: [64, 128]     layers.1         = "128"    line 3
 *
 * An empty mapping or sequence gives one row with the value "{}" or "[]", so that it cannot pass unnoticed. */
#include "core/core.h"
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

enum {
    MAXIMUM_DEPTH = 16,
    MAXIMUM_ROWS = 4096,
    MAXIMUM_KEY = 240,         /* length of a whole path */
    MAXIMUM_BYTES = 4 << 20    /* a run file written by hand has a few KB */
};

typedef struct level {
    char path[MAXIMUM_KEY + 1]; /* of this collection; "" for the top */
    char key[MAXIMUM_KEY + 1];  /* of the item that comes next, once has_key */
    bool sequence, has_key;
    size_t items;
    int line;
} level;

typedef struct flattener {
    const char *where;
    fig__yaml *out;
    size_t room;            /* rows allocated */
    uint64_t *seen;         /* hashes of every path so far, collections included */
    size_t seen_count, seen_room;
    level levels[MAXIMUM_DEPTH];
    int depth;              /* open collections */
    bool documents;         /* one was begun */
    fig_error *err;
} flattener;

#define FAIL(f, line, status, ...) fail_at(f, (int)(line), status, __VA_ARGS__)

FIG_PRINTF(4, 5) static fig_status fail_at(flattener *f, int line, fig_status status, const char *format, ...)
{
    char message[768];
    va_list args;
    va_start(args, format);
    vsnprintf(message, sizeof message, format, args);
    va_end(args);
    return fig_fail(f->err, status, "%s: line %d: %s", f->where, line, message);
}

/* A 64-bit hash stands for the path: 8,000 paths collide with a chance of one in 10^12. */
static fig_status note_path(flattener *f, const char *path, int line)
{
    uint64_t hash = fig__hash64(path, strlen(path), 0);
    for (size_t i = 0; i < f->seen_count; i++)
        if (f->seen[i] == hash)
            return FAIL(f, line, FIG_E_FORMAT, "\"%s\" is set twice", path);
    if (f->seen_count == (size_t)2 * MAXIMUM_ROWS)
        return FAIL(f, line, FIG_E_LIMIT, "more than %d keys", 2 * MAXIMUM_ROWS);
    if (f->seen_count == f->seen_room) {
        f->seen_room = f->seen_room ? f->seen_room * 2 : 64;
        f->seen = fig__realloc(f->seen, f->seen_room * sizeof *f->seen);
    }
    f->seen[f->seen_count++] = hash;
    return FIG_OK;
}

static fig_status add_row(flattener *f, const char *path, const char *value, int line)
{
    if (f->out->count == MAXIMUM_ROWS)
        return FAIL(f, line, FIG_E_LIMIT, "more than %d settings", MAXIMUM_ROWS);
    if (f->out->count == f->room) {
        f->room = f->room ? f->room * 2 : 32;
        f->out->rows = fig__realloc(f->out->rows, f->room * sizeof *f->out->rows);
    }
    f->out->rows[f->out->count++] = (fig__yaml_row){
        .key = fig__arena_text(f->out->arena, path), .value = fig__arena_text(f->out->arena, value), .line = line
    };
    return FIG_OK;
}

/* The path of the item that comes now in the innermost collection, and that it came. */
static fig_status next_path(flattener *f, int line, char path[MAXIMUM_KEY + 1])
{
    if (!f->depth)
        return FAIL(f, line, FIG_E_FORMAT, "expected settings as \"name: value\", found something else");
    level *top = &f->levels[f->depth - 1];
    char index[24];
    snprintf(index, sizeof index, "%zu", top->items);
    int length = snprintf(path, MAXIMUM_KEY + 1, "%s%s%s", top->path, top->path[0] ? "." : "",
                          top->sequence ? index : top->key);
    if (length > MAXIMUM_KEY)
        return FAIL(f, line, FIG_E_LIMIT, "a key is longer than %d characters", MAXIMUM_KEY);
    top->items++;
    top->has_key = false;
    return note_path(f, path, line);
}

static fig_status on_begin(flattener *f, bool sequence, int line)
{
    char path[MAXIMUM_KEY + 1] = "";
    if (f->depth && !f->levels[f->depth - 1].sequence && !f->levels[f->depth - 1].has_key)
        return FAIL(f, line, FIG_E_FORMAT, "a key must be a plain word");
    if (f->depth)
        FIG_TRY(next_path(f, line, path));
    else if (sequence)
        return FAIL(f, line, FIG_E_FORMAT, "expected settings as \"name: value\", found a list");
    if (f->depth == MAXIMUM_DEPTH)
        return FAIL(f, line, FIG_E_LIMIT, "nested deeper than %d levels", MAXIMUM_DEPTH);
    level *top = &f->levels[f->depth++];
    *top = (level){ .sequence = sequence, .line = line };
    memcpy(top->path, path, sizeof path);
    return FIG_OK;
}

static fig_status on_end(flattener *f)
{
    level *top = &f->levels[--f->depth];
    if (top->items == 0 && f->depth > 0)
        return add_row(f, top->path, top->sequence ? "[]" : "{}", top->line);
    return FIG_OK;
}

static fig_status on_scalar(flattener *f, const yaml_event_t *event, int line)
{
    const char *value = (const char *)event->data.scalar.value;
    size_t length = event->data.scalar.length;
    if (strlen(value) != length)
        return FAIL(f, line, FIG_E_FORMAT, "a value contains a NUL character");
    level *top = f->depth ? &f->levels[f->depth - 1] : NULL;
    if (!top && length == 0)
        return FIG_OK; /* a file of comments alone is an empty document */
    if (top && !top->sequence && !top->has_key) {
        if (length == 0)
            return FAIL(f, line, FIG_E_FORMAT, "a key is empty");
        if (length > MAXIMUM_KEY)
            return FAIL(f, line, FIG_E_LIMIT, "a key is longer than %d characters", MAXIMUM_KEY);
        memcpy(top->key, value, length + 1);
        top->has_key = true;
        return FIG_OK;
    }
    char path[MAXIMUM_KEY + 1];
    FIG_TRY(next_path(f, line, path));
    return add_row(f, path, value, line);
}

/* Nodes that carry an anchor or a tag: neither means anything in a run file, and aliases are how YAML bombs are made. */
static fig_status refuse_marks(flattener *f, const yaml_char_t *anchor, const yaml_char_t *tag, int line)
{
    if (anchor)
        return FAIL(f, line, FIG_E_FORMAT, "anchors and aliases are not supported (&%.40s); write the value again",
                    (const char *)anchor);
    if (tag)
        return FAIL(f, line, FIG_E_FORMAT, "tags are not supported (%.40s); leave it out", (const char *)tag);
    return FIG_OK;
}

static fig_status on_event(flattener *f, const yaml_event_t *event)
{
    int line = (int)event->start_mark.line + 1;
    switch (event->type) {
    case YAML_DOCUMENT_START_EVENT:
        if (f->documents)
            return FAIL(f, line, FIG_E_FORMAT, "a second document begins (\"---\"); one is allowed");
        f->documents = true;
        return FIG_OK;
    case YAML_ALIAS_EVENT:
        return FAIL(f, line, FIG_E_FORMAT, "anchors and aliases are not supported (*%.40s); write the value again",
                    (const char *)event->data.alias.anchor);
    case YAML_SCALAR_EVENT:
        FIG_TRY(refuse_marks(f, event->data.scalar.anchor, event->data.scalar.tag, line));
        return on_scalar(f, event, line);
    case YAML_SEQUENCE_START_EVENT:
        FIG_TRY(refuse_marks(f, event->data.sequence_start.anchor, event->data.sequence_start.tag, line));
        return on_begin(f, true, line);
    case YAML_MAPPING_START_EVENT:
        FIG_TRY(refuse_marks(f, event->data.mapping_start.anchor, event->data.mapping_start.tag, line));
        return on_begin(f, false, line);
    case YAML_SEQUENCE_END_EVENT:
    case YAML_MAPPING_END_EVENT:
        return on_end(f);
    default:
        return FIG_OK;
    }
}

static fig_status parse_fault(flattener *f, const yaml_parser_t *parser)
{
    const char *problem = parser->problem ? parser->problem : "out of memory";
    size_t line = parser->problem_mark.line;
    if (parser->error == YAML_READER_ERROR)
        return fig_fail(f->err, FIG_E_FORMAT, "%s: byte %zu: invalid YAML (%s)", f->where, parser->problem_offset, problem);
    return FAIL(f, line + 1, FIG_E_FORMAT, "invalid YAML (%s%s%s)", problem, parser->context ? ", " : "",
                parser->context ? parser->context : "");
}

static fig_status flatten(flattener *f, yaml_parser_t *parser)
{
    for (bool end = false; !end;) {
        yaml_event_t event;
        if (!yaml_parser_parse(parser, &event))
            return parse_fault(f, parser);
        end = event.type == YAML_STREAM_END_EVENT;
        fig_status status = on_event(f, &event);
        yaml_event_delete(&event);
        FIG_TRY(status);
    }
    return FIG_OK;
}

fig_status fig__yaml_parse(const char *text, size_t length, const char *where, fig__yaml *out, fig_error *err)
{
    *out = (fig__yaml){ 0 };
    if (length > MAXIMUM_BYTES)
        return fig_fail(err, FIG_E_LIMIT, "%s: %zu bytes of YAML, at most %d are read", where, length, MAXIMUM_BYTES);
    yaml_parser_t parser;
    FIG_BUG_IF(!yaml_parser_initialize(&parser), "out of memory for a YAML parser");
    yaml_parser_set_input_string(&parser, (const unsigned char *)text, length);
    out->arena = fig__arena_new();
    flattener *f = FIG_NEW(out->arena, flattener);
    f->where = where;
    f->out = out;
    f->err = err;
    fig_status status = flatten(f, &parser);
    free(f->seen);
    yaml_parser_delete(&parser);
    if (status != FIG_OK)
        fig__yaml_free(out);
    return status;
}

void fig__yaml_free(fig__yaml *yaml)
{
    if (!yaml)
        return;
    free(yaml->rows);
    fig__arena_free(yaml->arena);
    *yaml = (fig__yaml){ 0 };
}

/* -- writing ------------------------------------------------------------------------------------------------------- */

/* Letters, digits and signs that mean nothing to YAML inside a word, blanks inside, and no word that YAML 1.1 takes for something
 * other than text or a number is harmed by standing plain, as types come from the option table. */
static bool is_plain(const char *value)
{
    static const char safe[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_./+ -";
    size_t length = strlen(value);
    if (!length || strspn(value, safe) != length || value[0] == ' ' || value[length - 1] == ' ')
        return false;
    /* "-" starts a list item and "---" a document; "-3" is fine. */
    return value[0] != '-' || (value[1] >= '0' && value[1] <= '9');
}

void fig__yaml_scalar(fig__text *out, const char *value)
{
    if (is_plain(value)) {
        fig__text_add(out, value, strlen(value));
        return;
    }
    fig__text_add(out, "\"", 1);
    while (*value) {
        const char *start = value;
        int32_t point = fig__utf8_next(&value);
        if (point == '"' || point == '\\')
            fig__text_print(out, "\\%c", (char)point);
        else if (point == '\n')
            fig__text_add(out, "\\n", 2);
        else if (point == '\t')
            fig__text_add(out, "\\t", 2);
        else if (point < 0) /* not UTF-8, which YAML cannot hold: the replacement character */
            fig__text_add(out, "\\uFFFD", 6);
        else if (point < 0x20 || (point >= 0x7f && point < 0xa0))
            fig__text_print(out, "\\x%02X", (unsigned)point);
        else if (point == 0x2028 || point == 0x2029 || (point >= 0xe000 && point <= 0xffff)) /* line breaks, BOM, oddities */
            fig__text_print(out, "\\u%04X", (unsigned)point);
        else
            fig__text_add(out, start, (size_t)(value - start));
    }
    fig__text_add(out, "\"", 1);
}
