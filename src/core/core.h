/* core/core.h - what every floor may use: memory, text, files, hashes, random numbers, threads, logging
 *
 * One header for the ground floor's small tools; each section below is one .c file of this folder. Nothing here knows
 * tensors. Untrusted bytes go through fig__reader; sizes from outside go through the checked arithmetic. */
#ifndef FIG_CORE_H
#define FIG_CORE_H

#include <figment/error.h>
#include <figment/option.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

/* -- bug.c: our own mistakes. Prints file, line and text to stderr and aborts; never for user input. */
_Noreturn void fig__bug(const char *file, int line, const char *format, ...) FIG_PRINTF(3, 4);
#define FIG_BUG(...) fig__bug(__FILE__, __LINE__, __VA_ARGS__)
#define FIG_BUG_IF(condition, ...) do { if (condition) FIG_BUG(__VA_ARGS__); } while (0)

/* -- arena.c: allocations with one lifetime. Memory is zeroed. Never returns NULL (out of memory is FIG_BUG for small
 * bookkeeping; tensor memory goes through fig__pages_new, which can fail). */
typedef struct fig__arena fig__arena;
fig__arena *fig__arena_new(void);
void fig__arena_free(fig__arena *arena);
void *fig__arena_alloc(fig__arena *arena, size_t bytes); /* 16-byte aligned, zeroed; bytes 0 gives a valid pointer */
char *fig__arena_text(fig__arena *arena, const char *text); /* copy; NULL stays NULL */
char *fig__arena_format(fig__arena *arena, const char *format, ...) FIG_PRINTF(2, 3);
#define FIG_NEW(arena, type) ((type *)fig__arena_alloc(arena, sizeof(type)))
#define FIG_NEW_ARRAY(arena, type, count) ((type *)fig__arena_alloc(arena, sizeof(type) * (size_t)(count)))

/* Heap for things freed one by one: never NULL (FIG_BUG when the machine is out of memory), zeroed. */
void *fig__alloc(size_t bytes);
void *fig__realloc(void *old, size_t bytes); /* the grown part is not zeroed */
char *fig__strdup(const char *text);
char *fig__format(const char *format, ...) FIG_PRINTF(1, 2); /* heap text */
/* Big blocks for tensors: 64-byte aligned, zeroed, huge pages advised; NULL and FIG_E_LIMIT when it cannot be had. */
fig_status fig__pages_new(size_t bytes, void **out, fig_error *err);
void fig__pages_free(void *block, size_t bytes);
/* Bytes that this process may still take: the smaller of MemAvailable and the cgroup's limit less its use. */
uint64_t fig__memory_available(void);

/* -- checked.c: arithmetic on sizes from outside; false on overflow. */
bool fig__mul(uint64_t a, uint64_t b, uint64_t *out);
bool fig__add(uint64_t a, uint64_t b, uint64_t *out);

/* -- text.c: growing text with a mandatory maximum; appending past it fails quietly and sets .overflow. */
typedef struct fig__text {
    char *data;    /* NUL-terminated once something was appended; heap */
    size_t length, capacity, maximum;
    bool overflow;
} fig__text;
void fig__text_init(fig__text *text, size_t maximum);
void fig__text_free(fig__text *text);
void fig__text_add(fig__text *text, const char *chars, size_t length);
void fig__text_print(fig__text *text, const char *format, ...) FIG_PRINTF(2, 3);
bool fig__starts_with(const char *text, const char *prefix);
bool fig__ends_with(const char *text, const char *suffix);
/* Edit distance, for "did you mean"; lengths above 64 count as far. */
int fig__edit_distance(const char *a, const char *b);
/* Shortest decimal text that reads back to the same double; NaN and infinities as "nan" "inf" "-inf". */
void fig__number_text(double value, char out[32]);
/* The whole text as a decimal number ("nan", "inf" too), whatever the host's locale; false when it is not one. */
bool fig__number_parse(const char *text, double *out);
/* Code point at *text, which moves on; 0 at the end (stays), -1 for a byte that is not UTF-8 (moves by one). */
int32_t fig__utf8_next(const char **text);

/* -- reader.c: the one bounded reader of untrusted bytes; every read checks what is left. */
typedef struct fig__reader { const uint8_t *data; uint64_t length, position; bool failed; } fig__reader;
void fig__reader_init(fig__reader *reader, const void *data, uint64_t length);
const uint8_t *fig__read_bytes(fig__reader *reader, uint64_t count); /* NULL and .failed when short */
uint8_t fig__read_u8(fig__reader *reader);
uint32_t fig__read_u32_be(fig__reader *reader);
uint32_t fig__read_u32_le(fig__reader *reader);
uint64_t fig__read_u64_le(fig__reader *reader);

