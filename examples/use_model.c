/* use_model.c - a trained model in five lines: load, sample, save, free
 *
 *     use_model run/model.safetensors sheet.png */
#include <figment/use.h>
#include <stdio.h>

int main(int argc, char **argv)
{
    fig_trained *model = NULL;
    fig_samples *samples = NULL;
    fig_error err = { 0 };
    if (fig_load(NULL, argc > 1 ? argv[1] : "run", &model, &err) == FIG_OK &&
        fig_sample(model, &(fig_sample_opts){ .count = 64, .seed = 1 }, &samples, &err) == FIG_OK)
        fig_samples_save(samples, argc > 2 ? argv[2] : "sheet.png", &err);
    fig_samples_free(samples);
    fig_trained_free(model);
    if (err.status)
        fprintf(stderr, "use_model: %s\n", err.message);
    return fig_status_exit_code(err.status);
}
