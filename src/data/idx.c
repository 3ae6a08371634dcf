/* idx.c - IDX files, plain or gzip: the format of MNIST and its relatives
 *
 *     00 00 | type | rank | rank x u32 big-endian sizes | data, row-major
 *
 * Only type 08 (unsigned bytes) is read. Rank 3 is (n, rows, columns), rank 4 (n, rows, columns, 1|3) or (n, 1|3, rows,
 * columns), rank 2 (n, pixels) with square pictures. Labels are rank 1. A folder holds one images file per split, told
 * apart by their names (train, val, t10k or test), and beside each its labels: the same name with "labels" for
 * "images". Everything is unpacked into memory, so that reading an item costs nothing. */
#include "data/source.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { UNSIGNED_BYTE = 8, MAX_RANK = 4 };

typedef struct idx_header {
    int rank;
    uint64_t dim[MAX_RANK], bytes;
} idx_header;

typedef struct idx_file {
    uint8_t *pixels;
    uint64_t bytes;
    int64_t count;
    int height, width, channels;
    bool planar; /* (n, C, H, W) */
} idx_file;

typedef struct idx {
    idx_file split[FIG_SPLITS];
} idx;

/* -- reading one file ---------------------------------------------------------------------------------------------- */

static fig_status read_header(fig__stream *stream, const char *path, idx_header *header, fig_error *err)
{
    uint8_t magic[4], size[4];
    FIG_TRY(fig__stream_read(stream, magic, 4, err));
    if (magic[0] || magic[1])
        return fig_fail(err, FIG_E_FORMAT, "%s: not an IDX file (first bytes %02x%02x%02x%02x, expected 000008..)",
                        path, magic[0], magic[1], magic[2], magic[3]);
    if (magic[2] != UNSIGNED_BYTE)
        return fig_fail(err, FIG_E_FORMAT, "%s: IDX values of type %02x; only unsigned bytes (08) are read", path,
                        magic[2]);
    header->rank = magic[3];
    if (header->rank < 1 || header->rank > MAX_RANK)
        return fig_fail(err, FIG_E_FORMAT, "%s: IDX with %d dimensions; 1 to %d are read", path, header->rank,
                        MAX_RANK);
    header->bytes = 1;
    for (int i = 0; i < header->rank; i++) {
        FIG_TRY(fig__stream_read(stream, size, 4, err));
        header->dim[i] = (uint64_t)size[0] << 24 | (uint64_t)size[1] << 16 | (uint64_t)size[2] << 8 | size[3];
        if (!fig__mul(header->bytes, header->dim[i], &header->bytes))
            return fig_fail(err, FIG_E_FORMAT, "%s: the IDX sizes multiply to more than 2^64 bytes", path);
    }
    if (!header->bytes)
        return fig_fail(err, FIG_E_FORMAT, "%s: IDX with no items", path);
    if (header->dim[0] > FIG__MAX_ITEMS)
        return fig_fail(err, FIG_E_LIMIT, "%s: %llu items, at most %d are read", path,
                        (unsigned long long)header->dim[0], FIG__MAX_ITEMS);
    return fig__stream_expect(stream, header->bytes, err);
}

/* Opens, reads and checks everything; the bytes are fig__pages. */
static fig_status read_file(const char *path, idx_header *header, uint8_t **out, fig_error *err)
{
    fig__stream *stream;
    *out = NULL;
    FIG_TRY(fig__stream_open(path, &stream, err));
    void *bytes = NULL;
    fig_status status = read_header(stream, path, header, err);
    if (status == FIG_OK)
        status = fig__check_memory(path, header->bytes, err);
    if (status == FIG_OK)
        status = fig__pages_new(header->bytes, &bytes, err);
    if (status == FIG_OK)
        status = fig__stream_read(stream, bytes, header->bytes, err);
    if (status == FIG_OK)
        status = fig__stream_expect_end(stream, err);
    fig__stream_close(stream);
    if (status != FIG_OK && bytes)
        fig__pages_free(bytes, header->bytes);
    else
        *out = bytes;
    return status;
}

