/* ops/pointwise_gradient.c - gradients of the element-by-element ops
 *
 * One rule per FIG_POINTWISE row, called fig__gradient_NAME. Each gives upstream * derivative, summed down to the operand's shape
 * where that was stretched. Where the derivative follows from the output it is taken from there (exp, tanh, sqrt, ...), so
 * that the operand need not be kept. Every rule is built of differentiable ops again.
 *
 * Conventions at the corners: relu'(0) = 0, leaky_relu'(0) = slope, abs'(0) = 0; on a tie of min or max the first operand takes the
 * whole gradient; a value that clamp leaves unchanged, bounds included, passes it. */
#include "ops/pointwise.h"
#include "ops/pointwise_math.h"

/* Hands operand i its gradient. */
static void give(fig_gradient *c, int i, fig_node value) { c->result[i] = fig__unbroadcast(value, c->in[i]); }

static fig_node one_minus(fig_node x) { return fig_shift(fig_neg(x), 1.0f); }

static float number(const fig_gradient *c, int i) { return ((const fig_pointwise_attr *)c->attr)->p[i]; }

/* -- arithmetic ---------------------------------------------------------------------------------------------------- */

void fig__gradient_add(fig_gradient *c)
{
    for (int i = 0; i < 2; i++)
        if (c->wanted[i])
            give(c, i, c->upstream);
}

void fig__gradient_sub(fig_gradient *c)
{
    if (c->wanted[0])
        give(c, 0, c->upstream);
    if (c->wanted[1]) /* summed first: fewer elements to negate */
        c->result[1] = fig_neg(fig__unbroadcast(c->upstream, c->in[1]));
}

void fig__gradient_mul(fig_gradient *c)
{
    for (int i = 0; i < 2; i++)
        if (c->wanted[i])
            give(c, i, fig_mul(c->upstream, c->in[1 - i]));
}

void fig__gradient_div(fig_gradient *c)
{
    fig_node quotient = fig_div(c->upstream, c->in[1]);
    if (c->wanted[0])
        give(c, 0, quotient);
    if (c->wanted[1])
        give(c, 1, fig_neg(fig_mul(quotient, c->out)));
}

void fig__gradient_mod(fig_gradient *c)
{
    if (c->wanted[0])
        give(c, 0, c->upstream);
    if (c->wanted[1])
        give(c, 1, fig_neg(fig_mul(c->upstream, fig_floor(fig_div(c->in[0], c->in[1])))));
}

void fig__gradient_pow(fig_gradient *c)
{
    fig_node a = c->in[0], b = c->in[1];
    if (c->wanted[0])
        give(c, 0, fig_mul(fig_mul(c->upstream, b), fig_pow(a, fig_shift(b, -1.0f))));
    if (c->wanted[1]) { /* a^b log a, and 0 at a = 0; a negative base has no derivative in b */
        fig_node positive = fig_greater(a, fig_constant(c->graph, 0.0f));
        fig_node log_a = fig_log(fig_select(positive, a, fig_constant(c->graph, 1.0f)));
        give(c, 1, fig_mul(c->upstream, fig_mul(c->out, log_a)));
    }
}

void fig__gradient_min(fig_gradient *c)
{
    if (c->wanted[0])
        give(c, 0, fig_mul(c->upstream, fig_less_equal(c->in[0], c->in[1])));
    if (c->wanted[1])
        give(c, 1, fig_mul(c->upstream, fig_greater(c->in[0], c->in[1])));
}

void fig__gradient_max(fig_gradient *c)
{
    if (c->wanted[0])
        give(c, 0, fig_mul(c->upstream, fig_greater_equal(c->in[0], c->in[1])));
    if (c->wanted[1])
        give(c, 1, fig_mul(c->upstream, fig_less(c->in[0], c->in[1])));
}

void fig__gradient_scale(fig_gradient *c) { give(c, 0, fig_scale(c->upstream, number(c, 0))); }

void fig__gradient_shift(fig_gradient *c) { give(c, 0, c->upstream); }

void fig__gradient_neg(fig_gradient *c) { give(c, 0, fig_neg(c->upstream)); }

void fig__gradient_abs(fig_gradient *c) { give(c, 0, fig_mul(c->upstream, fig_sign(c->in[0]))); }

void fig__gradient_sign(fig_gradient *c) { c->result[0] = FIG_NONE; } /* flat almost everywhere */

