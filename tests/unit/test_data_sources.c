/* test_data_sources.c - image folders, tables of points, computed data: what is found, and what is refused */
#include "sample_data.h"
#include "test.h"
#include "data/prepared.h"

static char warnings[4096];
static int warning_count;
static void keep_warning(void *user, const char *message)
{
    (void)user;
    size_t used = strlen(warnings);
    snprintf(warnings + used, sizeof warnings - used, "%s\n", message);
    warning_count++;
}
static const fig_data_open_opts listening = { .warn = keep_warning };

static fig_data *opened(const char *path)
{
    fig_error err = { 0 };
    fig_data *data = NULL;
    warnings[0] = 0;
    warning_count = 0;
    CHECK_OK(fig_data_open(path, &listening, &data, &err), err);
    return data;
}

/* `count` pictures in folder/prefix0.png ... */
static void fill_folder(const char *folder, const char *prefix, int count, int width, int height, int channels)
{
    for (int i = 0; i < count; i++) {
        char name[200];
        snprintf(name, sizeof name, "%s%d.png", prefix, i);
        sample_png(sample_path(folder, name), width, height, channels, i);
    }
}

FIG_TEST(classes_from_folders)
{
    const char *folder = sample_folder();
    fill_folder(folder, "dog/", 3, 8, 8, 3);
    fill_folder(folder, "cat/deep/", 2, 8, 8, 3);
    sample_jpeg(sample_path(folder, "dog/x.JPG"), 8, 8, 3, 5);
    sample_text(sample_path(folder, "dog/notes.txt"), "not a picture");
    sample_text(sample_path(folder, "dog/a.gif"), "GIF89a");
    fig_data *data = opened(folder);
    REQUIRE(data);
    const fig_data_info *info = fig_data_get_info(data);
    CHECK_TEXT(info->source, "images");
    CHECK_INT(info->items[FIG_TRAIN_SPLIT], 6);
    CHECK_INT(info->classes, 2);
    CHECK_TEXT(info->class_names[0], "cat");
    CHECK_TEXT(info->class_names[1], "dog");
    CHECK_INT(info->height, 8);
    CHECK(!info->mixed_sizes);
    CHECK_INT(info->skipped, 0);
    CHECK_HAS(warnings, "1 pictures of other formats");
    CHECK_INT(data->contents.labels[FIG_TRAIN_SPLIT][0], 0);
    CHECK_INT(data->contents.labels[FIG_TRAIN_SPLIT][5], 1);

    fig_error err = { 0 };
    CHECK_OK(fig_data_prepare(data, &(fig_data_request){ .kinds = FIG_DATA_IMAGES, .height = 4, .low = -1, .high = 1 },
                              &err),
             err);
    CHECK_INT(fig_data_get_spec(data)->channels, 3);
    CHECK_TEXT(fig_data_get_spec(data)->class_names[1], "dog");
    char *json = fig_data_spec_to_json(fig_data_get_spec(data));
    fig_data_spec *spec = NULL;
    CHECK_OK(fig_data_spec_from_json(json, &spec, &err), err);
    REQUIRE(spec);
    CHECK_TEXT(spec->class_names[0], "cat");
    CHECK_NEAR(spec->low, -1, 0);
    free(json);
    fig_data_free(data);

    /* the same model, another folder: classes by name */
    sample_folder_end(folder);
    folder = sample_folder();
    fill_folder(folder, "dog/", 3, 10, 6, 1);
    fill_folder(folder, "cat/", 1, 10, 6, 1);
    data = opened(folder);
    CHECK_OK(fig_data_prepare_like(data, spec, &err), err);
    fig_loader *loader;
    const fig_batch *batch;
    CHECK_OK(fig_loader_new(data, &(fig_loader_opts){ .batch = 4, .order = FIG_ORDER_SEQUENTIAL }, &loader, &err), err);
    CHECK_OK(fig_loader_next(loader, &batch, &err), err);
    CHECK_INT(((const int32_t *)batch->data[1])[0], 0);
    CHECK_INT(((const int32_t *)batch->data[1])[3], 1);
    CHECK_INT(batch->type[0].dim[3], 3);
    fig_loader_free(loader);
    fig_data_free(data);
    fill_folder(folder, "emu/", 1, 10, 6, 1);
    data = opened(folder);
    CHECK_FAILS(fig_data_prepare_like(data, spec, &err), err, FIG_E_FORMAT, "class \"emu\"");
    fig_data_free(data);
    fig_data_spec_free(spec);
    sample_folder_end(folder);
}

