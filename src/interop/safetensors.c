/* safetensors.c - writing and reading safetensors files
 *
 * Reading trusts nothing: the header's length is held against the file before anything is allocated, every size
 * product is checked, and the tensors must tile the data from its first byte to its last. Once a file is open its
 * entries are true. */
#include <inttypes.h>
#include "interop/safetensors.h"
#include <stdlib.h>
#include <string.h>

#define MAX_HEADER 100000000u /* as the reference implementation */
enum { MAX_NAME = 4096, MAX_ENTRIES = 10000000 };

/* In the reference's order, rising alignment; files hold them in the reverse order. */
static const struct {
    const char *name;
    int bytes;
} dtypes[] = {
    { "BOOL", 1 }, { "U8", 1 },  { "I8", 1 },  { "F8_E5M2", 1 }, { "F8_E4M3", 1 },
    { "I16", 2 },  { "U16", 2 }, { "F16", 2 }, { "BF16", 2 },    { "I32", 4 },
    { "U32", 4 },  { "F32", 4 }, { "F64", 8 }, { "I64", 8 },     { "U64", 8 },
};
static const char *const own_dtypes[] = { [FIG_F32] = "F32", [FIG_I32] = "I32", [FIG_BF16] = "BF16" };

static int dtype_index(const char *name)
{
    for (int i = 0; i < (int)(sizeof dtypes / sizeof *dtypes); i++)
        if (!strcmp(dtypes[i].name, name))
            return i;
    return -1;
}

static bool count_bytes(const fig_type *type, int dtype, uint64_t *out)
{
    *out = 1;
    for (int i = 0; i < type->rank; i++)
        if (type->dim[i] < 0 || !fig__mul(*out, (uint64_t)type->dim[i], out))
            return false;
    return fig__mul(*out, (uint64_t)dtypes[dtype].bytes, out);
}

/* -- writing ------------------------------------------------------------------------------------------------------- */

static const char *entry_dtype(const fig__safetensors_entry *entry)
{
    return entry->dtype ? entry->dtype : own_dtypes[entry->type.dtype];
}

static int compare_entries(const void *a, const void *b)
{
    const fig__safetensors_entry *first = *(const fig__safetensors_entry *const *)a,
                                 *second = *(const fig__safetensors_entry *const *)b;
    int order = dtype_index(entry_dtype(second)) - dtype_index(entry_dtype(first));
    return order ? order : strcmp(first->name, second->name);
}

static int compare_pairs(const void *a, const void *b)
{
    return strcmp((*(const fig__safetensors_pair *const *)a)->key, (*(const fig__safetensors_pair *const *)b)->key);
}

/* JSON text as the reference writes it: short escapes where JSON has them, all else above 0x1f as it is. */
static void put_text(fig__text *out, const char *text)
{
    static const char plain[] = "\"\\\b\f\n\r\t", letter[] = "\"\\bfnrt";
    fig__text_add(out, "\"", 1);
    for (; *text; text++) {
        const char *escape = strchr(plain, *text);
        if (escape)
            fig__text_add(out, (char[]){ '\\', letter[escape - plain] }, 2);
        else if ((unsigned char)*text < 0x20)
            fig__text_print(out, "\\u%04x", (unsigned)*text);
        else
            fig__text_add(out, text, 1);
    }
    fig__text_add(out, "\"", 1);
}

static void put_metadata(fig__text *out, const fig__safetensors_pair *metadata, size_t pairs)
{
    const fig__safetensors_pair **sorted = fig__alloc(pairs * sizeof *sorted);
    for (size_t i = 0; i < pairs; i++)
        sorted[i] = &metadata[i];
    qsort(sorted, pairs, sizeof *sorted, compare_pairs);
    fig__text_print(out, "\"__metadata__\":{");
    for (size_t i = 0; i < pairs; i++) {
        fig__text_print(out, i ? "," : "");
        put_text(out, sorted[i]->key);
        fig__text_print(out, ":");
        put_text(out, sorted[i]->value);
    }
    fig__text_print(out, "}");
    free(sorted);
}

static void put_entry(fig__text *out, const fig__safetensors_entry *entry, uint64_t begin)
{
    put_text(out, entry->name);
    fig__text_print(out, ":{\"dtype\":\"%s\",\"shape\":[", entry_dtype(entry));
    for (int i = 0; i < entry->type.rank; i++)
        fig__text_print(out, i ? ",%" PRId64 : "%" PRId64, entry->type.dim[i]);
    fig__text_print(out, "],\"data_offsets\":[%" PRIu64 ",%" PRIu64 "]}", begin, begin + entry->bytes);
}

