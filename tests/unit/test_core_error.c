/* test_core_error.c - messages: the first wins, prefixes, NULL, exit codes */
#include "test.h"

FIG_TEST(first_failure_wins)
{
    fig_error err = { 0 };
    CHECK_INT(fig_fail(&err, FIG_E_IO, "disk %d", 7), FIG_E_IO);
    CHECK_INT(fig_fail(&err, FIG_E_USAGE, "later"), FIG_E_IO);
    CHECK_TEXT(err.message, "disk 7");
    fig_error_prefix(&err, "%s", "run/x");
    CHECK_TEXT(err.message, "run/x: disk 7");
    fig_error_clear(&err);
    CHECK_INT(err.status, FIG_OK);
    CHECK_TEXT(err.message, "");
}

FIG_TEST(null_error_still_reports_the_status)
{
    CHECK_INT(fig_fail(NULL, FIG_E_SHAPE, "x"), FIG_E_SHAPE);
    fig_error_prefix(NULL, "x");
    fig_error_clear(NULL);
    fig_error err = { 0 };
    CHECK_INT(fig_error_prefix(&err, "nothing yet"), FIG_OK);
    CHECK_TEXT(err.message, "");
}

FIG_TEST(long_messages_are_cut_not_overrun)
{
    char big[3000];
    memset(big, 'a', sizeof big - 1);
    big[sizeof big - 1] = 0;
    fig_error err = { 0 };
    fig_fail(&err, FIG_E_FORMAT, "%s", big);
    CHECK_INT(strlen(err.message), sizeof err.message - 1);
    fig_error_prefix(&err, "%s", "place");
    CHECK(!strncmp(err.message, "place: aaa", 10));
    fig_error_prefix(&err, "%s", big);
    CHECK_INT(strlen(err.message), sizeof err.message - 1);
}

/* Names in files are whatever somebody wrote: no escape sequence of theirs gets to a terminal. */
FIG_TEST(messages_hold_no_control_characters)
{
    fig_error err = { 0 };
    fig_fail(&err, FIG_E_FORMAT, "%s: cut", "a\033[2Jb\nc");
    CHECK_TEXT(err.message, "a\\x1b[2Jb\\x0ac: cut");
    fig_error_prefix(&err, "%s", "\xc2\x9b" "d\x7f");
    CHECK_TEXT(err.message, "\\xc2\\x9bd\\x7f: a\\x1b[2Jb\\x0ac: cut");
    char out[16];
    fig_printable("gr\xc3\xbc\xc3\x9f \xff", out, sizeof out);
    CHECK_TEXT(out, "gr\xc3\xbc\xc3\x9f \\xff");
    fig_printable("gr\xc3\xbc\xc3\x9f", out, 6); /* never half a character */
    CHECK_TEXT(out, "gr\xc3\xbc");
    fig_printable("a\033", out, 5);
    CHECK_TEXT(out, "a");
}

FIG_TEST(exit_codes)
{
    CHECK_INT(fig_status_exit_code(FIG_OK), 0);
    for (int status = 1; status < 10; status++)
        CHECK_INT(fig_status_exit_code((fig_status)status), status);
    CHECK_INT(fig_status_exit_code(FIG_E_SHAPE), 2);
    CHECK_INT(fig_status_exit_code(FIG_E_NUMERIC), 1);
}

FIG_TEST_MAIN
