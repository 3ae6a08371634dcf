/* train/trainer.h - inside of a trainer
 *
 * Three kinds of state: what a checkpoint holds besides tensors (fig__run_state), what is rebuilt from settings and
 * data (plans, loaders), and what belongs to this process (paths, hooks). One step of the trainer:
 *
 *     pending actions -> round -> counters -> due actions: log, evaluate, control, sample, checkpoint
 *
 * Actions are flags in the run state. A checkpoint written between two of them therefore knows what is still to do at
 * its step, and a resumed run does it. */
#ifndef FIG_TRAIN_TRAINER_H
#define FIG_TRAIN_TRAINER_H

#include "eval/evaluator.h"
#include "exec/choices.h"
#include "registry/model_file.h"
#include "sample/sampler.h"
#include "train/feeds.h"
#include "train/round.h"
#include <signal.h>

enum { FIG__TODO_LOG = 1, FIG__TODO_EVAL = 2, FIG__TODO_SAMPLE = 4, FIG__TODO_CHECKPOINT = 8, FIG__TODO_SNAPSHOT = 16 };
enum { FIG__MAX_SCORES = 32, FIG__MAX_SCALARS = 64, FIG__MAX_LISTENERS = 16, FIG__MAX_KEPT = 4096 };

/* What a controller has set: "phases.NAME.lr" (before the schedule), or a ramp's name. */
typedef struct fig__override {
    char name[96];
    double value;
} fig__override;

/* Everything but tensors that a checkpoint holds (checkpoint_state.c writes and reads it). */
typedef struct fig__run_state {
    int64_t step;
    int64_t updates[FIG_MODEL_MAX]; /* of each phase's optimizer */
    int64_t drawn[FIG__MAX_DATA];   /* batches taken from each data set */
    int64_t few[FIG__MAX_DATA];     /* the same of the few labelled examples of each */
    int64_t averaged;               /* updates of the moving averages */
    int64_t noise_skip;             /* added to noise steps by roll-backs */
    double seconds;                 /* of training, over all sittings */
    double cpu_seconds;             /* processor time of all threads in them; NaN = began before it was counted */
    double items;                   /* examples seen */
    int64_t log_bytes;
    unsigned todo;
    int64_t best_step; /* -1 = no score yet */
    double best;
    double last_score; /* of the watched metric; NaN = none */
    int64_t scored_step;
    fig_score scores[FIG__MAX_SCORES], best_scores[FIG__MAX_SCORES];
    int n_scores, n_best_scores;
    fig__override overrides[FIG__MAX_SCALARS];
    int n_overrides;
    int64_t kept[FIG__MAX_KEPT]; /* steps of the checkpoints that exist, oldest first */
    int n_kept;
    bool stopped; /* by a controller or the time limit: no more rounds */
    char why[128];
    double busy, logged_busy; /* seconds in rounds; at the last log line, for the speed since */
    double logged_items;
    bool finished;
} fig__run_state;

/* Why a run ended that --minutes or --cpu-minutes have stopped: it may go on when the limit moves. */
#define FIG__TIME_LIMIT "time limit"
#define FIG__CPU_LIMIT "processor time limit"

typedef struct fig__controlling {
    const fig_controller *record;
    const void *options;
    void *state;
    bool own_options;
} fig__controlling;
typedef struct fig__observing {
    fig_observer call;
    void *user;
} fig__observing;

struct fig_trainer {
    /* what was asked for */
    fig__settings settings;
    char *output, *command, *from;
    bool resume, dry, no_tune;
    void (*message)(void *user, int level, const char *line);
    void (*notify)(void *user, const char *what, double done);
    void *user;
    /* what it became */
    fig_session *session;
    bool own_session;
    fig__data_set data[FIG__MAX_DATA];
    int n_data;
    bool random_data;
    fig_data_spec *spec; /* own copy */
    fig_store *store;
    fig_choices *choices; /* kernels of this run's plans; the same for its whole life */
    double startup;         /* seconds that making it took */
    uint64_t budget_states; /* with a memory budget: bytes of weights and moments */
    fig__round *round;
    fig__feeds *feeds;
    fig_trained view;          /* for sampler and evaluator */
    fig_sampler *sheet;        /* made at the first sheet */
    float *sheet_input;        /* examples for a sampler that reads some */
    fig__evaluator *evaluator; /* made at the first evaluation */
    fig_sampler *standing;     /* gathers statistics for averaged weights; made at the first use */
    fig_loader *standing_examples; /* for a sampler that reads data */
    fig_trained standing_view; /* what that sampler sees */
    bool stands;               /* there are such statistics */
    int64_t standing_step;     /* they belong to this step; -1 = to none */
    bool has_metrics;
    char watch[48]; /* metric that chooses the best; "" = none */
    bool watch_higher;
    int64_t steps, epoch_steps, batches_per_round;
    fig__controlling controller[FIG__MAX_LISTENERS];
    int n_controllers;
    fig__observing observer[FIG__MAX_LISTENERS];
    int n_observers;
    int lock; /* file descriptor of RUN/.lock, -1 = none */
    /* where it is */
    fig__run_state state;
    double began;   /* clock at the start of this sitting less the seconds before; 0 = not begun */
    double cpu_began; /* the same of processor time */
    double sitting; /* seconds of training before this sitting */
    double last_sampled, last_checkpointed, last_logged, last_evaluated; /* seconds of training */
    double loss[4 * FIG_MODEL_MAX];                                      /* of the last round, by output */
    const char *loss_key[4 * FIG_MODEL_MAX];
    int n_losses;
    double lr[FIG_MODEL_MAX];       /* used in the last round */
    int failed_group, failed_phase; /* where a loss was not finite, and in which run of the round */
    int64_t failed_run;
    char log_line[1024];
    int64_t pace_steps; /* rounds of this sitting, and the seconds they took: for the time left */
    double pace_seconds;
    _Atomic int stop;
};

