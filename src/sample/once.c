/* sample/once.c - samples that need one run of the graph: generators, decoders */
#include "sample/sampler.h"

static fig_status begin(fig_sampler *s, fig_error *err)
{
    (void)err;
    fig__sampler_reset_states(s);
    return FIG_OK;
}

static fig_status next(fig_sampler *s, bool *finished, fig_error *err)
{
    FIG_TRY(fig__sampler_feed(s, err));
    FIG_TRY(
        fig_plan_run(s->plan, &(fig_run_opts){ .seed = s->opts.seed, .step = 0, .first_row = (uint64_t)s->row }, err));
    FIG_TRY(fig__sampler_take(s, s->plan, err));
    s->row += s->batch;
    *finished = s->row >= s->opts.count;
    return FIG_OK;
}

const fig__sample_loop fig__sample_loop_once = { .name = "once", .loop = FIG_LOOP_ONCE, .begin = begin, .next = next };
