/* sample/classes.c - which class each sample is to be of
 *
 * Sample i is of the i-th class asked for, counted around, so that it depends on the request and i alone and classes are as even as
 * they can be. Names are matched whole before they are taken for numbers: a class may be called "3" and stand elsewhere. */
#include "sample/sampler.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_NAMED = 4096, NO_CLASS = -1, UNKNOWN = -2 };

/* A class by name or number; "none" where no class is called so. */
static int32_t find_class(const fig_data_spec *data, const char *word)
{
    for (int i = 0; data->class_names && i < data->classes; i++)
        if (data->class_names[i] && !strcmp(data->class_names[i], word))
            return i;
    char *end;
    errno = 0;
    long number = strtol(word, &end, 10);
    if (end != word && !*end && !errno && number >= 0 && number < data->classes)
        return (int32_t)number;
    return strcmp(word, "none") ? UNKNOWN : NO_CLASS;
}

static fig_status unknown_class(const fig_data_spec *data, const char *word, fig_error *err)
{
    char list[400] = "";
    size_t used = 0;
    for (int i = 0; data->class_names && i < data->classes && i < 12; i++)
        used += (size_t)snprintf(list + used, sizeof list - used, "%s%.24s", i ? ", " : ": ",
                                 data->class_names[i] ? data->class_names[i] : "");
    return fig_fail(err, FIG_E_USAGE, "class \"%.60s\" is not one of the model's %d%s%s", word, data->classes, list,
                    data->class_names && data->classes > 12 ? " ..." : "");
}

static fig_status add_class(fig_sampler *s, const char *word, fig_error *err)
{
    const fig_data_spec *data = s->trained->data;
    int32_t found = find_class(data, word);
    if (found == UNKNOWN)
        return unknown_class(data, word, err);
    if (found == NO_CLASS && !s->decl->unlabelled)
        return fig_fail(err, FIG_E_USAGE, "class none: this model was trained with the class of every example; see its label_dropout");
    if (s->n_classes == MOST_NAMED)
        return fig_fail(err, FIG_E_LIMIT, "class: more than %d are named", MOST_NAMED);
    s->classes[s->n_classes++] = found;
    return FIG_OK;
}

fig_status fig__sampler_read_classes(fig_sampler *s, fig_error *err)
{
    const char *text = s->opts.classes;
    if (!text)
        return FIG_OK;
    if (fig_is_none(s->decl->label))
        return fig_fail(err, FIG_E_USAGE, "class: this model does not tell classes apart, so none can be asked for");
    s->classes = fig__alloc(sizeof *s->classes * MOST_NAMED);
    if (find_class(s->trained->data, text) != UNKNOWN) /* a name may hold commas */
        return add_class(s, text, err);
    char *copy = fig__strdup(text), *rest = copy, *word;
    fig_status status = FIG_OK;
    while (status == FIG_OK && (word = strsep(&rest, ",")))
        status = add_class(s, word, err);
    free(copy);
    return status;
}

int32_t fig__sampler_class_of(const fig_sampler *s, int64_t sample)
{
    if (s->n_classes)
        return s->classes[sample % s->n_classes];
    return s->trained->data->classes > 0 ? (int32_t)(sample % s->trained->data->classes) : NO_CLASS;
}
