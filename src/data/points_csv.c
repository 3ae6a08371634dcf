/* points_csv.c - a table of numbers: one point a row, comma, semicolon, tab or blanks between
 *
 * The first row may name the columns. A column called label, class, target or species, or a last column of names,
 * gives the class: whole numbers from 0, or names, which are numbered in sorted order. Every other column is a
 * coordinate; a cell that is no finite number is an error that names row and column, because a silently dropped row
 * would shift a split. */
#include <ctype.h>
#include "data/source.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { MAX_COLUMNS = 65536, MAX_CLASSES = 10000 };

static const char *const endings[] = { ".csv", ".tsv", ".csv.gz", ".tsv.gz", NULL };
static const char *const label_names[] = { "label", "labels", "class", "target", "species" };

typedef struct table {
    char *bytes; /* of the file; cells are cut out of it in place */
    uint64_t length;
    char separator;
    int columns, label; /* label column or -1 */
    int64_t rows, room, line;
    float *points;
    const char **names; /* label text by row while reading, when labels are names */
} table;

static int points_csv_probe(const char *path, bool folder)
{
    return !folder && fig__has_ending(path, endings) ? 80 : 0;
}

/* -- cells --------------------------------------------------------------------------------------------------------- */

/* The separator that the first row uses most; blanks only when there is nothing else. */
static char find_separator(const char *row)
{
    int commas = 0, semicolons = 0, tabs = 0;
    for (; *row && *row != '\n'; row++) {
        commas += *row == ',';
        semicolons += *row == ';';
        tabs += *row == '\t';
    }
    return semicolons > commas ? ';' : commas ? ',' : tabs ? '\t' : ' ';
}

/* The next cell of a row, NUL-terminated in place and stripped of blanks and quotes; NULL at the end of the row. */
static char *next_cell(char **at, char separator)
{
    char *cell = *at;
    if (!cell)
        return NULL;
    while (*cell == ' ' || (*cell == '\t' && separator != '\t'))
        cell++;
    char *end = cell;
    if (*cell == '"') {
        end = strchr(++cell, '"');
        if (!end)
            return NULL;
        *end++ = 0;
        while (*end && *end != separator)
            end++;
    } else
        while (*end && *end != separator)
            end++;
    *at = *end ? end + 1 : NULL;
    if (separator == ' ' && *at) {
        while (**at == ' ')
            ++*at;
        if (!**at)
            *at = NULL;
    }
    *end = 0;
    for (char *last = end; last > cell && isspace((unsigned char)last[-1]);)
        *--last = 0;
    return cell;
}

/* The next row that is not empty or a comment, NUL-terminated in place; NULL at the end. */
static char *next_row(table *t, char **at)
{
    while (*at && **at) {
        char *row = *at, *end = strchr(row, '\n');
        *at = end ? end + 1 : NULL;
        if (end)
            *end = 0;
        t->line++;
        size_t length = strlen(row);
        if (length && row[length - 1] == '\r')
            row[--length] = 0;
        if (length && row[strspn(row, " \t")] && row[0] != '#')
            return row;
    }
    return NULL;
}

static bool is_number(const char *cell)
{
    double value;
    return fig__number_parse(cell, &value);
}

/* -- the first row ------------------------------------------------------------------------------------------------- */

static bool is_label_name(const char *name)
{
    for (size_t i = 0; i < sizeof label_names / sizeof *label_names; i++)
        if (!strcasecmp(label_names[i], name))
            return true;
    return false;
}

