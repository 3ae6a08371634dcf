/* test_core_option.c - defaults, every type from text, the words of every complaint, text back */
#include "test.h"
#include "core/core.h"
#include <stddef.h>

typedef struct settings {
    int64_t latent, seed;
    double beta, rate;
    bool quiet;
    char *label, *note;
    int loss;
} settings;

static const fig_option table[] = {
    { "latent", FIG_INT, offsetof(settings, latent), 32, 1, 4096, "size of the latent code" },
    { "seed", FIG_INT, offsetof(settings, seed), 1, .help = "seed" },
    { "beta", FIG_FLOAT, offsetof(settings, beta), 1, 0, 100, "weight of the KL term" },
    { "optimizer.rate", FIG_FLOAT, offsetof(settings, rate), 0.1, .help = "learning rate" },
    { "quiet_mode", FIG_BOOL, offsetof(settings, quiet), 1, .help = "say nothing" },
    { "label", FIG_TEXT, offsetof(settings, label), .help = "label", .fallback_text = "none" },
    { "note", FIG_TEXT, offsetof(settings, note), .help = "note" },
    { "loss", FIG_CHOICE, offsetof(settings, loss), 1, .help = "loss", .choices = "hinge least-squares  wasserstein" },
    { 0 },
};

static void expect_text(const settings *values, const char *name, const char *expected)
{
    char text[64];
    fig_options_get(fig_options_find(table, name), values, text, sizeof text);
    CHECK_TEXT(text, expected);
}

FIG_TEST(defaults_and_text)
{
    settings s;
    memset(&s, 0xaa, sizeof s);
    fig_options_defaults(table, &s);
    CHECK_INT(fig_options_count(table), 8);
    static const char *const expected[] = { "32", "1", "1", "0.1", "true", "none", "", "least-squares" };
    for (size_t i = 0; i < 8; i++) {
        expect_text(&s, table[i].name, expected[i]);
        CHECK(fig_options_is_default(&table[i], &s));
    }
    fig_options_free(table, &s);
    CHECK(s.label == NULL);
    fig_options_free(table, NULL);
}

FIG_TEST(setting_every_type)
{
    settings s, copy;
    fig_error err = { 0 };
    fig_options_defaults(table, &s);
    static const char *const rows[][3] = {
        { "latent", "4096", "4096" }, { "latent", "1e3", "1000" },  { "seed", "-9223372036854775808", "-9223372036854775808" },
        { "seed", "9223372036854775807", "9223372036854775807" },   { "beta", "2.5e-3", "0.0025" },
        { "optimizer.rate", "3e-4", "0.0003" },                     { "quiet-mode", "off", "false" },
        { "quiet_mode", "yes", "true" }, { "quiet_mode", "0", "false" }, { "label", "a b", "a b" },
        { "label", "", "" },            { "note", "x", "x" },       { "loss", "wasserstein", "wasserstein" },
        { "loss", "hinge", "hinge" },
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        CHECK_OK(fig_options_set(table, &s, rows[i][0], rows[i][1], &err), err);
        expect_text(&s, rows[i][0], rows[i][2]);
    }
    for (size_t i = 0; i < 8; i++)
        CHECK(!fig_options_is_default(&table[i], &s));
    fig_options_copy(table, &copy, &s);
    fig_options_free(table, &s);
    expect_text(&copy, "note", "x");
    expect_text(&copy, "loss", "hinge");
    CHECK_OK(fig_options_set(table, &copy, "note", copy.note, &err), err); /* its own value */
    expect_text(&copy, "note", "x");
    fig_options_free(table, &copy);
}

FIG_TEST(complaints_name_option_value_and_range)
{
    settings s;
    fig_error err = { 0 };
    fig_options_defaults(table, &s);
    static const char *const rows[][3] = {
        { "latent", "0", "latent: 0 is out of range (1 to 4096)" },
        { "latent", "4097", "out of range (1 to 4096)" },
        { "latent", "x", "latent: \"x\" is not a whole number (1 to 4096)" },
        { "latent", "1.5", "not a whole number" },
        { "latent", "", "not a whole number" },
        { "seed", "99999999999999999999", "not a whole number" },
        { "beta", "nan", "not a number" },
        { "beta", "-0.1", "out of range (0 to 100)" },
        { "beta", "inf", "out of range (0 to 100)" },
        { "optimizer.rate", "inf", "finite" },
        { "beta", "1,5", "\"1,5\" is not a number (0 to 100)" },
        { "quiet_mode", "maybe", "\"maybe\" is neither true nor false" },
        { "loss", "hing", "loss: \"hing\" is not one of: hinge, least-squares, wasserstein" },
        { "loss", "", "is not one of" },
        { "laten", "3", "unknown option \"laten\"; did you mean \"latent\"?" },
        { "rate", "3", "did you mean \"optimizer.rate\"?" },
        { "zzz", "3", "unknown option \"zzz\"" },
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        CHECK_FAILS(fig_options_set(table, &s, rows[i][0], rows[i][1], &err), err, FIG_E_USAGE, rows[i][2]);
    for (size_t i = 0; i < 8; i++)
        CHECK(fig_options_is_default(&table[i], &s)); /* a refused value changes nothing */
    fig_options_free(table, &s);
}

FIG_TEST(nearest)
{
    CHECK_TEXT(fig_options_nearest(table, "bata"), "beta");
    CHECK_TEXT(fig_options_nearest(table, "quietmode"), "quiet_mode");
    CHECK(fig_options_nearest(table, "completely") == NULL);
    CHECK(fig_options_nearest(table, "") == NULL);
    CHECK(fig_options_find(table, "") == NULL);
    CHECK(fig_options_find(NULL, "x") == NULL);
}

FIG_TEST_MAIN
