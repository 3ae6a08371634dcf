/* test_core_text.c - bounded text, numbers that read back, edit distance, UTF-8, the bounded reader, checked arithmetic */
#include "test.h"
#include "core/core.h"
#include <float.h>

FIG_TEST(text_grows_to_its_maximum_and_no_further)
{
    fig__text text;
    fig__text_init(&text, 10);
    CHECK(text.data == NULL);
    fig__text_add(&text, "abc", 3);
    fig__text_print(&text, "%d", 4567);
    CHECK_TEXT(text.data, "abc4567");
    fig__text_print(&text, "%s", "long");
    CHECK(text.overflow);
    CHECK_TEXT(text.data, "abc4567");
    fig__text_add(&text, "x", 1); /* stays as it was, so that nothing is missing in the middle */
    CHECK_INT(text.length, 7);
    fig__text_free(&text);
    fig__text_add(&text, "0123456789", 10);
    CHECK(!text.overflow);
    CHECK_TEXT(text.data, "0123456789");
    fig__text_free(&text);
}

FIG_TEST(prefix_and_suffix)
{
    CHECK(fig__starts_with("figment", "fig"));
    CHECK(!fig__starts_with("fi", "fig"));
    CHECK(fig__ends_with("a.png", ".png"));
    CHECK(!fig__ends_with("png", ".png"));
    CHECK(fig__ends_with("x", ""));
}

FIG_TEST(edit_distance)
{
    CHECK_INT(fig__edit_distance("", ""), 0);
    CHECK_INT(fig__edit_distance("kitten", "sitting"), 3);
    CHECK_INT(fig__edit_distance("batch", "bacth"), 1);
    CHECK_INT(fig__edit_distance("lr", ""), 2);
    char far[100];
    memset(far, 'a', 99);
    far[99] = 0;
    CHECK(fig__edit_distance(far, far) > 64);
}

FIG_TEST(numbers_are_short_and_exact)
{
    static const struct { double value; const char *text; } known[] = {
        { 0, "0" },           { 1, "1" },         { -3, "-3" },         { 1e6, "1000000" },    { 0.1, "0.1" },
        { 3e-4, "0.0003" },   { 1e-5, "1e-05" },  { 1e300, "1e+300" },  { NAN, "nan" },        { INFINITY, "inf" },
        { -INFINITY, "-inf" }, { 0.1 + 0.2, "0.30000000000000004" },    { 2.5, "2.5" },        { -0.0, "-0" },
    };
    char text[32];
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        fig__number_text(known[i].value, text);
        CHECK_TEXT(text, known[i].text);
    }
    fig__rng rng = { 3 };
    for (int i = 0; i < 20000; i++) {
        uint64_t bits = fig__rng_next(&rng);
        double value, back;
        memcpy(&value, &bits, sizeof value);
        if (!isfinite(value))
            continue;
        fig__number_text(value, text);
        REQUIRE(fig__number_parse(text, &back));
        REQUIRE(memcmp(&value, &back, sizeof value) == 0);
    }
    fig__number_text(DBL_TRUE_MIN, text);
    CHECK_TEXT(text, "5e-324");
}

FIG_TEST(number_parsing_is_strict)
{
    static const char *const bad[] = { "", " 1", "1 ", "0x10", "1,5", "1.5.2", "--1", "e5", "nan(0x1)", "one", "1e", "+" };
    double value;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        if (fig__number_parse(bad[i], &value))
            TEST_FAIL("\"%s\" was read as %g", bad[i], value);
    CHECK(fig__number_parse("-1.5e3", &value) && value == -1500);
    CHECK(fig__number_parse(".5", &value) && value == 0.5);
    CHECK(fig__number_parse("inf", &value) && isinf(value));
    CHECK(fig__number_parse("+3", &value) && value == 3);
}

FIG_TEST(utf8)
{
    const char *text = "a\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80";
    CHECK_INT(fig__utf8_next(&text), 'a');
    CHECK_INT(fig__utf8_next(&text), 0xe9);
    CHECK_INT(fig__utf8_next(&text), 0x20ac);
    CHECK_INT(fig__utf8_next(&text), 0x1f600);
    CHECK_INT(fig__utf8_next(&text), 0);
    CHECK_INT(fig__utf8_next(&text), 0);
    /* overlong, surrogate, too large, cut short, lone continuation */
    static const char *const bad[] = { "\xc0\x80", "\xe0\x80\x80", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\xe2\x82", "\x80", "\xff" };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        const char *at = bad[i];
        CHECK_INT(fig__utf8_next(&at), -1);
        CHECK(at == bad[i] + 1);
    }
}

FIG_TEST(reader_never_passes_the_end)
{
    static const uint8_t bytes[] = { 1, 2, 3, 4, 5, 6, 7, 8, 9 };
    fig__reader reader;
    fig__reader_init(&reader, bytes, sizeof bytes);
    CHECK_INT(fig__read_u8(&reader), 1);
    CHECK_INT(fig__read_u32_be(&reader), 0x02030405);
    CHECK_INT(fig__read_u32_le(&reader), 0x09080706);
    CHECK(!reader.failed);
    CHECK_INT(fig__read_u8(&reader), 0);
    CHECK(reader.failed);
    fig__reader_init(&reader, bytes, sizeof bytes);
    CHECK(fig__read_u64_le(&reader) == 0x0807060504030201u);
    CHECK(fig__read_bytes(&reader, UINT64_MAX) == NULL);
    CHECK(reader.failed);
    CHECK(fig__read_bytes(&reader, 1) == NULL); /* one is left, but the fault sticks */
    fig__reader_init(&reader, NULL, 0);
    CHECK_INT(fig__read_u64_le(&reader), 0);
    CHECK(reader.failed);
}

FIG_TEST(checked_arithmetic)
{
    uint64_t out;
    CHECK(fig__mul(1u << 31, 1u << 31, &out) && out == UINT64_C(1) << 62);
    CHECK(!fig__mul(UINT64_C(1) << 32, UINT64_C(1) << 32, &out));
    CHECK(fig__add(UINT64_MAX - 1, 1, &out) && out == UINT64_MAX);
    CHECK(!fig__add(UINT64_MAX, 1, &out));
}

FIG_TEST_MAIN
