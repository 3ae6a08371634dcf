/* kernels/attention_cached.c - attention of a decoding step: reads the cache up to each row's position and no further
 *
 * A head's keys are one straight run, and so are its values, so both are walked at the speed of memory. Parts own heads. */
#include "kernels/fast.h"
#include "kernels/kernel.h"
#include "kernels/parallel.h"

#include <stdlib.h>

typedef struct cached_state {
    int64_t batch, steps, heads, width, room;
    float scale;
    int parts;
} cached_state;

static bool cached_accepts(const fig_kernel_query *q)
{
    return fig_elements(&q->out[0]) > 0 && q->in[0].dim[3] <= FIG__ROWS_WIDTH && ((const fig_attention_attr *)q->attr)->scale > 0.0f;
}

static fig_status cached_prepare(const fig_kernel_query *q, void **prepared, size_t *workspace, fig_error *err)
{
    (void)err;
    cached_state *s = fig__alloc(sizeof(*s));
    const int64_t *dim = q->in[0].dim;
    *s = (cached_state){ dim[0], dim[1], dim[2], dim[3], q->in[1].dim[2], ((const fig_attention_attr *)q->attr)->scale, 1 };
    s->parts = fig__parts(s->batch * s->steps * s->heads * s->width * s->room / 4, q->threads);
    if (s->parts > s->batch * s->heads)
        s->parts = (int)(s->batch * s->heads);
    *workspace = sizeof(float) * (size_t)(s->room + 16) * (size_t)s->parts;
    *prepared = s;
    return FIG_OK;
}

static void release(void *prepared) { free(prepared); }

static void cached_part(void *context, int part, int parts)
{
    const fig_eval *c = context;
    const cached_state *s = c->prepared;
    float *weight = (float *)c->workspace + part * (s->room + 16);
    int64_t begin, end;
    fig__share(s->batch * s->heads, 1, part, parts, &begin, &end);
    for (int64_t head = begin; head < end; head++)
        for (int64_t t = 0; t < s->steps; t++) {
            int64_t b = head / s->heads, h = head % s->heads, cache = head * s->room * s->width;
            int64_t seen = FIG_I32_IN(c, 3)[b] + t + 1, row = ((b * s->steps + t) * s->heads + h) * s->width;
            seen = seen < 1 ? 1 : seen > s->room ? s->room : seen;
            fig__fast_lines_f32(seen, s->width, FIG_F32_IN(c, 0) + row, FIG_F32_IN(c, 1) + cache, weight);
            fig__fast_attention_weights(weight, s->scale, 1, seen, 0, seen);
            fig__fast_rows_axpy(1, s->width, seen, weight, FIG_F32_IN(c, 2) + cache, s->width, FIG_F32_OUT(c, 0) + row, 0, 1);
        }
}

static void cached_run(fig_eval *c)
{
    const cached_state *s = c->prepared;
    fig__parallel(s->parts, cached_part, c);
}

const fig_kernel fig_kernel_attention_cached = {
    .name = "cached", .op = "attention_cached", .accepts = cached_accepts, .prepare = cached_prepare, .release = release,
    .run = cached_run,
};
