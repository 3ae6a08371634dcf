/* ops/pointwise.c - element-by-element ops: records, shape rule, reference loop and builders, all from pointwise.def
 *
 * Each row becomes a scalar function, a fig_pointwise_rule and a fig_op. Operands broadcast as NumPy's do and agree in dtype;
 * bf16 is for storage only and is refused (cast first). The expressions are compiled here strictly; kernels/ compiles the
 * same rows into fast tiles. */
#include "ops/pointwise.h"
#include "ops/pointwise_math.h"
#include <string.h>

/* -- scalar functions ---------------------------------------------------------------------------------------------- */

/* FIG_NO_I32 stands for two macro arguments, "0, NULL": the first is a body, the second says that there is no function. */
#define FIG_NO_I32 0, NULL
#define FIRST_OF(first, ...) first
#define SECOND_OF(first, second, ...) second
#define BODY(...) FIRST_OF(__VA_ARGS__, )
#define FUNCTION_OR_NULL(...) SECOND_OF(__VA_ARGS__, )

#define FIG_POINTWISE(name, count, f32_expression, i32_expression)                                                     \
    static float name##_f32(float a, float b, float c, const float *p)                                                 \
    {                                                                                                                  \
        (void)a, (void)b, (void)c, (void)p;                                                                            \
        return f32_expression;                                                                                         \
    }                                                                                                                  \
    __attribute__((unused)) static int32_t name##_i32(int32_t a, int32_t b, int32_t c)                                 \
    {                                                                                                                  \
        (void)a, (void)b, (void)c;                                                                                     \
        return BODY(i32_expression);                                                                                   \
    }                                                                                                                  \
    static const fig_pointwise_rule name##_rule = {                                                                    \
        .arity = count, .f32 = name##_f32, .i32 = FUNCTION_OR_NULL(i32_expression, name##_i32),                        \
        .code = FIG__CODE_##name,                                                                                      \
    };
#define FIG_COMPARE(name, f32_expression, i32_expression)                                                              \
    static float name##_f32(float a, float b, float c, const float *p)                                                 \
    {                                                                                                                  \
        (void)c, (void)p;                                                                                              \
        return (f32_expression) ? 1.0f : 0.0f;                                                                         \
    }                                                                                                                  \
    static int32_t name##_i32(int32_t a, int32_t b, int32_t c)                                                         \
    {                                                                                                                  \
        (void)c;                                                                                                       \
        return i32_expression;                                                                                         \
    }                                                                                                                  \
    static const fig_pointwise_rule name##_rule = {                                                                    \
        .arity = 2, .f32 = name##_f32, .i32 = name##_i32, .compares = true, .code = FIG__CODE_##name,                  \
    };
#include "ops/pointwise.def"
#undef FIG_POINTWISE
#undef FIG_COMPARE

/* -- shape rule ---------------------------------------------------------------------------------------------------- */

static fig_status pointwise_infer(fig_infer *c, const char *name, const fig_pointwise_rule *rule)
{
    char first[128], other[128];
    fig__type_text(&c->in[0], first);
    fig_dtype dtype = c->in[0].dtype;
    if (dtype == FIG_BF16)
        return fig_fail(c->err, FIG_E_SHAPE, "%s: bf16 values (found %s) are not computed with; fig_cast to f32 first", name,
                        first);
    if (dtype == FIG_I32 && !rule->i32)
        return fig_fail(c->err, FIG_E_SHAPE, "%s: works on f32, found %s; fig_cast it first", name, first);
    *c->out = c->in[0];
    for (int i = 1; i < c->n_in; i++) {
        fig__type_text(&c->in[i], other);
        if (c->in[i].dtype != dtype)
            return fig_fail(c->err, FIG_E_SHAPE, "%s: operands differ in type: %s and %s; fig_cast one of them", name, first,
                            other);
        fig_type before = *c->out;
        if (fig__broadcast_types(&before, &c->in[i], c->out) != FIG_OK) {
            fig__type_text(&before, first);
            return fig_fail(c->err, FIG_E_SHAPE,
                            "%s: shapes do not meet: %s and %s; aligned at the last axis, sizes must be equal or 1", name,
                            first, other);
        }
    }
    if (rule->compares)
        c->out->dtype = FIG_F32;
    return FIG_OK;
}

/* -- reference loop ------------------------------------------------------------------------------------------------ */

/* One innermost run of n elements; a step is 0 where the operand is stretched along it. */
static void pointwise_row(const fig_pointwise_rule *rule, bool integers, const void *const at[3], const int64_t step[3],
                          const float *p, void *out, int64_t n)
{
    const float *fa = at[0], *fb = at[1], *fc = at[2];
    const int32_t *ia = at[0], *ib = at[1], *ic = at[2];
    for (int64_t i = 0; i < n; i++) {
        if (!integers)
            ((float *)out)[i] = rule->f32(fa[i * step[0]], fb[i * step[1]], fc[i * step[2]], p);
        else if (rule->compares)
            ((float *)out)[i] = rule->i32(ia[i * step[0]], ib[i * step[1]], 0) ? 1.0f : 0.0f;
        else
            ((int32_t *)out)[i] = rule->i32(ia[i * step[0]], ib[i * step[1]], ic[i * step[2]]);
    }
}

