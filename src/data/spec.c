/* spec.c - what a model must know of its data, as JSON inside the model file and back
 *
 * A model file may be hostile, so every number is checked against the range that the rest of the program relies on.
 * Numbers are written in the shortest form that reads back to the same bits. */
#include "data/prepared.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_CLASSES = 100000, MAX_CONTEXT = 1 << 24, MAX_DIMENSIONS = 65536, MAX_JSON = 64 << 20 };

static const struct {
    fig_data_kind kind;
    const char *name;
} kind_names[] = {
    { FIG_DATA_IMAGES, "images" },
    { FIG_DATA_TEXT, "text" },
    { FIG_DATA_POINTS, "points" },
};
static const char *const binarise_names[] = { "none", "dynamic", "threshold" };
static const char *const resize_names[] = { "cover", "fit", "stretch", "crop" };
static const char *const values_names[] = { "bytes", "0..1", "-1..1", "0..255" };

const char *fig__values_name(fig_values values) { return values_names[values]; }

fig_data_spec *fig__spec_new(void) { return fig__alloc(sizeof(fig_data_spec)); }

/* Copies text into room for `size` bytes, cut between characters when it is too long. */
static void copy_text(char *to, size_t size, const char *from)
{
    size_t length = strlen(from);
    if (length >= size)
        for (length = size - 1; length > 0 && ((unsigned char)from[length] & 0xc0) == 0x80;)
            length--;
    memcpy(to, from, length);
    to[length] = 0;
}

void fig__spec_set_name(fig_data_spec *spec, const char *name) { copy_text(spec->name, sizeof spec->name, name); }

void fig_data_spec_free(fig_data_spec *spec)
{
    if (!spec)
        return;
    for (int i = 0; spec->class_names && i < spec->classes; i++)
        free(spec->class_names[i]);
    free(spec->class_names);
    free(spec->offset);
    free(spec->scale);
    fig__tokenizer_free(spec->tokenizer);
    free(spec);
}

static double *copy_numbers(const double *from, int count)
{
    if (!from)
        return NULL;
    double *to = fig__alloc((size_t)count * sizeof *to);
    memcpy(to, from, (size_t)count * sizeof *to);
    return to;
}

fig_data_spec *fig_data_spec_copy(const fig_data_spec *spec)
{
    fig_data_spec *copy = fig__spec_new();
    *copy = *spec;
    if (spec->class_names) {
        copy->class_names = fig__alloc((size_t)spec->classes * sizeof *copy->class_names);
        for (int i = 0; i < spec->classes; i++)
            copy->class_names[i] = fig__strdup(spec->class_names[i]);
    }
    int count = spec->kind == FIG_DATA_IMAGES ? spec->channels : spec->dimensions;
    copy->offset = copy_numbers(spec->offset, count);
    copy->scale = copy_numbers(spec->scale, count);
    copy->tokenizer = spec->tokenizer ? fig__tokenizer_copy(spec->tokenizer) : NULL;
    return copy;
}

void fig_data_spec_range(const fig_data_spec *spec, float *low, float *high)
{
    *low = spec->low;
    *high = spec->high;
    for (int c = 0; spec->kind == FIG_DATA_IMAGES && spec->offset && c < spec->channels; c++) {
        float least = (float)((spec->low - spec->offset[c]) / spec->scale[c]);
        float most = (float)((spec->high - spec->offset[c]) / spec->scale[c]);
        *low = c && *low < least ? *low : least;
        *high = c && *high > most ? *high : most;
    }
}

/* -- writing ------------------------------------------------------------------------------------------------------- */

static void put_number(fig__text *out, const char *key, double value)
{
    fig__text_print(out, ",\"%s\":", key);
    fig__json_put_number(out, value);
}

static void put_numbers(fig__text *out, const char *key, const double *values, int count)
{
    fig__text_print(out, ",\"%s\":[", key);
    for (int i = 0; i < count; i++) {
        fig__text_print(out, i ? "," : "");
        fig__json_put_number(out, values[i]);
    }
    fig__text_print(out, "]");
}

