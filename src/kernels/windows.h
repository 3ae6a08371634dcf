/* kernels/windows.h - what convolutions by windows share: where a window stands, which places it reads, how windows are shared out
 * (convolution_winograd.c, convolution_phases.c) */
#ifndef FIG_KERNELS_WINDOWS_H
#define FIG_KERNELS_WINDOWS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

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

#endif