static void pointwise_reference(fig_eval *c, const fig_pointwise_rule *rule)
{
    static const float none[1] = { 0 }; /* stands for operands that the op does not have */
    const fig_type *type = &c->out[0].type;
    int64_t strides[3][FIG_MAX_RANK] = { { 0 } }, index[FIG_MAX_RANK] = { 0 };
    for (int i = 0; i < c->n_in; i++)
        fig__broadcast_strides(&c->in[i].type, type, strides[i]);
    int outer = type->rank ? type->rank - 1 : 0;
    int64_t n = type->rank ? type->dim[outer] : 1;
    if (!fig__count(type))
        return;
    char *out = c->out[0].data;
    const fig_pointwise_attr *attr = c->attr;
    do {
        const void *at[3] = { none, none, none };
        int64_t step[3] = { 0 };
        for (int i = 0; i < c->n_in; i++) {
            int64_t offset = 0;
            for (int k = 0; k < outer; k++)
                offset += index[k] * strides[i][k];
            at[i] = (const char *)c->in[i].data + offset * 4; /* f32 and i32 alike */
            step[i] = type->rank ? strides[i][outer] : 0;
        }
        pointwise_row(rule, c->in[0].type.dtype == FIG_I32, at, step, attr->p, out, n);
        out += n * 4;
    } while (fig__next_index(index, type->dim, outer));
}

/* -- records ------------------------------------------------------------------------------------------------------- */

static void pointwise_print(const void *attr, fig__text *out)
{
    const fig_pointwise_attr *a = attr;
    if (a->p[0] != 0.0f || a->p[1] != 0.0f)
        fig__text_print(out, " p=%g", (double)a->p[0]);
    if (a->p[1] != 0.0f)
        fig__text_print(out, ",%g", (double)a->p[1]);
}

/* Bounded outputs: not to be fed to a loss that takes logits. */
#define SQUASHES(name) (FIG__CODE_##name == FIG__CODE_sigmoid || FIG__CODE_##name == FIG__CODE_tanh)

#define FIG_POINTWISE(op, count, f32_expression, i32_expression)                                                       \
    static fig_status op##_infer(fig_infer *c) { return pointwise_infer(c, #op, &op##_rule); }                         \
    static void op##_reference(fig_eval *c) { pointwise_reference(c, &op##_rule); }                                    \
    const fig_op fig_op_##op = {                                                                                       \
        .name = #op, .operands = count, .flags = FIG_OP_POINTWISE | (SQUASHES(op) ? FIG_OP_SQUASH : 0u),               \
        .attr_size = sizeof(fig_pointwise_attr), .infer = op##_infer, .gradient = fig__gradient_##op,                  \
        .reference = op##_reference, .pointwise = &op##_rule, .print = pointwise_print,                                \
    };
#define FIG_COMPARE(op, f32_expression, i32_expression)                                                                \
    static fig_status op##_infer(fig_infer *c) { return pointwise_infer(c, #op, &op##_rule); }                         \
    static void op##_reference(fig_eval *c) { pointwise_reference(c, &op##_rule); }                                    \
    const fig_op fig_op_##op = {                                                                                       \
        .name = #op, .operands = 2, .flags = FIG_OP_POINTWISE | FIG_OP_INTEGER,                                        \
        .attr_size = sizeof(fig_pointwise_attr), .infer = op##_infer, .reference = op##_reference,                     \
        .pointwise = &op##_rule,                                                                                       \
    };
#include "ops/pointwise.def"
#undef FIG_POINTWISE
#undef FIG_COMPARE

/* -- builders ------------------------------------------------------------------------------------------------------ */

fig_node fig__pointwise(const fig_op *op, fig_node a, fig_node b, fig_node c, float p0, float p1)
{
    fig_node in[3] = { a, b, c };
    fig_pointwise_attr attr = { { p0, p1 } };
    fig_graph *graph = fig__graph_of(in, op->operands);
    return graph ? fig__emit(graph, op, in, op->operands, &attr) : FIG_NONE;
}

static fig_node unary(const fig_op *op, fig_node x) { return fig__pointwise(op, x, FIG_NONE, FIG_NONE, 0, 0); }
static fig_node binary(const fig_op *op, fig_node a, fig_node b) { return fig__pointwise(op, a, b, FIG_NONE, 0, 0); }
static fig_node with_number(const fig_op *op, fig_node x, float p) { return fig__pointwise(op, x, FIG_NONE, FIG_NONE, p, 0); }