/* -- trainer.c */
void fig__say(const fig_trainer *t, int level, const char *format, ...) FIG_PRINTF(3, 4);
double fig__elapsed(const fig_trainer *t);
double fig__cpu_elapsed(const fig_trainer *t);
const char *fig__limit_reached(const fig_trainer *t); /* FIG__TIME_LIMIT, FIG__CPU_LIMIT or NULL */
int64_t fig__epoch_of(const fig_trainer *t, int64_t step); /* 1, 2 ... ; 0 before the first step */
char *fig__run_path(const fig_trainer *t, fig__arena *arena, const char *name);
void fig__observe(fig_trainer *t, const char *event, const char *json, const char *path);

/* -- open.c: data, request, spec (also "random:64x64x3" for benchmarks) */
fig_status fig__trainer_open_data(fig_trainer *t, fig_error *err);

/* -- run_round.c */
fig_status fig__run_round(fig_trainer *t, bool *finite, fig_error *err);
/* After a round whose loss is not finite: which phase and layer; always FIG_E_NUMERIC. */
fig_status fig__explain_nonfinite(fig_trainer *t, fig_error *err);
double fig__base_lr(const fig_trainer *t, int phase); /* before the schedule */

/* -- actions.c */
fig_status fig__action_log(fig_trainer *t, fig_error *err);
fig_status fig__action_evaluate(fig_trainer *t, fig_error *err);
fig_status fig__action_sample(fig_trainer *t, fig_error *err);
fig_status fig__write_model(fig_trainer *t, const char *name, fig_error *err); /* NAME.safetensors of the run folder */
char *fig__scores_text(const fig_score *scores, int count); /* JSON array, heap */

/* -- standing.c: batch norm's statistics for averaged weights */
fig_status fig__standing_prepare(fig_trainer *t, fig_error *err); /* adds their states to the store */
fig_status fig__standing_refresh(fig_trainer *t, fig_error *err); /* before the view is sampled, scored or written */

/* -- journal.c: log.jsonl */
fig_status fig__journal_add(fig_trainer *t, const char *line, fig_error *err);
void fig__put_float(fig__text *out, double value); /* shortest that reads back to the same float; null unless finite */
void fig__format_line(const fig_trainer *t, const char *format, char *out, size_t size);
const char *fig__default_line(const fig_trainer *t, fig__arena *arena);

/* -- control.c */
void fig__controllers_init(fig_trainer *t);
typedef struct fig__decision {
    bool stop, roll_back;
    const char *reason;
} fig__decision;
fig_status fig__control(fig_trainer *t, bool evaluated, bool nonfinite, fig__decision *out, fig_error *err);
double fig__overridden(const fig_trainer *t, const char *name, double value);

/* -- checkpoint.c */
fig_status fig__checkpoint_write(fig_trainer *t, fig_error *err);
/* Newest valid one; *found false when there is none. Damaged ones are named in messages. */
fig_status fig__checkpoint_resume(fig_trainer *t, bool *found, fig_error *err);
/* The kernels that the run was begun with, from its newest readable checkpoint; false when there is none. */
bool fig__checkpoint_choices(const fig_trainer *t, fig_choices *choices);
fig_status fig__checkpoint_roll_back(fig_trainer *t, fig_error *err);
fig_status fig__check_weights_finite(const fig_trainer *t, fig_error *err);
/* checkpoint_state.c */
char *fig__state_write(const fig_trainer *t);
fig_status fig__state_read(fig_trainer *t, const char *json, const char *where, fig_error *err);

/* -- report.c: report.html, a page by itself */
fig_status fig__report(fig_trainer *t, fig_error *err);
void fig__report_remove(
    const fig_trainer *t); /* of an earlier end, when the run goes on: a report says that a run is finished */

/* -- plan_json.c */
fig_status fig__refuse_with_batch(fig_trainer *t, fig_error *err);

#endif
