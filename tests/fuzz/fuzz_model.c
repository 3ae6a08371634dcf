/* fuzz_model.c - model files: options, data and tensors of any content are refused, or make a model that can be sampled */
#include "registry/model_file.h"
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static fig_session *session;
    fig__safetensors *file;
    fig_trained *model;
    fig_error err = { 0 };
    if (!session && fig_session_new(&(fig_session_opts){ .threads = 1, .reference_kernels = true }, &session, &err) != FIG_OK)
        abort();
    if (fig__safetensors_parse(data, size, "fuzz", &file, &err) != FIG_OK)
        return 0;
    if (fig__load_unverified(session, file, "fuzz", &model, &err) == FIG_OK) {
        fig_samples *samples = NULL;
        if (fig_sample(model, &(fig_sample_opts){ .count = 2, .batch = 2, .length = 4 }, &samples, &err) == FIG_OK)
            fig_samples_free(samples);
        free(fig_trained_json(model));
        fig_trained_free(model);
    }
    fig__safetensors_close(file);
    return 0;
}
