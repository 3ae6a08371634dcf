/* sample/scatter.c - points of the plane as a picture: one soft dot each, darker where they pile up; the axes' limits
 * are the points' own, with a margin, and equal on both axes so that a circle stays one */
#include "sample/sampler.h"

#include <math.h>
#include <string.h>

enum { SMALLEST = 16 };

static void limits(const float *points, int64_t n, int dimensions, double centre[2], double *half)
{
    double low[2] = { INFINITY, INFINITY }, high[2] = { -INFINITY, -INFINITY };
    for (int64_t i = 0; i < n; i++)
        for (int d = 0; d < 2; d++) {
            double v = dimensions > d ? (double)points[i * dimensions + d] : 0;
            if (!isfinite(v))
                continue;
            low[d] = fmin(low[d], v);
            high[d] = fmax(high[d], v);
        }
    *half = 0;
    for (int d = 0; d < 2; d++) {
        if (low[d] > high[d])
            low[d] = high[d] = 0;
        centre[d] = (low[d] + high[d]) / 2;
        *half = fmax(*half, (high[d] - low[d]) / 2);
    }
    *half = *half > 0 ? *half * 1.08 : 1;
}

static void dot(fig_picture *p, double x, double y)
{
    for (int r = -2; r <= 2; r++)
        for (int c = -2; c <= 2; c++) {
            int row = (int)floor(y) + r, column = (int)floor(x) + c;
            double dx = column + 0.5 - x, dy = row + 0.5 - y, ink = 1.8 - sqrt(dx * dx + dy * dy);
            if (row < 0 || column < 0 || row >= p->height || column >= p->width || ink <= 0)
                continue;
            uint8_t *pixel = &p->pixels[row * p->width + column];
            *pixel = (uint8_t)(*pixel * (1 - 0.6 * fmin(ink, 1)));
        }
}

fig_status fig__scatter(const float *points, int64_t n, int dimensions, int size, fig_picture *out, fig_error *err)
{
    *out = (fig_picture){ 0 };
    if (dimensions < 1 || size < SMALLEST)
        return fig_fail(err, FIG_E_USAGE, "a scatter plot needs points");
    size_t bytes = (size_t)size * (size_t)size;
    fig_picture p = { .width = size, .height = size, .channels = 1, .pixels = fig__alloc(bytes) };
    memset(p.pixels, 255, bytes);
    double centre[2], half;
    limits(points, n, dimensions, centre, &half);
    for (int64_t i = 0; i < n; i++) {
        double x = (double)points[i * dimensions], y = dimensions > 1 ? (double)points[i * dimensions + 1] : 0;
        if (isfinite(x) && isfinite(y)) /* y points up */
            dot(&p, (0.5 + 0.5 * (x - centre[0]) / half) * size, (0.5 - 0.5 * (y - centre[1]) / half) * size);
    }
    *out = p;
    return FIG_OK;
}
