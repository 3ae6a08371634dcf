/* cli/outline.c - a JSON document as text for people
 *
 * Reports of the library are JSON documents; a person reads the same document as an outline: an object is its keys
 * in a column with the values beside, an array of objects is a table (one outline after another where it would be too
 * wide), an array of plain values is one line. Long tables end with a count. So a new report needs no printing code. */
#include "cli/command.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define TABLE_ROWS 60 /* more rows than a screen or two are for --json */
#define TABLE_COLUMNS 12
#define CELL_WIDTH 60
#define SCREEN_WIDTH 150

typedef struct outline {
    const fig_cli *cli;
    FILE *out;
} outline;

static void print_value(const outline *o, const fig_json *value, int indent, int gap, int column);
static void print_object(const outline *o, const fig_json *object, int indent);

static bool is_plain(const fig_json *value)
{
    fig_json_kind kind = fig_json_kind_of(value);
    return kind != FIG_JSON_ARRAY && kind != FIG_JSON_OBJECT;
}

static bool all_plain(const fig_json *value)
{
    for (size_t i = 0, n = fig_json_count(value); i < n; i++)
        if (!is_plain(fig_json_at(value, i)))
            return false;
    return true;
}

/* A number as people write it: whole numbers with separators, others with six digits. */
static void number_cell(double number, char *out, size_t size)
{
    char digits[32];
    if (fabs(number) < 1e15 && fabs(number - rint(number)) < 1e-300)
        snprintf(out, size, "%s",
                 fabs(number) < 10000 ? (snprintf(digits, sizeof digits, "%.0f", number), digits)
                                      : cli_count_text((int64_t)number, digits));
    else
        snprintf(out, size, "%.6g", number);
}

/* Foreign text on one line, without control characters; breaks become blanks. */
static const char *one_line(const char *text, char *out, size_t size)
{
    size_t length = strlen(text);
    char *flat = malloc(length + 1);
    for (size_t i = 0; flat && i <= length; i++)
        flat[i] = text[i] == '\n' || text[i] == '\t' || text[i] == '\r' ? ' ' : text[i];
    fig_printable(flat ? flat : "", out, size);
    free(flat);
    return out;
}

static void plain_cell(const fig_json *value, char *out, size_t size)
{
    switch (fig_json_kind_of(value)) {
    case FIG_JSON_NUMBER:
        number_cell(fig_json_number(value, 0), out, size);
        return;
    case FIG_JSON_BOOL:
        snprintf(out, size, "%s", fig_json_bool(value, false) ? "yes" : "no");
        return;
    case FIG_JSON_TEXT:
        one_line(fig_json_text(value, ""), out, size);
        return;
    default:
        snprintf(out, size, "-");
        return;
    }
}

/* What a table shows of a cell that is itself a list or object. */
static void table_cell(const fig_json *value, char *out, size_t size)
{
    if (is_plain(value)) {
        plain_cell(value, out, size);
        return;
    }
    size_t count = fig_json_count(value), used = 0;
    out[0] = 0;
    for (size_t i = 0; i < count && used + 1 < size; i++) {
        char item[CELL_WIDTH + 1];
        const fig_json *part = fig_json_at(value, i);
        if (!is_plain(part))
            snprintf(item, sizeof item, "...");
        else
            plain_cell(part, item, sizeof item);
        int wrote = snprintf(out + used, size - used, "%s%s", i ? ", " : "", item);
        used += wrote > 0 ? (size_t)wrote : 0;
    }
}

/* Characters, not bytes: continuation bytes of UTF-8 take no column. */
static int text_columns(const char *text)
{
    int columns = 0;
    for (; *text; text++)
        columns += ((unsigned char)*text & 0xc0) != 0x80;
    return columns;
}

static void pad(FILE *out, int columns)
{
    for (; columns > 0; columns--)
        fputc(' ', out);
}

static int find_columns(const fig_json *array, const char *names[TABLE_COLUMNS])
{
    int columns = 0;
    for (size_t i = 0, n = fig_json_count(array); i < n; i++)
        for (size_t k = 0, m = fig_json_count(fig_json_at(array, i)); k < m; k++) {
            const char *key = fig_json_key(fig_json_at(array, i), k);
            bool known = false;
            for (int c = 0; c < columns; c++)
                known = known || !strcmp(names[c], key);
            if (!known && columns < TABLE_COLUMNS)
                names[columns++] = key;
        }
    return columns;
}

static void print_table(const outline *o, const fig_json *array, int indent)
{
    const char *names[TABLE_COLUMNS];
    int columns = find_columns(array, names), width[TABLE_COLUMNS];
    size_t rows = fig_json_count(array), shown = rows < TABLE_ROWS ? rows : TABLE_ROWS;
    char cell[CELL_WIDTH + 1], title[CELL_WIDTH + 1];
    for (int c = 0; c < columns; c++) {
        width[c] = text_columns(one_line(names[c], title, sizeof title));
        for (size_t i = 0; i < shown; i++) {
            table_cell(fig_json_get(fig_json_at(array, i), names[c]), cell, sizeof cell);
            if (text_columns(cell) > width[c])
                width[c] = text_columns(cell);
        }
    }
    pad(o->out, indent);
    for (int c = 0; c < columns; c++) {
        fprintf(o->out, "%s%s%s", cli_bold(o->cli), one_line(names[c], title, sizeof title), cli_plain(o->cli));
        pad(o->out, c + 1 < columns ? width[c] - text_columns(title) + 2 : 0);
    }
    fputc('\n', o->out);
    for (size_t i = 0; i < shown; i++) {
        pad(o->out, indent);
        for (int c = 0; c < columns; c++) {
            const fig_json *value = fig_json_get(fig_json_at(array, i), names[c]);
            table_cell(value, cell, sizeof cell);
            bool right = fig_json_kind_of(value) == FIG_JSON_NUMBER;
            int room = width[c] - text_columns(cell);
            pad(o->out, right ? room : 0);
            fputs(cell, o->out);
            pad(o->out, (right ? 0 : room) + 2);
        }
        fputc('\n', o->out);
    }
    if (shown < rows) {
        pad(o->out, indent);
        fprintf(o->out, "and %zu more; --json shows all\n", rows - shown);
    }
}

