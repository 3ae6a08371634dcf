/* cli/command.h - what a command of `figment` is, and the little that commands share
 *
 * How to add a command: write cli/NAME.c with an option table, one function and a `const fig_command
 * fig_command_NAME` at its end, and put the row FIG_COMMAND(NAME) into commands.def. Parsing, -h, --help, `figment
 * help`, docs/commands.md and "did you mean" follow from the record. A command parses, calls the library through its
 * public headers, and prints: results on standard output, progress and messages on standard error. It returns a
 * fig_status; main.c prints the error and turns it into the exit code. */
#ifndef FIG_CLI_COMMAND_H
#define FIG_CLI_COMMAND_H

#include <figment/figment.h>
#include <stdio.h>

typedef struct fig_cli fig_cli;
typedef struct fig_arguments fig_arguments;

typedef struct fig_command {
    const char *name;          /* one word, or two for a group: "data get" */
    const char *summary;       /* one line, no full stop */
    const char *usage;         /* positional arguments: "RECIPE|RUN.YAML" */
    const char *help;          /* a paragraph or more */
    const char *examples;      /* one a line */
    const fig_option *options; /* ends with {0}; NULL = none */
    size_t options_size;       /* of the struct that the table fills */
    const char *repeatable;    /* blank-separated names of text options that may be given several times */
    int least, most;           /* positional arguments */
    bool computes;             /* runs plans: see short_spins in main.c */
    fig_status (*run)(fig_cli *cli, const fig_arguments *given, fig_error *err);
} fig_command;

/* All commands in the order of commands.def; NULL after the last. */
const fig_command *cli_command_at(int index);
const fig_command *cli_command_find(const char *name);

/* -- arguments.c: one parser for every command -------------------------------------------------------------------- */

#define FIG_MAX_WORDS 64 /* positional arguments, and repeated options: more is a mistake in a script, not a use */

struct fig_arguments {
    const fig_command *command;
    void *values;                       /* the command's options struct, filled; freed by cli_arguments_free */
    const char *word[FIG_MAX_WORDS];    /* positional arguments */
    int words;
    unsigned char times[FIG_MAX_WORDS]; /* how often each row of the table was given */
    struct { const fig_option *row; const char *value; } repeated[FIG_MAX_WORDS];
    int repeats;
    int help;                           /* 1 after -h, 2 after --help: nothing else was checked */
};

/* Options that every command takes: --color --progress --quiet --verbose. Help and docs list them once. */
const fig_option *cli_global_options(void);
/* Reads argv (after the command's name). Global options go into the cli. */
fig_status cli_arguments_parse(const fig_command *command, int argc, char **argv, fig_cli *cli, fig_arguments *out,
                               fig_error *err);
void cli_arguments_free(fig_arguments *arguments);
/* True when the user gave the option, whatever its value. */
bool cli_arguments_has(const fig_arguments *arguments, const char *name);
/* Values of a repeatable option in order, NULL-terminated, into list[FIG_MAX_WORDS + 1]; returns how many. */
int cli_arguments_list(const fig_arguments *arguments, const char *name, const char **list);

/* -- help.c ------------------------------------------------------------------------------------------------------- */

void cli_help_overview(FILE *out);
void cli_help_command(FILE *out, const fig_command *command, bool full);
/* An option table as aligned lines; settings = names as in a run file instead of as flags. */
void cli_help_options(FILE *out, const fig_option *table, bool settings);

/* -- output.c: standard error, colours, files --------------------------------------------------------------------- */

typedef enum fig_progress_mode { /* in the order of the choices of --progress */
    FIG_PROGRESS_AUTO, FIG_PROGRESS_BAR, FIG_PROGRESS_PLAIN, FIG_PROGRESS_JSON, FIG_PROGRESS_NONE
} fig_progress_mode;

struct fig_cli {
    fig_progress_mode progress; /* after cli_output_settle never AUTO */
    int color;                  /* 0 auto, 1 always, 2 never */
    int verbosity;              /* -1 quiet, 0, 1 notes, 2 debugging */
    bool colour_out, colour_err;
    char *command_line;         /* as typed, quoted for a shell: runs record it */
    /* the progress line */
    bool drawn;                 /* a bar stands on the terminal's last line */
    double drawn_at;
    char what[160];             /* last task named by cli_progress_fraction */
    double what_since;
    bool what_said;
};

