/* shuffle.c - a random order that is computed, not stored
 *
 * A Feistel network over 2 * half bits is a permutation of 0..4^half - 1 whatever its round function; walking it
 * until the value falls below count makes it a permutation of 0..count-1 (Black and Rogaway 2002). At most three
 * quarters of the range lie outside, so a walk takes less than four steps on average. Six rounds of a 64-bit mix
 * give an order in which no statistics that a batch could notice remain. */
#include "data/prepared.h"

enum { ROUNDS = 6 };

static uint64_t mix(uint64_t z)
{
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

void fig__permutation_init(fig__permutation *permutation, uint64_t count, uint64_t seed, uint64_t stream,
                           uint64_t epoch)
{
    uint32_t random[4];
    fig__philox(seed, stream, epoch, 0, random);
    int half = 1;
    while (half < 31 && (1ull << (2 * half)) < count)
        half++;
    *permutation = (fig__permutation){ count, (uint64_t)random[0] << 32 | random[1], half };
}

uint64_t fig__permutation_at(const fig__permutation *permutation, uint64_t place)
{
    int half = permutation->half;
    uint64_t mask = (1ull << half) - 1;
    do {
        uint64_t left = place >> half, right = place & mask;
        for (uint64_t round = 0; round < ROUNDS; round++) {
            uint64_t next = left ^ (mix(permutation->key + (right << 8 | round) * 0x9e3779b97f4a7c15u) & mask);
            left = right;
            right = next;
        }
        place = left << half | right;
    } while (place >= permutation->count);
    return place;
}
