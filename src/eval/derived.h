/* eval/derived.h - sums over a split, the score they give, and scores that follow from another's mean */
#ifndef FIG_EVAL_DERIVED_H
#define FIG_EVAL_DERIVED_H

#include "core/core.h"
#include <figment/use.h>

/* Over examples: s = an example's sum of values, m = what it counts for. */
typedef struct fig__sums {
    double s, m, ss, sm, mm;
    double bytes; /* of text behind the targets */
    int64_t n;
} fig__sums;

void fig__score_mean(const fig__sums *sums, fig_score *score); /* value, standard_error, count */

typedef struct fig__derivation {
    const char *name, *unit;
    void (*derive)(const fig__sums *sums, const fig_data_spec *data, const fig_score *base, fig_score *out);
} fig__derivation;
extern const fig__derivation fig__derived[]; /* ends with {NULL} */

#endif