FIG_TEST(splits_from_folders)
{
    const char *folder = sample_folder();
    fill_folder(folder, "train/a/", 3, 4, 4, 1);
    fill_folder(folder, "train/b/", 2, 4, 4, 1);
    fill_folder(folder, "val/a/", 1, 4, 4, 1);
    fill_folder(folder, "test/b/", 2, 4, 4, 1);
    fig_data *data = opened(folder);
    REQUIRE(data);
    const fig_data_info *info = fig_data_get_info(data);
    CHECK_INT(info->items[FIG_TRAIN_SPLIT], 5);
    CHECK_INT(info->items[FIG_VALIDATION_SPLIT], 1);
    CHECK_INT(info->items[FIG_TEST_SPLIT], 2);
    CHECK_INT(info->classes, 2);
    CHECK_INT(data->contents.labels[FIG_TEST_SPLIT][0], 1);
    fig_error err = { 0 };
    CHECK_OK(fig_data_prepare(data, &(fig_data_request){ .kinds = FIG_DATA_IMAGES, .validation = 0.4 }, &err), err);
    CHECK_INT(fig_data_items(data, FIG_TRAIN_SPLIT), 5); /* the source's own split wins */
    fig_data_free(data);
    sample_folder_end(folder);
}

FIG_TEST(no_classes)
{
    const char *folder = sample_folder();
    fill_folder(folder, "only/", 3, 4, 4, 1);
    fig_data *data = opened(folder);
    CHECK_INT(fig_data_get_info(data)->classes, 0);
    fig_data_free(data);
    fill_folder(folder, "", 2, 4, 5, 3);
    data = opened(folder);
    CHECK_INT(fig_data_get_info(data)->classes, 0);
    CHECK(fig_data_get_info(data)->mixed_sizes);
    fig_error err = { 0 };
    CHECK_FAILS(fig_data_prepare(data, &(fig_data_request){ .kinds = FIG_DATA_IMAGES }, &err), err, FIG_E_USAGE,
                "different sizes");
    CHECK_OK(fig_data_prepare(data, &(fig_data_request){ .kinds = FIG_DATA_IMAGES, .height = 4 }, &err), err);
    CHECK_INT(fig_data_get_spec(data)->channels, 3);
    fig_data_free(data);
    sample_folder_end(folder);
}

FIG_TEST(one_broken_in_a_hundred)
{
    const char *folder = sample_folder();
    fill_folder(folder, "", 99, 6, 6, 3);
    sample_text(sample_path(folder, "broken\x1b[2J.png"), "\x89PNG\r\n\x1a\nrest is missing");
    fig_data *data = opened(folder);
    REQUIRE(data);
    const fig_data_info *info = fig_data_get_info(data);
    CHECK_INT(info->items[FIG_TRAIN_SPLIT], 99);
    CHECK_INT(info->skipped, 1);
    CHECK_INT(info->skipped_named, 1);
    CHECK_TEXT(info->skipped_names[0], "broken\\x1b[2J.png");
    CHECK_INT(warning_count, 1);
    CHECK_HAS(warnings, "skipped broken\\x1b[2J.png: truncated PNG");
    fig_error err = { 0 };
    CHECK_OK(fig_data_prepare(data, &(fig_data_request){ .kinds = FIG_DATA_IMAGES }, &err), err);
    fig_data_free(data);

    /* more than one in a hundred, and more than ten: opens (so that it can be looked at), but does not train */
    for (int i = 0; i < 15; i++) {
        char name[40];
        snprintf(name, sizeof name, "empty%d.jpg", i);
        sample_text(sample_path(folder, name), "");
    }
    data = opened(folder);
    CHECK_INT(fig_data_get_info(data)->skipped, 16);
    CHECK_INT(warning_count, 11);
    CHECK_HAS(warnings, "skipped 16 items in all");
    CHECK_FAILS(fig_data_prepare(data, &(fig_data_request){ .kinds = FIG_DATA_IMAGES }, &err), err, FIG_E_FORMAT,
                "16 of 115 items");
    fig_data_free(data);
    sample_folder_end(folder);
}

