/* alike.c - pictures that are the same, or nearly: copies, other sizes, other compression
 *
 * A picture's fingerprint is an outline and a thumbnail: 64 bits that say of 8 x 8 places whether their right neighbour is
 * brighter (the difference hash, dHash), and 8 x 8 mean colours. Two pictures are near each other when at most 4 bits of the
 * outlines differ and the thumbnails differ by at most 4 of 255 levels root mean square. The outline finds candidates fast, the
 * thumbnail keeps plain ones apart (two circles on white have one outline). The same picture scaled or compressed once more
 * stays below both thresholds; mirrored, cropped or recoloured ones do not count. Pictures with a side below 8 pixels have no
 * thumbnail: they are alike when they are equal.
 *
 * Candidates: at most 4 of 64 bits differ, so of 5 bands of the outline at least one is equal (pigeonhole). Items are sorted by
 * a band and then by brightness, as thumbnails that are 4 levels apart have means no further apart; each item is compared with
 * those that follow, at most MOST of them, which bounds the work on sets of pictures that are nearly all the same. */
#include "data/prepared.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { SIDE = 8, BANDS = 5, MOST_BITS = 4, MOST_LEVELS = 4, MOST = 4000 };
/* Items, and bytes of files to decode, from which on the groups are kept for the next run. */
enum { WORTH_KEEPING = 10000, WORTH_DECODING = 1 << 20 };

/* -- fingerprints --------------------------------------------------------------------------------------------------- */

/* Mean colour of the part of the picture that cell (row, column) of a grid covers, at least one pixel. */
static void mean_colour(const fig_picture *p, int row, int rows, int column, int columns, double out[3])
{
    int y0 = (int)((int64_t)row * p->height / rows), y1 = (int)((int64_t)(row + 1) * p->height / rows);
    int x0 = (int)((int64_t)column * p->width / columns), x1 = (int)((int64_t)(column + 1) * p->width / columns);
    y1 = y1 > y0 ? y1 : y0 + 1;
    x1 = x1 > x0 ? x1 : x0 + 1;
    uint64_t sum[3] = { 0 };
    int channels = p->channels;
    for (int y = y0; y < y1; y++) {
        const uint8_t *pixel = p->pixels + ((size_t)y * (size_t)p->width + (size_t)x0) * (size_t)channels;
        if (channels == 1)
            for (int x = x0; x < x1; x++)
                sum[0] += *pixel++;
        else
            for (int x = x0; x < x1; x++, pixel += channels)
                for (int c = 0; c < 3; c++)
                    sum[c] += pixel[c];
    }
    double area = (double)(y1 - y0) * (x1 - x0);
    for (int c = 0; c < 3; c++)
        out[c] = (double)sum[channels == 1 ? 0 : c] / area;
}

/* A fingerprint that is like none but its own. */
static void mark(fig__fingerprint *out, const void *data, size_t length)
{
    out->outline = fig__hash64(data, length, 1);
    for (size_t i = 0; i < sizeof out->thumb; i += 8)
        memcpy(out->thumb + i, &(uint64_t){ fig__hash64(data, length, 2 + i) }, 8);
}

void fig__fingerprint_of(const fig_picture *picture, fig__fingerprint *out)
{
    *out = (fig__fingerprint){ 0 };
    if (picture->width < SIDE || picture->height < SIDE) {
        mark(out, picture->pixels, (size_t)picture->width * (size_t)picture->height * (size_t)picture->channels);
        return;
    }
    for (int row = 0; row < SIDE; row++) {
        double left = 0;
        for (int column = 0; column <= SIDE; column++) {
            double colour[3];
            mean_colour(picture, row, SIDE, column, SIDE + 1, colour);
            double grey = floor(0.299 * colour[0] + 0.587 * colour[1] + 0.114 * colour[2] + 0.5);
            if (column && grey > left)
                out->outline |= 1ull << (row * SIDE + column - 1);
            left = grey;
        }
        for (int column = 0; column < SIDE; column++) {
            double colour[3];
            mean_colour(picture, row, SIDE, column, SIDE, colour);
            for (int c = 0; c < 3; c++)
                out->thumb[(row * SIDE + column) * 3 + c] = (uint8_t)(colour[c] + 0.5);
        }
    }
}

bool fig__fingerprints_near(const fig__fingerprint *a, const fig__fingerprint *b)
{
    if (__builtin_popcountll(a->outline ^ b->outline) > MOST_BITS)
        return false;
    int64_t squares = 0;
    for (size_t i = 0; i < sizeof a->thumb; i++) {
        int away = a->thumb[i] - b->thumb[i];
        squares += away * away;
    }
    return squares <= (int64_t)MOST_LEVELS * MOST_LEVELS * (int64_t)sizeof a->thumb;
}

/* -- groups --------------------------------------------------------------------------------------------------------- */

/* What the inner loop needs lies together: it looks at some hundred million pairs of a large set. */
typedef struct candidate {
    uint64_t outline;
    uint32_t band;
    float mean, upper; /* of the thumbnail, and of its upper half */
    int32_t item;
} candidate;

