/* place.c - where this installation is: the folders around the code that runs, and the data files that come with it
 *
 * The code is either in a build folder or installed, as the shared library or inside the command; which one is found by
 * asking where this very function was loaded from:
 *
 *     SOURCE/build/figment            build folder (has build.ninja)       modules: build/modules    share: SOURCE/share
 *     SOURCE/build/tests/test_x       one below it                         the same
 *     PREFIX/bin/figment              installed                            PREFIX/FIG_LIBDIR/figment/modules-N, PREFIX/share/figment
 *     PREFIX/FIG_LIBDIR/libfigment.so installed                            the same
 *
 * So a tree may be moved, and nothing compiled in names a folder of the machine that built it. */
#include "core/core.h"
#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>

#ifndef FIG_LIBDIR
#define FIG_LIBDIR "lib" /* from the prefix; the build says it */
#endif

/* Folder of a file, in the arena, or NULL when the path has none or the file does not exist. */
static char *folder_of(fig__arena *arena, const char *path)
{
    char *full = path && strchr(path, '/') ? realpath(path, NULL) : NULL;
    char *folder = fig__arena_text(arena, full);
    free(full);
    char *slash = folder ? strrchr(folder, '/') : NULL;
    if (!slash)
        return NULL;
    *slash = 0;
    return folder;
}

/* The build folder that `folder` is or lies in, or NULL. */
static char *build_folder(fig__arena *arena, const char *folder)
{
    char *here = fig__arena_text(arena, folder), *up = folder_of(arena, folder);
    if (fig__path_exists(fig__path_join(arena, here, "build.ninja")))
        return here;
    return up && fig__path_exists(fig__path_join(arena, up, "build.ninja")) ? up : NULL;
}

/* The prefix that `folder` is the bin or library folder of, or NULL. */
static char *prefix_of(fig__arena *arena, const char *folder)
{
    static const char *const tails[] = { "/bin", "/" FIG_LIBDIR };
    for (size_t i = 0; i < 2; i++)
        if (fig__ends_with(folder, tails[i]))
            return fig__arena_format(arena, "%.*s", (int)(strlen(folder) - strlen(tails[i])), folder);
    return NULL;
}

void fig__sites_find(fig__arena *arena, fig__site places[2])
{
    Dl_info here;
    memset(places, 0, 2 * sizeof *places);
    const char *folders[2] = { NULL, folder_of(arena, "/proc/self/exe") };
    if (dladdr((void *)(uintptr_t)fig__sites_find, &here))
        folders[0] = folder_of(arena, here.dli_fname);
    for (size_t i = 0; i < 2; i++) {
        char *build = folders[i] ? build_folder(arena, folders[i]) : NULL;
        char *prefix = folders[i] && !build ? prefix_of(arena, folders[i]) : NULL;
        if (build) {
            places[i].modules = fig__path_join(arena, build, "modules");
            places[i].share = fig__path_join(arena, folder_of(arena, build), "share");
        } else if (prefix) {
            places[i].modules = fig__arena_format(arena, "%s/%s/figment/modules-%d", prefix, FIG_LIBDIR, FIG_MODULE_ABI);
            places[i].share = fig__arena_format(arena, "%s/share/figment", prefix);
        }
    }
}

fig_status fig__share_find(const char *name, char **path, fig_error *err)
{
    fig__arena *arena = fig__arena_new();
    fig__site places[2];
    fig__sites_find(arena, places);
    const char *folders[] = { getenv("FIGMENT_SHARE"), places[0].share, places[1].share };
    *path = NULL;
    for (size_t i = 0; i < 3 && !*path; i++) {
        if (!folders[i] || !folders[i][0])
            continue;
        char *candidate = fig__path_join(arena, folders[i], name);
        if (fig__path_exists(candidate))
            *path = fig__strdup(candidate);
    }
    fig__arena_free(arena);
    if (*path)
        return FIG_OK;
    return fig_fail(err, FIG_E_NOT_FOUND, "%s: not among Figment's own files; is it installed whole? ($FIGMENT_SHARE can name "
                    "the folder)", name);
}