FIG_TEST(nothing_readable)
{
    const char *folder = sample_folder();
    fig_error err = { 0 };
    fig_data *data;
    CHECK_FAILS(fig_data_open(folder, NULL, &data, &err), err, FIG_E_NOT_FOUND, "an empty folder");
    CHECK_FAILS(fig_data_open("images:/nowhere", NULL, &data, &err), err, FIG_E_USAGE, "folder");
    sample_text(sample_path(folder, "a.png"), "x");
    CHECK_FAILS(fig_data_open(folder, NULL, &data, &err), err, FIG_E_FORMAT,
                "none of its 1 items can be read; the first is a.png");
    sample_folder_end(folder);
}

/* A file whose structure is sound but whose pixels are not comes out while training: counted, and replaced by the
 * next one. */
FIG_TEST(broken_inside)
{
    const char *folder = sample_folder();
    fill_folder(folder, "", 4, 32, 32, 3);
    fig_data *data = opened(folder);
    fig_error err = { 0 };
    CHECK_OK(fig_data_prepare(data, &(fig_data_request){ .kinds = FIG_DATA_IMAGES }, &err), err);
    sample_text(sample_path(folder, "1.png"), "gone bad since it was indexed");
    for (int again = 0; again < 2; again++) {
        fig_loader *loader;
        const fig_batch *batch;
        CHECK_OK(fig_loader_new(data, &(fig_loader_opts){ .batch = 4, .order = FIG_ORDER_SEQUENTIAL, .threads = 2 },
                                &loader, &err),
                 err);
        for (int b = 0; b < 3; b++) {
            CHECK_OK(fig_loader_next(loader, &batch, &err), err);
            const float *image = batch->data[0];
            size_t one = 32 * 32 * 3;
            CHECK(!memcmp(image + one, image + 2 * one, one * sizeof *image));
        }
        fig_loader_free(loader);
    }
    CHECK_INT(fig_data_get_info(data)->skipped, 1);
    CHECK_INT(warning_count, 1);
    CHECK_HAS(warnings, "1.png");
    for (int i = 0; i < 4; i++)
        sample_text(sample_path(folder, (const char *[]){ "0.png", "1.png", "2.png", "3.png" }[i]), "bad");
    CHECK_OK(fig_data_prepare(data, &(fig_data_request){ .kinds = FIG_DATA_IMAGES, .height = 9 }, &err), err);
    fig_loader *loader;
    const fig_batch *batch;
    CHECK_OK(fig_loader_new(data, &(fig_loader_opts){ .batch = 4 }, &loader, &err), err);
    CHECK_FAILS(fig_loader_next(loader, &batch, &err), err, FIG_E_FORMAT, "no picture of the train split");
    fig_loader_free(loader);
    fig_data_free(data);
    sample_folder_end(folder);
}

/* -- tables -------------------------------------------------------------------------------------------------------- */

FIG_TEST(tables)
{
    const char *folder = sample_folder(), *path = sample_path(folder, "t.csv");
    sample_text(path, "x,y,label\r\n1,2,0\r\n# a comment\r\n\r\n3.5,-4e-1,2\r\n\"5\", 6 ,1\r\n");
    fig_data *data = opened(path);
    REQUIRE(data);
    const fig_data_info *info = fig_data_get_info(data);
    CHECK_INT(info->kind, FIG_DATA_POINTS);
    CHECK_INT(info->items[FIG_TRAIN_SPLIT], 3);
    CHECK_INT(info->dimensions, 2);
    CHECK_INT(info->classes, 3);
    CHECK_NEAR(data->contents.points[0][3], -0.4, 1e-7);
    CHECK_INT(data->contents.labels[0][1], 2);

    fig_error err = { 0 };
    CHECK_OK(fig_data_prepare(data, &(fig_data_request){ .kinds = FIG_DATA_POINTS, .standardise = true }, &err), err);
    const fig_data_spec *spec = fig_data_get_spec(data);
    CHECK_NEAR(spec->offset[0], (1 + 3.5 + 5) / 3, 1e-12);
    fig_loader *loader;
    const fig_batch *batch;
    CHECK_OK(fig_loader_new(data, &(fig_loader_opts){ .batch = 3, .order = FIG_ORDER_SEQUENTIAL }, &loader, &err), err);
    CHECK_OK(fig_loader_next(loader, &batch, &err), err);
    CHECK_TEXT(batch->name[0], "point");
    const float *point = batch->data[0];
    for (int column = 0; column < 2; column++) {
        CHECK_NEAR(point[column] + point[2 + column] + point[4 + column], 0, 1e-5);
        CHECK_NEAR(point[2 + column] * spec->scale[column] + spec->offset[column], column ? -0.4 : 3.5, 1e-6);
    }
    fig_loader_free(loader);
    char *json = fig_data_spec_to_json(spec);
    fig_data_spec *read = NULL;
    CHECK_OK(fig_data_spec_from_json(json, &read, &err), err);
    CHECK(read && read->offset[1] == spec->offset[1] && read->scale[0] == spec->scale[0]);
    fig_data_spec_free(read);
    free(json);
    fig_data_free(data);

    sample_text(path, "5.1;3.5;Iris-setosa\n4.9;3.0;Iris-virginica\n4.7;3.2;Iris-setosa\n");
    data = opened(path);
    info = fig_data_get_info(data);
    CHECK_INT(info->dimensions, 2);
    CHECK_INT(info->classes, 2);
    CHECK_TEXT(info->class_names[1], "Iris-virginica");
    CHECK_INT(data->contents.labels[0][1], 1);
    fig_data_free(data);

    sample_text(path, "1 2  3\n4 5 6");
    data = opened(path);
    CHECK_INT(fig_data_get_info(data)->dimensions, 3);
    CHECK_INT(fig_data_get_info(data)->classes, 0);
    /* a constant column is not divided by zero */
    CHECK_OK(fig_data_prepare(data, &(fig_data_request){ .kinds = FIG_DATA_POINTS, .standardise = true }, &err), err);
    fig_data_free(data);
    sample_folder_end(folder);
}

