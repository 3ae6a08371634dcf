/* train/controller.h - the built-in controllers: their options, and the list
 *
 * A controller's options are a group of the training options ("early_stopping.patience"); each controller's own file
 * holds its record, whose functions get a pointer to its struct inside fig__train_options. Its state is plain bytes. */
#ifndef FIG_TRAIN_CONTROLLER_H
#define FIG_TRAIN_CONTROLLER_H

#include <figment/train.h>

typedef struct fig__early_stopping_options {
    int64_t patience;
    double min_delta;
} fig__early_stopping_options;
typedef struct fig__plateau_options {
    double factor, min_delta;
    int64_t patience;
} fig__plateau_options;
typedef struct fig__nan_policy_options {
    int action;
    int64_t limit;
} fig__nan_policy_options;

typedef struct fig__built_in {
    const fig_controller *record;
    size_t options; /* offset in fig__train_options */
} fig__built_in;
extern const fig__built_in fig__controllers[]; /* ends with {NULL} */

#endif
