/* train/early_stopping.c - stops when the watched score has not become better for `patience` evaluations */
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
    const fig__early_stopping_options *o = options;
    state *s = memory;
    if (!o->patience || !c->metric_name)
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
    c->stop = true;
    snprintf(s->reason, sizeof s->reason, "early stopping: no better %.40s in %lld evaluations", c->metric_name,
             (long long)s->waited);
    c->reason = s->reason;
}

const fig_controller fig__controller_early_stopping = {
    .name = "early_stopping",
    .state_size = sizeof(state),
    .init = init,
    .at_step = at_step,
};
