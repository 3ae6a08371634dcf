/* test_safetensors.c - bytes equal to the reference implementation's, and every refusal that the format asks for */
#include "sample_data.h"
#include "test.h"
#include "interop/safetensors.h"

static const char *folder;

static char *written(const fig__safetensors_entry *entries, size_t count, const fig__safetensors_pair *pairs, size_t n,
                     uint64_t *length)
{
    fig_error err = { 0 };
    char *bytes = NULL;
    const char *path = sample_path(folder, "w.safetensors");
    CHECK_OK(fig__safetensors_write(path, entries, count, pairs, n, &err), err);
    CHECK_OK(fig__file_read(path, 1 << 20, &bytes, length, &err), err);
    return bytes;
}

FIG_TEST(golden_bytes)
{
    folder = sample_folder();
    float values[6] = { 0, 1, 2, 3, 4, 5 };
    uint64_t length;
    fig__safetensors_entry one = { .name = "attn.0", .type = FIG_SHAPE(1, 2, 3), .data = values, .bytes = 24 };
    char *bytes = written(&one, 1, NULL, 0, &length), hash[65];
    CHECK_INT(length, 96);
    fig__sha256_of(bytes, length, hash);
    CHECK_TEXT(hash, "2a86d7550f9791d6a7447c66874e5c86d824e292e17226b389a53341d4987f0d");
    free(bytes);

    one = (fig__safetensors_entry){ .name = "attn0", .type = FIG_SHAPE(1, 1, 2, 3), .data = values, .bytes = 24 };
    bytes = written(&one, 1, NULL, 0, &length);
    CHECK_INT(bytes[0], 72);
    CHECK(!memcmp(bytes + 8 + 65, "       ", 7));
    free(bytes);

    bytes = written(NULL, 0, &(fig__safetensors_pair){ "framework", "pt" }, 1, &length);
    CHECK_INT(length, 48);
    CHECK(!memcmp(bytes + 8, "{\"__metadata__\":{\"framework\":\"pt\"}}     ", 40));
    free(bytes);

    bytes = written(NULL, 0, NULL, 0, &length);
    CHECK_INT(length, 16);
    CHECK(!memcmp(bytes, "\x08\0\0\0\0\0\0\0{}      ", 16));
    free(bytes);
    sample_folder_end(folder);
}

FIG_TEST(order_and_escapes)
{
    folder = sample_folder();
    int32_t number = 7;
    uint16_t half = 0x3f80;
    float value = 1;
    fig__safetensors_entry entries[] = {
        { .name = "b16", .type = { .dtype = FIG_BF16 }, .data = &half, .bytes = 2 },
        { .name = "z", .type = FIG_SHAPE(1), .data = &value, .bytes = 4 },
        { .name = "i", .type = { .dtype = FIG_I32, .rank = 1, .dim = { 1 } }, .data = &number, .bytes = 4 },
        { .name = "a", .type = FIG_SHAPE(0, 3), .data = "", .bytes = 0 },
    };
    fig__safetensors_pair pairs[] = { { "k2", "line\n\"quoted\"\x01" }, { "k1", "\xc3\xa9" } };
    uint64_t length;
    char *bytes = written(entries, 4, pairs, 2, &length);
    const char *expected = "{\"__metadata__\":{\"k1\":\"\xc3\xa9\",\"k2\":\"line\\n\\\"quoted\\\"\\u0001\"},"
                           "\"a\":{\"dtype\":\"F32\",\"shape\":[0,3],\"data_offsets\":[0,0]},"
                           "\"z\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]},"
                           "\"i\":{\"dtype\":\"I32\",\"shape\":[1],\"data_offsets\":[4,8]},"
                           "\"b16\":{\"dtype\":\"BF16\",\"shape\":[],\"data_offsets\":[8,10]}}";
    CHECK(!memcmp(bytes + 8, expected, strlen(expected)));

    fig_error err = { 0 };
    fig__safetensors *file;
    CHECK_OK(fig__safetensors_parse(bytes, length, "w", &file, &err), err);
    CHECK_INT(fig__safetensors_count(file), 4);
    CHECK_TEXT(fig__safetensors_at(file, 1)->name, "z");
    CHECK_TEXT(fig__safetensors_metadata(file, "k2"), "line\n\"quoted\"\x01");
    CHECK(fig__safetensors_metadata(file, "k3") == NULL);
    CHECK_INT(fig__safetensors_pairs(file), 2);
    CHECK_TEXT(fig__safetensors_pair_at(file, 1).key, "k2");
    float found = 0;
    CHECK_OK(fig__safetensors_get(file, "z", &FIG_SHAPE(1), &found, &err), err);
    CHECK_NEAR(found, 1, 0);
    CHECK_FAILS(fig__safetensors_get(file, "z", &FIG_SHAPE(2), &found, &err), err, FIG_E_FORMAT,
                "is F32 (1), expected F32 (2)");
    CHECK_FAILS(fig__safetensors_get(file, "y", &FIG_SHAPE(2), &found, &err), err, FIG_E_NOT_FOUND, "no tensor");
    CHECK(fig__safetensors_find(file, "b16")->usable);
    fig__safetensors_close(file);
    free(bytes);

    entries[1].name = "i";
    CHECK_FAILS(fig__safetensors_write(sample_path(folder, "d"), entries, 4, NULL, 0, &err), err, FIG_E_USAGE,
                "two tensors");
    CHECK(!fig__path_exists(sample_path(folder, "d")));
    sample_folder_end(folder);
}

