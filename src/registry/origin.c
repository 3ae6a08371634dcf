/* registry/origin.c - how a model came to be, read from the documents that tell it: "figment.run/1", "figment.model/1",
 * "figment.eval/1". What a document does not say is NaN or empty, never guessed. */
#include "registry/trained.h"

#include <math.h>
#include <string.h>

/* A value that a document has under one of two objects. */
static const fig__json *either(const fig__json *one, const fig__json *other, const char *key)
{
    const fig__json *found = fig__json_get(one, key);
    return found ? found : fig__json_get(other, key);
}

void fig_origin_read(const char *json, fig_origin *out)
{
    fig__json *root = NULL;
    *out = (fig_origin){ .parameters = NAN, .seconds = NAN, .cpu_seconds = NAN, .validation = NAN, .test = NAN };
    if (!json || fig__json_parse(json, strlen(json), "document", &root, NULL) != FIG_OK)
        return;
    const fig__json *inside = fig__json_get(root, "model"), *told = fig__json_get(root, "origin");
    const fig__json *last = fig__json_get(root, "last_train"), *data = either(inside, root, "data");
    data = told ? fig__json_get(told, "data") : data;
    const fig__json *parameters = told ? fig__json_get(told, "parameters") : fig__json_get(either(inside, root, "parameters"), "all");
    fig_printable(fig__json_text(told ? fig__json_get(told, "recipe") : either(inside, root, "recipe"), ""), out->recipe,
                  sizeof out->recipe);
    fig_printable(fig__json_text(fig__json_get(data, "name"), ""), out->data_name, sizeof out->data_name);
    fig_printable(fig__json_text(fig__json_get(data, "data_hash"), ""), out->data_hash, sizeof out->data_hash);
    out->parameters = fig__json_number(parameters, NAN);
    out->seconds = fig__json_number(fig__json_get(told ? told : last, "seconds"), NAN);
    out->cpu_seconds = fig__json_number(fig__json_get(told ? told : last, "cpu_seconds"), NAN);
    if (out->data_hash[0]) {
        out->validation = fig__json_number(fig__json_get(data, "validation"), 0);
        out->test = fig__json_number(fig__json_get(data, "test"), 0);
    }
    fig__json_free(root);
}

void fig__origin_put(const fig_origin *o, fig__text *out)
{
    const double numbers[] = { o->parameters, o->seconds, o->cpu_seconds };
    static const char *const names[] = { "parameters", "seconds", "cpu_seconds" };
    fig__text_print(out, "{\"recipe\": ");
    fig__json_put_text(out, o->recipe);
    for (int i = 0; i < 3; i++) {
        fig__text_print(out, ", \"%s\": ", names[i]);
        fig__json_put_number(out, numbers[i]);
    }
    fig__text_print(out, ", \"data\": {\"name\": ");
    fig__json_put_text(out, o->data_name);
    fig__text_print(out, ", \"data_hash\": ");
    fig__json_put_text(out, o->data_hash);
    fig__text_print(out, ", \"validation\": ");
    fig__json_put_number(out, o->validation);
    fig__text_print(out, ", \"test\": ");
    fig__json_put_number(out, o->test);
    fig__text_print(out, "}}");
}
