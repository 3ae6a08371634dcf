/* eval/scores.c - scores as a JSON document, read back, and which of them may be compared
 *
 * A protocol names everything that a score depends on but the model: the judge and the data it learnt from, sizes, counts,
 * seeds, splits. Two scores may stand side by side when name and protocol are the same, letter for letter. */
#include "registry/trained.h"
#include <figment/use.h>

#include <math.h>
#include <string.h>

char *fig_scores_json(const char *model, const fig_score *scores, int count) { return fig_scores_json_of(model, NULL, scores, count); }

char *fig_scores_json_of(const char *model, const fig_origin *origin, const fig_score *scores, int count)
{
    fig__text out;
    fig__text_init(&out, 1 << 20);
    fig__text_print(&out, "{\"schema\": \"figment.eval/1\", \"model\": ");
    fig__json_put_text(&out, model ? model : "");
    if (origin) {
        fig__text_print(&out, ", \"origin\": ");
        fig__origin_put(origin, &out);
    }
    fig__text_print(&out, ", \"metrics\": [");
    for (int i = 0; i < count; i++) {
        const fig_score *s = &scores[i];
        fig__text_print(&out, "%s{\"name\": ", i ? ", " : "");
        fig__json_put_text(&out, s->name);
        fig__text_print(&out, ", \"value\": ");
        fig__json_put_number(&out, s->value);
        fig__text_print(&out, ", \"unit\": ");
        fig__json_put_text(&out, s->unit);
        fig__text_print(&out, ", \"split\": ");
        fig__json_put_text(&out, s->split);
        fig__text_print(&out, ", \"n\": %lld, \"stderr\": ", (long long)s->count);
        fig__json_put_number(&out, s->standard_error);
        fig__text_print(&out, ", \"better\": \"%s\", \"protocol\": ", s->higher_is_better ? "higher" : "lower");
        fig__json_put_text(&out, s->protocol);
        fig__text_print(&out, "}");
    }
    fig__text_print(&out, "]}");
    return out.data;
}

fig_status fig_scores_comparable(const fig_score *a, const fig_score *b, fig_error *err)
{
    if (strcmp(a->name, b->name))
        return fig_fail(err, FIG_E_CHECK, "%s and %s are different scores", a->name, b->name);
    if (strcmp(a->protocol, b->protocol))
        return fig_fail(err, FIG_E_CHECK, "%s cannot be compared: it was taken by %s and by %s; score both by one protocol", a->name,
                        a->protocol, b->protocol);
    return FIG_OK;
}

/* Whoever wrote the document: what is read from it can be shown. */
static void copy(char *out, size_t size, const fig__json *from) { fig_printable(fig__json_text(from, ""), out, size); }

fig_status fig_scores_read(const char *json, const char *where, char model[256], fig_score *scores, int max, int *count, fig_error *err)
{
    fig__json *root;
    *count = 0;
    FIG_TRY(fig__json_parse(json, strlen(json), where, &root, err));
    const fig__json *list = fig__json_get(root, "metrics");
    fig_status status = FIG_OK;
    if (strcmp(fig__json_text(fig__json_get(root, "schema"), ""), "figment.eval/1") || !fig__json_is_array(list))
        status = fig_fail(err, FIG_E_FORMAT, "%s: is not what `figment eval --json` prints (schema figment.eval/1)", where);
    if (model)
        copy(model, 256, fig__json_get(root, "model"));
    for (size_t i = 0; status == FIG_OK && i < fig__json_count(list) && *count < max; i++) {
        const fig__json *row = fig__json_at(list, i);
        fig_score *s = &scores[(*count)++];
        *s = (fig_score){ .value = fig__json_number(fig__json_get(row, "value"), NAN),
                          .standard_error = fig__json_number(fig__json_get(row, "stderr"), NAN),
                          .count = fig__json_int(fig__json_get(row, "n"), 0) };
        copy(s->name, sizeof s->name, fig__json_get(row, "name"));
        copy(s->unit, sizeof s->unit, fig__json_get(row, "unit"));
        copy(s->split, sizeof s->split, fig__json_get(row, "split"));
        copy(s->protocol, sizeof s->protocol, fig__json_get(row, "protocol"));
        s->higher_is_better = !strcmp(fig__json_text(fig__json_get(row, "better"), ""), "higher");
        if (!s->name[0] || !s->protocol[0])
            status = fig_fail(err, FIG_E_FORMAT, "%s: metric %zu has no name or no protocol", where, i + 1);
    }
    fig__json_free(root);
    return status;
}
