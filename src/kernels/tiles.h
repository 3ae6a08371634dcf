/* kernels/tiles.h - the engine under every element-by-element program: single ops, fused programs, reductions, broadcasts
 *
 * A program is a list of steps over registers (ops/attributes.h, fig_fused_program). It runs over tiles of about a thousand
 * elements, so that intermediate registers stay in the first cache and memory is passed once, however many steps there are:
 *
 *     space (outer..., rows, columns) --> tile = some rows of one plane, or a piece of one row
 *     per tile:  find or expand operands -> step, step, step -> write or accumulate outputs
 *
 * Axes that all operands and outputs treat alike are merged first, so most programs see one or two axes. A tile is always a
 * straight run of the space. Parts (threads) own fixed ranges of tiles; each part sums into accumulators of its own, which
 * are combined in order of parts at the end. Elementwise outputs are written after the last read of an operand within a tile:
 * any of them may share memory with an operand of the space's full type. */
#ifndef FIG_KERNELS_TILES_H
#define FIG_KERNELS_TILES_H

#include "kernels/kernel.h"

typedef enum fig__combine { FIG__COMBINE_SUM, FIG__COMBINE_MAX } fig__combine;

typedef struct fig__tile_program {
    fig_type space;            /* dtype ignored */
    int n_in, n_steps, n_out;
    const fig_type *in;        /* operands stored in bf16 are widened tile by tile */
    const fig_type *out;       /* outputs stored in bf16 are narrowed as a tile ends; sums never are */
    const fig_fused_step *step;
    const int *outputs;        /* registers */
    const uint32_t *reduce;    /* per output: axes reduced; 0 = elementwise */
    const float *scale;        /* per output: factor after the sum */
    fig__combine combine;      /* of all reduced outputs */
} fig__tile_program;

typedef struct fig__tiles fig__tiles;
/* Every operand broadcasts to the space, sums are f32, and nothing stored in bf16 meets an i32. */
bool fig__tiles_accepts(const fig__tile_program *program);
fig__tiles *fig__tiles_new(const fig__tile_program *program, int threads, size_t *workspace);
void fig__tiles_free(fig__tiles *tiles);
void fig__tiles_run(const fig__tiles *tiles, fig_eval *c);

/* -- pointwise_fast.c: one function per row of pointwise.def; y may be an operand's array exactly, not overlap it otherwise -- */
typedef void fig__tile(float *y, const float *const *x, const float *p, int64_t n); /* x: as many arrays as it has operands */
/* f32 operands: all arrays; the first a single number; the second a single number (two-operand rows only, else NULL). */
enum { FIG__TILE_ARRAYS, FIG__TILE_NUMBER_FIRST, FIG__TILE_NUMBER_SECOND, FIG__TILE_FORMS };
extern fig__tile *const fig__tile_f32[][FIG__TILE_FORMS];
/* The first form where it has been written by hand for this processor (activations_fast.c), else NULL. */
fig__tile *fig__fast_activation(int code);
extern fig__tile *const fig__tile_i32[]; /* i32 operands (bits in float arrays); NULL where there is no i32 form */

/* Several steps in one, for what optimizers and gradients are made of (tiles_join.c finds them). n: a single number. */
enum {
    FIG__JOIN_WEIGHTED,  /* p0 a + p1 b */
    FIG__JOIN_SQUARE,    /* p0 a + p1 b b */
    FIG__JOIN_PRODUCT,   /* p0 a b + p1 c */
    FIG__JOIN_ROOT,      /* sqrt(a) n + p0 */
    FIG__JOIN_QUOTIENT,  /* a - b n / c, operands a, b, c, n */
    FIG__JOINS
};
extern fig__tile *const fig__tile_joined[FIG__JOINS];

/* -- tiles_fast.c: moving and adding up tiles -------------------------------------------------------------------------------- */
float fig__fast_sum(const float *x, int64_t n);
float fig__fast_sum_squares(const float *x, int64_t n);
float fig__fast_max(const float *x, int64_t n); /* NaN when there is one */
/* out[i] = sum of x[i * columns ... + columns) */
void fig__fast_row_sums(float *out, const float *x, int64_t rows, int64_t columns);
void fig__fast_fill(float *y, float value, int64_t n);
/* acc[j] += sum over rows of x[row * columns + j] */
void fig__fast_add_columns(float *acc, const float *x, int64_t rows, int64_t columns);
void fig__fast_max_columns(float *acc, const float *x, int64_t rows, int64_t columns);
void fig__fast_add_to_double(double *acc, const float *x, int64_t n);
/* Copies past the caches. y is 64-byte aligned. */
void fig__fast_stream(float *y, const float *x, int64_t n);

#endif
