/* kernels/triples.h - the transforms of convolutions of two taps with fewer multiplications (kernels/convolution_triples.c)
 *
 * Four numbers a, b, c, d of a sequence, one dilation apart, make three results of the taps u, w (Winograd):
 *
 *     y0 = a u + b w    m0 = (a - c) u            y0 = m0 + m1 - m2
 *     y1 = b u + c w    m1 = (b + c) (u + w)/2    y1 = m1 + m2
 *     y2 = c u + d w    m2 = (b - c) (u - w)/2    y2 = m1 - m2 + m3        m3 = (d - b) w
 *
 * Where a sequence ends there may be two results, which do without m3, or one: y0 = m0 + m3 with m0 = a u, m3 = b w. Everything is a
 * row of channels at a time; plane p of a transform lies p * plane further. */
#ifndef FIG_KERNELS_TRIPLES_H
#define FIG_KERNELS_TRIPLES_H

#include <stdbool.h>
#include <stdint.h>

#define FIG__TRIPLES_PLANES 4

/* v = a - c, b + c, b - c, d - b of the rows a to d */
void fig__fast_triples_window(const float *const *row, int results, int64_t channels, float *v, int64_t plane);
/* d = what the rows y0 to y2 give to m0 to m3: y0, y0 + y1 + y2, y1 - y0 - y2, y2 */
void fig__fast_triples_result(const float *const *row, int results, int64_t channels, float *d, int64_t plane);
/* p = u, (u + w)/2, (u - w)/2, w */
void fig__fast_triples_weights(const float *u, const float *w, int64_t channels, float *p, int64_t plane);
/* u and w from sums of products by planes: m0 + (m1 + m2)/2, m3 + (m1 - m2)/2 */
void fig__fast_triples_taps(const float *m, int64_t plane, int64_t channels, float *u, float *w);

/* Some windows times 32 columns of the weights: sums stay in registers until they are results, so nothing lies between. */
#define FIG__TRIPLES_ROWS 6
typedef struct fig__triples_tile {
    int64_t k;             /* channels read */
    const float *v;        /* window i, plane p at v + (4 i + p) k */
    const float *panel[FIG__TRIPLES_PLANES]; /* packed: number j of line l at panel[p][32 l + j] */
    const float *bias;     /* 32 numbers */
    float *row[FIG__TRIPLES_ROWS][3];        /* where results go; all three are written unless `single` */
    bool single;           /* one result a window */
    const float *const *ask; /* 2 k places of memory that will be wanted soon; one is asked for at each step */
} fig__triples_tile;
void fig__fast_triples_tile(const fig__triples_tile *t, int64_t windows);

/* Outer products of the weight gradient: sum[i sum_row + j] += sum over k of d[k d_row + i] v[k v_row + j], for i < rows and
 * j < 32; memory from `ask` on is asked for, `step` floats further with each k, in two places. */
#define FIG__TRIPLES_OUTER 13
typedef struct fig__triples_outer {
    int64_t k;
    const float *d, *v, *ask[2];
    float *sum;
    int64_t d_row, v_row, sum_row, step[2];
} fig__triples_outer;
void fig__fast_triples_outer(const fig__triples_outer *t, int64_t rows);

#endif