static int by_band(const void *a, const void *b)
{
    const candidate *x = a, *y = b;
    return x->band != y->band   ? (x->band < y->band ? -1 : 1)
           : x->mean != y->mean ? (x->mean < y->mean ? -1 : 1)
                                : (x->item > y->item) - (x->item < y->item);
}

static int32_t root_of(int32_t *group, int32_t item)
{
    while (group[item] != item)
        item = group[item] = group[group[item]];
    return item;
}

/* The smaller number leads, so that the groups do not depend on the order of joining. */
static void join(int32_t *group, int32_t a, int32_t b)
{
    a = root_of(group, a);
    b = root_of(group, b);
    if (a < b)
        group[b] = a;
    else
        group[a] = b;
}

static uint32_t band_of(uint64_t outline, int band)
{
    int first = band * 64 / BANDS, end = (band + 1) * 64 / BANDS;
    return (uint32_t)(outline >> first) & ((1u << (end - first)) - 1);
}

static float mean_of(const fig__fingerprint *print, size_t count)
{
    unsigned sum = 0;
    for (size_t i = 0; i < count; i++)
        sum += print->thumb[i];
    return (float)sum / (float)count;
}

static candidate candidate_of(const fig__fingerprint *print, int band, int32_t item)
{
    return (candidate){ print->outline, band_of(print->outline, band), mean_of(print, sizeof print->thumb),
                        mean_of(print, sizeof print->thumb / 2), item };
}

/* Joins item `first` with those after it. Half a thumbnail may be 1.5 (root 2) times as far away as the whole. */
#ifdef __x86_64__
__attribute__((target_clones("popcnt", "default")))
#endif
static void join_following(const fig__fingerprint *prints, const candidate *list, int64_t first, int64_t count, int32_t *group)
{
    const candidate *a = &list[first];
    int64_t end = count < first + 1 + MOST ? count : first + 1 + MOST;
    for (const candidate *b = a + 1; b < list + end && b->band == a->band && b->mean - a->mean <= MOST_LEVELS; b++)
        if (__builtin_popcountll(a->outline ^ b->outline) <= MOST_BITS && fabsf(a->upper - b->upper) <= 1.5f * MOST_LEVELS &&
            fig__fingerprints_near(&prints[a->item], &prints[b->item]))
            join(group, a->item, b->item);
}

static int by_print(const void *a, const void *b, void *prints)
{
    const fig__fingerprint *all = prints;
    int32_t x = *(const int32_t *)a, y = *(const int32_t *)b;
    int order = memcmp(&all[x], &all[y], sizeof *all);
    return order ? order : (x > y) - (x < y);
}

/* Items with one and the same fingerprint are joined at once; the first of each is left in `item`. */
static int64_t join_equal(const fig__fingerprint *prints, int64_t count, int32_t *item, int32_t *group)
{
    int64_t left = 0;
    for (int64_t i = 0; i < count; i++)
        item[i] = (int32_t)i;
    qsort_r(item, (size_t)count, sizeof *item, by_print, (void *)(uintptr_t)prints);
    for (int64_t i = 0; i < count; i++) {
        if (left && !memcmp(&prints[item[left - 1]], &prints[item[i]], sizeof *prints))
            join(group, item[left - 1], item[i]);
        else
            item[left++] = item[i];
    }
    return left;
}

void fig__group_alike(const fig__fingerprint *prints, int64_t count, int32_t *group)
{
    for (int64_t i = 0; i < count; i++)
        group[i] = (int32_t)i;
    int32_t *item = fig__alloc((size_t)count * sizeof *item + 1);
    int64_t left = join_equal(prints, count, item, group);
    candidate *list = fig__alloc((size_t)left * sizeof *list + 1);
    for (int band = 0; band < BANDS; band++) {
        for (int64_t i = 0; i < left; i++)
            list[i] = candidate_of(&prints[item[i]], band, item[i]);
        qsort(list, (size_t)left, sizeof *list, by_band);
        for (int64_t i = 0; i < left; i++)
            join_following(prints, list, i, left, group);
    }
    for (int64_t i = 0; i < count; i++)
        group[i] = root_of(group, (int32_t)i);
    free(list);
    free(item);
}

/* -- of a data set -------------------------------------------------------------------------------------------------- */

typedef struct walk {
    fig_data *data;
    fig_split split;
    int64_t count;
    fig__fingerprint *prints;
    _Atomic int64_t next;
    _Atomic bool stop;
} walk;

/* What cannot be read is like nothing else: its fingerprint is its number. It is counted when the loader comes to it. */
static void print_one(const walk *w, int64_t item, fig__fingerprint *out)
{
    const fig_data *data = w->data;
    fig_picture picture = { 0 };
    bool borrowed = false;
    if (data->source->picture(&data->contents, w->split, item, &(fig__decode_opts){ .short_side = 4 * SIDE }, &picture, &borrowed,
                              NULL) == FIG_OK) {
        fig__fingerprint_of(&picture, out);
    } else {
        mark(out, &item, sizeof item);
    }
    if (!borrowed)
        fig_picture_free(&picture);
}

