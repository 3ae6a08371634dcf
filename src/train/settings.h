/* train/settings.h - where a run's settings come from, and what they are in the end
 *
 * Settings are rows "key = text" in layers; a later layer wins: table default < preset < the phase's own defaults <
 * run file < what the caller sets. Inside a layer "phases.NAME.lr" wins over "lr". The resolved settings, written out
 * in full, are run.yaml, which reproduces the run. */
#ifndef FIG_TRAIN_SETTINGS_H
#define FIG_TRAIN_SETTINGS_H

#include "train/options.h"
#include <figment/train.h>

typedef enum fig__layer { FIG__LAYER_PRESET, FIG__LAYER_FILE, FIG__LAYER_SET, FIG__LAYERS } fig__layer;
typedef struct fig__setting {
    fig__layer layer;
    int line; /* of the run file */
    const char *key, *text;
} fig__setting;

#define FIG__MAX_DATA 8
typedef struct fig__data_name {
    const char *key, *name;
} fig__data_name; /* key "" = the only one */

typedef struct fig__settings {
    fig__arena *arena;
    const fig_recipe *recipe;
    const fig_preset *preset; /* NULL = the recipe has none */
    const char *preset_name;  /* asked for, or NULL */
    const char *run_file;
    fig__data_name data[FIG__MAX_DATA];
    int n_data;
    fig__setting *rows;
    int n_rows, cap_rows;
    fig__train_options train;
    void *options; /* the recipe's */
    bool resolved;
    fig__cadence log_every, sample_every, eval_every, checkpoint_every;
    fig__keep keep;
    uint64_t memory_budget; /* bytes; 0 = none */
} fig__settings;

/* Reads the run file and lists all rows; finds recipe and data names. Values are checked by resolve. */
fig_status fig__settings_read(const fig_train_opts *opts, fig__settings *out, fig_error *err);
/* Chooses the preset by the kind of data (a fig_data_kind) and sets train and options. */
fig_status fig__settings_resolve(fig__settings *settings, unsigned data_kind, fig_error *err);
void fig__settings_free(fig__settings *settings);
/* The settings of one phase; `defaults` are its own ("lr=2e-4 beta1=0.5") or NULL. */
fig_status fig__settings_phase(const fig__settings *settings, const char *phase, const char *defaults,
                               fig__phase_options *out, fig_error *err);
/* Refuses "phases.X..." rows whose X is none of the phases. */
fig_status fig__settings_check_phases(const fig__settings *settings, const char *const *phases, int count,
                                      fig_error *err);

/* run.yaml: complete, heap text. command NULL = not known. */
char *fig__settings_write(const fig__settings *settings, const char *command, const char *const *phases,
                          const fig__phase_options *values, int count);
/* Refuses a resume whose settings differ from the run's, but for length, time limits and cadences; lists what differs. */
fig_status fig__settings_compare(const char *old_yaml, const char *new_yaml, const char *where, fig_error *err);

/* "latent=20 sample_every='10 epochs'": the next key and value of a settings string, in `arena`; false at the end. A
 * part without '=' is FIG_E_USAGE. */
fig_status fig__settings_next(const char **at, fig__arena *arena, const char **key, const char **text, fig_error *err);

#endif