fig_node fig_add(fig_node a, fig_node b) { return binary(&fig_op_add, a, b); }
fig_node fig_sub(fig_node a, fig_node b) { return binary(&fig_op_sub, a, b); }
fig_node fig_mul(fig_node a, fig_node b) { return binary(&fig_op_mul, a, b); }
fig_node fig_div(fig_node a, fig_node b) { return binary(&fig_op_div, a, b); }
fig_node fig_mod(fig_node a, fig_node b) { return binary(&fig_op_mod, a, b); }
fig_node fig_pow(fig_node a, fig_node b) { return binary(&fig_op_pow, a, b); }
fig_node fig_min(fig_node a, fig_node b) { return binary(&fig_op_min, a, b); }
fig_node fig_max(fig_node a, fig_node b) { return binary(&fig_op_max, a, b); }
fig_node fig_equal(fig_node a, fig_node b) { return binary(&fig_op_equal, a, b); }
fig_node fig_less(fig_node a, fig_node b) { return binary(&fig_op_less, a, b); }
fig_node fig_less_equal(fig_node a, fig_node b) { return binary(&fig_op_less_equal, a, b); }
fig_node fig_greater(fig_node a, fig_node b) { return binary(&fig_op_greater, a, b); }
fig_node fig_greater_equal(fig_node a, fig_node b) { return binary(&fig_op_greater_equal, a, b); }
fig_node fig_neg(fig_node x) { return unary(&fig_op_neg, x); }
fig_node fig_abs(fig_node x) { return unary(&fig_op_abs, x); }
fig_node fig_sign(fig_node x) { return unary(&fig_op_sign, x); }
fig_node fig_floor(fig_node x) { return unary(&fig_op_floor, x); }
fig_node fig_exp(fig_node x) { return unary(&fig_op_exp, x); }
fig_node fig_expm1(fig_node x) { return unary(&fig_op_expm1, x); }
fig_node fig_log(fig_node x) { return unary(&fig_op_log, x); }
fig_node fig_log1p(fig_node x) { return unary(&fig_op_log1p, x); }
fig_node fig_sqrt(fig_node x) { return unary(&fig_op_sqrt, x); }
fig_node fig_rsqrt(fig_node x) { return unary(&fig_op_rsqrt, x); }
fig_node fig_square(fig_node x) { return unary(&fig_op_square, x); }
fig_node fig_reciprocal(fig_node x) { return unary(&fig_op_reciprocal, x); }
fig_node fig_sin(fig_node x) { return unary(&fig_op_sin, x); }
fig_node fig_cos(fig_node x) { return unary(&fig_op_cos, x); }
fig_node fig_tanh(fig_node x) { return unary(&fig_op_tanh, x); }
fig_node fig_erf(fig_node x) { return unary(&fig_op_erf, x); }
fig_node fig_sigmoid(fig_node x) { return unary(&fig_op_sigmoid, x); }
fig_node fig_relu(fig_node x) { return unary(&fig_op_relu, x); }
fig_node fig_leaky_relu(fig_node x, float slope) { return with_number(&fig_op_leaky_relu, x, slope); }
fig_node fig_elu(fig_node x, float alpha) { return with_number(&fig_op_elu, x, alpha); }
fig_node fig_gelu(fig_node x) { return unary(&fig_op_gelu, x); }
fig_node fig_gelu_tanh(fig_node x) { return unary(&fig_op_gelu_tanh, x); }
fig_node fig_silu(fig_node x) { return unary(&fig_op_silu, x); }
fig_node fig_softplus(fig_node x) { return unary(&fig_op_softplus, x); }

fig_node fig_clamp(fig_node x, float low, float high)
{
    if (!(low <= high) && !fig_is_none(x))
        return fig_graph_fail(x.graph, "clamp: lower bound %g is above upper bound %g", (double)low, (double)high);
    return fig__pointwise(&fig_op_clamp, x, FIG_NONE, FIG_NONE, low, high);
}

/* A whole number scales and shifts integers as well. */
static fig_node with_factor(const fig_op *f32_op, const fig_op *i32_op, fig_node x, float number)
{
    if (!fig_is_none(x) && fig_type_of(x).dtype == FIG_I32 && number == floorf(number) && fabsf(number) < 2147483648.0f)
        return binary(i32_op, x, fig_constant_i32(x.graph, (int32_t)number));
    return with_number(f32_op, x, number);
}

fig_node fig_scale(fig_node x, float factor) { return with_factor(&fig_op_scale, &fig_op_mul, x, factor); }
fig_node fig_shift(fig_node x, float offset) { return with_factor(&fig_op_shift, &fig_op_add, x, offset); }

fig_node fig_select(fig_node condition, fig_node a, fig_node b)
{
    /* The op's operands agree in dtype; a comparison's 1 or 0 is kept by the cast. */
    if (!fig_is_none(condition) && !fig_is_none(a) && fig_type_of(a).dtype == FIG_I32 &&
        fig_type_of(condition).dtype == FIG_F32)
        condition = fig_cast(condition, FIG_I32);
    return fig__pointwise(&fig_op_select, condition, a, b, 0, 0);
}
