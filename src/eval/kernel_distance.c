/* eval/kernel_distance.c - squared maximum mean discrepancy with a cubic kernel: KID (Binkowski et al. 2018)
 *
 *     k(x, y) = (x.y / d + 1)^3,   MMD^2 = mean k(x, x') + mean k(y, y') - 2 mean k(x, y)
 *
 * Unbiased: an item is not its own partner, so the value of two equal clouds is zero on average, whatever the counts. All pairs
 * are used, where the paper takes the mean over small subsets: the same expectation, less spread. The generated items' sums are
 * kept by pairs of groups, from which the score without a group follows. */
#include "eval/judged.h"

#include <math.h>
#include <stdlib.h>

enum { ROWS = 64 };

/* Sum of k over rows of x and y; `diagonal` receives that of a row with itself (x is y), NULL = not wanted. */
static double sum_of(fig__matrix x, fig__matrix y, double *diagonal)
{
    double *product = fig__alloc(sizeof *product * (size_t)(ROWS * y.rows + 1)), sum = 0;
    for (int64_t first = 0; first < x.rows; first += ROWS) {
        fig__matrix part = fig__rows_from(x, first, ROWS);
        fig__products(part, y, product);
        for (int64_t r = 0; r < part.rows; r++) {
            double row = 0;
            for (int64_t c = 0; c < y.rows; c++) {
                double base = product[r * y.rows + c] / (double)x.width + 1, k = base * base * base;
                row += k;
                if (diagonal && c == first + r)
                    *diagonal += k;
            }
            sum += row;
        }
    }
    free(product);
    return sum;
}

static fig__matrix group_of(fig__matrix x, int group)
{
    int64_t first = fig__group_begin(x.rows, group);
    return fig__rows_from(x, first, fig__group_begin(x.rows, group + 1) - first);
}

static double mean_within(double sum, double diagonal, double n, bool biased)
{
    return biased ? sum / (n * n) : (sum - diagonal) / (n * (n - 1));
}

fig__estimate fig__kernel_distance(fig__matrix real, fig__matrix made, bool biased)
{
    fig__estimate found = { NAN, NAN };
    if (real.rows < 2 || made.rows < 2 || real.width != made.width)
        return found;
    double own = 0, real_sum = sum_of(real, real, &own);
    double real_part = mean_within(real_sum, own, (double)real.rows, biased);
    int groups = fig__group_count(made.rows);
    if (groups < 2) {
        double diagonal = 0, sum = sum_of(made, made, &diagonal);
        found.value = real_part + mean_within(sum, diagonal, (double)made.rows, biased) -
                      2 * sum_of(real, made, NULL) / (double)real.rows / (double)made.rows;
        return found;
    }
    double within[FIG__GROUPS][FIG__GROUPS], diagonal[FIG__GROUPS] = { 0 }, cross[FIG__GROUPS], value[FIG__GROUPS];
    double sum = 0, all_diagonal = 0, all_cross = 0;
    for (int g = 0; g < groups; g++) {
        fig__matrix part = group_of(made, g);
        cross[g] = sum_of(part, real, NULL);
        all_cross += cross[g];
        for (int h = 0; h <= g; h++)
            within[g][h] = within[h][g] = sum_of(part, group_of(made, h), g == h ? &diagonal[g] : NULL);
        all_diagonal += diagonal[g];
    }
    for (int g = 0; g < groups; g++)
        for (int h = 0; h < groups; h++)
            sum += within[g][h];
    found.value = real_part + mean_within(sum, all_diagonal, (double)made.rows, biased) -
                  2 * all_cross / (double)real.rows / (double)made.rows;
    for (int g = 0; g < groups; g++) {
        double left = (double)(made.rows - group_of(made, g).rows), part = within[g][g];
        for (int h = 0; h < groups; h++)
            part += h == g ? 0 : 2 * within[g][h];
        value[g] = real_part + mean_within(sum - part, all_diagonal - diagonal[g], left, biased) -
                   2 * (all_cross - cross[g]) / (double)real.rows / left;
    }
    found.standard_error = fig__jackknife(value, groups);
    return found;
}

/* -- the metric ------------------------------------------------------------------------------------------------------------------- */

static fig_status score(fig__judged *j, int64_t count, fig_error *err)
{
    enum { MOST_REAL = 10000 }; /* pairs grow with the square */
    const fig__cloud *made, *real;
    char draw[64];
    FIG_TRY(fig__judged_see(j, FIG__SEE_REFERENCE, 0, &real, err));
    FIG_TRY(fig__judged_see(j, FIG__SEE_MADE, count, &made, err));
    FIG_TRY(fig__judged_tell(j, "kernel distance", -1, err));
    fig__estimate found = fig__kernel_distance(fig__cloud_matrix(real, MOST_REAL), fig__cloud_matrix(made, count), false);
    fig__judged_put(j, "kernel_distance", "", found, count, false, fig__judged_draw(j, count, draw));
    return FIG_OK;
}

const fig__sample_metric fig__sample_metric_kernel = {
    .name = "kernel",
    .summary = "kernel distance (KID) to real items, which does not depend on how many there are",
    .gives = "kernel_distance",
    .kinds = FIG_DATA_IMAGES | FIG_DATA_POINTS,
    .usual = { 2000, 2500 },
    .score = score,
};
