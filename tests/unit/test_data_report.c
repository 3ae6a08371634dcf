/* test_data_report.c - reports: numbers, and findings that were planted */
#include "sample_data.h"
#include "test.h"
#include <figment/data.h>

static fig__json *report_of(const char *path, bool check)
{
    fig_error err = { 0 };
    fig_data *data = NULL;
    char *json = NULL;
    fig__json *root = NULL;
    CHECK_OK(fig_data_open(path, NULL, &data, &err), err);
    if (data)
        CHECK_OK(fig_data_report(data, check, &json, &err), err);
    if (json)
        CHECK_OK(fig__json_parse(json, strlen(json), "report", &root, &err), err);
    CHECK_TEXT(fig__json_text(fig__json_get(root, "schema"), ""), "figment.data/1");
    free(json);
    fig_data_free(data);
    return root;
}

static double number(const fig__json *root, const char *key) { return fig__json_number(fig__json_get(root, key), -1); }

/* First item of the finding whose text contains the part; NULL = no such finding. */
static const char *finding(const fig__json *root, const char *part)
{
    const fig__json *list = fig__json_get(root, "findings");
    for (size_t i = 0; i < fig__json_count(list); i++) {
        const fig__json *one = fig__json_at(list, i);
        if (strstr(fig__json_text(fig__json_get(one, "what"), ""), part))
            return fig__json_text(fig__json_at(fig__json_get(one, "items"), 0), "");
    }
    return NULL;
}

FIG_TEST(pictures_with_planted_faults)
{
    const char *folder = sample_folder();
    for (int i = 0; i < 24; i++) {
        char name[60];
        snprintf(name, sizeof name, "train/cat/%02d.png", i);
        sample_png(sample_path(folder, name), 8, 6, 3, i);
    }
    sample_png(sample_path(folder, "train/dog/only.png"), 9, 6, 3, 50);
    sample_png(sample_path(folder, "train/cat/zz-copy.png"), 8, 6, 3, 3); /* = 03.png */
    sample_png(sample_path(folder, "test/cat/leak.png"), 8, 6, 3, 7);     /* = 07.png of train */
    sample_png(sample_path(folder, "train/dog/wrong.png"), 8, 6, 3, 5);   /* = 05.png, another label */
    fig_picture blank = { 4, 4, 1, (uint8_t[16]){ 0 } };
    fig_error err = { 0 };
    CHECK_OK(fig_picture_save(&blank, sample_path(folder, "test/cat/blank.png"), &err), err);
    sample_text(sample_path(folder, "test/cat/bad.jpg"), "no picture");

    fig__json *root = report_of(folder, true);
    REQUIRE(root);
    CHECK_TEXT(fig__json_text(fig__json_get(root, "kind"), ""), "images");
    CHECK_INT(fig__json_int(fig__json_get(fig__json_get(root, "items"), "train"), 0), 27);
    CHECK_INT(fig__json_int(fig__json_get(fig__json_get(root, "items"), "test"), 0), 2);
    CHECK_INT(number(root, "repeated"), 2);
    CHECK_INT(number(root, "in_two_splits"), 1);
    CHECK_INT(number(root, "contradicting"), 1);
    CHECK_INT(number(root, "skipped"), 1);
    CHECK_HAS(finding(root, "more than once"), "=");
    CHECK_TEXT(finding(root, "in two splits"), "train/cat/07.png = test/cat/leak.png");
    CHECK_TEXT(finding(root, "two different labels"), "train/cat/05.png = train/dog/wrong.png");
    CHECK_TEXT(finding(root, "one colour"), "test/cat/blank.png");
    CHECK_TEXT(finding(root, "very different size"), "dog (2)");
    CHECK_HAS(finding(root, "cannot be read"), "test/cat/bad.jpg: neither");
    CHECK(finding(root, "by heart") != NULL);
    const fig__json *counts = fig__json_get(fig__json_get(root, "class_counts"), "train");
    CHECK_INT(fig__json_int(fig__json_at(counts, 0), 0), 25);
    const fig__json *sizes = fig__json_get(root, "sizes");
    CHECK_INT(fig__json_count(sizes), 3);
    CHECK_INT(fig__json_int(fig__json_get(fig__json_at(sizes, 0), "width"), 0), 8);
    fig__json_free(root);

    root = report_of(folder, false);
    CHECK(fig__json_get(root, "repeated") == NULL);
    fig__json_free(root);
    sample_folder_end(folder);
}

