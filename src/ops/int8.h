/* ops/int8.h - lines of 8-bit numbers: how weights may be stored that are only read
 *
 * A line along the last axis is its numbers as signed bytes q, -127 to 127, and one f32 scale: w = q scale, with scale = (largest
 * |w| of the line) / 127, so |w - q scale| <= scale / 2. The bytes of all lines come first, then, from the next multiple of 64 bytes
 * on, the scales:
 *
 *     (n, k)    q[0][0] ... q[0][k-1] q[1][0] ... q[n-1][k-1] | padding to 64 | scale[0] ... scale[n-1]
 *
 * A line whose largest number is below 127 times the smallest normal float, zeros among them, has scale 0. A line that holds an
 * infinity or a NaN has the scale NaN, so that nothing computed from it passes for a number. */
#ifndef FIG_OPS_INT8_H
#define FIG_OPS_INT8_H

#include <figment/graph.h>
#include <float.h>
#include <math.h>
#include <stddef.h>

static inline int64_t fig__int8_length(const fig_type *type) { return type->dim[type->rank - 1]; }

static inline int64_t fig__int8_lines(const fig_type *type)
{
    int64_t lines = 1;
    for (int i = 0; i < type->rank - 1; i++)
        lines *= type->dim[i];
    return lines;
}

/* Where the scales begin. */
static inline size_t fig__int8_offset(const fig_type *type)
{
    return ((size_t)fig__int8_lines(type) * (size_t)fig__int8_length(type) + 63) / 64 * 64;
}

static inline size_t fig__int8_bytes(const fig_type *type)
{
    return fig__int8_offset(type) + sizeof(float) * (size_t)fig__int8_lines(type);
}

static inline float *fig__int8_scales(const fig_type *type, const void *data)
{
    return (float *)(void *)((char *)data + fig__int8_offset(type));
}

/* From the largest |w| of a line, or NaN: the scale, and by what w is multiplied to give q. */
static inline float fig__int8_scale(float largest, float *inverse)
{
    bool tiny = largest < 127 * FLT_MIN, finite = largest <= FLT_MAX;
    *inverse = tiny || !finite ? 0 : 127 / largest;
    return tiny ? 0 : finite ? largest / 127 : NAN;
}

#endif
