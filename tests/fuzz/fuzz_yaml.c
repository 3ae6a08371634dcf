/* fuzz_yaml.c - any bytes as a run file: refused, or rows whose values read back the same when written again */
#include "core/core.h"
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fig_error err = { 0 };
    fig__yaml yaml, again;
    if (fig__yaml_parse((const char *)data, size, "fuzz", &yaml, &err) != FIG_OK)
        return 0;
    fig__text text;
    fig__text_init(&text, 16 << 20);
    for (size_t i = 0; i < yaml.count; i++) {
        fig__text_print(&text, "k%zu: ", i);
        fig__yaml_scalar(&text, yaml.rows[i].value);
        fig__text_add(&text, "\n", 1);
    }
    if (text.length && !text.overflow && text.length < 4 << 20) {
        fig_status status = fig__yaml_parse(text.data, text.length, "again", &again, &err);
        FIG_BUG_IF(status != FIG_OK, "%s", err.message);
        FIG_BUG_IF(again.count != yaml.count, "%zu rows became %zu", yaml.count, again.count);
        for (size_t i = 0; i < yaml.count; i++)
            FIG_BUG_IF(strcmp(again.rows[i].value, yaml.rows[i].value), "row %zu changed", i);
        fig__yaml_free(&again);
    }
    fig__text_free(&text);
    fig__yaml_free(&yaml);
    return 0;
}
