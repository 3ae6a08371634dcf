/* kernels/pointwise_fast.c - the rows of ops/pointwise.def as vector loops
 *
 * Each row becomes a loop for f32 and, where it has one, for i32 operands, in three processor generations. Calls of expf, tanhf
 * and the like become glibc's vector functions. Operands are full arrays: the caller expands what broadcasts. */
#include "kernels/parallel.h"
#include "kernels/tiles.h"
#include "ops/pointwise.h"
#include "ops/pointwise_math.h"

#include <string.h>

#define FIG_NO_I32 0, NULL
#define FIRST_OF(first, ...) first
#define SECOND_OF(first, second, ...) second
#define BODY(...) FIRST_OF(__VA_ARGS__, )
#define FUNCTION_OR_NULL(...) SECOND_OF(__VA_ARGS__, )

/* The vector loop is asked for explicitly: the result may stand where an operand stood. */
#define LOOP(function, operands, first, second, third, result)                                                        \
    FIG_CLONES static void function(float *y, const float *const *x, const float *numbers, int64_t n)                 \
    {                                                                                                                 \
        const float *x0 = x[0], *x1 = x[operands > 1 ? 1 : 0], *x2 = x[operands > 2 ? 2 : 0];                         \
        const float p[2] = { numbers[0], numbers[1] }, u = x0[0], v = x1[0];                                          \
        (void)x2, (void)p, (void)u, (void)v;                                                                          \
        _Pragma("omp simd") for (int64_t i = 0; i < n; i++)                                                          \
        {                                                                                                             \
            float a = first, b = second, c = third;                                                                   \
            (void)a, (void)b, (void)c;                                                                                \
            y[i] = result;                                                                                            \
        }                                                                                                             \
    }
#define F32_LOOP_1(name, result) LOOP(name##_f32, 1, x0[i], 0.0f, 0.0f, result)
#define F32_LOOP_2(name, result)                                                                                      \
    LOOP(name##_f32, 2, x0[i], x1[i], 0.0f, result)                                                                      \
    LOOP(name##_f32_first, 2, u, x1[i], 0.0f, result)                                                                    \
    LOOP(name##_f32_second, 2, x0[i], v, 0.0f, result)
#define F32_LOOP_3(name, result) LOOP(name##_f32, 3, x0[i], x1[i], x2[i], result)
#define FORMS_1(name) { name##_f32, NULL, NULL },
#define FORMS_2(name) { name##_f32, name##_f32_first, name##_f32_second },
#define FORMS_3(name) { name##_f32, NULL, NULL },

#define FIG_POINTWISE(name, count, f32_expression, i32_expression)                                                    \
    F32_LOOP_##count(name, f32_expression)                                                                            \
    __attribute__((unused)) static void name##_i32(float *y, const float *const *x, const float *p, int64_t n)       \
    {                                                                                                                 \
        (void)p;                                                                                                      \
        int32_t *out = (int32_t *)y;                                                                                  \
        const int32_t *x0 = (const int32_t *)x[0], *x1 = (const int32_t *)x[count > 1 ? 1 : 0];                       \
        const int32_t *x2 = (const int32_t *)x[count > 2 ? 2 : 0];                                                    \
        for (int64_t i = 0; i < n; i++) {                                                                             \
            int32_t a = x0[i], b = x1[i], c = x2[i];                                                                  \
            (void)a, (void)b, (void)c;                                                                                \
            out[i] = BODY(i32_expression);                                                                            \
        }                                                                                                             \
    }
#define FIG_COMPARE(name, f32_expression, i32_expression)                                                             \
    F32_LOOP_2(name, (f32_expression) ? 1.0f : 0.0f)                                                                  \
    static void name##_i32(float *y, const float *const *x, const float *p, int64_t n)                               \
    {                                                                                                                 \
        (void)p;                                                                                                      \
        const int32_t *x0 = (const int32_t *)x[0], *x1 = (const int32_t *)x[1];                                       \
        for (int64_t i = 0; i < n; i++) {                                                                             \
            int32_t a = x0[i], b = x1[i];                                                                             \
            y[i] = (i32_expression) ? 1.0f : 0.0f;                                                                    \
        }                                                                                                             \
    }
#include "ops/pointwise.def"
#undef FIG_POINTWISE
#undef FIG_COMPARE

fig__tile *const fig__tile_f32[][FIG__TILE_FORMS] = {
#define FIG_POINTWISE(name, count, f32_expression, i32_expression) FORMS_##count(name)
#define FIG_COMPARE(name, f32_expression, i32_expression) FORMS_2(name)
#include "ops/pointwise.def"
#undef FIG_POINTWISE
#undef FIG_COMPARE
};

fig__tile *const fig__tile_i32[] = {
#define FIG_POINTWISE(name, count, f32_expression, i32_expression) FUNCTION_OR_NULL(i32_expression, name##_i32),
#define FIG_COMPARE(name, f32_expression, i32_expression) name##_i32,
#include "ops/pointwise.def"
#undef FIG_POINTWISE
#undef FIG_COMPARE
};

/* -- several steps in one ------------------------------------------------------------------------------------------------------ */

LOOP(join_weighted, 2, x0[i], x1[i], 0.0f, p[0] * a + p[1] * b)
LOOP(join_square, 2, x0[i], x1[i], 0.0f, p[0] * a + p[1] * (b * b))
LOOP(join_product, 3, x0[i], x1[i], x2[i], p[0] * (a * b) + p[1] * c)
LOOP(join_root, 2, x0[i], v, 0.0f, sqrtf(a) * b + p[0])

FIG_CLONES static void join_quotient(float *y, const float *const *x, const float *p, int64_t n)
{
    (void)p;
    const float *a = x[0], *b = x[1], *c = x[2], factor = x[3][0];
#pragma omp simd
    for (int64_t i = 0; i < n; i++)
        y[i] = a[i] - b[i] * factor / c[i];
}

fig__tile *const fig__tile_joined[FIG__JOINS] = {
    [FIG__JOIN_WEIGHTED] = join_weighted, [FIG__JOIN_SQUARE] = join_square, [FIG__JOIN_PRODUCT] = join_product,
    [FIG__JOIN_ROOT] = join_root, [FIG__JOIN_QUOTIENT] = join_quotient,
};
