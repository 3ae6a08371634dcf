/* eval/neighbours.c - what nearest neighbours say: precision and recall, density and coverage, and whether items were copied
 *
 * A cloud's manifold is the union of balls around its items that reach to the k-th neighbour. Precision: share of generated
 * items within the real manifold; recall: share of real items within the generated one (Kynkaanniemi et al. 2019). Density: how
 * many real balls hold a generated item, over k; coverage: share of real items whose ball holds a generated one (Naeem et al.
 * 2020). An item is not its own neighbour.
 *
 * Memorisation: items that were copied lie nearer to the training items than held-out items of the same law do. The share of
 * generated ones below the held-out ones' 5 % quantile is 0.05 on average for a perfect generator. */
#include "eval/judged.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { K_MANIFOLD = 3, K_DENSITY = 5 };
#define QUANTILE 0.05

/* -- radii --------------------------------------------------------------------------------------------------------------------- */

typedef struct radii {
    double *manifold, *density; /* squared distance to the 3rd and 5th neighbour; none that far: infinite */
    int64_t count;
} radii;

static void find_radius(void *user, int64_t row, const double *squares)
{
    radii *r = user;
    double best[K_DENSITY];
    for (int k = 0; k < K_DENSITY; k++)
        best[k] = INFINITY;
    for (int64_t c = 0; c < r->count; c++) {
        if (c == row || !(squares[c] < best[K_DENSITY - 1])) /* NaN is near nothing */
            continue;
        int k = K_DENSITY - 1;
        for (; k > 0 && best[k - 1] > squares[c]; k--)
            best[k] = best[k - 1];
        best[k] = squares[c];
    }
    r->manifold[row] = best[K_MANIFOLD - 1];
    r->density[row] = best[K_DENSITY - 1];
}

static radii radii_of(fig__matrix x)
{
    radii r = { fig__alloc(sizeof(double) * (size_t)(x.rows + 1)), fig__alloc(sizeof(double) * (size_t)(x.rows + 1)), x.rows };
    fig__distances(x, x, find_radius, &r);
    return r;
}

static void radii_clear(radii *r)
{
    free(r->manifold);
    free(r->density);
}

/* -- precision, recall, density, coverage ---------------------------------------------------------------------------------------- */

typedef struct counting {
    const radii *real, *made;
    int64_t precise;
    double balls, balls_squared;
    bool *recalled, *covered; /* per real item */
} counting;

/* Distances of one generated item to all real ones. */
static void count(void *user, int64_t row, const double *squares)
{
    counting *c = user;
    bool precise = false;
    int balls = 0;
    for (int64_t i = 0; i < c->real->count; i++) {
        precise |= squares[i] <= c->real->manifold[i];
        bool inside = squares[i] < c->real->density[i];
        balls += inside;
        c->covered[i] |= inside;
        c->recalled[i] |= squares[i] <= c->made->manifold[row];
    }
    c->precise += precise;
    c->balls += balls;
    c->balls_squared += (double)balls * balls;
}

static fig__estimate share_of(int64_t hits, int64_t n)
{
    double share = (double)hits / (double)n;
    return (fig__estimate){ share, n > 1 ? sqrt(share * (1 - share) / (double)(n - 1)) : NAN };
}

fig__prdc fig__prdc_of(fig__matrix real, fig__matrix made)
{
    fig__estimate none = { NAN, NAN };
    fig__prdc found = { none, none, none, none };
    if (real.rows <= K_DENSITY || made.rows <= K_DENSITY || real.width != made.width)
        return found;
    radii of_real = radii_of(real), of_made = radii_of(made);
    counting c = { .real = &of_real, .made = &of_made };
    c.recalled = fig__alloc((size_t)real.rows);
    c.covered = fig__alloc((size_t)real.rows);
    fig__distances(made, real, count, &c);
    int64_t recalled = 0, covered = 0;
    for (int64_t i = 0; i < real.rows; i++) {
        recalled += c.recalled[i];
        covered += c.covered[i];
    }
    double n = (double)made.rows, mean = c.balls / n, variance = (c.balls_squared - n * mean * mean) / (n - 1);
    found.precision = share_of(c.precise, made.rows);
    found.recall = share_of(recalled, real.rows);
    found.coverage = share_of(covered, real.rows);
    found.density = (fig__estimate){ mean / K_DENSITY, sqrt(fmax(variance, 0) / n) / K_DENSITY };
    free(c.recalled);
    free(c.covered);
    radii_clear(&of_real);
    radii_clear(&of_made);
    return found;
}

