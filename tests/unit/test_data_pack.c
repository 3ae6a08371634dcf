/* test_data_pack.c - decoded pictures on disk: found again, never trusted, never needed */
#include "sample_data.h"
#include "test.h"
#include "data/prepared.h"
#include <fcntl.h>
#include <sys/resource.h>
#include <signal.h>

static char home[300];
static void begin_home(void)
{
    snprintf(home, sizeof home, "%s", sample_folder());
    setenv("FIGMENT_HOME", home, 1);
}

/* The first pack of the cache folder; NULL = none. */
static char *the_pack(const char *ending)
{
    fig__arena *arena = fig__arena_new();
    char **names, *found = NULL;
    size_t count;
    char *folder = fig__arena_format(arena, "%s/cache/pictures", home);
    if (fig__list_folder(arena, folder, &names, &count, NULL) == FIG_OK)
        for (size_t i = 0; i < count; i++)
            if (fig__ends_with(names[i], ending) && !found)
                found = fig__strdup(fig__path_join(arena, folder, names[i]));
    fig__arena_free(arena);
    return found;
}

FIG_TEST(items_come_back)
{
    begin_home();
    uint8_t item[100], out[100];
    fig__pack *pack = fig__pack_open("0123456789abcdef0123456789abcdef", 50, sizeof item);
    REQUIRE(pack);
    for (int i = 0; i < 50; i += 2) {
        memset(item, i, sizeof item);
        CHECK(!fig__pack_read(pack, i, out));
        fig__pack_write(pack, i, item);
        CHECK(fig__pack_read(pack, i, out) && out[99] == i);
    }
    fig__pack_close(pack);
    pack = fig__pack_open("0123456789abcdef0123456789abcdef", 50, sizeof item);
    REQUIRE(pack);
    for (int i = 0; i < 50; i++)
        CHECK(fig__pack_read(pack, i, out) == (i % 2 == 0));
    fig__pack_close(pack);
    /* Every byte of one item and its checksum matters; a damaged header starts anew. */
    char *path = the_pack(".pack");
    REQUIRE(path);
    int file = open(path, O_RDWR);
    uint8_t one = 99;
    CHECK(pwrite(file, &one, 1, 4096 + 4 * 100 + 50) == 1);
    CHECK(pwrite(file, &one, 1, 64 + 4 * 6) == 1);
    pack = fig__pack_open("0123456789abcdef0123456789abcdef", 50, sizeof item);
    CHECK(!fig__pack_read(pack, 4, out) && !fig__pack_read(pack, 6, out) && fig__pack_read(pack, 8, out));
    fig__pack_close(pack);
    CHECK(ftruncate(file, 4096 + 1000) == 0); /* cut */
    pack = fig__pack_open("0123456789abcdef0123456789abcdef", 50, sizeof item);
    CHECK(fig__pack_read(pack, 8, out) && !fig__pack_read(pack, 12, out));
    fig__pack_close(pack);
    CHECK(pwrite(file, &one, 1, 9) == 1);
    close(file);
    pack = fig__pack_open("0123456789abcdef0123456789abcdef", 50, sizeof item);
    CHECK(pack && !fig__pack_read(pack, 8, out));
    fig__pack_close(pack);
    /* Other sizes under the same name: anew as well. */
    pack = fig__pack_open("0123456789abcdef0123456789abcdef", 51, sizeof item);
    CHECK(pack && !fig__pack_read(pack, 0, out));
    fig__pack_close(pack);
    free(path);
    sample_folder_end(home);
}

/* A limit on the size of files stands for a full disk: writing fails in the middle. */
FIG_TEST(a_full_disk_ends_the_writing_alone)
{
    begin_home();
    struct rlimit before, limit;
    static uint8_t item[1 << 16], out[1 << 16];
    fig__pack *pack = fig__pack_open("full", 10, sizeof item);
    REQUIRE(pack);
    signal(SIGXFSZ, SIG_IGN);
    getrlimit(RLIMIT_FSIZE, &before);
    limit = before;
    limit.rlim_cur = 3 * sizeof item;
    setrlimit(RLIMIT_FSIZE, &limit);
    for (int i = 0; i < 10; i++) {
        memset(item, i + 1, sizeof item);
        fig__pack_write(pack, i, item);
    }
    setrlimit(RLIMIT_FSIZE, &before);
    CHECK(fig__pack_read(pack, 0, out) && out[5] == 1);
    CHECK(!fig__pack_read(pack, 9, out));
    fig__pack_close(pack);
    pack = fig__pack_open("full", 10, sizeof item);
    CHECK(pack && fig__pack_read(pack, 1, out) && !fig__pack_read(pack, 3, out));
    fig__pack_close(pack);
    setenv("FIGMENT_HOME", "/proc/none", 1); /* where nothing can be written there is no cache, and no error */
    CHECK(fig__pack_open("none", 10, 10) == NULL);
    sample_folder_end(home);
}

