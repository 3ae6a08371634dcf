/* sheet.c - contact sheets: many small pictures as one, row by row on a grey ground
 *
 * Cells are enlarged by whole factors without smoothing, so that every pixel of a sample can be seen as it is. */
#include <math.h>
#include "media/media.h"
#include <string.h>

enum { SHEET_WIDTH = 1000, MAX_ZOOM = 8, GROUND = 128 };

static uint8_t to_byte(float value, float low, float high)
{
    float part = (value - low) / (high - low);
    if (!(part > 0)) /* also NaN */
        return 0;
    return part >= 1 ? 255 : (uint8_t)(part * 255 + 0.5f);
}

static int choose_zoom(int columns, int width, int gap)
{
    int zoom = (SHEET_WIDTH - gap) / columns - gap;
    zoom /= width;
    return zoom < 1 ? 1 : zoom > MAX_ZOOM ? MAX_ZOOM : zoom;
}

/* One picture into the sheet with its upper left corner at (x0, y0). */
static void draw(fig_picture *sheet, const float *picture, int height, int width, int channels, float low, float high,
                 int zoom, int x0, int y0)
{
    size_t stride = (size_t)sheet->width * (size_t)channels;
    for (int y = 0; y < height; y++) {
        uint8_t *first = sheet->pixels + (size_t)(y0 + y * zoom) * stride + (size_t)x0 * (size_t)channels;
        uint8_t *out = first;
        for (int x = 0; x < width; x++) {
            const float *pixel = picture + ((size_t)y * (size_t)width + (size_t)x) * (size_t)channels;
            for (int c = 0; c < channels; c++)
                out[c] = to_byte(pixel[c], low, high);
            for (int copy = 1; copy < zoom; copy++)
                memcpy(out + copy * channels, out, (size_t)channels);
            out += zoom * channels;
        }
        for (int copy = 1; copy < zoom; copy++)
            memcpy(first + (size_t)copy * stride, first, (size_t)(width * zoom * channels));
    }
}

fig_status fig_picture_sheet(const float *pictures, int n, int height, int width, int channels, float low, float high,
                             int columns, int gap, int zoom, fig_picture *out, fig_error *err)
{
    *out = (fig_picture){ 0 };
    if (n < 1 || height < 1 || width < 1 || (channels != 1 && channels != 3) || !(high > low) || gap < 0 || zoom < 0 ||
        columns < 0)
        return fig_fail(err, FIG_E_USAGE,
                        "contact sheet: %d pictures of %d x %d x %d with values %g to %g; needs at least one, "
                        "of 1 or 3 channels, and a range",
                        n, height, width, channels, (double)low, (double)high);
    if (!columns)
        columns = (int)ceil(sqrt(n));
    if (columns > n)
        columns = n;
    if (!zoom)
        zoom = choose_zoom(columns, width, gap);
    int rows = (n + columns - 1) / columns;
    uint64_t sheet_width = (uint64_t)columns * ((uint64_t)width * (uint64_t)zoom + (uint64_t)gap) + (uint64_t)gap;
    uint64_t sheet_height = (uint64_t)rows * ((uint64_t)height * (uint64_t)zoom + (uint64_t)gap) + (uint64_t)gap;
    if (fig__picture_limits(sheet_width, sheet_height, err) != FIG_OK)
        return fig_error_prefix(err, "contact sheet of %d pictures", n);
    FIG_TRY(fig__picture_new((int)sheet_width, (int)sheet_height, channels, out, err));
    memset(out->pixels, GROUND, (size_t)(sheet_width * sheet_height) * (size_t)channels);
    for (int i = 0; i < n; i++)
        draw(out, pictures + (size_t)i * (size_t)height * (size_t)width * (size_t)channels, height, width, channels,
             low, high, zoom, gap + i % columns * (width * zoom + gap), gap + i / columns * (height * zoom + gap));
    return FIG_OK;
}
