/* ops/window.h - sliding windows: where a window of a convolution or a pool lies
 *
 * Along each spatial axis, window q of size `kernel` reads the input at p = q * stride + tap * dilation - before, for
 * tap in [0, kernel); places outside [0, in) are padding. Axes that the op does not have count as size 1, so that every
 * loop is written once, for three of them. */
#ifndef FIG_OPS_WINDOW_H
#define FIG_OPS_WINDOW_H

#include "ops/attributes.h"

typedef struct fig__window {
    int64_t in[FIG_MAX_SPATIAL], out[FIG_MAX_SPATIAL], kernel[FIG_MAX_SPATIAL];
    int64_t stride[FIG_MAX_SPATIAL], dilation[FIG_MAX_SPATIAL], before[FIG_MAX_SPATIAL];
} fig__window;

/* Windows along one axis: floor((in + before + after - dilation * (kernel - 1) - 1) / stride) + 1; 0 when none fits. */
static inline int64_t fig__window_count(int64_t in, int64_t kernel, int64_t stride, int64_t dilation, int64_t before,
                                        int64_t after)
{
    int64_t room = in + before + after - dilation * (kernel - 1) - 1;
    return room < 0 ? 0 : room / stride + 1;
}

/* "Same" padding: ceil(in / stride) windows; what is missing is split evenly and the odd one goes after. */
static inline void fig__window_same(int64_t in, int64_t kernel, int64_t stride, int64_t dilation, int *before,
                                    int *after)
{
    int64_t out = (in + stride - 1) / stride, missing = (out - 1) * stride + dilation * (kernel - 1) + 1 - in;
    if (missing < 0)
        missing = 0;
    *before = (int)(missing / 2);
    *after = (int)(missing - missing / 2);
}

/* Option fields are given per axis; 0 in axis 1 and 2 repeats axis 0, and 0 there is the default. */
static inline int fig__per_axis(const int *field, int axis, int fallback)
{
    return field[axis] ? field[axis] : field[0] ? field[0] : fallback;
}

/* The same for padding, where FIG_PAD_NONE says 0. */
static inline int fig__padding(const int *field, int axis)
{
    int padding = fig__per_axis(field, axis, 0);
    return padding == FIG_PAD_NONE ? 0 : padding;
}

static inline int64_t fig__window_taps(const fig__window *w) { return w->kernel[0] * w->kernel[1] * w->kernel[2]; }
static inline int64_t fig__window_places(const fig__window *w) { return w->out[0] * w->out[1] * w->out[2]; }
static inline int64_t fig__window_inputs(const fig__window *w) { return w->in[0] * w->in[1] * w->in[2]; }

/* Splits a flat index over three axes. */
static inline void fig__window_split(int64_t flat, const int64_t dim[FIG_MAX_SPATIAL], int64_t index[FIG_MAX_SPATIAL])
{
    index[2] = flat % dim[2];
    index[1] = flat / dim[2] % dim[1];
    index[0] = flat / dim[2] / dim[1];
}

/* Flat input position that window q reads with this tap, or -1 in the padding. */
static inline int64_t fig__window_reads(const fig__window *w, const int64_t q[FIG_MAX_SPATIAL],
                                        const int64_t tap[FIG_MAX_SPATIAL])
{
    int64_t flat = 0;
    for (int i = 0; i < FIG_MAX_SPATIAL; i++) {
        int64_t p = q[i] * w->stride[i] + tap[i] * w->dilation[i] - w->before[i];
        if (p < 0 || p >= w->in[i])
            return -1;
        flat = flat * w->in[i] + p;
    }
    return flat;
}

/* The other way round: the window whose tap lies on input p, or -1 when there is none. */
static inline int64_t fig__window_above(const fig__window *w, const int64_t p[FIG_MAX_SPATIAL],
                                        const int64_t tap[FIG_MAX_SPATIAL])
{
    int64_t flat = 0;
    for (int i = 0; i < FIG_MAX_SPATIAL; i++) {
        int64_t from = p[i] + w->before[i] - tap[i] * w->dilation[i];
        if (from < 0 || from % w->stride[i] || from / w->stride[i] >= w->out[i])
            return -1;
        flat = flat * w->out[i] + from / w->stride[i];
    }
    return flat;
}

/* The windows of a pool; axes that it does not have come last. */
static inline fig__window fig__window_of_pool(const fig_pool_attr *attr)
{
    fig__window w;
    for (int i = 0; i < FIG_MAX_SPATIAL; i++) {
        bool real = i < attr->spatial;
        w.in[i] = real ? attr->input[i] : 1;
        w.kernel[i] = real ? attr->size[i] : 1;
        w.stride[i] = real ? attr->stride[i] : 1;
        w.dilation[i] = 1;
        w.before[i] = real ? attr->before[i] : 0;
        w.out[i] = real ? fig__window_count(w.in[i], w.kernel[i], w.stride[i], 1, w.before[i], attr->after[i]) : 1;
    }
    return w;
}

#endif
