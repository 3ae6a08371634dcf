/* ops/test_pointwise_values.c - element-by-element ops against double precision libm
 *
 * Each op is evaluated at thousands of points, ends of the range included, by its scalar rule and by the kernel that a
 * session would choose, and compared with the same formula in double. Allowed: some ulp of the result, plus an absolute
 * part where a formula cancels. */
#include "../test.h"

#include "kernels/kernel.h"
#include "ops/op.h"

/* -- the formulas, in double --------------------------------------------------------------------------------------- */

static double v_neg(double x) { return -x; }
static double v_abs(double x) { return fabs(x); }
static double v_sign(double x) { return (x > 0) - (x < 0); }
static double v_floor(double x) { return floor(x); }
static double v_square(double x) { return x * x; }
static double v_reciprocal(double x) { return 1 / x; }
static double v_sqrt(double x) { return sqrt(x); }
static double v_rsqrt(double x) { return 1 / sqrt(x); }
static double v_exp(double x) { return exp(x); }
static double v_expm1(double x) { return expm1(x); }
static double v_log(double x) { return log(x); }
static double v_log1p(double x) { return log1p(x); }
static double v_sin(double x) { return sin(x); }
static double v_cos(double x) { return cos(x); }
static double v_tanh(double x) { return tanh(x); }
static double v_erf(double x) { return erf(x); }
static double v_sigmoid(double x) { return 1 / (1 + exp(-x)); }
static double v_relu(double x) { return x > 0 ? x : 0; }
static double v_leaky_relu(double x) { return x > 0 ? x : (double)0.2f * x; }
static double v_elu(double x) { return x > 0 ? x : (double)0.2f * expm1(x); }
static double v_gelu(double x) { return 0.5 * x * erfc(-x * M_SQRT1_2); }
static double v_gelu_tanh(double x) { return x / (1 + exp(-2 * sqrt(M_2_PI) * (x + 0.044715 * x * x * x))); }
static double v_silu(double x) { return x / (1 + exp(-x)); }
static double v_softplus(double x) { return fmax(x, 0) + log1p(exp(-fabs(x))); }
static double v_clamp(double x) { return x < (double)0.2f ? (double)0.2f : x > 2 ? 2 : x; }

typedef struct formula {
    const char *op;
    double (*value)(double);
    double low, high; /* range; geometric when low > 0 */
    double ulp;       /* relative error in units of 2^-24 */
    double absolute;
} formula;

static const formula formulas[] = {
    { "neg", v_neg, -1e30, 1e30, 0, 0 },
    { "abs", v_abs, -1e30, 1e30, 0, 0 },
    { "sign", v_sign, -3, 3, 0, 0 },
    { "floor", v_floor, -1000, 1000, 0, 0 },
    { "square", v_square, -1e18, 1e18, 1, 0 },
    { "reciprocal", v_reciprocal, 1e-35, 1e35, 4, 0 },
    { "sqrt", v_sqrt, 1e-37, 1e38, 4, 0 },
    { "rsqrt", v_rsqrt, 1e-37, 1e38, 6, 0 },
    { "exp", v_exp, -85, 88, 8, 0 },
    { "expm1", v_expm1, -80, 88, 8, 0 },
    { "expm1", v_expm1, 1e-20, 1e-3, 8, 0 },
    { "log", v_log, 1e-37, 1e38, 8, 1e-7 },
    { "log1p", v_log1p, 1e-20, 1e30, 8, 0 },
    { "log1p", v_log1p, -0.99, 1, 8, 1e-7 },
    { "sin", v_sin, -30, 30, 8, 1e-6 },
    { "cos", v_cos, -30, 30, 8, 1e-6 },
    { "tanh", v_tanh, -30, 30, 8, 0 },
    { "tanh", v_tanh, 1e-20, 1, 8, 0 },
    { "erf", v_erf, -6, 6, 8, 0 },
    { "sigmoid", v_sigmoid, -85, 85, 16, 0 },
    { "relu", v_relu, -1e30, 1e30, 0, 0 },
    { "leaky_relu", v_leaky_relu, -1e30, 1e30, 1, 0 },
    { "elu", v_elu, -50, 50, 8, 0 },
    { "gelu", v_gelu, -12, 30, 8, 1e-6 }, /* 1 + erf cancels on the left: absolute there */
    { "gelu_tanh", v_gelu_tanh, -6, 30, 120, 0 }, /* the exponent, up to 60, was rounded */
    { "silu", v_silu, -80, 80, 16, 0 },
    { "softplus", v_softplus, -80, 80, 8, 0 },
    { "clamp", v_clamp, -3, 5, 0, 0 },
};

enum { POINTS = 4096 };

static void sample(const formula *f, float *x)
{
    for (int i = 0; i < POINTS; i++) {
        double at = (double)i / (POINTS - 1);
        x[i] = (float)(f->low > 0 ? f->low * pow(f->high / f->low, at) : f->low + at * (f->high - f->low));
    }
}

static void compare(const formula *f, const char *who, const float *x, const float *y)
{
    for (int i = 0; i < POINTS; i++) {
        double exact = f->value((double)x[i]);
        double allowed = f->ulp * fabs(exact) * 0x1p-24 + f->absolute + 2e-38;
        if (fabs((double)y[i] - exact) <= allowed)
            continue;
        TEST_FAIL("%s(%.9g) by %s is %.9g, expected %.9g", f->op, (double)x[i], who, (double)y[i], exact);
        return;
    }
}

