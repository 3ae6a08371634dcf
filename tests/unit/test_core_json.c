/* test_core_json.c - navigation, file order, big objects, limits, messages with a place, writing */
#include "test.h"
#include "core/core.h"

static fig__json *parse(const char *text, fig_error *err)
{
    fig__json *json;
    fig__json_parse(text, strlen(text), "x.json", &json, err);
    return json;
}

FIG_TEST(values_and_fallbacks)
{
    fig_error err = { 0 };
    fig__json *json = parse("{\"z\": 1, \"a\": [true, null, \"t\", 2.5, -7], \"o\": {}}", &err);
    REQUIRE(json != NULL);
    CHECK(fig__json_is_object(json));
    CHECK_INT(fig__json_count(json), 3);
    CHECK_TEXT(fig__json_key(json, 0), "z");
    CHECK_TEXT(fig__json_key(json, 1), "a");
    CHECK(fig__json_key(json, 3) == NULL);
    CHECK_INT(fig__json_int(fig__json_value(json, 0), 0), 1);
    const fig__json *a = fig__json_get(json, "a");
    CHECK(fig__json_is_array(a));
    CHECK_INT(fig__json_count(a), 5);
    CHECK(fig__json_bool(fig__json_at(a, 0), false));
    CHECK(fig__json_is_null(fig__json_at(a, 1)));
    CHECK_TEXT(fig__json_text(fig__json_at(a, 2), NULL), "t");
    CHECK_NEAR(fig__json_number(fig__json_at(a, 3), 0), 2.5, 0);
    CHECK_INT(fig__json_int(fig__json_at(a, 3), 99), 99); /* 2.5 is not whole */
    CHECK_INT(fig__json_int(fig__json_at(a, 4), 0), -7);
    CHECK_NEAR(fig__json_number(fig__json_at(a, 4), 0), -7, 0);
    CHECK(fig__json_is_number(fig__json_at(a, 4)));
    CHECK(fig__json_at(a, 5) == NULL);
    CHECK(fig__json_get(json, "none") == NULL);
    /* Everything accepts NULL and a wrong type. */
    CHECK(fig__json_get(NULL, "x") == NULL && fig__json_get(a, "x") == NULL && fig__json_at(json, 0) == NULL);
    CHECK_INT(fig__json_count(NULL) + fig__json_count(fig__json_at(a, 2)), 0);
    CHECK_TEXT(fig__json_text(json, "f"), "f");
    CHECK_INT(fig__json_int(NULL, 5), 5);
    CHECK(fig__json_bool(NULL, true));
    CHECK(!fig__json_is_null(NULL));
    CHECK(fig__json_value(a, 0) == NULL);
    fig__json_free(json);
    fig__json_free(NULL);
}

FIG_TEST(large_objects_are_found_by_key_and_keep_their_order)
{
    fig__text text;
    fig__text_init(&text, 10 << 20);
    enum { N = 20000 };
    for (int i = 0; i < N; i++)
        fig__text_print(&text, "%s\"key%d\":%d", i ? "," : "{", (i * 7919) % N, i);
    fig__text_add(&text, "}", 1);
    fig_error err = { 0 };
    fig__json *json = parse(text.data, &err);
    REQUIRE(json != NULL);
    CHECK_INT(fig__json_count(json), N);
    for (int i = 0; i < N; i++) {
        char key[32];
        snprintf(key, sizeof key, "key%d", (i * 7919) % N);
        REQUIRE(fig__json_int(fig__json_get(json, key), -1) == i);
        REQUIRE(strcmp(fig__json_key(json, (size_t)i), key) == 0);
    }
    CHECK(fig__json_get(json, "key") == NULL);
    fig__json_free(json);
    fig__text_free(&text);
}

FIG_TEST(faults_name_the_place)
{
    fig_error err = { 0 };
    static const struct { const char *text, *part; } bad[] = {
        { "", "line 1" },
        { "{\"a\": 1,\n \"a\": 2}", "x.json: line 2" },
        { "{\"a\": }", "line 1" },
        { "[1] 2", "line 1" },
        { "\"\xff\"", "decode byte" },
        { "[1, 2", "line 1" },
        { "\"a\\u0000b\"", "\\u0000" },
        { "123456789012345678901234567890", "too big" },
        { "[NaN]", "line 1" },
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        fig__json *json;
        CHECK_FAILS(fig__json_parse(bad[i].text, strlen(bad[i].text), "x.json", &json, &err), err, FIG_E_FORMAT, bad[i].part);
        CHECK(json == NULL);
    }
}

FIG_TEST(depth_is_limited)
{
    char text[20001];
    fig_error err = { 0 };
    fig__json *json;
    memset(text, '[', 200);
    memset(text + 200, ']', 200);
    CHECK_FAILS(fig__json_parse(text, 400, "x", &json, &err), err, FIG_E_LIMIT, "deeper than 128");
    memset(text, '[', 100);
    memset(text + 100, ']', 100);
    CHECK_OK(fig__json_parse(text, 200, "x", &json, &err), err);
    fig__json_free(json);
    memset(text, '[', 20000);
    CHECK_FAILS(fig__json_parse(text, 20000, "x", &json, &err), err, FIG_E_FORMAT, "depth");
}

FIG_TEST(writing_escapes_and_reads_back)
{
    fig__text text;
    fig__text_init(&text, 1000);
    fig__json_put_text(&text, "a\"b\\c\n\t\r\x01\x7f\xc3\xa9\xff/");
    CHECK_TEXT(text.data, "\"a\\\"b\\\\c\\n\\t\\r\\u0001\\u007f\xc3\xa9\xef\xbf\xbd/\"");
    fig_error err = { 0 };
    fig__json *json = parse(text.data, &err);
    CHECK_TEXT(fig__json_text(json, NULL), "a\"b\\c\n\t\r\x01\x7f\xc3\xa9\xef\xbf\xbd/");
    fig__json_free(json);
    fig__text_free(&text);
    fig__json_put_number(&text, 0.1);
    fig__json_put_number(&text, NAN);
    CHECK_TEXT(text.data, "0.1null");
    fig__text_free(&text);
}

FIG_TEST_MAIN
