/* kernels/softmax.c - softmax, log-softmax, logsumexp and cross-entropy with gradients: rows shared out to threads */
#include "kernels/fast.h"
#include "kernels/kernel.h"
#include "kernels/parallel.h"
#include "kernels/storage.h"

/* A row's operands and result, widened where they are stored in bf16. */
typedef struct row {
    const fig_eval *c;
    int64_t index, n;
    float *line[3]; /* spare lines of a part; not used for f32 */
} row;

typedef struct rows_work {
    const fig_eval *c;
    void (*each)(const row *r);
    int64_t rows, n;
} rows_work;

static size_t line_bytes(int64_t n) { return (sizeof(float) * (size_t)n + 63) / 64 * 64; }

static void rows_part(void *context, int part, int parts)
{
    const rows_work *w = context;
    int64_t begin, end;
    row r = { .c = w->c, .n = w->n };
    for (int i = 0; i < 3; i++)
        r.line[i] = (float *)(void *)((char *)w->c->workspace + line_bytes(w->n) * (size_t)(3 * part + i));
    fig__share(w->rows, 1, part, parts, &begin, &end);
    for (r.index = begin; r.index < end; r.index++)
        w->each(&r);
}

/* An exponential costs about as much as eight additions. */
static void run_rows(fig_eval *c, void (*each)(const row *r))
{
    const fig_type *x = &c->in[0].type;
    int64_t n = x->dim[x->rank - 1];
    rows_work work = { c, each, fig_elements(x) / n, n };
    fig__parallel_in(c->run->team, fig__parts(work.rows * n * 8, c->run->threads), rows_part, &work);
}

static bool rows_accepts(const fig_kernel_query *q)
{
    return fig_elements(&q->in[0]) > 0;
}

/* One number a row, in f32. */
static bool numbers_accepts(const fig_kernel_query *q) { return q->out[0].dtype == FIG_F32 && rows_accepts(q); }

/* The upstream gradient is one number a row, in f32. */
static bool labelled_accepts(const fig_kernel_query *q) { return q->in[2].dtype == FIG_F32 && rows_accepts(q); }

static fig_status rows_prepare(const fig_kernel_query *q, void **prepared, size_t *workspace, fig_error *err)
{
    (void)err;
    *prepared = NULL;
    *workspace = fig__any_narrow(q) ? 3 * line_bytes(q->in[0].dim[q->in[0].rank - 1]) * (size_t)q->threads : 0;
    return FIG_OK;
}

static const float *operand(const row *r, int i) { return fig__load(&r->c->in[i], r->index * r->n, r->n, r->line[i]); }
static float *result(const row *r) { return fig__target(&r->c->out[0], r->index * r->n, r->line[2]); }
static void finish(const row *r, const float *y) { fig__store(&r->c->out[0], r->index * r->n, r->n, y); }

static void softmax_row(const row *r)
{
    float *y = result(r);
    fig__fast_softmax(y, operand(r, 0), r->n);
    finish(r, y);
}

static void log_softmax_row(const row *r)
{
    float *y = result(r);
    fig__fast_log_softmax(y, operand(r, 0), r->n);
    finish(r, y);
}

static void logsumexp_row(const row *r)
{
    FIG_F32_OUT(r->c, 0)[r->index] = fig__fast_logsumexp(operand(r, 0), r->n);
}

static void softmax_gradient_row(const row *r)
{
    float *dx = result(r);
    fig__fast_softmax_gradient(dx, operand(r, 0), operand(r, 1), r->n);
    finish(r, dx);
}

/* A label below 0 is padding; beyond the last it counts as the last. */
static void cross_entropy_row(const row *r)
{
    const float *x = operand(r, 0);
    int64_t label = FIG_I32_IN(r->c, 1)[r->index], at = label < r->n ? label : r->n - 1;
    FIG_F32_OUT(r->c, 0)[r->index] = label < 0 ? 0.0f : fig__fast_logsumexp(x, r->n) - x[at];
}

static void cross_entropy_gradient_row(const row *r)
{
    int64_t label = FIG_I32_IN(r->c, 1)[r->index], at = label < r->n ? label : r->n - 1;
    float upstream = label < 0 ? 0.0f : FIG_F32_IN(r->c, 2)[r->index], *dx = result(r);
    fig__fast_softmax_scaled(dx, operand(r, 0), upstream, r->n);
    if (label >= 0)
        dx[at] -= upstream;
    finish(r, dx);
}

static void softmax_run(fig_eval *c) { run_rows(c, softmax_row); }
static void log_softmax_run(fig_eval *c) { run_rows(c, log_softmax_row); }
static void logsumexp_run(fig_eval *c) { run_rows(c, logsumexp_row); }
static void softmax_gradient_run(fig_eval *c) { run_rows(c, softmax_gradient_row); }
static void cross_entropy_run(fig_eval *c) { run_rows(c, cross_entropy_row); }
static void cross_entropy_gradient_run(fig_eval *c) { run_rows(c, cross_entropy_gradient_row); }

const fig_kernel fig_kernel_softmax = {
    .name = "rows", .op = "softmax", .team = true, .bf16 = true, .accepts = rows_accepts, .prepare = rows_prepare, .run = softmax_run,
    .inplace = 1,
};
const fig_kernel fig_kernel_log_softmax = {
    .name = "rows", .op = "log_softmax", .team = true, .bf16 = true, .accepts = rows_accepts, .prepare = rows_prepare,
    .run = log_softmax_run,
    .inplace = 1,
};
const fig_kernel fig_kernel_logsumexp = {
    .name = "rows", .op = "logsumexp", .team = true, .bf16 = true, .accepts = numbers_accepts, .prepare = rows_prepare,
    .run = logsumexp_run,
};
const fig_kernel fig_kernel_softmax_gradient = {
    .name = "rows", .op = "softmax_gradient", .bf16 = true, .accepts = rows_accepts, .prepare = rows_prepare,
    .run = softmax_gradient_run, .inplace = 3,
};
const fig_kernel fig_kernel_cross_entropy = {
    .name = "rows", .op = "cross_entropy", .bf16 = true, .accepts = numbers_accepts, .prepare = rows_prepare, .run = cross_entropy_run,
};
const fig_kernel fig_kernel_cross_entropy_gradient = {
    .name = "rows", .op = "cross_entropy_gradient", .bf16 = true, .accepts = labelled_accepts, .prepare = rows_prepare,
    .run = cross_entropy_gradient_run, .inplace = 1,
};
