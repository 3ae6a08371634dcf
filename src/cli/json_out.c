/* cli/json_out.c - writing the few JSON documents that the command makes itself
 *
 * Every document is one line and begins with its schema. Numbers are printed so that they read back to the same
 * bits. */
#include "cli/command.h"
#include <math.h>
#include <string.h>

static void put_string(FILE *out, const char *text)
{
    fputc('"', out);
    for (const unsigned char *c = (const unsigned char *)text; *c; c++) {
        if (*c == '"' || *c == '\\')
            fprintf(out, "\\%c", *c);
        else if (*c == '\n')
            fputs("\\n", out);
        else if (*c < 0x20 || *c == 0x7f)
            fprintf(out, "\\u%04x", *c);
        else
            fputc(*c, out);
    }
    fputc('"', out);
}

static void put_key(cli_doc *writer, const char *key)
{
    if (writer->more[writer->depth])
        fputc(',', writer->out);
    writer->more[writer->depth] = true;
    if (key) {
        put_string(writer->out, key);
        fputc(':', writer->out);
    }
}

cli_doc cli_doc_begin(FILE *out, const char *schema)
{
    cli_doc writer = { .out = out };
    fputc('{', out);
    char name[64];
    snprintf(name, sizeof name, "figment.%s/1", schema);
    cli_doc_text(&writer, "schema", name);
    return writer;
}

void cli_doc_end(cli_doc *writer) { fputs("}\n", writer->out); }

void cli_doc_open(cli_doc *writer, const char *key, char bracket)
{
    put_key(writer, key);
    fputc(bracket, writer->out);
    if (writer->depth < 15)
        writer->depth++;
    writer->more[writer->depth] = false;
}

void cli_doc_close(cli_doc *writer, char bracket)
{
    fputc(bracket, writer->out);
    if (writer->depth > 0)
        writer->depth--;
}

void cli_doc_text(cli_doc *writer, const char *key, const char *text)
{
    put_key(writer, key);
    if (text)
        put_string(writer->out, text);
    else
        fputs("null", writer->out);
}

void cli_doc_number(cli_doc *writer, const char *key, double value)
{
    put_key(writer, key);
    if (!isfinite(value)) {
        fputs("null", writer->out);
        return;
    }
    char digits[32];
    for (int precision = 6; precision <= 17; precision++) {
        snprintf(digits, sizeof digits, "%.*g", precision, value);
        double back = 0;
        if (sscanf(digits, "%lf", &back) == 1 && !(back < value) && !(back > value))
            break;
    }
    fputs(digits, writer->out);
}

void cli_doc_int(cli_doc *writer, const char *key, int64_t value)
{
    put_key(writer, key);
    fprintf(writer->out, "%lld", (long long)value);
}

void cli_doc_bool(cli_doc *writer, const char *key, bool value)
{
    put_key(writer, key);
    fputs(value ? "true" : "false", writer->out);
}

/* A default as JSON: tables hold numbers for numbers, flags and choices, and text for text. */
static void put_default(cli_doc *writer, const fig_option *row)
{
    if (row->type == FIG_BOOL) {
        cli_doc_bool(writer, "default", row->fallback != 0);
    } else if (row->type == FIG_TEXT) {
        cli_doc_text(writer, "default", row->fallback_text);
    } else if (row->type == FIG_CHOICE) {
        char word[64];
        const char *at = row->choices;
        for (int i = 0; i < (int)row->fallback && at; i++)
            at = strchr(at, ' ') ? strchr(at, ' ') + 1 : NULL;
        snprintf(word, sizeof word, "%.*s", at ? (int)strcspn(at, " ") : 0, at ? at : "");
        cli_doc_text(writer, "default", word);
    } else {
        cli_doc_number(writer, "default", row->fallback);
    }
}

void cli_doc_options(cli_doc *writer, const char *key, const fig_option *table)
{
    static const char *const types[] = { "", "integer", "number", "boolean", "text", "choice" };
    cli_doc_open(writer, key, '[');
    for (size_t i = 0, n = table ? fig_options_count(table) : 0; i < n; i++) {
        cli_doc_open(writer, NULL, '{');
        cli_doc_text(writer, "name", table[i].name);
        cli_doc_text(writer, "type", types[table[i].type]);
        put_default(writer, &table[i]);
        if (table[i].type == FIG_INT || table[i].type == FIG_FLOAT) {
            cli_doc_number(writer, "min", table[i].min);
            cli_doc_number(writer, "max", table[i].max);
        }
        if (table[i].choices)
            cli_doc_text(writer, "choices", table[i].choices);
        cli_doc_text(writer, "help", table[i].help);
        if (table[i].sampling)
            cli_doc_bool(writer, "sampling", true);
        cli_doc_close(writer, '}');
    }
    cli_doc_close(writer, ']');
}
