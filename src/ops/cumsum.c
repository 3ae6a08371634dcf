/* ops/cumsum.c - running sums along an axis
 *
 * y[i] = x[0] + ... + x[i]; exclusive leaves x[i] out, reverse runs from the last element. The gradient is the same sum in
 * the other direction. */
#include "ops/attributes.h"
#include "ops/op.h"

static fig_status cumsum_infer(fig_infer *c)
{
    const fig_cumsum_attr *attr = c->attr;
    if (c->in[0].dtype == FIG_BF16)
        FIG_TRY(fig__expect_dtype(c, 0, FIG_F32, "cumsum"));
    if (attr->axis < 0 || attr->axis >= c->in[0].rank)
        return fig_fail(c->err, FIG_E_SHAPE, "cumsum: axis %d of a value with %d axes", attr->axis, c->in[0].rank);
    *c->out = c->in[0];
    return FIG_OK;
}

static void cumsum_gradient(fig_gradient *c)
{
    const fig_cumsum_attr *attr = c->attr;
    c->result[0] = fig_cumsum(c->upstream, attr->axis, attr->exclusive, !attr->reverse);
}

static void cumsum_reference(fig_eval *c)
{
    const fig_cumsum_attr *attr = c->attr;
    const fig_type *type = &c->in[0].type;
    int64_t n = type->dim[attr->axis], inner = 1;
    for (int i = attr->axis + 1; i < type->rank; i++)
        inner *= type->dim[i];
    int64_t rows = fig__count(type) / n;
    for (int64_t r = 0; r < rows; r++) {
        int64_t first = r / inner * n * inner + r % inner;
        double sum = 0;
        uint32_t wrapped = 0;
        for (int64_t k = 0; k < n; k++) {
            int64_t at = first + (attr->reverse ? n - 1 - k : k) * inner;
            if (type->dtype == FIG_I32) {
                uint32_t with = wrapped + (uint32_t)FIG_I32_IN(c, 0)[at];
                FIG_I32_OUT(c, 0)[at] = (int32_t)(attr->exclusive ? wrapped : with);
                wrapped = with;
            } else {
                double with = sum + (double)FIG_F32_IN(c, 0)[at];
                FIG_F32_OUT(c, 0)[at] = (float)(attr->exclusive ? sum : with);
                sum = with;
            }
        }
    }
}

static void cumsum_print(const void *attr, fig__text *out)
{
    const fig_cumsum_attr *a = attr;
    fig__text_print(out, " axis=%d%s%s", a->axis, a->exclusive ? " exclusive" : "", a->reverse ? " reverse" : "");
}

const fig_op fig_op_cumsum = {
    .name = "cumsum",
    .operands = 1,
    .attr_size = sizeof(fig_cumsum_attr),
    .infer = cumsum_infer,
    .gradient = cumsum_gradient,
    .reference = cumsum_reference,
    .print = cumsum_print,
};

fig_node fig_cumsum(fig_node x, int axis, bool exclusive, bool reverse)
{
    if (fig__poisoned(x))
        return x;
    fig_cumsum_attr attr = { .axis = fig__axis(x, axis, "cumsum"), .exclusive = exclusive, .reverse = reverse };
    return fig__emit(x.graph, &fig_op_cumsum, &x, 1, &attr);
}
