/* recipes/levels.h - what is said of a grey level: logistic distributions, discretised (Kingma et al. 2016; Salimans et al. 2017)
 *
 * A picture's values are level / (levels - 1) in [0, 1]. A level owns the space half-way to its neighbours, the first and the last all
 * that is beyond, so that the chances of all levels sum to one. Means and scales are in units in which the range goes from -1 to 1. */
#ifndef FIG_RECIPES_LEVELS_H
#define FIG_RECIPES_LEVELS_H

#include <figment/graph.h>

/* Values in [0, 1] -> 0 .. levels - 1, the nearest. */
fig_node fig__nearest_level(fig_node x, int64_t levels);
/* log p(value) of one logistic distribution: value in [0, 1], mean, log_sharp = -log(scale), kept within -4 and 7. They broadcast. */
fig_node fig__logistic(fig_node value, fig_node mean, fig_node log_sharp, int64_t levels);
/* The same of a mixture: value (..., 1) against parameters (..., 3 mixtures), all logits, then all means, then all log_sharp -> (...). */
fig_node fig__logistic_mixture(fig_node parameters, fig_node value, int64_t mixtures, int64_t levels);

#endif