static fig_status settle_layout(const char *path, const idx_header *header, idx_file *file, fig_error *err)
{
    const uint64_t *dim = header->dim;
    uint64_t height = 0, width = 0, channels = 1;
    if (header->rank == 1)
        return fig_fail(err, FIG_E_FORMAT, "%s: these are labels; give the images file or the folder that holds both",
                        path);
    if (header->rank == 2) {
        uint64_t side = (uint64_t)(sqrt((double)dim[1]) + 0.5);
        height = side * side == dim[1] ? side : 1;
        width = dim[1] / height;
    } else if (header->rank == 3) {
        height = dim[1];
        width = dim[2];
    } else if (dim[3] == 1 || dim[3] == 3) {
        height = dim[1];
        width = dim[2];
        channels = dim[3];
    } else if (dim[1] == 1 || dim[1] == 3) {
        height = dim[2];
        width = dim[3];
        channels = dim[1];
        file->planar = channels > 1;
    } else
        return fig_fail(err, FIG_E_FORMAT,
                        "%s: IDX of %llu x %llu x %llu x %llu; pictures need 1 or 3 channels as the last or second "
                        "size",
                        path, (unsigned long long)dim[0], (unsigned long long)dim[1], (unsigned long long)dim[2],
                        (unsigned long long)dim[3]);
    if (fig__picture_limits(width, height, err) != FIG_OK)
        return fig_error_prefix(err, "%s", path);
    file->count = (int64_t)dim[0];
    file->height = (int)height;
    file->width = (int)width;
    file->channels = (int)channels;
    return FIG_OK;
}

/* -- names --------------------------------------------------------------------------------------------------------- */

static bool is_images_name(const char *name)
{
    return strstr(name, "images") && (strstr(name, "idx") || strstr(name, "ubyte"));
}

/* The labels file beside an images file: "images" becomes "labels", "idx3" becomes "idx1", packed or not. NULL =
 * none. */
static char *find_labels(fig__arena *arena, const char *path)
{
    const char *base = fig__base_name(path), *word = strstr(base, "images");
    if (!word)
        return NULL;
    char *name = fig__arena_format(arena, "%.*slabels%s", (int)(word - path), path, word + strlen("images"));
    char *rank = strstr(name + (word - path), "idx");
    if (rank && rank[3] >= '2' && rank[3] <= '4')
        rank[3] = '1';
    if (fig__path_exists(name))
        return name;
    char *other = fig__ends_with(name, ".gz") ? fig__arena_format(arena, "%.*s", (int)strlen(name) - 3, name)
                                              : fig__arena_format(arena, "%s.gz", name);
    return fig__path_exists(other) ? other : NULL;
}

static bool has_magic(const char *path)
{
    uint8_t magic[4] = { 0xff };
    uint64_t got = 0;
    fig__stream *stream;
    if (fig__stream_open(path, &stream, NULL) != FIG_OK)
        return false;
    bool fine = fig__stream_read_some(stream, magic, 4, &got, NULL) == FIG_OK && got == 4;
    fig__stream_close(stream);
    return fine && !magic[0] && !magic[1] && magic[2] >= 8 && magic[2] <= 14 && magic[3] >= 1 && magic[3] <= 8;
}

static int idx_probe(const char *path, bool folder)
{
    if (!folder)
        return has_magic(path) ? 90 : is_images_name(fig__base_name(path)) ? 60 : 0;
    fig__arena *arena = fig__arena_new();
    char **names;
    size_t count;
    int score = 0;
    if (fig__list_folder(arena, path, &names, &count, NULL) == FIG_OK)
        for (size_t i = 0; i < count && !score; i++)
            score = is_images_name(names[i]) && !fig__path_is_folder(fig__path_join(arena, path, names[i])) ? 90 : 0;
    fig__arena_free(arena);
    return score;
}

/* -- opening ------------------------------------------------------------------------------------------------------- */

static fig_status open_labels(fig__contents *contents, fig_split split, const char *images, const char *path,
                              fig_error *err)
{
    idx_header header;
    uint8_t *bytes;
    FIG_TRY(read_file(path, &header, &bytes, err));
    int64_t count = contents->info.items[split];
    fig_status status = FIG_OK;
    if (header.rank != 1)
        status = fig_fail(err, FIG_E_FORMAT, "%s: labels with %d dimensions, expected 1", path, header.rank);
    else if ((int64_t)header.dim[0] != count)
        status = fig_fail(err, FIG_E_FORMAT,
                          "%s: %llu labels, but %s holds %lld pictures; the two files do not belong together", path,
                          (unsigned long long)header.dim[0], images, (long long)count);
    if (status == FIG_OK) {
        int32_t *labels = FIG_NEW_ARRAY(contents->arena, int32_t, count);
        for (int64_t i = 0; i < count; i++) {
            labels[i] = bytes[i];
            if (labels[i] >= contents->info.classes)
                contents->info.classes = labels[i] + 1;
        }
        contents->labels[split] = labels;
        fig__sha256_update(contents->hash, bytes, header.bytes);
    }
    fig__pages_free(bytes, header.bytes);
    return status;
}

