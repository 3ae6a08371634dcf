/* cli/compare.h - what compare.c finds out about each word of the command line, and compare_print.c shows */
#ifndef FIG_CLI_COMPARE_H
#define FIG_CLI_COMPARE_H

#include "cli/command.h"

enum { CLI_COMPARED_SCORES = 64, CLI_SHEET = 64 }; /* a sheet shown anywhere is the first 64 samples of seed 1 */

typedef struct cli_compared { /* a word of the command line */
    const char *word;
    char model[256];
    fig_origin origin;
    fig_sampling_cost sampling; /* samples 0 = not known */
    fig_score score[CLI_COMPARED_SCORES];
    int scores;
    float *pictures; /* CLI_SHEET of them in 0..1, or NULL */
    fig_type type;
} cli_compared;

const fig_score *cli_compared_score(const cli_compared *model, const char *name); /* NULL = none */
/* "fashion-mnist-1a2b3c4d, validation 0.1": what it was trained on; "-" = not known. */
const char *cli_compared_data(const cli_compared *model, char out[256]);
bool cli_compared_alike(const cli_compared *a, const cli_compared *b); /* trained on one split of the same data, as far as is known */

/* -- compare_print.c */
void cli_compare_table(const fig_cli *cli, const cli_compared *all, int count);    /* a column for each model */
void cli_compare_markdown(const cli_compared *all, int count); /* a row for each model */
void cli_compare_json(const cli_compared *all, int count);
fig_status cli_compare_sheet(fig_cli *cli, const cli_compared *all, int count, const char *path, fig_error *err);

#endif