FIG_TEST(pixel_statistics)
{
    const char *folder = sample_folder();
    uint8_t bytes[4 + 12 + 8] = { 0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 2, 0, 0, 0, 2, 0, 0, 0, 0, 100, 100, 200, 200 };
    sample_bytes(sample_path(folder, "train-images-idx3-ubyte"), bytes, sizeof bytes);
    fig__json *root = report_of(folder, true);
    const fig__json *pixels = fig__json_get(root, "pixels");
    CHECK_INT(number(pixels, "min"), 0);
    CHECK_INT(number(pixels, "max"), 200);
    CHECK_NEAR(fig__json_number(fig__json_at(fig__json_get(pixels, "mean"), 0), 0), 75, 1e-12);
    CHECK_NEAR(fig__json_number(fig__json_at(fig__json_get(pixels, "deviation"), 0), 0), sqrt(100000.0 / 8 - 75 * 75),
               1e-9);
    CHECK_TEXT(finding(root, "one colour"), "train picture 0");
    fig__json_free(root);
    sample_folder_end(folder);
}

FIG_TEST(text_and_points)
{
    const char *folder = sample_folder();
    sample_bytes(sample_path(folder, "t.txt"),
                 "b\xc3\xa9"
                 "bb\r\n\xff\nlonger line",
                 20);
    fig__json *root = report_of(sample_path(folder, "t.txt"), true);
    CHECK_INT(number(root, "bytes"), 20);
    CHECK_INT(number(root, "characters"), 18);
    CHECK_INT(number(root, "lines"), 3);
    CHECK_INT(number(root, "longest_line"), 11);
    CHECK_INT(number(root, "invalid_utf8"), 1);
    CHECK(finding(root, "not UTF-8") != NULL);
    CHECK(finding(root, "carriage") != NULL);
    const fig__json *common = fig__json_at(fig__json_get(root, "most_common"), 0);
    CHECK_TEXT(fig__json_text(fig__json_get(common, "character"), ""), "b");
    CHECK_INT(number(common, "times"), 3);
    fig__json_free(root);

    sample_text(sample_path(folder, "p.csv"), "a,b,class\n1,5,x\n2,5,y\n3,5,x\n");
    root = report_of(sample_path(folder, "p.csv"), true);
    CHECK_INT(number(root, "dimensions"), 2);
    CHECK_INT(number(root, "classes"), 2);
    CHECK_NEAR(number(fig__json_at(fig__json_get(root, "columns"), 0), "mean"), 2, 1e-12);
    CHECK(finding(root, "column 2 has one value") != NULL);
    fig__json_free(root);
    sample_folder_end(folder);
}

/* A picture and its JPEG in two splits are nearly the same; a copy is the same, and not counted twice. */
FIG_TEST(near_repeats)
{
    const char *folder = sample_folder();
    for (int i = 0; i < 6; i++) {
        char name[60];
        snprintf(name, sizeof name, "train/%d.png", i);
        sample_png(sample_path(folder, name), 64, 48, 3, i * 3);
    }
    sample_jpeg(sample_path(folder, "test/copy.jpg"), 64, 48, 3, 3);
    sample_png(sample_path(folder, "train/9.png"), 64, 48, 3, 6);
    fig_data *data;
    fig_error err = { 0 };
    char *json = NULL;
    CHECK_OK(fig_data_open(folder, NULL, &data, &err), err);
    CHECK_OK(fig_data_report(data, true, &json, &err), err);
    CHECK_HAS(json, "\"repeated\":1,");
    CHECK_HAS(json, "\"nearly_in_two_splits\":1");
    CHECK_HAS(json, "train/1.png ~ test/copy.jpg");
    free(json);
    fig_picture sheet;
    CHECK_OK(fig_data_overview(data, &sheet, &err), err);
    CHECK(sheet.width == 1000 && sheet.channels == 3);
    CHECK_INT(sheet.pixels[0], 246);
    bool inked = false; /* the title */
    for (int i = 0; i < 1000 * 30 * 3; i++)
        inked = inked || sheet.pixels[i] == 30;
    CHECK(inked);
    fig_picture_free(&sheet);
    fig_data_free(data);
    CHECK_OK(fig_data_open("synthetic:moons", NULL, &data, &err), err);
    CHECK_FAILS(fig_data_overview(data, &sheet, &err), err, FIG_E_USAGE, "shows pictures");
    fig_data_free(data);
    sample_folder_end(folder);
}

FIG_TEST_MAIN
