/* kernels/normalise_columns.c - batch and group (instance) normalisation and their gradients
 *
 * Both see x as R matrices (N positions, C channels). Sums run down the columns; a group's statistics follow from its
 * channels' (ops/normalise.h has the views). Then y = a x + b and dx = a dy + b x + c with numbers per channel:
 *
 *     sums of each channel  ->  statistics of each group  ->  a, b, c of each channel  ->  one map over x
 *
 * Batch: R = 1, so parts (threads) share the rows and add up their sums. Group: parts own whole matrices, which stay in the
 * second cache between the two passes; with fewer matrices than threads they are shared as in the batch case. Sums are
 * taken of x less the matrix's first row, in float over at most FLUSH rows, then in double, so that a large mean loses nothing.
 * Narrow matrices are folded: `fold` rows are walked as one, so that loops are long enough for vectors. */
#include "kernels/fast.h"
#include "kernels/kernel.h"
#include "kernels/parallel.h"
#include "kernels/storage.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { FLUSH = 64, FOLDED = 128, BLOCK = 4096 }; /* BLOCK: elements of bf16 storage that are widened at once */

typedef struct columns_state {
    bool gradient, affine;
    int64_t matrices, n, channels, groups, each; /* R, N, C; channels of a group */
    int64_t fold, width;                         /* width = fold * C */
    float eps;
    int parts;
    int64_t most;                                /* lines that are widened at once; 0: nothing is stored in bf16 */
    size_t map, sums, total, wide, spare, part_bytes; /* a part's memory: maps and shift (4 width floats), float sums (2 width),
                                                         matrix sums (2 C doubles), channel totals over matrices (2 C doubles),
                                                         widened blocks of x, dy and the result */
} columns_state;

/* x, dy (the last operand of a gradient) and the first result may be stored in bf16. */
static bool columns_accepts(const fig_kernel_query *q)
{
    return fig_elements(&q->in[0]) > 0 && fig__others_wide(q, strstr(q->op->name, "_gradient") ? q->n_in - 1 : 0);
}

static fig_status columns_prepare(const fig_kernel_query *q, void **prepared, size_t *workspace, fig_error *err)
{
    (void)err;
    const fig_normalise_attr *attr = q->attr;
    const fig_type *x = &q->in[0];
    columns_state *s = fig__alloc(sizeof(*s));
    bool batch = strncmp(q->op->name, "batch", 5) == 0;
    s->gradient = strstr(q->op->name, "_gradient") != NULL;
    s->affine = attr->affine != 0;
    s->eps = attr->eps;
    s->channels = x->dim[x->rank - 1];
    s->matrices = batch ? 1 : x->dim[0];
    s->n = fig_elements(x) / (s->channels * s->matrices);
    s->groups = batch ? s->channels : attr->groups;
    s->each = s->channels / s->groups;
    s->fold = s->channels < FOLDED ? FOLDED / s->channels : 1;
    if (s->fold > s->n)
        s->fold = s->n;
    s->width = s->fold * s->channels;
    s->parts = fig__parts(fig_elements(x) * 2, q->threads);
    size_t total = 0, floats = sizeof(float) * (size_t)s->width, doubles = sizeof(double) * (size_t)s->channels;
    s->map = total, total += (4 * floats + 63) / 64 * 64;
    s->sums = total, total += (2 * floats + 63) / 64 * 64;
    s->total = total, total += (2 * doubles + 63) / 64 * 64;
    s->wide = total, total += (2 * doubles + 63) / 64 * 64;
    s->most = fig__any_narrow(q) ? (BLOCK > s->width ? BLOCK / s->width : 1) : 0;
    s->spare = total, total += 3 * ((sizeof(float) * (size_t)(s->most * s->width) + 63) / 64 * 64);
    s->part_bytes = total;
    *workspace = total * (size_t)s->parts;
    *prepared = s;
    return FIG_OK;
}

static void columns_release(void *prepared) { free(prepared); }

typedef struct columns_work {
    const columns_state *s;
    const fig_eval *c;
    int64_t matrix;      /* the one that parts share */
    const fig_tensor *x, *dy; /* whole operands */
    const float *gamma, *beta, *mean, *variance;
    bool narrow;         /* x, dy and the result are all stored in bf16 */
} columns_work;

static float *floats_at(const columns_work *w, int part, size_t offset)
{
    return (float *)(void *)((char *)w->c->workspace + w->s->part_bytes * (size_t)part + offset);
}
static double *doubles_at(const columns_work *w, int part, size_t offset)
{
    return (double *)(void *)((char *)w->c->workspace + w->s->part_bytes * (size_t)part + offset);
}

