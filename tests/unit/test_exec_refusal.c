/* test_exec_refusal.c - a kernel that refuses a shape it had accepted: the next one takes over, or the reference loop */
#include "../test.h"

#include "exec/exec.h"
#include <figment/figment.h>

static int released;

/* Refusals leave traces, which must not reach the plan: memory counted, a workspace, a pointer. */
static fig_status refuse(const fig_kernel_query *q, void **prepared, size_t *workspace, fig_error *err)
{
    static int trace;
    *prepared = &trace;
    *workspace = 4096;
    *q->held += 1000;
    return fig_fail(err, FIG_E_FAILED, "the library refused it");
}

static fig_status lack_memory(const fig_kernel_query *q, void **prepared, size_t *workspace, fig_error *err)
{
    (void)q, (void)prepared, (void)workspace;
    return fig_fail(err, FIG_E_LIMIT, "not enough memory");
}

static fig_status agree(const fig_kernel_query *q, void **prepared, size_t *workspace, fig_error *err)
{
    (void)err;
    *q->held += 10;
    *prepared = &released;
    *workspace = 64;
    return FIG_OK;
}

static const fig_kernel refusing = { .name = "refusing", .op = "softmax", .prepare = refuse };
static const fig_kernel greedy = { .name = "greedy", .op = "softmax", .prepare = lack_memory };
static const fig_kernel willing = { .name = "willing", .op = "softmax", .prepare = agree };
static const fig_kernel simple = { .name = "simple", .op = "softmax" };

typedef struct outcome {
    fig_status status;
    const fig_kernel *kernel;
    void *prepared;
    size_t workspace;
    uint64_t held;
    fig_error err;
} outcome;

static outcome try(const fig_op *op, const fig_kernel *a, const fig_kernel *b, const fig_kernel *c)
{
    outcome o = { 0 };
    const fig_kernel *list[3] = { a, b, c };
    fig_kernel_query q = { .op = op, .threads = 1, .held = &o.held };
    o.status = fig__prepare_first(list, a ? b ? c ? 3 : 2 : 1 : 0, &q, &o.kernel, &o.prepared, &o.workspace, &o.err);
    return o;
}

FIG_TEST(next_kernel_takes_over)
{
    outcome o = try(&fig_op_softmax, &refusing, &refusing, &willing);
    CHECK(o.status == FIG_OK && o.kernel == &willing && o.prepared == &released);
    CHECK_INT(o.workspace, 64);
    CHECK_INT(o.held, 10);
    CHECK(o.err.status == FIG_OK);
    o = try(&fig_op_softmax, &refusing, &simple, &willing);
    CHECK(o.status == FIG_OK && o.kernel == &simple && !o.prepared);
    CHECK_INT(o.workspace + o.held, 0);
}

FIG_TEST(reference_loop_takes_over)
{
    outcome o = try(&fig_op_softmax, &refusing, &refusing, NULL);
    CHECK(o.status == FIG_OK && !o.kernel && !o.prepared);
    CHECK_INT(o.workspace + o.held, 0);
    CHECK(o.err.status == FIG_OK);
    o = try(&fig_op_softmax, NULL, NULL, NULL);
    CHECK(o.status == FIG_OK && !o.kernel);
}

/* Without a reference loop the first refusal is the message; lack of memory is never hidden by a slower kernel. */
FIG_TEST(what_cannot_run_says_why)
{
    outcome o = try(&fig_op_scan, &refusing, &refusing, NULL);
    CHECK(o.status == FIG_E_FAILED);
    CHECK_TEXT(o.err.message, "the library refused it");
    o = try(&fig_op_scan, NULL, NULL, NULL);
    CHECK(o.status == FIG_E_FAILED && strstr(o.err.message, "neither a kernel nor a reference loop"));
    o = try(&fig_op_softmax, &greedy, &willing, NULL);
    CHECK(o.status == FIG_E_LIMIT);
    CHECK_TEXT(o.err.message, "not enough memory");
}

FIG_TEST_MAIN
