/* recipes/gan.h - what every recipe of two players is made of: the rules of the game, and the networks that play it
 *
 * Such a recipe says what data it asks for, its defaults and its presets; building and advice are the same for all. */
#ifndef FIG_RECIPES_GAN_H
#define FIG_RECIPES_GAN_H

#include "recipes/bodies.h"
#include "recipes/game.h"

typedef struct fig__gan_options {
    fig__rules rules;
    fig__body_options body;
} fig__gan_options;

/* `build` and `advise` of a recipe's record; options is a fig__gan_options. */
fig_status fig__gan_build(fig_model *model, const void *options, const fig_data_spec *data, fig_error *err);
char *fig__gan_advise(const void *options, const fig_data_spec *data);

#endif
