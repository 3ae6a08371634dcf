/* fuzz_cifar.c - CIFAR binary files: opened, and every picture read; the input is repeated to whole records, which are long */
#include "fuzz_file.h"
#include "data/prepared.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    char name[64];
    size_t record = size & 1 ? 3073 : 3074, whole = size ? (size + record - 1) / record * record : 0;
    uint8_t *records = malloc(whole + 1);
    for (size_t i = 0; i < whole; i++)
        records[i] = i % record < 2 ? bytes[i % size] % 12 : bytes[i % size];
    for (int cut = 0; cut < 2; cut++) {
        int file = fuzz_file(cut ? bytes : records, cut ? size : whole, "cifar", name, sizeof name);
        fig_data *data;
        fig_error err = { 0 };
        if (fig_data_open(name, NULL, &data, &err) == FIG_OK) {
            const fig_data_info *info = fig_data_get_info(data);
            for (int64_t i = 0; i < info->items[FIG_TRAIN_SPLIT]; i++) {
                fig_picture picture;
                bool borrowed;
                if (data->source->picture(&data->contents, FIG_TRAIN_SPLIT, i, NULL, &picture, &borrowed, NULL) != FIG_OK ||
                    data->contents.labels[FIG_TRAIN_SPLIT][i] >= info->classes)
                    abort();
                volatile uint8_t last = picture.pixels[3071];
                (void)last;
            }
            fig_data_free(data);
        }
        close(file);
    }
    free(records);
    return 0;
}
