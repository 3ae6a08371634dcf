/* machine.c - what this computer is: processor, threads it may use, memory it may still take
 *
 * A container sees the whole computer in /proc and may use only a part of it, so the control group's limits count as
 * well: version 2 (one tree, every ancestor's limit holds) and version 1 (one tree per resource). The processor is
 * asked once and constant after; memory is asked each time, as it changes. */
#include "core/core.h"
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#if defined(__x86_64__)
#include <cpuid.h>
#endif

#define UNLIMITED UINT64_MAX

/* First bytes of a small file of the kernel; false when there is none. */
static bool read_small(const char *path, char *out, size_t size)
{
    int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0)
        return false;
    size_t used = 0;
    for (ssize_t got; used + 1 < size && (got = read(file, out + used, size - 1 - used)) > 0;)
        used += (size_t)got;
    close(file);
    out[used] = 0;
    return used > 0;
}

/* "\nNAME <blank> number" anywhere in a text of such lines; `fallback` when the name is not there. */
static uint64_t field(const char *text, const char *name, uint64_t fallback)
{
    size_t length = strlen(name);
    for (const char *line = text; line; line = strchr(line, '\n')) {
        line += *line == '\n';
        if (!strncmp(line, name, length) && (line[length] == ' ' || line[length] == ':' || line[length] == '\t'))
            return strtoull(line + length + 1, NULL, 10);
    }
    return fallback;
}

/* -- control groups ------------------------------------------------------------------------------------------------ */

typedef struct group {
    char root[64];  /* where the tree is mounted */
    char path[512]; /* this process's place in it; shortened step by step towards the root */
    int version;
} group;

/* The group of this process for a resource ("memory", "cpu"): of version 1 if that resource has its own tree, else of version 2. */
static bool find_group(const char *resource, group *out)
{
    char text[4096];
    if (!read_small("/proc/self/cgroup", text, sizeof text))
        return false;
    *out = (group){ 0 };
    char *rest = text;
    for (char *line; (line = strsep(&rest, "\n"));) {
        char *kinds = strchr(line, ':'), *path = kinds ? strchr(kinds + 1, ':') : NULL;
        if (!path)
            continue;
        *path++ = 0;
        kinds++;
        bool named = false;
        for (char *kind; (kind = strsep(&kinds, ","));)
            named = named || !strcmp(kind, resource);
        bool unified = !strcmp(line, "0:"); /* "0::/path": the first colon stayed */
        if (named || (unified && !out->version)) {
            out->version = named ? 1 : 2;
            snprintf(out->path, sizeof out->path, "%s", path);
            snprintf(out->root, sizeof out->root, named ? "/sys/fs/cgroup/%s" : "/sys/fs/cgroup", resource);
        }
    }
    return out->version != 0;
}

static bool group_file(const group *at, const char *name, char *out, size_t size)
{
    char path[768];
    snprintf(path, sizeof path, "%s%s/%s", at->root, strcmp(at->path, "/") ? at->path : "", name);
    return read_small(path, out, size);
}

/* One step towards the root; false when at->path was the root. */
static bool group_parent(group *at)
{
    char *slash = strrchr(at->path, '/');
    if (!slash || !at->path[0] || !strcmp(at->path, "/"))
        return false;
    *slash = 0; /* "/a" -> "" is the root */
    return true;
}

static uint64_t group_memory_left(const group *at)
{
    char text[4096];
    bool two = at->version == 2;
    if (!group_file(at, two ? "memory.max" : "memory.limit_in_bytes", text, sizeof text) || !strncmp(text, "max", 3))
        return UNLIMITED;
    uint64_t limit = strtoull(text, NULL, 10);
    if (limit >= UINT64_C(1) << 62) /* version 1 writes "no limit" as a huge number */
        return UNLIMITED;
    if (!group_file(at, two ? "memory.current" : "memory.usage_in_bytes", text, sizeof text))
        return limit;
    uint64_t used = strtoull(text, NULL, 10);
    /* Cached file pages count as used but are given back on demand. */
    if (group_file(at, "memory.stat", text, sizeof text)) {
        uint64_t cache = field(text, two ? "inactive_file" : "total_inactive_file", 0);
        used -= cache < used ? cache : used;
    }
    return limit > used ? limit - used : 0;
}

