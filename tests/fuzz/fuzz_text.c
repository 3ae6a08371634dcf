/* fuzz_text.c - text of any bytes: tokens read back as the same bytes; reports are JSON */
#include "fuzz_file.h"
#include "data/prepared.h"
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void read_back(const fig_data *data)
{
    const fig__tokens *tokens = &data->tokens[FIG_TRAIN_SPLIT];
    const char *text = data->contents.text[FIG_TRAIN_SPLIT];
    int64_t at = 0;
    for (int64_t i = 0; i < tokens->count; i++) {
        int length, id = tokens->width == 1 ? ((const uint8_t *)tokens->ids)[i] : ((const uint16_t *)tokens->ids)[i];
        const char *piece = fig_tokenizer_piece(data->spec->tokenizer, id, &length);
        if (memcmp(text + at, piece, (size_t)length))
            abort();
        at += length;
    }
    if (at != data->contents.info.items[FIG_TRAIN_SPLIT])
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    char name[64], *json;
    int file = fuzz_file(bytes, size, "text", name, sizeof name);
    fig_data *data;
    if (fig_data_open(name, NULL, &data, NULL) == FIG_OK) {
        if (fig_data_prepare(data, &(fig_data_request){ .kinds = FIG_DATA_TEXT, .context = 1 }, NULL) == FIG_OK)
            read_back(data);
        if (size % 64 == 0 && fig_data_report(data, true, &json, NULL) == FIG_OK) {
            fig__json *root;
            if (fig__json_parse(json, strlen(json), "report", &root, NULL) != FIG_OK)
                abort();
            fig__json_free(root);
            free(json);
        }
        fig_data_free(data);
    }
    close(file);
    return 0;
}
