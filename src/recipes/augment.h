/* recipes/augment.h - changes of pictures that a GAN's critic sees, real and made alike, and that gradients pass */
#ifndef FIG_RECIPES_AUGMENT_H
#define FIG_RECIPES_AUGMENT_H

#include "recipes/settings.h"

enum { FIG__AUGMENT_COLOUR = 1, FIG__AUGMENT_TRANSLATION = 2, FIG__AUGMENT_CUTOUT = 4, FIG__AUGMENT_FLIP = 8 };

/* "colour,translation,cutout" -> a bit mask; "none" or empty is 0. */
fig_status fig__read_augment(const char *text, unsigned *kinds, fig_error *err);
/* pictures (B, H, W, C), values in [-1, 1]; each kind happens to a row with `probability` (any shape of one element). */
fig_node fig__augment(unsigned kinds, fig_node pictures, fig_node probability);

#endif
