/* kernels/columns_fast.c - copying windows into columns and adding columns back */
#include "kernels/columns.h"
#include "kernels/parallel.h"

#include <string.h>

/* Where a window row [start, start + length) of size `in` lies inside: taps before, inside. Without dilation. */
typedef struct span {
    int64_t skip, inside;
} span;

static inline span clip(int64_t start, int64_t length, int64_t in)
{
    int64_t from = start < 0 ? -start : 0, to = start + length > in ? in - start : length;
    if (from > length)
        from = length;
    if (to < from)
        to = from;
    return (span){ from, to - from };
}

static inline void copy_run(float *restrict to, const float *restrict from, int64_t n)
{
    if (n >= 64) {
        memcpy(to, from, sizeof(float) * (size_t)n);
        return;
    }
    for (int64_t i = 0; i < n; i++)
        to[i] = from[i];
}

static inline void zero_run(float *to, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        to[i] = 0.0f;
}

/* One line of taps along the innermost axis: kernel[2] * channels floats. line points to the input's line. */
static inline void gather_line(const fig__conv *v, const float *line, int64_t place, float *restrict out)
{
    int64_t c = v->channels, start = place * v->stride[2] - v->before[2];
    if (v->dilation[2] == 1 || v->kernel[2] == 1) {
        span s = clip(start, v->kernel[2], v->in[2]);
        zero_run(out, s.skip * c);
        copy_run(out + s.skip * c, line + (start + s.skip) * c, s.inside * c);
        zero_run(out + (s.skip + s.inside) * c, (v->kernel[2] - s.skip - s.inside) * c);
        return;
    }
    for (int64_t k = 0; k < v->kernel[2]; k++, out += c) {
        int64_t at = start + k * v->dilation[2];
        if (at < 0 || at >= v->in[2])
            zero_run(out, c);
        else
            copy_run(out, line + at * c, c);
    }
}

FIG_CLONES
void fig__columns_gather(const fig__conv *v, const float *x, int64_t first_row, int64_t rows, float *out)
{
    int64_t run = v->kernel[2] * v->channels;
    for (int64_t row = first_row; row < first_row + rows; row++) {
        int64_t o3 = row % v->out[2], rest = row / v->out[2];
        int64_t o2 = rest % v->out[1], rest2 = rest / v->out[1];
        int64_t o1 = rest2 % v->out[0], b = rest2 / v->out[0];
        for (int64_t k1 = 0; k1 < v->kernel[0]; k1++) {
            int64_t i1 = o1 * v->stride[0] + k1 * v->dilation[0] - v->before[0];
            for (int64_t k2 = 0; k2 < v->kernel[1]; k2++, out += run) {
                int64_t i2 = o2 * v->stride[1] + k2 * v->dilation[1] - v->before[1];
                if (i1 < 0 || i1 >= v->in[0] || i2 < 0 || i2 >= v->in[1])
                    zero_run(out, run);
                else
                    gather_line(v, x + ((b * v->in[0] + i1) * v->in[1] + i2) * v->in[2] * v->channels, o3, out);
            }
        }
    }
}

static inline void scatter_line(const fig__conv *v, float *line, int64_t place, const float *restrict from)
{
    int64_t c = v->channels, start = place * v->stride[2] - v->before[2];
    if (v->dilation[2] == 1 || v->kernel[2] == 1) {
        span s = clip(start, v->kernel[2], v->in[2]);
        float *restrict to = line + (start + s.skip) * c;
        from += s.skip * c;
        for (int64_t i = 0; i < s.inside * c; i++)
            to[i] += from[i];
        return;
    }
    for (int64_t k = 0; k < v->kernel[2]; k++, from += c) {
        int64_t at = start + k * v->dilation[2];
        if (at < 0 || at >= v->in[2])
            continue;
        float *restrict to = line + at * c;
        for (int64_t i = 0; i < c; i++)
            to[i] += from[i];
    }
}

FIG_CLONES
void fig__columns_scatter(const fig__conv *v, const float *columns, int64_t count, int64_t first, int64_t last, float *dx)
{
    int64_t run = v->kernel[2] * v->channels, line = v->in[2] * v->channels, lines = count * v->out[0] * v->out[1];
    for (int64_t i = 0; i < count * v->in[0]; i++)
        memset(dx + (i * v->in[1] + first) * line, 0, sizeof(float) * (size_t)((last - first) * line));
    for (int64_t i = 0; i < lines; i++, columns += v->out[2] * v->taps * v->channels) {
        int64_t o2 = i % v->out[1], rest = i / v->out[1];
        int64_t o1 = rest % v->out[0], b = rest / v->out[0];
        for (int64_t k1 = 0; k1 < v->kernel[0]; k1++) {
            int64_t i1 = o1 * v->stride[0] + k1 * v->dilation[0] - v->before[0];
            if (i1 < 0 || i1 >= v->in[0])
                continue;
            for (int64_t k2 = 0; k2 < v->kernel[1]; k2++) {
                int64_t i2 = o2 * v->stride[1] + k2 * v->dilation[1] - v->before[1];
                if (i2 < first || i2 >= last)
                    continue;
                const float *from = columns + (k1 * v->kernel[1] + k2) * run;
                float *to = dx + ((b * v->in[0] + i1) * v->in[1] + i2) * line;
                for (int64_t o3 = 0; o3 < v->out[2]; o3++, from += v->taps * v->channels)
                    scatter_line(v, to, o3, from);
            }
        }
    }
}
