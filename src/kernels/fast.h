/* kernels/fast.h - the inner loops of the *_fast.c files
 *
 * Those files hold no threads and no decisions: plain loops over arrays, compiled with fast-math and once per processor
 * generation (FIG_CLONES). The kernels beside them split the work and call these. All arrays are f32 and dense unless a
 * stride is given. */
#ifndef FIG_KERNELS_FAST_H
#define FIG_KERNELS_FAST_H

#include "ops/attributes.h"

/* -- matmul_rows_fast.c: products with at most FIG__ROWS rows, bound by reading the other operand once ------------------------ */
#define FIG__ROWS 4
/* c[i * c_row + j * c_column] = sum over k of a[i * k_length + k] * b[j * b_row + k], for i < m, j < n. */
void fig__fast_rows_dot(int m, int64_t n, int64_t k, const float *a, const float *b, int64_t b_row, float *c, int64_t c_row,
                        int64_t c_column);
/* c[i * c_row + j * c_column] = sum over k of a[i * k_length + k] * b[k * b_row + j]; n at most FIG__ROWS_WIDTH. */
#define FIG__ROWS_WIDTH 512
void fig__fast_rows_axpy(int m, int64_t n, int64_t k, const float *a, const float *b, int64_t b_row, float *c, int64_t c_row,
                         int64_t c_column);

/* -- matmul_lines_fast.c: the same with b stored in bf16, or as int8 lines (ops/int8.h); one row of a ------------------------------- */
/* c[j] = sum over k of a[k] * b[j * k_length + k], for j < n. */
void fig__fast_lines_f32(int64_t n, int64_t k, const float *a, const float *b, float *c);
void fig__fast_lines_bf16(int64_t n, int64_t k, const float *a, const uint16_t *b, float *c);
void fig__fast_lines_int8(int64_t n, int64_t k, const float *a, const int8_t *b, const float *scale, float *c);
/* -- matmul_digits_fast.c: int8 lines without their scales, by whole numbers; false where processor or row do not allow it ------------- */
bool fig__fast_lines_digits(int64_t n, int64_t k, const float *a, const int8_t *b, float *c);

/* -- epilogue_fast.c ------------------------------------------------------------------------------------------------------------ */
/* c (rows, n) = activation(c + bias); bias (n) may be NULL. */
void fig__fast_epilogue(float *c, int64_t rows, int64_t n, const float *bias, const fig_epilogue *after);

/* Rows y[i] += added[i] + bias, which may be NULL, of n numbers; sums (n) += sum over them. */
void fig__fast_plus(float *const *y, const float *const *added, int64_t rows, int64_t n, const float *bias, float *sums);

/* -- softmax_fast.c: one row of n at a time; results may stand where an operand stood ------------------------------------------- */
void fig__fast_softmax(float *y, const float *x, int64_t n);
void fig__fast_log_softmax(float *y, const float *x, int64_t n);
float fig__fast_logsumexp(const float *x, int64_t n);
/* dx = y (dy - sum(y dy)) */
void fig__fast_softmax_gradient(float *dx, const float *y, const float *dy, int64_t n);
/* dx = softmax(x) * scale */
void fig__fast_softmax_scaled(float *dx, const float *x, float scale, int64_t n);

/* -- attention_fast.c ------------------------------------------------------------------------------------------------------------ */
/* Rows of n scores in place: the first seen + t more of row t become softmax(scale * x), the others 0. more is 0 or 1. */
void fig__fast_attention_weights(float *x, float scale, int64_t rows, int64_t seen, int64_t more, int64_t n);
/* Rows of ds = p (dp - sum(p dp)) scale, into dp. */
void fig__fast_attention_slopes(float *dp, const float *p, float scale, int64_t rows, int64_t n);