uint64_t fig__memory_available(void)
{
    char text[4096];
    uint64_t left = UNLIMITED;
    if (read_small("/proc/meminfo", text, sizeof text)) {
        uint64_t kib = field(text, "MemAvailable", UNLIMITED);
        left = kib < UNLIMITED / 1024 ? kib * 1024 : UNLIMITED;
    }
    group at;
    if (find_group("memory", &at)) {
        do {
            uint64_t here = group_memory_left(&at);
            left = here < left ? here : left;
        } while (group_parent(&at));
    }
    return left;
}

/* -- processor ----------------------------------------------------------------------------------------------------- */

/* Processors' worth of time that the groups allow, rounded up; INT_MAX when they set no limit. */
static int group_threads(void)
{
    group at;
    int least = INT32_MAX;
    if (!find_group("cpu", &at))
        return least;
    do {
        char text[128];
        double quota = 0, period = 0;
        if (at.version == 2) {
            if (group_file(&at, "cpu.max", text, sizeof text) && strncmp(text, "max", 3))
                sscanf(text, "%lf %lf", &quota, &period);
        } else if (group_file(&at, "cpu.cfs_quota_us", text, sizeof text)) {
            quota = strtod(text, NULL); /* -1: none */
            if (group_file(&at, "cpu.cfs_period_us", text, sizeof text))
                period = strtod(text, NULL);
        }
        if (quota > 0 && period > 0 && quota / period < 1e6) {
            int here = (int)((quota + period - 1) / period);
            least = here < least ? here : least;
        }
    } while (group_parent(&at));
    return least < 1 ? 1 : least;
}

static int usable_threads(void)
{
    /* The set grows until the kernel's fits: machines with more than 1,024 processors exist. */
    int count = 0;
    for (int size = 1024; !count && size <= 1 << 20; size *= 4) {
        cpu_set_t *set = CPU_ALLOC(size);
        if (set && !sched_getaffinity(0, CPU_ALLOC_SIZE(size), set))
            count = CPU_COUNT_S(CPU_ALLOC_SIZE(size), set);
        CPU_FREE(set);
    }
    int quota = group_threads();
    count = quota < count ? quota : count;
    return count > 0 ? count : 1;
}

static void processor_name(char out[128])
{
    strcpy(out, "unknown processor");
#if defined(__x86_64__)
    unsigned int words[12];
    if (__get_cpuid_max(0x80000000u, NULL) < 0x80000004u)
        return;
    for (unsigned int i = 0; i < 3; i++)
        __get_cpuid(0x80000002u + i, &words[4 * i], &words[4 * i + 1], &words[4 * i + 2], &words[4 * i + 3]);
    /* 48 bytes, padded with blanks in front, behind and sometimes between. */
    const char *from = (const char *)words;
    size_t used = 0;
    for (size_t i = 0; i < sizeof words && from[i]; i++)
        if (from[i] != ' ' || (used > 0 && out[used - 1] != ' '))
            out[used++] = from[i];
    while (used > 0 && out[used - 1] == ' ')
        used--;
    out[used] = 0;
#endif
}

static pthread_once_t detected = PTHREAD_ONCE_INIT;
static fig__machine machine;

static void detect(void)
{
    processor_name(machine.cpu);
    machine.threads = usable_threads();
    strcpy(machine.isa, "sse");
#if defined(__x86_64__)
    __builtin_cpu_init();
    machine.avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
    machine.avx512 = machine.avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                     __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq");
    machine.avx512_vnni = machine.avx512 && __builtin_cpu_supports("avx512vnni");
    machine.avx512_bf16 = machine.avx512 && __builtin_cpu_supports("avx512bf16");
    if (machine.avx2)
        strcpy(machine.isa, machine.avx512 ? "avx512" : "avx2");
#endif
}

const fig__machine *fig__machine_get(void)
{
    pthread_once(&detected, detect);
    return &machine;
}
