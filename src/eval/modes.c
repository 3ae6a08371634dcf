/* eval/modes.c - how many modes generated items show, and how evenly: counts of classes or of points around centres
 *
 * With p_k the share of generated items in mode k and q_k the real one, the (reverse) KL divergence sum p_k log(p_k / q_k) is
 * finite when modes are missing; a perfect generator of n items reads about (K - 1) / 2n, not 0. */
#include "eval/judged.h"

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

/* -- the metric ------------------------------------------------------------------------------------------------------------------- */

#define LEAST 0.2 /* of a class' real share: 2 % where there are ten alike */

/* Shares among the items that have a class; how many have none. */
static int64_t shares_of(const int32_t *label, int64_t items, int classes, double *share)
{
    int64_t n = 0;
    for (int64_t i = 0; i < items; i++)
        n += label[i] >= 0 && label[i] < classes;
    for (int k = 0; k < classes; k++)
        share[k] = 0;
    for (int64_t i = 0; i < items; i++)
        if (label[i] >= 0 && label[i] < classes)
            share[label[i]] += 1.0 / (double)n;
    for (int k = 0; k < classes; k++) /* a class that the split happens not to show */
        share[k] = share[k] > 0 ? share[k] : 0.5 / (double)(n > 0 ? n : 1);
    return items - n;
}

/* What a protocol says of items without a class, which do not count; nothing where there are none. */
static const char *without_class(int64_t skipped, char out[40])
{
    *out = 0;
    if (skipped)
        snprintf(out, 40, "-unlabelled%lld", (long long)skipped);
    return out;
}

static fig_status score_pictures(fig__judged *j, int64_t count, fig_error *err)
{
    fig__judge *judge;
    const fig__cloud *made, *real;
    char draw[64], detail[128], skipped[40];
    FIG_TRY(fig__judged_judge(j, true, "metric modes", &judge, err));
    FIG_TRY(fig__judged_see(j, FIG__SEE_REFERENCE, 0, &real, err));
    FIG_TRY(fig__judged_see(j, FIG__SEE_MADE, count, &made, err));
    int classes = fig__judge_classes(judge);
    int64_t *shows = fig__alloc(sizeof *shows * (size_t)classes);
    double *share = fig__alloc(sizeof *share * (size_t)classes);
    for (int64_t i = 0; i < count; i++)
        shows[fig__cloud_class(made, i)]++;
    without_class(shares_of(real->label, real->rows, classes, share), skipped);
    fig__modes found = fig__modes_of(shows, share, classes, LEAST);
    free(shows);
    free(share);
    fig__judged_draw(j, count, draw);
    snprintf(detail, sizeof detail, "of%d/fifth/%s%s", classes, draw, skipped);
    fig__judged_put(j, "modes", "", found.modes, count, true, detail);
    snprintf(detail, sizeof detail, "%s%s", draw, skipped);
    fig__judged_put(j, "mode_kl", "nats", found.kl, count, false, detail);
    fig__judged_put(j, "inception_score", "", fig__inception_score((fig__matrix){ made->probability, count, classes }), count, true, draw);
    return fig__judged_put_accuracy(j, err);
}

/* Centres of the training points that have a class, and their deviation along one direction, pooled. */
static double find_centres(const fig__cloud *train, int modes, double *centre)
{
    int64_t *n = fig__alloc(sizeof *n * (size_t)modes);
    double squares = 0;
    int64_t counted = 0;
    for (int64_t i = 0; i < train->rows; i++) {
        int k = train->label[i];
        if (k < 0 || k >= modes)
            continue;
        n[k]++;
        centre[2 * k] += train->features[2 * i];
        centre[2 * k + 1] += train->features[2 * i + 1];
    }
    for (int k = 0; k < modes; k++) {
        centre[2 * k] = n[k] ? centre[2 * k] / (double)n[k] : NAN;
        centre[2 * k + 1] = n[k] ? centre[2 * k + 1] / (double)n[k] : NAN;
    }
    for (int64_t i = 0; i < train->rows; i++) {
        if (train->label[i] < 0 || train->label[i] >= modes)
            continue;
        const double *p = train->features + 2 * i, *c = centre + 2 * train->label[i];
        squares += (p[0] - c[0]) * (p[0] - c[0]) + (p[1] - c[1]) * (p[1] - c[1]);
        counted++;
    }
    free(n);
    return sqrt(squares / (2.0 * (double)counted));
}

/* As PacGAN counts (Lin et al. 2018): a sample is good within three deviations of a mode, a mode is there when a good sample shows
 * it, and every sample counts for its nearest mode in the divergence. */
static fig_status score_points(fig__judged *j, int64_t count, fig_error *err)
{
    const fig__cloud *made, *train;
    int modes = fig__judged_spec(j)->classes;
    char draw[64], detail[128], skipped[40];
    FIG_TRY(fig__judged_see(j, FIG__SEE_TRAIN, 0, &train, err));
    if (!fig__cloud_labelled(train) || modes < 2 || train->width != 2)
        return fig_fail(err, FIG_E_USAGE, "metric modes needs points in the plane that say which mode they are of, and %s does not",
                        fig__judged_spec(j)->name);
    FIG_TRY(fig__judged_see(j, FIG__SEE_MADE, count, &made, err));
    double *centre = fig__alloc(sizeof *centre * 2 * (size_t)modes), *share = fig__alloc(sizeof *share * (size_t)modes);
    int64_t *nearest = fig__alloc(sizeof *nearest * (size_t)modes), *good = fig__alloc(sizeof *good * (size_t)modes), all_good = 0;
    double deviation = find_centres(train, modes, centre);
    fig__modes_of_points(fig__cloud_matrix(made, count), centre, modes, 3 * deviation, nearest, good);
    without_class(shares_of(train->label, train->rows, modes, share), skipped);
    fig__modes shown_by = fig__modes_of(nearest, share, modes, 0), found = fig__modes_of(good, share, modes, 0);
    for (int k = 0; k < modes; k++)
        all_good += good[k];
    double part = (double)all_good / (double)count;
    fig__judged_draw(j, count, draw);
    snprintf(detail, sizeof detail, "of%d/3std/%s%s", modes, draw, skipped);
    found.modes.value = all_good ? found.modes.value : 0;
    fig__judged_put(j, "modes", "", found.modes, count, true, detail);
    fig__judged_put(j, "good_samples", "", (fig__estimate){ part, sqrt(part * (1 - part) / (double)count) }, count, true, detail);
    snprintf(detail, sizeof detail, "%s%s", draw, skipped);
    fig__judged_put(j, "mode_kl", "nats", shown_by.kl, count, false, detail);
    free(centre), free(share), free(nearest), free(good);
    return FIG_OK;
}

static fig_status score(fig__judged *j, int64_t count, fig_error *err)
{
    return fig__judged_kind(j) == FIG_DATA_POINTS ? score_points(j, count, err) : score_pictures(j, count, err);
}

const fig__sample_metric fig__sample_metric_modes = {
    .name = "modes",
    .summary = "classes that samples show and the divergence from the real shares; points: modes, and samples near one",
    .gives = "modes mode_kl inception_score good_samples judge_accuracy",
    .kinds = FIG_DATA_IMAGES | FIG_DATA_POINTS,
    .classes = true,
    .usual = { 2000, 2500 },
    .score = score,
};
