/* test_core_file.c - whole reads with a limit, replacing writes, full disks, folders, maps, running programs */
#include "test.h"
#include "core/core.h"
#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

static char folder[64];

/* A fresh folder in the current one; the tests leave it by clean(). */
static bool begin(void)
{
    strcpy(folder, "test-files-XXXXXX");
    return mkdtemp(folder) && chdir(folder) == 0;
}

static void clean(void)
{
    if (chdir("..") == 0) {
        const char *argv[] = { "rm", "-rf", folder, NULL };
        int code;
        fig__process_run(argv, NULL, NULL, &code, NULL);
    }
}

static size_t files_here(void)
{
    fig__arena *arena = fig__arena_new();
    char **names;
    size_t count = 0;
    fig__list_folder(arena, ".", &names, &count, NULL);
    fig__arena_free(arena);
    return count;
}

static void expect_content(const char *path, const char *expected)
{
    fig_error err = { 0 };
    char *data;
    uint64_t length;
    REQUIRE_OK(fig__file_read(path, 1 << 20, &data, &length, &err), err);
    CHECK_INT(length, strlen(expected));
    CHECK_TEXT(data, expected);
    free(data);
}

FIG_TEST(reading_is_whole_and_limited)
{
    REQUIRE(begin());
    fig_error err = { 0 };
    char *data;
    uint64_t length;
    CHECK_OK(fig__file_write("a", "hello", 5, &err), err);
    expect_content("a", "hello");
    CHECK_OK(fig__file_read("a", 5, &data, &length, &err), err);
    free(data);
    CHECK_FAILS(fig__file_read("a", 4, &data, &length, &err), err, FIG_E_LIMIT, "a: 5 bytes, at most 4");
    CHECK(data == NULL);
    CHECK_FAILS(fig__file_read("none", 4, &data, &length, &err), err, FIG_E_NOT_FOUND, "none: no such file");
    CHECK_FAILS(fig__file_read(".", 4, &data, &length, &err), err, FIG_E_IO, "is a folder");
    CHECK_FAILS(fig__file_read("/dev/zero", 100000, &data, &length, &err), err, FIG_E_LIMIT, "larger than");
    CHECK_OK(fig__file_read("/proc/self/status", 1 << 20, &data, &length, &err), err); /* its size says 0 */
    CHECK(length > 100);
    free(data);
    CHECK_OK(fig__file_write("empty", "", 0, &err), err);
    expect_content("empty", "");
    clean();
}

FIG_TEST(writing_replaces_and_leaves_nothing_behind)
{
    REQUIRE(begin());
    fig_error err = { 0 };
    CHECK_OK(fig__file_write("a", "old", 3, &err), err);
    CHECK(chmod("a", 0640) == 0);
    CHECK(symlink("a", "link") == 0);
    CHECK_OK(fig__file_write("link", "new", 3, &err), err);
    expect_content("a", "new");
    struct stat info;
    CHECK(lstat("link", &info) == 0 && S_ISLNK(info.st_mode));
    CHECK(stat("a", &info) == 0 && (info.st_mode & 0777) == 0640);
    CHECK_INT(files_here(), 2);

    fig__writer *writer;
    REQUIRE_OK(fig__writer_begin("a", &writer, &err), err);
    fig__writer_add(writer, "half", 4);
    fig__writer_abort(writer);
    fig__writer_abort(NULL);
    expect_content("a", "new");
    CHECK_INT(files_here(), 2);

    /* Pieces around the buffer's size. */
    REQUIRE_OK(fig__writer_begin("big", &writer, &err), err);
    static char piece[70000];
    size_t total = 0;
    for (size_t i = 1; i < 2000; i = i * 3 + 1) {
        memset(piece, (int)('a' + i % 26), sizeof piece);
        fig__writer_add(writer, piece, i);
        fig__writer_add(writer, piece, sizeof piece);
        fig__writer_add(writer, piece, 0);
        total += i + sizeof piece;
    }
    CHECK_OK(fig__writer_commit(writer, &err), err);
    CHECK(stat("big", &info) == 0 && (size_t)info.st_size == total);

    CHECK_FAILS(fig__file_write("none/a", "x", 1, &err), err, FIG_E_IO, "none/a: the folder does not exist");
    CHECK_FAILS(fig__file_write(".", "x", 1, &err), err, FIG_E_IO, "is a folder");
    CHECK_FAILS(fig__file_write("a/b", "x", 1, &err), err, FIG_E_IO, "a/b: cannot write");
    CHECK_OK(fig__file_write("/dev/null", "x", 1, &err), err); /* not replaced by a file */
    CHECK(stat("/dev/null", &info) == 0 && S_ISCHR(info.st_mode));
    CHECK_FAILS(fig__file_write("/dev/full", "x", 1, &err), err, FIG_E_IO, "No space left");
    char name[256];
    memset(name, 'n', 255);
    name[255] = 0;
    CHECK_OK(fig__file_write(name, "x", 1, &err), err);
    CHECK_INT(files_here(), 4);
    clean();
}

