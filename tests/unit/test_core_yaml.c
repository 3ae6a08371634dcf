/* test_core_yaml.c - flattening, line numbers, what is refused, scalars that read back */
#include "test.h"
#include "core/core.h"

static const char *value_of(const fig__yaml *yaml, const char *key, int line)
{
    for (size_t i = 0; i < yaml->count; i++)
        if (!strcmp(yaml->rows[i].key, key)) {
            CHECK_INT(yaml->rows[i].line, line);
            return yaml->rows[i].value;
        }
    return NULL;
}

FIG_TEST(nested_settings_become_rows)
{
    static const char text[] = "# a run\n"
                               "recipe: vae\n"
                               "optimizer:\n"
                               "  lr: 3e-4\n"
                               "  nesterov: no\n"
                               "layers: [64, 128]\n"
                               "phases:\n"
                               "  - name: critic\n"
                               "    lr: 1\n"
                               "prompt: \"a: b # c\"\n"
                               "empty:\n"
                               "nothing: {}\n"
                               "none: []\n"
                               "a.b: dotted\n";
    fig_error err = { 0 };
    fig__yaml yaml;
    REQUIRE_OK(fig__yaml_parse(text, strlen(text), "run.yaml", &yaml, &err), err);
    CHECK_TEXT(value_of(&yaml, "recipe", 2), "vae");
    CHECK_TEXT(value_of(&yaml, "optimizer.lr", 4), "3e-4");
    CHECK_TEXT(value_of(&yaml, "optimizer.nesterov", 5), "no");
    CHECK_TEXT(value_of(&yaml, "layers.0", 6), "64");
    CHECK_TEXT(value_of(&yaml, "layers.1", 6), "128");
    CHECK_TEXT(value_of(&yaml, "phases.0.name", 8), "critic");
    CHECK_TEXT(value_of(&yaml, "phases.0.lr", 9), "1");
    CHECK_TEXT(value_of(&yaml, "prompt", 10), "a: b # c");
    CHECK_TEXT(value_of(&yaml, "empty", 11), "");
    CHECK_TEXT(value_of(&yaml, "nothing", 12), "{}");
    CHECK_TEXT(value_of(&yaml, "none", 13), "[]");
    CHECK_TEXT(value_of(&yaml, "a.b", 14), "dotted");
    CHECK_INT(yaml.count, 12);
    fig__yaml_free(&yaml);
    fig__yaml_free(&yaml);
    fig__yaml_free(NULL);
}

FIG_TEST(json_is_yaml_and_empty_is_fine)
{
    fig_error err = { 0 };
    fig__yaml yaml;
    static const char json[] = "{\"a\": {\"b\": 1}, \"c\": [true]}";
    REQUIRE_OK(fig__yaml_parse(json, strlen(json), "x", &yaml, &err), err);
    CHECK_TEXT(value_of(&yaml, "a.b", 1), "1");
    CHECK_TEXT(value_of(&yaml, "c.0", 1), "true");
    fig__yaml_free(&yaml);
    static const char *const empty[] = { "", "# nothing\n", "---\n" };
    for (size_t i = 0; i < 3; i++) {
        REQUIRE_OK(fig__yaml_parse(empty[i], strlen(empty[i]), "x", &yaml, &err), err);
        CHECK_INT(yaml.count, 0);
        fig__yaml_free(&yaml);
    }
}

