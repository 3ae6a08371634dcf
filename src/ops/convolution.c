/* ops/convolution.c - convolution over 1, 2 or 3 spatial axes, channels last, and its two gradients
 *
 * x (B, in..., C), weight (O, kernel..., C / groups), y (B, out..., O). Output channel o belongs to group o / (O /
 * groups) and sees the input channels of that group only. The three ops are one trilinear form, seen from each of its
 * arguments:
 *
 *     F(x, w, u) = sum over b q o tap c: x[b, q * stride + tap * dilation - before, c] * w[o, tap, c] * u[b, q, o]
 *     convolution = dF/du     convolution_data_gradient = dF/dx     convolution_weight_gradient = dF/dw
 *
 * so the derivative of each is a pair of the others, and derivatives of any order need no further op. The transposed
 * convolution of decoders is the data gradient with a weight of its own.
 *
 * The loops below are the definition. Sums run in double, with channels innermost because they are contiguous. */
#include "ops/shape.h"
#include "ops/window.h"

#include <string.h>

enum { TILE = 64 }; /* channels summed at a time */

typedef struct form {
    fig__window window;
    int64_t batch, groups, in_each, out_each; /* channels per group */
} form;

/* The form of a node: types of x, w and y in their places whichever op it is. */
static form form_of(const fig_conv_attr *attr, const fig_type *x, const fig_type *w, const fig_type *y)
{
    form f = { .batch = x->dim[0], .groups = attr->groups };
    f.in_each = w->dim[w->rank - 1];
    f.out_each = w->dim[0] / attr->groups;
    for (int i = 0; i < FIG_MAX_SPATIAL; i++) {
        bool real = i < attr->spatial;
        f.window.in[i] = real ? x->dim[i + 1] : 1;
        f.window.out[i] = real ? y->dim[i + 1] : 1;
        f.window.kernel[i] = real ? w->dim[i + 1] : 1;
        f.window.stride[i] = real ? attr->stride[i] : 1;
        f.window.dilation[i] = real ? attr->dilation[i] : 1;
        f.window.before[i] = real ? attr->before[i] : 0;
    }
    return f;
}

/* -- shape rules -------------------------------------------------------------------------------------------------- */

static fig_status check_attr(const fig_infer *c, const char *op)
{
    const fig_conv_attr *a = c->attr;
    for (int i = 0; i < 2; i++) {
        if (c->in[i].dtype != FIG_F32)
            return fig_fail(c->err, FIG_E_SHAPE, "%s: operand %d is not f32", op, i);
        if (a->spatial < 1 || a->spatial > FIG_MAX_SPATIAL || c->in[i].rank != a->spatial + 2) {
            char text[128];
            fig__type_text(&c->in[i], text);
            return fig_fail(c->err, FIG_E_SHAPE, "%s: operand %d is %s; with %d spatial axes it needs %d axes", op, i,
                            text, a->spatial, a->spatial + 2);
        }
    }
    if (a->groups < 1)
        return fig_fail(c->err, FIG_E_SHAPE, "%s: %d groups; at least 1 is needed", op, a->groups);
    for (int i = 0; i < a->spatial; i++) {
        if (a->stride[i] < 1 || a->dilation[i] < 1 || a->before[i] < 0 || a->after[i] < 0)
            return fig_fail(c->err, FIG_E_SHAPE,
                            "%s: stride %d, dilation %d, padding %d and %d on spatial axis %d; stride and "
                            "dilation start at 1, padding at 0",
                            op, a->stride[i], a->dilation[i], a->before[i], a->after[i], i);
    }
    return FIG_OK;
}

static fig_status check_groups(const fig_infer *c, const char *op, int64_t outputs)
{
    const fig_conv_attr *a = c->attr;
    if (outputs % a->groups)
        return fig_fail(c->err, FIG_E_SHAPE, "%s: %lld output channels do not divide into %d groups", op,
                        (long long)outputs, a->groups);
    return FIG_OK;
}

