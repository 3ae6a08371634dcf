/* kernels/gate.c - tanh(a) s(b) of the two halves of each row, and its gradient; both work in place on the wide tensor
 *
 * Tensors stored in bf16 are widened and narrowed some rows at a time, in a part's own piece of workspace. */
#include "kernels/fast.h"
#include "kernels/kernel.h"
#include "kernels/parallel.h"
#include "kernels/storage.h"

enum { FLOATS_AT_ONCE = 2048 };

typedef struct gate_work {
    const fig_eval *c;
    int64_t rows, width, at_once, spare; /* floats of a part: a block of rows of both halves, and one of y's */
} gate_work;

static gate_work work_of(const fig_eval *c, const fig_type *x)
{
    int64_t width = x->dim[x->rank - 1] / 2, at_once = FLOATS_AT_ONCE / (2 * width);
    at_once = at_once > 1 ? at_once : 1;
    return (gate_work){ c, fig__count(x) / (2 * width), width, at_once, (3 * at_once * width + 15) / 16 * 16 };
}

static bool gate_accepts(const fig_kernel_query *q) { return fig_elements(&q->in[0]) > 0; }

static fig_status gate_prepare(const fig_kernel_query *q, void **prepared, size_t *workspace, fig_error *err)
{
    (void)err;
    bool narrow = fig__any_narrow(q) || !fig__others_wide(q, -1);
    *prepared = NULL;
    *workspace = narrow ? sizeof(float) * (size_t)(work_of(NULL, &q->in[0]).spare * q->threads) : 0;
    return FIG_OK;
}

static void forward_part(void *context, int part, int parts)
{
    const gate_work *w = context;
    const fig_tensor *x = &w->c->in[0], *trace = &w->c->out[0], *y = &w->c->out[1];
    bool narrow = fig__is_narrow(x) || fig__is_narrow(trace) || fig__is_narrow(y);
    float *spare = narrow ? (float *)w->c->workspace + w->spare * part : NULL;
    float *spare_y = narrow ? spare + 2 * w->at_once * w->width : NULL;
    int64_t begin, end;
    fig__share(w->rows, 1, part, parts, &begin, &end);
    for (int64_t rows = narrow ? w->at_once : end - begin; begin < end; begin += rows) {
        rows = rows < end - begin ? rows : end - begin;
        int64_t n = rows * w->width, at = begin * w->width;
        const float *from = fig__load(x, 2 * at, 2 * n, spare);
        float *to = fig__target(trace, 2 * at, spare), *product = fig__target(y, at, spare_y);
        fig__fast_gate(from, to, product, rows, w->width);
        fig__store(trace, 2 * at, 2 * n, to);
        fig__store(y, at, n, product);
    }
}

static void forward_run(fig_eval *c)
{
    gate_work w = work_of(c, &c->in[0].type);
    fig__parallel_in(c->run->team, fig__parts(w.rows * w.width * 16, c->run->threads), forward_part, &w);
}

static void backward_part(void *context, int part, int parts)
{
    const gate_work *w = context;
    const fig_tensor *trace = &w->c->in[0], *dy = &w->c->in[1], *dx = &w->c->out[0];
    bool narrow = fig__is_narrow(trace) || fig__is_narrow(dy) || fig__is_narrow(dx);
    float *spare = narrow ? (float *)w->c->workspace + w->spare * part : NULL;
    float *spare_y = narrow ? spare + 2 * w->at_once * w->width : NULL;
    int64_t begin, end;
    fig__share(w->rows, 1, part, parts, &begin, &end);
    for (int64_t rows = narrow ? w->at_once : end - begin; begin < end; begin += rows) {
        rows = rows < end - begin ? rows : end - begin;
        int64_t n = rows * w->width, at = begin * w->width;
        const float *from = fig__load(trace, 2 * at, 2 * n, spare), *upstream = fig__load(dy, at, n, spare_y);
        float *to = fig__target(dx, 2 * at, spare);
        fig__fast_gate_gradient(from, upstream, to, rows, w->width);
        fig__store(dx, 2 * at, 2 * n, to);
    }
}

static void backward_run(fig_eval *c)
{
    gate_work w = work_of(c, &c->in[0].type);
    fig__parallel_in(c->run->team, fig__parts(w.rows * w.width * 4, c->run->threads), backward_part, &w);
}

const fig_kernel fig_kernel_gate = {
    .name = "gate", .op = "gate", .team = true, .bf16 = true, .accepts = gate_accepts, .prepare = gate_prepare,
    .run = forward_run, .inplace = 1,
};
const fig_kernel fig_kernel_gate_gradient = {
    .name = "gate", .op = "gate_gradient", .bf16 = true, .accepts = gate_accepts, .prepare = gate_prepare, .run = backward_run,
    .inplace = 1,
};
