/* fuzz_numpy.c - numpy's .npy and .npz: opened, prepared, and the first items read */
#include "fuzz_file.h"
#include "data/prepared.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    char name[64];
    int file = fuzz_file(bytes, size, "numpy", name, sizeof name);
    fig_data *data;
    fig_error err = { 0 };
    if (fig_data_open(name, NULL, &data, &err) == FIG_OK) {
        fig_data_request request = { .kinds = FIG_DATA_IMAGES | FIG_DATA_POINTS };
        if (fig_data_get_info(data)->kind == FIG_DATA_IMAGES)
            request.height = 4, request.width = 3;
        fig_loader *loader;
        const fig_batch *batch;
        if (fig_data_prepare(data, &request, NULL) == FIG_OK &&
            fig_loader_new(data, &(fig_loader_opts){ .batch = 3, .order = FIG_ORDER_SEQUENTIAL }, &loader, NULL) == FIG_OK) {
            if (fig_loader_next(loader, &batch, NULL) != FIG_OK)
                abort();
            fig_loader_free(loader);
        }
        fig_data_free(data);
    }
    close(file);
    return 0;
}
