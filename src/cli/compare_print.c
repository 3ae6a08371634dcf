/* cli/compare_print.c - models side by side: as a table for people, as Markdown, as JSON, and a sheet of their samples
 *
 * Names may come from documents that somebody else wrote, so all of them are cleaned where they are read (fig_printable). */
#include "cli/compare.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { SHEET_COLUMNS = 16, CELL_WIDTH = 20 };

/* Every score that any model has, in the order of its first owner. */
static int list_scores(const cli_compared *all, int count, const fig_score *list[CLI_COMPARED_SCORES])
{
    int found = 0;
    for (int i = 0; i < count; i++)
        for (int k = 0; k < all[i].scores; k++) {
            bool known = false;
            for (int n = 0; n < found; n++)
                known |= !strcmp(list[n]->name, all[i].score[k].name);
            if (!known && found < CLI_COMPARED_SCORES)
                list[found++] = &all[i].score[k];
        }
    return found;
}

static void cell(char out[64], double value, double error, const char *format)
{
    char number[32] = "-", spread[32] = "";
    if (isfinite(value))
        snprintf(number, sizeof number, format, value);
    if (isfinite(value) && isfinite(error))
        snprintf(spread, sizeof spread, " +- %.2g", error);
    snprintf(out, 64, "%s%s", number, spread);
}

/* -- what every model has: one row of the table, one column of Markdown --------------------------------------------------------- */

static void recipe_cell(const cli_compared *m, char out[64]) { snprintf(out, 64, "%s", m->origin.recipe[0] ? m->origin.recipe : "-"); }
static void weights_cell(const cli_compared *m, char out[64]) { cell(out, m->origin.parameters, NAN, "%.0f"); }
static void split_cell(const cli_compared *m, char out[64]) { snprintf(out, 64, "%s", m->scores ? m->score[0].split : "-"); }

static void training_cell(const cli_compared *m, char out[64])
{
    cell(out, m->origin.cpu_seconds, NAN, m->origin.cpu_seconds < 100 ? "%.2f" : "%.0f");
}

static void sampling_cell(const cli_compared *m, char out[64])
{
    char count[32];
    cell(out, m->sampling.samples ? m->sampling.seconds / 60 : NAN, NAN, "%.3g");
    if (m->sampling.samples) {
        size_t length = strlen(out);
        snprintf(out + length, 64 - length, " for %s", cli_count_text(m->sampling.samples, count));
    }
}

static void each_cell(const cli_compared *m, char out[64])
{
    cell(out, m->sampling.samples ? m->sampling.seconds * 1000 / (double)m->sampling.samples : NAN, NAN, "%.3g");
}

static const struct {
    const char *name;
    void (*cell)(const cli_compared *model, char out[64]);
} costs[] = {
    { "recipe", recipe_cell },
    { "weights", weights_cell },
    { "scored on", split_cell },
    { "training CPU s", training_cell },
    { "sampling min", sampling_cell },
    { "ms a sample", each_cell },
};
enum { COSTS = sizeof costs / sizeof *costs };

static void score_cell(const cli_compared *m, const char *name, char out[64])
{
    const fig_score *s = cli_compared_score(m, name);
    cell(out, s ? s->value : NAN, s ? s->standard_error : NAN, "%.5g");
}

static bool same_data(const cli_compared *all, int count)
{
    for (int i = 1; i < count; i++)
        if (!cli_compared_alike(&all[0], &all[i]))
            return false;
    return true;
}

static void print_data(const cli_compared *all, int count, const char *lead)
{
    char data[256];
    if (same_data(all, count)) {
        printf("%strained on: %s\n", lead, cli_compared_data(&all[0], data));
        return;
    }
    for (int i = 0; i < count; i++)
        printf("%s%s was trained on: %s\n", lead, all[i].model, cli_compared_data(&all[i], data));
}

/* -- the table: one line a score, one column a model, so that as many models as fit, whatever their names ----------------------- */