/* -- attention_heads_fast.c: keys and values of a few heads next to one another, stored in bf16 --------------------------------- */
#define FIG__HEADS 4
typedef struct fig__heads {
    int heads;           /* 1 to FIG__HEADS */
    int64_t seen, width; /* positions, columns */
    int64_t apart, row;  /* from head to head in the cache, and in scores and weights */
} fig__heads;
/* score[l * row + i] = sum over d of q[l * width + d] keys[l * apart + i * width + d] */
void fig__fast_heads_keys(fig__heads h, const float *q, const uint16_t *keys, float *score);
/* y[l * width + d] = sum over i of weight[l * row + i] values[l * apart + i * width + d] */
void fig__fast_heads_values(fig__heads h, const float *weight, const uint16_t *values, float *y);

/* -- gate_fast.c: rows of 2 n numbers; `trace` may be x, `dx` may be `trace` ---------------------------------------------------- */
void fig__fast_gate(const float *x, float *trace, float *y, int64_t rows, int64_t n);
void fig__fast_gate_gradient(const float *trace, const float *dy, float *dx, int64_t rows, int64_t n);
/* The same with rows of dy so far apart; sums (2 n) += sum over rows of dx. */
void fig__fast_gate_gradient_sums(const float *trace, const float *dy, int64_t dy_row, float *dx, float *sums, int64_t rows, int64_t n);

/* -- normalise_fast.c ------------------------------------------------------------------------------------------------------------ */
/* Columns of (rows, columns): sum += x - shift, square += (x - shift)^2. */
void fig__fast_moments(const float *x, const float *shift, int64_t rows, int64_t columns, float *sum, float *square);
/* sum += dy, product += dy (x - mean) */
void fig__fast_products(const float *x, const float *dy, const float *mean, int64_t rows, int64_t columns, float *sum, float *product);
/* y = a x + b per column; y may be x. */
void fig__fast_affine(float *y, const float *x, const float *a, const float *b, int64_t rows, int64_t columns);
/* z = a dy + b x + c per column; z may be x or dy. */
void fig__fast_affine_two(float *z, const float *dy, const float *x, const float *a, const float *b, const float *c, int64_t rows,
                          int64_t columns);
/* normalise_bf16_fast.c: the four of bf16 storage. */
void fig__fast_moments_bf16(const uint16_t *x, const float *shift, int64_t rows, int64_t columns, float *sum, float *square);
void fig__fast_products_bf16(const uint16_t *x, const uint16_t *dy, const float *mean, int64_t rows, int64_t columns, float *sum,
                             float *product);
void fig__fast_affine_bf16(uint16_t *y, const uint16_t *x, const float *a, const float *b, int64_t rows, int64_t columns);
void fig__fast_affine_two_bf16(uint16_t *z, const uint16_t *dy, const uint16_t *x, const float *a, const float *b, const float *c,
                               int64_t rows, int64_t columns);
/* One row: mean and biased variance; then y = (x - mean) scale gamma + beta (either may be NULL). */
void fig__fast_row_moments(const float *x, int64_t n, float *mean, float *variance);
float fig__fast_row_square(const float *x, int64_t n); /* mean of squares */
void fig__fast_row_normalise(float *y, const float *x, float mean, float scale, const float *gamma, const float *beta, int64_t n);
/* One row's gradient: dx = scale (g - mean(g) - h mean(g h)) with g = dy gamma, h = (x - mean) scale; centred says whether
 * mean(g) is taken off. dgamma += dy h and dbeta += dy unless NULL. */
void fig__fast_row_backward(float *dx, const float *x, const float *dy, float mean, float scale, const float *gamma, bool centred,
                            float *dgamma, float *dbeta, int64_t n);

/* -- adam_fast.c: kernels/adam.c says what the numbers are ----------------------------------------------------------------------- */
typedef struct fig__adam {
    float scale, decay;                                        /* gradient = scale g + decay w */
    float keep_mean, add_mean, keep_square, add_square;        /* moving averages */
    float shrink, rate, root, eps;                             /* w shrink - mean rate / (sqrt(square) root + eps) */
} fig__adam;
void fig__fast_adam(const fig__adam *a, int64_t n, const float *g, const float *w, const float *m, const float *v, float *w_out,
                    float *m_out, float *v_out);

#endif
