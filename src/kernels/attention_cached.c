/* kernels/attention_cached.c - attention of a decoding step: reads the cache up to each row's position and no further
 *
 * A head's keys are one straight run, and so are its values, so both are walked at the speed of memory. Parts own heads; where the step
 * also writes its keys and values into the cache, each part writes those of its heads and then reads them. Arithmetic is f32, also
 * where the cache is stored in bf16; a step's own keys and values are rounded then before they are read. */
#include "kernels/fast.h"
#include "kernels/kernel.h"
#include "kernels/parallel.h"
#include "kernels/storage.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct cached_state {
    int64_t batch, steps, heads, width, room;
    float scale;
    bool narrow; /* keys and values are stored in bf16 */
    int parts;
} cached_state;

static void prepare(cached_state s, const fig_kernel_query *q, void **prepared, size_t *workspace)
{
    s.parts = fig__parts(s.batch * s.steps * s.heads * s.width * s.room / 4, q->threads);
    if (s.parts > s.batch * s.heads)
        s.parts = (int)(s.batch * s.heads);
    *workspace = sizeof(float) * (size_t)(s.room + 16) * (size_t)(s.parts * (s.narrow ? FIG__HEADS : 1));
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

/* The same for `heads` of them, stored in bf16: q and y (heads, D). */
static void attend_narrow(const cached_state *s, int heads, int64_t seen, const float *q, const uint16_t *keys, const uint16_t *values,
                          float *weight, float *y)
{
    seen = seen < 1 ? 1 : seen > s->room ? s->room : seen;
    fig__heads h = { heads, seen, s->width, s->room * s->width, s->room + 16 };
    fig__fast_heads_keys(h, q, keys, weight);
    for (int l = 0; l < heads; l++)
        fig__fast_attention_weights(weight + l * h.row, s->scale, 1, seen, 0, seen);
    fig__fast_heads_values(h, weight, values, y);
}

static float *weights_of(const fig_eval *c, const cached_state *s, int part)
{
    return (float *)c->workspace + part * (s->narrow ? FIG__HEADS : 1) * (s->room + 16);
}

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
    prepare((cached_state){ dim[0], dim[1], dim[2], dim[3], q->in[1].dim[2], scale, false, 1 }, q, prepared, workspace);
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

static bool step_accepts(const fig_kernel_query *q)
{
    return fig_elements(&q->out[1]) > 0 && q->in[0].dim[4] <= FIG__ROWS_WIDTH && q->in[0].dtype == q->out[0].dtype &&
           q->in[1].dtype == FIG_F32 && q->out[1].dtype == FIG_F32;
}

static fig_status step_prepare(const fig_kernel_query *q, void **prepared, size_t *workspace, fig_error *err)
{
    (void)err;
    const int64_t *dim = q->in[0].dim;
    float scale = (float)(1 / sqrt((double)dim[4]));
    bool narrow = q->in[0].dtype == FIG_BF16;
    prepare((cached_state){ dim[0], q->in[1].dim[1], dim[2], dim[4], dim[3], scale, narrow, 1 }, q, prepared, workspace);
    return FIG_OK;
}

/* Keys (which 0) or values (1) of a head, with the step's own in place; q points at the head's first query. */
static const char *remember(const fig_eval *c, const cached_state *s, int64_t b, int64_t h, int which, const float *q)
{
    int64_t at = FIG_I32_IN(c, 2)[b], most = s->room - s->steps, begin = ((2 * b + which) * s->heads + h) * s->room * s->width;
    size_t size = s->narrow ? sizeof(uint16_t) : sizeof(float);
    char *next = (char *)c->out[0].data + (size_t)begin * size;
    if (c->out[0].data != c->in[0].data)
        memcpy(next, (const char *)c->in[0].data + (size_t)begin * size, size * (size_t)(s->room * s->width));
    at = at < 0 ? 0 : at > most ? most : at; /* as dynamic_update */
    for (int64_t t = 0; t < s->steps; t++) {
        const float *from = q + (3 * t + 1 + which) * s->heads * s->width;
        void *to = next + (size_t)((at + t) * s->width) * size;
        if (s->narrow)
            fig__narrow(to, from, s->width);
        else
            memcpy(to, from, size * (size_t)s->width);
    }
    return next;
}

/* Heads [begin, end) of row b. */
static void step_heads(const fig_eval *c, const cached_state *s, int64_t b, int64_t begin, int64_t end, float *weight)
{
    const float *q = FIG_F32_IN(c, 1) + (3 * b * s->steps * s->heads + begin) * s->width;
    float *y = FIG_F32_OUT(c, 1) + (b * s->steps * s->heads + begin) * s->width;
    const void *keys = NULL, *values = NULL;
    for (int64_t h = end - 1; h >= begin; h--) {
        keys = remember(c, s, b, h, 0, q + (h - begin) * s->width);
        values = remember(c, s, b, h, 1, q + (h - begin) * s->width);
    }
    for (int64_t t = 0, row = s->heads * s->width; t < s->steps; t++) {
        int64_t seen = FIG_I32_IN(c, 2)[b] + t + 1;
        if (s->narrow)
            attend_narrow(s, (int)(end - begin), seen, q + 3 * t * row, keys, values, weight, y + t * row);
        else
            attend(s, seen, q + 3 * t * row, keys, values, weight, y + t * row);
    }
}

static void step_part(void *context, int part, int parts)
{
    const fig_eval *c = context;
    const cached_state *s = c->prepared;
    int64_t begin, end;
    fig__share(s->batch * s->heads, 1, part, parts, &begin, &end);
    int64_t groups = s->narrow ? (end - begin + FIG__HEADS - 1) / FIG__HEADS : end - begin;
    for (int64_t g = 0, head = begin; g < groups; g++) { /* groups of nearly the same size */
        int64_t next = begin + (end - begin) * (g + 1) / groups;
        while (head < next) { /* a row at a time */
            int64_t b = head / s->heads, last = next < (b + 1) * s->heads ? next : (b + 1) * s->heads;
            step_heads(c, s, b, head - b * s->heads, last - b * s->heads, weights_of(c, s, part));
            head = last;
        }
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
    .name = "cached", .op = "attention_step", .team = true, .bf16 = true, .rounds = true, .accepts = step_accepts,
    .prepare = step_prepare, .release = release, .run = step_run, .inplace = 1,
};
