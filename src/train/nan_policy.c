/* train/nan_policy.c - what follows a loss that is not finite: stop (the trainer reports the layer), or go back to the
 * last checkpoint and on with other examples and other noise, at most `limit` times */
#include "core/core.h"
#include "train/controller.h"

typedef struct state {
    int64_t used;
    char reason[96];
} state;

static void init(void *memory, const void *options)
{
    (void)options;
    *(state *)memory = (state){ 0 };
}

static void at_step(void *memory, const void *options, fig_control *c)
{
    const fig__nan_policy_options *o = options;
    state *s = memory;
    if (!c->nonfinite || !o->action || s->used >= o->limit)
        return;
    s->used++;
    c->roll_back = true;
    snprintf(s->reason, sizeof s->reason, "not finite: rolled back, %lld of %lld", (long long)s->used,
             (long long)o->limit);
    c->reason = s->reason;
}

const fig_controller fig__controller_nan_policy = {
    .name = "nan_policy",
    .state_size = sizeof(state),
    .init = init,
    .at_step = at_step,
};
