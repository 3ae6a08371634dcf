/* test_core_module.c - a module is found, opened once, used, and refused when it does not fit */
#include "test.h"
#include "core/core.h"
#include "module_sample.h"
#include <unistd.h>

static bool set_modules(void)
{
    const char *build = getenv("FIGMENT_BUILD");
    if (!build)
        return false;
    char *path = fig__format("%s/tests", build);
    setenv("FIGMENT_MODULES", path, 1);
    free(path);
    return true;
}

FIG_TEST(opens_and_works)
{
    if (!set_modules())
        SKIP("FIGMENT_BUILD does not name the build folder");
    fig_error err = { 0 };
    const fig__module *module, *again;
    REQUIRE_OK(fig__module_open("sample", &module, &err), err);
    CHECK_TEXT(module->name, "sample");
    const sample_table *table = module->table;
    int out = 0;
    CHECK_OK(table->twice(21, &out, &err), err);
    CHECK_INT(out, 42);
    CHECK_FAILS(table->twice(9999999, &out, &err), err, FIG_E_USAGE, "too large");
    REQUIRE_OK(fig__module_open("sample", &again, &err), err);
    CHECK(again == module);
}

FIG_TEST(refuses_what_does_not_fit)
{
    if (!set_modules())
        SKIP("FIGMENT_BUILD does not name the build folder");
    fig_error err = { 0 };
    const fig__module *module;
    CHECK_FAILS(fig__module_open("stale", &module, &err), err, FIG_E_FORMAT, "ABI 999");
    CHECK_FAILS(fig__module_open("renamed", &module, &err), err, FIG_E_FORMAT, "calls itself \"sample\"");
    CHECK(module == NULL);
    CHECK_FAILS(fig__module_open("none", &module, &err), err, FIG_E_NOT_FOUND, "not installed");
    CHECK_FAILS(fig__module_open("../sample", &module, &err), err, FIG_E_USAGE, "only a-z");
    CHECK_FAILS(fig__module_open("", &module, &err), err, FIG_E_USAGE, "only a-z");
}

FIG_TEST(a_file_that_is_no_library)
{
    char folder[] = "test-modules-XXXXXX";
    REQUIRE(mkdtemp(folder) != NULL);
    fig_error err = { 0 };
    char *path = fig__format("%s/broken.so", folder);
    CHECK_OK(fig__file_write(path, "not an ELF file", 15, &err), err);
    setenv("FIGMENT_MODULES", folder, 1);
    const fig__module *module;
    CHECK_FAILS(fig__module_open("broken", &module, &err), err, FIG_E_FAILED, "does not load");
    unlink(path);
    free(path);
    CHECK(rmdir(folder) == 0);
}

FIG_TEST_MAIN
