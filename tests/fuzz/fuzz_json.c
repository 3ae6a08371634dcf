/* fuzz_json.c - any bytes as JSON: refused or walked, and what is walked can be written again */
#include "core/core.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void walk(const fig__json *value, fig__text *out)
{
    fig__json_put_number(out, fig__json_number(value, fig__json_bool(value, false)));
    fig__json_put_text(out, fig__json_text(value, ""));
    (void)fig__json_int(value, 0);
    for (size_t i = 0; i < fig__json_count(value); i++) {
        const char *key = fig__json_key(value, i);
        FIG_BUG_IF(key && fig__json_get(value, key) != fig__json_value(value, i), "key %zu is not found", i);
        walk(key ? fig__json_value(value, i) : fig__json_at(value, i), out);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fig_error err = { 0 };
    fig__json *json;
    fig_status status = fig__json_parse((const char *)data, size, "fuzz", &json, &err);
    FIG_BUG_IF((status == FIG_OK) != (json != NULL), "status and result differ");
    if (json) {
        fig__text out;
        fig__text_init(&out, 1 << 16);
        walk(json, &out);
        fig__text_free(&out);
    }
    fig__json_free(json);
    return 0;
}
