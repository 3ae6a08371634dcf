/* eval/features.h - comparing two clouds of points: pictures seen through a judge, or points as they are
 *
 * Pure functions on matrices of doubles, one row an item. Every one that compares takes the real items first and gives
 * an estimate whose standard error is that of the generated items alone: the real ones belong to the protocol, and all
 * models that are compared meet the same. Unless a function says otherwise the error comes from a delete-a-group
 * jackknife: with the score s_g of all items but those of group g,
 *
 *     se^2 = (G - 1) / G * sum_g (s_g - mean s)^2 */
#ifndef FIG_EVAL_FEATURES_H
#define FIG_EVAL_FEATURES_H

#include "core/core.h"

typedef struct fig__matrix {
    const double *at; /* (rows, width) */
    int64_t rows, width;
} fig__matrix;
typedef struct fig__estimate {
    double value, standard_error; /* NaN = none */
} fig__estimate;

enum { FIG__GROUPS = 20 }; /* of the jackknife: enough for an error known to a sixth */
fig__matrix fig__rows_from(fig__matrix x, int64_t first, int64_t count); /* at most what there is */

/* -- products.c */
void fig__products(fig__matrix x, fig__matrix y, double *out); /* x y': (x.rows, y.rows) */
/* Squared distances of all rows of x to those of y, a few rows of x at a time: tell(user, row of x, (y.rows) distances). */
void fig__distances(fig__matrix x, fig__matrix y, void (*tell)(void *user, int64_t row, const double *squares), void *user);
/* Group of item i of n in the jackknife; which of them there are. */
int fig__group_count(int64_t n);
int64_t fig__group_begin(int64_t n, int group);
/* value[g] = score without group g. */
double fig__jackknife(const double *value, int groups);

/* -- eigen.c: a (n, n), symmetric, is overwritten. Values come in no order; rows of vector (n, n) are theirs, NULL =
 * values only. */
void fig__symmetric_eigen(double *a, int64_t n, double *value, double *vector);

/* -- frechet.c: d^2 = |m1 - m2|^2 + tr S1 + tr S2 - 2 tr (S1 S2)^(1/2) */
double fig__frechet(const double *mean1, const double *covariance1, const double *mean2, const double *covariance2, int64_t width);
fig__estimate fig__frechet_of(fig__matrix real, fig__matrix made);

/* -- kernel_distance.c: MMD^2 with the kernel (x.y / d + 1)^3; biased: items are their own partners too */
fig__estimate fig__kernel_distance(fig__matrix real, fig__matrix made, bool biased);

/* -- neighbours.c. The errors are those of a mean over the items that are counted. */
typedef struct fig__prdc {
    fig__estimate precision, recall, density, coverage;
} fig__prdc;
/* Precision and recall with k = 3 and <= (Kynkaanniemi et al. 2019), density and coverage with k = 5 and < (Naeem et al. 2020). */
fig__prdc fig__prdc_of(fig__matrix real, fig__matrix made);
/* Squared distance of each row of x to its nearest of y. */
void fig__nearest(fig__matrix x, fig__matrix y, double *squares);
typedef struct fig__memory {
    fig__estimate memorisation; /* share of generated items nearer to a training item than the nearest 5 % of held-out items are */
    fig__estimate ratio;        /* 5 % quantile of their distances to training items over that of held-out items */
} fig__memory;
/* From distances to the nearest training item; both arrays are sorted in place. */
fig__memory fig__memorisation(double *held_out, int64_t n_held_out, double *made, int64_t n_made);

/* -- modes.c */
typedef struct fig__modes {
    fig__estimate modes, kl; /* KL(generated || real) in nats */
} fig__modes;
/* made[k] items of class k, of which the real share is share[k]; a class is there when its share is at least `least` of the real one,
 * and at least one item. The errors come from redrawing the counts, and from the variance of log(made / real). */
fig__modes fig__modes_of(const int64_t *made, const double *share, int classes, double least);
/* Points around centres (K, 2): nearest[k] counts the points whose nearest centre is k, good[k] those within `radius` of it. */
void fig__modes_of_points(fig__matrix points, const double *centre, int modes, double radius, int64_t *nearest, int64_t *good);
/* exp of the mean KL of rows of probabilities to their mean (Salimans et al. 2016). */
fig__estimate fig__inception_score(fig__matrix probabilities);

/* -- diversity.c: mean distance of two generated items over that of two real ones; 1 = as varied */
fig__estimate fig__diversity(fig__matrix real, fig__matrix made);

#endif
