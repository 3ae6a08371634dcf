/* synthetic.c - data that is computed: points in the plane, small pictures and sums as text, for lessons and measuring
 *
 *     synthetic:ring8        8 Gaussians on the unit circle, deviation 0.01 (Lin et al. 2018, PacGAN); ring<K>
 *     synthetic:grid25       25 Gaussians at -4, -2 ... 4 in both directions, deviation 0.05; grid<K>, K a square or a side
 *     synthetic:moons        two half circles, deviation 0.05
 *     synthetic:swissroll    a spiral, radius 0.3 to 1, deviation 0.01
 *     synthetic:shapes       grey pictures of 28 x 28: disc, square, triangle, cross, ring, bar
 *     synthetic:sums         lines of text such as "407+95=502"
 *     synthetic:NAME:COUNT   so many train items instead of 10,000
 *
 * The label is the mode, moon or shape. Item i of a split is a function of its number alone, so that a larger set
 * begins with the smaller one. A test split, a fifth as large, is drawn from another stream. */
#include "data/source.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { DEFAULT_COUNT = 10000, MAX_COUNT = 10000000, MAX_MODES = 10000, SIDE = 28, SHAPES = 6 };

static const double pi = 3.14159265358979323846;

typedef struct synthetic {
    int modes, side; /* grid: modes in a row */
    float *points[FIG_SPLITS];
    int32_t *labels[FIG_SPLITS];
    char *text[FIG_SPLITS];
} synthetic;

/* What one item draws from: four uniform numbers in (0, 1) and two normal ones. */
typedef struct draws {
    double uniform[4], normal[2];
} draws;

static draws draw(fig_split split, int64_t item)
{
    draws d;
    uint32_t bits[4];
    fig__philox(0, fig__hash64("synthetic", 9, (uint64_t)split), (uint64_t)item, 0, bits);
    for (int i = 0; i < 4; i++)
        d.uniform[i] = (bits[i] + 0.5) / 4294967296.0;
    fig__philox(0, fig__hash64("synthetic", 9, (uint64_t)split), (uint64_t)item, 1, bits);
    double radius = sqrt(-2 * log((bits[0] + 0.5) / 4294967296.0)), angle = 2 * pi * bits[1] / 4294967296.0;
    d.normal[0] = radius * cos(angle);
    d.normal[1] = radius * sin(angle);
    return d;
}

/* -- points in the plane ------------------------------------------------------------------------------------------- */

typedef int32_t (*point_rule)(const synthetic *self, const draws *d, double *x, double *y);

static int32_t ring(const synthetic *self, const draws *d, double *x, double *y)
{
    int mode = (int)(d->uniform[0] * self->modes);
    *x = cos(2 * pi * mode / self->modes) + 0.01 * d->normal[0];
    *y = sin(2 * pi * mode / self->modes) + 0.01 * d->normal[1];
    return mode;
}

static int32_t grid(const synthetic *self, const draws *d, double *x, double *y)
{
    int mode = (int)(d->uniform[0] * self->modes);
    double middle = (self->side - 1) / 2.0;
    *x = 2 * (mode % self->side - middle) + 0.05 * d->normal[0];
    *y = 2 * (mode / self->side - middle) + 0.05 * d->normal[1];
    return mode;
}

static int32_t moons(const synthetic *self, const draws *d, double *x, double *y)
{
    (void)self;
    int moon = d->uniform[0] < 0.5;
    double angle = pi * d->uniform[1];
    *x = (moon ? 1 - cos(angle) : cos(angle)) + 0.05 * d->normal[0];
    *y = (moon ? 0.5 - sin(angle) : sin(angle)) + 0.05 * d->normal[1];
    return moon;
}

static int32_t swissroll(const synthetic *self, const draws *d, double *x, double *y)
{
    (void)self;
    double turn = 0.3 + 0.7 * d->uniform[0], angle = 1.5 * 2 * pi * turn / 0.7;
    *x = turn * cos(angle) + 0.01 * d->normal[0];
    *y = turn * sin(angle) + 0.01 * d->normal[1];
    return -1;
}