/* -- hash.c (nettle): SHA-256 for identity, and a fast 64-bit hash for tables and noise streams (fixed for ever). */
typedef struct fig__sha256 fig__sha256; /* opaque, heap */
fig__sha256 *fig__sha256_new(void);
void fig__sha256_update(fig__sha256 *sha, const void *data, size_t length);
void fig__sha256_finish(fig__sha256 *sha, char hex[65]); /* also frees */
void fig__sha256_of(const void *data, size_t length, char hex[65]);
fig_status fig__sha256_file(const char *path, char hex[65], fig_error *err);
uint64_t fig__hash64(const void *data, size_t length, uint64_t seed);
uint32_t fig__crc32c(const void *data, size_t length, uint32_t crc); /* start with crc 0; continue with the result */
uint32_t fig__crc32c_table(const void *data, size_t length, uint32_t crc); /* the same without the processor's help */

/* -- random.c: Philox4x32-10 (Salmon et al. 2011): a function of key and counter, no state.
 * key = (seed, stream) mixed; counter = (step, index). Same arguments, same bits, on every machine. */
void fig__philox(uint64_t seed, uint64_t stream, uint64_t step, uint64_t index, uint32_t out[4]);
/* Its two halves, for kernels that make many numbers at once: key from seed and stream; one block from key and counter
 * (index low, index high, step low, step high), as published. */
void fig__philox_key(uint64_t seed, uint64_t stream, uint32_t key[2]);
void fig__philox_block(const uint32_t counter[4], const uint32_t key[2], uint32_t out[4]);
/* Small sequential generator for shuffles and tests (splitmix64). */
typedef struct fig__rng { uint64_t state; } fig__rng;
uint64_t fig__rng_next(fig__rng *rng);
uint64_t fig__rng_below(fig__rng *rng, uint64_t bound); /* unbiased, bound > 0 */
double fig__rng_uniform(fig__rng *rng);                 /* [0, 1) */
double fig__rng_normal(fig__rng *rng);

/* -- json.c (jansson): reading JSON with limits (depth, duplicate keys, size) -> json_t; callers include <jansson.h>
 * only inside core/, so values are reached through this small tree. */
typedef struct fig__json fig__json; /* owns its tree */
fig_status fig__json_parse(const char *text, size_t length, const char *where, fig__json **out, fig_error *err);
void fig__json_free(fig__json *root);
/* Navigation; every pointer belongs to the root. A wrong type gives NULL / fallback, never a crash. */
const fig__json *fig__json_get(const fig__json *object, const char *key);
const fig__json *fig__json_at(const fig__json *array, size_t index);
size_t fig__json_count(const fig__json *array_or_object);
const char *fig__json_key(const fig__json *object, size_t index); /* in file order */
const fig__json *fig__json_value(const fig__json *object, size_t index);
bool fig__json_is_object(const fig__json *value);
bool fig__json_is_array(const fig__json *value);
bool fig__json_is_number(const fig__json *value);
bool fig__json_is_integer(const fig__json *value); /* written without point or exponent, and within 64 bits */
bool fig__json_is_null(const fig__json *value);
const char *fig__json_text(const fig__json *value, const char *fallback);
double fig__json_number(const fig__json *value, double fallback);
int64_t fig__json_int(const fig__json *value, int64_t fallback);
bool fig__json_bool(const fig__json *value, bool fallback);
/* Writing: a quoted and escaped string (bytes that are not UTF-8 become U+FFFD); a number, null unless finite. */
void fig__json_put_text(fig__text *out, const char *text);
void fig__json_put_number(fig__text *out, double value);

/* -- yaml.c (libyaml): a run file is nested mappings of scalars; flattened to rows "a.b" = "text" with line numbers.
 * Duplicate keys, aliases, depth over 16 and more than 4,096 rows are errors. A sequence's items are "a.0", "a.1". */
typedef struct fig__yaml_row { const char *key, *value; int line; } fig__yaml_row;
typedef struct fig__yaml { fig__yaml_row *rows; size_t count; fig__arena *arena; } fig__yaml;
fig_status fig__yaml_parse(const char *text, size_t length, const char *where, fig__yaml *out, fig_error *err);
void fig__yaml_free(fig__yaml *yaml);
/* Writes a scalar so that it reads back as the same text (quoted when needed). */
void fig__yaml_scalar(fig__text *out, const char *value);

