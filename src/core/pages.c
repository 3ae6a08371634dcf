/* pages.c - big blocks for tensors, which may fail
 *
 * Blocks of 2 MiB and more are mapped at a 2 MiB boundary and huge pages are advised: a training step walks gigabytes,
 * and with 4 KiB pages the address translation alone costs several percent. Smaller ones come from the heap. The kernel
 * hands out zeroed pages lazily, so a block costs memory only once it is touched. */
#include "core/core.h"
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define HUGE_PAGE ((size_t)2 << 20)
#define PAGE ((size_t)4096)
enum { ALIGNMENT = 64 };

static size_t round_up(size_t bytes, size_t unit) { return (bytes + unit - 1) / unit * unit; }

static fig_status too_big(size_t bytes, fig_error *err)
{
    return fig_fail(err, FIG_E_LIMIT, "no memory for a block of %.1f MB (%.1f MB available); use a smaller batch or model",
                    (double)bytes / 1e6, (double)fig__memory_available() / 1e6);
}

static void *map_huge(size_t bytes)
{
    /* One huge page too many, then both ends are cut off so that the block starts on a boundary. */
    size_t total = bytes + HUGE_PAGE;
    char *raw = mmap(NULL, total, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (raw == MAP_FAILED)
        return NULL;
    size_t before = round_up((uintptr_t)raw, HUGE_PAGE) - (uintptr_t)raw;
    if (before)
        munmap(raw, before);
    if (HUGE_PAGE - before)
        munmap(raw + before + bytes, HUGE_PAGE - before);
    madvise(raw + before, bytes, MADV_HUGEPAGE); /* advice only: a kernel without huge pages says no */
    return raw + before;
}

fig_status fig__pages_new(size_t bytes, void **out, fig_error *err)
{
    *out = NULL;
    if (bytes > SIZE_MAX / 4)
        return too_big(bytes, err);
    if (bytes >= HUGE_PAGE) {
        /* The kernel promises more than it has and kills whoever touches it: refuse while there is a choice. */
        if (bytes > fig__memory_available())
            return too_big(bytes, err);
        *out = map_huge(round_up(bytes, PAGE));
    } else {
        size_t rounded = round_up(bytes ? bytes : 1, ALIGNMENT);
        *out = aligned_alloc(ALIGNMENT, rounded);
        if (*out)
            memset(*out, 0, rounded);
    }
    return *out ? FIG_OK : too_big(bytes, err);
}

void fig__pages_free(void *block, size_t bytes)
{
    if (!block)
        return;
    if (bytes >= HUGE_PAGE)
        munmap(block, round_up(bytes, PAGE));
    else
        free(block);
}