static void make_points(fig__contents *contents, point_rule rule)
{
    synthetic *self = contents->self;
    contents->info.kind = FIG_DATA_POINTS;
    contents->info.dimensions = 2;
    contents->info.classes = rule == swissroll ? 0 : rule == moons ? 2 : self->modes;
    for (int split = 0; split < FIG_SPLITS; split++) {
        int64_t count = contents->info.items[split];
        self->points[split] = fig__alloc((size_t)count * 2 * sizeof(float) + 1);
        self->labels[split] = fig__alloc((size_t)count * sizeof(int32_t) + 1);
        for (int64_t i = 0; i < count; i++) {
            double x, y;
            draws d = draw((fig_split)split, i);
            self->labels[split][i] = rule(self, &d, &x, &y);
            self->points[split][2 * i] = (float)x;
            self->points[split][2 * i + 1] = (float)y;
        }
        contents->points[split] = self->points[split];
        contents->labels[split] = contents->info.classes ? self->labels[split] : NULL;
    }
}

/* -- pictures ------------------------------------------------------------------------------------------------------ */

static const char *const shape_names[SHAPES] = { "disc", "square", "triangle", "cross", "ring", "bar" };

/* Is the point inside the shape of half size 1 around the origin? */
static bool inside(int shape, double x, double y)
{
    double radius = x * x + y * y;
    switch (shape) {
    case 0:
        return radius < 1;
    case 1:
        return fabs(x) < 0.85 && fabs(y) < 0.85;
    case 2:
        return y < 0.8 && y > 1.9 * fabs(x) - 1;
    case 3:
        return (fabs(x) < 0.3 && fabs(y) < 1) || (fabs(y) < 0.3 && fabs(x) < 1);
    case 4:
        return radius < 1 && radius > 0.36;
    default:
        return fabs(x) < 1 && fabs(y) < 0.3;
    }
}

static int32_t shape_of(fig_split split, int64_t index) { return (int32_t)(draw(split, index).uniform[0] * SHAPES); }

static fig_status synthetic_picture(const fig__contents *contents, fig_split split, int64_t index,
                                    const fig__decode_opts *opts, fig_picture *out, bool *borrowed, fig_error *err)
{
    (void)contents, (void)opts;
    draws d = draw(split, index);
    int shape = (int)(d.uniform[0] * SHAPES);
    double size = 6 + 5 * d.uniform[1], room = SIDE / 2.0 - size;
    double x0 = SIDE / 2.0 + room * (2 * d.uniform[2] - 1), y0 = SIDE / 2.0 + room * (2 * d.uniform[3] - 1);
    double tilt = 0.15 * d.normal[0], brightness = 255 - 20 * fmin(fabs(d.normal[1]), 4);
    *borrowed = false;
    FIG_TRY(fig__picture_new(SIDE, SIDE, 1, out, err));
    for (int y = 0; y < SIDE; y++)
        for (int x = 0; x < SIDE; x++) {
            int hits = 0; /* of 4 x 4 points in the pixel */
            for (int k = 0; k < 16; k++) {
                double dx = (x + (k % 4 + 0.5) / 4 - x0) / size, dy = (y + (k / 4 + 0.5) / 4 - y0) / size;
                hits += inside(shape, dx * cos(tilt) + dy * sin(tilt), dy * cos(tilt) - dx * sin(tilt));
            }
            out->pixels[y * SIDE + x] = (uint8_t)(brightness * hits / 16 + 0.5);
        }
    return FIG_OK;
}

static void make_shapes(fig__contents *contents)
{
    synthetic *self = contents->self;
    contents->info.kind = FIG_DATA_IMAGES;
    contents->info.height = contents->info.width = SIDE;
    contents->info.channels = 1;
    contents->info.classes = SHAPES;
    contents->info.class_names = shape_names;
    for (int split = 0; split < FIG_SPLITS; split++) {
        int64_t count = contents->info.items[split];
        self->labels[split] = fig__alloc((size_t)count * sizeof(int32_t) + 1);
        for (int64_t i = 0; i < count; i++)
            self->labels[split][i] = shape_of((fig_split)split, i);
        contents->labels[split] = self->labels[split];
    }
}

/* -- text ------------------------------------------------------------------------------------------------------------------------ */

enum { LONGEST_SUM = 14 }; /* "999+999=1998\n" */

