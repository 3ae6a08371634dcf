/* driver.c - runs a libFuzzer target without libFuzzer, so that fuzz targets are ordinary tests under gcc and its sanitizers
 *
 *     fuzz_NAME [-rounds N] [-seed S] FILE|FOLDER...
 *
 * Every file is given to the target as it is, truncated at a few places, and then N times in all mutated: bytes
 * flipped, set to interesting values, numbers changed, pieces removed, repeated, or spliced in from another file. The
 * mutations depend on the seed alone, so a crash repeats; the input that is being tried is in crash-NAME when the
 * process dies. With clang the same targets link against -fsanitize=fuzzer instead of this file. */
#include <dirent.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { MAX_FILES = 4096, MAX_BYTES = 1 << 20 };

typedef struct input { uint8_t *data; size_t size; } input;
static input corpus[MAX_FILES];
static size_t corpus_count;
static const uint8_t *current;
static size_t current_size;
static char crash_name[256];
static uint64_t state;

static uint64_t next(void)
{
    uint64_t z = state += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

static size_t below(size_t bound) { return bound ? (size_t)(next() % bound) : 0; }

/* Keeps the bytes that killed the target. */
static void on_crash(int signal_number)
{
    FILE *file = fopen(crash_name, "wb");
    if (file) {
        fwrite(current, 1, current_size, file);
        fclose(file);
    }
    signal(signal_number, SIG_DFL);
    raise(signal_number);
}

static void try_input(const uint8_t *data, size_t size)
{
    /* An exact copy on the heap, so that the sanitizer sees one byte too many. */
    uint8_t *copy = malloc(size ? size : 1);
    if (!copy)
        abort();
    memcpy(copy, data, size);
    current = copy;
    current_size = size;
    LLVMFuzzerTestOneInput(copy, size);
    free(copy);
}

static void add_file(const char *path)
{
    FILE *file = fopen(path, "rb");
    if (!file || corpus_count == MAX_FILES) {
        if (file)
            fclose(file);
        return;
    }
    uint8_t *data = malloc(MAX_BYTES);
    size_t size = data ? fread(data, 1, MAX_BYTES, file) : 0;
    fclose(file);
    corpus[corpus_count++] = (input){ data, size };
}

static int by_name(const struct dirent **a, const struct dirent **b) { return strcmp((*a)->d_name, (*b)->d_name); }

static void add_path(const char *path)
{
    struct stat info;
    if (stat(path, &info))
        return;
    if (!S_ISDIR(info.st_mode)) {
        add_file(path);
        return;
    }
    struct dirent **names;
    int count = scandir(path, &names, NULL, by_name);
    for (int i = 0; i < count; i++) {
        if (names[i]->d_name[0] != '.') {
            char *full = NULL;
            if (asprintf(&full, "%s/%s", path, names[i]->d_name) > 0)
                add_file(full);
            free(full);
        }
        free(names[i]);
    }
    if (count >= 0)
        free(names);
}

static size_t mutate(uint8_t *data, size_t size)
{
    static const uint8_t bytes[] = { 0, 1, 0x7f, 0x80, 0xff, '"', '{', '[', '\\', '\n', '-', '9', ':', ',' };
    for (size_t times = 1 + below(6); times > 0; times--) {
        size_t at = below(size), length = 1 + below(16);
        switch (below(8)) {
        case 0:
            if (size)
                data[at] ^= (uint8_t)(1u << below(8));
            break;
        case 1:
            if (size)
                data[at] = bytes[below(sizeof bytes)];
            break;
        case 2: /* a number of 1, 2, 4 or 8 bytes at an extreme */
            for (size_t i = 0, n = (size_t)1 << below(4), value = below(2) ? 0xff : 0; i < n && at + i < size; i++)
                data[at + i] = (uint8_t)value;
            break;
        case 3: /* remove */
            if (at + length < size) {
                memmove(data + at, data + at + length, size - at - length);
                size -= length;
            }
            break;
        case 4: /* repeat */
            if (at + length < size && size + length <= MAX_BYTES) {
                memmove(data + at + length, data + at, size - at);
                size += length;
            }
            break;
        case 5: /* cut */
            if (below(4) == 0)
                size = at;
            break;
        case 6: /* a piece of another file */
            if (corpus_count) {
                const input *other = &corpus[below(corpus_count)];
                size_t from = below(other->size), n = 1 + below(64);
                n = n < other->size - from ? n : other->size - from;
                n = n < size - at ? n : size - at;
                memcpy(data + at, other->data + from, n);
            }
            break;
        default:
            if (size && data[at] >= '0' && data[at] <= '9')
                data[at] = (uint8_t)('0' + below(10));
            break;
        }
    }
    return size;
}

int main(int argc, char **argv)
{
    long rounds = 3000;
    const char *slash = strrchr(argv[0], '/');
    snprintf(crash_name, sizeof crash_name, "crash-%s", slash ? slash + 1 : argv[0]);
    for (int i = 1; i < argc; i++) {
        if (!strcmp(argv[i], "-rounds") && i + 1 < argc)
            rounds = atol(argv[++i]);
        else if (!strcmp(argv[i], "-seed") && i + 1 < argc)
            state = strtoull(argv[++i], NULL, 10);
        else
            add_path(argv[i]);
    }
    signal(SIGSEGV, on_crash);
    signal(SIGABRT, on_crash);
    signal(SIGFPE, on_crash);
    signal(SIGBUS, on_crash);

    try_input((const uint8_t *)"", 0);
    for (size_t i = 0; i < corpus_count; i++) {
        try_input(corpus[i].data, corpus[i].size);
        for (int cut = 0; cut < 8; cut++)
            try_input(corpus[i].data, below(corpus[i].size + 1));
    }
    uint8_t *work = malloc(MAX_BYTES);
    for (long round = 0; work && round < rounds; round++) {
        size_t size = 0;
        if (corpus_count) {
            const input *from = &corpus[below(corpus_count)];
            size = from->size;
            memcpy(work, from->data, size);
        } else {
            for (size = below(200); size && below(2); size--)
                work[size - 1] = (uint8_t)next();
        }
        size = mutate(work, size);
        try_input(work, size);
    }
    free(work);
    for (size_t i = 0; i < corpus_count; i++)
        free(corpus[i].data);
    printf("%zu files, %ld mutations\n1 passed, 0 failed\n", corpus_count, rounds);
    return 0;
}
