/* kernels/gate.c - tanh(a) s(b) of the two halves of each row, and its gradient; both work in place on the wide tensor */
#include "kernels/fast.h"
#include "kernels/kernel.h"
#include "kernels/parallel.h"

typedef struct gate_work {
    const fig_eval *c;
    int64_t rows, width;
} gate_work;

static gate_work work_of(const fig_eval *c)
{
    const fig_type *x = &c->in[0].type;
    int64_t width = x->dim[x->rank - 1] / 2;
    return (gate_work){ c, fig__count(x) / (2 * width), width };
}

static bool gate_accepts(const fig_kernel_query *q) { return fig_elements(&q->in[0]) > 0; }

static void forward_part(void *context, int part, int parts)
{
    const gate_work *w = context;
    int64_t begin, end;
    fig__share(w->rows, 1, part, parts, &begin, &end);
    int64_t at = 2 * begin * w->width;
    fig__fast_gate(FIG_F32_IN(w->c, 0) + at, FIG_F32_OUT(w->c, 0) + at, FIG_F32_OUT(w->c, 1) + begin * w->width, end - begin, w->width);
}

static void forward_run(fig_eval *c)
{
    gate_work w = work_of(c);
    fig__parallel(fig__parts(w.rows * w.width * 16, c->run->threads), forward_part, &w);
}

static void backward_part(void *context, int part, int parts)
{
    const gate_work *w = context;
    int64_t begin, end;
    fig__share(w->rows, 1, part, parts, &begin, &end);
    int64_t at = 2 * begin * w->width;
    fig__fast_gate_gradient(FIG_F32_IN(w->c, 0) + at, FIG_F32_IN(w->c, 1) + begin * w->width, FIG_F32_OUT(w->c, 0) + at, end - begin,
                            w->width);
}

static void backward_run(fig_eval *c)
{
    gate_work w = work_of(c);
    fig__parallel(fig__parts(w.rows * w.width * 4, c->run->threads), backward_part, &w);
}

const fig_kernel fig_kernel_gate = {
    .name = "gate", .op = "gate", .accepts = gate_accepts, .run = forward_run, .inplace = 1,
};
const fig_kernel fig_kernel_gate_gradient = {
    .name = "gate", .op = "gate_gradient", .accepts = gate_accepts, .run = backward_run, .inplace = 1,
};
