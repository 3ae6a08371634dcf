/* kernels/resize_fast.c - inner loops of resizing: two lines into one, then its pixels two by two
 *
 * The channels of a pixel are the vector; pictures of up to four channels have loops of their own, as a vector loop over so few
 * costs more to enter than it does. */
#include "kernels/parallel.h"
#include "kernels/resize.h"

FIG_CLONES
void fig__fast_resize_blend(float *restrict line, const float *restrict upper, const float *restrict lower,
                            float weight, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        line[i] = upper[i] * (1.0f - weight) + lower[i] * weight;
}

FIG_CLONES
void fig__fast_resize_gather(float *restrict line, const float *restrict row, float weight, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        line[i] += row[i] * weight;
}

#define INLINE static inline __attribute__((always_inline))
#define BY_CHANNELS(body, to, from, tap, columns, n) \
    (n == 1   ? body(to, from, tap, columns, 1)      \
     : n == 2 ? body(to, from, tap, columns, 2)      \
     : n == 3 ? body(to, from, tap, columns, 3)      \
     : n == 4 ? body(to, from, tap, columns, 4)      \
              : body(to, from, tap, columns, n))

INLINE void columns_forward(float *restrict y, const float *restrict line, const fig__resize_tap *tap, int64_t columns,
                            int64_t n)
{
    for (int64_t j = 0; j < columns; j++, y += n) {
        const float *left = line + tap[j].first * n, *right = line + tap[j].second * n;
        float weight = tap[j].weight;
        if (weight == 0.0f) {
            for (int64_t c = 0; c < n; c++)
                y[c] = left[c];
            continue;
        }
        for (int64_t c = 0; c < n; c++)
            y[c] = left[c] * (1.0f - weight) + right[c] * weight;
    }
}

FIG_CLONES
void fig__fast_resize_columns(float *y, const float *line, const fig__resize_tap *tap, int64_t columns,
                              int64_t channels)
{
    BY_CHANNELS(columns_forward, y, line, tap, columns, channels);
}

INLINE void columns_back(float *restrict dx, const float *restrict line, const fig__resize_tap *tap, int64_t columns,
                         int64_t n)
{
    for (int64_t j = 0; j < columns; j++, line += n) {
        float *left = dx + tap[j].first * n, *right = dx + tap[j].second * n;
        float weight = tap[j].weight;
        for (int64_t c = 0; c < n; c++)
            left[c] += line[c] * (1.0f - weight);
        if (weight == 0.0f)
            continue;
        for (int64_t c = 0; c < n; c++)
            right[c] += line[c] * weight;
    }
}

FIG_CLONES
void fig__fast_resize_columns_back(float *dx, const float *line, const fig__resize_tap *tap, int64_t columns,
                                   int64_t channels)
{
    BY_CHANNELS(columns_back, dx, line, tap, columns, channels);
}
