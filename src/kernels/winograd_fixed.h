/* kernels/winograd_fixed.h - the transforms of winograd.h from bf16 storage, for products of whole numbers of 16 bits
 *
 * Were transformed windows rounded to bf16 again, results would be off by 4e-3 (root of mean squares), twice and more what storing them
 * in bf16 costs. One instruction of AVX512_VNNI multiplies pairs of 16-bit whole numbers into 32-bit sums as fast as that of
 * AVX512_BF16 multiplies pairs of bf16. So windows are widened, transformed in f32 and multiplied by a scale under which the largest
 * number there may be is as large as sums allow; sums are exact, and scaled back into f32 where they end.
 *
 * Thirty-two channels at a time, pairs in units of 32 bits; what fills the last ones up is 0. Scales of 32 channels stand as their
 * vectors do, those of even number before the others: the place of c (fig__winograd_place). `half` makes planes 0 to 7 (0) or 8 to 15 (1),
 * as in winograd.h. Only where fig__winograd_fixed_available(). */
#ifndef FIG_KERNELS_WINOGRAD_FIXED_H
#define FIG_KERNELS_WINOGRAD_FIXED_H

#include <stdbool.h>
#include <stdint.h>

#define FIG__FIXED_ROWS 13

static inline int64_t fig__winograd_place(int64_t c) { return c / 32 * 32 + c % 2 * 16 + c % 32 / 2; }

bool fig__winograd_fixed_available(void);

/* largest[c] = the largest |x| of it and of these places' channel c; what is not finite is above all numbers. */
void fig__fast_winograd_largest(const uint16_t *const *place, int places, int64_t channels, uint16_t *largest);

/* -- forward and data gradient: pairs of channels -------------------------------------------------------------------------------- */

/* The largest |x| weight[place of c] of all channels of these places, NULL = 1; infinity where one is not finite. */
float fig__fast_winograd_most(const uint16_t *const *place, int places, int64_t channels, const float *weight);
/* One window's row of each plane: v[(4 i + j) plane + c / 2] = scale weight[place of c] B' x B, of channels c and c + 1; place: 4 rows
 * of 4. */
void fig__fast_winograd_fixed_window(const uint16_t *const *place, int64_t channels, float scale, const float *weight, uint32_t *v,
                                     int64_t plane);
/* The same of nine taps: G w G' times scale and weight. */
void fig__fast_winograd_fixed_weights(const uint16_t *const *tap, int64_t channels, float scale, const float *weight, uint32_t *u,
                                      int64_t plane);
/* u[(4 i + j) plane + c] = scale[place of c] G w G' of the taps left[] by weight[0] and of right[] by weight[1], joined, for c < 32. */
void fig__fast_winograd_fixed_weight_pairs(const uint16_t *const *left, const uint16_t *const *right, int64_t channels,
                                           const float weight[2], const float *scale, uint32_t *u, int64_t plane);
/* The largest sum over all pairs of |first| + |second| that a column of a panel has. */
int32_t fig__fast_winograd_fixed_weight_sum(const uint32_t *panel, int64_t pairs);

/* c[i * 32 + j] = column[j] times the sum over l < pairs of a[i * a_row + l] . panel[l * 32 + j], for i < rows <= 13 and j < 32. */
typedef struct fig__fixed_tile {
    int64_t pairs, a_row;
    const uint32_t *a, *panel;
    const float *column;
    float *c;
} fig__fixed_tile;
void fig__fast_winograd_fixed_tile(const fig__fixed_tile *t, int64_t rows);
/* The 2x2 places = A' m A times scale plus bias, rounded: m[(4 i + j) plane + c], for c < channels <= 32. */
void fig__fast_winograd_fixed_make(const float *m, int64_t plane, float scale, const float *bias, int64_t channels,
                                   uint16_t *const *place);

/* -- weight gradient: pairs of windows ----------------------------------------------------------------------------------------- */

/* Two windows side by side, joined: v[(4 i + j - 8 half) plane + c / 32 block + place of c % 32] = scale[place of c] B' x B of the left
 * one and of the right one; place: 4 rows of 6. */
void fig__fast_winograd_fixed_windows(const uint16_t *const *place, int half, int64_t channels, const float *scale, uint32_t *v,
                                      int64_t plane, int64_t block);
/* The same of their results' places, 2 rows of 4, channels in order: A y A'. */
void fig__fast_winograd_fixed_results(const uint16_t *const *place, int half, int64_t channels, const float *scale, uint32_t *d,
                                      int64_t plane);
/* sum[place of c] += |x| of these places. */
void fig__fast_winograd_sizes(const uint16_t *const *place, int places, int64_t channels, float *sum);

/* sum[i * sum_row + j] += row[i] column[j] times the sum over l < pairs of d[l * d_row + i] . panel[l * 32 + place of j], for
 * i < rows <= 13 and j < 32. */
typedef struct fig__fixed_sums {
    int64_t pairs;
    const uint32_t *d, *panel;
    int64_t d_row;
    const float *row, *column;
    float *sum;
    int64_t sum_row;
} fig__fixed_sums;
void fig__fast_winograd_fixed_sums(const fig__fixed_sums *t, int64_t rows);

#endif
