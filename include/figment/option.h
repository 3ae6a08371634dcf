/* figment/option.h - one table says everything about what a user can set
 *
 * A row names an option, its type, its place in a struct, default, range and help. Command-line flags, --help, run
 * files, model metadata, the docs page and range errors are all derived from such tables, and nothing else knows an
 * option. */
#ifndef FIGMENT_OPTION_H
#define FIGMENT_OPTION_H

#include <figment/error.h>
#include <stdbool.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef enum fig_option_type {
    FIG_END = 0, /* closes a table */
    FIG_INT,     /* int64_t; range min..max; "1e4" is whole too */
    FIG_FLOAT,   /* double;  range min..max */
    FIG_BOOL,    /* bool; "true" "false" "yes" "no" "1" "0" "on" "off" */
    FIG_TEXT,    /* char *: owned by the struct, freed by fig_options_free */
    FIG_CHOICE   /* int: index into the blank-separated words of `choices` */
} fig_option_type;

typedef struct fig_option {
    const char *name; /* lower case with underscores, e.g. "kl_warmup"; dots make groups: "critic.hidden" */
    fig_option_type type;
    size_t place;     /* offsetof in the options struct */
    double fallback;  /* default of a number, bool or choice */
    double min, max;  /* inclusive range of a number; both 0: any finite number */
    const char *help; /* one sentence, no full stop, unit if any */
    const char *choices;       /* FIG_CHOICE: "mlp conv" */
    const char *fallback_text; /* FIG_TEXT: default, NULL = unset */
    const char *metavar;       /* shown in help, e.g. "FILE"; NULL = by type */
    char short_name;           /* 'o' for -o; 0 = none (command line only) */
    bool sampling;             /* of a recipe: may be set anew for each sampling, since no weight depends on it */
} fig_option;

/* Number of rows before FIG_END. */
FIG_API size_t fig_options_count(const fig_option *table);
/* Row by name ('-' and '_' are equal), or NULL. */
FIG_API const fig_option *fig_options_find(const fig_option *table, const char *name);
/* Name in the table nearest to `name` (edit distance <= 3 and under half its length), or NULL: for "did you mean". */
FIG_API const char *fig_options_nearest(const fig_option *table, const char *name);
/* Fills every field of `values` with its default; any earlier content is overwritten, not freed. */
FIG_API void fig_options_defaults(const fig_option *table, void *values);
/* Frees the FIG_TEXT fields and zeroes them. */
FIG_API void fig_options_free(const fig_option *table, void *values);
/* Deep copy of `from` into `to` (uninitialised). */
FIG_API void fig_options_copy(const fig_option *table, void *to, const void *from);
/* Sets one option from text. Unknown name (with the nearest), wrong type and value out of range are FIG_E_USAGE and name
 * option, value and range. */
FIG_API fig_status fig_options_set(const fig_option *table, void *values, const char *name, const char *text, fig_error *err);
/* The value as text (numbers in the shortest form that reads back to the same bits); `size` bytes at `out` incl. NUL. */
FIG_API void fig_options_get(const fig_option *row, const void *values, char *out, size_t size);
/* True when the value equals the table's default. */
FIG_API bool fig_options_is_default(const fig_option *row, const void *values);

#ifdef __cplusplus
}
#endif
#endif
