/* train/loop.c - one step of the trainer
 *
 * What a step has to do besides its round is decided by cadences and put into state.todo, then done in a fixed order,
 * each flag cleared when its work is finished. A stop between two actions saves the rest of the flags with the
 * checkpoint. */
#include "train/trainer.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static void decide(fig_trainer *t)
{
    fig__run_state *s = &t->state;
    const fig__settings *c = &t->settings;
    double now = fig__elapsed(t);
    bool last = s->step >= t->steps;
    if (last || fig__cadence_due(&c->log_every, s->step, t->epoch_steps, t->last_logged, now)) {
        s->todo |= FIG__TODO_LOG;
        t->last_logged = now;
        const char *limit = last ? NULL : fig__limit_reached(t);
        if (limit) {
            s->stopped = true;
            snprintf(s->why, sizeof s->why, "%s", limit);
            last = true;
        }
    }
    if (t->has_metrics && (last || fig__cadence_due(&c->eval_every, s->step, t->epoch_steps, t->last_evaluated, now))) {
        s->todo |= FIG__TODO_EVAL;
        t->last_evaluated = now;
    }
    bool sheets = c->sample_every.unit != FIG__NEVER;
    if (sheets && (last || fig__cadence_due(&c->sample_every, s->step, t->epoch_steps, t->last_sampled, now))) {
        s->todo |= FIG__TODO_SAMPLE;
        t->last_sampled = now;
    }
    if (fig__cadence_due(&c->checkpoint_every, s->step, t->epoch_steps, t->last_checkpointed, now))
        s->todo |= FIG__TODO_CHECKPOINT;
    int64_t snapshots = t->settings.train.snapshots;
    if (snapshots && s->step > 0 && (last || s->step * snapshots / t->steps > (s->step - 1) * snapshots / t->steps))
        s->todo |= FIG__TODO_SNAPSHOT;
}

static fig_status write_snapshot(fig_trainer *t, fig_error *err)
{
    char name[64];
    snprintf(name, sizeof name, "models/step-%07lld", (long long)t->state.step);
    return fig__write_model(t, name, err);
}

/* After a score: controllers may change rates, or end the run; then this step becomes the last one and gets its
 * sheet. */
static fig_status consult(fig_trainer *t, bool evaluated, fig_error *err)
{
    fig__decision decision;
    FIG_TRY(fig__control(t, evaluated, false, &decision, err));
    if (decision.stop && !t->state.stopped) {
        t->state.stopped = true;
        snprintf(t->state.why, sizeof t->state.why, "%s", decision.reason ? decision.reason : "a controller");
        t->state.todo |= FIG__TODO_LOG | (t->settings.sample_every.unit != FIG__NEVER ? FIG__TODO_SAMPLE : 0u);
        t->state.todo |= t->settings.train.snapshots ? FIG__TODO_SNAPSHOT : 0u;
    }
    if (decision.roll_back)
        return fig__checkpoint_roll_back(t, err);
    return FIG_OK;
}

/* A checkpoint that cannot be written now may be written later: training goes on, and the end fails loudly. */
static void checkpoint_if_possible(fig_trainer *t, fig_train_progress *p)
{
    fig_error fault = { 0 };
    if (t->has_metrics || fig__write_model(t, "model", &fault) == FIG_OK) { /* without scores the last weights are the model */
        if (fig__checkpoint_write(t, &fault) == FIG_OK) {
            p->checkpointed = t->output != NULL;
            return;
        }
    }
    t->last_checkpointed = fig__elapsed(t);
    fig__say(t, FIG_LOG_WARNING, "no checkpoint at step %lld: %s; training goes on and tries again",
             (long long)t->state.step, fault.message);
}

static fig_status do_pending(fig_trainer *t, fig_train_progress *p, fig_error *err)
{
    unsigned *todo = &t->state.todo;
    if (*todo & FIG__TODO_LOG) {
        FIG_TRY(fig__action_log(t, err));
        *todo &= ~(unsigned)FIG__TODO_LOG;
        p->logged = true;
    }
    if ((*todo & FIG__TODO_EVAL) && !t->stop) {
        FIG_TRY(fig__action_evaluate(t, err));
        *todo &= ~(unsigned)FIG__TODO_EVAL;
        p->evaluated = true;
        if (t->state.step > 0)
            FIG_TRY(consult(t, true, err));
        if (*todo & FIG__TODO_LOG) {
            *todo &= ~(unsigned)FIG__TODO_LOG;
            if (!p->logged)
                FIG_TRY(fig__action_log(t, err));
            p->logged = true;
        }
    }
    if ((*todo & FIG__TODO_SAMPLE) && !t->stop) {
        FIG_TRY(fig__action_sample(t, err));
        *todo &= ~(unsigned)FIG__TODO_SAMPLE;
        p->sampled = t->output != NULL;
    }
    if (*todo & FIG__TODO_SNAPSHOT) {
        FIG_TRY(write_snapshot(t, err));
        *todo &= ~(unsigned)FIG__TODO_SNAPSHOT;
    }
    if (*todo & FIG__TODO_CHECKPOINT) {
        *todo &= ~(unsigned)FIG__TODO_CHECKPOINT;
        checkpoint_if_possible(t, p);
    }
    return FIG_OK;
}

static fig_status save_and_leave(fig_trainer *t, fig_train_progress *p, fig_error *err)
{
    FIG_TRY(fig__checkpoint_write(t, err));
    p->checkpointed = t->output != NULL;
    return fig_fail(err, FIG_E_INTERRUPTED, "stopped after step %lld%s", (long long)t->state.step,
                    t->output ? "; everything is saved, go on with --resume" : "");
}

