/* kernels/rank.h - rows in order (rank_fast.c)
 *
 * The order of ops/sort.c - by value, NaN below every number, lower index first - is that of one unsigned number per
 * element: 32 bits made of the float so that larger floats have larger bits (their complement when descending), with the
 * index below them. */
#ifndef FIG_KERNELS_RANK_H
#define FIG_KERNELS_RANK_H

#include <stdbool.h>
#include <stdint.h>

/* key[i] = order of x[i], then i; the smallest key comes first. */
void fig__fast_rank_keys(uint64_t *key, const float *x, int64_t n, bool descending);
/* Sorts the n keys by their upper halves (keys of equal halves stay in order), by way of `spare`; the result is in `key`. */
void fig__fast_rank_sort(uint64_t *key, uint64_t *spare, int64_t n);
/* The keys below `limit` are appended to kept, which holds `count`; returns how many it holds then. */
int64_t fig__fast_rank_filter(uint64_t *kept, int64_t count, const uint64_t *key, int64_t n, uint64_t limit);

#endif
