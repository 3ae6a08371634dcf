/* sample/schedule.c - samples made in a fixed number of runs, each with its row of a table of scalars (diffusion,
 * flows)
 *
 * What goes from run to run is a state of the step graph; it gets its first value before each batch. The noise of run
 * k is that of step k. */
#include "sample/sampler.h"

static fig_status begin(fig_sampler *s, fig_error *err)
{
    if (s->decl->steps < 1)
        return fig_fail(err, FIG_E_FAILED, "sampler %s: a schedule needs at least one step", s->decl->name);
    return FIG_OK;
}

static fig_status next(fig_sampler *s, bool *finished, fig_error *err)
{
    const fig_sampler_decl *d = s->decl;
    fig__sampler_reset_states(s);
    FIG_TRY(fig__sampler_feed(s, err));
    for (int k = 0; k < d->steps; k++) {
        for (int i = 0; i < d->scalars; i++)
            fig_plan_set_scalar(s->plan, d->scalar_names[i], d->table[k * d->scalars + i]);
        FIG_TRY(fig_plan_run(
            s->plan, &(fig_run_opts){ .seed = s->opts.seed, .step = (uint64_t)k, .first_row = (uint64_t)s->row }, err));
    }
    FIG_TRY(fig__sampler_take(s, err));
    s->row += s->batch;
    *finished = s->row >= s->opts.count;
    return FIG_OK;
}

const fig__sample_loop fig__sample_loop_schedule = {
    .name = "schedule", .loop = FIG_LOOP_SCHEDULE, .begin = begin, .next = next
};
