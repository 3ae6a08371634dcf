/* kernels/convolution_gate.c - a convolution with a gate behind it (ops/epilogue.c), by the kernels of the two
 *
 * The convolution's sums stand where the gate's trace will, which is computed in place; where the trace is stored in bf16, in workspace,
 * so that nothing is rounded in between. */
#include "kernels/conv.h"

#include <stdlib.h>

typedef struct both_state {
    const fig_kernel *first, *gate;
    void *first_prepared;
    fig_type sums;
    size_t apart; /* bytes of workspace for the sums; 0: in the trace */
} both_state;

/* What the first kernel is asked; types outlive the query. */
static fig_kernel_query first_query(const fig_kernel_query *q, fig_type *sums)
{
    fig_kernel_query first = *q;
    *sums = q->out[0];
    sums->dtype = FIG_F32;
    first.op = &fig_op_convolution_fused;
    first.n_out = 1;
    first.out = sums;
    return first;
}

static bool both_accepts(const fig_kernel_query *q)
{
    fig_type sums;
    fig_kernel_query first = first_query(q, &sums);
    return fig_elements(&q->out[0]) > 0 && fig__kernel_choose(first.op, &first) != NULL;
}

static void both_release(void *prepared)
{
    both_state *s = prepared;
    if (s && s->first->release)
        s->first->release(s->first_prepared);
    free(s);
}

static fig_status both_prepare(const fig_kernel_query *q, void **prepared, size_t *workspace, fig_error *err)
{
    both_state *s = fig__alloc(sizeof *s);
    fig_kernel_query first = first_query(q, &s->sums);
    fig_kernel_query gate = { .op = &fig_op_gate, .n_in = 1, .n_out = 2, .in = &s->sums, .out = q->out, .threads = q->threads,
                              .session = q->session };
    size_t first_bytes = 0, gate_bytes = 0;
    void *none = NULL;
    s->first = fig__kernel_choose(first.op, &first);
    s->gate = fig__kernel_choose(gate.op, &gate);
    s->apart = q->out[0].dtype == FIG_F32 ? 0 : (fig__bytes(&s->sums) + 63) / 64 * 64;
    fig_status status = s->first->prepare ? s->first->prepare(&first, &s->first_prepared, &first_bytes, err) : FIG_OK;
    if (status == FIG_OK && s->gate->prepare)
        status = s->gate->prepare(&gate, &none, &gate_bytes, err);
    if (status != FIG_OK) {
        both_release(s);
        return status;
    }
    *workspace = s->apart + (first_bytes > gate_bytes ? first_bytes : gate_bytes);
    *prepared = s;
    return FIG_OK;
}

static void both_run(fig_eval *c)
{
    const both_state *s = c->prepared;
    fig_tensor sums = { s->sums, s->apart ? c->workspace : c->out[0].data };
    void *workspace = s->apart ? (char *)c->workspace + s->apart : c->workspace;
    fig_eval first = *c, gate = { .n_in = 1, .n_out = 2, .in = &sums, .out = c->out, .run = c->run, .workspace = workspace };
    first.n_out = 1;
    first.out = &sums;
    first.workspace = workspace;
    first.prepared = s->first_prepared;
    s->first->run(&first);
    s->gate->run(&gate);
}

const fig_kernel fig_kernel_convolution_gate = {
    .name = "convolution_gate", .op = "convolution_gate", .bf16 = true, .accepts = both_accepts, .prepare = both_prepare,
    .release = both_release, .run = both_run,
};
