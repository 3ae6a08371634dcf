/* overview.c - a picture data set on one sheet: examples by class, the mean and the spread, brightness, and how many of each
 *
 *     name, counts, size
 *     class | a row of its pictures, evenly spaced over the split          (without classes: rows of pictures)
 *     mean picture | deviation | levels of red, green, blue | items per class
 *
 * Examples are fitted whole into their cells. Mean, deviation and levels are of at most SAMPLE pictures, evenly spaced, brought
 * to one size by covering it, as a model sees them. */
#include "data/prepared.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { WIDTH = 1000, MARGIN = 12, CELL = 64, GAP = 4, LABEL = 150, LINE = 22, ROWS = 16, PLAIN_ROWS = 8, SAMPLE = 2000, PANEL = 128 };
static const uint8_t ink[3] = { 30, 30, 30 }, paper[3] = { 246, 246, 246 }, quiet[3] = { 205, 205, 205 }, bar[3] = { 70, 110, 170 };

typedef struct overview {
    const fig_data *data;
    fig_split split;
    int64_t items;
    fig_picture *out;
    fig__resizer *resizer;
    int columns, label; /* pictures in a row; room for a class's name */
    int shades;         /* channels that are shown: 1 or 3 */
    double mean[PANEL * PANEL * 3], square[PANEL * PANEL * 3], count;
    int64_t levels[3][256];
} overview;

static void fill(fig_picture *out, int x0, int y0, int width, int height, const uint8_t colour[3])
{
    for (int y = y0 < 0 ? 0 : y0; y < y0 + height && y < out->height; y++)
        for (int x = x0 < 0 ? 0 : x0; x < x0 + width && x < out->width; x++)
            memcpy(out->pixels + 3 * ((size_t)y * (size_t)out->width + (size_t)x), colour, 3);
}

static void copy_in(fig_picture *out, int x0, int y0, int side, const uint8_t *pixels)
{
    for (int y = 0; y < side && y0 + y < out->height; y++)
        memcpy(out->pixels + 3 * ((size_t)(y0 + y) * (size_t)out->width + (size_t)x0), pixels + (size_t)(3 * side * y), (size_t)(3 * side));
}

/* One item, resized; false when it cannot be read. */
static bool read_item(const overview *o, int64_t item, fig_resize policy, int side, uint8_t *to)
{
    fig_picture picture = { 0 };
    bool borrowed = false;
    const fig_data *data = o->data;
    if (data->source->picture(&data->contents, o->split, item, &(fig__decode_opts){ .short_side = policy == FIG_RESIZE_FIT ? 0 : side },
                              &picture, &borrowed, NULL) != FIG_OK)
        return false;
    fig__resize_by(o->resizer, policy, quiet, &picture, side, side, 3, to);
    if (!borrowed)
        fig_picture_free(&picture);
    return true;
}

static void draw_row(const overview *o, int y, const int32_t *items, int64_t count, int64_t first)
{
    uint8_t pixels[CELL * CELL * 3];
    int64_t shown = count < o->columns ? count : o->columns;
    for (int64_t k = 0; k < shown; k++) {
        int64_t place = first + (count > o->columns ? k * count / shown : k), item = items ? items[place] : place;
        if (read_item(o, item, FIG_RESIZE_FIT, CELL, pixels))
            copy_in(o->out, MARGIN + o->label + (int)k * (CELL + GAP), y, CELL, pixels);
    }
}

/* Pictures of the split sorted by class: items of class c are list[start[c]] ... list[start[c + 1] - 1]. */
static int32_t *sort_by_class(const overview *o, int32_t *start)
{
    const int32_t *labels = o->data->contents.labels[o->split];
    int classes = o->data->contents.info.classes;
    int32_t *list = fig__alloc((size_t)o->items * sizeof *list + 1), *used = fig__alloc(((size_t)classes + 1) * sizeof *used);
    for (int64_t i = 0; i < o->items; i++)
        if (labels[i] >= 0)
            start[labels[i] + 1]++;
    for (int c = 0; c < classes; c++)
        start[c + 1] += start[c];
    for (int64_t i = 0; i < o->items; i++)
        if (labels[i] >= 0)
            list[start[labels[i]] + used[labels[i]]++] = (int32_t)i;
    free(used);
    return list;
}