/* -- sums --------------------------------------------------------------------------------------------------------------------- */

/* Spare block 0, 1 or 2 of a part. */
static float *spare_of(const columns_work *w, int part, int which)
{
    size_t block = (sizeof(float) * (size_t)(w->s->most * w->s->width) + 63) / 64 * 64;
    return floats_at(w, part, w->s->spare + block * (size_t)which);
}

static float first_row(const columns_work *w, int64_t matrix, int64_t channel)
{
    float value;
    return *fig__load(w->x, matrix * w->s->n * w->s->channels + channel, 1, &value);
}

/* What is taken off x in the sums: the first row (forward), the group's mean (gradient). Folded. */
static void set_shift(const columns_work *w, int64_t matrix, float *shift)
{
    const columns_state *s = w->s;
    for (int64_t j = 0; j < s->width; j++) {
        int64_t channel = j % s->channels;
        shift[j] = s->gradient ? w->mean[matrix * s->groups + channel / s->each] : first_row(w, matrix, channel);
    }
}

static const uint16_t *narrow_at(const fig_tensor *t, int64_t at) { return (const uint16_t *)t->data + at; }

/* Sums of lines of a matrix from element `at` on: on bf16 storage as it is where all of it is, else on widened blocks. */
static void sum_lines(const columns_work *w, int part, int64_t at, int64_t lines, int64_t width, const float *shift, float *sums)
{
    const columns_state *s = w->s;
    float *second = sums + s->width;
    if (w->narrow && s->gradient) {
        fig__fast_products_bf16(narrow_at(w->x, at), narrow_at(w->dy, at), shift, lines, width, sums, second);
        return;
    }
    if (w->narrow) {
        fig__fast_moments_bf16(narrow_at(w->x, at), shift, lines, width, sums, second);
        return;
    }
    for (int64_t done = 0, now; done < lines; done += now, at += now * width) {
        now = s->most && lines - done > s->most ? s->most : lines - done;
        const float *x = fig__load(w->x, at, now * width, spare_of(w, part, 0));
        if (s->gradient)
            fig__fast_products(x, fig__load(w->dy, at, now * width, spare_of(w, part, 1)), shift, now, width, sums, second);
        else
            fig__fast_moments(x, shift, now, width, sums, second);
    }
}

/* Adds rows [begin, end) of a matrix to total: sums of both kinds (2 C). shift is set. */
static void sum_rows(const columns_work *w, int part, int64_t matrix, int64_t begin, int64_t end, double *total)
{
    const columns_state *s = w->s;
    float *sums = floats_at(w, part, s->sums), *shift = floats_at(w, part, s->map) + 3 * s->width;
    for (int64_t row = begin; row < end;) {
        int64_t fold = end - row >= s->fold ? s->fold : 1, width = fold * s->channels;
        int64_t lines = (end - row) / fold < FLUSH ? (end - row) / fold : FLUSH;
        memset(sums, 0, sizeof(float) * 2 * (size_t)s->width);
        sum_lines(w, part, (matrix * s->n + row) * s->channels, lines, width, shift, sums);
        for (int64_t i = 0; i < fold; i++)
            for (int64_t channel = 0; channel < s->channels; channel++) {
                total[channel] += (double)sums[i * s->channels + channel];
                total[s->channels + channel] += (double)sums[s->width + i * s->channels + channel];
            }
        row += lines * fold;
    }
}

/* -- statistics and maps ---------------------------------------------------------------------------------------------------------- */

/* Forward: mean and variance of each group from its channels' shifted sums, then y = a x + b. */
static void forward_map(const columns_work *w, int64_t matrix, const double *total, const float *shift, float *a, float *b)
{
    const columns_state *s = w->s;
    for (int64_t g = 0; g < s->groups; g++) {
        double mean = 0, square = 0;
        for (int64_t channel = g * s->each; channel < (g + 1) * s->each; channel++)
            mean += total[channel] / (double)s->n + (double)shift[channel];
        mean /= (double)s->each;
        for (int64_t channel = g * s->each; channel < (g + 1) * s->each; channel++) {
            double off = total[channel] / (double)s->n, gap = off + (double)shift[channel] - mean;
            double spread = total[s->channels + channel] / (double)s->n - off * off;
            square += (spread > 0 ? spread : 0) + gap * gap;
        }
        double variance = square / (double)s->each, scale = 1 / sqrt(variance + (double)s->eps);
        if (isnan(total[g * s->each]))
            variance = scale = NAN;
        FIG_F32_OUT(w->c, 1)[matrix * s->groups + g] = (float)mean;
        FIG_F32_OUT(w->c, 2)[matrix * s->groups + g] = (float)variance;
        for (int64_t channel = g * s->each; channel < (g + 1) * s->each; channel++) {
            double slope = scale * (w->gamma ? (double)w->gamma[channel] : 1);
            a[channel] = (float)slope;
            b[channel] = (float)((w->beta ? (double)w->beta[channel] : 0) - mean * slope);
        }
    }
}

