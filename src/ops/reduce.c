/* ops/reduce.c - sum, mean, maximum and argmax over axes
 *
 * The axes are a bit mask in the attribute; reduced axes vanish or stay with size 1 (keep). Sums of floats accumulate in
 * double in the reference loops, so that they can judge kernels that add in any order; i32 sums wrap. The gradient of the
 * maximum is shared equally among ties. */
#include "ops/attributes.h"
#include "ops/op.h"
#include <math.h>
#include <string.h>

/* -- shapes -------------------------------------------------------------------------------------------------------- */

static fig_type reduced_type(const fig_type *x, uint32_t axes, bool keep)
{
    fig_type out = { .dtype = x->dtype };
    for (int i = 0; i < x->rank; i++) {
        if (!(axes >> i & 1))
            out.dim[out.rank++] = x->dim[i];
        else if (keep)
            out.dim[out.rank++] = 1;
    }
    return out;
}

static fig_status reduce_infer(fig_infer *c, const char *op, bool integers)
{
    const fig_reduce_attr *attr = c->attr;
    if (c->in[0].dtype == FIG_BF16 || !integers)
        FIG_TRY(fig__expect_dtype(c, 0, FIG_F32, op));
    if (attr->axes >> c->in[0].rank)
        return fig_fail(c->err, FIG_E_SHAPE, "%s: axis mask 0x%x names axes of a value with %d axes", op, attr->axes,
                        c->in[0].rank);
    *c->out = reduced_type(&c->in[0], attr->axes, attr->keep);
    return FIG_OK;
}

static fig_status sum_infer(fig_infer *c) { return reduce_infer(c, "sum", true); }
static fig_status mean_infer(fig_infer *c) { return reduce_infer(c, "mean", false); }
static fig_status reduce_max_infer(fig_infer *c) { return reduce_infer(c, "reduce_max", true); }

/* -- reference loops ----------------------------------------------------------------------------------------------- */

/* One result: offset of its first element in x; the walk over the reduced axes adds to it. */
typedef struct group {
    int kept, reduced;
    int64_t kept_dim[FIG_MAX_RANK], kept_stride[FIG_MAX_RANK];
    int64_t reduced_dim[FIG_MAX_RANK], reduced_stride[FIG_MAX_RANK];
} group;

static group split_axes(const fig_type *x, uint32_t axes)
{
    group g = { 0 };
    int64_t stride = fig__count(x);
    for (int i = 0; i < x->rank; i++) {
        stride /= x->dim[i];
        if (axes >> i & 1) {
            g.reduced_dim[g.reduced] = x->dim[i];
            g.reduced_stride[g.reduced++] = stride;
        } else {
            g.kept_dim[g.kept] = x->dim[i];
            g.kept_stride[g.kept++] = stride;
        }
    }
    return g;
}

static int64_t offset_of(const int64_t *index, const int64_t *stride, int n)
{
    int64_t offset = 0;
    for (int i = 0; i < n; i++)
        offset += index[i] * stride[i];
    return offset;
}

enum reduction { SUM, MEAN, MAXIMUM };

static void reduce_reference(fig_eval *c, enum reduction what)
{
    const fig_type *type = &c->in[0].type;
    group g = split_axes(type, ((const fig_reduce_attr *)c->attr)->axes);
    bool integers = type->dtype == FIG_I32;
    double count = (double)fig__count(type) / (double)fig__count(&c->out[0].type);
    int64_t outer[FIG_MAX_RANK] = { 0 }, written = 0;
    do {
        int64_t inner[FIG_MAX_RANK] = { 0 }, base = offset_of(outer, g.kept_stride, g.kept);
        double sum = 0, maximum = -INFINITY;
        uint32_t wrapped = 0;
        do {
            int64_t at = base + offset_of(inner, g.reduced_stride, g.reduced);
            double value = integers ? (double)FIG_I32_IN(c, 0)[at] : (double)FIG_F32_IN(c, 0)[at];
            sum += value;
            wrapped += integers ? (uint32_t)FIG_I32_IN(c, 0)[at] : 0u;
            maximum = value > maximum || isnan(value) ? value : maximum;
        } while (fig__next_index(inner, g.reduced_dim, g.reduced));
        double result = what == MAXIMUM ? maximum : what == MEAN ? sum / count : sum;
        if (!integers)
            FIG_F32_OUT(c, 0)[written++] = (float)result;
        else
            FIG_I32_OUT(c, 0)[written++] = what == SUM ? (int32_t)wrapped : (int32_t)result;
    } while (fig__next_index(outer, g.kept_dim, g.kept));
}

static void sum_reference(fig_eval *c) { reduce_reference(c, SUM); }
static void mean_reference(fig_eval *c) { reduce_reference(c, MEAN); }
static void reduce_max_reference(fig_eval *c) { reduce_reference(c, MAXIMUM); }

/* -- gradients ----------------------------------------------------------------------------------------------------- */

/* A value of the reduced shape, with the reduced axes back as size 1. */
static fig_node with_axes(fig_gradient *c, fig_node value)
{
    const fig_reduce_attr *attr = c->attr;
    fig_type x = fig_type_of(c->in[0]);
    return attr->keep ? value : fig_reshape(value, reduced_type(&x, attr->axes, true));
}

static void sum_gradient(fig_gradient *c)
{
    c->result[0] = fig_broadcast(with_axes(c, c->upstream), fig_type_of(c->in[0]));
}

static void mean_gradient(fig_gradient *c)
{
    fig_type x = fig_type_of(c->in[0]), out = fig_type_of(c->out);
    float share = (float)((double)fig__count(&out) / (double)fig__count(&x));
    c->result[0] = fig_broadcast(with_axes(c, fig_scale(c->upstream, share)), x);
}

