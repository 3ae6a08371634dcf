/* ops/resize.h - which places of a picture a resized one reads, for the reference loops and the kernels */
#ifndef FIG_OPS_RESIZE_H
#define FIG_OPS_RESIZE_H

#include <stdint.h>

/* Row or column i of the resized picture is first * (1 - weight) + second * weight of the source. */
typedef struct fig__resize_tap {
    int64_t first, second;
    float weight;
} fig__resize_tap;

static inline fig__resize_tap fig__resize_bilinear_tap(int64_t i, int64_t in, int64_t out)
{
    double at = ((double)i + 0.5) * (double)in / (double)out - 0.5;
    if (at < 0)
        at = 0;
    int64_t first = (int64_t)at;
    if (first >= in - 1)
        return (fig__resize_tap){ in - 1, in - 1, 0.0f };
    return (fig__resize_tap){ first, first + 1, (float)(at - (double)first) };
}

#endif