void fig__gradient_floor(fig_gradient *c) { c->result[0] = FIG_NONE; }

void fig__gradient_square(fig_gradient *c) { give(c, 0, fig_scale(fig_mul(c->upstream, c->in[0]), 2.0f)); }

void fig__gradient_reciprocal(fig_gradient *c) { give(c, 0, fig_neg(fig_mul(c->upstream, fig_square(c->out)))); }

void fig__gradient_sqrt(fig_gradient *c) { give(c, 0, fig_scale(fig_div(c->upstream, c->out), 0.5f)); }

void fig__gradient_rsqrt(fig_gradient *c) /* -1/2 y^3 */
{
    give(c, 0, fig_scale(fig_mul(c->upstream, fig_mul(c->out, fig_square(c->out))), -0.5f));
}

void fig__gradient_clamp(fig_gradient *c) { give(c, 0, fig_mul(c->upstream, fig_equal(c->in[0], c->out))); }

void fig__gradient_select(fig_gradient *c)
{
    fig_node zero = fig_constant(c->graph, 0.0f);
    if (c->wanted[1])
        give(c, 1, fig_select(c->in[0], c->upstream, zero));
    if (c->wanted[2])
        give(c, 2, fig_select(c->in[0], zero, c->upstream));
}

/* -- transcendental ------------------------------------------------------------------------------------------------ */

void fig__gradient_exp(fig_gradient *c) { give(c, 0, fig_mul(c->upstream, c->out)); }

void fig__gradient_expm1(fig_gradient *c) { give(c, 0, fig_mul(c->upstream, fig_shift(c->out, 1.0f))); }

void fig__gradient_log(fig_gradient *c) { give(c, 0, fig_div(c->upstream, c->in[0])); }

void fig__gradient_log1p(fig_gradient *c) { give(c, 0, fig_div(c->upstream, fig_shift(c->in[0], 1.0f))); }

void fig__gradient_sin(fig_gradient *c) { give(c, 0, fig_mul(c->upstream, fig_cos(c->in[0]))); }

void fig__gradient_cos(fig_gradient *c) { give(c, 0, fig_neg(fig_mul(c->upstream, fig_sin(c->in[0])))); }

void fig__gradient_erf(fig_gradient *c) /* 2 / sqrt(pi) exp(-x^2) */
{
    fig_node bell = fig_exp(fig_neg(fig_square(c->in[0])));
    give(c, 0, fig_scale(fig_mul(c->upstream, bell), 1.1283791670955126f));
}

/* -- activations --------------------------------------------------------------------------------------------------- */

static fig_node slope(const fig_op *op, fig_node upstream, fig_node at, float p)
{
    return fig__pointwise(op, upstream, at, FIG_NONE, p, 0);
}

void fig__gradient_tanh(fig_gradient *c) { give(c, 0, slope(&fig_op_tanh_slope, c->upstream, c->out, 0)); }

void fig__gradient_sigmoid(fig_gradient *c) { give(c, 0, slope(&fig_op_sigmoid_slope, c->upstream, c->out, 0)); }

/* i32 relu has no upstream to begin with: integers stop the gradient in autodiff. */
void fig__gradient_relu(fig_gradient *c) { give(c, 0, slope(&fig_op_relu_slope, c->upstream, c->out, 0)); }

void fig__gradient_leaky_relu(fig_gradient *c)
{
    float p = number(c, 0); /* with a negative slope the output's sign no longer tells the operand's */
    give(c, 0, slope(&fig_op_leaky_relu_slope, c->upstream, p > 0.0f ? c->out : c->in[0], p));
}

void fig__gradient_elu(fig_gradient *c) { give(c, 0, slope(&fig_op_elu_slope, c->upstream, c->in[0], number(c, 0))); }

void fig__gradient_gelu(fig_gradient *c) { give(c, 0, slope(&fig_op_gelu_slope, c->upstream, c->in[0], 0)); }

void fig__gradient_gelu_tanh(fig_gradient *c) { give(c, 0, slope(&fig_op_gelu_tanh_slope, c->upstream, c->in[0], 0)); }

void fig__gradient_silu(fig_gradient *c) { give(c, 0, slope(&fig_op_silu_slope, c->upstream, c->in[0], 0)); }

void fig__gradient_softplus(fig_gradient *c) { give(c, 0, fig_mul(c->upstream, fig_sigmoid(c->in[0]))); }

