/* kernels/product.c - reading a matmul node: flattening of leading axes, broadcasting, epilogue */
#include "kernels/product.h"
#include "kernels/fast.h"
#include "kernels/parallel.h"

#include <stdlib.h>
#include <string.h>

bool fig__product_f32(const fig_kernel_query *q)
{
    for (int i = 0; i < q->n_in; i++)
        if (q->in[i].dtype != FIG_F32)
            return false;
    return q->out[0].dtype == FIG_F32 && fig_elements(&q->out[0]) > 0 && fig_elements(&q->in[0]) > 0;
}

bool fig__product_bf16(const fig_kernel_query *q)
{
    if (q->in[0].dtype != FIG_BF16 || q->in[1].dtype != FIG_BF16 || (q->n_in > 2 && q->in[2].dtype != FIG_F32))
        return false;
    return q->out[0].dtype != FIG_I32 && fig_elements(&q->out[0]) > 0 && fig_elements(&q->in[0]) > 0;
}

/* Offsets of one operand's matrices for every index of the output's leading axes. */
static int64_t *batch_offsets(const fig_type *operand, const fig_type *out, int64_t batch, int64_t *step)
{
    int64_t stride[FIG_MAX_RANK] = { 0 }, index[FIG_MAX_RANK] = { 0 };
    int lead = out->rank - 2, shift = out->rank - operand->rank;
    int64_t size = operand->dim[operand->rank - 1] * operand->dim[operand->rank - 2];
    for (int axis = lead - 1; axis >= shift; axis--) {
        int64_t dim = operand->dim[axis - shift];
        stride[axis] = dim == 1 ? 0 : size;
        size *= dim;
    }
    int64_t *at = fig__alloc(sizeof(int64_t) * (size_t)batch);
    for (int64_t i = 0; i < batch; i++) {
        for (int axis = 0; axis < lead; axis++)
            at[i] += index[axis] * stride[axis];
        for (int axis = lead - 1; axis >= 0 && ++index[axis] == out->dim[axis]; axis--)
            index[axis] = 0;
    }
    *step = batch > 1 ? at[1] : 0;
    for (int64_t i = 0; i < batch; i++)
        if (at[i] != i * *step)
            *step = -1;
    return at;
}

void fig__product_init(fig__product *p, const fig_kernel_query *q)
{
    memset(p, 0, sizeof(*p));
    const fig_matmul_attr *attr = q->attr;
    if (strcmp(q->op->name, "matmul_fused") == 0) {
        const fig_matmul_fused_attr *fused = q->attr;
        attr = &fused->matmul;
        p->after = fused->after;
    }
    const fig_type *a = &q->in[0], *b = &q->in[1], *out = &q->out[0];
    p->narrow = a->dtype == FIG_BF16;
    p->narrow_out = out->dtype == FIG_BF16;
    p->transpose_a = attr->transpose_a != 0;
    p->transpose_b = attr->transpose_b != 0;
    p->m = out->dim[out->rank - 2];
    p->n = out->dim[out->rank - 1];
    p->k = a->dim[a->rank - (p->transpose_a ? 2 : 1)];
    p->batch = fig_elements(out) / (p->m * p->n);
    if (!p->transpose_a && fig_elements(b) == p->k * p->n && fig_elements(a) == p->batch * p->m * p->k) {
        p->m *= p->batch;
        p->batch = 1;
        p->a_at = fig__alloc(sizeof(int64_t));
        p->b_at = fig__alloc(sizeof(int64_t));
    } else {
        p->a_at = batch_offsets(a, out, p->batch, &p->a_step);
        p->b_at = batch_offsets(b, out, p->batch, &p->b_step);
    }
    p->a_row = p->transpose_a ? p->m : p->k;
    p->b_row = p->transpose_b ? p->k : p->n;
}

void fig__product_clear(fig__product *p)
{
    free(p->a_at);
    free(p->b_at);
    p->a_at = p->b_at = NULL;
}

typedef struct epilogue_work {
    float *c;
    int64_t rows, n;
    const float *bias;
    const fig_epilogue *after;
} epilogue_work;

static void epilogue_part(void *context, int part, int parts)
{
    const epilogue_work *w = context;
    int64_t begin, end;
    fig__share(w->rows, 1, part, parts, &begin, &end);
    fig__fast_epilogue(w->c + begin * w->n, end - begin, w->n, w->bias, w->after);
}

void fig__epilogue(float *c, int64_t rows, int64_t n, const float *bias, const fig_epilogue *after, const fig_run *run)
{
    if (!bias && after->activation == FIG_LINEAR)
        return;
    epilogue_work work = { c, rows, n, bias, after };
    fig__parallel_in(run ? run->team : NULL, fig__parts(rows * n, run ? run->threads : 1), epilogue_part, &work);
}