static void print_line(const char *name, char (*cells)[64], int count)
{
    printf("%-18s", name);
    for (int i = 0; i < count; i++)
        printf("  %*s", CELL_WIDTH, cells[i]);
    putchar('\n');
}

void cli_compare_table(const fig_cli *cli, const cli_compared *all, int count)
{
    const fig_score *list[CLI_COMPARED_SCORES];
    int scores = list_scores(all, count, list);
    char(*cells)[64] = calloc((size_t)count + 1, sizeof *cells);
    if (!cells)
        return;
    for (int i = 0; i < count; i++) { /* the end of a long name tells most */
        size_t length = strlen(all[i].model);
        const char *end = all[i].model + (length > CELL_WIDTH ? length - CELL_WIDTH : 0);
        while (((unsigned char)*end & 0xc0) == 0x80) /* not in the middle of a character */
            end++;
        snprintf(cells[i], sizeof cells[i], "%s", end);
    }
    printf("%s", cli_bold(cli));
    print_line("", cells, count);
    printf("%s", cli_plain(cli));
    for (int c = 0; c < COSTS; c++) {
        for (int i = 0; i < count; i++)
            costs[c].cell(&all[i], cells[i]);
        print_line(costs[c].name, cells, count);
    }
    for (int k = 0; k < scores; k++) {
        for (int i = 0; i < count; i++)
            score_cell(&all[i], list[k]->name, cells[i]);
        print_line(list[k]->name, cells, count);
    }
    putchar('\n');
    print_data(all, count, "");
    for (int k = 0; k < scores; k++)
        printf("%-18s  %s is better; %s\n", list[k]->name, list[k]->higher_is_better ? "higher" : "lower", list[k]->protocol);
    free(cells);
}

/* -- Markdown: one row a model ------------------------------------------------------------------------------------------------------ */

/* A name within a row: a bar would end its cell. */
static void put_escaped(const char *text)
{
    for (; *text; text++) {
        if (strchr("|\\`*_<>[]", *text))
            putchar('\\');
        putchar(*text);
    }
}

void cli_compare_markdown(const cli_compared *all, int count)
{
    const fig_score *list[CLI_COMPARED_SCORES];
    int scores = list_scores(all, count, list);
    char text[64];
    printf("| model |");
    for (int c = 0; c < COSTS; c++)
        printf(" %s |", costs[c].name);
    for (int k = 0; k < scores; k++) {
        putchar(' ');
        put_escaped(list[k]->name);
        printf(" (%s is better) |", list[k]->higher_is_better ? "higher" : "lower");
    }
    printf("\n|---|");
    for (int c = 0; c < COSTS + scores; c++)
        printf(c ? "---:|" : "---|");
    putchar('\n');
    for (int i = 0; i < count; i++) {
        printf("| ");
        put_escaped(all[i].model);
        printf(" |");
        for (int c = 0; c < COSTS; c++) {
            costs[c].cell(&all[i], text);
            putchar(' ');
            put_escaped(text);
            printf(" |");
        }
        for (int k = 0; k < scores; k++) {
            score_cell(&all[i], list[k]->name, text);
            printf(" %s |", text);
        }
        putchar('\n');
    }
    putchar('\n');
    print_data(all, count, "- ");
    for (int k = 0; k < scores; k++) {
        printf("- ");
        put_escaped(list[k]->name);
        printf(": `%s`\n", list[k]->protocol);
    }
}

/* -- JSON ------------------------------------------------------------------------------------------------------------------------------ */

static void put_score(cli_doc *json, const fig_score *s)
{
    cli_doc_open(json, NULL, '{');
    cli_doc_text(json, "name", s->name);
    cli_doc_number(json, "value", s->value);
    cli_doc_text(json, "unit", s->unit);
    cli_doc_text(json, "split", s->split);
    cli_doc_int(json, "n", s->count);
    cli_doc_number(json, "stderr", s->standard_error);
    cli_doc_text(json, "better", s->higher_is_better ? "higher" : "lower");
    cli_doc_text(json, "protocol", s->protocol);
    cli_doc_close(json, '}');
}