static void put_classes(fig__text *out, const fig_data_spec *spec)
{
    if (spec->classes)
        put_number(out, "classes", spec->classes);
    if (!spec->class_names)
        return;
    fig__text_print(out, ",\"class_names\":[");
    for (int i = 0; i < spec->classes; i++) {
        fig__text_print(out, i ? "," : "");
        fig__json_put_text(out, spec->class_names[i]);
    }
    fig__text_print(out, "]");
}

char *fig_data_spec_to_json(const fig_data_spec *spec)
{
    fig__text out;
    fig__text_init(&out, MAX_JSON);
    const char *kind = "none";
    for (size_t i = 0; i < sizeof kind_names / sizeof *kind_names; i++)
        kind = kind_names[i].kind == spec->kind ? kind_names[i].name : kind;
    fig__text_print(&out, "{\"kind\":\"%s\",\"name\":", kind);
    fig__json_put_text(&out, spec->name);
    fig__text_print(&out, ",\"data_hash\":");
    fig__json_put_text(&out, spec->data_hash);
    put_number(&out, "validation", spec->validation);
    if (spec->test > 0)
        put_number(&out, "test", spec->test);
    put_classes(&out, spec);
    if (spec->kind == FIG_DATA_IMAGES) {
        put_number(&out, "height", spec->height);
        put_number(&out, "width", spec->width);
        put_number(&out, "channels", spec->channels);
        put_number(&out, "low", spec->low);
        put_number(&out, "high", spec->high);
        if (spec->binarise)
            fig__text_print(&out, ",\"binarise\":\"%s\"", binarise_names[spec->binarise]);
        if (spec->resize)
            fig__text_print(&out, ",\"resize\":\"%s\"", resize_names[spec->resize]);
        const unsigned char *ground = spec->background;
        if (ground[0] != 255 || ground[1] != 255 || ground[2] != 255)
            fig__text_print(&out, ",\"background\":\"#%02x%02x%02x\"", ground[0], ground[1], ground[2]);
        if (spec->values)
            fig__text_print(&out, ",\"values\":\"%s\"", values_names[spec->values]);
        if (spec->offset) {
            put_numbers(&out, "offset", spec->offset, spec->channels);
            put_numbers(&out, "scale", spec->scale, spec->channels);
        }
    } else if (spec->kind == FIG_DATA_TEXT) {
        put_number(&out, "context", spec->context);
        fig__text_print(&out, ",\"tokenizer\":");
        fig__tokenizer_save(spec->tokenizer, &out);
    } else if (spec->kind == FIG_DATA_POINTS) {
        put_number(&out, "dimensions", spec->dimensions);
        if (spec->offset)
            put_numbers(&out, "offset", spec->offset, spec->dimensions);
        if (spec->scale)
            put_numbers(&out, "scale", spec->scale, spec->dimensions);
    }
    fig__text_print(&out, "}");
    return out.data;
}

/* -- reading ------------------------------------------------------------------------------------------------------- */

static fig_status get_int(const fig__json *json, const char *key, int64_t min, int64_t max, int64_t fallback, int *out,
                          fig_error *err)
{
    const fig__json *value = fig__json_get(json, key);
    int64_t number = value ? fig__json_int(value, INT64_MIN) : fallback;
    if (number < min || number > max)
        return fig_fail(err, FIG_E_FORMAT, "data: \"%s\" must be a whole number from %lld to %lld", key, (long long)min,
                        (long long)max);
    *out = (int)number;
    return FIG_OK;
}

