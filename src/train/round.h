/* train/round.h - the plans of one training round
 *
 * A round is every phase in order. Phases that run once per round, one after the other, are merged into one plan; a
 * phase that runs several times, or not in every round, or reads a pool, gets its own. With accumulation each phase
 * has two plans: one that adds up gradients, and one that applies them.
 *
 *     group 0: critic  x 5      plan: loss, gradients, transforms, optimizer, assignments
 *     group 1: generator x 1    plan: ... */
#ifndef FIG_TRAIN_ROUND_H
#define FIG_TRAIN_ROUND_H

#include "nn/model.h"
#include "train/optimizer.h"
#include "train/settings.h"

/* In a store's flags: belongs to the training and so into checkpoints. States of sampling graphs (caches) do not. */
enum { FIG__SAVED = 16 };

typedef enum fig__output_kind { FIG__OUT_LOSS, FIG__OUT_LOG, FIG__OUT_NORM, FIG__OUT_POOL } fig__output_kind;
typedef struct fig__output {
    fig__output_kind kind;
    int phase;       /* in the model; POOL: the input that is filled */
    const char *key; /* in the log: "loss.generator", "kl" */
    fig_node node;
} fig__output;

typedef struct fig__group {
    int phase[FIG_MODEL_MAX], n_phases;
    const char *stage; /* NULL = the only one */
    int times, every;
    int64_t from, until;
    fig_plan *plan;                        /* with accumulation: the one that applies */
    fig_plan *accumulate;                  /* or NULL */
    fig__output output[4 * FIG_MODEL_MAX]; /* of the plan that computes losses, in order */
    int n_outputs;
    int only_pool; /* 1 + the input for which this group only computes the pool's new rows. It stands before the group that reads them
                    * and runs once before each run of it: `times` is the reader's */
} fig__group;

typedef struct fig__round {
    fig_model *model; /* its graph holds all groups */
    const fig__settings *settings;
    fig__arena *arena;
    fig__phase_options *phase; /* per phase of the model */
    const char **phase_name;
    int *times; /* updates in a round, settings applied */
    fig__group group[2 * FIG_MODEL_MAX];
    int n_groups;
    uint64_t plan_budget; /* most bytes of all plans, without states; 0 = no limit */
    uint64_t own[4 * FIG_MODEL_MAX], all_own; /* with a budget: per plan (two of a group), what it does not share; their sum */
    uint64_t plan_least;  /* after compiling within a budget: what the largest plan can do with */
} fig__round;

/* Builds the training graph, and groups phases. Adds all states to the store (initialised from the seed). */
fig_status fig__round_new(const fig__settings *settings, const fig_data_spec *data, int64_t batch, fig__round **out,
                          fig_error *err);
/* Whether plans compute in bf16: asked for, and this processor has it. */
bool fig__round_in_bf16(const fig__round *round);
/* Compiles every group, with kernels as `choices` say (NULL: the fixed ones); dry measures only. Plans share one arena. */
fig_status fig__round_compile(fig__round *round, fig_store *store, fig_choices *choices, bool dry, fig_error *err);
/* Before compiling: bounds the plans' memory; `measured` is the same round, compiled dry without a bound. */
void fig__round_set_budget(fig__round *round, const fig__round *measured, uint64_t bytes);
void fig__round_free(fig__round *round);
/* Sums over the groups: flops of one round; memory of the largest plan; states. */
fig_plan_info fig__round_info(const fig__round *round);
/* Runs of plans in one round at most: noise steps are numbered round * runs + run. */
int64_t fig__round_runs(const fig__round *round);
/* Losses come out of this one. */
static inline fig_plan *fig__group_main(const fig__group *group)
{
    return group->accumulate ? group->accumulate : group->plan;
}

#endif
