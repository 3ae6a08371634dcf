/* recipes/solvers.h - how samples are made from what a denoiser guesses: host loops over step graphs
 *
 * Each call declares one sampler. All begin sample i with the same noise, so that they can be compared picture by picture. */
#ifndef FIG_RECIPES_SOLVERS_H
#define FIG_RECIPES_SOLVERS_H

#include "recipes/denoiser.h"

enum { FIG__MOST_STEPS = 1000 }; /* of a sampler; more than any schedule has use for */

/* -- flows: the guess is a velocity, t goes from 0 (noise) to 1 (data) in equal steps ----------------------------------- */

#define FIG__FLOW_SAMPLERS "euler heun"
enum { FIG__EULER, FIG__HEUN };
void fig__solve_flow(const fig__denoiser *d, int kind, int steps);

#endif