/* Noise does not pack: 40 files of 50 kB are worth keeping. */
static void fill(const char *folder)
{
    for (int i = 0; i < 40; i++) {
        char name[40];
        fig_picture picture = sample_picture(128, 128, 3, i);
        fig__rng rng = { (uint64_t)i };
        for (int k = 0; k < 128 * 128 * 3; k++)
            picture.pixels[k] = (uint8_t)fig__rng_next(&rng);
        snprintf(name, sizeof name, "%02d.png", i);
        sample_bytes(sample_path(folder, name), "", 0);
        fig_error err = { 0 };
        CHECK_OK(fig_picture_save(&picture, sample_path(folder, name), &err), err);
        fig_picture_free(&picture);
    }
}

static const float *epoch(fig_loader *loader)
{
    const fig_batch *batch;
    fig_error err = { 0 };
    CHECK_OK(fig_loader_next(loader, &batch, &err), err);
    return batch ? batch->data[0] : NULL;
}

FIG_TEST(the_second_run_does_not_decode)
{
    begin_home();
    char folder[300];
    snprintf(folder, sizeof folder, "%s", sample_folder());
    fill(folder);
    static float first[40 * 16 * 16 * 3];
    fig_data_request request = { .kinds = FIG_DATA_IMAGES, .height = 16, .validation = 0 };
    for (int run = 0; run < 3; run++) { /* 0 decodes; 1 has the same pixels without the files; 2 wants another size */
        fig_data *data;
        fig_loader *loader;
        fig_error err = { 0 };
        CHECK_OK(fig_data_open(folder, NULL, &data, &err), err);
        request.height = run == 2 ? 17 : 16;
        CHECK_OK(fig_data_prepare(data, &request, &err), err);
        if (run == 1)
            for (int i = 0; i < 40; i++) { /* what cannot be read cannot be decoded */
                char name[40];
                snprintf(name, sizeof name, "%02d.png", i);
                CHECK(!rename(sample_path(folder, name), sample_path(home, name)));
            }
        CHECK_OK(fig_loader_new(data, &(fig_loader_opts){ .batch = 40, .order = FIG_ORDER_SEQUENTIAL, .threads = 2 }, &loader, &err),
                 err);
        for (int e = 0; e < 2; e++) {
            const float *values = epoch(loader);
            if (run == 0 && e == 0 && values)
                memcpy(first, values, sizeof first);
            else if (run < 2)
                CHECK(values && !memcmp(values, first, sizeof first));
        }
        CHECK_INT(fig_data_get_info(data)->skipped, 0);
        fig_loader_free(loader);
        fig_data_free(data);
        for (int i = 0; run == 1 && i < 40; i++) {
            char name[40];
            snprintf(name, sizeof name, "%02d.png", i);
            CHECK(!rename(sample_path(home, name), sample_path(folder, name)));
        }
    }
    char *pack = the_pack(".pack");
    CHECK(pack != NULL);
    free(pack);
    /* What is alike is kept as well, and read back only when it is sound. */
    fig_data *data;
    fig_error err = { 0 };
    int32_t *group[2];
    CHECK_OK(fig_data_open(folder, NULL, &data, &err), err);
    CHECK_OK(fig__find_groups(data, FIG_TRAIN_SPLIT, &group[0], &err), err);
    char *alike = the_pack(".alike");
    REQUIRE(alike);
    int file = open(alike, O_RDWR);
    CHECK(pwrite(file, "\7\7\7\7", 4, 8) == 4);
    close(file);
    CHECK_OK(fig__find_groups(data, FIG_TRAIN_SPLIT, &group[1], &err), err);
    CHECK(!memcmp(group[0], group[1], 40 * sizeof **group));
    free(group[0]);
    free(group[1]);
    free(alike);
    fig_data_free(data);
    sample_folder_end(folder);
    sample_folder_end(home);
}

FIG_TEST_MAIN
