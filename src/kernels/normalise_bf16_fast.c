/* kernels/normalise_bf16_fast.c - the columns' loops of normalise_fast.c on bf16 storage: widened and rounded in registers
 *
 * Columns are walked 128 or 32 at a time with their sums in registers; what is left over is walked one by one. */
#include "kernels/fast.h"
#include "kernels/parallel.h"
#include "ops/bf16.h"

#include <string.h>

enum { LANES = 16, WIDE = 8 };

typedef float floats __attribute__((vector_size(64)));
typedef uint32_t words __attribute__((vector_size(64)));
typedef uint16_t halves __attribute__((vector_size(32)));

#define ALWAYS static inline __attribute__((always_inline))

ALWAYS void read_wide(floats *to, const float *from) { memcpy(to, from, sizeof *to); }

ALWAYS void read_narrow(floats *to, const uint16_t *from)
{
    halves half;
    memcpy(&half, from, sizeof half);
    *to = (floats)(__builtin_convertvector(half, words) << 16);
}

/* As fig__to_bf16. */
ALWAYS void write_narrow(uint16_t *to, const floats *value)
{
    words bits = (words)*value, nan = (words)((bits & 0x7fffffffu) > 0x7f800000u), near = bits + 0x7fffu + (bits >> 16 & 1u);
    halves half = __builtin_convertvector(((near & ~nan) | ((bits | 0x400000u) & nan)) >> 16, halves);
    memcpy(to, &half, sizeof half);
}

ALWAYS void add_to(float *sum, const floats *more)
{
    floats old;
    read_wide(&old, sum);
    old += *more;
    memcpy(sum, &old, sizeof old);
}

#define EACH(i) _Pragma("GCC unroll 8") for (int i = 0; i < vectors; i++)

/* vectors is a constant after inlining; dy NULL: moments. */
ALWAYS void sum_columns(int vectors, const uint16_t *x, const uint16_t *dy, const float *shift, int64_t rows, int64_t columns, float *sum,
                        float *second)
{
    floats s[WIDE], q[WIDE];
    EACH(i) s[i] = q[i] = (floats){ 0 };
    for (int64_t row = 0; row < rows; row++, x += columns) {
        EACH(i)
        {
            floats u, d, off;
            read_narrow(&u, x + i * LANES);
            read_wide(&off, shift + i * LANES);
            u -= off;
            if (dy)
                read_narrow(&d, dy + row * columns + i * LANES);
            else
                d = u;
            s[i] += d;
            q[i] += d * u;
        }
    }
    EACH(i)
    {
        add_to(sum + i * LANES, &s[i]);
        add_to(second + i * LANES, &q[i]);
    }
}

FIG_CLONES
void fig__fast_moments_bf16(const uint16_t *x, const float *shift, int64_t rows, int64_t columns, float *sum, float *square)
{
    int64_t j = 0;
    for (; j + WIDE * LANES <= columns; j += WIDE * LANES)
        sum_columns(WIDE, x + j, NULL, shift + j, rows, columns, sum + j, square + j);
    for (; j + 2 * LANES <= columns; j += 2 * LANES)
        sum_columns(2, x + j, NULL, shift + j, rows, columns, sum + j, square + j);
    for (int64_t row = 0; j < columns && row < rows; row++)
        for (int64_t k = j; k < columns; k++) {
            float u = fig__from_bf16(x[row * columns + k]) - shift[k];
            sum[k] += u;
            square[k] += u * u;
        }
}

FIG_CLONES
void fig__fast_products_bf16(const uint16_t *x, const uint16_t *dy, const float *mean, int64_t rows, int64_t columns, float *sum,
                             float *product)
{
    int64_t j = 0;
    for (; j + WIDE * LANES <= columns; j += WIDE * LANES)
        sum_columns(WIDE, x + j, dy + j, mean + j, rows, columns, sum + j, product + j);
    for (; j + 2 * LANES <= columns; j += 2 * LANES)
        sum_columns(2, x + j, dy + j, mean + j, rows, columns, sum + j, product + j);
    for (int64_t row = 0; j < columns && row < rows; row++)
        for (int64_t k = j; k < columns; k++) {
            float d = fig__from_bf16(dy[row * columns + k]);
            sum[k] += d;
            product[k] += d * (fig__from_bf16(x[row * columns + k]) - mean[k]);
        }
}

FIG_CLONES
void fig__fast_affine_bf16(uint16_t *y, const uint16_t *x, const float *a, const float *b, int64_t rows, int64_t columns)
{
    for (int64_t row = 0; row < rows; row++, x += columns, y += columns) {
        int64_t j = 0;
        for (; j + LANES <= columns; j += LANES) {
            floats u, scale, shift;
            read_narrow(&u, x + j);
            read_wide(&scale, a + j);
            read_wide(&shift, b + j);
            u = scale * u + shift;
            write_narrow(y + j, &u);
        }
        for (; j < columns; j++)
            y[j] = fig__to_bf16(a[j] * fig__from_bf16(x[j]) + b[j]);
    }
}

FIG_CLONES
void fig__fast_affine_two_bf16(uint16_t *z, const uint16_t *dy, const uint16_t *x, const float *a, const float *b, const float *c,
                               int64_t rows, int64_t columns)
{
    for (int64_t row = 0; row < rows; row++, x += columns, dy += columns, z += columns) {
        int64_t j = 0;
        for (; j + LANES <= columns; j += LANES) {
            floats u, d, first, second, shift;
            read_narrow(&u, x + j);
            read_narrow(&d, dy + j);
            read_wide(&first, a + j);
            read_wide(&second, b + j);
            read_wide(&shift, c + j);
            u = first * d + second * u + shift;
            write_narrow(z + j, &u);
        }
        for (; j < columns; j++)
            z[j] = fig__to_bf16(a[j] * fig__from_bf16(dy[j]) + b[j] * fig__from_bf16(x[j]) + c[j]);
    }
}
