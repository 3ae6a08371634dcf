/* toy_recipe.h - recipes that tests of the trainer make for themselves: a build function, options, and a trainer
 * without a run folder */
#ifndef TOY_RECIPE_H
#define TOY_RECIPE_H

#include "test.h"
#include "train/trainer.h"
#include <figment/train.h>

/* A mode and a size to tell variants of one build apart. */
typedef struct toy_options {
    int64_t mode, size;
} toy_options;
static const fig_option toy_table[] = {
    { "mode", FIG_INT, offsetof(toy_options, mode), 0, 0, 100, "variant" },
    { "size", FIG_INT, offsetof(toy_options, size), 4, 1, 1000, "a size" },
    { 0 },
};

typedef fig_status toy_build(fig_model *model, const void *options, const fig_data_spec *data, fig_error *err);
static inline fig_recipe toy_recipe(toy_build *build)
{
    return (fig_recipe){ .name = "toy",
                         .options = toy_table,
                         .options_size = sizeof(toy_options),
                         .data_kinds = FIG_DATA_POINTS | FIG_DATA_IMAGES | FIG_DATA_TEXT,
                         .build = build };
}

static void toy_message(void *user, int level, const char *line)
{
    (void)level;
    if (user)
        snprintf((char *)user, 1024, "%s", line); /* the last message */
}

static inline fig_trainer *toy_trainer(const fig_recipe *recipe, const char *output, bool resume,
                                       const char *const *settings, char *message, fig_error *err)
{
    static const char *const data[] = { "synthetic:ring8", NULL };
    fig_trainer *t = NULL;
    fig_train_opts opts = { .recipe = recipe,
                            .data = data,
                            .output = output,
                            .resume = resume,
                            .settings = settings,
                            .message = toy_message,
                            .user = message };
    static fig_session *session;
    if (!session)
        fig_session_new(&(fig_session_opts){ .threads = 1 }, &session, NULL);
    if (fig_trainer_new(session, &opts, &t, err) != FIG_OK)
        return NULL;
    return t;
}

static inline float *toy_state(fig_trainer *t, const char *name)
{
    int index = fig_store_find(t->store, name);
    return index < 0 ? NULL : fig_store_data(t->store, index);
}

static inline void toy_steps(fig_trainer *t, int steps)
{
    fig_error err = { 0 };
    fig_train_progress p;
    for (int64_t end = t->state.step + steps; t->state.step < end;) {
        CHECK_OK(fig_trainer_step(t, &p, &err), err);
        if (err.status || p.finished)
            return;
    }
}

#endif
