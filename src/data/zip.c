/* zip.c - reading zip archives that are in memory, as .npz files are
 *
 *     local header, name, data | ... | central list: one entry a member | end record, which says where the list is
 *
 * The list at the end counts; of a local header only the lengths of its name and extra field are read, to find the data. Members
 * above 4 GB (zip64) carry their sizes in an extra field. Sizes are checked against what deflate can unpack (1032 to 1) and
 * against the memory there is before anything is taken; names are never used as paths. */
#include "data/npy.h"
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

enum { END_SIZE = 22, LOCAL_SIZE = 30, MAX_MEMBERS = 4096, MAX_RATIO = 1032 };

static uint32_t read_u16(fig__reader *reader)
{
    uint32_t low = fig__read_u8(reader);
    return low | (uint32_t)fig__read_u8(reader) << 8;
}

/* The end record is the last thing in the file but for a comment of at most 64 kB. */
static bool find_end(const uint8_t *data, uint64_t length, fig__reader *out)
{
    uint64_t last = length >= END_SIZE ? length - END_SIZE : 0, reach = last > 0xffff ? last - 0xffff : 0;
    for (uint64_t at = last + 1; length >= END_SIZE && at-- > reach;)
        if (!memcmp(data + at, "PK\5\6", 4)) {
            fig__reader_init(out, data, length);
            fig__read_bytes(out, at + 4);
            return true;
        }
    return false;
}

/* Sizes that do not fit into 32 bits stand, in this order, in extra field 1. */
static void read_zip64(const uint8_t *extra, uint64_t length, uint64_t *values[3])
{
    fig__reader reader;
    fig__reader_init(&reader, extra, length);
    while (reader.position + 4 <= length) {
        uint32_t tag = read_u16(&reader), size = read_u16(&reader);
        const uint8_t *body = fig__read_bytes(&reader, size);
        if (!body)
            return;
        if (tag != 1)
            continue;
        fig__reader fields;
        fig__reader_init(&fields, body, size);
        for (int i = 0; i < 3; i++)
            if (*values[i] == 0xffffffffu)
                *values[i] = fig__read_u64_le(&fields);
        return;
    }
}

static fig_status read_entry(fig__reader *list, const char *where, fig__arena *arena, fig__zip_member *out, fig_error *err)
{
    const uint8_t *magic = fig__read_bytes(list, 4);
    if (!magic || memcmp(magic, "PK\1\2", 4))
        return fig_fail(err, FIG_E_FORMAT, "%s: damaged zip: its list of members is cut short", where);
    fig__read_bytes(list, 4); /* versions */
    uint32_t flags = read_u16(list), method = read_u16(list);
    fig__read_bytes(list, 4); /* time */
    *out = (fig__zip_member){ .crc = fig__read_u32_le(list), .deflated = method == 8 };
    out->packed = fig__read_u32_le(list);
    out->bytes = fig__read_u32_le(list);
    uint32_t name = read_u16(list), extra = read_u16(list), comment = read_u16(list);
    fig__read_bytes(list, 8); /* disk, attributes */
    out->place = fig__read_u32_le(list);
    const char *text = (const char *)fig__read_bytes(list, name);
    const uint8_t *field = fig__read_bytes(list, extra);
    fig__read_bytes(list, comment);
    if (list->failed)
        return fig_fail(err, FIG_E_FORMAT, "%s: damaged zip: its list of members is cut short", where);
    if (flags & 1 || (method != 0 && method != 8))
        return fig_fail(err, FIG_E_FORMAT, "%s: a zip member that is %s cannot be read", where,
                        flags & 1 ? "encrypted" : "packed in another way than deflate");
    out->name = fig__arena_format(arena, "%.*s", (int)(name < 1000 ? name : 1000), name ? text : "");
    read_zip64(field, extra, (uint64_t *[3]){ &out->bytes, &out->packed, &out->place });
    return FIG_OK;
}

