/* train/options.h - what every training can be told, and how often things happen
 *
 * One table (options.c) describes fig__train_options; the rows that a phase may set for itself ("phases.NAME.lr")
 * stand in fig__phase_options and are described once for both places. */
#ifndef FIG_TRAIN_OPTIONS_H
#define FIG_TRAIN_OPTIONS_H

#include "core/core.h"
#include "train/controller.h"
#include <figment/option.h>

/* What each phase has its own value of. A bare key sets all phases. */
typedef struct fig__phase_options {
    double lr;
    int optimizer; /* index into fig__optimizers */
    double beta1, beta2, eps, momentum, decay_rate;
    bool nesterov, decay_all;
    double weight_decay, clip, clip_value;
    int64_t times; /* only as phases.NAME.times; 0 = as the recipe says */
} fig__phase_options;

enum { FIG__F32, FIG__BF16 }; /* in the order of the choices of "precision" */

typedef struct fig__train_options {
    int64_t batch, steps, epochs;
    double minutes, cpu_minutes;
    fig__phase_options phase;
    int schedule; /* index into fig__schedules */
    int64_t warmup, decay_steps, drop_every;
    double lr_end, drop_factor;
    int64_t accumulate;
    double ema;
    bool ema_warm;
    int64_t seed, threads;
    int precision; /* FIG__F32 or FIG__BF16 */
    double validation;
    int64_t epoch_steps, workers;
    int data_order; /* a fig_order */
    double test;
    int resize; /* a fig_resize */
    char *background;
    bool standardise;
    int random_flip; /* a fig_flip */
    int64_t random_crop;
    double random_rotation, random_scale, random_colour;
    bool drop_last;
    char *log_every, *sample_every, *eval_every, *checkpoint_every, *keep, *watch, *memory_budget;
    int64_t snapshots, eval_items, sample_rows, sample_columns, sample_gap, sample_zoom, sample_seed, sample_length;
    fig__early_stopping_options early_stopping;
    fig__plateau_options plateau;
    fig__nan_policy_options nan_policy;
} fig__train_options;

extern const fig_option fig__train_options_table[];
extern const fig_option fig__phase_options_table[]; /* places in fig__phase_options */

/* -- cadences (cadence.c): "100", "100 steps", "10 epochs", "5 minutes", "30 seconds", "0", "never", "auto" -------- */
typedef enum fig__unit { FIG__NEVER, FIG__STEPS, FIG__EPOCHS, FIG__SECONDS, FIG__AUTO } fig__unit;
typedef struct fig__cadence {
    fig__unit unit;
    double every;
} fig__cadence;
fig_status fig__cadence_parse(const char *key, const char *text, fig__cadence *out, fig_error *err);
/* Is the event due after `step` steps? `last` is when (in seconds of training) it happened before, `now` the time
 * now. */
bool fig__cadence_due(const fig__cadence *cadence, int64_t step, int64_t epoch_steps, double last, double now);
/* Turns "auto" into a number of steps: `parts` times over the run, rounded to 1, 2 or 5 times a power of ten, or to
 * whole epochs when the run has that many. */
void fig__cadence_settle(fig__cadence *cadence, int parts, int64_t most, int64_t steps, int64_t epoch_steps,
                         bool whole_epochs);

/* What checkpoints stay: "all", "last 3", "best", "last 2 best". */
typedef struct fig__keep {
    int64_t last;
    bool best;
} fig__keep; /* last 0 = all */
fig_status fig__keep_parse(const char *text, fig__keep *out, fig_error *err);

/* An amount of memory in bytes: "600MB", "1.5 GB", "512MiB"; "none" or nothing is 0. */
fig_status fig__memory_parse(const char *key, const char *text, uint64_t *out, fig_error *err);

#endif
