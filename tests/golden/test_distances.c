/* test_distances.c - scores of clouds of points against values known in closed form or from another implementation */
#include "eval/features.h"
#include "test.h"

static double relative(double found, double expected) { return fabs(found - expected) / fmax(fabs(expected), 1); }
#define CHECK_CLOSE(found, expected) CHECK_NEAR(relative(found, expected), 0, 1e-9)

static double *normal_cloud(uint64_t seed, int64_t n, int64_t d)
{
    fig__rng rng = { seed };
    double *x = malloc(sizeof *x * (size_t)(n * d));
    for (int64_t i = 0; i < n * d; i++)
        x[i] = fig__rng_normal(&rng);
    return x;
}

/* -- Frechet distance ------------------------------------------------------------------------------------------------------------ */

FIG_TEST(frechet_of_means_a_unit_apart)
{
    enum { D = 2048 };
    double *mean = calloc(2 * D, sizeof *mean), *identity = calloc((size_t)D * D, sizeof *identity);
    for (int i = 0; i < D; i++)
        mean[D + i] = identity[i * D + i] = 1;
    CHECK_CLOSE(fig__frechet(mean, identity, mean + D, identity, D), 2048);
    free(mean);
    free(identity);
}

FIG_TEST(frechet_of_diagonals)
{
    double one[9] = { 1, 0, 0, 0, 4, 0, 0, 0, 9 }, two[9] = { 4, 0, 0, 0, 9, 0, 0, 0, 16 }, zero[3] = { 0 }, mean[3] = { 1, 2, 3 };
    CHECK_CLOSE(fig__frechet(zero, one, mean, two, 3), 17);
}

FIG_TEST(frechet_of_matrices_that_do_not_commute)
{
    double one[4] = { 2, 1, 1, 2 }, two[4] = { 3, 0, 0, 1 }, zero[2] = { 0 };
    CHECK_CLOSE(fig__frechet(zero, one, zero, two, 2), 0.5166852264521173);
    CHECK_CLOSE(fig__frechet(zero, two, zero, one, 2), 0.5166852264521173);
}

FIG_TEST(frechet_of_an_ill_conditioned_matrix)
{
    double hilbert[25], identity[25] = { 0 }, zero[5] = { 0 }, mean[5];
    for (int i = 0; i < 5; i++) {
        mean[i] = i;
        identity[i * 5 + i] = 1;
        for (int k = 0; k < 5; k++)
            hilbert[i * 5 + k] = 1.0 / (i + k + 1);
    }
    CHECK_CLOSE(fig__frechet(zero, hilbert, mean, identity, 5), 33.11813461000159);
}

FIG_TEST(frechet_of_dense_matrices)
{
    double one[64], two[64], zero[8] = { 0 }, mean[8];
    for (int i = 0; i < 8; i++) {
        mean[i] = 1;
        for (int k = 0; k < 8; k++) {
            one[i * 8 + k] = pow(0.5, abs(i - k));
            two[i * 8 + k] = i < k ? i + 1 : k + 1;
        }
    }
    CHECK_CLOSE(fig__frechet(zero, one, mean, two, 8), 23.261955788574824);
}

FIG_TEST(frechet_of_a_singular_matrix)
{
    double ones[16], identity[16] = { 0 }, zero[4] = { 0 };
    for (int i = 0; i < 16; i++) {
        ones[i] = 1;
        identity[i] = i % 5 == 0;
    }
    CHECK_CLOSE(fig__frechet(zero, ones, zero, identity, 4), 4);
    CHECK_CLOSE(fig__frechet(zero, identity, zero, ones, 4), 4);
}