static void class_label(const overview *o, int c, int64_t count, int y)
{
    const char *const *names = o->data->contents.info.class_names;
    char text[60];
    if (names)
        snprintf(text, sizeof text, "%.12s", names[c]);
    else
        snprintf(text, sizeof text, "class %d", c);
    fig__picture_print(o->out, MARGIN, y + 14, 2, ink, text);
    snprintf(text, sizeof text, "%lld", (long long)count);
    fig__picture_print(o->out, MARGIN, y + 36, 2, ink, text);
}

static int draw_examples(const overview *o, int y, const int32_t *start, const int32_t *list)
{
    int classes = o->data->contents.info.classes;
    if (!list)
        for (int row = 0; row < PLAIN_ROWS && (int64_t)row * o->columns < o->items; row++, y += CELL + GAP) {
            int64_t from = o->items * row / PLAIN_ROWS, to = o->items * (row + 1) / PLAIN_ROWS;
            if (o->items <= (int64_t)PLAIN_ROWS * o->columns) {
                from = (int64_t)row * o->columns;
                to = from + o->columns < o->items ? from + o->columns : o->items;
            }
            draw_row(o, y, NULL, to - from, from);
        }
    for (int c = 0; list && c < classes && c < ROWS; c++, y += CELL + GAP) {
        int64_t count = start[c + 1] - start[c];
        class_label(o, c, count, y);
        draw_row(o, y, list + start[c], count, 0);
    }
    return y;
}

/* -- statistics ---------------------------------------------------------------------------------------------------- */

static void measure(overview *o)
{
    uint8_t *pixels = fig__alloc(PANEL * PANEL * 3);
    int64_t shown = o->items < SAMPLE ? o->items : SAMPLE;
    for (int64_t k = 0; k < shown; k++) {
        if (!read_item(o, k * o->items / shown, FIG_RESIZE_COVER, PANEL, pixels))
            continue;
        o->count++;
        for (int i = 0; i < PANEL * PANEL * 3; i++) {
            o->mean[i] += pixels[i];
            o->square[i] += (double)pixels[i] * pixels[i];
            o->levels[i % 3][pixels[i]]++;
        }
    }
    free(pixels);
}

static void draw_moments(const overview *o, int x, int y)
{
    uint8_t *pixels = fig__alloc(2 * PANEL * PANEL * 3), *spread = pixels + PANEL * PANEL * 3;
    for (int i = 0; i < PANEL * PANEL * 3 && o->count > 0; i++) {
        double mean = o->mean[i] / o->count, deviation = sqrt(fmax(o->square[i] / o->count - mean * mean, 0));
        pixels[i] = (uint8_t)(mean + 0.5);
        spread[i] = (uint8_t)(deviation > 127 ? 255 : 2 * deviation + 0.5);
    }
    copy_in(o->out, x, y, PANEL, pixels);
    copy_in(o->out, x + PANEL + MARGIN, y, PANEL, spread);
    fig__picture_print(o->out, x, y + PANEL + 6, 2, ink, "mean");
    fig__picture_print(o->out, x + PANEL + MARGIN, y + PANEL + 6, 2, ink, "spread x 2");
    free(pixels);
}

/* Logarithmic, so that a white ground does not hide the rest. */
static void draw_levels(const overview *o, int x, int y)
{
    static const uint8_t colours[3][3] = { { 210, 60, 50 }, { 60, 150, 70 }, { 60, 90, 200 } };
    int64_t most = 1;
    for (int c = 0; c < o->shades; c++)
        for (int v = 0; v < 256; v++)
            most = o->levels[c][v] > most ? o->levels[c][v] : most;
    fill(o->out, x, y, 256, PANEL, quiet);
    for (int c = 0; c < o->shades; c++)
        for (int v = 0; v < 256; v++) {
            int height = (int)(log1p((double)o->levels[c][v]) / log1p((double)most) * (PANEL - 4));
            fill(o->out, x + v, y + PANEL - height, 1, o->shades == 1 ? height : 3, o->shades == 1 ? ink : colours[c]);
        }
    fig__picture_print(o->out, x, y + PANEL + 6, 2, ink, "levels 0-255, log");
}

