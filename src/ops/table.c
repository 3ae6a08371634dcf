/* ops/table.c - the list of all ops, from ops.def */
#include "ops/op.h"
#include <string.h>

const fig_op *const fig__ops[] = {
#define FIG_OP(name) &fig_op_##name,
#define FIG_POINTWISE(name, arity, f32_expression, i32_expression) &fig_op_##name,
#define FIG_COMPARE(name, f32_expression, i32_expression) &fig_op_##name,
#include "ops/ops.def"
#undef FIG_OP
#undef FIG_POINTWISE
#undef FIG_COMPARE
    NULL,
};

const fig_op *fig__op_find(const char *name)
{
    for (const fig_op *const *op = fig__ops; *op; op++)
        if (strcmp((*op)->name, name) == 0)
            return *op;
    return NULL;
}
