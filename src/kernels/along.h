/* kernels/along.h - walks along one axis of (outer, n, inner) (along_fast.c): running sums, places of the largest
 *
 * Columns - the elements of `inner` - are what a vector holds; where inner is 1, several outer rows take its place, so that the
 * chain of additions of one row is not waited for. At most FIG__ALONG columns a call. */
#ifndef FIG_KERNELS_ALONG_H
#define FIG_KERNELS_ALONG_H

#include <stdbool.h>
#include <stdint.h>

enum { FIG__ALONG = 64 };

/* Element k of column j is x[k * step + j * apart]; sums start from the far end when `step` is negative and x is the last. */
typedef struct fig__along {
    int64_t n, step, columns, apart;
} fig__along;

/* Running sums in double as in the reference loop; exclusive leaves the element itself out. */
void fig__fast_cumsum(const fig__along *a, bool exclusive, const float *x, float *y);
void fig__fast_cumsum_i32(const fig__along *a, bool exclusive, const int32_t *x, int32_t *y);
/* Place of the first largest in each column; a NaN is larger than nothing and, in first place, never beaten. */
void fig__fast_argmax(const fig__along *a, const float *x, int32_t *place);
void fig__fast_argmax_i32(const fig__along *a, const int32_t *x, int32_t *place);
/* The same of one straight row. */
int32_t fig__fast_argmax_row(const float *x, int64_t n);

#endif
