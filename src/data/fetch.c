/* fetch.c - bringing the files of one place here: by apt-get, npm, curl or wget, run as they are on this system
 *
 * The programs know where their packages come from and how to check them; nothing of that is repeated here. No shell is
 * involved. What arrives is checked by dataset.c against the catalogue's sums. */
#include "data/catalogue.h"
#include <string.h>

typedef struct place_kind {
    const char *kind;
    fig_status (*fetch)(fig__fetch *fetch, fig_error *err);
} place_kind;

/* The last line that says something, for a one-line message. */
static const char *last_line(fig__arena *arena, const fig__text *output)
{
    if (!output->data)
        return "it gave no reason";
    char *text = fig__arena_text(arena, output->data), *line = NULL;
    for (char *next = strtok(text, "\r\n"); next; next = strtok(NULL, "\r\n"))
        line = strspn(next, " \t") == strlen(next) ? line : next;
    if (!line)
        return "it gave no reason";
    char *clean = fig__arena_alloc(arena, 300);
    fig_printable(line, clean, 300);
    return clean;
}

/* Runs a program in the folder; a program that fails is an error with its own last words. */
static fig_status run(fig__fetch *fetch, const char *const argv[], fig_error *err)
{
    fig__text output;
    int code;
    fig__text_init(&output, 64 << 10);
    fig_status status = fig__process_run(argv, fetch->folder, &output, &code, err);
    if (status == FIG_OK && code)
        status = fig_fail(err, FIG_E_IO, "%s %s failed: %s", argv[0], argv[1], last_line(fetch->arena, &output));
    fig__text_free(&output);
    return status;
}

/* The file in the folder with this ending, or NULL. */
static const char *find_ending(fig__fetch *fetch, const char *ending)
{
    char **names;
    size_t count;
    if (fig__list_folder(fetch->arena, fetch->folder, &names, &count, NULL) == FIG_OK)
        for (size_t i = 0; i < count; i++)
            if (fig__ends_with(names[i], ending))
                return fig__path_join(fetch->arena, fetch->folder, names[i]);
    return NULL;
}

/* Where a file lies once a package is unpacked in the folder: from/name + suffix. */
static const char *inside(const fig__fetch *fetch, size_t file)
{
    return fig__arena_format(fetch->arena, "%s/%s%s", fetch->place->from, fetch->set->files[file].name,
                             fetch->place->suffix);
}

static fig_status hand_over(fig__fetch *fetch, fig_error *err)
{
    for (size_t i = 0; i < fetch->set->file_count; i++)
        if (fetch->wanted(fetch->user, i))
            FIG_TRY(fetch->arrived(fetch->user, i, fig__path_join(fetch->arena, fetch->folder, inside(fetch, i)), err));
    return FIG_OK;
}

static fig_status fetch_installed(fig__fetch *fetch, fig_error *err)
{
    return fig_fail(err, FIG_E_NOT_FOUND, "not installed in %s", fetch->place->what);
}

static fig_status fetch_debian(fig__fetch *fetch, fig_error *err)
{
    FIG_TRY(run(fetch, (const char *[]){ "apt-get", "download", fetch->place->what, NULL }, err));
    const char *package = find_ending(fetch, ".deb");
    if (!package)
        return fig_fail(err, FIG_E_IO, "apt-get download left no package");
    FIG_TRY(run(fetch, (const char *[]){ "dpkg-deb", "--extract", package, ".", NULL }, err));
    return hand_over(fetch, err);
}

static fig_status fetch_npm(fig__fetch *fetch, fig_error *err)
{
    FIG_TRY(run(fetch, (const char *[]){ "npm", "pack", "--silent", fetch->place->what, NULL }, err));
    const char *package = find_ending(fetch, ".tgz");
    if (!package)
        return fig_fail(err, FIG_E_IO, "npm pack left no package");
    const char **argv = FIG_NEW_ARRAY(fetch->arena, const char *, fetch->set->file_count + 5);
    size_t count = 0;
    argv[count++] = "tar";
    argv[count++] = "-xzf";
    argv[count++] = package;
    argv[count++] = "--no-same-owner";
    for (size_t i = 0; i < fetch->set->file_count; i++)
        argv[count++] = inside(fetch, i);
    FIG_TRY(run(fetch, argv, err));
    return hand_over(fetch, err);
}

/* One file from an address; both programs go on where an earlier try stopped. */
static fig_status fetch_address(fig__fetch *fetch, const char *address, const char *name, fig_error *err)
{
    fig_error inner = { 0 };
    fig_status status = run(fetch,
                            (const char *[]){ "curl", "--fail", "--location", "--silent", "--show-error", "--proto",
                                              "=https", "--continue-at", "-", "--output", name, address, NULL },
                            &inner);
    if (status != FIG_E_NOT_FOUND)
        return status == FIG_OK ? FIG_OK : fig_fail(err, status, "%s", inner.message);
    fig_error_clear(&inner);
    status = run(
        fetch,
        (const char *[]){ "wget", "--quiet", "--https-only", "--continue", "--output-document", name, address, NULL },
        &inner);
    if (status == FIG_E_NOT_FOUND)
        return fig_fail(err, FIG_E_NOT_FOUND, "neither curl nor wget is installed");
    return status == FIG_OK ? FIG_OK : fig_fail(err, status, "%s", inner.message);
}

/* A piece of an earlier try may be all of it already, or of another file: then going on fails, and it is fetched
 * anew. */
static fig_status fetch_file(fig__fetch *fetch, size_t file, fig_error *err)
{
    const char *name = fig__arena_format(fetch->arena, "%s%s", fetch->set->files[file].name, fetch->place->suffix);
    const char *path = fig__path_join(fetch->arena, fetch->folder, name);
    const char *address = fig__arena_format(fetch->arena, "%s%s", fetch->place->what, name);
    bool piece = fig__path_exists(path);
    fig_error inner = { 0 };
    fig_status status = fetch_address(fetch, address, name, &inner);
    if (status == FIG_OK)
        status = fetch->arrived(fetch->user, file, path, &inner);
    else if (piece && fetch->arrived(fetch->user, file, path, NULL) == FIG_OK)
        status = FIG_OK;
    if (status == FIG_E_FORMAT && piece) {
        remove(path);
        return fetch_file(fetch, file, err);
    }
    if (status == FIG_E_FORMAT || status == FIG_OK)
        remove(path);
    return status == FIG_OK ? FIG_OK : fig_fail(err, status, "%s", inner.message);
}

static fig_status fetch_url(fig__fetch *fetch, fig_error *err)
{
    fetch->keep = true;
    for (size_t i = 0; i < fetch->set->file_count; i++)
        if (fetch->wanted(fetch->user, i))
            FIG_TRY(fetch_file(fetch, i, err));
    return FIG_OK;
}

static const place_kind kinds[] = {
    { "installed", fetch_installed },
    { "debian", fetch_debian },
    { "npm", fetch_npm },
    { "url", fetch_url },
};

fig_status fig__fetch_place(fig__fetch *fetch, fig_error *err)
{
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (!strcmp(kinds[i].kind, fetch->place->kind))
            return kinds[i].fetch(fetch, err);
    return fig_fail(err, FIG_E_FORMAT, "catalogue: \"%s\" is no kind of place", fetch->place->kind);
}