/* Windows of each axis of an input `in` under the kernel; checks that they are there. */
static fig_status count_windows(const fig_infer *c, const char *op, const int64_t *in, const int64_t *kernel,
                                int64_t *out)
{
    const fig_conv_attr *a = c->attr;
    for (int i = 0; i < a->spatial; i++) {
        out[i] = fig__window_count(in[i], kernel[i], a->stride[i], a->dilation[i], a->before[i], a->after[i]);
        if (out[i] < 1)
            return fig_fail(c->err, FIG_E_SHAPE,
                            "%s: kernel %lld with dilation %d does not fit in spatial axis %d of size %lld with "
                            "padding %d and %d",
                            op, (long long)kernel[i], a->dilation[i], i, (long long)in[i], a->before[i], a->after[i]);
    }
    return FIG_OK;
}

static fig_status expect_windows(const fig_infer *c, const char *op, const int64_t *found, const int64_t *expected)
{
    const fig_conv_attr *a = c->attr;
    for (int i = 0; i < a->spatial; i++) {
        if (found[i] != expected[i])
            return fig_fail(c->err, FIG_E_SHAPE, "%s: spatial axis %d has %lld places, the geometry gives %lld", op, i,
                            (long long)found[i], (long long)expected[i]);
    }
    return FIG_OK;
}

static void set_type(fig_type *out, int64_t first, const int64_t *middle, int spatial, int64_t last)
{
    memset(out, 0, sizeof *out);
    out->rank = spatial + 2;
    out->dim[0] = first;
    memcpy(out->dim + 1, middle, sizeof(int64_t) * (size_t)spatial);
    out->dim[spatial + 1] = last;
}

static fig_status convolution_infer(fig_infer *c)
{
    const fig_conv_attr *a = c->attr;
    const fig_type *x = &c->in[0], *w = &c->in[1];
    FIG_TRY(check_attr(c, "convolution"));
    int64_t channels = x->dim[x->rank - 1], expected = w->dim[w->rank - 1] * a->groups, out[FIG_MAX_SPATIAL];
    if (channels != expected) {
        char text[128], weight[128];
        fig__type_text(x, text);
        fig__type_text(w, weight);
        return fig_fail(c->err, FIG_E_SHAPE, "convolution: weight %s expects %lld input channels but x has %lld, %s",
                        weight, (long long)expected, (long long)channels, text);
    }
    FIG_TRY(check_groups(c, "convolution", w->dim[0]));
    FIG_TRY(count_windows(c, "convolution", x->dim + 1, w->dim + 1, out));
    set_type(&c->out[0], x->dim[0], out, a->spatial, w->dim[0]);
    return FIG_OK;
}

static fig_status data_gradient_infer(fig_infer *c)
{
    const fig_conv_attr *a = c->attr;
    const fig_type *dy = &c->in[0], *w = &c->in[1];
    const char *op = "transposed convolution";
    FIG_TRY(check_attr(c, op));
    int64_t out[FIG_MAX_SPATIAL];
    if (dy->dim[dy->rank - 1] != w->dim[0]) {
        char text[128], weight[128];
        fig__type_text(dy, text);
        fig__type_text(w, weight);
        return fig_fail(c->err, FIG_E_SHAPE, "%s: weight %s expects %lld input channels but x has %lld, %s", op, weight,
                        (long long)w->dim[0], (long long)dy->dim[dy->rank - 1], text);
    }
    if (w->dim[0] % a->groups)
        return fig_fail(c->err, FIG_E_SHAPE, "%s: %lld input channels do not divide into %d groups", op,
                        (long long)w->dim[0], a->groups);
    FIG_TRY(count_windows(c, op, a->size, w->dim + 1, out));
    FIG_TRY(expect_windows(c, op, dy->dim + 1, out));
    set_type(&c->out[0], dy->dim[0], a->size, a->spatial, w->dim[w->rank - 1] * a->groups);
    return FIG_OK;
}

