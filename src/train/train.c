/* train/train.c - a whole training in one call, for programs that have nothing else to do meanwhile */
#include <figment/train.h>

fig_status fig_trainer_run(fig_trainer *trainer, void (*each)(void *user, const fig_train_progress *progress),
                           void *user, fig_error *err)
{
    for (fig_train_progress progress = { 0 }; !progress.finished;) {
        FIG_TRY(fig_trainer_step(trainer, &progress, err));
        if (each)
            each(user, &progress);
    }
    return FIG_OK;
}

fig_status fig_train(fig_session *session, const fig_train_opts *opts,
                     void (*each)(void *user, const fig_train_progress *progress), void *user, fig_error *err)
{
    fig_trainer *trainer = NULL;
    FIG_TRY(fig_trainer_new(session, opts, &trainer, err));
    fig_status status = fig_trainer_run(trainer, each, user, err);
    fig_trainer_free(trainer);
    return status;
}
