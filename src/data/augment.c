/* augment.c - random changes of a training picture: mirrored, moved, turned, scaled, recoloured
 *
 * Everything drawn for one picture comes from two Philox blocks whose key and counter are the loader's seed, the epoch and the
 * item, so that a run that goes on after a kill sees the pictures that it would have seen. Mirroring and moving are by whole
 * pixels and keep the pixels' bits; turning and scaling go backwards from each target pixel into the source, bilinear between
 * its four neighbours. Outside the edge the picture is mirrored. */
#include "data/prepared.h"
#include <math.h>
#include <string.h>

bool fig__changes_pictures(const fig_augment *a)
{
    return a->flip != FIG_FLIP_NONE || a->crop > 0 || a->rotation > 0 || a->scale > 0 || a->colour > 0;
}

/* Eight numbers in [0, 1). */
static void draw_all(const fig__draw_key *key, double out[8])
{
    uint32_t bits[8];
    fig__philox(key->seed, key->stream, key->step, 2 * key->row, bits);
    fig__philox(key->seed, key->stream, key->step, 2 * key->row + 1, bits + 4);
    for (int i = 0; i < 8; i++)
        out[i] = bits[i] / 4294967296.0;
}

static double between(double uniform, double reach) { return (2 * uniform - 1) * reach; }

/* Place i of an axis that goes on mirrored at both ends: ... 2 1 0 | 0 1 2 ... */
static int mirrored(int64_t i, int size)
{
    int64_t period = 2 * (int64_t)size;
    i %= period;
    if (i < 0)
        i += period;
    return (int)(i < size ? i : period - 1 - i);
}

typedef struct change {
    bool across, down;
    int right, below;         /* whole pixels */
    double cosine, sine, zoom; /* turned and scaled about the middle */
    double brightness, contrast, saturation;
} change;

static change choose(const fig_augment *a, const double draws[8])
{
    change c = { .across = (a->flip & FIG_FLIP_ACROSS) && draws[0] < 0.5, .down = (a->flip & FIG_FLIP_DOWN) && draws[1] < 0.5 };
    c.right = (int)floor(draws[2] * (2 * a->crop + 1)) - a->crop;
    c.below = (int)floor(draws[3] * (2 * a->crop + 1)) - a->crop;
    double angle = between(draws[4], a->rotation) * 3.14159265358979323846 / 180;
    c.cosine = cos(angle);
    c.sine = sin(angle);
    c.zoom = exp(between(draws[5], log1p(a->scale)));
    /* One draw makes brightness and contrast: its first half and what is left, both uniform. */
    double first = floor(draws[6] * 65536) / 65536, rest = (draws[6] - first) * 65536;
    c.brightness = between(first, a->colour);
    c.contrast = 1 + between(rest, a->colour);
    c.saturation = 1 + between(draws[7], a->colour);
    return c;
}

static void move_whole(const change *c, const uint8_t *from, int height, int width, int channels, uint8_t *to)
{
    for (int y = 0; y < height; y++) {
        int source_y = mirrored(c->down ? height - 1 - y + c->below : y + c->below, height);
        const uint8_t *row = from + (size_t)source_y * (size_t)width * (size_t)channels;
        for (int x = 0; x < width; x++, to += channels) {
            int source_x = mirrored(c->across ? width - 1 - x + c->right : x + c->right, width);
            memcpy(to, row + (size_t)source_x * (size_t)channels, (size_t)channels);
        }
    }
}

static void move_between(const change *c, const uint8_t *from, int height, int width, int channels, uint8_t *to)
{
    double middle_x = (width - 1) / 2.0, middle_y = (height - 1) / 2.0;
    for (int y = 0; y < height; y++)
        for (int x = 0; x < width; x++, to += channels) {
            double right = (x - middle_x) / c->zoom, below = (y - middle_y) / c->zoom;
            double at_x = right * c->cosine + below * c->sine, at_y = below * c->cosine - right * c->sine;
            at_x = (c->across ? -at_x : at_x) + middle_x + c->right;
            at_y = (c->down ? -at_y : at_y) + middle_y + c->below;
            double floor_x = floor(at_x), floor_y = floor(at_y);
            float part_x = (float)(at_x - floor_x), part_y = (float)(at_y - floor_y);
            int x0 = mirrored((int64_t)floor_x, width), x1 = mirrored((int64_t)floor_x + 1, width);
            const uint8_t *top = from + (size_t)mirrored((int64_t)floor_y, height) * (size_t)(width * channels);
            const uint8_t *bottom = from + (size_t)mirrored((int64_t)floor_y + 1, height) * (size_t)(width * channels);
            for (int k = 0; k < channels; k++) {
                float upper = top[x0 * channels + k] * (1 - part_x) + top[x1 * channels + k] * part_x;
                float lower = bottom[x0 * channels + k] * (1 - part_x) + bottom[x1 * channels + k] * part_x;
                to[k] = (uint8_t)(upper * (1 - part_y) + lower * part_y + 0.5f);
            }
        }
}

static void recolour(const change *c, size_t area, int channels, uint8_t *pixels)
{
    double mean = 0;
    for (size_t i = 0; i < area * (size_t)channels; i++)
        mean += pixels[i];
    mean /= (double)area * channels;
    float contrast = (float)c->contrast, saturation = (float)c->saturation;
    float lift = (float)(mean * (1 - c->contrast) + 255 * c->brightness);
    for (size_t i = 0; i < area; i++, pixels += channels) {
        float grey = pixels[0];
        if (channels == 3)
            grey = 0.299f * pixels[0] + 0.587f * pixels[1] + 0.114f * pixels[2];
        for (int k = 0; k < channels; k++) {
            float value = (grey + ((float)pixels[k] - grey) * saturation) * contrast + lift + 0.5f;
            pixels[k] = (uint8_t)(value < 0 ? 0 : value > 255 ? 255 : value);
        }
    }
}

void fig__change_picture(const fig_augment *a, const fig__draw_key *key, const uint8_t *from, int height, int width, int channels,
                  uint8_t *to)
{
    double draws[8];
    draw_all(key, draws);
    change c = choose(a, draws);
    if (a->rotation > 0 || a->scale > 0)
        move_between(&c, from, height, width, channels, to);
    else
        move_whole(&c, from, height, width, channels, to);
    if (a->colour > 0)
        recolour(&c, (size_t)height * (size_t)width, channels, to);
}
