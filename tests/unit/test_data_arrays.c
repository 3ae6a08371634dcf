/* test_data_arrays.c - CIFAR's binary files and numpy's arrays: what is read, and what is refused */
#include "sample_data.h"
#include "test.h"
#include "data/npy.h"
#include "data/prepared.h"

static void write_cifar(const char *path, int labels, int count, int classes)
{
    size_t record = 3072 + (size_t)labels;
    uint8_t *bytes = calloc((size_t)count, record);
    for (int i = 0; i < count; i++) {
        uint8_t *at = bytes + (size_t)i * record;
        at[labels - 1] = (uint8_t)(i % classes);
        for (int k = 0; k < 3072; k++)
            at[labels + k] = (uint8_t)(k / 1024 * 100 + (k % 1024 + i) % 97);
    }
    sample_bytes(path, bytes, (size_t)count * record);
    free(bytes);
}

FIG_TEST(cifar10)
{
    const char *folder = sample_folder();
    write_cifar(sample_path(folder, "data_batch_1.bin"), 1, 6, 10);
    write_cifar(sample_path(folder, "data_batch_2.bin"), 1, 5, 10);
    write_cifar(sample_path(folder, "test_batch.bin"), 1, 4, 10);
    sample_text(sample_path(folder, "batches.meta.txt"), "airplane\nautomobile\nbird\ncat\ndeer\ndog\nfrog\nhorse\nship\ntruck\n\n");
    fig_error err = { 0 };
    fig_data *data;
    CHECK_OK(fig_data_open(folder, NULL, &data, &err), err);
    const fig_data_info *info = fig_data_get_info(data);
    CHECK_TEXT(info->source, "cifar");
    CHECK_INT(info->items[FIG_TRAIN_SPLIT], 11);
    CHECK_INT(info->items[FIG_TEST_SPLIT], 4);
    CHECK_INT(info->classes, 10);
    CHECK_TEXT(info->class_names[9], "truck");
    CHECK_INT(data->contents.labels[FIG_TRAIN_SPLIT][7], 1);
    fig_picture picture;
    bool borrowed;
    CHECK_OK(data->source->picture(&data->contents, FIG_TRAIN_SPLIT, 8, NULL, &picture, &borrowed, &err), err);
    CHECK(borrowed && picture.pixels[0] == 2 && picture.pixels[1] == 100 + 1026 % 1024 && picture.pixels[2] == 202);
    CHECK_INT(picture.pixels[3 * 40 + 1], 142);
    fig_data_free(data);
    /* cut short, or a label that there is not */
    write_cifar(sample_path(folder, "test_batch.bin"), 1, 4, 200);
    CHECK_OK(fig_data_open(folder, NULL, &data, &err), err); /* labels 0..3 */
    fig_data_free(data);
    uint8_t *wrong = calloc(3073, 1);
    wrong[0] = 10;
    sample_bytes(sample_path(folder, "test_batch.bin"), wrong, 3073);
    CHECK_FAILS(fig_data_open(folder, NULL, &data, &err), err, FIG_E_FORMAT, "label 10");
    sample_bytes(sample_path(folder, "test_batch.bin"), wrong, 3000);
    CHECK_FAILS(fig_data_open(folder, NULL, &data, &err), err, FIG_E_FORMAT, "cut short");
    free(wrong);
    sample_folder_end(folder);
    folder = sample_folder();
    write_cifar(sample_path(folder, "train.bin"), 2, 3, 100);
    CHECK_OK(fig_data_open(folder, NULL, &data, &err), err);
    CHECK_INT(fig_data_get_info(data)->classes, 100);
    CHECK_INT(data->contents.labels[FIG_TRAIN_SPLIT][2], 2);
    fig_data_free(data);
    sample_folder_end(folder);
}

