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

static bool computes(const fig_kernel *kernel, const fig_op *op)
{
    return !strcmp(kernel->op, op->name) || !strcmp(kernel->op, "*") ||
           ((op->flags & FIG_OP_POINTWISE) && !strcmp(kernel->op, "pointwise"));
}

static bool sees(const fig_kernel *kernel, const fig_kernel_query *q)
{
    for (int i = 0; i < q->n_in + q->n_out; i++) {
        fig_dtype dtype = (i < q->n_in ? q->in[i] : q->out[i - q->n_in]).dtype;
        if ((dtype == FIG_BF16 && !kernel->bf16) || (dtype == FIG_I8 && !kernel->int8))
            return false;
    }
    return true;
}

bool fig__kernel_accepts(const fig_kernel *kernel, const fig_kernel_query *q)
{
    return computes(kernel, q->op) && sees(kernel, q) && (!kernel->accepts || kernel->accepts(q));
}

const fig_kernel *fig__kernel_choose(const fig_op *op, const fig_kernel_query *q)
{
    fig_kernel_query query = *q;
    query.op = op;
    for (int i = 0; fig__kernels[i]; i++)
        if (fig__kernel_accepts(fig__kernels[i], &query))
            return fig__kernels[i];
    return NULL;
}

bool fig__kernel_competes(const fig_kernel *kernel, const fig_kernel_query *q)
{
    return computes(kernel, q->op) && sees(kernel, q) && kernel->competes && kernel->competes(q);
}

int fig__kernel_candidates(const fig_kernel_query *q, const fig_kernel *list[FIG__CANDIDATES])
{
    int count = 0;
    list[0] = fig__kernel_choose(q->op, q);
    if (!list[0])
        return 0;
    count = 1;
    for (int i = 0; fig__kernels[i] && count < FIG__CANDIDATES; i++) {
        const fig_kernel *kernel = fig__kernels[i];
        if (kernel != list[0] && (fig__kernel_accepts(kernel, q) || fig__kernel_competes(kernel, q)))
            list[count++] = kernel;
    }
    return count;
}
