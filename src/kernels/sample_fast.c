/* kernels/sample_fast.c - four pixels at once; outside the picture, weights and slopes are 0 and the pixel is left alone */
#include "kernels/parallel.h"
#include "kernels/sample.h"

FIG_CLONES
void fig__fast_sample(const fig__cell *cell, int64_t channels, int64_t n, const float *restrict picture,
                      float *restrict y)
{
    const float *p[4];
    for (int corner = 0; corner < 4; corner++)
        p[corner] = picture + cell->pixel[corner] * channels;
    if (cell->inside[0] && cell->inside[1] && cell->inside[2] && cell->inside[3]) {
        float a = cell->weight[0], b = cell->weight[1], c = cell->weight[2], d = cell->weight[3];
        for (int64_t i = 0; i < n; i++)
            y[i] = a * p[0][i] + b * p[1][i] + c * p[2][i] + d * p[3][i];
        return;
    }
    for (int64_t i = 0; i < n; i++)
        y[i] = 0.0f;
    for (int corner = 0; corner < 4; corner++) {
        float weight = cell->weight[corner];
        for (int64_t i = 0; i < n && cell->inside[corner]; i++)
            y[i] += weight * p[corner][i];
    }
}

FIG_CLONES
void fig__fast_sample_spread(const fig__cell *cell, int64_t channels, int64_t n, const float *restrict dy,
                             float *restrict dx)
{
    for (int corner = 0; corner < 4; corner++) {
        if (!cell->inside[corner])
            continue;
        float *to = dx + cell->pixel[corner] * channels, weight = cell->weight[corner];
        for (int64_t i = 0; i < n; i++)
            to[i] += weight * dy[i];
    }
}

FIG_CLONES
void fig__fast_sample_slope(const fig__cell *cell, int64_t n, const float *picture, const float *dy, float slope[2])
{
    float down = 0, right = 0;
    for (int corner = 0; corner < 4; corner++) {
        if (!cell->inside[corner])
            continue;
        const float *p = picture + cell->pixel[corner] * n;
        float dot = 0;
        for (int64_t i = 0; i < n; i++)
            dot += p[i] * dy[i];
        down += dot * cell->down[corner];
        right += dot * cell->right[corner];
    }
    slope[0] = down;
    slope[1] = right;
}
