/* ops/pool.c - largest or mean value of sliding windows, channels last
 *
 * Padding is never counted: a window sees only what lies inside the input. Derivatives close among few ops, as each of
 * them is linear in what it carries:
 *
 *     max_pool (x)             has the gradient  max_pool_gradient (x, dy): dy goes to each window's first largest
 *     max_pool_gradient in dy  has the gradient  max_pool_pick (x, u): u read at each window's first largest
 *     max_pool_pick in u       has the gradient  max_pool_gradient
 *     average_pool and average_pool_gradient are transposes of each other */
#include "ops/shape.h"
#include "ops/window.h"

#include <math.h>
#include <string.h>

/* -- shape rules -------------------------------------------------------------------------------------------------- */

static fig_status check_attr(const fig_infer *c, const char *op)
{
    const fig_pool_attr *a = c->attr;
    for (int i = 0; i < a->spatial; i++) {
        int size = a->size[i];
        if (size < 1 || a->stride[i] < 1 || a->before[i] < 0 || a->after[i] < 0 || a->before[i] >= size ||
            a->after[i] >= size)
            return fig_fail(c->err, FIG_E_SHAPE,
                            "%s: window %d, stride %d, padding %d and %d on spatial axis %d; window and stride "
                            "start at 1, padding must be smaller than the window",
                            op, size, a->stride[i], a->before[i], a->after[i], i);
        if (fig__window_count(a->input[i], size, a->stride[i], 1, a->before[i], a->after[i]) < 1)
            return fig_fail(c->err, FIG_E_SHAPE, "%s: window %d does not fit in spatial axis %d of size %lld", op, size,
                            i, (long long)a->input[i]);
    }
    return FIG_OK;
}

/* Operand i has the shape of the input (pooled = false) or of the result (pooled = true). */
static fig_status expect_shape(fig_infer *c, int operand, bool pooled, const char *op)
{
    const fig_pool_attr *a = c->attr;
    FIG_TRY(fig__expect_dtype(c, operand, FIG_F32, op));
    FIG_TRY(fig__expect_rank(c, operand, a->spatial + 2, op));
    fig__window w = fig__window_of_pool(a);
    for (int i = 0; i < a->spatial; i++) {
        int64_t found = c->in[operand].dim[i + 1], expected = pooled ? w.out[i] : w.in[i];
        if (found != expected)
            return fig_fail(c->err, FIG_E_SHAPE,
                            "%s: spatial axis %d of operand %d has size %lld, the geometry gives %lld", op, i,
                            operand + 1, (long long)found, (long long)expected);
    }
    if (c->in[operand].dim[0] != c->in[0].dim[0] || c->in[operand].dim[a->spatial + 1] != c->in[0].dim[a->spatial + 1])
        return fig_fail(c->err, FIG_E_SHAPE, "%s: operands differ in batch or channels", op);
    return FIG_OK;
}

static void set_spatial(fig_infer *c, bool pooled)
{
    const fig_pool_attr *a = c->attr;
    fig__window w = fig__window_of_pool(a);
    c->out[0] = fig__plain_type(&c->in[0], FIG_F32);
    for (int i = 0; i < a->spatial; i++)
        c->out[0].dim[i + 1] = pooled ? w.out[i] : w.in[i];
}

static fig_status pool_infer(fig_infer *c)
{
    FIG_TRY(check_attr(c, "pool"));
    FIG_TRY(expect_shape(c, 0, false, "pool"));
    set_spatial(c, true);
    return FIG_OK;
}

static fig_status max_pool_gradient_infer(fig_infer *c)
{
    FIG_TRY(check_attr(c, "max_pool_gradient"));
    FIG_TRY(expect_shape(c, 0, false, "max_pool_gradient"));
    FIG_TRY(expect_shape(c, 1, true, "max_pool_gradient"));
    set_spatial(c, false);
    return FIG_OK;
}

static fig_status max_pool_pick_infer(fig_infer *c)
{
    FIG_TRY(check_attr(c, "max_pool_pick"));
    FIG_TRY(expect_shape(c, 0, false, "max_pool_pick"));
    FIG_TRY(expect_shape(c, 1, false, "max_pool_pick"));
    set_spatial(c, true);
    return FIG_OK;
}

static fig_status average_pool_gradient_infer(fig_infer *c)
{
    FIG_TRY(check_attr(c, "average_pool_gradient"));
    FIG_TRY(expect_shape(c, 0, true, "average_pool_gradient"));
    set_spatial(c, false);
    return FIG_OK;
}

/* -- gradients ---------------------------------------------------------------------------------------------------- */

static void max_pool_gradient_rule(fig_gradient *c)
{
    c->result[0] = fig__emit(c->graph, &fig_op_max_pool_gradient, (fig_node[]){ c->in[0], c->upstream }, 2, c->attr);
}

