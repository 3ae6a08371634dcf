/* registry/checksums.c - a file that can tell which of its parts was damaged
 *
 * CRC-32C (which finds any single flipped bit, and any burst of up to 32) of each tensor's bytes stands in the
 * metadata, and one more covers the metadata itself, key by key in sorted order. Against accident, not against an
 * attacker. */
#include "registry/model_file.h"

#include <stdlib.h>
#include <string.h>

static uint32_t add_text(uint32_t crc, const char *text) { return fig__crc32c(text, strlen(text) + 1, crc); }

static int by_key(const void *a, const void *b)
{
    return strcmp(((const fig__safetensors_pair *)a)->key, ((const fig__safetensors_pair *)b)->key);
}

static uint32_t metadata_checksum(fig__safetensors_pair *pairs, size_t count)
{
    uint32_t crc = 0;
    qsort(pairs, count, sizeof *pairs, by_key);
    for (size_t i = 0; i < count; i++)
        if (strcmp(pairs[i].key, "checksum"))
            crc = add_text(add_text(crc, pairs[i].key), pairs[i].value);
    return crc;
}

void fig__add_checksums(fig__pairs *pairs, const fig__safetensors_entry *entries, size_t count, fig__arena *arena)
{
    fig__text list;
    fig__text_init(&list, 64u << 20);
    fig__text_print(&list, "{");
    for (size_t i = 0; i < count; i++) {
        fig__text_print(&list, "%s", i ? "," : "");
        fig__json_put_text(&list, entries[i].name);
        fig__text_print(&list, ":\"%08x\"", fig__crc32c(entries[i].data, entries[i].bytes, 0));
    }
    fig__text_print(&list, "}");
    FIG_BUG_IF(pairs->count + 2 > sizeof pairs->pair / sizeof pairs->pair[0], "too much metadata");
    pairs->pair[pairs->count++] = (fig__safetensors_pair){ "checksums", fig__arena_text(arena, list.data) };
    fig__text_free(&list);
    char *whole = fig__arena_format(arena, "%08x", metadata_checksum(pairs->pair, pairs->count));
    pairs->pair[pairs->count++] = (fig__safetensors_pair){ "checksum", whole };
}

fig_status fig__verify_checksums(const fig__safetensors *file, const char *path, fig_error *err)
{
    size_t count = fig__safetensors_pairs(file);
    fig__safetensors_pair *pairs = fig__alloc(sizeof *pairs * (count + 1));
    for (size_t i = 0; i < count; i++)
        pairs[i] = fig__safetensors_pair_at(file, i);
    char expected[16];
    snprintf(expected, sizeof expected, "%08x", metadata_checksum(pairs, count));
    free(pairs);
    const char *found = fig__safetensors_metadata(file, "checksum"),
               *list = fig__safetensors_metadata(file, "checksums");
    if (!found || !list || strcmp(found, expected))
        return fig_fail(err, FIG_E_FORMAT, "%s: damaged: the metadata do not match their checksum; use another copy",
                        path);
    fig__json *json;
    FIG_TRY(fig__json_parse(list, strlen(list), path, &json, err));
    fig_status status = FIG_OK;
    for (size_t i = 0; i < fig__safetensors_count(file) && status == FIG_OK; i++) {
        const fig__safetensors_entry *entry = fig__safetensors_at(file, i);
        snprintf(expected, sizeof expected, "%08x", fig__crc32c(entry->data, entry->bytes, 0));
        if (strcmp(fig__json_text(fig__json_get(json, entry->name), ""), expected))
            status =
                fig_fail(err, FIG_E_FORMAT, "%s: damaged: tensor \"%s\" does not match its checksum; use another copy",
                         path, entry->name);
    }
    fig__json_free(json);
    return status;
}
