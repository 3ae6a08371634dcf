/* pictures.c - pictures as the model wants them: decoded, cropped, resized, as bytes
 *
 * Four ways to an item, cheapest first: the source's own memory when it has the wanted size already; the cache in memory,
 * which is filled as items are first read and exists when the whole split fits in a part of the free memory; the cache on
 * disk (pack.c), which the next run finds too; decoding.
 *
 * Any number of threads read at once. An item of the cache goes EMPTY -> FILLING (one thread won) -> READY or BROKEN; a
 * thread that finds it FILLING decodes a copy for itself instead of waiting. */
#include "data/prepared.h"
#include <stdlib.h>
#include <string.h>

#define CACHE_LIMIT (2ull << 30)

struct fig__picture_reader {
    fig_data *data;
    fig__resizer *resizer;
    uint8_t *pixels; /* (H, W, C) */
};

static size_t settled_bytes(const fig_data_spec *spec)
{
    return (size_t)spec->height * (size_t)spec->width * (size_t)spec->channels;
}

static bool has_wanted_size(const fig_data *data, const fig_picture *picture)
{
    const fig_data_spec *spec = data->spec;
    return picture->height == spec->height && picture->width == spec->width && picture->channels == spec->channels;
}

/* True when the source hands out its own memory in the wanted size. */
static bool is_direct(fig_data *data, fig_split split)
{
    fig_picture picture = { 0 };
    bool borrowed = false;
    if (data->contents.info.mixed_sizes)
        return false;
    if (data->source->picture(&data->contents, split, 0, &(fig__decode_opts){ 0 }, &picture, &borrowed, NULL) != FIG_OK)
        return false;
    bool direct = borrowed && has_wanted_size(data, &picture);
    if (!borrowed)
        fig_picture_free(&picture);
    return direct;
}

/* Below a megabyte of files, decoding takes no longer than looking for a cache. */
#define WORTH_KEEPING (1u << 20)

static fig__pack *open_pack(const fig_data *data, fig_split split)
{
    if (!data->source->decodes || data->contents.file_bytes < WORTH_KEEPING)
        return NULL;
    const fig_data_spec *spec = data->spec;
    int32_t settings[8] = { split, spec->height, spec->width, spec->channels, (int32_t)spec->resize,
                            spec->background[0], spec->background[1], spec->background[2] };
    char key[65];
    fig__cache_key(data, "pictures/1", settings, sizeof settings, key);
    return fig__pack_open(key, data->contents.info.items[split], settled_bytes(spec));
}

fig_status fig__pictures_prepare(fig_data *data, fig_error *err)
{
    uint64_t budget = fig__memory_available() / 4;
    budget = budget < CACHE_LIMIT ? budget : CACHE_LIMIT;
    for (int split = 0; split < FIG_SPLITS; split++) {
        int64_t items = data->contents.info.items[split];
        fig__picture_cache *cache = &data->cache[split];
        if (!items || is_direct(data, (fig_split)split))
            continue;
        cache->state = fig__alloc((size_t)items);
        cache->pack = open_pack(data, (fig_split)split);
        uint64_t bytes = (uint64_t)items * settled_bytes(data->spec);
        if (bytes > budget)
            continue;
        void *pixels;
        FIG_TRY(fig__pages_new(bytes, &pixels, err));
        cache->pixels = pixels;
        cache->bytes = bytes;
        budget -= bytes;
    }
    return FIG_OK;
}

void fig__pictures_release(fig_data *data)
{
    for (int split = 0; split < FIG_SPLITS; split++) {
        fig__picture_cache *cache = &data->cache[split];
        if (cache->pixels)
            fig__pages_free(cache->pixels, cache->bytes);
        free(cache->state);
        fig__pack_close(cache->pack);
        *cache = (fig__picture_cache){ 0 };
    }
}

fig__picture_reader *fig__picture_reader_new(fig_data *data)
{
    fig__picture_reader *reader = fig__alloc(sizeof *reader);
    *reader = (fig__picture_reader){ data, fig__resizer_new(), fig__alloc(settled_bytes(data->spec)) };
    return reader;
}

void fig__picture_reader_free(fig__picture_reader *reader)
{
    if (!reader)
        return;
    fig__resizer_free(reader->resizer);
    free(reader->pixels);
    free(reader);
}

static fig_status decode(fig__picture_reader *reader, fig_split split, int64_t item, uint8_t *out, fig_error *err)
{
    const fig_data_spec *spec = reader->data->spec;
    fig_picture picture = { 0 };
    bool borrowed = false;
    fig__decode_opts opts = { .short_side = spec->height > spec->width ? spec->height : spec->width,
                              .background = spec->background };
    if (spec->resize == FIG_RESIZE_CROP)
        opts.short_side = 0; /* cut out at full size */
    FIG_TRY(reader->data->source->picture(&reader->data->contents, split, item, &opts, &picture, &borrowed, err));
    fig__resize_by(reader->resizer, spec->resize, spec->background, &picture, spec->height, spec->width, spec->channels, out);
    if (!borrowed)
        fig_picture_free(&picture);
    return FIG_OK;
}

static fig_status broken(fig__picture_reader *reader, fig_split split, int64_t item, const char *reason, fig_error *err)
{
    char name[512];
    reader->data->source->item_name(&reader->data->contents, split, item, name, sizeof name);
    return fig_fail(err, FIG_E_FORMAT, "%s: %s", name, reason);
}

fig_status fig__picture_reader_get(fig__picture_reader *reader, fig_split split, int64_t item, const uint8_t **out,
                                   fig_error *err)
{
    fig_data *data = reader->data;
    fig__picture_cache *cache = &data->cache[split];
    if (!cache->state) {
        fig_picture picture;
        bool borrowed;
        FIG_TRY(
            data->source->picture(&data->contents, split, item, &(fig__decode_opts){ 0 }, &picture, &borrowed, err));
        *out = picture.pixels;
        return FIG_OK;
    }
    _Atomic uint8_t *state = &cache->state[item];
    uint8_t found = atomic_load_explicit(state, memory_order_acquire);
    uint8_t *place = cache->pixels ? cache->pixels + (size_t)item * settled_bytes(data->spec) : NULL;
    if (found == FIG__READY) {
        *out = place;
        return FIG_OK;
    }
    if (found == FIG__BROKEN)
        return broken(reader, split, item, "cannot be read", err);
    bool own = place && found == FIG__EMPTY && atomic_compare_exchange_strong(state, &found, FIG__FILLING);
    uint8_t *target = own ? place : reader->pixels;
    fig_error inner = { 0 };
    bool kept = cache->pack && fig__pack_read(cache->pack, item, target);
    if (kept || decode(reader, split, item, target, &inner) == FIG_OK) {
        if (cache->pack && !kept)
            fig__pack_write(cache->pack, item, target);
        if (own)
            atomic_store_explicit(state, FIG__READY, memory_order_release);
        *out = target;
        return FIG_OK;
    }
    if (atomic_exchange(state, FIG__BROKEN) != FIG__BROKEN) {
        char name[512];
        data->source->item_name(&data->contents, split, item, name, sizeof name);
        fig__skip(&data->contents, name, inner.message);
    }
    return broken(reader, split, item, inner.message, err);
}
