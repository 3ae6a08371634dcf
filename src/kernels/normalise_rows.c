/* kernels/normalise_rows.c - layer and root-mean-square normalisation and their gradients: every row by itself
 *
 * A row is read from memory once and stays in the first cache for its further passes. The gradient's sums over rows (dgamma,
 * dbeta) are kept per part in float over at most FLUSH rows, then added to doubles. */
#include "kernels/fast.h"
#include "kernels/kernel.h"
#include "kernels/parallel.h"
#include "kernels/storage.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { FLUSH = 64 };

typedef struct rows_state {
    bool centred, affine;      /* layer; gamma (and beta) there */
    int64_t rows, n;
    float eps;
    int parts;
    size_t floats, part_bytes; /* of one part: 2 n floats, then 2 n doubles, for the sums over rows */
    size_t lines, line;        /* where the lines of parts begin, for rows stored in bf16: three of `line` bytes each */
} rows_state;

/* x, dy (the last operand of a gradient) and the first result may be stored in bf16. */
static bool rows_accepts(const fig_kernel_query *q)
{
    return fig_elements(&q->in[0]) > 0 && fig__others_wide(q, strstr(q->op->name, "_gradient") ? q->n_in - 1 : 0);
}

static fig_status rows_prepare(const fig_kernel_query *q, void **prepared, size_t *workspace, fig_error *err)
{
    (void)err;
    const fig_normalise_attr *attr = q->attr;
    rows_state *s = fig__alloc(sizeof(*s));
    s->centred = strncmp(q->op->name, "layer", 5) == 0;
    s->affine = attr->affine != 0;
    s->n = q->in[0].dim[q->in[0].rank - 1];
    s->rows = fig_elements(&q->in[0]) / s->n;
    s->eps = attr->eps;
    s->parts = fig__parts(s->rows * s->n * 2, q->threads);
    s->floats = (sizeof(float) * 2 * (size_t)s->n + 63) / 64 * 64;
    s->part_bytes = s->floats + (sizeof(double) * 2 * (size_t)s->n + 63) / 64 * 64;
    bool gradient = strstr(q->op->name, "_gradient") != NULL;
    s->lines = gradient && s->affine ? s->part_bytes * (size_t)s->parts : 0;
    s->line = (sizeof(float) * (size_t)s->n + 63) / 64 * 64;
    *workspace = s->lines + (fig__any_narrow(q) ? 3 * s->line * (size_t)s->parts : 0);
    *prepared = s;
    return FIG_OK;
}

static void rows_release(void *prepared) { free(prepared); }

typedef struct rows_work {
    const rows_state *s;
    const fig_eval *c;
} rows_work;

/* Line 0, 1 or 2 of a part. */
static float *line_of(const rows_work *w, int part, int which)
{
    return (float *)(void *)((char *)w->c->workspace + w->s->lines + w->s->line * (size_t)(3 * part + which));
}

static void forward_part(void *context, int part, int parts)
{
    const rows_work *w = context;
    const rows_state *s = w->s;
    const fig_eval *c = w->c;
    const float *gamma = s->affine ? FIG_F32_IN(c, 1) : NULL, *beta = s->affine && s->centred ? FIG_F32_IN(c, 2) : NULL;
    int64_t begin, end;
    fig__share(s->rows, 1, part, parts, &begin, &end);
    for (int64_t row = begin; row < end; row++) {
        const float *x = fig__load(&c->in[0], row * s->n, s->n, line_of(w, part, 0));
        float mean = 0, variance, *y = fig__target(&c->out[0], row * s->n, line_of(w, part, 1));
        if (s->centred) {
            fig__fast_row_moments(x, s->n, &mean, &variance);
            FIG_F32_OUT(c, 1)[row] = mean;
            FIG_F32_OUT(c, 2)[row] = variance;
        } else {
            variance = FIG_F32_OUT(c, 1)[row] = fig__fast_row_square(x, s->n);
        }
        fig__fast_row_normalise(y, x, mean, 1.0f / sqrtf(variance + s->eps), gamma, beta, s->n);
        fig__store(&c->out[0], row * s->n, s->n, y);
    }
}

static void forward_run(fig_eval *c)
{
    const rows_state *s = c->prepared;
    rows_work work = { s, c };
    fig__parallel_in(c->run->team, s->parts, forward_part, &work);
}

