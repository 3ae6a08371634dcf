/* passes/memory.c - packing lifetimes into one block of memory
 *
 * Greedy by size (Pisarchyk and Lee 2020): the largest tensor first, each at the lowest gap among those already placed
 * that are alive at the same time. It lands within a few per cent of the live-bytes bound on training steps. */
#include "passes/pass.h"

#include <stdlib.h>

typedef struct ranked { uint64_t bytes; int first, index; } ranked;

static int by_size(const void *a, const void *b)
{
    const ranked *x = a, *y = b;
    if (x->bytes != y->bytes)
        return x->bytes < y->bytes ? 1 : -1;
    if (x->first != y->first)
        return x->first < y->first ? -1 : 1;
    return (x->index > y->index) - (x->index < y->index);
}

static uint64_t rounded(uint64_t bytes)
{
    return (bytes + 63) / 64 * 64;
}

static bool together(const fig__lifetime *a, const fig__lifetime *b)
{
    return a->first <= b->last && b->first <= a->last;
}

/* `placed` holds indices sorted by offset. Lowest gap that fits among those alive together with `l`. */
static uint64_t lowest_gap(const fig__lifetime *life, const int *placed, int count, const fig__lifetime *l)
{
    uint64_t at = 0, need = rounded(l->bytes);
    for (int i = 0; i < count; i++) {
        const fig__lifetime *other = &life[placed[i]];
        if (!together(l, other))
            continue;
        if (other->offset >= at + need)
            break;
        uint64_t end = other->offset + rounded(other->bytes);
        if (end > at)
            at = end;
    }
    return at;
}

uint64_t fig__pack(fig__lifetime *life, int count)
{
    ranked *order = fig__alloc(sizeof *order * (size_t)(count + 1));
    int *placed = fig__alloc(sizeof *placed * (size_t)(count + 1));
    uint64_t total = 0;
    for (int i = 0; i < count; i++)
        order[i] = (ranked){life[i].bytes, life[i].first, i};
    qsort(order, (size_t)count, sizeof *order, by_size);
    for (int i = 0; i < count; i++) {
        fig__lifetime *l = &life[order[i].index];
        l->offset = lowest_gap(life, placed, i, l);
        if (l->offset + rounded(l->bytes) > total)
            total = l->offset + rounded(l->bytes);
        int at = i;
        for (; at > 0 && life[placed[at - 1]].offset > l->offset; at--)
            placed[at] = placed[at - 1];
        placed[at] = order[i].index;
    }
    free(order);
    free(placed);
    return total;
}

uint64_t fig__live_bound(const fig__lifetime *life, int count)
{
    int end = 0;
    for (int i = 0; i < count; i++)
        if (life[i].last + 1 > end)
            end = life[i].last + 1;
    int64_t *change = fig__alloc(sizeof *change * (size_t)(end + 2)), now = 0, most = 0;
    for (int i = 0; i < count; i++) {
        change[life[i].first] += (int64_t)rounded(life[i].bytes);
        change[life[i].last + 1] -= (int64_t)rounded(life[i].bytes);
    }
    for (int t = 0; t <= end; t++) {
        now += change[t];
        if (now > most)
            most = now;
    }
    free(change);
    return (uint64_t)most;
}
