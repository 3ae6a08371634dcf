/* test_core_place.c - files that come with Figment are found from a build folder and by $FIGMENT_SHARE */
#include "test.h"
#include "core/core.h"
#include <unistd.h>

FIG_TEST(places_around_a_test_program)
{
    fig__arena *arena = fig__arena_new();
    fig__site places[2];
    fig__sites_find(arena, places);
    REQUIRE(places[1].modules != NULL && places[1].share != NULL);
    CHECK(fig__ends_with(places[1].modules, "/modules"));
    CHECK(fig__ends_with(places[1].share, "/share"));
    fig__arena_free(arena);
}

FIG_TEST(share_files)
{
    char folder[] = "test-share-XXXXXX";
    REQUIRE(mkdtemp(folder) != NULL);
    fig_error err = { 0 };
    char *path = fig__format("%s/list.yaml", folder), *found;
    CHECK_OK(fig__file_write(path, "x", 1, &err), err);
    setenv("FIGMENT_SHARE", folder, 1);
    CHECK_OK(fig__share_find("list.yaml", &found, &err), err);
    CHECK_TEXT(found, path);
    free(found);
    CHECK_FAILS(fig__share_find("none.yaml", &found, &err), err, FIG_E_NOT_FOUND, "none.yaml");
    CHECK(found == NULL);
    unsetenv("FIGMENT_SHARE");
    unlink(path);
    rmdir(folder);
    free(path);
}

FIG_TEST_MAIN
