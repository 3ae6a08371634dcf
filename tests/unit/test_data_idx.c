/* test_data_idx.c - IDX files: plain and packed, layouts, labels, and everything that can be wrong with them */
#include "sample_data.h"
#include "test.h"
#include <figment/data.h>

static fig_data *open_prepared(const char *path, const fig_data_request *request)
{
    fig_error err = { 0 };
    fig_data *data = NULL;
    CHECK_OK(fig_data_open(path, NULL, &data, &err), err);
    if (data)
        CHECK_OK(fig_data_prepare(data, request, &err), err);
    return data;
}

FIG_TEST(folder_with_train_and_test)
{
    const char *folder = sample_folder();
    sample_idx(sample_path(folder, "train-images-idx3-ubyte.gz"), 3, (uint32_t[]){ 30, 5, 4 }, 0);
    sample_idx(sample_path(folder, "train-labels-idx1-ubyte.gz"), 1, (uint32_t[]){ 30 }, 7);
    sample_idx(sample_path(folder, "t10k-images-idx3-ubyte"), 3, (uint32_t[]){ 8, 5, 4 }, 0);
    sample_idx(sample_path(folder, "t10k-labels-idx1-ubyte"), 1, (uint32_t[]){ 8 }, 3);
    fig_data *data = open_prepared(folder, &(fig_data_request){ .kinds = FIG_DATA_IMAGES });
    REQUIRE(data);
    const fig_data_info *info = fig_data_get_info(data);
    CHECK_TEXT(info->source, "idx");
    CHECK_INT(info->kind, FIG_DATA_IMAGES);
    CHECK_INT(info->items[FIG_TRAIN_SPLIT], 30);
    CHECK_INT(info->items[FIG_VALIDATION_SPLIT], 0);
    CHECK_INT(info->items[FIG_TEST_SPLIT], 8);
    CHECK_INT(info->height, 5);
    CHECK_INT(info->width, 4);
    CHECK_INT(info->channels, 1);
    CHECK_INT(info->classes, 7);
    const fig_data_spec *spec = fig_data_get_spec(data);
    CHECK_INT(strlen(spec->data_hash), 64);
    CHECK_INT(spec->height, 5);
    CHECK_NEAR(spec->high, 1, 0);

    fig_error err = { 0 };
    fig_loader *loader = NULL;
    CHECK_OK(fig_loader_new(data,
                            &(fig_loader_opts){ .split = FIG_TEST_SPLIT, .order = FIG_ORDER_SEQUENTIAL, .batch = 3 },
                            &loader, &err),
             err);
    REQUIRE(loader);
    CHECK_INT(fig_loader_epoch_batches(loader), 3);
    for (int b = 0; b < 3; b++) {
        const fig_batch *batch;
        CHECK_OK(fig_loader_next(loader, &batch, &err), err);
        REQUIRE(batch);
        CHECK_INT(batch->fields, 3);
        CHECK_TEXT(batch->name[0], "image");
        CHECK_TEXT(batch->name[1], "label");
        CHECK_TEXT(batch->name[2], "weight");
        CHECK_INT(batch->type[0].rank, 4);
        CHECK_INT(batch->type[0].dim[3], 1);
        CHECK_INT(batch->real_rows, b < 2 ? 3 : 2);
        for (int row = 0; row < batch->real_rows; row++) {
            int item = b * 3 + row;
            CHECK_INT(((const int32_t *)batch->data[1])[row], item % 3);
            for (int i = 0; i < 20; i++)
                CHECK_NEAR(((const float *)batch->data[0])[row * 20 + i], ((item * 20 + i) * 7 + 3) % 251 / 255.0,
                           1e-7);
        }
        CHECK_NEAR(((const float *)batch->data[2])[2], b < 2, 0);
    }
    fig_loader_free(loader);
    fig_data_free(data);
    sample_folder_end(folder);
}

FIG_TEST(packed_and_plain_have_the_same_hash)
{
    const char *folder = sample_folder();
    char hash[2][65];
    for (int packed = 0; packed < 2; packed++) {
        const char *path = sample_path(folder, packed ? "a-images-idx3-ubyte.gz" : "b-images-idx3-ubyte");
        sample_idx(path, 3, (uint32_t[]){ 9, 3, 3 }, 0);
        fig_data *data = open_prepared(path, &(fig_data_request){ .kinds = FIG_DATA_IMAGES });
        REQUIRE(data);
        memcpy(hash[packed], fig_data_get_spec(data)->data_hash, 65);
        fig_data_free(data);
    }
    CHECK_TEXT(hash[0], hash[1]);
    sample_folder_end(folder);
}