static int compare_names(const void *a, const void *b)
{
    return strcmp((*(const fig__safetensors_entry *const *)a)->name, (*(const fig__safetensors_entry *const *)b)->name);
}

static fig_status check_entries(const fig__safetensors_entry **list, size_t count, fig_error *err)
{
    qsort(list, count, sizeof *list, compare_names);
    for (size_t i = 0; i < count; i++) {
        uint64_t bytes;
        int dtype = dtype_index(entry_dtype(list[i]));
        FIG_BUG_IF(dtype < 0 || !count_bytes(&list[i]->type, dtype, &bytes) || bytes != list[i]->bytes,
                   "safetensors: tensor \"%s\" has a type that does not fit its %" PRIu64 " bytes", list[i]->name,
                   list[i]->bytes);
        if ((i && !strcmp(list[i]->name, list[i - 1]->name)) || !strcmp(list[i]->name, "__metadata__"))
            return fig_fail(err, FIG_E_USAGE, "safetensors: two tensors are called \"%s\"", list[i]->name);
    }
    return FIG_OK;
}

fig_status fig__safetensors_write(const char *path, const fig__safetensors_entry *entries, size_t count,
                                  const fig__safetensors_pair *metadata, size_t pairs, fig_error *err)
{
    const fig__safetensors_entry **sorted = fig__alloc((count + 1) * sizeof *sorted);
    for (size_t i = 0; i < count; i++)
        sorted[i] = &entries[i];
    fig_status status = check_entries(sorted, count, err);
    qsort(sorted, count, sizeof *sorted, compare_entries);

    fig__text header;
    fig__text_init(&header, MAX_HEADER);
    fig__text_print(&header, "{");
    if (pairs)
        put_metadata(&header, metadata, pairs);
    uint64_t begin = 0;
    for (size_t i = 0; i < count; i++) {
        fig__text_print(&header, i || pairs ? "," : "");
        put_entry(&header, sorted[i], begin);
        begin += sorted[i]->bytes;
    }
    fig__text_print(&header, "}");
    while (header.length % 8 && !header.overflow)
        fig__text_add(&header, " ", 1);
    if (status == FIG_OK && header.overflow)
        status = fig_fail(err, FIG_E_LIMIT, "%s: a header of more than %u bytes", path, MAX_HEADER);

    fig__writer *writer = NULL;
    if (status == FIG_OK)
        status = fig__writer_begin(path, &writer, err);
    if (status == FIG_OK) {
        uint8_t length[8];
        for (int i = 0; i < 8; i++)
            length[i] = (uint8_t)((uint64_t)header.length >> (8 * i));
        fig__writer_add(writer, length, 8);
        fig__writer_add(writer, header.data, header.length);
        for (size_t i = 0; i < count; i++)
            fig__writer_add(writer, sorted[i]->data, sorted[i]->bytes);
        status = fig__writer_commit(writer, err);
    }
    fig__text_free(&header);
    free(sorted);
    return status;
}

/* -- reading ------------------------------------------------------------------------------------------------------- */

struct fig__safetensors {
    fig__arena *arena;
    fig__map map;
    const char *where;
    fig__json *json;
    const fig__json *metadata;
    fig__safetensors_entry *entries;
    size_t count;
    uint32_t *index; /* open addressing by hash of the name -> entry + 1 */
    size_t mask;
};

/* Files that people take for safetensors, told by their first bytes. */
static const char *other_format(const uint8_t *bytes, uint64_t length)
{
    static const struct {
        const char *start;
        size_t length;
        const char *what;
    } known[] = {
        { "PK\3\4", 4, "a ZIP archive, as PyTorch writes; save it as safetensors there" },
        { "\x80\2", 2, "a Python pickle, which can run code; save it as safetensors there" },
        { "\x80\4", 2, "a Python pickle, which can run code; save it as safetensors there" },
        { "\x89HDF", 4, "an HDF5 file, as Keras writes; save it as safetensors there" },
        { "GGUF", 4, "a GGUF file" },
        { "\x1f\x8b", 2, "a gzip file; unpack it first" },
    };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (length >= known[i].length && !memcmp(bytes, known[i].start, known[i].length))
            return known[i].what;
    return NULL;
}