static void make_sums(fig__contents *contents)
{
    synthetic *self = contents->self;
    contents->info.kind = FIG_DATA_TEXT;
    for (int split = 0; split < FIG_SPLITS; split++) {
        int64_t count = contents->info.items[split], length = 0;
        char *text = self->text[split] = fig__alloc((size_t)count * LONGEST_SUM + 1);
        for (int64_t i = 0; i < count; i++) {
            draws d = draw((fig_split)split, i);
            int a = (int)(d.uniform[0] * 1000), b = (int)(d.uniform[1] * 1000);
            length += snprintf(text + length, LONGEST_SUM + 1, "%d+%d=%d\n", a, b, a + b);
        }
        contents->text[split] = text;
        contents->info.items[split] = length;
    }
}

/* -- names ---------------------------------------------------------------------------------------------------------------------- */

/* "ring8" with "ring": 8; the name alone: `fallback`; anything else: -1. */
static int number_after(const char *name, size_t length, const char *word, int fallback)
{
    size_t start = strlen(word);
    if (length < start || memcmp(name, word, start))
        return -1;
    if (length == start)
        return fallback;
    int number = 0;
    for (size_t i = start; i < length; i++) {
        if (name[i] < '0' || name[i] > '9' || number > MAX_COUNT)
            return -1;
        number = number * 10 + (name[i] - '0');
    }
    return number;
}

static bool is_name(const char *name, size_t length, const char *word)
{
    return strlen(word) == length && !memcmp(name, word, length);
}

static fig_status make(fig__contents *contents, const char *name, size_t length, fig_error *err)
{
    synthetic *self = contents->self;
    int number;
    if ((number = number_after(name, length, "ring", 8)) > 0 && number <= MAX_MODES) {
        self->modes = number;
        make_points(contents, ring);
    } else if ((number = number_after(name, length, "grid", 25)) > 1 && number <= MAX_MODES) {
        int root = (int)lround(sqrt(number));
        self->side = root * root == number ? root : number;
        if (self->side > 100)
            return fig_fail(err, FIG_E_USAGE, "synthetic:%s: at most 100 x 100 modes", name);
        self->modes = self->side * self->side;
        make_points(contents, grid);
    } else if (is_name(name, length, "moons"))
        make_points(contents, moons);
    else if (is_name(name, length, "swissroll"))
        make_points(contents, swissroll);
    else if (is_name(name, length, "shapes"))
        make_shapes(contents);
    else if (is_name(name, length, "sums"))
        make_sums(contents);
    else
        return fig_fail(err, FIG_E_NOT_FOUND, "synthetic:%.60s: unknown; there are ring8 (ring<K>), grid25 (grid<K>), moons, swissroll, "
                        "shapes and sums", name);
    return FIG_OK;
}

static fig_status synthetic_open(fig__contents *contents, const char *path, fig_error *err)
{
    contents->self = fig__alloc(sizeof(synthetic));
    const char *colon = strchr(path, ':');
    size_t length = colon ? (size_t)(colon - path) : strlen(path);
    int count = colon ? number_after(colon + 1, strlen(colon + 1), "", -1) : DEFAULT_COUNT;
    if (count < 1 || count > MAX_COUNT)
        return fig_fail(err, FIG_E_USAGE, "synthetic:%.60s: the number of items must be 1 to %d", path, MAX_COUNT);
    contents->info.items[FIG_TRAIN_SPLIT] = count;
    contents->info.items[FIG_TEST_SPLIT] = count < 5 ? 1 : count / 5;
    fig__sha256_update(contents->hash, path, length);
    fig__sha256_update(contents->hash, &count, sizeof count);
    return make(contents, path, length, err);
}

static void synthetic_close(fig__contents *contents)
{
    synthetic *self = contents->self;
    for (int split = 0; split < FIG_SPLITS; split++) {
        free(self->points[split]);
        free(self->labels[split]);
        free(self->text[split]);
    }
    free(self);
}

static void synthetic_item_name(const fig__contents *contents, fig_split split, int64_t index, char *out, size_t size)
{
    (void)contents;
    snprintf(out, size, "%s item %lld", fig__split_names[split], (long long)index);
}

const fig_source fig_source_synthetic = {
    .name = "synthetic", .summary = "computed data: ring8, ring<K>, grid<K>, moons, swissroll, shapes, sums",
    .open = synthetic_open, .close = synthetic_close, .picture = synthetic_picture, .item_name = synthetic_item_name,
};
