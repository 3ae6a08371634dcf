/* files.c - finding the files of a data folder
 *
 * Folders are walked with a list, not by recursion, and links are not followed: a link can lead in circles or out of
 * the folder that the user named. The order (by bytes of the names, folder by folder) is part of what makes runs
 * repeatable. */
#include "data/source.h"
#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

/* Deeper nesting is no data set that anyone made on purpose. */
enum { MAX_DEPTH = 32 };

const char *fig__base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

bool fig__has_ending(const char *name, const char *const *endings)
{
    size_t length = strlen(name);
    for (; *endings; endings++) {
        size_t ending = strlen(*endings);
        if (length > ending && !strcasecmp(name + length - ending, *endings))
            return true;
    }
    return false;
}

typedef struct walk {
    fig__arena *arena;
    const char **names, **folders; /* found files; folders still to list, the next one last */
    size_t count, room, folder_count, folder_room;
} walk;

static void push(const char ***list, size_t *count, size_t *room, const char *text)
{
    if (*count == *room) {
        *room = *room ? *room * 2 : 256;
        *list = fig__realloc(*list, *room * sizeof **list);
    }
    (*list)[(*count)++] = text;
}

static int depth_of(const char *path)
{
    int depth = 0;
    for (; *path; path++)
        depth += *path == '/';
    return depth;
}

static fig_status list_one(walk *w, const char *root, const char *folder, bool (*wanted)(const char *), fig__files *out,
                           fig_error *err)
{
    char **entries;
    size_t count, first_folder = w->folder_count;
    FIG_TRY(fig__list_folder(w->arena, *folder ? fig__path_join(w->arena, root, folder) : root, &entries, &count, err));
    for (size_t i = 0; i < count; i++) {
        struct stat info;
        if (entries[i][0] == '.')
            continue;
        char *name = *folder ? fig__path_join(w->arena, folder, entries[i]) : entries[i];
        if (lstat(fig__path_join(w->arena, root, name), &info))
            continue; /* gone since the listing */
        if (S_ISLNK(info.st_mode))
            out->links++;
        else if (S_ISDIR(info.st_mode) && depth_of(name) < MAX_DEPTH)
            push(&w->folders, &w->folder_count, &w->folder_room, name);
        else if (S_ISDIR(info.st_mode))
            out->too_deep++;
        else if (S_ISREG(info.st_mode) && wanted(entries[i]))
            push(&w->names, &w->count, &w->room, name);
    }
    /* The last folder is taken next, so turn the new ones round. */
    for (size_t a = first_folder, b = w->folder_count; a + 1 < b; a++, b--) {
        const char *swap = w->folders[a];
        w->folders[a] = w->folders[b - 1];
        w->folders[b - 1] = swap;
    }
    return FIG_OK;
}

fig_status fig__find_files(fig__arena *arena, const char *root, bool (*wanted)(const char *name), fig__files *out,
                           fig_error *err)
{
    walk w = { .arena = arena };
    *out = (fig__files){ 0 };
    push(&w.folders, &w.folder_count, &w.folder_room, "");
    fig_status status = FIG_OK;
    while (w.folder_count && status == FIG_OK)
        status = list_one(&w, root, w.folders[--w.folder_count], wanted, out, err);
    if (status == FIG_OK) {
        out->names = FIG_NEW_ARRAY(arena, const char *, w.count + 1);
        if (w.count)
            memcpy(out->names, w.names, w.count * sizeof *w.names);
        out->count = w.count;
    }
    free(w.names);
    free(w.folders);
    return status;
}
