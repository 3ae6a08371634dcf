/* sample/save.c - writing samples: PNG sheet, text, CSV, NPY, JSON, or a folder with one file each
 *
 * The ending of the path says which. Files are replaced whole or not at all. NPY is numpy's format 1.0: a magic, a
 * little-endian header length, a Python-like dict padded to 64 bytes, then the numbers. */
#include "sample/sampler.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_TEXT = 1 << 30, PLOT = 512 };

/* -- pictures ------------------------------------------------------------------------------------------------------ */

static int square_columns(int64_t n)
{
    int columns = 1;
    while ((int64_t)columns * columns < n)
        columns++;
    return columns;
}

fig_status fig__samples_sheet(const fig_samples *s, int columns, int gap, int zoom, fig_picture *out, fig_error *err)
{
    *out = (fig_picture){ 0 };
    if (s->kind == FIG_DATA_POINTS && s->values)
        return fig__scatter(s->values, s->count, (int)s->type.dim[1], PLOT, out, err);
    if (s->kind != FIG_DATA_IMAGES || s->type.rank != 4 || s->type.dtype != FIG_F32)
        return fig_fail(err, FIG_E_USAGE, "these samples are no pictures; save them as .txt, .csv, .npy or .json");
    if (s->count < 1)
        return fig_fail(err, FIG_E_USAGE, "no samples were made yet");
    return fig_picture_sheet(s->values, (int)s->count, (int)s->type.dim[1], (int)s->type.dim[2], (int)s->type.dim[3],
                             s->low, s->high, columns > 0 ? columns : square_columns(s->count), gap, zoom, out, err);
}

static fig_status save_sheet(const fig_samples *s, const char *path, fig_error *err)
{
    fig_picture sheet;
    FIG_TRY(fig__samples_sheet(s, s->columns, s->gap ? s->gap : 2, 0, &sheet, err));
    fig_status status = fig_picture_save(&sheet, path, err);
    fig_picture_free(&sheet);
    return status;
}

static fig_status save_picture(const fig_samples *s, int64_t index, const char *path, fig_error *err)
{
    int64_t row = s->type.dim[1] * s->type.dim[2] * s->type.dim[3];
    fig_picture picture;
    FIG_TRY(fig_picture_sheet((const float *)s->values + index * row, 1, (int)s->type.dim[1], (int)s->type.dim[2],
                              (int)s->type.dim[3], s->low, s->high, 1, 0, 1, &picture, err));
    fig_status status = fig_picture_save(&picture, path, err);
    fig_picture_free(&picture);
    return status;
}

/* -- text ---------------------------------------------------------------------------------------------------------- */

static int64_t row_elements(const fig_samples *s)
{
    int64_t n = 1;
    for (int i = 1; i < s->type.rank; i++)
        n *= s->type.dim[i];
    return n;
}

static void put_value(fig__text *out, const fig_samples *s, int64_t index, bool json)
{
    if (s->type.dtype == FIG_I32) {
        fig__text_print(out, "%d", ((const int32_t *)s->values)[index]);
        return;
    }
    /* The fewest digits that read back to the same float. */
    float value = ((const float *)s->values)[index];
    char text[40];
    for (int digits = 6; digits <= 9; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, (double)value);
        double back;
        if (fig__number_parse(text, &back) && (float)back == value)
            break;
    }
    fig__text_print(out, "%s", json && !isfinite(value) ? "null" : text);
}

static void put_rows(fig__text *out, const fig_samples *s, const char *between)
{
    int64_t row = row_elements(s);
    for (int64_t i = 0; i < s->count; i++)
        for (int64_t k = 0; k < row; k++) {
            put_value(out, s, i * row + k, false);
            fig__text_print(out, "%s", k + 1 < row ? between : "\n");
        }
}

