/* train/schedule.h - learning rates over a run: a factor of the rate as a function of the step
 *
 * Every schedule may begin with a linear warm-up. The host computes the factor in double precision before each
 * round. */
#ifndef FIG_TRAIN_SCHEDULE_H
#define FIG_TRAIN_SCHEDULE_H

#include "train/options.h"

#define FIG__SCHEDULE_CHOICES "constant linear cosine step plateau"

typedef struct fig__schedule {
    const char *name;
    /* Factor at `step` of `steps`, both counted from the end of the warm-up. */
    double (*factor)(const fig__train_options *options, double step, double steps);
} fig__schedule;
extern const fig__schedule fig__schedules[]; /* in the order of the choices, ends with {NULL} */

/* The factor of the learning rate in round `step` (0, 1 ...) of `steps`, warm-up included. */
double fig__schedule_factor(const fig__train_options *options, int64_t step, int64_t steps);
bool fig__schedule_is(const fig__train_options *options, const char *name);

#endif