FIG_TEST(unwritable_folder)
{
    if (getuid() == 0)
        SKIP("root may write anywhere");
    REQUIRE(begin());
    fig_error err = { 0 };
    CHECK(mkdir("locked", 0500) == 0);
    CHECK_FAILS(fig__file_write("locked/a", "x", 1, &err), err, FIG_E_IO, "Permission denied");
    clean();
}

FIG_TEST(full_disk_keeps_the_old_file)
{
    if (getuid() != 0)
        SKIP("only root can mount a small disk");
    REQUIRE(begin());
    CHECK(mkdir("disk", 0700) == 0);
    if (mount("none", "disk", "tmpfs", 0, "size=256k")) {
        clean();
        SKIP("no permission to mount a small disk");
    }
    fig_error err = { 0 };
    CHECK_OK(fig__file_write("disk/a", "old", 3, &err), err);
    size_t bytes = 1 << 20;
    char *big = malloc(bytes);
    memset(big, 'x', bytes);
    CHECK_FAILS(fig__file_write("disk/a", big, bytes, &err), err, FIG_E_IO, "disk/a: cannot write (No space left");
    expect_content("disk/a", "old");
    CHECK_OK(fig__file_append("disk/log", "line\n", 5, &err), err);
    CHECK_FAILS(fig__file_append("disk/log", big, bytes, &err), err, FIG_E_IO, "No space left");
    expect_content("disk/log", "line\n");
    fig__arena *arena = fig__arena_new();
    char **names;
    size_t count;
    CHECK_OK(fig__list_folder(arena, "disk", &names, &count, &err), err);
    CHECK_INT(count, 2);
    fig__arena_free(arena);
    free(big);
    CHECK(umount("disk") == 0);
    clean();
}

FIG_TEST(appending_and_cutting)
{
    REQUIRE(begin());
    fig_error err = { 0 };
    CHECK_OK(fig__file_append("log", "one\n", 4, &err), err);
    CHECK_OK(fig__file_append("log", "two\n", 4, &err), err);
    expect_content("log", "one\ntwo\n");
    CHECK_OK(fig__file_truncate("log", 4, &err), err);
    expect_content("log", "one\n");
    CHECK_FAILS(fig__file_append("/dev/full", "x\n", 2, &err), err, FIG_E_IO, "No space left");
    CHECK_FAILS(fig__file_truncate("none", 4, &err), err, FIG_E_NOT_FOUND, "none");
    CHECK_FAILS(fig__file_append("none/log", "x", 1, &err), err, FIG_E_NOT_FOUND, "none/log");
    clean();
}

FIG_TEST(folders)
{
    REQUIRE(begin());
    fig_error err = { 0 };
    CHECK_OK(fig__make_folders("a/b//c/", &err), err);
    CHECK_OK(fig__make_folders("a/b/c", &err), err);
    CHECK(fig__path_is_folder("a/b/c") && !fig__path_is_folder("a/none"));
    CHECK_OK(fig__file_write("a/file", "x", 1, &err), err);
    CHECK(fig__path_exists("a/file") && !fig__path_is_folder("a/file"));
    CHECK_FAILS(fig__make_folders("a/file/d", &err), err, FIG_E_IO, "a/file");
    CHECK_OK(fig__file_write("a/.hidden", "x", 1, &err), err);
    CHECK_OK(fig__file_write("a/Z", "x", 1, &err), err);
    fig__arena *arena = fig__arena_new();
    char **names;
    size_t count;
    CHECK_OK(fig__list_folder(arena, "a", &names, &count, &err), err);
    REQUIRE(count == 4);
    CHECK_TEXT(names[0], ".hidden");
    CHECK_TEXT(names[1], "Z");
    CHECK_TEXT(names[2], "b");
    CHECK_TEXT(names[3], "file");
    CHECK(names[4] == NULL);
    CHECK_FAILS(fig__list_folder(arena, "none", &names, &count, &err), err, FIG_E_NOT_FOUND, "none");
    CHECK_TEXT(fig__path_join(arena, "a", "b"), "a/b");
    CHECK_TEXT(fig__path_join(arena, "a/", "b"), "a/b");
    CHECK_TEXT(fig__path_join(arena, "", "b"), "b");
    CHECK_TEXT(fig__path_join(arena, "a", "/b"), "/b");
    fig__arena_free(arena);
    clean();
}