static void put_text(fig__text *out, const fig_samples *s)
{
    for (int64_t i = 0; i < s->count; i++) {
        int64_t length;
        const char *text = fig_samples_text(s, i, &length);
        if (s->count > 1)
            fig__text_print(out, "%s---- %lld ----\n", i ? "\n" : "", (long long)i);
        fig__text_add(out, text, (size_t)length);
        if (!length || text[length - 1] != '\n')
            fig__text_add(out, "\n", 1);
    }
}

char *fig_samples_json(const fig_samples *s)
{
    fig__text out;
    fig__text_init(&out, MOST_TEXT);
    fig__text_print(&out, "{\"schema\": \"figment.samples/1\", \"count\": %lld", (long long)s->count);
    if (s->text) {
        fig__text_print(&out, ", \"text\": [");
        for (int64_t i = 0; i < s->count; i++) {
            int64_t length;
            const char *text = fig_samples_text(s, i, &length);
            char *whole = fig__format("%.*s", (int)length, text);
            fig__text_print(&out, "%s", i ? ", " : "");
            fig__json_put_text(&out, whole);
            free(whole);
        }
        fig__text_print(&out, "]}");
    } else {
        fig__text_print(&out, ", \"shape\": [");
        for (int i = 1; i < s->type.rank; i++)
            fig__text_print(&out, "%s%lld", i > 1 ? ", " : "", (long long)s->type.dim[i]);
        if (s->kind == FIG_DATA_IMAGES)
            fig__text_print(&out, "], \"range\": [%g, %g", (double)s->low, (double)s->high);
        for (int64_t i = 0; s->label && i < s->count; i++)
            fig__text_print(&out, i ? ", %d" : "], \"classes\": [%d", s->label[i]);
        fig__text_print(&out, "], \"values\": [");
        int64_t row = row_elements(s);
        for (int64_t i = 0; i < s->count; i++) {
            fig__text_print(&out, "%s[", i ? ", " : "");
            for (int64_t k = 0; k < row; k++) {
                fig__text_print(&out, "%s", k ? ", " : "");
                put_value(&out, s, i * row + k, true);
            }
            fig__text_print(&out, "]");
        }
        fig__text_print(&out, "]}");
    }
    return out.data;
}

/* -- files --------------------------------------------------------------------------------------------------------- */

/* type.dim[0] rows of 4-byte numbers. */
static fig_status write_npy(const char *path, const fig_type *type, const void *values, fig_error *err)
{
    char shape[128] = "";
    size_t used = 0;
    for (int i = 0; i < type->rank; i++)
        used += (size_t)snprintf(shape + used, sizeof shape - used, "%s%lld", i ? ", " : "", (long long)type->dim[i]);
    char header[256];
    int length = snprintf(header, sizeof header, "{'descr': '%s', 'fortran_order': False, 'shape': (%s%s), }",
                          type->dtype == FIG_I32 ? "<i4" : "<f4", shape, type->rank == 1 ? "," : "");
    while ((10 + length + 1) % 64)
        header[length++] = ' ';
    header[length++] = '\n';
    uint8_t magic[10] = { 0x93, 'N', 'U', 'M', 'P', 'Y', 1, 0, (uint8_t)(length & 255), (uint8_t)(length >> 8) };
    fig__writer *writer;
    FIG_TRY(fig__writer_begin(path, &writer, err));
    fig__writer_add(writer, magic, sizeof magic);
    fig__writer_add(writer, header, (uint64_t)length);
    fig__writer_add(writer, values, (uint64_t)fig_elements(type) * 4);
    return fig__writer_commit(writer, err);
}

static fig_status save_npy(const fig_samples *s, const char *path, fig_error *err)
{
    if (!s->values)
        return fig_fail(err, FIG_E_USAGE, "%s: texts are no numbers; save them as .txt or .json", path);
    fig_type type = s->type;
    type.dim[0] = s->count;
    FIG_TRY(write_npy(path, &type, s->values, err));
    if (!s->label)
        return FIG_OK;
    type = FIG_SHAPE(s->count);
    type.dtype = FIG_I32;
    char *labels = fig__format("%.*s.labels.npy", (int)(strlen(path) - strlen(".npy")), path);
    fig_status status = write_npy(labels, &type, s->label, err);
    free(labels);
    return status;
}

