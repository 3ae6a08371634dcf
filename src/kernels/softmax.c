/* kernels/softmax.c - softmax, log-softmax, logsumexp and cross-entropy with gradients: rows shared out to threads */
#include "kernels/fast.h"
#include "kernels/kernel.h"
#include "kernels/parallel.h"

typedef struct rows_work {
    const fig_eval *c;
    void (*row)(const fig_eval *c, int64_t row, int64_t n);
    int64_t rows, n;
} rows_work;

static void rows_part(void *context, int part, int parts)
{
    const rows_work *w = context;
    int64_t begin, end;
    fig__share(w->rows, 1, part, parts, &begin, &end);
    for (int64_t row = begin; row < end; row++)
        w->row(w->c, row, w->n);
}

/* An exponential costs about as much as eight additions. */
static void run_rows(fig_eval *c, void (*row)(const fig_eval *c, int64_t row, int64_t n))
{
    const fig_type *x = &c->in[0].type;
    int64_t n = x->dim[x->rank - 1];
    rows_work work = { c, row, fig_elements(x) / n, n };
    fig__parallel(fig__parts(work.rows * n * 8, c->run->threads), rows_part, &work);
}

static bool rows_accepts(const fig_kernel_query *q)
{
    return fig_elements(&q->in[0]) > 0;
}

static void softmax_row(const fig_eval *c, int64_t row, int64_t n)
{
    fig__fast_softmax(FIG_F32_OUT(c, 0) + row * n, FIG_F32_IN(c, 0) + row * n, n);
}

static void log_softmax_row(const fig_eval *c, int64_t row, int64_t n)
{
    fig__fast_log_softmax(FIG_F32_OUT(c, 0) + row * n, FIG_F32_IN(c, 0) + row * n, n);
}

static void logsumexp_row(const fig_eval *c, int64_t row, int64_t n)
{
    FIG_F32_OUT(c, 0)[row] = fig__fast_logsumexp(FIG_F32_IN(c, 0) + row * n, n);
}

static void softmax_gradient_row(const fig_eval *c, int64_t row, int64_t n)
{
    fig__fast_softmax_gradient(FIG_F32_OUT(c, 0) + row * n, FIG_F32_IN(c, 0) + row * n, FIG_F32_IN(c, 1) + row * n, n);
}

/* A label below 0 is padding; beyond the last it counts as the last. */
static void cross_entropy_row(const fig_eval *c, int64_t row, int64_t n)
{
    const float *x = FIG_F32_IN(c, 0) + row * n;
    int64_t label = FIG_I32_IN(c, 1)[row], at = label < n ? label : n - 1;
    FIG_F32_OUT(c, 0)[row] = label < 0 ? 0.0f : fig__fast_logsumexp(x, n) - x[at];
}

static void cross_entropy_gradient_row(const fig_eval *c, int64_t row, int64_t n)
{
    int64_t label = FIG_I32_IN(c, 1)[row], at = label < n ? label : n - 1;
    float upstream = label < 0 ? 0.0f : FIG_F32_IN(c, 2)[row], *dx = FIG_F32_OUT(c, 0) + row * n;
    fig__fast_softmax_scaled(dx, FIG_F32_IN(c, 0) + row * n, upstream, n);
    if (label >= 0)
        dx[at] -= upstream;
}

static void softmax_run(fig_eval *c) { run_rows(c, softmax_row); }
static void log_softmax_run(fig_eval *c) { run_rows(c, log_softmax_row); }
static void logsumexp_run(fig_eval *c) { run_rows(c, logsumexp_row); }
static void softmax_gradient_run(fig_eval *c) { run_rows(c, softmax_gradient_row); }
static void cross_entropy_run(fig_eval *c) { run_rows(c, cross_entropy_row); }
static void cross_entropy_gradient_run(fig_eval *c) { run_rows(c, cross_entropy_gradient_row); }

const fig_kernel fig_kernel_softmax = {
    .name = "rows", .op = "softmax", .accepts = rows_accepts, .run = softmax_run, .inplace = 1,
};
const fig_kernel fig_kernel_log_softmax = {
    .name = "rows", .op = "log_softmax", .accepts = rows_accepts, .run = log_softmax_run, .inplace = 1,
};
const fig_kernel fig_kernel_logsumexp = { .name = "rows", .op = "logsumexp", .accepts = rows_accepts, .run = logsumexp_run };
const fig_kernel fig_kernel_softmax_gradient = {
    .name = "rows", .op = "softmax_gradient", .accepts = rows_accepts, .run = softmax_gradient_run, .inplace = 3,
};
const fig_kernel fig_kernel_cross_entropy = {
    .name = "rows", .op = "cross_entropy", .accepts = rows_accepts, .run = cross_entropy_run,
};
const fig_kernel fig_kernel_cross_entropy_gradient = {
    .name = "rows", .op = "cross_entropy_gradient", .accepts = rows_accepts, .run = cross_entropy_gradient_run, .inplace = 1,
};
