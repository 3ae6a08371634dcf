/* ops/test_noise.c - counter-based noise: moments, independence of the split, agreement of a mask with its gradient */
#include "../test.h"

#include "ops/attributes.h"
#include "ops/op.h"

static void draw(const fig_op *op, fig_type type, uint64_t stream, const fig_run *run, const float *operand, void *out)
{
    fig_noise_attr attr;
    memset(&attr, 0, sizeof attr);
    attr.stream = stream;
    attr.type = type;
    attr.rate = 0.25f;
    fig_tensor in = { type, (void *)(uintptr_t)operand }, result = { type, out };
    op->reference(
        &(fig_eval){ .n_in = operand ? 1 : 0, .n_out = 1, .in = &in, .out = &result, .attr = &attr, .run = run });
}

static void moments(const float *x, int n, double moment[4])
{
    for (int k = 0; k < 4; k++) {
        moment[k] = 0;
        for (int i = 0; i < n; i++)
            moment[k] += pow((double)x[i], k + 1) / n;
    }
}

enum { MANY = 200000 };
static float x[MANY], y[MANY];

FIG_TEST(normal_has_the_moments_of_the_normal)
{
    fig_run run = { .seed = 1, .step = 2 };
    double m[4];
    draw(&fig_op_normal, FIG_SHAPE(MANY), 3, &run, NULL, x);
    moments(x, MANY, m);
    CHECK_NEAR(m[0], 0, 0.01);
    CHECK_NEAR(m[1], 1, 0.015);
    CHECK_NEAR(m[2], 0, 0.03);
    CHECK_NEAR(m[3], 3, 0.08);
    double neighbours = 0;
    for (int i = 0; i + 1 < MANY; i++)
        neighbours += (double)x[i] * (double)x[i + 1] / MANY;
    CHECK_NEAR(neighbours, 0, 0.01);
}

FIG_TEST(uniform_fills_the_unit_interval_evenly)
{
    fig_run run = { .seed = 1, .step = 2 };
    int count[16] = { 0 };
    draw(&fig_op_uniform, FIG_SHAPE(MANY), 3, &run, NULL, x);
    for (int i = 0; i < MANY; i++) {
        CHECK(x[i] >= 0 && x[i] < 1);
        count[(int)(x[i] * 16)]++;
    }
    for (int k = 0; k < 16; k++)
        CHECK_NEAR(count[k], MANY / 16, 500); /* 4.6 standard deviations */
}

FIG_TEST(streams_steps_and_seeds_differ)
{
    fig_run a = { .seed = 1, .step = 2 }, b = { .seed = 1, .step = 3 }, c = { .seed = 2, .step = 2 };
    draw(&fig_op_normal, FIG_SHAPE(1000), 3, &a, NULL, x);
    draw(&fig_op_normal, FIG_SHAPE(1000), 4, &a, NULL, y);
    CHECK(memcmp(x, y, 4000) != 0);
    draw(&fig_op_normal, FIG_SHAPE(1000), 3, &b, NULL, y);
    CHECK(memcmp(x, y, 4000) != 0);
    draw(&fig_op_normal, FIG_SHAPE(1000), 3, &c, NULL, y);
    CHECK(memcmp(x, y, 4000) != 0);
    draw(&fig_op_normal, FIG_SHAPE(1000), 3, &a, NULL, y);
    CHECK(memcmp(x, y, 4000) == 0);
}

/* A batch drawn whole equals its halves, drawn with the index of their first row: also where a row is no multiple of 4. */
FIG_TEST(rows_do_not_depend_on_how_a_batch_is_split)
{
    const fig_op *const ops[] = { &fig_op_normal, &fig_op_uniform, &fig_op_dropout };
    for (int k = 0; k < 3; k++)
        for (int64_t width = 1; width < 10; width += 2) {
            fig_run whole = { .seed = 9, .step = 1, .first_row = 0 }, second = { .seed = 9, .step = 1, .first_row = 3 };
            float operand[100];
            for (int i = 0; i < 100; i++)
                operand[i] = (float)(i % 7 + 1);
            const float *in = ops[k]->operands ? operand : NULL;
            draw(ops[k], FIG_SHAPE(8, width), 5, &whole, in, x);
            draw(ops[k], FIG_SHAPE(5, width), 5, &second, in ? in + 3 * width : NULL, y);
            CHECK(memcmp(x + 3 * width, y, sizeof(float) * (size_t)(5 * width)) == 0);
        }
}

FIG_TEST(dropout_keeps_the_expected_share)
{
    fig_run run = { .seed = 4, .step = 2 };
    for (int i = 0; i < MANY; i++)
        x[i] = 1;
    draw(&fig_op_dropout, FIG_SHAPE(MANY), 3, &run, x, y);
    int dropped = 0;
    for (int i = 0; i < MANY; i++) {
        dropped += y[i] == 0;
        CHECK(y[i] == 0 || fabsf(y[i] - 1 / 0.75f) < 1e-6f);
    }
    CHECK_NEAR(dropped, 0.25 * MANY, 1000);
}

FIG_TEST(categorical_draws_by_softmax_of_its_logits)
{
    fig_run run = { .seed = 4, .step = 2 };
    fig_type type = FIG_SHAPE(40000, 3);
    static int32_t drawn[40000];
    const double share[3] = { 0.2, 0.5, 0.3 };
    for (int i = 0; i < 40000 * 3; i++)
        x[i] = (float)log(share[i % 3]) + 5;
    draw(&fig_op_categorical, type, 8, &run, x, drawn);
    int count[3] = { 0 };
    for (int i = 0; i < 40000; i++)
        count[drawn[i]]++;
    for (int k = 0; k < 3; k++)
        CHECK_NEAR(count[k] / 40000.0, share[k], 0.012);
}

FIG_TEST_MAIN
