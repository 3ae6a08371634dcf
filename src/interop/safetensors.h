/* interop/safetensors.h - the one file format of models and checkpoints: named tensors and text metadata, never code
 *
 *     u64 N | header: N bytes of JSON, padded with spaces to a multiple of 8 | tensors, row-major, without gaps
 *
 * The writer is deterministic: equal content gives equal bytes, the same ones the reference implementation writes
 * (tensors by falling alignment, then name; metadata sorted by key). The reader refuses whatever is not exactly so
 * laid out. */
#ifndef FIG_SAFETENSORS_H
#define FIG_SAFETENSORS_H

#include "core/core.h"
#include <figment/graph.h>

typedef struct fig__safetensors_entry {
    const char *name;
    const char *dtype; /* "F32"; when writing, NULL = by type.dtype */
    bool usable;       /* reading: type.dtype holds it (F32, I32, BF16) */
    fig_type type;
    const void
        *data; /* reading: inside the mapped file, aligned to 8 for the first of a dtype only: copy, do not cast */
    uint64_t bytes;
} fig__safetensors_entry;

typedef struct fig__safetensors_pair {
    const char *key, *value;
} fig__safetensors_pair;

/* Atomic and durable (fig__writer). Names must be unique and metadata UTF-8. */
fig_status fig__safetensors_write(const char *path, const fig__safetensors_entry *entries, size_t count,
                                  const fig__safetensors_pair *metadata, size_t pairs, fig_error *err);

typedef struct fig__safetensors fig__safetensors;
/* Checks the whole header; the data stays mapped until close. */
fig_status fig__safetensors_open(const char *path, fig__safetensors **out, fig_error *err);
/* The same on bytes that the caller keeps until close. */
fig_status fig__safetensors_parse(const void *data, uint64_t length, const char *where, fig__safetensors **out,
                                  fig_error *err);
void fig__safetensors_close(fig__safetensors *file);
size_t fig__safetensors_count(const fig__safetensors *file);
const fig__safetensors_entry *fig__safetensors_at(const fig__safetensors *file,
                                                  size_t index); /* in the order of the data */
const fig__safetensors_entry *fig__safetensors_find(const fig__safetensors *file, const char *name); /* NULL = none */
/* Copies a tensor out when it is there with just this type; names what differs otherwise. */
fig_status fig__safetensors_get(const fig__safetensors *file, const char *name, const fig_type *type, void *out,
                                fig_error *err);
size_t fig__safetensors_pairs(const fig__safetensors *file);
fig__safetensors_pair fig__safetensors_pair_at(const fig__safetensors *file, size_t index);
const char *fig__safetensors_metadata(const fig__safetensors *file, const char *key); /* NULL = none */

#endif
