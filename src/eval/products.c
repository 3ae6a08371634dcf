/* eval/products.c - inner products and distances of rows in double, and the groups of the jackknife
 *
 * Four rows of x against two of y at a time, two lanes each: eight sums stay in registers and every loaded number is used
 * several times. Sums have a fixed order, so that scores are the same bits on every machine. */
#include "eval/features.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef double pair __attribute__((vector_size(16)));
enum { ROWS = 64 }; /* of x that fig__distances has in work: their distances stay in the cache */

fig__matrix fig__rows_from(fig__matrix x, int64_t first, int64_t count)
{
    first = first < x.rows ? first : x.rows;
    int64_t left = x.rows - first;
    return (fig__matrix){ x.at + first * x.width, count < left ? count : left, x.width };
}

static pair two(const double *at)
{
    pair p;
    memcpy(&p, at, sizeof p);
    return p;
}

static double dot(const double *a, const double *b, int64_t width)
{
    pair sum = { 0, 0 };
    int64_t k = 0;
    for (; k + 2 <= width; k += 2)
        sum += two(a + k) * two(b + k);
    return sum[0] + sum[1] + (k < width ? a[k] * b[k] : 0);
}

/* Adds the products of four rows and two columns over `width` numbers, an even count, to out[r * stride + c]. */
static void four_by_two(const double *x, int64_t x_stride, const double *y, int64_t y_stride, int64_t width, double *out,
                        int64_t stride)
{
    pair sum[8] = { { 0 } };
    for (int64_t k = 0; k < width; k += 2) {
        pair y0 = two(y + k), y1 = two(y + y_stride + k);
#pragma GCC unroll 4
        for (int r = 0; r < 4; r++) {
            pair x_r = two(x + r * x_stride + k);
            sum[2 * r] += x_r * y0;
            sum[2 * r + 1] += x_r * y1;
        }
    }
#pragma GCC unroll 4
    for (int r = 0; r < 4; r++) {
        out[r * stride] += sum[2 * r][0] + sum[2 * r][1];
        out[r * stride + 1] += sum[2 * r + 1][0] + sum[2 * r + 1][1];
    }
}

/* In panels of 16 columns by 256 numbers, which stay in the first cache. */
static void products_of_most(fig__matrix x, fig__matrix y, int64_t rows, int64_t columns, int64_t even, double *out)
{
    enum { COLUMNS = 16, DEPTH = 256 };
    for (int64_t k = 0; k < even; k += DEPTH)
        for (int64_t first = 0; first < columns; first += COLUMNS) {
            int64_t last = first + COLUMNS < columns ? first + COLUMNS : columns, deep = even - k < DEPTH ? even - k : DEPTH;
            for (int64_t r = 0; r < rows; r += 4)
                for (int64_t c = first; c < last; c += 2)
                    four_by_two(x.at + r * x.width + k, x.width, y.at + c * y.width + k, y.width, deep, out + r * y.rows + c,
                                y.rows);
        }
}

void fig__products(fig__matrix x, fig__matrix y, double *out)
{
    int64_t width = x.width, rows = x.rows - x.rows % 4, columns = y.rows - y.rows % 2, even = width - width % 2;
    memset(out, 0, sizeof *out * (size_t)(x.rows * y.rows));
    products_of_most(x, y, rows, columns, even, out);
    for (int64_t r = 0; r < rows && even < width; r++)
        for (int64_t c = 0; c < columns; c++)
            out[r * y.rows + c] += x.at[r * width + even] * y.at[c * width + even];
    for (int64_t r = 0; r < x.rows; r++)
        for (int64_t c = r < rows ? columns : 0; c < y.rows; c++)
            out[r * y.rows + c] = dot(x.at + r * width, y.at + c * width, width);
}

void fig__distances(fig__matrix x, fig__matrix y, void (*tell)(void *user, int64_t row, const double *squares), void *user)
{
    double *length = fig__alloc(sizeof *length * (size_t)(y.rows + 1));
    double *product = fig__alloc(sizeof *product * (size_t)(ROWS * y.rows + 1));
    for (int64_t c = 0; c < y.rows; c++)
        length[c] = dot(y.at + c * y.width, y.at + c * y.width, y.width);
    for (int64_t first = 0; first < x.rows; first += ROWS) {
        fig__matrix part = fig__rows_from(x, first, ROWS);
        fig__products(part, y, product);
        for (int64_t r = 0; r < part.rows; r++) {
            const double *row = part.at + r * x.width;
            double own = dot(row, row, x.width), *to = product + r * y.rows;
            for (int64_t c = 0; c < y.rows; c++) {
                double square = own + length[c] - 2 * to[c];
                to[c] = square < 0 ? 0 : square; /* rounding; NaN stays */
            }
            tell(user, first + r, to);
        }
    }
    free(product);
    free(length);
}

int fig__group_count(int64_t n) { return n < 2 * FIG__GROUPS ? (int)(n / 2) : FIG__GROUPS; }

int64_t fig__group_begin(int64_t n, int group)
{
    int groups = fig__group_count(n);
    return groups ? n * group / groups : 0;
}

double fig__jackknife(const double *value, int groups)
{
    if (groups < 2)
        return NAN;
    double mean = 0, squares = 0;
    for (int g = 0; g < groups; g++)
        mean += value[g] / groups;
    for (int g = 0; g < groups; g++)
        squares += (value[g] - mean) * (value[g] - mean);
    return sqrt(squares * (groups - 1) / groups);
}