static fig_status weight_gradient_infer(fig_infer *c)
{
    const fig_conv_attr *a = c->attr;
    const fig_type *x = &c->in[0], *dy = &c->in[1];
    const char *op = "convolution_weight_gradient";
    FIG_TRY(check_attr(c, op));
    int64_t out[FIG_MAX_SPATIAL], channels = x->dim[x->rank - 1];
    if (channels % a->groups || x->dim[0] != dy->dim[0])
        return fig_fail(c->err, FIG_E_SHAPE, "%s: %lld channels in %d groups, batches of %lld and %lld", op,
                        (long long)channels, a->groups, (long long)x->dim[0], (long long)dy->dim[0]);
    FIG_TRY(check_groups(c, op, dy->dim[dy->rank - 1]));
    FIG_TRY(count_windows(c, op, x->dim + 1, a->size, out));
    FIG_TRY(expect_windows(c, op, dy->dim + 1, out));
    set_type(&c->out[0], dy->dim[dy->rank - 1], a->size, a->spatial, channels / a->groups);
    return FIG_OK;
}

/* -- gradients: the same geometry, another argument of the form left open ----------------------------------------- */

static fig_node emit_sized(const fig_gradient *c, const fig_op *op, fig_node first, fig_node second, fig_node like)
{
    fig_conv_attr attr = *(const fig_conv_attr *)c->attr;
    for (int i = 0; i < attr.spatial; i++)
        attr.size[i] = fig_dim(like, i + 1);
    return fig__emit(c->graph, op, (fig_node[]){ first, second }, 2, &attr);
}

static void convolution_gradient(fig_gradient *c)
{
    fig_node x = c->in[0], w = c->in[1];
    if (c->wanted[0])
        c->result[0] = emit_sized(c, &fig_op_convolution_data_gradient, c->upstream, w, x);
    if (c->wanted[1])
        c->result[1] = emit_sized(c, &fig_op_convolution_weight_gradient, x, c->upstream, w);
}

static void data_gradient_gradient(fig_gradient *c)
{
    fig_node dy = c->in[0], w = c->in[1];
    if (c->wanted[0])
        c->result[0] = emit_sized(c, &fig_op_convolution, c->upstream, w, c->upstream);
    if (c->wanted[1])
        c->result[1] = emit_sized(c, &fig_op_convolution_weight_gradient, c->upstream, dy, w);
}

static void weight_gradient_gradient(fig_gradient *c)
{
    fig_node x = c->in[0], dy = c->in[1];
    if (c->wanted[0])
        c->result[0] = emit_sized(c, &fig_op_convolution_data_gradient, dy, c->upstream, x);
    if (c->wanted[1])
        c->result[1] = emit_sized(c, &fig_op_convolution, x, c->upstream, x);
}

/* -- reference loops ---------------------------------------------------------------------------------------------- */

static void convolution_reference(fig_eval *c)
{
    form f = form_of(c->attr, &c->in[0].type, &c->in[1].type, &c->out[0].type);
    const fig__window *w = &f.window;
    const float *x = FIG_F32_IN(c, 0), *weight = FIG_F32_IN(c, 1);
    float *y = FIG_F32_OUT(c, 0);
    int64_t taps = fig__window_taps(w), places = fig__window_places(w), q[3], t[3];
    int64_t in_all = f.in_each * f.groups, out_all = f.out_each * f.groups;
    for (int64_t n = 0; n < f.batch * places; n++) {
        fig__window_split(n % places, w->out, q);
        const float *picture = x + n / places * fig__window_inputs(w) * in_all;
        for (int64_t o = 0; o < out_all; o++) {
            int64_t first = o / f.out_each * f.in_each;
            double sum = 0;
            for (int64_t tap = 0; tap < taps; tap++) {
                fig__window_split(tap, w->kernel, t);
                int64_t p = fig__window_reads(w, q, t);
                if (p < 0)
                    continue;
                const float *from = picture + p * in_all + first, *by = weight + (o * taps + tap) * f.in_each;
                for (int64_t i = 0; i < f.in_each; i++)
                    sum += (double)from[i] * (double)by[i];
            }
            y[n * out_all + o] = (float)sum;
        }
    }
}

