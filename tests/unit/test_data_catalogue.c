/* test_data_catalogue.c - the catalogue, and fetching with stand-ins for apt-get, npm, dpkg-deb and curl: nothing
 * leaves this machine */
#include "sample_data.h"
#include "test.h"
#include "data/catalogue.h"
#include <figment/data.h>

static const char *home;
static char cache[300];

/* A folder that is FIGMENT_HOME, and bin/ in it as the first place of programs. */
static void begin(void)
{
    home = sample_folder();
    char path[1000];
    const char *before = getenv("TEST_PATH") ? getenv("TEST_PATH") : getenv("PATH");
    setenv("TEST_PATH", before, 1);
    snprintf(path, sizeof path, "%s/bin:/usr/bin:/bin", home);
    setenv("PATH", path, 1);
    setenv("FIGMENT_HOME", home, 1);
    snprintf(cache, sizeof cache, "%s/cache/datasets", home);
}

static void program(const char *name, const char *text)
{
    char path[400], script[2000];
    snprintf(path, sizeof path, "%s/bin/%s", home, name);
    snprintf(script, sizeof script, "#!/bin/sh\necho run >>%s/%s.log\n%s\n", home, name, text);
    sample_text(path, script);
    chmod(path, 0755);
}

static bool has_run(const char *name)
{
    char path[400];
    snprintf(path, sizeof path, "%s/%s.log", home, name);
    bool there = fig__path_exists(path);
    remove(path);
    return there;
}

static char sums[2][65];

/* A catalogue with one set of two files, "hello\n" and "world\n", and one place. */
static fig_status get(const char *place, const fig_data_open_opts *opts, fig_error *err)
{
    char text[2000];
    fig__sha256_of("hello\n", 6, sums[0]);
    fig__sha256_of("world\n", 6, sums[1]);
    snprintf(text, sizeof text,
             "datasets:\n  tiny:\n    title: t\n    items: i\n    source: text\n    licence: l\n    files:\n"
             "      - name: a.txt\n        bytes: 6\n        sha256: %s\n"
             "      - name: b.txt\n        bytes: 6\n        sha256: %s\n    places:\n%s",
             sums[0], sums[1], place);
    fig__catalogue catalogue;
    CHECK_OK(fig__catalogue_read(text, strlen(text), &catalogue, err), *err);
    char *path = NULL;
    fig_status status = fig__dataset_get(fig__catalogue_find(&catalogue, "tiny"), opts, &path, err);
    if (status == FIG_OK) {
        CHECK_TEXT(path, sample_path(cache, "tiny"));
        char *data;
        uint64_t length;
        CHECK_OK(fig__file_read(sample_path(path, "b.txt"), 100, &data, &length, err), *err);
        CHECK_TEXT(data, "world\n");
        free(data);
        CHECK(fig__path_exists(sample_path(path, "complete.json")));
        CHECK(!fig__path_exists(sample_path(cache, "tiny.partial")));
    }
    free(path);
    fig__catalogue_free(&catalogue);
    return status;
}

static const char npm_place[] = "      - kind: npm\n        what: tiny@1\n        from: package/data\n";
static const char url_place[] = "      - kind: url\n        what: https://example.org/\n        suffix: .gz\n";
static const char good_npm[] =
    "mkdir -p package/data && echo hello >package/data/a.txt && echo world >package/data/b.txt && "
    "tar -czf tiny-1.tgz package && rm -r package";
/* curl --output NAME is the 10th word, the address the 11th; goes on at the end of what is there, as curl does */
static const char good_curl[] =
    "shift 9; name=$1; case $name in a*) w=hello;; *) w=world;; esac; echo $w | gzip -n >$name";

FIG_TEST(the_built_in_catalogue)
{
    begin();
    fig_error err = { 0 };
    fig__catalogue catalogue;
    CHECK_OK(fig__catalogue_load(&catalogue, &err), err);
    static const char *const names[] = { "mnist", "fashion-mnist", "jargon", "moby-dick" };
    for (int i = 0; i < 4; i++)
        CHECK(fig__catalogue_find(&catalogue, names[i]) != NULL);
    const fig__dataset *fashion = fig__catalogue_find(&catalogue, "fashion-mnist");
    REQUIRE(fashion);
    CHECK_INT(fashion->class_count, 10);
    CHECK_TEXT(fashion->classes[9], "ankle boot");
    CHECK_INT(fashion->file_count, 4);
    CHECK_TEXT(fashion->places[0].kind, "installed");
    fig__catalogue_free(&catalogue);

    char *json;
    CHECK_OK(fig_data_catalogue(&json, &err), err);
    fig__json *root;
    CHECK_OK(fig__json_parse(json, strlen(json), "catalogue", &root, &err), err);
    CHECK_TEXT(fig__json_text(fig__json_get(root, "schema"), ""), "figment.catalogue/1");
    const fig__json *sets = fig__json_get(root, "datasets");
    CHECK(fig__json_count(sets) >= 4);
    CHECK_TEXT(fig__json_text(fig__json_get(fig__json_at(sets, 0), "state"), ""), "absent");
    fig__json_free(root);
    free(json);

    fig_data *data;
    char *path;
    CHECK_FAILS(fig_data_open("mnits", NULL, &data, &err), err, FIG_E_NOT_FOUND, "did you mean mnist?");
    CHECK_FAILS(fig_data_get("qqqqqqqqq", NULL, &path, &err), err, FIG_E_NOT_FOUND, "no data set of this name");
    CHECK_FAILS(fig_data_open("mnist", &(fig_data_open_opts){ .offline = true }, &data, &err), err, FIG_E_NOT_FOUND,
                "not in the cache");
    sample_folder_end(home);
}

