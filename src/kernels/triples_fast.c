/* kernels/triples_fast.c - transforms of windows and weights, a row of channels at a time, and the products (kernels/triples.h)
 *
 * A tile of six windows by 32 columns: first m1 and m2 are summed, 24 registers; m1 + m2 is y1; then m1 - m2 stands in both sets, and
 * the sums of m0 and m3 begin there and end as y0 and y2. Each step of the 24 products asks for one line of memory, so that reading
 * and writing of long sequences goes on beside the products. Written for AVX-512; elsewhere other kernels are better. */
#include "kernels/tile_rows.h"
#include "kernels/triples.h"
#include "kernels/parallel.h"

#include <string.h>

FIG_CLONES
void fig__fast_triples_window(const float *const *row, int results, int64_t channels, float *v, int64_t plane)
{
    const float *restrict a = row[0], *restrict b = row[1], *restrict c = row[2], *restrict d = row[3];
    float *restrict v0 = v, *restrict v1 = v + plane, *restrict v2 = v + 2 * plane, *restrict v3 = v + 3 * plane;
    if (results == 1) {
        memcpy(v0, a, sizeof *v * (size_t)channels);
        memcpy(v3, b, sizeof *v * (size_t)channels);
        return;
    }
#pragma omp simd
    for (int64_t i = 0; i < channels; i++) {
        float bi = b[i], ci = c[i];
        v0[i] = a[i] - ci;
        v1[i] = bi + ci;
        v2[i] = bi - ci;
        v3[i] = d[i] - bi; /* of two results not used */
    }
}

FIG_CLONES
void fig__fast_triples_result(const float *const *row, int results, int64_t channels, float *d, int64_t plane)
{
    const float *restrict y0 = row[0], *restrict y1 = row[1], *restrict y2 = row[2];
    float *restrict d0 = d, *restrict d1 = d + plane, *restrict d2 = d + 2 * plane, *restrict d3 = d + 3 * plane;
    if (results == 1) { /* rows y1 and y2 are not there */
        memcpy(d0, y0, sizeof *d * (size_t)channels);
        memcpy(d3, y0, sizeof *d * (size_t)channels);
        return;
    }
#pragma omp simd
    for (int64_t i = 0; i < channels; i++) {
        float ends = y0[i] + y2[i], middle = y1[i];
        d0[i] = y0[i];
        d1[i] = middle + ends;
        d2[i] = middle - ends;
        d3[i] = y2[i];
    }
}

FIG_CLONES
void fig__fast_triples_weights(const float *u, const float *w, int64_t channels, float *p, int64_t plane)
{
    for (int64_t i = 0; i < channels; i++) {
        float ui = 0.5f * u[i], wi = 0.5f * w[i];
        p[i] = u[i];
        p[plane + i] = ui + wi;
        p[2 * plane + i] = ui - wi;
        p[3 * plane + i] = w[i];
    }
}

FIG_CLONES
void fig__fast_triples_taps(const float *m, int64_t plane, int64_t channels, float *u, float *w)
{
    for (int64_t i = 0; i < channels; i++) {
        float m1 = 0.5f * m[plane + i], m2 = 0.5f * m[2 * plane + i];
        u[i] = m[i] + (m1 + m2);
        w[i] = m[3 * plane + i] + (m1 - m2);
    }
}

/* -- products -------------------------------------------------------------------------------------------------------------- */

typedef float vector __attribute__((vector_size(64), aligned(4), may_alias));

#define EACH(R, i) _Pragma("GCC unroll 8") for (int i = 0; i < R; i++)
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__)
#define WIDE __attribute__((target("arch=x86-64-v4,prefer-vector-width=512"), noinline))
#else
#define WIDE
#endif

/* Adds the products of two planes to two sets of sums; rows in memory are walked by two pointers a plane. */
#define PASS(R, one, two)                                                                                            \
    {                                                                                                                \
        const float *x0 = t->v + (one) * k, *x3 = x0 + 3 * row, *y0 = t->v + (two) * k, *y3 = y0 + 3 * row;          \
        const float *restrict p = t->panel[one], *restrict q = t->panel[two], *end = p + 32 * k;                     \
        (void)x3, (void)y3;                                                                                          \
        for (; p < end; p += 32, q += 32, x0++, x3++, y0++, y3++, ask++) {                                           \
            vector p0 = *(const vector *)p, p1 = *(const vector *)(p + 16);                                          \
            vector q0 = *(const vector *)q, q1 = *(const vector *)(q + 16);                                          \
            __builtin_prefetch(*ask);                                                                                \
            EACH(R, i)                                                                                               \
            {                                                                                                        \
                float x = *(i < 3 ? x0 + i * row : x3 + (i - 3) * row), y = *(i < 3 ? y0 + i * row : y3 + (i - 3) * row); \
                a0[i] += x * p0;                                                                                     \
                a1[i] += x * p1;                                                                                     \
                b0[i] += y * q0;                                                                                     \
                b1[i] += y * q1;                                                                                     \
            }                                                                                                        \
        }                                                                                                            \
    }

