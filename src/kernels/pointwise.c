/* kernels/pointwise.c - element-by-element ops, fused programs, sums, means, maxima and broadcasts on the tile engine
 *
 * Each of them is a small program (tiles.h): one step, many steps, or none and a reduction. */
#include "kernels/kernel.h"
#include "kernels/tiles.h"

#include <stdlib.h>
#include <string.h>

/* A program with the arrays it points to. */
typedef struct program {
    fig__tile_program p;
    fig_fused_step step;
    int output;
    uint32_t reduce;
    float scale;
} program;

static void base_program(program *b, const fig_kernel_query *q, const fig_type *space)
{
    memset(b, 0, sizeof(*b));
    b->scale = 1.0f;
    b->p = (fig__tile_program){
        .space = *space, .n_in = q->n_in, .n_out = 1, .in = q->in, .out = q->out, .step = &b->step, .outputs = &b->output,
        .reduce = &b->reduce,
        .scale = &b->scale,
    };
}

static bool read_pointwise(program *b, const fig_kernel_query *q)
{
    base_program(b, q, &q->out[0]);
    const fig_pointwise_attr *attr = q->attr;
    b->step.code = q->op->pointwise->code;
    b->step.p[0] = attr->p[0];
    b->step.p[1] = attr->p[1];
    for (int i = 0; i < q->n_in; i++)
        b->step.source[i] = i;
    b->p.n_steps = 1;
    b->output = q->n_in;
    return fig__tiles_accepts(&b->p);
}

static bool read_fused(program *b, const fig_kernel_query *q)
{
    const fig_fused_program *from = ((const fig_fused_attr *)q->attr)->program;
    base_program(b, q, &from->space);
    b->p.n_in = from->n_in;
    b->p.n_steps = from->n_steps;
    b->p.n_out = from->n_out;
    b->p.step = from->step;
    b->p.outputs = from->outputs;
    b->p.reduce = from->reduce;
    b->p.scale = from->scale;
    return from->n_in <= FIG_FUSED_MAX && fig__tiles_accepts(&b->p);
}

/* Sum, mean, maximum: no steps, the operand itself is reduced. i32 sums wrap and stay with the reference loop. */
static bool read_reduction(program *b, const fig_kernel_query *q)
{
    if (q->in[0].dtype == FIG_I32)
        return false;
    base_program(b, q, &q->in[0]);
    b->reduce = ((const fig_reduce_attr *)q->attr)->axes;
    if (strcmp(q->op->name, "mean") == 0)
        b->scale = (float)((double)fig_elements(&q->out[0]) / (double)fig_elements(&q->in[0]));
    if (strcmp(q->op->name, "reduce_max") == 0)
        b->p.combine = FIG__COMBINE_MAX;
    return fig__tiles_accepts(&b->p);
}

static bool read_broadcast(program *b, const fig_kernel_query *q)
{
    base_program(b, q, &q->out[0]);
    return fig__tiles_accepts(&b->p);
}

#define TILE_FUNCTIONS(kind)                                                                                          \
    static bool kind##_accepts(const fig_kernel_query *q)                                                             \
    {                                                                                                                 \
        program b;                                                                                                    \
        return read_##kind(&b, q);                                                                                    \
    }                                                                                                                 \
    static fig_status kind##_prepare(const fig_kernel_query *q, void **prepared, size_t *workspace, fig_error *err)   \
    {                                                                                                                 \
        (void)err;                                                                                                    \
        program b;                                                                                                    \
        read_##kind(&b, q);                                                                                           \
        *prepared = fig__tiles_new(&b.p, q->threads, workspace);                                                      \
        return FIG_OK;                                                                                                \
    }
TILE_FUNCTIONS(pointwise)
TILE_FUNCTIONS(fused)
TILE_FUNCTIONS(reduction)
TILE_FUNCTIONS(broadcast)

static void release(void *prepared) { fig__tiles_free(prepared); }
static void run(fig_eval *c) { fig__tiles_run(c->prepared, c); }

const fig_kernel fig_kernel_pointwise = {
    .name = "tiles", .bf16 = true, .op = "pointwise", .team = true, .accepts = pointwise_accepts, .prepare = pointwise_prepare,
    .release = release,
    .run = run,
    .inplace = 7,
};
const fig_kernel fig_kernel_fused = {
    .name = "tiles", .bf16 = true, .op = "fused", .team = true, .accepts = fused_accepts, .prepare = fused_prepare, .release = release,
    .run = run,
    .inplace = ~0u,
};
const fig_kernel fig_kernel_sum = {
    .name = "tiles", .bf16 = true, .op = "sum", .team = true, .accepts = reduction_accepts, .prepare = reduction_prepare,
    .release = release, .run = run,
};
const fig_kernel fig_kernel_mean = {
    .name = "tiles", .bf16 = true, .op = "mean", .team = true, .accepts = reduction_accepts, .prepare = reduction_prepare,
    .release = release, .run = run,
};
const fig_kernel fig_kernel_reduce_max = {
    .name = "tiles", .bf16 = true, .op = "reduce_max", .team = true, .accepts = reduction_accepts, .prepare = reduction_prepare,
    .release = release,
    .run = run,
};
const fig_kernel fig_kernel_broadcast = {
    .name = "tiles", .bf16 = true, .op = "broadcast", .team = true, .accepts = broadcast_accepts, .prepare = broadcast_prepare,
    .release = release,
    .run = run,
};
