/* ops/cast.c - changing the element type, and stopping the gradient
 *
 * To bf16: round to nearest, ties to even; NaN stays NaN. To i32: towards zero, values out of range stop at the ends, NaN
 * becomes 0. To int8 lines: ops/int8.h. A cast between f32 and bf16 passes the gradient, cast back; others do not.
 *
 * stop_gradient is a view: the same memory, a value that no gradient passes. */
#include "ops/attributes.h"
#include "ops/bf16.h"
#include "ops/int8.h"
#include "ops/op.h"
#include <string.h>

static fig_status cast_infer(fig_infer *c)
{
    fig_dtype dtype = ((const fig_shape_attr *)c->attr)->type.dtype;
    if (dtype != FIG_F32 && dtype != FIG_I32 && dtype != FIG_BF16 && dtype != FIG_I8)
        return fig_fail(c->err, FIG_E_SHAPE, "cast: unknown element type %d", (int)dtype);
    fig_dtype other = dtype == FIG_I8 ? c->in[0].dtype : dtype;
    if ((dtype == FIG_I8 || c->in[0].dtype == FIG_I8) && other != FIG_F32 && c->in[0].dtype != dtype)
        return fig_fail(c->err, FIG_E_SHAPE, "cast: int8 lines are made from f32 and read as f32; cast to f32 in between");
    if (dtype == FIG_I8 && c->in[0].rank < 1)
        return fig_fail(c->err, FIG_E_SHAPE, "cast: a scalar has no line to store as int8");
    *c->out = c->in[0];
    c->out->dtype = dtype;
    return FIG_OK;
}

static void cast_gradient(fig_gradient *c)
{
    fig_dtype from = fig_type_of(c->in[0]).dtype, to = fig_type_of(c->out).dtype;
    bool passes = from != FIG_I32 && to != FIG_I32 && from != FIG_I8 && to != FIG_I8;
    c->result[0] = !passes ? FIG_NONE : fig_cast(c->upstream, from);
}

static int32_t i32_from_f32(float value)
{
    if (!(value > -2147483648.0f)) /* NaN too */
        return value <= -2147483648.0f ? INT32_MIN : 0;
    return value < 2147483648.0f ? (int32_t)value : INT32_MAX;
}

static void quantise_line(const float *w, int64_t n, int8_t *q, float *scale)
{
    float largest = 0, inverse;
    for (int64_t i = 0; i < n; i++)
        largest = fabsf(w[i]) <= largest ? largest : fabsf(w[i]); /* a NaN stays: nothing compares with it */
    for (int64_t i = 0; i < n; i++)
        largest = isnan(w[i]) ? w[i] : largest;
    *scale = fig__int8_scale(largest, &inverse);
    for (int64_t i = 0; i < n; i++)
        q[i] = (int8_t)(inverse > 0 ? rintf(w[i] * inverse) : 0);
}

static void cast_lines(fig_eval *c)
{
    const fig_type *type = &c->in[0].type;
    int64_t lines = fig__int8_lines(type), length = fig__int8_length(type);
    bool narrow = c->out[0].type.dtype == FIG_I8;
    int8_t *q = narrow ? c->out[0].data : c->in[0].data;
    float *w = narrow ? c->in[0].data : c->out[0].data, *scale = fig__int8_scales(type, q);
    for (int64_t line = 0; line < lines; line++) {
        if (narrow)
            quantise_line(w + line * length, length, q + line * length, &scale[line]);
        for (int64_t i = line * length; !narrow && i < (line + 1) * length; i++)
            w[i] = (float)q[i] * scale[line];
    }
}

static void cast_reference(fig_eval *c)
{
    const void *x = c->in[0].data;
    void *y = c->out[0].data;
    fig_dtype from = c->in[0].type.dtype, to = c->out[0].type.dtype;
    int64_t n = fig__count(&c->out[0].type);
    if (from == to) {
        memcpy(y, x, fig__bytes(&c->out[0].type));
        return;
    }
    if (from == FIG_I8 || to == FIG_I8) {
        cast_lines(c);
        return;
    }
    for (int64_t i = 0; i < n; i++) {
        float value = from == FIG_F32   ? ((const float *)x)[i]
                      : from == FIG_I32 ? (float)((const int32_t *)x)[i]
                                        : fig__from_bf16(((const uint16_t *)x)[i]);
        if (to == FIG_F32)
            ((float *)y)[i] = value;
        else if (to == FIG_I32)
            ((int32_t *)y)[i] = i32_from_f32(value);
        else
            ((uint16_t *)y)[i] = fig__to_bf16(value);
    }
}

static void cast_print(const void *attr, fig__text *out)
{
    static const char *const names[] = { [FIG_F32] = "f32", [FIG_I32] = "i32", [FIG_BF16] = "bf16", [FIG_I8] = "int8" };
    fig__text_print(out, " %s", names[((const fig_shape_attr *)attr)->type.dtype]);
}

const fig_op fig_op_cast = {
    .name = "cast",
    .operands = 1,
    .attr_size = sizeof(fig_shape_attr),
    .infer = cast_infer,
    .gradient = cast_gradient,
    .reference = cast_reference,
    .print = cast_print,
};

fig_node fig_cast(fig_node x, fig_dtype dtype)
{
    if (fig_is_none(x) || fig_type_of(x).dtype == dtype)
        return x;
    fig_shape_attr attr;
    memset(&attr, 0, sizeof attr);
    attr.type.dtype = dtype;
    return fig__emit(x.graph, &fig_op_cast, &x, 1, &attr);
}

static fig_status stop_gradient_infer(fig_infer *c)
{
    *c->out = c->in[0];
    return FIG_OK;
}

const fig_op fig_op_stop_gradient = {
    .name = "stop_gradient",
    .operands = 1,
    .flags = FIG_OP_VIEW | FIG_OP_INTEGER,
    .infer = stop_gradient_infer,
    .narrow = { FIG_NARROW_MOVE, 1 },
};

fig_node fig_stop_gradient(fig_node x)
{
    return fig_is_none(x) ? x : fig__emit(x.graph, &fig_op_stop_gradient, &x, 1, NULL);
}