/* sum[0..width) += factor * from[0..width) */
static inline void accumulate(double *sum, float factor, const float *from, int64_t width)
{
    for (int64_t i = 0; i < width; i++)
        sum[i] += (double)factor * (double)from[i];
}

static void data_gradient_reference(fig_eval *c)
{
    form f = form_of(c->attr, &c->out[0].type, &c->in[1].type, &c->in[0].type);
    const fig__window *w = &f.window;
    const float *dy = FIG_F32_IN(c, 0), *weight = FIG_F32_IN(c, 1);
    float *x = FIG_F32_OUT(c, 0);
    int64_t taps = fig__window_taps(w), inputs = fig__window_inputs(w), p[3], t[3];
    int64_t in_all = f.in_each * f.groups, out_all = f.out_each * f.groups;
    for (int64_t n = 0; n < f.batch * inputs; n++) {
        fig__window_split(n % inputs, w->in, p);
        const float *upstream = dy + n / inputs * fig__window_places(w) * out_all;
        for (int64_t g = 0; g < f.groups; g++) {
            for (int64_t i = 0; i < f.in_each; i += TILE) {
                int64_t width = f.in_each - i < TILE ? f.in_each - i : TILE;
                double sum[TILE] = { 0 };
                for (int64_t tap = 0; tap < taps; tap++) {
                    fig__window_split(tap, w->kernel, t);
                    int64_t q = fig__window_above(w, p, t);
                    for (int64_t o = g * f.out_each; q >= 0 && o < (g + 1) * f.out_each; o++)
                        accumulate(sum, upstream[q * out_all + o], weight + (o * taps + tap) * f.in_each + i, width);
                }
                for (int64_t k = 0; k < width; k++)
                    x[n * in_all + g * f.in_each + i + k] = (float)sum[k];
            }
        }
    }
}

static void weight_gradient_reference(fig_eval *c)
{
    form f = form_of(c->attr, &c->in[0].type, &c->out[0].type, &c->in[1].type);
    const fig__window *w = &f.window;
    const float *x = FIG_F32_IN(c, 0), *dy = FIG_F32_IN(c, 1);
    float *weight = FIG_F32_OUT(c, 0);
    int64_t taps = fig__window_taps(w), places = fig__window_places(w), inputs = fig__window_inputs(w), q[3], t[3];
    int64_t in_all = f.in_each * f.groups, out_all = f.out_each * f.groups;
    for (int64_t n = 0; n < out_all * taps; n++) {
        int64_t o = n / taps, first = o / f.out_each * f.in_each;
        fig__window_split(n % taps, w->kernel, t);
        for (int64_t i = 0; i < f.in_each; i += TILE) {
            int64_t width = f.in_each - i < TILE ? f.in_each - i : TILE;
            double sum[TILE] = { 0 };
            for (int64_t place = 0; place < f.batch * places; place++) {
                fig__window_split(place % places, w->out, q);
                int64_t p = fig__window_reads(w, q, t);
                if (p >= 0)
                    accumulate(sum, dy[place * out_all + o], x + (place / places * inputs + p) * in_all + first + i,
                               width);
            }
            for (int64_t k = 0; k < width; k++)
                weight[n * f.in_each + i + k] = (float)sum[k];
        }
    }
}

/* -- cost, print -------------------------------------------------------------------------------------------------- */

