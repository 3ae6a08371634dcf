/* recipes/table.c - the list of model families: one row each in recipes.def */
#include <figment/model.h>
#include <string.h>

#define FIG_RECIPE(name) extern const fig_recipe fig_recipe_##name;
#include "recipes/recipes.def"
#undef FIG_RECIPE

#define FIG_RECIPE(name) &fig_recipe_##name,
static const fig_recipe *const recipes[] = {
#include "recipes/recipes.def"
};
#undef FIG_RECIPE

enum { COUNT = sizeof recipes / sizeof recipes[0] };

const fig_recipe *fig_recipe_at(int index) { return index >= 0 && index < COUNT ? recipes[index] : NULL; }

const fig_recipe *fig_recipe_find(const char *name)
{
    for (int i = 0; i < COUNT; i++)
        if (strcmp(recipes[i]->name, name) == 0)
            return recipes[i];
    return NULL;
}
