/* eval/diversity.c - how far apart generated items are from one another, beside real ones
 *
 * The mean distance of two generated items over that of two real ones. 1 is as varied as the data, below is a generator that
 * repeats itself; unlike recall it also sees repetition inside a mode. */
#include "eval/judged.h"

#include <math.h>
#include <stdlib.h>

typedef struct sums {
    int64_t rows;
    int groups;
    double (*within)[FIG__GROUPS]; /* sum of distances between groups; [0][0] when there are none */
} sums;

static int group_of(const sums *s, int64_t row)
{
    if (s->groups < 2)
        return 0;
    int g = (int)(row * s->groups / s->rows);
    while (g + 1 < s->groups && row >= fig__group_begin(s->rows, g + 1))
        g++;
    while (g > 0 && row < fig__group_begin(s->rows, g))
        g--;
    return g;
}

static void add(void *user, int64_t row, const double *squares)
{
    sums *s = user;
    int own = group_of(s, row);
    for (int g = 0; g < (s->groups < 2 ? 1 : s->groups); g++) {
        int64_t first = s->groups < 2 ? 0 : fig__group_begin(s->rows, g);
        int64_t last = s->groups < 2 ? s->rows : fig__group_begin(s->rows, g + 1);
        for (int64_t i = first; i < last; i++)
            s->within[own][g] += i == row ? 0 : sqrt(squares[i]);
    }
}

static double total(const sums *s)
{
    double sum = 0;
    for (int g = 0; g < FIG__GROUPS; g++)
        for (int h = 0; h < FIG__GROUPS; h++)
            sum += s->within[g][h];
    return sum;
}

fig__estimate fig__diversity(fig__matrix real, fig__matrix made)
{
    fig__estimate found = { NAN, NAN };
    if (real.rows < 2 || made.rows < 2 || real.width != made.width)
        return found;
    double of_real[FIG__GROUPS][FIG__GROUPS] = { { 0 } }, of_made[FIG__GROUPS][FIG__GROUPS] = { { 0 } }, value[FIG__GROUPS];
    sums r = { real.rows, 0, of_real }, m = { made.rows, fig__group_count(made.rows), of_made };
    fig__distances(real, real, add, &r);
    fig__distances(made, made, add, &m);
    double n = (double)made.rows, unit = total(&r) / ((double)real.rows * (double)(real.rows - 1)), sum = total(&m);
    if (!(unit > 0))
        return found;
    found.value = sum / (n * (n - 1)) / unit;
    for (int g = 0; g < m.groups; g++) {
        double left = n - (double)(fig__group_begin(made.rows, g + 1) - fig__group_begin(made.rows, g)), part = of_made[g][g];
        for (int h = 0; h < m.groups; h++)
            part += h == g ? 0 : of_made[g][h] + of_made[h][g];
        value[g] = (sum - part) / (left * (left - 1)) / unit;
    }
    found.standard_error = fig__jackknife(value, m.groups);
    return found;
}

/* -- the metric ------------------------------------------------------------------------------------------------------------------- */

static fig_status score(fig__judged *j, int64_t count, fig_error *err)
{
    const fig__cloud *made, *real;
    char draw[64];
    FIG_TRY(fig__judged_see(j, FIG__SEE_REFERENCE, 0, &real, err));
    FIG_TRY(fig__judged_see(j, FIG__SEE_MADE, count, &made, err));
    FIG_TRY(fig__judged_tell(j, "diversity", -1, err));
    fig__estimate found = fig__diversity(fig__cloud_matrix(real, count), fig__cloud_matrix(made, count));
    fig__judged_put(j, "diversity", "", found, count, true, fig__judged_draw(j, count, draw));
    return FIG_OK;
}

const fig__sample_metric fig__sample_metric_diversity = {
    .name = "diversity",
    .summary = "how far apart samples are from one another, over how far real items are",
    .gives = "diversity",
    .kinds = FIG_DATA_IMAGES | FIG_DATA_POINTS,
    .usual = { 2000, 2500 },
    .score = score,
};