/* Folder of a sample's class below `path`. Names come from model files: one that is no plain file name becomes its number. */
static char *class_folder(const fig_samples *s, int64_t index, const char *path, fig__arena *arena)
{
    int32_t label = s->label ? s->label[index] : -1;
    if (label < 0)
        return fig__path_join(arena, path, "");
    const char *name = s->class_name && label < s->classes ? s->class_name[label] : NULL;
    bool plain = name && *name && *name != '.' && strlen(name) < 200;
    for (const char *c = name; plain && *c; c++)
        plain = *c != '/' && *c != '\\' && (unsigned char)*c >= 32;
    return fig__path_join(arena, path, plain ? name : fig__arena_format(arena, "%d", label));
}

static fig_status save_folder(const fig_samples *s, const char *path, fig_error *err)
{
    FIG_TRY(fig__make_folders(path, err));
    fig__arena *arena = fig__arena_new();
    fig_status status = FIG_OK;
    bool pictures = s->kind == FIG_DATA_IMAGES && s->type.rank == 4 && s->type.dtype == FIG_F32;
    for (int64_t i = 0; i < s->count && status == FIG_OK; i++) {
        char *name = fig__arena_format(arena, "%06lld.%s", (long long)i, s->text ? "txt" : pictures ? "png" : "csv");
        char *folder = class_folder(s, i, path, arena), *file = fig__path_join(arena, folder, name);
        if (s->label)
            status = fig__make_folders(folder, err);
        if (status != FIG_OK)
            break;
        if (pictures) {
            status = save_picture(s, i, file, err);
            continue;
        }
        fig__text out;
        fig__text_init(&out, MOST_TEXT);
        int64_t length = 0, row = row_elements(s);
        const char *text = fig_samples_text(s, i, &length);
        fig__text_add(&out, text ? text : "", (size_t)length);
        for (int64_t k = 0; !s->text && k < row; k++) {
            put_value(&out, s, i * row + k, false);
            fig__text_print(&out, "%s", k + 1 < row ? "," : "\n");
        }
        status = fig__file_write(file, out.data ? out.data : "", out.length, err);
        fig__text_free(&out);
    }
    fig__arena_free(arena);
    return status;
}

fig_status fig_samples_save(const fig_samples *s, const char *path, fig_error *err)
{
    if (fig__ends_with(path, "/") || fig__path_is_folder(path))
        return save_folder(s, path, err);
    if (fig__ends_with(path, ".png"))
        return save_sheet(s, path, err);
    if (fig__ends_with(path, ".npy"))
        return save_npy(s, path, err);
    fig__text out;
    fig__text_init(&out, MOST_TEXT);
    if (fig__ends_with(path, ".json")) {
        char *json = fig_samples_json(s);
        fig__text_print(&out, "%s\n", json ? json : "");
        free(json);
    } else if (fig__ends_with(path, ".txt")) {
        if (s->text)
            put_text(&out, s);
        else
            put_rows(&out, s, " ");
    } else if (fig__ends_with(path, ".csv")) {
        if (s->text)
            return fig_fail(err, FIG_E_USAGE, "%s: texts are saved as .txt or .json", path);
        put_rows(&out, s, ",");
    } else {
        return fig_fail(err, FIG_E_USAGE,
                        "%s: the ending says the format; use .png, .txt, .csv, .npy or .json, or a folder ending in /",
                        path);
    }
    fig_status status = out.overflow ? fig_fail(err, FIG_E_LIMIT, "%s: more than 1 GB of text; use .npy", path)
                                     : fig__file_write(path, out.data ? out.data : "", out.length, err);
    fig__text_free(&out);
    return status;
}
