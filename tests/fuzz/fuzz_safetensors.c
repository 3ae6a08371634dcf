/* fuzz_safetensors.c - model files: whatever the bytes, the header is refused or its entries lie inside the data */
#include "interop/safetensors.h"
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fig__safetensors *file;
    fig_error err = { 0 };
    if (fig__safetensors_parse(data, size, "fuzz", &file, &err) != FIG_OK)
        return 0;
    unsigned sum = 0;
    for (size_t i = 0; i < fig__safetensors_count(file); i++) {
        const fig__safetensors_entry *entry = fig__safetensors_at(file, i);
        for (uint64_t k = 0; k < entry->bytes; k++)
            sum += ((const uint8_t *)entry->data)[k];
        if (fig__safetensors_find(file, entry->name) != entry)
            abort();
    }
    fig__safetensors_close(file);
    return sum == 0xffffffff;
}