/* True when the rows of a table would not fit a screen, or would have to cut something. */
static bool too_wide(const fig_json *array)
{
    const char *names[TABLE_COLUMNS];
    int columns = find_columns(array, names), sum = 0;
    for (int c = 0; c < columns; c++) {
        int width = text_columns(names[c]);
        for (size_t i = 0, n = fig_json_count(array); i < n; i++) {
            char cell[2 * CELL_WIDTH];
            table_cell(fig_json_get(fig_json_at(array, i), names[c]), cell, sizeof cell);
            width = text_columns(cell) > width ? text_columns(cell) : width;
        }
        if (width > CELL_WIDTH)
            return true;
        sum += width + 2;
    }
    return sum > SCREEN_WIDTH;
}

static void print_list(const outline *o, const fig_json *array, int indent)
{
    size_t count = fig_json_count(array);
    char cell[256];
    int column = indent;
    for (size_t i = 0; i < count; i++) {
        plain_cell(fig_json_at(array, i), cell, sizeof cell);
        int needs = text_columns(cell) + 2;
        if (i && column + needs > 118) {
            fputc('\n', o->out);
            pad(o->out, indent);
            column = indent;
        }
        fprintf(o->out, "%s%s", cell, i + 1 < count ? ", " : "");
        column += needs;
    }
    fputs(count ? "\n" : "none\n", o->out);
}

static void print_object(const outline *o, const fig_json *object, int indent)
{
    int width = 0;
    char key[256];
    for (size_t i = 0, n = fig_json_count(object); i < n; i++) {
        int columns = text_columns(one_line(fig_json_key(object, i), key, sizeof key));
        if (columns > width && (is_plain(fig_json_at(object, i)) || all_plain(fig_json_at(object, i))))
            width = columns;
    }
    for (size_t i = 0, n = fig_json_count(object); i < n; i++) {
        one_line(fig_json_key(object, i), key, sizeof key);
        if (!strcmp(key, "schema"))
            continue;
        pad(o->out, indent);
        fprintf(o->out, "%s%s%s", cli_bold(o->cli), key, cli_plain(o->cli));
        print_value(o, fig_json_at(object, i), indent, width - text_columns(key) + 2, indent + width + 2);
    }
}

/* After a key: a plain value or list on the same line, `gap` blanks on, which is at `column`; anything larger below. */
static void print_value(const outline *o, const fig_json *value, int indent, int gap, int column)
{
    fig_json_kind kind = fig_json_kind_of(value);
    if (kind == FIG_JSON_ARRAY && fig_json_count(value) && !all_plain(value)) {
        fputc('\n', o->out);
        bool table = !too_wide(value);
        if (table)
            print_table(o, value, indent + 2);
        for (size_t i = 0, n = table ? 0 : fig_json_count(value); i < n; i++) {
            fputs(i ? "\n" : "", o->out);
            print_object(o, fig_json_at(value, i), indent + 2);
        }
    } else if (kind == FIG_JSON_ARRAY) {
        pad(o->out, gap);
        print_list(o, value, column);
    } else if (kind == FIG_JSON_OBJECT) {
        fputc('\n', o->out);
        print_object(o, value, indent + 2);
    } else {
        char *text = NULL;
        const char *raw = fig_json_text(value, NULL);
        size_t room = raw ? 4 * strlen(raw) + 1 : 64;
        text = malloc(room);
        if (!text)
            return;
        plain_cell(value, text, room);
        pad(o->out, gap);
        fprintf(o->out, "%s\n", text);
        free(text);
    }
}

const fig_json *cli_find_key(const fig_json *value, const char *key)
{
    const fig_json *found = fig_json_get(value, key);
    for (size_t i = 0, n = fig_json_count(value); !found && i < n; i++)
        if (!is_plain(fig_json_at(value, i)))
            found = cli_find_key(fig_json_at(value, i), key);
    return found;
}

fig_status cli_outline_print(fig_cli *cli, FILE *out, const char *json, const char *where, fig_error *err)
{
    fig_json *root = NULL;
    FIG_TRY(fig_json_parse(json, strlen(json), where, &root, err));
    outline o = { .cli = cli, .out = out };
    if (fig_json_kind_of(root) == FIG_JSON_OBJECT)
        print_object(&o, root, 0);
    else
        print_value(&o, root, 0, 0, 0);
    fig_json_free(root);
    return FIG_OK;
}

fig_status cli_print_document(fig_cli *cli, char *document, bool json, const char *where, fig_error *err)
{
    fig_status status = FIG_OK;
    cli_progress_clear(cli);
    if (!document)
        return fig_fail(err, FIG_E_LIMIT, "%s: out of memory", where);
    if (json) {
        size_t length = strlen(document);
        fputs(document, stdout);
        if (!length || document[length - 1] != '\n')
            putchar('\n');
    } else {
        status = cli_outline_print(cli, stdout, document, where, err);
    }
    free(document);
    return status;
}
