/* eval/frechet.c - Frechet distance of two normal distributions fitted to features (Dowson and Landau 1982; Heusel et al. 2017)
 *
 *     d^2 = |m1 - m2|^2 + tr S1 + tr S2 - 2 tr (S1 S2)^(1/2)
 *
 * S1 S2 has the eigenvalues of the symmetric matrix F S2 F', S1 = F' F (and further ones that are 0), so no root of an unsymmetric
 * matrix is taken and nothing imaginary is dropped. F is Cholesky's with pivots: it ends at the rank of S1, so that singular
 * covariances need no help and fewer items than features make less work. Covariances divide by n - 1. The value falls with the number of
 * items (by about d (d + 1) / 2n for each side), so that scores of different counts must not be compared. */
#include "eval/judged.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { WIDEST_ERROR = 512 }; /* features: beyond, a covariance for each group takes too much memory, and there is no error */

static double *square(int64_t width) { return fig__alloc(sizeof(double) * (size_t)(width * width + 1)); }

/* Eigenvalues that are nothing but rounding: their roots would be a thousand times larger than they are. */
static double root_of(double value, double largest, int64_t width)
{
    return value > (double)width * DBL_EPSILON * largest ? sqrt(value) : 0;
}

static double largest_of(const double *value, int64_t count)
{
    double largest = 0;
    for (int64_t i = 0; i < count; i++)
        largest = fmax(largest, fabs(value[i]));
    return largest;
}

/* Rows of factor F (rank, width), covariance = F' F; returns the rank. Each row takes off the largest variance that is left; what
 * rounding leaves of a variance is none. */
static int64_t factorise(const double *covariance, int64_t width, double *factor)
{
    double *left = fig__alloc(sizeof *left * (size_t)(width + 1)), most = 0;
    int64_t rank = 0;
    for (int64_t i = 0; i < width; i++)
        most = fmax(most, left[i] = covariance[i * width + i]);
    for (; rank < width; rank++) {
        int64_t pivot = 0;
        for (int64_t i = 1; i < width; i++)
            pivot = left[i] > left[pivot] ? i : pivot;
        if (!(left[pivot] > (double)width * DBL_EPSILON * most))
            break;
        double *row = factor + rank * width, scale = 1 / sqrt(left[pivot]);
        memcpy(row, covariance + pivot * width, sizeof *row * (size_t)width);
        for (int64_t j = 0; j < rank; j++) {
            const double *before = factor + j * width;
            double times = before[pivot];
            for (int64_t i = 0; i < width; i++)
                row[i] -= times * before[i];
        }
        for (int64_t i = 0; i < width; i++) {
            row[i] *= scale;
            left[i] -= row[i] * row[i];
        }
        left[pivot] = 0;
    }
    free(left);
    return rank;
}

static double trace(const double *a, int64_t width)
{
    double sum = 0;
    for (int64_t i = 0; i < width; i++)
        sum += a[i * width + i];
    return sum;
}

/* factor (rank, width): of the first covariance. */
static double distance(const double *mean1, const double *covariance1, const double *factor, int64_t rank, const double *mean2,
                       const double *covariance2, int64_t width)
{
    double *half = square(width), *inner = square(rank), *value = fig__alloc(sizeof *value * (size_t)(rank + 1));
    fig__products((fig__matrix){ factor, rank, width }, (fig__matrix){ covariance2, width, width }, half);
    fig__products((fig__matrix){ half, rank, width }, (fig__matrix){ factor, rank, width }, inner);
    for (int64_t i = 0; i < rank; i++)
        for (int64_t k = 0; k < i; k++) /* symmetric but for rounding */
            inner[i * rank + k] = inner[k * rank + i] = (inner[i * rank + k] + inner[k * rank + i]) / 2;
    fig__symmetric_eigen(inner, rank, value, NULL);
    double largest = largest_of(value, rank), roots = 0, apart = 0;
    for (int64_t i = 0; i < rank; i++)
        roots += root_of(value[i], largest, width);
    for (int64_t i = 0; i < width; i++)
        apart += (mean1[i] - mean2[i]) * (mean1[i] - mean2[i]);
    free(value);
    free(inner);
    free(half);
    return apart + trace(covariance1, width) + trace(covariance2, width) - 2 * roots;
}

double fig__frechet(const double *mean1, const double *covariance1, const double *mean2, const double *covariance2, int64_t width)
{
    double *factor = square(width);
    int64_t rank = factorise(covariance1, width, factor);
    double found = distance(mean1, covariance1, factor, rank, mean2, covariance2, width);
    free(factor);
    return found;
}

/* -- fitting ------------------------------------------------------------------------------------------------------------------- */

/* Sums over items [first, last) of x - centre (width) and of its outer products (width, width). */
static void add_up(fig__matrix x, int64_t first, int64_t last, const double *centre, double *sum, double *outer)
{
    int64_t count = last - first, width = x.width;
    double *across = fig__alloc(sizeof *across * (size_t)(count * width + 1)); /* (width, count) */
    for (int64_t i = 0; i < count; i++)
        for (int64_t k = 0; k < width; k++)
            across[k * count + i] = x.at[(first + i) * width + k] - centre[k];
    for (int64_t k = 0; k < width; k++) {
        sum[k] = 0;
        for (int64_t i = 0; i < count; i++)
            sum[k] += across[k * count + i];
    }
    fig__products((fig__matrix){ across, width, count }, (fig__matrix){ across, width, count }, outer);
    free(across);
}

static void mean_of(fig__matrix x, double *mean)
{
    memset(mean, 0, sizeof *mean * (size_t)x.width);
    for (int64_t i = 0; i < x.rows; i++)
        for (int64_t k = 0; k < x.width; k++)
            mean[k] += x.at[i * x.width + k];
    for (int64_t k = 0; k < x.width; k++)
        mean[k] /= (double)x.rows;
}