/* Finds the JSON object and checks what surrounds it. */
static fig_status find_header(const uint8_t *bytes, uint64_t length, const char *where, uint64_t *size, uint64_t *text,
                              fig_error *err)
{
    fig__reader reader;
    fig__reader_init(&reader, bytes, length);
    *size = fig__read_u64_le(&reader);
    if (reader.failed)
        return fig_fail(err, FIG_E_FORMAT, "%s: %" PRIu64 " bytes are too few for a safetensors file", where, length);
    const char *other = other_format(bytes, length);
    if ((*size > MAX_HEADER || *size > length - 8) && other)
        return fig_fail(err, FIG_E_FORMAT, "%s: not safetensors but %s", where, other);
    if (*size > MAX_HEADER)
        return fig_fail(err, FIG_E_FORMAT, "%s: not safetensors: a header of %" PRIu64 " bytes, at most %u are allowed",
                        where, *size, MAX_HEADER);
    if (*size > length - 8)
        return fig_fail(err, FIG_E_FORMAT,
                        "%s: cut short: the header has %" PRIu64 " bytes, the file %" PRIu64 " after its first 8",
                        where, *size, length - 8);
    if (*size < 2 || bytes[8] != '{')
        return fig_fail(err, FIG_E_FORMAT, "%s: byte 8: the header does not begin with {", where);
    for (*text = *size; *text > 0 && bytes[8 + *text - 1] == ' ';)
        --*text;
    if (!*text || bytes[8 + *text - 1] != '}')
        return fig_fail(err, FIG_E_FORMAT,
                        "%s: byte %" PRIu64 ": something other than spaces after the header's object", where,
                        8 + *text);
    return FIG_OK;
}

static fig_status check_name(const fig__safetensors *file, const char *name, fig_error *err)
{
    size_t length = strlen(name);
    bool control = false;
    for (size_t i = 0; i < length && !control; i++)
        control = (unsigned char)name[i] < 0x20 || name[i] == 0x7f;
    if (!length || length > MAX_NAME || control)
        return fig_fail(err, FIG_E_FORMAT, "%s: a tensor's name is empty, has control characters or more than %d bytes",
                        file->where, MAX_NAME);
    return FIG_OK;
}

static fig_status read_shape(const fig__safetensors *file, const fig__json *json, fig__safetensors_entry *entry,
                             fig_error *err)
{
    const fig__json *shape = fig__json_get(json, "shape");
    size_t rank = fig__json_count(shape);
    if (!fig__json_is_array(shape))
        return fig_fail(err, FIG_E_FORMAT, "%s: tensor \"%.100s\" has no \"shape\"", file->where, entry->name);
    if (rank > FIG_MAX_RANK)
        return fig_fail(err, FIG_E_LIMIT, "%s: tensor \"%.100s\" has %zu dimensions, at most %d are supported",
                        file->where, entry->name, rank, FIG_MAX_RANK);
    entry->type.rank = (int)rank;
    for (size_t i = 0; i < rank; i++) {
        const fig__json *size = fig__json_at(shape, i);
        entry->type.dim[i] = fig__json_is_integer(size) ? fig__json_int(size, -1) : -1;
        if (entry->type.dim[i] < 0)
            return fig_fail(err, FIG_E_FORMAT, "%s: tensor \"%.100s\": size %zu is not a whole number of 0 or more",
                            file->where, entry->name, i);
    }
    return FIG_OK;
}

/* One tensor's record; the place of its data is checked against the others later. */
static fig_status read_entry(const fig__safetensors *file, const char *name, const fig__json *json,
                             const uint8_t *buffer, uint64_t buffer_length, fig__safetensors_entry *entry,
                             fig_error *err)
{
    FIG_TRY(check_name(file, name, err));
    entry->name = name;
    const char *dtype = fig__json_text(fig__json_get(json, "dtype"), NULL);
    if (!dtype)
        return fig_fail(err, FIG_E_FORMAT, "%s: tensor \"%.100s\" has no \"dtype\"", file->where, name);
    int index = dtype_index(dtype);
    if (index < 0)
        return fig_fail(err, FIG_E_FORMAT, "%s: tensor \"%.100s\" has the unknown dtype \"%.40s\"", file->where, name,
                        dtype);
    entry->dtype = dtypes[index].name;
    for (int i = 0; i < (int)(sizeof own_dtypes / sizeof *own_dtypes); i++)
        if (!strcmp(own_dtypes[i], dtype)) {
            entry->type.dtype = (fig_dtype)i;
            entry->usable = true;
        }
    FIG_TRY(read_shape(file, json, entry, err));
    const fig__json *offsets = fig__json_get(json, "data_offsets");
    const fig__json *first = fig__json_at(offsets, 0), *last = fig__json_at(offsets, 1);
    if (fig__json_count(offsets) != 2 || !fig__json_is_integer(first) || !fig__json_is_integer(last))
        return fig_fail(err, FIG_E_FORMAT, "%s: tensor \"%.100s\": \"data_offsets\" is not a pair of whole numbers",
                        file->where, name);
    int64_t begin = fig__json_int(first, -1), end = fig__json_int(last, -1);
    if (begin < 0 || end < begin || (uint64_t)end > buffer_length)
        return fig_fail(
            err, FIG_E_FORMAT,
            "%s: tensor \"%.100s\" lies at %" PRId64 " to %" PRId64 ", outside the %" PRIu64 " bytes of data%s",
            file->where, name, begin, end, buffer_length, end > begin && begin >= 0 ? "; the file is cut short" : "");
    entry->bytes = (uint64_t)(end - begin);
    entry->data = buffer + begin;
    uint64_t needed;
    if (!count_bytes(&entry->type, index, &needed) || needed != entry->bytes)
        return fig_fail(err, FIG_E_FORMAT,
                        "%s: tensor \"%.100s\": its shape and dtype %s do not fit its %" PRIu64 " bytes", file->where,
                        name, dtype, entry->bytes);
    return FIG_OK;
}