static fig_status get_numbers(const fig__json *json, const char *key, int count, double **out, fig_error *err)
{
    const fig__json *list = fig__json_get(json, key);
    if (!list)
        return FIG_OK;
    if (!fig__json_is_array(list) || fig__json_count(list) != (size_t)count)
        return fig_fail(err, FIG_E_FORMAT, "data: \"%s\" must be a list of %d numbers", key, count);
    *out = fig__alloc((size_t)count * sizeof **out);
    for (int i = 0; i < count; i++) {
        (*out)[i] = fig__json_number(fig__json_at(list, (size_t)i), NAN);
        if (!isfinite((*out)[i]))
            return fig_fail(err, FIG_E_FORMAT, "data: \"%s\" must be a list of %d numbers (entry %d)", key, count, i);
    }
    return FIG_OK;
}

static fig_status get_classes(const fig__json *json, fig_data_spec *spec, fig_error *err)
{
    const fig__json *list = fig__json_get(json, "class_names");
    FIG_TRY(get_int(json, "classes", 0, MAX_CLASSES, 0, &spec->classes, err));
    if (!list)
        return FIG_OK;
    if (!fig__json_is_array(list) || fig__json_count(list) != (size_t)spec->classes)
        return fig_fail(err, FIG_E_FORMAT, "data: \"class_names\" must be a list of %d names", spec->classes);
    spec->class_names = fig__alloc((size_t)spec->classes * sizeof *spec->class_names + 1);
    for (int i = 0; i < spec->classes; i++) {
        const char *name = fig__json_text(fig__json_at(list, (size_t)i), NULL);
        if (!name)
            return fig_fail(err, FIG_E_FORMAT, "data: \"class_names\" entry %d is not text", i);
        spec->class_names[i] = fig__strdup(name);
    }
    return FIG_OK;
}

/* The place of a word in a list; the list's first word when the key is not there. */
static fig_status get_choice(const fig__json *json, const char *key, const char *const *names, int count, int *out,
                             fig_error *err)
{
    const char *name = fig__json_text(fig__json_get(json, key), names[0]);
    for (int i = 0; i < count; i++)
        if (!strcmp(name, names[i]))
            return *out = i, FIG_OK;
    return fig_fail(err, FIG_E_FORMAT, "data: \"%s\" is \"%.40s\", expected one of %d words such as %s", key, name, count,
                    names[1]);
}

static fig_status get_background(const fig__json *json, fig_data_spec *spec, fig_error *err)
{
    const char *text = fig__json_text(fig__json_get(json, "background"), "#ffffff");
    unsigned value = 0;
    int used = 0;
    if (strlen(text) != 7 || sscanf(text, "#%6x%n", &value, &used) != 1 || used != 7)
        return fig_fail(err, FIG_E_FORMAT, "data: \"background\" is \"%.40s\", expected a colour such as #ffffff", text);
    for (int c = 0; c < 3; c++)
        spec->background[c] = (unsigned char)(value >> (16 - 8 * c));
    return FIG_OK;
}

static fig_status get_affine(const fig__json *json, int count, fig_data_spec *spec, fig_error *err)
{
    FIG_TRY(get_numbers(json, "offset", count, &spec->offset, err));
    FIG_TRY(get_numbers(json, "scale", count, &spec->scale, err));
    for (int i = 0; spec->scale && i < count; i++)
        if (!(spec->scale[i] > 0))
            return fig_fail(err, FIG_E_FORMAT, "data: \"scale\" must be above 0 (entry %d)", i);
    if (!spec->offset != !spec->scale)
        return fig_fail(err, FIG_E_FORMAT, "data: \"offset\" and \"scale\" belong together");
    return FIG_OK;
}