/* -- copies ---------------------------------------------------------------------------------------------------------------------- */

typedef struct nearest {
    double *squares;
    int64_t count;
} nearest;

static void keep_nearest(void *user, int64_t row, const double *squares)
{
    nearest *n = user;
    double best = INFINITY;
    for (int64_t i = 0; i < n->count; i++)
        best = squares[i] < best ? squares[i] : best;
    n->squares[row] = best < n->squares[row] ? best : n->squares[row];
}

void fig__nearest(fig__matrix x, fig__matrix y, double *squares)
{
    for (int64_t i = 0; i < x.rows; i++)
        squares[i] = INFINITY;
    enum { PART = 4096 }; /* rows of y at a time: a row of distances stays in the cache */
    for (int64_t first = 0; first < y.rows; first += PART) {
        fig__matrix part = fig__rows_from(y, first, PART);
        fig__distances(x, part, keep_nearest, &(nearest){ squares, part.rows });
    }
}

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Linear between order statistics, as numpy has it. */
static double quantile(const double *sorted, int64_t n, double at)
{
    double place = at * (double)(n - 1);
    int64_t low = (int64_t)floor(place), high = low + 1 < n ? low + 1 : low;
    return sorted[low] + (place - (double)low) * (sorted[high] - sorted[low]);
}

/* Deviation of a sorted sample's quantile: the order statistic's place has that of a count. */
static double quantile_error(const double *sorted, int64_t n, double at)
{
    double away = sqrt(at * (1 - at) / (double)n);
    return (quantile(sorted, n, fmin(at + away, 1)) - quantile(sorted, n, fmax(at - away, 0))) / 2;
}

fig__memory fig__memorisation(double *held_out, int64_t n_held_out, double *made, int64_t n_made)
{
    fig__memory found = { { NAN, NAN }, { NAN, NAN } };
    if (n_held_out < 2 || n_made < 2)
        return found;
    qsort(held_out, (size_t)n_held_out, sizeof *held_out, ascending);
    qsort(made, (size_t)n_made, sizeof *made, ascending);
    double limit = quantile(held_out, n_held_out, QUANTILE), own = quantile(made, n_made, QUANTILE);
    if (!(limit > 0)) /* held-out items that are training items: nothing is nearer */
        return found;
    int64_t nearer = 0;
    while (nearer < n_made && made[nearer] < limit)
        nearer++;
    double share = (double)nearer / (double)n_made;
    /* The limit itself is known to the deviation of a 5 % count among the held-out items. */
    found.memorisation.value = share;
    found.memorisation.standard_error =
        sqrt(share * (1 - share) / (double)n_made + QUANTILE * (1 - QUANTILE) / (double)n_held_out);
    found.ratio.value = own / limit;
    found.ratio.standard_error = found.ratio.value * hypot(quantile_error(made, n_made, QUANTILE) / own,
                                                           quantile_error(held_out, n_held_out, QUANTILE) / limit);
    return found;
}

/* -- the metrics ------------------------------------------------------------------------------------------------------------------- */

