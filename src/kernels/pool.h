/* kernels/pool.h - the inner loops of pooling (pool_fast.c): one picture, some of its channels
 *
 * All arrays point to the first of `n` channels out of `channels`; places are `channels` elements apart. Windows are walked in
 * the order of the reference loops, so sums and ties come out the same. */
#ifndef FIG_KERNELS_POOL_H
#define FIG_KERNELS_POOL_H

#include "ops/window.h"

enum {
    FIG__POOL_CHANNELS = 256
}; /* at most so many channels a call: what is kept of a window stays in the first cache */

typedef struct fig__pool {
    fig__window window;
    int64_t pictures, channels;
} fig__pool;

void fig__fast_max_pool(const fig__pool *p, int64_t n, const float *x, float *y);
/* dx += dy at every window's first largest */
void fig__fast_max_pool_gradient(const fig__pool *p, int64_t n, const float *x, const float *dy, float *dx);
/* y = u at every window's first largest */
void fig__fast_max_pool_pick(const fig__pool *p, int64_t n, const float *x, const float *u, float *y);
void fig__fast_average_pool(const fig__pool *p, int64_t n, const float *x, float *y);
/* dx += dy over the count of the window */
void fig__fast_average_pool_gradient(const fig__pool *p, int64_t n, const float *dy, float *dx);

#endif
