/* kernels/pool.c - max and average pooling, any rank, and their gradients
 *
 * Work is split by picture and, where there are fewer pictures than threads, by channels too: nothing is shared between parts
 * even where windows overlap, and every sum runs in the reference's order whatever the number of threads. */
#include "kernels/kernel.h"
#include "kernels/parallel.h"
#include "kernels/pool.h"

#include <stdlib.h>
#include <string.h>

typedef struct pool_state {
    fig__pool pool;
    int64_t slice;  /* channels of a unit of work */
    int64_t slices; /* per picture */
    int parts;
} pool_state;

static bool pool_accepts(const fig_kernel_query *q)
{
    fig__window w = fig__window_of_pool(q->attr);
    return fig_elements(&q->in[0]) > 0 && fig__window_taps(&w) <= INT32_MAX;
}

static fig_status pool_prepare(const fig_kernel_query *q, void **prepared, size_t *workspace, fig_error *err)
{
    (void)err;
    const fig_type *x = &q->in[0];
    pool_state *s = fig__alloc(sizeof *s);
    s->pool = (fig__pool){ fig__window_of_pool(q->attr), x->dim[0], x->dim[x->rank - 1] };
    s->slice = s->pool.channels < FIG__POOL_CHANNELS ? s->pool.channels : FIG__POOL_CHANNELS;
    while (s->pool.pictures * ((s->pool.channels + s->slice - 1) / s->slice) < q->threads && s->slice >= 32)
        s->slice = (s->slice / 2 + 15) / 16 * 16;
    s->slices = (s->pool.channels + s->slice - 1) / s->slice;
    const fig__window *w = &s->pool.window;
    int64_t reads = fig__window_places(w) * fig__window_taps(w),
            touched = reads > fig__window_inputs(w) ? reads : fig__window_inputs(w);
    s->parts = fig__parts(s->pool.pictures * s->pool.channels * touched, q->threads);
    *workspace = 0;
    *prepared = s;
    return FIG_OK;
}

static void pool_release(void *prepared) { free(prepared); }

/* What one op does with a picture's slice of n channels, given where they start in each tensor. */
typedef void slice_work(const fig__pool *p, int64_t n, const fig_eval *c, int64_t at_input, int64_t at_pooled);

typedef struct pool_work {
    const fig_eval *c;
    slice_work *work;
} pool_work;

static void pool_part(void *context, int part, int parts)
{
    const pool_work *w = context;
    const pool_state *s = w->c->prepared;
    const fig__pool *p = &s->pool;
    int64_t begin, end;
    fig__share(p->pictures * s->slices, 1, part, parts, &begin, &end);
    for (int64_t unit = begin; unit < end; unit++) {
        int64_t picture = unit / s->slices, first = unit % s->slices * s->slice;
        int64_t n = p->channels - first < s->slice ? p->channels - first : s->slice;
        w->work(p, n, w->c, picture * fig__window_inputs(&p->window) * p->channels + first,
                picture * fig__window_places(&p->window) * p->channels + first);
    }
}

static void pool_run(fig_eval *c, slice_work *work)
{
    pool_work w = { c, work };
    fig__parallel(((const pool_state *)c->prepared)->parts, pool_part, &w);
}

static void clear(const fig__pool *p, int64_t n, float *x)
{
    int64_t places = fig__window_inputs(&p->window);
    if (n == p->channels)
        n *= places, places = 1;
    for (int64_t i = 0; i < places; i++)
        memset(x + i * p->channels, 0, sizeof(float) * (size_t)n);
}

static void max_slice(const fig__pool *p, int64_t n, const fig_eval *c, int64_t at_input, int64_t at_pooled)
{
    fig__fast_max_pool(p, n, FIG_F32_IN(c, 0) + at_input, FIG_F32_OUT(c, 0) + at_pooled);
}

static void max_gradient_slice(const fig__pool *p, int64_t n, const fig_eval *c, int64_t at_input, int64_t at_pooled)
{
    clear(p, n, FIG_F32_OUT(c, 0) + at_input);
    fig__fast_max_pool_gradient(p, n, FIG_F32_IN(c, 0) + at_input, FIG_F32_IN(c, 1) + at_pooled,
                                FIG_F32_OUT(c, 0) + at_input);
}

static void max_pick_slice(const fig__pool *p, int64_t n, const fig_eval *c, int64_t at_input, int64_t at_pooled)
{
    fig__fast_max_pool_pick(p, n, FIG_F32_IN(c, 0) + at_input, FIG_F32_IN(c, 1) + at_input,
                            FIG_F32_OUT(c, 0) + at_pooled);
}

static void average_slice(const fig__pool *p, int64_t n, const fig_eval *c, int64_t at_input, int64_t at_pooled)
{
    fig__fast_average_pool(p, n, FIG_F32_IN(c, 0) + at_input, FIG_F32_OUT(c, 0) + at_pooled);
}

static void average_gradient_slice(const fig__pool *p, int64_t n, const fig_eval *c, int64_t at_input,
                                   int64_t at_pooled)
{
    clear(p, n, FIG_F32_OUT(c, 0) + at_input);
    fig__fast_average_pool_gradient(p, n, FIG_F32_IN(c, 0) + at_pooled, FIG_F32_OUT(c, 0) + at_input);
}

static void max_run(fig_eval *c) { pool_run(c, max_slice); }
static void max_gradient_run(fig_eval *c) { pool_run(c, max_gradient_slice); }
static void max_pick_run(fig_eval *c) { pool_run(c, max_pick_slice); }
static void average_run(fig_eval *c) { pool_run(c, average_slice); }
static void average_gradient_run(fig_eval *c) { pool_run(c, average_gradient_slice); }

const fig_kernel fig_kernel_max_pool = {
    .name = "pool",
    .op = "max_pool",
    .accepts = pool_accepts,
    .prepare = pool_prepare,
    .release = pool_release,
    .run = max_run,
};
const fig_kernel fig_kernel_max_pool_gradient = {
    .name = "pool",
    .op = "max_pool_gradient",
    .accepts = pool_accepts,
    .prepare = pool_prepare,
    .release = pool_release,
    .run = max_gradient_run,
};
const fig_kernel fig_kernel_max_pool_pick = {
    .name = "pool",
    .op = "max_pool_pick",
    .accepts = pool_accepts,
    .prepare = pool_prepare,
    .release = pool_release,
    .run = max_pick_run,
};
const fig_kernel fig_kernel_average_pool = {
    .name = "pool",
    .op = "average_pool",
    .accepts = pool_accepts,
    .prepare = pool_prepare,
    .release = pool_release,
    .run = average_run,
};
const fig_kernel fig_kernel_average_pool_gradient = {
    .name = "pool",
    .op = "average_pool_gradient",
    .accepts = pool_accepts,
    .prepare = pool_prepare,
    .release = pool_release,
    .run = average_gradient_run,
};
