/* fuzz_run_file.c - run files: any text gives settings within their ranges, or one message */
#include "fuzz_file.h"
#include "train/settings.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char name[64];
    int file = fuzz_file(data, size, "text", name, sizeof name);
    fig__settings s;
    fig__phase_options phase;
    fig_error err = { 0 };
    if (fig__settings_read(&(fig_train_opts){ .run_file = name + 5 }, &s, &err) == FIG_OK) {
        if (fig__settings_resolve(&s, FIG_DATA_IMAGES, &err) == FIG_OK &&
            fig__settings_phase(&s, "generator", "lr=1e-4", &phase, &err) == FIG_OK) {
            static const char *const names[] = { "generator" };
            char *yaml = fig__settings_write(&s, "fuzz", names, &phase, 1);
            if (fig__settings_compare(yaml, yaml, "fuzz", &err) != FIG_OK)
                abort();
            free(yaml);
        }
        fig__settings_free(&s);
    }
    close(file);
    return 0;
}
