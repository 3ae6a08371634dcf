/* ops/sample_bilinear.h - the four pixels around a place, for the reference loops and the kernels */
#ifndef FIG_OPS_SAMPLE_BILINEAR_H
#define FIG_OPS_SAMPLE_BILINEAR_H

#include <math.h>
#include <stdbool.h>
#include <stdint.h>

/* Corners: upper left, upper right, lower left, lower right. A corner outside of the picture has weight and slopes 0, and the
 * number of a pixel that may be read all the same. */
typedef struct fig__cell {
    int64_t pixel[4];
    bool inside[4];
    float weight[4], down[4], right[4]; /* the weight's derivatives by row and by column */
} fig__cell;

static inline fig__cell fig__cell_of(const float at[2], int64_t height, int64_t width)
{
    fig__cell cell = { 0 };
    if (!(at[0] > -1.0f && at[0] < (float)height && at[1] > -1.0f && at[1] < (float)width))
        return cell;
    int64_t top = (int64_t)floorf(at[0]), left = (int64_t)floorf(at[1]);
    float down = at[0] - (float)top, right = at[1] - (float)left;
    for (int corner = 0; corner < 4; corner++) {
        int64_t row = top + corner / 2, column = left + corner % 2;
        if (row < 0 || row >= height || column < 0 || column >= width)
            continue;
        float by_row = corner / 2 ? down : 1.0f - down, by_column = corner % 2 ? right : 1.0f - right;
        cell.pixel[corner] = row * width + column;
        cell.inside[corner] = true;
        cell.weight[corner] = by_row * by_column;
        cell.down[corner] = corner / 2 ? by_column : -by_column;
        cell.right[corner] = corner % 2 ? by_row : -by_row;
    }
    return cell;
}

#endif
