/* fuzz_choices.c - any bytes as a table of measured kernels: rows of the right form are kept, and read back the same when written */
#include "exec/choices.h"
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fig_choices *choices = fig__choices_new(), *again = fig__choices_new();
    fig__choices_read(choices, (const char *)data, size);
    FIG_BUG_IF(choices->count > FIG__CHOICES_MAX, "%d rows", choices->count);
    for (int i = 0; i < choices->count; i++)
        choices->row[i].used = true;
    char *text = fig__choices_text(choices);
    fig__choices_read(again, text, strlen(text));
    FIG_BUG_IF(again->count != choices->count, "%d rows became %d", choices->count, again->count);
    for (int i = 0; i < choices->count; i++) {
        const fig__choice *row = fig__choices_find(again, choices->row[i].key);
        FIG_BUG_IF(!row || strcmp(row->kernel, choices->row[i].kernel), "row %d changed", i);
    }
    free(text);
    fig__choices_free(choices);
    fig__choices_free(again);
    return 0;
}