FIG_TEST(bad_tables)
{
    static const struct {
        const char *text, *part;
    } bad[] = {
        { "", "no rows" },
        { "\n\n# only this\n", "no rows" },
        { "a,b\n", "no rows after it" },
        { "a,b,c\n1,x,2\n", "line 2, column 2" },
        { "1,2\n3\n", "line 2: 1 cells, expected 2" },
        { "1,2\n3,4,5\n", "line 2: 2 cells or an open quote, expected 2" },
        { "1,2\n\"3,4\n", "open quote" },
        { "1,2\n3,nan\n", "line 2, column 2: \"nan\" is not a finite number" },
        { "1,2\n3,1e99\n", "finite" },
        { "1,2\n3,0x\n", "finite" },
        { "x,label\n1,-1\n", "row 1: label -1" },
        { "x,label\n1,0.5\n", "row 1: label 0.5" },
        { "label\n1\n", "no column of numbers" },
    };
    const char *folder = sample_folder(), *path = sample_path(folder, "t.csv");
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        fig_error err = { 0 };
        fig_data *data = NULL;
        sample_text(path, bad[i].text);
        if (fig_data_open(path, NULL, &data, &err) == FIG_OK || !strstr(err.message, bad[i].part))
            TEST_FAIL("\"%s\": \"%s\" lacks \"%s\"", bad[i].text, err.message, bad[i].part);
        fig_data_free(data);
    }
    sample_bytes(path, "1,2\0\n", 5);
    fig_error err = { 0 };
    fig_data *data;
    CHECK_FAILS(fig_data_open(path, NULL, &data, &err), err, FIG_E_FORMAT, "zero bytes");
    sample_folder_end(folder);
}

/* -- computed data ------------------------------------------------------------------------------------------------- */

FIG_TEST(rings_and_grids)
{
    static const struct {
        const char *name;
        int modes;
        double spread;
    } sets[] = {
        { "synthetic:ring8", 8, 0.06 },
        { "synthetic:ring3", 3, 0.06 },
        { "synthetic:grid25", 25, 0.3 },
        { "synthetic:grid5", 25, 0.3 },
    };
    for (size_t k = 0; k < sizeof sets / sizeof *sets; k++) {
        fig_data *data = opened(sets[k].name);
        REQUIRE(data);
        const fig_data_info *info = fig_data_get_info(data);
        CHECK_INT(info->items[FIG_TRAIN_SPLIT], 10000);
        CHECK_INT(info->items[FIG_TEST_SPLIT], 2000);
        CHECK_INT(info->classes, sets[k].modes);
        CHECK_TEXT(info->name, sets[k].name);
        double mean[25][2] = { { 0 } };
        int count[25] = { 0 };
        const float *points = data->contents.points[0];
        for (int i = 0; i < 10000; i++) {
            int mode = data->contents.labels[0][i];
            REQUIRE(mode >= 0 && mode < sets[k].modes);
            count[mode]++;
            for (int c = 0; c < 2; c++)
                mean[mode][c] += points[2 * i + c];
        }
        for (int mode = 0; mode < sets[k].modes; mode++) {
            CHECK_NEAR(count[mode], 10000.0 / sets[k].modes, 6 * sqrt(10000.0 / sets[k].modes));
            for (int c = 0; c < 2; c++)
                mean[mode][c] /= count[mode];
            if (sets[k].modes == 8)
                CHECK_NEAR(hypot(mean[mode][0], mean[mode][1]), 1, 0.005);
        }
        for (int i = 0; i < 10000; i++)
            for (int c = 0; c < 2; c++)
                CHECK_NEAR(points[2 * i + c], mean[data->contents.labels[0][i]][c], sets[k].spread);
        fig_data_free(data);
    }
}

