/* fuzz_csv.c - tables of points: opened, standardised, reported */
#include "fuzz_file.h"
#include "data/prepared.h"
#include <math.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    char name[64], *json;
    int file = fuzz_file(bytes, size, "csv", name, sizeof name);
    fig_data *data;
    if (fig_data_open(name, NULL, &data, NULL) == FIG_OK) {
        if (fig_data_prepare(data, &(fig_data_request){ .kinds = FIG_DATA_POINTS, .standardise = true }, NULL) ==
            FIG_OK)
            for (int64_t i = 0; i < fig_data_items(data, FIG_TRAIN_SPLIT) * fig_data_get_info(data)->dimensions; i++)
                if (!isfinite(data->points[FIG_TRAIN_SPLIT][i]))
                    abort();
        if (fig_data_report(data, true, &json, NULL) == FIG_OK)
            free(json);
        fig_data_free(data);
    }
    close(file);
    return 0;
}
