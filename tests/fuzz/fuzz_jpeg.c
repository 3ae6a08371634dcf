/* fuzz_jpeg.c - JPEG: checked, and decoded whole and at a fraction */
#include "media/media.h"
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fig__picture_facts facts;
    fig_picture picture;
    fig_status sound = fig__picture_check(data, size, &facts, NULL);
    for (int part = 0; part < 2; part++)
        if (fig__picture_decode(data, size, &(fig__decode_opts){ .short_side = part }, &picture, NULL) == FIG_OK) {
            if (!part && sound == FIG_OK && (picture.width != facts.width || picture.height != facts.height))
                abort();
            fig_picture_free(&picture);
        } else if (picture.pixels)
            abort();
    return 0;
}
