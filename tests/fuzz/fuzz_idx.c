/* fuzz_idx.c - IDX files, plain and gzip: opened, prepared, and every picture read */
#include "fuzz_file.h"
#include "data/prepared.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    char name[64];
    int file = fuzz_file(bytes, size, "idx", name, sizeof name);
    fig_data *data;
    fig_error err = { 0 };
    if (fig_data_open(name, NULL, &data, &err) == FIG_OK) {
        fig_data_request request = { .kinds = FIG_DATA_IMAGES, .height = 5, .width = 4, .channels = 3 };
        if (fig_data_prepare(data, &request, &err) == FIG_OK) {
            fig__picture_reader *reader = fig__picture_reader_new(data);
            for (int64_t i = 0; i < fig_data_items(data, FIG_TRAIN_SPLIT) && i < 20; i++) {
                const uint8_t *pixels;
                if (fig__picture_reader_get(reader, FIG_TRAIN_SPLIT, i, &pixels, NULL) != FIG_OK)
                    abort();
            }
            fig__picture_reader_free(reader);
        }
        fig_data_free(data);
    }
    close(file);
    return 0;
}
