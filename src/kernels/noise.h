/* kernels/noise.h - noise in vectors: consecutive Philox blocks and what is made of their words
 *
 * Element i of a noise value draws word i % 4 of block i / 4 (ops/noise.c); these loops give the same words, and the same
 * numbers to the bit (uniform, masks) or to rounding (normal, Gumbel). */
#ifndef FIG_KERNELS_NOISE_H
#define FIG_KERNELS_NOISE_H

#include "kernels/kernel.h"

enum { FIG__NOISE_TILE = 1024 }; /* words made at a time; a multiple of 4 */

typedef struct fig__noise_stream {
    uint32_t key[2];
    uint64_t step;
} fig__noise_stream;
fig__noise_stream fig__noise_open(const fig_run *run, uint64_t stream);

/* words[4 i ... 4 i + 3] = block first + i, for i < blocks. */
void fig__fast_philox(const fig__noise_stream *stream, uint64_t first, int64_t blocks, uint32_t *words);
void fig__fast_noise_uniform(float *y, const uint32_t *words, int64_t n);
void fig__fast_noise_normal(float *y, const uint32_t *words, int64_t n); /* n even; words[0] is an even element's */
/* What mean + deviation x in double may be once it is rounded, x the normals of pairs of words; n even and at most FIG__NOISE_TILE.
 * Where low and high have the same bits, that is the number, whatever mathematical functions compute it (nn/init.c). */
void fig__fast_normal_bounds(float *low, float *high, const uint32_t *words, double mean, double deviation, int64_t n);
void fig__fast_noise_gumbel(float *y, const uint32_t *words, int64_t n);
void fig__fast_noise_bernoulli(float *y, const uint32_t *words, const float *probability, int64_t n);
void fig__fast_noise_dropout(float *y, const uint32_t *words, const float *x, float rate, float kept, int64_t n);

#endif