/* Header text and `data` bytes of zeros as a file. */
static fig_status parse_text(const char *header, size_t length, uint64_t claimed, size_t data, fig_error *err)
{
    uint8_t *bytes = calloc(8 + length + data, 1);
    for (int i = 0; i < 8; i++)
        bytes[i] = (uint8_t)(claimed >> (8 * i));
    memcpy(bytes + 8, header, length);
    fig__safetensors *file = NULL;
    fig_status status = fig__safetensors_parse(bytes, 8 + length + data, "f", &file, err);
    fig__safetensors_close(file);
    free(bytes);
    return status;
}

FIG_TEST(accepts)
{
    static const struct {
        const char *header;
        size_t data;
    } good[] = {
        { "{}", 0 },
        { "{}      ", 0 },
        { "{\"a\":{\"dtype\":\"F32\",\"shape\":[],\"data_offsets\":[0,4]}}", 4 },
        { "{\"a\":{\"dtype\":\"F16\",\"shape\":[2],\"data_offsets\":[0,4]}}", 4 },
        { "{\"b\":{\"dtype\":\"I8\",\"shape\":[1],\"data_offsets\":[4,5]},\"a\":{\"dtype\":\"F32\",\"shape\":[1],"
          "\"data_offsets\":[0,4]}}",
          5 },
        { "{\"a\":{\"dtype\":\"F32\",\"shape\":[0],\"data_offsets\":[0,0]},\"b\":{\"dtype\":\"F32\",\"shape\":[1],"
          "\"data_offsets\":[0,4]}}",
          4 },
        { "{\"a\":{\"dtype\":\"F32\",\"shape\":[0],\"data_offsets\":[4,4]},\"b\":{\"dtype\":\"F32\",\"shape\":[1],"
          "\"data_offsets\":[0,4]}}",
          4 },
        { "{ \"a\" : {\"shape\":[1], \"dtype\":\"U8\",\"data_offsets\":[0, 1]} }  ", 1 },
        { "{\"__metadata__\":{}}", 0 },
    };
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        fig_error err = { 0 };
        CHECK_OK(parse_text(good[i].header, strlen(good[i].header), strlen(good[i].header), good[i].data, &err), err);
    }
}