/* Where the largest lies is constant almost everywhere: nothing flows to x from the two linear ops. */
static void max_pool_gradient_gradient(fig_gradient *c)
{
    if (c->wanted[1])
        c->result[1] = fig__emit(c->graph, &fig_op_max_pool_pick, (fig_node[]){ c->in[0], c->upstream }, 2, c->attr);
}

static void max_pool_pick_gradient(fig_gradient *c)
{
    if (c->wanted[1])
        c->result[1] =
            fig__emit(c->graph, &fig_op_max_pool_gradient, (fig_node[]){ c->in[0], c->upstream }, 2, c->attr);
}

static void average_pool_gradient_rule(fig_gradient *c)
{
    c->result[0] = fig__emit(c->graph, &fig_op_average_pool_gradient, &c->upstream, 1, c->attr);
}

static void average_pool_gradient_gradient(fig_gradient *c)
{
    c->result[0] = fig__emit(c->graph, &fig_op_average_pool, &c->upstream, 1, c->attr);
}

/* -- reference loops ---------------------------------------------------------------------------------------------- */

typedef struct walk {
    fig__window w;
    int64_t channels, pictures;
} walk;

static walk walk_of(const fig_eval *c)
{
    const fig_type *x = &c->in[0].type;
    return (walk){ fig__window_of_pool(c->attr), x->dim[x->rank - 1], x->dim[0] };
}

/* The next row of the input (a place in the whole batch) that window `place` of picture b sees, from tap `tap` on:
 * returns the tap to go on with, 0 when there is none left. */
static int64_t seen(const walk *v, int64_t b, int64_t place, int64_t tap, int64_t *row)
{
    int64_t q[3], t[3];
    fig__window_split(place, v->w.out, q);
    for (int64_t taps = fig__window_taps(&v->w); tap < taps; tap++) {
        fig__window_split(tap, v->w.kernel, t);
        int64_t p = fig__window_reads(&v->w, q, t);
        if (p < 0)
            continue;
        *row = b * fig__window_inputs(&v->w) + p;
        return tap + 1;
    }
    return 0;
}

/* Position in x of the first largest element of a window in channel ch; NaN wins, so that it is not hidden. */
static int64_t largest(const walk *v, const float *x, int64_t b, int64_t place, int64_t ch)
{
    int64_t best = -1, row = 0;
    for (int64_t next = seen(v, b, place, 0, &row); next; next = seen(v, b, place, next, &row)) {
        int64_t at = row * v->channels + ch;
        if (best < 0 || x[at] > x[best] || (isnan(x[at]) && !isnan(x[best])))
            best = at;
    }
    return best;
}

static void max_pool_reference(fig_eval *c)
{
    walk v = walk_of(c);
    float *y = FIG_F32_OUT(c, 0);
    for (int64_t n = 0, places = fig__window_places(&v.w); n < v.pictures * places; n++) {
        for (int64_t ch = 0; ch < v.channels; ch++)
            *y++ = FIG_F32_IN(c, 0)[largest(&v, FIG_F32_IN(c, 0), n / places, n % places, ch)];
    }
}

static void max_pool_gradient_reference(fig_eval *c)
{
    walk v = walk_of(c);
    const float *dy = FIG_F32_IN(c, 1);
    memset(c->out[0].data, 0, fig__bytes(&c->out[0].type));
    for (int64_t n = 0, places = fig__window_places(&v.w); n < v.pictures * places; n++) {
        for (int64_t ch = 0; ch < v.channels; ch++)
            FIG_F32_OUT(c, 0)[largest(&v, FIG_F32_IN(c, 0), n / places, n % places, ch)] += *dy++;
    }
}

static void max_pool_pick_reference(fig_eval *c)
{
    walk v = walk_of(c);
    float *y = FIG_F32_OUT(c, 0);
    for (int64_t n = 0, places = fig__window_places(&v.w); n < v.pictures * places; n++) {
        for (int64_t ch = 0; ch < v.channels; ch++)
            *y++ = FIG_F32_IN(c, 1)[largest(&v, FIG_F32_IN(c, 0), n / places, n % places, ch)];
    }
}

static int64_t count_seen(const walk *v, int64_t b, int64_t place)
{
    int64_t count = 0, row;
    for (int64_t next = seen(v, b, place, 0, &row); next; next = seen(v, b, place, next, &row))
        count++;
    return count;
}

static void average_pool_reference(fig_eval *c)
{
    walk v = walk_of(c);
    float *y = FIG_F32_OUT(c, 0);
    for (int64_t n = 0, places = fig__window_places(&v.w); n < v.pictures * places; n++, y += v.channels) {
        float share = 1.0f / (float)count_seen(&v, n / places, n % places);
        int64_t row;
        memset(y, 0, sizeof *y * (size_t)v.channels);
        for (int64_t next = seen(&v, n / places, n % places, 0, &row); next;
             next = seen(&v, n / places, n % places, next, &row)) {
            for (int64_t ch = 0; ch < v.channels; ch++)
                y[ch] += FIG_F32_IN(c, 0)[row * v.channels + ch];
        }
        for (int64_t ch = 0; ch < v.channels; ch++)
            y[ch] *= share;
    }
}

