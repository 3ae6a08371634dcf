/* figment/json.h - reading the JSON documents that Figment's functions return
 *
 * fig_show_json, fig_doctor_json, fig_data_report and others return a document as text: what the command prints with --json
 * and what the studio reads. A host that wants single values reads them here. Limits hold (depth, size, no duplicate keys),
 * and every question is safe: a missing key or a value of another type gives NULL or the fallback. */
#ifndef FIGMENT_JSON_H
#define FIGMENT_JSON_H

#include <figment/error.h>
#include <stdbool.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct fig__json fig_json; /* a value; parts belong to the root that was parsed */

typedef enum fig_json_kind {
    FIG_JSON_NONE, /* NULL was asked */
    FIG_JSON_NULL,
    FIG_JSON_BOOL,
    FIG_JSON_NUMBER,
    FIG_JSON_TEXT,
    FIG_JSON_ARRAY,
    FIG_JSON_OBJECT
} fig_json_kind;

/* `where` names the document in messages. Free the root with fig_json_free; NULL is fine there. */
FIG_API fig_status fig_json_parse(const char *text, size_t length, const char *where, fig_json **out, fig_error *err);
FIG_API void fig_json_free(fig_json *root);
FIG_API fig_json_kind fig_json_kind_of(const fig_json *value);
FIG_API const fig_json *fig_json_get(const fig_json *object, const char *key); /* NULL = none */
FIG_API size_t fig_json_count(const fig_json *array_or_object);
FIG_API const fig_json *fig_json_at(const fig_json *array_or_object, size_t index); /* members in file order */
FIG_API const char *fig_json_key(const fig_json *object, size_t index);
FIG_API const char *fig_json_text(const fig_json *value, const char *fallback);
FIG_API double fig_json_number(const fig_json *value, double fallback);
FIG_API bool fig_json_bool(const fig_json *value, bool fallback);

#ifdef __cplusplus
}
#endif
#endif