static fig_status open_images(fig__contents *contents, fig_split split, const char *path, fig_error *err)
{
    idx *self = contents->self;
    idx_file *file = &self->split[split];
    if (file->pixels)
        return fig_fail(err, FIG_E_FORMAT, "%s: a second images file for the %s split; keep one of them in the folder",
                        path, fig__split_names[split]);
    idx_header header;
    uint8_t *bytes;
    FIG_TRY(fig__check_cancelled(contents, err));
    fig__progress(contents, "reading", -1);
    FIG_TRY(read_file(path, &header, &bytes, err));
    file->pixels = bytes;
    file->bytes = header.bytes;
    FIG_TRY(settle_layout(path, &header, file, err));
    fig_data_info *info = &contents->info;
    if (info->height &&
        (info->height != file->height || info->width != file->width || info->channels != file->channels))
        return fig_fail(err, FIG_E_FORMAT, "%s: pictures of %d x %d x %d, but the other split has %d x %d x %d", path,
                        file->height, file->width, file->channels, info->height, info->width, info->channels);
    info->height = file->height;
    info->width = file->width;
    info->channels = file->channels;
    info->items[split] = file->count;
    contents->any_colour = file->channels == 3;
    fig__sha256_update(contents->hash, fig__split_names[split], strlen(fig__split_names[split]));
    fig__sha256_update(contents->hash, header.dim, sizeof *header.dim * (size_t)header.rank);
    fig__sha256_update(contents->hash, bytes, header.bytes);
    const char *labels = find_labels(contents->arena, path);
    return labels ? open_labels(contents, split, path, labels, err) : FIG_OK;
}

static fig_status open_folder(fig__contents *contents, const char *path, fig_error *err)
{
    char **names;
    size_t count;
    FIG_TRY(fig__list_folder(contents->arena, path, &names, &count, err));
    int found = 0;
    for (size_t i = 0; i < count; i++) {
        if (!is_images_name(names[i]))
            continue;
        fig_split split = FIG_TRAIN_SPLIT;
        fig__split_in_name(names[i], &split);
        FIG_TRY(open_images(contents, split, fig__path_join(contents->arena, path, names[i]), err));
        found++;
    }
    if (!found)
        return fig_fail(err, FIG_E_NOT_FOUND,
                        "%s: no IDX images file in this folder (such as train-images-idx3-ubyte.gz)", path);
    return FIG_OK;
}

static fig_status check_labels(const fig__contents *contents, const char *path, fig_error *err)
{
    for (int a = 0; a < FIG_SPLITS; a++)
        for (int b = 0; b < FIG_SPLITS; b++)
            if (contents->labels[a] && contents->info.items[b] && !contents->labels[b])
                return fig_fail(err, FIG_E_NOT_FOUND,
                                "%s: the %s pictures have labels, the %s pictures have none; add their labels "
                                "file",
                                path, fig__split_names[a], fig__split_names[b]);
    return FIG_OK;
}

static fig_status idx_open(fig__contents *contents, const char *path, fig_error *err)
{
    contents->self = fig__alloc(sizeof(idx));
    contents->info.kind = FIG_DATA_IMAGES;
    if (fig__path_is_folder(path)) {
        FIG_TRY(open_folder(contents, path, err));
        return check_labels(contents, path, err);
    }
    return open_images(contents, FIG_TRAIN_SPLIT, path, err);
}

static void idx_close(fig__contents *contents)
{
    idx *self = contents->self;
    for (int split = 0; split < FIG_SPLITS; split++)
        if (self->split[split].pixels)
            fig__pages_free(self->split[split].pixels, self->split[split].bytes);
    free(self);
}

/* -- items --------------------------------------------------------------------------------------------------------- */

static fig_status idx_picture(const fig__contents *contents, fig_split split, int64_t index,
                              const fig__decode_opts *opts, fig_picture *out, bool *borrowed, fig_error *err)
{
    (void)opts;
    const idx *self = contents->self;
    const idx_file *file = &self->split[split];
    size_t area = (size_t)file->height * (size_t)file->width, channels = (size_t)file->channels;
    uint8_t *pixels = file->pixels + (size_t)index * area * channels;
    *borrowed = !file->planar;
    if (*borrowed) {
        *out = (fig_picture){ file->width, file->height, file->channels, pixels };
        return FIG_OK;
    }
    FIG_TRY(fig__picture_new(file->width, file->height, file->channels, out, err));
    for (size_t i = 0; i < area; i++)
        for (size_t c = 0; c < channels; c++)
            out->pixels[i * channels + c] = pixels[c * area + i];
    return FIG_OK;
}

static void idx_item_name(const fig__contents *contents, fig_split split, int64_t index, char *out, size_t size)
{
    (void)contents;
    snprintf(out, size, "%s picture %lld", fig__split_names[split], (long long)index);
}

const fig_source fig_source_idx = {
    .name = "idx",
    .summary = "IDX files as of MNIST, plain or gzip: an images file, or a folder of images and labels",
    .probe = idx_probe,
    .open = idx_open,
    .close = idx_close,
    .picture = idx_picture,
    .item_name = idx_item_name,
};
