/* module.c - opens a library that is slow to load only when something needs it
 *
 * A module is a shared object NAME.so that exports `const fig__module fig_module`: its ABI number, its name, and a
 * table of functions whose type the caller and the module share through a header. Searched, first found wins:
 *
 *     $FIGMENT_MODULES/NAME.so                     a developer's choice
 *     BUILD/modules/NAME.so                        when running from a build folder
 *     LIBDIR/figment/modules-ABI/NAME.so           installed (place.c says where)
 *
 * A module stays loaded until the process ends, so its table may be kept; opening it again finds the same one. */
#include "core/core.h"
#include <ctype.h>
#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>

typedef struct search {
    fig__arena *arena;
    const char *name, *found; /* full path of the module once found */
} search;

static void look_in(search *s, const char *folder)
{
    if (s->found)
        return;
    char *path = fig__arena_format(s->arena, "%s/%s.so", folder, s->name);
    if (fig__path_exists(path))
        s->found = path;
}

static fig_status check(const char *path, void *handle, const char *name, const fig__module **out, fig_error *err)
{
    const fig__module *module = dlsym(handle, "fig_module");
    if (!module)
        return fig_fail(err, FIG_E_FORMAT, "%s: not a Figment module (no symbol fig_module)", path);
    if (module->abi != FIG_MODULE_ABI)
        return fig_fail(err, FIG_E_FORMAT, "%s: module of ABI %d, this Figment needs %d; install the matching one", path,
                        module->abi, FIG_MODULE_ABI);
    if (!module->name || strcmp(module->name, name) != 0)
        return fig_fail(err, FIG_E_FORMAT, "%s: module calls itself \"%s\", expected \"%s\"", path,
                        module->name ? module->name : "", name);
    *out = module;
    return FIG_OK;
}

fig_status fig__module_open(const char *name, const fig__module **out, fig_error *err)
{
    *out = NULL;
    for (const char *c = name; *c || c == name; c++)
        if (!islower((unsigned char)*c) && !isdigit((unsigned char)*c) && *c != '_' && *c != '-')
            return fig_fail(err, FIG_E_USAGE, "module name \"%s\": only a-z, 0-9, _ and - are allowed", name);

    search s = { .arena = fig__arena_new(), .name = name };
    const char *chosen = getenv("FIGMENT_MODULES");
    if (chosen && chosen[0])
        look_in(&s, chosen);
    fig__site places[2];
    fig__sites_find(s.arena, places);
    for (size_t i = 0; i < 2; i++)
        if (places[i].modules)
            look_in(&s, places[i].modules);

    fig_status status;
    if (!s.found) {
        status = fig_fail(err, FIG_E_NOT_FOUND, "module \"%s\" is not installed (looked for %s.so in $FIGMENT_MODULES and "
                          "figment/modules-%d of the library's folder)", name, name, FIG_MODULE_ABI);
    } else {
        void *handle = dlopen(s.found, RTLD_NOW | RTLD_LOCAL);
        if (!handle) {
            const char *why = dlerror();
            status = fig_fail(err, FIG_E_FAILED, "module \"%s\" does not load: %s", name, why ? why : "unknown reason");
        } else {
            status = check(s.found, handle, name, out, err);
            if (status != FIG_OK)
                dlclose(handle);
        }
    }
    fig__arena_free(s.arena);
    return status;
}
