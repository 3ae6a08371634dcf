/* train/plateau.c - drops the learning rate when the watched score has not become better for `patience` evaluations
 *
 * Acts only with schedule: plateau; the trainer asks it only then. */
#include "core/core.h"
#include "train/controller.h"

typedef struct state {
    double best;
    int64_t waited;
    int begun;
    char reason[96];
} state;

static void init(void *memory, const void *options)
{
    (void)options;
    *(state *)memory = (state){ 0 };
}

static void at_step(void *memory, const void *options, fig_control *c)
{
    const fig__plateau_options *o = options;
    state *s = memory;
    if (!c->metric_name)
        return;
    bool better = c->better_is_higher ? c->metric > s->best + o->min_delta : c->metric < s->best - o->min_delta;
    if (!s->begun || better) {
        s->best = c->metric;
        s->begun = 1;
        s->waited = 0;
        return;
    }
    if (++s->waited < o->patience)
        return;
    s->waited = 0;
    double lr = c->get_scalar(c, "lr") * o->factor;
    c->set_scalar(c, "lr", lr);
    snprintf(s->reason, sizeof s->reason, "plateau: lr %.6g", lr);
    c->reason = s->reason;
}

const fig_controller fig__controller_plateau = {
    .name = "plateau",
    .state_size = sizeof(state),
    .init = init,
    .at_step = at_step,
};