static void reduce_max_gradient(fig_gradient *c)
{
    const fig_reduce_attr *attr = c->attr;
    fig_node mask = fig_equal(c->in[0], with_axes(c, c->out));
    fig_node ties = fig_sum(mask, &(fig_reduce_opts){ .axes = attr->axes, .keep = true });
    c->result[0] = fig_mul(mask, fig_div(with_axes(c, c->upstream), ties));
}

/* -- records ------------------------------------------------------------------------------------------------------- */

static void reduce_print(const void *attr, fig__text *out)
{
    const fig_reduce_attr *a = attr;
    const char *comma = " axes=";
    for (int i = 0; i < FIG_MAX_RANK; i++)
        if (a->axes >> i & 1) {
            fig__text_print(out, "%s%d", comma, i);
            comma = ",";
        }
    if (a->keep)
        fig__text_print(out, " keep");
}

static double reduce_flops(const fig_infer *c) { return (double)fig__count(&c->in[0]); }

const fig_op fig_op_sum = {
    .name = "sum",
    .operands = 1,
    .attr_size = sizeof(fig_reduce_attr),
    .infer = sum_infer,
    .gradient = sum_gradient,
    .reference = sum_reference,
    .flops = reduce_flops,
    .print = reduce_print,
    .narrow = { FIG_NARROW_FREE, 0 },
};
const fig_op fig_op_mean = {
    .name = "mean",
    .operands = 1,
    .attr_size = sizeof(fig_reduce_attr),
    .infer = mean_infer,
    .gradient = mean_gradient,
    .reference = mean_reference,
    .flops = reduce_flops,
    .print = reduce_print,
    .narrow = { FIG_NARROW_FREE, 0 },
};
const fig_op fig_op_reduce_max = {
    .name = "reduce_max",
    .operands = 1,
    .attr_size = sizeof(fig_reduce_attr),
    .infer = reduce_max_infer,
    .gradient = reduce_max_gradient,
    .reference = reduce_max_reference,
    .print = reduce_print,
};

/* -- argmax -------------------------------------------------------------------------------------------------------- */

static fig_status argmax_infer(fig_infer *c)
{
    const fig_axis_attr *attr = c->attr;
    if (c->in[0].dtype == FIG_BF16)
        FIG_TRY(fig__expect_dtype(c, 0, FIG_F32, "argmax"));
    if (attr->axis < 0 || attr->axis >= c->in[0].rank)
        return fig_fail(c->err, FIG_E_SHAPE, "argmax: axis %d of a value with %d axes", attr->axis, c->in[0].rank);
    *c->out = reduced_type(&c->in[0], 1u << attr->axis, false);
    c->out->dtype = FIG_I32;
    return FIG_OK;
}

static void argmax_reference(fig_eval *c)
{
    const fig_type *type = &c->in[0].type;
    int axis = ((const fig_axis_attr *)c->attr)->axis;
    int64_t n = type->dim[axis], inner = 1;
    for (int i = axis + 1; i < type->rank; i++)
        inner *= type->dim[i];
    int64_t results = fig__count(&c->out[0].type);
    for (int64_t r = 0; r < results; r++) {
        int64_t first = r / inner * n * inner + r % inner, best = 0;
        for (int64_t k = 1; k < n; k++) {
            int64_t at = first + k * inner, top = first + best * inner;
            bool larger = type->dtype == FIG_I32 ? FIG_I32_IN(c, 0)[at] > FIG_I32_IN(c, 0)[top]
                                                 : FIG_F32_IN(c, 0)[at] > FIG_F32_IN(c, 0)[top];
            best = larger ? k : best;
        }
        FIG_I32_OUT(c, 0)[r] = (int32_t)best;
    }
}

static void argmax_print(const void *attr, fig__text *out)
{
    fig__text_print(out, " axis=%d", ((const fig_axis_attr *)attr)->axis);
}

const fig_op fig_op_argmax = {
    .name = "argmax",
    .operands = 1,
    .flags = FIG_OP_INTEGER,
    .attr_size = sizeof(fig_axis_attr),
    .infer = argmax_infer,
    .reference = argmax_reference,
    .print = argmax_print,
};

/* -- builders ------------------------------------------------------------------------------------------------------ */

static fig_node reduce(const fig_op *op, fig_node x, const fig_reduce_opts *opts)
{
    if (fig__poisoned(x))
        return x;
    int rank = fig_rank(x);
    uint32_t all = (uint32_t)((1u << rank) - 1u);
    fig_reduce_attr attr = { .axes = all, .keep = opts && opts->keep };
    if (opts && opts->axes)
        attr.axes = opts->axes;
    else if (opts && opts->axis != FIG_ALL_AXES && rank)
        attr.axes = 1u << fig__axis(x, opts->axis, op->name);
    return attr.axes ? fig__emit(x.graph, op, &x, 1, &attr) : x;
}

fig_node fig_sum(fig_node x, const fig_reduce_opts *opts) { return reduce(&fig_op_sum, x, opts); }
fig_node fig_mean(fig_node x, const fig_reduce_opts *opts) { return reduce(&fig_op_mean, x, opts); }
fig_node fig_reduce_max(fig_node x, const fig_reduce_opts *opts) { return reduce(&fig_op_reduce_max, x, opts); }

fig_node fig_argmax(fig_node x, int axis)
{
    if (fig__poisoned(x))
        return x;
    fig_axis_attr attr = { .axis = fig__axis(x, axis, "argmax") };
    return fig__emit(x.graph, &fig_op_argmax, &x, 1, &attr);
}

fig_node fig_sum_rows(fig_node x)
{
    int rank = fig_rank(x);
    if (rank < 2)
        return x;
    return fig_sum(x, &(fig_reduce_opts){ .axes = ((1u << rank) - 1u) & ~1u });
}
