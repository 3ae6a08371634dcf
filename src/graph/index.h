/* graph/index.h - a small hash index from 64-bit keys to numbers, growing on the heap */
#ifndef FIG_GRAPH_INDEX_H
#define FIG_GRAPH_INDEX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct fig__index {
    uint64_t *keys;
    int64_t *values;
    size_t capacity, count; /* capacity is a power of two or 0 */
} fig__index;

void fig__index_free(fig__index *index);
/* Place of the key's value; created with `fallback` when it is not there. Valid until the next call. */
int64_t *fig__index_at(fig__index *index, uint64_t key, int64_t fallback);
/* The value or `fallback`; adds nothing. */
int64_t fig__index_get(const fig__index *index, uint64_t key, int64_t fallback);

#endif
