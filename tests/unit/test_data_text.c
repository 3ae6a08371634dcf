/* test_data_text.c - text files and folders, tokenizers, windows */
#include "sample_data.h"
#include "test.h"
#include "data/prepared.h"

static char last_warning[1024];
static void keep_warning(void *user, const char *message)
{
    (void)user;
    snprintf(last_warning, sizeof last_warning, "%s", message);
}
static const fig_data_open_opts listening = { .warn = keep_warning };

static fig_data *prepared(const char *path, const fig_data_request *request)
{
    fig_error err = { 0 };
    fig_data *data = NULL;
    last_warning[0] = 0;
    CHECK_OK(fig_data_open(path, &listening, &data, &err), err);
    if (data)
        CHECK_OK(fig_data_prepare(data, request, &err), err);
    return data;
}

FIG_TEST(characters_are_sorted_code_points)
{
    const char *folder = sample_folder(), *path = sample_path(folder, "poem.txt");
    sample_text(path, "\xef\xbb\xbf"
                      "b\xe5\xba\x8a"
                      "a\n\xc3\xa9"
                      "ab\xf0\x9f\x90\xb1");
    fig_data *data = prepared(path, &(fig_data_request){ .kinds = FIG_DATA_TEXT, .context = 2 });
    REQUIRE(data);
    const fig_data_spec *spec = fig_data_get_spec(data);
    CHECK_INT(spec->vocabulary, 6);
    CHECK_INT(fig_tokenizer_size(spec->tokenizer), 6);
    static const char *const pieces[] = { "\n", "a", "b", "\xc3\xa9", "\xe5\xba\x8a", "\xf0\x9f\x90\xb1" };
    for (int i = 0; i < 6; i++) {
        int length;
        const char *piece = fig_tokenizer_piece(spec->tokenizer, i, &length);
        CHECK_INT(length, strlen(pieces[i]));
        CHECK(!memcmp(piece, pieces[i], (size_t)length));
    }
    int length;
    fig_tokenizer_piece(spec->tokenizer, 6, &length);
    CHECK_INT(length, 0);
    fig_tokenizer_piece(spec->tokenizer, -1, &length);
    CHECK_INT(length, 0);
    int32_t ids[8];
    fig_error err = { 0 };
    CHECK_INT(fig_tokenizer_encode(spec->tokenizer, "ba\xc3\xa9", 4, ids, 8, &err), 3);
    CHECK(ids[0] == 2 && ids[1] == 1 && ids[2] == 3);
    CHECK_INT(fig_tokenizer_encode(spec->tokenizer, "bax", 3, ids, 8, &err), -1);
    CHECK_HAS(err.message, "\"x\" (U+0078)");
    fig_error_clear(&err);
    CHECK_INT(fig_tokenizer_encode(spec->tokenizer, "\xc3", 1, ids, 8, &err), -1);
    CHECK_HAS(err.message, "UTF-8");
    CHECK_INT(fig_tokenizer_encode(spec->tokenizer, "bababa", 6, ids, 4, NULL), 4);

    char *json = fig_data_spec_to_json(spec);
    fig_data_spec *read = NULL;
    fig_error_clear(&err);
    CHECK_OK(fig_data_spec_from_json(json, &read, &err), err);
    REQUIRE(read);
    CHECK_INT(read->vocabulary, 6);
    CHECK_INT(read->context, 2);
    CHECK_TEXT(read->data_hash, spec->data_hash);
    char *again = fig_data_spec_to_json(read);
    CHECK_TEXT(again, json);
    free(json);
    free(again);
    fig_data_spec_free(read);
    fig_data_free(data);
    sample_folder_end(folder);
}

