/* sample/schedule.c - samples made in a fixed number of runs, each with its row of a table of scalars (diffusion,
 * flows)
 *
 * What goes from run to run is a state of the step graph; it gets its first value before each batch. The noise of run
 * k is that of step k. A call of `next` is one run, so that whoever drives the sampler can show progress or stop. */
#include "sample/sampler.h"

#include <stdlib.h>

typedef struct walk {
    int run; /* of decl->steps, the next one */
} walk;

static fig_status begin(fig_sampler *s, fig_error *err)
{
    if (s->decl->steps < 1)
        return fig_fail(err, FIG_E_FAILED, "sampler %s: a schedule needs at least one step", s->decl->name);
    s->state = fig__alloc(sizeof(walk));
    return FIG_OK;
}

static void end(fig_sampler *s)
{
    free(s->state);
    s->state = NULL;
}

static fig_status next(fig_sampler *s, bool *finished, fig_error *err)
{
    const fig_sampler_decl *d = s->decl;
    walk *w = s->state;
    if (w->run == 0)
        fig__sampler_reset_states(s);
    FIG_TRY(fig__sampler_feed(s, err));
    for (int i = 0; i < d->scalars; i++)
        fig_plan_set_scalar(s->plan, d->scalar_names[i], d->table[w->run * d->scalars + i]);
    fig_run_opts opts = { .seed = s->opts.seed, .step = (uint64_t)w->run, .first_row = (uint64_t)s->row };
    FIG_TRY(fig_plan_run(s->plan, &opts, err));
    if (++w->run == d->steps) {
        FIG_TRY(fig__sampler_take(s, s->plan, err));
        s->row += s->batch;
        w->run = 0;
    }
    *finished = s->row >= s->opts.count;
    return FIG_OK;
}

static double share(const fig_sampler *s) { return (double)((const walk *)s->state)->run / s->decl->steps; }

const fig__sample_loop fig__sample_loop_schedule = {
    .name = "schedule", .loop = FIG_LOOP_SCHEDULE, .begin = begin, .next = next, .end = end, .share = share
};
