/* eval/modes.c - how many modes generated items show, and how evenly: counts of classes or of points around centres
 *
 * With p_k the share of generated items in mode k and q_k the real one, the (reverse) KL divergence sum p_k log(p_k / q_k) is
 * finite when modes are missing; a perfect generator of n items reads about (K - 1) / 2n, not 0. */
#include "eval/features.h"

#include <math.h>
#include <stdlib.h>

enum { DRAWS = 200 };

static int64_t shown(const int64_t *made, const double *share, int classes, double least, int64_t n)
{
    int64_t modes = 0;
    for (int k = 0; k < classes; k++)
        modes += made[k] > 0 && (double)made[k] >= least * share[k] * (double)n;
    return modes;
}

/* Deviation of the number of modes when the same shares are drawn again. */
static double redraw(const int64_t *made, const double *share, int classes, double least, int64_t n)
{
    fig__rng rng = { 1 };
    int64_t *again = fig__alloc(sizeof *again * (size_t)classes), *until = fig__alloc(sizeof *until * (size_t)classes);
    for (int k = 0; k < classes; k++)
        until[k] = made[k] + (k ? until[k - 1] : 0);
    double sum = 0, squares = 0;
    for (int draw = 0; draw < DRAWS; draw++) {
        for (int k = 0; k < classes; k++)
            again[k] = 0;
        for (int64_t i = 0; i < n; i++) {
            int64_t at = (int64_t)fig__rng_below(&rng, (uint64_t)n);
            int low = 0, high = classes - 1;
            while (low < high) {
                int middle = (low + high) / 2;
                if (until[middle] > at)
                    high = middle;
                else
                    low = middle + 1;
            }
            again[low]++;
        }
        double modes = (double)shown(again, share, classes, least, n);
        sum += modes;
        squares += modes * modes;
    }
    free(until);
    free(again);
    double mean = sum / DRAWS;
    return sqrt(fmax(squares / DRAWS - mean * mean, 0) * DRAWS / (DRAWS - 1));
}

fig__modes fig__modes_of(const int64_t *made, const double *share, int classes, double least)
{
    fig__modes found = { { NAN, NAN }, { NAN, NAN } };
    int64_t n = 0;
    for (int k = 0; k < classes; k++)
        n += made[k];
    if (n < 1)
        return found;
    double kl = 0, squares = 0;
    for (int k = 0; k < classes; k++) {
        double p = (double)made[k] / (double)n, ratio = p > 0 ? log(p / share[k]) : 0;
        kl += p * ratio;
        squares += p * ratio * ratio;
    }
    found.modes = (fig__estimate){ (double)shown(made, share, classes, least, n), redraw(made, share, classes, least, n) };
    found.kl = (fig__estimate){ kl, sqrt(fmax(squares - kl * kl, 0) / (double)n) };
    return found;
}

void fig__modes_of_points(fig__matrix points, const double *centre, int modes, double radius, int64_t *nearest, int64_t *good)
{
    for (int k = 0; k < modes; k++)
        nearest[k] = good[k] = 0;
    for (int64_t i = 0; i < points.rows; i++) {
        const double *p = points.at + i * points.width;
        double best = INFINITY;
        int of = 0;
        for (int k = 0; k < modes; k++) {
            double away = hypot(p[0] - centre[2 * k], p[1] - centre[2 * k + 1]);
            if (away < best)
                best = away, of = k;
        }
        if (!isfinite(best))
            continue;
        nearest[of]++;
        good[of] += best <= radius;
    }
}

/* -- inception score -------------------------------------------------------------------------------------------------------------- */

static double mean_divergence(fig__matrix p, int64_t first, int64_t last, double *mean)
{
    int64_t n = last - first;
    for (int64_t k = 0; k < p.width; k++)
        mean[k] = 0;
    for (int64_t i = first; i < last; i++)
        for (int64_t k = 0; k < p.width; k++)
            mean[k] += p.at[i * p.width + k] / (double)n;
    double sum = 0;
    for (int64_t i = first; i < last; i++)
        for (int64_t k = 0; k < p.width; k++) {
            double own = p.at[i * p.width + k];
            sum += own > 0 ? own * log(own / mean[k]) : 0;
        }
    return exp(sum / (double)n);
}

/* The mean over 10 splits and its error, as published scores are; fewer than 100 items are one split. */
fig__estimate fig__inception_score(fig__matrix p)
{
    if (p.rows < 1)
        return (fig__estimate){ NAN, NAN };
    int splits = p.rows < 100 ? 1 : 10;
    double *mean = fig__alloc(sizeof *mean * (size_t)(p.width + 1)), sum = 0, squares = 0;
    for (int s = 0; s < splits; s++) {
        double score = mean_divergence(p, p.rows * s / splits, p.rows * (s + 1) / splits, mean);
        sum += score / splits;
        squares += score * score / splits;
    }
    free(mean);
    return (fig__estimate){ sum, splits > 1 ? sqrt(fmax(squares - sum * sum, 0) / (splits - 1)) : NAN };
}