FIG_TEST(refuses)
{
#define T(dtype, shape, begin, end) \
    "{\"dtype\":\"" dtype "\",\"shape\":[" shape "],\"data_offsets\":[" #begin "," #end "]}"
    static const struct {
        const char *header;
        size_t data;
        const char *part;
    } bad[] = {
        { "", 0, "begin with {" },
        { "[]", 0, "begin with {" },
        { " {}", 0, "begin with {" },
        { "{}\n", 0, "other than spaces" },
        { "{}x", 0, "other than spaces" },
        { "{}{}", 0, "invalid JSON" },
        { "{\"a\":1,}", 0, "invalid JSON" },
        { "{\"a\\u0000\":1}", 0, "invalid JSON" },
        { "{\"\xff\":1}", 0, "invalid JSON" },
        { "{\"a\":" T("F32", "1", 0, 4) ",\"a\":" T("F32", "1", 4, 8) "}", 8, "invalid JSON" },
        { "{\"a\":" T("F32", "1", 0, 4) "}", 3, "outside" },
        { "{\"a\":" T("F32", "1", 0, 4) "}", 5, "follow after" },
        { "{\"a\":" T("F32", "1", 4, 8) "}", 8, "a gap" },
        { "{\"a\":" T("F32", "1", 0, 4) ",\"b\":" T("F32", "1", 5, 9) "}", 9, "a gap" },
        { "{\"a\":" T("F32", "2", 0, 8) ",\"b\":" T("F32", "1", 4, 8) "}", 8, "overlaps" },
        { "{\"a\":" T("F32", "1", 0, 4) ",\"b\":" T("F32", "1", 0, 4) "}", 4, "overlaps" },
        { "{\"a\":" T("F32", "1", 4, 0) "}", 4, "outside" },
        { "{\"a\":" T("F32", "1", -4, 0) "}", 4, "outside" },
        { "{\"a\":" T("F32", "-1", 0, 4) "}", 4, "whole number" },
        { "{\"a\":" T("F32", "1.0", 0, 4) "}", 4, "whole number" },
        { "{\"a\":" T("F32", "1e0", 0, 4) "}", 4, "whole number" },
        { "{\"a\":" T("F32", "1", 0, 4.0) "}", 4, "whole numbers" },
        { "{\"a\":" T("F32", "2", 0, 4) "}", 4, "do not fit" },
        { "{\"a\":" T("F31", "1", 0, 4) "}", 4, "unknown dtype" },
        { "{\"a\":" T("F32", "4194305,4194305,211106198978564", 0, 4) "}", 4, "do not fit" },
        { "{\"a\":" T("F32", "4,1073741823,1073741825", 0, 4) "}", 4, "do not fit" },
        { "{\"a\":" T("F32", "4611686018427387904", 0, 0) "}", 0, "do not fit" },
        { "{\"a\":" T("F32", "9223372036854775807,2", 0, 4) "}", 4, "do not fit" },
        { "{\"a\":" T("F32", "9223372036854775808", 0, 4) "}", 4, "invalid JSON" },
        { "{\"a\":" T("F32", "1,1,1,1,1,1,1,1,1", 0, 4) "}", 4, "dimensions" },
        { "{\"a\":{\"dtype\":\"F32\",\"shape\":[1]}}", 4, "data_offsets" },
        { "{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0]}}", 4, "data_offsets" },
        { "{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"offsets\":[0,4]}}", 4, "data_offsets" },
        { "{\"a\":{\"dtype\":3,\"shape\":[1],\"data_offsets\":[0,4]}}", 4, "dtype" },
        { "{\"a\":{\"dtype\":\"F32\",\"data_offsets\":[0,4]}}", 4, "shape" },
        { "{\"a\":7}", 4, "dtype" },
        { "{\"\":" T("F32", "1", 0, 4) "}", 4, "name" },
        { "{\"a\\u001b[2J\":" T("F32", "1", 0, 4) "}", 4, "name" },
        { "{\"__metadata__\":[]}", 0, "not an object" },
        { "{\"__metadata__\":{\"a\":1}}", 0, "not text" },
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        fig_error err = { 0 };
        size_t length = strlen(bad[i].header);
        fig_status status = parse_text(bad[i].header, length, length, bad[i].data, &err);
        if ((status != FIG_E_FORMAT && status != FIG_E_LIMIT) || !strstr(err.message, bad[i].part))
            TEST_FAIL("%s with %zu bytes: status %d, \"%s\" lacks \"%s\"", bad[i].header, bad[i].data, (int)status,
                      err.message, bad[i].part);
    }
}

FIG_TEST(refuses_lengths)
{
    fig_error err = { 0 };
    static const uint64_t claims[] = { 0, 1, 3, 100000001, UINT64_MAX, UINT64_MAX - 7, 1ull << 63 };
    for (size_t i = 0; i < sizeof claims / sizeof *claims; i++) {
        CHECK_INT(parse_text("{}", 2, claims[i], 0, &err), FIG_E_FORMAT);
        fig_error_clear(&err);
    }
    fig__safetensors *file;
    for (uint64_t length = 0; length < 8; length++)
        CHECK_FAILS(fig__safetensors_parse("\2\0\0\0\0\0\0\0", length, "f", &file, &err), err, FIG_E_FORMAT, "too few");
    CHECK_FAILS(fig__safetensors_parse("PK\3\4..............", 18, "f", &file, &err), err, FIG_E_FORMAT, "ZIP");
    CHECK_FAILS(fig__safetensors_parse("\x80\2}q\0..............", 18, "f", &file, &err), err, FIG_E_FORMAT, "pickle");
    CHECK_FAILS(fig__safetensors_open("/nowhere/x", &file, &err), err, FIG_E_NOT_FOUND, "no such file");
    CHECK_FAILS(fig__safetensors_open("/dev/zero", &file, &err), err, FIG_E_IO, "regular");
}

FIG_TEST(many_tensors)
{
    folder = sample_folder();
    enum { COUNT = 20000 };
    fig__safetensors_entry *entries = calloc(COUNT, sizeof *entries);
    char(*names)[16] = calloc(COUNT, sizeof *names);
    float *values = calloc(COUNT, sizeof *values);
    for (int i = 0; i < COUNT; i++) {
        snprintf(names[i], sizeof names[i], "t%d", i);
        values[i] = (float)i;
        entries[i] = (fig__safetensors_entry){ .name = names[i], .type = FIG_SCALAR, .data = &values[i], .bytes = 4 };
    }
    fig_error err = { 0 };
    fig__safetensors *file;
    const char *path = sample_path(folder, "many");
    CHECK_OK(fig__safetensors_write(path, entries, COUNT, NULL, 0, &err), err);
    CHECK_OK(fig__safetensors_open(path, &file, &err), err);
    CHECK_INT(fig__safetensors_count(file), COUNT);
    for (int i = 0; i < COUNT; i += 97) {
        float value = -1;
        CHECK_OK(fig__safetensors_get(file, names[i], &FIG_SCALAR, &value, &err), err);
        CHECK_NEAR(value, i, 0);
    }
    fig__safetensors_close(file);
    free(entries);
    free(names);
    free(values);
    sample_folder_end(folder);
}

FIG_TEST_MAIN