static int compare_places(const void *a, const void *b)
{
    const fig__safetensors_entry *first = a, *second = b;
    const uint8_t *x = first->data, *y = second->data;
    if (x != y)
        return x < y ? -1 : 1;
    return first->bytes != second->bytes ? (first->bytes < second->bytes ? -1 : 1) : strcmp(first->name, second->name);
}

static fig_status check_tiling(const fig__safetensors *file, const uint8_t *buffer, uint64_t buffer_length,
                               fig_error *err)
{
    uint64_t end = 0;
    for (size_t i = 0; i < file->count; i++) {
        const fig__safetensors_entry *entry = &file->entries[i];
        uint64_t begin = (uint64_t)((const uint8_t *)entry->data - buffer);
        if (begin != end)
            return fig_fail(err, FIG_E_FORMAT,
                            "%s: tensor \"%.100s\" begins at byte %" PRIu64 " of the data, expected %" PRIu64 " (%s)",
                            file->where, entry->name, begin, end, begin > end ? "a gap" : "it overlaps another");
        end = begin + entry->bytes;
    }
    if (end != buffer_length)
        return fig_fail(err, FIG_E_FORMAT, "%s: %" PRIu64 " bytes follow after the last tensor", file->where,
                        buffer_length - end);
    return FIG_OK;
}

static fig_status read_metadata(fig__safetensors *file, const fig__json *json, fig_error *err)
{
    file->metadata = json;
    if (!fig__json_is_object(json))
        return fig_fail(err, FIG_E_FORMAT, "%s: \"__metadata__\" is not an object", file->where);
    for (size_t i = 0; i < fig__json_count(json); i++)
        if (!fig__json_text(fig__json_value(json, i), NULL))
            return fig_fail(err, FIG_E_FORMAT, "%s: metadata \"%.100s\" is not text", file->where,
                            fig__json_key(json, i));
    return FIG_OK;
}

static void make_index(fig__safetensors *file)
{
    size_t size = 16;
    while (size < 2 * file->count)
        size *= 2;
    file->mask = size - 1;
    file->index = FIG_NEW_ARRAY(file->arena, uint32_t, size);
    for (size_t i = 0; i < file->count; i++) {
        const char *name = file->entries[i].name;
        size_t slot = (size_t)fig__hash64(name, strlen(name), 0) & file->mask;
        while (file->index[slot])
            slot = (slot + 1) & file->mask;
        file->index[slot] = (uint32_t)i + 1;
    }
}

static fig_status parse(fig__safetensors *file, const uint8_t *bytes, uint64_t length, fig_error *err)
{
    uint64_t size = 0, text = 0;
    FIG_TRY(find_header(bytes, length, file->where, &size, &text, err));
    FIG_TRY(fig__json_parse((const char *)bytes + 8, (size_t)text, file->where, &file->json, err));
    if (!fig__json_is_object(file->json))
        return fig_fail(err, FIG_E_FORMAT, "%s: the header is not an object", file->where);
    const uint8_t *buffer = bytes + 8 + size;
    uint64_t buffer_length = length - 8 - size;
    size_t keys = fig__json_count(file->json);
    if (keys > MAX_ENTRIES)
        return fig_fail(err, FIG_E_LIMIT, "%s: %zu tensors, at most %d are read", file->where, keys, MAX_ENTRIES);
    file->entries = FIG_NEW_ARRAY(file->arena, fig__safetensors_entry, keys);
    for (size_t i = 0; i < keys; i++) {
        const char *key = fig__json_key(file->json, i);
        const fig__json *value = fig__json_value(file->json, i);
        if (!strcmp(key, "__metadata__"))
            FIG_TRY(read_metadata(file, value, err));
        else
            FIG_TRY(read_entry(file, key, value, buffer, buffer_length, &file->entries[file->count++], err));
    }
    qsort(file->entries, file->count, sizeof *file->entries, compare_places);
    FIG_TRY(check_tiling(file, buffer, buffer_length, err));
    make_index(file);
    return FIG_OK;
}

