/* test_kernels_lines.c - weights stored in bf16 or as int8 lines: the rounding of a line and its bound, hostile numbers, and
 * products of few rows against the reference loop */
#include "../test.h"

#include "core/core.h"
#include "kernels/fast.h"
#include "kernels/kernel.h"
#include "ops/bf16.h"
#include "ops/int8.h"

#include <stdlib.h>
#include <string.h>

static fig_type shape(fig_dtype dtype, int64_t rows, int64_t columns)
{
    return (fig_type){ .dtype = dtype, .rank = 2, .dim = { rows, columns } };
}

static void *room(const fig_type *type) { return aligned_alloc(64, (fig__bytes(type) + 63) / 64 * 64); }

static void run(const fig_op *op, const void *attr, fig_tensor *in, int n_in, fig_tensor *out, const char *name, int threads)
{
    fig_type types[3];
    for (int i = 0; i < n_in; i++)
        types[i] = in[i].type;
    fig_kernel_query q = { .op = op, .n_in = n_in, .n_out = 1, .in = types, .out = &out->type, .attr = attr, .threads = threads };
    fig_run how = { .threads = threads };
    fig_eval eval = { .n_in = n_in, .n_out = 1, .in = in, .out = out, .attr = attr, .run = &how };
    if (!name) {
        eval.workspace = aligned_alloc(64, fig__lifted_workspace(n_in, types, 1, &out->type) + 64);
        fig__run_lifted(op->reference, &eval);
        free(eval.workspace);
        return;
    }
    const fig_kernel *kernel = fig__kernel_choose(op, &q);
    if (!kernel) {
        TEST_FAIL("%s: no kernel", op->name);
        return;
    }
    CHECK_TEXT(kernel->name, name);
    fig_error err = { 0 };
    size_t bytes = 0;
    int saved;
    if (kernel->prepare)
        CHECK_OK(kernel->prepare(&q, &eval.prepared, &bytes, &err), err);
    eval.workspace = aligned_alloc(64, (bytes + 127) / 64 * 64);
    fig__threads_enter(threads, &saved);
    kernel->run(&eval);
    fig__threads_leave(saved);
    if (kernel->release)
        kernel->release(eval.prepared);
    free(eval.workspace);
}

/* f32 (rows, columns) -> narrow, by the kernel and by the loop, which must agree to the bit. */
static fig_tensor narrowed(const fig_tensor *w, fig_dtype dtype)
{
    fig_type type = shape(dtype, w->type.dim[0], w->type.dim[1]);
    fig_tensor found = { type, room(&type) }, expected = { type, room(&type) }, in = *w;
    fig_shape_attr attr;
    memset(&attr, 0, sizeof attr);
    attr.type.dtype = dtype;
    fig_eval eval = { .n_in = 1, .n_out = 1, .in = &in, .out = &expected, .attr = &attr };
    memset(found.data, 0x5a, fig__bytes(&type));
    memset(expected.data, 0x5a, fig__bytes(&type));
    fig_op_cast.reference(&eval);
    run(&fig_op_cast, &attr, &in, 1, &found, dtype == FIG_I8 ? "cast_lines" : "cast", 2);
    size_t numbers = (size_t)fig__count(&type) * fig__dtype_size(dtype);
    CHECK(!memcmp(found.data, expected.data, numbers));
    for (int64_t i = 0; dtype == FIG_I8 && i < type.dim[0]; i++) {
        float a = fig__int8_scales(&type, found.data)[i], b = fig__int8_scales(&type, expected.data)[i];
        CHECK(a == b || (isnan(a) && isnan(b)));
    }
    free(expected.data);
    return found;
}

static fig_tensor random_matrix(int64_t rows, int64_t columns, fig__rng *rng)
{
    fig_type type = shape(FIG_F32, rows, columns);
    fig_tensor t = { type, room(&type) };
    for (int64_t i = 0; i < rows * columns; i++)
        ((float *)t.data)[i] = (float)(fig__rng_uniform(rng) - 0.5) * (float)(1 + i / columns % 5);
    return t;
}

FIG_TEST(a_line_is_off_by_half_a_step_at_most)
{
    fig__rng rng = { 3 };
    for (int64_t columns = 1; columns < 200; columns += 33) {
        fig_tensor w = random_matrix(37, columns, &rng), q = narrowed(&w, FIG_I8);
        const float *scale = fig__int8_scales(&q.type, q.data);
        for (int64_t i = 0; i < 37 * columns; i++) {
            double s = scale[i / columns], error = fabs((double)((float *)w.data)[i] - s * ((int8_t *)q.data)[i]);
            /* half a step, and the roundings of scale and quotient: 127 * 2^-23 of a step */
            if (!(error <= s * (0.5 + 127 / 8388608.0)))
                TEST_FAIL("element %lld: off by %g, the scale is %g", (long long)i, error, s);
        }
        free(w.data);
        free(q.data);
    }
}