/* Memory of a part: sums in float, then in double; dgamma first, dbeta second. */
static float *float_sums(const rows_work *w, int part)
{
    return (float *)(void *)((char *)w->c->workspace + w->s->part_bytes * (size_t)part);
}
static double *double_sums(const rows_work *w, int part)
{
    return (double *)(void *)((char *)w->c->workspace + w->s->part_bytes * (size_t)part + w->s->floats);
}

static void flush(const rows_work *w, int part)
{
    float *sums = float_sums(w, part);
    double *total = double_sums(w, part);
    for (int64_t i = 0; i < 2 * w->s->n; i++)
        total[i] += (double)sums[i];
    memset(sums, 0, sizeof(float) * 2 * (size_t)w->s->n);
}

static void backward_part(void *context, int part, int parts)
{
    const rows_work *w = context;
    const rows_state *s = w->s;
    const fig_eval *c = w->c;
    int next = 1;
    const float *gamma = s->affine ? FIG_F32_IN(c, next++) : NULL, *means = s->centred ? FIG_F32_IN(c, next++) : NULL;
    const float *variances = FIG_F32_IN(c, next);
    const fig_tensor *upstream = &c->in[next + 1];
    float *dgamma = s->affine ? float_sums(w, part) : NULL, *dbeta = s->affine && s->centred ? dgamma + s->n : NULL;
    if (s->affine)
        memset(dgamma, 0, s->part_bytes);
    int64_t begin, end;
    fig__share(s->rows, 1, part, parts, &begin, &end);
    for (int64_t row = begin; row < end; row++) {
        const float *x = fig__load(&c->in[0], row * s->n, s->n, line_of(w, part, 0));
        const float *dy = fig__load(upstream, row * s->n, s->n, line_of(w, part, 1));
        float *dx = fig__target(&c->out[0], row * s->n, line_of(w, part, 2));
        fig__fast_row_backward(dx, x, dy, means ? means[row] : 0.0f, 1.0f / sqrtf(variances[row] + s->eps), gamma, s->centred, dgamma,
                               dbeta, s->n);
        fig__store(&c->out[0], row * s->n, s->n, dx);
        if (s->affine && (row + 1 == end || (row - begin) % FLUSH == FLUSH - 1))
            flush(w, part);
    }
}

static void backward_run(fig_eval *c)
{
    const rows_state *s = c->prepared;
    rows_work work = { s, c };
    fig__parallel_in(c->run->team, s->parts, backward_part, &work);
    for (int k = 0; s->affine && k < (s->centred ? 2 : 1); k++)
        for (int64_t i = 0; i < s->n; i++) {
            double sum = 0;
            for (int part = 0; part < s->parts; part++)
                sum += double_sums(&work, part)[k * s->n + i];
            FIG_F32_OUT(c, 1 + k)[i] = (float)sum;
        }
}

/* dx may stand where x or dy stood: a row is read before it is written. dy is the last operand, after gamma, mean, variance. */
const fig_kernel fig_kernel_layer_normalise = {
    .name = "rows", .bf16 = true, .op = "layer_normalise", .team = true, .accepts = rows_accepts, .prepare = rows_prepare,
    .release = rows_release,
    .run = forward_run, .inplace = 1,
};
const fig_kernel fig_kernel_layer_normalise_gradient = {
    .name = "rows", .bf16 = true, .op = "layer_normalise_gradient", .accepts = rows_accepts, .prepare = rows_prepare,
    .release = rows_release,
    .run = backward_run, .inplace = 1 | 1 << 3 | 1 << 4,
};
const fig_kernel fig_kernel_rms_normalise = {
    .name = "rows", .bf16 = true, .op = "rms_normalise", .team = true, .accepts = rows_accepts, .prepare = rows_prepare,
    .release = rows_release,
    .run = forward_run, .inplace = 1,
};
const fig_kernel fig_kernel_rms_normalise_gradient = {
    .name = "rows", .bf16 = true, .op = "rms_normalise_gradient", .accepts = rows_accepts, .prepare = rows_prepare, .release = rows_release,
    .run = backward_run, .inplace = 1 | 1 << 2 | 1 << 3,
};
