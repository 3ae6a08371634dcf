/* arena.c - allocations with one lifetime, and the heap for what is freed one by one
 *
 * An arena is a list of blocks; the newest is filled from its start to its end, and blocks double up to 1 MiB:
 *
 *     newest -> [ head | used ........ | free .... ]      older -> [ head | used ... ] -> NULL
 *
 * A request larger than a block gets a block of its own behind the newest, so that the room left there is not lost.
 * Memory is zeroed by calloc and handed out once, so nothing is cleared twice. An arena belongs to one thread at a
 * time. */
#include "core/core.h"
#include <stdlib.h>
#include <string.h>

enum { ALIGNMENT = 16, FIRST_BLOCK = 4096, LARGEST_BLOCK = 1 << 20 };

typedef struct block {
    struct block *older;
    size_t used, size; /* of the bytes after the head */
} block;

struct fig__arena { block *newest; };

/* The head rounded up, so that what follows it is aligned. */
#define HEAD_BYTES ((sizeof(block) + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT)

static block *block_new(size_t size)
{
    block *made = fig__alloc(HEAD_BYTES + size);
    made->size = size;
    return made;
}

fig__arena *fig__arena_new(void)
{
    fig__arena *arena = fig__alloc(sizeof *arena);
    arena->newest = block_new(FIRST_BLOCK);
    return arena;
}

void fig__arena_free(fig__arena *arena)
{
    if (!arena)
        return;
    for (block *at = arena->newest, *older; at; at = older) {
        older = at->older;
        free(at);
    }
    free(arena);
}

void *fig__arena_alloc(fig__arena *arena, size_t bytes)
{
    FIG_BUG_IF(bytes > SIZE_MAX / 2, "arena: a request of %zu bytes", bytes);
    size_t need = (bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    need = need ? need : ALIGNMENT;
    block *at = arena->newest;
    if (at->size - at->used < need) {
        size_t next = at->size < LARGEST_BLOCK / 2 ? at->size * 2 : LARGEST_BLOCK;
        if (need > next / 4) { /* its own block, behind the newest */
            block *own = block_new(need);
            own->older = at->older;
            at->older = own;
            at = own;
        } else {
            block *fresh = block_new(next);
            fresh->older = at;
            arena->newest = at = fresh;
        }
    }
    void *result = (char *)at + HEAD_BYTES + at->used;
    at->used += need;
    return result;
}

char *fig__arena_text(fig__arena *arena, const char *text)
{
    if (!text)
        return NULL;
    size_t length = strlen(text);
    char *copy = fig__arena_alloc(arena, length + 1);
    memcpy(copy, text, length);
    return copy;
}

char *fig__arena_format(fig__arena *arena, const char *format, ...)
{
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int length = vsnprintf(NULL, 0, format, args);
    FIG_BUG_IF(length < 0, "arena: bad format \"%s\"", format);
    char *text = fig__arena_alloc(arena, (size_t)length + 1);
    vsnprintf(text, (size_t)length + 1, format, again);
    va_end(again);
    va_end(args);
    return text;
}

void *fig__alloc(size_t bytes)
{
    void *made = calloc(1, bytes ? bytes : 1);
    FIG_BUG_IF(!made, "out of memory for %zu bytes of bookkeeping", bytes);
    return made;
}

void *fig__realloc(void *old, size_t bytes)
{
    void *made = realloc(old, bytes ? bytes : 1);
    FIG_BUG_IF(!made, "out of memory for %zu bytes of bookkeeping", bytes);
    return made;
}

char *fig__strdup(const char *text)
{
    if (!text)
        return NULL;
    size_t bytes = strlen(text) + 1;
    return memcpy(fig__alloc(bytes), text, bytes);
}

char *fig__format(const char *format, ...)
{
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int length = vsnprintf(NULL, 0, format, args);
    FIG_BUG_IF(length < 0, "bad format \"%s\"", format);
    char *text = fig__alloc((size_t)length + 1);
    vsnprintf(text, (size_t)length + 1, format, again);
    va_end(again);
    va_end(args);
    return text;
}
