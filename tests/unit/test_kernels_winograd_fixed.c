/* test_kernels_winograd_fixed.c - how exact bf16 convolutions by windows of whole numbers are (kernels/winograd_fixed.h)
 *
 * That they agree with the reference loops at all is tests/ops; here are numbers that whole numbers with few scales could not hold:
 * channels of very unlike sizes, rare large numbers, sums that are as large as they may be, numbers that are none. */
#include "../test.h"

#include "core/core.h"
#include "kernels/kernel.h"
#include "ops/bf16.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { BATCH = 3, HEIGHT = 13, WIDTH = 11, CHANNELS = 40, OUTPUTS = 67 };

typedef enum numbers { NORMAL, UNLIKE, RARE, EQUAL, ONE_NAN } numbers;

typedef struct problem {
    const char *op;
    bool forward, weight; /* neither: data gradient */
    fig_type in[2], out;
    uint16_t *data[2];
    fig_conv_attr attr;
} problem;

static float normal(fig__rng *rng)
{
    double sum = -6;
    for (int i = 0; i < 12; i++)
        sum += fig__rng_uniform(rng);
    return (float)sum;
}

/* Channel of element i that is summed over. */
static int64_t summed_channel(const problem *p, int operand, int64_t i)
{
    if (operand == 0)
        return i % p->in[0].dim[3];
    return p->forward ? i % CHANNELS : i / (9 * CHANNELS);
}

static float number(const problem *p, numbers kind, int operand, int64_t i, fig__rng *rng)
{
    float value = normal(rng), size = exp2f((float)(summed_channel(p, operand, i) * 7 % 13 - 6));
    if (kind == EQUAL)
        return operand ? 0.75f : 1.5f;
    if (kind == UNLIKE)
        return operand ? value / size : value * size;
    return kind == RARE && i % 97 == 5 ? 20 * value : value;
}

static void fill(problem *p, numbers kind)
{
    fig__rng rng = { 5 };
    for (int operand = 0; operand < 2; operand++) {
        int64_t n = fig__count(&p->in[operand]);
        p->data[operand] = fig__alloc(sizeof(uint16_t) * (size_t)n);
        for (int64_t i = 0; i < n; i++)
            p->data[operand][i] = fig__to_bf16(number(p, kind, operand, i, &rng));
    }
    if (kind == ONE_NAN)
        p->data[0][fig__count(&p->in[0]) / 2] = 0x7FC0;
}

static problem problem_of(const char *op, numbers kind)
{
    fig_type x = FIG_SHAPE(BATCH, HEIGHT, WIDTH, CHANNELS), y = FIG_SHAPE(BATCH, HEIGHT, WIDTH, OUTPUTS);
    fig_type w = FIG_SHAPE(OUTPUTS, 3, 3, CHANNELS);
    problem p = { .op = op, .attr = { .spatial = 2, .groups = 1 } };
    p.weight = strstr(op, "weight") != NULL;
    p.forward = !strstr(op, "gradient");
    for (int i = 0; i < 2; i++) {
        p.attr.stride[i] = p.attr.dilation[i] = p.attr.before[i] = p.attr.after[i] = 1;
        p.attr.size[i] = p.weight ? 3 : i ? WIDTH : HEIGHT;
    }
    p.in[0] = p.forward || p.weight ? x : y;
    p.in[1] = p.weight ? y : w;
    p.out = p.forward ? y : p.weight ? w : x;
    p.in[0].dtype = p.in[1].dtype = FIG_BF16;
    fill(&p, kind);
    return p;
}