/* -- the round ----------------------------------------------------------------------------------------------------- */

static fig_status not_finite(fig_trainer *t, fig_error *err)
{
    fig__decision decision;
    FIG_TRY(fig__control(t, false, true, &decision, err));
    if (decision.roll_back)
        return fig__checkpoint_roll_back(t, err);
    return fig__explain_nonfinite(t, err);
}

static fig_status advance(fig_trainer *t, bool *counted, fig_error *err)
{
    double from = fig__seconds();
    bool finite;
    *counted = false;
    FIG_TRY(fig__run_round(t, &finite, err));
    if (!finite)
        return not_finite(t, err);
    t->state.step++;
    t->state.items += (double)(t->settings.train.batch * t->batches_per_round);
    t->pace_steps++;
    t->pace_seconds += fig__seconds() - from;
    t->state.busy += fig__seconds() - from;
    *counted = true;
    return FIG_OK;
}

static fig_status finish(fig_trainer *t, fig_train_progress *p, fig_error *err)
{
    fig__run_state *s = &t->state;
    if (!s->why[0])
        snprintf(s->why, sizeof s->why, "all steps");
    if (!s->finished) {
        FIG_TRY(fig__check_weights_finite(t, err));
        if (s->best_step < 0)
            FIG_TRY(fig__write_model(t, "model", err));
        s->finished = true;
        fig_status status = fig__checkpoint_write(t, err);
        if (status != FIG_OK) {
            s->finished = false;
            return status;
        }
        p->checkpointed = t->output != NULL;
        FIG_TRY(fig__report(t, err));
        fig__observe(t, "end", NULL, t->output);
    }
    p->finished = true;
    p->why_finished = s->why;
    return FIG_OK;
}

/* -- progress ------------------------------------------------------------------------------------------------------ */

/* Seconds until a limit of `minutes` is met, of which `used` seconds are gone in `elapsed` ones by the clock. */
static double until(double minutes, double used, double elapsed)
{
    return minutes > 0 && used > 0 ? fmax(minutes * 60 - used, 0) * elapsed / used : INFINITY;
}

static void fill_progress(const fig_trainer *t, fig_train_progress *p)
{
    const fig__run_state *s = &t->state;
    p->step = s->step;
    p->steps = t->steps;
    p->epoch = fig__epoch_of(t, s->step);
    p->epochs = t->settings.train.epochs ? fig__epoch_of(t, t->steps) : 0;
    p->seconds = fig__elapsed(t);
    p->cpu_seconds = fig__cpu_elapsed(t);
    double per_step = t->pace_steps ? (p->seconds - t->sitting) / (double)t->pace_steps : 0;
    p->seconds_left = per_step * (double)(t->steps - s->step);
    p->seconds_left = fmin(p->seconds_left, until(t->settings.train.minutes, p->seconds, p->seconds));
    p->seconds_left = fmin(p->seconds_left, until(t->settings.train.cpu_minutes, p->cpu_seconds, p->seconds));
    p->items_per_s = t->pace_seconds > 0
                         ? (double)(t->pace_steps * t->settings.train.batch * t->batches_per_round) / t->pace_seconds
                         : 0;
    for (int i = 0; i < t->n_losses && p->losses < 16; i++)
        if (t->loss_key[i]) {
            p->loss_name[p->losses] = t->loss_key[i];
            p->loss[p->losses++] = t->loss[i];
        }
    p->log_line = p->logged ? t->log_line : NULL;
    p->validation = s->last_score;
    p->validation_name = t->has_metrics ? t->watch : NULL;
}

static fig_status step(fig_trainer *t, fig_train_progress *p, fig_error *err)
{
    if (t->state.finished) {
        p->finished = true;
        p->why_finished = t->state.why;
        return FIG_OK;
    }
    if (t->began == 0) {
        t->began = fig__seconds() - t->state.seconds;
        t->cpu_began = fig__cpu_seconds() - t->state.cpu_seconds;
        t->sitting = t->state.seconds;
        fig__report_remove(t);
        t->last_checkpointed = t->last_sampled = t->last_logged = t->last_evaluated = t->state.seconds;
    }
    fig_status status = do_pending(t, p, err); /* the sheet before the first step, or what a stop has left */
    if (status == FIG_OK && !t->stop && t->state.step < t->steps && !t->state.stopped) {
        bool counted;
        FIG_TRY(advance(t, &counted, err));
        if (!counted)
            return FIG_OK;
        decide(t);
        FIG_TRY(consult(t, false, err));
        status = do_pending(t, p, err);
    }
    if (status == FIG_E_INTERRUPTED) {
        fig_error_clear(err);
        status = FIG_OK;
    }
    FIG_TRY(status);
    bool done = (t->state.step >= t->steps || t->state.stopped) && !t->state.todo;
    if (done)
        return finish(t, p, err);
    return t->stop ? save_and_leave(t, p, err) : FIG_OK;
}

fig_status fig_trainer_step(fig_trainer *t, fig_train_progress *progress, fig_error *err)
{
    fig_train_progress unused, *p = progress ? progress : &unused;
    *p = (fig_train_progress){ .validation = NAN };
    if (t->dry)
        return fig_fail(err, FIG_E_USAGE, "a dry run has nothing to step");
    fig_status status = step(t, p, err);
    fill_progress(t, p);
    return status;
}
