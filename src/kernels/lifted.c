/* kernels/lifted.c - any kernel that knows f32 only, on tensors that are stored in bf16 or as int8 lines
 *
 * Operands are widened into the workspace, the kernel that would be chosen for f32 runs there, results are narrowed. It is the last
 * row of kernels.def: the choice where no kernel reads the storage itself, and a challenger where one does. */
#include "kernels/cast.h"
#include "kernels/kernel.h"
#include "kernels/parallel.h"
#include "ops/int8.h"

#include <stdlib.h>
#include <string.h>

typedef struct cast_work {
    void *to;
    const void *from;
    int64_t n;
    bool widen;
} cast_work;

static void cast_part(void *context, int part, int parts)
{
    const cast_work *w = context;
    int64_t begin, end;
    fig__share(w->n, 64, part, parts, &begin, &end);
    if (w->widen)
        fig__fast_bf16_to_f32((float *)w->to + begin, (const uint16_t *)w->from + begin, end - begin);
    else
        fig__fast_f32_to_bf16((uint16_t *)w->to + begin, (const float *)w->from + begin, end - begin);
}

typedef struct lines_work {
    const fig_tensor *from;
    float *to;
} lines_work;

static void lines_part(void *context, int part, int parts)
{
    const lines_work *w = context;
    const fig_type *type = &w->from->type;
    int64_t length = fig__int8_length(type), begin, end;
    const float *scale = fig__int8_scales(type, w->from->data);
    fig__share(fig__int8_lines(type), 1, part, parts, &begin, &end);
    for (int64_t line = begin; line < end; line++)
        fig__fast_int8_to_f32(w->to + line * length, (const int8_t *)w->from->data + line * length, scale[line], length);
}

static void cast(void *to, const void *from, int64_t n, bool widen, const fig_run *run)
{
    cast_work w = { to, from, n, widen };
    fig__parallel_in(run->team, fig__parts(n, run->threads), cast_part, &w);
}

typedef struct lifted_state {
    const fig_kernel *kernel;
    void *prepared;
    fig_tensor *in, *out; /* as the kernel sees them */
    size_t *at;           /* of each operand, then of each result: offset in the workspace; unused where it is f32 */
    size_t inner;         /* offset of the kernel's own workspace */
    fig_type type[];      /* operands, results */
} lifted_state;

static fig_type widened(const fig_type *type)
{
    fig_type wide = *type;
    wide.dtype = fig__narrow_dtype(wide.dtype) ? FIG_F32 : wide.dtype;
    return wide;
}

/* The query that the kernel sees; types is as long as operands and results together. */
static fig_kernel_query widened_query(const fig_kernel_query *q, fig_type *types)
{
    for (int i = 0; i < q->n_in + q->n_out; i++)
        types[i] = widened(i < q->n_in ? &q->in[i] : &q->out[i - q->n_in]);
    fig_kernel_query wide = *q;
    wide.in = types;
    wide.out = types + q->n_in;
    return wide;
}

static bool lifted_accepts(const fig_kernel_query *q)
{
    bool any = false;
    for (int i = 0; i < q->n_in + q->n_out; i++)
        any |= fig__narrow_dtype((i < q->n_in ? q->in[i] : q->out[i - q->n_in]).dtype);
    if (!any || !strcmp(q->op->name, "cast"))
        return false;
    fig_type *types = fig__alloc(sizeof *types * (size_t)(q->n_in + q->n_out));
    fig_kernel_query wide = widened_query(q, types);
    any = fig__kernel_choose(q->op, &wide) != NULL;
    free(types);
    return any;
}

static void lifted_release(void *prepared)
{
    lifted_state *s = prepared;
    if (!s)
        return;
    if (s->kernel->release && s->prepared)
        s->kernel->release(s->prepared);
    free(s->in);
    free(s->at);
    free(s);
}

static fig_status lifted_prepare(const fig_kernel_query *q, void **prepared, size_t *workspace, fig_error *err)
{
    int all = q->n_in + q->n_out;
    lifted_state *s = fig__alloc(sizeof *s + sizeof *s->type * (size_t)all);
    s->in = fig__alloc(sizeof *s->in * (size_t)all);
    s->out = s->in + q->n_in;
    s->at = fig__alloc(sizeof *s->at * (size_t)all);
    fig_kernel_query wide = widened_query(q, s->type);
    s->kernel = fig__kernel_choose(q->op, &wide);
    size_t total = 0, inner = 0;
    for (int i = 0; i < all; i++) {
        s->in[i].type = s->type[i];
        s->at[i] = total;
        if (fig__narrow_dtype((i < q->n_in ? q->in[i] : q->out[i - q->n_in]).dtype))
            total += (fig__bytes(&s->type[i]) + 63) / 64 * 64;
    }
    fig_status status = s->kernel->prepare ? s->kernel->prepare(&wide, &s->prepared, &inner, err) : FIG_OK;
    if (status != FIG_OK) {
        s->prepared = NULL;
        lifted_release(s);
        return status;
    }
    s->inner = total;
    *workspace = total + inner;
    *prepared = s;
    return FIG_OK;
}

static void lifted_run(fig_eval *c)
{
    lifted_state *s = c->prepared;
    char *workspace = c->workspace;
    for (int i = 0; i < c->n_in; i++) {
        bool narrow = fig__narrow_dtype(c->in[i].type.dtype);
        int64_t n = fig_elements(&c->in[i].type);
        s->in[i].data = narrow ? workspace + s->at[i] : c->in[i].data;
        if (c->in[i].type.dtype == FIG_I8)
            fig__parallel_in(c->run->team, fig__parts(n, c->run->threads), lines_part, &(lines_work){ &c->in[i], s->in[i].data });
        else if (narrow)
            cast(s->in[i].data, c->in[i].data, n, true, c->run);
    }
    for (int k = 0; k < c->n_out; k++)
        s->out[k].data = c->out[k].type.dtype == FIG_BF16 ? workspace + s->at[c->n_in + k] : c->out[k].data;
    fig_eval inner = *c;
    inner.in = s->in;
    inner.out = s->out;
    inner.prepared = s->prepared;
    inner.workspace = workspace + s->inner;
    s->kernel->run(&inner);
    for (int k = 0; k < c->n_out; k++)
        if (c->out[k].type.dtype == FIG_BF16)
            cast(c->out[k].data, s->out[k].data, fig_elements(&c->out[k].type), false, c->run);
}

const fig_kernel fig_kernel_lifted = {
    .name = "lifted", .op = "*", .bf16 = true, .int8 = true,
    .accepts = lifted_accepts, .prepare = lifted_prepare, .release = lifted_release,
    .run = lifted_run,
};
