/* fuzz_webp.c - WebP, still and animated: checked, decoded with and without alpha; what the check passes and decodes has the
 * size it said */
#include "media/media.h"
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fig__picture_facts facts;
    fig_picture picture;
    fig_status sound = fig__picture_check(data, size, &facts, NULL);
    for (int keep = 0; keep < 2; keep++)
        if (fig__picture_decode(data, size, &(fig__decode_opts){ .keep_alpha = keep }, &picture, NULL) == FIG_OK) {
            if (sound == FIG_OK && (picture.width != facts.width || picture.height != facts.height))
                abort();
            fig_picture_free(&picture);
        } else if (picture.pixels)
            abort();
    return 0;
}
