/* pack.c - decoded and resized pictures on disk, so that the next epoch and the next run need not decode them
 *
 *     CACHE/pictures/KEY.pack     header of 64 bytes | per item a checksum, 4 bytes, 0 = not there | from the next multiple
 *                                 of 4096: items of H x W x C bytes each
 *
 * KEY is a hash of everything that the bytes depend on: what the folder holds, the size, the policy, the background. Items are
 * written as they are first decoded, the pixels before their checksum, and nothing is ever flushed: whatever a kill or a
 * power cut leaves behind, an item whose checksum does not fit is decoded again. The file is sparse, so it takes the room of
 * what is in it. A disk that is full ends the writing and nothing else. The folder is bounded: the files used least recently
 * go when a new one would not fit. */
#include "data/prepared.h"
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/resource.h>
#include <sys/statvfs.h>
#include <unistd.h>

/* All packs together; one pack may take a quarter of what the disk has free. */
#define PACKS_LIMIT (16ull << 30)
enum { HEADER = 64, PAGE = 4096 };
static const char magic[8] = "figpack1";

struct fig__pack {
    int file;
    bool writable;
    _Atomic bool full;
    int64_t items;
    uint64_t item_bytes, first; /* where item 0 lies */
    _Atomic uint32_t *sums;
};

/* -- names --------------------------------------------------------------------------------------------------------- */

void fig__cache_key(const fig_data *data, const char *what, const void *more, size_t length, char key[65])
{
    const fig__contents *contents = &data->contents;
    fig__sha256 *sha = fig__sha256_new();
    fig__sha256_update(sha, what, strlen(what) + 1);
    fig__sha256_update(sha, data->hash, sizeof data->hash);
    fig__sha256_update(sha, contents->stamp, sizeof contents->stamp);
    fig__sha256_update(sha, more, length);
    fig__sha256_finish(sha, key);
}

static char *packs_folder(fig__arena *arena)
{
    char *cache = fig__cache_folder(), *folder = fig__path_join(arena, cache, "pictures");
    free(cache);
    return folder;
}

char *fig__cache_path(fig__arena *arena, const char *key, const char *ending)
{
    return fig__arena_format(arena, "%s/%.32s.%s", packs_folder(arena), key, ending);
}

/* -- room ---------------------------------------------------------------------------------------------------------- */

typedef struct old_file {
    char *path;
    uint64_t bytes;
    struct timespec used;
} old_file;

static int by_use(const void *a, const void *b)
{
    const old_file *x = a, *y = b;
    return x->used.tv_sec != y->used.tv_sec ? (x->used.tv_sec < y->used.tv_sec ? -1 : 1)
                                            : (x->used.tv_nsec > y->used.tv_nsec) - (x->used.tv_nsec < y->used.tv_nsec);
}

/* Removes the packs that were used least recently until `bytes` more stay below the limit. Another process that reads one of
 * them keeps it until it ends. */
static void make_room(fig__arena *arena, const char *folder, uint64_t bytes)
{
    char **names;
    size_t count, found = 0;
    uint64_t total = bytes;
    if (fig__list_folder(arena, folder, &names, &count, NULL) != FIG_OK)
        return;
    old_file *files = FIG_NEW_ARRAY(arena, old_file, count + 1);
    for (size_t i = 0; i < count; i++) {
        struct stat info;
        char *path = fig__path_join(arena, folder, names[i]);
        if (lstat(path, &info) || !S_ISREG(info.st_mode))
            continue;
        files[found++] = (old_file){ path, (uint64_t)info.st_blocks * 512, info.st_mtim };
        total += (uint64_t)info.st_blocks * 512;
    }
    qsort(files, found, sizeof *files, by_use);
    for (size_t i = 0; i < found && total > PACKS_LIMIT; i++)
        if (!unlink(files[i].path))
            total -= files[i].bytes;
}

static bool fits(const char *folder, uint64_t bytes)
{
    struct statvfs disk;
    struct rlimit most; /* beyond it a signal would end the process */
    if (!getrlimit(RLIMIT_FSIZE, &most) && most.rlim_cur != RLIM_INFINITY && bytes > (uint64_t)most.rlim_cur)
        return false;
    return bytes <= PACKS_LIMIT && !statvfs(folder, &disk) && bytes <= (uint64_t)disk.f_bavail * disk.f_frsize / 4;
}

/* -- opening ------------------------------------------------------------------------------------------------------- */

static void make_header(const fig__pack *pack, uint8_t header[HEADER])
{
    memset(header, 0, HEADER);
    memcpy(header, magic, sizeof magic);
    uint64_t numbers[2] = { (uint64_t)pack->items, pack->item_bytes };
    memcpy(header + 8, numbers, sizeof numbers);
    uint32_t sum = fig__crc32c(header, HEADER - 4, 0);
    memcpy(header + HEADER - 4, &sum, sizeof sum);
}