/* A .npy as numpy writes it. */
static size_t make_npy(uint8_t *out, const char *type, const char *shape, const void *values, size_t bytes)
{
    char header[200];
    int length = snprintf(header, sizeof header, "{'descr': '%s', 'fortran_order': False, 'shape': %s, }", type, shape);
    int size = (10 + length + 1 + 63) / 64 * 64 - 10;
    memcpy(out, "\x93NUMPY\1\0", 8);
    out[8] = (uint8_t)size;
    out[9] = (uint8_t)(size >> 8);
    memset(out + 10, ' ', (size_t)size);
    memcpy(out + 10, header, (size_t)length);
    out[10 + size - 1] = '\n';
    memcpy(out + 10 + size, values, bytes);
    return 10 + (size_t)size + bytes;
}

FIG_TEST(numpy_types)
{
    static uint8_t file[4096];
    static const struct {
        const char *type;
        uint8_t bytes[8];
        double value;
    } cases[] = {
        { "|u1", { 200 }, 200 },         { "|i1", { 0xff }, -1 },          { "|b1", { 1 }, 1 },
        { "<u2", { 1, 2 }, 513 },        { ">i2", { 0xff, 0xfe }, -2 },    { "<f2", { 0x00, 0xc1 }, -2.5 },
        { ">f4", { 0x3f, 0xc0 }, 1.5 },  { "<i4", { 0xfd, 255, 255, 255 }, -3 },
        { "<f8", { 0, 0, 0, 0, 0, 0, 0xf8, 0xbf }, -1.5 }, { ">i8", { 0, 0, 0, 0, 0, 0, 1, 0 }, 256 }, { "<f2", { 1, 0 }, 0x1p-24 },
    };
    fig_error err = { 0 };
    fig__npy array;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        size_t length = make_npy(file, cases[i].type, "(1,)", cases[i].bytes, (size_t)(cases[i].type[2] - '0'));
        CHECK_OK(fig__npy_parse(file, length, "x", &array, &err), err);
        CHECK_NEAR(fig__npy_number(&array, 0), cases[i].value, 0);
    }
    static const struct {
        const char *type, *shape, *says;
    } bad[] = { { "|O", "(1,)", "could run code" },  { "<c8", "(1,)", "numpy type" },    { "<U3", "(1,)", "numpy type" },
                { "<f4", "(1,-2)", "shape" },        { "<f4", "(1", "shape" },           { "<f4", "(99999999999999999999999,)", "shape" },
                { "<f4", "(4294967296, 4294967296)", "shape" }, { "<f4", "(7,)", "promises 7" },
                { "<f4", "(1,1,1,1,1,1,1,1,1)", "shape" } };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        size_t length = make_npy(file, bad[i].type, bad[i].shape, "\0\0\0\0", 4);
        CHECK_FAILS(fig__npy_parse(file, length, "x", &array, &err), err, FIG_E_FORMAT, bad[i].says);
    }
    size_t length = make_npy(file, "|u1", "(2, 3)", "abcdef", 6);
    for (size_t cut = 0; cut < length; cut++)
        CHECK(fig__npy_parse(file, cut, "x", &array, NULL) != FIG_OK);
    CHECK_OK(fig__npy_parse(file, length, "x", &array, &err), err);
    CHECK(array.rank == 2 && array.dim[1] == 3 && array.count == 6);
}

