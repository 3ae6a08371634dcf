/* test_kernels_pairs.c - products by pairs on shapes of several blocks, panels and odd ends, against the reference loops */
#include "../test.h"

#include "core/core.h"
#include "kernels/cast.h"
#include "kernels/kernel.h"
#include "kernels/pair_product.h"
#include "ops/bf16.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static fig_tensor random_tensor(fig_type type, fig__rng *rng)
{
    fig_tensor t = { type, aligned_alloc(64, (fig__bytes(&type) + 63) / 64 * 64) };
    for (int64_t i = 0; i < fig__count(&type); i++) {
        float value = (float)(fig__rng_uniform(rng) - 0.5);
        if (type.dtype == FIG_BF16)
            ((uint16_t *)t.data)[i] = fig__to_bf16(value);
        else
            ((float *)t.data)[i] = value;
    }
    return t;
}

static float element(const fig_tensor *t, int64_t i)
{
    return t->type.dtype == FIG_BF16 ? fig__from_bf16(((const uint16_t *)t->data)[i]) : ((const float *)t->data)[i];
}

/* The kernel of this name against the loop; f32 results agree to the rounding of sums, bf16 ones to a neighbour. */
static void compare(const char *name, const fig_op *op, const void *attr, fig_type *types, int n_in, int threads)
{
    fig_tensor in[3], out, expected;
    fig__rng rng = { 11 };
    fig_error err = { 0 };
    for (int i = 0; i < n_in; i++)
        in[i] = random_tensor(types[i], &rng);
    out = random_tensor(types[n_in], &rng);
    expected = random_tensor(types[n_in], &rng);
    fig_kernel_query q = { .op = op, .n_in = n_in, .n_out = 1, .in = types, .out = &types[n_in], .attr = attr, .threads = threads };
    const fig_kernel *kernel = NULL;
    for (int i = 0; fig__kernels[i]; i++)
        if (!strcmp(fig__kernels[i]->name, name) && fig__kernel_competes(fig__kernels[i], &q))
            kernel = fig__kernels[i];
    CHECK(kernel != NULL);
    void *prepared = NULL, *workspace = NULL, *wide = NULL;
    size_t bytes = 0;
    int saved;
    fig_run run = { .threads = threads };
    fig_eval eval = { .n_in = n_in, .n_out = 1, .in = in, .out = &out, .attr = attr, .run = &run };
    if (kernel && kernel->prepare(&q, &prepared, &bytes, &err) == FIG_OK) {
        workspace = aligned_alloc(64, (bytes + 63) / 64 * 64);
        eval.workspace = workspace;
        eval.prepared = prepared;
        fig__threads_enter(threads, &saved);
        kernel->run(&eval);
        fig__threads_leave(saved);
        kernel->release(prepared);
    }
    wide = aligned_alloc(64, fig__lifted_workspace(n_in, types, 1, &types[n_in]));
    eval.workspace = wide;
    eval.prepared = NULL;
    eval.out = &expected;
    fig__run_lifted(op->reference, &eval);
    double worst = 0;
    for (int64_t i = 0; i < fig__count(&out.type); i++)
        worst = fmax(worst, fabs((double)element(&out, i) - (double)element(&expected, i)) / (1 + fabs((double)element(&expected, i))));
    double allowed = out.type.dtype == FIG_BF16 ? 1.0 / 128 : 3e-5;
    if (!(worst <= allowed))
        TEST_FAIL("%s: off by %.2g, allowed %.2g", name, worst, allowed);
    for (int i = 0; i < n_in; i++)
        free(in[i].data);
    free(out.data);
    free(expected.data);
    free(workspace);
    free(wide);
}

static fig_type matrix(fig_dtype dtype, int64_t rows, int64_t columns)
{
    return (fig_type){ .dtype = dtype, .rank = 2, .dim = { rows, columns } };
}

static void product(int64_t m, int64_t n, int64_t k, bool transpose_a, bool transpose_b, fig_dtype result, int threads)
{
    fig_matmul_attr attr;
    memset(&attr, 0, sizeof attr);
    attr.transpose_a = transpose_a;
    attr.transpose_b = transpose_b;
    fig_type types[3] = { transpose_a ? matrix(FIG_BF16, k, m) : matrix(FIG_BF16, m, k),
                          transpose_b ? matrix(FIG_BF16, n, k) : matrix(FIG_BF16, k, n), matrix(result, m, n) };
    compare("matmul_pairs", &fig_op_matmul, &attr, types, 2, threads);
}

FIG_TEST(products_of_several_blocks)
{
    if (!fig__pairs_available())
        SKIP("this processor has no AVX512_BF16");
    product(401, 150, 96, false, true, FIG_BF16, 2);
    product(401, 150, 98, false, false, FIG_F32, 2);
}

FIG_TEST(products_of_long_sums)
{
    if (!fig__pairs_available())
        SKIP("this processor has no AVX512_BF16");
    product(100, 131, 1301, true, false, FIG_F32, 2);
    product(250, 70, 1025, true, false, FIG_F32, 1);
    product(33, 65, 4400, false, true, FIG_F32, 2);
}

static void weight_gradient(int64_t batch, int64_t side, int64_t channels, int64_t outputs, int kernel, int stride, int before, int threads)
{
    fig_conv_attr attr;
    memset(&attr, 0, sizeof attr);
    attr.spatial = 2;
    attr.groups = 1;
    int64_t made = (side + 2 * before - kernel) / stride + 1;
    for (int i = 0; i < 2; i++) {
        attr.stride[i] = stride;
        attr.dilation[i] = 1;
        attr.before[i] = attr.after[i] = before;
        attr.size[i] = kernel;
    }
    fig_type types[3] = { { FIG_BF16, 4, { batch, side, side, channels } }, { FIG_BF16, 4, { batch, made, made, outputs } },
                          { FIG_F32, 4, { outputs, kernel, kernel, channels } } };
    compare("convolution_pairs", &fig_op_convolution_weight_gradient, &attr, types, 2, threads);
}

FIG_TEST(weight_gradients)
{
    if (!fig__pairs_available())
        SKIP("this processor has no AVX512_BF16");
    weight_gradient(5, 8, 70, 33, 4, 2, 1, 2);
    weight_gradient(9, 13, 20, 16, 3, 1, 1, 2);
    weight_gradient(3, 9, 16, 40, 5, 1, 2, 1);
    weight_gradient(8, 16, 16, 16, 3, 1, 0, 2);
}

/* Infinities, NaN, zeros and subnormal numbers among others, by vectors and in what is left of them. */
FIG_TEST(rounding_follows_the_rule)
{
    enum { N = 1 << 12, ODD = N - 5 };
    static float x[N], next[N];
    static uint16_t found[N];
    static uint32_t joined[N];
    int wrong = 0;
    for (uint32_t block = 0; block < 256; block++) {
        for (uint32_t i = 0; i < N; i++) {
            uint32_t bits = block << 24 | i << 12 | (i * 2654435761u >> 20), other = bits ^ 0x80000001u;
            memcpy(&x[i], &bits, sizeof bits);
            memcpy(&next[i], &other, sizeof other);
        }
        fig__fast_f32_to_bf16(found, x, ODD);
        fig__fast_pair_rows_f32(joined, x, next, ODD);
        for (int i = 0; i < ODD; i++)
            wrong += found[i] != fig__to_bf16(x[i]) ||
                     joined[i] != ((uint32_t)fig__to_bf16(x[i]) | (uint32_t)fig__to_bf16(next[i]) << 16);
    }
    CHECK_INT(wrong, 0);
}

FIG_TEST_MAIN