static bool has_header(const fig__pack *pack)
{
    uint8_t found[HEADER], wanted[HEADER];
    struct stat info;
    make_header(pack, wanted);
    bool whole = !fstat(pack->file, &info) && (uint64_t)info.st_size >= pack->first; /* with its table of checksums */
    return whole && pread(pack->file, found, HEADER, 0) == HEADER && !memcmp(found, wanted, HEADER);
}

/* A new file comes into being under another name, so that nobody finds half a header. */
static bool create(fig__pack *pack, fig__arena *arena, const char *path, uint64_t bytes)
{
    uint8_t header[HEADER];
    make_header(pack, header);
    char *other = fig__arena_format(arena, "%s.%ld.new", path, (long)getpid());
    pack->file = open(other, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    pack->writable = true;
    if (pack->file < 0)
        return false;
    if (!ftruncate(pack->file, (off_t)bytes) && pwrite(pack->file, header, HEADER, 0) == HEADER && !rename(other, path))
        return true;
    unlink(other);
    close(pack->file);
    pack->file = -1;
    return false;
}

static bool open_file(fig__pack *pack, fig__arena *arena, const char *path, uint64_t bytes)
{
    pack->file = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
    pack->writable = pack->file >= 0;
    if (pack->file < 0)
        pack->file = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (pack->file >= 0 && has_header(pack)) {
        futimens(pack->file, NULL); /* used just now */
        return true;
    }
    if (pack->file >= 0)
        close(pack->file);
    pack->file = -1;
    const char *folder = packs_folder(arena);
    if (fig__make_folders(folder, NULL) != FIG_OK || !fits(folder, bytes))
        return false;
    make_room(arena, folder, bytes);
    return create(pack, arena, path, bytes);
}

static bool read_sums(fig__pack *pack)
{
    size_t bytes = (size_t)pack->items * 4;
    uint32_t *sums = fig__alloc(bytes + 1);
    ssize_t got = pread(pack->file, sums, bytes, HEADER);
    pack->sums = fig__alloc((size_t)pack->items * sizeof *pack->sums + 1);
    for (int64_t i = 0; i < pack->items; i++)
        pack->sums[i] = sums[i];
    free(sums);
    return got == (ssize_t)bytes;
}

fig__pack *fig__pack_open(const char *key, int64_t items, uint64_t item_bytes)
{
    fig__pack *pack = fig__alloc(sizeof *pack);
    fig__arena *arena = fig__arena_new();
    pack->items = items;
    pack->item_bytes = item_bytes;
    pack->first = (HEADER + 4 * (uint64_t)items + PAGE - 1) / PAGE * PAGE;
    uint64_t bytes;
    bool fine = fig__mul((uint64_t)items, item_bytes, &bytes) && fig__add(bytes, pack->first, &bytes) && bytes <= INT64_MAX;
    fine = fine && open_file(pack, arena, fig__cache_path(arena, key, "pack"), bytes);
    if (fine && !read_sums(pack)) {
        fig__pack_close(pack);
        fine = false;
    } else if (!fine)
        free(pack);
    fig__arena_free(arena);
    return fine ? pack : NULL;
}

void fig__pack_close(fig__pack *pack)
{
    if (!pack)
        return;
    close(pack->file);
    free((void *)pack->sums);
    free(pack);
}

/* -- items --------------------------------------------------------------------------------------------------------- */

/* Never 0, and another one for the same pixels at another place. */
static uint32_t sum_of(int64_t item, const uint8_t *pixels, uint64_t bytes)
{
    uint32_t sum = fig__crc32c(pixels, (size_t)bytes, fig__crc32c(&item, sizeof item, 0));
    return sum ? sum : 1;
}

static bool read_all(int file, uint8_t *out, uint64_t bytes, uint64_t place)
{
    while (bytes) {
        ssize_t got = pread(file, out, (size_t)bytes, (off_t)place);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return false;
        out += got;
        bytes -= (uint64_t)got;
        place += (uint64_t)got;
    }
    return true;
}

static bool write_all(int file, const uint8_t *from, uint64_t bytes, uint64_t place)
{
    while (bytes) {
        ssize_t got = pwrite(file, from, (size_t)bytes, (off_t)place);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return false;
        from += got;
        bytes -= (uint64_t)got;
        place += (uint64_t)got;
    }
    return true;
}

bool fig__pack_read(fig__pack *pack, int64_t item, uint8_t *out)
{
    uint32_t sum = pack->sums[item];
    return sum && read_all(pack->file, out, pack->item_bytes, pack->first + (uint64_t)item * pack->item_bytes) &&
           sum_of(item, out, pack->item_bytes) == sum;
}

void fig__pack_write(fig__pack *pack, int64_t item, const uint8_t *pixels)
{
    if (!pack->writable || pack->full)
        return;
    uint32_t sum = sum_of(item, pixels, pack->item_bytes);
    if (write_all(pack->file, pixels, pack->item_bytes, pack->first + (uint64_t)item * pack->item_bytes) &&
        write_all(pack->file, (const uint8_t *)&sum, sizeof sum, HEADER + 4 * (uint64_t)item))
        pack->sums[item] = sum;
    else
        pack->full = true; /* or broken: what is there still serves */
}