/* Two samples of one law are apart by about 2 d / n + d (d + 1) / 2 n, and the error that is told is the spread of that. */
static void check_bias(int64_t d, int64_t n, int trials, double measured)
{
    double sum = 0, squares = 0, told = 0;
    for (int t = 0; t < trials; t++) {
        double *a = normal_cloud((uint64_t)(100 + 2 * t), n, d), *b = normal_cloud((uint64_t)(101 + 2 * t), n, d);
        fig__estimate e = fig__frechet_of((fig__matrix){ a, n, d }, (fig__matrix){ b, n, d });
        sum += e.value;
        squares += e.value * e.value;
        told += e.standard_error;
        free(a);
        free(b);
    }
    double mean = sum / trials, law = 2.0 * (double)d / (double)n + (double)(d * (d + 1)) / (2.0 * (double)n);
    CHECK_NEAR(mean / law, 1, 0.1);
    if (measured > 0)
        CHECK_NEAR(mean / measured, 1, 0.05);
    double spread = sqrt(fmax(squares / trials - mean * mean, 0) * trials / (trials - 1));
    CHECK(told / trials > 0.2 * spread);
    if (trials >= 30) /* enough to know the spread to a tenth or so */
        CHECK(told / trials > 0.7 * spread && told / trials < 1.5 * spread);
}

FIG_TEST(frechet_is_biased_by_the_known_law)
{
    check_bias(4, 400, 60, 0);
    check_bias(8, 1000, 40, 0);
    check_bias(16, 10000, 6, 0.0161);
    check_bias(64, 2000, 3, 1.110);
}

FIG_TEST(frechet_error_is_the_spread_over_draws)
{
    enum { N = 500, D = 8, TRIALS = 60 };
    double *real = normal_cloud(1, 4000, D), sum = 0, squares = 0, told = 0;
    for (int t = 0; t < TRIALS; t++) {
        double *made = normal_cloud((uint64_t)(1000 + t), N, D);
        for (int i = 0; i < N * D; i++)
            made[i] = 1.3 * made[i] + 0.5;
        fig__estimate e = fig__frechet_of((fig__matrix){ real, 4000, D }, (fig__matrix){ made, N, D });
        sum += e.value;
        squares += e.value * e.value;
        told += e.standard_error / TRIALS;
        free(made);
    }
    double spread = sqrt(squares / TRIALS - sum * sum / TRIALS / TRIALS);
    CHECK_NEAR(told / spread, 1, 0.35);
    free(real);
}

FIG_TEST(eigenvectors_rebuild_the_matrix)
{
    for (int n = 1; n <= 40; n += 3) {
        double *x = normal_cloud((uint64_t)n, n, n), *a = calloc((size_t)(n * n), sizeof *a), *copy = calloc((size_t)(n * n), sizeof *a);
        double *value = calloc((size_t)n, sizeof *value), *vector = calloc((size_t)(n * n), sizeof *vector);
        for (int i = 0; i < n; i++)
            for (int k = 0; k < n; k++)
                a[i * n + k] = copy[i * n + k] = x[i * n + k] + x[k * n + i];
        fig__symmetric_eigen(copy, n, value, vector);
        for (int i = 0; i < n; i++)
            for (int k = 0; k < n; k++) {
                double back = 0, apart = 0;
                for (int v = 0; v < n; v++) {
                    back += value[v] * vector[v * n + i] * vector[v * n + k];
                    apart += vector[i * n + v] * vector[k * n + v];
                }
                CHECK_NEAR(back, a[i * n + k], 1e-12 * n);
                CHECK_NEAR(apart, i == k, 1e-12);
            }
        free(x), free(a), free(copy), free(value), free(vector);
    }
}

/* -- kernel distance -------------------------------------------------------------------------------------------------------------- */

FIG_TEST(kernel_distance_of_four_points)
{
    const double x[8] = { 0, 0, 1, 0, 0, 1, 1, 1 }, y[8] = { 2, 0, 0, 2, 2, 2, 1, 2 };
    CHECK_CLOSE(fig__kernel_distance((fig__matrix){ x, 4, 2 }, (fig__matrix){ y, 4, 2 }, false).value, 13.958333333333332);
    CHECK_CLOSE(fig__kernel_distance((fig__matrix){ x, 4, 2 }, (fig__matrix){ y, 4, 2 }, true).value, 21.9453125);
    CHECK_CLOSE(fig__kernel_distance((fig__matrix){ y, 4, 2 }, (fig__matrix){ x, 4, 2 }, false).value, 13.958333333333332);
}

