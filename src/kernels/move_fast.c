/* kernels/move_fast.c - blocks of transposes and short rows */
#include "kernels/move.h"
#include "kernels/parallel.h"

#include <string.h>

enum { BLOCK = 16 }; /* 16 x 16 elements: one cache line of each side per row */

#define TRANSPOSE_BODY(type)                                                                                           \
    for (int64_t i0 = 0; i0 < rows; i0 += BLOCK)                                                                       \
        for (int64_t j0 = 0; j0 < columns; j0 += BLOCK) {                                                              \
            type block[BLOCK][BLOCK];                                                                                  \
            int64_t height = rows - i0 < BLOCK ? rows - i0 : BLOCK, width = columns - j0 < BLOCK ? columns - j0 : BLOCK; \
            if (height == BLOCK && width == BLOCK) {                                                                   \
                for (int j = 0; j < BLOCK; j++) {                                                                      \
                    type line[BLOCK];                                                                                  \
                    memcpy(line, from + (j0 + j) * from_column + i0, sizeof(line));                                    \
                    for (int i = 0; i < BLOCK; i++)                                                                    \
                        block[i][j] = line[i];                                                                         \
                }                                                                                                      \
                for (int i = 0; i < BLOCK; i++)                                                                        \
                    memcpy(to + (i0 + i) * to_row + j0, block[i], sizeof(block[i]));                                   \
                continue;                                                                                              \
            }                                                                                                          \
            for (int64_t i = 0; i < height; i++)                                                                       \
                for (int64_t j = 0; j < width; j++)                                                                    \
                    to[(i0 + i) * to_row + j0 + j] = from[(j0 + j) * from_column + i0 + i];                            \
        }

FIG_CLONES
void fig__fast_transpose_4(uint32_t *to, int64_t to_row, const uint32_t *from, int64_t from_column, int64_t rows, int64_t columns)
{
    TRANSPOSE_BODY(uint32_t)
}

FIG_CLONES
void fig__fast_transpose_2(uint16_t *to, int64_t to_row, const uint16_t *from, int64_t from_column, int64_t rows, int64_t columns)
{
    TRANSPOSE_BODY(uint16_t)
}

FIG_CLONES
void fig__fast_copy_rows(uint32_t *restrict to, int64_t to_row, const uint32_t *restrict from, int64_t from_row, int64_t rows, int64_t n)
{
    for (int64_t row = 0; row < rows; row++, to += to_row, from += from_row)
        for (int64_t i = 0; i < n; i++)
            to[i] = from[i];
}
