/* graph/index.c - open addressing with linear probing; key 0 marks an empty place, so a real key 0 is stored as 1. */
#include "graph/index.h"

#include "core/core.h"

#include <stdlib.h>

static uint64_t real_key(uint64_t key)
{
    return key ? key : 1;
}

static size_t find(const fig__index *index, uint64_t key)
{
    size_t at = (size_t)(key * 0x9E3779B97F4A7C15u >> 17) & (index->capacity - 1);
    while (index->keys[at] && index->keys[at] != key)
        at = (at + 1) & (index->capacity - 1);
    return at;
}

static void grow(fig__index *index)
{
    fig__index bigger = {.capacity = index->capacity ? index->capacity * 2 : 64};
    bigger.keys = fig__alloc(bigger.capacity * sizeof *bigger.keys);
    bigger.values = fig__alloc(bigger.capacity * sizeof *bigger.values);
    for (size_t i = 0; i < index->capacity; i++) {
        if (!index->keys[i])
            continue;
        size_t at = find(&bigger, index->keys[i]);
        bigger.keys[at] = index->keys[i];
        bigger.values[at] = index->values[i];
    }
    bigger.count = index->count;
    fig__index_free(index);
    *index = bigger;
}

void fig__index_free(fig__index *index)
{
    free(index->keys);
    free(index->values);
    *index = (fig__index){0};
}

int64_t *fig__index_at(fig__index *index, uint64_t key, int64_t fallback)
{
    if (index->count * 2 >= index->capacity)
        grow(index);
    key = real_key(key);
    size_t at = find(index, key);
    if (!index->keys[at]) {
        index->keys[at] = key;
        index->values[at] = fallback;
        index->count++;
    }
    return &index->values[at];
}

int64_t fig__index_get(const fig__index *index, uint64_t key, int64_t fallback)
{
    if (!index->capacity)
        return fallback;
    size_t at = find(index, real_key(key));
    return index->keys[at] ? index->values[at] : fallback;
}