FIG_TEST(invalid_utf8_falls_back_to_bytes)
{
    const char *folder = sample_folder(), *path = sample_path(folder, "latin1.txt");
    sample_bytes(path, "caf\xe9 noir, caf\xe9 cr\xe8me", 21);
    fig_data *data = prepared(path, &(fig_data_request){ .kinds = FIG_DATA_TEXT, .context = 4 });
    REQUIRE(data);
    CHECK_INT(fig_data_get_spec(data)->vocabulary, 256);
    CHECK_HAS(last_warning, "byte 3 is not UTF-8");
    int length;
    const char *piece = fig_tokenizer_piece(fig_data_get_spec(data)->tokenizer, 0xe9, &length);
    CHECK(length == 1 && (unsigned char)piece[0] == 0xe9);
    fig_data_free(data);
    sample_folder_end(folder);
}

FIG_TEST(windows)
{
    const char *folder = sample_folder(), *path = sample_path(folder, "count.txt");
    char text[101];
    for (int i = 0; i < 100; i++)
        text[i] = (char)(33 + i % 90);
    text[100] = 0;
    sample_text(path, text);
    fig_data *data = prepared(
        path, &(fig_data_request){ .kinds = FIG_DATA_TEXT, .context = 7, .tokenizer = "byte", .validation = 0.25 });
    REQUIRE(data);
    CHECK_INT(fig_data_items(data, FIG_TRAIN_SPLIT), 11); /* 75 tokens: 74 predictions, 10 windows of 7 and one of 4 */
    CHECK_INT(fig_data_items(data, FIG_VALIDATION_SPLIT), 4); /* 24 predictions: 3 windows of 7 and one of 3 */
    fig_error err = { 0 };
    fig_loader *loader;
    const fig_batch *batch;
    fig_loader_opts opts = { .split = FIG_VALIDATION_SPLIT, .order = FIG_ORDER_SEQUENTIAL, .batch = 2 };
    CHECK_OK(fig_loader_new(data, &opts, &loader, &err), err);
    CHECK_INT(fig_loader_epoch_batches(loader), 2);
    for (int b = 0; b < 2; b++) {
        CHECK_OK(fig_loader_next(loader, &batch, &err), err);
        CHECK_TEXT(batch->name[0], "tokens");
        CHECK_INT(batch->type[0].dtype, FIG_I32);
        CHECK_INT(batch->type[0].dim[1], 8);
        CHECK_INT(batch->real_rows, 2);
        const int32_t *tokens = batch->data[0];
        for (int row = 0; row < 2; row++)
            for (int i = 0; i < 8; i++) { /* past the end of the text: -1 */
                int at = 75 + (b * 2 + row) * 7 + i;
                CHECK_INT(tokens[row * 8 + i], at < 100 ? text[at] : -1);
            }
    }
    fig_loader_free(loader);

    /* random windows lie inside their split, and reach its first and last token */
    opts = (fig_loader_opts){ .batch = 16, .seed = 1 };
    CHECK_OK(fig_loader_new(data, &opts, &loader, &err), err);
    CHECK_INT(fig_loader_epoch_batches(loader), 1);
    bool first = false, last = false;
    for (int b = 0; b < 60; b++) {
        CHECK_OK(fig_loader_next(loader, &batch, &err), err);
        CHECK_INT(batch->real_rows, 16);
        for (int row = 0; row < 16; row++) {
            const int32_t *ids = (const int32_t *)batch->data[0] + row * 8;
            for (int i = 1; i < 8; i++)
                CHECK(ids[i] == ids[i - 1] + 1);
            CHECK(ids[0] >= 33 && ids[7] < 33 + 75);
            first = first || ids[0] == 33;
            last = last || ids[7] == 33 + 74;
        }
    }
    CHECK(first && last);
    fig_loader_free(loader);
    fig_data_free(data);
    sample_folder_end(folder);
}

