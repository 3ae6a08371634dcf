/* train/feeds.h - where the inputs of a training plan come from: loaders, pools of earlier values, this model's own
 * sampler */
#ifndef FIG_TRAIN_FEEDS_H
#define FIG_TRAIN_FEEDS_H

#include "eval/evaluator.h"
#include "train/round.h"

typedef struct fig__feeds fig__feeds;
struct fig_trainer;

/* Loaders for the data sets that the model's inputs name, pools for its pool inputs. */
fig_status fig__feeds_new(struct fig_trainer *trainer, fig__feeds **out, fig_error *err);
void fig__feeds_free(fig__feeds *feeds);
/* Batches of an epoch of the first data set. */
int64_t fig__feeds_epoch_batches(const fig__feeds *feeds);
/* Data sets that a plan reads, as a bit mask: how many batches a round takes. */
unsigned fig__feeds_used(const fig__feeds *feeds, fig_plan *plan);
/* Fills the inputs of a plan for its next run; takes a new batch of each data set it reads. */
fig_status fig__feeds_fill(fig__feeds *feeds, fig_plan *plan, fig_error *err);
/* New rows for the pool of input `input`, just computed: the nth ones of this round, from 0. */
void fig__feeds_pool(fig__feeds *feeds, int input, const void *rows, int nth);
/* Makes this round's rows of the sampler feeds. */
fig_status fig__feeds_roll_out(fig__feeds *feeds, fig_error *err);
/* Places the loaders where the run state says. */
void fig__feeds_seek(fig__feeds *feeds);

#endif
