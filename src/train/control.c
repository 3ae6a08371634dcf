/* train/control.c - asking the controllers at a step boundary, and keeping what they decide
 *
 * A controller may set "lr" (all phases, in proportion), "phases.NAME.lr", or a ramp by its name. What it sets is part
 * of the run state; every decision is a line of the log, so that a resume repeats it. */
#include "train/schedule.h"
#include "train/trainer.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

double fig__overridden(const fig_trainer *t, const char *name, double value)
{
    for (int i = 0; i < t->state.n_overrides; i++)
        if (!strcmp(t->state.overrides[i].name, name))
            return t->state.overrides[i].value;
    return value;
}

static void set_override(fig_trainer *t, const char *name, double value)
{
    fig__run_state *s = &t->state;
    for (int i = 0; i < s->n_overrides; i++)
        if (!strcmp(s->overrides[i].name, name)) {
            s->overrides[i].value = value;
            return;
        }
    if (s->n_overrides == FIG__MAX_SCALARS)
        return;
    fig__override *added = &s->overrides[s->n_overrides++];
    snprintf(added->name, sizeof added->name, "%s", name);
    added->value = value;
}

static double get_scalar(fig_control *c, const char *name)
{
    const fig_trainer *t = c->trainer;
    const fig_model *m = t->round->model;
    if (!strcmp(name, "lr"))
        return fig__base_lr(t, 0);
    for (int p = 0; p < m->n_phases; p++) {
        char key[128];
        snprintf(key, sizeof key, "phases.%s.lr", t->round->phase_name[p]);
        if (!strcmp(name, key))
            return fig__base_lr(t, p);
    }
    for (int i = 0; i < m->n_ramps; i++)
        if (!strcmp(m->ramp[i].name, name))
            return fig__overridden(t, name, m->ramp[i].end);
    return NAN;
}

static void set_scalar(fig_control *c, const char *name, double value)
{
    fig_trainer *t = c->trainer;
    if (strcmp(name, "lr")) {
        set_override(t, name, value);
        return;
    }
    double first = fig__base_lr(t, 0), factor = first > 0 ? value / first : 1;
    for (int p = 0; p < t->round->model->n_phases; p++) {
        char key[128];
        snprintf(key, sizeof key, "phases.%s.lr", t->round->phase_name[p]);
        set_override(t, key, fig__base_lr(t, p) * factor);
    }
}

void fig__controllers_init(fig_trainer *t)
{
    for (int i = 0; fig__controllers[i].record; i++) {
        const fig__built_in *b = &fig__controllers[i];
        if (!strcmp(b->record->name, "plateau") && !fig__schedule_is(&t->settings.train, "plateau"))
            continue;
        const void *options = (const char *)&t->settings.train + b->options;
        t->controller[t->n_controllers++] =
            (fig__controlling){ b->record, options, fig__alloc(b->record->state_size), false };
    }
    for (int i = 0; i < t->n_controllers; i++)
        if (t->controller[i].record->init)
            t->controller[i].record->init(t->controller[i].state, t->controller[i].options);
}

fig_status fig_trainer_add_controller(fig_trainer *t, const fig_controller *controller, const void *options,
                                      fig_error *err)
{
    if (t->n_controllers == FIG__MAX_LISTENERS)
        return fig_fail(err, FIG_E_LIMIT, "a training has at most %d controllers", FIG__MAX_LISTENERS);
    if (!controller->name || !controller->at_step)
        return fig_fail(err, FIG_E_USAGE, "a controller needs a name and at_step");
    if (t->state.step > 0)
        return fig_fail(err, FIG_E_USAGE, "controller %s: training has begun; add it before the first step",
                        controller->name);
    fig__controlling *c = &t->controller[t->n_controllers++];
    *c = (fig__controlling){ controller, options, fig__alloc(controller->state_size ? controller->state_size : 1),
                             false };
    if (controller->init)
        controller->init(c->state, options);
    return FIG_OK;
}

static fig_status log_decision(fig_trainer *t, const char *name, const fig_control *c, fig_error *err)
{
    fig__text line;
    fig__text_init(&line, 1 << 16);
    fig__text_print(&line, "{\"step\": %lld, \"event\": ", (long long)t->state.step);
    fig__json_put_text(&line, c->roll_back ? "roll_back" : c->stop ? "stop" : "control");
    fig__text_print(&line, ", \"controller\": ");
    fig__json_put_text(&line, name);
    fig__text_print(&line, ", \"reason\": ");
    fig__json_put_text(&line, c->reason ? c->reason : "");
    fig__text_print(&line, "}");
    fig__say(t, FIG_LOG_INFO, "step %lld: %s", (long long)t->state.step, c->reason ? c->reason : name);
    fig_status status = fig__journal_add(t, line.data, err);
    fig__text_free(&line);
    return status;
}

fig_status fig__control(fig_trainer *t, bool evaluated, bool nonfinite, fig__decision *out, fig_error *err)
{
    *out = (fig__decision){ 0 };
    for (int i = 0; i < t->n_controllers; i++) {
        fig_control c = { .step = t->state.step,
                          .nonfinite = nonfinite,
                          .get_scalar = get_scalar,
                          .set_scalar = set_scalar,
                          .trainer = t };
        if (evaluated && isfinite(t->state.last_score)) {
            c.metric_name = t->watch;
            c.metric = t->state.last_score;
            c.better_is_higher = t->watch_higher;
        }
        t->controller[i].record->at_step(t->controller[i].state, t->controller[i].options, &c);
        if (c.reason || c.stop || c.roll_back)
            FIG_TRY(log_decision(t, t->controller[i].record->name, &c, err));
        if ((c.stop || c.roll_back) && !out->reason)
            out->reason = c.reason ? c.reason : t->controller[i].record->name;
        out->stop |= c.stop;
        out->roll_back |= c.roll_back;
    }
    return FIG_OK;
}
