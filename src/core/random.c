/* random.c - random numbers without state: Philox4x32-10, and a small sequential generator
 *
 * Salmon, Moraes, Dror, Shaw, "Parallel random numbers: as easy as 1, 2, 3" (SC 2011). Ten rounds turn a 128-bit
 * counter and a 64-bit key into 128 random bits, so element i of any noise can be computed alone, on any thread or
 * rank, and is the same bits everywhere.
 *
 *     key     = mix(seed, stream)              stream: which noise node (hash of its path)
 *     counter = (index low, index high, step low, step high)
 *
 * This layout is what "same seed, same samples" rests on, and never changes. */
#include "core/core.h"
#include <math.h>

#define MULTIPLIER_0 0xD2511F53u
#define MULTIPLIER_1 0xCD9E8D57u
#define WEYL_0 0x9E3779B9u /* golden ratio */
#define WEYL_1 0xBB67AE85u /* square root of 3 less 1 */
enum { ROUNDS = 10 };

void fig__philox_block(const uint32_t counter[4], const uint32_t key[2], uint32_t out[4])
{
    uint32_t c0 = counter[0], c1 = counter[1], c2 = counter[2], c3 = counter[3], k0 = key[0], k1 = key[1];
    for (int round = 0; round < ROUNDS; round++) {
        uint64_t p0 = (uint64_t)MULTIPLIER_0 * c0, p1 = (uint64_t)MULTIPLIER_1 * c2;
        uint32_t n0 = (uint32_t)(p1 >> 32) ^ c1 ^ k0, n2 = (uint32_t)(p0 >> 32) ^ c3 ^ k1;
        c1 = (uint32_t)p1;
        c3 = (uint32_t)p0;
        c0 = n0;
        c2 = n2;
        k0 += WEYL_0;
        k1 += WEYL_1;
    }
    out[0] = c0;
    out[1] = c1;
    out[2] = c2;
    out[3] = c3;
}

/* The finaliser of splitmix64 (Stafford's variant 13): a bijection in which every input bit reaches every output bit. */
static uint64_t mix(uint64_t z)
{
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9u;
    z = (z ^ z >> 27) * 0x94D049BB133111EBu;
    return z ^ z >> 31;
}

#define GOLDEN 0x9E3779B97F4A7C15u

void fig__philox_key(uint64_t seed, uint64_t stream, uint32_t key[2])
{
    /* For one seed different streams give different keys, as mix is a bijection. */
    uint64_t k = mix(mix(seed + GOLDEN) ^ stream);
    key[0] = (uint32_t)k;
    key[1] = (uint32_t)(k >> 32);
}

void fig__philox(uint64_t seed, uint64_t stream, uint64_t step, uint64_t index, uint32_t out[4])
{
    uint32_t key[2], counter[4] = { (uint32_t)index, (uint32_t)(index >> 32), (uint32_t)step, (uint32_t)(step >> 32) };
    fig__philox_key(seed, stream, key);
    fig__philox_block(counter, key, out);
}

uint64_t fig__rng_next(fig__rng *rng)
{
    rng->state += GOLDEN;
    return mix(rng->state);
}

uint64_t fig__rng_below(fig__rng *rng, uint64_t bound)
{
    FIG_BUG_IF(bound == 0, "random number below 0 asked for");
    /* Lemire 2019: the high half of a product; the few low halves that would favour some values are drawn again. */
    __uint128_t product = (__uint128_t)fig__rng_next(rng) * bound;
    if ((uint64_t)product < bound)
        for (uint64_t unfair = -bound % bound; (uint64_t)product < unfair;)
            product = (__uint128_t)fig__rng_next(rng) * bound;
    return (uint64_t)(product >> 64);
}

double fig__rng_uniform(fig__rng *rng) { return (double)(fig__rng_next(rng) >> 11) * 0x1p-53; }

double fig__rng_normal(fig__rng *rng)
{
    /* Box-Muller; 1 - u is never 0. */
    double radius = sqrt(-2 * log(1 - fig__rng_uniform(rng)));
    return radius * cos(6.283185307179586 * fig__rng_uniform(rng));
}