FIG_TEST(faults_name_file_and_line)
{
    static const struct { const char *text; fig_status status; const char *part; } bad[] = {
        { "a: 1\nb: 2\na: 3\n", FIG_E_FORMAT, "x.yaml: line 3: \"a\" is set twice" },
        { "a:\n  b: 1\na.b: 2\n", FIG_E_FORMAT, "line 3: \"a.b\" is set twice" },
        { "a:\n  b: 1\na:\n  c: 2\n", FIG_E_FORMAT, "line 4: \"a\" is set twice" },
        { "a: [1\nb: 2\n", FIG_E_FORMAT, "line 2" },
        { "a: 1\n b: 2\n", FIG_E_FORMAT, "line 2" },
        { "a: b: c\n", FIG_E_FORMAT, "line 1" },
        { "- 1\n- 2\n", FIG_E_FORMAT, "found a list" },
        { "just words\n", FIG_E_FORMAT, "name: value" },
        { "a: &x 1\nb: *x\n", FIG_E_FORMAT, "anchors" },
        { "a: *x\n", FIG_E_FORMAT, "anchors" },
        { "a: !!int 3\n", FIG_E_FORMAT, "tags" },
        { "? [a, b]\n: 1\n", FIG_E_FORMAT, "plain word" },
        { "a: 1\n---\nb: 2\n", FIG_E_FORMAT, "second document" },
        { "a: \"x\\0y\"\n", FIG_E_FORMAT, "NUL" },
        { "a: \xff\xfe\n", FIG_E_FORMAT, "x.yaml: byte" },
        { "\"\": 1\n", FIG_E_FORMAT, "empty" },
        { "{{{{{{{{{{{{{{{{{{{{", FIG_E_FORMAT, "plain word" },
        { "a: [[[[[[[[[[[[[[[[[[[[[[[[", FIG_E_LIMIT, "deeper than 16" },
    };
    fig_error err = { 0 };
    fig__yaml yaml;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        CHECK_FAILS(fig__yaml_parse(bad[i].text, strlen(bad[i].text), "x.yaml", &yaml, &err), err, bad[i].status, bad[i].part);
}

FIG_TEST(sizes_are_limited)
{
    fig_error err = { 0 };
    fig__yaml yaml;
    fig__text text;
    fig__text_init(&text, 8 << 20);
    for (int i = 0; i < 5000; i++)
        fig__text_print(&text, "k%d: 1\n", i);
    CHECK_FAILS(fig__yaml_parse(text.data, text.length, "x", &yaml, &err), err, FIG_E_LIMIT, "4096");
    fig__text_free(&text);
    for (int i = 0; i < 300; i++)
        fig__text_add(&text, "k", 1);
    fig__text_add(&text, ": 1\n", 4);
    CHECK_FAILS(fig__yaml_parse(text.data, text.length, "x", &yaml, &err), err, FIG_E_LIMIT, "longer than");
    for (int i = 0; i < 500000; i++)
        fig__text_add(&text, "# comment\n", 10);
    CHECK_FAILS(fig__yaml_parse(text.data, text.length, "x", &yaml, &err), err, FIG_E_LIMIT, "bytes of YAML");
    fig__text_free(&text);
}

FIG_TEST(scalars_read_back_as_the_same_text)
{
    static const char *const values[] = {
        "", "plain", "two words", " lead", "trail ", "3e-4", "-1", "-", "---", "- x", "no", "null", "~", "a: b", "a:b", "#x",
        "a #b", "\"quoted\"", "it's", "back\\slash", "new\nline", "tab\t", "\x01\x1b\x7f", "\xc2\x85\xc2\xa0",
        "\xe2\x80\xa8", "\xef\xbb\xbf" "bom", "h\xc3\xa9llo", "\xe5\x9b\xbe\xe5\x83\x8f", "\xf0\x9f\x98\x80", "[1]", "{a}",
        "*x", "&x", "!x", "%x", "@x", "`x", "|", ">", "?", "? x", ":", "a,b", "\r", "\\n", "/usr/share", "\xee\x80\x80", ".", "...",
    };
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
        fig__text text;
        fig__text_init(&text, 1000);
        fig__text_add(&text, "k: ", 3);
        fig__yaml_scalar(&text, values[i]);
        fig__text_add(&text, "\nlist: [", 8);
        fig__yaml_scalar(&text, values[i]);
        fig__text_add(&text, ", x]\n", 5);
        fig_error err = { 0 };
        fig__yaml yaml;
        REQUIRE_OK(fig__yaml_parse(text.data, text.length, text.data, &yaml, &err), err);
        CHECK_TEXT(value_of(&yaml, "k", 1), values[i]);
        CHECK_TEXT(value_of(&yaml, "list.0", 2), values[i]);
        CHECK_TEXT(value_of(&yaml, "list.1", 2), "x");
        fig__yaml_free(&yaml);
        fig__text_free(&text);
    }
    fig__text text;
    fig__text_init(&text, 100);
    fig__yaml_scalar(&text, "bad\xff");
    CHECK_TEXT(text.data, "\"bad\\uFFFD\"");
    fig__text_free(&text);
}

FIG_TEST_MAIN