/* Mean and covariance of n items from their sums around `centre`; `mean` may be `centre`'s copy. */
static void fit(const double *centre, const double *sum, const double *outer, int64_t n, int64_t width, double *mean,
                double *covariance)
{
    for (int64_t i = 0; i < width; i++) {
        mean[i] = centre[i] + sum[i] / (double)n;
        for (int64_t k = 0; k < width; k++)
            covariance[i * width + k] = (outer[i * width + k] - sum[i] * sum[k] / (double)n) / (double)(n - 1);
    }
}

typedef struct side { /* a fitted cloud, with the sums of each group (or none) */
    int64_t n, width;
    int groups;
    double *centre, *mean, *covariance, *sum, *outer, *group_sum, *group_outer;
} side;

static void side_init(side *s, fig__matrix x, bool by_group)
{
    int64_t w = x.width;
    *s = (side){ .n = x.rows, .width = w, .groups = by_group ? fig__group_count(x.rows) : 1 };
    if (s->groups < 2)
        s->groups = 1;
    size_t vector = sizeof(double) * (size_t)(w + 1), matrix = sizeof(double) * (size_t)(w * w + 1);
    s->centre = fig__alloc(vector);
    s->mean = fig__alloc(vector);
    s->sum = fig__alloc(vector);
    s->covariance = fig__alloc(matrix);
    s->outer = fig__alloc(matrix);
    s->group_sum = fig__alloc(vector * (size_t)s->groups);
    s->group_outer = fig__alloc(matrix * (size_t)s->groups);
    mean_of(x, s->centre);
    for (int g = 0; g < s->groups; g++) {
        double *sum = s->group_sum + g * w, *outer = s->group_outer + g * w * w;
        add_up(x, x.rows * g / s->groups, x.rows * (g + 1) / s->groups, s->centre, sum, outer);
        for (int64_t i = 0; i < w; i++)
            s->sum[i] += sum[i];
        for (int64_t i = 0; i < w * w; i++)
            s->outer[i] += outer[i];
    }
    fit(s->centre, s->sum, s->outer, s->n, w, s->mean, s->covariance);
}

static void side_clear(side *s)
{
    double *all[] = { s->centre, s->mean, s->covariance, s->sum, s->outer, s->group_sum, s->group_outer };
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        free(all[i]);
}

/* Mean and covariance without group g. */
static void fit_without(const side *s, int g, double *mean, double *covariance)
{
    int64_t w = s->width, n = s->n - (s->n * (g + 1) / s->groups - s->n * g / s->groups);
    double *sum = fig__alloc(sizeof *sum * (size_t)(w + 1)), *outer = square(w);
    for (int64_t i = 0; i < w; i++)
        sum[i] = s->sum[i] - s->group_sum[g * w + i];
    for (int64_t i = 0; i < w * w; i++)
        outer[i] = s->outer[i] - s->group_outer[g * w * w + i];
    fit(s->centre, sum, outer, n, w, mean, covariance);
    free(outer);
    free(sum);
}

fig__estimate fig__frechet_of(fig__matrix real, fig__matrix made)
{
    fig__estimate found = { NAN, NAN };
    if (real.rows < 2 || made.rows < 2 || real.width != made.width)
        return found;
    int64_t w = real.width;
    side a, b;
    side_init(&a, real, false);
    side_init(&b, made, w <= WIDEST_ERROR);
    double *factor = square(w), value[FIG__GROUPS];
    int64_t rank = factorise(a.covariance, w, factor);
    found.value = distance(a.mean, a.covariance, factor, rank, b.mean, b.covariance, w);
    if (b.groups > 1 && made.rows / b.groups * (b.groups - 1) > 2) {
        double *mean = fig__alloc(sizeof *mean * (size_t)(w + 1)), *covariance = square(w);
        for (int g = 0; g < b.groups; g++) {
            fit_without(&b, g, mean, covariance);
            value[g] = distance(a.mean, a.covariance, factor, rank, mean, covariance, w);
        }
        found.standard_error = fig__jackknife(value, b.groups);
        free(covariance);
        free(mean);
    }
    free(factor);
    side_clear(&a);
    side_clear(&b);
    return found;
}

/* -- the metric ------------------------------------------------------------------------------------------------------------------- */


static fig_status score(fig__judged *j, int64_t count, fig_error *err)
{
    const fig__cloud *made, *real, *again;
    char draw[64];
    FIG_TRY(fig__judged_see(j, FIG__SEE_REFERENCE, 0, &real, err));
    FIG_TRY(fig__judged_see(j, FIG__SEE_MADE, count, &made, err));
    FIG_TRY(fig__judged_see(j, FIG__SEE_AGAIN, count, &again, err));
    FIG_TRY(fig__judged_tell(j, "Frechet distance", -1, err));
    fig__judged_draw(j, count, draw);
    fig__judged_put(j, "frechet", "", fig__frechet_of(fig__cloud_matrix(real, 0), fig__cloud_matrix(made, count)), count, false, draw);
    fig__matrix fair = fig__cloud_matrix(again, count);
    fig__judged_put(j, "frechet_real", "", fig__frechet_of(fig__cloud_matrix(real, 0), fair), fair.rows, false, draw);
    return fig__judged_put_accuracy(j, err);
}

const fig__sample_metric fig__sample_metric_frechet = {
    .name = "frechet",
    .summary = "Frechet distance to real items, beside that of as many real ones, and the judge's own accuracy",
    .gives = "frechet frechet_real judge_accuracy",
    .kinds = FIG_DATA_IMAGES | FIG_DATA_POINTS,
    .usual = { 2000, 2500 },
    .score = score,
};
