/* sources.c - the list of data sources, and asking each whose a path is */
#include "data/source.h"
#include <string.h>

#define FIG_SOURCE(name) extern const fig_source fig_source_##name;
#include "sources.def"
#undef FIG_SOURCE
static const fig_source *const sources[] = {
#define FIG_SOURCE(name) &fig_source_##name,
#include "sources.def"
#undef FIG_SOURCE
};

const fig_source *fig__source_find(const char *name, size_t length)
{
    for (size_t i = 0; i < sizeof sources / sizeof *sources; i++)
        if (strlen(sources[i]->name) == length && !memcmp(sources[i]->name, name, length))
            return sources[i];
    return NULL;
}

const fig_source *fig__source_probe(const char *path, int *score)
{
    const fig_source *best = NULL;
    bool folder = fig__path_is_folder(path);
    *score = 0;
    for (size_t i = 0; i < sizeof sources / sizeof *sources; i++) {
        int found = sources[i]->probe ? sources[i]->probe(path, folder) : 0;
        if (found > *score) {
            *score = found;
            best = sources[i];
        }
    }
    return best;
}

char *fig__source_names(void)
{
    fig__text text;
    fig__text_init(&text, 4096);
    for (size_t i = 0; i < sizeof sources / sizeof *sources; i++)
        fig__text_print(&text, "%s%s", i ? ", " : "", sources[i]->name);
    return text.data;
}
