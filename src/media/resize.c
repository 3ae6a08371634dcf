/* resize.c - scaling 8-bit pictures with an antialiased triangle filter, centre crop, grey <-> RGB
 *
 * The filter is a triangle whose half width is one target pixel when shrinking and one source pixel when growing:
 * shrinking averages every source pixel (no moire), growing is bilinear. It is separable: rows first, then columns,
 * in float, rounded once at the end. Scaling to cover the target and cutting the centre is one step: the target's
 * pixel centres are laid over the centre of the source. */
#include <math.h>
#include "media/media.h"
#include <stdlib.h>
#include <string.h>

/* Weights of one axis: target i is the sum of `taps` source elements from first[i]; unused taps weigh 0. */
typedef struct axis {
    int target, source, taps;
    double scale, offset;
    int *first;
    float *weight; /* (target, taps) */
    size_t room;
} axis;

struct fig__resizer {
    axis x, y;
    float *rows; /* (source rows, W, source channels) */
    size_t room;
};

fig__resizer *fig__resizer_new(void) { return fig__alloc(sizeof(fig__resizer)); }

void fig__resizer_free(fig__resizer *resizer)
{
    if (!resizer)
        return;
    free(resizer->x.first);
    free(resizer->x.weight);
    free(resizer->y.first);
    free(resizer->y.weight);
    free(resizer->rows);
    free(resizer);
}

/* Target i's centre lies at offset + (i + 0.5) * scale in the source. */
static void plan_axis(axis *a, int target, int source, double scale, double offset)
{
    if (a->target == target && a->source == source && a->scale == scale && a->offset == offset)
        return;
    double radius = scale > 1 ? scale : 1;
    int taps = (int)ceil(radius) * 2 + 1;
    size_t need = (size_t)target * (size_t)taps;
    if (need > a->room || target > a->target) {
        a->first = fig__realloc(a->first, (size_t)target * sizeof *a->first);
        a->weight = fig__realloc(a->weight, need * sizeof *a->weight);
        a->room = need;
    }
    a->target = target;
    a->source = source;
    a->scale = scale;
    a->offset = offset;
    a->taps = taps < source ? taps : source;
    for (int i = 0; i < target; i++) {
        double centre = offset + (i + 0.5) * scale, sum = 0;
        int first = (int)floor(centre - radius + 0.5);
        if (first > source - a->taps)
            first = source - a->taps;
        if (first < 0)
            first = 0;
        float *weight = a->weight + (size_t)i * (size_t)a->taps;
        for (int k = 0; k < a->taps; k++) {
            double w = 1 - fabs(first + k + 0.5 - centre) / radius;
            weight[k] = (float)(w > 0 ? w : 0);
            sum += weight[k];
        }
        for (int k = 0; k < a->taps; k++)
            weight[k] = (float)(weight[k] / sum);
        a->first[i] = first;
    }
}

/* ITU-R 601 luma in 16-bit fixed point: the weights add up to 65536, so grey stays grey. */
static uint8_t luma(int r, int g, int b) { return (uint8_t)((19595 * r + 38470 * g + 7471 * b + 32768) >> 16); }

static void store(const uint8_t *pixel, int from, int to, uint8_t *out)
{
    if (to == 1)
        out[0] = from == 1 ? pixel[0] : luma(pixel[0], pixel[1], pixel[2]);
    else if (from == 1)
        out[0] = out[1] = out[2] = pixel[0];
    else
        memcpy(out, pixel, 3);
}

static void filter_rows(const fig__resizer *r, const fig_picture *picture, int from_row, int to_row)
{
    const axis *x = &r->x;
    int channels = picture->channels;
    for (int row = from_row; row < to_row; row++) {
        const uint8_t *source = picture->pixels + (size_t)row * (size_t)picture->width * (size_t)channels;
        float *out = r->rows + (size_t)(row - from_row) * (size_t)x->target * (size_t)channels;
        for (int i = 0; i < x->target; i++) {
            const uint8_t *tap = source + (size_t)x->first[i] * (size_t)channels;
            const float *weight = x->weight + (size_t)i * (size_t)x->taps;
            for (int c = 0; c < channels; c++) {
                float sum = 0;
                for (int k = 0; k < x->taps; k++)
                    sum += weight[k] * tap[k * channels + c];
                *out++ = sum;
            }
        }
    }
}

