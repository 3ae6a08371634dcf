/* kernels/noise_fast.c - Philox4x32-10 on many counters at once, and distributions of its words */
#include "kernels/noise.h"
#include "kernels/parallel.h"
#include "ops/noise_math.h"

#include <string.h>

enum { LANES = 16, ROUNDS = 10 };

/* Sixteen blocks side by side; the rounds are those of core/random.c. */
static inline void rounds(uint32_t *restrict c0, uint32_t *restrict c1, uint32_t *restrict c2, uint32_t *restrict c3, uint32_t k0,
                          uint32_t k1)
{
    for (int round = 0; round < ROUNDS; round++, k0 += 0x9E3779B9u, k1 += 0xBB67AE85u)
        for (int i = 0; i < LANES; i++) {
            uint64_t p0 = (uint64_t)0xD2511F53u * c0[i], p1 = (uint64_t)0xCD9E8D57u * c2[i];
            c0[i] = (uint32_t)(p1 >> 32) ^ c1[i] ^ k0;
            c2[i] = (uint32_t)(p0 >> 32) ^ c3[i] ^ k1;
            c1[i] = (uint32_t)p1;
            c3[i] = (uint32_t)p0;
        }
}

FIG_CLONES
void fig__fast_philox(const fig__noise_stream *stream, uint64_t first, int64_t blocks, uint32_t *words)
{
    for (int64_t done = 0; done < blocks; done += LANES) {
        uint32_t c0[LANES], c1[LANES], c2[LANES], c3[LANES];
        for (int i = 0; i < LANES; i++) {
            uint64_t block = first + (uint64_t)done + (uint64_t)i;
            c0[i] = (uint32_t)block;
            c1[i] = (uint32_t)(block >> 32);
            c2[i] = (uint32_t)stream->step;
            c3[i] = (uint32_t)(stream->step >> 32);
        }
        rounds(c0, c1, c2, c3, stream->key[0], stream->key[1]);
        int64_t count = blocks - done < LANES ? blocks - done : LANES;
        uint32_t *to = words + 4 * done;
        if (count == LANES) {
            for (int i = 0; i < LANES; i++) {
                to[4 * i] = c0[i];
                to[4 * i + 1] = c1[i];
                to[4 * i + 2] = c2[i];
                to[4 * i + 3] = c3[i];
            }
            continue;
        }
        for (int64_t i = 0; i < count; i++) {
            uint32_t block[4] = { c0[i], c1[i], c2[i], c3[i] };
            memcpy(to + 4 * i, block, sizeof(block));
        }
    }
}

FIG_CLONES
void fig__fast_noise_uniform(float *y, const uint32_t *words, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        y[i] = fig__noise_uniform(words[i]);
}

FIG_CLONES
void fig__fast_noise_normal(float *restrict y, const uint32_t *restrict words, int64_t n)
{
    float radius[FIG__NOISE_TILE / 2], even[FIG__NOISE_TILE / 2], odd[FIG__NOISE_TILE / 2];
    int64_t pairs = n / 2;
    for (int64_t i = 0; i < pairs; i++) {
        radius[i] = fig__noise_radius(words[2 * i]);
        odd[i] = fig__noise_angle(words[2 * i + 1]);
    }
    for (int64_t i = 0; i < pairs; i++)
        even[i] = radius[i] * cosf(odd[i]);
    for (int64_t i = 0; i < pairs; i++)
        odd[i] = radius[i] * sinf(odd[i]);
    for (int64_t i = 0; i < pairs; i++) {
        y[2 * i] = even[i];
        y[2 * i + 1] = odd[i];
    }
}

FIG_CLONES
void fig__fast_noise_gumbel(float *y, const uint32_t *words, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        y[i] = fig__noise_gumbel(words[i]);
}

FIG_CLONES
void fig__fast_noise_bernoulli(float *y, const uint32_t *words, const float *probability, int64_t n)
{
#pragma omp simd
    for (int64_t i = 0; i < n; i++)
        y[i] = fig__noise_uniform(words[i]) < probability[i] ? 1.0f : 0.0f;
}

FIG_CLONES
void fig__fast_noise_dropout(float *y, const uint32_t *words, const float *x, float rate, float kept, int64_t n)
{
#pragma omp simd
    for (int64_t i = 0; i < n; i++)
        y[i] = fig__noise_uniform(words[i]) < rate ? 0.0f : x[i] * kept;
}