static void average_pool_gradient_reference(fig_eval *c)
{
    walk v = walk_of(c);
    const float *dy = FIG_F32_IN(c, 0);
    float *x = FIG_F32_OUT(c, 0);
    memset(x, 0, fig__bytes(&c->out[0].type));
    for (int64_t n = 0, places = fig__window_places(&v.w); n < v.pictures * places; n++, dy += v.channels) {
        float share = 1.0f / (float)count_seen(&v, n / places, n % places);
        int64_t row;
        for (int64_t next = seen(&v, n / places, n % places, 0, &row); next;
             next = seen(&v, n / places, n % places, next, &row)) {
            for (int64_t ch = 0; ch < v.channels; ch++)
                x[row * v.channels + ch] += dy[ch] * share;
        }
    }
}

/* -- print, builders ---------------------------------------------------------------------------------------------- */

static void pool_print(const void *attr, fig__text *out)
{
    const fig_pool_attr *a = attr;
    for (int i = 0; i < a->spatial; i++)
        fig__text_print(out, i ? "x%d" : " size=%d", a->size[i]);
    for (int i = 0; i < a->spatial; i++)
        fig__text_print(out, i ? "x%d" : " stride=%d", a->stride[i]);
    for (int i = 0; i < a->spatial; i++) {
        if (a->before[i] || a->after[i])
            fig__text_print(out, " padding%d=%d,%d", i, a->before[i], a->after[i]);
    }
}

static fig_node emit_pool(const fig_op *op, fig_node x, const fig_pool_opts *opts)
{
    if (fig__any_poisoned(&x, 1))
        return x;
    fig_pool_attr attr;
    memset(&attr, 0, sizeof attr);
    attr.spatial = fig_rank(x) - 2;
    if (attr.spatial < 1 || attr.spatial > FIG_MAX_SPATIAL || !opts) {
        char text[128];
        fig_type type = fig_type_of(x);
        fig__type_text(&type, text);
        return fig_graph_fail(x.graph,
                              "%s: needs a window size and 3 to 5 axes (batch, 1 to 3 spatial axes, channels), got %s",
                              op->name, text);
    }
    for (int i = 0; i < attr.spatial; i++) {
        attr.input[i] = fig_dim(x, i + 1);
        attr.size[i] = fig__per_axis(opts->size, i, 0);
        attr.stride[i] = fig__per_axis(opts->stride, i, attr.size[i]);
        attr.before[i] = fig__padding(opts->before, i);
        attr.after[i] = fig__padding(opts->after, i);
        if (attr.before[i] == FIG_PAD_SAME && attr.size[i] > 0 && attr.stride[i] > 0)
            fig__window_same(attr.input[i], attr.size[i], attr.stride[i], 1, &attr.before[i], &attr.after[i]);
    }
    return fig__emit(x.graph, op, &x, 1, &attr);
}

fig_node fig_max_pool(fig_node x, const fig_pool_opts *opts) { return emit_pool(&fig_op_max_pool, x, opts); }

fig_node fig_average_pool(fig_node x, const fig_pool_opts *opts) { return emit_pool(&fig_op_average_pool, x, opts); }

const fig_op fig_op_max_pool = {
    .name = "max_pool",
    .operands = 1,
    .attr_size = sizeof(fig_pool_attr),
    .infer = pool_infer,
    .gradient = max_pool_gradient_rule,
    .reference = max_pool_reference,
    .print = pool_print,
    .narrow = { FIG_NARROW_FREE, 1 },
};

const fig_op fig_op_max_pool_gradient = {
    .name = "max_pool_gradient",
    .operands = 2,
    .attr_size = sizeof(fig_pool_attr),
    .infer = max_pool_gradient_infer,
    .gradient = max_pool_gradient_gradient,
    .reference = max_pool_gradient_reference,
    .print = pool_print,
    .narrow = { FIG_NARROW_FREE, 1 },
};

const fig_op fig_op_max_pool_pick = {
    .name = "max_pool_pick",
    .operands = 2,
    .attr_size = sizeof(fig_pool_attr),
    .infer = max_pool_pick_infer,
    .gradient = max_pool_pick_gradient,
    .reference = max_pool_pick_reference,
    .print = pool_print,
};

const fig_op fig_op_average_pool = {
    .name = "average_pool",
    .operands = 1,
    .attr_size = sizeof(fig_pool_attr),
    .infer = pool_infer,
    .gradient = average_pool_gradient_rule,
    .reference = average_pool_reference,
    .print = pool_print,
    .narrow = { FIG_NARROW_FREE, 1 },
};

const fig_op fig_op_average_pool_gradient = {
    .name = "average_pool_gradient",
    .operands = 1,
    .attr_size = sizeof(fig_pool_attr),
    .infer = average_pool_gradient_infer,
    .gradient = average_pool_gradient_gradient,
    .reference = average_pool_gradient_reference,
    .print = pool_print,
    .narrow = { FIG_NARROW_FREE, 1 },
};
