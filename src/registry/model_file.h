/* registry/model_file.h - a trained model as one .safetensors file
 *
 * Tensors: every exported state, moving averages in place of weights where there are any. Metadata (all text):
 *     format      "figment.model/1"
 *     recipe      name; options: JSON object of texts; preset
 *     data        what was settled about the data, JSON (size, range, tokenizer, classes ...)
 *     scores      JSON array of scores; provenance: JSON object (version, seed, steps, data hash, chosen_on)
 *     checksums   JSON object: CRC-32C of every tensor; checksum: CRC-32C of all the other metadata
 * No time, path or host name: equal runs give equal bytes. */
#ifndef FIG_REGISTRY_MODEL_FILE_H
#define FIG_REGISTRY_MODEL_FILE_H

#include "interop/safetensors.h"
#include "registry/trained.h"

typedef struct fig__model_notes {
    const char *preset, *scores, *provenance;
} fig__model_notes;
fig_status fig__model_file_write(const char *path, const fig_trained *model, const fig__model_notes *notes,
                                 fig_error *err);
/* Copies the file's weights into the store wherever name and type agree; FIG_E_SHAPE names what does not fit. With
 * `scope`, tensor "w" goes to state "scope.w". count receives how many. */
fig_status fig__model_file_weights(const char *path, fig_store *store, const char *scope, const char *recipe,
                                   int *count, fig_error *err);

/* As fig_load, of a file that is open already and without its checksums: for fuzzing, where they would hide the rest. */
fig_status fig__load_unverified(fig_session *session, const fig__safetensors *file, const char *where, fig_trained **out,
                                fig_error *err);

/* -- shared with checkpoints: metadata that covers itself and the tensors ------------------------------------------ */
typedef struct fig__pairs {
    fig__safetensors_pair pair[16];
    size_t count;
} fig__pairs;
/* Adds "checksums" and "checksum"; texts lie in the arena. Entries are those that will be written. */
void fig__add_checksums(fig__pairs *pairs, const fig__safetensors_entry *entries, size_t count, fig__arena *arena);
/* Checks both; FIG_E_FORMAT names the part that does not match. */
fig_status fig__verify_checksums(const fig__safetensors *file, const char *path, fig_error *err);

#endif