static const fig_pointwise_attr numbers = { { 0.2f, 2 } };

FIG_TEST(scalar_rules_match_libm)
{
    static float x[POINTS], y[POINTS];
    for (size_t k = 0; k < sizeof formulas / sizeof *formulas; k++) {
        const fig_op *op = fig__op_find(formulas[k].op);
        REQUIRE(op);
        sample(&formulas[k], x);
        for (int i = 0; i < POINTS; i++)
            y[i] = op->pointwise->f32(x[i], 0, 0, numbers.p);
        compare(&formulas[k], "its rule", x, y);
    }
}

FIG_TEST(kernels_match_libm)
{
    static float x[POINTS] __attribute__((aligned(64))), y[POINTS] __attribute__((aligned(64)));
    fig_type type = FIG_SHAPE(POINTS);
    fig_run run = { .threads = 1 };
    int used = 0;
    for (size_t k = 0; k < sizeof formulas / sizeof *formulas; k++) {
        const fig_op *op = fig__op_find(formulas[k].op);
        fig_kernel_query q = {
            .op = op, .n_in = 1, .n_out = 1, .in = &type, .out = &type, .attr = &numbers, .threads = 1
        };
        const fig_kernel *kernel = fig__kernel_choose(op, &q);
        if (!kernel)
            continue;
        fig_error err = { 0 };
        void *prepared = NULL, *workspace = NULL;
        size_t bytes = 0;
        if (kernel->prepare)
            REQUIRE_OK(kernel->prepare(&q, &prepared, &bytes, &err), err);
        if (bytes)
            REQUIRE_OK(fig__pages_new(bytes, &workspace, &err), err);
        sample(&formulas[k], x);
        fig_tensor in = { type, x }, out = { type, y };
        kernel->run(&(fig_eval){ .n_in = 1,
                                 .n_out = 1,
                                 .in = &in,
                                 .out = &out,
                                 .attr = &numbers,
                                 .run = &run,
                                 .workspace = workspace,
                                 .prepared = prepared });
        compare(&formulas[k], kernel->name, x, y);
        if (kernel->release)
            kernel->release(prepared);
        fig__pages_free(workspace, bytes);
        used++;
    }
    if (!used)
        SKIP("no kernel takes element-by-element ops");
}

/* -- two operands and losses ----------------------------------------------------------------------------------------- */

static float two(const char *op, float a, float b) { return fig__op_find(op)->pointwise->f32(a, b, 0, numbers.p); }

FIG_TEST(floor_modulus_has_the_sign_of_its_divisor)
{
    const float cases[][3] = { { 7, 3, 1 },          { -7, 3, 2 }, { 7, -3, -2 },      { -7, -3, -1 },
                               { 6, 3, 0 },          { -6, 3, 0 }, { 0, 5, 0 },        { 5.5f, 2, 1.5f },
                               { -0.25f, 1, 0.75f }, { 6, -3, 0 }, { 1e-8f, 1, 1e-8f } };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        CHECK_NEAR(two("mod", cases[i][0], cases[i][1]), cases[i][2], 1e-6);
    /* whatever the rounding, the remainder stays in [0, b) */
    for (int i = 1; i < 2000; i++) {
        float b = 0.1f * (float)i, r = two("mod", 3 * b, b);
        CHECK(r >= 0 && r < b);
    }
}

FIG_TEST(integers_wrap_and_divide_by_zero_gives_zero)
{
    const fig_pointwise_rule *add = fig_op_add.pointwise, *mul = fig_op_mul.pointwise, *div = fig_op_div.pointwise;
    const fig_pointwise_rule *mod = fig_op_mod.pointwise, *neg = fig_op_neg.pointwise;
    CHECK_INT(add->i32(INT32_MAX, 1, 0), INT32_MIN);
    CHECK_INT(mul->i32(65536, 65536, 0), 0);
    CHECK_INT(neg->i32(INT32_MIN, 0, 0), INT32_MIN);
    CHECK_INT(div->i32(7, 0, 0), 0);
    CHECK_INT(div->i32(-7, 2, 0), -3);
    CHECK_INT(div->i32(INT32_MIN, -1, 0), INT32_MIN);
    CHECK_INT(mod->i32(-7, 3, 0), 2);
    CHECK_INT(mod->i32(7, -3, 0), -2);
    CHECK_INT(mod->i32(INT32_MIN, -1, 0), 0);
    CHECK_INT(mod->i32(5, 0, 0), 0);
    CHECK_INT(mod->i32(INT32_MAX - 1, INT32_MAX, 0), INT32_MAX - 1);
    CHECK(!fig_op_exp.pointwise->i32);
}

FIG_TEST(binary_cross_entropy_keeps_small_losses)
{
    for (double x = -40; x <= 40; x += 0.37)
        for (double t = 0; t <= 1; t += 0.25) {
            double z = (double)(float)x, exact = (x > 0 ? z * (1 - t) : -z * t) + log1p(exp(-fabs(z)));
            CHECK_NEAR(two("bce_logits", (float)x, (float)t), exact,
                       1e-6 * fabs(exact) + 2e-6 * (t > 0 && t < 1) + 1e-20);
        }
}

FIG_TEST_MAIN
