/* figment/train.h - training: one trainer for every recipe, pulled step by step
 *
 * A trainer owns a run folder (run.yaml, log.jsonl, samples/, checkpoints/, model.safetensors). Call fig_trainer_step until
 * it says finished. A killed run continues to the same bits: weights, moments, data order, noise and the log. */
#ifndef FIGMENT_TRAIN_H
#define FIGMENT_TRAIN_H

#include <figment/model.h>
#include <figment/plan.h>
#include <figment/use.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct fig_trainer fig_trainer;

typedef struct fig_train_opts {
    const fig_recipe *recipe;   /* or NULL with run_file */
    const char *run_file;       /* run.yaml */
    const char *preset;         /* NULL = the default for the data's kind */
    const char *const *data;    /* "mnist", "a=DIR": names or paths; NULL-terminated. Benchmarks and dry runs also take data of a
                                   shape only: "random:64x64x3", "random:points:2", "random:tokens:50257" */
    const char *output;         /* run folder; NULL = nothing is written (benchmarks, dry runs) */
    const char *const *settings; /* "a.b=v", NULL-terminated; later wins; they win over preset and run file */
    bool resume;
    const char *from;           /* start from this model's weights */
    bool dry_run;               /* plan only */
    bool no_tune;               /* kernels by the fixed table instead of by measuring; a resumed run keeps what its checkpoint says */
    const char *command;        /* recorded in the run */
    void (*message)(void *user, int level, const char *line); /* warnings and notes, one line each */
    void (*progress)(void *user, const char *what, double done); /* fetching data, compiling */
    void *user;
    const fig_session_opts *session_opts; /* with session NULL: of the trainer's own session; threads 0 = as the settings say */
} fig_train_opts;

/* The options every training has (batch, steps, lr ...), for help and forms. */
FIG_API const fig_option *fig_train_option_table(void);
FIG_API fig_status fig_trainer_new(fig_session *session, const fig_train_opts *opts, fig_trainer **out, fig_error *err);
FIG_API void fig_trainer_free(fig_trainer *trainer);

typedef struct fig_train_progress {
    int64_t step, steps;        /* rounds done and to do */
    int64_t epoch, epochs;      /* epochs is 0 when steps were given */
    double seconds, seconds_left, items_per_s;
    bool logged, sampled, checkpointed, evaluated; /* what this step also did */
    bool finished;              /* nothing left to do; files are written */
    const char *why_finished;   /* "all steps", "early stopping: validation elbo", "time limit" */
    int losses;
    const char *loss_name[16];  /* "loss.generator" ... of the last logged step */
    double loss[16];
    const char *log_line;       /* set when logged: the recipe's own line */
    double validation;          /* last watched metric; NaN = none */
    const char *validation_name;
    double cpu_seconds;         /* processor time of all threads, over all sittings; NaN = the run began before it was counted */
} fig_train_progress;
/* One round (every phase, in order). FIG_E_NUMERIC names phase, step and layer when a value stops being finite; the last
 * good checkpoint stays. FIG_E_INTERRUPTED after fig_trainer_stop: the step was finished and a checkpoint written. */
FIG_API fig_status fig_trainer_step(fig_trainer *trainer, fig_train_progress *progress, fig_error *err);
/* Steps until finished; `each` (or NULL) is told after every step. */
FIG_API fig_status fig_trainer_run(fig_trainer *trainer, void (*each)(void *user, const fig_train_progress *progress), void *user,
                                   fig_error *err);
/* All of it in one call: new, run, free. session NULL = one of its own. */
FIG_API fig_status fig_train(fig_session *session, const fig_train_opts *opts,
                             void (*each)(void *user, const fig_train_progress *progress), void *user, fig_error *err);
/* Asks the trainer to stop after the current step; may be called from a signal handler or another thread. */
FIG_API void fig_trainer_stop(fig_trainer *trainer);
/* The plan as JSON "figment.plan/1" (DESIGN section 5); heap text. */
FIG_API fig_status fig_trainer_plan_json(fig_trainer *trainer, char **json, fig_error *err);
/* The graph of the training round (text, or Graphviz with dot); heap text. */
FIG_API char *fig_trainer_print_graph(fig_trainer *trainer, bool dot);
/* For benchmarks: runs `steps` rounds on fixed random data of the right shapes without files; seconds of each. */
FIG_API fig_status fig_trainer_bench(fig_trainer *trainer, int warmup, int steps, double *seconds, fig_error *err);
FIG_API fig_plan_info fig_trainer_plan_info(const fig_trainer *trainer);
/* Seconds that fig_trainer_new took: data, graphs, plans; `tuning` (or NULL) is set to the part in which kernels were measured. */
FIG_API double fig_trainer_startup(const fig_trainer *trainer, double *tuning);
/* The measured choices that the plans use, as in checkpoints: lines "KEY KERNEL"; heap text. */
FIG_API char *fig_trainer_kernels(const fig_trainer *trainer);
FIG_API char *fig_trainer_profile(fig_trainer *trainer, int runs); /* heap text */
/* A sampler over the weights as they are now, also of a dry trainer; free it before the trainer. */
FIG_API fig_status fig_trainer_sampler(fig_trainer *trainer, const fig_sample_opts *opts, fig_sampler **out, fig_error *err);
/* A commented run file for a recipe and preset; heap text. */
FIG_API fig_status fig_run_file_template(const fig_recipe *recipe, const char *preset, char **yaml, fig_error *err);

/* -- controllers: at fixed step boundaries they may change named scalars, stop, or roll back; logged and checkpointed ------ */
typedef struct fig_control {
    int64_t step;
    const char *metric_name; /* set when an evaluation just ended */
    double metric;
    bool better_is_higher;
    bool nonfinite;          /* the step's loss or weights are not finite */
    /* what it may do */
    bool stop, roll_back;
    const char *reason;      /* static or in the controller's memory */
    double (*get_scalar)(struct fig_control *c, const char *name); /* "lr", "phases.generator.lr", a ramp's name */
    void (*set_scalar)(struct fig_control *c, const char *name, double value);
    void *trainer;
} fig_control;
typedef struct fig_controller {
    const char *name; /* "early_stopping" "plateau" "nan_policy" */
    const fig_option *options; /* part of the training options, prefix "name." */
    size_t state_size;         /* plain bytes, checkpointed */
    void (*init)(void *state, const void *options);
    void (*at_step)(void *state, const void *options, fig_control *c);
} fig_controller;
/* Adds a controller of the host's own after the built-in ones; before the first step. */
FIG_API fig_status fig_trainer_add_controller(fig_trainer *trainer, const fig_controller *controller, const void *options, fig_error *err);
/* Observers get copies and cannot change a run. */
typedef struct fig_observation {
    const char *event; /* "log" "sample" "checkpoint" "evaluation" "end" */
    int64_t step;
    const char *json, *path;
} fig_observation;
typedef void (*fig_observer)(void *user, const fig_observation *what);
FIG_API void fig_trainer_add_observer(fig_trainer *trainer, fig_observer observer, void *user);

#ifdef __cplusplus
}
#endif
#endif
