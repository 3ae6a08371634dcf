/* test_nn_init.c - initialisers: moments and bounds, orthogonality, and that values depend on seed and name only. */
#include "kernels/noise.h"
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

/* The formulas, one number at a time with the scalar functions of the C library. */
static double unit(uint32_t bits) { return ((double)bits + 0.5) * (1.0 / 4294967296.0); }

static void normals_of(const uint32_t bits[4], double out[4])
{
    for (int pair = 0; pair < 4; pair += 2) {
        double radius = sqrt(-2.0 * log(unit(bits[pair]))), angle = 2.0 * M_PI * unit(bits[pair + 1]);
        out[pair] = radius * cos(angle);
        out[pair + 1] = radius * sin(angle);
    }
}

static float expected(const fig_init *init, uint64_t key, int64_t i)
{
    uint32_t bits[4];
    double normals[4], deviation = init->a != 0 ? (double)init->a : 0.02;
    if (init->kind == FIG_INIT_TRUNCATED_NORMAL) {
        for (uint64_t draw = 0;; draw++) {
            fig__philox(3, key, draw, (uint64_t)i, bits);
            normals_of(bits, normals);
            for (int k = 0; k < 4; k++)
                if (fabs(normals[k]) <= 2)
                    return (float)((double)init->b + deviation * normals[k]);
        }
    }
    fig__philox(3, key, 0, (uint64_t)i / 4, bits);
    normals_of(bits, normals);
    if (init->kind == FIG_INIT_UNIFORM)
        return (float)(-(double)init->a + ((double)init->a - -(double)init->a) * unit(bits[i % 4]));
    return (float)((double)init->b + deviation * normals[i % 4]);
}

/* Weights of a seed are the same for ever: vectors and threads give the bits of the scalar functions. */
FIG_TEST(same_bits_as_one_at_a_time)
{
    enum { MOST = 300007 };
    static const fig_init inits[] = {
        { .kind = FIG_INIT_NORMAL },
        { .kind = FIG_INIT_NORMAL, .a = 3, .b = -0.25f },
        { .kind = FIG_INIT_NORMAL, .a = 1e-30f },
        { .kind = FIG_INIT_NORMAL, .a = 1e-6f, .b = 1000 },
        { .kind = FIG_INIT_TRUNCATED_NORMAL, .a = 0.5f },
        { .kind = FIG_INIT_UNIFORM, .a = 0.3f },
    };
    float *data = malloc(sizeof *data * MOST);
    uint64_t key = fig__hash64("w", 1, 0);
    for (size_t k = 0; k < sizeof inits / sizeof *inits; k++)
        for (int threads = 1; threads <= 3; threads++) {
            int64_t count = threads == 1 ? 1023 : MOST, wrong = 0;
            fig_type type = FIG_SHAPE(count);
            int saved;
            fig__threads_enter(threads, &saved);
            fig__init_fill(&inits[k], &type, 3, "w", data);
            fig__threads_leave(saved);
            for (int64_t i = 0; i < count; i++) {
                float wanted = expected(&inits[k], key, i);
                wrong += memcmp(&wanted, &data[i], sizeof wanted) != 0;
            }
            CHECK_INT(wrong, 0);
        }
    free(data);
}

/* The ends of both ranges, where a logarithm or a cosine is hardest. */
FIG_TEST(bounds_of_normals_hold)
{
    static const uint32_t hard[] = { 0, 1, 2, 0x3fffffff, 0x40000000, 0x7fffffff,
                                     0x80000000, 0xbfffffff, 0xc0000000, 0xfffffffe, 0xffffffff };
    enum { HARD = sizeof hard / sizeof *hard };
    uint32_t words[4 * FIG__NOISE_TILE];
    int n = 0;
    for (int r = 0; r < HARD; r++)
        for (int a = 0; a < HARD; a++) {
            words[n++] = hard[r];
            words[n++] = hard[a];
        }
    for (int near = 0; n < 4 * FIG__NOISE_TILE; near++) { /* logarithms near that of 1, angles near a quarter */
        words[n++] = 0xffffffff - (uint32_t)near * 3;
        words[n++] = 0x40000000 + (uint32_t)(near - 400);
    }
    for (int tile = 0; tile < 4; tile++) {
        float low[FIG__NOISE_TILE], high[FIG__NOISE_TILE];
        const uint32_t *bits = words + tile * FIG__NOISE_TILE;
        fig__fast_normal_bounds(low, high, bits, 0.125, 0.02, FIG__NOISE_TILE);
        for (int i = 0; i < FIG__NOISE_TILE; i += 4) {
            double exact[4];
            normals_of(bits + i, exact);
            for (int k = 0; k < 4; k++) {
                float x = (float)(0.125 + 0.02 * exact[k]);
                CHECK(low[i + k] <= x && x <= high[i + k]);
                CHECK(high[i + k] - low[i + k] <= 2e-8f);
            }
        }
    }
}

FIG_TEST_MAIN
