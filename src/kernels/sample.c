/* kernels/sample.c - reading pictures between pixels, and its gradient
 *
 * Forward and the gradient by places split the places. The gradient by pixels splits pictures, and channels where there
 * are fewer pictures than threads: no part adds to another's pixels, and sums run in the order of the places. */
#include "kernels/kernel.h"
#include "kernels/parallel.h"
#include "kernels/sample.h"

#include <string.h>

enum { LEAST_SLICE = 16 };

static bool sample_accepts(const fig_kernel_query *q)
{
    return fig_elements(&q->in[0]) > 0 && fig_elements(&q->in[1]) > 0;
}

typedef struct pictures {
    int64_t count, height, width, channels, places; /* places: looked at in each */
} pictures;

static pictures pictures_of(const fig_eval *c)
{
    const int64_t *x = c->in[0].type.dim, *at = c->in[1].type.dim;
    return (pictures){ x[0], x[1], x[2], x[3], at[1] * at[2] };
}

static void forward_part(void *context, int part, int parts)
{
    const fig_eval *c = context;
    pictures p = pictures_of(c);
    int64_t begin, end;
    fig__share(p.count * p.places, 1, part, parts, &begin, &end);
    for (int64_t n = begin; n < end; n++) {
        fig__cell cell = fig__cell_of(FIG_F32_IN(c, 1) + 2 * n, p.height, p.width);
        fig__fast_sample(&cell, p.channels, p.channels,
                         FIG_F32_IN(c, 0) + n / p.places * p.height * p.width * p.channels,
                         FIG_F32_OUT(c, 0) + n * p.channels);
    }
}

static void slope_part(void *context, int part, int parts)
{
    const fig_eval *c = context;
    pictures p = pictures_of(c);
    int64_t begin, end;
    fig__share(p.count * p.places, 1, part, parts, &begin, &end);
    for (int64_t n = begin; n < end; n++) {
        fig__cell cell = fig__cell_of(FIG_F32_IN(c, 1) + 2 * n, p.height, p.width);
        fig__fast_sample_slope(&cell, p.channels, FIG_F32_IN(c, 0) + n / p.places * p.height * p.width * p.channels,
                               FIG_F32_IN(c, 2) + n * p.channels, FIG_F32_OUT(c, 1) + 2 * n);
    }
}

static void spread_part(void *context, int part, int parts)
{
    const fig_eval *c = context;
    pictures p = pictures_of(c);
    int64_t begin = 0, end = p.count, first = 0, last = p.channels, pixels = p.height * p.width;
    if (p.count >= parts || p.channels < LEAST_SLICE * parts)
        fig__share(p.count, 1, part, parts, &begin, &end);
    else
        fig__share(p.channels, LEAST_SLICE, part, parts, &first, &last);
    for (int64_t picture = begin; picture < end; picture++) {
        float *dx = FIG_F32_OUT(c, 0) + picture * pixels * p.channels + first;
        for (int64_t i = 0; i < pixels; i++)
            memset(dx + i * p.channels, 0, sizeof(float) * (size_t)(last - first));
        for (int64_t n = picture * p.places; n < (picture + 1) * p.places; n++) {
            fig__cell cell = fig__cell_of(FIG_F32_IN(c, 1) + 2 * n, p.height, p.width);
            fig__fast_sample_spread(&cell, p.channels, last - first, FIG_F32_IN(c, 2) + n * p.channels + first, dx);
        }
    }
}

static void forward_run(fig_eval *c)
{
    fig__parallel(fig__parts(4 * fig_elements(&c->out[0].type), c->run->threads), forward_part, c);
}

static void gradient_run(fig_eval *c)
{
    int parts = fig__parts(4 * fig_elements(&c->in[2].type), c->run->threads);
    fig__parallel(parts, slope_part, c);
    fig__parallel(parts, spread_part, c);
}

const fig_kernel fig_kernel_sample_bilinear = {
    .name = "sample",
    .op = "sample_bilinear",
    .accepts = sample_accepts,
    .run = forward_run,
};
const fig_kernel fig_kernel_sample_bilinear_gradient = {
    .name = "sample",
    .op = "sample_bilinear_gradient",
    .accepts = sample_accepts,
    .run = gradient_run,
};