FIG_TEST(other_computed_sets)
{
    static const char *const names[] = { "synthetic:moons", "synthetic:swissroll", "synthetic:shapes:500" };
    for (int k = 0; k < 3; k++) {
        fig_data *data = opened(names[k]);
        fig_error err = { 0 };
        REQUIRE(data);
        CHECK_OK(fig_data_prepare(data, &(fig_data_request){ .kinds = FIG_DATA_POINTS | FIG_DATA_IMAGES }, &err), err);
        fig_loader *loader;
        const fig_batch *batch;
        CHECK_OK(fig_loader_new(data, &(fig_loader_opts){ .batch = 250, .threads = 2 }, &loader, &err), err);
        CHECK_OK(fig_loader_next(loader, &batch, &err), err);
        CHECK_INT(batch->real_rows, 250);
        fig_loader_free(loader);
        fig_data_free(data);
    }
    /* a larger set begins with the smaller one */
    fig_data *small = opened("synthetic:moons:50"), *large = opened("synthetic:moons:500");
    CHECK_INT(fig_data_get_info(small)->items[0], 50);
    CHECK(!memcmp(small->contents.points[0], large->contents.points[0], 50 * 2 * sizeof(float)));
    fig_data_free(small);
    fig_data_free(large);

    fig_data *shapes = opened("synthetic:shapes:300");
    int seen[6] = { 0 };
    for (int i = 0; i < 300; i++) {
        fig_picture picture;
        bool borrowed;
        CHECK_OK(shapes->source->picture(&shapes->contents, FIG_TRAIN_SPLIT, i, &(fig__decode_opts){ 0 }, &picture,
                                         &borrowed, NULL),
                 (fig_error){ 0 });
        int lit = 0;
        for (int p = 0; p < 28 * 28; p++)
            lit += picture.pixels[p] > 100;
        CHECK(lit > 15 && lit < 500);
        seen[shapes->contents.labels[0][i]]++;
        fig_picture_free(&picture);
    }
    for (int i = 0; i < 6; i++)
        CHECK(seen[i] > 20);
    fig_data_free(shapes);

    fig_error err = { 0 };
    fig_data *none;
    CHECK_FAILS(fig_data_open("synthetic:rings", NULL, &none, &err), err, FIG_E_NOT_FOUND, "ring8");
    CHECK_FAILS(fig_data_open("synthetic:ring8:x", NULL, &none, &err), err, FIG_E_USAGE, "number of items");
    CHECK_FAILS(fig_data_open("synthetic:ring0", NULL, &none, &err), err, FIG_E_NOT_FOUND, "ring8");
}

FIG_TEST(computed_sums_are_right)
{
    fig_data *data = opened("synthetic:sums:200");
    REQUIRE(data);
    CHECK_INT(fig_data_get_info(data)->kind, FIG_DATA_TEXT);
    const char *text = data->contents.text[FIG_TRAIN_SPLIT];
    CHECK_INT(strlen(text), fig_data_get_info(data)->items[FIG_TRAIN_SPLIT]);
    int lines = 0, a, b, sum, used;
    for (; sscanf(text, "%d+%d=%d%n", &a, &b, &sum, &used) == 3; text += used + 1, lines++)
        CHECK_INT(sum, a + b);
    CHECK_INT(lines, 200);
    CHECK_INT(*text, 0);
    fig_data_free(data);
}

FIG_TEST_MAIN