static fig_status score_prdc(fig__judged *j, int64_t count, fig_error *err)
{
    const fig__cloud *made, *real;
    char draw[64], detail[80];
    FIG_TRY(fig__judged_see(j, FIG__SEE_REFERENCE, 0, &real, err));
    FIG_TRY(fig__judged_see(j, FIG__SEE_MADE, count, &made, err));
    FIG_TRY(fig__judged_tell(j, "precision, recall, density, coverage", -1, err));
    fig__judged_draw(j, count, draw);
    fig__matrix reference = fig__cloud_matrix(real, count); /* as many: what is expected of a perfect generator then is known */
    fig__prdc found = fig__prdc_of(reference, fig__cloud_matrix(made, count));
    snprintf(detail, sizeof detail, "k3/r%lld/%s", (long long)reference.rows, draw);
    fig__judged_put(j, "precision", "", found.precision, count, true, detail);
    fig__judged_put(j, "recall", "", found.recall, reference.rows, true, detail);
    detail[1] = '5';
    fig__judged_put(j, "density", "", found.density, count, true, detail);
    fig__judged_put(j, "coverage", "", found.coverage, reference.rows, true, detail);
    return FIG_OK;
}

const fig__sample_metric fig__sample_metric_prdc = {
    .name = "prdc",
    .summary = "precision and recall, density and coverage by nearest neighbours",
    .gives = "precision recall density coverage",
    .kinds = FIG_DATA_IMAGES | FIG_DATA_POINTS,
    .usual = { 2000, 2500 },
    .score = score_prdc,
};

/* In parts, so that there is something to tell meanwhile. */
static fig_status nearest_of(fig__judged *j, fig__matrix x, fig__matrix y, const char *what, double *squares, fig_error *err)
{
    enum { PART = 256 };
    for (int64_t first = 0; first < x.rows; first += PART) {
        FIG_TRY(fig__judged_tell(j, what, (double)first / (double)x.rows, err));
        fig__nearest(fig__rows_from(x, first, PART), y, squares + first);
    }
    return FIG_OK;
}

static fig_status score_memory(fig__judged *j, int64_t count, fig_error *err)
{
    const fig__cloud *made, *real, *train;
    char draw[64], detail[96];
    if (fig__judged_split(j) == FIG_TRAIN_SPLIT)
        return fig_fail(err, FIG_E_USAGE, "metric neighbours compares with items that were not trained on; use --split test or validation");
    FIG_TRY(fig__judged_see(j, FIG__SEE_REFERENCE, 0, &real, err));
    FIG_TRY(fig__judged_see(j, FIG__SEE_MADE, count, &made, err));
    FIG_TRY(fig__judged_see(j, FIG__SEE_TRAIN, 0, &train, err));
    fig__matrix held = fig__cloud_matrix(real, count), own = fig__cloud_matrix(made, count), all = fig__cloud_matrix(train, 0);
    double *of_held = fig__alloc(sizeof *of_held * (size_t)held.rows), *of_made = fig__alloc(sizeof *of_made * (size_t)own.rows);
    fig_status status = nearest_of(j, held, all, "neighbours of held-out items", of_held, err);
    if (status == FIG_OK)
        status = nearest_of(j, own, all, "neighbours of samples", of_made, err);
    for (int64_t i = 0; i < held.rows; i++)
        of_held[i] = sqrt(of_held[i]);
    for (int64_t i = 0; i < own.rows; i++)
        of_made[i] = sqrt(of_made[i]);
    fig__memory found = { 0 };
    if (status == FIG_OK)
        found = fig__memorisation(of_held, held.rows, of_made, own.rows);
    free(of_held);
    free(of_made);
    FIG_TRY(status);
    snprintf(detail, sizeof detail, "q5/train%lld/r%lld/%s", (long long)all.rows, (long long)held.rows, fig__judged_draw(j, count, draw));
    fig__judged_put(j, "memorisation", "", found.memorisation, count, false, detail);
    fig__judged_put(j, "neighbour_ratio", "", found.ratio, count, true, detail);
    return FIG_OK;
}

const fig__sample_metric fig__sample_metric_neighbours = {
    .name = "neighbours",
    .summary = "nearest training items: share of samples nearer than the nearest 5 % of held-out items, 0.05 when nothing is copied",
    .gives = "memorisation neighbour_ratio",
    .kinds = FIG_DATA_IMAGES | FIG_DATA_POINTS,
    .on_request = true,
    .usual = { 2000, 2500 },
    .score = score_memory,
};