FIG_TEST(packages)
{
    begin();
    fig_error err = { 0 };
    program("npm", good_npm);
    CHECK_OK(get(npm_place, NULL, &err), err);
    CHECK(has_run("npm"));
    CHECK_OK(get(npm_place, NULL, &err), err); /* from the cache */
    CHECK(!has_run("npm"));
    CHECK_OK(get(npm_place, &(fig_data_open_opts){ .offline = true }, &err), err);
    sample_folder_end(home);

    begin();
    program("apt-get", "[ \"$1 $2\" = 'download tiny-data' ] && echo x >tiny_1.deb");
    program("dpkg-deb", "mkdir -p usr/share/tiny && echo hello | gzip >usr/share/tiny/a.txt.gz && echo world | gzip "
                        ">usr/share/tiny/b.txt.gz");
    CHECK_OK(get("      - kind: debian\n        what: tiny-data\n        from: usr/share/tiny\n        suffix: .gz\n",
                 NULL, &err),
             err);
    sample_folder_end(home);
}

FIG_TEST(the_next_place_when_one_fails)
{
    begin();
    fig_error err = { 0 };
    program("npm", "echo 'npm ERR! network is down' >&2; exit 1");
    char places[1000];
    snprintf(places, sizeof places, "%s%s", npm_place, url_place);
    program("curl", "echo 'curl: (6) could not resolve host' >&2; exit 6");
    CHECK_FAILS(get(places, NULL, &err), err, FIG_E_IO, "npm ERR! network is down");
    CHECK_INT(get(places, NULL, &err), FIG_E_IO);
    CHECK_HAS(err.message, "could not resolve host");
    CHECK_HAS(err.message, "put a.txt, b.txt into");
    CHECK_HAS(err.message, "/cache/datasets/tiny by hand");
    fig_error_clear(&err);
    program("curl", good_curl);
    CHECK_OK(get(places, NULL, &err), err);
    sample_folder_end(home);
}

FIG_TEST(wrong_content_is_refused)
{
    begin();
    fig_error err = { 0 };
    program("npm", "mkdir -p package/data && echo hellO >package/data/a.txt && echo world >package/data/b.txt && tar "
                   "-czf t.tgz package");
    CHECK_FAILS(get(npm_place, NULL, &err), err, FIG_E_IO, "a.txt is not what the catalogue knows");
    CHECK(!fig__path_exists(sample_path(cache, "tiny")));
    program("npm", good_npm);
    CHECK_OK(get(npm_place, NULL, &err), err);
    sample_folder_end(home);
}

FIG_TEST(goes_on_where_it_stopped)
{
    begin();
    fig_error err = { 0 };
    program("curl", "shift 9; case $1 in b*) exit 18;; esac; echo hello | gzip -n >$1");
    CHECK_INT(get(url_place, NULL, &err), FIG_E_IO);
    fig_error_clear(&err);
    CHECK(fig__path_exists(sample_path(cache, "tiny.partial/a.txt")));
    program("curl",
            "shift 9; case $1 in a*) exit 1;; esac; echo world | gzip -n >$1"); /* must not be asked for a again */
    CHECK_OK(get(url_place, NULL, &err), err);
    sample_folder_end(home);
}

FIG_TEST(by_hand_and_damaged)
{
    begin();
    fig_error err = { 0 };
    program("npm", good_npm);
    sample_text(sample_path(cache, "tiny/a.txt"), "hello\n");
    sample_text(sample_path(cache, "tiny/b.txt"), "world\n");
    CHECK_OK(get(npm_place, &(fig_data_open_opts){ .offline = true }, &err), err);
    CHECK(!has_run("npm"));
    sample_text(sample_path(cache, "tiny/b.txt"), "worl"); /* cut since */
    CHECK_OK(get(npm_place, NULL, &err), err);
    CHECK(has_run("npm"));
    sample_folder_end(home);
}

FIG_TEST(what_is_missing_is_said)
{
    begin();
    fig_error err = { 0 };
    char path[400];
    snprintf(path, sizeof path, "%s/bin", home);
    setenv("PATH", path, 1);
    CHECK_FAILS(get(npm_place, NULL, &err), err, FIG_E_IO, "npm: no such program");
    CHECK_FAILS(get(url_place, NULL, &err), err, FIG_E_IO, "neither curl nor wget is installed");
    setenv("PATH", getenv("TEST_PATH"), 1);
    sample_folder_end(home);
}

FIG_TEST(bad_catalogues)
{
    static const char *const bad[] = {
        "x: 1\n",
        "datasets:\n  a:\n    colour: red\n",
        "datasets:\n  a:\n    title: t\n",
        "datasets:\n  a:\n    title: t\n    items: i\n    licence: l\n    source: text\n    files:\n      - name: "
        "../x\n        bytes: 1\n"
        "        sha256: 0000000000000000000000000000000000000000000000000000000000000000\n    places:\n      - kind: "
        "url\n        what: w\n",
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        fig__catalogue catalogue;
        fig_error err = { 0 };
        CHECK_FAILS(fig__catalogue_read(bad[i], strlen(bad[i]), &catalogue, &err), err, FIG_E_FORMAT, "catalogue");
    }
}

FIG_TEST_MAIN
