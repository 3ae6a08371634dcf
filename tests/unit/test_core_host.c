/* test_core_host.c - loading the library changes nothing for its host: floating-point mode, threads, locale, signals
 *
 * The trap is gcc's: one object linked with -ffast-math brings start-up code that makes the whole process flush small numbers to zero. */
#include "test.h"
#include <dlfcn.h>
#include <fenv.h>
#include <locale.h>
#include <signal.h>
#include <omp.h>

#if defined(__x86_64__)
static unsigned control(void) { return __builtin_ia32_stmxcsr() & 0xffc0; } /* without the sticky flags */
#else
static unsigned control(void) { return (unsigned)fegetround(); }
#endif

FIG_TEST(this_process_has_the_usual_mode)
{
    /* The static library is linked into this program. */
#if defined(__x86_64__)
    CHECK_INT(control(), 0x1f80);
#endif
    volatile float small = 1e-38f;
    small /= 16;
    CHECK(small > 0); /* a subnormal survives */
}

FIG_TEST(loading_the_shared_library_changes_nothing)
{
    const char *build = getenv("FIGMENT_BUILD");
    char path[4096];
    snprintf(path, sizeof path, "%s/libfigment.so", build ? build : ".");
    unsigned mode = control();
    int threads = omp_get_max_threads();
    struct sigaction before, after;
    sigaction(SIGINT, NULL, &before);
    void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (!library)
        SKIP("%s is not built", path);
    CHECK_INT(control(), mode);
    CHECK_INT(omp_get_max_threads(), threads);
    sigaction(SIGINT, NULL, &after);
    CHECK(before.sa_handler == after.sa_handler);
    CHECK_TEXT(setlocale(LC_ALL, NULL), "C");
    dlclose(library);
    CHECK_INT(control(), mode);
}

FIG_TEST_MAIN