/* Gradient: dx = r (g - mean(g) - h mean(g h)) with g = dy gamma, h = (x - mean) r, as dx = a dy + b x + c. Adds this matrix to
 * the channels' dbeta and dgamma in wide. */
static void backward_map(const columns_work *w, int64_t matrix, const double *total, float *a, float *b, float *c, double *wide)
{
    const columns_state *s = w->s;
    double count = (double)(s->n * s->each);
    for (int64_t g = 0; g < s->groups; g++) {
        double mean = (double)w->mean[matrix * s->groups + g];
        double r = 1 / sqrt((double)w->variance[matrix * s->groups + g] + (double)s->eps), share = 0, along = 0;
        for (int64_t channel = g * s->each; channel < (g + 1) * s->each; channel++) {
            double gamma = w->gamma ? (double)w->gamma[channel] : 1;
            share += gamma * total[channel];
            along += gamma * total[s->channels + channel] * r;
            wide[channel] += total[channel];
            wide[s->channels + channel] += total[s->channels + channel] * r;
        }
        for (int64_t channel = g * s->each; channel < (g + 1) * s->each; channel++) {
            double slope = -r * r * along / count;
            a[channel] = (float)(r * (w->gamma ? (double)w->gamma[channel] : 1));
            b[channel] = (float)slope;
            c[channel] = (float)(-r * share / count - slope * mean);
        }
    }
}

/* Maps of `matrix` from total into the part's memory, folded. */
static void make_map(const columns_work *w, int part, int64_t matrix, const double *total)
{
    const columns_state *s = w->s;
    float *map = floats_at(w, part, s->map);
    if (s->gradient)
        backward_map(w, matrix, total, map, map + s->width, map + 2 * s->width, doubles_at(w, part, s->wide));
    else
        forward_map(w, matrix, total, map + 3 * s->width, map, map + s->width);
    for (int k = 0; k < 3; k++)
        for (int64_t j = s->channels; j < s->width; j++)
            map[k * s->width + j] = map[k * s->width + j - s->channels];
}

/* Rows [begin, end) of a matrix through the maps of part `from`, with the spare memory of `part`. */
static void map_rows(const columns_work *w, int part, int from, int64_t matrix, int64_t begin, int64_t end)
{
    const columns_state *s = w->s;
    const float *map = floats_at(w, from, s->map);
    const fig_tensor *out = &w->c->out[0];
    for (int64_t row = begin; row < end;) {
        int64_t fold = end - row >= s->fold ? s->fold : 1, lines = (end - row) / fold, at = (matrix * s->n + row) * s->channels;
        int64_t width = fold * s->channels;
        if (w->narrow) {
            uint16_t *to = (uint16_t *)out->data + at;
            if (s->gradient)
                fig__fast_affine_two_bf16(to, narrow_at(w->dy, at), narrow_at(w->x, at), map, map + s->width, map + 2 * s->width, lines,
                                          width);
            else
                fig__fast_affine_bf16(to, narrow_at(w->x, at), map, map + s->width, lines, width);
            row += lines * fold;
            continue;
        }
        if (s->most && lines > s->most)
            lines = s->most;
        int64_t count = lines * width;
        const float *x = fig__load(w->x, at, count, spare_of(w, part, 0));
        float *y = fig__target(out, at, spare_of(w, part, 2));
        if (s->gradient)
            fig__fast_affine_two(y, fig__load(w->dy, at, count, spare_of(w, part, 1)), x, map, map + s->width, map + 2 * s->width,
                                 lines, width);
        else
            fig__fast_affine(y, x, map, map + s->width, lines, width);
        fig__store(out, at, count, y);
        row += lines * fold;
    }
}

/* -- parts ---------------------------------------------------------------------------------------------------------------------------- */

