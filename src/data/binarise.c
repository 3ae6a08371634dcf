/* binarise.c - pictures in two values: a pixel is on with the chance that its grey level says, or above a threshold
 *
 * Dynamic binarisation redraws a picture each time it is read, so that a model trains on fresh samples of one Bernoulli
 * distribution per pixel (Burda et al. 2015, section 5; Salakhutdinov and Murray 2008 drew once). A pixel of level v out of 255 is
 * on when 255 r < 65536 v for 16 random bits r: 0 never, 255 always, the rest right to within 1 / 65536. Eight pixels share
 * one Philox block of 128 bits; groups of pixels that are all 0 or 255, most of a digit, draw nothing. */
#include "data/prepared.h"
#include <string.h>

static bool is_settled(const uint8_t *pixels, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (pixels[i] != 0 && pixels[i] != 255)
            return false;
    return true;
}

void fig__binarise(const uint8_t *pixels, size_t count, const fig__binary_draw *draw, float low, float high, float *out)
{
    uint32_t key[2];
    fig__philox_key(draw->seed, draw->stream, key);
    for (size_t at = 0; at < count; at += 8) {
        size_t here = count - at < 8 ? count - at : 8;
        uint16_t random[8] = { 0 };
        if (draw->kind == FIG_BINARISE_DYNAMIC && !is_settled(pixels + at, here)) {
            uint64_t index = draw->row * ((count + 7) / 8) + at / 8;
            uint32_t block[4],
                counter[4] = { (uint32_t)index, (uint32_t)(index >> 32), (uint32_t)draw->step, (uint32_t)(draw->step >> 32) };
            fig__philox_block(counter, key, block);
            for (int i = 0; i < 8; i++)
                random[i] = (uint16_t)(block[i / 2] >> 16 * (i % 2));
        }
        for (size_t i = 0; i < here; i++) {
            uint32_t level = pixels[at + i];
            bool on = draw->kind == FIG_BINARISE_DYNAMIC ? 255u * random[i] < level << 16 : level >= 128;
            out[at + i] = on ? high : low;
        }
    }
}
