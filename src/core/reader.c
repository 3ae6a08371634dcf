/* reader.c - the one bounded reader of untrusted bytes
 *
 * Every read asks first whether enough is left. After a short read .failed stays set and every later read gives zero,
 * so a parser reads a whole header and asks once; `position` never passes `length`. */
#include "core/core.h"

void fig__reader_init(fig__reader *reader, const void *data, uint64_t length)
{
    *reader = (fig__reader){ .data = data, .length = length };
}

const uint8_t *fig__read_bytes(fig__reader *reader, uint64_t count)
{
    if (reader->failed || count > reader->length - reader->position) {
        reader->failed = true;
        return NULL;
    }
    const uint8_t *bytes = reader->data + reader->position;
    reader->position += count;
    return bytes;
}

uint8_t fig__read_u8(fig__reader *reader)
{
    const uint8_t *b = fig__read_bytes(reader, 1);
    return b ? b[0] : 0;
}

uint32_t fig__read_u32_be(fig__reader *reader)
{
    const uint8_t *b = fig__read_bytes(reader, 4);
    return b ? (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3] : 0;
}

uint32_t fig__read_u32_le(fig__reader *reader)
{
    const uint8_t *b = fig__read_bytes(reader, 4);
    return b ? (uint32_t)b[3] << 24 | (uint32_t)b[2] << 16 | (uint32_t)b[1] << 8 | b[0] : 0;
}

uint64_t fig__read_u64_le(fig__reader *reader)
{
    uint64_t low = fig__read_u32_le(reader), high = fig__read_u32_le(reader);
    return reader->failed ? 0 : high << 32 | low;
}