static double form_flops(const fig_conv_attr *attr, const fig_type *x, const fig_type *w, const fig_type *y)
{
    form f = form_of(attr, x, w, y);
    double products = (double)f.batch * (double)fig__window_places(&f.window) * (double)fig__window_taps(&f.window);
    return 2.0 * products * (double)f.in_each * (double)f.out_each * (double)f.groups;
}

static double convolution_flops(const fig_infer *c) { return form_flops(c->attr, &c->in[0], &c->in[1], &c->out[0]); }
static double data_gradient_flops(const fig_infer *c) { return form_flops(c->attr, &c->out[0], &c->in[1], &c->in[0]); }
static double weight_gradient_flops(const fig_infer *c)
{
    return form_flops(c->attr, &c->in[0], &c->out[0], &c->in[1]);
}

static void print_field(fig__text *out, const char *name, const int *field, int spatial, int quiet)
{
    bool shown = false;
    for (int i = 0; i < spatial; i++)
        shown = shown || field[i] != quiet;
    if (!shown)
        return;
    fig__text_print(out, " %s=%d", name, field[0]);
    for (int i = 1; i < spatial; i++)
        fig__text_print(out, "x%d", field[i]);
}

static void convolution_print(const void *attr, fig__text *out)
{
    const fig_conv_attr *a = attr;
    print_field(out, "stride", a->stride, a->spatial, 1);
    print_field(out, "dilation", a->dilation, a->spatial, 1);
    print_field(out, "before", a->before, a->spatial, 0);
    print_field(out, "after", a->after, a->spatial, 0);
    if (a->groups != 1)
        fig__text_print(out, " groups=%d", a->groups);
}

/* -- builders ----------------------------------------------------------------------------------------------------- */

/* Everything of the options except the size; "same" padding is left to the caller, as it needs sizes. */
static void fill_attr(fig_conv_attr *attr, int spatial, const fig_conv_opts *opts)
{
    memset(attr, 0, sizeof *attr);
    attr->spatial = spatial;
    attr->groups = opts->groups ? opts->groups : 1;
    for (int i = 0; i < spatial; i++) {
        attr->stride[i] = fig__per_axis(opts->stride, i, 1);
        attr->dilation[i] = fig__per_axis(opts->dilation, i, 1);
        attr->before[i] = fig__padding(opts->before, i);
        attr->after[i] = fig__padding(opts->after, i);
    }
}

static bool valid_steps(const fig_conv_attr *attr)
{
    for (int i = 0; i < attr->spatial; i++) {
        if (attr->stride[i] < 1 || attr->dilation[i] < 1)
            return false;
    }
    return true;
}

/* The checks both builders need before they look at sizes: a poisoned value when they fail, FIG_NONE when not. */
static fig_node check_operands(fig_node x, fig_node weight, const fig_conv_attr *attr, const char *op)
{
    int rank = fig_rank(x);
    if (rank < 3 || rank > FIG_MAX_SPATIAL + 2 || fig_rank(weight) != rank) {
        char text[128], text_w[128];
        fig_type type = fig_type_of(x), type_w = fig_type_of(weight);
        fig__type_text(&type, text);
        fig__type_text(&type_w, text_w);
        return fig_graph_fail(
            x.graph,
            "%s: x is %s and weight %s; both need 3 to 5 axes: batch or output channels, 1 to 3 spatial "
            "axes, channels",
            op, text, text_w);
    }
    if (!valid_steps(attr))
        return fig_graph_fail(x.graph, "%s: stride and dilation start at 1", op);
    return FIG_NONE;
}