/* -- slopes: linear in operand 0, so its gradient is the same slope of the upstream; operand 1 brings second derivatives  */

static void slope_gradient(fig_gradient *c, const fig_op *op)
{
    if (c->wanted[0])
        give(c, 0, slope(op, c->upstream, c->in[1], number(c, 0)));
}

/* upstream * a * second, where second is the derivative of the slope in b */
static void give_second(fig_gradient *c, fig_node second)
{
    give(c, 1, fig_mul(fig_mul(c->upstream, c->in[0]), second));
}

void fig__gradient_tanh_slope(fig_gradient *c) /* d(1 - y^2) = -2 y */
{
    slope_gradient(c, &fig_op_tanh_slope);
    if (c->wanted[1])
        give_second(c, fig_scale(c->in[1], -2.0f));
}

void fig__gradient_sigmoid_slope(fig_gradient *c) /* d(y - y^2) = 1 - 2 y */
{
    slope_gradient(c, &fig_op_sigmoid_slope);
    if (c->wanted[1])
        give_second(c, fig_shift(fig_scale(c->in[1], -2.0f), 1.0f));
}

void fig__gradient_relu_slope(fig_gradient *c) { slope_gradient(c, &fig_op_relu_slope); }

void fig__gradient_leaky_relu_slope(fig_gradient *c) { slope_gradient(c, &fig_op_leaky_relu_slope); }

void fig__gradient_elu_slope(fig_gradient *c) /* the slope itself where x <= 0, else 0 */
{
    slope_gradient(c, &fig_op_elu_slope);
    if (c->wanted[1])
        give(c, 1, fig_mul(fig_mul(c->upstream, c->out), fig_less_equal(c->in[1], fig_constant(c->graph, 0.0f))));
}

void fig__gradient_gelu_slope(fig_gradient *c) /* d(Phi + x phi) = phi (2 - x^2) */
{
    slope_gradient(c, &fig_op_gelu_slope);
    if (!c->wanted[1])
        return;
    fig_node square = fig_square(c->in[1]);
    fig_node density = fig_scale(fig_exp(fig_scale(square, -0.5f)), FIG__NORMAL_PEAK);
    give_second(c, fig_mul(density, fig_shift(fig_neg(square), 2.0f)));
}

/* f = x s, s = sigmoid(v), v = 2 k (x + q x^3): f'' = s (1 - s) (2 v' + x v'' + x v'^2 (1 - 2 s)) */
void fig__gradient_gelu_tanh_slope(fig_gradient *c)
{
    slope_gradient(c, &fig_op_gelu_tanh_slope);
    if (!c->wanted[1])
        return;
    const float k = 2.0f * FIG__SQRT_2_OVER_PI, q = FIG__GELU_CUBIC;
    fig_node x = c->in[1], square = fig_square(x);
    fig_node s = fig_sigmoid(fig_scale(fig_mul(x, fig_shift(fig_scale(square, q), 1.0f)), k));
    fig_node first = fig_scale(fig_shift(fig_scale(square, 3.0f * q), 1.0f), k); /* v' */
    fig_node straight = fig_shift(fig_scale(square, 12.0f * k * q), 2.0f * k);   /* 2 v' + x v'' */
    fig_node tilt = fig_mul(fig_mul(x, fig_square(first)), fig_shift(fig_scale(s, -2.0f), 1.0f));
    give_second(c, fig_mul(fig_mul(s, one_minus(s)), fig_add(straight, tilt)));
}

void fig__gradient_silu_slope(fig_gradient *c) /* s (1 - s) (2 + x (1 - 2 s)) */
{
    slope_gradient(c, &fig_op_silu_slope);
    if (!c->wanted[1])
        return;
    fig_node x = c->in[1], s = fig_sigmoid(x);
    fig_node bell = fig_mul(s, one_minus(s));
    fig_node tilt = fig_mul(x, fig_shift(fig_scale(s, -2.0f), 1.0f));
    give_second(c, fig_mul(bell, fig_shift(tilt, 2.0f)));
}

/* -- losses -------------------------------------------------------------------------------------------------------- */

void fig__gradient_bce_logits(fig_gradient *c)
{
    if (c->wanted[0])
        give(c, 0, fig_mul(c->upstream, fig_sub(fig_sigmoid(c->in[0]), c->in[1])));
    if (c->wanted[1])
        give(c, 1, fig_neg(fig_mul(c->upstream, c->in[0])));
}