fig_status fig__safetensors_parse(const void *data, uint64_t length, const char *where, fig__safetensors **out,
                                  fig_error *err)
{
    fig__arena *arena = fig__arena_new();
    fig__safetensors *file = FIG_NEW(arena, fig__safetensors);
    file->arena = arena;
    file->where = fig__arena_text(arena, where);
    *out = NULL;
    fig_status status = parse(file, data, length, err);
    if (status == FIG_OK)
        *out = file;
    else
        fig__safetensors_close(file);
    return status;
}

fig_status fig__safetensors_open(const char *path, fig__safetensors **out, fig_error *err)
{
    fig__map map;
    uint64_t size;
    *out = NULL;
    FIG_TRY(fig__file_size(path, &size, err));
    FIG_TRY(fig__map_open(path, &map, err));
    fig_status status = fig__safetensors_parse(map.data, map.length, path, out, err);
    if (status == FIG_OK)
        (*out)->map = map;
    else
        fig__map_close(&map);
    return status;
}

void fig__safetensors_close(fig__safetensors *file)
{
    if (!file)
        return;
    fig__map_close(&file->map);
    fig__json_free(file->json);
    fig__arena_free(file->arena);
}

/* -- looking things up --------------------------------------------------------------------------------------------- */

size_t fig__safetensors_count(const fig__safetensors *file) { return file->count; }

const fig__safetensors_entry *fig__safetensors_at(const fig__safetensors *file, size_t index)
{
    return index < file->count ? &file->entries[index] : NULL;
}

const fig__safetensors_entry *fig__safetensors_find(const fig__safetensors *file, const char *name)
{
    size_t slot = (size_t)fig__hash64(name, strlen(name), 0) & file->mask;
    for (uint32_t found; (found = file->index[slot]); slot = (slot + 1) & file->mask)
        if (!strcmp(file->entries[found - 1].name, name))
            return &file->entries[found - 1];
    return NULL;
}

static void type_text(const char *dtype, const fig_type *type, char *out, size_t size)
{
    size_t used = (size_t)snprintf(out, size, "%s (", dtype);
    for (int i = 0; i < type->rank && used < size; i++)
        used += (size_t)snprintf(out + used, size - used, i ? ", %" PRId64 : "%" PRId64, type->dim[i]);
    if (used < size)
        snprintf(out + used, size - used, ")");
}

fig_status fig__safetensors_get(const fig__safetensors *file, const char *name, const fig_type *type, void *out,
                                fig_error *err)
{
    const fig__safetensors_entry *entry = fig__safetensors_find(file, name);
    if (!entry)
        return fig_fail(err, FIG_E_NOT_FOUND, "%s: no tensor \"%.100s\"", file->where, name);
    bool same = entry->usable && entry->type.dtype == type->dtype && entry->type.rank == type->rank;
    for (int i = 0; same && i < type->rank; i++)
        same = entry->type.dim[i] == type->dim[i];
    if (!same) {
        char found[200], wanted[200];
        type_text(entry->dtype, &entry->type, found, sizeof found);
        type_text(own_dtypes[type->dtype], type, wanted, sizeof wanted);
        return fig_fail(err, FIG_E_FORMAT, "%s: tensor \"%.100s\" is %s, expected %s", file->where, name, found,
                        wanted);
    }
    memcpy(out, entry->data, entry->bytes);
    return FIG_OK;
}

size_t fig__safetensors_pairs(const fig__safetensors *file) { return fig__json_count(file->metadata); }

fig__safetensors_pair fig__safetensors_pair_at(const fig__safetensors *file, size_t index)
{
    return (fig__safetensors_pair){ fig__json_key(file->metadata, index),
                                    fig__json_text(fig__json_value(file->metadata, index), NULL) };
}

const char *fig__safetensors_metadata(const fig__safetensors *file, const char *key)
{
    return fig__json_text(fig__json_get(file->metadata, key), NULL);
}
