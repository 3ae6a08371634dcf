/* exif.c - which way up a photograph was taken
 *
 * Cameras store the sensor's picture and note in EXIF tag 0x0112 how it must be turned. An EXIF block is "Exif\0\0"
 * (in JPEG always, in WebP sometimes, in PNG never) and a small TIFF file: byte order, 42, offset of the first
 * directory; a directory is a count and entries of 12 bytes. Only the first directory is read and no offset is followed
 * from it, so that a damaged block cannot lead in circles; anything unexpected means "as stored". */
#include "media/media.h"
#include <stdlib.h>
#include <string.h>

typedef struct tiff {
    fig__reader reader;
    bool big;
} tiff;

static uint32_t read_u16(tiff *t)
{
    uint32_t first = fig__read_u8(&t->reader), second = fig__read_u8(&t->reader);
    return t->big ? first << 8 | second : second << 8 | first;
}

static uint32_t read_u32(tiff *t) { return t->big ? fig__read_u32_be(&t->reader) : fig__read_u32_le(&t->reader); }

int fig__exif_orientation(const uint8_t *block, uint64_t length)
{
    uint64_t head = length >= 6 && !memcmp(block, "Exif\0\0", 6) ? 6 : 0;
    tiff t = { 0 };
    fig__reader_init(&t.reader, block + head, length - head);
    uint8_t first = fig__read_u8(&t.reader), second = fig__read_u8(&t.reader);
    t.big = first == 'M';
    if (first != second || (first != 'M' && first != 'I') || read_u16(&t) != 42)
        return 1;
    uint32_t directory = read_u32(&t);
    if (directory < 8 || !fig__read_bytes(&t.reader, directory - 8))
        return 1;
    for (uint32_t entries = read_u16(&t); entries > 0 && !t.reader.failed; entries--) {
        uint32_t tag = read_u16(&t), type = read_u16(&t), count = read_u32(&t), value = read_u16(&t);
        read_u16(&t);
        if (tag == 0x0112)
            return !t.reader.failed && type == 3 && count == 1 && value >= 1 && value <= 8 ? (int)value : 1;
    }
    return 1;
}

/* Orientations: 1 as is, 2 mirrored left-right, 3 turned by 180, 4 mirrored top-bottom, 5 transposed, 6 needs a
 * quarter turn clockwise, 7 transposed along the other diagonal, 8 needs a quarter turn counter-clockwise. */
fig_status fig__picture_orient(fig_picture *picture, int orientation, fig_error *err)
{
    if (orientation < 2 || orientation > 8)
        return FIG_OK;
    bool turned = orientation >= 5;
    int width = picture->width, height = picture->height, channels = picture->channels;
    fig_picture out;
    FIG_TRY(fig__picture_new(turned ? height : width, turned ? width : height, channels, &out, err));
    for (int y = 0; y < out.height; y++)
        for (int x = 0; x < out.width; x++) {
            int from_x = turned ? y : x, from_y = turned ? x : y;
            if (orientation == 2 || orientation == 3 || orientation == 7 || orientation == 8)
                from_x = width - 1 - from_x;
            if (orientation == 3 || orientation == 4 || orientation == 6 || orientation == 7)
                from_y = height - 1 - from_y;
            memcpy(out.pixels + ((size_t)y * (size_t)out.width + (size_t)x) * (size_t)channels,
                   picture->pixels + ((size_t)from_y * (size_t)width + (size_t)from_x) * (size_t)channels,
                   (size_t)channels);
        }
    fig_picture_free(picture);
    *picture = out;
    return FIG_OK;
}