FIG_TEST(hostile_lines)
{
    enum { LINES = 8, LENGTH = 21 };
    fig__rng rng = { 4 };
    fig_tensor w = random_matrix(LINES, LENGTH, &rng);
    float *line[LINES];
    for (int i = 0; i < LINES; i++)
        line[i] = (float *)w.data + i * LENGTH;
    line[0][20] = NAN;
    line[1][0] = -INFINITY;
    memset(line[2], 0, sizeof(float) * LENGTH);
    for (int i = 0; i < LENGTH; i++) {
        line[3][i] = 1e-40f;              /* denormal */
        line[4][i] = i ? 3e38f : -3.4e38f; /* near the largest */
        line[5][i] = -0.0f;
    }
    fig_tensor q = narrowed(&w, FIG_I8);
    const float *scale = fig__int8_scales(&q.type, q.data);
    const int8_t *bytes = q.data;
    CHECK(isnan(scale[0]) && isnan(scale[1]));
    CHECK(scale[2] == 0 && scale[3] == 0 && scale[5] == 0);
    CHECK(isfinite(scale[4]) && scale[4] > 0);
    CHECK_INT(bytes[4 * LENGTH], -127);
    for (int i = 0; i < LENGTH; i++)
        CHECK(bytes[2 * LENGTH + i] == 0 && bytes[3 * LENGTH + i] == 0);

    /* a product with them: lines that were not finite give no number, the others are untouched */
    fig_tensor a = random_matrix(1, LENGTH, &rng), y = random_matrix(1, LINES, &rng);
    fig_matmul_attr attr;
    memset(&attr, 0, sizeof attr);
    attr.transpose_b = 1;
    fig_tensor in[2] = { a, q };
    run(&fig_op_matmul, &attr, in, 2, &y, "matmul_lines", 1);
    const float *c = y.data;
    CHECK(isnan(c[0]) && isnan(c[1]));
    CHECK(c[2] == 0 && c[3] == 0 && c[5] == 0);
    CHECK(isfinite(c[6]) && isfinite(c[7]));
    free(q.data);
    in[1] = q = narrowed(&w, FIG_BF16);
    run(&fig_op_matmul, &attr, in, 2, &y, "matmul_lines", 1);
    CHECK(isnan(c[0]) && !isfinite(c[1]));
    CHECK(c[2] == 0 && isfinite(c[6]));
    free(q.data);
    free(w.data);
    free(a.data);
    free(y.data);
}

/* Results are sums of k products in another order: their rounding is a small multiple of 2^-24 sqrt(k) of the terms' scale. */
static void product(int64_t m, int64_t n, int64_t k, fig_dtype dtype, bool bias, fig_activation activation, int threads, fig__rng *rng)
{
    fig_tensor a = random_matrix(m, k, rng), w = random_matrix(n, k, rng), narrow = narrowed(&w, dtype);
    fig_tensor y = random_matrix(m, n, rng), expected = random_matrix(m, n, rng), extra = random_matrix(1, n, rng);
    extra.type = FIG_SHAPE(n);
    fig_matmul_fused_attr attr;
    memset(&attr, 0, sizeof attr);
    attr.matmul.transpose_b = 1;
    attr.after = (fig_epilogue){ bias, activation, 0.2f };
    bool fused = bias || activation != FIG_LINEAR;
    const fig_op *op = fused ? &fig_op_matmul_fused : &fig_op_matmul;
    const void *how = fused ? (const void *)&attr : &attr.matmul;
    fig_tensor in[3] = { a, narrow, extra };
    run(op, how, in, 2 + bias, &y, m <= 64 ? "matmul_lines" : "lifted", threads);
    run(op, how, in, 2 + bias, &expected, NULL, 1);
    double worst = 0;
    for (int64_t i = 0; i < m * n; i++)
        worst = fmax(worst, fabs((double)((float *)y.data)[i] - (double)((float *)expected.data)[i]) /
                                (1 + fabs((double)((float *)expected.data)[i])));
    if (!(worst <= 3e-5))
        TEST_FAIL("%lld x %lld x %lld, type %d: off by %.2g", (long long)m, (long long)k, (long long)n, (int)dtype, worst);
    free(a.data);
    free(w.data);
    free(narrow.data);
    free(y.data);
    free(expected.data);
    free(extra.data);
}

