/* kernels/attention_cached.c - attention of a decoding step: reads the cache up to each row's position and no further
 *
 * A head's keys are one straight run, and so are its values, so both are walked at the speed of memory. Parts own heads; where the step
 * also writes its keys and values into the cache, each part writes those of its heads and then reads them. */
#include "kernels/fast.h"
#include "kernels/kernel.h"
#include "kernels/parallel.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct cached_state {
    int64_t batch, steps, heads, width, room;
    float scale;
    int parts;
} cached_state;

static void prepare(cached_state s, const fig_kernel_query *q, void **prepared, size_t *workspace)
{
    s.parts = fig__parts(s.batch * s.steps * s.heads * s.width * s.room / 4, q->threads);
    if (s.parts > s.batch * s.heads)
        s.parts = (int)(s.batch * s.heads);
    *workspace = sizeof(float) * (size_t)(s.room + 16) * (size_t)s.parts;
    cached_state *kept = fig__alloc(sizeof(*kept));
    *kept = s;
    *prepared = kept;
}

static void release(void *prepared) { free(prepared); }

/* One query q (D) of a head whose cache begins at keys and values: y (D). */
static void attend(const cached_state *s, int64_t seen, const float *q, const float *keys, const float *values, float *weight, float *y)
{
    seen = seen < 1 ? 1 : seen > s->room ? s->room : seen;
    fig__fast_lines_f32(seen, s->width, q, keys, weight);
    fig__fast_attention_weights(weight, s->scale, 1, seen, 0, seen);
    fig__fast_rows_axpy(1, s->width, seen, weight, values, s->width, y, 0, 1);
}

static float *weights_of(const fig_eval *c, const cached_state *s, int part) { return (float *)c->workspace + part * (s->room + 16); }

/* -- keys and values as they are: q (B, T, H, D), keys and values (B, H, S, D) ---------------------------------------------------- */

static bool cached_accepts(const fig_kernel_query *q)
{
    return fig_elements(&q->out[0]) > 0 && q->in[0].dim[3] <= FIG__ROWS_WIDTH && ((const fig_attention_attr *)q->attr)->scale > 0.0f;
}

static fig_status cached_prepare(const fig_kernel_query *q, void **prepared, size_t *workspace, fig_error *err)
{
    (void)err;
    const int64_t *dim = q->in[0].dim;
    float scale = ((const fig_attention_attr *)q->attr)->scale;
    prepare((cached_state){ dim[0], dim[1], dim[2], dim[3], q->in[1].dim[2], scale, 1 }, q, prepared, workspace);
    return FIG_OK;
}

static void cached_part(void *context, int part, int parts)
{
    const fig_eval *c = context;
    const cached_state *s = c->prepared;
    int64_t begin, end;
    fig__share(s->batch * s->heads, 1, part, parts, &begin, &end);
    for (int64_t head = begin; head < end; head++)
        for (int64_t t = 0; t < s->steps; t++) {
            int64_t b = head / s->heads, h = head % s->heads, cache = head * s->room * s->width;
            int64_t row = ((b * s->steps + t) * s->heads + h) * s->width;
            attend(s, FIG_I32_IN(c, 3)[b] + t + 1, FIG_F32_IN(c, 0) + row, FIG_F32_IN(c, 1) + cache, FIG_F32_IN(c, 2) + cache,
                   weights_of(c, s, part), FIG_F32_OUT(c, 0) + row);
        }
}

static void cached_run(fig_eval *c)
{
    const cached_state *s = c->prepared;
    fig__parallel_in(c->run->team, s->parts, cached_part, c);
}

/* -- a step with its cache: cache (B, 2, H, S, D), qkv (B, T, 3, H, D) ------------------------------------------------------------- */

static bool step_accepts(const fig_kernel_query *q) { return fig_elements(&q->out[1]) > 0 && q->in[0].dim[4] <= FIG__ROWS_WIDTH; }

static fig_status step_prepare(const fig_kernel_query *q, void **prepared, size_t *workspace, fig_error *err)
{
    (void)err;
    const int64_t *dim = q->in[0].dim;
    float scale = (float)(1 / sqrt((double)dim[4]));
    prepare((cached_state){ dim[0], q->in[1].dim[1], dim[2], dim[4], dim[3], scale, 1 }, q, prepared, workspace);
    return FIG_OK;
}

/* Keys (which 0) or values (1) of a head, with the step's own in place; q points at the head's first query. */
static const float *remember(const fig_eval *c, const cached_state *s, int64_t b, int64_t h, int which, const float *q)
{
    int64_t at = FIG_I32_IN(c, 2)[b], most = s->room - s->steps, begin = ((2 * b + which) * s->heads + h) * s->room * s->width;
    float *next = FIG_F32_OUT(c, 0) + begin;
    if (c->out[0].data != c->in[0].data)
        memcpy(next, FIG_F32_IN(c, 0) + begin, sizeof *next * (size_t)(s->room * s->width));
    at = at < 0 ? 0 : at > most ? most : at; /* as dynamic_update */
    for (int64_t t = 0; t < s->steps; t++)
        memcpy(next + (at + t) * s->width, q + (3 * t + 1 + which) * s->heads * s->width, sizeof *next * (size_t)s->width);
    return next;
}

static void step_part(void *context, int part, int parts)
{
    const fig_eval *c = context;
    const cached_state *s = c->prepared;
    int64_t begin, end;
    fig__share(s->batch * s->heads, 1, part, parts, &begin, &end);
    for (int64_t head = begin; head < end; head++) {
        int64_t b = head / s->heads, h = head % s->heads;
        const float *q = FIG_F32_IN(c, 1) + (3 * b * s->steps * s->heads + h) * s->width;
        const float *keys = remember(c, s, b, h, 0, q), *values = remember(c, s, b, h, 1, q);
        for (int64_t t = 0; t < s->steps; t++)
            attend(s, FIG_I32_IN(c, 2)[b] + t + 1, q + 3 * t * s->heads * s->width, keys, values, weights_of(c, s, part),
                   FIG_F32_OUT(c, 1) + ((b * s->steps + t) * s->heads + h) * s->width);
    }
}

static void step_run(fig_eval *c)
{
    const cached_state *s = c->prepared;
    fig__parallel_in(c->run->team, s->parts, step_part, c);
}

const fig_kernel fig_kernel_attention_cached = {
    .name = "cached", .op = "attention_cached", .team = true, .accepts = cached_accepts, .prepare = cached_prepare, .release = release,
    .run = cached_run,
};
const fig_kernel fig_kernel_attention_step = {
    .name = "cached", .op = "attention_step", .team = true, .accepts = step_accepts, .prepare = step_prepare, .release = release,
    .run = step_run, .inplace = 1,
};
