/* kernels/resize.c - bilinear resizing of pictures (B, H, W, C) and its gradient (to the nearest pixel: places.c)
 *
 * Both directions go line by line. Forward, a line of the result is two lines of the source blended, then pixels of that line
 * blended two by two. Back, a line of dx gathers the lines of dy that read it - they lie side by side, as taps only grow - and
 * then spreads their pixels: no two parts write one line, so nothing depends on threads. */
#include "kernels/kernel.h"
#include "kernels/parallel.h"
#include "kernels/resize.h"

#include <stdlib.h>
#include <string.h>

typedef struct resize_state {
    int64_t pictures, channels;
    int64_t source[2], target[2];  /* rows, columns of the smaller and of the resized picture */
    int64_t *begin;                /* source row -> first resized row whose taps may reach it; source[0] + 1 of them */
    fig__resize_tap *row, *column; /* per resized row and column */
    size_t line_bytes;             /* workspace of a part */
    int parts;
} resize_state;

static bool resize_accepts(const fig_kernel_query *q) { return fig_elements(&q->in[0]) > 0; }

static fig_status prepare(const fig_kernel_query *q, bool back, void **prepared, size_t *workspace)
{
    const fig_type *small = back ? &q->out[0] : &q->in[0], *large = back ? &q->in[0] : &q->out[0];
    resize_state *s = fig__alloc(sizeof *s);
    *s = (resize_state){ .pictures = small->dim[0],
                         .channels = small->dim[3],
                         .source = { small->dim[1], small->dim[2] },
                         .target = { large->dim[1], large->dim[2] } };
    s->row = fig__alloc(sizeof *s->row * (size_t)s->target[0]);
    s->column = fig__alloc(sizeof *s->column * (size_t)s->target[1]);
    s->begin = fig__alloc(sizeof *s->begin * (size_t)(s->source[0] + 1));
    for (int64_t i = 0; i < s->target[0]; i++)
        s->row[i] = fig__resize_bilinear_tap(i, s->source[0], s->target[0]);
    for (int64_t j = 0; j < s->target[1]; j++)
        s->column[j] = fig__resize_bilinear_tap(j, s->source[1], s->target[1]);
    for (int64_t r = 0, i = 0; r <= s->source[0]; r++) {
        while (i < s->target[0] && s->row[i].second < r)
            i++;
        s->begin[r] = i;
    }
    int64_t line = (back ? s->target[1] : s->source[1]) * s->channels;
    s->line_bytes = (sizeof(float) * (size_t)line + 63) / 64 * 64;
    s->parts = fig__parts(2 * fig_elements(fig_elements(small) > fig_elements(large) ? small : large), q->threads);
    *workspace = s->line_bytes * (size_t)s->parts;
    *prepared = s;
    return FIG_OK;
}

static fig_status bilinear_prepare(const fig_kernel_query *q, void **prepared, size_t *workspace, fig_error *err)
{
    (void)err;
    return prepare(q, false, prepared, workspace);
}

static fig_status bilinear_back_prepare(const fig_kernel_query *q, void **prepared, size_t *workspace, fig_error *err)
{
    (void)err;
    return prepare(q, true, prepared, workspace);
}

static void resize_release(void *prepared)
{
    resize_state *s = prepared;
    free(s->begin);
    free(s->row);
    free(s->column);
    free(s);
}

static float *line_of(const fig_eval *c, int part)
{
    const resize_state *s = c->prepared;
    return (float *)(void *)((char *)c->workspace + s->line_bytes * (size_t)part);
}

static void forward_part(void *context, int part, int parts)
{
    const fig_eval *c = context;
    const resize_state *s = c->prepared;
    int64_t from_line = s->source[1] * s->channels, to_line = s->target[1] * s->channels, begin, end;
    fig__share(s->pictures * s->target[0], 1, part, parts, &begin, &end);
    for (int64_t n = begin; n < end; n++) {
        fig__resize_tap tap = s->row[n % s->target[0]];
        const float *picture = FIG_F32_IN(c, 0) + n / s->target[0] * s->source[0] * from_line,
                    *line = picture + tap.first * from_line;
        float *y = FIG_F32_OUT(c, 0) + n * to_line;
        if (tap.weight != 0.0f) {
            fig__fast_resize_blend(line_of(c, part), line, picture + tap.second * from_line, tap.weight, from_line);
            line = line_of(c, part);
        }
        fig__fast_resize_columns(y, line, s->column, s->target[1], s->channels);
    }
}

static void back_part(void *context, int part, int parts)
{
    const fig_eval *c = context;
    const resize_state *s = c->prepared;
    int64_t small_line = s->source[1] * s->channels, large_line = s->target[1] * s->channels, begin, end;
    fig__share(s->pictures * s->source[0], 1, part, parts, &begin, &end);
    for (int64_t n = begin; n < end; n++) {
        int64_t row = n % s->source[0];
        const float *dy = FIG_F32_IN(c, 0) + n / s->source[0] * s->target[0] * large_line;
        float *dx = FIG_F32_OUT(c, 0) + n * small_line, *line = line_of(c, part);
        bool any = false;
        for (int64_t i = s->begin[row]; i < s->target[0] && s->row[i].first <= row; i++) {
            float weight = s->row[i].first == row ? 1.0f - s->row[i].weight : s->row[i].weight;
            if (!any)
                memset(line, 0, sizeof(float) * (size_t)large_line);
            any = true;
            fig__fast_resize_gather(line, dy + i * large_line, weight, large_line);
        }
        memset(dx, 0, sizeof(float) * (size_t)small_line);
        if (any)
            fig__fast_resize_columns_back(dx, line, s->column, s->target[1], s->channels);
    }
}

static void forward_run(fig_eval *c) { fig__parallel(((const resize_state *)c->prepared)->parts, forward_part, c); }
static void back_run(fig_eval *c) { fig__parallel(((const resize_state *)c->prepared)->parts, back_part, c); }

const fig_kernel fig_kernel_resize_bilinear = {
    .name = "resize",
    .op = "resize_bilinear",
    .accepts = resize_accepts,
    .prepare = bilinear_prepare,
    .release = resize_release,
    .run = forward_run,
};
const fig_kernel fig_kernel_resize_bilinear_gradient = {
    .name = "resize",
    .op = "resize_bilinear_gradient",
    .accepts = resize_accepts,
    .prepare = bilinear_back_prepare,
    .release = resize_release,
    .run = back_run,
};
