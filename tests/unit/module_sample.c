/* module_sample.c - the smallest module: what test_core_module opens
 *
 * Built again as "stale" with another ABI number, and as "renamed" under a file name that is not its own. */
#include "core/core.h"
#include "module_sample.h"

#ifndef SAMPLE_ABI
#define SAMPLE_ABI FIG_MODULE_ABI
#endif

static fig_status twice(int value, int *out, fig_error *err)
{
    if (value > 1000000)
        return fig_fail(err, FIG_E_USAGE, "twice: %d is too large", value);
    *out = 2 * value;
    return FIG_OK;
}

static const sample_table table = { .twice = twice };

FIG_API const fig__module fig_module = { .abi = SAMPLE_ABI, .name = "sample", .table = &table };