static void *print_some(void *user)
{
    enum { PIECE = 32 };
    walk *w = user;
    int64_t first;
    while (!w->stop && (first = atomic_fetch_add(&w->next, PIECE)) < w->count)
        for (int64_t i = first; i < w->count && i < first + PIECE; i++)
            print_one(w, i, &w->prints[i]);
    return NULL;
}

/* All fingerprints of a split, by several threads; this one also looks whether it should stop. */
static fig_status print_all(walk *w, fig_error *err)
{
    enum { MOST_THREADS = 8, PIECE = 32 };
    pthread_t thread[MOST_THREADS];
    int wanted = fig__machine_get()->threads - 1, started = 0;
    wanted = wanted > MOST_THREADS ? MOST_THREADS : w->count < 4 * PIECE ? 0 : wanted;
    while (started < wanted && !pthread_create(&thread[started], NULL, print_some, w))
        started++;
    fig_status status = FIG_OK;
    int64_t first;
    while (status == FIG_OK && (first = atomic_fetch_add(&w->next, PIECE)) < w->count) {
        for (int64_t i = first; i < w->count && i < first + PIECE; i++)
            print_one(w, i, &w->prints[i]);
        fig__progress(&w->data->contents, "comparing pictures", (double)first / (double)w->count);
        status = fig__check_cancelled(&w->data->contents, err);
    }
    w->stop = status != FIG_OK;
    for (int i = 0; i < started; i++)
        pthread_join(thread[i], NULL);
    return status;
}

fig_status fig__fingerprints(fig_data *data, fig_split split, fig__fingerprint **out, fig_error *err)
{
    walk w = { .data = data, .split = split, .count = data->contents.info.items[split] };
    w.prints = *out = fig__alloc((size_t)w.count * sizeof *w.prints + 1);
    fig_status status = print_all(&w, err);
    if (status != FIG_OK) {
        free(*out);
        *out = NULL;
    }
    return status;
}

/* -- kept between runs: the groups and a checksum, under a key of what the data hold -- */

static bool read_groups(const char *path, int64_t count, int32_t *group)
{
    char *bytes;
    uint64_t length, wanted = (uint64_t)count * 4 + 4;
    if (fig__file_read(path, wanted, &bytes, &length, NULL) != FIG_OK)
        return false;
    uint32_t sum;
    bool sound = length == wanted;
    if (sound) {
        memcpy(&sum, bytes + 4 * count, sizeof sum);
        memcpy(group, bytes, (size_t)count * 4);
        sound = sum == fig__crc32c(bytes, (size_t)count * 4, 0);
    }
    for (int64_t i = 0; i < count && sound; i++)
        sound = group[i] >= 0 && group[i] <= i && group[group[i]] == group[i];
    free(bytes);
    return sound;
}

/* A cache that cannot be written is no matter. */
static void write_groups(const char *path, int64_t count, const int32_t *group)
{
    char *folder = fig__strdup(path), *bytes = fig__alloc((size_t)count * 4 + 4);
    uint32_t sum = fig__crc32c(group, (size_t)count * 4, 0);
    memcpy(bytes, group, (size_t)count * 4);
    memcpy(bytes + 4 * count, &sum, sizeof sum);
    *strrchr(folder, '/') = 0;
    if (fig__make_folders(folder, NULL) == FIG_OK)
        (void)fig__file_write(path, bytes, (uint64_t)count * 4 + 4, NULL);
    free(bytes);
    free(folder);
}

static fig_status compare_all(fig_data *data, fig_split split, int32_t *group, fig_error *err)
{
    fig__fingerprint *prints;
    FIG_TRY(fig__fingerprints(data, split, &prints, err));
    fig__group_alike(prints, data->contents.info.items[split], group);
    free(prints);
    return FIG_OK;
}

fig_status fig__find_groups(fig_data *data, fig_split split, int32_t **group, fig_error *err)
{
    *group = NULL;
    if (data->contents.info.kind != FIG_DATA_IMAGES)
        return FIG_OK;
    int64_t count = data->contents.info.items[split];
    bool keep = count >= WORTH_KEEPING || (data->source->decodes && data->contents.file_bytes >= WORTH_DECODING);
    fig__arena *arena = fig__arena_new();
    char key[65], *path;
    int32_t part = split;
    fig__cache_key(data, "alike/1", &part, sizeof part, key);
    path = fig__cache_path(arena, key, "alike");
    *group = fig__alloc((size_t)count * sizeof **group + 1);
    fig_status status = FIG_OK;
    if (!keep || !read_groups(path, count, *group)) {
        status = compare_all(data, split, *group, err);
        if (status == FIG_OK && keep)
            write_groups(path, count, *group);
    }
    fig__arena_free(arena);
    if (status != FIG_OK) {
        free(*group);
        *group = NULL;
    }
    return status;
}