static fig_status get_images(const fig__json *json, fig_data_spec *spec, fig_error *err)
{
    FIG_TRY(get_int(json, "height", 1, FIG__MAX_SIDE, -1, &spec->height, err));
    FIG_TRY(get_int(json, "width", 1, FIG__MAX_SIDE, -1, &spec->width, err));
    FIG_TRY(get_int(json, "channels", 1, 3, -1, &spec->channels, err));
    FIG_TRY(fig__picture_limits((uint64_t)spec->width, (uint64_t)spec->height, err));
    spec->low = (float)fig__json_number(fig__json_get(json, "low"), NAN);
    spec->high = (float)fig__json_number(fig__json_get(json, "high"), NAN);
    if (spec->channels == 2 || !isfinite(spec->low) || !isfinite(spec->high) || !(spec->low < spec->high))
        return fig_fail(err, FIG_E_FORMAT, "data: pictures need 1 or 3 channels and a range \"low\" < \"high\"");
    int word = 0;
    FIG_TRY(get_choice(json, "binarise", binarise_names, 3, &word, err));
    spec->binarise = (fig_binarise)word;
    FIG_TRY(get_choice(json, "resize", resize_names, 4, &word, err));
    spec->resize = (fig_resize)word;
    FIG_TRY(get_choice(json, "values", values_names, 4, &word, err));
    spec->values = (fig_values)word;
    FIG_TRY(get_background(json, spec, err));
    return get_affine(json, spec->channels, spec, err);
}

static fig_status get_points(const fig__json *json, fig_data_spec *spec, fig_error *err)
{
    FIG_TRY(get_int(json, "dimensions", 1, MAX_DIMENSIONS, -1, &spec->dimensions, err));
    return get_affine(json, spec->dimensions, spec, err);
}

static fig_status get_text(const fig__json *json, fig_data_spec *spec, fig_error *err)
{
    FIG_TRY(get_int(json, "context", 1, MAX_CONTEXT, -1, &spec->context, err));
    const fig__json *tokenizer = fig__json_get(json, "tokenizer");
    if (!fig__json_is_object(tokenizer))
        return fig_fail(err, FIG_E_FORMAT, "data: no \"tokenizer\"");
    FIG_TRY(fig__tokenizer_load(tokenizer, &spec->tokenizer, err));
    spec->vocabulary = spec->tokenizer->size;
    return FIG_OK;
}

static fig_status get_spec(const fig__json *json, fig_data_spec *spec, fig_error *err)
{
    const char *kind = fig__json_text(fig__json_get(json, "kind"), "");
    for (size_t i = 0; i < sizeof kind_names / sizeof *kind_names; i++)
        if (!strcmp(kind, kind_names[i].name))
            spec->kind = kind_names[i].kind;
    if (spec->kind == FIG_DATA_NONE)
        return fig_fail(err, FIG_E_FORMAT, "data: \"kind\" is \"%.40s\", expected images, text or points", kind);
    fig__spec_set_name(spec, fig__json_text(fig__json_get(json, "name"), ""));
    copy_text(spec->data_hash, sizeof spec->data_hash, fig__json_text(fig__json_get(json, "data_hash"), ""));
    spec->validation = fig__json_number(fig__json_get(json, "validation"), 0);
    spec->test = fig__json_number(fig__json_get(json, "test"), 0);
    if (!(spec->validation >= 0 && spec->validation <= 0.5) || !(spec->test >= 0 && spec->test <= 0.5))
        return fig_fail(err, FIG_E_FORMAT, "data: \"validation\" and \"test\" must be 0 to 0.5");
    FIG_TRY(get_classes(json, spec, err));
    return spec->kind == FIG_DATA_IMAGES ? get_images(json, spec, err)
           : spec->kind == FIG_DATA_TEXT ? get_text(json, spec, err)
                                         : get_points(json, spec, err);
}

fig_status fig_data_spec_from_json(const char *text, fig_data_spec **out, fig_error *err)
{
    fig__json *json;
    *out = NULL;
    FIG_TRY(fig__json_parse(text, strlen(text), "data", &json, err));
    fig_data_spec *spec = fig__spec_new();
    fig_status status = get_spec(json, spec, err);
    fig__json_free(json);
    if (status == FIG_OK)
        *out = spec;
    else
        fig_data_spec_free(spec);
    return status;
}
