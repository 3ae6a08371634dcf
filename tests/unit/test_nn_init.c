/* test_nn_init.c - initialisers: moments and bounds, orthogonality, and that values depend on seed and name only. */
#include "nn/model.h"
#include "test.h"
#include <figment/figment.h>
#include <stdlib.h>

enum { OUT = 300, IN = 200, COUNT = OUT * IN };

typedef struct moments {
    double mean, deviation, most;
} moments;

static moments fill(fig_init init, float *data)
{
    fig_type type = FIG_SHAPE(OUT, IN);
    init.fan_in = init.fan_in ? init.fan_in : IN;
    init.fan_out = init.fan_out ? init.fan_out : OUT;
    fig__init_fill(&init, &type, 1, "layer.weight", data);
    moments m = { 0 };
    for (int i = 0; i < COUNT; i++) {
        m.mean += (double)data[i] / COUNT;
        m.deviation += (double)data[i] * (double)data[i] / COUNT;
        m.most = fmax(m.most, fabs((double)data[i]));
    }
    m.deviation = sqrt(m.deviation - m.mean * m.mean);
    return m;
}

FIG_TEST(moments_and_bounds)
{
    float *data = malloc(sizeof *data * COUNT);
    struct {
        fig_init init;
        double deviation, most;
    } cases[] = {
        { { .kind = FIG_INIT_NORMAL }, 0.02, 0.12 },
        { { .kind = FIG_INIT_NORMAL, .a = 0.5f }, 0.5, 3 },
        { { .kind = FIG_INIT_TRUNCATED_NORMAL, .a = 1 }, 0.8796, 2 },
        { { .kind = FIG_INIT_UNIFORM, .a = 0.3f }, 0.3 / sqrt(3), 0.3 },
        { { .kind = FIG_INIT_UNIFORM_FAN_IN }, 1 / sqrt(3.0 * IN), 1 / sqrt(IN) },
        { { .kind = FIG_INIT_GLOROT_UNIFORM }, sqrt(2.0 / (IN + OUT)), sqrt(6.0 / (IN + OUT)) },
        { { .kind = FIG_INIT_GLOROT_NORMAL }, sqrt(2.0 / (IN + OUT)), 0.4 },
        { { .kind = FIG_INIT_HE_UNIFORM }, sqrt(2.0 / IN), sqrt(6.0 / IN) },
        { { .kind = FIG_INIT_HE_NORMAL }, sqrt(2.0 / IN), 0.6 },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        moments m = fill(cases[i].init, data);
        CHECK_NEAR(m.mean, 0, 4 * cases[i].deviation / sqrt(COUNT));
        CHECK_NEAR(m.deviation, cases[i].deviation, 0.02 * cases[i].deviation);
        CHECK(m.most <= cases[i].most * 1.0001);
        CHECK(m.most > 1.5 * cases[i].deviation);
    }
    moments shifted = fill((fig_init){ .kind = FIG_INIT_NORMAL, .a = 0.02f, .b = 1 }, data);
    CHECK_NEAR(shifted.mean, 1, 1e-3);
    moments constant = fill((fig_init){ .kind = FIG_INIT_CONSTANT, .a = 0.25f }, data);
    CHECK_NEAR(constant.mean, 0.25, 1e-9);
    CHECK_NEAR(constant.deviation, 0, 1e-6);
    free(data);
}

static void check_orthonormal(int64_t rows, int64_t columns, double gain)
{
    float *data = malloc(sizeof *data * (size_t)(rows * columns));
    fig_type type = FIG_SHAPE(rows, columns);
    fig_init init = { .kind = FIG_INIT_ORTHOGONAL, .a = (float)gain };
    fig__init_fill(&init, &type, 1, "w", data);
    bool by_rows = rows <= columns;
    int64_t n = by_rows ? rows : columns, length = by_rows ? columns : rows, step = by_rows ? 1 : columns,
            jump = by_rows ? columns : 1;
    for (int64_t a = 0; a < n; a++)
        for (int64_t b = 0; b <= a; b++) {
            double dot = 0;
            for (int64_t i = 0; i < length; i++)
                dot += (double)data[a * jump + i * step] * (double)data[b * jump + i * step];
            if (fabs(dot - (a == b ? gain * gain : 0)) > 1e-5)
                TEST_FAIL("%lld x %lld: vectors %lld and %lld have product %g", (long long)rows, (long long)columns,
                          (long long)a, (long long)b, dot);
        }
    free(data);
}

FIG_TEST(orthogonal)
{
    check_orthonormal(40, 40, 1);
    check_orthonormal(20, 50, 2);
    check_orthonormal(50, 20, 1);
    check_orthonormal(1, 9, 1);
}

FIG_TEST(values_depend_on_seed_and_name)
{
    float a[16], b[16], c[16], d[16], longer[64];
    fig_type type = FIG_SHAPE(16), more = FIG_SHAPE(64);
    fig_init init = { .kind = FIG_INIT_NORMAL, .fan_in = 1, .fan_out = 1 };
    fig__init_fill(&init, &type, 5, "x", a);
    fig__init_fill(&init, &type, 5, "y", b);
    fig__init_fill(&init, &type, 6, "x", c);
    fig__init_fill(&init, &type, 5, "x", d);
    fig__init_fill(&init, &more, 5, "x", longer);
    CHECK(memcmp(a, d, sizeof a) == 0);
    CHECK(memcmp(a, longer, sizeof a) == 0);
    CHECK(memcmp(a, b, sizeof a) != 0);
    CHECK(memcmp(a, c, sizeof a) != 0);
}

FIG_TEST_MAIN