FIG_TEST(kernel_distance_of_one_law_is_zero)
{
    enum { N = 400, D = 6, TRIALS = 40 };
    double *real = normal_cloud(7, 1500, D), sum = 0, squares = 0, told = 0;
    for (int t = 0; t < TRIALS; t++) {
        double *made = normal_cloud((uint64_t)(2000 + t), N, D);
        for (int i = 0; i < N * D; i++)
            made[i] += 0.2;
        fig__estimate e = fig__kernel_distance((fig__matrix){ real, 1500, D }, (fig__matrix){ made, N, D }, false);
        sum += e.value / TRIALS;
        squares += e.value * e.value / TRIALS;
        told += e.standard_error / TRIALS;
        free(made);
    }
    CHECK_NEAR(told / sqrt(squares - sum * sum), 1, 0.35);
    double *same = normal_cloud(8, 1500, D);
    fig__estimate e = fig__kernel_distance((fig__matrix){ real, 1500, D }, (fig__matrix){ same, 1500, D }, false);
    CHECK(fabs(e.value) < 4 * e.standard_error);
    free(real);
    free(same);
}

/* -- neighbours -------------------------------------------------------------------------------------------------------------------- */

/* Slow and plain, to compare with. */
static void plain_prdc(const double *real, const double *made, int n, int m, int d, double out[4])
{
    double *square = malloc(sizeof *square * (size_t)((n + m) * (n + m)));
    const double *at[2] = { real, made };
    for (int i = 0; i < n + m; i++)
        for (int k = 0; k < n + m; k++) {
            double sum = 0;
            for (int c = 0; c < d; c++) {
                double apart = (i < n ? at[0][i * d + c] : at[1][(i - n) * d + c]) - (k < n ? at[0][k * d + c] : at[1][(k - n) * d + c]);
                sum += apart * apart;
            }
            square[i * (n + m) + k] = sum;
        }
    double *radius = malloc(sizeof *radius * (size_t)(2 * (n + m)));
    for (int which = 0; which < 2; which++)
        for (int i = 0; i < n + m; i++) {
            int begin = i < n ? 0 : n, end = i < n ? n : n + m;
            double low = -1;
            for (int k = 0; k < (which ? 5 : 3); k++) { /* distances of normal clouds differ */
                double next = INFINITY;
                for (int c = begin; c < end; c++)
                    if (c != i && square[i * (n + m) + c] > low)
                        next = fmin(next, square[i * (n + m) + c]);
                low = next;
            }
            radius[which * (n + m) + i] = low;
        }
    double hits[4] = { 0 };
    for (int k = n; k < n + m; k++) {
        bool in = false;
        for (int i = 0; i < n; i++) {
            in |= square[k * (n + m) + i] <= radius[i];
            hits[2] += square[k * (n + m) + i] < radius[n + m + i];
        }
        hits[0] += in;
    }
    for (int i = 0; i < n; i++) {
        bool in = false, covered = false;
        for (int k = n; k < n + m; k++) {
            in |= square[k * (n + m) + i] <= radius[k];
            covered |= square[k * (n + m) + i] < radius[n + m + i];
        }
        hits[1] += in;
        hits[3] += covered;
    }
    out[0] = hits[0] / m, out[1] = hits[1] / n, out[2] = hits[2] / (5.0 * m), out[3] = hits[3] / n;
    free(radius);
    free(square);
}

