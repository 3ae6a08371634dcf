/* fuzz_spec.c - data specs out of model files: what is accepted writes back and reads again to the same text */
#include "data/prepared.h"
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = fig__alloc(size + 1);
    memcpy(text, data, size);
    fig_data_spec *spec, *again;
    if (fig_data_spec_from_json(text, &spec, NULL) == FIG_OK) {
        char *json = fig_data_spec_to_json(spec);
        if (fig_data_spec_from_json(json, &again, NULL) != FIG_OK)
            abort();
        char *second = fig_data_spec_to_json(again);
        if (strcmp(json, second))
            abort();
        fig_data_spec_free(fig_data_spec_copy(spec));
        fig_data_spec_free(again);
        fig_data_spec_free(spec);
        free(second);
        free(json);
    }
    free(text);
    return 0;
}