void cli_compare_json(const cli_compared *all, int count)
{
    cli_doc json = cli_doc_begin(stdout, "compare");
    cli_doc_open(&json, "models", '[');
    for (int i = 0; i < count; i++) {
        const cli_compared *m = &all[i];
        double samples = (double)m->sampling.samples, none = NAN;
        cli_doc_open(&json, NULL, '{');
        cli_doc_text(&json, "model", m->model);
        cli_doc_text(&json, "recipe", m->origin.recipe[0] ? m->origin.recipe : NULL);
        cli_doc_number(&json, "parameters", m->origin.parameters);
        cli_doc_number(&json, "train_seconds", m->origin.seconds);
        cli_doc_number(&json, "train_cpu_seconds", m->origin.cpu_seconds);
        cli_doc_text(&json, "data", m->origin.data_name[0] ? m->origin.data_name : NULL);
        cli_doc_text(&json, "data_hash", m->origin.data_hash[0] ? m->origin.data_hash : NULL);
        cli_doc_number(&json, "validation", m->origin.validation);
        cli_doc_number(&json, "test", m->origin.test);
        cli_doc_int(&json, "samples", m->sampling.samples);
        cli_doc_number(&json, "sampling_seconds", samples > 0 ? m->sampling.seconds : none);
        cli_doc_number(&json, "sampling_cpu_seconds", samples > 0 ? m->sampling.cpu_seconds : none);
        cli_doc_number(&json, "sample_ms", samples > 0 ? m->sampling.seconds * 1000 / samples : none);
        cli_doc_open(&json, "metrics", '[');
        for (int k = 0; k < m->scores; k++)
            put_score(&json, &m->score[k]);
        cli_doc_close(&json, ']');
        cli_doc_close(&json, '}');
    }
    cli_doc_close(&json, ']');
    cli_doc_end(&json);
}

/* -- the sheet ------------------------------------------------------------------------------------------------------------------------- */

/* 64 pictures of each model in rows of 16, models apart by an empty row. */
fig_status cli_compare_sheet(fig_cli *cli, const cli_compared *all, int count, const char *path, fig_error *err)
{
    const cli_compared *first = NULL;
    int models = 0;
    for (int i = 0; i < count; i++) {
        if (!all[i].pictures)
            continue;
        first = first ? first : &all[i];
        if (memcmp(first->type.dim, all[i].type.dim, sizeof first->type.dim))
            return fig_fail(err, FIG_E_USAGE, "%s: a sheet needs pictures of one size, and those of %s and %s differ", path, first->word,
                            all[i].word);
        models++;
    }
    if (!first)
        return fig_fail(err, FIG_E_USAGE, "%s: none of these makes pictures, so there is no sheet", path);
    size_t one = (size_t)(first->type.dim[1] * first->type.dim[2] * first->type.dim[3]);
    int cells = models * (CLI_SHEET + SHEET_COLUMNS) - SHEET_COLUMNS, at = 0;
    float *sheet = calloc((size_t)cells * one, sizeof *sheet);
    if (!sheet)
        return fig_fail(err, FIG_E_LIMIT, "%s: no memory for the sheet", path);
    for (int i = 0; i < count; i++)
        if (all[i].pictures) {
            memcpy(sheet + (size_t)at * one, all[i].pictures, CLI_SHEET * one * sizeof *sheet);
            at += CLI_SHEET + SHEET_COLUMNS;
        }
    fig_picture picture;
    fig_status status = fig_picture_sheet(sheet, cells, (int)first->type.dim[1], (int)first->type.dim[2], (int)first->type.dim[3], 0, 1,
                                          SHEET_COLUMNS, 2, 0, &picture, err);
    if (status == FIG_OK) {
        status = fig_picture_save(&picture, path, err);
        fig_picture_free(&picture);
    }
    free(sheet);
    if (status == FIG_OK)
        cli_say(cli, "Wrote", "%s: the first 64 samples of seed 1 of each, in the order given", path);
    return status;
}