FIG_TEST(prdc_matches_plain_loops)
{
    for (int t = 0; t < 4; t++) {
        int n = 60 + 7 * t, m = 55 + 3 * t, d = 2 + t;
        double *real = normal_cloud((uint64_t)(50 + t), n, d), *made = normal_cloud((uint64_t)(70 + t), m, d), expected[4];
        plain_prdc(real, made, n, m, d, expected);
        fig__prdc found = fig__prdc_of((fig__matrix){ real, n, d }, (fig__matrix){ made, m, d });
        CHECK_NEAR(found.precision.value, expected[0], 1e-12);
        CHECK_NEAR(found.recall.value, expected[1], 1e-12);
        CHECK_NEAR(found.density.value, expected[2], 1e-12);
        CHECK_NEAR(found.coverage.value, expected[3], 1e-12);
        free(real);
        free(made);
    }
}

/* 1 - prod_{i = 1..5} (N - i) / (N + M - i) is 0.968794 for N = M = 1000; density is 1 on average. */
FIG_TEST(coverage_and_density_of_one_law)
{
    enum { N = 1000, TRIALS = 8 };
    for (int d = 2; d <= 32; d += 30) {
        double coverage = 0, density = 0, expected = 1;
        for (int i = 1; i <= 5; i++)
            expected *= (double)(N - i) / (2 * N - i);
        for (int t = 0; t < TRIALS; t++) {
            double *real = normal_cloud((uint64_t)(300 + t), N, d), *made = normal_cloud((uint64_t)(400 + t), N, d);
            fig__prdc found = fig__prdc_of((fig__matrix){ real, N, d }, (fig__matrix){ made, N, d });
            coverage += found.coverage.value / TRIALS;
            density += found.density.value / TRIALS;
            free(real);
            free(made);
        }
        CHECK_NEAR(coverage, 1 - expected, 0.006);
        CHECK_NEAR(density, 1, 0.04);
    }
}

FIG_TEST(copies_are_found_out)
{
    enum { N = 400, D = 8 };
    double *train = normal_cloud(1, N, D), *held = normal_cloud(2, N, D), *made = normal_cloud(3, N, D), a[N], b[N];
    fig__nearest((fig__matrix){ held, N, D }, (fig__matrix){ train, N, D }, a);
    fig__nearest((fig__matrix){ made, N, D }, (fig__matrix){ train, N, D }, b);
    for (int i = 0; i < 3; i++) {
        double best = INFINITY;
        for (int k = 0; k < N; k++) {
            double sum = 0;
            for (int c = 0; c < D; c++)
                sum += (made[i * D + c] - train[k * D + c]) * (made[i * D + c] - train[k * D + c]);
            best = fmin(best, sum);
        }
        CHECK_NEAR(b[i], best, 1e-12);
    }
    fig__memory fair = fig__memorisation(a, N, b, N);
    CHECK(fabs(fair.memorisation.value - 0.05) < 4 * fair.memorisation.standard_error);
    CHECK(fabs(fair.ratio.value - 1) < 4 * fair.ratio.standard_error);
    for (int i = 0; i < N / 2 * D; i++)
        made[i] = train[i] + 1e-3 * made[i];
    fig__nearest((fig__matrix){ made, N, D }, (fig__matrix){ train, N, D }, b);
    fig__memory copied = fig__memorisation(a, N, b, N);
    CHECK(copied.memorisation.value >= 0.5);
    CHECK(copied.ratio.value < 0.1);
    free(train), free(held), free(made);
}

/* -- modes -------------------------------------------------------------------------------------------------------------------------- */

FIG_TEST(modes_and_their_divergence)
{
    const int64_t all[8] = { 10, 10, 10, 10, 10, 10, 10, 10 }, six[8] = { 10, 10, 10, 10, 10, 10, 0, 0 };
    double even[8];
    for (int i = 0; i < 8; i++)
        even[i] = 0.125;
    fig__modes found = fig__modes_of(all, even, 8, 0.2);
    CHECK_NEAR(found.modes.value, 8, 0);
    CHECK_NEAR(found.kl.value, 0, 1e-15);
    found = fig__modes_of(six, even, 8, 0.2);
    CHECK_NEAR(found.modes.value, 6, 0);
    CHECK_NEAR(found.kl.value, log(8.0 / 6), 1e-14);
    const int64_t few[8] = { 93, 1, 1, 1, 1, 1, 1, 1 }; /* one in a hundred is less than a fifth of an eighth */
    CHECK_NEAR(fig__modes_of(few, even, 8, 0.2).modes.value, 1, 0);
    CHECK_NEAR(fig__modes_of(few, even, 8, 0).modes.value, 8, 0);
    CHECK(fig__modes_of(few, even, 8, 0).modes.standard_error > 0.3);
}