FIG_TEST(numpy_pictures_and_points)
{
    static uint8_t file[8192];
    const char *folder = sample_folder();
    fig_error err = { 0 };
    fig_data *data;
    uint8_t bytes[2 * 4 * 4];
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (uint8_t)(i * 3);
    sample_bytes(sample_path(folder, "x_train.npy"), file, make_npy(file, "|u1", "(2, 4, 4)", bytes, 32));
    sample_bytes(sample_path(folder, "y_train.npy"), file, make_npy(file, "<i4", "(2,)", (int32_t[]){ 4, 1 }, 8));
    sample_bytes(sample_path(folder, "x_test.npy"), file, make_npy(file, "|u1", "(1, 4, 4)", bytes, 16));
    sample_bytes(sample_path(folder, "y_test.npy"), file, make_npy(file, "|u1", "(1, 1)", "\3", 1));
    CHECK_OK(fig_data_open(folder, NULL, &data, &err), err);
    const fig_data_info *info = fig_data_get_info(data);
    CHECK(info->kind == FIG_DATA_IMAGES && info->items[FIG_TRAIN_SPLIT] == 2 && info->items[FIG_TEST_SPLIT] == 1);
    CHECK_INT(info->classes, 5);
    CHECK_INT(data->contents.labels[FIG_TRAIN_SPLIT][0], 4);
    fig_picture picture;
    bool borrowed;
    CHECK_OK(data->source->picture(&data->contents, FIG_TRAIN_SPLIT, 1, NULL, &picture, &borrowed, &err), err);
    CHECK_INT(picture.pixels[2], 18 * 3);
    fig_data_free(data);
    sample_bytes(sample_path(folder, "y_test.npy"), file, make_npy(file, "|u1", "(2,)", "\3\3", 2));
    CHECK_FAILS(fig_data_open(folder, NULL, &data, &err), err, FIG_E_FORMAT, "2 labels for 1 items");

    float planes[2 * 3 * 2 * 2];
    for (int i = 0; i < 24; i++)
        planes[i] = (float)(i % 12) / 11 * 2 - 1;
    const char *path = sample_path(folder, "planes.npy");
    sample_bytes(path, file, make_npy(file, "<f4", "(2, 3, 2, 2)", planes, sizeof planes));
    CHECK_OK(fig_data_open(path, NULL, &data, &err), err);
    CHECK_OK(data->source->picture(&data->contents, FIG_TRAIN_SPLIT, 1, NULL, &picture, &borrowed, &err), err);
    CHECK(picture.channels == 3 && picture.pixels[0] == 0 && picture.pixels[11] == 255 && picture.pixels[1] == 93);
    fig_data_free(data);
    planes[3] = 300;
    sample_bytes(path, file, make_npy(file, "<f4", "(2, 3, 2, 2)", planes, sizeof planes));
    CHECK_FAILS(fig_data_open(path, NULL, &data, &err), err, FIG_E_FORMAT, "from -1 to 300");

    path = sample_path(folder, "points.npy");
    sample_bytes(path, file, make_npy(file, "<f8", "(3, 2)", (double[]){ 1, 2, 3, 4, 5, 6.5 }, 48));
    CHECK_OK(fig_data_open(path, NULL, &data, &err), err);
    CHECK(fig_data_get_info(data)->kind == FIG_DATA_POINTS && fig_data_get_info(data)->dimensions == 2);
    CHECK_NEAR(data->contents.points[FIG_TRAIN_SPLIT][5], 6.5, 0);
    fig_data_free(data);
    sample_bytes(path, file, make_npy(file, "<f8", "(1, 2)", (double[]){ 1, NAN }, 16));
    CHECK_FAILS(fig_data_open(path, NULL, &data, &err), err, FIG_E_FORMAT, "not finite");
    sample_folder_end(folder);
}

