/* kernels/rank_fast.c - keys of floats and sorting them digit by digit */
#include "kernels/exponential.h"
#include "kernels/parallel.h"
#include "kernels/rank.h"

#include <string.h>

/* Eight bits and four walks, or eleven and three: counting 2,048 digits pays from some thousand keys on. */
enum { INSERTION = 48, MANY = 1500 };

/* Negative floats have all bits turned, others the sign alone; -0 counts as 0, every NaN as 0, which no number has. */
static inline uint32_t order_of(float x)
{
    uint32_t bits = fig__float_bits(x), magnitude = bits & 0x7fffffffu;
    uint32_t signed_bits = magnitude == 0 ? 0 : bits;
    uint32_t turned = signed_bits ^ ((uint32_t) - (int32_t)(signed_bits >> 31) | 0x80000000u);
    return magnitude > 0x7f800000u ? 0 : turned;
}

FIG_CLONES
void fig__fast_rank_keys(uint64_t *restrict key, const float *restrict x, int64_t n, bool descending)
{
    uint32_t flip = descending ? 0xFFFFFFFFu : 0;
    for (int64_t i = 0; i < n; i++)
        key[i] = (uint64_t)(order_of(x[i]) ^ flip) << 32 | (uint64_t)i;
}

/* As keys differ in their lower halves, comparing them whole keeps equal values in order of index. */
static void sort_few(uint64_t *key, int64_t n)
{
    for (int64_t i = 1; i < n; i++) {
        uint64_t moving = key[i];
        int64_t at = i;
        for (; at > 0 && key[at - 1] > moving; at--)
            key[at] = key[at - 1];
        key[at] = moving;
    }
}

/* Least digit first; the counts of all digits come from one walk, and a digit that all keys share is skipped. */
static inline __attribute__((always_inline)) void sort_digits(uint64_t *key, uint64_t *spare, int64_t n, int bits,
                                                              int passes, uint32_t *count)
{
    const int digits = 1 << bits;
    memset(count, 0, sizeof *count * (size_t)(passes * digits));
    for (int64_t i = 0; i < n; i++)
        for (int pass = 0; pass < passes; pass++)
            count[pass * digits + (int)(key[i] >> (32 + pass * bits) & (uint64_t)(digits - 1))]++;
    uint64_t *from = key, *to = spare;
    for (int pass = 0; pass < passes; pass++) {
        int shift = 32 + pass * bits;
        uint32_t *at = count + pass * digits, before = 0;
        if (at[from[0] >> shift & (uint64_t)(digits - 1)] == (uint64_t)n)
            continue;
        for (int digit = 0; digit < digits; digit++) {
            uint32_t here = at[digit];
            at[digit] = before;
            before += here;
        }
        for (int64_t i = 0; i < n; i++)
            to[at[from[i] >> shift & (uint64_t)(digits - 1)]++] = from[i];
        uint64_t *swapped = from;
        from = to;
        to = swapped;
    }
    if (from != key)
        memcpy(key, from, sizeof *key * (size_t)n);
}

void fig__fast_rank_sort(uint64_t *key, uint64_t *spare, int64_t n)
{
    uint32_t count[3 << 11];
    if (n <= INSERTION)
        sort_few(key, n);
    else if (n < MANY)
        sort_digits(key, spare, n, 8, 4, count);
    else
        sort_digits(key, spare, n, 11, 3, count);
}

static inline int64_t keep(uint64_t *kept, int64_t count, const uint64_t *key, int64_t n, uint64_t limit)
{
    for (int64_t i = 0; i < n; i++) {
        kept[count] = key[i];
        count += key[i] < limit;
    }
    return count;
}

/* Most groups have nothing to keep, which one vector comparison tells. */
FIG_CLONES
int64_t fig__fast_rank_filter(uint64_t *kept, int64_t count, const uint64_t *key, int64_t n, uint64_t limit)
{
    enum { GROUP = 32 };
    int64_t i = 0;
    for (; i + GROUP <= n; i += GROUP) {
        uint64_t any = 0;
        for (int j = 0; j < GROUP; j++)
            any |= key[i + j] < limit ? 1u : 0u;
        if (any)
            count = keep(kept, count, key + i, GROUP, limit);
    }
    return keep(kept, count, key + i, n - i, limit);
}