FIG_TEST(other_ranks)
{
    const char *folder = sample_folder();
    sample_idx(sample_path(folder, "x-images-idx4-ubyte"), 4, (uint32_t[]){ 4, 3, 6, 5 }, 0); /* planes */
    fig_data *data =
        open_prepared(sample_path(folder, "x-images-idx4-ubyte"), &(fig_data_request){ .kinds = FIG_DATA_IMAGES });
    REQUIRE(data);
    const fig_data_spec *spec = fig_data_get_spec(data);
    CHECK_INT(spec->height, 6);
    CHECK_INT(spec->width, 5);
    CHECK_INT(spec->channels, 3);
    fig_error err = { 0 };
    fig_loader *loader;
    const fig_batch *batch;
    CHECK_OK(fig_loader_new(data, &(fig_loader_opts){ .order = FIG_ORDER_SEQUENTIAL, .batch = 1 }, &loader, &err), err);
    CHECK_OK(fig_loader_next(loader, &batch, &err), err);
    /* pixel 1, channel 2 lies at byte 2 * 30 + 1 of the planes */
    CHECK_NEAR(((const float *)batch->data[0])[1 * 3 + 2], (61 * 7 + 3) % 251 / 255.0, 1e-7);
    CHECK_TEXT(batch->name[1], "weight");
    fig_loader_free(loader);
    fig_data_free(data);

    sample_idx(sample_path(folder, "y-images-idx2-ubyte"), 2, (uint32_t[]){ 4, 49 }, 0);
    data = open_prepared(sample_path(folder, "y-images-idx2-ubyte"), &(fig_data_request){ .kinds = FIG_DATA_IMAGES });
    REQUIRE(data);
    CHECK_INT(fig_data_get_spec(data)->height, 7);
    fig_data_free(data);

    sample_idx(sample_path(folder, "z-images-idx4-ubyte"), 4, (uint32_t[]){ 4, 20, 8, 8 }, 0);
    CHECK_FAILS(fig_data_open(sample_path(folder, "z-images-idx4-ubyte"), NULL, &data, &err), err, FIG_E_FORMAT,
                "channels");
    sample_folder_end(folder);
}

FIG_TEST(what_can_be_wrong)
{
    const char *folder = sample_folder();
    fig_error err = { 0 };
    fig_data *data;
    CHECK_FAILS(fig_data_open(sample_path(folder, "missing"), NULL, &data, &err), err, FIG_E_NOT_FOUND, "no such file");

    /* labels that do not match */
    sample_idx(sample_path(folder, "train-images-idx3-ubyte"), 3, (uint32_t[]){ 10, 4, 4 }, 0);
    sample_idx(sample_path(folder, "train-labels-idx1-ubyte"), 1, (uint32_t[]){ 9 }, 3);
    CHECK_FAILS(fig_data_open(folder, NULL, &data, &err), err, FIG_E_FORMAT, "9 labels");
    CHECK(data == NULL);

    /* the other split has another size */
    sample_idx(sample_path(folder, "train-labels-idx1-ubyte"), 1, (uint32_t[]){ 10 }, 3);
    sample_idx(sample_path(folder, "t10k-images-idx3-ubyte"), 3, (uint32_t[]){ 10, 4, 5 }, 0);
    CHECK_FAILS(fig_data_open(folder, NULL, &data, &err), err, FIG_E_FORMAT, "other split");

    /* the other split has no labels */
    sample_idx(sample_path(folder, "t10k-images-idx3-ubyte"), 3, (uint32_t[]){ 10, 4, 4 }, 0);
    CHECK_FAILS(fig_data_open(folder, NULL, &data, &err), err, FIG_E_NOT_FOUND, "labels");

    /* a promise that the file cannot keep, a cut file, bytes too many, wrong type, labels alone */
    uint8_t huge[16] = { 0, 0, 8, 3, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff };
    const char *path = sample_path(folder, "huge-images-idx3");
    sample_bytes(path, huge, sizeof huge);
    CHECK_FAILS(fig_data_open(path, NULL, &data, &err), err, FIG_E_FORMAT, "2^64");
    uint8_t cut[26] = { 0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0, 2 };
    sample_bytes(path, cut, 26);
    CHECK_FAILS(fig_data_open(path, NULL, &data, &err), err, FIG_E_FORMAT, "cut short");
    uint8_t longer[30] = { 0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0, 2 };
    sample_bytes(path, longer, 30);
    CHECK_FAILS(fig_data_open(path, NULL, &data, &err), err, FIG_E_FORMAT, "bytes follow");
    longer[2] = 0x0d;
    sample_bytes(path, longer, 30);
    CHECK_FAILS(fig_data_open(path, NULL, &data, &err), err, FIG_E_FORMAT, "type 0d");
    path = sample_path(folder, "only-labels-idx1-ubyte");
    sample_idx(path, 1, (uint32_t[]){ 10 }, 3);
    CHECK_FAILS(fig_data_open(path, NULL, &data, &err), err, FIG_E_FORMAT, "labels");
    sample_folder_end(folder);
}

FIG_TEST(damaged_gzip)
{
    const char *folder = sample_folder();
    fig_error err = { 0 };
    fig_data *data;
    char path[300];
    snprintf(path, sizeof path, "%s", sample_path(folder, "g-images-idx3-ubyte.gz"));
    sample_idx(path, 3, (uint32_t[]){ 40, 9, 9 }, 0);
    char *bytes;
    uint64_t length;
    CHECK_OK(fig__file_read(path, 1 << 20, &bytes, &length, &err), err);
    sample_bytes(path, bytes, length / 2);
    CHECK_FAILS(fig_data_open(path, NULL, &data, &err), err, FIG_E_FORMAT, "fetch or copy");
    bytes[length - 6] ^= 1; /* the checksum at the end */
    sample_bytes(path, bytes, length);
    CHECK_FAILS(fig_data_open(path, NULL, &data, &err), err, FIG_E_FORMAT, "corrupt gzip");
    free(bytes);
    sample_folder_end(folder);
}

FIG_TEST(a_pipe_does_not_hang)
{
    const char *folder = sample_folder();
    const char *path = sample_path(folder, "p-images-idx3-ubyte");
    fig_error err = { 0 };
    fig_data *data;
    if (mkfifo(path, 0600))
        SKIP("no named pipes here");
    CHECK_FAILS(fig_data_open(path, NULL, &data, &err), err, FIG_E_IO, "regular");
    sample_folder_end(folder);
}

FIG_TEST_MAIN
