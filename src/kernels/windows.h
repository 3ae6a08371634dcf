/* kernels/windows.h - what convolutions by windows share, whatever their transforms: sizes and workspace, where a window stands, which
 * places it reads, how windows are shared out (convolution_winograd.c, convolution_phases.c)
 *
 * Workspace: packed weights (weight gradient: a group's sums, group after group), then of each part its windows, its results, zeros and
 * a place for what is not wanted. */
#ifndef FIG_KERNELS_WINDOWS_H
#define FIG_KERNELS_WINDOWS_H

#include "kernels/conv.h"

typedef struct fig__window {
    int64_t image, y, x;
} fig__window;

/* Where window `i` of the batch stands; grid: windows of a picture along its two axes. */
static inline fig__window fig__window_at(const int64_t *grid, int64_t i)
{
    return (fig__window){ i / (grid[0] * grid[1]), i / grid[1] % grid[0], i % grid[1] };
}

/* side x side places of a picture (size[0], size[1], channels), `step` apart, from (y, x) on; what lies outside is `other`. */
static inline void fig__window_places(const float *picture, const int64_t *size, int64_t channels, int64_t y, int64_t x, int side,
                                      int step, const float *other, const float **place)
{
    for (int i = 0; i < side; i++)
        for (int j = 0; j < side; j++) {
            int64_t at_y = y + i * step, at_x = x + j * step;
            bool inside = at_y >= 0 && at_y < size[0] && at_x >= 0 && at_x < size[1];
            place[i * side + j] = inside ? picture + (at_y * size[1] + at_x) * channels : other;
        }
}

static inline size_t fig__window_bytes(int64_t floats) { return (sizeof(float) * (size_t)floats + 63) / 64 * 64; }
static inline int64_t fig__least(int64_t a, int64_t b) { return a < b ? a : b; }
static inline int64_t fig__most(int64_t a, int64_t b) { return a > b ? a : b; }

/* Windows are shared evenly: no part has a last block of a few. */
static inline int64_t fig__even_blocks(int64_t share, int64_t most)
{
    int64_t blocks = (share + most - 1) / most;
    return fig__most(1, (share + blocks - 1) / fig__most(1, blocks));
}


typedef struct fig__windows {
    fig__conv v;
    bool data;
    int64_t from, to;                        /* channels read and made; of the weight gradient: of x and of dy */
    int64_t source[2], result[2], before[2]; /* sizes of the picture that windows are read from, and of the one made of 2x2 places */
    int64_t grid[2], windows;                /* windows of a picture, of the batch */
    int passes, pieces;                      /* phases one after another, or side by side in a window */
    int64_t panels, wide, row;               /* of `to` (weight gradient: of `from`); channels of all panels; of all pieces in a window */
    int64_t block;                           /* windows at once */
    int64_t weights_plane, windows_plane, results_plane; /* floats from plane to plane: not a power of two, or all would share
                                                            a few sets of the caches */
    int parts, shares, groups;               /* weight gradient: parts = shares of planes or phases * groups of windows */
    size_t weights, windows_bytes, results_bytes, zeros, part; /* bytes */
} fig__windows;

/* Sizes and channels of a node, its windows by `grid` (set before) and its parts. */
void fig__windows_begin(fig__windows *s, int threads);
/* Bytes of a part with so many planes of windows and results; returns the workspace. */
size_t fig__windows_end(fig__windows *s, int planes);

typedef struct fig__windows_work {
    const fig__windows *s;
    const float *x, *w; /* windows' source; weights, or dy */
    const float *bias;  /* NULL = none */
    float *y;
    char *workspace;
} fig__windows_work;
fig__windows_work fig__windows_work_of(fig_eval *c); /* c->prepared: a fig__windows */

float *fig__windows_at(const fig__windows_work *w, int part);
float *fig__results_at(const fig__windows_work *w, int part);
float *fig__zeros_at(const fig__windows_work *w, int part); /* at their end, from fig__other_at on, what is not wanted */
float *fig__other_at(const fig__windows_work *w, int part);
/* Weight gradient: sums of a group and plane. */
float *fig__sums_at(const fig__windows_work *w, int group, int64_t plane);
/* Adds `count` numbers from `at` on in each plane of all groups to the first group's. */
void fig__sums_join(const fig__windows_work *w, int planes, int64_t at, int64_t count);
/* Bias and activation of windows [begin, end), which are in the cache still: their two lines of each row of windows at once. */
void fig__windows_finish(const fig__windows_work *w, int64_t begin, int64_t end);

#endif
