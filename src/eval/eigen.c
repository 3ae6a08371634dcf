/* eval/eigen.c - eigenvalues and eigenvectors of a symmetric matrix
 *
 * Two steps (Golub and Van Loan, Matrix Computations, chapter 8): reflections make it tridiagonal, A = Q T Q', then QL
 * iterations with implicit Wilkinson shifts make T diagonal. Vectors are kept as rows, so that reflections and rotations
 * run along memory. Errors are about eps |A| in every eigenvalue. */
#include "eval/features.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>

enum { MOST_TURNS = 60 }; /* per eigenvalue; two or three is usual */

static double dot(const double *a, const double *b, int64_t n)
{
    double sum = 0;
    for (int64_t i = 0; i < n; i++)
        sum += a[i] * b[i];
    return sum;
}

/* Reflector I - beta v v' that maps x (n) to alpha e_1; v replaces x, beta 0 = nothing to do. */
static double reflector(double *x, int64_t n, double *alpha)
{
    double norm = sqrt(dot(x, x, n));
    if (norm == 0) {
        *alpha = 0;
        return 0;
    }
    *alpha = x[0] > 0 ? -norm : norm;
    x[0] -= *alpha;
    return 2 / dot(x, x, n);
}

/* a: in row k, from k + 1, the vector of reflector k is left. */
static void make_tridiagonal(double *a, int64_t n, double *diagonal, double *beside, double *beta)
{
    double *p = fig__alloc(sizeof *p * (size_t)(n + 1));
    for (int64_t k = 0; k + 2 < n; k++) {
        int64_t m = n - k - 1; /* of the part below and right of k */
        double *v = a + k * n + k + 1;
        diagonal[k] = a[k * n + k];
        beta[k] = reflector(v, m, &beside[k]);
        if (beta[k] == 0)
            continue;
        for (int64_t i = 0; i < m; i++)
            p[i] = beta[k] * dot(a + (k + 1 + i) * n + k + 1, v, m);
        double half = beta[k] / 2 * dot(p, v, m);
        for (int64_t i = 0; i < m; i++)
            p[i] -= half * v[i];
        for (int64_t i = 0; i < m; i++) {
            double *row = a + (k + 1 + i) * n + k + 1;
            for (int64_t j = 0; j < m; j++)
                row[j] -= v[i] * p[j] + p[i] * v[j];
        }
    }
    if (n > 1) {
        diagonal[n - 2] = a[(n - 2) * n + n - 2];
        beside[n - 2] = a[(n - 2) * n + n - 1];
    }
    diagonal[n - 1] = a[n * n - 1];
    free(p);
}

/* Rows of `vector` become the columns of Q = H_0 H_1 ...: from the last reflector to the first, each touches the lower right part
 * only. */
static void gather_reflectors(const double *a, int64_t n, const double *beta, double *vector)
{
    for (int64_t i = 0; i < n * n; i++)
        vector[i] = i % (n + 1) == 0;
    for (int64_t k = n - 3; k >= 0; k--) {
        const double *v = a + k * n + k + 1;
        int64_t m = n - k - 1;
        for (int64_t i = 0; beta[k] != 0 && i < m; i++) {
            double *row = vector + (k + 1 + i) * n + k + 1, share = beta[k] * dot(row, v, m);
            for (int64_t j = 0; j < m; j++)
                row[j] -= share * v[j];
        }
    }
}

static void rotate_rows(double *upper, double *lower, int64_t n, double c, double s)
{
    for (int64_t k = 0; k < n; k++) {
        double f = lower[k];
        lower[k] = s * upper[k] + c * f;
        upper[k] = c * upper[k] - s * f;
    }
}

/* One QL turn on rows first..last; the bulge is chased from the bottom up. */
static void turn(double *d, double *e, int64_t first, int64_t last, double *vector, int64_t n)
{
    double g = (d[first + 1] - d[first]) / (2 * e[first]), r = hypot(g, 1);
    g = d[last] - d[first] + e[first] / (g + copysign(r, g));
    double s = 1, c = 1, p = 0;
    for (int64_t i = last - 1; i >= first; i--) {
        double f = s * e[i], b = c * e[i];
        e[i + 1] = r = hypot(f, g);
        if (r == 0) { /* it has fallen apart here */
            d[i + 1] -= p;
            e[last] = 0;
            return;
        }
        s = f / r;
        c = g / r;
        g = d[i + 1] - p;
        r = (d[i] - g) * s + 2 * c * b;
        p = s * r;
        d[i + 1] = g + p;
        g = c * r - b;
        if (vector)
            rotate_rows(vector + i * n, vector + (i + 1) * n, n, c, s);
    }
    d[first] -= p;
    e[first] = g;
    e[last] = 0;
}

void fig__symmetric_eigen(double *a, int64_t n, double *value, double *vector)
{
    if (n < 1)
        return;
    double *beside = fig__alloc(sizeof *beside * (size_t)(n + 1)), *beta = fig__alloc(sizeof *beta * (size_t)(n + 1));
    make_tridiagonal(a, n, value, beside, beta);
    if (vector)
        gather_reflectors(a, n, beta, vector);
    for (int64_t first = 0; first < n; first++)
        for (int turns = 0; turns < MOST_TURNS; turns++) {
            int64_t last = first;
            while (last + 1 < n && fabs(beside[last]) > DBL_EPSILON * (fabs(value[last]) + fabs(value[last + 1])))
                last++;
            if (last == first)
                break;
            turn(value, beside, first, last, vector, n);
        }
    free(beta);
    free(beside);
}
