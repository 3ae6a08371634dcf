/* hashed.h - numbers that a test and the script that made its figures (tests/golden/make_*.py) both know without storing them */
#ifndef FIG_TESTS_HASHED_H
#define FIG_TESTS_HASHED_H

#include <stdint.h>

static inline uint32_t hashed_mix(uint32_t x)
{
    x ^= x >> 16;
    x *= 0x7FEB352Du;
    x ^= x >> 15;
    x *= 0x846CA68Bu;
    return x ^ x >> 16;
}
/* The i-th number of a seed, from -1 to 1. */
static inline double hashed_number(uint32_t seed, uint32_t i) { return (hashed_mix(seed * 1000003u + i) >> 8) / 8388608.0 - 1; }
/* FNV-1a of a name. */
static inline uint32_t hashed_seed(const char *name)
{
    uint32_t h = 2166136261u;
    for (; *name; name++)
        h = (h ^ (unsigned char)*name) * 16777619u;
    return h;
}

#endif