/* A perfect sampler of the ring: 1 - exp(-4.5) of its points lie within three deviations, and KL is about (K - 1) / 2n. */
FIG_TEST(a_perfect_ring)
{
    enum { N = 20000 };
    fig__rng rng = { 5 };
    double centre[16], *x = malloc(sizeof *x * 2 * N), even[8];
    for (int k = 0; k < 8; k++) {
        centre[2 * k] = cos(k * M_PI / 4), centre[2 * k + 1] = sin(k * M_PI / 4);
        even[k] = 0.125;
    }
    for (int i = 0; i < N; i++) {
        int k = (int)fig__rng_below(&rng, 8);
        x[2 * i] = centre[2 * k] + 0.01 * fig__rng_normal(&rng);
        x[2 * i + 1] = centre[2 * k + 1] + 0.01 * fig__rng_normal(&rng);
    }
    int64_t nearest[8], good[8], sum = 0;
    fig__modes_of_points((fig__matrix){ x, N, 2 }, centre, 8, 0.03, nearest, good);
    for (int k = 0; k < 8; k++)
        sum += good[k];
    CHECK_NEAR((double)sum / N, 1 - exp(-4.5), 0.003);
    fig__modes found = fig__modes_of(nearest, even, 8, 0);
    CHECK_NEAR(found.modes.value, 8, 0);
    CHECK(found.kl.value < 5 * 7.0 / (2 * N));
    free(x);
}

FIG_TEST(inception_score_of_constant_and_of_certain_predictions)
{
    double constant[40 * 5], certain[40 * 5] = { 0 };
    for (int i = 0; i < 40 * 5; i++)
        constant[i] = 0.2;
    for (int i = 0; i < 40; i++)
        certain[i * 5 + i % 5] = 1;
    CHECK_CLOSE(fig__inception_score((fig__matrix){ constant, 40, 5 }).value, 1);
    CHECK_CLOSE(fig__inception_score((fig__matrix){ certain, 40, 5 }).value, 5);
}

/* -- diversity ----------------------------------------------------------------------------------------------------------------------- */

FIG_TEST(diversity_is_a_ratio_of_distances)
{
    enum { N = 300, D = 4 };
    double *real = normal_cloud(11, N, D), *made = normal_cloud(12, N, D);
    for (int i = 0; i < N * D; i++)
        made[i] = 0.5 * real[i];
    fig__estimate half = fig__diversity((fig__matrix){ real, N, D }, (fig__matrix){ made, N, D });
    CHECK_NEAR(half.value, 0.5, 1e-6);
    CHECK(half.standard_error > 0 && half.standard_error < 0.05);
    for (int i = 0; i < N * D; i++)
        made[i] = i % D;
    CHECK_NEAR(fig__diversity((fig__matrix){ real, N, D }, (fig__matrix){ made, N, D }).value, 0, 1e-6);
    free(real);
    free(made);
}

/* What a diverged model makes is near nothing. */
FIG_TEST(samples_that_are_no_numbers_are_near_nothing)
{
    enum { N = 40, D = 3 };
    double real[N * D], made[N * D];
    for (int i = 0; i < N * D; i++) {
        real[i] = sin(i);
        made[i] = NAN;
    }
    fig__prdc found = fig__prdc_of((fig__matrix){ real, N, D }, (fig__matrix){ made, N, D });
    CHECK(found.precision.value == 0 && found.coverage.value == 0 && found.density.value == 0);
}

FIG_TEST_MAIN
