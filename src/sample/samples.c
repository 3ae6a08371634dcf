/* sample/samples.c - what a sampler has made: values or texts, and taking them from a plan's output */
#include "sample/sampler.h"

#include <stdlib.h>
#include <string.h>

fig_samples *fig__samples_new(const fig_data_spec *data, int64_t count)
{
    fig_samples *s = fig__alloc(sizeof *s);
    *s = (fig_samples){ .kind = data->kind, .wanted = count, .low = data->low, .high = data->high };
    if (data->kind != FIG_DATA_TEXT && data->offset && data->scale) {
        s->units = data->kind == FIG_DATA_IMAGES ? data->channels : data->dimensions;
        size_t bytes = sizeof(double) * (size_t)s->units;
        s->offset = memcpy(fig__alloc(bytes), data->offset, bytes);
        s->scale = memcpy(fig__alloc(bytes), data->scale, bytes);
    }
    s->classes = data->classes;
    if (data->class_names) {
        s->class_name = fig__alloc(sizeof *s->class_name * (size_t)data->classes);
        for (int i = 0; i < data->classes; i++)
            s->class_name[i] = fig__strdup(data->class_names[i]);
    }
    return s;
}

fig_status fig__samples_hold(fig_samples *s, const fig_type *one, fig_error *err)
{
    s->type = *one;
    s->type.rank = one->rank + 1;
    s->type.dim[0] = s->wanted;
    for (int i = 0; i < one->rank; i++)
        s->type.dim[i + 1] = one->dim[i];
    size_t bytes = fig__bytes(&s->type);
    free(s->values);
    s->values = calloc(1, bytes ? bytes : 1);
    if (!s->values)
        return fig_fail(err, FIG_E_LIMIT, "no memory for %lld samples (%zu MB)", (long long)s->wanted, bytes >> 20);
    return FIG_OK;
}

void fig__samples_hold_text(fig_samples *s, size_t longest)
{
    s->text = fig__alloc(sizeof *s->text * (size_t)s->wanted);
    for (int64_t i = 0; i < s->wanted; i++)
        fig__text_init(&s->text[i], longest);
}

/* Points, and pictures if it was asked for, leave the model standardised; people see them in the data's own units. */
static void restore_units(const fig_samples *s, float *values, int64_t rows, int64_t row)
{
    for (int64_t i = 0; s->scale && i < rows; i++)
        for (int64_t d = 0; d < row; d++)
            values[i * row + d] = (float)((double)values[i * row + d] * s->scale[d % s->units] + s->offset[d % s->units]);
}

static int64_t rows_left(const fig_sampler *sampler) /* of the batch in work that are wanted */
{
    int64_t left = sampler->opts.count - sampler->row;
    return left < sampler->batch ? left : sampler->batch;
}

void fig__sampler_take_classes(fig_sampler *sampler)
{
    fig_samples *s = sampler->samples;
    if (fig_is_none(sampler->decl->label))
        return;
    s->label = s->label ? s->label : fig__alloc(sizeof *s->label * (size_t)s->wanted);
    for (int64_t i = sampler->row; i < sampler->row + rows_left(sampler); i++)
        s->label[i] = fig__sampler_class_of(sampler, i);
}

fig_status fig__sampler_take(fig_sampler *sampler, const fig_plan *plan, fig_error *err)
{
    fig_samples *s = sampler->samples;
    fig_type type;
    const char *from = fig_plan_output(plan, 0, &type);
    if (!s->values) {
        fig_type one = { .dtype = type.dtype, .rank = type.rank - 1 };
        memcpy(one.dim, type.dim + 1, sizeof one.dim - sizeof one.dim[0]);
        FIG_TRY(fig__samples_hold(s, &one, err));
    }
    size_t row = fig__bytes(&type) / (size_t)type.dim[0];
    int64_t rows = rows_left(sampler);
    char *to = (char *)s->values + (size_t)sampler->row * row;
    memcpy(to, from, (size_t)rows * row);
    if (s->kind != FIG_DATA_TEXT && type.dtype == FIG_F32)
        restore_units(s, (float *)to, rows, (int64_t)(row / sizeof(float)));
    fig__sampler_take_classes(sampler);
    s->count += rows;
    return FIG_OK;
}

int fig_samples_class(const fig_samples *s, int64_t index)
{
    return s->label && index >= 0 && index < s->count ? (int)s->label[index] : -1;
}

int64_t fig_samples_count(const fig_samples *s) { return s->count; }

const float *fig_samples_values(const fig_samples *s, fig_type *type)
{
    if (!s->values || s->type.dtype != FIG_F32)
        return NULL;
    if (type) {
        *type = s->type;
        type->dim[0] = s->count;
    }
    return s->values;
}

const char *fig_samples_text(const fig_samples *s, int64_t index, int64_t *length)
{
    if (!s->text || index < 0 || index >= s->wanted)
        return NULL;
    const fig__text *text = &s->text[index];
    if (length)
        *length = (int64_t)(text->data ? fig__whole_utf8(text->data, text->length) : 0);
    return text->data ? text->data : "";
}

void fig_samples_free(fig_samples *s)
{
    if (!s)
        return;
    for (int64_t i = 0; s->text && i < s->wanted; i++)
        fig__text_free(&s->text[i]);
    free(s->text);
    free(s->values);
    free(s->offset);
    free(s->scale);
    free(s->label);
    for (int i = 0; s->class_name && i < s->classes; i++)
        free(s->class_name[i]);
    free(s->class_name);
    free(s);
}

size_t fig__whole_utf8(const char *text, size_t length)
{
    /* Steps back over continuation bytes to the last lead byte; keeps it when its character is complete. */
    size_t back = 0;
    while (back < length && back < 4 && ((unsigned char)text[length - 1 - back] & 0xc0) == 0x80)
        back++;
    if (back == length || back == 4)
        return length; /* not UTF-8: nothing to wait for */
    unsigned char lead = (unsigned char)text[length - 1 - back];
    size_t needs = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : lead >= 0xc0 ? 2 : 1;
    return needs > back + 1 ? length - 1 - back : length;
}