/* The kernel of this name (NULL: the reference loop, on widened operands) with results in f32. */
static float *results_of(const problem *p, const char *name, int threads)
{
    const fig_op *op = fig__op_find(p->op);
    fig_type types[2] = { p->in[0], p->in[1] };
    fig_tensor in[2], out = { p->out, aligned_alloc(64, (fig__bytes(&p->out) + 63) / 64 * 64) };
    const fig_kernel *kernel = NULL;
    void *prepared = NULL, *workspace = NULL;
    size_t bytes = 0;
    int saved;
    fig_run run = { .threads = threads };
    fig_kernel_query q = { .op = op, .n_in = 2, .n_out = 1, .in = types, .out = &p->out, .attr = &p->attr, .threads = threads };
    for (int i = 0; i < 2; i++) {
        int64_t n = fig__count(&types[i]);
        float *wide = fig__alloc(sizeof(float) * (size_t)n);
        for (int64_t k = 0; k < n; k++)
            wide[k] = fig__from_bf16(p->data[i][k]);
        in[i] = (fig_tensor){ types[i], name ? (void *)p->data[i] : wide };
        in[i].type.dtype = name ? FIG_BF16 : FIG_F32;
        if (name)
            free(wide);
    }
    for (int i = 0; name && fig__kernels[i]; i++)
        if (!strcmp(fig__kernels[i]->name, name) && fig__kernel_competes(fig__kernels[i], &q))
            kernel = fig__kernels[i];
    CHECK(!name || kernel);
    if (kernel)
        kernel->prepare(&q, &prepared, &bytes, NULL);
    workspace = aligned_alloc(64, (bytes + 127) / 64 * 64);
    fig_eval eval = { .n_in = 2, .n_out = 1, .in = in, .out = &out, .attr = &p->attr, .run = &run, .workspace = workspace,
                      .prepared = prepared };
    fig__threads_enter(threads, &saved);
    if (kernel || !name)
        (kernel ? kernel->run : op->reference)(&eval);
    fig__threads_leave(saved);
    if (kernel)
        kernel->release(prepared);
    free(workspace);
    for (int i = 0; !name && i < 2; i++)
        free(in[i].data);
    return out.data;
}

/* Root of mean squares of the error, relative to that of the results. */
static double error_of(const char *op, numbers kind, int threads)
{
    problem p = problem_of(op, kind);
    float *expected = results_of(&p, NULL, 1), *found = results_of(&p, "convolution_winograd_fixed", threads);
    double off = 0, all = 0;
    for (int64_t i = 0; i < fig__count(&p.out); i++) {
        if (kind == ONE_NAN) { /* what it reaches is NaN, as are others that share a window, or a channel, with it */
            off += isnan(expected[i]) && !isnan(found[i]);
            all += !isnan(found[i]);
            continue;
        }
        double gap = (double)found[i] - (double)expected[i];
        off += gap * gap;
        all += (double)expected[i] * (double)expected[i];
    }
    free(expected), free(found), free(p.data[0]), free(p.data[1]);
    return kind == ONE_NAN ? off + (all > 0 ? 0 : 1) : sqrt(off / all);
}

static bool available(void) { return fig__machine_get()->avx512_bf16 && fig__machine_get()->avx512_vnni; }

/* One rounding to bf16 is 1.7e-3 by the same measure. */
static void check_errors(const char *op, double unlike, double rare)
{
    for (int threads = 1; threads <= 3; threads++) {
        CHECK(error_of(op, NORMAL, threads) < 1e-3);
        CHECK(error_of(op, UNLIKE, threads) < unlike);
        CHECK(error_of(op, RARE, threads) < rare);
        CHECK(error_of(op, EQUAL, threads) < 2e-3);
        CHECK(error_of(op, ONE_NAN, threads) == 0);
    }
}

FIG_TEST(forward)
{
    if (!available())
        SKIP("a processor without products of whole numbers");
    check_errors("convolution", 1e-3, 3e-3);
}

FIG_TEST(data_gradient)
{
    if (!available())
        SKIP("a processor without products of whole numbers");
    check_errors("convolution_data_gradient", 1e-3, 3e-3);
}

FIG_TEST(weight_gradient)
{
    if (!available())
        SKIP("a processor without products of whole numbers");
    check_errors("convolution_weight_gradient", 1e-3, 3e-3);
}

FIG_TEST_MAIN
