/* ops/pointwise_math.h - scalar formulas that are longer than a row of pointwise.def
 *
 * Branch-free float arithmetic that the compiler turns into vector code. They are compiled twice: strictly (reference loops)
 * and with fast-math (tiles), where a quotient may be off by a few ulp and 1 / infinity may be NaN. So no intermediate value
 * may overflow for a finite argument, and nothing may depend on a NaN. */
#ifndef FIG_OPS_POINTWISE_MATH_H
#define FIG_OPS_POINTWISE_MATH_H

#include <math.h>
#include <stdint.h>

#define FIG__SQRT_HALF 0.70710678118654752f      /* 1 / sqrt(2) */
#define FIG__SQRT_2_OVER_PI 0.79788456080286536f /* of the tanh form of gelu */
#define FIG__GELU_CUBIC 0.044715f                /* Hendrycks and Gimpel 2016 */
#define FIG__NORMAL_PEAK 0.39894228040143268f    /* density of N(0, 1) at 0: 1 / sqrt(2 pi) */

/* a - b floor(a / b). A quotient that rounds across an integer leaves a remainder outside [0, b): put it back. */
static inline float fig__mod_f32(float a, float b)
{
    float r = a - b * floorf(a / b);
    r = (b > 0.0f ? r < 0.0f : r > 0.0f) ? r + b : r;
    return (b > 0.0f ? r >= b : r <= b) ? r - b : r;
}

static inline int32_t fig__div_i32(int32_t a, int32_t b)
{
    return b == 0 ? 0 : b == -1 ? (int32_t)(0u - (uint32_t)a) : a / b;
}

static inline int32_t fig__mod_i32(int32_t a, int32_t b)
{
    int32_t r = b == 0 || b == -1 ? 0 : a % b;
    return r != 0 && (r ^ b) < 0 ? r + b : r;
}

/* 1 / (1 + exp(-x)). The argument stops at -86: exp(86) is finite and its reciprocal a normal number. */
static inline float fig__sigmoid_f32(float x) { return 1.0f / (1.0f + expf(x > -86.0f ? -x : 86.0f)); }

/* log(1 + exp(x)) = max(x, 0) + log1p(exp(-|x|)) */
static inline float fig__softplus_f32(float x) { return (x > 0.0f ? x : 0.0f) + log1pf(expf(-fabsf(x))); }

/* x (1 + tanh u) / 2 with u = k (x + q x^3) is x sigmoid(2 u), which keeps its digits where 1 + tanh u cancels. */
static inline float fig__gelu_tanh_gate(float x)
{
    return fig__sigmoid_f32(2.0f * FIG__SQRT_2_OVER_PI * (x + FIG__GELU_CUBIC * x * x * x));
}

/* Phi(x) + x phi(x) */
static inline float fig__gelu_slope_f32(float x)
{
    return 0.5f * (1.0f + erff(x * FIG__SQRT_HALF)) +
           x * FIG__NORMAL_PEAK * expf(-0.5f * (x > -12.0f && x < 12.0f ? x * x : 144.0f));
}

/* s + s (1 - s) y with s = sigmoid(z). With e = exp(-|z|), s is 1 / (1 + e) or e / (1 + e), and s (1 - s) = e / (1 + e)^2 keeps its
 * digits where 1 - s has none. */
static inline float fig__sigmoid_and_slope(float z, float y)
{
    float size = fabsf(z), e = expf(size < 86.0f ? -size : -86.0f), share = 1.0f / (1.0f + e);
    return (z > 0.0f ? share : e * share) + e * share * share * y;
}

/* s + x s (1 - s) 2 u' with the gate s = sigmoid(2 u) */
static inline float fig__gelu_tanh_slope_f32(float x)
{
    float z = 2.0f * FIG__SQRT_2_OVER_PI * (x + FIG__GELU_CUBIC * x * x * x);
    return fig__sigmoid_and_slope(z, x * (2.0f * FIG__SQRT_2_OVER_PI) * (1.0f + 3.0f * FIG__GELU_CUBIC * x * x));
}

/* s + x s (1 - s), s = sigmoid(x) */
static inline float fig__silu_slope_f32(float x) { return fig__sigmoid_and_slope(x, x); }

#endif