FIG_TEST(products_of_few_rows)
{
    fig__rng rng = { 5 };
    for (int i = 0; i < 60; i++) {
        fig_dtype dtype = i % 2 ? FIG_BF16 : FIG_I8;
        int64_t m = i % 3 ? 1 : 1 + (int64_t)fig__rng_below(&rng, 20);
        int64_t n = 1 + (int64_t)fig__rng_below(&rng, 150), k = 1 + (int64_t)fig__rng_below(&rng, 300);
        product(m, n, k, dtype, i % 4 > 1, i % 5 ? FIG_LINEAR : FIG_GELU_TANH, 1 + i % 3, &rng);
    }
    product(1, 1152, 384, FIG_I8, true, FIG_LINEAR, 2, &rng);
    product(1, 384, 1536, FIG_BF16, false, FIG_LINEAR, 2, &rng);
    product(64, 130, 200, FIG_I8, true, FIG_RELU, 2, &rng);
}

/* Rows as whole numbers are off by half a step of 2^-23 of their largest number, whatever else they hold; rows that have no such form
 * are refused. */
FIG_TEST(rows_in_digits)
{
    enum { LINES = 37, LONGEST = 4096 };
    static const int lengths[] = { 1, 15, 16, 63, 64, 65, 100, 384, 1000, LONGEST };
    static float a[LONGEST], found[LINES];
    static int8_t q[LINES * LONGEST];
    fig__rng rng = { 9 };
    int computed = 0;
    for (int kind = 0; kind < 4; kind++)
        for (size_t l = 0; l < sizeof lengths / sizeof *lengths; l++) {
            int k = lengths[l];
            double largest = 0;
            for (int i = 0; i < k; i++) {
                a[i] = (float)fig__rng_normal(&rng) * (kind == 1 ? 1e-28f : kind == 2 ? 1e34f : 1);
                a[i] = kind == 3 && i == k / 2 ? -5000 : a[i];
                largest = fmax(largest, fabs((double)a[i]));
            }
            for (int i = 0; i < LINES * k; i++)
                q[i] = (int8_t)(kind == 2 ? (i & 1 ? -127 : 127) : (int)fig__rng_below(&rng, 255) - 127);
            if (!fig__fast_lines_digits(LINES, k, a, q, found))
                continue;
            computed++;
            for (int j = 0; j < LINES; j++) {
                double sum = 0, bytes = 0, terms = 0;
                for (int i = 0; i < k; i++) {
                    sum += (double)a[i] * q[j * k + i];
                    bytes += abs(q[j * k + i]);
                    terms += fabs((double)a[i] * q[j * k + i]);
                }
                CHECK_NEAR(found[j], sum, 0x1p-23 * largest * bytes + 0x1p-21 * terms);
            }
        }
    CHECK(computed == 0 || computed == 4 * (int)(sizeof lengths / sizeof *lengths)); /* by this processor, never by length */
    for (int i = 0; i < 64; i++)
        a[i] = 1;
    a[7] = INFINITY;
    CHECK(!fig__fast_lines_digits(LINES, 64, a, q, found));
    a[7] = NAN;
    CHECK(!fig__fast_lines_digits(LINES, 64, a, q, found));
    memset(a, 0, sizeof a);
    CHECK(!fig__fast_lines_digits(LINES, 64, a, q, found));
    CHECK(!fig__fast_lines_digits(LINES, LONGEST + 1, a, q, found));
}

FIG_TEST(products_of_many_rows_are_widened_first)
{
    fig__rng rng = { 6 };
    product(65, 40, 33, FIG_I8, true, FIG_TANH, 2, &rng);
    product(100, 17, 64, FIG_BF16, false, FIG_LINEAR, 2, &rng);
}

FIG_TEST(only_casts_and_stored_operands_read_int8_lines)
{
    fig_graph *g = fig_graph_new();
    fig_error err = { 0 };
    fig_node x = fig_cast(fig_input(g, "x", FIG_SHAPE(4, 6)), FIG_I8);
    CHECK_OK(fig_graph_check(g, &err), err);
    fig_node back = fig_cast(x, FIG_F32);
    CHECK_INT(fig_type_of(back).dtype, FIG_F32);
    CHECK_OK(fig_graph_check(g, &err), err);
    fig_reshape(x, FIG_SHAPE(3, 8));
    CHECK_INT(fig_graph_check(g, &err), FIG_E_SHAPE);
    CHECK_HAS(err.message, "int8 lines");
    fig_graph_free(g);
    g = fig_graph_new();
    err = (fig_error){ 0 };
    fig_cast(fig_cast(fig_input(g, "x", FIG_SHAPE(4, 6)), FIG_I8), FIG_BF16);
    CHECK_INT(fig_graph_check(g, &err), FIG_E_SHAPE);
    fig_graph_free(g);
}

FIG_TEST_MAIN