#define PUT(number, i, low, high)                                \
    *(vector *)t->row[i][number] = (low) + *(const vector *)t->bias; \
    *(vector *)(t->row[i][number] + 16) = (high) + *(const vector *)(t->bias + 16)

#define TILE(R)                                                             \
    WIDE static void tile_##R(const fig__triples_tile *t)                   \
    {                                                                       \
        vector a0[R], a1[R], b0[R], b1[R];                                  \
        const int64_t k = t->k, row = FIG__TRIPLES_PLANES * k;              \
        const float *const *ask = t->ask;                                   \
        EACH(R, i) a0[i] = a1[i] = b0[i] = b1[i] = (vector){ 0 };           \
        if (t->single) {                                                    \
            PASS(R, 0, 3)                                                   \
            EACH(R, i) { PUT(0, i, a0[i] + b0[i], a1[i] + b1[i]); }         \
            return;                                                         \
        }                                                                   \
        PASS(R, 1, 2)                                                       \
        EACH(R, i)                                                          \
        {                                                                   \
            PUT(1, i, a0[i] + b0[i], a1[i] + b1[i]);                        \
            a0[i] = b0[i] = a0[i] - b0[i];                                  \
            a1[i] = b1[i] = a1[i] - b1[i];                                  \
        }                                                                   \
        PASS(R, 0, 3)                                                       \
        EACH(R, i)                                                          \
        {                                                                   \
            PUT(0, i, a0[i], a1[i]);                                        \
            PUT(2, i, b0[i], b1[i]);                                        \
        }                                                                   \
    }
TILE(1)
TILE(2)
TILE(3)
TILE(4)
TILE(5)
TILE(6)

void fig__fast_triples_tile(const fig__triples_tile *t, int64_t windows)
{
    static void (*const tile[])(const fig__triples_tile *) = { NULL, tile_1, tile_2, tile_3, tile_4, tile_5, tile_6 };
    tile[windows](t);
}

#define OUTER(R)                                                                                        \
    WIDE static void outer_##R(const fig__triples_outer *t)                                             \
    {                                                                                                   \
        vector low[R], high[R];                                                                         \
        const int64_t d_row = t->d_row, v_row = t->v_row, sum_row = t->sum_row;                         \
        const int64_t step = t->step[0], other_step = t->step[1];                                       \
        const float *d = t->d, *ask = t->ask[0], *other = t->ask[1];                                    \
        const float *restrict v = t->v, *end = v + t->k * v_row;                                        \
        float *restrict sum = t->sum;                                                                   \
        EACH_ROW(R, i)                                                                                  \
        {                                                                                               \
            low[i] = *(const vector *)(sum + i * sum_row);                                              \
            high[i] = *(const vector *)(sum + i * sum_row + 16);                                        \
        }                                                                                               \
        for (; v < end; v += v_row, d += d_row, ask += step, other += other_step) {                     \
            vector v0 = *(const vector *)v, v1 = *(const vector *)(v + 16);                             \
            __builtin_prefetch(ask);                                                                    \
            __builtin_prefetch(other);                                                                  \
            EACH_ROW(R, i)                                                                              \
            {                                                                                           \
                float x = d[i];                                                                         \
                low[i] += x * v0;                                                                       \
                high[i] += x * v1;                                                                      \
            }                                                                                           \
        }                                                                                               \
        EACH_ROW(R, i)                                                                                  \
        {                                                                                               \
            *(vector *)(sum + i * sum_row) = low[i];                                                    \
            *(vector *)(sum + i * sum_row + 16) = high[i];                                              \
        }                                                                                               \
    }
#define EACH_ROW(R, i) _Pragma("GCC unroll 16") for (int i = 0; i < R; i++)
FIG__EACH_TILE(OUTER)

void fig__fast_triples_outer(const fig__triples_outer *t, int64_t rows)
{
    static void (*const outer[])(const fig__triples_outer *) = FIG__TILE_TABLE(outer);
    outer[rows](t);
}