FIG_TEST(cache_folder)
{
    char *old = fig__strdup(getenv("FIGMENT_HOME"));
    setenv("FIGMENT_HOME", "/h", 1);
    char *path = fig__cache_folder();
    CHECK_TEXT(path, "/h/cache");
    free(path);
    unsetenv("FIGMENT_HOME");
    setenv("XDG_CACHE_HOME", "/x", 1);
    path = fig__cache_folder();
    CHECK_TEXT(path, "/x/figment");
    free(path);
    unsetenv("XDG_CACHE_HOME");
    setenv("HOME", "/u", 1);
    path = fig__cache_folder();
    CHECK_TEXT(path, "/u/.cache/figment");
    free(path);
    if (old)
        setenv("FIGMENT_HOME", old, 1);
    free(old);
}

FIG_TEST(maps)
{
    REQUIRE(begin());
    fig_error err = { 0 };
    fig__map map;
    CHECK_OK(fig__file_write("a", "hello", 5, &err), err);
    CHECK_OK(fig__file_write("empty", "", 0, &err), err);
    CHECK_OK(fig__map_open("a", &map, &err), err);
    CHECK(map.length == 5 && !memcmp(map.data, "hello", 5));
    fig__map_close(&map);
    CHECK_OK(fig__map_open("empty", &map, &err), err);
    CHECK(map.length == 0 && map.data != NULL);
    fig__map_close(&map);
    CHECK_FAILS(fig__map_open("none", &map, &err), err, FIG_E_NOT_FOUND, "none");
    CHECK_FAILS(fig__map_open(".", &map, &err), err, FIG_E_IO, "folder");
    CHECK_FAILS(fig__map_open("/dev/null", &map, &err), err, FIG_E_IO, "regular");
    clean();
}

FIG_TEST(programs)
{
    fig_error err = { 0 };
    int code;
    fig__text out;
    fig__text_init(&out, 1 << 20);
    const char *echo[] = { "sh", "-c", "echo out; echo err >&2", NULL };
    CHECK_OK(fig__process_run(echo, NULL, &out, &code, &err), err);
    CHECK_INT(code, 0);
    CHECK_TEXT(out.data, "out\n"); /* standard error is kept back when all went well */
    fig__text_free(&out);
    const char *fails[] = { "sh", "-c", "echo out; echo reason >&2; exit 3", NULL };
    CHECK_OK(fig__process_run(fails, NULL, &out, &code, &err), err);
    CHECK_INT(code, 3);
    CHECK_TEXT(out.data, "out\nreason\n");
    fig__text_free(&out);
    const char *killed[] = { "sh", "-c", "kill -9 $$", NULL };
    CHECK_OK(fig__process_run(killed, NULL, NULL, &code, &err), err);
    CHECK_INT(code, 137);
    const char *where[] = { "pwd", NULL };
    CHECK_OK(fig__process_run(where, "/", &out, &code, &err), err);
    CHECK_TEXT(out.data, "/\n");
    fig__text_free(&out);
    const char *chatty[] = { "sh", "-c", "i=0; while [ $i -lt 3000 ]; do echo 0123456789012345678901234567890123456789 >&2; "
                       "echo abcdefghijklmnopqrstuvwxyz; i=$((i+1)); done; cat", NULL };
    CHECK_OK(fig__process_run(chatty, NULL, &out, &code, &err), err); /* nor does an empty standard input wait */
    CHECK_INT(code, 0);
    CHECK_INT(out.length, 3000 * 27);
    fig__text_free(&out);
    const char *none[] = { "figment-no-such-program", NULL };
    CHECK_FAILS(fig__process_run(none, NULL, NULL, &code, &err), err, FIG_E_NOT_FOUND, "no such program");
    CHECK_FAILS(fig__process_run(echo, "none", NULL, &code, &err), err, FIG_E_NOT_FOUND, "no such folder");
}

FIG_TEST_MAIN
