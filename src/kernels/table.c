/* kernels/table.c - the list of kernels and the choice among them */
#include "kernels/kernel.h"

#include <string.h>

#define FIG_KERNEL(name) extern const fig_kernel fig_kernel_##name;
#include "kernels/kernels.def"
#undef FIG_KERNEL

const fig_kernel *const fig__kernels[] = {
#define FIG_KERNEL(name) &fig_kernel_##name,
#include "kernels/kernels.def"
#undef FIG_KERNEL
    NULL,
};

const fig_kernel *fig__kernel_choose(const fig_op *op, const fig_kernel_query *q)
{
    fig_kernel_query query = *q;
    query.op = op;
    bool pointwise = (op->flags & FIG_OP_POINTWISE) != 0;
    for (int i = 0; fig__kernels[i]; i++) {
        const fig_kernel *kernel = fig__kernels[i];
        if (strcmp(kernel->op, op->name) != 0 && !(pointwise && strcmp(kernel->op, "pointwise") == 0))
            continue;
        if (!kernel->accepts || kernel->accepts(&query))
            return kernel;
    }
    return NULL;
}