static void convert(const fig_picture *picture, int channels, uint8_t *out)
{
    size_t count = (size_t)picture->width * (size_t)picture->height, from = (size_t)picture->channels;
    for (size_t i = 0; i < count; i++)
        store(picture->pixels + i * from, picture->channels, channels, out + i * (size_t)channels);
}

/* The picture through the planned axes, as r->y.target rows of r->x.target pixels, `stride` bytes from row to row. */
static void scale_into(fig__resizer *r, const fig_picture *picture, int channels, uint8_t *out, size_t out_stride)
{
    int from = picture->channels, height = r->y.target, width = r->x.target;
    int from_row = r->y.first[0], to_row = r->y.first[height - 1] + r->y.taps;
    size_t stride = (size_t)width * (size_t)from, need = (size_t)(to_row - from_row) * stride;
    if (need > r->room) {
        r->rows = fig__realloc(r->rows, need * sizeof *r->rows);
        r->room = need;
    }
    filter_rows(r, picture, from_row, to_row);
    for (int i = 0; i < height; i++) {
        const float *rows = r->rows + (size_t)(r->y.first[i] - from_row) * stride;
        const float *weight = r->y.weight + (size_t)i * (size_t)r->y.taps;
        for (int x = 0; x < width; x++) {
            uint8_t pixel[4];
            for (int c = 0; c < from; c++) {
                float sum = 0.5f;
                for (int k = 0; k < r->y.taps; k++)
                    sum += weight[k] * rows[(size_t)k * stride + (size_t)(x * from + c)];
                pixel[c] = (uint8_t)(sum < 0 ? 0 : sum > 255 ? 255 : sum);
            }
            store(pixel, from, channels, out + (size_t)i * out_stride + (size_t)x * (size_t)channels);
        }
    }
}

/* One axis of a size that is made to fit: as many target pixels as the whole source needs, at least one. */
static int fitting(int target, int source, double scale)
{
    int size = (int)floor(source / scale + 0.5);
    return size < 1 ? 1 : size > target ? target : size;
}

void fig__resize_by(fig__resizer *r, fig_resize policy, const uint8_t background[3], const fig_picture *picture,
                    int height, int width, int channels, uint8_t *out)
{
    if (picture->width == width && picture->height == height) {
        convert(picture, channels, out);
        return;
    }
    double across = (double)picture->width / width, down = (double)picture->height / height; /* source pixels per target */
    double scale = across < down ? across : down, right = scale, up = scale;
    int inner_width = width, inner_height = height;
    if (policy == FIG_RESIZE_FIT) {
        scale = across > down ? across : down;
        inner_width = fitting(width, picture->width, scale);
        inner_height = fitting(height, picture->height, scale);
        right = (double)picture->width / inner_width;
        up = (double)picture->height / inner_height;
    } else if (policy == FIG_RESIZE_STRETCH) {
        right = across;
        up = down;
    } else if (policy == FIG_RESIZE_CROP && scale > 1)
        right = up = 1;
    double left = (picture->width - inner_width * right) / 2, top = (picture->height - inner_height * up) / 2;
    if (right == 1 && up == 1) { /* whole pixels, so that what is only cut out keeps its bits */
        left = floor(left);
        top = floor(top);
    }
    plan_axis(&r->x, inner_width, picture->width, right, left);
    plan_axis(&r->y, inner_height, picture->height, up, top);
    size_t stride = (size_t)width * (size_t)channels;
    if (inner_width < width || inner_height < height) {
        size_t count = (size_t)width * (size_t)height;
        for (size_t i = 0; i < count; i++)
            store(background, 3, channels, out + i * (size_t)channels);
        out += (size_t)((height - inner_height) / 2) * stride + (size_t)((width - inner_width) / 2) * (size_t)channels;
    }
    scale_into(r, picture, channels, out, stride);
}

void fig__resize(fig__resizer *r, const fig_picture *picture, int height, int width, int channels, uint8_t *out)
{
    static const uint8_t white[3] = { 255, 255, 255 };
    fig__resize_by(r, FIG_RESIZE_COVER, white, picture, height, width, channels, out);
}