static void draw_balance(const overview *o, int x, int y, const int32_t *start)
{
    int classes = o->data->contents.info.classes, room = WIDTH - MARGIN - x, most = 1;
    int shown = classes < room / 3 ? classes : room / 3, wide = shown ? room / shown : 0;
    for (int c = 0; c < shown; c++)
        most = start[c + 1] - start[c] > most ? start[c + 1] - start[c] : most;
    fill(o->out, x, y, room, PANEL, quiet);
    for (int c = 0; c < shown; c++) {
        int height = (int)((double)(start[c + 1] - start[c]) / most * (PANEL - 4));
        fill(o->out, x + c * wide, y + PANEL - height, wide > 3 ? wide - 2 : wide, height, bar);
    }
    char text[80];
    snprintf(text, sizeof text, "items per class, most %d", most);
    fig__picture_print(o->out, x, y + PANEL + 6, 2, ink, text);
}

/* -- all ----------------------------------------------------------------------------------------------------------- */

static void draw_title(const overview *o)
{
    const fig_data_info *info = &o->data->contents.info;
    char name[200], text[300];
    fig_printable(info->name, name, sizeof name);
    snprintf(text, sizeof text, "%.30s: %lld train, %lld validation, %lld test; %s%d x %d", name, (long long)info->items[0],
             (long long)info->items[1], (long long)info->items[2], info->mixed_sizes ? "mixed sizes, first " : "", info->width,
             info->height);
    fig__picture_print(o->out, MARGIN, MARGIN, 2, ink, text);
}

fig_status fig_data_overview(fig_data *data, fig_picture *out, fig_error *err)
{
    const fig_data_info *info = &data->contents.info;
    *out = (fig_picture){ 0 };
    if (info->kind != FIG_DATA_IMAGES)
        return fig_fail(err, FIG_E_USAGE, "%s: a sheet shows pictures, and there are none in it", info->path);
    overview *o = fig__alloc(sizeof *o);
    o->data = data;
    while (o->split + 1 < FIG_SPLITS && !info->items[o->split])
        o->split++;
    o->items = info->items[o->split];
    o->out = out;
    o->shades = data->contents.any_colour ? 3 : 1;
    bool by_class = info->classes > 0 && data->contents.labels[o->split];
    int rows = by_class ? info->classes < ROWS ? info->classes : ROWS : PLAIN_ROWS;
    o->label = by_class ? LABEL : 0;
    o->columns = (WIDTH - 2 * MARGIN - o->label + GAP) / (CELL + GAP);
    if (!by_class && o->items < (int64_t)rows * o->columns)
        rows = (int)((o->items + o->columns - 1) / o->columns);
    int height = MARGIN + LINE + MARGIN + rows * (CELL + GAP) + MARGIN + PANEL + LINE + MARGIN;
    fig_status status = fig__picture_new(WIDTH, height, 3, out, err);
    if (status == FIG_OK) {
        o->resizer = fig__resizer_new();
        fill(out, 0, 0, WIDTH, height, paper);
        int32_t *start = fig__alloc(((size_t)info->classes + 2) * sizeof *start), *list = by_class ? sort_by_class(o, start) : NULL;
        draw_title(o);
        int y = draw_examples(o, MARGIN + LINE + MARGIN, start, list) + MARGIN;
        measure(o);
        draw_moments(o, MARGIN, y);
        draw_levels(o, 2 * PANEL + 3 * MARGIN, y);
        if (by_class)
            draw_balance(o, 2 * PANEL + 256 + 4 * MARGIN, y, start);
        free(start);
        free(list);
        fig__resizer_free(o->resizer);
    }
    free(o);
    return status;
}
