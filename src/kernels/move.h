/* kernels/move.h - copying a box of elements from one strided place to another
 *
 * Transposes, slices, concatenations, paddings and reversals are all such copies. Axes that both sides walk alike are merged;
 * what is left is either rows that are straight on both sides (copied whole) or a plane that is straight along one axis here
 * and along another there (copied in square blocks). */
#ifndef FIG_KERNELS_MOVE_H
#define FIG_KERNELS_MOVE_H

#include "kernels/kernel.h"

typedef struct fig__move {
    int axes;
    int64_t dim[FIG_MAX_RANK], from[FIG_MAX_RANK], to[FIG_MAX_RANK]; /* strides in elements; may be negative or 0 in `from` */
    int64_t from_at, to_at;                                          /* first element */
    size_t size;                                                     /* of an element: 2 or 4 */
} fig__move;

/* Merges axes and brings the axis that is straight in `to` last; then the move is ready to run. */
void fig__move_finish(fig__move *move);
/* run NULL: on this thread alone. */
void fig__move_run(const fig__move *move, const void *from, void *to, const fig_run *run);

/* -- move_fast.c: planes of 4- or 2-byte elements, straight along rows in `to` and along columns in `from` ---------------- */
/* to[i * to_row + j] = from[j * from_column + i] */
void fig__fast_transpose_4(uint32_t *to, int64_t to_row, const uint32_t *from, int64_t from_column, int64_t rows, int64_t columns);
void fig__fast_transpose_2(uint16_t *to, int64_t to_row, const uint16_t *from, int64_t from_column, int64_t rows, int64_t columns);
/* `rows` straight runs of n elements. */
void fig__fast_copy_rows(uint32_t *to, int64_t to_row, const uint32_t *from, int64_t from_row, int64_t rows, int64_t n);

#endif
