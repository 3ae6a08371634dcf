/* passes/memory.c - packing lifetimes into one block of memory
 *
 * Greedy by size (Pisarchyk and Lee 2020): the largest tensor first, each at the lowest gap among those already placed
 * that are alive at the same time. It lands within a few per cent of the live-bytes bound on training steps. */
#include "passes/pass.h"

#include <stdlib.h>
#include <string.h>

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

/* What has its place, in one row so that the search is a straight walk over memory; sorted by offset. */
typedef struct placed { uint64_t offset, end; int first, last; } placed;

/* Lowest gap that fits among those alive together with `l`. */
static uint64_t lowest_gap(const placed *row, int count, const fig__lifetime *l)
{
    uint64_t at = 0, need = rounded(l->bytes);
    for (int i = 0; i < count; i++) {
        if (row[i].first > l->last || l->first > row[i].last)
            continue;
        if (row[i].offset >= at + need)
            break;
        if (row[i].end > at)
            at = row[i].end;
    }
    return at;
}

uint64_t fig__pack(fig__lifetime *life, int count)
{
    ranked *order = fig__alloc(sizeof *order * (size_t)(count + 1));
    placed *row = fig__alloc(sizeof *row * (size_t)(count + 1));
    uint64_t total = 0;
    for (int i = 0; i < count; i++)
        order[i] = (ranked){life[i].bytes, life[i].first, i};
    qsort(order, (size_t)count, sizeof *order, by_size);
    for (int i = 0; i < count; i++) {
        fig__lifetime *l = &life[order[i].index];
        l->offset = lowest_gap(row, i, l);
        uint64_t end = l->offset + rounded(l->bytes);
        if (end > total)
            total = end;
        int at = i;
        while (at > 0 && row[at - 1].offset > l->offset)
            at--;
        memmove(row + at + 1, row + at, sizeof *row * (size_t)(i - at));
        row[at] = (placed){l->offset, end, l->first, l->last};
    }
    free(order);
    free(row);
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
