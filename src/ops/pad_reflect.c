/* ops/pad_reflect.c - a border that mirrors the picture: ... c b | a b c d | c b ...
 *
 * x (B, spatial..., C) grows by `amount` on both sides of every spatial axis; the outermost elements are the mirror and are not repeated
 * (reflection padding of Johnson et al. 2016). Place i of the result reads place |i - amount| of x, folded back at the far end. The
 * gradient adds up what was read from each place, and each op of the pair is the other's gradient. */
#include "ops/shape.h"

#include <string.h>

/* Where place i of the padded axis reads, n being the axis' size before. */
static int64_t mirrored(int64_t i, int64_t amount, int64_t n)
{
    int64_t at = i - amount;
    if (at < 0)
        at = -at;
    return at < n ? at : 2 * (n - 1) - at;
}

/* Calls for every place of the padded tensor (its row of C numbers): which place of the other it reads. */
static int64_t next_place(const fig_type *padded, const fig_type *plain, int64_t amount, int64_t place)
{
    int64_t source = 0, step = 1;
    for (int axis = padded->rank - 2; axis >= 0; axis--) {
        int64_t i = place % padded->dim[axis];
        place /= padded->dim[axis];
        source += step * (axis ? mirrored(i, amount, plain->dim[axis]) : i);
        step *= plain->dim[axis];
    }
    return source;
}

static void pad_reflect_reference(fig_eval *c)
{
    const fig_type *x = &c->in[0].type, *y = &c->out[0].type;
    int64_t channels = y->dim[y->rank - 1], places = fig__count(y) / channels;
    size_t row = (size_t)channels * fig__dtype_size(y->dtype);
    for (int64_t i = 0; i < places; i++) {
        int64_t from = next_place(y, x, ((const fig_reflect_attr *)c->attr)->amount, i);
        memcpy((char *)c->out[0].data + (size_t)i * row, (const char *)c->in[0].data + (size_t)from * row, row);
    }
}

static void pad_reflect_gradient_reference(fig_eval *c)
{
    const fig_type *dy = &c->in[0].type, *dx = &c->out[0].type;
    int64_t channels = dy->dim[dy->rank - 1], places = fig__count(dy) / channels;
    memset(c->out[0].data, 0, fig__bytes(dx));
    for (int64_t i = 0; i < places; i++) {
        float *to = FIG_F32_OUT(c, 0) + next_place(dy, dx, ((const fig_reflect_attr *)c->attr)->amount, i) * channels;
        for (int64_t k = 0; k < channels; k++)
            to[k] += FIG_F32_IN(c, 0)[i * channels + k];
    }
}

/* -- shape rules and gradients ------------------------------------------------------------------------------------- */

static fig_status check(fig_infer *c, const char *op)
{
    const fig_reflect_attr *attr = c->attr;
    if (c->in[0].rank < 3 || c->in[0].rank > 2 + FIG_MAX_SPATIAL)
        return fig_fail(c->err, FIG_E_SHAPE, "%s: needs (batch, 1 to %d spatial axes, channels), found %d axes", op,
                        FIG_MAX_SPATIAL, c->in[0].rank);
    if (attr->amount < 0)
        return fig_fail(c->err, FIG_E_SHAPE, "%s: by %lld places", op, (long long)attr->amount);
    c->out[0] = fig__plain_type(&c->in[0], c->in[0].dtype);
    return FIG_OK;
}

static fig_status pad_reflect_infer(fig_infer *c)
{
    const fig_reflect_attr *attr = c->attr;
    FIG_TRY(check(c, "pad_reflect"));
    for (int axis = 1; axis < c->in[0].rank - 1; axis++) {
        if (attr->amount >= c->in[0].dim[axis])
            return fig_fail(c->err, FIG_E_SHAPE,
                            "pad_reflect: %lld places beyond an axis of %lld; at most %lld are there to be mirrored",
                            (long long)attr->amount, (long long)c->in[0].dim[axis], (long long)c->in[0].dim[axis] - 1);
        c->out[0].dim[axis] += 2 * attr->amount;
    }
    return FIG_OK;
}

static fig_status backward_infer(fig_infer *c)
{
    const fig_reflect_attr *attr = c->attr;
    FIG_TRY(check(c, "pad_reflect_gradient"));
    FIG_TRY(fig__expect_dtype(c, 0, FIG_F32, "pad_reflect_gradient"));
    for (int axis = 1; axis < c->in[0].rank - 1; axis++) {
        c->out[0].dim[axis] -= 2 * attr->amount;
        if (c->out[0].dim[axis] <= attr->amount)
            return fig_fail(c->err, FIG_E_SHAPE, "pad_reflect_gradient: an axis of %lld is not one padded by %lld",
                            (long long)c->in[0].dim[axis], (long long)attr->amount);
    }
    return FIG_OK;
}

static void pad_reflect_rule(fig_gradient *c)
{
    c->result[0] = fig__emit(c->graph, &fig_op_pad_reflect_gradient, &c->upstream, 1, c->attr);
}

static void backward_rule(fig_gradient *c)
{
    c->result[0] = fig__emit(c->graph, &fig_op_pad_reflect, &c->upstream, 1, c->attr);
}

static void reflect_print(const void *attr, fig__text *out)
{
    fig__text_print(out, " amount=%lld", (long long)((const fig_reflect_attr *)attr)->amount);
}

/* -- builder ------------------------------------------------------------------------------------------------------- */

fig_node fig_pad_reflect(fig_node x, int64_t amount)
{
    if (fig__any_poisoned(&x, 1) || amount == 0)
        return x;
    fig_reflect_attr attr = { .amount = amount };
    return fig__emit(x.graph, &fig_op_pad_reflect, &x, 1, &attr);
}

const fig_op fig_op_pad_reflect = {
    .name = "pad_reflect",
    .operands = 1,
    .attr_size = sizeof(fig_reflect_attr),
    .infer = pad_reflect_infer,
    .gradient = pad_reflect_rule,
    .reference = pad_reflect_reference,
    .print = reflect_print,
};

const fig_op fig_op_pad_reflect_gradient = {
    .name = "pad_reflect_gradient",
    .operands = 1,
    .attr_size = sizeof(fig_reflect_attr),
    .infer = backward_infer,
    .gradient = backward_rule,
    .reference = pad_reflect_gradient_reference,
    .print = reflect_print,
};