/* Whole matrices, one after the other. */
static void matrices_part(void *context, int part, int parts)
{
    const columns_work *w = context;
    const columns_state *s = w->s;
    double *total = doubles_at(w, part, s->total);
    int64_t begin, end;
    fig__share(s->matrices, 1, part, parts, &begin, &end);
    memset(doubles_at(w, part, s->wide), 0, sizeof(double) * 2 * (size_t)s->channels);
    for (int64_t matrix = begin; matrix < end; matrix++) {
        memset(total, 0, sizeof(double) * 2 * (size_t)s->channels);
        set_shift(w, matrix, floats_at(w, part, s->map) + 3 * s->width);
        sum_rows(w, part, matrix, 0, s->n, total);
        make_map(w, part, matrix, total);
        map_rows(w, part, part, matrix, 0, s->n);
    }
}

static void shared_sums_part(void *context, int part, int parts)
{
    const columns_work *w = context;
    const columns_state *s = w->s;
    int64_t begin, end;
    fig__share(s->n, s->fold, part, parts, &begin, &end);
    double *total = doubles_at(w, part, s->total);
    memset(total, 0, sizeof(double) * 2 * (size_t)s->channels);
    set_shift(w, w->matrix, floats_at(w, part, s->map) + 3 * s->width);
    sum_rows(w, part, w->matrix, begin, end, total);
}

static void shared_map_part(void *context, int part, int parts)
{
    const columns_work *w = context;
    int64_t begin, end;
    fig__share(w->s->n, w->s->fold, part, parts, &begin, &end);
    map_rows(w, part, 0, w->matrix, begin, end);
}

static void run_shared(columns_work *w)
{
    const columns_state *s = w->s;
    double *total = doubles_at(w, 0, s->total);
    memset(doubles_at(w, 0, s->wide), 0, sizeof(double) * 2 * (size_t)s->channels);
    for (w->matrix = 0; w->matrix < s->matrices; w->matrix++) {
        fig__parallel(s->parts, shared_sums_part, w);
        for (int part = 1; part < s->parts; part++)
            for (int64_t i = 0; i < 2 * s->channels; i++)
                total[i] += doubles_at(w, part, s->total)[i];
        make_map(w, 0, w->matrix, total);
        fig__parallel(s->parts, shared_map_part, w);
    }
}

static void columns_run(fig_eval *c)
{
    const columns_state *s = c->prepared;
    columns_work w = { .s = s, .c = c, .x = &c->in[0], .gamma = s->affine ? FIG_F32_IN(c, 1) : NULL };
    int next = s->affine ? 2 : 1;
    if (s->gradient)
        w.mean = FIG_F32_IN(c, next), w.variance = FIG_F32_IN(c, next + 1), w.dy = &c->in[next + 2];
    else
        w.beta = s->affine ? FIG_F32_IN(c, 2) : NULL;
    w.narrow = fig__is_narrow(w.x) && fig__is_narrow(&c->out[0]) && (!w.dy || fig__is_narrow(w.dy));
    bool own = s->matrices >= s->parts && s->parts > 1;
    if (own)
        fig__parallel(s->parts, matrices_part, &w);
    else
        run_shared(&w);
    if (!s->gradient || !s->affine)
        return;
    for (int64_t i = 0; i < s->channels; i++) {
        double dbeta = 0, dgamma = 0;
        for (int part = 0; part < (own ? s->parts : 1); part++) {
            dbeta += doubles_at(&w, part, s->wide)[i];
            dgamma += doubles_at(&w, part, s->wide)[s->channels + i];
        }
        FIG_F32_OUT(c, 1)[i] = (float)dgamma;
        FIG_F32_OUT(c, 2)[i] = (float)dbeta;
    }
}

/* y may stand where x stood, dx where x or dy did: every element is read before it is written. */
const fig_kernel fig_kernel_batch_normalise = {
    .name = "columns", .bf16 = true, .op = "batch_normalise", .accepts = columns_accepts, .prepare = columns_prepare,
    .release = columns_release,
    .run = columns_run, .inplace = 1,
};
const fig_kernel fig_kernel_batch_normalise_gradient = {
    .name = "columns", .bf16 = true, .op = "batch_normalise_gradient", .accepts = columns_accepts, .prepare = columns_prepare,
    .release = columns_release, .run = columns_run, .inplace = 1 | 1 << 3 | 1 << 4,
};
const fig_kernel fig_kernel_group_normalise = {
    .name = "columns", .bf16 = true, .op = "group_normalise", .accepts = columns_accepts, .prepare = columns_prepare,
    .release = columns_release,
    .run = columns_run, .inplace = 1,
};
const fig_kernel fig_kernel_group_normalise_gradient = {
    .name = "columns", .bf16 = true, .op = "group_normalise_gradient", .accepts = columns_accepts, .prepare = columns_prepare,
    .release = columns_release, .run = columns_run, .inplace = 1 | 1 << 3 | 1 << 4,
};
