/* test.h - the tiny harness every test program uses
 *
 *     #include "test.h"
 *     FIG_TEST(arena_is_zeroed)
 *     {
 *         CHECK(block[0] == 0);
 *     }
 *     FIG_TEST_MAIN
 *
 * FIG_TEST registers a function (in file order); a CHECK that fails prints file, line and both values, and the test
 * goes on; REQUIRE also leaves the test. SKIP leaves a test that cannot run here and says why. The program prints one
 * line per failed check, at the end "N passed, N failed[, N skipped]" in tests, and exits 0, 1, or 77 when every test
 * was skipped. Arguments choose the tests whose name contains one of them. */
#ifndef FIG_TEST_H
#define FIG_TEST_H

#include <figment/error.h>
#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct test_case { const char *name; void (*run)(void); struct test_case *next; } test_case;
static test_case *test_first, **test_last = &test_first;
static int test_failures, test_skips; /* of the test that runs */

#define FIG_TEST(name)                                                                                                \
    static void test_##name(void);                                                                                    \
    __attribute__((constructor)) static void test_add_##name(void)                                                    \
    {                                                                                                                 \
        static test_case self = { #name, test_##name, NULL };                                                         \
        *test_last = &self;                                                                                           \
        test_last = &self.next;                                                                                       \
    }                                                                                                                 \
    static void test_##name(void)

#define TEST_FAIL(...)                                                                                                \
    (test_failures++, fflush(stdout), fprintf(stderr, "%s:%d: ", __FILE__, __LINE__), fprintf(stderr, __VA_ARGS__),   \
     fputc('\n', stderr))
#define SKIP(...) do { printf("skipped: " __VA_ARGS__); putchar('\n'); test_skips++; return; } while (0)

#define CHECK(condition) do { if (!(condition)) TEST_FAIL("%s", #condition); } while (0)
#define REQUIRE(condition) do { if (!(condition)) { TEST_FAIL("%s", #condition); return; } } while (0)
#define CHECK_INT(found, expected)                                                                                    \
    do {                                                                                                              \
        long long found_ = (long long)(found), expected_ = (long long)(expected);                                     \
        if (found_ != expected_)                                                                                      \
            TEST_FAIL("%s is %lld, expected %lld", #found, found_, expected_);                                        \
    } while (0)
/* |found - expected| <= tolerance; NaN fails unless both are. */
#define CHECK_NEAR(found, expected, tolerance)                                                                        \
    do {                                                                                                              \
        double found_ = (double)(found), expected_ = (double)(expected);                                              \
        if (!(fabs(found_ - expected_) <= (double)(tolerance)) && !(found_ == expected_) &&                           \
            !(isnan(found_) && isnan(expected_)))                                                                     \
            TEST_FAIL("%s is %.9g, expected %.9g within %g", #found, found_, expected_, (double)(tolerance));         \
    } while (0)
#define CHECK_TEXT(found, expected)                                                                                   \
    do {                                                                                                              \
        const char *found_ = (found), *expected_ = (expected);                                                        \
        if (!found_ || !expected_ ? found_ != expected_ : strcmp(found_, expected_) != 0)                             \
            TEST_FAIL("%s is \"%s\", expected \"%s\"", #found, found_ ? found_ : "(null)",                            \
                      expected_ ? expected_ : "(null)");                                                              \
    } while (0)
/* The text contains the part, e.g. an error message that must name a value. */
#define CHECK_HAS(found, part)                                                                                        \
    do {                                                                                                              \
        const char *found_ = (found);                                                                                 \
        if (!found_ || !strstr(found_, (part)))                                                                       \
            TEST_FAIL("%s is \"%s\", lacks \"%s\"", #found, found_ ? found_ : "(null)", (part));                      \
    } while (0)
/* A call that must succeed; `err` is the fig_error it was given. */
#define CHECK_OK(call, err)                                                                                           \
    do {                                                                                                              \
        fig_status status_ = (call);                                                                                  \
        if (status_ != FIG_OK)                                                                                        \
            TEST_FAIL("%s: status %d: %s", #call, (int)status_, (err).message);                                       \
    } while (0)
#define REQUIRE_OK(call, err)                                                                                         \
    do {                                                                                                              \
        fig_status status_ = (call);                                                                                  \
        if (status_ != FIG_OK) {                                                                                      \
            TEST_FAIL("%s: status %d: %s", #call, (int)status_, (err).message);                                       \
            return;                                                                                                   \
        }                                                                                                             \
    } while (0)
/* A call that must fail with this status and a message that contains the part. The error is cleared after. */
#define CHECK_FAILS(call, err, expected_status, part)                                                                 \
    do {                                                                                                              \
        fig_status status_ = (call);                                                                                  \
        if (status_ != (expected_status))                                                                             \
            TEST_FAIL("%s: status %d (%s), expected %d", #call, (int)status_, (err).message, (int)(expected_status)); \
        else if (!strstr((err).message, (part)))                                                                      \
            TEST_FAIL("%s: message \"%s\" lacks \"%s\"", #call, (err).message, (part));                               \
        memset(&(err), 0, sizeof(err));                                                                               \
    } while (0)

static inline int test_main(int argc, char **argv)
{
    int passed = 0, failed = 0, skipped = 0;
    for (test_case *test = test_first; test; test = test->next) {
        bool wanted = argc < 2;
        for (int i = 1; i < argc; i++)
            wanted = wanted || strstr(test->name, argv[i]);
        if (!wanted)
            continue;
        test_failures = test_skips = 0;
        test->run();
        if (test_failures)
            printf("failed: %s\n", test->name);
        if (test_failures)
            failed++;
        else if (test_skips)
            skipped++;
        else
            passed++;
    }
    printf("%d passed, %d failed", passed, failed);
    if (skipped)
        printf(", %d skipped", skipped);
    putchar('\n');
    if (failed)
        return 1;
    return skipped && !passed ? 77 : 0;
}

#define FIG_TEST_MAIN int main(int argc, char **argv) { return test_main(argc, argv); }

#endif