fig_node fig_convolution(fig_node x, fig_node weight, const fig_conv_opts *opts)
{
    fig_node in[2] = { x, weight };
    if (fig__any_poisoned(in, 2))
        return fig__first_poisoned(in, 2, "convolution");
    fig_graph *graph = fig__graph_of(in, 2);
    fig_conv_attr attr;
    int spatial = fig_rank(x) - 2;
    fill_attr(&attr, spatial > FIG_MAX_SPATIAL ? 0 : spatial, opts ? opts : &(fig_conv_opts){ 0 });
    fig_node bad = check_operands(x, weight, &attr, "convolution");
    if (!fig_is_none(bad))
        return bad;
    for (int i = 0; i < spatial; i++) {
        attr.size[i] = fig_dim(x, i + 1);
        if (attr.before[i] == FIG_PAD_SAME)
            fig__window_same(attr.size[i], fig_dim(weight, i + 1), attr.stride[i], attr.dilation[i], &attr.before[i],
                             &attr.after[i]);
    }
    return fig__emit(graph, &fig_op_convolution, in, 2, &attr);
}

fig_node fig_convolution_transposed(fig_node x, fig_node weight, const fig_conv_opts *opts)
{
    fig_node in[2] = { x, weight };
    if (fig__any_poisoned(in, 2))
        return fig__first_poisoned(in, 2, "transposed convolution");
    fig_graph *graph = fig__graph_of(in, 2);
    fig_conv_attr attr;
    fig_conv_opts none = { 0 };
    opts = opts ? opts : &none;
    int spatial = fig_rank(x) - 2;
    fill_attr(&attr, spatial > FIG_MAX_SPATIAL ? 0 : spatial, opts);
    fig_node bad = check_operands(x, weight, &attr, "transposed convolution");
    if (!fig_is_none(bad))
        return bad;
    for (int i = 0; i < spatial; i++) {
        int64_t extra = fig__per_axis(opts->output_extra, i, 0);
        int64_t reach = (int64_t)attr.dilation[i] * (fig_dim(weight, i + 1) - 1) + 1, n = fig_dim(x, i + 1);
        if (extra < 0 || extra >= attr.stride[i])
            return fig_graph_fail(
                graph, "transposed convolution: output_extra %lld must be at least 0 and below the stride %d",
                (long long)extra, attr.stride[i]);
        if (attr.before[i] == FIG_PAD_SAME) {
            /* the padding of the strided "same" convolution from n * stride back to n */
            fig__window_same(n * attr.stride[i], fig_dim(weight, i + 1), attr.stride[i], attr.dilation[i],
                             &attr.before[i], &attr.after[i]);
            attr.size[i] = n * attr.stride[i] + extra;
        } else {
            attr.size[i] = (n - 1) * attr.stride[i] + reach - attr.before[i] - attr.after[i] + extra;
        }
        if (attr.size[i] < 1)
            return fig_graph_fail(graph, "transposed convolution: padding %d and %d leave nothing of spatial axis %d",
                                  attr.before[i], attr.after[i], i);
    }
    return fig__emit(graph, &fig_op_convolution_data_gradient, in, 2, &attr);
}

const fig_op fig_op_convolution = {
    .name = "convolution",
    .operands = 2,
    .attr_size = sizeof(fig_conv_attr),
    .infer = convolution_infer,
    .gradient = convolution_gradient,
    .reference = convolution_reference,
    .flops = convolution_flops,
    .print = convolution_print,
    .narrow = { FIG_NARROW_PRODUCT, 1 },
};

const fig_op fig_op_convolution_data_gradient = {
    .name = "convolution_data_gradient",
    .operands = 2,
    .attr_size = sizeof(fig_conv_attr),
    .infer = data_gradient_infer,
    .gradient = data_gradient_gradient,
    .reference = data_gradient_reference,
    .flops = data_gradient_flops,
    .print = convolution_print,
    .narrow = { FIG_NARROW_PRODUCT, 1 },
};

const fig_op fig_op_convolution_weight_gradient = {
    .name = "convolution_weight_gradient",
    .operands = 2,
    .attr_size = sizeof(fig_conv_attr),
    .infer = weight_gradient_infer,
    .gradient = weight_gradient_gradient,
    .reference = weight_gradient_reference,
    .flops = weight_gradient_flops,
    .print = convolution_print,
    .narrow = { FIG_NARROW_PRODUCT, 0 },
};