/* Counts columns and finds the label column; *header says whether the row names columns. */
static fig_status read_first(table *t, const char *path, const char *row, bool *header, fig_error *err)
{
    char *copy = fig__strdup(row), *at = copy, *cell;
    int numbers = 0;
    bool last_is_number = false;
    t->label = -1;
    t->columns = 0;
    while ((cell = next_cell(&at, t->separator)) && t->columns <= MAX_COLUMNS) {
        last_is_number = is_number(cell);
        numbers += last_is_number;
        if (is_label_name(cell))
            t->label = t->columns;
        t->columns++;
    }
    free(copy);
    if (t->columns > MAX_COLUMNS)
        return fig_fail(err, FIG_E_LIMIT, "%s: more than %d columns", path, MAX_COLUMNS);
    *header = numbers == 0;
    if (!*header)
        t->label = numbers == t->columns - 1 && !last_is_number ? t->columns - 1 : -1;
    return FIG_OK;
}

/* Under a header, a last column of names is the class whatever it is called. */
static void look_at_second(table *t, const char *row)
{
    char *copy = fig__strdup(row), *at = copy, *cell;
    int column = 0, names = 0;
    bool last_is_name = false;
    while ((cell = next_cell(&at, t->separator))) {
        last_is_name = !is_number(cell);
        names += last_is_name;
        column++;
    }
    if (t->label < 0 && column == t->columns && names == 1 && last_is_name)
        t->label = t->columns - 1;
    free(copy);
}

/* -- rows ---------------------------------------------------------------------------------------------------------- */

static fig_status read_row(table *t, const char *path, char *row, fig_error *err)
{
    if (t->rows == t->room) {
        t->room = t->room ? t->room * 2 : 1024;
        t->points = fig__realloc(t->points, (size_t)t->room * (size_t)t->columns * sizeof *t->points);
        t->names = fig__realloc(t->names, (size_t)t->room * sizeof *t->names);
    }
    float *out = t->points + t->rows * (t->columns - (t->label >= 0));
    char *at = row, *cell;
    int column = 0;
    for (; (cell = next_cell(&at, t->separator)); column++) {
        double value;
        if (column >= t->columns)
            break;
        if (column == t->label) {
            t->names[t->rows] = cell;
            continue;
        }
        if (!fig__number_parse(cell, &value) || !isfinite(value) || fabs(value) > 3e38)
            return fig_fail(err, FIG_E_FORMAT, "%s: line %lld, column %d: \"%.40s\" is not a finite number", path,
                            (long long)t->line, column + 1, cell);
        *out++ = (float)value;
    }
    if (cell || column != t->columns || at)
        return fig_fail(err, FIG_E_FORMAT, "%s: line %lld: %d cells%s, expected %d", path, (long long)t->line, column,
                        cell || at ? " or an open quote" : "", t->columns);
    t->rows++;
    return FIG_OK;
}

static fig_status read_rows(table *t, const char *path, fig_error *err)
{
    char *at = t->bytes, *row = next_row(t, &at);
    bool header = false;
    if (!row)
        return fig_fail(err, FIG_E_FORMAT, "%s: there are no rows in it", path);
    t->separator = find_separator(row);
    FIG_TRY(read_first(t, path, row, &header, err));
    if (header) {
        row = next_row(t, &at);
        if (row)
            look_at_second(t, row);
    }
    if (t->columns - (t->label >= 0) < 1)
        return fig_fail(err, FIG_E_FORMAT, "%s: no column of numbers", path);
    for (; row; row = next_row(t, &at)) {
        if (t->rows == FIG__MAX_ITEMS)
            return fig_fail(err, FIG_E_LIMIT, "%s: more than %d rows", path, FIG__MAX_ITEMS);
        FIG_TRY(read_row(t, path, row, err));
    }
    return t->rows ? FIG_OK : fig_fail(err, FIG_E_FORMAT, "%s: a header, and no rows after it", path);
}

/* -- classes ------------------------------------------------------------------------------------------------------- */

static int by_text(const void *a, const void *b) { return strcmp(*(const char *const *)a, *(const char *const *)b); }