/* -- file.c */
/* Whole file in memory (heap, NUL after the end, not counted); refuses more than `maximum` bytes with FIG_E_LIMIT. */
fig_status fig__file_read(const char *path, uint64_t maximum, char **data, uint64_t *length, fig_error *err);
/* Atomic and durable: temporary file beside it, fsync, rename, fsync of the folder. The old file stays on any failure. */
fig_status fig__file_write(const char *path, const void *data, uint64_t length, fig_error *err);
/* The same in pieces: begin, write..., commit or abort. Errors stick; commit reports them and removes the temporary. */
typedef struct fig__writer fig__writer;
fig_status fig__writer_begin(const char *path, fig__writer **out, fig_error *err);
void fig__writer_add(fig__writer *writer, const void *data, uint64_t length);
fig_status fig__writer_commit(fig__writer *writer, fig_error *err); /* frees */
void fig__writer_abort(fig__writer *writer);                        /* frees; NULL is fine */
/* Appends one line durably enough to survive a kill of the process (write(2) of the whole line at once). */
fig_status fig__file_append(const char *path, const void *data, uint64_t length, fig_error *err);
fig_status fig__file_truncate(const char *path, uint64_t length, fig_error *err);
/* Size of a regular file; a pipe, device or folder is refused (reading one could hang). Follows links. */
fig_status fig__file_size(const char *path, uint64_t *size, fig_error *err);
bool fig__path_exists(const char *path);
bool fig__path_is_folder(const char *path);
fig_status fig__make_folders(const char *path, fig_error *err); /* mkdir -p */
void fig__remove_folder(const char *path); /* and all that is in it, as far as possible; links are not followed */
/* Names in a folder, sorted by bytes, without "." and "..": NULL-terminated, in `arena`. */
fig_status fig__list_folder(fig__arena *arena, const char *path, char ***names, size_t *count, fig_error *err);
char *fig__path_join(fig__arena *arena, const char *folder, const char *name);
/* $FIGMENT_HOME/cache, else $XDG_CACHE_HOME/figment, else ~/.cache/figment; heap text. */
char *fig__cache_folder(void);
/* Read-only map of a file; unmapped by fig__map_close. */
typedef struct fig__map { const uint8_t *data; uint64_t length; } fig__map;
fig_status fig__map_open(const char *path, fig__map *out, fig_error *err);
void fig__map_close(fig__map *map);

/* -- process.c: runs a program without a shell (posix_spawn), before or between compute; stdout captured up to a limit
 * when `out` is given. Returns its exit code through *code (128 + signal when killed); when that is not 0, the last 2
 * KB of its standard error follow in `out`. Otherwise standard error is dropped. */
fig_status fig__process_run(const char *const argv[], const char *folder, fig__text *out, int *code, fig_error *err);

/* -- clock.c */
double fig__seconds(void);          /* monotonic */
double fig__cpu_seconds(void);      /* processor time of this process: user and system, all threads, also ended ones */
void fig__utc_now(char out[32]);    /* 2026-01-31T12:00:00Z */

/* -- machine.c: what this computer is. */
typedef struct fig__machine {
    char cpu[128], isa[16]; /* isa: "avx512" "avx2" "sse" */
    int threads;            /* from affinity and cgroup quota */
    bool avx2, avx512, avx512_bf16, avx512_vnni;
} fig__machine;
const fig__machine *fig__machine_get(void); /* detected once (pthread_once), constant after */

/* -- log.c: a host decides where messages go; without a hook they are dropped. */
typedef enum fig__level { FIG_LOG_ERROR, FIG_LOG_WARNING, FIG_LOG_INFO, FIG_LOG_DEBUG } fig__level;
typedef void (*fig__log_hook)(void *user, int level, const char *message);
typedef struct fig__log { fig__log_hook hook; void *user; int level; } fig__log;
void fig__log_print(const fig__log *log, int level, const char *format, ...) FIG_PRINTF(3, 4);

/* -- place.c: where this installation is, found from where the running code was loaded. */
typedef struct fig__site { char *modules, *share; } fig__site; /* NULL: none of the kind */
void fig__sites_find(fig__arena *arena, fig__site places[2]);  /* around the library, around the program */
/* Full path (heap text) of a file of share/, e.g. "datasets.yaml": in $FIGMENT_SHARE, the source tree of a build folder, or
 * PREFIX/share/figment. */
fig_status fig__share_find(const char *name, char **path, fig_error *err);

/* -- module.c: a library that is slow to load lives in a module opened on first use (dlopen, RTLD_LOCAL). A module
 * exports `const fig__module fig_module`; `abi` must equal FIG_MODULE_ABI. Searched in $FIGMENT_MODULES, beside the
 * library (libdir/figment/modules-N), and in the build folder. */
#define FIG_MODULE_ABI 1
typedef struct fig__module { int abi; const char *name; const void *table; } fig__module;
fig_status fig__module_open(const char *name, const fig__module **out, fig_error *err);

#endif