/* Decides on colours and progress from options, NO_COLOR, CLICOLOR_FORCE, TERM, FIGMENT_LOG and the terminal. */
void cli_output_settle(fig_cli *cli);
/* "      Verb rest of the line" on standard error unless quiet. */
void cli_say(fig_cli *cli, const char *verb, const char *format, ...) FIG_PRINTF(3, 4);
/* "figment: warning: ..." */
void cli_warn(fig_cli *cli, const char *format, ...) FIG_PRINTF(2, 3);
void cli_print_error(fig_cli *cli, const fig_error *err);
/* Message hooks of the library: level 0 error, 1 warning, 2 note, 3 debugging. user is the fig_cli. */
void cli_on_message(void *user, int level, const char *line);
/* Starts bold, dim ... on stdout when colours are on, else "". */
const char *cli_bold(const fig_cli *cli);
const char *cli_plain(const fig_cli *cli);
/* Text to a file (temporary, fsync, rename), or to standard output when path is "-". */
fig_status cli_write_text(const char *path, const char *text, bool replace, fig_error *err);
/* FIG_E_IO when standard output could not be written (full disk behind a redirection). */
fig_status cli_flush(fig_error *err);
/* 1234567 as "1,234,567"; seconds as "0:07" "12:34" "1:02:03". */
const char *cli_count_text(int64_t count, char out[32]);
const char *cli_time_text(double seconds, char out[32]);
char *cli_join(const char *format, ...) FIG_PRINTF(1, 2); /* heap text; never NULL */

/* -- progress.c --------------------------------------------------------------------------------------------------- */

void cli_progress_training(fig_cli *cli, const fig_train_progress *now);
/* A task with a known (0..1) or unknown (< 0) share done: fetching, compiling, evaluating. user is the fig_cli. */
void cli_progress_fraction(void *user, const char *what, double done);
void cli_progress_clear(fig_cli *cli);

/* -- json_out.c: documents of the command's own; library documents are printed as they come ----------------------- */

typedef struct cli_doc { FILE *out; int depth; bool more[16]; } cli_doc;
cli_doc cli_doc_begin(FILE *out, const char *schema); /* {"schema":"figment.NAME/1" */
void cli_doc_end(cli_doc *writer);                    /* closes everything and ends the line */
/* key is NULL inside arrays. */
void cli_doc_open(cli_doc *writer, const char *key, char bracket); /* '{' or '[' */
void cli_doc_close(cli_doc *writer, char bracket);                 /* '}' or ']' */
void cli_doc_text(cli_doc *writer, const char *key, const char *text);   /* NULL gives null */
void cli_doc_number(cli_doc *writer, const char *key, double value);     /* not finite gives null */
void cli_doc_int(cli_doc *writer, const char *key, int64_t value);
void cli_doc_bool(cli_doc *writer, const char *key, bool value);
void cli_doc_options(cli_doc *writer, const char *key, const fig_option *table);

/* -- outline.c: any JSON document as text for people: keys aligned, arrays of objects as tables ------------------- */

fig_status cli_outline_print(fig_cli *cli, FILE *out, const char *json, const char *where, fig_error *err);
/* The first value under this key, wherever in the document it stands; NULL = none. */
const fig_json *cli_find_key(const fig_json *value, const char *key);
/* Prints the document as it is (json), or as an outline; frees it. */
fig_status cli_print_document(fig_cli *cli, char *document, bool json, const char *where, fig_error *err);

/* -- recipes.c: a recipe by name; FIG_E_NOT_FOUND with the nearest name ------------------------------------------- */

fig_status cli_recipe_named(const char *name, const fig_recipe **out, fig_error *err);

/* -- session.c, signals.c ----------------------------------------------------------------------------------------- */

/* A session with the user's threads (0 = automatic), and with kernels chosen by measuring. */
fig_session_opts cli_session_opts(fig_cli *cli, int64_t threads);
fig_status cli_session_open(fig_cli *cli, int64_t threads, bool tune, fig_session **out, fig_error *err);
/* While a trainer is guarded, the first SIGINT or SIGTERM asks it to stop after the step; the second ends the process
 * at once. NULL ends the guard. */
void cli_signals_guard(fig_trainer *trainer);

#endif
