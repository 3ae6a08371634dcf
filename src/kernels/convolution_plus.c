/* kernels/convolution_plus.c - a convolution or data gradient by its own kernel, then what is added and the sums of columns
 *
 * For what has no kernel that adds on its way (ops/convolution_plus.c). */
#include "kernels/conv.h"
#include "kernels/fast.h"

#include <stdlib.h>
#include <string.h>

enum { ROWS_AT_ONCE = 64 };

typedef struct plus_state {
    const fig_kernel *first;
    void *prepared;
    fig_type in[3], out;
    fig_conv_attr plain;             /* of a data gradient or a convolution without bias */
    fig_convolution_fused_attr fused;
    int n_in, parts;
    int64_t rows, columns;
    size_t inner; /* bytes of the first kernel's workspace */
} plus_state;

/* What the first kernel is asked; what it points to is in the state. */
static fig_kernel_query first_query(const fig_kernel_query *q, plus_state *s)
{
    const fig_convolution_plus_attr *a = q->attr;
    bool bias = a->fused.after.bias != 0;
    fig_kernel_query first = *q;
    s->plain = a->fused.conv;
    s->fused = a->fused;
    s->in[0] = q->in[0], s->in[1] = q->in[1];
    if (bias)
        s->in[2] = q->in[3];
    s->out = q->out[0];
    first.op = a->data ? &fig_op_convolution_data_gradient : bias ? &fig_op_convolution_fused : &fig_op_convolution;
    first.attr = bias ? (const void *)&s->fused : &s->plain;
    first.n_in = s->n_in = bias ? 3 : 2;
    first.n_out = 1;
    first.in = s->in;
    first.out = &s->out;
    s->first = fig__kernel_choose(first.op, &first);
    return first;
}

static bool plus_accepts(const fig_kernel_query *q)
{
    plus_state s;
    if (q->in[2].dtype != FIG_F32 || fig_elements(&q->out[0]) == 0)
        return false;
    first_query(q, &s);
    return s.first != NULL;
}

static void plus_release(void *prepared)
{
    plus_state *s = prepared;
    if (s && s->first->release)
        s->first->release(s->prepared);
    free(s);
}

static fig_status plus_prepare(const fig_kernel_query *q, void **prepared, size_t *workspace, fig_error *err)
{
    plus_state *s = fig__alloc(sizeof *s);
    fig_kernel_query first = first_query(q, s);
    size_t bytes = 0;
    fig_status status = s->first->prepare ? s->first->prepare(&first, &s->prepared, &bytes, err) : FIG_OK;
    if (status != FIG_OK) {
        free(s);
        return status;
    }
    s->columns = fig_elements(&q->out[1]);
    s->rows = fig_elements(&q->out[0]) / s->columns;
    s->parts = fig__parts(s->rows * s->columns, q->threads);
    s->inner = (bytes + 63) / 64 * 64;
    *workspace = s->inner + sizeof(float) * (size_t)(s->columns * s->parts);
    *prepared = s;
    return FIG_OK;
}

static float *sums_at(const fig_eval *c, int part)
{
    const plus_state *s = c->prepared;
    return (float *)(void *)((char *)c->workspace + s->inner) + part * s->columns;
}

static void add_part(void *context, int part, int parts)
{
    const fig_eval *c = context;
    const plus_state *s = c->prepared;
    int64_t at, end, n = s->columns;
    float *y[ROWS_AT_ONCE];
    const float *added[ROWS_AT_ONCE];
    memset(sums_at(c, part), 0, sizeof(float) * (size_t)n);
    fig__share(s->rows, 1, part, parts, &at, &end);
    for (int64_t rows; at < end; at += rows) {
        rows = end - at < ROWS_AT_ONCE ? end - at : ROWS_AT_ONCE;
        for (int64_t i = 0; i < rows; i++)
            y[i] = FIG_F32_OUT(c, 0) + (at + i) * n, added[i] = FIG_F32_IN(c, 2) + (at + i) * n;
        fig__fast_plus(y, added, rows, n, NULL, sums_at(c, part));
    }
}

static void plus_run(fig_eval *c)
{
    const plus_state *s = c->prepared;
    fig_tensor in[3] = { c->in[0], c->in[1] };
    if (s->n_in > 2)
        in[2] = c->in[3];
    fig_eval first = *c;
    first.n_in = s->n_in;
    first.n_out = 1;
    first.in = in;
    first.attr = s->n_in > 2 ? (const void *)&s->fused : &s->plain;
    first.prepared = s->prepared;
    s->first->run(&first);
    fig__parallel(s->parts, add_part, c);
    for (int part = 0; part < s->parts; part++)
        for (int64_t j = 0; j < s->columns; j++)
            FIG_F32_OUT(c, 1)[j] = (part ? FIG_F32_OUT(c, 1)[j] : 0) + sums_at(c, part)[j];
}

const fig_kernel fig_kernel_convolution_plus = {
    .name = "convolution_plus", .op = "convolution_plus", .accepts = plus_accepts, .prepare = plus_prepare, .release = plus_release,
    .run = plus_run,
};