static fig_status number_labels(table *t, const char *path, int32_t *labels, int *classes, bool *numeric,
                                fig_error *err)
{
    *numeric = true;
    *classes = 0;
    for (int64_t i = 0; i < t->rows && *numeric; i++) {
        double value;
        *numeric = fig__number_parse(t->names[i], &value);
        if (!*numeric)
            break;
        if (value != rint(value) || value < 0 || value >= MAX_CLASSES)
            return fig_fail(err, FIG_E_FORMAT,
                            "%s: row %lld: label %s; labels are whole numbers from 0 to %d, or names", path,
                            (long long)i + 1, t->names[i], MAX_CLASSES - 1);
        labels[i] = (int32_t)value;
        *classes = labels[i] >= *classes ? labels[i] + 1 : *classes;
    }
    return FIG_OK;
}

static fig_status name_labels(table *t, fig__contents *contents, const char *path, int32_t *labels, fig_error *err)
{
    const char **sorted = FIG_NEW_ARRAY(contents->arena, const char *, t->rows);
    memcpy(sorted, t->names, (size_t)t->rows * sizeof *sorted);
    qsort(sorted, (size_t)t->rows, sizeof *sorted, by_text);
    size_t unique = 0;
    for (int64_t i = 0; i < t->rows; i++)
        if (!i || strcmp(sorted[i], sorted[unique - 1]))
            sorted[unique++] = sorted[i];
    if (unique > MAX_CLASSES)
        return fig_fail(err, FIG_E_LIMIT, "%s: %zu different labels, at most %d are read", path, unique, MAX_CLASSES);
    for (int64_t i = 0; i < t->rows; i++)
        labels[i] = (int32_t)((const char **)bsearch(&t->names[i], sorted, unique, sizeof *sorted, by_text) - sorted);
    for (size_t i = 0; i < unique; i++)
        sorted[i] = fig__arena_text(contents->arena, sorted[i]);
    contents->info.classes = (int)unique;
    contents->info.class_names = sorted;
    return FIG_OK;
}

static fig_status settle_labels(table *t, fig__contents *contents, const char *path, fig_error *err)
{
    if (t->label < 0)
        return FIG_OK;
    bool numeric;
    int32_t *labels = FIG_NEW_ARRAY(contents->arena, int32_t, t->rows);
    FIG_TRY(number_labels(t, path, labels, &contents->info.classes, &numeric, err));
    if (!numeric)
        FIG_TRY(name_labels(t, contents, path, labels, err));
    contents->labels[FIG_TRAIN_SPLIT] = labels;
    return FIG_OK;
}

static fig_status points_csv_open(fig__contents *contents, const char *path, fig_error *err)
{
    table *t = contents->self = fig__alloc(sizeof *t);
    contents->info.kind = FIG_DATA_POINTS;
    FIG_TRY(fig__stream_read_all(path, fig__memory_available() / 4, &t->bytes, &t->length, err));
    fig__sha256_update(contents->hash, t->bytes, t->length);
    if (memchr(t->bytes, 0, t->length))
        return fig_fail(err, FIG_E_FORMAT, "%s: zero bytes in it: not a text table", path);
    FIG_TRY(read_rows(t, path, err));
    FIG_TRY(settle_labels(t, contents, path, err));
    contents->info.dimensions = t->columns - (t->label >= 0);
    contents->info.items[FIG_TRAIN_SPLIT] = t->rows;
    contents->points[FIG_TRAIN_SPLIT] = t->points;
    free(t->bytes);
    t->bytes = NULL;
    return FIG_OK;
}

static void points_csv_close(fig__contents *contents)
{
    table *t = contents->self;
    free(t->bytes);
    free(t->points);
    free(t->names);
    free(t);
}

static void points_csv_item_name(const fig__contents *contents, fig_split split, int64_t index, char *out, size_t size)
{
    (void)contents, (void)split;
    snprintf(out, size, "row %lld", (long long)index + 1);
}

const fig_source fig_source_csv = {
    .name = "csv",
    .summary = "a table of numbers, one point a row; a column named label or class holds classes",
    .probe = points_csv_probe,
    .open = points_csv_open,
    .close = points_csv_close,
    .item_name = points_csv_item_name,
};