FIG_TEST(too_short_for_the_context)
{
    const char *folder = sample_folder(), *path = sample_path(folder, "short.txt");
    sample_text(path, "twelve chars");
    fig_error err = { 0 };
    fig_data *data;
    CHECK_OK(fig_data_open(path, NULL, &data, &err), err);
    fig_data_request request = { .kinds = FIG_DATA_TEXT, .context = 12 };
    CHECK_FAILS(fig_data_prepare(data, &request, &err), err, FIG_E_USAGE, "has 12 tokens, fewer than a context of 12");
    request.context = 11;
    CHECK_OK(fig_data_prepare(data, &request, &err), err);
    request.validation = 0.1;
    request.context = 4;
    CHECK_FAILS(fig_data_prepare(data, &request, &err), err, FIG_E_USAGE, "validation text has");
    request.tokenizer = "word";
    CHECK_FAILS(fig_data_prepare(data, &request, &err), err, FIG_E_USAGE, "no tokenizer \"word\"");
    fig_data_free(data);
    sample_text(path, "");
    CHECK_FAILS(fig_data_open(path, NULL, &data, &err), err, FIG_E_FORMAT, "no text");
    sample_folder_end(folder);
}

FIG_TEST(folders_and_splits)
{
    const char *folder = sample_folder();
    sample_text(sample_path(folder, "train.txt"), "aaaa");
    sample_text(sample_path(folder, "test/1.txt"), "bb");
    sample_text(sample_path(folder, "test/2.txt"), "cc\n");
    sample_text(sample_path(folder, "notes.md"), "dd");
    sample_text(sample_path(folder, ".hidden.txt"), "x");
    if (symlink("train.txt", sample_path(folder, "link.txt")))
        SKIP("no links here");
    fig_data *data = prepared(folder, &(fig_data_request){ .kinds = FIG_DATA_TEXT, .context = 1 });
    REQUIRE(data);
    CHECK_HAS(last_warning, "1 links");
    CHECK_TEXT(data->contents.text[FIG_TRAIN_SPLIT], "dd\naaaa");
    CHECK_TEXT(data->contents.text[FIG_TEST_SPLIT], "bb\ncc\n");
    CHECK_TEXT(fig_data_get_info(data)->source, "text");
    fig_data_free(data);
    sample_folder_end(folder);
}

FIG_TEST(by_the_spec_of_a_model)
{
    const char *folder = sample_folder();
    sample_text(sample_path(folder, "a.txt"), "abcabcabcabc");
    sample_text(sample_path(folder, "b.txt"), "cbaXcbaYcba");
    fig_data *data =
        prepared(sample_path(folder, "a.txt"), &(fig_data_request){ .kinds = FIG_DATA_TEXT, .context = 2 });
    REQUIRE(data);
    fig_data_spec *spec = fig_data_spec_copy(fig_data_get_spec(data));
    fig_data_free(data);
    fig_error err = { 0 };
    CHECK_OK(fig_data_open(sample_path(folder, "b.txt"), &listening, &data, &err), err);
    CHECK_OK(fig_data_prepare_like(data, spec, &err), err);
    CHECK_HAS(last_warning, "2 characters");
    CHECK_INT(fig_data_get_spec(data)->vocabulary, 3);
    CHECK_INT(data->tokens[FIG_TRAIN_SPLIT].count, 9);
    fig_data_free(data);
    fig_data_spec_free(spec);
    sample_folder_end(folder);
}

FIG_TEST(utf8)
{
    static const struct {
        const char *bytes;
        int length;
    } bad[] = {
        { "\x80", 1 },         { "\xc0\x80", 2 },         { "\xc1\xbf", 2 },         { "\xe0\x9f\xbf", 3 },
        { "\xed\xa0\x80", 3 }, { "\xf0\x8f\xbf\xbf", 4 }, { "\xf4\x90\x80\x80", 4 }, { "\xf5\x80\x80\x80", 4 },
        { "\xc3", 1 },         { "\xe2\x82", 2 },         { "\xc3\x28", 2 },         { "\xff", 1 },
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        CHECK_INT(fig__find_invalid_utf8(bad[i].bytes, bad[i].length), 0);
    for (uint32_t point = 0; point < 0x110000; point += point < 0x900 ? 1 : 37) {
        char bytes[4];
        uint32_t read = 0;
        if (point >= 0xd800 && point < 0xe000)
            continue;
        int length = fig__utf8_encode(point, bytes);
        if (fig__utf8_decode(bytes, length, &read) != length || read != point)
            TEST_FAIL("U+%04X reads back as U+%04X", point, read);
    }
}

FIG_TEST_MAIN