fig_status fig__zip_open(const uint8_t *data, uint64_t length, const char *where, fig__arena *arena, fig__zip *out, fig_error *err)
{
    fig__reader reader;
    *out = (fig__zip){ .data = data, .length = length };
    if (!find_end(data, length, &reader))
        return fig_fail(err, FIG_E_FORMAT, "%s: no zip archive, or one that is cut short", where);
    fig__read_bytes(&reader, 6); /* disks */
    uint32_t count = read_u16(&reader);
    fig__read_bytes(&reader, 4);
    uint32_t place = fig__read_u32_le(&reader);
    if (reader.failed || count > MAX_MEMBERS || place > length)
        return fig_fail(err, FIG_E_FORMAT, "%s: a zip with %u members whose list is at byte %u of %llu; at most %d members are read",
                        where, count, place, (unsigned long long)length, MAX_MEMBERS);
    fig__reader_init(&reader, data, length);
    fig__read_bytes(&reader, place);
    out->members = FIG_NEW_ARRAY(arena, fig__zip_member, count + 1);
    for (out->count = 0; out->count < count; out->count++)
        FIG_TRY(read_entry(&reader, where, arena, &out->members[out->count], err));
    return FIG_OK;
}

static bool inflate_all(const uint8_t *from, uint64_t packed, uint8_t *to, uint64_t bytes)
{
    z_stream stream = { 0 };
    if (inflateInit2(&stream, -MAX_WBITS) != Z_OK)
        return false;
    int code = Z_OK;
    uint64_t read = 0, written = 0;
    while (code == Z_OK) {
        uint64_t in = packed - read < 1u << 30 ? packed - read : 1u << 30, out = bytes - written < 1u << 30 ? bytes - written : 1u << 30;
        stream.next_in = (Bytef *)(uintptr_t)(from + read);
        stream.avail_in = (uInt)in;
        stream.next_out = to + written;
        stream.avail_out = (uInt)out;
        code = inflate(&stream, Z_NO_FLUSH);
        uint64_t used = in - stream.avail_in, made = out - stream.avail_out;
        read += used;
        written += made;
        if (!used && !made)
            break;
    }
    inflateEnd(&stream);
    return code == Z_STREAM_END && written == bytes;
}

fig_status fig__zip_read(const fig__zip *zip, const fig__zip_member *member, const char *where, uint8_t **out, fig_error *err)
{
    fig__reader reader;
    *out = NULL;
    fig__reader_init(&reader, zip->data, zip->length);
    fig__read_bytes(&reader, member->place);
    const uint8_t *magic = fig__read_bytes(&reader, 4);
    fig__read_bytes(&reader, LOCAL_SIZE - 8);
    uint32_t name = read_u16(&reader), extra = read_u16(&reader);
    fig__read_bytes(&reader, name);
    fig__read_bytes(&reader, extra);
    const uint8_t *data = fig__read_bytes(&reader, member->packed);
    bool sound = magic && data && !memcmp(magic, "PK\3\4", 4) &&
                 (member->deflated ? member->bytes / MAX_RATIO <= member->packed : member->bytes == member->packed);
    if (!sound)
        return fig_fail(err, FIG_E_FORMAT, "%s: damaged zip: member %.60s does not lie where the list says", where, member->name);
    FIG_TRY(fig__check_memory(where, member->bytes, err));
    uint8_t *bytes = malloc((size_t)member->bytes + 1);
    if (!bytes)
        return fig_fail(err, FIG_E_LIMIT, "%s: no memory for %.60s (%llu bytes)", where, member->name, (unsigned long long)member->bytes);
    bool fine = true;
    if (member->deflated)
        fine = inflate_all(data, member->packed, bytes, member->bytes);
    else if (member->bytes)
        memcpy(bytes, data, (size_t)member->bytes);
    if (fine && (uint32_t)crc32_z(crc32(0, NULL, 0), bytes, (z_size_t)member->bytes) == member->crc) {
        *out = bytes;
        return FIG_OK;
    }
    free(bytes);
    return fig_fail(err, FIG_E_FORMAT, "%s: damaged zip: %.60s does not unpack to what its checksum says", where, member->name);
}