/* A split without a value below zero is still of the range of the others, in whatever order they are read. */
FIG_TEST(numpy_one_range_for_all_splits)
{
    static uint8_t file[4096];
    const float mixed[4] = { -1, 0, 0.5f, 1 }, above[4] = { 0, 0.25f, 0.5f, 1 }, bytes[4] = { 0, 20, 128, 255 };
    static const char *const order[2][2] = { { "x_train.npy", "x_test.npy" }, { "x_test.npy", "x_train.npy" } };
    fig_error err = { 0 };
    fig_data *data;
    fig_picture picture;
    bool borrowed;
    for (int k = 0; k < 2; k++) {
        const char *folder = sample_folder();
        sample_bytes(sample_path(folder, order[k][0]), file, make_npy(file, "<f4", "(1, 2, 2)", mixed, sizeof mixed));
        sample_bytes(sample_path(folder, order[k][1]), file, make_npy(file, "<f4", "(1, 2, 2)", above, sizeof above));
        CHECK_OK(fig_data_open(folder, NULL, &data, &err), err);
        CHECK_INT(fig_data_get_info(data)->values, FIG_VALUES_SIGNED);
        CHECK_OK(data->source->picture(&data->contents, k ? FIG_TRAIN_SPLIT : FIG_TEST_SPLIT, 0, NULL, &picture, &borrowed, &err), err);
        CHECK_INT(picture.pixels[0], 128);
        CHECK_INT(picture.pixels[3], 255);
        CHECK_OK(data->source->picture(&data->contents, k ? FIG_TEST_SPLIT : FIG_TRAIN_SPLIT, 0, NULL, &picture, &borrowed, &err), err);
        CHECK_INT(picture.pixels[0], 0);
        CHECK_OK(fig_data_prepare(data, &(fig_data_request){ .kinds = FIG_DATA_IMAGES }, &err), err);
        char *json = fig_data_spec_to_json(fig_data_get_spec(data));
        fig_data_spec *spec;
        CHECK_HAS(json, "\"values\":\"-1..1\"");
        CHECK_OK(fig_data_spec_from_json(json, &spec, &err), err);
        CHECK_INT(spec->values, FIG_VALUES_SIGNED);
        fig_data_spec_free(spec);
        free(json);
        fig_data_free(data);
        sample_bytes(sample_path(folder, order[k][1]), file, make_npy(file, "<f4", "(1, 2, 2)", bytes, sizeof bytes));
        CHECK_FAILS(fig_data_open(folder, NULL, &data, &err), err, FIG_E_FORMAT, "bring both to one range");
        sample_bytes(sample_path(folder, order[k][0]), file, make_npy(file, "|u1", "(1, 2, 2)", "\0\1\2\3", 4));
        CHECK_OK(fig_data_open(folder, NULL, &data, &err), err);
        CHECK_INT(fig_data_get_info(data)->values, FIG_VALUES_LEVELS);
        fig_data_free(data);
        sample_folder_end(folder);
    }
}

/* The corpus holds archives that Python's zipfile wrote. */
FIG_TEST(numpy_archives)
{
    const char *tests = getenv("FIGMENT_TESTS"), *names[] = { "stored", "packed" };
    if (!tests)
        SKIP("FIGMENT_TESTS does not say where the corpus is");
    for (int i = 0; i < 2; i++) {
        char name[600], *bytes;
        uint64_t length;
        fig_error err = { 0 };
        fig_data *data;
        snprintf(name, sizeof name, "numpy:%.500s/fuzz/corpus/numpy/%s", tests, names[i]);
        CHECK_OK(fig_data_open(name, NULL, &data, &err), err);
        CHECK_INT(fig_data_get_info(data)->items[FIG_TRAIN_SPLIT], 3);
        CHECK_INT(fig_data_get_info(data)->classes, 3);
        fig_data_free(data);
        CHECK_OK(fig__file_read(name + 6, 1 << 20, &bytes, &length, &err), err);
        fig__arena *arena = fig__arena_new();
        for (uint64_t cut = 0; cut < length; cut++) {
            fig__zip zip;
            CHECK(fig__zip_open((uint8_t *)bytes, cut, "x", arena, &zip, NULL) != FIG_OK);
        }
        fig__zip zip;
        CHECK_OK(fig__zip_open((uint8_t *)bytes, length, "x", arena, &zip, &err), err);
        bytes[zip.members[0].place + 60] ^= 1; /* a flipped bit is found by the checksum */
        uint8_t *out;
        CHECK(fig__zip_read(&zip, &zip.members[0], "x", &out, NULL) != FIG_OK);
        fig__arena_free(arena);
        free(bytes);
    }
}

FIG_TEST_MAIN
